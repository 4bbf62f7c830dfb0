//! The market's quotes, as a test wants an actor to see them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ordergate::simulator::market::MarketQuotes;
use ordergate_actors::order::{InstrumentKey, Price};
use ordergate_actors::ports::{Quote, Quotes};
use ordergate_actors::supervision::current_actor;
use parking_lot::Mutex;

/// Quotes that panic when a certain actor asks for a certain instrument: a fault inside a core, with the order at hand.
#[derive(Debug)]
pub(crate) struct TrappedQuotes {
    inner: MarketQuotes,
    pub(super) trap: Mutex<Option<(&'static str, String)>>,
    /// What BrokerActor sees instead: this price, so old.
    pub(super) board: Mutex<Option<(Price, Duration)>>,
    /// The range of the day's prices that every quote tells.
    pub(super) band: Mutex<Option<(Price, Price)>>,
    /// Nothing is pushed to anybody: a price is only what was asked for.
    pub(super) is_dark: AtomicBool,
}

impl TrappedQuotes {
    pub(super) fn over(inner: MarketQuotes) -> Self {
        Self { inner, trap: Mutex::new(None), board: Mutex::new(None), band: Mutex::new(None), is_dark: AtomicBool::new(false) }
    }
}

impl Quotes for TrappedQuotes {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        let mut trap = self.trap.lock();
        if trap.as_ref().is_some_and(|(actor, symbol)| *actor == current_actor() && **symbol == *key.symbol) {
            *trap = None;
            drop(trap);
            panic!("injected by a test");
        }
        let quote = self.inner.quote(key).filter(|_| !self.is_dark.load(Ordering::SeqCst))?;
        let quote = Quote { band: self.band.lock().or(quote.band), ..quote };
        match self.board.lock().filter(|_| current_actor() == "BrokerActor") {
            Some((price, age)) => Some(Quote {
                bid: Some(price),
                ask: Some(price),
                last: price,
                band: None,
                at: quote.at - age,
                seen_at: quote.seen_at - age,
            }),
            None => Some(quote),
        }
    }

    fn previous_close(&self, key: &InstrumentKey) -> Option<Price> {
        self.inner.previous_close(key)
    }
}
