//! The start: from a store and the accounts to actors that run and recover by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Supervisor};
use futures_util::FutureExt;

use crate::broker::{BrokerActor, sent_before};
use crate::engine::Engine;
use crate::guard::GuardActor;
use crate::ingress::IngressActor;
use crate::line::{Desk, Line, World};
use crate::order::ClientId;
use crate::persistence::{Admission, Latch, Ledger, Listener, Orphans, PersistenceActor, Seat, Writer, Written};
use crate::ports::{Broker, Store, StoreError, StreamEvent};
use crate::risk::RiskActor;
use crate::settings::{AccountSettings, Settings};
use crate::supervision::EXIT_FAULT;
use crate::watcher::{Streamed, WatcherActor};

/// How the ledger is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOn {
    /// On a thread of its own.
    Thread,
    /// On the caller's thread: simulations, whose paused clock must not run away.
    Caller,
    /// On the caller's thread too, and each commit takes so long: what the engine hears and posts meanwhile is on no disk yet, as it is
    /// with a thread.
    Late(Duration),
}

/// Everything that an engine is made of.
pub struct Parts {
    /// The disk.
    pub store: Box<dyn Store>,
    /// Told of every commit.
    pub listeners: Vec<Box<dyn Listener>>,
    /// Clock, names, instruments, quotes, and the end of the process.
    pub world: World,
    /// Settings of the process.
    pub settings: Settings,
    /// The accounts with their brokers.
    pub accounts: Vec<(AccountSettings, Arc<dyn Broker>)>,
    /// How the ledger is written.
    pub write_on: WriteOn,
    /// Chains of the journal that did not verify.
    pub unsound: BTreeSet<Option<ClientId>>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).field("write_on", &self.write_on).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the journal, builds the view, and starts the actors on the current arbiter. They recover by themselves:
    /// from now on signals are registered and the kill control works.
    ///
    /// # Errors
    /// The store could not be read, or an account's settings do not fit its broker.
    pub fn start(parts: Parts) -> Result<Self, StoreError> {
        let Parts { store, listeners, world, settings, accounts, write_on, unsound } = parts;
        let seats: BTreeMap<ClientId, Seat> = accounts
            .iter()
            .map(|(account, _)| {
                let seat =
                    Seat { admission: Admission::new(account.permits, account.permits_for_exits), orphans: Arc::new(Orphans::default()) };
                (account.client_id.clone(), seat)
            })
            .collect();
        let accounts = accounts
            .into_iter()
            .map(|(account, broker)| {
                let client_id = account.client_id.clone();
                let fitted = account.fitted_to(broker.capabilities());
                fitted.map(|fitted| (fitted, broker)).map_err(|cause| StoreError { step: "start", cause: format!("{client_id}: {cause}") })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut opened = Ledger::open(store, Arc::clone(&world.clock), seats.clone(), listeners)?;
        opened.ledger.set_low_water(settings.min_free_bytes);
        opened.ledger.set_lock_patience(settings.lock_patience);
        opened.ledger.set_unsound(unsound);
        let desks = accounts
            .into_iter()
            .filter_map(|(account, broker)| {
                let client_id = &account.settings.client_id;
                let seat = seats.get(client_id)?.clone();
                let (control, found) = opened
                    .view
                    .read(client_id, |book| (book.control().clone(), book.open_orders().map(|order| order.command_id).collect()))?;
                let now = world.clock.now();
                let sent = opened.view.read(client_id, |book| sent_before(book, now))?;
                let desk = Desk::new(account, broker, Latch::new(&control), seat, found);
                desk.budget.lock().remember(sent, now);
                Some(desk)
            })
            .collect();
        let capacity = settings.mailbox;
        let line = Arc::new(Line::new(world, settings, opened.view, opened.tag_prefix, opened.newest, desks));
        let deliver = {
            let line = Arc::clone(&line);
            move |round| line.tell_written(Written(round))
        };
        let halt = Arc::clone(&line.halt);
        let writer = match write_on {
            WriteOn::Caller => Writer::Inline(Box::new(opened.ledger)),
            WriteOn::Late(takes) => Writer::late(opened.ledger, takes, halt, deliver),
            WriteOn::Thread => Writer::spawn(opened.ledger, capacity, halt, deliver)
                .map_err(|error| StoreError { step: "start", cause: format!("no thread for the writer: {error}") })?,
        };
        wire(&line, writer);
        Ok(Self::over(line))
    }
}

fn wire(line: &Arc<Line>, writer: Writer) {
    let persistence = supervised({
        let line = Arc::clone(line);
        move || PersistenceActor::new(line, writer)
    });
    let ingress = supervised({
        let line = Arc::clone(line);
        move || IngressActor::new(line)
    });
    line.wire(ingress, persistence);
    for desk in line.desks() {
        let part = || (Arc::clone(line), Arc::clone(desk));
        let risk = {
            let (line, desk) = part();
            supervised(move || RiskActor::new(line, desk))
        };
        let guard = {
            let (line, desk) = part();
            supervised(move || GuardActor::new(line, desk))
        };
        let broker = {
            let (line, desk) = part();
            supervised(move || BrokerActor::new(line, desk))
        };
        let watcher = {
            let (line, desk) = part();
            supervised(move || WatcherActor::new(line, desk))
        };
        desk.wire(risk, guard, broker, watcher);
        line.quotes.ring(&desk.bell);
        if let Some(stream) = desk.broker.stream().filter(|_| desk.broker.capabilities().has_stream) {
            let (line, client_id) = (Arc::clone(line), desk.client_id.clone());
            actix::spawn(async move {
                let followed = std::panic::AssertUnwindSafe(follow_stream(Arc::clone(&line), client_id, stream)).catch_unwind().await;
                if followed.is_err() {
                    line.halt.halt(EXIT_FAULT, "a panic while following the broker's stream");
                }
            });
        }
    }
}

fn supervised<A: actix::Supervised + Actor<Context = Context<A>>>(make: impl FnOnce() -> A + 'static) -> actix::Addr<A> {
    Supervisor::start(move |_| make())
}

async fn follow_stream(line: Arc<Line>, client_id: ClientId, mut stream: tokio::sync::mpsc::Receiver<StreamEvent>) {
    while let Some(event) = stream.recv().await {
        line.tell_watcher(&client_id, Streamed(event));
    }
}
