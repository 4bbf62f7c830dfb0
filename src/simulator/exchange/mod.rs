//! The exchange: a pure matching model. No clock, no randomness, no I/O: the time and the market come in as arguments,
//! and the same calls give the same book.
//!
//! A request is *decided* against the book as it is and gives events; *applying* the events is the only way in which a
//! book changes. Who keeps the events keeps the book. The methods with plain names do both at once.
//!
//! *Model:* an arriving order takes the displayed levels within its limit, best first, at their prices. What rests
//! trades later at its own limit, as far as the market shows units at or through it. A stop wakes when the last traded
//! price reaches its trigger. What was taken from one version of a displayed book is not there a second time. Orders
//! of this exchange never trade with each other. Orders live for their day (IST); there is no closing time.

mod book;
mod check;
mod decide;
mod event;
mod matching;
mod number;
mod order;
mod orders;
#[cfg(test)]
mod properties;
mod reject;
mod resting;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{BrokerOrderId, HoldingKey, Terms};
use ordergate_actors::ports::{BookRow, Instruments, PositionRow, TradeRow};

pub use book::Book;
pub(in crate::simulator) use number::after as number_after;

pub use event::{Decision, Entry, Event, NewOrder};
pub use order::{Flow, Order, Position};
pub use orders::Orders;
pub use reject::{Impossible, Reject};

use super::market::Market;

/// An exchange with one account at it.
#[derive(Clone)]
pub struct Exchange {
    instruments: Arc<dyn Instruments>,
    book: Book,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("book", &self.book).finish_non_exhaustive()
    }
}

impl Exchange {
    /// An exchange where these instruments are traded, with an empty book.
    #[must_use]
    pub fn new(instruments: Arc<dyn Instruments>) -> Self {
        Self::with_book(instruments, Book::default())
    }

    /// An exchange that goes on from this book.
    #[must_use]
    pub fn with_book(instruments: Arc<dyn Instruments>, book: Book) -> Self {
        Self { instruments, book }
    }

    /// The book.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Takes an order.
    pub fn place(&mut self, order: &NewOrder, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        self.doing(now, |exchange| exchange.decide_place(order, now, market))
    }

    /// Gives an order a number and refuses it: a row for everybody to see, as a broker's own checks leave it.
    pub fn refuse(&mut self, order: &NewOrder, reason: &str, now: DateTime<Utc>) -> Decision {
        self.doing(now, |exchange| exchange.decide_refusal(order, reason, now))
    }

    /// Cancels what is left of an order; `reason` when nobody of the account asked for it.
    pub fn cancel(&mut self, id: &BrokerOrderId, reason: Option<&str>, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        self.doing(now, |exchange| exchange.decide_cancel(id, reason, now, market))
    }

    /// Changes an open order. The quantity is the new total, filled units included.
    pub fn modify(&mut self, id: &BrokerOrderId, terms: &Terms, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        self.doing(now, |exchange| exchange.decide_modify(id, terms, now, market))
    }

    /// Lets the time pass: days roll, triggers wake, resting orders fill.
    pub fn advance(&mut self, now: DateTime<Utc>, market: &dyn Market) -> Vec<Event> {
        let mut events = self.begin_day(now);
        let moved = self.decide_advance(now, market);
        if self.apply(&moved).is_ok() {
            events.extend(moved);
        }
        events
    }

    /// Adds what happened to the book.
    ///
    /// # Errors
    /// [`Impossible`] at the first event that cannot follow; those before it are in.
    pub fn apply(&mut self, events: &[Event]) -> Result<(), Impossible> {
        events.iter().try_for_each(|event| self.book.apply(event))
    }

    /// One order.
    #[must_use]
    pub fn order(&self, id: &BrokerOrderId) -> Option<&Order> {
        self.book.orders.get(id)
    }

    /// The orders of today, oldest first. Cheap: the rows are shared.
    #[must_use]
    pub fn orders(&self) -> Vec<Arc<BookRow>> {
        self.book.orders.iter().map(|order| Arc::clone(&order.row)).collect()
    }

    /// The orders of today with what only the exchange knows of them, oldest first.
    pub fn order_details(&self) -> impl Iterator<Item = &Order> {
        self.book.orders.iter()
    }

    /// The numbers of the orders that have ended and came more than `newest` orders before the last one, oldest first.
    #[must_use]
    pub fn ended_before_the_newest(&self, newest: u64) -> Vec<BrokerOrderId> {
        self.book.ended_before_the_newest(newest)
    }

    /// Takes orders that have ended out of the book, with their trades. What they left in the positions stays.
    pub fn forget(&mut self, ended: &BTreeSet<BrokerOrderId>) {
        self.book.forget(ended);
    }

    /// The trades of today, and of what expired when today began; oldest first. Cheap: the rows are shared.
    #[must_use]
    pub fn trades(&self) -> Vec<Arc<TradeRow>> {
        self.book.trades.clone()
    }

    /// The trades as [`Self::trades`] has them, without a copy.
    #[must_use]
    pub fn trade_rows(&self) -> &[Arc<TradeRow>] {
        &self.book.trades
    }

    /// The positions, those closed today included, valued at the market's last price.
    #[must_use]
    pub fn positions(&self, now: DateTime<Utc>, market: &dyn Market) -> Vec<PositionRow> {
        self.book.positions.iter().map(|(key, position)| position.row(key, &*self.instruments, market, now)).collect()
    }

    /// One position with the day's buys and sells.
    #[must_use]
    pub fn position(&self, key: &HoldingKey) -> Option<&Position> {
        self.book.positions.get(key)
    }

    /// The positions with the day's buys and sells.
    pub fn position_details(&self) -> impl Iterator<Item = (&HoldingKey, &Position)> {
        self.book.positions.iter()
    }

    fn doing(&mut self, now: DateTime<Utc>, decide: impl FnOnce(&Self) -> Decision) -> Decision {
        let mut events = self.begin_day(now);
        let decision = decide(self);
        match self.apply(&decision.events) {
            Ok(()) => {
                events.extend(decision.events);
                Decision { events, answer: decision.answer }
            }
            Err(impossible) => Decision { events, answer: Err(impossible.into()) },
        }
    }

    fn begin_day(&mut self, now: DateTime<Utc>) -> Vec<Event> {
        let events: Vec<Event> = self.roll(now).into_iter().collect();
        // A day can always begin.
        let _ = self.apply(&events);
        events
    }
}
