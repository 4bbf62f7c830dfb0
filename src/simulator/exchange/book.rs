//! The book: the sum of the events. Nothing is decided here; an event that cannot follow is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{BookState, BrokerOrderId, Fill, HoldingKey, InstrumentKey, Side, trading_date};
use ordergate_actors::ports::TradeRow;

use super::event::{Entry, Event};
use super::number;
use super::order::{Order, Position};
use super::orders::Orders;
use super::reject::Impossible;
use super::resting::Resting;

/// Orders, trades and positions of one account on one day. Everything is ordered by number or name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    pub(super) date: Option<NaiveDate>,
    pub(super) orders: Orders,
    pub(super) resting: Resting,
    pub(super) trades: Vec<Arc<TradeRow>>,
    pub(super) positions: BTreeMap<HoldingKey, Position>,
    /// Units taken from the newest version of a displayed book, by the side of the taker.
    pub(super) taken: BTreeMap<(InstrumentKey, Side), (u64, i64)>,
    pub(super) last_order: u64,
    pub(super) last_trade: u64,
}

impl Book {
    /// Adds one event.
    ///
    /// # Errors
    /// [`Impossible`] when it cannot follow on this book; the book is unchanged then.
    pub fn apply(&mut self, event: &Event) -> Result<(), Impossible> {
        match event {
            Event::Rolled { date, at } => {
                self.roll(*date, *at);
                Ok(())
            }
            Event::Accepted { entry, at } => self.insert(entry, Order::new(entry, BookState::Open, *at)),
            Event::Refused { entry, reason, at } => {
                let mut order = Order::new(entry, BookState::Rejected, *at);
                order.end(BookState::Rejected, Some(Arc::clone(reason)), *at);
                self.insert(entry, order)
            }
            Event::Triggered { id, at } => self.change(id, |order| {
                order.triggered = true;
                order.change(*at);
                Ok(())
            }),
            Event::Traded { .. } => self.trade(event),
            Event::Modified { id, terms, triggered, at } => self.change(id, |order| {
                if terms.quantity.value() < order.row.filled {
                    return Err(Impossible(format!("{id}: {} is below the filled {}", terms.quantity, order.row.filled)));
                }
                order.modify(terms, *triggered, *at);
                Ok(())
            }),
            Event::Cancelled { id, reason, at } => self.change(id, |order| {
                order.end(BookState::Cancelled, reason.clone(), *at);
                Ok(())
            }),
            Event::Base { .. } | Event::Carried { .. } | Event::Kept { .. } | Event::KeptTrade { .. } => self.begin(event),
        }
    }

    /// The event that begins the day of `now`, if it has not begun.
    #[must_use]
    pub fn roll_due(&self, now: DateTime<Utc>) -> Option<Event> {
        let date = trading_date(now);
        self.date.is_none_or(|today| today < date).then_some(Event::Rolled { date, at: now })
    }

    /// The events that build the same book from nothing. For a book at the start of its day, before anything happened.
    #[must_use]
    pub fn base(&self) -> Vec<Event> {
        let Some(date) = self.date else { return Vec::new() };
        let carried = self.positions.iter().map(|(holding, position)| Event::Carried {
            holding: holding.clone(),
            net: position.holding.net,
            cost: position.holding.cost,
            expiry: position.expiry,
            per_point: position.per_point,
        });
        let kept = self.orders.iter().map(|order| Event::Kept {
            entry: order.entry(),
            state: order.row.state,
            triggered: order.triggered,
            filled: order.row.filled,
            value: order.value,
            reason: order.row.reason.clone(),
            entered_at: order.entered_at,
            at: order.row.at,
        });
        let base = Event::Base { date, last_order: self.last_order, last_trade: self.last_trade };
        let trades = self.trades.iter().map(|trade| Event::KeptTrade { fill: trade.fill.clone(), exchange: trade.exchange });
        std::iter::once(base).chain(carried).chain(kept).chain(trades).collect()
    }

    pub(super) fn ended_before_the_newest(&self, newest: u64) -> Vec<BrokerOrderId> {
        let Ok(horizon) = number::order_id(self.last_order.saturating_sub(newest)) else { return Vec::new() };
        let old = self.orders.iter().take_while(|order| order.row.broker_order_id <= horizon);
        old.filter(|order| !order.is_open()).map(|order| order.row.broker_order_id.clone()).collect()
    }

    pub(super) fn forget(&mut self, ended: &BTreeSet<BrokerOrderId>) {
        self.orders.retain(|order| order.is_open() || !ended.contains(&order.row.broker_order_id));
        let orders = &self.orders;
        self.trades.retain(|trade| !ended.contains(&trade.fill.broker_order_id) || orders.get(&trade.fill.broker_order_id).is_some());
        self.trades.shrink_to_fit();
    }

    fn begin(&mut self, event: &Event) -> Result<(), Impossible> {
        match event {
            Event::Base { date, last_order, last_trade } => {
                *self = Self { date: Some(*date), last_order: *last_order, last_trade: *last_trade, ..Self::default() };
            }
            Event::Carried { holding, net, cost, expiry, per_point } => {
                self.positions.insert(holding.clone(), Position::carried(*net, *cost, *expiry, *per_point));
            }
            Event::Kept { entry, state, triggered, filled, value, reason, entered_at, at } => {
                let mut order = Order::new(entry, *state, *entered_at);
                order.triggered = *triggered;
                if *filled > 0 {
                    order.fill(*filled, *value, *at);
                }
                order.end(*state, reason.clone(), *at);
                self.orders.insert(order);
            }
            Event::KeptTrade { fill, exchange } => self.trades.push(Arc::new(TradeRow { fill: fill.clone(), exchange: *exchange })),
            other => return Err(Impossible(format!("{other:?} begins no book"))),
        }
        Ok(())
    }

    fn roll(&mut self, date: NaiveDate, at: DateTime<Utc>) {
        self.resting.clear();
        // What was open stays to be seen for one more day, with its trades; the rest of the old day goes.
        self.orders.retain(Order::is_open);
        for order in self.orders.iter_mut() {
            order.end(BookState::Expired, Some(Arc::from("expired at the end of the day")), at);
        }
        let orders = &self.orders;
        self.trades.retain(|trade| orders.get(&trade.fill.broker_order_id).is_some());
        self.taken.clear();
        self.positions = self.positions.iter().filter_map(|(key, position)| Some((key.clone(), position.carry(date)?))).collect();
        self.date = Some(date);
    }

    fn insert(&mut self, entry: &Entry, order: Order) -> Result<(), Impossible> {
        let number = number::of(entry.id.as_str())?;
        if number <= self.last_order {
            return Err(Impossible(format!("order number {} comes after {}", entry.id, self.last_order)));
        }
        self.last_order = number;
        if order.is_open() {
            self.resting.add(&order);
        }
        self.orders.insert(order);
        Ok(())
    }

    fn trade(&mut self, event: &Event) -> Result<(), Impossible> {
        let Event::Traded { id, trade_id, quantity, price, version, at } = event else { return Ok(()) };
        let number = number::of(trade_id.as_str())?;
        if number <= self.last_trade {
            return Err(Impossible(format!("trade number {trade_id} comes after {}", self.last_trade)));
        }
        let (instrument, side, product, of_its_contract) = self.change(id, |order| {
            let filled = order.row.filled + quantity.value();
            if filled > order.row.quantity || !order.triggered {
                return Err(Impossible(format!("{id} cannot trade {quantity} more")));
            }
            let value = order.value.plus(price.times(quantity.value()));
            order.fill(filled, value, *at);
            Ok((order.row.instrument.clone(), order.row.side, order.row.product, (order.expiry, order.per_point)))
        })?;
        let holding = HoldingKey { instrument: instrument.clone(), product };
        let fill = Fill { trade_id: trade_id.clone(), broker_order_id: id.clone(), quantity: *quantity, price: *price, at: *at };
        self.trades.push(Arc::new(TradeRow { fill, exchange: instrument.exchange }));
        self.last_trade = number;
        let position = self.positions.entry(holding).or_default();
        (position.expiry, position.per_point) = of_its_contract;
        position.trade(side, *quantity, *price);
        let taken = self.taken.entry((instrument, side)).or_default();
        if taken.0 != *version {
            *taken = (*version, 0);
        }
        taken.1 += quantity.value();
        Ok(())
    }

    /// Changes an open order, and where it rests with it. What cannot be changed stands as it stood.
    fn change<T>(&mut self, id: &BrokerOrderId, change: impl FnOnce(&mut Order) -> Result<T, Impossible>) -> Result<T, Impossible> {
        let order = self.orders.get_mut(id).filter(|order| order.is_open()).ok_or_else(|| Impossible(format!("{id} is not open")))?;
        self.resting.remove(order);
        let changed = change(order);
        if order.is_open() {
            self.resting.add(order);
        }
        changed
    }
}
