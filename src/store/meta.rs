//! The data directory's own facts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use chrono::{DateTime, Utc};
use ordergate_actors::persistence::chain::stored_time;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::options::{OpenError, database};
use crate::marks::Mark;

const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// What is said of a database that has been used and has no tag prefix.
const BACKUP: &str = "it is a backup that was put in place";

/// Whose orders a directory holds. Paper data never opens live, nor one broker's data at another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The broker.
    pub broker: String,
    /// The accounts, in the order of the configuration.
    pub accounts: Vec<String>,
    /// `paper` or `live`.
    pub mode: String,
    /// Of accounts with real money: the user and the broker's host, by account. A directory from before this was written
    /// down has none, and takes those that it is opened with.
    #[serde(default)]
    pub traders: BTreeMap<String, String>,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |account: &String| match self.traders.get(account) {
            Some(trader) => format!("{account}: {trader}"),
            None => account.clone(),
        };
        write!(f, "{} {} ({})", self.mode, self.broker, self.accounts.iter().map(named).collect::<Vec<_>>().join(", "))
    }
}

impl Binding {
    /// Whether a directory bound to `self` may be opened as `wanted`: the same broker and mode, no account of the
    /// directory left without an engine, and each with the same user at the same host. Accounts may be added.
    fn admits(&self, wanted: &Self) -> bool {
        let has_all = self.accounts.iter().all(|account| wanted.accounts.contains(account));
        let has_same = self.traders.iter().all(|(account, trader)| wanted.traders.get(account) == Some(trader));
        self.broker == wanted.broker && self.mode == wanted.mode && has_all && has_same
    }
}

pub(super) fn get(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

pub(super) fn put(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.execute("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value", [key, value]).map(drop)
}

/// Where a database lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In this data directory; its tag prefix is drawn.
    Directory(&'a Path),
    /// On a simulation's disk, with this tag prefix.
    Simulated(&'a str),
}

/// Writes what a new or restored directory lacks, marks the directory as in use, and answers its tag prefix.
pub(super) fn take_over(db: &mut Connection, place: Place<'_>, now: DateTime<Utc>) -> Result<String, OpenError> {
    let step = "writing the directory's facts";
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(database(step))?;
    let created_at = get(&tx, "created_at").map_err(database(step))?;
    let prefix = match (get(&tx, "tag_prefix").map_err(database(step))?, place) {
        (Some(prefix), _) => prefix,
        (None, Place::Simulated(prefix)) => prefix.to_owned(),
        (None, Place::Directory(directory)) => {
            // Once the prefix is there nobody can tell any more, so the mark comes first.
            if created_at.is_some() {
                let unmarked = |cause| OpenError::Directory { path: directory.to_path_buf(), cause };
                Mark::Restored.set(directory, BACKUP).map_err(unmarked)?;
            }
            draw_prefix()?
        }
    };
    put(&tx, "tag_prefix", &prefix).map_err(database(step))?;
    if created_at.is_none() {
        put(&tx, "created_at", &stored_time(now)).map_err(database(step))?;
    }
    put(&tx, "clean_shutdown", "0").map_err(database(step))?;
    tx.commit().map_err(database(step))?;
    Ok(prefix)
}

/// Four of A-Z and 0-9, evenly.
fn draw_prefix() -> Result<String, OpenError> {
    let mut prefix = String::new();
    while prefix.len() < 4 {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(|cause| OpenError::Random(cause.to_string()))?;
        // 252 is the largest multiple of 36 in a byte; above it the first letters would come up more often.
        if byte[0] < 252 {
            prefix.push(char::from(LETTERS[usize::from(byte[0] % 36)]));
        }
    }
    Ok(prefix)
}

/// Checks the directory's binding, or writes it.
pub(super) fn bind(db: &mut Connection, wanted: &Binding) -> Result<(), OpenError> {
    let step = "checking the binding";
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(database(step))?;
    if let Some(text) = get(&tx, "binding").map_err(database(step))? {
        let bound: Binding = serde_json::from_str(&text).map_err(|cause| OpenError::Damaged(format!("the binding: {cause}")))?;
        if !bound.admits(wanted) {
            return Err(OpenError::BoundElsewhere { bound: bound.to_string(), wanted: wanted.to_string() });
        }
    }
    let unsaid = |cause: serde_json::Error| OpenError::Database { step, cause: cause.to_string(), may_heal: false, is_full: false };
    let text = serde_json::to_string(wanted).map_err(unsaid)?;
    put(&tx, "binding", &text).map_err(database(step))?;
    tx.commit().map_err(database(step))
}
