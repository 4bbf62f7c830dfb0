//! What happened on a range of days, for exports: a bounded part at a time, so that no statement stays open while somebody reads.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{ClientId, CommandId, Exchange, Fill, OrderRecord, Product, Side, Strategy};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::pnl::{DayChange, Move};
use ordergate_actors::ports::{JournalRow, StoreError};
use rusqlite::params;

use super::read::ReadStore;
use super::sqlite::failed;
use super::{query, rows};

/// Numbers that one statement looks at.
const SPAN: u64 = if cfg!(test) { 100 } else { 5_000 };

/// From a time (with it) to a time (without it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The moment after the last.
    pub to: DateTime<Utc>,
}

/// A part of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// Its rows, in the order of their numbers.
    pub rows: Vec<T>,
    /// The number up to which was looked: the next part begins after it.
    pub up_to: u64,
}

/// A trade with what its order says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// The trade.
    pub fill: Fill,
    /// Its order.
    pub command_id: CommandId,
    /// Whose.
    pub strategy: Strategy,
    /// Where.
    pub exchange: Exchange,
    /// In what.
    pub symbol: Arc<str>,
    /// The order's side; `None` where it is not known.
    pub side: Option<Side>,
    /// The order's product.
    pub product: Option<Product>,
}

impl ReadStore {
    /// The number of an account's last order; 0 for none.
    ///
    /// # Errors
    /// The disk failed.
    pub fn last_number(&self, client: &ClientId) -> Result<u64, StoreError> {
        self.greatest("SELECT MAX(number) FROM orders WHERE client_id = ?1", client.as_str())
    }

    /// The number of a chain's last row; 0 for none.
    ///
    /// # Errors
    /// The disk failed.
    pub fn last_seq(&self, client: &ClientId) -> Result<u64, StoreError> {
        self.greatest("SELECT MAX(seq) FROM journal WHERE client_id = ?1", client.as_str())
    }

    fn greatest(&self, sql: &str, client: &str) -> Result<u64, StoreError> {
        let last: Option<i64> = self.db.query_row(sql, [client], |row| row.get(0)).map_err(failed("reading the last number"))?;
        Ok(last.unwrap_or(0).unsigned_abs())
    }

    /// The orders above a number that were made in these times.
    ///
    /// # Errors
    /// The disk failed.
    pub fn orders_within(&self, client: &ClientId, after: u64, times: Times) -> Result<Part<OrderRecord>, StoreError> {
        let sql = format!(
            "SELECT {} FROM orders WHERE client_id = ?1 AND number > ?2 AND number <= ?3 AND created_at >= ?4 AND created_at < ?5 ORDER BY number",
            rows::ORDER
        );
        self.within(&sql, client, after, times, rows::order)
    }

    /// The journal rows after a number that were written in these times.
    ///
    /// # Errors
    /// The disk failed.
    pub fn journal_within(&self, client: &ClientId, after: u64, times: Times) -> Result<Part<JournalRow>, StoreError> {
        let sql = format!(
            "SELECT {} FROM journal WHERE client_id = ?1 AND seq > ?2 AND seq <= ?3 AND at >= ?4 AND at < ?5 ORDER BY seq",
            rows::JOURNAL
        );
        self.within(&sql, client, after, times, rows::journal)
    }

    fn within<T>(
        &self,
        sql: &str,
        client: &ClientId,
        after: u64,
        times: Times,
        read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Part<T>, StoreError> {
        let up_to = after.saturating_add(SPAN);
        let (first, last) = (query::clamped(after), query::clamped(up_to));
        let rows = query::all(&self.db, sql, params![client.as_str(), first, last, stored_time(times.from), stored_time(times.to)], read);
        Ok(Part { rows: rows.map_err(failed("reading a range"))?, up_to })
    }

    /// The trades of a day at the exchange, oldest first, whenever they were told.
    ///
    /// # Errors
    /// The disk failed.
    pub fn trades_of(&self, client: &ClientId, day: NaiveDate) -> Result<Vec<Trade>, StoreError> {
        let sql = format!(
            "SELECT {} FROM fills f JOIN orders o ON o.client_id = f.client_id AND o.command_id = f.command_id
             WHERE f.client_id = ?1 AND f.trading_date = ?2 ORDER BY f.at, f.trade_id",
            rows::TRADE
        );
        query::all(&self.db, &sql, params![client.as_str(), day.to_string()], rows::trade).map_err(failed("reading a day's trades"))
    }

    /// What changed in an account's holdings on a day, in journal order, as it is known by now: a trade that was told on a later day is
    /// one of its own day, and of that later day only what was carried into it; what ended with its contract left on the contract's day,
    /// and is recorded later.
    ///
    /// # Errors
    /// The disk failed.
    pub fn changes_of(&self, client: &ClientId, day: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        let trades = format!(
            "SELECT {} FROM fills f JOIN orders o ON o.client_id = f.client_id AND o.command_id = f.command_id
             WHERE f.client_id = ?1 AND f.trading_date = ?2",
            rows::TRADED
        );
        let corrections =
            format!("SELECT {} FROM corrections WHERE client_id = ?1 AND (trading_date = ?2 OR settled_on = ?2)", rows::CORRECTION);
        let mut changes = query::all(&self.db, &trades, params![client.as_str(), day.to_string()], rows::traded)
            .map_err(failed("reading a day's trades"))?;
        changes.extend(
            query::all(&self.db, &corrections, params![client.as_str(), day.to_string()], rows::correction)
                .map_err(failed("reading a day's corrections"))?,
        );
        for change in &mut changes {
            if matches!(change.what, Move::Settled { on, .. } if on == day) {
                change.day = day;
            }
        }
        changes.sort_unstable_by_key(|change| change.seq);
        Ok(changes)
    }
}
