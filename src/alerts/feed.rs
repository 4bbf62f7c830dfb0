//! The journal as a channel reads it: rows after its cursors, on a read-only connection of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::Alarm;
use ordergate_actors::ports::{JournalRow, StoreError};

use super::fact::{of_row, wants_order};
use super::outbox::{Outbox, Rules};
use crate::store::{OpenError, ReadStore};

/// Rows of one chain that are read at once.
const PAGE: usize = 200;

/// Rows of one chain with their numbers, oldest first; `None` is one that cannot be read.
type Rows = VecDeque<(u64, Option<JournalRow>)>;

/// Why the journal cannot be read. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// It cannot be opened.
    #[error("opening the journal: {0}")]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("reading the journal: {0}")]
    Store(#[from] StoreError),
}

/// The journal of a data directory.
#[derive(Debug)]
pub(super) struct Feed {
    directory: PathBuf,
    store: Option<ReadStore>,
}

impl Feed {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), store: None }
    }

    fn with<R>(&mut self, read: impl FnOnce(&ReadStore) -> Result<R, StoreError>) -> Result<R, FeedError> {
        if self.store.is_none() {
            self.store = Some(ReadStore::open(&self.directory)?);
        }
        let read = self.store.as_ref().map(read).transpose();
        // A connection that failed is not used again.
        if read.is_err() {
            self.store = None;
        }
        match read? {
            Some(read) => Ok(read),
            None => Err(StoreError { step: "reading the journal", cause: "it is not open".to_owned() }.into()),
        }
    }

    /// The alarms that stand.
    pub(super) fn open_alarms(&mut self) -> Result<Vec<(Option<ClientId>, Alarm)>, FeedError> {
        self.with(ReadStore::alarms)
    }

    /// Reads on as far as there are rows and there is room.
    pub(super) fn read(&mut self, outbox: &mut Outbox, rules: &Rules, now: DateTime<Utc>) -> Result<(), FeedError> {
        while outbox.has_room() && self.with(|store| read_page(store, outbox, rules, now))? {}
        Ok(())
    }
}

/// Takes one page of each chain, in the order of time; answers whether there may be more.
fn read_page(store: &ReadStore, outbox: &mut Outbox, rules: &Rules, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let mut chains: Vec<(Option<ClientId>, Rows)> = Vec::new();
    let mut has_more = false;
    for head in store.heads()? {
        let after = outbox.cursor(head.client_id.as_ref());
        let page = store.journal_page(head.client_id.as_ref(), after, head.seq, PAGE)?;
        has_more |= page.len() == PAGE || page.last().is_some_and(|(_, row)| row.is_none());
        chains.push((head.client_id, page.into()));
    }
    while outbox.has_room() {
        // A chain keeps its own order, whatever its clock said.
        let at = |rows: &Rows| rows.front().map(|(_, row)| row.as_ref().map(|row| row.at));
        let next = chains.iter_mut().filter(|(_, rows)| !rows.is_empty()).min_by_key(|(_, rows)| at(rows));
        let Some((client_id, rows)) = next else { return Ok(has_more) };
        let Some((seq, row)) = rows.pop_front() else { return Ok(has_more) };
        match row {
            Some(row) => take(store, outbox, rules, &row, now)?,
            // That the journal is damaged is an alarm of its own; what comes after the row must be heard all the same.
            None => tracing::error!(
                event = "alert_row",
                chain = client_id.as_ref().map(tracing::field::display),
                seq,
                "a journal row cannot be read"
            ),
        }
        outbox.passed(client_id.as_ref(), seq);
    }
    Ok(false)
}

fn take(store: &ReadStore, outbox: &mut Outbox, rules: &Rules, row: &JournalRow, now: DateTime<Utc>) -> Result<(), StoreError> {
    let order = match (&row.client_id, row.command_id) {
        (Some(client), Some(command)) if wants_order(row) => store.order(client, command)?,
        _ => None,
    };
    if let Some(alert) = of_row(row, order.as_ref()) {
        outbox.take(rules, alert, now);
    }
    Ok(())
}
