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

    use super::*;
    use crate::order::Tag;
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

    /// What nothing but time asks for must fit into what reads may take of a minute at the default budget, with room for pages:
    /// else positions age, and entries are refused for it.
    #[test]
    fn an_idle_account_fits_into_the_share_of_its_reads() {
        let waits = Waits { blind_after: Wait::from_secs(15), ..counted() };
        let budget = crate::ports::Budget::of(10, 100);
        let common = (budget.per_minute - budget.reserved_per_minute) / 2;
        let calls: usize = reads(&waits, Activity::Idle).values().sum();
        assert!(calls + 6 <= common as usize, "{calls} of {common}");
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
