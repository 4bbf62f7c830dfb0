//! A copy of the database while the engine runs.

use std::path::{Path, PathBuf};

use ordergate_actors::ports::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, ffi};

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
            Self::Store(_) => true,
        }
    }
}

/// Copies under another name first: a file with the wanted name is a whole backup.
pub(super) fn to_file(db: &Connection, to: &Path) -> Result<(), BackupError> {
    let failed_io = |cause: std::io::Error| BackupError::Unwritable { path: to.to_owned(), cause };
    let partial = to.with_added_extension("partial");
    // A link that leads nowhere has the name too.
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(failed_io)?;
    }
    // A copy holds every order: it is for its owner, as the directory of the original is.
    private_file(&partial).map_err(failed_io)?;
    copy(db, &partial).map_err(failed("backup"))?;
    let file = std::fs::OpenOptions::new().write(true).open(&partial).map_err(failed_io)?;
    file.sync_all().and_then(|()| std::fs::rename(&partial, to)).map_err(failed_io)
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
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
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
