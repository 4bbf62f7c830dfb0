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

    /// Of what it is an option, and its right: what was bought of them covers what was sold of the same. `None`: it is none.
    #[must_use]
    pub fn option_on(&self) -> Option<(Arc<str>, Right)> {
        match self.kind {
            Kind::Option { right, .. } => Some((Arc::clone(&self.underlying), right)),
            _ => None,
        }
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
