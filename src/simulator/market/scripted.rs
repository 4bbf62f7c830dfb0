//! A market that stands still until somebody moves it: for tests and drills.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Instrument, InstrumentKey, Price};
use parking_lot::RwLock;

use super::{Depth, Level, Market};

/// Shows what was set last. Each setting is a new version of the book, so its depth can be taken anew.
#[derive(Debug, Default)]
pub struct ScriptedMarket {
    books: RwLock<BTreeMap<InstrumentKey, Shown>>,
}

#[derive(Debug)]
struct Shown {
    bids: Vec<Level>,
    asks: Vec<Level>,
    last: Price,
    /// The close of the day before.
    close: Price,
    version: u64,
}

impl ScriptedMarket {
    /// A market that knows no instrument yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows one level on each side, deep enough for anything.
    pub fn set(&self, key: &InstrumentKey, bid: Price, ask: Price, last: Price) {
        let deep = |price| vec![Level { price, quantity: 1_000_000_000 }];
        self.set_depth(key, deep(bid), deep(ask), last);
    }

    /// Shows these levels, best first.
    pub fn set_depth(&self, key: &InstrumentKey, bids: Vec<Level>, asks: Vec<Level>, last: Price) {
        let mut books = self.books.write();
        let (version, close) = books.get(key).map_or((1, last), |shown| (shown.version + 1, shown.close));
        books.insert(key.clone(), Shown { bids, asks, last, close, version });
    }

    /// The close of the day before is this; before it is said, it is what was shown first.
    pub fn set_close(&self, key: &InstrumentKey, close: Price) {
        if let Some(shown) = self.books.write().get_mut(key) {
            shown.close = close;
        }
    }

    /// Forgets the instrument: nothing is shown.
    pub fn hide(&self, key: &InstrumentKey) {
        self.books.write().remove(key);
    }
}

impl Market for ScriptedMarket {
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth> {
        let books = self.books.read();
        let shown = books.get(&instrument.key)?;
        Some(Depth { bids: shown.bids.clone(), asks: shown.asks.clone(), last: shown.last, at: now, version: shown.version })
    }

    fn previous_close(&self, instrument: &Instrument, _now: DateTime<Utc>) -> Option<Price> {
        self.books.read().get(&instrument.key).map(|shown| shown.close)
    }
}
