//! What orders take of the money at the broker. What is paid in full is known. What margin a future, a short option or an
//! intraday order takes only the broker knows: here it is an estimate, so many percent of what is traded, and called one. It
//! takes no account of hedges, so it is rather too much. Pure.

use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::projected::Scene;
use crate::order::{Amount, Instrument, Kind, OrderRecord, Price, Product, Side, Status};
use crate::persistence::own_price;
use crate::settings::{Limits, MarginPercent};

/// How it is known what an order takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// It takes nothing: it only closes, or sells what is held for delivery.
    Nothing,
    /// It is paid in full when it fills.
    Full,
    /// An estimate: so many percent of its value.
    OfValue(Decimal),
    /// An estimate: so many percent of its strike, for each unit.
    OfStrike(Decimal, Price),
}

impl Basis {
    /// That of an order on this side. What no master has is paid in full.
    #[must_use]
    pub fn of(found: Option<&Instrument>, side: Side, product: Option<Product>, percent: &MarginPercent) -> Self {
        match (found.map(|found| &found.kind), product, side) {
            (Some(Kind::Future { .. }), ..) => Self::OfValue(percent.futures),
            (Some(Kind::Option { strike, .. }), _, Side::Sell) => Self::OfStrike(percent.short_options, *strike),
            (Some(Kind::Option { .. }), _, Side::Buy) => Self::Full,
            (_, Some(Product::Cnc), Side::Sell) => Self::Nothing,
            (_, Some(Product::Mis), _) => Self::OfValue(percent.shares),
            _ => Self::Full,
        }
    }

    /// Rupees of so many units at that price; `None`: the price is not known, and it matters.
    #[must_use]
    pub fn amount(self, units: i64, price: Option<Price>) -> Option<Amount> {
        let part = |value: Amount, percent: Decimal| Amount(value.0.saturating_mul(percent) / Decimal::ONE_HUNDRED);
        match self {
            Self::Nothing => Some(Amount::ZERO),
            Self::Full => Some(price?.times(units)),
            Self::OfValue(percent) => Some(part(price?.times(units), percent)),
            Self::OfStrike(percent, strike) => Some(part(strike.times(units), percent)),
        }
    }

    /// Whether it is one that only the broker knows.
    #[must_use]
    pub fn is_estimate(self) -> bool {
        matches!(self, Self::OfValue(_) | Self::OfStrike(..))
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("in all"),
            Self::Full => f.write_str("in full"),
            Self::OfValue(percent) => write!(f, "by estimate, {percent} % of its value"),
            Self::OfStrike(percent, strike) => write!(f, "by estimate, {percent} % of the strike of {strike}"),
        }
    }
}

/// What an order, and those before it, take of the money that the broker told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Rupees that the order takes, and how that is known; `None`: it has no price.
    pub own: Option<(Amount, Basis)>,
    /// Rupees that entries take which came since the broker told: they may not be in its figures. At most that.
    pub since: Amount,
}

/// The entries that came since the broker told its figures, added up as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Since {
    /// The figures, and how often orders had been changed when the sum was begun.
    of: Option<(DateTime<Utc>, u64)>,
    /// The newest order that is in the figures.
    from: u64,
    /// The newest order that is in the sum.
    upto: u64,
    /// Rupees, as if none of them had failed.
    most: Amount,
}

impl Since {
    /// What this order takes, of which so many units add to a position, and what those before it take.
    pub(super) fn needs(&mut self, x: &Scene<'_>, adds: i64, limits: &Limits) -> Needs {
        let own = own(x, adds, &limits.margin);
        let Some((funds, at)) = &x.findings.funds else { return Needs { own, since: Amount::ZERO } };
        let mine = own.map_or(Amount::ZERO, |(amount, _)| amount);
        let room = funds.available.plus(limits.capital_reserve.negated()).plus(mine.negated());
        Needs { own, since: self.taken(x, *at, room, &limits.margin) }
    }

    /// The sum is kept, so that an order costs no walk over those before it. Those that failed meanwhile are still in it: only
    /// when there is no room for all is it worked out which of them count.
    fn taken(&mut self, x: &Scene<'_>, at: DateTime<Utc>, room: Amount, percent: &MarginPercent) -> Amount {
        let of = Some((at, x.book.changes()));
        if self.of != of {
            let from = x.book.newest().find(|order| order.created_at <= at).map_or(0, |order| order.number);
            *self = Self { of, from, upto: from, most: Amount::ZERO };
        }
        let me = x.order.number;
        let before = |from: u64| x.book.after(from).take_while(move |order| order.number < me);
        if me > self.upto {
            self.most = before(self.upto).map(|order| takes(x, order, percent)).fold(self.most, Amount::plus);
            self.upto = me - 1;
            if self.most <= room {
                return self.most;
            }
        }
        let counts = |order: &&std::sync::Arc<OrderRecord>| order.status != Status::Failed || order.filled_quantity > 0;
        before(self.from).filter(counts).map(|order| takes(x, order, percent)).fold(Amount::ZERO, Amount::plus)
    }
}

fn own(x: &Scene<'_>, adds: i64, percent: &MarginPercent) -> Option<(Amount, Basis)> {
    let side = x.order.ask.side?;
    let basis = if adds == 0 { Basis::Nothing } else { Basis::of(x.found, side, x.order.ask.product, percent) };
    let price = own_price(x.order).or_else(|| (x.touch)(x.instrument, side));
    Some((basis.amount(adds, price)?, basis))
}

/// Rupees that another entry takes, with what it has filled; what is not known of it is taken as the limit of one order.
fn takes(x: &Scene<'_>, order: &OrderRecord, percent: &MarginPercent) -> Amount {
    if order.is_exit() || order.is_test() {
        return Amount::ZERO;
    }
    let known = || {
        let (key, side) = (order.instrument()?, order.ask.side?);
        let units = if order.status.is_terminal() { order.filled_quantity } else { order.quantity_most() };
        let found = x.instruments.find(&key);
        let price = own_price(order).or_else(|| order.average_price.and_then(Price::new)).or_else(|| (x.touch)(&key, side));
        Basis::of(found.as_deref(), side, order.ask.product, percent).amount(units, price)
    };
    known().unwrap_or(x.unknown_value)
}

#[cfg(test)]
#[path = "margin_tests.rs"]
mod tests;
