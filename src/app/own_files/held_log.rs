//! The log of the engine's database, held open: whatever becomes of its name, what was committed to it can be read for as long as this
//! process lives, and be put back.

use std::fs::File;
use std::io::{ErrorKind, Result, Seek as _};
use std::path::{Path, PathBuf};

use super::{Found, Identity, LOG, look_at};
use crate::files::{Mode, copy_whole};

/// SQLite's index of the log.
const INDEX: &str = "orders.db-shm";
/// What is added to the name of a log that somebody else wrote.
const OTHER: &str = "other";

/// The log that this process opened, and its index. SQLite takes no locks on the log, so that closing it here loses none.
#[derive(Debug)]
pub(super) struct HeldLog {
    file: File,
    identity: Identity,
    index: Found,
    directory: PathBuf,
}

impl HeldLog {
    /// That of a directory; `None`: there is none that can be read.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let file = File::open(directory.join(LOG)).ok()?;
        let identity = Identity::of(&file.metadata().ok()?);
        Some(Self { file, identity, index: look_at(&directory.join(INDEX)), directory: directory.to_path_buf() })
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether nothing is left in it. SQLite cuts a log down to nothing only when all of it is in the database.
    pub(super) fn is_empty(&self) -> Result<bool> {
        Ok(self.file.metadata()?.len() == 0)
    }

    /// Puts a log that somebody else wrote out of the way: a start would write its pages over those of the database. One that a mere
    /// reader made is empty.
    pub(super) fn set_other_aside(&self) -> Result<()> {
        let path = self.directory.join(LOG);
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > 0 => std::fs::rename(&path, path.with_added_extension(OTHER))?,
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
        // An index that is not ours tells of another log, and whoever has it open keeps it so.
        let index = self.directory.join(INDEX);
        if matches!(look_at(&index), now @ Found::There(_) if now != self.index) {
            std::fs::remove_file(index)?;
        }
        Ok(())
    }

    /// Gives a copy its name. Nobody may write to it any more: pages of before would be written over newer ones.
    pub(super) fn put_back(&self) -> Result<()> {
        self.set_other_aside()?;
        let mut from = &self.file;
        from.rewind()?;
        copy_whole(&self.directory.join(LOG), &mut from, Mode::Private)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;

    const FOLD: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

    /// A database of which fifty commits stand in its log alone, the log, and a reader that knows the first twenty.
    fn fifty(directory: &Path) -> (Connection, HeldLog, Connection) {
        let database = directory.join("orders.db");
        let writer = Connection::open(&database).unwrap();
        writer.busy_timeout(std::time::Duration::ZERO).unwrap();
        writer.execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x, y)").unwrap();
        writer.query_row(FOLD, [], |_| Ok(())).unwrap();
        let insert = |rows: std::ops::Range<i32>| {
            for row in rows {
                writer.execute("INSERT INTO t VALUES (?1, zeroblob(2000))", [row]).unwrap();
            }
        };
        insert(0..20);
        let reader = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(rows(&reader), 20);
        insert(20..50);
        let held = HeldLog::of(directory).unwrap();
        (writer, held, reader)
    }

    fn rows(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    /// What a start finds that has these files and nothing else: nobody's memory of the index.
    fn found_by_a_start(directory: &Path) -> (Option<i64>, String) {
        let copy = tempfile::tempdir().unwrap();
        for name in ["orders.db", LOG] {
            if directory.join(name).exists() {
                std::fs::copy(directory.join(name), copy.path().join(name)).unwrap();
            }
        }
        let db = Connection::open(copy.path().join("orders.db")).unwrap();
        let count = db.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).ok();
        (count, db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap_or_else(|cause| cause.to_string()))
    }

    /// The name of the log is gone, and a new reader has made an empty file of it: it is folded in all the same.
    #[test]
    fn a_log_that_a_new_reader_made_anew_is_folded_in_from_the_one_that_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, held, reader) = fifty(directory.path());
        reader.execute_batch("COMMIT").unwrap();
        std::fs::remove_file(directory.path().join(LOG)).unwrap();
        let new = Connection::open_with_flags(directory.path().join("orders.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let _fails = new.query_row("SELECT COUNT(*) FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(std::fs::metadata(directory.path().join(LOG)).unwrap().len(), 0, "the reader has made it");
        assert!(!held.is_empty().unwrap());
        assert_eq!(writer.query_row(FOLD, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        assert!(held.is_empty().unwrap());
        held.set_other_aside().unwrap();
        assert_eq!(found_by_a_start(directory.path()), (Some(50), "ok".to_owned()));
    }

    /// A reader of an older state keeps it from being folded in: the database alone is then at no commit at all.
    #[test]
    fn a_log_that_a_reader_keeps_in_use_is_put_back_and_has_every_commit() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, held, reader) = fifty(directory.path());
        for name in [LOG, INDEX] {
            std::fs::remove_file(directory.path().join(name)).unwrap();
        }
        assert_eq!(writer.query_row(FOLD, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "it is refused, without an error");
        assert!(!held.is_empty().unwrap());
        assert_ne!(found_by_a_start(directory.path()).0, Some(50), "the commits are not in it");
        drop(writer);
        held.put_back().unwrap();
        assert_eq!(found_by_a_start(directory.path()), (Some(50), "ok".to_owned()));
        assert_eq!(rows(&reader), 20, "the reader is left alone");
    }

    #[test]
    fn a_log_whose_name_is_gone_is_put_back_and_what_others_wrote_there_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let read = |name: &str| std::fs::read_to_string(path(name)).ok();
        assert!(HeldLog::of(directory.path()).is_none());
        std::fs::write(path(LOG), "commits").unwrap();
        std::fs::write(path(INDEX), "of them").unwrap();
        let held = HeldLog::of(directory.path()).unwrap();
        assert!(!held.is_empty().unwrap());

        std::fs::remove_file(path(LOG)).unwrap();
        held.put_back().unwrap();
        assert_eq!((read(LOG).as_deref(), read(INDEX).as_deref()), (Some("commits"), Some("of them")));

        // A reader has made it anew, without an index of its own.
        std::fs::remove_file(path(LOG)).unwrap();
        std::fs::write(path(LOG), "").unwrap();
        held.put_back().unwrap();
        assert_eq!((read(LOG).as_deref(), read(INDEX).as_deref()), (Some("commits"), Some("of them")));
        assert_eq!(read("orders.db-wal.other"), None);

        // Somebody has made both, and written.
        for name in [LOG, INDEX] {
            std::fs::write(path("new"), "another's").unwrap();
            std::fs::rename(path("new"), path(name)).unwrap();
        }
        held.put_back().unwrap();
        assert_eq!((read(LOG).as_deref(), read(INDEX)), (Some("commits"), None));
        assert_eq!(read("orders.db-wal.other").as_deref(), Some("another's"));
    }
}
