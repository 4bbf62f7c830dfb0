//! When the day's result is told, at the open and at the close: pure. The telling is a journal row, so it is told once.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ordergate_actors::order::calendar::{Calendar, Step};
use ordergate_actors::order::{Exchange, ist, trading_date};
use serde::{Deserialize, Serialize};

use super::heartbeat::class_of;

/// The row of the opening.
pub const AT_OPEN: &str = "PNL_AT_OPEN";
/// The row of the close.
pub const AT_CLOSE: &str = "PNL_AT_CLOSE";
/// How late the opening may be told; after that the day is under way.
const GRACE: TimeDelta = TimeDelta::minutes(30);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// When the first of the exchanges opens.
    Open,
    /// When the last of them has closed.
    Close,
}

impl Which {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Open, Self::Close];

    /// The name of its journal row.
    #[must_use]
    pub fn event(self) -> &'static str {
        match self {
            Self::Open => AT_OPEN,
            Self::Close => AT_CLOSE,
        }
    }

    /// The key of what is kept of it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// What is kept: the last day that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The day, India.
    pub day: NaiveDate,
}

/// From when to when something trades on that day, from the first opening to the end of the last closing auction; `None` if
/// nothing does, or the calendar does not know.
#[must_use]
pub fn session(calendar: &Calendar, exchanges: &[Exchange], day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let windows = exchanges.iter().filter_map(|exchange| calendar.windows(*exchange, class_of(*exchange), day).ok()).flatten();
    let trading: Vec<_> = windows.filter(|window| matches!(window.step, Step::Continuous | Step::ClosingAuction(_))).collect();
    let moment = |time| day.and_time(time).and_local_timezone(ist()).single().map(|at| at.with_timezone(&Utc));
    let opens = trading.iter().map(|window| window.from).min().and_then(moment)?;
    let closes = trading.iter().map(|window| window.until).max().and_then(moment)?;
    Some((opens, closes))
}

/// Whether it is to be told now. `told` is the last day that was.
#[must_use]
pub fn is_due(which: Which, session: Option<(DateTime<Utc>, DateTime<Utc>)>, told: Option<Told>, now: DateTime<Utc>) -> bool {
    let Some((opens, closes)) = session else { return false };
    // A clock that was set back tells no day again.
    if told.is_some_and(|told| told.day >= trading_date(now)) {
        return false;
    }
    match which {
        Which::Open => opens <= now && now < closes && now.signed_duration_since(opens) <= GRACE,
        Which::Close => closes <= now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().with_timezone(&Utc)
    }

    fn due(which: Which, exchanges: &[Exchange], told: Option<&str>, now: &str) -> bool {
        let calendar = crate::calendar::load(&crate::config::Calendar::default()).unwrap();
        let told = told.map(|day| Told { day: day.parse().unwrap() });
        is_due(which, session(&calendar, exchanges, trading_date(at(now))), told, at(now))
    }

    #[test]
    fn the_open_is_told_once_within_half_an_hour_and_the_close_until_midnight() {
        let nse = [Exchange::Nse, Exchange::Nfo];
        for (which, told, now, expected) in [
            (Which::Open, None, "2026-11-20T09:14:59", false),
            (Which::Open, None, "2026-11-20T09:15:00", true),
            (Which::Open, Some("2026-11-20"), "2026-11-20T09:15:05", false),
            (Which::Open, Some("2026-11-19"), "2026-11-20T09:45:00", true),
            (Which::Open, None, "2026-11-20T09:45:01", false),
            (Which::Close, None, "2026-11-20T15:14:59", false),
            (Which::Close, Some("2026-11-19"), "2026-11-20T16:30:00", true),
            (Which::Close, Some("2026-11-20"), "2026-11-20T16:30:00", false),
            (Which::Close, Some("2026-11-21"), "2026-11-20T16:30:00", false),
            (Which::Close, None, "2026-11-21T16:30:00", false),
            (Which::Open, None, "2033-11-21T09:15:00", false),
        ] {
            assert_eq!(due(which, &nse, told, now), expected, "{which:?} {told:?} {now}");
        }
    }

    #[test]
    fn with_commodities_the_day_closes_at_night() {
        assert!(!due(Which::Close, &[Exchange::Nse, Exchange::Mcx], None, "2026-11-20T18:00:00"));
        assert!(due(Which::Close, &[Exchange::Nse, Exchange::Mcx], None, "2026-11-20T23:59:00"));
    }
}
