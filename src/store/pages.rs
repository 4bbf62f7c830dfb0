//! A chain, or the orders, read a page at a time: no statement stays open between two pages, so the engine's log is never held
//! back, and however many rows there are, a page of them is in memory.

use ordergate_actors::order::OrderRecord;
use ordergate_actors::ports::{JournalRow, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::sqlite::failed;
use super::{query, rows};

/// Rows read at once.
const PAGE: u16 = if cfg!(test) { 100 } else { 1_000 };

/// A chain's rows, oldest first.
#[derive(Debug)]
pub struct JournalRows<'a> {
    db: &'a Connection,
    chain: String,
    after: u64,
    up_to: u64,
    page: std::vec::IntoIter<JournalRow>,
    page_size: u16,
    is_done: bool,
}

impl<'a> JournalRows<'a> {
    pub(super) fn new(db: &'a Connection, chain: &str, after: u64, up_to: u64) -> Self {
        Self { db, chain: chain.to_owned(), after, up_to, page: Vec::new().into_iter(), page_size: PAGE, is_done: false }
    }

    pub(super) fn next_row(&mut self) -> Option<rusqlite::Result<JournalRow>> {
        while self.page.as_slice().is_empty() && !self.is_done {
            match query::journal_after(self.db, &self.chain, self.after, self.page_size) {
                Ok(page) => {
                    self.is_done = page.len() < usize::from(self.page_size);
                    self.page = page.into_iter();
                }
                // One row of the page cannot be read: go on to it row by row, so that it is known which.
                Err(cause) if rows::is_unreadable(&cause) && self.page_size > 1 => self.page_size = 1,
                Err(cause) => {
                    self.is_done = true;
                    return Some(Err(cause));
                }
            }
        }
        let row = self.page.next().filter(|row| row.seq <= self.up_to)?;
        self.after = row.seq;
        Some(Ok(row))
    }
}

impl Iterator for JournalRows<'_> {
    type Item = Result<JournalRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().map(|row| row.map_err(failed("reading the journal")))
    }
}

/// Orders of a kind, in the order in which they were made; all of them.
#[derive(Debug)]
pub struct OrderRows<'a> {
    db: &'a Connection,
    sql: String,
    /// The row that was read last, and what the statement takes beside it.
    with: Vec<Value>,
    page: std::vec::IntoIter<(i64, OrderRecord)>,
    is_done: bool,
}

impl<'a> OrderRows<'a> {
    /// `index` names one, or is empty; `which` is a condition over the columns, whose `?2` is `with`.
    pub(super) fn new(db: &'a Connection, index: &str, which: &str, with: Option<String>) -> Self {
        let sql = format!("SELECT {}, id FROM orders {index} WHERE ({which}) AND id > ?1 ORDER BY id LIMIT {PAGE}", rows::ORDER);
        let with = std::iter::once(Value::Integer(0)).chain(with.map(Value::Text)).collect();
        Self { db, sql, with, page: Vec::new().into_iter(), is_done: false }
    }

    fn next_row(&mut self) -> rusqlite::Result<Option<OrderRecord>> {
        if self.page.as_slice().is_empty() && !self.is_done {
            // Whatever comes of it: a read that failed is not tried for ever.
            self.is_done = true;
            let page: Vec<(i64, OrderRecord)> = query::all(self.db, &self.sql, params_from_iter(&self.with), numbered)?;
            self.is_done = page.len() < usize::from(PAGE);
            self.page = page.into_iter();
        }
        let Some((id, order)) = self.page.next() else { return Ok(None) };
        if let Some(after) = self.with.first_mut() {
            *after = Value::Integer(id);
        }
        Ok(Some(order))
    }
}

fn numbered(row: &Row<'_>) -> rusqlite::Result<(i64, OrderRecord)> {
    Ok((row.get("id")?, rows::order(row)?))
}

impl Iterator for OrderRows<'_> {
    type Item = Result<OrderRecord, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().map_err(failed("reading orders")).transpose()
    }
}
