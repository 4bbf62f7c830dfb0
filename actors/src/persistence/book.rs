//! One account as committed: its open orders, its newest orders, what its strategies hold, its controls.
//! Written only after a commit, by the ledger; every gate judges against it, so a restarted actor has nothing to rebuild.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::alarms::{Alarm, Alarms};
use super::calls::Calls;
use super::control::Control;
use super::exposure::{Exposure, Sums};
use super::gross::Gross;
use super::kept::{Kept, KeptChange, KeptStates, Slot, Topic};
use crate::order::{
    Amount, BrokerOrderId, ClientId, CommandId, Holding, HoldingKey, InstrumentKey, Intent, OrderRecord, Side, Strategy, trading_date,
};
use crate::pnl::{Day, DayChange};
use crate::ports::AccountHead;

/// How many of the newest orders stay in memory, ended ones included.
pub const NEWEST_KEPT: u64 = 10_000;

/// One account as committed.
#[derive(Debug, Clone)]
pub struct Book {
    client_id: ClientId,
    seq: u64,
    last_number: u64,
    by_number: BTreeMap<u64, Arc<OrderRecord>>,
    number_of: HashMap<CommandId, u64>,
    /// The orders with that number, by the day on which they were sent: brokers begin anew.
    by_broker_id: BTreeSet<(BrokerOrderId, NaiveDate, u64)>,
    open: BTreeSet<u64>,
    open_by_strategy: BTreeSet<(Strategy, u64)>,
    open_by_instrument: BTreeSet<(InstrumentKey, u64)>,
    /// Of these the exits.
    exits_by_instrument: BTreeSet<(InstrumentKey, u64)>,
    in_doubt: BTreeSet<(InstrumentKey, u64)>,
    owed: BTreeSet<(InstrumentKey, u64)>,
    entering: BTreeMap<(InstrumentKey, Side), usize>,
    holdings: BTreeMap<(Strategy, HoldingKey), Holding>,
    gross: BTreeMap<HoldingKey, Gross>,
    last_fill: BTreeMap<HoldingKey, u64>,
    sums: Sums,
    calls: Calls,
    /// Every order in memory by its strategy.
    by_strategy: BTreeSet<(Strategy, u64)>,
    control: Control,
    alarms: Alarms,
    kept: KeptStates,
    day: Day,
}

impl Book {
    /// An account that never traded.
    #[must_use]
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            seq: 0,
            last_number: 0,
            by_number: BTreeMap::new(),
            number_of: HashMap::new(),
            by_broker_id: BTreeSet::new(),
            open: BTreeSet::new(),
            open_by_strategy: BTreeSet::new(),
            open_by_instrument: BTreeSet::new(),
            exits_by_instrument: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            owed: BTreeSet::new(),
            entering: BTreeMap::new(),
            holdings: BTreeMap::new(),
            gross: BTreeMap::new(),
            last_fill: BTreeMap::new(),
            sums: Sums::default(),
            calls: Calls::default(),
            by_strategy: BTreeSet::new(),
            control: Control::default(),
            alarms: Alarms::default(),
            kept: KeptStates::new(),
            day: Day::default(),
        }
    }

    /// The account as the store has it.
    #[must_use]
    pub fn load(head: AccountHead, seq: u64, control: Control) -> Self {
        let mut book = Self::new(head.client_id);
        book.seq = seq;
        book.last_number = head.last_number;
        book.control = control;
        for record in head.orders {
            book.put_order(Arc::new(record));
        }
        for (strategy, key, holding) in head.holdings {
            book.put_holding(strategy, key, holding, seq);
        }
        book
    }

    /// Begins the day with what is held and what has changed on it so far, in the order of the journal.
    pub fn begin_day(&mut self, date: NaiveDate, changes: &[DayChange]) {
        self.day = Day::load(date, self.holdings.iter().map(|((strategy, key), held)| (strategy, key, held)), changes);
    }

    pub(crate) fn put_day(&mut self, change: &DayChange) {
        self.day.apply(change);
    }

    pub(super) fn put_seq(&mut self, seq: u64) {
        self.seq = seq;
    }

    pub(crate) fn put_control(&mut self, control: Control) {
        self.control = control;
    }

    pub(super) fn put_order(&mut self, record: Arc<OrderRecord>) {
        let number = record.number;
        self.last_number = self.last_number.max(number);
        let before = self.by_number.remove(&number);
        if let Some(before) = &before {
            self.index(before, false);
        }
        self.calls.note(before.as_deref(), &record);
        self.index(&record, true);
        if let Some(id) = &record.broker_order_id {
            self.by_broker_id.insert((id.clone(), day_of(&record), number));
        }
        self.number_of.insert(record.command_id, number);
        self.by_strategy.insert((record.ask.strategy.clone(), number));
        self.by_number.insert(number, record);
        self.forget_old(number);
    }

    /// Enters an order into every index that it belongs to, or takes it out.
    fn index(&mut self, record: &OrderRecord, is_entering: bool) {
        let number = record.number;
        self.sums.count(record, is_entering);
        if record.filled_quantity > record.traded_quantity
            && let Some(key) = record.instrument()
        {
            put(&mut self.owed, (key, number), is_entering);
        }
        if record.status.is_terminal() {
            return;
        }
        put(&mut self.open, number, is_entering);
        put(&mut self.open_by_strategy, (record.ask.strategy.clone(), number), is_entering);
        let Some(key) = record.instrument() else { return };
        if record.is_in_doubt() {
            put(&mut self.in_doubt, (key.clone(), number), is_entering);
        }
        if let Some(side) = record.ask.side.filter(|_| !record.is_exit() && !record.is_test()) {
            let slot = (key.clone(), side);
            let count = self.entering.entry(slot.clone()).or_default();
            *count = if is_entering { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.entering.remove(&slot);
            }
        }
        if record.is_exit() {
            put(&mut self.exits_by_instrument, (key.clone(), number), is_entering);
        }
        put(&mut self.open_by_instrument, (key, number), is_entering);
    }

    /// Drops what is ended and no longer among the newest: the order just written, and the one that it pushes out.
    fn forget_old(&mut self, number: u64) {
        let horizon = self.last_number.saturating_sub(NEWEST_KEPT);
        for candidate in [number, horizon] {
            if candidate > horizon || self.open.contains(&candidate) {
                continue;
            }
            if self.by_number.get(&candidate).is_some_and(|record| record.filled_quantity > record.traded_quantity) {
                continue;
            }
            if let Some(record) = self.by_number.remove(&candidate) {
                self.number_of.remove(&record.command_id);
                self.by_strategy.remove(&(record.ask.strategy.clone(), candidate));
                if let Some(id) = &record.broker_order_id {
                    let days: Vec<_> = self.dated(id).filter(|(_, number)| *number == candidate).collect();
                    for (day, number) in days {
                        self.by_broker_id.remove(&(id.clone(), day, number));
                    }
                }
            }
        }
    }

    pub(super) fn put_holding(&mut self, strategy: Strategy, key: HoldingKey, holding: Holding, seq: u64) {
        let slot = (strategy, key);
        let before = self.holdings.get(&slot).map_or(0, |held| held.net);
        let gross = self.gross.entry(slot.1.clone()).or_default();
        gross.add(before, -1);
        gross.add(holding.net, 1);
        if *gross == Gross::default() {
            self.gross.remove(&slot.1);
        }
        self.sums.hold(&slot.1.instrument, before, holding.net);
        self.last_fill.insert(slot.1.clone(), seq);
        if holding.net == 0 {
            self.holdings.remove(&slot);
        } else {
            self.holdings.insert(slot, holding);
        }
    }

    pub(super) fn put_alarms(&mut self, alarms: Alarms) {
        self.alarms = alarms;
    }

    pub(crate) fn put_kept(&mut self, change: KeptChange) {
        match change.now {
            Some(now) => self.kept.insert(change.slot, now),
            None => self.kept.remove(&change.slot),
        };
    }

    /// The account.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The journal row up to which this is true.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

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
    fn dated<'a>(&'a self, id: &BrokerOrderId) -> impl DoubleEndedIterator<Item = (NaiveDate, u64)> + use<'a> {
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

    /// A strategy's orders whose trades are outstanding.
    pub fn owed_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.owed.iter().filter_map(|(_, number)| self.by_number.get(number)).filter(move |order| order.ask.strategy == *strategy)
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

    /// What a strategy holds.
    pub fn holdings_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = (&'a HoldingKey, &'a Holding)> {
        let from = (strategy.clone(), HoldingKey::lowest());
        self.holdings.range(from..).take_while(move |((owner, _), _)| owner == strategy).map(|((_, key), held)| (key, held))
    }

    /// What a strategy holds in one instrument and product; 0 when flat.
    #[must_use]
    pub fn held(&self, strategy: &Strategy, key: &HoldingKey) -> Holding {
        self.holdings.get(&(strategy.clone(), key.clone())).copied().unwrap_or_default()
    }

    /// Everything that is held, by strategy.
    pub fn holdings(&self) -> impl Iterator<Item = (&Strategy, &HoldingKey, &Holding)> {
        self.holdings.iter().map(|((strategy, key), held)| (strategy, key, held))
    }

    /// What all strategies together hold in an instrument and product.
    #[must_use]
    pub fn gross(&self, key: &HoldingKey) -> Gross {
        self.gross.get(key).copied().unwrap_or_default()
    }

    /// Every instrument and product that is held.
    pub fn held_keys(&self) -> impl Iterator<Item = (&HoldingKey, Gross)> {
        self.gross.iter().map(|(key, gross)| (key, *gross))
    }

    /// The journal row of the last fill in an instrument and product; 0 for none.
    #[must_use]
    pub fn last_fill_seq(&self, key: &HoldingKey) -> u64 {
        self.last_fill.get(key).copied().unwrap_or(0)
    }

    /// What the fills of that day (India) came to: today's, if today is what is asked for. Whoever reads a limit from it
    /// hands in the date of its own clock, because a day rolls although nothing is traded.
    #[must_use]
    pub fn day(&self, date: NaiveDate) -> Cow<'_, Day> {
        self.day.on(date)
    }

    /// What is held and may still be bought or sold of an instrument; `None`: nothing.
    #[must_use]
    pub fn exposure(&self, key: &InstrumentKey) -> Option<&Exposure> {
        self.sums.of(key)
    }

    /// Every instrument in which something is held or may still be bought or sold.
    pub fn exposures(&self) -> impl Iterator<Item = (&InstrumentKey, &Exposure)> {
        self.sums.all()
    }

    /// Rupees of all open entries and adjustments that have a price of their own.
    #[must_use]
    pub fn open_value(&self) -> Amount {
        self.sums.priced()
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

    /// The newest day (India) on which a trade of ours was recorded.
    #[must_use]
    pub fn traded_on(&self) -> Option<NaiveDate> {
        self.sums.traded_on()
    }

    /// A strategy's orders in memory, newest first, ended ones included.
    pub fn newest_of<'a>(&'a self, strategy: &'a Strategy) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        let all = (strategy.clone(), 0)..=(strategy.clone(), u64::MAX);
        self.by_strategy.range(all).rev().filter_map(|(_, number)| self.by_number.get(number))
    }

    /// Every instrument and product in which a trade of ours was recorded since the start, or in which something was held then.
    pub fn traded_keys(&self) -> impl Iterator<Item = &HoldingKey> {
        self.last_fill.keys()
    }

    /// The controls.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The open alarms, oldest first.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.iter()
    }

    /// A state beside the orders.
    #[must_use]
    pub fn kept(&self, slot: &Slot) -> Option<&Kept> {
        self.kept.get(slot)
    }

    /// The states of a topic, in order of their keys.
    pub fn kept_of(&self, topic: Topic) -> impl Iterator<Item = (&Slot, &Kept)> {
        let from = Slot::new(topic, "");
        self.kept.range(from..).take_while(move |(slot, _)| slot.topic == topic)
    }

    /// Units that other exits of a holding (and adjustments that reduce it) claim: those at the broker, unconfirmed ones included, and those registered
    /// before `me`. One whose size is not settled claims what was asked, at the most all that its own strategy holds
    /// there: another strategy's exit must not be refused because of it.
    #[must_use]
    pub fn exiting(&self, me: &OrderRecord, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.open_in(&key.instrument)
            .filter(|order| order.command_id != me.command_id && !order.is_test() && self.closes(order, key))
            .filter(|order| order.ask.product.is_none_or(|product| product == key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| {
                let asked = if order.quantity() == 0 { i64::MAX } else { order.unfilled() };
                if order.status.is_at_broker() { asked } else { asked.min(self.held(&order.ask.strategy, key).net.abs()) }
            })
            .fold(self.owed_by_exits(strategy, key), i64::saturating_add)
    }

    /// Units of those that [`Book::exiting`] counts which are claimed by a stop that rests at the broker: it makes way for
    /// any other exit of its position.
    #[must_use]
    pub fn makes_way(&self, me: &OrderRecord, strategy: &Strategy, key: &HoldingKey) -> i64 {
        self.open_exits_in(&key.instrument)
            .filter(|order| order.is_resting_stop() && order.command_id != me.command_id && order.ask.strategy == *strategy)
            .filter(|order| order.ask.product.is_none_or(|product| product == key.product))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| order.unfilled())
            .fold(0, i64::saturating_add)
    }

    /// Whether a fill of the order takes out of what its strategy holds: an exit, or an adjustment on the closing side.
    fn closes(&self, order: &OrderRecord, key: &HoldingKey) -> bool {
        let reduces = || Side::of_net(self.held(&order.ask.strategy, key).net).map(Side::opposite) == order.ask.side;
        order.is_exit() || (order.ask.intent == Some(Intent::Adjust) && order.ask.side.is_some() && reduces())
    }

    /// Units that exits have filled at the broker and that are not taken out of the holding yet: their trades are
    /// outstanding. Nothing may close them a second time.
    fn owed_by_exits(&self, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.owed_in(&key.instrument)
            .filter(|order| self.closes(order, key) && order.ask.product == Some(key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .map(|order| order.filled_quantity - order.traded_quantity)
            .fold(0, i64::saturating_add)
    }
}

/// The day of an order at its broker: that on which it was sent.
fn day_of(record: &OrderRecord) -> NaiveDate {
    trading_date(record.sent_at.unwrap_or(record.created_at))
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, is_entering: bool) {
    if is_entering {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
