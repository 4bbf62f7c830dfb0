//! Reads by key. Each one steps through an index; none reads a table from end to end.

use chrono::NaiveDate;
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, Fill, MAX_ORDERS, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{JournalRow, Query, Rows, SignalRow};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::rows;
use super::write::chain;

/// The most rows of one page: the writer is waiting meanwhile.
const MOST: u16 = 200;

type Result<T> = rusqlite::Result<T>;

/// Every statement text is made from constants, so that each is prepared once.
pub(super) fn all<T>(db: &Connection, sql: &str, with: impl Params, read: fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(with, read)?.collect()
}

fn one<T>(db: &Connection, sql: &str, with: impl Params, read: fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(with, read).optional()
}

pub(super) fn signal_by_key(db: &Connection, client: &ClientId, key: &str) -> Result<Option<SignalRow>> {
    let sql = format!("SELECT {} FROM signals WHERE client_id = ?1 AND idempotency_key = ?2", rows::SIGNAL);
    one(db, &sql, [client.as_str(), key], rows::signal)
}

pub(super) fn newest_signal_with_prefix(db: &Connection, client: &ClientId, prefix: &str) -> Result<Option<SignalRow>> {
    let sql = format!(
        "SELECT {} FROM signals WHERE client_id = ?1 AND idempotency_key >= ?2 AND idempotency_key < ?3
         ORDER BY idempotency_key DESC LIMIT 1",
        rows::SIGNAL
    );
    // Any blob sorts after every text.
    let end = first_text_after(prefix).map_or(Value::Blob(Vec::new()), Value::Text);
    one(db, &sql, params![client.as_str(), prefix, end], rows::signal)
}

/// The smallest text that sorts after every text with this prefix.
fn first_text_after(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

pub(super) fn order(db: &Connection, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>> {
    let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND command_id = ?2", rows::ORDER);
    one(db, &sql, params![client.as_str(), command.to_string()], rows::order)
}

pub(super) fn order_by_broker_id(db: &Connection, client: &ClientId, date: NaiveDate, id: &BrokerOrderId) -> Result<Option<OrderRecord>> {
    let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND trading_date = ?2 AND broker_order_id = ?3", rows::ORDER);
    one(db, &sql, params![client.as_str(), date.to_string(), id.as_str()], rows::order)
}

pub(super) fn order_by_tag(db: &Connection, client: &ClientId, tag: &BrokerTag) -> Result<Option<OrderRecord>> {
    let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND broker_tag = ?2", rows::ORDER);
    one(db, &sql, params![client.as_str(), tag.as_str()], rows::order)
}

pub(super) fn answer(db: &Connection, asked: &Query) -> Result<Rows> {
    match asked {
        Query::Order(client, command) => order(db, client, *command).map(|found| Rows::Orders(found.into_iter().collect())),
        Query::OrderAtBroker { client_id, day, broker_order_id, broker_tag } => {
            let mut found = order_by_broker_id(db, client_id, *day, broker_order_id)?;
            if let (None, Some(tag)) = (&found, broker_tag) {
                found = order_by_tag(db, client_id, tag)?;
            }
            Ok(Rows::Orders(found.into_iter().collect()))
        }
        // A signal's orders are no page: all of them are answered.
        Query::Signal(client, signal) => {
            let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND signal_id = ?2 ORDER BY leg LIMIT {MAX_ORDERS}", rows::ORDER);
            all(db, &sql, params![client.as_str(), signal.to_string()], rows::order).map(Rows::Orders)
        }
        Query::SignalOfKey(client, key) => {
            // As a key of a sender's own is stored.
            let sql = format!(
                "SELECT {} FROM orders WHERE client_id = ?1 AND signal_id =
                   (SELECT signal_id FROM signals WHERE client_id = ?1 AND idempotency_key = 'k:' || ?2) ORDER BY leg LIMIT {MAX_ORDERS}",
                rows::ORDER
            );
            all(db, &sql, [client.as_str(), key.as_str()], rows::order).map(Rows::Orders)
        }
        Query::OrdersBefore(client, number, most) => {
            let sql = format!("SELECT {} FROM orders WHERE client_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3", rows::ORDER);
            all(db, &sql, params![client.as_str(), clamped(*number), (*most).min(MOST)], rows::order).map(Rows::Orders)
        }
        Query::OrderJournal(client, command, after) => order_journal(db, client, *command, *after).map(Rows::Journal),
        Query::Fills(client, command) => fills(db, client, *command).map(Rows::Fills),
        Query::JournalBefore(client, seq, most) => {
            let sql = format!("SELECT {} FROM journal WHERE client_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3", rows::JOURNAL);
            all(db, &sql, params![chain(client.as_ref()), clamped(*seq), (*most).min(MOST)], rows::journal).map(Rows::Journal)
        }
        Query::Correction(client, seq) => correction(db, client, *seq).map(|found| Rows::Changes(found.into_iter().collect())),
        Query::LeftUnpriced(client) => {
            let sql = format!(
                "SELECT {} FROM corrections WHERE client_id = ?1 AND kind IN ('LEFT', 'SETTLED') AND (told_seq IS NULL OR told_seq <> seq)
                 ORDER BY told_seq IS NOT NULL, trading_date DESC, seq DESC LIMIT {MOST}",
                rows::CORRECTION
            );
            all(db, &sql, [client.as_str()], rows::correction).map(Rows::Changes)
        }
        Query::JournalAfter(client, seq, most) => journal_after(db, chain(client.as_ref()), *seq, (*most).min(MOST)).map(Rows::Journal),
    }
}

/// The few corrections of an account are looked through: they are filed by their day.
pub(super) fn correction(db: &Connection, client: &ClientId, seq: u64) -> Result<Option<DayChange>> {
    let sql = format!("SELECT {} FROM corrections WHERE client_id = ?1 AND seq = ?2", rows::CORRECTION);
    one(db, &sql, params![client.as_str(), clamped(seq)], rows::correction)
}

pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A page of an order's rows after one of them.
fn order_journal(db: &Connection, client: &ClientId, command: CommandId, after: u64) -> Result<Vec<JournalRow>> {
    // Named, so that no planner ever walks a chain for an order's few rows.
    let sql = format!(
        "SELECT {} FROM journal INDEXED BY journal_of_order WHERE command_id = ?2 AND client_id = ?1 AND seq > ?3 ORDER BY seq LIMIT {MOST}",
        rows::JOURNAL
    );
    all(db, &sql, params![client.as_str(), command.to_string(), clamped(after)], rows::journal)
}

/// All of an order's rows, however many.
pub(super) fn whole_order_journal(db: &Connection, client: &ClientId, command: CommandId) -> Result<Vec<JournalRow>> {
    let sql =
        format!("SELECT {} FROM journal INDEXED BY journal_of_order WHERE command_id = ?2 AND client_id = ?1 ORDER BY seq", rows::JOURNAL);
    all(db, &sql, params![client.as_str(), command.to_string()], rows::journal)
}

/// All of an order's trades. No page of them: an exchange makes few of one order, and a sum of some of them would be a wrong one.
pub(super) fn fills(db: &Connection, client: &ClientId, command: CommandId) -> Result<Vec<Fill>> {
    let sql = format!(
        "SELECT {} FROM fills INDEXED BY fills_of_order WHERE client_id = ?1 AND command_id = ?2 ORDER BY at, trade_id",
        rows::FILL
    );
    all(db, &sql, params![client.as_str(), command.to_string()], rows::fill)
}

pub(super) fn journal_after(db: &Connection, chain: &str, seq: u64, most: u16) -> Result<Vec<JournalRow>> {
    let sql = format!("SELECT {} FROM journal WHERE client_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", rows::JOURNAL);
    all(db, &sql, params![chain, clamped(seq), most], rows::journal)
}

#[cfg(test)]
mod tests {
    use super::first_text_after;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text() {
        assert_eq!(first_text_after("b:ff:").as_deref(), Some("b:ff;"));
        assert_eq!(first_text_after("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(first_text_after("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(first_text_after(""), None);
    }
}
