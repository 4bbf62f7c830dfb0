//! A chain, read a page at a time: no statement stays open between two pages, so the engine's log is never held back.

use ordergate_actors::ports::{JournalRow, StoreError};
use rusqlite::Connection;

use super::sqlite::failed;
use super::{query, rows};

/// Rows read at once.
const PAGE: u16 = 1_000;

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
