//! Whether the files that the engine writes are still those of its data directory. A name that was removed or given to another file
//! leaves the engine with a file that nobody else sees: another engine may start beside it, or all that it writes is gone at its end.
//! Looked at from a thread of its own, so that a disk that hangs holds up nothing else.

mod held_log;
mod rescue;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ordergate_actors::Engine;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};

use self::held_log::HeldLog;
use self::rescue::{Rescue, UNSAVED, within};
use crate::halt::ProcessHalt;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);

const LOCK: &str = "engine.lock";
const DATABASE: &str = "orders.db";
const LOG: &str = "orders.db-wal";

/// The files, and what it means that one of them is another now.
const FILES: [(&str, &str); 3] = [
    (LOCK, "another engine may run on it; the lock goes with the process that holds it, and the file is never to be removed"),
    (DATABASE, "what is written from then on is in a file that no start will find; put the right one back before the next start"),
    (LOG, "what was written since it was last folded into orders.db is in a file that no start will find"),
];

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(found.dev(), found.ino())
    }

    /// That there is one.
    #[cfg(not(unix))]
    fn of(_: &std::fs::Metadata) -> Self {
        Self(0, 0)
    }
}

/// What is found of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There(Identity),
    Gone,
    /// The disk does not say.
    Unknown,
}

fn look_at(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(found) => Found::There(Identity::of(&found)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Found::Gone,
        Err(_) => Found::Unknown,
    }
}

/// What has become of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// It has the file that it had, as far as the disk says.
    Same,
    Removed,
    /// Another file has it.
    Replaced,
}

/// A name, at least, has not the engine's file any more.
#[derive(Debug, PartialEq, Eq)]
struct Lost {
    lock: Name,
    database: Name,
    log: Name,
    text: String,
}

/// The files as they were when the engine opened them.
#[derive(Debug)]
pub(super) struct OwnFiles {
    directory: PathBuf,
    known: [Option<Identity>; FILES.len()],
    /// Its log, from when there is one.
    held: Option<HeldLog>,
}

impl OwnFiles {
    /// Those of a directory that was opened this moment.
    pub(super) fn of(directory: &Path) -> Self {
        let mut own = Self { directory: directory.to_path_buf(), known: [None; FILES.len()], held: None };
        let _there_is_nothing_to_compare = own.look();
        own
    }

    /// What is lost, all of it: what can still be done about one name depends on the others. A file that was not there yet is known from
    /// when it is.
    fn look(&mut self) -> Option<Lost> {
        let mut names = [Name::Same; FILES.len()];
        let mut texts = Vec::new();
        for ((known, name), (file, means)) in self.known.iter_mut().zip(&mut names).zip(FILES) {
            *name = match (*known, look_at(&self.directory.join(file))) {
                (None, Found::There(identity)) => {
                    *known = Some(identity);
                    Name::Same
                }
                (Some(before), Found::There(now)) if before != now => Name::Replaced,
                (Some(_), Found::Gone) => Name::Removed,
                (None | Some(_), _) => Name::Same,
            };
            let how = match name {
                Name::Same => continue,
                Name::Removed => "removed",
                Name::Replaced => "replaced by another file",
            };
            texts.push(format!("{file} in {} was {how} while this engine runs: {means}", self.directory.display()));
        }
        let [lock, database, log] = names;
        if self.held.is_none() && log == Name::Same {
            self.held = HeldLog::of(&self.directory).filter(|held| Some(held.identity()) == self.known[FILES.len() - 1]);
        }
        (!texts.is_empty()).then(|| Lost { lock, database, log, text: texts.join("; ") })
    }

    /// Looks until what it answers is dropped. What is lost ends the process: the next start locks, and reads, what is there. For so long
    /// the journal may take to be closed before that, and no longer.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(super) fn watch(mut self, engine: Engine, halt: Arc<ProcessHalt>, patience: Duration) -> std::io::Result<Sender<()>> {
        let (stop, stopped) = bounded(0);
        std::thread::Builder::new().name("ordergate-files".into()).spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Some(lost) = self.look() {
                    let rescue = Rescue::of(&self.directory, &lost, self.held.take());
                    let engine = engine.clone();
                    // What it holds is held until the process is gone.
                    let (saved, _lock) = match within(patience, move || rescue.run(&engine)) {
                        Ok(saved) => saved,
                        Err(cause) => (format!("; whether {DATABASE} has what was written last is not known ({cause}): {UNSAVED}"), None),
                    };
                    halt.halt(EXIT_FAULT, &format!("{}{saved}", lost.text));
                }
            }
        })?;
        Ok(stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_removed_or_another_is_named_and_one_that_only_changes_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in [LOCK, DATABASE] {
            std::fs::write(path(name), "1").unwrap();
        }
        let mut own = OwnFiles::of(directory.path());
        assert_eq!(own.look(), None);
        std::fs::write(path(DATABASE), "more").unwrap();
        std::fs::write(path(LOG), "it comes with the first write").unwrap();
        assert_eq!((own.look(), own.look()), (None, None));

        std::fs::rename(path(LOG), path("aside")).unwrap();
        let lost = own.look().unwrap();
        assert!(
            lost.log == Name::Removed && lost.text.contains("orders.db-wal in ") && lost.text.contains("was removed while"),
            "{lost:?}"
        );
        std::fs::write(path(LOG), "").unwrap();
        assert_eq!(own.look().unwrap().log, Name::Replaced, "a reader makes one anew");
        std::fs::rename(path("aside"), path(LOG)).unwrap();
        assert_eq!(own.look(), None, "the same file again");

        std::fs::write(path("other"), "another").unwrap();
        std::fs::rename(path("other"), path(LOCK)).unwrap();
        std::fs::remove_file(path(LOG)).unwrap();
        let lost = own.look().unwrap();
        assert_eq!((lost.lock, lost.database, lost.log), (Name::Replaced, Name::Same, Name::Removed), "all of them are looked at");
        assert!(lost.text.contains("another engine may run on it") && lost.text.contains("orders.db-wal in "), "{lost:?}");
    }
}
