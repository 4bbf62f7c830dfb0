//! Expected expiries: the weekday of the rule, moved to the trading day before when it is a holiday.
//!
//! What a contract's own expiry is, the instrument master tells. This is for the questions that it does not answer.

use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

use super::Calendar;
use crate::order::words::Exchange;

/// How often contracts of an underlying expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cycle {
    /// Every week.
    Weekly,
    /// On the last such weekday of the month.
    Monthly,
}

impl Cycle {
    /// Year and month of a date.
    pub(super) fn month_of(date: NaiveDate) -> (i32, u32) {
        (date.year(), date.month())
    }

    /// A day of the month after that of the date.
    pub(super) fn month_after(date: NaiveDate) -> Option<NaiveDate> {
        date.with_day(1)?.checked_add_months(Months::new(1))
    }
}

/// Why there is no expiry to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoExpiry {
    /// No row of the calendar names such contracts.
    #[error("the calendar knows no such contracts")]
    NoSuchCycle,
    /// The day, or one that it would move to, is in no calendar.
    #[error("no calendar covers {0}")]
    Unknown(NaiveDate),
}

#[derive(Debug, Clone)]
pub(super) struct ExpiryRule {
    pub(super) segment: Exchange,
    /// Empty: all that no other row of the segment and cycle names.
    pub(super) underlyings: Vec<Arc<str>>,
    pub(super) cycle: Cycle,
    pub(super) weekday: Weekday,
    pub(super) from: NaiveDate,
    pub(super) until: NaiveDate,
}

impl Calendar {
    /// The expiry of the week (Monday to Sunday) or of the month in which `within` lies. An expiry that a holiday moves
    /// may lie in the week before.
    ///
    /// # Errors
    /// [`NoExpiry`]: there are no such contracts, or a day is in no calendar.
    pub fn expiry(&self, segment: Exchange, underlying: &str, cycle: Cycle, within: NaiveDate) -> Result<NaiveDate, NoExpiry> {
        let nominal = self.nominal(segment, underlying, cycle, within)?;
        match self.day(segment, nominal).is_full() {
            Some(true) => Ok(nominal),
            Some(false) => self.previous_full_day(segment, nominal).ok_or(NoExpiry::Unknown(nominal)),
            None => Err(NoExpiry::Unknown(nominal)),
        }
    }

    /// The weekday of the rule in that week or month, holiday or not.
    fn nominal(&self, segment: Exchange, underlying: &str, cycle: Cycle, within: NaiveDate) -> Result<NaiveDate, NoExpiry> {
        let rule = self.rule(segment, underlying, cycle, within).ok_or(NoExpiry::NoSuchCycle)?;
        let nominal = match cycle {
            Cycle::Weekly => {
                let monday = within.week(Weekday::Mon).first_day();
                monday.checked_add_days(Days::new(u64::from(rule.weekday.num_days_from_monday())))
            }
            Cycle::Monthly => Cycle::month_after(within).and_then(|next| {
                let last = next.pred_opt()?;
                let back = (7 + last.weekday().num_days_from_monday() - rule.weekday.num_days_from_monday()) % 7;
                last.checked_sub_days(Days::new(u64::from(back)))
            }),
        };
        nominal.ok_or(NoExpiry::Unknown(within))
    }

    /// The first expiry on that day or after it.
    ///
    /// # Errors
    /// As [`Self::expiry`].
    pub fn next_expiry(&self, segment: Exchange, underlying: &str, cycle: Cycle, from: NaiveDate) -> Result<NaiveDate, NoExpiry> {
        let mut within = from;
        loop {
            // It never moves to a later day, so one whose weekday has passed need not be known.
            if self.nominal(segment, underlying, cycle, within)? >= from {
                let expiry = self.expiry(segment, underlying, cycle, within)?;
                if expiry >= from {
                    return Ok(expiry);
                }
            }
            let next = match cycle {
                Cycle::Weekly => within.checked_add_days(Days::new(7)),
                Cycle::Monthly => Cycle::month_after(within),
            };
            within = next.ok_or(NoExpiry::Unknown(within))?;
        }
    }

    fn rule(&self, segment: Exchange, underlying: &str, cycle: Cycle, on: NaiveDate) -> Option<&ExpiryRule> {
        let fits = |rule: &&ExpiryRule| rule.segment == segment && rule.cycle == cycle && (rule.from..=rule.until).contains(&on);
        let rules = || self.expiries.iter().filter(fits);
        let named = rules().find(|rule| rule.underlyings.iter().any(|name| **name == *underlying));
        named.or_else(|| rules().find(|rule| rule.underlyings.is_empty()))
    }
}
