//! What the market shows: the displayed depth of an instrument at a time. Either synthetic, drawn from a seed, or set
//! by hand.
//!
//! *Invariant:* a market knows nothing of anybody's orders; a synthetic or scripted one is a pure function of the
//! instrument and the time.

mod option;
mod quotes;
mod scripted;
mod synthetic;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Instrument, Price, Side};
use ordergate_actors::ports::{Call, Quote};

pub use quotes::MarketQuotes;
pub use scripted::ScriptedMarket;
pub use synthetic::SyntheticMarket;

/// Stands beside every price that comes from the synthetic market, wherever a person sees it.
pub const SYNTHETIC: &str = "SYNTHETIC";

/// One price of a displayed book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Units shown there.
    pub quantity: i64,
}

/// The displayed book of one instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Buyers, best (highest) first.
    pub bids: Vec<Level>,
    /// Sellers, best (lowest) first.
    pub asks: Vec<Level>,
    /// Last traded price.
    pub last: Price,
    /// When this book was shown first.
    pub at: DateTime<Utc>,
    /// Changes whenever the displayed book does. What was taken from one version is not there a second time.
    pub version: u64,
}

impl Depth {
    /// The levels that an order of this side trades against.
    #[must_use]
    pub fn against(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        }
    }

    /// The touch and the last trade.
    #[must_use]
    pub fn quote(&self) -> Quote {
        Quote {
            bid: self.bids.first().map(|level| level.price),
            ask: self.asks.first().map(|level| level.price),
            last: self.last,
            band: None,
            at: self.at,
            seen_at: self.at,
        }
    }
}

/// A market that can be looked at.
pub trait Market: Send + Sync + fmt::Debug + 'static {
    /// The displayed book at that time; `None` when this market does not know the instrument.
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth>;

    /// The close of the day before; `None` where this market tells none.
    fn previous_close(&self, _instrument: &Instrument, _now: DateTime<Utc>) -> Option<Price> {
        None
    }

    /// Makes the instrument's book known, where that takes a question; then `depth` shows it, if it could be had.
    fn warm(&self, _instrument: &Arc<Instrument>) -> Call<()> {
        Box::pin(std::future::ready(()))
    }
}
