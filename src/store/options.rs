//! How a store is opened, and why it may refuse.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::lock::{Holder, LockError};

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// WAL with `synchronous=FULL`: a commit is on the disk when it returns.
    Full,
    /// For tests only: nothing is synced, and a power cut loses or breaks the file. Never for orders that matter.
    SimulatedForTests,
}

/// How to open a data directory.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who opens it; written into the lock.
    pub holder: Holder,
    /// Now; written into a new directory and into the lock.
    pub opened_at: DateTime<Utc>,
    /// What a commit promises.
    pub durability: Durability,
    /// Pages in the write-ahead log at which the writer checkpoints even while it is busy. Fewer: more, shorter
    /// pauses. More: the log grows, and each commit costs more.
    pub checkpoint_pages: u32,
    /// The same when nothing is queued. Bites of 128 pages made no exit faster at the p99, and the median 10 % slower.
    pub idle_checkpoint_pages: u32,
    /// How long to wait for a foreign process that holds the write lock before saying so.
    pub busy_timeout_ms: u32,
    /// Space kept back for journaling exits on a full disk; 0 for none.
    pub ballast_bytes: u64,
}

impl Options {
    /// What production uses.
    #[must_use]
    pub fn at(opened_at: DateTime<Utc>) -> Self {
        Self {
            holder: Holder::Engine,
            opened_at,
            durability: Durability::Full,
            checkpoint_pages: 4_000,
            idle_checkpoint_pages: 500,
            busy_timeout_ms: 250,
            ballast_bytes: 16 * 1024 * 1024,
        }
    }
}

/// Why a data directory was not opened. Every one of them means: do not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another engine, or the lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory cannot be made or read.
    #[error("cannot use the data directory {}: {cause}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The database cannot be opened or set up.
    #[error("cannot open the database ({step}): {cause}")]
    Database {
        /// Doing what.
        step: &'static str,
        /// What SQLite said, and what to do if that is known.
        cause: String,
        /// Whether it may be gone at the next try: the disk, or a lock that somebody holds.
        may_heal: bool,
        /// Whether the disk has no room.
        is_full: bool,
    },
    /// A setting did not take.
    #[error("the database runs with {setting}={found}, but {wanted} is needed; the file system may not support it")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// Tables that ordergate did not make.
    #[error("orders.db was not made by ordergate; choose an empty data directory")]
    Foreign,
    /// A later version has changed the schema.
    #[error(
        "the database has the schema of a newer ordergate: {found} is not known here; run the newer one, or restore the backup from before \
         the upgrade"
    )]
    NewerSchema {
        /// The first step that is not known.
        found: String,
    },
    /// A build that took another step under the same number made it.
    #[error(
        "the database was made by a build whose {found} is another one than that of this ordergate, so neither of them is the newer; run \
         the build that made it, or begin with a new data directory"
    )]
    OtherSchema {
        /// The first step that differs.
        found: String,
    },
    /// It can be brought up to date, and a reader must not.
    #[error("the database has an older schema, up to {found}; the next start of this version's engine brings it up to date")]
    OlderSchema {
        /// Its last step.
        found: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database: {0}; keep it as it is, and go on with the version that made it")]
    Migration(String),
    /// The file is damaged.
    #[error("the database is damaged: {0}; restore a backup, and keep the damaged files")]
    Damaged(String),
    /// The database belongs to another broker, account or mode.
    #[error("the data directory is bound to {bound}, but the configuration says {wanted}; use another data directory")]
    BoundElsewhere {
        /// What it is bound to.
        bound: String,
        /// What was asked for.
        wanted: String,
    },
    /// No random numbers from the system.
    #[error("cannot draw the directory's tag prefix: {0}")]
    Random(String),
}

impl OpenError {
    /// Whether starting again may help: the disk failed, was full or read-only, or somebody held a lock.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Database { may_heal, .. } => *may_heal,
            Self::Lock(LockError::Busy { .. }) => true,
            Self::Directory { cause, .. } | Self::Lock(LockError::Unusable { cause, .. }) => crate::files::may_heal(cause),
            _ => false,
        }
    }

    /// Whether room on the disk is all that it lacks.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Database { is_full: true, .. })
    }
}

/// Whether there is no room. The index of the write-ahead log cannot grow then, which SQLite calls an error of its own.
fn says_full(cause: &rusqlite::Error) -> bool {
    let cannot_grow = cause.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    cannot_grow || cause.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

/// Whether SQLite failed for the disk, or for a lock.
pub(super) fn is_of_the_disk(cause: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure};
    matches!(cause.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | ReadOnly | SystemIoFailure))
}

/// Whether SQLite met a page that cannot be right.
pub(super) fn is_damage(cause: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(cause.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Wraps a SQLite error with the step that failed.
pub(super) fn database(step: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |cause| of_disk(step, &cause)
}

/// The same, by reference.
pub(super) fn of_disk(step: &'static str, cause: &rusqlite::Error) -> OpenError {
    let is_full = says_full(cause);
    OpenError::Database { step, cause: explain(cause), may_heal: is_of_the_disk(cause), is_full }
}

/// Whether another program holds the lock.
pub(super) fn is_locked(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

/// SQLite's words, and for a lock held elsewhere what to do about it.
pub(super) fn explain(cause: &rusqlite::Error) -> String {
    match cause.sqlite_error_code() {
        _ if is_locked(cause) => format!(
            "{cause}: another program holds the lock on orders.db; close it (a database browser, or a backup tool that writes) and start again"
        ),
        _ if says_full(cause) => format!("{cause}: free some space on the disk of the data directory and start again"),
        // The extended code tells a failed fsync from a failed read.
        Some(_) => format!("{cause} (SQLite code {})", cause.sqlite_error().map_or(0, |error| error.extended_code)),
        None => cause.to_string(),
    }
}
