//! Whether the broker's positions are of now, as far as an exit goes by them.
//!
//! While there is no session, or no read succeeds, people close their positions elsewhere: in the broker's app, by telephone. What was
//! read before is no proof of what is left, and an exit that waited for the session would open the opposite. So it waits for the
//! next read, which takes a round trip; not for ever, because a position that nobody leaves is the greater harm where the
//! broker takes orders and tells no positions.

use chrono::{DateTime, Duration, Utc};

use crate::Waits;
use crate::order::OrderRecord;
use crate::watcher::Findings;

/// So many polls are long enough for the read that the return of a session, or an exit, asks for.
const POLLS: i32 = 3;

/// How far an exit may go by the positions that were read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAge {
    /// They are of before the session was lost, or so old that reads must have failed.
    pub(super) is_old: bool,
    /// Newer ones are worth waiting for.
    pub(super) may_wait: bool,
}

impl ReadAge {
    /// What an exit sees at that time.
    #[must_use]
    pub fn of(order: &OrderRecord, findings: &Findings, waits: &Waits, now: DateTime<Utc>) -> Self {
        let span = |wait| Duration::from_std(wait).unwrap_or(Duration::MAX);
        let is_before = |at: DateTime<Utc>| findings.renewed_at.is_some_and(|renewed| at < renewed);
        let is_aged = |at| now.signed_duration_since(at) > span(waits.blind_after);
        let is_old = findings.positions.as_ref().is_some_and(|positions| is_before(positions.at) || is_aged(positions.at));
        let since = findings.renewed_at.map_or(order.created_at, |renewed| renewed.max(order.created_at));
        let patience = span(waits.poll).checked_mul(POLLS).unwrap_or(Duration::MAX);
        Self { is_old, may_wait: now.signed_duration_since(since) < patience }
    }

    /// Positions that were read a moment ago, by an exit that came a moment ago.
    #[cfg(test)]
    pub(crate) const CLEAR: Self = Self { is_old: false, may_wait: true };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{at, exit};
    use crate::watcher::Positions;

    #[test]
    fn positions_of_before_the_session_and_such_as_no_read_renews_are_old_and_are_not_waited_for_without_end() {
        let waits = Waits { blind_after: std::time::Duration::from_secs(15), ..Waits::standard(std::time::Duration::from_secs(1)) };
        let sees = |read: i64, renewed: Option<i64>, created: i64, now: i64| {
            let mut findings = Findings { renewed_at: renewed.map(at), ..Findings::default() };
            findings.positions = Some(Positions::new(Vec::new(), at(read), 1));
            let sight = ReadAge::of(&OrderRecord { created_at: at(created), ..exit(1) }, &findings, &waits, at(now));
            (sight.is_old, sight.may_wait)
        };
        assert_eq!(sees(0, None, 1, 1), (false, true));
        assert_eq!(sees(0, None, 1, 15), (false, false), "as old as reads are apart");
        assert_eq!(sees(0, None, 16, 16), (true, true), "no read succeeds");
        assert_eq!(sees(0, None, 16, 19), (true, false), "it was waited for");
        assert_eq!(sees(5, Some(9), 6, 9), (true, true), "an exit that waited for the session");
        assert_eq!(sees(5, Some(9), 6, 12), (true, false));
        assert_eq!(sees(10, Some(9), 6, 10), (false, true), "read since");
    }
}
