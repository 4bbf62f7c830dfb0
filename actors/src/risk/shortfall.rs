//! A shortfall of margin at the broker: it shows less than no money left. What the figures come to is the broker's habit and not its word,
//! so an account is squared off for them only where they were seen to be enough before, and only if its settings say so. Pure.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::settings::OnShortfall;
use crate::watcher::Findings;

/// A shortfall of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// When it was seen.
    pub at: DateTime<Utc>,
    /// What the broker showed then, in words.
    pub words: String,
    /// Whether the day is over with it: entries stop, what is open is squared off. Otherwise people are told.
    pub squares_off: bool,
    /// Set when it is over: a person has re-armed the day, or, where nothing was squared off, the broker shows enough again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// The end of a shortfall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
}

impl Shortfall {
    /// Whether it is not over.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.lifted.is_none()
    }

    /// Whether the day is over with it.
    #[must_use]
    pub fn halts(&self) -> bool {
        self.squares_off && self.stands()
    }
}

/// What the broker's figures say of the margin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Margin {
    /// Nothing that counts: they were not read today, or only the newest answer shows a shortfall.
    Unknown,
    /// It is enough.
    Enough,
    /// It is not, in words; and whether positions are squared off for it.
    Short(String, bool),
}

impl Margin {
    /// As the broker has told it on that day.
    pub(super) fn of(findings: &Findings, today: NaiveDate, wanted: OnShortfall) -> Self {
        let Some((funds, _)) = findings.funds.as_ref() else { return Self::Unknown };
        if findings.covers(today) {
            return Self::Enough;
        }
        if !findings.falls_short(today) {
            return Self::Unknown;
        }
        let shown = format!(
            "the margin at the broker fell short: it shows {} rupees left of {} cash at the start of the day, with {} of margin in use",
            funds.available, funds.cash, funds.margin_used
        );
        match wanted {
            OnShortfall::Page => Self::Short(format!("{shown}; nothing is squared off for it (limits.margin_shortfall)"), false),
            OnShortfall::SquareOff if !findings.was_covered => {
                let why = "it has not shown enough once since the engine began, so the figures themselves may be wrong";
                Self::Short(format!("{shown}; nothing is squared off for it: {why}"), false)
            }
            OnShortfall::SquareOff => Self::Short(shown, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::trading_date;
    use crate::ports::Funds;
    use crate::testkit::builders::{at, rupees};

    fn after(available: &[i64], wanted: OnShortfall) -> Margin {
        let mut findings = Findings::default();
        for (second, available) in (0..).zip(available) {
            let funds = Funds { cash: rupees(1_000), margin_used: rupees(1_005), available: rupees(*available) };
            findings.take_funds(funds, at(second), true);
        }
        Margin::of(&findings, trading_date(at(0)), wanted)
    }

    #[test]
    fn positions_are_squared_off_only_by_figures_that_were_enough_once_and_where_it_is_wanted() {
        let squares_off = |margin| match margin {
            Margin::Short(words, squares_off) => {
                assert!(words.starts_with("the margin at the broker fell short: it shows -5 rupees left of 1000 cash"), "{words}");
                Some(squares_off)
            }
            _ => None,
        };
        assert_eq!(squares_off(after(&[10, -5, -5], OnShortfall::SquareOff)), Some(true));
        assert_eq!(squares_off(after(&[10, -5, -5], OnShortfall::Page)), Some(false));
        assert_eq!(squares_off(after(&[-5, -5], OnShortfall::SquareOff)), Some(false), "the figures may be wrong");
        assert_eq!(after(&[10, -5], OnShortfall::SquareOff), Margin::Unknown);
        assert_eq!(after(&[10, -5, -5, 0], OnShortfall::SquareOff), Margin::Enough);
        assert_eq!(after(&[], OnShortfall::SquareOff), Margin::Unknown);
    }
}
