//! INV-5 and INV-6 on the disk and on the broker's own truth: what an order may come to, whatever the engine believed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::store::ReadStore;
use ordergate_actors::Limits;
use ordergate_actors::order::{HoldingKey, InstrumentKey, OrderRecord, Side, Status, Strategy};
use ordergate_actors::ports::JournalRow;

use crate::beside::Others;
use crate::truth::{self, Traded};
use crate::{checks, rivals};

/// How long a change may wait for its turn: behind calls that hang.
const WAITS: chrono::Duration = chrono::Duration::seconds(30);

/// INV-5: no entry goes beyond a limit, those before it counted as if they filled. `changed`: the total that a change of it asks for, which
/// is judged as the order would be with it, and waits for its turn.
pub(super) fn within(
    store: &ReadStore,
    exchange: &Exchange,
    others: &Others,
    limits: &Limits,
    me: &OrderRecord,
    changed: Option<i64>,
) -> Result<(), String> {
    let chain = store.journal(Some(&me.client_id), 0, u64::MAX).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let orders = truth::orders_of(store, &me.client_id)?;
    let Some((asked, sent)) = asked_and_sent(&chain, me, changed.is_some()) else {
        return Err("INV-1: no row of it in the journal".to_owned());
    };
    let before = || orders.iter().filter(|order| order.number < me.number && enters(order));
    // One that had ended and came back by late truth was none when the gates looked.
    let open: Vec<&OrderRecord> = before().filter(|order| !order.status.is_terminal() && !rivals::had_ended(&chain, order)).collect();
    let least = |what: &str, count: usize, limit: usize| {
        if count > limit { Err(format!("INV-5: an entry was called as number {count} of {what}, and {limit} may be")) } else { Ok(()) }
    };
    let (units, largest) = (changed.unwrap_or(me.quantity()), largest(&chain, limits.max_quantity, asked, sent));
    if units > largest {
        return Err(format!("INV-5: an entry of {units} was called, and at most {largest} may be"));
    }
    least("the open orders", open.len() + 1, limits.max_open_orders)?;
    let is_sent = |order: &&OrderRecord| order.sent_at.is_some() && order.broker_order_id.is_some();
    least("the day's entries", before().filter(is_sent).count() + 1, limits.trades_per_day)?;
    not_in_doubt(&chain, &open, me, asked)?;
    let Some((key, side)) = me.holding().zip(me.ask.side) else { return Ok(()) };
    let same = |order: &&&OrderRecord| order.instrument().as_ref() == Some(&key.instrument) && order.ask.side == Some(side);
    // What has filled of them at the exchange is in what is held.
    let comes: i64 = open.iter().filter(same).map(|order| order.quantity() - filled(exchange, order)).sum();
    let trades = truth::traded(exchange, others, &orders);
    let worst = held(&trades, exchange, others, &key.instrument, side) + comes + units - filled(exchange, me);
    if worst > limits.max_position {
        return Err(format!("INV-5: an entry was called that may bring {worst} {key}, and {} may be", limits.max_position));
    }
    Ok(())
}

/// The row by which an order, or its newest change, could be judged first, and the one by which it goes.
fn asked_and_sent<'a>(chain: &'a [JournalRow], me: &OrderRecord, is_change: bool) -> Option<(&'a JournalRow, &'a JournalRow)> {
    if !is_change {
        return between(chain, me, "SENT_TO_BROKER");
    }
    let (_, sent) = between(chain, me, "MODIFY_SENT")?;
    Some((chain.iter().find(|row| sent.at.signed_duration_since(row.at) <= WAITS).unwrap_or(sent), sent))
}

/// The least that our strategies hold of an instrument on that side, one against the other not counted: by the trades of our own orders,
/// and where others have traded less what they may have closed of it. An order whose fills nobody here knows of was none for the gates.
fn held(trades: &[Traded<'_>], exchange: &Exchange, others: &Others, key: &InstrumentKey, side: Side) -> i64 {
    let shared = truth::shared(trades);
    let of_others = |key: &HoldingKey| {
        let could_be = checks::could_be(key, exchange, others);
        (if side == Side::Buy { *could_be.start() } else { -*could_be.end() }).max(0)
    };
    let theirs: i64 = shared.iter().filter(|there| there.instrument == *key).map(of_others).sum();
    let mut nets: BTreeMap<(&HoldingKey, &Strategy), i64> = BTreeMap::new();
    for trade in trades.iter().filter(|trade| trade.key.instrument == *key && !shared.contains(&trade.key)) {
        let Some(order) = trade.order.filter(|order| order.status != Status::Failed || order.filled_quantity > 0) else { continue };
        *nets.entry((&trade.key, &order.ask.strategy)).or_default() += trade.signed();
    }
    theirs + nets.values().map(|net| (net * side.sign()).max(0)).sum::<i64>()
}

/// Design 5.4: while an order of the instrument is in doubt, no entry that was registered after that was known goes, and no change
/// that was asked for after it.
fn not_in_doubt(chain: &[JournalRow], open: &[&OrderRecord], me: &OrderRecord, asked: &JournalRow) -> Result<(), String> {
    let row_of = |order: &OrderRecord, event: &str| {
        chain.iter().rev().find(|row| row.command_id == Some(order.command_id) && &*row.event == event).map(|row| row.seq)
    };
    let is_known = |order: &&&OrderRecord| row_of(order, "SEND_UNCONFIRMED").is_some_and(|seq| seq < asked.seq);
    let mut doubts = open.iter().filter(|order| order.is_in_doubt() && order.instrument() == me.instrument());
    match doubts.find(is_known) {
        Some(doubt) => Err(format!("INV-5: an entry was called while order {} of its instrument is in doubt", doubt.command_id)),
        None => Ok(()),
    }
}

/// INV-6 by owner: no exit closes what its strategy does not hold. By the trades of its own orders, as the exchange has them; where others
/// have traded too, by what stands on disk. `told_refused`: units on its side of orders that the broker said it had refused.
pub(super) fn of_its_own(
    store: &ReadStore,
    exchange: &Exchange,
    others: &Others,
    me: &OrderRecord,
    (key, side, units): (&HoldingKey, Side, i64),
    told_refused: i64,
    is_news: impl Fn(usize, DateTime<Utc>) -> bool,
) -> Result<(), String> {
    let traded = others.trades(exchange).remove(key).unwrap_or_default();
    // What others closed a moment ago the engine could not know.
    if traded.iter().enumerate().any(|(nth, (at, _))| is_news(nth, *at)) {
        return Ok(());
    }
    if traded.is_empty() {
        let orders = truth::orders_of(store, &me.client_id)?;
        let held = truth::net_of(&truth::traded(exchange, others, &orders), &me.ask.strategy, key) * -side.sign();
        if units > held.max(0) + told_refused {
            return Err(format!("INV-6: an exit of {units} was called for {}, whose orders have {held} there", me.ask.strategy));
        }
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

/// The largest quantity that any limit allowed which held between these two rows: the account's own, or what somebody had set
/// instead, tighter or wider, until its time was over.
fn largest(chain: &[JournalRow], own: i64, made: &JournalRow, sent: &JournalRow) -> i64 {
    let set: Vec<(u64, Option<Set>)> = chain
        .iter()
        .filter(|row| row.event.starts_with("OVERRIDE_") && row.seq < sent.seq)
        .filter_map(|row| {
            serde_json::from_str::<serde_json::Value>(&row.inputs).ok().map(|inputs| (row.seq, Set::of(&inputs["kept"]["value"])))
        })
        .collect();
    let before = set.iter().rev().find(|(seq, _)| *seq < made.seq).map(|(_, set)| *set);
    let meanwhile = set.iter().filter(|(seq, _)| *seq >= made.seq).map(|(_, set)| *set);
    // What held first, and what came in between: nothing set is the account's own.
    let stood: Vec<Option<Set>> = std::iter::once(before.flatten()).chain(meanwhile).collect();
    let is_own_out = matches!(stood.as_slice(), [Some(set)] if set.from <= made.at && sent.at < set.until);
    let set_out = stood.iter().flatten().filter(|set| set.from <= sent.at && made.at < set.until).map(|set| set.value);
    set_out.chain((!is_own_out).then_some(own)).max().unwrap_or(own)
}

/// A limit of the quantity that somebody has set.
#[derive(Debug, Clone, Copy)]
struct Set {
    value: i64,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Set {
    fn of(value: &serde_json::Value) -> Option<Self> {
        let time = |name: &str| value[name].as_str()?.parse().ok();
        Some(Self { value: value["value"].as_str()?.parse().ok()?, from: time("from")?, until: time("until")? })
    }
}

/// The first row of an order, and the newest of that event.
fn between<'a>(chain: &'a [JournalRow], order: &OrderRecord, event: &str) -> Option<(&'a JournalRow, &'a JournalRow)> {
    let is_of = |row: &&JournalRow| row.command_id == Some(order.command_id);
    let made = chain.iter().find(|row| is_of(row) && &*row.event == "INTENT_CREATED")?;
    Some((made, chain.iter().rev().find(|row| is_of(row) && &*row.event == event)?))
}

#[test]
fn what_somebody_has_set_holds_from_its_row_until_its_time_is_over() {
    use ordergate_actors::testkit::morning;
    let after = |seconds: i64| morning() + chrono::Duration::seconds(seconds);
    let row = |seq: u64, event: &str, at: i64, value: serde_json::Value| JournalRow {
        client_id: None,
        seq,
        prev_hash: [0; 32],
        at: after(at),
        event: event.into(),
        command_id: None,
        signal_id: None,
        from: None,
        to: None,
        tag: None,
        reason: None,
        who: "a test".into(),
        inputs: serde_json::json!({ "kept": { "value": value } }).to_string().into(),
    };
    let set =
        |value: i64| serde_json::json!({ "limit": "max_quantity", "value": value.to_string(), "from": after(10), "until": after(70) });
    let of = |value: i64, made: (u64, i64), sent: (u64, i64)| {
        let chain = [row(5, "OVERRIDE_SET", 10, set(value)), row(9, "OVERRIDE_ENDED", 71, serde_json::Value::Null)];
        let order = |(seq, at)| row(seq, "INTENT_CREATED", at, serde_json::Value::Null);
        largest(&chain, 15, &order(made), &order(sent))
    };
    for value in [3, 30] {
        assert_eq!(of(value, (1, 1), (2, 2)), 15, "before it");
        assert_eq!(of(value, (3, 9), (6, 11)), 15.max(value), "either");
        assert_eq!(of(value, (6, 11), (7, 12)), value, "while it holds, tighter or wider");
        assert_eq!(of(value, (6, 69), (8, 70)), 15.max(value), "it ended meanwhile");
        assert_eq!(of(value, (7, 70), (8, 71)), 15, "its time is over, though its row stands");
        assert_eq!(of(value, (10, 72), (11, 73)), 15, "after it");
    }
}
