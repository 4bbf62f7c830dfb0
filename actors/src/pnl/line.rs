//! The day of one strategy in one instrument and product.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::change::{DayChange, Move, Told, standing};
use super::curve::Curve;
use crate::order::{Amount, Holding, Points, Price, Quantity, Side};

/// Orders of one line that are kept one by one, for charges that are counted by the order.
const ORDERS_KEPT: usize = 1_000;

/// The trades of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// How many.
    pub trades: u64,
    /// Units.
    pub quantity: i64,
    /// Rupees.
    pub value: Amount,
}

impl Sums {
    fn add(&mut self, quantity: i64, value: Amount) {
        self.trades += 1;
        self.quantity += quantity;
        self.value = self.value.plus(value);
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { trades: self.trades + other.trades, quantity: self.quantity + other.quantity, value: self.value.plus(other.value) }
    }
}

/// What one order traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turnover {
    /// Its side.
    pub side: Side,
    /// Units.
    pub quantity: i64,
    /// Rupees.
    pub value: Amount,
}

/// The orders that traded: the newest one by one, older ones as a sum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Executed {
    /// By the order's number, ascending. Most lines have one order: a map's first node would hold eleven.
    newest: VecDeque<(u64, Turnover)>,
    older: u64,
    older_value: Amount,
}

impl Executed {
    fn add(&mut self, order: u64, side: Side, quantity: i64, value: Amount) {
        let at = self.newest.partition_point(|(number, _)| *number < order);
        match self.newest.get_mut(at).filter(|(number, _)| *number == order) {
            Some((_, sum)) => {
                sum.quantity += quantity;
                sum.value = sum.value.plus(value);
            }
            None => {
                if self.newest.is_empty() {
                    self.newest.reserve_exact(1);
                }
                self.newest.insert(at, (order, Turnover { side, quantity, value }));
            }
        }
        if self.newest.len() > ORDERS_KEPT
            && let Some((_, first)) = self.newest.pop_front()
        {
            self.older += 1;
            self.older_value = self.older_value.plus(first.value);
        }
    }

    /// How many orders traded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.older + u64::try_from(self.newest.len()).unwrap_or(u64::MAX)
    }

    /// The newest orders, each with what it traded.
    pub fn each(&self) -> impl Iterator<Item = &Turnover> {
        self.newest.iter().map(|(_, turnover)| turnover)
    }

    /// Orders that are not kept one by one any more, and the rupees that they traded together.
    #[must_use]
    pub fn older(&self) -> (u64, Amount) {
        (self.older, self.older_value)
    }
}

/// How round trips ended. A trip begins when a strategy leaves flat and ends when it is flat again, or turned around; it
/// counts on the day on which it ends, with all that it realised since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trips {
    /// With a profit.
    pub wins: u64,
    /// Their profits together.
    pub won: Amount,
    /// With a loss.
    pub losses: u64,
    /// Their losses together, as a negative number.
    pub lost: Amount,
    /// With neither.
    pub even: u64,
    /// Of which a part was closed elsewhere, at a price that nobody told.
    pub unknown: u64,
}

impl Trips {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            wins: self.wins + other.wins,
            won: self.won.plus(other.won),
            losses: self.losses + other.losses,
            lost: self.lost.plus(other.lost),
            even: self.even + other.even,
            unknown: self.unknown + other.unknown,
        }
    }

    fn ended(&mut self, result: Option<Amount>) {
        match result {
            None => self.unknown += 1,
            Some(result) if result > Amount::ZERO => {
                self.wins += 1;
                self.won = self.won.plus(result);
            }
            Some(result) if result < Amount::ZERO => {
                self.losses += 1;
                self.lost = self.lost.plus(result);
            }
            Some(_) => self.even += 1,
        }
    }
}

/// What trades cost against the price that the sender of each signal saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slippage {
    /// Units whose sender said a price.
    pub quantity: i64,
    /// Rupees that they cost beyond it; negative where they were had for less.
    pub cost: Amount,
}

/// An order that traded into what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its number.
    pub order: u64,
    /// When it first did, by the exchange's clock.
    pub since: DateTime<Utc>,
}

/// One strategy's day in one instrument and product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// What was held when the day began.
    pub carried: Holding,
    /// What is held now; `realised` counts since it was last flat.
    pub held: Holding,
    /// Gross rupees realised today, against the average cost of what was closed, whichever day it was bought on.
    pub curve: Curve,
    /// Bought today.
    pub bought: Sums,
    /// Sold today.
    pub sold: Sums,
    /// Units that left today, or ended with their contract, at a price that nobody has told: what they realised is not known.
    pub left: i64,
    /// The change of the net position today that was no trade of ours, in units: taken over, closed elsewhere.
    pub corrected: i64,
    /// Round trips that ended today.
    pub trips: Trips,
    /// Against the prices that senders saw.
    pub slippage: Slippage,
    /// The orders that traded today.
    pub executed: Executed,
    /// The orders that traded today into what is held since it was last flat or turned around, whenever they were asked for.
    openings: Vec<Opening>,
    /// Rupees that a unit gains when its price rises by one; `None`: not known. Then no rupees of its trades are counted, and
    /// what is closed counts as left without a price.
    pub(super) point: Option<Decimal>,
    /// What the trip under way had realised when the last one ended, in the count of `held.realised`.
    trip_from: Points,
    /// Whether a part of the trip under way left without a price.
    trip_unknown: bool,
    /// What parts of the trip under way realised that left at a price which was told later: `held.realised` does not count it.
    trip_told: Points,
}

impl Line {
    /// A line that begins its day with what is held.
    #[must_use]
    pub fn carrying(held: Holding, point: Option<Decimal>) -> Self {
        let held = standing(held);
        Self { carried: held, held, point, ..Self::default() }
    }

    /// The line of one order that trades all of it at one price: what it would be charged can be asked before it is sent.
    #[must_use]
    pub fn of_one(side: Side, quantity: Quantity, price: Price, point: Option<Decimal>) -> Self {
        let mut line = Self { point, ..Self::default() };
        line.count(1, side, quantity, price);
        line
    }

    /// Rupees that a unit gains when its price rises by one; `None`: not known, and no rupees of its trades are in its sums.
    #[must_use]
    pub fn point(&self) -> Option<Decimal> {
        self.point
    }

    /// The orders that traded today into what is held, in the order in which each first did.
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// What was held with that sign is something else now: orders that traded into it did not trade into this. `order`: what changed it.
    fn opened_by(&mut self, before: i64, order: Option<(Opening, Side)>) {
        if before.signum() != self.held.net.signum() {
            self.openings.clear();
        }
        let Some((opening, side)) = order else { return };
        let is_known = self.openings.iter().any(|known| known.order == opening.order);
        if Side::of_net(self.held.net) == Some(side) && !is_known {
            if self.openings.len() >= ORDERS_KEPT {
                self.openings.remove(0);
            }
            if self.openings.is_empty() {
                // Most have one: a first push would take room for four.
                self.openings.reserve_exact(1);
            }
            self.openings.push(opening);
        }
    }

    fn count(&mut self, order: u64, side: Side, quantity: Quantity, price: Price) {
        let value = self.rupees(price.times(quantity.value()));
        let sums = if side == Side::Buy { &mut self.bought } else { &mut self.sold };
        sums.add(quantity.value(), value);
        self.executed.add(order, side, quantity.value(), value);
    }

    /// None where it is not known what they are: whoever asks for a sum of these asks for [`Line::point`] too.
    fn rupees(&self, points: Points) -> Amount {
        self.point.map_or(Amount::ZERO, |point| points.rupees(point))
    }

    /// Takes a change of this day in; answers what it realised.
    pub(super) fn take(&mut self, change: &DayChange) -> Amount {
        let before = self.held.net;
        let realised = self.moved(change);
        let order = match change.what {
            Move::Traded { order, side, at, .. } => Some((Opening { order, since: at }, side)),
            _ => None,
        };
        self.opened_by(before, order);
        realised
    }

    fn moved(&mut self, change: &DayChange) -> Amount {
        match change.what {
            Move::Traded { order, side, quantity, price, seen, .. } => {
                self.count(order, side, quantity, price);
                self.slipped(side, quantity, price, seen);
                self.traded(side, quantity, price)
            }
            Move::ToldLate { side, quantity, price } => {
                self.carried = after(self.carried, side, quantity, price);
                self.held = after(self.held, side, quantity, price);
                self.begin_trip_if_flat();
                Amount::ZERO
            }
            Move::Taken { side, quantity, price } => {
                self.corrected += side.sign() * quantity.value();
                self.traded(side, quantity, price)
            }
            Move::Left { units, told } => self.lose(units, told),
            // On their own day they left; a later one has never had them.
            Move::Settled { units, on, told } if change.day == on => self.lose(units, told),
            Move::Settled { units, .. } => {
                self.carried = self.carried.reduced(units);
                self.held = self.held.reduced(units);
                self.begin_trip_if_flat();
                Amount::ZERO
            }
        }
    }

    fn lose(&mut self, units: i64, told: Option<Told>) -> Amount {
        let before = self.held;
        self.held = before.reduced(units);
        let gone = before.net - self.held.net;
        self.corrected -= gone;
        let cost = before.cost.plus(self.held.cost.negated());
        let realised = told.filter(|_| gone != 0 && self.point.is_some()).map(|told| told.price.realised(gone, cost));
        match realised {
            Some(realised) => {
                self.curve = self.curve.after(self.rupees(realised));
                self.trip_told = self.trip_told.plus(realised);
            }
            None => {
                self.left += gone.abs();
                self.trip_unknown |= gone != 0;
            }
        }
        if self.held.net == 0 && before.net != 0 {
            self.end_trip();
            self.begin_trip_if_flat();
        }
        self.rupees(realised.unwrap_or(Points::ZERO))
    }

    /// A trip ends with all that it realised, if that is known.
    fn end_trip(&mut self) {
        let result = self.rupees(self.held.realised.plus(self.trip_from.negated()).plus(self.trip_told));
        self.trips.ended((!self.trip_unknown).then_some(result));
        (self.trip_from, self.trip_told, self.trip_unknown) = (self.held.realised, Points::ZERO, false);
    }

    fn traded(&mut self, side: Side, quantity: Quantity, price: Price) -> Amount {
        let before = standing(self.held);
        self.held = after(before, side, quantity, price);
        let realised = self.rupees(self.held.realised.plus(before.realised.negated()));
        self.curve = self.curve.after(realised);
        if self.point.is_none() && before.net.signum() == -side.sign() {
            self.left += quantity.value().min(before.net.abs());
            self.trip_unknown = true;
        }
        if before.net != 0 && self.held.net.signum() != before.net.signum() {
            self.end_trip();
        }
        self.begin_trip_if_flat();
        realised
    }

    /// A flat holding starts anew with its next trade, and so does what its trip realised.
    fn begin_trip_if_flat(&mut self) {
        if self.held.net == 0 {
            (self.held, self.trip_from) = (Holding::default(), Points::ZERO);
            (self.trip_told, self.trip_unknown) = (Points::ZERO, false);
        }
    }

    fn slipped(&mut self, side: Side, quantity: Quantity, price: Price, seen: Option<Price>) {
        let Some(seen) = seen.filter(|_| self.point.is_some()) else { return };
        let dearer = self.rupees(price.times(quantity.value()).plus(seen.times(quantity.value()).negated()));
        let worse = Amount(Decimal::from(side.sign()).saturating_mul(dearer.0));
        self.slippage.quantity += quantity.value();
        self.slippage.cost = self.slippage.cost.plus(worse);
    }
}

/// As the ledger's holding changes by a trade.
fn after(held: Holding, side: Side, quantity: Quantity, price: Price) -> Holding {
    standing(held).after(side, quantity, price)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many lines as there are strategies: what one opening takes is counted a hundred thousand times.
    #[test]
    fn a_line_of_one_order_has_room_for_one() {
        let since = "2026-11-20T04:00:00Z".parse().unwrap();
        let mut line = Line::of_one(Side::Buy, Quantity::new(10).unwrap(), Price::parse("100").unwrap(), Some(Decimal::ONE));
        line.held.net = 10;
        line.opened_by(0, Some((Opening { order: 1, since }, Side::Buy)));
        assert_eq!((line.openings().len(), line.openings.capacity()), (1, 1));
    }
}
