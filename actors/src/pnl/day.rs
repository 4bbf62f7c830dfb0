//! The trading day of one account.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;

use super::change::DayChange;
use super::curve::Curve;
use super::line::Line;
use crate::order::{Holding, HoldingKey, Strategy};

/// What an account's fills of one IST day came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Day {
    date: NaiveDate,
    /// Boxed, because the nodes of a tree are half empty and a line is large.
    lines: BTreeMap<(Strategy, HoldingKey), Box<Line>>,
    strategies: BTreeMap<Strategy, Curve>,
    account: Curve,
    /// The journal row of the newest change of this day; 0 for none.
    changed: u64,
}

impl Day {
    /// The day as a restart finds it: what is held now, and the changes of this day in the order of their journal rows. What
    /// was held before the first change of a holding was carried into the day; what did not change was carried as it is.
    #[must_use]
    pub fn load<'a>(
        date: NaiveDate,
        held: impl IntoIterator<Item = (&'a Strategy, &'a HoldingKey, &'a Holding)>,
        changes: &[DayChange],
    ) -> Self {
        let mut day = Self { date, ..Self::default() };
        let mut changed = HashSet::new();
        for change in changes {
            let slot = (&change.strategy, &change.key);
            if changed.insert(slot) {
                day.lines.insert((change.strategy.clone(), change.key.clone()), Box::new(Line::carrying(change.before)));
            }
        }
        for (strategy, key, held) in held {
            if held.net != 0 && !changed.contains(&(strategy, key)) {
                day.lines.insert((strategy.clone(), key.clone()), Box::new(Line::carrying(*held)));
            }
        }
        for change in changes {
            day.apply(change);
        }
        day
    }

    /// Takes the next change in. One of a later day begins that day; one of an earlier day is told by the caller as
    /// [`Move::ToldLate`](super::Move::ToldLate), and counts here whatever its date.
    pub fn apply(&mut self, change: &DayChange) {
        if change.day > self.date {
            *self = self.rolled(change.day);
        }
        self.changed = change.seq;
        let slot = (change.strategy.clone(), change.key.clone());
        let line = self.lines.entry(slot).or_insert_with(|| Box::new(Line::carrying(change.before)));
        let realised = line.take(change);
        if !realised.0.is_zero() {
            let curve = self.strategies.entry(change.strategy.clone()).or_default();
            *curve = curve.after(realised);
            self.account = self.account.after(realised);
        }
    }

    /// The day that follows: what is held is carried into it, everything else begins at nothing.
    #[must_use]
    pub fn rolled(&self, date: NaiveDate) -> Self {
        let open = self.lines.iter().filter(|(_, line)| line.held.net != 0);
        let lines = open.map(|(slot, line)| (slot.clone(), Box::new(Line::carrying(line.held)))).collect();
        Self { date, lines, ..Self::default() }
    }

    /// The day as it stands on that date: a day that is over has rolled, though nothing was traded since.
    #[must_use]
    pub fn on(&self, date: NaiveDate) -> Cow<'_, Self> {
        if date > self.date { Cow::Owned(self.rolled(date)) } else { Cow::Borrowed(self) }
    }

    /// The journal row of its newest change; 0 if nothing has changed on it.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Its date, India.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.date
    }

    /// How many lines there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Every line: what was carried into the day or traded on it, by strategy.
    pub fn lines(&self) -> impl Iterator<Item = (&Strategy, &HoldingKey, &Line)> {
        self.lines.iter().map(|((strategy, key), line)| (strategy, key, &**line))
    }

    /// One strategy's line in one instrument and product.
    #[must_use]
    pub fn line(&self, strategy: &Strategy, key: &HoldingKey) -> Option<&Line> {
        self.lines.get(&(strategy.clone(), key.clone())).map(|line| &**line)
    }

    /// The lines of one strategy.
    pub fn lines_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = (&'a HoldingKey, &'a Line)> {
        let from = (strategy.clone(), HoldingKey::lowest());
        self.lines.range(from..).take_while(move |((owner, _), _)| owner == strategy).map(|((_, key), line)| (key, &**line))
    }

    /// Every strategy that has a line.
    #[must_use]
    pub fn strategies(&self) -> Vec<&Strategy> {
        let mut names: Vec<&Strategy> = self.lines.keys().map(|(strategy, _)| strategy).collect();
        names.dedup();
        names
    }

    /// What a strategy realised over the day.
    #[must_use]
    pub fn curve_of(&self, strategy: &Strategy) -> Curve {
        self.strategies.get(strategy).copied().unwrap_or_default()
    }

    /// What the account realised over the day.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.account
    }

    /// The change today of what all strategies together hold there that was no trade of ours, in units.
    #[must_use]
    pub fn corrected(&self, key: &HoldingKey) -> i64 {
        self.lines.iter().filter(|((_, held), _)| held == key).map(|(_, line)| line.corrected).sum()
    }
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
