//! Days: open, closed, in part, special, unknown.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, Weekday};

use super::phase::Why;
use super::{Calendar, Hours, Part};
use crate::order::words::Exchange;

/// What a day is for a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Day {
    /// The hours of any day.
    Full,
    /// The part before the evening session.
    MorningOnly(Arc<str>),
    /// The evening session.
    EveningOnly(Arc<str>),
    /// A session on a day that is otherwise closed, or with hours of its own.
    Special {
        /// Its name.
        name: Arc<str>,
        /// Whether it has the hours of any day.
        is_full: bool,
    },
    /// A special session whose times are not known.
    NotAnnounced(Arc<str>),
    /// No session.
    Closed(Why),
    /// No data.
    Unknown,
}

impl Day {
    /// Whether there is a session; `None` if that is not known.
    #[must_use]
    pub fn is_trading(&self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Closed(_) => Some(false),
            _ => Some(true),
        }
    }

    /// Whether it has the hours of any day; `None` if that is not known.
    #[must_use]
    pub fn is_full(&self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Full | Self::Special { is_full: true, .. } => Some(true),
            _ => Some(false),
        }
    }
}

impl Calendar {
    /// What the day is for the segment. A special session wins over a holiday, a holiday over the week, and a holiday is
    /// known although the rest of its year may not be.
    #[must_use]
    pub fn day(&self, segment: Exchange, date: NaiveDate) -> Day {
        if self.is_always_open {
            return Day::Full;
        }
        if let Some((hours, name)) = self.specials.get(&(segment, date)) {
            let name = Arc::clone(name);
            return match hours {
                Hours::Normal => Day::Special { name, is_full: true },
                Hours::Windows(_) => Day::Special { name, is_full: false },
                Hours::NotAnnounced => Day::NotAnnounced(name),
            };
        }
        let is_weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        match self.holidays.get(&(segment, date)) {
            Some((Part::Whole, name)) => return Day::Closed(Why::Holiday(Arc::clone(name))),
            Some((Part::Morning, name)) if !is_weekend => return Day::EveningOnly(Arc::clone(name)),
            Some((Part::Evening, name)) if !is_weekend => return Day::MorningOnly(Arc::clone(name)),
            Some(_) | None => {}
        }
        match (self.covers(segment, date), is_weekend) {
            (false, _) => Day::Unknown,
            (true, true) => Day::Closed(Why::Weekend),
            (true, false) => Day::Full,
        }
    }

    /// Whether a file says that its list is complete for that day.
    #[must_use]
    pub fn covers(&self, segment: Exchange, date: NaiveDate) -> bool {
        self.is_always_open
            || self.covers.get(&segment).is_some_and(|spans| spans.iter().any(|(from, until)| (*from..=*until).contains(&date)))
    }

    /// Whether the segment has a session that day, be it for an hour; `None` if that is not known.
    #[must_use]
    pub fn is_trading_day(&self, segment: Exchange, date: NaiveDate) -> Option<bool> {
        self.day(segment, date).is_trading()
    }

    /// Whether no segment has a session that day. A day that is not known is none of rest.
    #[must_use]
    pub fn rests(&self, date: NaiveDate) -> bool {
        Exchange::ALL.iter().all(|segment| self.is_trading_day(*segment, date) == Some(false))
    }

    /// The first day after this one with a session; `None` if an unknown day comes before it.
    #[must_use]
    pub fn next_trading_day(&self, segment: Exchange, date: NaiveDate) -> Option<NaiveDate> {
        let mut next = date;
        loop {
            next = next.succ_opt()?;
            if self.is_trading_day(segment, next)? {
                return Some(next);
            }
        }
    }

    /// The last day before this one with the hours of any day; `None` if an unknown day comes before it.
    #[must_use]
    pub fn previous_full_day(&self, segment: Exchange, date: NaiveDate) -> Option<NaiveDate> {
        let mut before = date;
        loop {
            before = before.pred_opt()?;
            if self.day(segment, before).is_full()? {
                return Some(before);
            }
        }
    }
}
