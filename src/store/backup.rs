//! A copy of the database while the engine runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ordergate_actors::ports::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, ffi};

use super::ballast::free_space;
use super::sqlite::failed;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something has the wanted name.
    #[error("{} is there already, and a backup is written over nothing: name a new file, or move that one away", .path.display())]
    Exists {
        /// The wanted name.
        path: PathBuf,
    },
    /// The file cannot be made or written.
    #[error("cannot write the backup to {}: {cause}; its directory must be there and be yours, with room for the database", .path.display())]
    Unwritable {
        /// The wanted name.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// There is too little room for it.
    #[error(
        "no room for the backup {}: it takes {} MiB, {} MiB must stay free, and {} MiB are free; make room, or name another disk",
        .path.display(), .size >> 20, .spare >> 20, .free >> 20
    )]
    NoRoom {
        /// The wanted name.
        path: PathBuf,
        /// Bytes of the copy.
        size: u64,
        /// Bytes that must stay.
        spare: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The database cannot be read, or not be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// Whether the same command may do better the next time: the disk failed, or was full or read-only.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Exists { .. } => false,
            Self::Unwritable { cause, .. } => crate::files::may_heal(cause),
            Self::NoRoom { .. } | Self::Store(_) => true,
        }
    }
}

/// What a copy leaves behind when it is killed; so much older than a new one, it is nobody's.
const PARTIAL: &str = "partial";
const STALE: Duration = Duration::from_secs(60 * 60);

/// Copies under another name first: a file with the wanted name is a whole backup. So many bytes stay free on the disk: it may be
/// the one that orders are written to.
pub(super) fn to_file(db: &Connection, to: &Path, spare: u64) -> Result<(), BackupError> {
    let failed_io = |cause: std::io::Error| BackupError::Unwritable { path: to.to_owned(), cause };
    let partial = to.with_added_extension(PARTIAL);
    // A link that leads nowhere has the name too.
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(failed_io)?;
    }
    // A copy holds every order: it is for its owner, as the directory of the original is.
    private_file(&partial).map_err(failed_io)?;
    let copied = fill(db, &partial, to, spare);
    if copied.is_err() {
        discard(&partial);
    }
    copied
}

/// Makes the copy whole and gives it its name.
fn fill(db: &Connection, partial: &Path, to: &Path, spare: u64) -> Result<(), BackupError> {
    let failed_io = |cause: std::io::Error| BackupError::Unwritable { path: to.to_owned(), cause };
    discard_stale(partial);
    let size = size(db).map_err(failed("backup"))?;
    if let Some(free) = free_space(to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        && free < size.saturating_add(spare)
    {
        return Err(BackupError::NoRoom { path: to.to_owned(), size, spare, free });
    }
    copy(db, partial).map_err(failed("backup"))?;
    let file = std::fs::OpenOptions::new().write(true).open(partial).map_err(failed_io)?;
    file.sync_all().and_then(|()| std::fs::rename(partial, to)).map_err(failed_io)
}

/// Bytes of the database.
fn size(db: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(u64::try_from(pages.saturating_mul(page)).unwrap_or(0))
}

/// A copy that is none takes no room, and neither does SQLite's own file beside it.
fn discard(partial: &Path) {
    let beside = partial.with_file_name(partial.file_name().map_or_else(Default::default, |name| {
        let mut name = name.to_owned();
        name.push("-journal");
        name
    }));
    for path in [partial, &beside] {
        if let Err(cause) = std::fs::remove_file(path)
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), "an unfinished backup stays: {cause}");
        }
    }
}

/// Removes what copies that were killed left beside this one, which has just been made.
fn discard_stale(partial: &Path) {
    let made = |path: &Path| path.metadata().and_then(|found| found.modified());
    let (Ok(now), Some(folder)) = (made(partial), partial.parent()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_one = path.extension() == partial.extension() && extension_before(&path) == extension_before(partial);
        let is_old = made(&path).is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age >= STALE));
        if is_one && is_old {
            discard(&path);
        }
    }
}

/// `db` of `orders.db.partial`.
fn extension_before(partial: &Path) -> Option<&OsStr> {
    Path::new(partial.file_stem()?).extension()
}

/// An empty file that only its owner reads; SQLite takes it for a new database.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

fn copy(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(path)?;
    whole(db, &mut copy)?;
    // One file, without a log beside it.
    let mode: String = copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))?;
    if mode != "delete" {
        let words = format!("the copy keeps its log beside it (journal_mode={mode}), and would not be whole without");
        return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(words)));
    }
    copy.execute("DELETE FROM meta WHERE key = 'tag_prefix'", [])?;
    copy.close().map_err(|(_, cause)| cause)
}

/// In one step: between two, every commit of the engine would start the copy over again.
pub(super) fn whole(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    match Backup::new(from, to)?.step(-1)? {
        StepResult::Done => Ok(()),
        other => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(format!("the copy stopped: {other:?}")))),
    }
}
