//! What the displayed book gives to an order. One matcher serves one request, so that two orders of the same request
//! never take the same units.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{BrokerOrderId, InstrumentKey, OrderType, Price, Quantity, Side, Terms, Validity};
use ordergate_actors::ports::Instruments;

use super::book::Book;
use super::event::Event;
use super::number;
use super::reject::Impossible;
use crate::simulator::market::{Depth, Level, Market};

/// An order while it is matched.
#[derive(Debug, Clone)]
pub(super) struct Working {
    pub(super) id: BrokerOrderId,
    pub(super) instrument: InstrumentKey,
    pub(super) terms: Terms,
    pub(super) filled: i64,
    pub(super) triggered: bool,
}

impl Working {
    pub(super) fn left(&self) -> i64 {
        self.terms.quantity.value() - self.filled
    }

    fn limit(&self) -> Option<Price> {
        self.terms.price.filter(|_| self.terms.order_type.has_price())
    }

    fn is_triggered_at(&self, last: Price) -> bool {
        match (self.terms.trigger_price, self.terms.side) {
            (None, _) => true,
            (Some(trigger), Side::Buy) => last >= trigger,
            (Some(trigger), Side::Sell) => last <= trigger,
        }
    }

    fn takes(&self, level: &Level) -> bool {
        match (self.limit(), self.terms.side) {
            (None, _) => true,
            (Some(limit), Side::Buy) => level.price <= limit,
            (Some(limit), Side::Sell) => level.price >= limit,
        }
    }
}

/// Matches the orders of one request against the market at one time, and collects what happens.
pub(super) struct Matcher<'a> {
    book: &'a Book,
    instruments: &'a dyn Instruments,
    market: &'a dyn Market,
    now: DateTime<Utc>,
    date: NaiveDate,
    last_trade: u64,
    depths: BTreeMap<InstrumentKey, Option<Arc<Depth>>>,
    taken: BTreeMap<(InstrumentKey, Side), i64>,
    pub(super) events: Vec<Event>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(
        book: &'a Book,
        instruments: &'a dyn Instruments,
        market: &'a dyn Market,
        now: DateTime<Utc>,
        date: NaiveDate,
    ) -> Self {
        let last_trade = book.last_trade;
        Self { book, instruments, market, now, date, last_trade, depths: BTreeMap::new(), taken: BTreeMap::new(), events: Vec::new() }
    }

    /// An order arrives, or one that was changed: it takes what is shown, at the prices shown. What an IOC order does
    /// not get is cancelled at once.
    pub(super) fn arrive(&mut self, order: &mut Working) -> Result<(), Impossible> {
        self.run(order, true)
    }

    /// The market has moved: a resting limit order trades at its own price, for it was there first.
    pub(super) fn revisit(&mut self, order: &mut Working) -> Result<(), Impossible> {
        self.run(order, false)
    }

    fn run(&mut self, order: &mut Working, arrives: bool) -> Result<(), Impossible> {
        let depth = self.depth(&order.instrument);
        let mut takes_shown_prices = arrives || order.limit().is_none();
        if let Some(depth) = &depth {
            if !order.triggered && order.is_triggered_at(depth.last) {
                order.triggered = true;
                takes_shown_prices = true;
                self.events.push(Event::Triggered { id: order.id.clone(), at: self.now });
            }
            if order.triggered {
                self.take(order, depth, takes_shown_prices)?;
            }
        }
        if order.terms.validity == Validity::Ioc && order.left() > 0 {
            self.events.push(Event::Cancelled { id: order.id.clone(), reason: Some("IOC Order Cancelled".into()), at: self.now });
        }
        Ok(())
    }

    /// The displayed book, looked at once for each request.
    pub(super) fn depth(&mut self, key: &InstrumentKey) -> Option<Arc<Depth>> {
        if let Some(depth) = self.depths.get(key) {
            return depth.clone();
        }
        let depth = self.instruments.find(key).and_then(|instrument| self.market.depth(&instrument, self.now)).map(Arc::new);
        self.depths.insert(key.clone(), depth.clone());
        depth
    }

    /// Walks the levels from the best one on, past what was taken from this version of the book before.
    fn take(&mut self, order: &mut Working, depth: &Depth, takes_shown_prices: bool) -> Result<(), Impossible> {
        let mut gone = self.gone(order, depth.version);
        let mut resting = 0;
        for level in depth.against(order.terms.side) {
            if order.left() - resting == 0 || !order.takes(level) {
                break;
            }
            let passed = gone.min(level.quantity);
            gone -= passed;
            let units = (level.quantity - passed).min(order.left() - resting);
            if takes_shown_prices {
                self.trade(order, units, level.price, depth.version)?;
            } else {
                resting += units;
            }
        }
        match order.limit() {
            Some(limit) => self.trade(order, resting, limit, depth.version),
            None => Ok(()),
        }
    }

    fn gone(&self, order: &Working, version: u64) -> i64 {
        let key = (order.instrument.clone(), order.terms.side);
        let before = self.book.taken.get(&key).filter(|taken| taken.0 == version).map_or(0, |taken| taken.1);
        before + self.taken.get(&key).copied().unwrap_or(0)
    }

    fn trade(&mut self, order: &mut Working, units: i64, price: Price, version: u64) -> Result<(), Impossible> {
        let Some(quantity) = Quantity::new(units) else { return Ok(()) };
        self.last_trade = number::after(self.last_trade, self.date);
        let trade_id = number::trade_id(self.last_trade)?;
        self.events.push(Event::Traded { id: order.id.clone(), trade_id, quantity, price, version, at: self.now });
        order.filled += units;
        *self.taken.entry((order.instrument.clone(), order.terms.side)).or_default() += units;
        Ok(())
    }
}

/// Whether an order of these types, once changed, still works or waits for a trigger anew.
pub(super) fn triggered_after_change(before: OrderType, was_triggered: bool, after: OrderType) -> bool {
    !after.has_trigger() || (before.has_trigger() && was_triggered)
}
