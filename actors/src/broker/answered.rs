//! Quotes that were asked for by themselves. They stand beside those that are pushed, for both actors that need a price:
//! what was asked for once is not asked for again because the stream is slow to follow.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::order::InstrumentKey;
use crate::ports::Quote;

/// Longer than any quote counts as fresh; for an exit it may still be the last known price.
const KEPT: TimeDelta = TimeDelta::seconds(60);

/// The newest answer per instrument, on the desk: a restart of an actor loses none.
#[derive(Debug, Default)]
pub struct Answered {
    quotes: BTreeMap<InstrumentKey, Quote>,
}

impl Answered {
    /// Keeps an answer, and forgets what is old.
    pub(super) fn put(&mut self, key: InstrumentKey, quote: Quote, now: DateTime<Utc>) {
        self.quotes.retain(|_, quote| now.signed_duration_since(quote.at) <= KEPT);
        self.quotes.insert(key, quote);
    }

    /// The newer of what was answered and what is known otherwise, whatever its age. What was pushed after the question went
    /// out counts, and of two from one moment the pushed one: what changes after it is pushed too, and an answer is never
    /// corrected. It is no older than the question either: a feed dates what stands still by its last change.
    #[must_use]
    pub fn or_newer(&self, key: &InstrumentKey, known: Option<Quote>) -> Option<Quote> {
        match (self.quotes.get(key).copied(), known) {
            (Some(answer), Some(pushed)) if pushed.seen_at >= answer.seen_at => Some(Quote { at: pushed.at.max(answer.at), ..pushed }),
            (answer, pushed) => answer.or(pushed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{at, price, sbin};

    fn quote(second: i64) -> Quote {
        Quote { bid: None, ask: None, last: price("800"), band: None, at: at(second), seen_at: at(second) }
    }

    #[test]
    fn the_newest_counts_and_nothing_is_kept_for_ever() {
        let mut answered = Answered::default();
        assert_eq!(answered.or_newer(&sbin(), None), None);
        answered.put(sbin(), quote(5), at(5));
        assert_eq!(answered.or_newer(&sbin(), Some(quote(4))), Some(quote(5)));
        assert_eq!(answered.or_newer(&sbin(), Some(quote(6))), Some(quote(6)));
        let pushed = Quote { last: price("790"), ..quote(5) };
        assert_eq!(answered.or_newer(&sbin(), Some(pushed)), Some(pushed), "of one moment the one that is pushed");
        // The feed's clock is behind ours: the frame is dated before the question, and came after it.
        let asked = Quote { at: at(5) + TimeDelta::milliseconds(700), seen_at: at(5) + TimeDelta::milliseconds(700), ..quote(5) };
        answered.put(sbin(), asked, at(6));
        let lagging = Quote { at: at(4), seen_at: at(6), ..pushed };
        let dated = Quote { at: asked.at, ..lagging };
        assert_eq!(answered.or_newer(&sbin(), Some(lagging)), Some(dated), "what came after the question is newer than its answer");
        // A contract that stands still is told with the date of its last change.
        let still = Quote { at: at(5) - TimeDelta::minutes(3), ..lagging };
        assert_eq!(answered.or_newer(&sbin(), Some(still)), Some(dated), "and no older than it");
        let before = Quote { seen_at: at(5), ..pushed };
        assert_eq!(answered.or_newer(&sbin(), Some(before)), Some(asked), "what came before it is older");
        let other = InstrumentKey::new(crate::order::Exchange::Nse, "INFY-EQ");
        answered.put(other, quote(66), at(66));
        assert_eq!(answered.or_newer(&sbin(), None), None);
    }
}
