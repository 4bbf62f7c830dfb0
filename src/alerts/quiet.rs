//! The hours in which only pages go to a channel: pure.

use std::fmt;

use chrono::{DateTime, NaiveTime, Utc};
use ordergate_actors::order::ist;

/// A time of day in India, from its first moment to the first after it. It may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from: NaiveTime,
    until: NaiveTime,
}

impl Quiet {
    /// Reads `22:00-07:30`; `None` for anything else, and for a window of no length.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let (from, until) = (time(from)?, time(until)?);
        (from != until).then_some(Self { from, until })
    }

    /// Whether it is quiet at that moment.
    #[must_use]
    pub fn holds(self, now: DateTime<Utc>) -> bool {
        let time = now.with_timezone(&ist()).time();
        if self.from < self.until { self.from <= time && time < self.until } else { self.from <= time || time < self.until }
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.format("%H:%M"), self.until.format("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-20T{text}+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().with_timezone(&Utc)
    }

    #[test]
    fn a_night_passes_midnight_and_a_lunch_does_not() {
        let night = Quiet::parse("22:00-07:30").unwrap();
        for (time, is_quiet) in [("21:59:59", false), ("22:00:00", true), ("00:00:00", true), ("07:29:59", true), ("07:30:00", false)] {
            assert_eq!(night.holds(at(time)), is_quiet, "{time}");
        }
        let lunch = Quiet::parse("12:00 - 13:00").unwrap();
        assert!(lunch.holds(at("12:30:00")) && !lunch.holds(at("13:00:00")) && !lunch.holds(at("23:00:00")));
        assert_eq!((night.to_string(), lunch.to_string()), ("22:00-07:30".to_owned(), "12:00-13:00".to_owned()));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in ["", "22:00", "22:00-22:00", "22-7", "22:00-24:30", "night"] {
            assert_eq!(Quiet::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        /// At every minute either the window or the one that is its opposite is quiet, never both.
        #[test]
        fn a_window_and_its_opposite_share_the_day(from in 0u32..1_440, until in 0u32..1_440, minute in 0i64..1_440) {
            proptest::prop_assume!(from != until);
            let text = |a: u32, b: u32| format!("{:02}:{:02}-{:02}:{:02}", a / 60, a % 60, b / 60, b % 60);
            let (one, other) = (Quiet::parse(&text(from, until)).unwrap(), Quiet::parse(&text(until, from)).unwrap());
            let now = at("00:00:00") + chrono::TimeDelta::minutes(minute);
            proptest::prop_assert!(one.holds(now) != other.holds(now));
        }
    }
}
