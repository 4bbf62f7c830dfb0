//! What is committed and no listener has heard of yet.
//!
//! Logs are written when the line is quiet: between two commits their threads would take the processor from those who judge and
//! answer.

use std::time::{Duration, Instant};

use super::unit::{Event, Level};

/// Events after which listeners hear, however busy the line is.
const MOST: usize = 512;
/// The time after which they do, in production.
pub(super) const LONGEST: Duration = Duration::from_millis(20);

/// Events in commit order.
#[derive(Debug)]
pub(super) struct Untold {
    events: Vec<Event>,
    /// The time after which listeners hear, however busy the line is.
    longest: Duration,
    /// When the oldest was committed.
    since: Option<Instant>,
    /// Somebody must look now: the next commit may hang.
    pages: bool,
}

impl Untold {
    /// Nothing yet.
    pub(super) fn after(longest: Duration) -> Self {
        Self { events: Vec::new(), longest, since: None, pages: false }
    }

    /// A commit was made.
    pub(super) fn add(&mut self, events: &[Event], now: Instant) {
        if !events.is_empty() {
            self.since.get_or_insert(now);
        }
        self.pages |= events.iter().any(|event| event.level == Level::Page);
        self.events.extend_from_slice(events);
    }

    /// Whether listeners must hear before the line is quiet.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let is_old = self.since.is_some_and(|since| now.saturating_duration_since(since) >= self.longest);
        self.pages || is_old || self.events.len() >= MOST
    }

    /// Takes all, as told from now on.
    pub(super) fn take(&mut self) -> Vec<Event> {
        (self.since, self.pages) = (None, false);
        std::mem::take(&mut self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::noted;

    fn event(seq: u64, level: Level) -> Event {
        noted(None, seq, level)
    }

    #[test]
    fn listeners_hear_after_a_while_and_after_many() {
        let now = Instant::now();
        let mut untold = Untold::after(LONGEST);
        untold.add(&[], now);
        assert!(!untold.is_due(now + LONGEST), "there is nothing to hear");
        untold.add(&[event(1, Level::Warn)], now);
        untold.add(&[event(2, Level::Info)], now + LONGEST / 2);
        assert!(!untold.is_due(now + LONGEST / 2));
        assert!(untold.is_due(now + LONGEST), "the oldest counts");
        let told: Vec<u64> = untold.take().iter().map(|event| event.row.seq).collect();
        assert_eq!((told, untold.is_due(now + LONGEST * 2)), (vec![1, 2], false), "all of it in order, and once");
        untold.add(&vec![event(3, Level::Info); MOST], now);
        assert!(untold.is_due(now));
    }

    #[test]
    fn a_page_is_told_at_once() {
        let now = Instant::now();
        let mut untold = Untold::after(LONGEST);
        untold.add(&[event(1, Level::Info), event(2, Level::Page)], now);
        assert!(untold.is_due(now));
        let _told = untold.take();
        assert!(!untold.is_due(now));
    }
}
