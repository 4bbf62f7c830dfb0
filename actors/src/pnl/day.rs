//! The trading day of one account.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;

use super::change::DayChange;
use super::contracts::PointValues;
use super::curve::Curve;
use super::line::Line;
use super::pool::Pool;
use crate::order::{Holding, HoldingKey, Strategy};

/// What an account's fills of one IST day came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Day {
    date: NaiveDate,
    /// Boxed, because the nodes of a tree are half empty and a line is large.
    lines: BTreeMap<(Strategy, HoldingKey), Box<Line>>,
    /// The lines of all strategies together.
    pools: BTreeMap<HoldingKey, Pool>,
    strategies: BTreeMap<Strategy, Curve>,
    account: Curve,
    /// The journal row of the newest change of this day; 0 for none.
    changed: u64,
    /// What a point of each contract is worth.
    points: PointValues,
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
        Self::valued(PointValues::default(), date, held, changes)
    }

    /// The same of an account that trades contracts whose points are worth that much.
    #[must_use]
    pub fn valued<'a>(
        points: PointValues,
        date: NaiveDate,
        held: impl IntoIterator<Item = (&'a Strategy, &'a HoldingKey, &'a Holding)>,
        changes: &[DayChange],
    ) -> Self {
        let mut day = Self { date, points, ..Self::default() };
        let mut changed = HashSet::new();
        for change in changes {
            let slot = (&change.strategy, &change.key);
            if changed.insert(slot) {
                day.carry((change.strategy.clone(), change.key.clone()), change.before);
            }
        }
        for (strategy, key, held) in held {
            if held.net != 0 && !changed.contains(&(strategy, key)) {
                day.carry((strategy.clone(), key.clone()), *held);
            }
        }
        for change in changes {
            day.apply(change);
        }
        day
    }

    /// From now on points are worth that much. A line of which it was not known goes on with what is known now; what was not
    /// counted of it stays so.
    pub(crate) fn value_by(&mut self, points: PointValues) {
        self.points = points;
        let unknown: Vec<_> = self.lines.iter().filter(|(_, line)| line.point.is_none()).map(|(slot, _)| slot.clone()).collect();
        for slot in unknown {
            let Some(line) = self.lines.get_mut(&slot) else { continue };
            let was = Pool::of(line);
            line.point = self.points.of(&slot.1.instrument);
            let is = Pool::of(line);
            self.pool(&slot.1, was, is);
        }
    }

    fn carry(&mut self, slot: (Strategy, HoldingKey), held: Holding) {
        let line = Line::carrying(held, self.points.of(&slot.1.instrument));
        self.pool(&slot.1, Pool::default(), Pool::of(&line));
        self.lines.insert(slot, Box::new(line));
    }

    /// A line was worth the first and is worth the second to its pool.
    fn pool(&mut self, key: &HoldingKey, was: Pool, is: Pool) {
        match self.pools.get_mut(key) {
            Some(pool) => *pool = pool.minus(was).plus(is),
            None => drop(self.pools.insert(key.clone(), is.minus(was))),
        }
    }

    /// Takes the next change in. One of a later day begins that day; one of an earlier day is told by the caller as
    /// [`Move::ToldLate`](super::Move::ToldLate), and counts here whatever its date.
    pub fn apply(&mut self, change: &DayChange) {
        if change.day > self.date {
            *self = self.rolled(change.day);
        }
        self.changed = self.changed.max(change.newest_row());
        let slot = (change.strategy.clone(), change.key.clone());
        let (line, was) = match self.lines.entry(slot) {
            Entry::Occupied(known) => (&mut *known.into_mut(), None),
            Entry::Vacant(place) => {
                let point = self.points.of(&change.key.instrument);
                (place.insert(Box::new(Line::carrying(change.before, point))), Some(Pool::default()))
            }
        };
        let was = was.unwrap_or_else(|| Pool::of(line));
        let realised = line.take(change);
        let is = Pool::of(line);
        self.pool(&change.key, was, is);
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
        let lines =
            open.map(|(slot, line)| (slot.clone(), Box::new(Line::carrying(line.held, self.points.of(&slot.1.instrument))))).collect();
        let pools = self.pools.iter().filter(|(_, pool)| !pool.held.is_flat()).map(|(key, pool)| (key.clone(), pool.rolled())).collect();
        Self { date, lines, pools, points: self.points.clone(), ..Self::default() }
    }

    /// The day as it stands on that date: a day that is over has rolled, though nothing was traded since.
    #[must_use]
    pub fn on(&self, date: NaiveDate) -> Cow<'_, Self> {
        if date > self.date { Cow::Owned(self.rolled(date)) } else { Cow::Borrowed(self) }
    }

    /// Which day it is on that date, and the journal row of its newest change; 0 if nothing has changed on it.
    #[must_use]
    pub fn as_of(&self, date: NaiveDate) -> (NaiveDate, u64) {
        if date > self.date { (date, 0) } else { (self.date, self.changed) }
    }

    /// What all strategies together had and have in each instrument and product, on that date: a day that is over has rolled.
    pub fn pools(&self, date: NaiveDate) -> impl ExactSizeIterator<Item = (&HoldingKey, Pool)> {
        let is_over = date > self.date;
        self.pools.iter().map(move |(key, pool)| (key, if is_over { pool.rolled() } else { *pool }))
    }

    /// Its date, India.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.date
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

    /// The change on that date of what all strategies together hold there that was no trade of ours, in units.
    #[must_use]
    pub fn corrected(&self, date: NaiveDate, key: &HoldingKey) -> i64 {
        if date > self.date { 0 } else { self.pools.get(key).map_or(0, |pool| pool.corrected) }
    }

    /// What all strategies together hold there of before that date, and what their trades of that date have moved, in units.
    #[must_use]
    pub fn carried_and_traded(&self, date: NaiveDate, key: &HoldingKey) -> (i64, i64) {
        self.pools.get(key).map_or((0, 0), |pool| self.moved(date, pool))
    }

    /// The same of everything that it has, in the order of the keys.
    pub(crate) fn all_carried_and_traded(&self, date: NaiveDate) -> impl Iterator<Item = (&HoldingKey, (i64, i64))> {
        self.pools.iter().map(move |(key, pool)| (key, self.moved(date, pool)))
    }

    fn moved(&self, date: NaiveDate, pool: &Pool) -> (i64, i64) {
        let (carried, held) = (pool.carried.net(), pool.held.net());
        if date > self.date { (held, 0) } else { (carried, held.saturating_sub(carried).saturating_sub(pool.corrected)) }
    }
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
