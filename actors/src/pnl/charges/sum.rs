//! What a set of trades is charged.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy};

use super::rates::{Cell, Charge, Kind, Rate, Rates};
use crate::order::{Amount, Exchange, HoldingKey, InstrumentKey, Product, Side};
use crate::pnl::line::{Executed, Line};

/// What is charged, exactly and not rounded, by charge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Costs {
    exact: BTreeMap<Charge, Decimal>,
    /// What nobody has a rate for: it is not in the sums.
    unknown: BTreeSet<Charge>,
    /// Instruments whose class is not known, or what a point of them is worth: nothing of them is in the sums.
    unclassed: BTreeSet<InstrumentKey>,
    /// Whether brokerage is an upper bound: too many orders traded to look at each.
    is_at_most: bool,
    /// The depository's charge is one for each instrument of a day.
    delivered: BTreeMap<InstrumentKey, Decimal>,
}

/// One charge, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// Which.
    pub charge: Charge,
    /// Rupees, rounded as a contract note rounds it.
    pub rupees: Amount,
}

/// The units of one instrument and product that were traded on a day, by whatever strategies are charged together. Shares
/// that are bought and sold on one day are not delivered, whichever came first and whatever the product: a contract note charges
/// that part as intraday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turned {
    bought: i64,
    sold: i64,
}

impl Turned {
    /// With another line of the same instrument and product.
    #[must_use]
    pub fn with(self, line: &Line) -> Self {
        Self { bought: self.bought + line.bought.quantity, sold: self.sold + line.sold.quantity }
    }

    /// How much of what was traded on a side is turned around within the day.
    fn part_within(self, side: Side) -> Decimal {
        let whole = if side == Side::Buy { self.bought } else { self.sold };
        Decimal::from(self.bought.min(self.sold)).checked_div(Decimal::from(whole)).unwrap_or_default()
    }
}

impl Rates {
    /// What a line's trades of that date are charged under a plan, `turned` being all that is charged together with it; `None` as
    /// its kind: the instrument is not in today's master.
    #[must_use]
    pub fn costs(&self, (key, line, turned): (&HoldingKey, &Line, Turned), kind: Option<Kind>, plan: &str, date: NaiveDate) -> Costs {
        let mut costs = Costs::default();
        if line.bought.trades + line.sold.trades == 0 {
            return costs;
        }
        let Some(kind) = kind.filter(|_| line.point().is_some()) else {
            costs.unclassed.insert(key.instrument.clone());
            return costs;
        };
        let trades = Trades { rates: self, key, line, turned, kind, plan, date };
        let tax = if key.instrument.exchange == Exchange::Mcx { Charge::Ctt } else { Charge::Stt };
        for charge in [tax, Charge::Exchange, Charge::Sebi, Charge::Stamp] {
            trades.by_value(charge, &mut costs);
        }
        trades.brokerage(&mut costs);
        trades.depository(&mut costs);
        costs.gst_on(self.gst(date));
        costs
    }
}

/// The trades of a line, with what decides their rates.
struct Trades<'a> {
    rates: &'a Rates,
    key: &'a HoldingKey,
    line: &'a Line,
    turned: Turned,
    kind: Kind,
    plan: &'a str,
    date: NaiveDate,
}

impl Trades<'_> {
    fn cell(&self, charge: Charge, product: Product, side: Side) -> Cell {
        let plan = if matches!(charge, Charge::Brokerage | Charge::Dp) { self.plan } else { "" };
        Cell { charge, plan: plan.into(), segment: self.key.instrument.exchange, kind: self.kind, product, side }
    }

    fn rate(&self, charge: Charge, side: Side) -> Option<Rate> {
        self.rates.rate(&self.cell(charge, self.key.product, side), self.date)
    }

    fn is_of_delivery(&self) -> bool {
        self.kind == Kind::Share && self.key.product == Product::Cnc
    }

    /// What was traded on a side, by the product that it is charged as.
    fn values(&self, side: Side) -> [(Product, Decimal); 2] {
        let value = if side == Side::Buy { self.line.bought.value.0 } else { self.line.sold.value.0 };
        let share = if self.is_of_delivery() { self.turned.part_within(side) } else { Decimal::ZERO };
        let within = value.saturating_mul(share);
        [(self.key.product, value.saturating_sub(within)), (Product::Mis, within)]
    }

    fn by_value(&self, charge: Charge, costs: &mut Costs) {
        for side in [Side::Buy, Side::Sell] {
            for (product, value) in
                self.values(side).into_iter().filter(|(product, value)| *product == self.key.product || !value.is_zero())
            {
                let cell = self.cell(charge, product, side);
                if !self.rates.is_known(&cell, self.date) {
                    costs.unknown.insert(charge);
                } else if let Some(percent) = self.rates.rate(&cell, self.date).and_then(|rate| rate.percent) {
                    costs.add(charge, part(percent, value));
                }
            }
        }
    }

    fn brokerage(&self, costs: &mut Costs) {
        let charge = Charge::Brokerage;
        let [buy, sell] = [Side::Buy, Side::Sell].map(|side| self.rate(charge, side));
        let (Some(buy), Some(sell)) = (buy, sell) else {
            costs.unknown.insert(charge);
            return;
        };
        let executed: &Executed = &self.line.executed;
        for order in executed.each() {
            let rate = if order.side == Side::Buy { buy } else { sell };
            costs.add(charge, lower(rate, 1, order.value.0));
        }
        let (orders, value) = executed.older();
        if orders > 0 {
            // The lower of the two order by order is at most the lower of the two sums.
            costs.add(charge, lower(buy, orders, value.0).max(lower(sell, orders, value.0)));
            costs.is_at_most |= [buy, sell].iter().any(|rate| rate.percent.is_some() && rate.per_order.is_some()) || buy != sell;
        }
    }

    fn depository(&self, costs: &mut Costs) {
        let is_delivered = self.line.sold.trades > 0 && self.turned.sold > self.turned.bought;
        if !(is_delivered && self.is_of_delivery()) {
            return;
        }
        match self.rate(Charge::Dp, Side::Sell).and_then(|rate| rate.per_scrip) {
            None => drop(costs.unknown.insert(Charge::Dp)),
            Some(rupees) => {
                costs.add(Charge::Dp, rupees);
                costs.delivered.insert(self.key.instrument.clone(), rupees);
            }
        }
    }
}

/// Percent of a value.
fn part(percent: Decimal, value: Decimal) -> Decimal {
    percent.saturating_mul(value).checked_div(Decimal::ONE_HUNDRED).unwrap_or(Decimal::MAX)
}

/// The lower of what a rate takes for so many orders and for their value.
fn lower(rate: Rate, orders: u64, value: Decimal) -> Decimal {
    let flat = rate.per_order.map(|rupees| rupees.saturating_mul(Decimal::from(orders)));
    let share = rate.percent.map(|percent| part(percent, value));
    flat.into_iter().chain(share).min().unwrap_or_default()
}

impl Costs {
    fn add(&mut self, charge: Charge, rupees: Decimal) {
        let sum = self.exact.entry(charge).or_default();
        *sum = sum.saturating_add(rupees);
    }

    fn gst_on(&mut self, percent: Option<Decimal>) {
        let base: Decimal = self.exact.iter().filter(|(charge, _)| charge.is_taxed()).map(|(_, rupees)| *rupees).sum();
        match percent {
            Some(percent) => self.add(Charge::Gst, part(percent, base)),
            None => drop(self.unknown.insert(Charge::Gst)),
        }
    }

    /// Both together. What is charged once for an instrument and day is in one of them only; its tax goes with it.
    #[must_use]
    pub fn with(mut self, other: Self, rates: &Rates, date: NaiveDate) -> Self {
        for (charge, rupees) in other.exact {
            self.add(charge, rupees);
        }
        for (instrument, rupees) in other.delivered {
            if self.delivered.insert(instrument, rupees).is_some() {
                self.add(Charge::Dp, -rupees);
                self.add(Charge::Gst, -part(rates.gst(date).unwrap_or_default(), rupees));
            }
        }
        self.unknown.extend(other.unknown);
        self.unclassed.extend(other.unclassed);
        self.is_at_most |= other.is_at_most;
        self
    }

    /// Every charge that has a rate, rounded as a contract note rounds it: transaction taxes to the rupee, everything else
    /// to the paisa, halves up.
    pub fn each(&self) -> impl Iterator<Item = Charged> {
        self.exact.iter().map(|(charge, exact)| {
            let mut rupees = exact.round_dp_with_strategy(charge.decimals(), RoundingStrategy::MidpointAwayFromZero);
            rupees.rescale(2);
            Charged { charge: *charge, rupees: Amount(rupees) }
        })
    }

    /// The sum of those.
    #[must_use]
    pub fn known(&self) -> Amount {
        self.each().fold(Amount::ZERO, |sum, charged| sum.plus(charged.rupees))
    }

    /// The sum, if nothing is unknown.
    #[must_use]
    pub fn total(&self) -> Option<Amount> {
        (self.unknown.is_empty() && self.unclassed.is_empty()).then(|| self.known())
    }

    /// What nobody has a rate for.
    pub fn unknown(&self) -> impl Iterator<Item = Charge> {
        self.unknown.iter().copied()
    }

    /// Instruments that traded and whose class is not known.
    pub fn unclassed(&self) -> impl Iterator<Item = &InstrumentKey> {
        self.unclassed.iter()
    }

    /// Whether brokerage is an upper bound.
    #[must_use]
    pub fn is_at_most(&self) -> bool {
        self.is_at_most
    }
}

#[cfg(test)]
#[path = "sum_tests.rs"]
mod tests;
