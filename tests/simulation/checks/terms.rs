//! INV-4: the terms of our orders and their fills, beside what the broker has of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ordergate::store::ReadStore;
use ordergate_actors::order::{BookState, Fill, OrderRecord, OrderType, Price, Terms, TradeId};
use ordergate_actors::ports::{BookRow, TradeRow};
use rust_decimal::Decimal;

/// What the order is for, and to which terms it works.
pub(super) fn agree(order: &OrderRecord, row: &BookRow) -> Result<(), String> {
    if order.ask.product != Some(row.product) {
        return Err(format!("it is {:?}, at the broker {}", order.ask.product, row.product));
    }
    if let Some(reach) = order.reach {
        return Err(format!("a change to {reach} is under way at rest"));
    }
    if row.state == BookState::Open {
        return open_agree(order, row);
    }
    if order.modifications == 0 && order.quantity() != row.quantity {
        return Err(format!("it is for {}, at the broker for {}", order.quantity(), row.quantity));
    }
    Ok(())
}

/// An order that works: to the terms of its record; or to a change of ours whose answer, or whose request, was lost. No other is excused.
fn open_agree(order: &OrderRecord, row: &BookRow) -> Result<(), String> {
    if row.quantity > order.quantity_most() {
        return Err(format!("it works for {} at the broker, for {} at most here", row.quantity, order.quantity_most()));
    }
    let ask = &order.ask;
    let own = (order.quantity(), order.working_type(), ask.price, ask.trigger_price);
    let asked = order.pending.iter().chain(order.asked.iter().map(|asked| &asked.terms)).map(of_terms);
    let theirs = (row.quantity, row.order_type, row.price, row.trigger_price);
    let mut known = std::iter::once(own).chain(asked).map(shown);
    if known.any(|terms| terms == theirs) { Ok(()) } else { Err(format!("it works to {theirs:?} at the broker, here to {own:?}")) }
}

type Working = (i64, Option<OrderType>, Option<Price>, Option<Price>);

fn of_terms(terms: &Terms) -> Working {
    (terms.quantity.value(), Some(terms.order_type), terms.price, terms.trigger_price)
}

/// As a row shows it: a price that the type has no use for is in none.
fn shown((quantity, kind, price, trigger): Working) -> (i64, Option<OrderType>, Option<Decimal>, Option<Decimal>) {
    let price = price.filter(|_| kind.is_some_and(OrderType::has_price));
    let trigger = trigger.filter(|_| kind.is_some_and(OrderType::has_trigger));
    (quantity, kind, price.map(Price::value), trigger.map(Price::value))
}

/// The trades that we recorded are the broker's, one by one, and so is their price.
pub(super) fn fills_agree(store: &ReadStore, order: &OrderRecord, row: &BookRow, trades: &[Arc<TradeRow>]) -> Result<(), String> {
    let ours = store.fills(&order.client_id, order.command_id).map_err(|error| error.to_string())?;
    let theirs = || trades.iter().map(|trade| &trade.fill).filter(|fill| fill.broker_order_id == row.broker_order_id);
    let ids = |fills: Vec<&Fill>| fills.into_iter().map(|fill| fill.trade_id.clone()).collect::<BTreeSet<TradeId>>();
    let (recorded, there) = (ids(ours.iter().collect()), ids(theirs().collect()));
    if recorded != there || recorded.len() != ours.len() {
        return Err(format!("our trades are {recorded:?}, the broker's {there:?}"));
    }
    let units = |fills: &mut dyn Iterator<Item = &Fill>| fills.map(|fill| fill.quantity.value()).sum::<i64>();
    let value = |fills: &mut dyn Iterator<Item = &Fill>| {
        fills.map(|fill| fill.price.value() * Decimal::from(fill.quantity.value())).sum::<Decimal>()
    };
    let traded = units(&mut ours.iter());
    if traded != row.filled || order.traded_quantity != row.filled {
        return Err(format!("our fills sum to {traded}, the broker filled {}", row.filled));
    }
    let (paid, at_broker) = (value(&mut ours.iter()), value(&mut theirs()));
    if paid != at_broker {
        return Err(format!("our fills are worth {paid}, the broker's {at_broker}"));
    }
    let average = |price: Option<Decimal>| price.map(|price| price.round_dp(4).normalize());
    if average(order.average_price) != average(row.average_price) {
        return Err(format!("it filled at {:?}, at the broker at {:?}", order.average_price, row.average_price));
    }
    Ok(())
}
