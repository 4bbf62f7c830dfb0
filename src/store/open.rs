//! From a file to a connection that is known to be sound: settings read back, log folded in, schema up to date.

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};

use super::options::{Durability, OpenError, Options, database, is_damage};
use super::schema::{self, HISTORY, Schema, migrate};
use super::{backup, meta};
use crate::marks::Mark;

/// The database file in a data directory.
pub(crate) const FILE: &str = "orders.db";
/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS: usize = 128;
/// The largest file that is checked whole at a start: 64 MiB, half a second.
const WHOLE_CHECK_PAGES: i64 = 16_384;

/// How the file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// A file with a write-ahead log.
    File(Durability),
    /// A simulation's memory.
    Memory,
}

/// Makes the connection fit for orders.
pub(super) fn prepare(db: &mut Connection, medium: Medium, options: &Options) -> Result<(), OpenError> {
    keep_statements(db).map_err(database("keeping statements"))?;
    db.busy_timeout(std::time::Duration::from_millis(options.busy_timeout_ms.into())).map_err(database("busy_timeout"))?;
    let tables = tables(db).map_err(damage_or("reading the schema"))?;
    if !tables.is_empty() {
        if !tables.iter().any(|table| table == HISTORY) {
            return Err(OpenError::Foreign);
        }
        // Before anything is written: a file that this program cannot use stays as it is.
        match schema::of(db).map_err(damage_or("reading the schema"))? {
            Schema::Newer(found) => return Err(OpenError::NewerSchema { found }),
            Schema::Other(found) => return Err(OpenError::OtherSchema { found }),
            Schema::Older(_) | Schema::Current => {}
        }
    }
    let (mode, synchronous) = match medium {
        Medium::File(Durability::Full) => ("wal", "2"),
        Medium::File(Durability::SimulatedForTests) => ("wal", "0"),
        Medium::Memory => ("memory", "0"),
    };
    set(db, "journal_mode", mode)?;
    set(db, "synchronous", synchronous)?;
    set(db, "foreign_keys", "1")?;
    if medium == Medium::File(Durability::Full) {
        // Elsewhere than on macOS these do nothing; there a plain fsync does not reach the platter.
        set(db, "fullfsync", "1")?;
        set(db, "checkpoint_fullfsync", "1")?;
    }
    // A reader may keep the log in use, which is no reason not to start.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(damage_or("folding the log in"))?;
    if medium != Medium::Memory && ended_uncleanly(db, &tables).map_err(damage_or("reading how the last run ended"))? {
        check(db)?;
    }
    migrate(db)?;
    // What a unit that is refused would put back stays in memory: above 64 KiB SQLite makes a file for it in the middle of a
    // commit, in a directory that may be full or read-only where the data directory is not. Not before the migrations: the
    // index of a table of years is sorted in a file.
    set(db, "temp_store", "2")
}

/// No statement is prepared twice on this connection: there is room for all of them, and none is planned anew for other values,
/// as SQLite otherwise does with every `column = ?` that no index answers, at each use.
pub(super) fn keep_statements(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Fills an empty database with the schema and nothing else: a copy of one that is made once in a process.
pub(super) fn with_schema(db: &mut Connection) -> Result<(), OpenError> {
    static EMPTY: Mutex<Option<Connection>> = Mutex::new(None);
    let step = "making an empty database";
    let mut empty = EMPTY.lock();
    let empty = match &mut *empty {
        Some(made) => made,
        none => {
            let mut made = Connection::open_in_memory().map_err(database(step))?;
            migrate(&mut made)?;
            none.insert(made)
        }
    };
    backup::whole(empty, db).map_err(database(step))
}

fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?.query_map([], |row| row.get(0))?.collect()
}

/// Sets a pragma and reads it back: a setting that silently did not take is how data is lost.
fn set(db: &Connection, setting: &'static str, wanted: &'static str) -> Result<(), OpenError> {
    db.pragma_update_and_check(None, setting, wanted, |_| Ok(())).optional().map_err(damage_or(setting))?;
    let found: String = db
        .pragma_query_value(None, setting, |row| {
            row.get_ref(0).map(|value| match value {
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            })
        })
        .map_err(damage_or(setting))?;
    if found == wanted { Ok(()) } else { Err(OpenError::Setting { setting, found, wanted }) }
}

fn ended_uncleanly(db: &Connection, tables: &[String]) -> rusqlite::Result<bool> {
    Ok(tables.iter().any(|table| table == "meta") && meta::get(db, "clean_shutdown")?.as_deref() != Some("1"))
}

/// Checks the file after an unclean end, and only then: after a clean one nobody has written to it.
///
/// A check of every page reads about 120 MiB a second: 14 s for a million orders, with positions open and nobody
/// watching them. So a larger file is checked where it is small and decides the most, and the rest is left to what the
/// restart does anyway: the chain is verified from its last anchor, every open order and the newest ones are read, and
/// SQLite refuses any malformed page it meets. One that is met while the engine runs ends it and leaves [`Mark::Damaged`], and the
/// next start checks the whole file ([`check_marked`]). So does `ordergate journal verify --full`, beside the engine.
fn check(db: &Connection) -> Result<(), OpenError> {
    let step = "checking the file";
    let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(damage_or(step))?;
    let checks: &[&str] = if pages <= WHOLE_CHECK_PAGES {
        &["PRAGMA quick_check(1)"]
    } else {
        &["PRAGMA quick_check(holdings)", "PRAGMA quick_check(control)", "PRAGMA quick_check(anchors)", "PRAGMA quick_check(meta)"]
    };
    for check in checks {
        let verdict: String = db.query_row(check, [], |row| row.get(0)).map_err(damage_or(step))?;
        if verdict != "ok" {
            return Err(OpenError::Damaged(verdict));
        }
    }
    Ok(())
}

/// Checks all of a file in which a damaged page was met, however large it is and however the run ended: with a page that only some
/// rows lead to, every start would go well, and every run would end when one of them is asked for.
pub(super) fn check_marked(db: &Connection, directory: &Path) -> Result<(), OpenError> {
    let Some(met) = Mark::Damaged.read(directory) else { return Ok(()) };
    tracing::warn!(event = "whole_check", "the last run met a damaged page ({met}): the whole database is checked before anything starts");
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damage_or("checking the whole file"))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged(format!("{verdict}; the run before met it ({met})")));
    }
    tracing::warn!(
        event = "whole_check",
        "the whole database is sound: what was met did not come from the file, so look at memory and disk"
    );
    if let Err(cause) = Mark::Damaged.clear(directory) {
        tracing::error!(event = "mark_stays", "the next start checks the whole database again: {cause}");
    }
    Ok(())
}

/// Opens the file, or makes it.
pub(super) fn file(directory: &Path) -> Result<Connection, OpenError> {
    Connection::open(directory.join(FILE)).map_err(database("opening the file"))
}

/// A damaged file is told apart from one that cannot be used now.
pub(super) fn damage_or(step: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |cause| if is_damage(&cause) { OpenError::Damaged(cause.to_string()) } else { database(step)(cause) }
}
