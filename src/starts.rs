//! Remembers when the engine started, so that one that cannot stay up stops trading by itself.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::files::{Mode, write_whole};

const FILE: &str = "starts.json";

/// How the engine should start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartMode {
    /// As always.
    Normal,
    /// Kill level 1, exits on, and a page: it started too often.
    SafeMode {
        /// How often within the window, this start included.
        starts: usize,
        /// The first of them.
        since: DateTime<Utc>,
    },
}

/// Writes this start down and judges the ones before it: `most` of them within `window` are too many.
///
/// # Errors
/// The file cannot be written. A file that cannot be read is begun anew: a start must not fail for want of a history.
pub fn remember(directory: &Path, now: DateTime<Utc>, most: usize, window: Duration) -> io::Result<StartMode> {
    let path = directory.join(FILE);
    let mut starts: Vec<DateTime<Utc>> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    // Starts in the future are of a clock that was wrong: they cannot be judged.
    starts.retain(|start| now.signed_duration_since(start).to_std().is_ok_and(|age| age <= window));
    starts.push(now);
    starts.sort_unstable();
    write_whole(&path, serde_json::to_string(&starts)?.as_bytes(), Mode::Shared)?;
    Ok(match starts.first() {
        Some(since) if starts.len() >= most => StartMode::SafeMode { starts: starts.len(), since: *since },
        _ => StartMode::Normal,
    })
}

/// Whether the process before this one ended in order, or there was none. To be asked before this start is remembered.
#[must_use]
pub fn was_clean(directory: &Path) -> bool {
    !directory.join(FILE).exists()
}

/// Forgets the starts: after a clean stop none of them was a crash.
///
/// # Errors
/// The file is there and cannot be removed.
pub fn forget(directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(directory.join(FILE)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-20T04:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn the_fourth_start_in_ten_minutes_is_safe_mode() {
        let directory = tempfile::tempdir().unwrap();
        for minute in 0..3 {
            assert_eq!(remember(directory.path(), at(minute), 4, WINDOW).unwrap(), StartMode::Normal);
        }
        assert_eq!(remember(directory.path(), at(9), 4, WINDOW).unwrap(), StartMode::SafeMode { starts: 4, since: at(0) });
        assert_eq!(remember(directory.path(), at(19), 4, WINDOW).unwrap(), StartMode::Normal, "the early ones are forgotten");
    }

    #[test]
    fn a_clean_stop_forgets_and_a_broken_file_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        forget(directory.path()).unwrap();
        assert!(was_clean(directory.path()));
        for minute in 0..3 {
            remember(directory.path(), at(minute), 4, WINDOW).unwrap();
        }
        assert!(!was_clean(directory.path()));
        forget(directory.path()).unwrap();
        assert!(was_clean(directory.path()));
        assert_eq!(remember(directory.path(), at(4), 4, WINDOW).unwrap(), StartMode::Normal);
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        assert_eq!(remember(directory.path(), at(5), 2, WINDOW).unwrap(), StartMode::Normal);
    }

    #[test]
    fn a_clock_that_jumped_back_leaves_no_future_starts() {
        let directory = tempfile::tempdir().unwrap();
        for minute in 30..33 {
            remember(directory.path(), at(minute), 4, WINDOW).unwrap();
        }
        assert_eq!(remember(directory.path(), at(2), 2, WINDOW).unwrap(), StartMode::Normal);
    }
}
