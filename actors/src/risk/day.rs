//! What risk remembers of a trading day and of the days before: its limits, the floor that only rises, the breach, the
//! days of loss in a row. Pure; kept as one small state, so that a restart and a midnight change nothing.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::limits::DayLimits;
use super::shortfall::{Lifted, Margin, Shortfall};
use crate::order::{Amount, BrokerOrderId};
use crate::persistence::{DayHalt, HaltCause};
use crate::settings::Limits;

/// Orders of others that are remembered to have been told of; beyond them a restart tells again.
const TOLD_MOST: usize = 100;

/// The breach of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// When.
    pub at: DateTime<Utc>,
    /// The day's result then, rupees.
    pub pnl: Amount,
    /// The floor that it met, rupees.
    pub floor: Amount,
    /// Set when a person has moved the floor below the result since: the day goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<DateTime<Utc>>,
}

/// A trading day (India), and what it inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskDay {
    /// The day.
    pub date: NaiveDate,
    /// Its limits.
    pub limits: DayLimits,
    /// How far the floor has risen above the base, rupees: whole steps of the highest profit.
    pub gained: Amount,
    /// The rise at which people were warned last; `None`: they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_at: Option<Amount>,
    /// The breach, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit: Option<Hit>,
    /// The newest shortfall of margin at the broker, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Shortfall>,
    /// Set when a person has said that the broker's figures of the margin are wrong: below zero they prove nothing on this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disbelieved: Option<Lifted>,
    /// Orders of others since the end of the day that people were told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told_manual: Vec<BrokerOrderId>,
    /// Whether anything of ours was traded on it.
    #[serde(default)]
    pub traded: bool,
    /// Days of loss in a row before this one ([`RiskDay::is_lost`]); days without a trade count for nothing.
    pub loss_days: usize,
    /// No entries before this day, after too many days of loss in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<NaiveDate>,
}

/// What a look at the day's result has brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The floor rose.
    Raised,
    /// Little is left above the floor.
    Warned,
    /// The floor is met: the day is over.
    Hit,
    /// A person has moved the floor below the result: the day goes on.
    Lifted,
    /// The margin at the broker fell short.
    FellShort,
    /// It is enough again, and nothing was squared off for it.
    Enough,
}

impl RiskDay {
    /// The day as it stands under these settings: the one that is kept, made tighter, or the one that follows it.
    #[must_use]
    pub fn on(kept: Option<&Self>, today: NaiveDate, settings: &Limits) -> Self {
        match kept {
            // A clock that went back does not begin a day again.
            Some(kept) if kept.date >= today => Self { limits: kept.limits.tightened(settings), ..kept.clone() },
            Some(kept) => kept.followed_by(today, settings),
            None => Self::fresh(today, settings),
        }
    }

    fn fresh(date: NaiveDate, settings: &Limits) -> Self {
        Self {
            date,
            limits: DayLimits::of(settings),
            gained: Amount::ZERO,
            warned_at: None,
            hit: None,
            short: None,
            disbelieved: None,
            told_manual: Vec::new(),
            traded: false,
            loss_days: 0,
            cooldown_until: None,
        }
    }

    fn followed_by(&self, today: NaiveDate, settings: &Limits) -> Self {
        let loss_days = match (self.is_lost(), self.traded) {
            (true, _) => self.loss_days + 1,
            (false, true) => 0,
            (false, false) => self.loss_days,
        };
        let begun = self.is_lost() && loss_days >= settings.loss_days;
        let cooldown = if begun { Some(monday_after(self.date)) } else { self.cooldown_until };
        match cooldown {
            Some(until) if today < until => Self { loss_days, cooldown_until: cooldown, ..Self::fresh(today, settings) },
            // It is over: counting begins anew.
            Some(_) => Self::fresh(today, settings),
            None => Self { loss_days, ..Self::fresh(today, settings) },
        }
    }

    /// The result at which the day is over, rupees, for this daily loss (a positive number).
    #[must_use]
    pub fn floor(&self, daily_loss: Amount) -> Amount {
        self.gained.plus(daily_loss.negated())
    }

    /// Whether it met its floor, and nobody has lifted that.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.hit.as_ref().is_some_and(|hit| hit.lifted_at.is_none())
    }

    /// Whether it counts as a day of loss: it met its floor below zero, and nobody has lifted that. A floor that has risen above zero ends a
    /// day that keeps a profit.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hit.as_ref().is_some_and(|hit| hit.lifted_at.is_none() && hit.pnl < Amount::ZERO)
    }

    /// Whether its entries are over: for its loss, or for a shortfall of margin.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over_since().is_some()
    }

    /// Since when its entries are over.
    #[must_use]
    pub fn over_since(&self) -> Option<DateTime<Utc>> {
        let hit = self.hit.as_ref().filter(|hit| hit.lifted_at.is_none()).map(|hit| hit.at);
        let short = self.short.as_ref().filter(|short| short.halts()).map(|short| short.at);
        hit.into_iter().chain(short).min()
    }

    /// Whether people were told of that order of others.
    #[must_use]
    pub fn has_told_of(&self, id: &BrokerOrderId) -> bool {
        self.told_manual.contains(id)
    }

    /// People are told of these.
    pub fn told_of<'a>(&mut self, ids: impl IntoIterator<Item = &'a BrokerOrderId>) {
        for id in ids {
            if self.told_manual.len() < TOLD_MOST && !self.has_told_of(id) {
                self.told_manual.push(id.clone());
            }
        }
    }

    /// Adds what was found in memory about this day and has no row yet: the commit of that row is under way, or came after another
    /// and changed nothing.
    pub fn recall(&mut self, noted: &Self) -> Vec<Happening> {
        let mut happened = Vec::new();
        if noted.date != self.date {
            return happened;
        }
        self.traded |= noted.traded;
        if noted.gained > self.gained {
            self.gained = noted.gained;
            happened.push(Happening::Raised);
        }
        if let Some(hit) = noted.hit.as_ref().filter(|hit| self.hit.as_ref().is_none_or(|kept| hit.at > kept.at)) {
            self.hit = Some(hit.clone());
            happened.push(Happening::Hit);
        }
        if let Some(short) = noted.short.as_ref().filter(|short| self.short.as_ref().is_none_or(|kept| short.at > kept.at)) {
            self.short = Some(short.clone());
            happened.push(Happening::FellShort);
        }
        happened
    }

    /// Makes the breach or the shortfall anew for a halt that stands although the row that explains it was lost, so that it is shown and a
    /// person can lift it. A result that is better by now is no reason to end the halt.
    pub fn recover(&mut self, halted: &DayHalt, pnl: Option<Amount>, limits: &Limits) -> Option<Happening> {
        let hit_lifted = self.hit.as_ref().and_then(|hit| hit.lifted_at);
        let short_lifted = self.short.as_ref().filter(|short| short.squares_off).and_then(|short| short.lifted.as_ref()).map(|it| it.at);
        let is_of_margin = halted.cause == HaltCause::Margin;
        let disbelieved = self.disbelieved.as_ref().filter(|_| is_of_margin).map(|it| it.at);
        let is_lifted = hit_lifted.max(short_lifted).max(disbelieved).is_some_and(|at| at >= halted.at);
        if halted.date != self.date || self.is_over() || is_lifted {
            return None;
        }
        if is_of_margin {
            self.short = Some(Shortfall { at: halted.at, words: halted.reason.clone(), squares_off: true, lifted: None });
            return Some(Happening::FellShort);
        }
        let floor = self.floor(limits.daily_loss);
        self.hit = Some(Hit { at: halted.at, pnl: pnl.map_or(floor, |pnl| pnl.min(floor)), floor, lifted_at: None });
        Some(Happening::Hit)
    }

    /// Takes in what the broker shows of the margin.
    pub(super) fn see_margin(&mut self, margin: Margin, now: DateTime<Utc>) -> Option<Happening> {
        match (self.short.as_mut().filter(|short| short.stands()), margin) {
            // Where positions were squared off only a person lets the day go on.
            (Some(short), Margin::Enough) if !short.squares_off => {
                let reason = "the broker shows enough again".to_owned();
                short.lifted = Some(Lifted { at: now, who: "RiskActor".to_owned(), reason });
                Some(Happening::Enough)
            }
            (None, Margin::Short(words, squares_off)) => {
                let (words, squares_off) = match &self.disbelieved {
                    Some(said) => (format!("{words}; {}", not_for(said)), false),
                    None => (words, squares_off),
                };
                self.short = Some(Shortfall { at: now, words, squares_off, lifted: None });
                Some(Happening::FellShort)
            }
            _ => None,
        }
    }

    /// A person says that the figures are wrong. The shortfall stands until the broker shows enough, and nothing is squared off for it.
    pub fn disbelieve(&mut self, said: Lifted) {
        if let Some(short) = self.short.as_mut().filter(|short| short.stands()) {
            short.squares_off = false;
            short.words = format!("{}; {}", short.words, not_for(&said));
        }
        self.disbelieved = Some(said);
    }

    /// Takes a result in. `limits` are those in force. The floor follows the highest profit in whole steps and never falls;
    /// the warning comes once for each place of the floor.
    pub fn see(&mut self, pnl: Amount, limits: &Limits, now: DateTime<Utc>) -> Vec<Happening> {
        let mut happened = Vec::new();
        let gained = Amount(steps(pnl.0, limits.loss_step.0));
        if gained > self.gained {
            self.gained = gained;
            happened.push(Happening::Raised);
        }
        let floor = self.floor(limits.daily_loss);
        if pnl <= floor {
            if !self.is_hit() {
                self.hit = Some(Hit { at: now, pnl, floor, lifted_at: None });
                happened.push(Happening::Hit);
            }
            return happened;
        }
        // Only a floor that a person has moved can lie below what it was met at.
        if let Some(hit) = self.hit.as_mut().filter(|hit| hit.lifted_at.is_none() && floor < hit.floor) {
            hit.lifted_at = Some(now);
            happened.push(Happening::Lifted);
        }
        let left = pnl.0 - floor.0;
        let unused = Decimal::from(100u32.saturating_sub(limits.loss_warning_percent)) / Decimal::ONE_HUNDRED;
        let is_near = limits.daily_loss.0.checked_mul(unused).is_some_and(|margin| left <= margin);
        if is_near && self.warned_at != Some(self.gained) && !self.is_hit() {
            self.warned_at = Some(self.gained);
            happened.push(Happening::Warned);
        }
        happened
    }
}

fn not_for(said: &Lifted) -> String {
    format!("nothing is squared off for it: {} says that the figures are wrong ({})", said.who, said.reason)
}

/// Whole steps of a profit, rupees; nothing for a loss or without a step.
fn steps(profit: Decimal, step: Decimal) -> Decimal {
    if step <= Decimal::ZERO || profit <= Decimal::ZERO {
        return Decimal::ZERO;
    }
    let count = profit.checked_div(step).map_or(Decimal::ZERO, |steps| steps.floor());
    count.checked_mul(step).unwrap_or(Decimal::ZERO).normalize()
}

/// The Monday of the week after that day's.
fn monday_after(date: NaiveDate) -> NaiveDate {
    let days = 7 - u64::from(date.weekday().num_days_from_monday());
    date.checked_add_days(Days::new(days)).unwrap_or(date)
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
