//! How long the stream has been away, and when a person shall hear of it. Pure.

use std::time::Duration;

use ordergate_actors::persistence::Level;
use tokio::time::Instant;

/// No socket has lived since then.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    pub(super) since: Instant,
    /// What the newest try came to.
    pub(super) words: String,
    /// What was said of it.
    said: Option<Level>,
}

impl Outage {
    pub(super) fn begins(since: Instant) -> Self {
        Self { since, words: String::new(), said: None }
    }

    /// Another try came to nothing. What to say now: once that it is away for longer than `patience`, and louder once something hangs
    /// on it.
    pub(super) fn goes_on(&mut self, words: String, now: Instant, patience: Duration, is_needed: bool) -> Option<(Level, String)> {
        self.words = words;
        let away = now.saturating_duration_since(self.since);
        let level = if is_needed { Level::Page } else { Level::Warn };
        if away < patience || self.said.is_some_and(|said| said >= level) {
            return None;
        }
        self.said = Some(level);
        let text = format!(
            "no stream of the broker has come up for {} s ({}): fills are seen by reads of the books only, and prices have to be asked for",
            away.as_secs(),
            self.words
        );
        Some((level, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_and_louder_when_something_hangs_on_it() {
        let (begun, patience) = (Instant::now(), Duration::from_secs(45));
        let mut outage = Outage::begins(begun);
        let mut at = |seconds: u64, is_needed| {
            let said = outage.goes_on("refused".to_owned(), begun + Duration::from_secs(seconds), patience, is_needed);
            said.map(|(level, text)| (level, text.contains("refused") && text.contains(&format!("{seconds} s"))))
        };
        assert_eq!(at(0, false), None);
        assert_eq!(at(44, true), None, "a drop of some seconds is nothing");
        assert_eq!(at(45, false), Some((Level::Warn, true)));
        assert_eq!(at(80, false), None);
        assert_eq!(at(110, true), Some((Level::Page, true)));
        assert_eq!((at(140, true), at(170, false)), (None, None));
    }
}
