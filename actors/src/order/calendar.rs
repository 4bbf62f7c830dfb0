//! The session calendar: which instrument trades when, as data. Pure: the caller names the time.
//!
//! Days and hours come from files (`config/calendar/2026.toml` explains them); nothing here knows a date. *Invariant:* a
//! day that no file covers is unknown, never open and never closed.

mod class;
mod concerns;
mod day;
mod expiry;
mod hours;
mod parse;
mod phase;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};

use super::words::Exchange;

pub use class::{Class, Facts};
pub use concerns::{Concern, Severity};
pub use day::Day;
pub use expiry::{Cycle, NoExpiry};
pub use parse::File;
pub use phase::{AuctionStep, Missing, SessionPhase, Step, Why, ist_words};
pub use read::{BadCalendar, Problem};

use expiry::ExpiryRule;

/// Which accounts are held to the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforce {
    /// Those whose broker moves real money.
    #[default]
    Live,
    /// All.
    Always,
    /// None.
    Never,
}

impl Enforce {
    /// Reads the word of the setting.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "live" => Some(Self::Live),
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            _ => None,
        }
    }
}

/// A span of a day with one step; `until` is the first moment after it. Indian time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: NaiveTime,
    /// The first moment after it.
    pub until: NaiveTime,
    /// What goes on.
    pub step: Step,
}

/// The windows of a class between two dates.
#[derive(Debug, Clone)]
struct Schedule {
    from: NaiveDate,
    until: NaiveDate,
    /// What a holiday of the morning or of the evening leaves starts or ends here.
    evening_from: Option<NaiveTime>,
    windows: Arc<[Window]>,
}

/// How much of a day a holiday takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Morning,
    Evening,
}

/// The hours of a special session.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hours {
    /// Those of any day.
    Normal,
    /// There is a session, and nobody has said when.
    NotAnnounced,
    /// These.
    Windows(Arc<[Window]>),
}

/// Every date and window that the files hold.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    enforce: Enforce,
    is_always_open: bool,
    covers: BTreeMap<Exchange, Vec<(NaiveDate, NaiveDate)>>,
    holidays: BTreeMap<(Exchange, NaiveDate), (Part, Arc<str>)>,
    specials: BTreeMap<(Exchange, NaiveDate), (Hours, Arc<str>)>,
    sessions: BTreeMap<(Exchange, Class), Vec<Schedule>>,
    auction_with: BTreeSet<(Exchange, Arc<str>)>,
    auction_without: BTreeSet<(Exchange, Arc<str>)>,
    agri: BTreeMap<Arc<str>, Class>,
    expiries: Vec<ExpiryRule>,
}

impl Calendar {
    /// A market that never closes and that no account is held to: for tests and simulations.
    #[must_use]
    pub fn always_open() -> Arc<Self> {
        Arc::new(Self { enforce: Enforce::Never, is_always_open: true, ..Self::default() })
    }

    /// The calendar, enforced for these accounts.
    #[must_use]
    pub fn enforced(self, enforce: Enforce) -> Self {
        Self { enforce, ..self }
    }

    /// Whether an account of a broker like that is held to it.
    #[must_use]
    pub fn holds(&self, is_live: bool) -> bool {
        match self.enforce {
            Enforce::Live => is_live,
            Enforce::Always => true,
            Enforce::Never => false,
        }
    }
}

#[cfg(test)]
mod tests;
