//! What the lines of all strategies in one instrument and product come to together: pure.
//!
//! The account's result is asked for with every order, and thousands of strategies may hold the same. So their lines are summed as
//! they change, and the result costs as many steps as there are instruments. *Invariant:* a pool is the sum of its lines, whatever
//! way they came about: each line's rupees are rounded to ten decimals before they are summed, so that no sum is rounded again.

use rust_decimal::Decimal;

use super::line::Line;
use crate::order::{Amount, Holding, Points, Price};

/// Rupees of one line are summed to so many decimals: shares of a cost have 28, and sums of those would hang on their order.
const DECIMALS: u32 = 10;
/// A result is told to so many decimals, as prices are.
const TOLD: u32 = 4;

/// Units on one side of the market, and what they cost (long) or brought (short).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// How many, without a sign.
    pub count: i64,
    /// Prices times units.
    pub cost: Points,
}

impl Units {
    fn of(held: &Holding) -> Self {
        Self { count: held.net.abs(), cost: Points(summable(held.cost.0)) }
    }

    fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, cost: Points(sum(self.cost.0, other.cost.0)) }
    }

    fn negated(self) -> Self {
        Self { count: -self.count, cost: self.cost.negated() }
    }
}

/// What is held for a rise and what for a fall, by different strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// Bought.
    pub long: Units,
    /// Sold.
    pub short: Units,
}

impl Sides {
    fn of(held: &Holding) -> Self {
        match held.net {
            0 => Self::default(),
            1.. => Self { long: Units::of(held), short: Units::default() },
            _ => Self { long: Units::default(), short: Units::of(held) },
        }
    }

    /// Whether nothing is held on either side.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.long.count == 0 && self.short.count == 0
    }

    /// Both sides together, in units.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.long.count.saturating_sub(self.short.count)
    }

    /// What they have gained at that price, prices times units; `None`: there are some and no price for them.
    #[must_use]
    pub fn gain(&self, price: Option<Price>) -> Option<Points> {
        let value = |units: Units| if units.count == 0 { Some(Points::ZERO) } else { price.map(|price| price.times(units.count)) };
        let (long, short) = (value(self.long)?, value(self.short)?);
        Some(long.plus(self.long.cost.negated()).plus(self.short.cost).plus(short.negated()))
    }

    fn plus(self, other: Self) -> Self {
        Self { long: self.long.plus(other.long), short: self.short.plus(other.short) }
    }

    fn negated(self) -> Self {
        Self { long: self.long.negated(), short: self.short.negated() }
    }
}

/// The sum of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool {
    /// What was held when the day began.
    pub carried: Sides,
    /// What is held now.
    pub held: Sides,
    /// Gross rupees realised today.
    pub realised: Amount,
    /// Units that left today without a price.
    pub left: i64,
    /// The change of the net position today that was no trade of ours, in units.
    pub corrected: i64,
    /// Rupees that a unit gains when its price rises by one; `None`: not known.
    pub point: Option<Decimal>,
}

impl Pool {
    /// Of one line.
    #[must_use]
    pub fn of(line: &Line) -> Self {
        Self {
            carried: Sides::of(&line.carried),
            held: Sides::of(&line.held),
            realised: Amount(summable(line.curve.realised.0)),
            left: line.left,
            corrected: line.corrected,
            point: line.point(),
        }
    }

    /// With the lines of another.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            carried: self.carried.plus(other.carried),
            held: self.held.plus(other.held),
            realised: Amount(sum(self.realised.0, other.realised.0)),
            left: self.left + other.left,
            corrected: self.corrected + other.corrected,
            point: other.point.or(self.point),
        }
    }

    /// Without the lines of another.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self {
            carried: other.carried.negated(),
            held: other.held.negated(),
            realised: other.realised.negated(),
            left: -other.left,
            corrected: -other.corrected,
            point: None,
        })
    }

    /// On the day that follows: what is held is carried into it.
    #[must_use]
    pub fn rolled(self) -> Self {
        Self { carried: self.held, held: self.held, point: self.point, ..Self::default() }
    }

    /// Whether nothing was held, and nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { point: self.point, ..Self::default() }
    }

    /// The day's gross result: what is held at that price, what was carried into the day from the close of the day before.
    /// `None` while a price that it needs is missing, or what a point of it is worth.
    #[must_use]
    pub fn gross(&self, price: Option<Price>, previous_close: Option<Price>) -> Option<Amount> {
        let gained = self.held.gain(price)?.plus(self.carried.gain(previous_close)?.negated());
        let is_flat = self.held.is_flat() && self.carried.is_flat();
        let rupees = if is_flat { Amount::ZERO } else { gained.rupees(self.point?) };
        Some(self.realised.plus(rupees))
    }
}

/// A result as it is told: to four decimals.
#[must_use]
pub fn told(sum: Amount) -> Amount {
    Amount(sum.0.round_dp(TOLD).normalize())
}

fn summable(amount: Decimal) -> Decimal {
    amount.round_dp(DECIMALS)
}

/// The sum, written in the one way there is: no zeros behind it and no sign before nothing, whatever was added and taken out.
fn sum(one: Decimal, other: Decimal) -> Decimal {
    let sum = Points(one).plus(Points(other)).0;
    if sum.is_zero() { Decimal::ZERO } else { sum.normalize() }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
