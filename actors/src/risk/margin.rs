//! What orders take of the money at the broker. What is paid in full is known. What margin a future, a short option or an
//! intraday order takes only the broker knows: here it is an estimate, so many percent of what is traded, and called one. It
//! takes no account of hedges, so it is rather too much. Pure.

use std::fmt;

use rust_decimal::Decimal;

use super::projected::Scene;
use crate::order::{Amount, Instrument, Kind, OrderRecord, Price, Product, Side};
use crate::persistence::own_price;
use crate::settings::MarginPercent;

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
    /// The basis of an order on this side. An instrument that no master has is taken to be paid in full.
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

    /// Rupees of so many units at that price, where a point is worth that much; `None`: one of them is not known, and it matters.
    #[must_use]
    pub fn amount(self, units: i64, price: Option<Price>, point: Option<Decimal>) -> Option<Amount> {
        let rupees = |price: Price| Some(price.times(units).rupees(point?));
        let part = |value: Amount, percent: Decimal| Amount(value.0.saturating_mul(percent) / Decimal::ONE_HUNDRED);
        match self {
            Self::Nothing => Some(Amount::ZERO),
            Self::Full => rupees(price?),
            Self::OfValue(percent) => Some(part(rupees(price?)?, percent)),
            Self::OfStrike(percent, strike) => Some(part(rupees(strike)?, percent)),
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
    /// Rupees that the order takes, and how that is known; `None`: it has no price, or nobody knows what a point of it is worth.
    pub own: Option<(Amount, Basis)>,
    /// Rupees that entries take which came since the broker told: they may not be in its figures. At most that.
    pub since: Amount,
}

/// Rupees that the order itself takes, of which so many units add to a position.
pub(super) fn own(x: &Scene<'_>, adds: i64, percent: &MarginPercent) -> Option<(Amount, Basis)> {
    let side = x.order.ask.side?;
    let basis = if adds == 0 { Basis::Nothing } else { Basis::of(x.found, side, x.order.ask.product, percent) };
    let price = own_price(x.order).or_else(|| (x.touch)(x.instrument, side));
    Some((basis.amount(adds, price, x.point(x.instrument))?, basis))
}

/// Rupees that so many units of another entry take; what is not known of it is taken as the limit of one order.
pub(super) fn takes(x: &Scene<'_>, order: &OrderRecord, units: i64, percent: &MarginPercent) -> Amount {
    if order.is_exit() || order.is_test() || units == 0 {
        return Amount::ZERO;
    }
    let known = || {
        let (key, side) = (order.instrument()?, order.ask.side?);
        let found = x.instruments.find(&key);
        let price = own_price(order).or_else(|| order.average_price.and_then(Price::new)).or_else(|| (x.touch)(&key, side));
        Basis::of(found.as_deref(), side, order.ask.product, percent).amount(units, price, x.point(&key))
    };
    known().unwrap_or(x.unknown_value)
}

#[cfg(test)]
#[path = "margin_tests.rs"]
mod tests;
