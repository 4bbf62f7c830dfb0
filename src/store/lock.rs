//! One engine per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ordergate_actors::persistence::chain::stored_time;

/// Who takes the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The engine.
    Engine,
    /// A command of ours, by its name: it ends by itself.
    Command(&'static str),
}

/// Why the directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another engine runs on it.
    #[error("another engine uses {}: {holder}; stop that one first, or choose another data directory", directory.display())]
    Held {
        /// The directory.
        directory: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// Somebody is at it who ends by himself: a command, or one who has not said who he is.
    #[error("{} is in use for a moment: {holder}", directory.display())]
    Busy {
        /// The directory.
        directory: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("cannot use the lock file {}: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// A look at the lock holds it for an instant: so often it is tried again before somebody is said to have it.
const TRIES: u32 = 1_000;

/// Stands before the name of a command in the text of the lock.
const COMMAND: &str = ", ordergate ";
/// What there is of somebody who wrote nothing.
const UNNAMED: &str = "it has not said who it is";

/// The lock, held for as long as this lives. The system drops it with the process, however that ends; the file stays.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

impl Drop for DirectoryLock {
    /// Closing alone is not enough: a child process that is being started holds a copy of the file until its program
    /// runs, and the lock with it.
    fn drop(&mut self) {
        if let Err(cause) = self.file.unlock() {
            tracing::warn!(%cause, "the data directory's lock could not be given up; it goes with this process");
        }
    }
}

impl DirectoryLock {
    /// Locks the directory for this process and writes who holds it.
    ///
    /// # Errors
    /// [`LockError::Held`] and [`LockError::Busy`] name the holder.
    pub fn acquire(directory: &Path, by: Holder, now: DateTime<Utc>) -> Result<Self, LockError> {
        let path = directory.join("engine.lock");
        let unusable = |cause| LockError::Unusable { path: path.clone(), cause };
        // Not truncated at open: until the lock is ours, the text is the holder's.
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unusable)?;
        let mut tried = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tried < TRIES => {
                    tried += 1;
                    std::thread::yield_now();
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(held_by(directory, holder(&mut file)));
                }
                Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
            }
        }
        let who = match by {
            Holder::Engine => String::new(),
            Holder::Command(name) => format!("{COMMAND}{name}"),
        };
        let text = format!("pid {}{who}, started {}\n", std::process::id(), stored_time(now));
        match file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes())) {
            // It is ours whether there is room to say so or not.
            Err(cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!(event = "lock_unnamed", "the disk has no room for who holds the data directory's lock");
            }
            written => written.map_err(unusable)?,
        }
        Ok(Self { file })
    }

    /// What the holder of the directory wrote about itself; `None`: nobody holds it. Nothing is written, and nothing is made.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn holder(directory: &Path) -> Result<Option<String>, LockError> {
        let path = directory.join("engine.lock");
        let mut file = match File::open(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|cause| LockError::Unusable { path: path.clone(), cause })?,
        };
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| None).map_err(|cause| LockError::Unusable { path, cause }),
            Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file).unwrap_or_else(|| UNNAMED.to_owned()))),
            Err(TryLockError::Error(cause)) => Err(LockError::Unusable { path, cause }),
        }
    }
}

fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(200).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn held_by(directory: &Path, holder: Option<String>) -> LockError {
    let directory = directory.to_path_buf();
    match holder {
        Some(holder) if !holder.contains(COMMAND) => LockError::Held { directory, holder },
        holder => LockError::Busy { directory, holder: holder.unwrap_or_else(|| UNNAMED.to_owned()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_engine_is_refused_and_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let now = "2026-11-20T04:00:00Z".parse().unwrap();
        assert_eq!(DirectoryLock::holder(directory.path()).unwrap(), None);
        assert!(!directory.path().join("engine.lock").exists(), "a look makes nothing");
        let first = DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap();
        let seen = DirectoryLock::holder(directory.path()).unwrap().unwrap();
        assert!(seen.contains(&format!("pid {}", std::process::id())), "{seen}");
        let refusal = DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap_err().to_string();
        assert!(refusal.contains(&format!("pid {}", std::process::id())), "{refusal}");
        assert!(refusal.contains("2026-11-20T04:00:00.000000Z"), "{refusal}");
        // What a child process holds while it is being started.
        let _copy = first.file.try_clone().unwrap();
        drop(first);
        DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap();
    }

    #[test]
    fn a_command_is_told_from_an_engine_and_so_is_one_who_has_not_said_who_he_is() {
        let directory = tempfile::tempdir().unwrap();
        let now = "2026-11-20T04:00:00Z".parse().unwrap();
        let command = DirectoryLock::acquire(directory.path(), Holder::Command("squareoff"), now).unwrap();
        let busy = DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap_err();
        assert!(matches!(&busy, LockError::Busy { holder, .. } if holder.contains("ordergate squareoff, started 2026")), "{busy}");
        std::fs::write(directory.path().join("engine.lock"), "").unwrap();
        assert!(matches!(DirectoryLock::acquire(directory.path(), Holder::Engine, now), Err(LockError::Busy { .. })));
        drop(command);
        let _engine = DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap();
        let held = DirectoryLock::acquire(directory.path(), Holder::Engine, now).unwrap_err();
        assert!(matches!(held, LockError::Held { .. }), "{held}");
    }
}
