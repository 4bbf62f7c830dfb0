//! An exit of which the broker is known to have taken nothing, because it never left this machine or its call was refused
//! unread, goes again: as a new order with a tag of its own, down the whole line, a few times and ever more slowly. An entry
//! never does. The tag that failed stays known: should the broker show it after all, that is late truth.
//!
//! By policy (`resend_absent_exit`) one does too that was proven absent, once positions that were asked for after the proof show what it
//! was to close. The exits of a fired rule are not asked for here in that case, and no policy holds them back: `exits/follow.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::{Concern, Findings, WatcherActor, square_off};
use crate::engine_signal::EngineSignal;
use crate::line::Phase;
use crate::order::{CommandId, HoldingKey, LegDraft, OrderRecord, Product, Side, SignalId, Source, Status, Strategy, Tag, again_key};
use crate::persistence::{Book, KillLevel, Level, counts_as_exit};
use crate::settings::Resends;

/// How often, and how slowly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) wait: Duration,
    pub(super) resends: Resends,
}

/// Whether the end of an order proves that the broker took none of it, and it may go through another time: nothing left
/// this machine, or the call was refused, and not the order, for too many calls or for want of a session. The next one
/// waits for the window to open, or for a session, where it waits for its turn anyway.
fn never_left(tag: Option<Tag>) -> bool {
    matches!(tag, Some(Tag::NotSent | Tag::RateLimited | Tag::BrokerNotLoggedIn))
}

/// Whether the books lacked it for so long that it counts as absent, and it is no rule's and no square-off's: those send the next one
/// themselves.
fn was_absent(order: &OrderRecord) -> bool {
    order.tag == Some(Tag::NotAtBroker) && !matches!(order.source, Source::System | Source::Stop)
}

/// How many orders before this one, each the parent of the next, came to nothing in the same way.
pub(super) fn attempts(book: &Book, order: &OrderRecord) -> u32 {
    let mut count = 0;
    let mut parent = order.parent_command_id;
    while let Some(before) = parent.and_then(|id| book.order(id)).filter(|before| never_left(before.tag) || was_absent(before)) {
        count += 1;
        parent = before.parent_command_id;
    }
    count
}

/// Whether a failed exit will go again by itself. One of a square-off does for as long as that is wanted, and from there.
#[must_use]
pub fn goes_again(book: &Book, order: &OrderRecord, resends: Resends) -> bool {
    let is_one = order.is_exit() && !order.is_test() && !order.is_resting_stop();
    let is_wanted = !square_off::has_sent(order) || book.control().level_for(&order.ask.strategy) >= KillLevel::SquareOff;
    let took_nothing = never_left(order.tag) || (resends.absent && was_absent(order));
    is_one && is_wanted && order.status == Status::Failed && took_nothing && attempts(book, order) < resends.most
}

/// Whether the broker's positions, asked for after the order was proven absent, show that what it was to close is there. What a book has
/// hidden may have filled.
fn is_shown_unclosed(order: &OrderRecord, key: &HoldingKey, findings: &Findings) -> bool {
    let is_newer = findings.positions.as_ref().is_some_and(|positions| positions.began_seq >= order.seq);
    let net = findings.net(key).filter(|_| is_newer).unwrap_or(0);
    Side::of_net(net).map(Side::opposite) == order.ask.side && net.abs() >= order.unfilled()
}

/// What becomes of a failed exit that may go again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// It goes again now.
    Now(Arc<OrderRecord>),
    /// It does not: this exit of the position came later, is of another signal, and leaves units of it.
    Overtaken(Arc<OrderRecord>, CommandId),
}

/// The exits that go again now, each for what no other exit of its position is for; and those that do not, because somebody has sent
/// another since. A position that a kill squares off has its exits from there, and a person's freeze holds.
pub(super) fn due(book: &Book, findings: &Findings, pace: Pace, now: DateTime<Utc>) -> Vec<Again> {
    let control = book.control();
    if control.is_frozen() {
        return Vec::new();
    }
    let mut rooms: BTreeMap<(Strategy, HoldingKey), i64> = BTreeMap::new();
    let mut found = Vec::new();
    for order in book.failed_exits().filter(|order| goes_again(book, order, pace.resends) && !has_gone_again(book, order)) {
        let wait = pace.wait.checked_mul(1 << attempts(book, order).min(16)).unwrap_or(Duration::MAX);
        // An end of later than now is of before the clock was set back: it has waited.
        let is_early = (Duration::zero()..wait).contains(&now.signed_duration_since(order.updated_at));
        let Some(key) = order.holding().filter(|key| !is_early && is_held_still(book, order, key)) else { continue };
        if control.level_for(&order.ask.strategy) >= KillLevel::SquareOff && key.product != Product::Cnc {
            continue;
        }
        if was_absent(order) && !is_shown_unclosed(order, &key, findings) {
            continue;
        }
        let room = rooms.entry((order.ask.strategy.clone(), key.clone())).or_insert_with(|| uncovered(book, order, &key));
        if *room <= 0 {
            continue;
        }
        match overtaken_by(book, order) {
            Some(later) => found.push(Again::Overtaken(Arc::clone(order), later.command_id)),
            None => {
                *room -= order.unfilled();
                found.push(Again::Now(Arc::clone(order)));
            }
        }
    }
    found
}

/// Whether an order has taken its place already.
fn has_gone_again(book: &Book, order: &OrderRecord) -> bool {
    book.after(order.number).any(|later| later.parent_command_id == Some(order.command_id))
}

/// Whether the position that it was sent to close is held, and was not opened since.
pub(super) fn is_held_still(book: &Book, order: &OrderRecord, key: &HoldingKey) -> bool {
    let held = book.held(&order.ask.strategy, key);
    let closes = Side::of_net(held.net).map(Side::opposite) == order.ask.side;
    closes && held.opened_at.is_none_or(|opened| order.signal_time >= opened)
}

/// Units of its position that no open exit is for. A stop that rests at the broker makes way for any other.
fn uncovered(book: &Book, order: &OrderRecord, key: &HoldingKey) -> i64 {
    let (strategy, last) = (&order.ask.strategy, OrderRecord { number: u64::MAX, ..order.clone() });
    let claims = book.exiting(&last, Some(strategy), key).saturating_sub(book.makes_way(&last, strategy, key));
    book.held(strategy, key).net.abs().saturating_sub(claims)
}

/// A later exit of its position that is of another signal: what that one is for is what is wanted now. The orders of one signal, and
/// what was sent again for them, are one wish.
fn overtaken_by<'a>(book: &'a Book, order: &'a OrderRecord) -> Option<&'a OrderRecord> {
    let wish = book.first_of(order).signal_id;
    let later = book.newest_of(&order.ask.strategy).map(|later| &**later).take_while(|later| later.number > order.number);
    later.filter(|later| is_an_exit_of(order, later)).find(|later| book.first_of(later).signal_id != wish)
}

fn is_an_exit_of(order: &OrderRecord, later: &OrderRecord) -> bool {
    let differ = later.ask.product.zip(order.ask.product).is_some_and(|(its, mine)| its != mine);
    later.is_exit() && !later.is_test() && counts_as_exit(later) && !differ && later.instrument() == order.instrument()
}

impl WatcherActor {
    fn pace(&self) -> Pace {
        let waits = &self.desk.settings.waits;
        Pace { wait: Duration::from_std(waits.resend_exit).unwrap_or(Duration::MAX), resends: waits.resends() }
    }

    /// Sends again what is due. Derived from the book at every poll, so a restart forgets none; the key makes it once.
    pub(super) fn resend_exits(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        self.load_rules();
        let due = {
            let findings = self.desk.findings.read();
            self.line.view.read(&self.desk.client_id, |book| due(book, &findings, self.pace(), now)).unwrap_or_default()
        };
        for again in due {
            let order = match again {
                Again::Now(order) if self.core.rules.have_taken_back(&order) => continue,
                Again::Now(order) => order,
                Again::Overtaken(order, later) => {
                    self.tell_who_overtakes(&order, later);
                    continue;
                }
            };
            let Ok(key) = again_key(order.command_id) else { continue };
            if !self.is_time_to_resend(order.command_id, now) {
                continue;
            }
            tracing::warn!(client_id = %self.desk.client_id, command_id = %order.command_id, "an exit of which the broker took nothing goes again as a new order");
            metrics::counter!("ordergate_exits_resent_total").increment(1);
            let own = EngineSignal::for_order(SignalId(self.line.ids.next()), &order, vec![LegDraft::again(&order)]);
            // As old as the first: it must not close a position that was opened since.
            own.once(Some(key)).made_at(Some(order.signal_time)).submit(&self.line, &self.desk, now);
        }
    }

    /// Whether the exit goes again now: what was lost on the way is asked for again, and the key makes it one.
    pub(super) fn is_time_to_resend(&mut self, order: CommandId, now: DateTime<Utc>) -> bool {
        let again = Duration::from_std(self.desk.settings.waits.cancel_again).unwrap_or(Duration::MAX);
        let resent = &mut self.core.resent;
        self.line.view.read(&self.desk.client_id, |book| resent.retain(|order, _| book.order(*order).is_some()));
        let is_asked = resent.get(&order).is_some_and(|asked| *asked <= now && now.signed_duration_since(*asked) < again);
        if !is_asked {
            resent.insert(order, now);
        }
        !is_asked
    }

    /// It was said to go again. What a rule has fired is followed there.
    fn tell_who_overtakes(&mut self, order: &OrderRecord, later: CommandId) {
        if self.core.rules.fired_of(order).is_some() {
            return;
        }
        let text = format!(
            "exit {} of {} in {}, of which the broker took none, does not go again: exit {later} of the same position came since; \
             look whether it is for all that is to be closed",
            order.command_id, order.ask.strategy, order.ask.symbol
        );
        self.concern(Concern { event: "ALARM_EXIT_FAILED", level: Level::Page, text, command_id: Some(order.command_id) });
    }

    /// Whether an exit that has just failed is taken care of: a square-off sends the next one, or it goes again by itself.
    pub(super) fn will_resend(&self, order: &OrderRecord) -> bool {
        let is_cared_for = |book: &Book| {
            let goes = goes_again(book, order, self.desk.settings.waits.resends());
            goes && !self.core.rules.have_taken_back(order) && (square_off::has_sent(order) || overtaken_by(book, order).is_none())
        };
        self.line.view.read(&self.desk.client_id, is_cared_for).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::Control;
    use crate::testkit::builders::{Build, at, book_of, broker_shows, command, exit, frozen_control, order, sbin_in};

    const PACE: Pace = Pace { wait: Duration::seconds(2), resends: Resends { most: 2, absent: false } };

    fn due(book: &Book, pace: Pace, now: DateTime<Utc>) -> Vec<Again> {
        super::due(book, &Findings::default(), pace, now)
    }

    fn failed(number: u64, parent: Option<u64>) -> OrderRecord {
        let sent = exit(number).side(Side::Sell).asks(10).product(Product::Mis).ended(Status::Failed, Some(Tag::NotSent));
        OrderRecord { parent_command_id: parent.map(command), updated_at: at(0), ..sent }
    }

    fn goes(book: &Book, second: i64) -> Vec<u64> {
        let now = |again: &Again| match again {
            Again::Now(order) => Some(order.number),
            Again::Overtaken(..) => None,
        };
        due(book, PACE, at(second)).iter().filter_map(now).collect()
    }

    fn numbers(orders: Vec<OrderRecord>, second: i64) -> Vec<u64> {
        goes(&book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]), second)
    }

    /// One of the orders that a signal to leave became, for so many units.
    fn part(number: u64, units: i64) -> OrderRecord {
        OrderRecord { signal_id: failed(1, None).signal_id, ..failed(number, None).asks(units) }
    }

    #[test]
    fn an_end_that_lies_ahead_is_of_before_the_clock_was_set_back_and_has_waited() {
        let ahead = OrderRecord { updated_at: at(600), ..failed(1, None) };
        assert_eq!(numbers(vec![ahead], 2), [1]);
        assert_eq!(numbers(vec![failed(1, None)], 1), Vec::<u64>::new());
    }

    #[test]
    fn each_of_the_orders_of_one_wish_goes_again_for_what_no_other_is_for() {
        assert_eq!(numbers(vec![part(2, 6), part(3, 4)], 2), [2, 3]);
        let done = |number| OrderRecord { updated_at: at(0), ..part(number, 4) }.working("3").filled(4, 4);
        assert_eq!(numbers(vec![part(2, 6), done(3)], 2), [2], "the other one has filled");
        let again = OrderRecord { parent_command_id: Some(command(3)), ..failed(4, Some(3)).asks(4).working("4").filled(4, 4) };
        assert_eq!(numbers(vec![part(2, 6), part(3, 4), again.clone()], 2), [2], "what was sent again for the other one has filled");
        let under_way = |units| part(3, units).working("3");
        assert_eq!(numbers(vec![part(2, 6), under_way(4)], 2), [2]);
        assert_eq!(numbers(vec![part(2, 6), under_way(10)], 2), Vec::<u64>::new(), "it is for all that is held");
        assert_eq!(numbers(vec![part(2, 6), part(3, 6)], 2), [2, 3], "what is too much is capped where it is sized");
    }

    /// Whoever has sent another exit since has had the last word; and people were told that this one goes again.
    #[test]
    fn one_that_another_signal_overtakes_does_not_go_again_and_is_named() {
        let later = |units: i64| exit(3).side(Side::Sell).asks(units).product(Product::Mis).working("3");
        let said = |orders: Vec<OrderRecord>, held| due(&book_of(orders, &[("trend", sbin_in(Product::Mis), held)]), PACE, at(2));
        let named = |again: &[Again]| matches!(again, [Again::Overtaken(order, by)] if (order.number, *by) == (2, command(3)));
        assert!(named(&said(vec![failed(2, None), later(4)], 10)));
        assert!(named(&said(vec![failed(2, None), later(4).filled(4, 4)], 6)));
        assert_eq!(said(vec![failed(2, None), later(10)], 10), vec![], "it is for all of it");
        let nothing = later(4).ended(Status::Failed, Some(Tag::DuplicateOrderBlocked));
        assert_eq!(numbers(vec![failed(2, None), nothing], 2), [2], "that never was one");
        assert_eq!(numbers(vec![failed(2, None), later(4).by("other")], 2), [2]);
        let made_before = OrderRecord { signal_time: at(-61), ..failed(2, None) };
        assert_eq!(numbers(vec![made_before], 2), Vec::<u64>::new(), "the position was opened since");
    }

    #[test]
    fn an_exit_that_never_left_goes_again_ever_more_slowly_and_not_for_ever() {
        assert_eq!(numbers(vec![failed(2, None)], 1), Vec::<u64>::new(), "not at once");
        assert_eq!(numbers(vec![failed(2, None)], 2), [2]);
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2))], 3), Vec::<u64>::new());
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2))], 4), [3]);
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2)), failed(4, Some(3))], 60), Vec::<u64>::new(), "twice is enough");
    }

    #[test]
    fn a_call_that_was_refused_unread_counts_like_one_that_never_left() {
        for tag in [Tag::RateLimited, Tag::BrokerNotLoggedIn] {
            let refused = |number, parent| OrderRecord { tag: Some(tag), ..failed(number, parent) };
            assert_eq!(numbers(vec![refused(2, None)], 2), [2], "{tag}");
            assert_eq!(numbers(vec![failed(2, None), refused(3, Some(2)), refused(4, Some(3))], 60), Vec::<u64>::new(), "{tag}: bounded");
            let entry = order(2).ended(Status::Failed, Some(tag));
            assert_eq!(numbers(vec![entry], 60), Vec::<u64>::new(), "an entry never does");
        }
    }

    #[test]
    fn nothing_else_goes_again() {
        let ended = |tag| exit(2).ended(Status::Failed, Some(tag));
        for tag in [Tag::BrokerRejected, Tag::NotAtBroker, Tag::CancelledByUser, Tag::KillSwitch, Tag::EngineFault] {
            assert_eq!(numbers(vec![ended(tag)], 60), Vec::<u64>::new(), "{tag}");
        }
        let entry = order(2).ended(Status::Failed, Some(Tag::NotSent));
        assert_eq!(numbers(vec![entry], 60), Vec::<u64>::new(), "an entry never does");
        assert_eq!(numbers(vec![failed(2, None), exit(3)], 60), Vec::<u64>::new(), "another exit is on its way");
        let flat = book_of([failed(2, None)], &[]);
        assert!(due(&flat, PACE, at(60)).is_empty(), "nothing is held");
        let turned = book_of([failed(2, None)], &[("trend", sbin_in(Product::Mis), -10)]);
        assert!(due(&turned, PACE, at(60)).is_empty(), "it would add");
    }

    #[test]
    fn one_that_was_absent_goes_again_by_policy_once_new_positions_show_what_it_closes() {
        let policy = Pace { resends: Resends { absent: true, ..PACE.resends }, ..PACE };
        let seq = broker_shows(&[]).positions.unwrap().began_seq;
        let absent = OrderRecord { tag: Some(Tag::NotAtBroker), seq, ..failed(2, None) };
        let goes = |order: &OrderRecord, pace: Pace, shown: i64| {
            let book = book_of([order.clone()], &[("trend", sbin_in(Product::Mis), 10)]);
            super::due(&book, &broker_shows(&[(sbin_in(Product::Mis), shown)]), pace, at(60)).len()
        };
        assert_eq!(goes(&absent, PACE, 10), 0, "a person sends the next one");
        assert_eq!(goes(&absent, policy, 10), 1);
        assert_eq!(goes(&absent, policy, 25), 1, "somebody holds more");
        for shown in [9, 0, -10] {
            assert_eq!(goes(&absent, policy, shown), 0, "{shown}: it may have filled");
        }
        let proven_since = OrderRecord { seq: seq + 1, ..absent.clone() };
        assert_eq!(goes(&proven_since, policy, 10), 0, "those positions are of before");
        for source in [Source::System, Source::Stop] {
            assert_eq!(goes(&OrderRecord { source, ..absent.clone() }, policy, 10), 0, "{source:?}: it is followed elsewhere");
        }
        let again = OrderRecord { tag: Some(Tag::NotAtBroker), seq, ..failed(3, Some(2)) };
        let third = OrderRecord { number: 4, command_id: command(4), parent_command_id: Some(command(3)), ..again.clone() };
        let book = book_of([absent, again, third], &[("trend", sbin_in(Product::Mis), 10)]);
        assert!(super::due(&book, &broker_shows(&[(sbin_in(Product::Mis), 10)]), policy, at(60)).is_empty(), "twice is enough");
    }

    #[test]
    fn a_freeze_and_a_square_off_hold_it_back() {
        let mut book = book_of([failed(2, None)], &[("trend", sbin_in(Product::Mis), 10)]);
        book.put_control(frozen_control());
        assert!(due(&book, PACE, at(60)).is_empty());
        book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
        assert!(due(&book, PACE, at(60)).is_empty());
        book.put_control(Control { level: KillLevel::CancelEntries, ..Control::default() });
        assert_eq!(due(&book, PACE, at(60)).len(), 1);
    }

    #[test]
    fn the_exit_of_a_square_off_does_not_go_again_when_that_is_over() {
        let ours = OrderRecord { source: crate::order::Source::System, user: Arc::from("kill level 3"), ..failed(2, None) };
        let mut book = book_of([ours.clone()], &[("trend", sbin_in(Product::Mis), 10)]);
        assert!(due(&book, PACE, at(60)).is_empty() && !goes_again(&book, &ours, PACE.resends));
        book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
        assert!(due(&book, PACE, at(60)).is_empty() && goes_again(&book, &ours, PACE.resends), "the square-off sends the next one");
    }
}
