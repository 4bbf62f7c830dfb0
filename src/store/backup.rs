//! A copy of the database while the engine runs.

use std::path::Path;

use ordergate_actors::ports::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, ffi};

use super::sqlite::failed;

/// Copies under another name first: a file with the wanted name is a whole backup.
pub(super) fn to_file(db: &Connection, to: &Path) -> Result<(), StoreError> {
    let failed_io = |cause: std::io::Error| StoreError { step: "backup", cause: format!("{}: {cause}", to.display()) };
    let partial = to.with_added_extension("partial");
    if to.exists() {
        return Err(failed_io(std::io::ErrorKind::AlreadyExists.into()));
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
