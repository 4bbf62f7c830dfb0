//! The orders of a book: by name, by strategy, by instrument, by what is not settled of them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::{Book, NEWEST_KEPT};
use crate::order::{BrokerOrderId, CommandId, InstrumentKey, OrderRecord, Side, Strategy};
use crate::persistence::exposure::OpenValue;
use crate::ports::Instruments;

impl Book {
    /// The highest order number.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// An order that is open or among the newest.
    #[must_use]
    pub fn order(&self, command_id: CommandId) -> Option<&Arc<OrderRecord>> {
        self.by_number.get(self.number_of.get(&command_id)?)
    }

    /// An order by its number, open or among the newest.
    #[must_use]
    pub fn order_by_number(&self, number: u64) -> Option<&Arc<OrderRecord>> {
        self.by_number.get(&number)
    }

    /// The order that was sent on that day (India) and got that number from the broker, open or among the newest. Brokers
    /// use a number again on another day.
    #[must_use]
    pub fn order_by_broker_id(&self, id: &BrokerOrderId, day: NaiveDate) -> Option<&Arc<OrderRecord>> {
        let (_, number) = self.dated(id).find(|(sent_on, _)| *sent_on == day)?;
        self.by_number.get(&number)
    }

    /// The newest order with that number that waits for news of the broker, whatever the day: it has not ended, or its
    /// trades are outstanding. What was sent before midnight may be told after it.
    #[must_use]
    pub fn unfinished_by_broker_id(&self, id: &BrokerOrderId) -> Option<&Arc<OrderRecord>> {
        let orders = self.dated(id).rev().filter_map(|(_, number)| self.by_number.get(&number));
        orders.into_iter().find(|order| !order.status.is_terminal() || order.filled_quantity > order.traded_quantity)
    }

    /// The days on which orders with that number were sent, and our numbers of them.
    pub(super) fn dated<'a>(&'a self, id: &BrokerOrderId) -> impl DoubleEndedIterator<Item = (NaiveDate, u64)> + use<'a> {
        let whole = (id.clone(), NaiveDate::MIN, 0)..=(id.clone(), NaiveDate::MAX, u64::MAX);
        self.by_broker_id.range(whole).map(|(_, day, number)| (*day, *number))
    }

    /// Whether orders have ended so long ago that they are on disk only.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        self.last_number > NEWEST_KEPT
    }

    /// Every order that has not ended, earliest first.
    pub fn open_orders(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.open.iter().filter_map(|number| self.by_number.get(number))
    }

    /// How many orders have not ended.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// A strategy's orders that have not ended, earliest first.
    pub fn open_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.open_by_strategy
            .range((strategy.clone(), 0)..)
            .take_while(move |(owner, _)| owner == strategy)
            .filter_map(|(_, number)| self.by_number.get(number))
    }

    /// The orders in an instrument that have not ended, earliest first.
    pub fn open_in<'a>(&'a self, key: &'a InstrumentKey) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.open_by_instrument
            .range((key.clone(), 0)..)
            .take_while(move |(held, _)| held == key)
            .filter_map(|(_, number)| self.by_number.get(number))
    }

    /// The exits in memory that failed, earliest first.
    pub fn failed_exits(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.failed_exits.iter().filter_map(|number| self.by_number.get(number))
    }

    /// The exits in an instrument that have not ended, earliest first.
    pub fn open_exits_in<'a>(&'a self, key: &'a InstrumentKey) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.exits_by_instrument
            .range((key.clone(), 0)..)
            .take_while(move |(held, _)| held == key)
            .filter_map(|(_, number)| self.by_number.get(number))
    }

    /// The orders registered after that one, as far as they are in memory, earliest first.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.by_number.range(number.saturating_add(1)..).map(|(_, order)| order)
    }

    /// The first exit of those that an exit was sent again for: the orders of one wish, whatever their signals.
    #[must_use]
    pub fn first_of<'a>(&'a self, order: &'a OrderRecord) -> &'a OrderRecord {
        let parent = |order: &&'a OrderRecord| {
            let parent = self.order(order.parent_command_id?)?;
            parent.is_exit().then_some(&**parent)
        };
        std::iter::successors(Some(order), parent).last().unwrap_or(order)
    }

    /// The other orders of an order's basket, as far as they are in memory. A basket's numbers are consecutive.
    pub fn siblings<'a>(&'a self, me: &'a OrderRecord) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        let before = self.by_number.range(..me.number).rev().map(|(_, order)| order).take_while(|order| order.basket_id == me.basket_id);
        let after = self.by_number.range(me.number + 1..).map(|(_, order)| order).take_while(|order| order.basket_id == me.basket_id);
        before.chain(after)
    }

    /// The orders in an instrument that are in doubt at the broker.
    pub fn doubts_in<'a>(&'a self, key: &'a InstrumentKey) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.in_doubt
            .range((key.clone(), 0)..)
            .take_while(move |(held, _)| held == key)
            .filter_map(|(_, number)| self.by_number.get(number))
    }

    /// The orders in an instrument whose fills the broker's book has counted, but whose trades are not all recorded:
    /// until they are, what we hold there is not the whole truth.
    pub fn owed_in<'a>(&'a self, key: &'a InstrumentKey) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.owed.range((key.clone(), 0)..).take_while(move |(held, _)| held == key).filter_map(|(_, number)| self.by_number.get(number))
    }

    /// Whether trades of any order are outstanding.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Every order whose trades are outstanding.
    pub fn owed(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.owed.iter().filter_map(|(_, number)| self.by_number.get(number))
    }

    /// A strategy's orders whose trades are outstanding.
    pub fn owed_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.owed().filter(move |order| order.ask.strategy == *strategy)
    }

    /// Every order that is in doubt at the broker.
    pub fn doubts(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.in_doubt.iter().filter_map(|(_, number)| self.by_number.get(number))
    }

    /// How many orders that open or change a position are open on one side of an instrument.
    #[must_use]
    pub fn entering(&self, key: &InstrumentKey, side: Side) -> usize {
        self.entering.get(&(key.clone(), side)).copied().unwrap_or(0)
    }

    /// The newest orders, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.by_number.values().rev()
    }

    /// A strategy's orders in memory, newest first, ended ones included.
    pub fn newest_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        let all = (strategy.clone(), 0)..=(strategy.clone(), u64::MAX);
        self.by_strategy.range(all).rev().filter_map(|(_, number)| self.by_number.get(number))
    }

    /// The strategies that have an order in memory, each once, by name.
    pub fn strategies(&self) -> impl Iterator<Item = &Strategy> {
        let mut last: Option<&Strategy> = None;
        self.by_strategy.iter().map(|(strategy, _)| strategy).filter(move |strategy| last.replace(*strategy) != Some(*strategy))
    }

    /// The open entries and adjustments that go at the market.
    pub fn unpriced(&self) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.sums.unpriced().filter_map(|number| self.by_number.get(&number))
    }

    /// How many entries were registered before that number and are not sent.
    #[must_use]
    pub fn unsent_before(&self, number: u64) -> usize {
        self.sums.unsent_before(number)
    }

    /// The entries that were registered after that number and are not sent: they do not stand before it.
    pub fn later(&self, number: u64) -> impl Iterator<Item = &Arc<OrderRecord>> {
        self.sums.unsent_after(number).filter_map(|number| self.by_number.get(&number))
    }

    /// How many entries were sent on that day (India).
    #[must_use]
    pub fn sent_on(&self, day: NaiveDate) -> usize {
        self.sums.sent_on(day)
    }

    /// How many changes and cancels of working orders were asked for after that time, at most a minute back.
    #[must_use]
    pub fn calls_since(&self, since: DateTime<Utc>) -> usize {
        self.calls.since(since)
    }

    /// How often an entry came to be for other units than before, since the start.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.calls.changes()
    }

    /// All open entries and adjustments that have a price of their own. What is not kept of a contract these instruments may tell.
    #[must_use]
    pub fn open_value(&self, instruments: &dyn Instruments) -> OpenValue {
        self.open_value_by(|key| self.point_by(key, instruments))
    }

    /// All open entries and adjustments that have a price of their own, where the caller knows what a point of each contract is worth.
    #[must_use]
    pub fn open_value_by(&self, point: impl Fn(&InstrumentKey) -> Option<Decimal>) -> OpenValue {
        self.sums.priced(point)
    }
}
