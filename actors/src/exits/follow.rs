//! What becomes of a rule that has fired: its exit is sent once, sent again if it came to nothing, and never beside
//! another. Derived from the committed book, so a restart at any moment changes nothing.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::reject::{Rejection, classify};
use super::rule::{Cause, ExitRule, Fired};
use crate::order::{CommandId, OrderRecord, OrderType, Product, Source, Tag};
use crate::persistence::{Book, NEWEST_KEPT};

/// What to do about a fired rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: its exit is under way, or its time has not come.
    Wait,
    /// Its exit is not on disk: the same signal goes once more, which is the same signal to the ledger.
    Again,
    /// Its exit came to nothing: another, in parts of so many units at most where that was the cause.
    Anew(Option<i64>),
    /// Its target did not trade and the exit has ended: it stands as before.
    Rearm,
    /// These exits rest at their prices and claim what must go now.
    Cancel(Vec<CommandId>),
    /// It does not go by itself: a person must look.
    Stuck(Rejection),
}

/// A message that was lost shows by this.
const LOST_AFTER: Duration = Duration::seconds(3);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::seconds(60);
/// The wait after an end for want of margin or of a session.
const SLOW: Duration = Duration::seconds(30);

/// See [`Next`]. `goes_again`: a failed exit that is sent again by itself, as one that never left this machine is.
#[must_use]
pub fn follow(rule: &ExitRule, book: &Book, goes_again: impl Fn(&OrderRecord) -> bool, now: DateTime<Utc>) -> Next {
    let Some(fired) = rule.fired.filter(|_| rule.sends_exits() && !book.control().is_frozen()) else { return Next::Wait };
    let covers = |order: &OrderRecord| {
        order.is_exit()
            && !order.is_test()
            && order.ask.strategy == rule.strategy
            && order.ask.product.is_none_or(|product| product == rule.holding.product)
    };
    let ended = book.newest().find(|order| order.signal_id == fired.signal);
    // Whoever cancels what a rule has sent wants the position kept: nothing of the rule goes against that.
    let is_of_it = |order: &&Arc<OrderRecord>| {
        covers(order) && order.is_for(&rule.holding.instrument) && matches!(order.source, Source::System | Source::Stop)
    };
    let newest_of_it = ended.and_then(|first| book.newest().take_while(|order| order.number >= first.number).find(is_of_it));
    let is_taken_back = fired.cause.is_urgent() && newest_of_it.is_some_and(|order| order.tag == Some(Tag::CancelledByUser));
    let open: Vec<&Arc<OrderRecord>> = book.open_in(&rule.holding.instrument).filter(|order| covers(order)).collect();
    if !open.is_empty() {
        let is_in_the_way = |order: &OrderRecord| {
            order.source != Source::System
                && order.signal_id != fired.signal
                && order.cancel_wanted.is_none()
                && order.working_type() != Some(OrderType::Market)
                && {
                    // One that came as a market order is on the ladder itself.
                    !order.is_protected_market()
                }
        };
        let resting: Vec<CommandId> = open.iter().filter(|order| is_in_the_way(order)).map(|order| order.command_id).collect();
        return if fired.cause.is_urgent() && !is_taken_back && !resting.is_empty() { Next::Cancel(resting) } else { Next::Wait };
    }
    let Some(ended) = ended else {
        if is_within(fired.at, LOST_AFTER, now) {
            return Next::Wait;
        }
        if !is_forgotten(book, fired.at) {
            return Next::Again;
        }
        return if fired.cause.is_urgent() { Next::Anew(None) } else { Next::Rearm };
    };
    if is_taken_back {
        return Next::Stuck(Rejection::TakenBack);
    }
    // The newest exit of the position tells more than the first of the rule: a resend is a child of it.
    let newest = book.newest().find(|order| covers(order) && order.is_for(&rule.holding.instrument)).unwrap_or(ended);
    if goes_again(newest) {
        return Next::Wait;
    }
    match goes_on_after(rule, newest) {
        None => Next::Stuck(rejection(rule, newest)),
        Some(wait) if is_within(newest.updated_at, wait, now) => Next::Wait,
        Some(_) if !fired.cause.is_urgent() => Next::Rearm,
        Some(_) if rejection(rule, newest) == Rejection::Freeze => Next::Anew(Some((newest.quantity() / 2).max(1))),
        Some(_) => Next::Anew(None),
    }
}

/// True for `wait` after `at`. False if the clock stands before `at` (it was set back): no exit is held up until it catches up.
fn is_within(at: DateTime<Utc>, wait: Duration, now: DateTime<Utc>) -> bool {
    (Duration::zero()..wait).contains(&now.signed_duration_since(at))
}

/// How long after the end of this exit a fired rule goes on by itself: with another exit, or armed as before. `None`: a person must look.
#[must_use]
pub fn goes_on_after(rule: &ExitRule, ended: &OrderRecord) -> Option<Duration> {
    if !rule.sends_exits() {
        return None;
    }
    let backed_off = Duration::seconds(1).checked_mul(1 << rule.attempt.min(6)).unwrap_or(LONGEST).min(LONGEST);
    if rule.fired.is_some_and(|fired| !fired.cause.is_urgent()) {
        return Some(backed_off.max(LOST_AFTER));
    }
    match rejection(rule, ended) {
        Rejection::Cutoff | Rejection::NothingThere | Rejection::TakenBack => None,
        Rejection::Margin | Rejection::Session => Some(backed_off.max(SLOW)),
        Rejection::Freeze | Rejection::Circuit | Rejection::Other => Some(backed_off),
    }
}

fn rejection(rule: &ExitRule, ended: &OrderRecord) -> Rejection {
    match ended.tag {
        Some(Tag::BrokerRejected) => classify(ended.reason.as_deref().unwrap_or("")),
        Some(Tag::MarketClosed) => Rejection::Session,
        // Of the other products the broker's positions tell within two reads that they were closed, and the rule ends.
        Some(Tag::NoPosition) if rule.holding.product == Product::Cnc => Rejection::NothingThere,
        _ => Rejection::Other,
    }
}

/// Whether orders of that time are on disk only. That a rule has fired is written with its exit, so that one was there.
fn is_forgotten(book: &Book, at: DateTime<Utc>) -> bool {
    let oldest = book.last_number().checked_sub(NEWEST_KEPT).and_then(|gone| book.order_by_number(gone + 1));
    oldest.is_some_and(|oldest| oldest.created_at > at)
}

impl ExitRule {
    /// Whether it sends exits until its position is left: it has fired, and nobody has switched it off since. The combined exit of a
    /// strategy leaves its positions whatever their own rules are.
    #[must_use]
    pub fn sends_exits(&self) -> bool {
        self.fired.is_some_and(|fired| self.is_on || fired.cause == Cause::Combined)
    }

    /// As a person switches it off: what was to be flat soon is not any more, and an exit of it that is on its way is the last. A target
    /// whose limit rests is still known as what it is. `is_left`: the combined exit of the strategy has fired, and leaves the position.
    #[must_use]
    pub fn switched_off(self, who: String, is_left: bool) -> Self {
        let fired = match self.fired {
            Some(fired) if is_left => Some(Fired { cause: Cause::Combined, ..fired }),
            fired => fired.filter(|fired| !fired.cause.is_urgent()),
        };
        let attempt = if is_left { self.attempt } else { 0 };
        Self { is_on: false, who, fired, attempt, ..self }
    }

    /// The exit of its firing that is open, or what was sent again for it.
    #[must_use]
    pub fn open_exit<'a>(&'a self, book: &'a Book) -> Option<&'a Arc<OrderRecord>> {
        let signal = self.fired?.signal;
        let mut open = book.open_in(&self.holding.instrument);
        open.find(|order| order.signal_id == signal || book.first_of(order).signal_id == signal)
    }

    /// From whom an exit of it is that fires for that cause.
    #[must_use]
    pub fn sender(&self, cause: Cause) -> String {
        format!("{cause} of {}", self.strategy)
    }

    /// Whether the rule, or one before it of the same position, sent that exit.
    #[must_use]
    pub fn has_sent(&self, order: &OrderRecord) -> bool {
        order.source == Source::System && Cause::ALL.iter().any(|cause| self.sender(*cause) == *order.user)
    }

    /// Whether a square-off of everything takes care of the position.
    #[must_use]
    pub fn is_squared_off(&self, book: &Book) -> bool {
        self.holding.product != Product::Cnc
            && book.control().level_for(&self.strategy) >= crate::persistence::KillLevel::SquareOff
            && !book.control().is_frozen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exits::Terms;
    use crate::order::{Holding, SignalId, Status};
    use crate::testkit::builders::{Build, at, book_of, command, exit, frozen_control, points, sbin_in, strategy};

    fn rule(cause: Cause, attempt: u32) -> ExitRule {
        let held = Holding { net: 10, cost: points(8000), realised: points(0), opened_at: Some(at(0)) };
        let terms = Terms { stop_loss: Some("790".parse().unwrap()), ..Terms::default() };
        let rule = ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held, terms, 1.into(), "a test".into(), at(0)).unwrap();
        let fired = Fired { cause, at: at(0), price: None, signal: SignalId(uuid::Uuid::from_u128(2)) };
        ExitRule { fired: Some(fired), attempt, ..rule }
    }

    fn next(rule: &ExitRule, orders: Vec<OrderRecord>, second: i64) -> Next {
        let book = book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]);
        follow(rule, &book, |order| order.tag == Some(Tag::NotSent), at(second))
    }

    fn ours(order: OrderRecord) -> OrderRecord {
        OrderRecord { source: Source::System, ..order }
    }

    fn failed(tag: Tag, reason: &str) -> OrderRecord {
        let order = ours(exit(2)).asks(10).ended(Status::Failed, Some(tag));
        OrderRecord { reason: Some(Arc::from(reason)), updated_at: at(0), ..order }
    }

    #[test]
    fn an_exit_that_is_not_on_disk_goes_again_as_the_same_signal() {
        let stop = rule(Cause::Stop, 0);
        assert_eq!((next(&stop, vec![], 1), next(&stop, vec![], 3)), (Next::Wait, Next::Again));
        assert_eq!(next(&stop, vec![ours(exit(2))], 60), Next::Wait, "under way");
    }

    /// Its exit has ended so long ago that it is not in memory: to the ledger the same signal would be the one of then.
    #[test]
    fn an_exit_that_only_the_disk_knows_is_not_sent_as_the_same_signal_for_ever() {
        let since = |second| OrderRecord { number: NEWEST_KEPT + 5, created_at: at(second), ..exit(5) }.ended(Status::Executed, None);
        let first_kept = |second| OrderRecord { number: 6, created_at: at(second), ..exit(6) }.ended(Status::Executed, None);
        let of = |cause, first| next(&rule(cause, 0), vec![first_kept(first), since(9)], 60);
        assert_eq!((of(Cause::Stop, 1), of(Cause::Target, 1)), (Next::Anew(None), Next::Rearm));
        assert_eq!(of(Cause::Stop, 0), Next::Again, "orders of then are in memory, and it is not among them");
    }

    #[test]
    fn what_came_to_nothing_goes_anew_ever_more_slowly_and_by_its_cause() {
        let stop = |attempt| rule(Cause::Stop, attempt);
        let cancelled = || vec![failed(Tag::BrokerCancelled, "")];
        assert_eq!((next(&stop(0), cancelled(), 0), next(&stop(0), cancelled(), 1)), (Next::Wait, Next::Anew(None)));
        assert_eq!((next(&stop(3), cancelled(), 7), next(&stop(3), cancelled(), 8)), (Next::Wait, Next::Anew(None)));
        let rejected = |words: &str, second| next(&stop(0), vec![failed(Tag::BrokerRejected, words)], second);
        assert_eq!(rejected("above the freeze quantity 5", 1), Next::Anew(Some(5)));
        assert_eq!((rejected("margin shortfall", 29), rejected("margin shortfall", 30)), (Next::Wait, Next::Anew(None)));
        assert_eq!(rejected("not allowed after square off time", 90), Next::Stuck(Rejection::Cutoff));
        let gone = |product| {
            let holding = sbin_in(product);
            let rule = ExitRule { holding: holding.clone(), ..rule(Cause::Stop, 0) };
            let book = book_of([failed(Tag::NoPosition, "the broker shows 0").product(product)], &[("trend", holding, 10)]);
            follow(&rule, &book, |_| false, at(90))
        };
        assert_eq!(gone(Product::Cnc), Next::Stuck(Rejection::NothingThere), "shares that somebody buys later are not sold");
        assert_eq!(gone(Product::Mis), Next::Anew(None), "two reads of the positions end its rule");
        assert_eq!(next(&stop(0), vec![failed(Tag::NotSent, "")], 60), Next::Wait, "it is sent again by itself");
    }

    #[test]
    fn a_rule_that_is_switched_off_sends_no_exit_whatever_became_of_the_last() {
        for orders in [vec![], vec![failed(Tag::BrokerRejected, "margin shortfall")], vec![failed(Tag::BrokerCancelled, "")]] {
            for cause in Cause::ALL {
                let off = ExitRule { is_on: false, ..rule(cause, 0) };
                let wanted = if cause == Cause::Combined { next(&rule(cause, 0), orders.clone(), 90) } else { Next::Wait };
                assert_eq!(next(&off, orders.clone(), 90), wanted, "{cause}");
            }
        }
        assert_eq!(goes_on_after(&ExitRule { is_on: false, ..rule(Cause::Stop, 0) }, &failed(Tag::BrokerCancelled, "")), None);
    }

    /// Whoever cancels what a rule has sent wants the position kept, and his own exit stays where it is.
    #[test]
    fn an_exit_that_a_person_cancelled_is_not_sent_again_and_takes_nobodys_place() {
        let cancelled = |number| {
            let order = ours(exit(number)).asks(10).ended(Status::Failed, Some(Tag::CancelledByUser));
            OrderRecord { updated_at: at(0), ..order }
        };
        let stop = rule(Cause::Stop, 0);
        assert_eq!(next(&stop, vec![cancelled(2)], 90), Next::Stuck(Rejection::TakenBack));
        assert_eq!(next(&rule(Cause::Target, 0), vec![cancelled(2)], 90), Next::Rearm, "a target stands as before");
        let again = OrderRecord { parent_command_id: Some(command(2)), ..cancelled(3) };
        assert_eq!(next(&stop, vec![failed(Tag::Replaced, ""), again], 90), Next::Stuck(Rejection::TakenBack), "nor what replaced it");
        let mut limit = exit(3).asks(10).working("1");
        (limit.ask.order_type, limit.ask.price) = (Some(OrderType::Limit), crate::order::Price::parse("900").ok());
        assert_eq!(next(&stop, vec![cancelled(2), limit.clone()], 90), Next::Wait);
        // What a person cancels of his own says nothing of the rule, nor does what was cancelled before it fired.
        let his = OrderRecord { source: Source::Dashboard, ..cancelled(3) };
        assert_eq!(next(&stop, vec![failed(Tag::BrokerCancelled, ""), his], 90), Next::Anew(None));
        assert_eq!(next(&stop, vec![cancelled(1), failed(Tag::BrokerCancelled, "")], 90), Next::Anew(None));
    }

    #[test]
    fn a_target_that_did_not_trade_stands_as_before_ever_more_slowly() {
        let after = |attempt, second| next(&rule(Cause::Target, attempt), vec![failed(Tag::BrokerExpired, "")], second);
        assert_eq!((after(0, 2), after(0, 3)), (Next::Wait, Next::Rearm));
        assert_eq!(after(0, -600), Next::Rearm, "a clock that was set back over a restart is not waited for");
        assert_eq!((after(4, 15), after(4, 16)), (Next::Wait, Next::Rearm));
        assert_eq!((after(40, 59), after(40, 60)), (Next::Wait, Next::Rearm));
        assert_eq!(next(&rule(Cause::Target, 0), vec![ours(exit(2)).working("1")], 60), Next::Wait);
    }

    #[test]
    fn a_resting_exit_of_somebody_else_makes_way_for_a_stop_only() {
        let mut limit = exit(3).asks(10).working("1");
        (limit.ask.order_type, limit.ask.price) = (Some(OrderType::Limit), crate::order::Price::parse("900").ok());
        assert_eq!(next(&rule(Cause::Stop, 0), vec![limit.clone()], 60), Next::Cancel(vec![command(3)]));
        assert_eq!(next(&rule(Cause::Target, 0), vec![limit], 60), Next::Wait);
    }

    #[test]
    fn a_freeze_holds_everything() {
        let mut book = book_of([], &[("trend", sbin_in(Product::Mis), 10)]);
        book.put_control(frozen_control());
        assert_eq!(follow(&rule(Cause::Stop, 0), &book, |_| false, at(60)), Next::Wait);
    }
}
