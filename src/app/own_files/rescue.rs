//! What is done before the end for what was acknowledged, when the database or its log has lost its name: it is folded into the
//! database, or its log is put back, so that the next start finds it. What comes of it is said as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use ordergate_actors::ports::Clock as _;
use ordergate_actors::{Engine, StopError};
use tokio::time::{Instant, sleep};

use super::held_log::HeldLog;
use super::{DATABASE, LOG, Lost, Name};
use crate::clock::SystemClock;
use crate::store::{DirectoryLock, Holder, LockError};

/// Where to look for what could not be saved.
pub(super) const UNSAVED: &str = "what is missing there, the intent log and the broker's books must tell";
/// How long the writer may take to give the database up once it has closed it.
const GIVEN_UP: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(10);

/// What it answers within that time, worked out on a thread of its own.
///
/// # Errors
/// Why there is no answer, in words.
pub(super) fn within<T: Send + 'static>(most: Duration, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (tell, told) = bounded(1);
    let thread = std::thread::Builder::new().name("ordergate-rescue".into());
    thread
        .spawn(move || {
            let _too_late = tell.send(work());
        })
        .map_err(|cause| format!("no thread for it: {cause}"))?;
    told.recv_timeout(most).map_err(|none| match none {
        RecvTimeoutError::Timeout => format!("the disk has not finished it within {} s", most.as_secs()),
        RecvTimeoutError::Disconnected => "a panic".to_owned(),
    })
}

/// What is to be saved, and how much of it is still ours.
#[derive(Debug)]
pub(super) struct Rescue {
    directory: PathBuf,
    lock: Name,
    database: Name,
    log: Name,
    held: Option<HeldLog>,
}

impl Rescue {
    pub(super) fn of(directory: &Path, lost: &Lost, held: Option<HeldLog>) -> Self {
        let Lost { lock, database, log, .. } = *lost;
        Self { directory: directory.to_path_buf(), lock, database, log, held }
    }

    /// Closes the journal in order and sees to it that the next start finds all of it. What came of it, to be added to what is lost; and
    /// the lock, if it had to be taken again: nobody else may begin before this process is gone.
    pub(super) fn run(self, engine: &Engine) -> (String, Option<DirectoryLock>) {
        if self.database == Name::Same && self.log == Name::Same {
            return (String::new(), None); // The next start finds both.
        }
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(self.save(engine)),
            Err(cause) => (unsaved(&cause), None),
        }
    }

    async fn save(self, engine: &Engine) -> (String, Option<DirectoryLock>) {
        // With another lock in its place another engine may write the database already, and what both write is nobody's.
        let mut lock = match self.lock {
            Name::Same => None,
            Name::Replaced => return (unsaved(&"another engine may write it"), None),
            Name::Removed => match self.take_lock(Duration::ZERO).await {
                Ok(lock) => Some(lock),
                Err(cause) => return (unsaved(&cause), None),
            },
        };
        if let (Name::Same, Some(held)) = (self.database, &self.held) {
            // SQLite removes what has the name of its log when it closes. What cannot be moved now is told after that.
            let _told_below = held.set_other_aside();
        }
        let kept = match engine.stop().await {
            Ok(_) => match self.held.as_ref().map(HeldLog::is_empty) {
                Some(Ok(true)) => None,
                Some(Ok(false)) => Some(format!("a program reads {DATABASE} and keeps it from that")),
                Some(Err(cause)) => Some(format!("its log cannot be read: {cause}")),
                None => Some("its log could not be read".to_owned()),
            },
            Err(StopError::Journal(cause)) => Some(cause.to_string()),
            Err(cause @ StopError::Unanswered) => return (unsaved(&cause), lock),
        };
        if self.database != Name::Same {
            return (of_another_name(kept.as_deref()), lock);
        }
        if lock.is_none() {
            // The writer's own goes with its database: when it is free, nobody of this process is at the files any more.
            match self.take_lock(GIVEN_UP).await {
                Ok(taken) => lock = Some(taken),
                Err(cause) => return (kept.map_or_else(|| folded(Ok(())), |kept| not_put_back(&kept, &cause)), None),
            }
        }
        let said = match (kept, &self.held) {
            (None, held) => folded(held.as_ref().map_or(Ok(()), HeldLog::set_other_aside)),
            (Some(kept), None) => not_put_back(&kept, &"it could not be read"),
            (Some(kept), Some(held)) => match held.put_back() {
                Ok(()) => format!(
                    "; it could not be folded into {DATABASE} before the end ({kept}), so a copy of it was put back: nothing that was \
                     acknowledged is lost, and the next start folds it in"
                ),
                Err(cause) => not_put_back(&kept, &cause),
            },
        };
        (said, lock)
    }

    /// Takes the directory's lock, and waits so long for whoever has it.
    async fn take_lock(&self, patience: Duration) -> Result<DirectoryLock, LockError> {
        let until = Instant::now() + patience;
        loop {
            match DirectoryLock::acquire(&self.directory, Holder::Engine, SystemClock.now()) {
                Err(LockError::Held { .. } | LockError::Busy { .. }) if Instant::now() < until => sleep(AGAIN).await,
                taken => return taken,
            }
        }
    }
}

/// Nothing was done.
fn unsaved(cause: &dyn std::fmt::Display) -> String {
    format!("; it was not folded into {DATABASE} before the end ({cause}): {UNSAVED}")
}

/// All of it is in the database; whether another log stands where a start would look for ours.
fn folded(set_aside: std::io::Result<()>) -> String {
    let saved = format!("; it was folded into {DATABASE} before the end, and nothing that was acknowledged is lost");
    match set_aside {
        Ok(()) => saved,
        Err(cause) => {
            format!("{saved}, but another {LOG} stands there that could not be moved ({cause}): move it away before the next start")
        }
    }
}

/// The database is without a part of it.
fn not_put_back(kept: &str, cause: &dyn std::fmt::Display) -> String {
    format!(
        "; it could not be folded into {DATABASE} before the end ({kept}), nor be put back ({cause}): {DATABASE} lacks what was written \
         last and may be damaged, so restore a backup if a check finds it so; {UNSAVED}"
    )
}

/// The file that was the database has another name now, or none.
fn of_another_name(kept: Option<&str>) -> String {
    match kept {
        None => format!(
            "; all that was acknowledged was folded into the {DATABASE} that this engine had: where that was moved to, it is whole. If it \
             was deleted, restore the newest backup; {UNSAVED}"
        ),
        Some(kept) => format!(
            "; what was written last could not be folded into the {DATABASE} that this engine had ({kept}): {UNSAVED}, wherever that file is"
        ),
    }
}
