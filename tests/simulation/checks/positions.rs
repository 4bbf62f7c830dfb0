//! INV-4 for positions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::simulator::market::Market;
use ordergate_actors::order::HoldingKey;

use super::AtBroker;
use crate::beside::Others;

/// What the strategies hold adds up to the broker's net. Where others traded it is what our own trades come to, less what others may
/// have closed of it: what is gone there is gone here, and what is more there is left alone.
pub(super) fn agree<'a>(
    held: impl Iterator<Item = (&'a HoldingKey, i64)>,
    at: &AtBroker<'_>,
    market: &dyn Market,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let mut nets: BTreeMap<HoldingKey, (i64, i64)> = BTreeMap::new();
    for (key, net) in held {
        nets.entry(key.clone()).or_default().0 += net;
    }
    for row in at.exchange.positions(now, market) {
        nets.entry(row.holding).or_default().1 += row.net;
    }
    let traded = at.others.trades(&at.exchange);
    let is_right = |key: &HoldingKey, ours: i64, theirs: i64| {
        if traded.contains_key(key) { could_be(key, &at.exchange, at.others).contains(&ours) } else { ours == theirs }
    };
    match nets.iter().find(|(key, (ours, theirs))| !is_right(key, *ours, *theirs)) {
        Some((key, (ours, theirs))) => {
            Err(format!("INV-4: we hold {ours} {key}, the broker {theirs}; ours may be {:?}", could_be(key, &at.exchange, at.others)))
        }
        None => Ok(()),
    }
}

/// What may be held here after the trades of ours and of others: others can only have closed what was held, by what they traded
/// against it until then.
pub(crate) fn could_be(key: &HoldingKey, exchange: &Exchange, others: &Others) -> std::ops::RangeInclusive<i64> {
    let (mut least, mut most, mut sold, mut bought) = (0_i64, 0_i64, 0_i64, 0_i64);
    for trade in exchange.trades() {
        let Some(order) = exchange.order(&trade.fill.broker_order_id) else { continue };
        if order.row.instrument != key.instrument || order.row.product != key.product {
            continue;
        }
        let units = order.row.side.sign() * trade.fill.quantity.value();
        if others.own(&order.row) {
            sold += (-units).max(0);
            bought += units.max(0);
        } else {
            (least, most) = (least + units, most + units);
        }
        let (closed, covered) = (least.max(0).min(sold), (-most).max(0).min(bought));
        (least, sold) = (least - closed, sold - closed);
        (most, bought) = (most + covered, bought - covered);
    }
    least..=most
}
