//! `logs/intent_tracking.log`: one JSON line per committed step of an order, for people and their scripts.
//!
//! A listener hands committed rows over a bounded channel to a thread of its own. When the channel is full it drops
//! them and counts; the thread sees the gap in the numbers and reads what is missing from the journal, as it does at
//! the start with what an earlier process left out. So the log is late at worst, never wrong.

mod file;
mod line;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, after, bounded};
use ordergate_actors::persistence::{Event, Listener};
use ordergate_actors::ports::{JournalRow, StoreError};

use crate::files::private_directory;
use crate::store::OpenError;
use file::LogFile;

pub use line::Stage;

/// The log's name in the directory of the logs.
pub const FILE: &str = "intent_tracking.log";
/// Rows that may wait for the thread.
const WAITING: usize = 8_192;
/// How long rows are gathered before they are written: a thread that wakes for each step of an order stands in the order's way.
const GATHER: Duration = Duration::from_millis(20);
/// How long after a failure the file is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Why the log cannot be written. The engine goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum IntentLogError {
    /// The file cannot be used.
    #[error("the file of the log: {0}")]
    File(#[from] io::Error),
    /// The journal cannot be opened.
    #[error("opening the journal: {0}")]
    Open(#[from] OpenError),
    /// The journal cannot be read.
    #[error("reading the journal: {0}")]
    Store(#[from] StoreError),
    /// The journal is not open.
    #[error("the journal is not open")]
    NoJournal,
}

/// Where the log is.
#[must_use]
pub fn path(logs: &Path) -> PathBuf {
    logs.join(FILE)
}

/// Hands committed rows to the log's thread; for [`ordergate_actors::Parts::listeners`].
#[derive(Debug)]
pub struct IntentLog {
    rows: Sender<Arc<JournalRow>>,
}

/// The log's thread. It ends when the listener is gone and what waited is written.
#[derive(Debug)]
pub struct IntentLogThread {
    thread: JoinHandle<()>,
}

impl IntentLogThread {
    /// Waits until the last line is written. Drop the engine first: it holds the listener.
    pub fn join(self) {
        // A panic in there has been logged by the hook.
        let _ = self.thread.join();
    }
}

impl IntentLog {
    /// Starts the thread. It first writes what the journal of the data directory has beyond the log; the database must
    /// have been opened once.
    ///
    /// # Errors
    /// The directory of the logs cannot be made, or there is no thread.
    pub fn start(logs: &Path, directory: &Path) -> Result<(Self, IntentLogThread), IntentLogError> {
        private_directory(logs)?;
        let (rows, waiting) = bounded(WAITING);
        let (path, directory) = (path(logs), directory.to_path_buf());
        let thread = std::thread::Builder::new().name("intent-log".to_owned()).spawn(move || write(&path, &directory, &waiting))?;
        Ok((Self { rows }, IntentLogThread { thread }))
    }
}

impl Listener for IntentLog {
    fn committed(&mut self, events: &[Event]) {
        for event in events {
            match self.rows.try_send(Arc::clone(&event.row)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => metrics::counter!("ordergate_intent_log_late_total").increment(1),
                Err(TrySendError::Disconnected(_)) => metrics::counter!("ordergate_intent_log_lost_total").increment(1),
            }
        }
    }
}

/// Writes until the listener is gone. A disk that fails is tried again: what came meanwhile is read from the journal.
fn write(path: &Path, directory: &Path, rows: &Receiver<Arc<JournalRow>>) {
    let mut is_told = false;
    while let Err(error) = write_while_it_goes(path, directory, rows, &mut is_told) {
        if !is_told {
            is_told = true;
            tracing::error!(
                event = "intent_log_failed",
                path = %path.display(),
                "{error}; it is tried again every {} s, and the journal has everything: ordergate journal rebuild-intent-log",
                AGAIN.as_secs()
            );
        }
        let until = Instant::now() + AGAIN;
        loop {
            match rows.recv_deadline(until) {
                Ok(_in_the_journal) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn write_while_it_goes(path: &Path, directory: &Path, rows: &Receiver<Arc<JournalRow>>, is_told: &mut bool) -> Result<(), IntentLogError> {
    let mut log = LogFile::open(path, directory)?;
    if std::mem::take(is_told) {
        tracing::warn!(event = "intent_log_resumed", path = %path.display(), "the log is written again, and lacks nothing");
    }
    while let Ok(first) = rows.recv() {
        let _over = after(GATHER).recv();
        std::iter::once(first).chain(rows.try_iter()).try_for_each(|row| log.append(&row))?;
        log.flush()?;
    }
    Ok(())
}

/// Whether the log has rows that a journal lacks, whose chains end so: that journal is an older one than the log was written from.
/// Answers which, in words. A log that is not there, or cannot be read, says nothing.
#[must_use]
pub fn ahead(logs: &Path, heads: &[JournalRow]) -> Option<String> {
    file::ahead(&path(logs), heads).unwrap_or_else(|cause| {
        tracing::warn!(event = "intent_log_unread", path = %path(logs).display(), "whether it is ahead of the journal is not known: {cause}");
        None
    })
}

/// Writes the whole log anew from the journal; answers how many lines it has. Not beside a running engine, which would
/// go on writing to the old one.
///
/// # Errors
/// The journal cannot be read, or the file cannot be written; the old log stays.
pub fn rebuild(logs: &Path, directory: &Path) -> Result<u64, IntentLogError> {
    private_directory(logs)?;
    file::rebuild(&path(logs), directory)
}
