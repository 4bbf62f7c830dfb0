//! What can be traded: one row of the broker's instrument master of today.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{Amount, Price, Quantity};
use super::words::{Exchange, Product, Side};

/// An instrument's name: the exchange and the broker's trading symbol (`NSE`, `RELIANCE-EQ`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstrumentKey {
    /// The exchange segment.
    pub exchange: Exchange,
    /// The trading symbol at that exchange.
    pub symbol: Arc<str>,
}

impl InstrumentKey {
    /// Puts the two together.
    #[must_use]
    pub fn new(exchange: Exchange, symbol: &str) -> Self {
        Self { exchange, symbol: Arc::from(symbol) }
    }
}

impl fmt::Display for InstrumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.exchange, self.symbol)
    }
}

impl fmt::Debug for InstrumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.exchange, self.symbol)
    }
}

/// What a position is held in: an instrument under one product. An exit never crosses products.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct HoldingKey {
    /// The instrument.
    pub instrument: InstrumentKey,
    /// The product.
    pub product: Product,
}

impl HoldingKey {
    /// The key before all others: where a range over one owner's holdings starts.
    pub(crate) fn lowest() -> Self {
        Self { instrument: InstrumentKey { exchange: Exchange::Nse, symbol: Arc::from("") }, product: Product::Mis }
    }
}

impl fmt::Display for HoldingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.instrument, self.product)
    }
}

/// The kind of contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A share.
    Equity,
    /// An index: quoted, never traded.
    Index,
    /// A future.
    Future {
        /// Last trading day.
        expiry: NaiveDate,
    },
    /// An option.
    Option {
        /// Last trading day.
        expiry: NaiveDate,
        /// Strike price.
        strike: Price,
        /// `CE` or `PE`.
        right: Right,
    },
}

impl Kind {
    /// The last trading day of a contract; shares and indices have none.
    #[must_use]
    pub fn expiry(&self) -> Option<NaiveDate> {
        match self {
            Self::Future { expiry } | Self::Option { expiry, .. } => Some(*expiry),
            Self::Equity | Self::Index => None,
        }
    }
}

/// Call or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Right {
    /// Call.
    #[serde(rename = "CE")]
    Call,
    /// Put.
    #[serde(rename = "PE")]
    Put,
}

/// One row of the instrument master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The name.
    pub key: InstrumentKey,
    /// The exchange's number; unique only together with the exchange.
    pub token: u32,
    /// The underlying (`NIFTY`, `RELIANCE`).
    pub underlying: Arc<str>,
    /// What kind of contract it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// Units in a lot; 1 for shares.
    pub lot: Quantity,
    /// Rupees that a unit gains when its price rises by one. 1 for shares and their derivatives; on MCX and CDS the master tells
    /// (`GNGD`, `Multiplier`).
    #[serde(default = "one")]
    pub rupees_per_point: Decimal,
    /// The smallest price step.
    pub tick: Price,
    /// The largest quantity of one order, if the exchange freezes larger ones.
    pub freeze: Option<Quantity>,
    /// The lowest and highest price that the exchange takes today, if known.
    pub band: Option<(Price, Price)>,
}

fn one() -> Decimal {
    Decimal::ONE
}

impl Instrument {
    /// Whether it can be bought and sold at all.
    #[must_use]
    pub fn is_tradable(&self) -> bool {
        !matches!(self.kind, Kind::Index)
    }

    /// Whether it is an option.
    #[must_use]
    pub fn is_option(&self) -> bool {
        matches!(self.kind, Kind::Option { .. })
    }

    /// Whether a position in it, held on that side, covers a short position in `short`: that is an option of the same underlying, and
    /// what it can lose is bounded, or won back, by this one. A sold call is covered by a bought call, by a bought future and by shares; a
    /// sold put by a bought put, and by a sold future or sold shares. Strikes and expiries are not compared: rather too many cover.
    #[must_use]
    pub fn covers(&self, held: Side, short: &Self) -> bool {
        let Kind::Option { right, .. } = short.kind else { return false };
        let does = match (&self.kind, held) {
            (Kind::Option { right: bought, .. }, Side::Buy) => *bought == right,
            (Kind::Future { .. } | Kind::Equity, Side::Buy) => right == Right::Call,
            (Kind::Future { .. } | Kind::Equity, Side::Sell) => right == Right::Put,
            (Kind::Option { .. }, Side::Sell) | (Kind::Index, _) => false,
        };
        does && self.underlying == short.underlying
    }

    /// Rupees of so many units at that price.
    #[must_use]
    pub fn rupees(&self, price: Price, quantity: i64) -> Amount {
        price.times(quantity).rupees(self.rupees_per_point)
    }

    /// Whether the product makes sense for it: delivery is for shares, carried margin for derivatives.
    #[must_use]
    pub fn takes(&self, product: Product) -> bool {
        match product {
            Product::Mis => true,
            Product::Cnc => matches!(self.kind, Kind::Equity),
            Product::Nrml => matches!(self.kind, Kind::Future { .. } | Kind::Option { .. }),
        }
    }

    /// The largest whole number of lots within the freeze quantity.
    #[must_use]
    pub fn max_quantity(&self) -> Option<i64> {
        self.freeze.map(|freeze| freeze.value() - freeze.value().checked_rem(self.lot.value()).unwrap_or(0))
    }

    /// Rounds to the tick on the patient side (buys down, sells up), so that the result is never more aggressive than `price`.
    #[must_use]
    pub fn round_to_tick(&self, price: Decimal, side: Side) -> Option<Price> {
        let tick = self.tick.value();
        let steps = price.checked_div(tick)?;
        let steps = match side {
            Side::Buy => steps.floor(),
            Side::Sell => steps.ceil(),
        };
        Price::new(steps.checked_mul(tick)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{future, option, share};

    #[test]
    fn what_covers_a_short_option_is_on_its_underlying_and_gains_where_it_loses() {
        let of = |underlying: &str, found: Instrument| Instrument { underlying: Arc::from(underlying), ..found };
        let (call, put) = (option("25000CE", "25000", Right::Call), option("24000PE", "24000", Right::Put));
        let shares = of(&call.underlying, share());
        let index = Instrument { kind: Kind::Index, ..shares.clone() };
        // Of each: whether it covers a sold call when bought and when sold, and a sold put.
        let rows = [
            (option("26000CE", "26000", Right::Call), [true, false, false, false]),
            (option("23000PE", "23000", Right::Put), [false, false, true, false]),
            (future(), [true, false, false, true]),
            (shares, [true, false, false, true]),
            (index, [false; 4]),
            (of("OTHER", future()), [false; 4]),
        ];
        for (row, covers) in rows {
            let seen = [&call, &put].map(|short| [Side::Buy, Side::Sell].map(|held| row.covers(held, short)));
            assert_eq!(seen.concat(), covers, "{}", row.key);
            assert!(!row.covers(Side::Buy, &future()), "a future has nothing to be covered by this");
        }
    }
}
