//! What all actors share: the ports, the settings, the view, and one kept address per actor.
//!
//! A mailbox is bounded only for `try_send` on one kept address (clones of it each have a slot of their own), so the
//! addresses live here and nowhere else, and `try_send` is the only verb.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use rust_decimal::Decimal;

use crate::broker::BrokerActor;
pub use crate::desk::{Desk, Phase};
use crate::guard::GuardActor;
use crate::ingress::IngressActor;
use crate::order::calendar::{Calendar, Facts};
use crate::order::{ClientId, CommandId, InstrumentKey, OrderRecord, Policy, trading_date};
use crate::persistence::{Book, Cargo, Event, Level, Note, PersistenceActor, Post, Posted, Unit, View, Written};
use crate::plan::Plan;
use crate::ports::{Clock, Ids, Instruments, Quote, Quotes};
use crate::risk::RiskActor;
use crate::settings::Settings;
use crate::supervision::{EXIT_FAULT, Halt, RestartBudget, Shell};
use crate::watcher::{Committed, WatcherActor};

/// How often an actor proves that it runs.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(1);

type Beats = BTreeMap<(&'static str, Option<ClientId>), tokio::time::Instant>;

/// What all actors share.
#[derive(Debug)]
pub struct Line {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New names.
    pub ids: Arc<dyn Ids>,
    /// Today's instruments.
    pub instruments: Arc<dyn Instruments>,
    /// The newest quotes.
    pub quotes: Arc<dyn Quotes>,
    /// Which instrument trades when.
    pub calendar: Arc<Calendar>,
    /// The end of the process.
    pub halt: Arc<dyn Halt>,
    /// The committed truth.
    pub view: Arc<View>,
    /// Settings of the process.
    pub settings: Settings,
    /// Restarts left.
    pub budget: RestartBudget,
    /// Starts every broker tag of this data directory.
    pub tag_prefix: String,
    /// The newest journal row found at the start: the clock must not be behind it.
    pub newest_at_start: Option<DateTime<Utc>>,
    desks: BTreeMap<ClientId, Arc<Desk>>,
    ingress: OnceLock<Addr<IngressActor>>,
    persistence: OnceLock<Addr<PersistenceActor>>,
    back_off: Mutex<BTreeMap<&'static str, std::time::Duration>>,
    is_closed: AtomicBool,
    beats: Mutex<Beats>,
    /// The next message whose name ends so is lost, as in a full mailbox; `try_post`: the next post that asks whether there is
    /// room hears that there is none. For tests.
    #[cfg(feature = "testkit")]
    pub lose_next: Mutex<Option<&'static str>>,
    /// This actor panics when it is about to send its so-manieth message from now: in the middle of what its core decided. For tests.
    #[cfg(feature = "testkit")]
    pub trap: crate::testkit::Fault,
}

/// The world, as the line needs it.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New names.
    pub ids: Arc<dyn Ids>,
    /// Today's instruments.
    pub instruments: Arc<dyn Instruments>,
    /// The newest quotes.
    pub quotes: Arc<dyn Quotes>,
    /// Which instrument trades when.
    pub calendar: Arc<Calendar>,
    /// The end of the process.
    pub halt: Arc<dyn Halt>,
}

impl Line {
    pub(crate) fn new(
        world: World,
        settings: Settings,
        view: Arc<View>,
        tag_prefix: String,
        newest_at_start: Option<DateTime<Utc>>,
        desks: Vec<Desk>,
    ) -> Self {
        let World { clock, ids, instruments, quotes, calendar, halt } = world;
        Self {
            clock,
            ids,
            instruments,
            quotes,
            calendar,
            halt,
            view,
            budget: RestartBudget::new(settings.restarts_most, settings.restarts_window),
            settings,
            tag_prefix,
            newest_at_start,
            desks: desks.into_iter().map(|desk| (desk.client_id.clone(), Arc::new(desk))).collect(),
            ingress: OnceLock::new(),
            persistence: OnceLock::new(),
            back_off: Mutex::new(BTreeMap::new()),
            is_closed: AtomicBool::new(false),
            beats: Mutex::new(BTreeMap::new()),
            #[cfg(feature = "testkit")]
            lose_next: Mutex::new(None),
            #[cfg(feature = "testkit")]
            trap: Mutex::new(None),
        }
    }

    pub(crate) fn wire(&self, ingress: Addr<IngressActor>, persistence: Addr<PersistenceActor>) {
        let fresh = self.ingress.set(ingress).is_ok() & self.persistence.set(persistence).is_ok();
        debug_assert!(fresh, "the line is wired once");
    }

    /// One account's desk.
    #[must_use]
    pub fn desk(&self, client_id: &ClientId) -> Option<&Arc<Desk>> {
        self.desks.get(client_id)
    }

    /// Every desk, in order.
    pub fn desks(&self) -> impl Iterator<Item = &Arc<Desk>> {
        self.desks.values()
    }

    /// The newest quote that the account may use, pushed or asked for, whatever its age.
    #[must_use]
    pub fn newest_quote(&self, desk: &Desk, key: &InstrumentKey) -> Option<Quote> {
        desk.answered.lock().or_newer(key, self.quotes.quote(key))
    }

    /// Whether the clock stands behind what is already written: ages cannot be trusted then.
    #[must_use]
    pub fn clock_is_behind(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.newest_at_start.filter(|newest| now < *newest)
    }

    /// How far the machine's clock stands behind the engine's time, which never runs back.
    #[must_use]
    pub fn clock_was_set_back(&self) -> Option<TimeDelta> {
        self.clock.jumped().map(|jump| jump.behind).filter(|behind| *behind > TimeDelta::zero())
    }

    /// Whether the disk has too little room left for entries.
    #[must_use]
    pub fn disk_is_low(&self) -> Option<u64> {
        self.view.free_space().filter(|free| *free < self.settings.min_free_bytes)
    }

    /// The journal closes: from now on nothing is sent, because its answer could not be written down.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Whether the journal is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Whether the order's basket lets each of its legs go by itself.
    #[must_use]
    pub fn stands_alone(&self, order: &OrderRecord) -> bool {
        let is_alone = |book: &Book| Plan::policy(book, order.basket_id) == Some(Policy::BestEffort);
        self.view.read(&order.client_id, is_alone).unwrap_or(false)
    }

    /// Posts units to the ledger.
    pub fn post(&self, posted: Vec<Posted>) {
        self.tell_persistence(Post(posted));
    }

    /// Posts units to the ledger, or gives them back when there is no room for them.
    pub(crate) fn try_post(&self, posted: Vec<Posted>) -> Result<(), Vec<Posted>> {
        #[cfg(feature = "testkit")]
        crate::testkit::trip(&self.trap);
        #[cfg(feature = "testkit")]
        if self.lose_next.lock().take_if(|name| *name == "try_post").is_some() {
            return Err(posted);
        }
        match self.persistence.get().map(|address| address.try_send(Post(posted))) {
            Some(Ok(())) => Ok(()),
            Some(Err(SendError::Full(Post(posted)))) => {
                metrics::counter!("ordergate_mailbox_full_total").increment(1);
                Err(posted)
            }
            Some(Err(SendError::Closed(_))) | None => {
                if !self.halt.is_halted() {
                    self.halt.halt(EXIT_FAULT, "PersistenceActor is gone");
                }
                Ok(())
            }
        }
    }

    /// Posts one unit that nobody waits for.
    pub fn post_unit(&self, unit: Unit) {
        self.post(vec![Posted { unit, cargo: Cargo::None }]);
    }

    /// Rupees that a unit gains when its price rises by one: as kept of a contract that was traded, else as the master says;
    /// `None`: not known.
    #[must_use]
    pub fn point(&self, client_id: &ClientId, key: &InstrumentKey) -> Option<Decimal> {
        self.view.read(client_id, |book| book.point_by(key, &*self.instruments)).flatten()
    }

    /// When the instrument is in continuous trading today, by the hours of any day where no calendar covers this one; nothing for what
    /// the master lacks.
    #[must_use]
    pub fn trading_times(&self, key: &InstrumentKey, now: DateTime<Utc>) -> Vec<Range<DateTime<Utc>>> {
        let found = self.instruments.find(key);
        let facts = found.map(|found| Facts::of(&found, self.instruments.has_derivatives(&found.underlying)));
        facts.map(|facts| self.calendar.trading_times(&facts, trading_date(now))).unwrap_or_default()
    }

    /// Writes an alarm down; from `Warn` on it stands on the attention list, and it is logged either way.
    pub fn alarm(&self, client_id: Option<&ClientId>, event: &'static str, level: Level, command_id: Option<CommandId>, text: String) {
        match level {
            Level::Page => tracing::error!(
                event,
                client_id = client_id.map(tracing::field::display),
                command_id = command_id.map(tracing::field::display),
                page = true,
                "{text}"
            ),
            Level::Warn => tracing::warn!(
                event,
                client_id = client_id.map(tracing::field::display),
                command_id = command_id.map(tracing::field::display),
                "{text}"
            ),
            Level::Info => tracing::info!(
                event,
                client_id = client_id.map(tracing::field::display),
                command_id = command_id.map(tracing::field::display),
                "{text}"
            ),
        }
        metrics::counter!("ordergate_alarms_total", "event" => event).increment(1);
        let note = Note {
            client_id: client_id.cloned(),
            event,
            level,
            text,
            command_id,
            who: Arc::from(crate::supervision::current_actor()),
            inputs: "{}".to_owned(),
        };
        self.post_unit(Unit::Note(note));
    }

    /// An actor panicked: spends the budget, and marks the order that was at hand.
    pub(crate) fn note_fault(&self, actor: &'static str, words: &str, suspect: Option<(ClientId, CommandId)>) {
        let command_id = suspect.as_ref().map(|(_, command)| *command);
        let client_id = suspect.as_ref().map(|(client, _)| client.clone());
        if let Some((client, command)) = suspect
            && let Some(desk) = self.desk(&client)
        {
            desk.suspects.lock().insert(command);
        }
        match self.budget.spend() {
            Some(wait) => {
                self.back_off.lock().insert(actor, wait);
                self.alarm(
                    client_id.as_ref(),
                    "ALARM_ACTOR_RESTARTED",
                    Level::Page,
                    command_id,
                    format!("{actor} panicked ({words}) and was restarted with a fresh core"),
                );
            }
            None => self.halt.halt(EXIT_FAULT, &format!("{actor} panicked ({words}) and the restart budget is used up")),
        }
    }

    /// What every actor does first in `started()`: its mailbox, its heartbeat, and the back-off after a panic.
    pub(crate) fn enter<A: Shell>(&self, ctx: &mut Context<A>) {
        ctx.set_mailbox_capacity(self.settings.mailbox);
        ctx.run_interval(HEARTBEAT, |actor, _| {
            let key = (A::NAME, actor.client_id().cloned());
            let line = actor.line();
            line.beats.lock().insert(key, tokio::time::Instant::now());
        });
        if let Some(wait) = self.back_off.lock().remove(A::NAME) {
            ctx.wait(actix::fut::wrap_future::<_, A>(tokio::time::sleep(wait)));
        }
    }

    /// How long ago each actor last proved that it runs: ages, not flags, and of a clock that does not jump.
    #[must_use]
    pub fn heartbeats(&self) -> Vec<(&'static str, Option<ClientId>, std::time::Duration)> {
        self.beats.lock().iter().map(|((name, client), at)| (*name, client.clone(), at.elapsed())).collect()
    }

    /// Sends it, or gives it back when there is no room for it. Tickets inside make their orders orphans when it is dropped, which are
    /// driven again; facts come again with the next poll.
    fn tell<A, M>(&self, address: Option<&Addr<A>>, message: M) -> Option<M>
    where
        A: Actor + Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message<Result = ()> + Send + 'static,
    {
        let what = std::any::type_name::<M>();
        #[cfg(feature = "testkit")]
        crate::testkit::trip(&self.trap);
        #[cfg(feature = "testkit")]
        if self.lose_next.lock().take_if(|name| what.ends_with(*name)).is_some() {
            return Some(message);
        }
        match address.map(|address| address.try_send(message)) {
            Some(Ok(())) => None,
            Some(Err(SendError::Full(message))) => {
                metrics::counter!("ordergate_mailbox_full_total").increment(1);
                tracing::error!(message = what, "a mailbox is full, which admission should have prevented");
                Some(message)
            }
            Some(Err(SendError::Closed(_))) | None => {
                if !self.halt.is_halted() {
                    self.halt.halt(EXIT_FAULT, &format!("the actor for {what} is gone"));
                }
                None
            }
        }
    }

    /// To IngressActor.
    pub fn tell_ingress<M: Message<Result = ()> + Send + 'static>(&self, message: M)
    where
        IngressActor: Handler<M>,
    {
        drop(self.tell(self.ingress.get(), message));
    }

    /// To PersistenceActor.
    pub fn tell_persistence<M: Message<Result = ()> + Send + 'static>(&self, message: M)
    where
        PersistenceActor: Handler<M>,
    {
        drop(self.tell(self.persistence.get(), message));
    }

    /// A round that is on disk, to PersistenceActor. What it acknowledges is repeated by nobody: if there is no room for
    /// it, the process ends and recovery reads what was written.
    pub(crate) fn tell_written(&self, message: Written) {
        let sent = self.persistence.get().map(|address| address.try_send(message));
        if !matches!(sent, Some(Ok(()))) && !self.halt.is_halted() && !self.is_closed() {
            self.halt.halt(EXIT_FAULT, "what was written cannot be handed on: PersistenceActor's mailbox is full, or it is gone");
        }
    }

    /// To an account's RiskActor.
    pub fn tell_risk<M: Message<Result = ()> + Send + 'static>(&self, client_id: &ClientId, message: M)
    where
        RiskActor: Handler<M>,
    {
        drop(self.tell(self.desk(client_id).and_then(|desk| desk.addresses.risk.get()), message));
    }

    /// To an account's GuardActor.
    pub fn tell_guard<M: Message<Result = ()> + Send + 'static>(&self, client_id: &ClientId, message: M)
    where
        GuardActor: Handler<M>,
    {
        drop(self.tell(self.desk(client_id).and_then(|desk| desk.addresses.guard.get()), message));
    }

    /// To an account's BrokerActor.
    pub fn tell_broker<M: Message<Result = ()> + Send + 'static>(&self, client_id: &ClientId, message: M)
    where
        BrokerActor: Handler<M>,
    {
        drop(self.tell(self.desk(client_id).and_then(|desk| desk.addresses.broker.get()), message));
    }

    /// To an account's WatcherActor.
    pub fn tell_watcher<M: Message<Result = ()> + Send + 'static>(&self, client_id: &ClientId, message: M)
    where
        WatcherActor: Handler<M>,
    {
        drop(self.tell(self.desk(client_id).and_then(|desk| desk.addresses.watcher.get()), message));
    }
    /// Rows that are on disk, to an account's WatcherActor: nobody repeats them. Whatever becomes of them, the latch follows the disk; and
    /// one who was to hear of them and did not begins anew from the book.
    pub(crate) fn tell_committed(&self, client_id: &ClientId, events: Vec<Event>) {
        let Some(desk) = self.desk(client_id) else { return };
        // Before anything that could panic.
        let was_unheard = desk.is_unheard.swap(true, Ordering::SeqCst);
        match self.tell(desk.addresses.watcher.get(), Committed { events }) {
            None => desk.is_unheard.store(was_unheard, Ordering::SeqCst),
            Some(lost) => lost.events.iter().filter_map(|event| event.control.as_deref()).for_each(|(change, control)| {
                desk.latch.committed(change, control);
            }),
        }
    }
}
