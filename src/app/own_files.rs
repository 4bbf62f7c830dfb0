//! Whether the files that the engine writes are still those of its data directory. A name that was removed or given to another file
//! leaves the engine with a file that nobody else sees: another engine may start beside it, or all that it writes is gone at its end.
//! Looked at from a thread of its own, so that a disk that hangs holds up nothing else.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ordergate_actors::Engine;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};

use crate::halt::ProcessHalt;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The files, and what it means that one of them is another now.
const FILES: [(&str, &str); 3] = [
    ("engine.lock", "another engine may run on it; the lock goes with the process that holds it, and the file is never to be removed"),
    ("orders.db", "what is written from then on is in a file that no start will find; put the right one back before the next start"),
    (LOG, "what was written since it was last folded into orders.db is in a file that no start will find"),
];
const LOG: &str = "orders.db-wal";

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

/// A file that is not the engine's any more.
#[derive(Debug, PartialEq, Eq)]
struct Lost {
    name: &'static str,
    /// Nobody has put another into its place.
    is_removed: bool,
    text: String,
}

/// The files as they were when the engine opened them.
#[derive(Debug)]
pub(super) struct OwnFiles {
    directory: PathBuf,
    known: [Option<Identity>; FILES.len()],
}

impl OwnFiles {
    /// Those of a directory that was opened this moment.
    pub(super) fn of(directory: &Path) -> Self {
        let mut own = Self { directory: directory.to_path_buf(), known: [None; FILES.len()] };
        let _there_is_nothing_to_compare = own.look();
        own
    }

    /// The first that is another than it was. One that was not there yet is known from when it is.
    fn look(&mut self) -> Option<Lost> {
        for (known, (name, means)) in self.known.iter_mut().zip(FILES) {
            let found = look_at(&self.directory.join(name));
            let is_removed = match (*known, found) {
                (None, Found::There(identity)) => {
                    *known = Some(identity);
                    continue;
                }
                (Some(before), Found::There(now)) if before != now => false,
                (Some(_), Found::Gone) => true,
                (None | Some(_), _) => continue,
            };
            let how = if is_removed { "removed" } else { "replaced by another file" };
            let text = format!("{name} in {} was {how} while this engine runs: {means}", self.directory.display());
            return Some(Lost { name, is_removed, text });
        }
        None
    }

    /// Looks until what it answers is dropped. What is lost ends the process: the next start locks, and reads, what is there.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(super) fn watch(mut self, engine: Engine, halt: Arc<ProcessHalt>) -> std::io::Result<Sender<()>> {
        let (stop, stopped) = bounded(0);
        std::thread::Builder::new().name("ordergate-files".into()).spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Some(Lost { name, is_removed, text }) = self.look() {
                    // As long as this process has it open, its log can still be folded into the database.
                    let saved = if name == LOG && is_removed { saved(&engine) } else { String::new() };
                    halt.halt(EXIT_FAULT, &format!("{text}{saved}"));
                }
            }
        })?;
        Ok(stop)
    }
}

/// Closes the journal in order, and says what came of it.
fn saved(engine: &Engine) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let closed = runtime.map_err(|cause| cause.to_string()).and_then(|runtime| {
        let stopped = runtime.block_on(engine.stop());
        stopped.map(drop).map_err(|cause| cause.to_string())
    });
    match closed {
        Ok(()) => "; it was folded into orders.db before the end, and nothing is lost".to_owned(),
        Err(cause) => {
            format!("; it could not be folded into orders.db before the end ({cause}): what is lost, the broker's books must tell")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_removed_or_another_is_named_and_one_that_only_changes_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["engine.lock", "orders.db"] {
            std::fs::write(path(name), "1").unwrap();
        }
        let mut own = OwnFiles::of(directory.path());
        assert_eq!(own.look(), None);
        std::fs::write(path("orders.db"), "more").unwrap();
        std::fs::write(path(LOG), "it comes with the first write").unwrap();
        assert_eq!((own.look(), own.look()), (None, None));

        std::fs::rename(path(LOG), path("aside")).unwrap();
        let lost = own.look().unwrap();
        assert!(lost.is_removed && lost.text.contains("orders.db-wal in ") && lost.text.contains("was removed while"), "{lost:?}");
        std::fs::rename(path("aside"), path(LOG)).unwrap();
        assert_eq!(own.look(), None, "the same file again");

        std::fs::write(path("other"), "another").unwrap();
        std::fs::rename(path("other"), path("engine.lock")).unwrap();
        let lost = own.look().unwrap();
        assert!(!lost.is_removed && lost.text.contains("another engine may run on it"), "{lost:?}");
    }
}
