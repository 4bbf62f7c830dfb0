//! An entry that could trade against an order of our own is refused: wash trades are forbidden, and cost two commissions.
//! A stop rests nowhere until it is triggered, and two prices that do not meet never trade with each other. Here an entry is
//! held against our exits; against our other entries the guard holds it, whatever their prices.

use std::sync::Arc;

use super::{Checked, Inputs};
use crate::order::{InstrumentKey, OrderRecord, OrderType, Side, Tag};
use crate::persistence::Book;

fn rests(order: &OrderRecord) -> bool {
    !order.is_test() && !order.working_type().is_some_and(OrderType::has_trigger)
}

/// Whether a buy and a sale may meet: one without a price of its own meets everything.
fn meet(order: &OrderRecord, side: Side, other: &OrderRecord) -> bool {
    let Some((mine, theirs)) = order.ask.price.zip(other.ask.price) else { return true };
    match side {
        Side::Buy => mine >= theirs,
        Side::Sell => mine <= theirs,
    }
}

/// The open orders of the account that an order on this side could trade against. Those registered earlier count, and
/// those at the broker.
pub(in crate::risk) fn against<'a>(
    order: &'a OrderRecord,
    key: &'a InstrumentKey,
    side: Side,
    book: &'a Book,
) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
    book.open_in(key).filter(move |other| is_against(order, side, other))
}

fn is_against(order: &OrderRecord, side: Side, other: &OrderRecord) -> bool {
    other.ask.side == Some(side.opposite())
        && other.command_id != order.command_id
        && (other.number < order.number || other.status.is_at_broker())
        && rests(other)
        && meet(order, side, other)
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let exits = |side| x.book.open_exits_in(x.instrument).find(|other| is_against(x.order, side, other));
    let found = x.order.ask.side.filter(|_| rests(x.order)).and_then(exits);
    let input = found.map_or_else(
        || "no exit of ours on the other side".to_owned(),
        |other| {
            let price = other.ask.price.map_or_else(|| "the market".to_owned(), |price| price.to_string());
            format!("order {} of {} would meet it: {} at {price}", other.command_id, other.ask.strategy, other.quantity())
        },
    );
    Checked::new("risk.self_trade", Tag::SelfTrade, found.is_none(), input, format!("no exit of ours to meet in {}", x.instrument))
}
