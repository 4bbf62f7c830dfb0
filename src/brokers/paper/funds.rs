//! The money of a paper account: so much each morning, less what its positions and open orders block, with what the day has
//! gained and lost. Pure.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Amount, HoldingKey, Price, Side};
use ordergate_actors::ports::{Funds, Instruments};
use rust_decimal::Decimal;

use crate::simulator::exchange::{Exchange, Order};
use crate::simulator::margin::{blocked, is_paid_in_full};
use crate::simulator::market::Market;

/// The account's money. `cash`: what the day began with.
pub(super) fn funds(exchange: &Exchange, instruments: &dyn Instruments, market: &dyn Market, cash: Amount, now: DateTime<Utc>) -> Funds {
    let (mut used, mut result) = (Decimal::ZERO, Amount::ZERO);
    for row in exchange.positions(now, market) {
        result = result.plus(row.realised);
        let (Some(side), Some(average), Some(instrument)) =
            (Side::of_net(row.net), row.average_price, instruments.find(&row.holding.instrument))
        else {
            continue;
        };
        used = used.saturating_add(blocked(&instrument, row.holding.product, side, row.net.abs(), average));
        // What was paid in full is worth less now, and no more than that is asked for.
        if !is_paid_in_full(&instrument, row.holding.product, side) {
            result = result.plus(row.unrealised);
        }
    }
    let open = exchange.order_details().filter(|order| order.is_open());
    used = open.map(|order| order_blocks(exchange, order, instruments, market, now)).fold(used, Decimal::saturating_add);
    let margin_used = Amount(used.normalize());
    Funds { cash, margin_used, available: cash.plus(result).plus(margin_used.negated()) }
}

/// Rupees that an open order blocks: what closes a position blocks nothing.
fn order_blocks(exchange: &Exchange, order: &Order, instruments: &dyn Instruments, market: &dyn Market, now: DateTime<Utc>) -> Decimal {
    let row = &order.row;
    let Some(instrument) = instruments.find(&row.instrument) else { return Decimal::ZERO };
    let key = HoldingKey { instrument: row.instrument.clone(), product: row.product };
    let held = exchange.position(&key).map_or(0, |position| position.holding.net);
    let closing = (-row.side.sign() * held).max(0);
    let opening = (row.quantity - row.filled - closing).max(0);
    let last = || market.depth(&instrument, now).map(|depth| depth.last.value());
    let price = order.terms.price.or(order.terms.trigger_price).map(Price::value).or_else(last);
    price.map_or(Decimal::ZERO, |price| blocked(&instrument, row.product, row.side, opening, price))
}
