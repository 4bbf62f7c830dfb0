//! What the broker tells of the address that our orders leave from: the rows of our own orders name it, and a refusal says that it is
//! not registered. Only what was told today counts: a line may have a new address every morning. Pure.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use ordergate_actors::order::trading_date;

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Egress {
    seen: Option<(DateTime<Utc>, IpAddr)>,
    refused: Option<(DateTime<Utc>, String)>,
}

impl Egress {
    /// The broker named the address at that time; the newest word counts.
    pub(super) fn saw(&mut self, address: IpAddr, at: DateTime<Utc>) {
        if self.seen.is_none_or(|(before, _)| at >= before) {
            self.seen = Some((at, address));
        }
    }

    /// A call was refused for its address. Whether that is news: no refusal of today stands.
    pub(super) fn was_refused(&mut self, words: String, now: DateTime<Utc>) -> bool {
        let is_news = self.refusal(now).is_none();
        self.refused = Some((now, words));
        is_news
    }

    /// An order passed, or a person has looked: what was refused before says nothing any more.
    pub(super) fn is_cleared(&mut self) {
        self.refused = None;
    }

    /// The address that was told today.
    pub(super) fn address(&self, now: DateTime<Utc>) -> Option<IpAddr> {
        self.seen.filter(|(at, _)| is_of_today(*at, now)).map(|(_, address)| address)
    }

    /// The broker's words of today by which it takes no order from here.
    pub(super) fn refusal(&self, now: DateTime<Utc>) -> Option<&str> {
        self.refused.as_ref().filter(|(at, _)| is_of_today(*at, now)).map(|(_, words)| words.as_str())
    }
}

fn is_of_today(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    trading_date(at) == trading_date(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_of_its_day_and_the_newest_word_counts() {
        let (old, new): (IpAddr, IpAddr) = ("203.0.113.1".parse().unwrap(), "203.0.113.2".parse().unwrap());
        let mut egress = Egress::default();
        egress.saw(new, at("2026-11-20T10:00:00Z"));
        egress.saw(old, at("2026-11-20T09:00:00Z"));
        assert_eq!(egress.address(at("2026-11-20T18:29:59Z")), Some(new), "a book tells its rows in any order");
        assert_eq!(egress.address(at("2026-11-20T18:30:00Z")), None, "midnight in India");
    }

    #[test]
    fn a_refusal_is_news_once_until_it_is_cleared_or_the_day_ends() {
        let mut egress = Egress::default();
        let now = at("2026-11-20T04:00:00Z");
        assert!(egress.was_refused("Invalid IP".to_owned(), now));
        assert!(!egress.was_refused("Invalid IP".to_owned(), now));
        assert_eq!(egress.refusal(now), Some("Invalid IP"));
        assert_eq!(egress.refusal(at("2026-11-21T04:00:00Z")), None);
        egress.is_cleared();
        assert_eq!(egress.refusal(now), None);
        assert!(egress.was_refused("Invalid IP".to_owned(), now));
    }
}
