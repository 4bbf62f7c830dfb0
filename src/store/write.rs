//! Values to rows: one [`Write`], one statement.

use ordergate_actors::order::{ClientId, CommandId, Exchange, Fill, Holding, HoldingKey, OrderRecord, Side, Strategy, trading_date};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::persistence::{Alarm, Kept, Slot};
use ordergate_actors::pnl::{DayChange, Move};
use ordergate_actors::ports::{Anchor, JournalRow, SignalRow, Write};
use rusqlite::{Connection, Error, params};
use rust_decimal::Decimal;

type Result<T> = rusqlite::Result<T>;

/// The table that a write goes to.
pub(super) fn table(write: &Write) -> &'static str {
    match write {
        Write::Signal(_) => "signals",
        Write::InsertOrder(_) | Write::UpdateOrder(_) => "orders",
        Write::Fill { .. } => "fills",
        Write::Correction { .. } | Write::Told { .. } => "corrections",
        Write::Holding { .. } => "holdings",
        Write::Control { .. } => "control",
        Write::Alarm(..) | Write::AlarmGone(..) => "alarms",
        Write::Kept(..) | Write::KeptGone(..) => "states",
        Write::Journal(_) => "journal",
        Write::Anchor(_) => "anchors",
    }
}

/// Where a constraint refused it: the table, or the number of an order that the ledger gives out.
pub(super) fn refused_at(write: &Write, cause: &Error) -> &'static str {
    let words = cause.to_string();
    let numbers = ["orders.number", "orders.broker_tag"];
    numbers.into_iter().find(|column| words.ends_with(column)).unwrap_or_else(|| table(write))
}

/// What a statement did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The row is in.
    Yes,
    /// Another row is in its place.
    Contradicted,
}

pub(super) fn apply(db: &Connection, write: &Write) -> Result<Applied> {
    let written = match write {
        Write::Signal(row) => signal(db, row),
        Write::InsertOrder(order) => insert_order(db, order),
        Write::UpdateOrder(order) => update_order(db, order),
        Write::Fill { client_id, command_id, trading_date, exchange, fill: trade, seq, before } => {
            fill(db, (client_id, *command_id), (&trading_date.to_string(), *exchange), trade, (*seq, before))
        }
        Write::Correction { client_id, change, at } => correction(db, client_id, change, &stored_time(*at)),
        Write::Told { client_id, change } => told(db, client_id, change),
        Write::Holding { client_id, strategy, key, holding: held, at } => holding(db, client_id, strategy, key, held, &stored_time(*at)),
        Write::Control { client_id, value, at } => control(db, client_id, value, &stored_time(*at)),
        Write::Alarm(chain, row) => alarm(db, chain.as_ref(), row),
        Write::AlarmGone(chain, id) => alarm_gone(db, chain.as_ref(), *id),
        Write::Kept(chain, slot, state) => kept(db, chain.as_ref(), slot, state),
        Write::KeptGone(chain, slot) => kept_gone(db, chain.as_ref(), slot),
        Write::Journal(row) => journal(db, row),
        Write::Anchor(row) => anchor(db, row),
    }?;
    match (written, write) {
        (0, Write::Anchor(_)) => Ok(Applied::Contradicted),
        // An order that does not exist cannot be updated; the ledger's view and the disk differ.
        (0, _) => Err(Error::QueryReturnedNoRows),
        _ => Ok(Applied::Yes),
    }
}

/// The name of a chain in its column.
pub(super) fn chain(client: Option<&ClientId>) -> &str {
    client.map_or("", ClientId::as_str)
}

fn int(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|cause| Error::ToSqlConversionFailure(cause.into()))
}

fn text(value: Option<impl Into<Decimal>>) -> Option<String> {
    value.map(|value| value.into().to_string())
}

fn signal(db: &Connection, row: &SignalRow) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO signals (client_id, signal_id, idempotency_key, body_hash, source, user, received_at, legs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        row.client_id.as_str(),
        row.signal_id.to_string(),
        row.idempotency_key,
        row.body_hash,
        row.source.as_str(),
        &*row.user,
        stored_time(row.received_at),
        row.legs,
    ])
}

fn insert_order(db: &Connection, order: &OrderRecord) -> Result<usize> {
    let ask = &order.ask;
    db.prepare_cached(
        "INSERT INTO orders (client_id, command_id, number, signal_id, leg, basket_id, parent_command_id, source, user, broker_tag,
             signal_time, created_at, strategy_name, execution_type, exchange, symbol, test_mode, side, quantity, product, order_type,
             validity, price, trigger_price, stop_loss, target, trailing_type, trailing_value, status, tag, reason, broker_order_id,
             filled_quantity, average_price, traded_quantity, traded_value, cancel_wanted, updated_at, sent_at, trading_date, seq,
             modifications, high_water, pending, seen_price, target_position, cancel_after_s, exits, route, reach, asked, by_hand)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
             ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49,
             ?50, ?51, ?52)",
    )?
    .execute(params![
        order.client_id.as_str(),
        order.command_id.to_string(),
        int(order.number)?,
        order.signal_id.to_string(),
        order.leg,
        order.basket_id.to_string(),
        order.parent_command_id.map(|id| id.to_string()),
        order.source.as_str(),
        &*order.user,
        order.broker_tag.as_str(),
        stored_time(order.signal_time),
        stored_time(order.created_at),
        ask.strategy.as_str(),
        ask.intent.map(|word| word.as_str()),
        ask.exchange.map(|word| word.as_str()),
        &*ask.symbol,
        ask.test_mode.map(|word| word.as_str()),
        ask.side.map(|word| word.as_str()),
        ask.quantity.map(|units| units.value()),
        ask.product.map(|word| word.as_str()),
        ask.order_type.map(|word| word.as_str()),
        ask.validity.as_str(),
        text(ask.price),
        text(ask.trigger_price),
        ask.stop_loss.map(|at| at.to_string()),
        ask.target.map(|at| at.to_string()),
        ask.trailing.map(|trailing| trailing.kind.as_str()),
        text(ask.trailing.map(|trailing| trailing.value)),
        order.status.as_str(),
        order.tag.map(|tag| tag.as_str()),
        order.reason.as_deref(),
        order.broker_order_id.as_ref().map(|id| id.as_str()),
        order.filled_quantity,
        text(order.average_price),
        order.traded_quantity,
        order.traded_value.0.to_string(),
        order.cancel_wanted.map(|tag| tag.as_str()),
        stored_time(order.updated_at),
        order.sent_at.map(stored_time),
        order.sent_at.map(|at| trading_date(at).to_string()),
        int(order.seq)?,
        order.modifications,
        order.high_water.as_ref().map(|id| id.as_str()),
        pending(order)?,
        text(ask.seen_price),
        ask.target_position,
        ask.cancel_after_s,
        exits(order)?,
        ask.route.as_deref().map(serde_json::to_string).transpose().map_err(|cause| Error::ToSqlConversionFailure(cause.into()))?,
        order.reach.map(|units| units.value()),
        asked(order)?,
        order.by_hand.map(stored_time),
    ])
}

fn pending(order: &OrderRecord) -> Result<Option<String>> {
    order.pending.as_ref().map(serde_json::to_string).transpose().map_err(|cause| Error::ToSqlConversionFailure(cause.into()))
}

fn asked(order: &OrderRecord) -> Result<Option<String>> {
    let asked = Some(&order.asked).filter(|asked| !asked.is_empty());
    asked.map(serde_json::to_string).transpose().map_err(|cause| Error::ToSqlConversionFailure(cause.into()))
}

fn exits(order: &OrderRecord) -> Result<Option<String>> {
    let said = Some(&order.ask.exits).filter(|exits| !exits.is_empty());
    said.map(serde_json::to_string).transpose().map_err(|cause| Error::ToSqlConversionFailure(cause.into()))
}

/// Writes all that can change. What an order is called and where it came from (its ids, number, leg, basket, parent,
/// source, user, broker tag, signal and creation time, strategy, instrument, test mode, target, the price it saw) is written once: an
/// index whose columns are not named here costs an update nothing.
fn update_order(db: &Connection, order: &OrderRecord) -> Result<usize> {
    let ask = &order.ask;
    db.prepare_cached(
        "UPDATE orders SET side = ?3, quantity = ?4, product = ?5, order_type = ?6, validity = ?7, price = ?8, trigger_price = ?9,
             stop_loss = ?10, target = ?11, trailing_type = ?12, trailing_value = ?13, status = ?14, tag = ?15, reason = ?16,
             broker_order_id = ?17, filled_quantity = ?18, average_price = ?19, traded_quantity = ?20, traded_value = ?21,
             cancel_wanted = ?22, updated_at = ?23, sent_at = ?24, trading_date = ?25, seq = ?26,
             modifications = ?27, high_water = ?28, pending = ?29, execution_type = ?30, exits = ?31, reach = ?32, asked = ?33,
             by_hand = ?34
         WHERE client_id = ?1 AND command_id = ?2",
    )?
    .execute(params![
        order.client_id.as_str(),
        order.command_id.to_string(),
        ask.side.map(|word| word.as_str()),
        ask.quantity.map(|units| units.value()),
        ask.product.map(|word| word.as_str()),
        ask.order_type.map(|word| word.as_str()),
        ask.validity.as_str(),
        text(ask.price),
        text(ask.trigger_price),
        ask.stop_loss.map(|at| at.to_string()),
        ask.target.map(|at| at.to_string()),
        ask.trailing.map(|trailing| trailing.kind.as_str()),
        text(ask.trailing.map(|trailing| trailing.value)),
        order.status.as_str(),
        order.tag.map(|tag| tag.as_str()),
        order.reason.as_deref(),
        order.broker_order_id.as_ref().map(|id| id.as_str()),
        order.filled_quantity,
        text(order.average_price),
        order.traded_quantity,
        order.traded_value.0.to_string(),
        order.cancel_wanted.map(|tag| tag.as_str()),
        stored_time(order.updated_at),
        order.sent_at.map(stored_time),
        order.sent_at.map(|at| trading_date(at).to_string()),
        int(order.seq)?,
        order.modifications,
        order.high_water.as_ref().map(|id| id.as_str()),
        pending(order)?,
        ask.intent.map(|word| word.as_str()),
        exits(order)?,
        order.reach.map(|units| units.value()),
        asked(order)?,
        order.by_hand.map(stored_time),
    ])
}

fn fill(
    db: &Connection,
    (client, command): (&ClientId, CommandId),
    (date, exchange): (&str, Exchange),
    fill: &Fill,
    (seq, before): (u64, &Holding),
) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO fills (client_id, trading_date, exchange, broker_order_id, trade_id, command_id, quantity, price, at, seq,
             before_net, before_cost, before_realised)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        client.as_str(),
        date,
        exchange.as_str(),
        fill.broker_order_id.as_str(),
        fill.trade_id.as_str(),
        command.to_string(),
        fill.quantity.value(),
        fill.price.to_string(),
        stored_time(fill.at),
        int(seq)?,
        before.net,
        before.cost.0.to_string(),
        before.realised.0.to_string(),
    ])
}

fn correction(db: &Connection, client: &ClientId, change: &DayChange, at: &str) -> Result<usize> {
    let (kind, side, quantity, price, settled_on) = match change.what {
        Move::Left { units, .. } => ("LEFT", None, units, None, None),
        Move::Settled { units, on, .. } => ("SETTLED", None, units, None, Some(on)),
        Move::Taken { side, quantity, price } => ("TAKEN", Some(side), quantity.value(), Some(price), None),
        Move::ToldLate { side, quantity, price } => ("TOLD_LATE", Some(side), quantity.value(), Some(price), None),
        // It is in the table of trades.
        Move::Traded { .. } => return Err(Error::InvalidParameterName("a trade of the day is no correction".to_owned())),
    };
    db.prepare_cached(
        "INSERT INTO corrections (client_id, trading_date, seq, kind, strategy_name, exchange, symbol, product, side, quantity, price,
             settled_on, at, before_net, before_cost, before_realised, told_price, told_seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?
    .execute(params![
        client.as_str(),
        change.day.to_string(),
        int(change.seq)?,
        kind,
        change.strategy.as_str(),
        change.key.instrument.exchange.as_str(),
        &*change.key.instrument.symbol,
        change.key.product.as_str(),
        side.map(Side::as_str),
        quantity,
        text(price),
        settled_on.map(|day| day.to_string()),
        at,
        change.before.net,
        change.before.cost.0.to_string(),
        change.before.realised.0.to_string(),
        text(change.what.told().map(|told| told.price)),
        change.what.told().map(|told| int(told.seq)).transpose()?,
    ])
}

/// The price of a change that is there.
fn told(db: &Connection, client: &ClientId, change: &DayChange) -> Result<usize> {
    let told = change.what.told();
    db.prepare_cached("UPDATE corrections SET told_price = ?4, told_seq = ?5 WHERE client_id = ?1 AND trading_date = ?2 AND seq = ?3")?
        .execute(params![
            client.as_str(),
            change.day.to_string(),
            int(change.seq)?,
            text(told.map(|told| told.price)),
            told.map(|told| int(told.seq)).transpose()?,
        ])
}

fn holding(db: &Connection, client: &ClientId, strategy: &Strategy, key: &HoldingKey, held: &Holding, at: &str) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO holdings (client_id, strategy_name, exchange, symbol, product, net, cost, realised, opened_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET net = excluded.net, cost = excluded.cost, realised = excluded.realised, opened_at = excluded.opened_at, updated_at = excluded.updated_at",
    )?
    .execute(params![
        client.as_str(),
        strategy.as_str(),
        key.instrument.exchange.as_str(),
        &*key.instrument.symbol,
        key.product.as_str(),
        held.net,
        held.cost.0.to_string(),
        held.realised.0.to_string(),
        held.opened_at.map(stored_time),
        at,
    ])
}

fn control(db: &Connection, client: &ClientId, value: &str, at: &str) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO control (client_id, value, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )?
    .execute(params![client.as_str(), value, at])
}

fn alarm(db: &Connection, of: Option<&ClientId>, row: &Alarm) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO alarms (client_id, id, event, level, text, command_id, at, last_at, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET level = excluded.level, text = excluded.text, last_at = excluded.last_at, count = excluded.count",
    )?
    .execute(params![
        chain(of),
        int(row.seq)?,
        &*row.event,
        row.level.as_str(),
        &*row.text,
        row.command_id.map(|id| id.to_string()),
        stored_time(row.at),
        stored_time(row.last_at),
        row.count,
    ])
}

fn alarm_gone(db: &Connection, of: Option<&ClientId>, id: u64) -> Result<usize> {
    db.prepare_cached("DELETE FROM alarms WHERE client_id = ?1 AND id = ?2")?.execute(params![chain(of), int(id)?])
}

fn kept(db: &Connection, of: Option<&ClientId>, slot: &Slot, state: &Kept) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO states (client_id, topic, key, value, seq, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET value = excluded.value, seq = excluded.seq, updated_at = excluded.updated_at",
    )?
    .execute(params![chain(of), slot.topic.as_str(), &*slot.key, &*state.value, int(state.seq)?, stored_time(state.at)])
}

fn kept_gone(db: &Connection, of: Option<&ClientId>, slot: &Slot) -> Result<usize> {
    db.prepare_cached("DELETE FROM states WHERE client_id = ?1 AND topic = ?2 AND key = ?3")?.execute(params![
        chain(of),
        slot.topic.as_str(),
        &*slot.key
    ])
}

fn journal(db: &Connection, row: &JournalRow) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO journal (client_id, seq, prev_hash, at, event, command_id, signal_id, from_status, to_status, tag, reason, who, inputs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        chain(row.client_id.as_ref()),
        int(row.seq)?,
        row.prev_hash,
        stored_time(row.at),
        &*row.event,
        row.command_id.map(|id| id.to_string()),
        row.signal_id.map(|id| id.to_string()),
        row.from.map(|status| status.as_str()),
        row.to.map(|status| status.as_str()),
        row.tag.map(|tag| tag.as_str()),
        row.reason.as_deref(),
        &*row.who,
        &*row.inputs,
    ])
}

/// The same head may be written down twice; another hash for the same row changes nothing and is refused.
fn anchor(db: &Connection, row: &Anchor) -> Result<usize> {
    db.prepare_cached(
        "INSERT INTO anchors (client_id, seq, hash, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET at = at WHERE hash = excluded.hash",
    )?
    .execute(params![chain(row.client_id.as_ref()), int(row.seq)?, row.hash, stored_time(row.at)])
}
