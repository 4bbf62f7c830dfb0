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

    /// The newest of what was answered and what is known otherwise, whatever its age. Brokers date what they push by the second,
    /// and within one second the pushed quote counts: what changed after it is pushed too, and an answer is never corrected.
    #[must_use]
    pub fn or_newer(&self, key: &InstrumentKey, known: Option<Quote>) -> Option<Quote> {
        // Of equal ones the last.
        [self.quotes.get(key).copied(), known].into_iter().flatten().max_by_key(|quote| quote.at.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{at, price, sbin};

    fn quote(second: i64) -> Quote {
        Quote { bid: None, ask: None, last: price("800"), band: None, at: at(second) }
    }

    #[test]
    fn the_newest_counts_and_nothing_is_kept_for_ever() {
        let mut answered = Answered::default();
        assert_eq!(answered.or_newer(&sbin(), None), None);
        answered.put(sbin(), quote(5), at(5));
        assert_eq!(answered.or_newer(&sbin(), Some(quote(4))), Some(quote(5)));
        assert_eq!(answered.or_newer(&sbin(), Some(quote(6))), Some(quote(6)));
        let pushed = Quote { last: price("790"), ..quote(5) };
        assert_eq!(answered.or_newer(&sbin(), Some(pushed)), Some(pushed), "of one second the one that is pushed");
        let asked = Quote { at: at(5) + TimeDelta::milliseconds(700), ..quote(5) };
        answered.put(sbin(), asked, at(6));
        assert_eq!(answered.or_newer(&sbin(), Some(pushed)), Some(pushed), "an answer has more digits, and is not newer for that");
        let other = InstrumentKey::new(crate::order::Exchange::Nse, "INFY-EQ");
        answered.put(other, quote(66), at(66));
        assert_eq!(answered.or_newer(&sbin(), None), None);
    }
}
