//! The windows of one day, and what goes on at one moment.

use std::ops::Range;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};

use super::phase::{Missing, SessionPhase, Step, Why};
use super::{Calendar, Class, Day, Facts, Hours, Schedule, Window};
use crate::order::day::{ist, trading_date};
use crate::order::words::Exchange;

/// So many days without a session in a row are looked over for the next opening.
const LOOK_AHEAD: usize = 31;

impl Calendar {
    /// What goes on in the instrument's market at that moment.
    #[must_use]
    pub fn session(&self, facts: &Facts, at: DateTime<Utc>) -> SessionPhase {
        self.phase(facts.segment, self.class(facts, trading_date(at)), at)
    }

    /// What goes on for a class of instruments at that moment.
    #[must_use]
    pub fn phase(&self, segment: Exchange, class: Class, at: DateTime<Utc>) -> SessionPhase {
        let date = trading_date(at);
        if self.is_always_open {
            let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
            return SessionPhase::Continuous { closes_at: moment(next, NaiveTime::MIN) };
        }
        let windows = match self.windows(segment, class, date) {
            Ok(windows) => windows,
            Err(missing) => return SessionPhase::Unknown(missing),
        };
        let time = at.with_timezone(&ist()).time();
        let Some(window) = windows.iter().find(|window| window.from <= time && time < window.until) else {
            let why = match self.day(segment, date) {
                Day::Closed(why) => why,
                Day::MorningOnly(name) | Day::EveningOnly(name) => Why::Holiday(name),
                Day::Full | Day::Special { .. } | Day::NotAnnounced(_) | Day::Unknown => Why::Hours,
            };
            return SessionPhase::Closed { why, next_open: self.next_open(segment, class, at) };
        };
        let until = moment(date, window.until);
        match window.step {
            Step::PreOpen(step) => SessionPhase::PreOpen { step, until },
            Step::Continuous => SessionPhase::Continuous { closes_at: until },
            Step::ClosingAuction(step) => SessionPhase::ClosingAuction { step, until },
            Step::PostClose => SessionPhase::PostClose { until },
        }
    }

    /// The windows of the day, in order and apart; empty if it is closed.
    ///
    /// # Errors
    /// [`Missing`] says what the calendar does not know.
    pub fn windows(&self, segment: Exchange, class: Class, date: NaiveDate) -> Result<Vec<Window>, Missing> {
        let day = self.day(segment, date);
        match &day {
            Day::Unknown => return Err(Missing::Day),
            Day::NotAnnounced(_) => return Err(Missing::Times),
            Day::Closed(_) => return Ok(Vec::new()),
            Day::Special { is_full: false, .. } => {
                return match self.specials.get(&(segment, date)) {
                    Some((Hours::Windows(windows), _)) => Ok(windows.to_vec()),
                    _ => Err(Missing::Times),
                };
            }
            Day::Full | Day::Special { .. } | Day::MorningOnly(_) | Day::EveningOnly(_) => {}
        }
        let schedule = self.schedule(segment, class, date).ok_or(Missing::Hours)?;
        let Some(evening) = schedule.evening_from else {
            // A holiday in part, for a class that has no evening: nothing is known to be left of its day.
            let is_whole = !matches!(day, Day::MorningOnly(_) | Day::EveningOnly(_));
            return if is_whole { Ok(schedule.windows.to_vec()) } else { Err(Missing::Hours) };
        };
        let keep = |window: &Window| {
            let window = match &day {
                Day::MorningOnly(_) => Window { until: window.until.min(evening), ..*window },
                Day::EveningOnly(_) => Window { from: window.from.max(evening), ..*window },
                _ => *window,
            };
            (window.from < window.until).then_some(window)
        };
        Ok(schedule.windows.iter().filter_map(keep).collect())
    }

    fn schedule(&self, segment: Exchange, class: Class, date: NaiveDate) -> Option<&Schedule> {
        self.sessions.get(&(segment, class))?.iter().find(|schedule| (schedule.from..=schedule.until).contains(&date))
    }

    /// When continuous trading in the instrument ends on that day; `None` if there is none, or it is not known.
    #[must_use]
    pub fn closes_at(&self, facts: &Facts, date: NaiveDate) -> Option<DateTime<Utc>> {
        if self.is_always_open {
            return date.checked_add_days(Days::new(1)).map(|next| moment(next, NaiveTime::MIN));
        }
        let windows = self.windows(facts.segment, self.class(facts, date), date).ok()?;
        windows.iter().rev().find(|window| window.step == Step::Continuous).map(|window| moment(date, window.until))
    }

    /// When the instrument is in continuous trading on that day, in order. For what must be left before a day ends, a weekday that no
    /// file covers has the hours of any day: a session that nobody has announced yet is less likely than one that is.
    #[must_use]
    pub fn trading_times(&self, facts: &Facts, date: NaiveDate) -> Vec<Range<DateTime<Utc>>> {
        if self.is_always_open {
            return self.closes_at(facts, date).map(|end| moment(date, NaiveTime::MIN)..end).into_iter().collect();
        }
        let class = self.class(facts, date);
        let is_weekday = !matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        let windows = match self.windows(facts.segment, class, date) {
            Err(Missing::Day) if is_weekday => {
                self.schedule(facts.segment, class, date).map(|usual| usual.windows.to_vec()).unwrap_or_default()
            }
            windows => windows.unwrap_or_default(),
        };
        let continuous = windows.iter().filter(|window| window.step == Step::Continuous);
        continuous.map(|window| moment(date, window.from)..moment(date, window.until)).collect()
    }

    /// Days of trading after that one up to the other, which counts. A weekday that no file covers is one.
    #[must_use]
    pub fn days_until(&self, segment: Exchange, date: NaiveDate, end: NaiveDate) -> usize {
        let is_weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let days = date.iter_days().skip(1).take_while(|day| *day <= end);
        days.filter(|day| self.is_trading_day(segment, *day).unwrap_or(is_weekday(day))).count()
    }

    /// When continuous trading begins next, after that moment.
    fn next_open(&self, segment: Exchange, class: Class, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        for date in trading_date(after).iter_days().take(LOOK_AHEAD) {
            // An unknown day may be an open one: nothing later is the next.
            let windows = self.windows(segment, class, date).ok()?;
            let opens = windows.iter().filter(|window| window.step == Step::Continuous).map(|window| moment(date, window.from));
            if let Some(at) = opens.filter(|at| *at > after).min() {
                return Some(at);
            }
        }
        None
    }
}

/// A time of the day in India. IST has no changes, so there is exactly one such moment.
pub(super) fn moment(date: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let local = date.and_time(time);
    ist().from_local_datetime(&local).single().map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}
