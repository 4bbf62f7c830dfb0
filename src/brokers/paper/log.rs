//! The paper broker's file: one line of JSON per step, holding the events of that step. Only ever appended to, with one
//! write per step, before the step counts. Read back at start; a torn last line was never answered for, and goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::simulator::exchange::{Book, Event};

/// The file's name in its directory.
pub const FILE_NAME: &str = "paper_broker.log";

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// A line that is not the last one does not read, or contradicts those before it.
    #[error("{path} line {line}: {cause}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
}

/// A step could not be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFailure {
    /// The file is as it was before the step; the step did not happen.
    #[error("the paper broker's book could not be written: {0}")]
    Undone(String),
    /// Nothing more is known of the file; the broker stands still until it is opened again.
    #[error("the paper broker's book stands still: {0}")]
    Stopped(String),
}

impl LogFailure {
    /// Whether it is certain that nothing happened.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::Undone(_))
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct PaperLog {
    file: File,
    length: u64,
    stopped: Option<String>,
}

/// What a file says.
struct History {
    book: Book,
    /// The file up to the end of its last whole line.
    length: u64,
    /// The book as the newest day began, and where that day's lines begin, if days before it are in the file.
    day: Option<(Vec<Event>, u64)>,
}

impl PaperLog {
    /// Opens or creates the file, and gives the book that it holds. Days before the newest are dropped from it.
    pub(super) fn open(directory: &Path, now: DateTime<Utc>) -> Result<(Self, Book), PaperError> {
        let path = directory.join(FILE_NAME);
        let io = |source| PaperError::Io { path: path.clone(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let mut read = read(&path)?;
        roll(&mut read, now);
        if let Some((base, from)) = &read.day {
            read.length = shorten(&path, base, *from, read.length).map_err(io)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
        file.set_len(read.length).map_err(io)?;
        Ok((Self { file, length: read.length, stopped: None }, read.book))
    }

    /// Writes one step.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<(), LogFailure> {
        self.health()?;
        let line = line(events).map_err(|cause| LogFailure::Undone(cause.to_string()))?;
        match self.file.write_all(&line) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            // What was written of it must go, or the next line would be glued to it.
            Err(cause) => match self.file.set_len(self.length) {
                Ok(()) => Err(LogFailure::Undone(cause.to_string())),
                Err(worse) => Err(self.stop(&format!("{cause}; then {worse}"))),
            },
        }
    }

    /// Takes no more steps.
    pub(super) fn stop(&mut self, cause: &str) -> LogFailure {
        self.stopped = Some(cause.to_owned());
        LogFailure::Stopped(cause.to_owned())
    }

    /// From here on every write fails, and cannot be taken back.
    #[cfg(test)]
    pub(super) fn break_for_test(&mut self) {
        self.file = File::open(std::env::temp_dir()).unwrap();
    }

    /// Whether steps can be taken.
    pub(super) fn health(&self) -> Result<(), LogFailure> {
        match &self.stopped {
            Some(cause) => Err(LogFailure::Stopped(cause.clone())),
            None => Ok(()),
        }
    }
}

fn line(events: &[Event]) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(events)?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path) -> Result<History, PaperError> {
    let io = |source| PaperError::Io { path: path.to_owned(), source };
    let mut read = History { book: Book::default(), length: 0, day: None };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Ok(read),
        Err(source) => return Err(io(source)),
    };
    let (mut lines, mut text) = (BufReader::new(file), Vec::new());
    for number in 1.. {
        text.clear();
        let size = lines.read_until(b'\n', &mut text).map_err(io)?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let damaged = |cause: String| PaperError::Damaged { path: path.to_owned(), line: number, cause };
        let events: Vec<Event> = serde_json::from_slice(&text).map_err(|cause| damaged(cause.to_string()))?;
        events.iter().try_for_each(|event| read.book.apply(event)).map_err(|cause| damaged(cause.to_string()))?;
        read.length += size as u64;
        if number > 1 && matches!(events.as_slice(), [Event::Rolled { .. }]) {
            read.day = Some((read.book.base(), read.length));
        }
    }
    Ok(read)
}

/// Begins the day of `now` if the file ends before it.
fn roll(read: &mut History, now: DateTime<Utc>) {
    if read.length == 0 {
        return;
    }
    if let Some(event) = read.book.roll_due(now)
        && read.book.apply(&event).is_ok()
    {
        read.day = Some((read.book.base(), read.length));
    }
}

/// Replaces the file by one that begins with the base and goes on with the lines of the newest day. Gives its length.
fn shorten(path: &Path, base: &[Event], from: u64, to: u64) -> io::Result<u64> {
    let temporary = path.with_extension("log.new");
    let head = line(base)?;
    let mut new = File::create(&temporary)?;
    new.write_all(&head)?;
    let mut old = File::open(path)?;
    old.seek(SeekFrom::Start(from))?;
    io::copy(&mut old.take(to - from), &mut new)?;
    new.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(head.len() as u64 + (to - from))
}
