//! What orders that are not ours have filled, as far as the broker's positions may lack it: pure.
//!
//! As with our own fills, a read of the positions that begins after something was seen shows it, and so does one that begins after
//! the answer of the order book that tells it, whoever hears of it first. What was seen later, or while a read was under way, may be
//! in it or not: for an exit, units that somebody closed count as not shown.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::order::{BrokerOrderId, HoldingKey, Side};
use crate::ports::BookRow;

/// The fills of one account that are not ours.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    /// The day of which the numbers are.
    day: Option<NaiveDate>,
    filled: BTreeMap<BrokerOrderId, i64>,
    /// How many fills were seen.
    seen: u64,
    fresh: Vec<Fresh>,
}

/// A fill that the positions may not have yet.
#[derive(Debug, Clone)]
struct Fresh {
    nth: u64,
    /// When the order book that tells it was answered; `None`: the stream told it.
    told_at: Option<DateTime<Utc>>,
    holding: HoldingKey,
    side: Side,
    units: i64,
}

impl Elsewhere {
    /// Takes pushed rows in that are not ours; whether one of them has filled more than was known.
    pub fn see<'a>(&mut self, rows: impl IntoIterator<Item = &'a BookRow>, today: NaiveDate) -> bool {
        self.see_told(rows, today, None)
    }

    /// The same with rows of an order book that was answered then.
    pub fn see_told<'a>(&mut self, rows: impl IntoIterator<Item = &'a BookRow>, today: NaiveDate, told_at: Option<DateTime<Utc>>) -> bool {
        if self.day != Some(today) {
            self.day = Some(today);
            self.filled.clear();
        }
        let before = self.seen;
        for row in rows {
            let known = self.filled.entry(row.broker_order_id.clone()).or_insert(0);
            let units = row.filled.saturating_sub(*known);
            if units > 0 {
                *known = row.filled;
                self.seen = self.seen.saturating_add(1);
                let holding = HoldingKey { instrument: row.instrument.clone(), product: row.product };
                self.fresh.push(Fresh { nth: self.seen, told_at, holding, side: row.side, units });
            }
        }
        self.seen > before
    }

    /// How many fills were seen so far.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Units that an order of others has filled, as far as it was seen.
    #[must_use]
    pub fn filled(&self, id: &BrokerOrderId) -> i64 {
        self.filled.get(id).copied().unwrap_or(0)
    }

    /// Positions came that were asked for then, when so many had been seen: they show these.
    pub fn shown(&mut self, seen: u64, asked_at: DateTime<Utc>) {
        self.fresh.retain(|fill| fill.nth > seen && fill.told_at.is_none_or(|told_at| told_at > asked_at));
    }

    /// Whether the positions show all that was seen there.
    #[must_use]
    pub fn is_shown(&self, key: &HoldingKey) -> bool {
        self.fresh.iter().all(|fill| fill.holding != *key)
    }

    /// In what something was seen that the positions may not show.
    pub(super) fn unshown(&self) -> BTreeSet<&HoldingKey> {
        self.fresh.iter().map(|fill| &fill.holding).collect()
    }

    /// The units that the positions may still show and that somebody has traded away on that side.
    #[must_use]
    pub fn closed(&self, key: &HoldingKey, closing: Side) -> i64 {
        let gone = self.fresh.iter().filter(|fill| fill.side == closing && fill.holding == *key);
        gone.fold(0, |sum: i64, fill| sum.saturating_add(fill.units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Product, trading_date};
    use crate::testkit::book_row;
    use crate::testkit::builders::{at, sbin, sbin_in};

    fn row(id: &str, side: Side, filled: i64) -> BookRow {
        BookRow { side, filled, quantity: 130, instrument: sbin(), product: Product::Mis, ..book_row(id) }
    }

    #[test]
    fn what_somebody_closed_counts_until_positions_are_asked_for_after_it() {
        let (mut elsewhere, key, today) = (Elsewhere::default(), sbin_in(Product::Mis), trading_date(at(0)));
        assert!(!elsewhere.see([&row("B1", Side::Sell, 0)], today));
        assert!(elsewhere.see([&row("B1", Side::Sell, 40)], today));
        let asked = elsewhere.seen();
        assert!(!elsewhere.see([&row("B1", Side::Sell, 40)], today), "seen already");
        assert!(elsewhere.see([&row("B1", Side::Sell, 65), &row("B2", Side::Buy, 10)], today));
        assert_eq!((elsewhere.closed(&key, Side::Sell), elsewhere.closed(&key, Side::Buy)), (65, 10));
        assert_eq!(elsewhere.closed(&sbin_in(Product::Nrml), Side::Sell), 0);
        elsewhere.shown(asked, at(0));
        assert_eq!(elsewhere.closed(&key, Side::Sell), 25, "what came while they were under way may be missing");
        elsewhere.shown(elsewhere.seen(), at(0));
        assert_eq!((elsewhere.closed(&key, Side::Sell), elsewhere.closed(&key, Side::Buy)), (0, 0));
    }

    /// The reads go one at a time, and the next is asked for before anybody has looked at what the last one told.
    #[test]
    fn positions_that_were_asked_for_after_an_order_book_was_answered_show_what_it_tells() {
        let (mut elsewhere, key, today) = (Elsewhere::default(), sbin_in(Product::Mis), trading_date(at(0)));
        assert!(elsewhere.see_told([&row("B1", Side::Sell, 65)], today, Some(at(5))));
        assert!(!elsewhere.is_shown(&key) && elsewhere.is_shown(&sbin_in(Product::Nrml)));
        elsewhere.shown(0, at(4));
        assert_eq!(elsewhere.closed(&key, Side::Sell), 65, "they may be of before it");
        assert!(elsewhere.see([&row("B2", Side::Sell, 10)], today));
        elsewhere.shown(0, at(5));
        assert_eq!(elsewhere.closed(&key, Side::Sell), 10, "when something was pushed is not told by that");
        elsewhere.shown(2, at(5));
        assert!(elsewhere.is_shown(&key));
    }

    #[test]
    fn a_number_of_another_day_is_another_order() {
        let (mut elsewhere, today) = (Elsewhere::default(), trading_date(at(0)));
        assert!(elsewhere.see([&row("B1", Side::Sell, 40)], today));
        assert!(elsewhere.see([&row("B1", Side::Sell, 40)], today.succ_opt().unwrap()));
    }
}
