//! A process that ends by the same error at every start is one page, not one every few seconds: what was said last is kept on disk,
//! because nothing else outlives the process.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::files::{Mode, write_whole};

const FILE: &str = "ended.json";
/// The same words within this time are counted, not said.
const WITHIN: TimeDelta = TimeDelta::minutes(10);

/// What was said, and how often since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    text: String,
    at: DateTime<Utc>,
    /// Ends with the same words that were not said.
    unsaid: u32,
}

/// The words to page now, if any, and what is kept: pure.
fn fold(before: Option<Said>, text: &str, now: DateTime<Utc>) -> (Option<String>, Said) {
    let fresh = |text: &str| Said { text: text.to_owned(), at: now, unsaid: 0 };
    match before.filter(|said| said.text == text) {
        // A clock that was set back makes no silence.
        Some(said) if now >= said.at && now.signed_duration_since(said.at) < WITHIN => {
            (None, Said { unsaid: said.unsaid.saturating_add(1), ..said })
        }
        Some(said) if said.unsaid > 0 => (Some(format!("{text} (and {} times more since this was said last)", said.unsaid)), fresh(text)),
        _ => (Some(text.to_owned()), fresh(text)),
    }
}

/// The words to page for this end. A disk that keeps nothing folds nothing.
pub(super) fn to_say(directory: &Path, text: &str, now: DateTime<Utc>) -> Option<String> {
    let path = directory.join(FILE);
    let before = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (words, said) = fold(before, text, now);
    let kept = serde_json::to_vec(&said).map_err(std::io::Error::other).and_then(|bytes| write_whole(&path, &bytes, Mode::Shared));
    match kept {
        Ok(()) => words,
        Err(cause) => {
            tracing::warn!(event = "end_not_kept", "that the process ended so is not on disk: {cause}");
            Some(words.unwrap_or_else(|| text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-20T04:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn the_same_end_is_said_once_in_ten_minutes_and_another_at_once() {
        let here = tempfile::tempdir().unwrap();
        let said = |text: &str, minute: u32| to_say(here.path(), text, at(minute));
        assert_eq!(said("no port", 0).as_deref(), Some("no port"));
        assert_eq!((said("no port", 1), said("no port", 9)), (None, None));
        assert_eq!(said("no port", 10).as_deref(), Some("no port (and 2 times more since this was said last)"));
        assert_eq!(said("no thread", 11).as_deref(), Some("no thread"), "another cause");
        assert_eq!(said("no port", 11).as_deref(), Some("no port"));
        assert_eq!(said("no port", 5).as_deref(), Some("no port"), "the clock was set back");
        std::fs::write(here.path().join(FILE), "{").unwrap();
        assert_eq!(said("no port", 6).as_deref(), Some("no port"));
        assert_eq!(to_say(&here.path().join("gone"), "no disk", at(7)).as_deref(), Some("no disk"));
    }
}
