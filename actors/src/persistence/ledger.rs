//! Where facts become states. The ledger owns the store; each round it applies the queued units to the committed rows,
//! writes them in one transaction, and only after the commit moves the view and hands the acknowledgements back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};

use super::alarms::Alarms;
use super::book::Book;
use super::chain::row_hash;
use super::control::Control;
use super::delta::Delta;
use super::kept::KeptChange;
use super::staged::{Chain, Staged};
use super::ticket::{Admission, Answer, Orphans};
use super::unit::{Ack, Cargo, Event, Listener, NewOrder, NotRegistered, OrderUnit, Outcome, Posted, Registration, Unit};
use super::view::View;
use crate::order::{BasketId, ClientId, CommandId, Fill, HoldingKey, OrderFact, OrderRecord, Status, Strategy, lifecycle, trading_date};
use crate::pnl::DayChange;
use crate::ports::{Anchor, Begun, Clock, Query, Rows, Store, StoreError, Verdict, Write};

/// Rows between two anchors of a chain.
const ANCHOR_EVERY: u64 = 10_000;

/// Where the numbers stand that the ledger gives out itself, one after the other: nobody else may have taken the next one.
const OURS_ALONE: [&str; 3] = ["journal", "orders.number", "orders.broker_tag"];

/// A pause before a lock that another program holds is asked for again; the store has waited for it by itself too.
const LOCK_AGAIN: Duration = Duration::from_millis(5);

/// The single writer.
pub struct Ledger {
    pub(super) store: Box<dyn Store>,
    pub(super) view: Arc<View>,
    clock: Arc<dyn Clock>,
    tag_prefix: String,
    pub(super) seats: BTreeMap<ClientId, Seat>,
    pub(super) staged: Staged,
    pub(super) listeners: Vec<Box<dyn Listener>>,
    low_water: Option<u64>,
    lock_patience: Duration,
    unsound: BTreeSet<Option<ClientId>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("tag_prefix", &self.tag_prefix).finish_non_exhaustive()
    }
}

/// An account's place in the line.
#[derive(Debug, Clone)]
pub struct Seat {
    /// How many orders it may have in the line.
    pub admission: Arc<Admission>,
    /// Where its lost tickets go.
    pub orphans: Arc<Orphans>,
}

/// What the desks need from an opened journal.
#[derive(Debug)]
pub struct Opened {
    /// The writer.
    pub ledger: Ledger,
    /// The view that it keeps.
    pub view: Arc<View>,
    /// The time of the newest row.
    pub newest: Option<DateTime<Utc>>,
    /// Starts every broker tag of this data directory.
    pub tag_prefix: String,
}

/// What one round did.
#[derive(Debug, Default)]
pub struct Round {
    /// Acknowledgements, in commit order.
    pub acks: Vec<Ack>,
    /// The rows that changed, for the watchers.
    pub events: Vec<Event>,
}

/// An account, a day, and what has changed on it.
pub(super) type FoldedAnew = (ClientId, NaiveDate, Vec<DayChange>);

/// What a posted unit is waiting for until the commit.
pub(super) enum Pending {
    Registration { client_id: ClientId, basket_id: BasketId, records: Vec<Arc<OrderRecord>>, legs: Vec<NewOrder>, cargo: Cargo },
    Reissued { client_id: ClientId, records: Vec<Arc<OrderRecord>> },
    Replay { answer: Result<Answer, NotRegistered>, cargo: Cargo },
    Order { client_id: ClientId, command_id: CommandId, outcome: Outcome, cargo: Cargo },
    Other { outcome: Outcome, cargo: Cargo },
}

impl Ledger {
    /// Reads the store and builds the view; `seats` are the configured accounts.
    ///
    /// # Errors
    /// The store could not be read, or holds what this version cannot read.
    pub fn open(
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        seats: BTreeMap<ClientId, Seat>,
        listeners: Vec<Box<dyn Listener>>,
    ) -> Result<Opened, StoreError> {
        let loaded = store.load()?;
        let mut staged = Staged::default();
        for head in &loaded.heads {
            staged.chains.insert(head.client_id.clone(), Chain { seq: head.seq, hash: row_hash(head) });
        }
        staged.anchored.extend(loaded.anchors);
        for (chain, alarms) in loaded.alarms {
            staged.alarms.insert(chain, Alarms::load(alarms));
        }
        let mut books: BTreeMap<ClientId, Book> = seats.keys().map(|id| (id.clone(), Book::new(id.clone()))).collect();
        for head in loaded.accounts {
            let control = match &head.control {
                Some(text) => serde_json::from_str(text)
                    .map_err(|error| StoreError { step: "load", cause: format!("controls of {}: {error}", head.client_id) })?,
                None => Control::default(),
            };
            let seq = staged.chains.get(&Some(head.client_id.clone())).map_or(0, |chain| chain.seq);
            staged.numbers.insert(head.client_id.clone(), head.last_number);
            books.insert(head.client_id.clone(), Book::load(head, seq, control));
        }
        for (chain, states) in loaded.kept {
            for (slot, now) in &states {
                if let Some(book) = chain.as_ref().and_then(|client| books.get_mut(client)) {
                    book.put_kept(KeptChange { slot: slot.clone(), now: Some(now.clone()) });
                }
            }
            staged.kept.insert(chain, states);
        }
        let today = trading_date(clock.now());
        for (client, book) in &mut books {
            book.begin_day(today, &store.day(client, today)?);
        }
        for (chain, alarms) in &staged.alarms {
            if let Some(book) = chain.as_ref().and_then(|client| books.get_mut(client)) {
                book.put_alarms(alarms.clone());
            }
        }
        let view = Arc::new(View::new(books.into_values().collect()));
        view.put_process_alarms(staged.alarms.get(&None).cloned().unwrap_or_default());
        for (slot, now) in staged.kept.get(&None).into_iter().flatten() {
            view.put_process_kept(KeptChange { slot: slot.clone(), now: Some(now.clone()) });
        }
        view.put_free_space(store.free_space());
        let tag_prefix = loaded.tag_prefix.clone();
        let ledger = Self {
            store,
            view: Arc::clone(&view),
            clock,
            tag_prefix: tag_prefix.clone(),
            seats,
            staged,
            listeners,
            low_water: None,
            lock_patience: Duration::ZERO,
            unsound: BTreeSet::new(),
        };
        Ok(Opened { ledger, view, newest: loaded.newest, tag_prefix })
    }

    /// Below so many free bytes the ballast is given up (and, elsewhere, entries stop).
    pub fn set_low_water(&mut self, bytes: u64) {
        self.low_water = Some(bytes);
    }

    /// For so long a round is tried again that another program's lock keeps from beginning.
    pub fn set_lock_patience(&mut self, patience: Duration) {
        self.lock_patience = patience;
    }

    /// These chains did not verify: no anchor is written over what is wrong with them.
    pub fn set_unsound(&mut self, chains: BTreeSet<Option<ClientId>>) {
        self.unsound = chains;
    }

    /// Writes a round of units in one commit, and tells the listeners.
    ///
    /// # Errors
    /// Whether anything is durable is unknown: the caller halts the process and never retries.
    pub fn round(&mut self, posted: Vec<Posted>) -> Result<Round, StoreError> {
        let round = self.commit(posted)?;
        self.tell_listeners(&round.events);
        Ok(round)
    }

    /// The same without a word to the listeners: [`tell_listeners`](Self::tell_listeners) follows, when those who wait for
    /// the commit have heard of it.
    ///
    /// # Errors
    /// As with [`round`](Self::round).
    pub(super) fn commit(&mut self, posted: Vec<Posted>) -> Result<Round, StoreError> {
        if posted.is_empty() {
            return Ok(Round::default());
        }
        self.begin()?;
        let mut pending = Vec::with_capacity(posted.len());
        for Posted { unit, cargo } in posted {
            let at = self.clock.now();
            pending.push(self.apply(unit, cargo, at)?);
        }
        self.write_anchors()?;
        let folded_anew = self.folded_anew()?;
        self.store.commit()?;
        let events = self.publish(folded_anew);
        Ok(Round { acks: pending.into_iter().filter_map(|item| self.acknowledge(item)).collect(), events })
    }

    /// Opens a round. While another program holds the lock nothing is written and nothing is unknown: it is asked for again, and whoever
    /// watches the writer sees for how long, and why.
    fn begin(&mut self) -> Result<(), StoreError> {
        let since = Instant::now();
        while let Begun::Locked(cause) = self.store.begin()? {
            if since.elapsed() >= self.lock_patience {
                return Err(StoreError { step: "begin", cause });
            }
            self.view.writing().set_locked_out(true);
            std::thread::sleep(LOCK_AGAIN);
        }
        self.view.writing().set_locked_out(false);
        Ok(())
    }

    /// The days in which a price was told of what had left before: that price counts where its units left, so the day is folded
    /// again from what is on disk, as a restart does it.
    fn folded_anew(&mut self) -> Result<Vec<FoldedAnew>, StoreError> {
        let today = trading_date(self.clock.now());
        let clients = std::mem::take(&mut self.staged.told);
        clients.into_iter().map(|client| self.store.day(&client, today).map(|changes| (client, today, changes))).collect()
    }

    /// A read for people, between two commits.
    ///
    /// # Errors
    /// The read failed; nothing else did.
    pub fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.store.query(query)
    }

    /// Nothing is queued: look after the log.
    ///
    /// # Errors
    /// Halt.
    pub fn idle(&mut self) -> Result<(), StoreError> {
        self.store.idle()
    }

    /// Measures the free space; below the low water the ballast is given up.
    pub fn look_at_space(&mut self) {
        let free = self.store.free_space();
        self.view.put_free_space(free);
        if let (Some(free), Some(low)) = (free, self.low_water)
            && free < low
        {
            self.store.release_ballast();
        }
    }

    /// The clean end: anchors for every chain, everything into the main file.
    ///
    /// # Errors
    /// What was committed stays committed; the next start finds it in the log.
    pub fn close(&mut self) -> Result<(), StoreError> {
        let at = self.clock.now();
        // A chain that did not verify keeps its last good anchor, so that every start says so again.
        let sound = self.staged.chains.iter().filter(|(client, _)| !self.unsound.contains(*client));
        let anchors: Vec<Write> = sound.map(|(client, chain)| anchor(client, *chain, at)).collect();
        if !anchors.is_empty() {
            self.begin()?;
            self.store.unit(&anchors)?;
            self.store.commit()?;
        }
        self.store.close()
    }

    fn apply(&mut self, unit: Unit, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        match unit {
            Unit::Register(registration) => self.register(*registration, cargo, at),
            Unit::Order(unit) => self.order(&unit, cargo, at),
            Unit::Control { client_id, change, who, reason } => {
                let before = self.control(&client_id);
                if before.refuses(&change) {
                    return Ok(Pending::Other { outcome: Outcome::NotApplied(None), cargo });
                }
                let control = Control { what: change.to_string(), ..before.after(&change, &who, &reason, at) };
                let mut delta = Delta::new(at);
                delta.control(&mut self.staged, client_id, change, &control, (&who, &reason));
                let outcome = self.settle(delta)?;
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Reduce { client_id, strategy, key, units, price, earlier, reason } => {
                let held = self.holding(&client_id, &strategy, &key);
                let is_other = earlier.is_some_and(|earlier| held.net != earlier.net_before || trading_date(at) <= earlier.on);
                let on = earlier.map(|earlier| earlier.on);
                let after = if on.is_some() { held.reduced(units) } else { held.left(units, price) };
                let mut delta = Delta::new(at);
                if is_other || after == held {
                    return Ok(Pending::Other { outcome: Outcome::NotApplied(None), cargo });
                }
                delta.reduce(&mut self.staged, (client_id, strategy, key), (held, after), (price, on), &reason);
                let outcome = self.settle(delta)?;
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Settle { client_id, strategy, key, expiry, reason } => {
                let held = self.holding(&client_id, &strategy, &key);
                if held.net == 0 || trading_date(at) <= expiry {
                    return Ok(Pending::Other { outcome: Outcome::NotApplied(None), cargo });
                }
                let mut delta = Delta::new(at);
                delta.settle(&mut self.staged, (client_id, strategy, key), held, expiry, &reason);
                let outcome = self.settle(delta)?;
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Adopt(adopted) => {
                let held = self.holding(&adopted.client_id, &adopted.strategy, &adopted.key);
                if held.net != adopted.net_before {
                    return Ok(Pending::Other { outcome: Outcome::NotApplied(None), cargo });
                }
                let after = held.adopting(adopted.side, adopted.quantity, adopted.price, at);
                let mut delta = Delta::new(at);
                delta.adopt(&mut self.staged, &adopted, held, after);
                let outcome = self.settle(delta)?;
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Tell(telling) => {
                let found = self.store.correction(&telling.client_id, telling.row)?;
                let mut delta = Delta::new(at);
                let outcome = match found.filter(|change| change.what.told().is_none_or(|told| told.price != telling.price)) {
                    Some(change) if delta.tell(&mut self.staged, &telling, &change) => self.settle(delta)?,
                    _ => Outcome::NotApplied(None),
                };
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Reissue { client_id, commands } => {
                let mut records = Vec::with_capacity(commands.len());
                for command in commands {
                    records.extend(self.find(&client_id, command)?.filter(|record| record.status == Status::Created));
                }
                Ok(Pending::Reissued { client_id, records })
            }
            Unit::Acknowledge { client_id, alarm, who, reason } => {
                let mut delta = Delta::new(at);
                let outcome = if delta.acknowledge(&mut self.staged, client_id, alarm, &who, &reason) {
                    self.settle(delta)?
                } else {
                    Outcome::NotApplied(None)
                };
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Keep(keep) => {
                let stands = self.staged.kept.get(&keep.client_id).and_then(|states| states.get(&keep.slot));
                let is_other = keep.basis.is_some_and(|basis| basis != stands.map_or(0, |kept| kept.seq));
                let is_gone_already = keep.value.is_none() && stands.is_none();
                let mut delta = Delta::new(at);
                let outcome = if is_other || is_gone_already || !delta.keep(&mut self.staged, &keep) {
                    Outcome::NotApplied(None)
                } else {
                    self.settle(delta)?
                };
                Ok(Pending::Other { outcome, cargo })
            }
            Unit::Note(note) => {
                let mut delta = Delta::new(at);
                delta.note(&mut self.staged, &note);
                let outcome = self.settle(delta)?;
                Ok(Pending::Other { outcome, cargo })
            }
        }
    }

    /// Writes a unit's rows; a unit that a constraint refuses leaves nothing behind and uses up no number.
    fn settle(&mut self, delta: Delta) -> Result<Outcome, StoreError> {
        match self.store.unit(&delta.writes)? {
            Verdict::Done => {
                let record = delta.orders.last().cloned();
                self.staged.keep(delta);
                Ok(Outcome::Applied(record))
            }
            Verdict::Refused(place) if OURS_ALONE.contains(&place) => Err(StoreError {
                step: "unit",
                cause: format!(
                    "the next number of {place} is taken: another program writes this database, and nothing of what this engine knows may \
                     be true any more; find out who else runs on this data directory"
                ),
            }),
            Verdict::Refused(table) => {
                tracing::debug!(table, "a unit was refused by a constraint");
                delta.undo(&mut self.staged);
                Ok(Outcome::NotApplied(None))
            }
        }
    }

    fn register(&mut self, registration: Registration, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        if let Some(answer) = self.seen_before(&registration)? {
            let mut delta = Delta::new(at);
            delta.replay(&mut self.staged, &registration, &answer);
            self.settle(delta)?;
            metrics::counter!("ordergate_signals_replayed_total").increment(1);
            return Ok(Pending::Replay { answer, cargo });
        }
        let mut delta = Delta::new(at);
        if let Some(fired) = &registration.fired {
            delta.keep(&mut self.staged, fired);
        }
        let records = delta.registration(&mut self.staged, &registration, &self.tag_prefix);
        if let Some(plan) = &registration.plan {
            delta.keep(&mut self.staged, plan);
        }
        let outcome = self.settle(delta)?;
        let Registration { client_id, basket_id, legs, signal_id, .. } = registration;
        if !outcome.is_applied() {
            // The names come from the Ids port and the key was looked up in this very transaction.
            let answer = Err(NotRegistered::Closed(format!("signal {signal_id} collides with one on disk; send it again")));
            return Ok(Pending::Replay { answer, cargo });
        }
        Ok(Pending::Registration { client_id, basket_id, records, legs, cargo })
    }

    fn order(&mut self, unit: &OrderUnit, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        let outcome = self.order_outcome(unit, at)?;
        Ok(Pending::Order { client_id: unit.client_id.clone(), command_id: unit.command_id, outcome, cargo })
    }

    fn order_outcome(&mut self, unit: &OrderUnit, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let Some(before) = self.find(&unit.client_id, unit.command_id)? else {
            tracing::error!(client_id = %unit.client_id, command_id = %unit.command_id, event = unit.fact.event(), "fact about an order that is not on disk");
            return Ok(Outcome::NotApplied(None));
        };
        // An order fills no more than it is for: a trade beyond that is one of before under another number, or a lie. The watcher
        // tells people what the trade book has too many of. What the journal has is replayed as it stands.
        let is_beyond =
            |fill: &Fill| before.traded_quantity.saturating_add(fill.quantity.value()) > before.quantity_most().max(before.filled_quantity);
        if matches!(&unit.fact, OrderFact::Fill(fill) if before.quantity() > 0 && is_beyond(fill)) {
            return Ok(Outcome::NotApplied(Some(before)));
        }
        let Ok(transition) = lifecycle::apply(&before, &unit.fact, at) else {
            return Ok(Outcome::NotApplied(Some(before)));
        };
        let mut delta = Delta::new(at);
        let record = delta.transition(&mut self.staged, &before, transition, unit);
        if let OrderFact::Fill(fill) = &unit.fact {
            let Some((key, side)) = record.holding().zip(record.ask.side) else {
                delta.undo(&mut self.staged);
                return Ok(Outcome::NotApplied(Some(before)));
            };
            let held = self.holding(&unit.client_id, &record.ask.strategy, &key);
            let after = held.filled_by(&record, side, fill);
            delta.fill(&record, DayChange::of_fill(&record, (key, side), held, fill, at), after, fill);
        }
        match (self.settle(delta)?, &unit.fact) {
            (Outcome::Applied(_), _) => Ok(Outcome::Applied(Some(record))),
            // The number stands at another order of the day: whose it is, the broker's books must tell.
            (Outcome::NotApplied(_), OrderFact::Accepted { broker_order_id }) => {
                let cause = format!("the broker answered with order number {broker_order_id}, which another order has");
                let fact = OrderFact::Unconfirmed { cause };
                self.order_outcome(
                    &OrderUnit { client_id: unit.client_id.clone(), command_id: unit.command_id, fact, who: Arc::clone(&unit.who) },
                    at,
                )
            }
            (Outcome::NotApplied(_), _) => Ok(Outcome::NotApplied(Some(before))),
        }
    }

    fn find(&mut self, client: &ClientId, command: CommandId) -> Result<Option<Arc<OrderRecord>>, StoreError> {
        if let Some(record) = self.staged.order(client, command) {
            return Ok(Some(record));
        }
        if let Some(record) = self.view.read(client, |book| book.order(command).cloned()).flatten() {
            return Ok(Some(record));
        }
        Ok(self.store.order(client, command)?.map(Arc::new))
    }

    fn holding(&self, client: &ClientId, strategy: &Strategy, key: &HoldingKey) -> crate::order::Holding {
        self.staged
            .holding(client, strategy, key)
            .unwrap_or_else(|| self.view.read(client, |book| book.held(strategy, key)).unwrap_or_default())
    }

    fn control(&self, client: &ClientId) -> Control {
        self.staged
            .controls
            .get(client)
            .cloned()
            .unwrap_or_else(|| self.view.read(client, |book| book.control().clone()).unwrap_or_default())
    }

    fn write_anchors(&mut self) -> Result<(), StoreError> {
        let at = self.clock.now();
        // A chain that did not verify keeps its last good anchor, so that every start says so again.
        let due = self.staged.chains_past(ANCHOR_EVERY).into_iter().filter(|(client, _)| !self.unsound.contains(client));
        let due: Vec<Write> = due.map(|(client, chain)| anchor(&client, chain, at)).collect();
        if !due.is_empty() {
            self.store.unit(&due)?;
        }
        Ok(())
    }
}

fn anchor(client: &Option<ClientId>, chain: Chain, at: DateTime<Utc>) -> Write {
    Write::Anchor(Anchor { client_id: client.clone(), seq: chain.seq, hash: chain.hash, at })
}
