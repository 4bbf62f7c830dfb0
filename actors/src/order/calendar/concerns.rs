//! What a person should do about the calendar.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{Datelike, NaiveDate};

use super::{Calendar, Day};
use crate::order::words::Exchange;

/// The data must reach so many days ahead: on 1 December, to the next year.
const REACH: u64 = 31;
/// A special session without times is named so many days ahead.
const SPECIAL_AHEAD: u64 = 14;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will stop entries if nothing is done.
    Warn,
    /// It stops entries.
    Error,
}

/// One thing that the calendar lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// How bad it is.
    pub severity: Severity,
    /// What is missing, and what to do.
    pub text: String,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warn => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}: {}", self.text)
    }
}

impl Calendar {
    /// What a person should do about the calendar, as of that day; empty if nothing.
    #[must_use]
    pub fn concerns(&self, today: NaiveDate) -> Vec<Concern> {
        if self.is_always_open {
            return Vec::new();
        }
        let what = "put a newer calendar file into calendar.directory, or take a newer ordergate";
        let mut concerns = Vec::new();
        let without = |date| names(Exchange::ALL.iter().copied().filter(|segment| self.day(*segment, date) == Day::Unknown));
        let missing = without(today);
        if !missing.is_empty() {
            concerns.push(Concern {
                severity: Severity::Error,
                text: format!("no calendar for {} on {today}: entries there are refused; {what}", missing.join(", ")),
            });
        }
        // The first day that cannot be told, of each segment; what is missing today was said.
        let mut ends: BTreeMap<NaiveDate, Vec<Exchange>> = BTreeMap::new();
        for segment in Exchange::ALL.iter().copied().filter(|segment| self.day(*segment, today) != Day::Unknown) {
            if let Some(first) = ahead(today, REACH).skip(1).find(|day| !self.covers(segment, *day)) {
                ends.entry(first).or_default().push(segment);
            }
        }
        for (first, segments) in ends {
            let year = if first.year() > today.year() { format!(": the list of {} is missing", first.year()) } else { String::new() };
            let segments = names(segments.into_iter()).join(", ");
            concerns.push(Concern {
                severity: Severity::Warn,
                text: format!("the calendar of {segments} ends before {first}{year}; entries will be refused; {what}"),
            });
        }
        for date in ahead(today, SPECIAL_AHEAD) {
            let vague = names(Exchange::ALL.iter().copied().filter(|segment| matches!(self.day(*segment, date), Day::NotAnnounced(_))));
            if !vague.is_empty() {
                concerns.push(Concern {
                    severity: Severity::Warn,
                    text: format!(
                        "the times of the special session of {} on {date} are missing: entries are refused that day; {what}",
                        vague.join(", ")
                    ),
                });
            }
        }
        concerns
    }
}

/// That day and so many after it.
fn ahead(today: NaiveDate, days: u64) -> impl Iterator<Item = NaiveDate> {
    today.iter_days().zip(0..=days).map(|(day, _)| day)
}

fn names(segments: impl Iterator<Item = Exchange>) -> Vec<&'static str> {
    segments.map(Exchange::as_str).collect()
}
