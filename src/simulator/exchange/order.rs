//! An order and a position as the book holds them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{Amount, BookState, Holding, HoldingKey, Points, Price, Quantity, Side, Terms};
use ordergate_actors::ports::{BookRow, Carried, Instruments, PositionRow};
use rust_decimal::Decimal;

use super::event::Entry;
use crate::simulator::market::Market;

/// An order of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What everybody sees; shared with the snapshots that were taken.
    pub row: Arc<BookRow>,
    /// How it trades, as it is now.
    pub terms: Terms,
    /// Whether it works; a stop does so from its trigger on.
    pub triggered: bool,
    /// Last trading day of its instrument.
    pub expiry: Option<NaiveDate>,
    /// Rupees that a unit gains when its price rises by one.
    pub per_point: Decimal,
    /// Prices times units of its trades.
    pub value: Points,
    /// When it came.
    pub entered_at: DateTime<Utc>,
}

impl Order {
    pub(super) fn new(entry: &Entry, state: BookState, at: DateTime<Utc>) -> Self {
        let row = BookRow {
            broker_order_id: entry.id.clone(),
            tag: entry.tag.clone(),
            instrument: entry.instrument.clone(),
            side: entry.terms.side,
            product: entry.terms.product,
            quantity: entry.terms.quantity.value(),
            filled: 0,
            average_price: None,
            price: limit(&entry.terms),
            trigger_price: trigger(&entry.terms),
            order_type: Some(entry.terms.order_type),
            state,
            reason: None,
            at,
            besides: None,
        };
        let triggered = !entry.terms.order_type.has_trigger();
        let (expiry, per_point) = (entry.expiry, entry.per_point);
        Self { row: Arc::new(row), terms: entry.terms.clone(), triggered, expiry, per_point, value: Points::ZERO, entered_at: at }
    }

    /// Whether it works or waits for its trigger.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.row.state == BookState::Open
    }

    /// Whether it waits for its trigger.
    #[must_use]
    pub fn is_trigger_pending(&self) -> bool {
        self.is_open() && !self.triggered
    }

    /// The part that never changes, with the terms of now.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry {
            id: self.row.broker_order_id.clone(),
            instrument: self.row.instrument.clone(),
            terms: self.terms.clone(),
            tag: self.row.tag.clone(),
            expiry: self.expiry,
            per_point: self.per_point,
        }
    }

    pub(super) fn change(&mut self, at: DateTime<Utc>) -> &mut BookRow {
        let row = Arc::make_mut(&mut self.row);
        row.at = at;
        row
    }

    pub(super) fn end(&mut self, state: BookState, reason: Option<Arc<str>>, at: DateTime<Utc>) {
        let row = self.change(at);
        row.state = state;
        row.reason = reason;
    }

    pub(super) fn fill(&mut self, filled: i64, value: Points, at: DateTime<Utc>) {
        self.value = value;
        let row = self.change(at);
        row.filled = filled;
        row.average_price = value.per_unit(filled);
        if row.filled == row.quantity {
            row.state = BookState::Complete;
        }
    }

    pub(super) fn modify(&mut self, terms: &Terms, triggered: bool, at: DateTime<Utc>) {
        self.terms = terms.clone();
        self.triggered = triggered;
        let row = self.change(at);
        row.quantity = terms.quantity.value();
        row.price = limit(terms);
        row.trigger_price = trigger(terms);
        row.order_type = Some(terms.order_type);
        if row.filled == row.quantity {
            row.state = BookState::Complete;
        }
    }
}

fn limit(terms: &Terms) -> Option<Decimal> {
    terms.price.filter(|_| terms.order_type.has_price()).map(Price::value)
}

fn trigger(terms: &Terms) -> Option<Decimal> {
    terms.trigger_price.filter(|_| terms.order_type.has_trigger()).map(Price::value)
}

/// Units of one direction, and what they traded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// Units.
    pub quantity: i64,
    /// Prices times units.
    pub value: Points,
}

/// A position of one instrument and product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// What is held now, and what was realised today.
    pub holding: Holding,
    /// What the day began with.
    pub carried: Holding,
    /// Bought today.
    pub bought: Flow,
    /// Sold today.
    pub sold: Flow,
    /// Last trading day of the instrument.
    pub expiry: Option<NaiveDate>,
    /// Rupees that a unit gains when its price rises by one.
    pub per_point: Decimal,
}

impl Position {
    pub(super) fn trade(&mut self, side: Side, quantity: Quantity, price: Price) {
        let flow = match side {
            Side::Buy => &mut self.bought,
            Side::Sell => &mut self.sold,
        };
        flow.quantity += quantity.value();
        flow.value = flow.value.plus(price.times(quantity.value()));
        self.holding = self.holding.after(side, quantity, price);
    }

    /// The position as the next day begins; `None` when there is nothing to carry.
    pub(super) fn carry(&self, date: NaiveDate) -> Option<Self> {
        let is_over = self.expiry.is_some_and(|last| last < date);
        (self.holding.net != 0 && !is_over).then(|| Self::carried(self.holding.net, self.holding.cost, self.expiry, self.per_point))
    }

    pub(super) fn carried(net: i64, cost: Points, expiry: Option<NaiveDate>, per_point: Decimal) -> Self {
        let holding = Holding { net, cost, ..Holding::default() };
        Self { holding, carried: holding, expiry, per_point, ..Self::default() }
    }

    /// Its row, valued at the market's last price.
    #[must_use]
    pub fn row(&self, key: &HoldingKey, instruments: &dyn Instruments, market: &dyn Market, now: DateTime<Utc>) -> PositionRow {
        let last = || Some(market.depth(&*instruments.find(&key.instrument)?, now)?.last);
        PositionRow {
            holding: key.clone(),
            net: self.holding.net,
            average_price: self.holding.average(),
            realised: self.realised(),
            unrealised: last().map_or(Amount::ZERO, |last| self.unrealised(last)),
            per_point: Some(self.per_point),
            carried: self.brought(),
        }
    }

    /// What the day began with, as a position row tells it.
    #[must_use]
    pub fn brought(&self) -> Option<Carried> {
        (self.carried.net != 0).then(|| Carried { net: self.carried.net, from: self.carried.average() })
    }

    /// Rupees that the open part is worth more than it cost, at that price.
    #[must_use]
    pub fn unrealised(&self, last: Price) -> Amount {
        self.holding.gain(last).rupees(self.per_point)
    }

    /// Rupees that closing brought today.
    #[must_use]
    pub fn realised(&self) -> Amount {
        self.holding.realised.rupees(self.per_point)
    }
}
