//! INV-5: the day's loss, by the exchange's own trades and the market.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::simulator::market::Depth;
use ordergate_actors::order::{Amount, InstrumentKey, OrderRecord};
use rust_decimal::Decimal;

use crate::beside::Others;
use crate::truth::{self, Traded};

/// What the market shows of something, at that time.
type Shown<'a> = dyn Fn(&InstrumentKey, DateTime<Utc>) -> Option<Depth> + 'a;

/// No entry is called when the day has lost what it may at every moment between these two. What others have traded counts in one of the
/// two books by which the engine judges and not in the other, and what nobody has told it yet in neither: of such days nothing is said.
pub(super) fn day_goes_on(
    exchange: &Exchange,
    others: &Others,
    orders: &[OrderRecord],
    daily_loss: Amount,
    shown: &Shown<'_>,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), String> {
    let trades = truth::traded(exchange, others, orders);
    let of_order = |order: &OrderRecord| {
        let own = trades.iter().filter(|trade| trade.order.is_some_and(|mine| mine.command_id == order.command_id));
        own.map(|trade| trade.units).sum::<i64>()
    };
    if trades.iter().any(|trade| trade.order.is_none()) || orders.iter().any(|order| of_order(order) != order.traded_quantity) {
        return Ok(());
    }
    let floor = -daily_loss.0;
    let seconds = (now - since).num_seconds();
    let mut moments = (0..=seconds).map(|second| since + TimeDelta::seconds(second));
    if !moments.all(|at| result(&trades, shown, at).is_some_and(|result| result < floor)) {
        return Ok(());
    }
    Err(format!("INV-5: an entry was called although the day has stood below {floor} for {seconds} s, by the exchange's own trades"))
}

/// What all trades until then have made, at the best of the prices that are shown. `None`: there is no price.
fn result(trades: &[Traded<'_>], shown: &Shown<'_>, at: DateTime<Utc>) -> Option<Decimal> {
    let until = || trades.iter().filter(|trade| trade.at <= at);
    let mut nets: BTreeMap<&InstrumentKey, i64> = BTreeMap::new();
    for trade in until() {
        *nets.entry(&trade.key.instrument).or_default() += trade.signed();
    }
    let worth = |(key, net): (&&InstrumentKey, &i64)| {
        let depth = shown(key, at)?;
        let prices = [Some(depth.last), depth.bids.first().map(|level| level.price), depth.asks.first().map(|level| level.price)];
        prices.into_iter().flatten().map(|price| price.value() * Decimal::from(*net)).max()
    };
    let open: Decimal = nets.iter().filter(|(_, net)| **net != 0).map(worth).sum::<Option<Decimal>>()?;
    Some(until().map(Traded::cash).sum::<Decimal>() + open)
}
