//! Who may trade: kill levels per account and strategy, and the freeze of exits. Durable, and latched in memory first
//! ([`Latch`](super::Latch)).

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::arming::{Approval, Arming};
use crate::order::{BasketId, Strategy};

/// The name of a journal row that changes the controls.
pub const CONTROL: &str = "CONTROL";
/// An approval that is over is forgotten after this: its orders have ended long before.
const APPROVAL_KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// How much is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum KillLevel {
    /// Armed.
    #[default]
    None,
    /// No new entries.
    StopEntries,
    /// Also cancel working entries.
    CancelEntries,
    /// Also square off what this engine opened.
    SquareOff,
}

impl From<KillLevel> for u8 {
    fn from(level: KillLevel) -> u8 {
        match level {
            KillLevel::None => 0,
            KillLevel::StopEntries => 1,
            KillLevel::CancelEntries => 2,
            KillLevel::SquareOff => 3,
        }
    }
}

impl TryFrom<u8> for KillLevel {
    type Error = String;
    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Self::None),
            1 => Ok(Self::StopEntries),
            2 => Ok(Self::CancelEntries),
            3 => Ok(Self::SquareOff),
            _ => Err(format!("kill level {level} is not one of 0 (armed), 1 (stop entries), 2 (also cancel), 3 (also square off)")),
        }
    }
}

/// Why a trading day is over before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HaltCause {
    /// Its result met the floor of the day's loss. A row that names no cause means this one.
    #[default]
    Loss,
    /// The broker's margin fell short.
    Margin,
}

impl HaltCause {
    fn is_loss(&self) -> bool {
        *self == Self::Loss
    }
}

/// What a breach of the day's limits stops. It is not a person's kill: it ends with its trading day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayHalt {
    /// The trading day (India).
    pub date: NaiveDate,
    /// How much is stopped.
    pub level: KillLevel,
    /// What was breached, with the numbers.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What was breached, for the rules.
    #[serde(default, skip_serializing_if = "HaltCause::is_loss")]
    pub cause: HaltCause,
}

/// What stops one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyStop {
    /// How much; never [`KillLevel::None`].
    pub level: KillLevel,
    /// Who wanted it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Exits are frozen: who wanted it, why, and since when. A second wish changes nothing of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who wanted it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// An account's controls, as committed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Control {
    /// The account's level.
    pub level: KillLevel,
    /// What stops single strategies; absent means armed.
    #[serde(default)]
    pub strategies: BTreeMap<Strategy, StrategyStop>,
    /// What a breach of the day's limits stops; `None`: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<DayHalt>,
    /// What freezes exits; `None`: they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// Whether entries may go at all, in an account that needs arming.
    #[serde(default)]
    pub arming: Arming,
    /// Baskets that wait for a person's yes, or got it.
    #[serde(default)]
    pub approvals: BTreeMap<BasketId, Approval>,
    /// What the change that made these was, in words; empty: there was none.
    #[serde(default)]
    pub what: String,
    /// Why, of the last change of the account's level.
    #[serde(default)]
    pub reason: String,
    /// Who, of that change.
    #[serde(default)]
    pub who: String,
    /// When, of that change.
    pub at: Option<DateTime<Utc>>,
}

/// Who said it, why and when.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    who: &'a str,
    reason: &'a str,
    at: DateTime<Utc>,
}

/// One change of the controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlChange {
    /// The account's level.
    Account(KillLevel),
    /// The account's level, raised to at least this; never lowered. Where that stands already, it stays as it was said.
    RaiseAccount(KillLevel),
    /// A breach of the limits of that day stops at least this much until the day ends.
    HaltDay(NaiveDate, KillLevel, HaltCause),
    /// The halt of that day ends; one of another day stays.
    EndDay(NaiveDate),
    /// One strategy's level.
    Strategy(Strategy, KillLevel),
    /// One strategy's level, raised to at least this; never lowered. Where that stands already, it stays as it was said.
    RaiseStrategy(Strategy, KillLevel),
    /// A person takes down the level that they looked at: where another stands at the commit, nothing changes. It never raises
    /// ([`ControlChange::level`]).
    Lower {
        /// Whose level; `None`: the account's.
        strategy: Option<Strategy>,
        /// What they looked at.
        from: KillLevel,
        /// What is to stand.
        to: KillLevel,
    },
    /// Freeze or thaw exits.
    Freeze(bool),
    /// Arm or disarm.
    Arm {
        /// What is to stand.
        arming: Box<Arming>,
        /// The arming that the person looked at: when another stands at the commit, nothing changes. A disarming expects
        /// nothing and always counts.
        expected: Option<Box<Arming>>,
    },
    /// A basket waits for a person's yes until then.
    AskApproval {
        /// The basket.
        basket: BasketId,
        /// The end of its patience.
        until: DateTime<Utc>,
    },
    /// A person says yes to a basket that waits. Too late, or for one that does not wait, it changes nothing.
    Approve {
        /// The basket.
        basket: BasketId,
    },
}

impl ControlChange {
    /// What a person asks for who wants this level, of a strategy or of the account. `from`: the level that they looked at.
    ///
    /// A stop only ever raises what stands, whatever was looked at: it is never refused because another level stands by now, and it
    /// holds before it is on disk. Down it goes to 0, or from a level that is named.
    #[must_use]
    pub fn level(strategy: Option<Strategy>, from: Option<KillLevel>, to: KillLevel) -> Self {
        let goes_down = |from: &KillLevel| to < *from || to == KillLevel::None;
        match (strategy, from.filter(goes_down), to) {
            (strategy, Some(from), to) => Self::Lower { strategy, from, to },
            (None, None, KillLevel::None) => Self::Account(KillLevel::None),
            (None, None, to) => Self::RaiseAccount(to),
            (Some(strategy), None, KillLevel::None) => Self::Strategy(strategy, KillLevel::None),
            (Some(strategy), None, to) => Self::RaiseStrategy(strategy, to),
        }
    }

    /// A level that is taken down, as one that is set.
    fn as_set(&self) -> Self {
        match self {
            Self::Lower { strategy: Some(strategy), to, .. } => Self::Strategy(strategy.clone(), *to),
            Self::Lower { strategy: None, to, .. } => Self::Account(*to),
            other => other.clone(),
        }
    }
}

impl fmt::Display for ControlChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(KillLevel::None) => f.write_str("the account goes again"),
            Self::Account(level) => write!(f, "kill level {} for the account", u8::from(*level)),
            Self::RaiseAccount(level) => write!(f, "kill level {} or more for the account", u8::from(*level)),
            Self::HaltDay(date, level, _) => write!(f, "{date} is over, with kill level {}", u8::from(*level)),
            Self::EndDay(date) => write!(f, "the halt of {date} ends"),
            Self::Strategy(strategy, KillLevel::None) => write!(f, "strategy {strategy} goes again"),
            Self::Strategy(strategy, level) => write!(f, "kill level {} for strategy {strategy}", u8::from(*level)),
            Self::RaiseStrategy(strategy, level) => write!(f, "kill level {} or more for strategy {strategy}", u8::from(*level)),
            Self::Lower { .. } => write!(f, "{}", self.as_set()),
            Self::Freeze(true) => f.write_str("exits are frozen"),
            Self::Freeze(false) => f.write_str("exits go again"),
            Self::Arm { arming, .. } => write!(f, "arming: {}", arming.mode),
            Self::AskApproval { basket, .. } => write!(f, "basket {basket} waits for a yes"),
            Self::Approve { basket } => write!(f, "yes to basket {basket}"),
        }
    }
}

impl Control {
    /// Whether a change does not count: it was decided upon an arming, or a level, that no longer stands.
    #[must_use]
    pub fn refuses(&self, change: &ControlChange) -> bool {
        match change {
            ControlChange::Arm { expected: Some(expected), .. } => **expected != self.arming,
            ControlChange::Lower { strategy, from, .. } => *from != self.level_of(strategy.as_ref()),
            _ => false,
        }
    }

    /// The level that a person set: of a strategy alone, or of the account.
    #[must_use]
    pub fn level_of(&self, strategy: Option<&Strategy>) -> KillLevel {
        match strategy {
            Some(strategy) => self.strategies.get(strategy).map_or(KillLevel::None, |stop| stop.level),
            None => self.level,
        }
    }

    /// The controls after a change; unchanged by one that they refuse.
    #[must_use]
    pub fn after(&self, change: &ControlChange, who: &str, reason: &str, at: DateTime<Utc>) -> Self {
        let mut next = self.clone();
        if self.refuses(change) {
            return next;
        }
        let said = Said { who, reason, at };
        match change {
            ControlChange::Account(level) | ControlChange::Lower { strategy: None, to: level, .. } => next.set_account(*level, said),
            ControlChange::RaiseAccount(level) if *level > self.level => next.set_account(*level, said),
            ControlChange::Strategy(strategy, level) | ControlChange::Lower { strategy: Some(strategy), to: level, .. } => {
                next.set_strategy(strategy, *level, said);
            }
            ControlChange::RaiseStrategy(strategy, level) if *level > self.level_of(Some(strategy)) => {
                next.set_strategy(strategy, *level, said);
            }
            // What stands is as high: it stays by whom it was, for their reason and since then.
            ControlChange::RaiseAccount(_) | ControlChange::RaiseStrategy(..) => {}
            ControlChange::HaltDay(date, level, cause) => next.halt_day(*date, *level, *cause, said),
            ControlChange::EndDay(date) => next.day = next.day.take().filter(|day| day.date != *date),
            ControlChange::Freeze(true) => {
                next.freeze.get_or_insert_with(|| Freeze { who: who.to_owned(), reason: reason.to_owned(), since: at });
            }
            ControlChange::Freeze(false) => next.freeze = None,
            ControlChange::Arm { arming, .. } => next.arming = (**arming).clone(),
            ControlChange::AskApproval { basket, until } => next.ask_approval(*basket, *until, at),
            ControlChange::Approve { basket } => next.approve(basket, said),
        }
        next
    }

    fn set_account(&mut self, level: KillLevel, said: Said<'_>) {
        self.level = level;
        self.who = said.who.to_owned();
        self.reason = said.reason.to_owned();
        self.at = Some(said.at);
    }

    fn set_strategy(&mut self, strategy: &Strategy, level: KillLevel, said: Said<'_>) {
        if level == KillLevel::None {
            self.strategies.remove(strategy);
        } else {
            let stop = StrategyStop { level, who: said.who.to_owned(), reason: said.reason.to_owned(), at: said.at };
            self.strategies.insert(strategy.clone(), stop);
        }
    }

    /// A halt that stands is never lowered within its day.
    fn halt_day(&mut self, date: NaiveDate, level: KillLevel, cause: HaltCause, said: Said<'_>) {
        let standing = self.day.take().filter(|day| day.date == date);
        let level = standing.map_or(level, |day| day.level.max(level));
        self.day = Some(DayHalt { date, level, reason: said.reason.to_owned(), at: said.at, cause });
    }

    /// What was asked first stands; what is over for long is forgotten.
    fn ask_approval(&mut self, basket: BasketId, until: DateTime<Utc>, at: DateTime<Utc>) {
        self.approvals.retain(|_, approval| at.signed_duration_since(approval.until) < APPROVAL_KEPT);
        let asked = Approval { asked_at: at, until, given_at: None, who: String::new(), reason: String::new() };
        self.approvals.entry(basket).or_insert(asked);
    }

    fn approve(&mut self, basket: &BasketId, said: Said<'_>) {
        if let Some(approval) = self.approvals.get_mut(basket).filter(|held| held.given_at.is_none() && said.at <= held.until) {
            approval.given_at = Some(said.at);
            approval.who = said.who.to_owned();
            approval.reason = said.reason.to_owned();
        }
    }

    /// Whether exits are frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.freeze.is_some()
    }

    /// The level that holds for the whole account: a person's, or the day's.
    #[must_use]
    pub fn account_level(&self) -> KillLevel {
        self.level.max(self.day.as_ref().map_or(KillLevel::None, |day| day.level))
    }

    /// Why the level that holds for a strategy stands, for people.
    #[must_use]
    pub fn why_for(&self, strategy: &Strategy) -> &str {
        match (self.strategies.get(strategy), &self.day) {
            (Some(stop), _) if stop.level > self.account_level() => &stop.reason,
            (_, Some(day)) if day.level > self.level => &day.reason,
            _ => &self.reason,
        }
    }

    /// The level that holds for a strategy on that trading day: the halt of a day before counts for nothing, also while the row
    /// that ends it is still to be written.
    #[must_use]
    pub fn level_on(&self, strategy: &Strategy, today: NaiveDate) -> KillLevel {
        let day = self.day.as_ref().filter(|day| day.date >= today).map_or(KillLevel::None, |day| day.level);
        self.level.max(day).max(self.strategies.get(strategy).map_or(KillLevel::None, |stop| stop.level))
    }

    /// The level that holds for a strategy.
    #[must_use]
    pub fn level_for(&self, strategy: &Strategy) -> KillLevel {
        self.account_level().max(self.strategies.get(strategy).map_or(KillLevel::None, |stop| stop.level))
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
