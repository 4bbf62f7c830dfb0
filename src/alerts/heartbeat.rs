//! The sign of life that goes out, so that its absence is heard: pure. A dead engine cannot say that it is dead.

use chrono::{DateTime, Utc};
use ordergate_actors::order::Exchange;
use ordergate_actors::order::calendar::{Calendar, Class, SessionPhase};

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It is well.
    Well,
    /// It is not, and can still say so.
    Fail,
}

impl Beat {
    /// For the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Fail => "fail",
        }
    }

    /// Where it goes: to the address, or to `/fail` below it. A query stays at the end.
    #[must_use]
    pub fn address(self, url: &str) -> String {
        match self {
            Self::Well => url.to_owned(),
            Self::Fail => {
                let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
                let path = format!("{}/fail", path.trim_end_matches('/'));
                query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
            }
        }
    }
}

/// What is said now; `None`: nothing, because nothing trades. What the calendar does not know counts as a market that is
/// open: a sign too many is no harm.
#[must_use]
pub fn beat(calendar: &Calendar, exchanges: &[Exchange], is_well: bool, now: DateTime<Utc>) -> Option<Beat> {
    let trades = |exchange: &Exchange| {
        let phase = calendar.phase(*exchange, class_of(*exchange), now);
        matches!(phase, SessionPhase::Unknown(_) | SessionPhase::Continuous { .. } | SessionPhase::ClosingAuction { .. })
    };
    exchanges.iter().any(trades).then_some(if is_well { Beat::Well } else { Beat::Fail })
}

/// What most orders of an exchange are in.
pub(super) fn class_of(exchange: Exchange) -> Class {
    if matches!(exchange, Exchange::Nse | Exchange::Bse) { Class::AuctionShare } else { Class::Future }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().with_timezone(&Utc)
    }

    #[test]
    fn it_beats_while_something_trades_and_says_when_it_is_not_well() {
        let calendar = crate::calendar::load(&crate::config::Calendar::default()).unwrap();
        let nse = [Exchange::Nse, Exchange::Nfo];
        for (time, expected) in [
            ("2026-11-20T08:59:00", None),
            ("2026-11-20T09:05:00", None),
            ("2026-11-20T09:15:00", Some(Beat::Well)),
            ("2026-11-20T15:29:00", Some(Beat::Well)),
            ("2026-11-20T20:00:00", None),
            ("2026-11-21T11:00:00", None),
            ("2033-11-21T11:00:00", Some(Beat::Well)),
        ] {
            assert_eq!(beat(&calendar, &nse, true, at(time)), expected, "{time}");
        }
        assert_eq!(beat(&calendar, &nse, false, at("2026-11-20T10:00:00")), Some(Beat::Fail));
        assert_eq!(beat(&calendar, &[Exchange::Mcx], true, at("2026-11-20T20:00:00")), Some(Beat::Well));
    }

    #[test]
    fn failure_has_an_address_of_its_own() {
        for (url, fail) in [
            ("https://hc.example/ping/1", "https://hc.example/ping/1/fail"),
            ("https://hc.example/ping/1/", "https://hc.example/ping/1/fail"),
            ("https://hc.example/ping/1?create=1", "https://hc.example/ping/1/fail?create=1"),
        ] {
            assert_eq!(Beat::Fail.address(url), fail);
            assert_eq!(Beat::Well.address(url), url);
        }
    }
}
