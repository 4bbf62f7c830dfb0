//! Which of the broker's books are read when: pure. A broker that counts requests is asked fast only while something is
//! going on, and never so slowly that the desk goes blind.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use crate::broker::Reading;
use crate::order::{OrderRecord, Status};
use crate::persistence::Book;
use crate::settings::Waits;

/// How much is going on at a desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    /// Nothing is open.
    Idle,
    /// Orders are open: their book is read fast.
    Working,
    /// Something is not known: an order is in doubt, fills are outstanding, an exit waits for truth. All books are read fast.
    Unclear,
}

impl Activity {
    /// What the committed book shows.
    pub(super) fn of(book: &Book) -> Self {
        let waits = |order: &OrderRecord| order.is_exit() && order.status == Status::Created;
        if book.doubts().next().is_some() || book.owes() || book.open_orders().any(|order| waits(order)) {
            return Self::Unclear;
        }
        if book.open_count() > 0 { Self::Working } else { Self::Idle }
    }
}

/// Polls between two proofs of the session, and between two looks at the money.
const SESSION_EVERY: u32 = 30;

/// Polls between two reads of what is held for delivery: it changes overnight.
const HOLDINGS_EVERY: u32 = 300;

/// The books to be read now; `asked` tells when each was last asked for. The timer is the fast cadence, so anything due
/// within half of it is due now.
pub(super) fn due(waits: &Waits, activity: Activity, asked: &BTreeMap<Reading, DateTime<Utc>>, now: DateTime<Utc>) -> BTreeSet<Reading> {
    // Positions as old as `blind_after` stop entries: two reads must fit in.
    let books = waits.books_poll.min(waits.blind_after / 2).max(waits.poll);
    let cadence = |reading: Reading| match (reading, activity) {
        (Reading::Session | Reading::Funds, _) => waits.poll.saturating_mul(SESSION_EVERY),
        (Reading::Holdings, _) => waits.poll.saturating_mul(HOLDINGS_EVERY),
        (_, Activity::Unclear) | (Reading::Orders, Activity::Working) => waits.poll,
        (Reading::Orders, Activity::Idle) => waits.idle_poll.max(waits.poll),
        (Reading::Positions, _) => books,
        (Reading::Trades, _) => waits.books_poll.max(waits.poll),
    };
    let is_due = |reading: &Reading| {
        let every = Duration::from_std(cadence(*reading)).unwrap_or(Duration::MAX);
        let slack = Duration::from_std(waits.poll / 2).unwrap_or_default();
        // A clock that went back must not silence the reads.
        asked.get(reading).is_none_or(|at| now < *at || now.signed_duration_since(*at) >= every - slack)
    };
    [Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions, Reading::Holdings, Reading::Funds]
        .into_iter()
        .filter(is_due)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Wait;

    use proptest::prelude::*;

    use super::*;
    use crate::broker::{Decision, Lane, Meter, Turn, Turns};
    use crate::order::{Exchange, Tag};
    use crate::ports::Budget;
    use crate::testkit::builders::{Build, at, book_of, exit, order};

    fn counted() -> Waits {
        Waits {
            idle_poll: Wait::from_secs(5),
            books_poll: Wait::from_secs(15),
            blind_after: Wait::from_secs(40),
            ..Waits::standard(Wait::from_secs(1))
        }
    }

    /// How often each book is read within a minute.
    fn reads(waits: &Waits, activity: Activity) -> BTreeMap<Reading, usize> {
        let (mut asked, mut count) = (BTreeMap::new(), BTreeMap::new());
        for second in 0..60 {
            for reading in due(waits, activity, &asked, at(second)) {
                asked.insert(reading, at(second));
                *count.entry(reading).or_default() += 1;
            }
        }
        count
    }

    #[test]
    fn a_broker_that_counts_is_asked_fast_only_when_something_goes_on() {
        let all = [Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions, Reading::Holdings, Reading::Funds];
        let each = |count: [usize; 6]| BTreeMap::from_iter(all.into_iter().zip(count));
        assert_eq!(reads(&counted(), Activity::Idle), each([2, 4, 12, 4, 1, 2]));
        assert_eq!(reads(&counted(), Activity::Working), each([2, 4, 60, 4, 1, 2]));
        assert_eq!(reads(&counted(), Activity::Unclear), each([2, 60, 60, 60, 1, 2]));
        assert_eq!(
            reads(&Waits::standard(Wait::from_secs(1)), Activity::Idle),
            each([2, 60, 60, 60, 1, 2]),
            "one that does not is read each poll"
        );
    }

    #[test]
    fn positions_never_age_to_blindness() {
        let waits = Waits { blind_after: Wait::from_secs(6), ..counted() };
        assert_eq!(reads(&waits, Activity::Idle)[&Reading::Positions], 20);
        assert_eq!(reads(&waits, Activity::Idle)[&Reading::Trades], 4, "trades do not age");
    }

    /// What else goes on at a desk whose books are read.
    #[derive(Debug, Clone, Copy)]
    struct Traffic {
        activity: Activity,
        /// An entry, and the quote for it, are wanted each so many ms; zero: as fast as they may.
        entry_ms: i64,
        /// An exit goes each so many ms.
        exit_ms: i64,
        /// A read is answered after so many ms.
        answer_ms: i64,
    }

    /// The calls of some minutes as plan, turns and budget let them go.
    #[derive(Debug, Default)]
    struct Minutes {
        /// The oldest that the positions were, and the longest that nobody read an order book, ms.
        oldest: i64,
        oldest_orders: i64,
        reads: usize,
        entries: usize,
        exits_held_up: usize,
    }

    const MINUTES: i64 = 5;

    fn live(budget: Budget, traffic: Traffic) -> Minutes {
        let waits = Waits { blind_after: Wait::from_secs(15), ..counted() };
        let blind = Duration::from_std(waits.blind_after).unwrap();
        let (mut meter, mut turns, mut asked) = (Meter::new(Some(budget)), Turns::default(), BTreeMap::new());
        let mut under_way: Option<(Reading, i64)> = None;
        let (mut minutes, mut seen, mut orders_seen) = (Minutes::default(), None, None);
        for ms in (0..MINUTES * 60_000).step_by(50) {
            let now = at(0) + Duration::milliseconds(ms);
            let go = |meter: &mut Meter, lane| meter.spend(lane, Some(Exchange::Nse), now) == Decision::Go;
            if let Some((reading, _)) = under_way.filter(|(_, until)| *until <= ms) {
                under_way = None;
                match reading {
                    Reading::Positions => seen = Some(ms),
                    Reading::Orders => orders_seen = Some(ms),
                    Reading::Session | Reading::Trades | Reading::Holdings | Reading::Funds => {}
                }
            }
            if ms % 1_000 == 0 {
                let due = due(&waits, traffic.activity, &asked, now);
                asked.extend(due.iter().map(|reading| (*reading, now)));
                turns.want(due);
            }
            if ms % traffic.exit_ms == 0 {
                minutes.exits_held_up += usize::from(!go(&mut meter, Lane::Exit));
            }
            while (traffic.entry_ms == 0 || ms % traffic.entry_ms == 0) && meter.spend(Lane::Entry, None, now) == Decision::Go {
                minutes.entries += usize::from(go(&mut meter, Lane::Entry));
                if traffic.entry_ms > 0 {
                    break;
                }
            }
            if under_way.is_none()
                && let Turn::Read(reading) = turns.take(&mut meter, blind, false, now)
            {
                under_way = Some((reading, ms + traffic.answer_ms));
                minutes.reads += 1;
            }
            minutes.oldest = minutes.oldest.max(seen.map_or(0, |seen| ms - seen));
            minutes.oldest_orders = minutes.oldest_orders.max(orders_seen.map_or(0, |seen| ms - seen));
        }
        assert!(seen.is_some() && orders_seen.is_some(), "{traffic:?}");
        minutes
    }

    fn quiet(activity: Activity) -> Traffic {
        Traffic { activity, entry_ms: i64::MAX, exit_ms: i64::MAX, answer_ms: 200 }
    }

    /// By its own reads no desk goes blind, whatever goes on.
    #[test]
    fn an_account_stays_well_within_its_sight_in_every_activity() {
        for (activity, orders_within) in [(Activity::Idle, 9_000), (Activity::Working, 9_000), (Activity::Unclear, 10_000)] {
            let minutes = live(Budget::noren(), quiet(activity));
            assert!(minutes.oldest <= 10_000, "{activity:?}: {minutes:?}");
            assert!(minutes.oldest_orders <= orders_within, "{activity:?}: {minutes:?}");
            assert!(minutes.reads <= 45 * MINUTES as usize, "what is common is not read away: {activity:?}, {minutes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Nor beside entries and exits; and neither of these is starved by reads.
        #[test]
        fn no_traffic_makes_an_account_blind(
            activity in prop::sample::select(&[Activity::Idle, Activity::Working, Activity::Unclear][..]),
            entry_ms in prop_oneof![Just(0i64), Just(i64::MAX), (1i64..200).prop_map(|n| n * 50)],
            exit_ms in (60i64..400).prop_map(|n| n * 50),
            answer_ms in 0i64..1_500,
        ) {
            let traffic = Traffic { activity, entry_ms, exit_ms, answer_ms };
            let minutes = live(Budget::noren(), traffic);
            prop_assert!(minutes.oldest < 15_000, "{traffic:?}: {minutes:?}");
            prop_assert_eq!(minutes.exits_held_up, 0, "{:?}: {:?}", traffic, minutes);
            if entry_ms == 0 {
                // Two calls each, here and there a quote in vain, and exits come out of the same room.
                let least = (55 - 60_000 / exit_ms) / 4 * (MINUTES - 1);
                prop_assert!(minutes.entries as i64 >= least, "{traffic:?}: {minutes:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_went_back_is_read_at_once() {
        let asked = BTreeMap::from([(Reading::Orders, at(50))]);
        assert!(due(&counted(), Activity::Idle, &asked, at(10)).contains(&Reading::Orders));
    }

    #[test]
    fn what_is_not_known_counts_more_than_what_works() {
        let activity = |orders: Vec<OrderRecord>| Activity::of(&book_of(orders, &[]));
        assert_eq!(activity(vec![order(1).ended(Status::Executed, None)]), Activity::Idle);
        assert_eq!(activity(vec![order(1)]), Activity::Working);
        assert_eq!(activity(vec![order(1), exit(2)]), Activity::Unclear, "an exit waits");
        let doubt = OrderRecord { status: Status::SentToBroker, tag: Some(Tag::SendUnconfirmed), ..order(1) };
        assert_eq!(activity(vec![doubt]), Activity::Unclear);
        let owed = OrderRecord { filled_quantity: 10, ..order(1).ended(Status::Executed, None) };
        assert_eq!(activity(vec![OrderRecord { traded_quantity: 4, ..owed }]), Activity::Unclear);
    }
}
