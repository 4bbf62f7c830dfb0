//! What the engine's calendar and masters say of today: pure.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use ordergate_actors::order::calendar::{Calendar, Concern, Day, Severity, Why};
use ordergate_actors::order::{Exchange, ist};
use std::time::Duration;

/// The day, for the exchanges that the engine trades.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Today {
    /// Exchanges with a session.
    pub open: Vec<Exchange>,
    /// Exchanges without one, and why.
    pub closed: Vec<(Exchange, String)>,
    /// Exchanges of which the calendar says nothing.
    pub unknown: Vec<Exchange>,
    /// Whether the account is held to the calendar: entries outside of it are refused.
    pub is_held: bool,
    /// What the calendar lacks for the days to come.
    pub concerns: Vec<String>,
}

impl Today {
    /// What the calendar says; without exchanges, of all there are.
    #[must_use]
    pub fn of(calendar: &Calendar, exchanges: &[Exchange], is_held: bool, day: NaiveDate) -> Self {
        let exchanges = if exchanges.is_empty() { Exchange::ALL } else { exchanges };
        let mut today = Self { is_held, ..Self::default() };
        for exchange in exchanges {
            match calendar.day(*exchange, day) {
                Day::Unknown => today.unknown.push(*exchange),
                Day::Closed(Why::Weekend) => today.closed.push((*exchange, "the weekend".to_owned())),
                Day::Closed(Why::Holiday(name)) => today.closed.push((*exchange, name.to_string())),
                _ => today.open.push(*exchange),
            }
        }
        let ahead = |concern: &Concern| concern.severity == Severity::Warn;
        if is_held {
            today.concerns = calendar.concerns(day).into_iter().filter(ahead).map(|concern| concern.text).collect();
        }
        today
    }

    /// Whether a report is wanted: not on a day that is known to be closed everywhere.
    #[must_use]
    pub fn may_trade(&self) -> bool {
        !self.open.is_empty() || !self.unknown.is_empty()
    }
}

/// How old a master of that day is: from the day's first moment in India. `None`: it is of a day to come.
#[must_use]
pub(super) fn master_age(as_of: NaiveDate, now: DateTime<Utc>) -> Option<Duration> {
    let midnight = as_of.and_time(NaiveTime::MIN).and_local_timezone(ist()).earliest()?;
    now.signed_duration_since(midnight).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn on(day: &str, exchanges: &[Exchange]) -> Today {
        let calendar = crate::calendar::load(&config::Calendar::default()).unwrap();
        Today::of(&calendar, exchanges, true, day.parse().unwrap())
    }

    #[test]
    fn the_engines_calendar_tells_weekends_holidays_and_days_without_data() {
        let friday = on("2026-11-20", &[Exchange::Nse, Exchange::Nfo]);
        assert_eq!((friday.open.len(), friday.may_trade(), friday.concerns.len()), (2, true, 0), "{friday:?}");
        let saturday = on("2026-11-21", &[Exchange::Nse]);
        assert_eq!((&saturday.closed[..], saturday.may_trade()), (&[(Exchange::Nse, "the weekend".to_owned())][..], false));
        let gurpurb = on("2026-11-24", &[Exchange::Nse, Exchange::Mcx]);
        assert_eq!((gurpurb.closed.len(), &gurpurb.open[..]), (1, &[Exchange::Mcx][..]), "{gurpurb:?}");
        assert!(gurpurb.closed[0].1.contains("Gurpurb") && gurpurb.may_trade());
        let far = on("2031-06-02", &[Exchange::Nse]);
        assert_eq!((&far.unknown[..], far.may_trade()), (&[Exchange::Nse][..], true), "what is not known is not closed");
        assert!(!on("2026-12-01", &[]).concerns.is_empty(), "the list of the next year is missing");
    }

    #[test]
    fn a_master_ages_from_its_days_first_moment_in_india() {
        let now: DateTime<Utc> = "2026-11-20T03:15:00Z".parse().unwrap();
        let age = |day: &str| master_age(day.parse().unwrap(), now).map(|age| age.as_secs() / 60);
        assert_eq!((age("2026-11-20"), age("2026-11-19"), age("2026-11-21")), (Some(525), Some(1_965), None));
    }
}
