//! The resting limit order that a target has sent. It takes a profit, protects nothing, and may rest all day; so any other exit of the
//! position goes before it.

use super::rule::{Cause, ExitRule, slot};
use crate::order::{OrderRecord, OrderType, Source};
use crate::persistence::Book;

/// Whether an exit is what its rule's target has sent, also when it was sent again.
#[must_use]
pub fn is_of_its_target(order: &OrderRecord, book: &Book) -> bool {
    let rule = || book.kept(&slot(&order.ask.strategy, &order.holding()?))?.read::<ExitRule>().ok();
    let fired = || rule()?.fired.filter(|fired| fired.cause == Cause::Target);
    order.source == Source::System && order.is_exit() && fired().is_some_and(|fired| book.first_of(order).signal_id == fired.signal)
}

/// Whether an exit is the limit of its rule's target and rests at the broker, so that it can be taken back.
#[must_use]
pub fn rests_at_its_target(order: &OrderRecord, book: &Book) -> bool {
    let rests = order.ask.order_type == Some(OrderType::Limit) && order.status.is_at_broker() && !order.is_in_doubt();
    rests && is_of_its_target(order, book)
}
