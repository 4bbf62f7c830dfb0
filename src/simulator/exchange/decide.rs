//! What a request would do to the book as it is. Nothing is changed here.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{BookState, BrokerOrderId, Instrument, Terms, trading_date};
use rust_decimal::Decimal;

use super::matching::{self, Matcher, Working};
use super::{Decision, Entry, Event, Exchange, Impossible, NewOrder, Order, Reject, check, number};
use crate::simulator::market::Market;

impl Exchange {
    /// The event that begins the day, if it has not begun. It comes before any other decision of that day.
    #[must_use]
    pub fn roll(&self, now: DateTime<Utc>) -> Option<Event> {
        self.book.roll_due(now)
    }

    /// What [`place`](Self::place) would do.
    #[must_use]
    pub fn decide_place(&self, order: &NewOrder, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        let place = || -> Result<(BrokerOrderId, Vec<Event>), Reject> {
            let instrument = self.instrument(order)?;
            check::terms(&instrument, &order.terms, self.date(now))?;
            if market.depth(&instrument, now).is_none() {
                return Err(Reject::NoMarket(order.instrument.clone()));
            }
            let entry = self.entry(order, Some(&instrument), now)?;
            let id = entry.id.clone();
            let mut working = Working {
                id: id.clone(),
                instrument: order.instrument.clone(),
                terms: order.terms.clone(),
                filled: 0,
                triggered: !order.terms.order_type.has_trigger(),
            };
            let mut matcher = self.matcher(now, market);
            matcher.events.push(Event::Accepted { entry, at: now });
            matcher.arrive(&mut working)?;
            Ok((id, matcher.events))
        };
        match place() {
            Ok((id, events)) => Decision { events, answer: Ok(id) },
            Err(why) => Decision::refused(why),
        }
    }

    /// What [`refuse`](Self::refuse) would do.
    #[must_use]
    pub fn decide_refusal(&self, order: &NewOrder, reason: &str, now: DateTime<Utc>) -> Decision {
        let instrument = self.instruments.find(&order.instrument);
        match self.entry(order, instrument.as_deref(), now) {
            Ok(entry) => {
                let id = entry.id.clone();
                Decision { events: vec![Event::Refused { entry, reason: Arc::from(reason), at: now }], answer: Ok(id) }
            }
            Err(why) => Decision::refused(why.into()),
        }
    }

    /// What [`cancel`](Self::cancel) would do. The market goes first: an order that it has crossed fills, and the cancel
    /// is refused.
    #[must_use]
    pub fn decide_cancel(&self, id: &BrokerOrderId, reason: Option<&str>, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        let (matcher, working) = match self.race(id, now, market) {
            Ok(raced) => raced,
            Err(lost) => return lost,
        };
        let mut events = matcher.events;
        events.push(Event::Cancelled { id: working.id, reason: reason.map(Arc::from), at: now });
        Decision { events, answer: Ok(id.clone()) }
    }

    /// What [`modify`](Self::modify) would do. The market goes first, as with a cancel.
    #[must_use]
    pub fn decide_modify(&self, id: &BrokerOrderId, terms: &Terms, now: DateTime<Utc>, market: &dyn Market) -> Decision {
        let (mut matcher, mut working) = match self.race(id, now, market) {
            Ok(raced) => raced,
            Err(lost) => return lost,
        };
        // What the race did stays done when the change itself is refused.
        let before_change = matcher.events.clone();
        let mut change = || -> Result<(), Reject> {
            self.check_change(&working, terms, now)?;
            let triggered = matching::triggered_after_change(working.terms.order_type, working.triggered, terms.order_type);
            matcher.events.push(Event::Modified { id: id.clone(), terms: terms.clone(), triggered, at: now });
            working.terms = terms.clone();
            working.triggered = triggered;
            if working.left() > 0 {
                matcher.arrive(&mut working)?;
            }
            Ok(())
        };
        match change() {
            Ok(()) => Decision { events: matcher.events, answer: Ok(id.clone()) },
            Err(why) => Decision { events: before_change, answer: Err(why) },
        }
    }

    /// What [`advance`](Self::advance) would do within the day.
    #[must_use]
    pub fn decide_advance(&self, now: DateTime<Utc>, market: &dyn Market) -> Vec<Event> {
        let mut matcher = self.matcher(now, market);
        let reached = self.book.resting.reached(|instrument| matcher.depth(instrument));
        self.revisit(matcher, reached.iter())
    }

    /// Lets the market reach these orders, in this order.
    pub(super) fn revisit<'a>(&self, mut matcher: Matcher<'_>, orders: impl Iterator<Item = &'a BrokerOrderId>) -> Vec<Event> {
        for order in orders.filter_map(|id| self.book.orders.get(id)) {
            // An order that cannot be matched stays as it is; the others go on.
            let _ = matcher.revisit(&mut working(order));
        }
        matcher.events
    }

    /// Lets the market have the order first. `Err` when the order has ended by then.
    fn race<'a>(&'a self, id: &BrokerOrderId, now: DateTime<Utc>, market: &'a dyn Market) -> Result<(Matcher<'a>, Working), Decision> {
        let order = self.book.orders.get(id).ok_or_else(|| Decision::refused(Reject::UnknownOrder(id.clone())))?;
        if !order.is_open() {
            return Err(Decision::refused(Reject::NotOpen { id: id.clone(), state: order.row.state }));
        }
        let (mut matcher, mut working) = (self.matcher(now, market), working(order));
        if let Err(impossible) = matcher.revisit(&mut working) {
            return Err(Decision::refused(impossible.into()));
        }
        if working.left() == 0 {
            let state = BookState::Complete;
            return Err(Decision { events: matcher.events, answer: Err(Reject::NotOpen { id: id.clone(), state }) });
        }
        Ok((matcher, working))
    }

    fn check_change(&self, order: &Working, terms: &Terms, now: DateTime<Utc>) -> Result<(), Reject> {
        if terms.side != order.terms.side || terms.product != order.terms.product {
            return Err(Reject::Unchangeable);
        }
        if terms.quantity.value() < order.filled {
            return Err(Reject::BelowFilled { quantity: terms.quantity.value(), filled: order.filled });
        }
        let instrument = self.instruments.find(&order.instrument).ok_or_else(|| Reject::UnknownInstrument(order.instrument.clone()))?;
        check::terms(&instrument, terms, self.date(now))
    }

    pub(super) fn matcher<'a>(&'a self, now: DateTime<Utc>, market: &'a dyn Market) -> Matcher<'a> {
        Matcher::new(&self.book, &*self.instruments, market, now, self.date(now))
    }

    fn instrument(&self, order: &NewOrder) -> Result<Arc<Instrument>, Reject> {
        self.instruments.find(&order.instrument).ok_or_else(|| Reject::UnknownInstrument(order.instrument.clone()))
    }

    fn entry(&self, order: &NewOrder, instrument: Option<&Instrument>, now: DateTime<Utc>) -> Result<Entry, Impossible> {
        Ok(Entry {
            id: number::order_id(number::after(self.book.last_order, self.date(now)))?,
            instrument: order.instrument.clone(),
            terms: order.terms.clone(),
            tag: order.tag.clone(),
            expiry: instrument.and_then(|instrument| instrument.kind.expiry()),
            per_point: instrument.map_or(Decimal::ZERO, |listed| listed.rupees_per_point),
        })
    }

    /// The day of the book: it never goes back, even when the clock does.
    fn date(&self, now: DateTime<Utc>) -> NaiveDate {
        self.book.date.unwrap_or_else(|| trading_date(now))
    }
}

fn working(order: &Order) -> Working {
    Working {
        id: order.row.broker_order_id.clone(),
        instrument: order.row.instrument.clone(),
        terms: order.terms.clone(),
        filled: order.row.filled,
        triggered: order.triggered,
    }
}
