//! What orders that are not ours have filled, as far as the broker's positions may lack it: pure.
//!
//! As with our own fills, a read of the positions that begins after something was seen shows it. What was seen later, or while a
//! read was under way, may be in it or not: for an exit, units that somebody closed count as not shown.

use std::collections::BTreeMap;

use chrono::NaiveDate;

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
    holding: HoldingKey,
    side: Side,
    units: i64,
}

impl Elsewhere {
    /// Takes rows in that are not ours; whether one of them has filled more than was known.
    pub fn see<'a>(&mut self, rows: impl IntoIterator<Item = &'a BookRow>, today: NaiveDate) -> bool {
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
                self.fresh.push(Fresh { nth: self.seen, holding, side: row.side, units });
            }
        }
        self.seen > before
    }

    /// How many fills were seen so far.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Positions came that were asked for when so many had been seen: they show these.
    pub fn shown(&mut self, seen: u64) {
        self.fresh.retain(|fill| fill.nth > seen);
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
        elsewhere.shown(asked);
        assert_eq!(elsewhere.closed(&key, Side::Sell), 25, "what came while they were under way may be missing");
        elsewhere.shown(elsewhere.seen());
        assert_eq!((elsewhere.closed(&key, Side::Sell), elsewhere.closed(&key, Side::Buy)), (0, 0));
    }

    #[test]
    fn a_number_of_another_day_is_another_order() {
        let (mut elsewhere, today) = (Elsewhere::default(), trading_date(at(0)));
        assert!(elsewhere.see([&row("B1", Side::Sell, 40)], today));
        assert!(elsewhere.see([&row("B1", Side::Sell, 40)], today.succ_opt().unwrap()));
    }
}
