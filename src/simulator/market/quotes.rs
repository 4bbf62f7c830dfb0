//! A market as the engine's source of quotes.

use std::fmt;
use std::sync::Arc;

use ordergate_actors::order::{InstrumentKey, Price};
use ordergate_actors::ports::{Clock, Instruments, Quote, Quotes};

use super::Market;

/// The [`Quotes`] port over any [`Market`]: what it shows now.
pub struct MarketQuotes {
    market: Arc<dyn Market>,
    instruments: Arc<dyn Instruments>,
    clock: Arc<dyn Clock>,
}

impl MarketQuotes {
    /// Puts the three together.
    #[must_use]
    pub fn new(market: Arc<dyn Market>, instruments: Arc<dyn Instruments>, clock: Arc<dyn Clock>) -> Self {
        Self { market, instruments, clock }
    }
}

impl fmt::Debug for MarketQuotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MarketQuotes").field("market", &self.market).finish_non_exhaustive()
    }
}

impl Quotes for MarketQuotes {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        let instrument = self.instruments.find(key)?;
        self.market.depth(&instrument, self.clock.now()).map(|depth| depth.quote())
    }

    fn previous_close(&self, key: &InstrumentKey) -> Option<Price> {
        let instrument = self.instruments.find(key)?;
        self.market.previous_close(&instrument, self.clock.now())
    }
}
