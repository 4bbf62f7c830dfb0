//! Kill level 3: everything that this engine opened is squared off, delivery holdings aside. The exits walk the same
//! line as any other, shorts first; what was bought waits for the short that it covers ([`Covers`](super::covers::Covers)).
//!
//! They are wanted for as long as the level stands. One that was not sent when it falls is withdrawn: it may have waited for the
//! market to open, and would sell then what nobody wants sold. Which those are is read from the rows at every look.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::covers::Wanted;
use crate::engine_signal::EngineSignal;
use crate::exits::Wish;
use crate::exits_again::leg_of;
use crate::line::{Desk, Line};
use crate::order::{OrderRecord, SignalId, Source, Status, trading_date};
use crate::persistence::{Book, KillLevel, Level};

/// Whom the orders of a square-off are from. No other order of the engine's has this name.
pub(super) const SENDER: &str = "kill level 3";

/// Whether a square-off sent the order, or the one that it repeats.
pub(super) fn has_sent(order: &OrderRecord) -> bool {
    order.source == Source::System && &*order.user == SENDER
}

/// Whether a square-off sent it that nobody wants any more.
pub(super) fn is_over(order: &OrderRecord, book: &Book, now: DateTime<Utc>) -> bool {
    has_sent(order) && book.control().level_on(&order.ask.strategy, trading_date(now)) < KillLevel::SquareOff
}

/// What is left of square-offs that nobody wants any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOver {
    /// Exits that were not sent.
    pub unsent: Vec<Arc<OrderRecord>>,
    /// Exits that are at the broker, or may be, and that nobody cancels.
    pub at_broker: Vec<Arc<OrderRecord>>,
}

impl LeftOver {
    /// What the book says of it.
    #[must_use]
    pub fn of(book: &Book, now: DateTime<Utc>) -> Self {
        let left = book.open_orders().filter(|order| is_over(order, book, now) && order.cancel_wanted.is_none());
        let (unsent, at_broker) = left.cloned().partition(|order| order.status == Status::Created);
        Self { unsent, at_broker }
    }
}

/// Sends the exits of these positions: no more than one signal has room for.
pub(super) fn send(line: &Arc<Line>, desk: &Arc<Desk>, goes: &[Wanted], now: DateTime<Utc>) {
    let leg = |one: &Wanted| leg_of(line, desk, &Wish { strategy: &one.strategy, key: &one.key, sender: SENDER }, None, now);
    let legs: Vec<_> = goes.iter().map(leg).collect();
    line.alarm(
        Some(&desk.client_id),
        "ALARM_SQUARE_OFF",
        Level::Warn,
        None,
        format!("kill level 3: squaring off {} positions", legs.len()),
    );
    EngineSignal::new(SignalId(line.ids.next()), SENDER, legs).submit(line, desk, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{CommandId, Product, Tag};
    use crate::persistence::{Control, ControlChange, HaltCause};
    use crate::testkit::builders::{Build, at, book_of, command, exit, order, sbin_in, strategy};

    fn of_square_off(number: u64) -> OrderRecord {
        OrderRecord { source: Source::System, user: Arc::from(SENDER), ..exit(number) }
    }

    fn left(orders: Vec<OrderRecord>, control: Control) -> (Vec<CommandId>, Vec<CommandId>) {
        let mut book = book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]);
        book.put_control(control);
        let ids = |orders: Vec<Arc<OrderRecord>>| orders.iter().map(|order| order.command_id).collect();
        let LeftOver { unsent, at_broker } = LeftOver::of(&book, at(0));
        (ids(unsent), ids(at_broker))
    }

    #[test]
    fn what_was_not_sent_is_withdrawn_when_the_level_falls_and_what_the_broker_has_is_named() {
        let orders = || vec![of_square_off(1), of_square_off(2).working("1"), of_square_off(3).doubted()];
        let after = |change: ControlChange| Control::default().after(&change, "a test", "", at(0));
        assert_eq!(left(orders(), after(ControlChange::Account(KillLevel::SquareOff))), (vec![], vec![]), "it is wanted");
        for lower in [KillLevel::None, KillLevel::StopEntries, KillLevel::CancelEntries] {
            let fallen = left(orders(), after(ControlChange::Account(lower)));
            assert_eq!(fallen, (vec![command(1)], vec![command(2), command(3)]), "{lower:?}");
        }
        let being_cancelled = OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..of_square_off(1).working("1") };
        let ended = of_square_off(2).ended(Status::Executed, None);
        assert_eq!(left(vec![being_cancelled, ended], Control::default()), (vec![], vec![]));
    }

    #[test]
    fn exits_of_people_of_strategies_and_of_rules_are_nobodys_to_withdraw() {
        let rule = OrderRecord { source: Source::System, user: Arc::from("stop of trend"), ..exit(1) };
        let person = OrderRecord { source: Source::Dashboard, user: Arc::from(SENDER), ..exit(2) };
        assert_eq!(left(vec![rule, person, exit(3), order(4)], Control::default()), (vec![], vec![]));
    }

    #[test]
    fn a_level_that_stands_for_its_strategy_or_its_day_keeps_it() {
        let of_other = || of_square_off(1).by("other");
        let stop =
            |name: &str| Control::default().after(&ControlChange::Strategy(strategy(name), KillLevel::SquareOff), "a test", "", at(0));
        assert_eq!(left(vec![of_other(), of_square_off(2)], stop("other")), (vec![command(2)], vec![]), "each by its own strategy");
        let halted =
            |day| Control::default().after(&ControlChange::HaltDay(day, KillLevel::SquareOff, HaltCause::Loss), "RiskActor", "", at(0));
        let today = trading_date(at(0));
        assert_eq!(left(vec![of_other()], halted(today)), (vec![], vec![]));
        assert_eq!(left(vec![of_other()], halted(today.pred_opt().unwrap())), (vec![command(1)], vec![]), "its day is over");
    }
}
