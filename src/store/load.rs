//! What a restart starts from. Its cost depends on what is open and on the trades of the day, not on how many orders there
//! ever were.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use ordergate_actors::order::{ClientId, Holding, HoldingKey, OrderRecord, Strategy};
use ordergate_actors::persistence::{Alarm, KeptStates};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{AccountHead, JournalRow, Loaded, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use super::sqlite::failed;

/// How many of an account's newest orders are kept in memory besides the open ones.
const NEWEST: i64 = 10_000;

/// What one strategy holds.
pub(super) type HeldRow = (Strategy, HoldingKey, Holding);

pub(super) fn load(db: &Connection, tag_prefix: &str) -> Result<Loaded, StoreError> {
    let heads = heads(db).map_err(failed("load: chain heads"))?;
    let accounts =
        accounts(db).and_then(|found| found.into_iter().map(|client| account(db, client)).collect()).map_err(failed("load: accounts"))?;
    let newest = heads.iter().map(|row| row.at).max();
    let alarms = alarms(db).map_err(failed("load: alarms"))?;
    let anchors = last_anchors(db).map_err(failed("load: anchors"))?;
    let kept = kept(db).map_err(failed("load: states"))?;
    Ok(Loaded { accounts, heads, anchors, alarms, kept, tag_prefix: tag_prefix.to_owned(), newest })
}

/// The different first columns of a table, each found by one step into its index instead of by reading all rows.
pub(super) fn clients_of(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "WITH RECURSIVE found(client) AS (
             SELECT MIN(client_id) FROM {table}
             UNION ALL
             SELECT (SELECT MIN(client_id) FROM {table} WHERE client_id > client) FROM found WHERE client IS NOT NULL
         ) SELECT client FROM found WHERE client IS NOT NULL"
    );
    db.prepare_cached(&sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The last row of each chain.
pub(super) fn heads(db: &Connection) -> rusqlite::Result<Vec<JournalRow>> {
    let sql = format!("SELECT {} FROM journal WHERE client_id = ?1 ORDER BY seq DESC LIMIT 1", rows::JOURNAL);
    let mut statement = db.prepare_cached(&sql)?;
    clients_of(db, "journal")?.into_iter().map(|chain| statement.query_row([chain], rows::journal)).collect()
}

/// The last anchor of each chain.
fn last_anchors(db: &Connection) -> rusqlite::Result<Vec<(Option<ClientId>, u64)>> {
    let mut statement = db.prepare_cached("SELECT MAX(seq) FROM anchors WHERE client_id = ?1")?;
    let last = |chain: String| {
        let seq: i64 = statement.query_row([&chain], |row| row.get(0))?;
        Ok((ClientId::parse(&chain).ok(), seq.unsigned_abs()))
    };
    clients_of(db, "anchors")?.into_iter().map(last).collect()
}

fn accounts(db: &Connection) -> rusqlite::Result<Vec<ClientId>> {
    let mut found = BTreeSet::new();
    for table in ["signals", "orders", "journal", "fills", "holdings", "control"] {
        found.extend(clients_of(db, table)?);
    }
    found.remove("");
    let unreadable = |cause| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(cause));
    found.iter().map(|text| ClientId::parse(text).map_err(unreadable)).collect()
}

fn account(db: &Connection, client_id: ClientId) -> rusqlite::Result<AccountHead> {
    let client = client_id.as_str();
    let last: i64 = db
        .query_row("SELECT number FROM orders WHERE client_id = ?1 ORDER BY number DESC LIMIT 1", [client], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let first_of_newest = last - NEWEST + 1;
    let mut orders = older_open_orders(db, client, first_of_newest)?;
    let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND number >= ?2 ORDER BY number", rows::ORDER);
    for order in db.prepare_cached(&sql)?.query_map(params![client, first_of_newest], rows::order)? {
        orders.push(order?);
    }
    let control = db.query_row("SELECT value FROM control WHERE client_id = ?1", [client], |row| row.get(0)).optional()?;
    let holdings = holdings(db, client)?;
    Ok(AccountHead { last_number: u64::try_from(last).unwrap_or(0), orders, holdings, control, client_id })
}

/// What has changed in an account's holdings since that day began, in journal order: the day's trades, and what was none.
pub(super) fn day(db: &Connection, client: &ClientId, from: NaiveDate) -> rusqlite::Result<Vec<DayChange>> {
    let with = params![client.as_str(), from.to_string()];
    let trades = format!(
        "SELECT {} FROM fills f JOIN orders o ON o.client_id = f.client_id AND o.command_id = f.command_id
         WHERE f.client_id = ?1 AND f.trading_date >= ?2",
        rows::TRADED
    );
    let corrections = format!("SELECT {} FROM corrections WHERE client_id = ?1 AND trading_date >= ?2", rows::CORRECTION);
    let mut changes: Vec<DayChange> = db.prepare_cached(&trades)?.query_map(with, rows::traded)?.collect::<rusqlite::Result<_>>()?;
    for correction in db.prepare_cached(&corrections)?.query_map(with, rows::correction)? {
        changes.push(correction?);
    }
    changes.sort_unstable_by_key(|change| change.seq);
    Ok(changes)
}

/// The open alarms, by chain.
fn alarms(db: &Connection) -> rusqlite::Result<Vec<(Option<ClientId>, Vec<Alarm>)>> {
    let sql = format!("SELECT {} FROM alarms ORDER BY client_id, id", rows::ALARM);
    let mut found: Vec<(Option<ClientId>, Vec<Alarm>)> = Vec::new();
    for row in db.prepare_cached(&sql)?.query_map([], rows::alarm)? {
        let (chain, alarm) = row?;
        match found.last_mut() {
            Some((last, alarms)) if *last == chain => alarms.push(alarm),
            _ => found.push((chain, vec![alarm])),
        }
    }
    Ok(found)
}

/// The states beside the orders, by chain.
fn kept(db: &Connection) -> rusqlite::Result<Vec<(Option<ClientId>, KeptStates)>> {
    let sql = format!("SELECT {} FROM states ORDER BY client_id, topic, key", rows::KEPT);
    let mut found: Vec<(Option<ClientId>, KeptStates)> = Vec::new();
    for row in db.prepare_cached(&sql)?.query_map([], rows::kept)? {
        let (chain, slot, state) = row?;
        match found.last_mut() {
            Some((last, states)) if *last == chain => drop(states.insert(slot, state)),
            _ => found.push((chain, KeptStates::from([(slot, state)]))),
        }
    }
    Ok(found)
}

fn older_open_orders(db: &Connection, client: &str, before: i64) -> rusqlite::Result<Vec<OrderRecord>> {
    let sql = format!(
        "SELECT {} FROM orders INDEXED BY orders_open
         WHERE client_id = ?1 AND status IN ('CREATED', 'SENT_TO_BROKER', 'PARTIAL') AND number < ?2 ORDER BY number",
        rows::ORDER
    );
    db.prepare_cached(&sql)?.query_map(params![client, before], rows::order)?.collect()
}

fn holdings(db: &Connection, client: &str) -> rusqlite::Result<Vec<HeldRow>> {
    db.prepare_cached(
        "SELECT strategy_name, exchange, symbol, product, net, cost, realised, opened_at FROM holdings WHERE client_id = ?1 AND net <> 0
         ORDER BY strategy_name, exchange, symbol, product",
    )?
    .query_map([client], rows::holding)?
    .collect()
}
