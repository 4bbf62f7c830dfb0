//! What a strategy holds in one instrument and product, from fills only.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fact::Fill;
use super::money::{Points, Price, Quantity};
use super::record::OrderRecord;
use super::words::Side;

/// A position of one strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holding {
    /// Units: positive long, negative short.
    pub net: i64,
    /// What was paid (long) or received (short) for the open units: prices times units.
    pub cost: Points,
    /// Gross profit of what was closed since the strategy was last flat here: prices times units.
    pub realised: Points,
    /// When it was opened from flat; an exit signal older than this was not meant for it.
    pub opened_at: Option<DateTime<Utc>>,
}

impl Holding {
    /// Average price of the open units, rounded to four decimals.
    #[must_use]
    pub fn average(&self) -> Option<Decimal> {
        (self.net != 0).then(|| self.cost.per_unit(self.net.abs())).flatten()
    }

    /// What the open units have gained at that price: prices times units.
    #[must_use]
    pub fn gain(&self, price: Price) -> Points {
        let worth = price.times(self.net.abs());
        if self.net >= 0 { worth.plus(self.cost.negated()) } else { self.cost.plus(worth.negated()) }
    }

    /// The holding after one more fill: adding averages, reducing realises, crossing zero does both.
    #[must_use]
    pub fn after(self, side: Side, quantity: Quantity, price: Price) -> Self {
        let signed = side.sign() * quantity.value();
        if self.net == 0 || self.net.signum() == signed.signum() {
            let opened_at = if self.net == 0 { None } else { self.opened_at };
            return Self { net: self.net + signed, cost: self.cost.plus(price.times(quantity.value())), opened_at, ..self };
        }
        let closing = quantity.value().min(self.net.abs());
        let closed_cost = self.share_of_cost(closing);
        let proceeds = price.times(closing);
        let profit = if self.net > 0 { proceeds.plus(closed_cost.negated()) } else { closed_cost.plus(proceeds.negated()) };
        let rest = Self {
            net: self.net + side.sign() * closing,
            cost: self.cost.plus(closed_cost.negated()),
            realised: self.realised.plus(profit),
            ..self
        };
        match Quantity::new(quantity.value() - closing) {
            Some(opening) => Self { cost: Points::ZERO, opened_at: None, ..rest }.after(side, opening, price),
            None => rest,
        }
    }

    /// The holding after a trade of an order on this side. A flat one starts anew: what was realised before is history.
    #[must_use]
    pub fn filled_by(self, order: &OrderRecord, side: Side, fill: &Fill) -> Self {
        let standing = if self.net == 0 { Self::default() } else { self };
        standing.after(side, fill.quantity, fill.price).dated(order.signal_time.min(order.created_at))
    }

    /// The holding after units came from elsewhere at a stated price, at `at`.
    #[must_use]
    pub fn adopting(self, side: Side, quantity: Quantity, price: Price, at: DateTime<Utc>) -> Self {
        let standing = if self.net == 0 { Self::default() } else { self };
        standing.after(side, quantity, price).dated(at)
    }

    /// The holding with the time of its opening, if it was just opened: when the signal of the opening order was made.
    #[must_use]
    pub fn dated(self, signal_time: DateTime<Utc>) -> Self {
        Self { opened_at: self.opened_at.or(Some(signal_time)).filter(|_| self.net != 0), ..self }
    }

    /// The holding with so many units taken out without a price: what the broker shows was closed elsewhere.
    #[must_use]
    pub fn reduced(self, units: i64) -> Self {
        let units = units.clamp(0, self.net.abs());
        Self { net: self.net - self.net.signum() * units, cost: self.cost.plus(self.share_of_cost(units).negated()), ..self }
    }

    /// The holding with so many units closed elsewhere: at that price, or without one.
    #[must_use]
    pub fn left(self, units: i64, price: Option<Price>) -> Self {
        let closing = Side::of_net(self.net).map(Side::opposite).zip(Quantity::new(units.min(self.net.abs())));
        match closing.zip(price) {
            Some(((side, quantity), price)) => self.after(side, quantity, price),
            None => self.reduced(units),
        }
    }

    fn share_of_cost(self, units: i64) -> Points {
        if units == self.net.abs() {
            return self.cost;
        }
        let share = self.cost.0.checked_mul(Decimal::from(units)).and_then(|value| value.checked_div(Decimal::from(self.net.abs())));
        Points(share.unwrap_or(self.cost.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn q(n: i64) -> Quantity {
        Quantity::new(n).unwrap()
    }
    fn p(text: &str) -> Price {
        Price::parse(text).unwrap()
    }

    #[test]
    fn what_left_elsewhere_realises_what_its_price_says() {
        let long = Holding::default().after(Side::Buy, q(10), p("100"));
        let some = long.left(4, Some(p("110")));
        assert_eq!((some.net, some.realised, some.average()), (6, Points(40.into()), long.average()));
        assert_eq!(long.left(4, None), long.reduced(4));
        let short = Holding::default().after(Side::Sell, q(10), p("100")).left(99, Some(p("90")));
        assert_eq!((short.net, short.realised), (0, Points(100.into())), "never beyond flat");
    }

    #[test]
    fn a_round_trip_realises_the_difference() {
        let held = Holding::default().after(Side::Buy, q(10), p("100")).after(Side::Buy, q(10), p("110"));
        assert_eq!(held.average(), Some(Decimal::from(105)));
        let flat = held.after(Side::Sell, q(20), p("107"));
        assert_eq!((flat.net, flat.realised), (0, Points(Decimal::from(40))));
        assert!(flat.cost.0.is_zero());
    }

    #[test]
    fn a_short_gains_when_the_price_falls_and_a_flip_starts_anew() {
        let held = Holding::default().after(Side::Sell, q(10), p("100")).after(Side::Buy, q(15), p("90"));
        assert_eq!((held.net, held.realised, held.average()), (5, Points(Decimal::from(100)), Some(Decimal::from(90))));
    }

    proptest! {
        /// Cash is conserved: what was realised plus the cost of what is left is what flowed in and out.
        #[test]
        fn prop_cash_is_conserved(fills in proptest::collection::vec((any::<bool>(), 1i64..50, 1i64..2000), 1..30)) {
            let (mut held, mut cash, mut net) = (Holding::default(), Decimal::ZERO, 0i64);
            for (buy, quantity, price) in fills {
                let side = if buy { Side::Buy } else { Side::Sell };
                let price = Price::new(Decimal::new(price, 1)).unwrap();
                held = held.after(side, q(quantity), price);
                cash -= Decimal::from(side.sign()) * price.times(quantity).0;
                net += side.sign() * quantity;
            }
            prop_assert_eq!(held.net, net);
            let open = Decimal::from(held.net.signum()) * held.cost.0;
            let drift = (held.realised.0 - open - cash).abs();
            prop_assert!(drift < Decimal::new(1, 10), "drift {}", drift);
        }
    }
}
