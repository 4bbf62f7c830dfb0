//! INV-5 and INV-6 on the disk and on the broker's own truth: what an order may come to, whatever the engine believed.

use chrono::{DateTime, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::store::ReadStore;
use ordergate_actors::Limits;
use ordergate_actors::order::{HoldingKey, OrderRecord, Side, Status};
use ordergate_actors::ports::JournalRow;

use crate::beside::Others;
use crate::rivals;

/// INV-5: no entry goes beyond a limit, those before it counted as if they filled.
pub(super) fn within(store: &ReadStore, exchange: &Exchange, others: &Others, limits: &Limits, me: &OrderRecord) -> Result<(), String> {
    let chain = store.journal(Some(&me.client_id), 0, u64::MAX).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let orders = store.every().collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let before = || orders.iter().filter(|order| order.client_id == me.client_id && order.number < me.number && enters(order));
    // One that had ended and came back by late truth was none when the gates looked.
    let open: Vec<&OrderRecord> = before().filter(|order| !order.status.is_terminal() && !rivals::had_ended(&chain, order)).collect();
    let least = |what: &str, count: usize, limit: usize| {
        if count > limit { Err(format!("INV-5: an entry was called as number {count} of {what}, and {limit} may be")) } else { Ok(()) }
    };
    let largest = overridden(&chain).max(limits.max_quantity);
    if me.quantity() > largest {
        return Err(format!("INV-5: an entry of {} was called, and at most {largest} may be", me.quantity()));
    }
    least("the open orders", open.len() + 1, limits.max_open_orders)?;
    let is_sent = |order: &&OrderRecord| order.sent_at.is_some() && order.broker_order_id.is_some();
    least("the day's entries", before().filter(is_sent).count() + 1, limits.trades_per_day)?;
    not_in_doubt(&chain, &open, me)?;
    let Some((key, side)) = me.holding().zip(me.ask.side) else { return Ok(()) };
    if others.trades(exchange).keys().any(|traded| traded.instrument == key.instrument) {
        return Ok(());
    }
    let same = |order: &&&OrderRecord| order.instrument().as_ref() == Some(&key.instrument) && order.ask.side == Some(side);
    // What has filled of them at the exchange is in its net.
    let comes: i64 = open.iter().filter(same).map(|order| order.quantity() - filled(exchange, order)).sum();
    let nets = exchange.position_details().filter(|(held, _)| held.instrument == key.instrument);
    let net: i64 = nets.map(|(_, position)| position.holding.net).sum();
    let worst = net * side.sign() + comes + me.quantity();
    if worst > limits.max_position {
        return Err(format!("INV-5: an entry was called that may bring {worst} {key}, and {} may be", limits.max_position));
    }
    Ok(())
}

/// Design 5.4: while an order of the instrument is in doubt, no entry that was registered after that was known goes.
fn not_in_doubt(chain: &[JournalRow], open: &[&OrderRecord], me: &OrderRecord) -> Result<(), String> {
    let row_of = |order: &OrderRecord, event: &str| {
        chain.iter().rev().find(|row| row.command_id == Some(order.command_id) && &*row.event == event).map(|row| row.seq)
    };
    let Some(registered) = row_of(me, "INTENT_CREATED") else { return Ok(()) };
    let is_known = |order: &&&OrderRecord| row_of(order, "SEND_UNCONFIRMED").is_some_and(|seq| seq < registered);
    let mut doubts = open.iter().filter(|order| order.is_in_doubt() && order.instrument() == me.instrument());
    match doubts.find(is_known) {
        Some(doubt) => Err(format!("INV-5: an entry was called while order {} of its instrument is in doubt", doubt.command_id)),
        None => Ok(()),
    }
}

/// INV-6 by owner: no exit closes what its strategy does not hold.
pub(super) fn of_its_own(
    store: &ReadStore,
    exchange: &Exchange,
    others: &Others,
    me: &OrderRecord,
    (key, side, units): (&HoldingKey, Side, i64),
    is_news: impl Fn(usize, DateTime<Utc>) -> bool,
) -> Result<(), String> {
    // What others closed a moment ago the engine could not know.
    if others.trades(exchange).get(key).is_some_and(|trades| trades.iter().enumerate().any(|(nth, (at, _))| is_news(nth, *at))) {
        return Ok(());
    }
    let loaded = store.load().map_err(|error| error.to_string())?;
    let head = loaded.accounts.iter().find(|head| head.client_id == me.client_id).ok_or("the account is not on disk")?;
    let held = head.holdings.iter().find(|(strategy, held, _)| *strategy == me.ask.strategy && held == key);
    let held = held.map_or(0, |(_, _, holding)| holding.net * -side.sign());
    let mine = head.orders.iter().filter(|order| order.ask.strategy == me.ask.strategy && order.ask.side == Some(side.opposite()));
    let mine = mine.filter(|order| order.holding().as_ref() == Some(key) && !order.is_test());
    let owed: i64 = mine.map(|order| (filled(exchange, order) - order.traded_quantity).max(0)).sum();
    let room = held.max(0) + owed;
    if units > room {
        return Err(format!("INV-6: an exit of {units} was called for {}, which holds {held} and is owed {owed}", me.ask.strategy));
    }
    Ok(())
}

/// Units that the exchange has filled of it.
fn filled(exchange: &Exchange, order: &OrderRecord) -> i64 {
    let rows = exchange.orders();
    rows.iter()
        .find(|row| row.tag.as_deref() == Some(order.broker_tag.as_str()) && order.is_for(&row.instrument))
        .map_or(0, |row| row.filled)
}

fn enters(order: &OrderRecord) -> bool {
    let has_left = order.status != Status::Failed || order.sent_at.is_some();
    has_left && !order.is_exit() && !order.is_test()
}

/// The largest of the quantities that somebody has allowed.
fn overridden(chain: &[JournalRow]) -> i64 {
    let set = chain.iter().filter(|row| &*row.event == "OVERRIDE_SET");
    let value = |row: &JournalRow| {
        let inputs: serde_json::Value = serde_json::from_str(&row.inputs).ok()?;
        inputs["kept"]["value"]["value"].as_str()?.parse().ok()
    };
    set.filter_map(value).max().unwrap_or(0)
}
