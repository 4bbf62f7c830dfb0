//! One account as committed: its open orders, its newest orders, what its strategies hold, its controls.
//! Written only after a commit, by the ledger; every gate judges against it, so a restarted actor has nothing to rebuild.
//! Here is how it is written; what is read from it stands in the files below.

mod claims;
mod holdings;
mod leaving;
mod moves;
mod orders;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;

use self::moves::Moves;
use super::alarms::{Alarm, Alarms};
use super::calls::Calls;
use super::control::Control;
use super::exposure::Sums;
use super::gross::Gross;
use super::kept::{Kept, KeptChange, KeptStates, Slot, Topic};
use crate::order::{
    BrokerOrderId, ClientId, CommandId, Holding, HoldingKey, InstrumentKey, OrderRecord, Side, Status, Strategy, trading_date,
};
use crate::pnl::{ContractKept, Day, DayChange, PointValues};
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
    /// The exits that failed.
    failed_exits: BTreeSet<u64>,
    in_doubt: BTreeSet<(InstrumentKey, u64)>,
    owed: BTreeSet<(InstrumentKey, u64)>,
    entering: BTreeMap<(InstrumentKey, Side), usize>,
    holdings: BTreeMap<(Strategy, HoldingKey), Holding>,
    gross: BTreeMap<HoldingKey, Gross>,
    last_fill: BTreeMap<HoldingKey, u64>,
    moves: BTreeMap<HoldingKey, Moves>,
    /// The journal row up to which it was loaded: what moved its holdings until then is not told apart.
    loaded: u64,
    sums: Sums,
    calls: Calls,
    /// Every order in memory by its strategy.
    by_strategy: BTreeSet<(Strategy, u64)>,
    control: Control,
    alarms: Alarms,
    kept: KeptStates,
    /// What a point of each contract is worth, of the states above.
    points: PointValues,
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
            failed_exits: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            owed: BTreeSet::new(),
            entering: BTreeMap::new(),
            holdings: BTreeMap::new(),
            gross: BTreeMap::new(),
            last_fill: BTreeMap::new(),
            moves: BTreeMap::new(),
            loaded: 0,
            sums: Sums::default(),
            calls: Calls::default(),
            by_strategy: BTreeSet::new(),
            control: Control::default(),
            alarms: Alarms::default(),
            kept: KeptStates::new(),
            points: PointValues::default(),
            day: Day::default(),
        }
    }

    /// The account as the store has it.
    #[must_use]
    pub fn load(head: AccountHead, seq: u64, control: Control) -> Self {
        let mut book = Self::new(head.client_id);
        book.seq = seq;
        book.loaded = seq;
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
        let held = self.holdings.iter().map(|((strategy, key), held)| (strategy, key, held));
        self.day = Day::valued(self.points.clone(), date, held, changes);
    }

    /// How a holding has changed: one trade, or one correction.
    pub(crate) fn put_day(&mut self, change: &DayChange) {
        self.moves.entry(change.key.clone()).or_default().note(change.seq, change.what.net(change.before.net), change.what.traded_at());
        self.day.apply(change);
    }

    pub(crate) fn put_seq(&mut self, seq: u64) {
        self.seq = seq;
    }

    pub(crate) fn put_control(&mut self, control: Control) {
        self.control = control;
    }

    pub(crate) fn put_order(&mut self, record: Arc<OrderRecord>) {
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
        if record.status == Status::Failed && record.is_exit() {
            put(&mut self.failed_exits, number, is_entering);
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
                self.failed_exits.remove(&candidate);
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

    pub(crate) fn put_holding(&mut self, strategy: Strategy, key: HoldingKey, holding: Holding, seq: u64) {
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

    pub(crate) fn put_alarms(&mut self, alarms: Alarms) {
        self.alarms = alarms;
    }

    pub(crate) fn put_kept(&mut self, change: KeptChange) {
        if change.slot.topic == Topic::Contract {
            let before = self.kept.get(&change.slot).and_then(ContractKept::read);
            let gone = || before.map(|before| ContractKept { rupees_per_point: None, ..before });
            if let Some(contract) = change.now.as_ref().and_then(ContractKept::read).or_else(gone) {
                self.points.put(contract);
                self.day.value_by(self.points.clone());
            }
        }
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
