//! The writer's connection.
//!
//! *Invariant:* after an error between `begin` and `commit` nothing more is written: what the disk holds is unknown
//! until the next start reads it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{Begun, JournalRow, Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};
use rusqlite::{Connection, ErrorCode};

use super::ballast::{Ballast, free_space};
use super::lock::DirectoryLock;
use super::meta::{self, Binding, Place};
use super::open::{self, Medium};
use super::options::{Durability, OpenError, Options, database, explain, is_damage, is_locked};
use super::projections::Scratch;
use super::simulated::SimulatedDisk;
use super::verify::{self, ChainReport, VerifyFrom};
use super::write::{self, Applied};
use super::{load, query};
use crate::marks::Mark;

/// SQLite as the engine's store: the sole writer of a data directory.
#[derive(Debug)]
pub struct SqliteStore {
    db: Connection,
    medium: Medium,
    log: Log,
    tag_prefix: String,
    halted: bool,
    directory: Option<PathBuf>,
    ballast: Option<Ballast>,
    /// Declared last, dropped last: nobody else may open the directory before the connection is gone.
    _lock: Option<DirectoryLock>,
}

/// How long the write-ahead log is, and when it is folded into the main file.
#[derive(Debug)]
struct Log {
    /// Pages in the log after the last commit, told by SQLite.
    pages: Arc<AtomicU32>,
    /// Pages that the last checkpoint saw. A reader may keep them in the log; trying again at every commit would only
    /// cost time, so the next attempt waits for as many new ones.
    seen: u32,
    busy_watermark: u32,
    idle_watermark: u32,
}

impl Log {
    fn is_due(&mut self, watermark: u32) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            self.seen = 0; // The log was started anew.
        }
        pages - self.seen >= watermark.max(1)
    }
}

/// A step's error.
pub(super) fn failed(step: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |cause| StoreError { step, cause: explain(&cause) }
}

impl SqliteStore {
    /// Opens the data directory, or makes it: locked for this process, checked, migrated.
    ///
    /// # Errors
    /// [`OpenError`]: do not start.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        std::fs::create_dir_all(directory).map_err(|cause| OpenError::Directory { path: directory.to_path_buf(), cause })?;
        let lock = DirectoryLock::acquire(directory, options.holder, options.opened_at)?;
        let ballast = Ballast::ensure(directory, options.ballast_bytes);
        let on_file = || Self::on(open::file(directory)?, Medium::File(options.durability), Place::Directory(directory), &options);
        let mut store = match on_file() {
            // A start on a full disk must reach recovery: this is what the space was kept for.
            Err(fault) if fault.is_full() && ballast.is_there() => {
                ballast.release();
                on_file()?
            }
            opened => opened?,
        };
        store.directory = Some(directory.to_path_buf());
        store.ballast = Some(ballast).filter(Ballast::is_there);
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens a directory for a test: everything as in production, but nothing is synced and no ballast is made.
    ///
    /// # Errors
    /// [`OpenError`].
    #[doc(hidden)]
    pub fn in_directory(directory: &Path, now: DateTime<Utc>) -> Result<Self, OpenError> {
        Self::open(directory, Options { durability: Durability::SimulatedForTests, ballast_bytes: 0, ..Options::at(now) })
    }

    /// Opens a simulation's disk: the same SQL in memory. What was committed is there again when the store is dropped,
    /// at any moment, and opened once more.
    ///
    /// # Errors
    /// [`OpenError`].
    #[doc(hidden)]
    pub fn simulated(disk: &SimulatedDisk, now: DateTime<Utc>) -> Result<Self, OpenError> {
        let options = Options { durability: Durability::SimulatedForTests, ..Options::at(now) };
        Self::on(disk.connect()?, Medium::Memory, Place::Simulated(disk.tag_prefix()), &options)
    }

    fn on(mut db: Connection, medium: Medium, place: Place<'_>, options: &Options) -> Result<Self, OpenError> {
        open::prepare(&mut db, medium, options)?;
        if let Place::Directory(directory) = place {
            open::check_marked(&db, directory)?;
        }
        let tag_prefix = meta::take_over(&mut db, place, options.opened_at)?;
        let pages = Arc::new(AtomicU32::new(0));
        // Taking the hook also turns SQLite's own checkpoints off, which would run inside somebody's commit.
        let counter = Arc::clone(&pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            counter.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
        .map_err(database("watching the log"))?;
        let log = Log { pages, seen: 0, busy_watermark: options.checkpoint_pages, idle_watermark: options.idle_checkpoint_pages };
        Ok(Self { db, medium, log, tag_prefix, halted: false, directory: None, ballast: None, _lock: None })
    }

    /// Ties a new directory to its broker, accounts and mode, or checks that it is the same again. Accounts may be added.
    ///
    /// # Errors
    /// [`OpenError::BoundElsewhere`].
    pub fn bind(&mut self, binding: &Binding) -> Result<(), OpenError> {
        match meta::bind(&mut self.db, binding) {
            Err(fault) if fault.is_full() && self.ballast.is_some() => {
                self.release_ballast();
                meta::bind(&mut self.db, binding)
            }
            bound => bound,
        }
    }

    /// What is wrong with the file, if SQLite finds anything; slow for a large one.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        match self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
            Ok(verdict) if verdict == "ok" => None,
            Ok(verdict) => Some(verdict),
            Err(cause) => is_damage(&cause).then(|| cause.to_string()),
        }
    }

    /// Verifies every chain.
    ///
    /// # Errors
    /// The disk failed; a broken chain is no error but a report.
    pub fn verify(&self, from: VerifyFrom) -> Result<Vec<ChainReport>, StoreError> {
        verify::chains(&self.db, &Scratch::default(), from)
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.db
    }

    /// The error of a step that reads or writes rows. A damaged page is marked, so that the next start looks at all of the file instead of
    /// meeting it again.
    fn fails(&self, step: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
        let directory = self.directory.as_deref();
        move |cause| {
            if let (true, Some(directory)) = (is_damage(&cause), directory)
                && let Err(unmarked) = Mark::Damaged.set(directory, &format!("{step}: {cause}"))
            {
                tracing::error!(event = "mark_missing", "the next start does not know of it ({unmarked}): {step}: {cause}");
            }
            failed(step)(cause)
        }
    }

    /// The last row of each chain.
    ///
    /// # Errors
    /// The disk failed.
    pub fn heads(&self) -> Result<Vec<JournalRow>, StoreError> {
        load::heads(&self.db).map_err(failed("reading the chains' heads"))
    }

    fn run(&self, statement: &'static str) -> rusqlite::Result<()> {
        self.db.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// Refuses to write on after an error.
    fn writable(&self, step: &'static str) -> Result<(), StoreError> {
        if self.halted { Err(StoreError { step, cause: "halted after an earlier error".to_owned() }) } else { Ok(()) }
    }

    fn latched<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.halted |= result.is_err();
        result
    }

    /// Writes a unit of which a refusal leaves nothing. The first of a round has a savepoint too, although nothing else is in the round
    /// yet: to begin the round anew would give the write lock away for a moment, and another program that waits for it would take it.
    fn undoable(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        if self.db.is_autocommit() {
            return Err(StoreError { step: "unit", cause: "no round is open".to_owned() });
        }
        self.run_all(&["SAVEPOINT unit"])?;
        for row in writes {
            let mut place = write::table(row);
            let refused = match write::apply(&self.db, row) {
                Ok(Applied::Yes) => continue,
                Ok(Applied::Contradicted) => true,
                Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    place = write::refused_at(row, &cause);
                    !self.db.is_autocommit()
                }
                Err(cause) => return Err(self.fails(write::table(row))(cause)),
            };
            if !refused {
                return Err(StoreError { step: "unit", cause: "the refused row ended the whole round".to_owned() });
            }
            self.run_all(&["ROLLBACK TO unit", "RELEASE unit"])?;
            return Ok(Verdict::Refused(place));
        }
        self.run_all(&["RELEASE unit"])?;
        Ok(Verdict::Done)
    }

    fn run_all(&self, statements: &[&'static str]) -> Result<(), StoreError> {
        statements.iter().copied().try_for_each(|statement| self.run(statement)).map_err(failed("unit"))
    }

    /// Moves what no reader needs into the main file, without waiting for anybody.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        // How much was moved does not matter: what a reader keeps in the log is moved later.
        let moved = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        self.log.seen = self.log.pages.load(Ordering::Relaxed);
        match moved {
            Ok(()) => Ok(()),
            // Every commit is in the log; the main file grows when there is space again.
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(()),
            Err(cause) => Err(self.fails("checkpoint")(cause)),
        }
    }

    fn checkpoint_if_due(&mut self, watermark: u32) -> Result<(), StoreError> {
        if !self.log.is_due(watermark) {
            return Ok(());
        }
        let done = self.checkpoint();
        self.latched(done)
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        load::load(&self.db, &self.tag_prefix)
    }

    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        load::day(&self.db, client, from).map_err(self.fails("load: the day"))
    }

    fn correction(&mut self, client: &ClientId, seq: u64) -> Result<Option<DayChange>, StoreError> {
        query::correction(&self.db, client, seq).map_err(self.fails("looking for a change"))
    }

    /// The watermark is looked at here, not after the commit: the answers of the round before are out by now.
    fn begin(&mut self) -> Result<Begun, StoreError> {
        self.writable("begin")?;
        self.checkpoint_if_due(self.log.busy_watermark)?;
        match self.run("BEGIN IMMEDIATE") {
            Err(cause) if is_locked(&cause) => Ok(Begun::Locked(explain(&cause))),
            begun => self.latched(begun.map(|()| Begun::Open).map_err(failed("begin"))),
        }
    }

    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        self.writable("unit")?;
        let verdict = self.undoable(writes);
        self.latched(verdict)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.writable("commit")?;
        let committed = self.run("COMMIT").map_err(self.fails("commit"));
        self.latched(committed)
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        self.writable("idle")?;
        self.checkpoint_if_due(self.log.idle_watermark)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.writable("close")?;
        meta::put(&self.db, "clean_shutdown", "1").map_err(failed("close"))?;
        self.halted = true; // Closed: nothing may follow.
        if self.medium == Medium::Memory {
            return Ok(());
        }
        let is_kept: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed("close"))?;
        if is_kept {
            tracing::info!(event = "log_kept", "a program reads orders.db, so its log stays beside it: the next start folds it in");
        }
        Ok(())
    }

    fn signal_by_key(&mut self, client: &ClientId, key: &str) -> Result<Option<SignalRow>, StoreError> {
        query::signal_by_key(&self.db, client, key).map_err(self.fails("signal_by_key"))
    }

    fn newest_signal_with_prefix(&mut self, client: &ClientId, prefix: &str) -> Result<Option<SignalRow>, StoreError> {
        query::newest_signal_with_prefix(&self.db, client, prefix).map_err(self.fails("newest_signal_with_prefix"))
    }

    fn order(&mut self, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError> {
        query::order(&self.db, client, command).map_err(self.fails("order"))
    }

    fn order_by_broker_id(&mut self, client: &ClientId, date: NaiveDate, id: &BrokerOrderId) -> Result<Option<OrderRecord>, StoreError> {
        query::order_by_broker_id(&self.db, client, date, id).map_err(self.fails("order_by_broker_id"))
    }

    fn order_by_tag(&mut self, client: &ClientId, tag: &BrokerTag) -> Result<Option<OrderRecord>, StoreError> {
        query::order_by_tag(&self.db, client, tag).map_err(self.fails("order_by_tag"))
    }

    fn query(&mut self, asked: &Query) -> Result<Rows, StoreError> {
        query::answer(&self.db, asked).map_err(self.fails("query"))
    }

    fn free_space(&self) -> Option<u64> {
        free_space(self.directory.as_deref()?)
    }

    fn release_ballast(&mut self) {
        if let Some(ballast) = self.ballast.take() {
            ballast.release();
        }
    }
}
