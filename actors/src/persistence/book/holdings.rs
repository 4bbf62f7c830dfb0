//! What a book holds, by strategy and by all of them, and what that came to.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::Book;
use crate::order::{Holding, HoldingKey, InstrumentKey, OrderRecord, Side, Strategy};
use crate::persistence::exposure::Exposure;
use crate::persistence::gross::Gross;
use crate::pnl::{Day, Opening, PointValues};
use crate::ports::Instruments;

impl Book {
    /// What a strategy holds.
    pub fn holdings_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = (&'a HoldingKey, &'a Holding)> {
        let from = (strategy.clone(), HoldingKey::lowest());
        self.holdings.range(from..).take_while(move |((owner, _), _)| owner == strategy).map(|((_, key), held)| (key, held))
    }

    /// What a strategy holds in one instrument and product; 0 when flat.
    #[must_use]
    pub fn held(&self, strategy: &Strategy, key: &HoldingKey) -> Holding {
        self.holdings.get(&(strategy.clone(), key.clone())).copied().unwrap_or_default()
    }

    /// Everything that is held, by strategy.
    pub fn holdings(&self) -> impl Iterator<Item = (&Strategy, &HoldingKey, &Holding)> {
        self.holdings.iter().map(|((strategy, key), held)| (strategy, key, held))
    }

    /// What all strategies together hold in an instrument and product.
    #[must_use]
    pub fn gross(&self, key: &HoldingKey) -> Gross {
        self.gross.get(key).copied().unwrap_or_default()
    }

    /// Every instrument and product that is held.
    pub fn held_keys(&self) -> impl Iterator<Item = (&HoldingKey, Gross)> {
        self.gross.iter().map(|(key, gross)| (key, *gross))
    }

    /// Rupees that a unit of it gains when its price rises by one; `None`: not known.
    #[must_use]
    pub fn point(&self, key: &InstrumentKey) -> Option<Decimal> {
        self.points.of(key)
    }

    /// Rupees that a unit gains when its price rises by one, from the instrument master if no state is kept of it (before its first order
    /// has left). `None`: not known.
    #[must_use]
    pub fn point_by(&self, key: &InstrumentKey, instruments: &dyn Instruments) -> Option<Decimal> {
        self.point(key).or_else(|| instruments.find(key).map(|found| found.rupees_per_point))
    }

    /// The same of every contract.
    #[must_use]
    pub fn points(&self) -> &PointValues {
        &self.points
    }

    /// Whether nothing of ours is, was since the start, or may come to be in an instrument.
    #[must_use]
    pub fn has_nothing_in(&self, key: &InstrumentKey) -> bool {
        let is_held = self.last_fill.keys().any(|held| held.instrument == *key);
        let was_sent = |order: &OrderRecord| order.is_for(key) && order.sent_at.is_some();
        !is_held && self.exposure(key).is_none() && !self.by_number.values().any(|order| was_sent(order))
    }

    /// The journal row of the last fill in an instrument and product; 0 for none.
    #[must_use]
    pub fn last_fill_seq(&self, key: &HoldingKey) -> u64 {
        self.last_fill.get(key).copied().unwrap_or(0)
    }

    /// Units by which trades and corrections that were recorded after the journal row `seq` have moved what is held in an
    /// instrument and product to that side; what they moved to the other side is not set off against it. `None`: that row is
    /// too long ago to tell.
    #[must_use]
    pub fn moved_since(&self, key: &HoldingKey, side: Side, seq: u64) -> Option<i64> {
        if seq < self.loaded {
            return None;
        }
        self.moves.get(key).map_or(Some(0), |moves| moves.since(seq, side))
    }

    /// Whether the net of our strategies there was `net` when that journal row was the newest, or at any time since, with all that had
    /// traded before `shown` in it. `None`: that row is too long ago to tell.
    #[must_use]
    pub fn was_net_since(&self, key: &HoldingKey, net: i64, seq: u64, shown: DateTime<Utc>) -> Option<bool> {
        let moved = self.moved_since(key, Side::Buy, seq)?.saturating_sub(self.moved_since(key, Side::Sell, seq)?);
        let now = self.gross(key).net();
        self.moves.get(key).map_or(Some(now == net), |moves| moves.passed(seq, now.saturating_sub(moved), net, shown))
    }

    /// What the fills of that day (India) came to: today's, if today is what is asked for. Whoever reads a limit from it
    /// hands in the date of its own clock, because a day rolls although nothing is traded.
    #[must_use]
    pub fn day(&self, date: NaiveDate) -> Cow<'_, Day> {
        self.day.on(date)
    }

    /// The newest day on which something changed. It may be over: what is asked of it is asked with the date of the asker's clock,
    /// and is answered without the copy that [`Self::day`] makes then.
    #[must_use]
    pub fn newest_day(&self) -> &Day {
        &self.day
    }

    /// The orders that have traded into what a strategy holds there since it was last flat, on the newest day on which anything changed,
    /// whenever they were asked for.
    #[must_use]
    pub fn openings(&self, strategy: &Strategy, key: &HoldingKey) -> &[Opening] {
        self.day.line(strategy, key).map_or(&[], |line| line.openings())
    }

    /// What is held and may still be bought or sold of an instrument; `None`: nothing.
    #[must_use]
    pub fn exposure(&self, key: &InstrumentKey) -> Option<&Exposure> {
        self.sums.of(key)
    }

    /// Every instrument in which something is held or may still be bought or sold.
    pub fn exposures(&self) -> impl Iterator<Item = (&InstrumentKey, &Exposure)> {
        self.sums.all()
    }

    /// The newest day (India) on which a trade of ours was recorded.
    #[must_use]
    pub fn traded_on(&self) -> Option<NaiveDate> {
        self.sums.traded_on()
    }

    /// Every instrument and product in which a trade of ours was recorded since the start, or in which something was held then.
    pub fn traded_keys(&self) -> impl Iterator<Item = &HoldingKey> {
        self.last_fill.keys()
    }
}
