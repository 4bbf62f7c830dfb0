//! One desk for single scenarios: an engine in process on a scripted market and a broker that fails when told to, under
//! a paused clock. Everything that a test asserts is read from the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, FaultyBroker, StreamFaults};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::market::{MarketQuotes, ScriptedMarket};
use ordergate::store::{ReadStore, SimulatedDisk, SqliteStore};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{
    Amount, BrokerOrderId, BrokerTag, ClientId, CommandId, Exchange, IdempotencyKey, Instrument, InstrumentKey, LegDraft, OrderRecord,
    Price, SignalDraft, SignalId, Source, Status, Tag,
};
use ordergate_actors::persistence::{Answer, Book, ControlChange, Event, KillLevel, Listener, NotRegistered};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{
    Capabilities, Clock, Instruments, Loaded, Query, Quote, Quotes, Rows, SignalRow, Store, StoreError, Verdict, Write,
};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::{Halt, current_actor};
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning};
use ordergate_actors::{AccountSettings, Engine, Parts, Phase, Settings, WriteOn};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::beside::Others;
use super::checks;
use super::witness::Witness;
use super::world::{account, client, settings};

/// How long a condition may take to come true, virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a scenario's engine is made with.
pub(crate) struct Setup {
    pub(crate) account: AccountSettings,
    pub(crate) settings: Settings,
    pub(crate) stream: StreamFaults,
    pub(crate) can: fn(&mut Capabilities),
    pub(crate) write_on: WriteOn,
    pub(crate) starts_at: DateTime<Utc>,
    pub(crate) calendar: fn() -> Arc<Calendar>,
    /// What can be traded beside the sample.
    pub(crate) contracts: fn() -> Vec<Instrument>,
    /// The engine runs by a machine's clock of its own, which may jump; the broker's goes on.
    pub(crate) has_machine: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            account: account(),
            settings: settings(),
            stream: StreamFaults::default(),
            can: |_| {},
            write_on: WriteOn::Caller,
            starts_at: morning(),
            calendar: Calendar::always_open,
            contracts: Vec::new,
            has_machine: false,
        }
    }
}

impl Setup {
    /// Nothing is pushed: what is known comes from answers and polls.
    pub(crate) fn polled() -> Self {
        Self { stream: StreamFaults { drop_every: 1, ..StreamFaults::default() }, ..Self::default() }
    }
}

/// What the disk said of an order right after one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) event: String,
    pub(crate) status: Status,
    pub(crate) tag: Option<Tag>,
    pub(crate) broker_order_id: Option<String>,
}

/// Reads every order back from the disk after each commit that touched it.
struct Recorder {
    disk: SimulatedDisk,
    steps: Arc<Mutex<BTreeMap<CommandId, Vec<Step>>>>,
}

impl Listener for Recorder {
    fn committed(&mut self, events: &[Event]) {
        let store = ReadStore::simulated(&self.disk).unwrap();
        for event in events {
            let (Some(command), Some(_)) = (event.row.command_id, &event.record) else { continue };
            let row = store.find(&command.to_string()).unwrap().into_iter().find(|row| row.command_id == command).unwrap();
            self.steps.lock().entry(command).or_default().push(Step {
                event: event.row.event.to_string(),
                status: row.status,
                tag: row.tag,
                broker_order_id: row.broker_order_id.map(|id| id.to_string()),
            });
        }
    }
}

/// What the disk does at its next commits.
#[derive(Debug, Default)]
pub(crate) struct DiskFault {
    /// The so-manieth commit from now fails, 1 being the next: before it is made, or (`true`) after.
    pub(crate) fail_commit: Mutex<Option<(u32, bool)>>,
    /// The next commit panics.
    pub(crate) panic_at_commit: Mutex<bool>,
    /// Bytes free, as the disk tells.
    pub(crate) free: Mutex<Option<u64>>,
}

struct DrilledStore {
    /// `None` once a commit failed: the process is as good as dead, and its connection gone.
    inner: Option<SqliteStore>,
    fault: Arc<DiskFault>,
}

impl DrilledStore {
    fn live(&mut self) -> Result<&mut SqliteStore, StoreError> {
        self.inner.as_mut().ok_or(StoreError { step: "begin", cause: "written to after a commit failed".into() })
    }
}

impl Store for DrilledStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.live()?.load()
    }
    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        self.live()?.day(client, from)
    }
    fn begin(&mut self) -> Result<(), StoreError> {
        self.live()?.begin()
    }
    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        self.live()?.unit(writes)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut *self.fault.panic_at_commit.lock()) {
            self.inner = None;
            panic!("injected by a test");
        }
        let due = {
            let mut fault = self.fault.fail_commit.lock();
            match *fault {
                Some((1, is_made)) => {
                    *fault = None;
                    Some(is_made)
                }
                Some((left, is_made)) => {
                    *fault = Some((left - 1, is_made));
                    None
                }
                None => None,
            }
        };
        let Some(is_made) = due else { return self.live()?.commit() };
        if is_made {
            self.live()?.commit()?;
        }
        self.inner = None;
        Err(StoreError { step: "commit", cause: "a drill: input/output error".into() })
    }
    fn idle(&mut self) -> Result<(), StoreError> {
        self.live()?.idle()
    }
    fn close(&mut self) -> Result<(), StoreError> {
        self.live()?.close()
    }
    fn signal_by_key(&mut self, client: &ClientId, key: &str) -> Result<Option<SignalRow>, StoreError> {
        self.live()?.signal_by_key(client, key)
    }
    fn newest_signal_with_prefix(&mut self, client: &ClientId, prefix: &str) -> Result<Option<SignalRow>, StoreError> {
        self.live()?.newest_signal_with_prefix(client, prefix)
    }
    fn order(&mut self, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError> {
        self.live()?.order(client, command)
    }
    fn order_by_broker_id(&mut self, client: &ClientId, date: NaiveDate, id: &BrokerOrderId) -> Result<Option<OrderRecord>, StoreError> {
        self.live()?.order_by_broker_id(client, date, id)
    }
    fn order_by_tag(&mut self, client: &ClientId, tag: &BrokerTag) -> Result<Option<OrderRecord>, StoreError> {
        self.live()?.order_by_tag(client, tag)
    }
    fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.live()?.query(query)
    }
    fn free_space(&self) -> Option<u64> {
        *self.fault.free.lock()
    }
    fn release_ballast(&mut self) {}
}

/// Quotes that panic when a certain actor asks for a certain instrument: a fault inside a core, with the order at hand.
#[derive(Debug)]
pub(crate) struct TrappedQuotes {
    inner: MarketQuotes,
    trap: Mutex<Option<(&'static str, String)>>,
    /// What BrokerActor sees instead: this price, so old.
    board: Mutex<Option<(Price, Duration)>>,
    /// Nothing is pushed to anybody: a price is only what was asked for.
    is_dark: AtomicBool,
}

impl Quotes for TrappedQuotes {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        let mut trap = self.trap.lock();
        if trap.as_ref().is_some_and(|(actor, symbol)| *actor == current_actor() && **symbol == *key.symbol) {
            *trap = None;
            drop(trap);
            panic!("injected by a test");
        }
        let quote = self.inner.quote(key).filter(|_| !self.is_dark.load(Ordering::SeqCst))?;
        match self.board.lock().filter(|_| current_actor() == "BrokerActor") {
            Some((price, age)) => Some(Quote {
                bid: Some(price),
                ask: Some(price),
                last: price,
                band: None,
                at: quote.at - age,
                seen_at: quote.seen_at - age,
            }),
            None => Some(quote),
        }
    }
}

/// One desk: what outlives a process, and the process that runs now.
pub(crate) struct Desk {
    setup: Setup,
    disk: SimulatedDisk,
    _directory: tempfile::TempDir,
    pub(crate) instruments: Arc<InstrumentTable>,
    pub(crate) market: Arc<ScriptedMarket>,
    pub(crate) clock: Arc<TokioClock>,
    /// The machine's clock, if the setup has one.
    pub(crate) machine: Arc<TokioClock>,
    engine_clock: Arc<dyn Clock>,
    quotes: Arc<TrappedQuotes>,
    pub(crate) broker: Arc<Witness>,
    pub(crate) halt: Arc<NotedHalt>,
    pub(crate) engine: Engine,
    pub(crate) disk_fault: Arc<DiskFault>,
    steps: Arc<Mutex<BTreeMap<CommandId, Vec<Step>>>>,
    starts: u64,
    signals: AtomicU64,
}

/// Runs a scenario on a desk that is open for entries; afterwards its journal must be sound, no call may have gone out
/// without its row, and no order twice.
pub(crate) fn scenario(setup: Setup, live: impl AsyncFnOnce(&mut Desk)) {
    Desk::unopened(setup, async |desk| {
        desk.until_open().await;
        live(desk).await;
        desk.check();
    });
}

impl Desk {
    /// Runs a scenario on a desk that was started this moment.
    pub(crate) fn unopened(setup: Setup, live: impl AsyncFnOnce(&mut Self)) {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let runner = actix::System::with_tokio_rt(runtime);
        runner.block_on(async move {
            let mut desk = Self::open(setup);
            live(&mut desk).await;
        });
    }

    fn open(setup: Setup) -> Self {
        let clock = TokioClock::from(setup.starts_at);
        let machine = TokioClock::from(setup.starts_at);
        let engine_clock: Arc<dyn Clock> = if setup.has_machine { SteadyClock::over(machine.clone()) } else { clock.clone() };
        let disk = SimulatedDisk::new("SIM1").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut rows = sample(setup.starts_at.date_naive()).unwrap();
        rows.extend((setup.contracts)());
        let instruments = Arc::new(InstrumentTable::new(rows));
        let market = Arc::new(ScriptedMarket::new());
        for (symbol, bid, ask) in [
            ("SBIN-EQ", "800", "800.05"),
            ("RELIANCE-EQ", "1400", "1400.10"),
            ("INFY-EQ", "1500", "1500.10"),
            ("M&M-EQ", "3300", "3300.10"),
        ] {
            market.set(&nse(symbol), price(bid), price(ask), price(bid));
        }
        let future = future();
        market.set(&future, price("25700"), price("25700.05"), price("25700"));
        let paper = PaperBroker::open(&PaperSettings::new(directory.path()), instruments.clone(), market.clone(), clock.clone()).unwrap();
        let broker = FaultyBroker::new(paper, FaultPlan::none().stream(setup.stream)).with_capabilities(setup.can);
        let broker = Arc::new(Witness::new(broker, disk.clone(), Arc::default()));
        let inner = MarketQuotes::new(market.clone(), instruments.clone(), Arc::clone(&engine_clock));
        let quotes = Arc::new(TrappedQuotes { inner, trap: Mutex::new(None), board: Mutex::new(None), is_dark: AtomicBool::new(false) });
        let (halt, disk_fault, steps) = (Arc::new(NotedHalt::default()), Arc::new(DiskFault::default()), Arc::default());
        let engine = start(&setup, &disk, &instruments, &engine_clock, &quotes, &broker, &halt, &disk_fault, &steps, 1);
        Self {
            setup,
            disk,
            _directory: directory,
            instruments,
            market,
            clock,
            machine,
            engine_clock,
            quotes,
            broker,
            halt,
            engine,
            disk_fault,
            steps,
            starts: 1,
            signals: AtomicU64::new(0),
        }
    }

    /// `kill -9`: the process does nothing more, whatever is under way at the broker goes on.
    pub(crate) fn kill_process(&self) {
        self.halt.halt(137, "killed by a test");
    }

    /// The next process on the same disk, at the same broker. It recovers by itself.
    pub(crate) fn start_again(&mut self) {
        self.start_with(DiskFault::default());
    }

    /// The same on a disk that has so many bytes free.
    pub(crate) fn start_again_with_free(&mut self, bytes: u64) {
        self.start_with(DiskFault { free: Mutex::new(Some(bytes)), ..DiskFault::default() });
    }

    fn start_with(&mut self, fault: DiskFault) {
        self.kill_process();
        self.starts += 1;
        self.halt = Arc::new(NotedHalt::default());
        self.disk_fault = Arc::new(fault);
        self.engine = start(
            &self.setup,
            &self.disk,
            &self.instruments,
            &self.engine_clock,
            &self.quotes,
            &self.broker,
            &self.halt,
            &self.disk_fault,
            &self.steps,
            self.starts,
        );
    }

    /// A signal with these orders, as it comes in now.
    pub(crate) fn draft(&self, legs: &[LegDraft]) -> SignalDraft {
        let number = self.signals.fetch_add(1, Ordering::SeqCst) + 1;
        SignalDraft {
            client_id: client(),
            signal_id: SignalId(Uuid::from_u64_pair(0xde5c, number)),
            source: Source::Webhook,
            user: "a test".into(),
            idempotency_key: IdempotencyKey::parse(&format!("signal-{number}")).ok(),
            body_hash: [7; 32],
            replay_window_ms: 0,
            received_at: self.engine_clock.now(),
            signal_time: None,
            legs: legs.to_vec(),
        }
    }

    /// Hands a signal over without waiting for the answer.
    pub(crate) fn send(&self, legs: &[LegDraft]) -> oneshot::Receiver<Result<Answer, NotRegistered>> {
        self.engine.submit_now(self.draft(legs)).unwrap()
    }

    /// Hands a signal over and waits until every order of it is decided; the orders by leg.
    pub(crate) async fn alert(&self, legs: &[LegDraft]) -> Vec<CommandId> {
        let answer = tokio::time::timeout(PATIENCE, self.engine.submit(self.draft(legs))).await;
        answer.expect("no answer").expect("not registered").orders
    }

    /// One order.
    pub(crate) async fn order(&self, leg: LegDraft) -> CommandId {
        self.alert(&[leg]).await[0]
    }

    /// One order, followed to its end.
    pub(crate) async fn ended(&self, leg: LegDraft) -> OrderRecord {
        let command = self.order(leg).await;
        self.until_ended(command).await
    }

    pub(crate) fn clock_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The engine's time.
    pub(crate) fn machine_now(&self) -> DateTime<Utc> {
        self.engine_clock.now()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) async fn pass_secs(&self, seconds: u64) {
        self.pass(Duration::from_secs(seconds)).await;
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "not so after {} s: {what}; halted {:?}; the disk says\n{}",
                PATIENCE.as_secs(),
                self.halt.halted(),
                self.trace()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn until_open(&self) {
        self.until("open for entries", |desk| desk.line().phase() == Phase::Open).await;
    }

    pub(crate) async fn until_status(&self, command: CommandId, status: Status) -> OrderRecord {
        self.until(&format!("{command} is {status}"), |desk| desk.find(command).is_some_and(|row| row.status == status)).await;
        self.row(command)
    }

    pub(crate) async fn until_tag(&self, command: CommandId, tag: Tag) -> OrderRecord {
        self.until(&format!("{command} is tagged {tag}"), |desk| desk.find(command).is_some_and(|row| row.tag == Some(tag))).await;
        self.row(command)
    }

    /// Waits until the order has ended and the trades of all that it filled are recorded.
    pub(crate) async fn until_ended(&self, command: CommandId) -> OrderRecord {
        let is_over = |row: OrderRecord| row.status.is_terminal() && row.traded_quantity == row.filled_quantity;
        self.until(&format!("{command} has ended"), |desk| desk.find(command).is_some_and(is_over)).await;
        self.row(command)
    }

    /// Waits until the broker's number of the order is on disk.
    pub(crate) async fn until_at_broker(&self, command: CommandId) -> OrderRecord {
        self.until(&format!("{command} has a number"), |desk| desk.find(command).is_some_and(|row| row.broker_order_id.is_some())).await;
        self.row(command)
    }

    pub(crate) async fn until_alarm(&self, event: &str) {
        self.until(&format!("{event} is raised"), |desk| desk.alarms().iter().any(|alarm| alarm == event)).await;
    }

    /// Waits until no order is in the line or in doubt and no call runs: tickets return to zero.
    pub(crate) async fn until_still(&self) {
        let is_still = |desk: &Self| {
            let has_numbers = |book: &Book| book.open_orders().all(|order| order.broker_order_id.is_some());
            let is_named = desk.engine.read(&client(), has_numbers).unwrap_or(false);
            is_named && desk.line().admission.used() == 0 && desk.line().calls.lock().running() == 0
        };
        loop {
            self.until("nothing is under way", is_still).await;
            // A lost order has no ticket until the next poll takes it up.
            self.pass(Duration::from_millis(2_500)).await;
            if is_still(self) {
                return;
            }
        }
    }

    /// At rest: nothing is under way, and our books are the broker's (INV-2, 3, 4, 7).
    pub(crate) async fn at_rest(&self) {
        self.until_still().await;
        self.pass_secs(3).await;
        let exchange = self.broker.broker.inner().exchange();
        let accepted: Vec<CommandId> = self.rows().iter().map(|row| row.command_id).collect();
        if let Err(what) = checks::at_rest(&self.disk, &exchange, &accepted, &Others::default(), &*self.market, self.clock.now()) {
            panic!("{what}\n{}", self.trace());
        }
    }

    fn check(&self) {
        assert_eq!(self.broker.breaches.lock().first(), None, "{}", self.trace());
        checks::nothing_doubled(&self.broker.broker.inner().exchange(), &Others::default()).unwrap();
        checks::journal_sound(&self.store()).unwrap();
        if self.halt.halted().is_none() {
            checks::day_agrees(&self.disk, &self.engine, self.engine_clock.now()).unwrap();
            self.gates_agree();
        }
    }

    /// What risk, guard, exits and plans judge by is what a replay of the journal alone makes.
    pub(crate) fn gates_agree(&self) {
        checks::gates_agree(&self.disk, &self.engine, self.engine_clock.now()).unwrap();
    }

    pub(crate) fn line(&self) -> Arc<ordergate_actors::Desk> {
        Arc::clone(self.engine.desk(&client()).unwrap())
    }

    pub(crate) fn store(&self) -> ReadStore {
        ReadStore::simulated(&self.disk).unwrap()
    }

    /// Every order on disk, first registered first.
    pub(crate) fn rows(&self) -> Vec<OrderRecord> {
        let mut rows = self.store().last(10_000).unwrap();
        rows.reverse();
        rows
    }

    pub(crate) fn find(&self, command: CommandId) -> Option<OrderRecord> {
        self.store().find(&command.to_string()).unwrap().into_iter().find(|row| row.command_id == command)
    }

    pub(crate) fn row(&self, command: CommandId) -> OrderRecord {
        self.find(command).expect("the order is on disk")
    }

    pub(crate) fn reason(&self, command: CommandId) -> String {
        self.row(command).reason.map_or_else(String::new, |reason| reason.to_string())
    }

    /// What the disk said of the order after each commit.
    pub(crate) fn steps(&self, command: CommandId) -> Vec<Step> {
        self.steps.lock().get(&command).cloned().unwrap_or_default()
    }

    /// The same as status, tag and whether there is a broker's number; repeats folded.
    pub(crate) fn states(&self, command: CommandId) -> Vec<(Status, Option<Tag>, bool)> {
        let mut states: Vec<_> =
            self.steps(command).into_iter().map(|step| (step.status, step.tag, step.broker_order_id.is_some())).collect();
        states.dedup();
        states
    }

    /// The names of the order's journal rows.
    pub(crate) fn events(&self, command: CommandId) -> Vec<String> {
        self.store().order_journal(&client(), command).unwrap().iter().map(|row| row.event.to_string()).collect()
    }

    /// The names of the alarms in the journal, oldest first.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let store = self.store();
        let rows = store.journal(Some(&client()), 0, u64::MAX).chain(store.journal(None, 0, u64::MAX));
        rows.map(|row| row.unwrap().event.to_string()).filter(|event| event.starts_with("ALARM_")).collect()
    }

    pub(crate) fn has_alarm(&self, event: &str) -> bool {
        self.alarms().iter().any(|alarm| alarm == event)
    }

    /// The texts of the journal rows of this name.
    pub(crate) fn texts(&self, event: &str) -> Vec<String> {
        let store = self.store();
        let rows = store.journal(Some(&client()), 0, u64::MAX).map(Result::unwrap);
        rows.filter(|row| &*row.event == event).map(|row| row.reason.as_deref().unwrap_or("").to_owned()).collect()
    }

    pub(crate) fn trace(&self) -> String {
        checks::trace(&self.disk).0
    }

    /// What a strategy holds there, as committed.
    pub(crate) fn held(&self, strategy: &str, key: &InstrumentKey) -> i64 {
        let held = self.engine.read(&client(), |book| {
            book.holdings().filter(|(owner, of, _)| owner.as_str() == strategy && of.instrument == *key).map(|(_, _, held)| held.net).sum()
        });
        held.unwrap_or(0)
    }

    /// The broker's net over all products.
    pub(crate) fn net_at_broker(&self, key: &InstrumentKey) -> i64 {
        let exchange = self.broker.broker.inner().exchange();
        exchange.positions(self.clock.now(), &*self.market).iter().filter(|row| row.holding.instrument == *key).map(|row| row.net).sum()
    }

    /// The next call of the kind goes wrong.
    pub(crate) fn next(&self, kind: CallKind, fault: Fault) {
        self.broker.broker.next(kind, Some(fault));
    }

    /// From now on every call of the kind goes wrong.
    pub(crate) fn always(&self, kind: CallKind, fault: Fault) {
        self.broker.broker.replan(FaultPlan::none().always(kind, fault));
    }

    /// From now on every call of these kinds goes wrong, and none of the others.
    pub(crate) fn always_all(&self, kinds: &[CallKind], fault: &Fault) {
        self.broker.broker.replan(kinds.iter().fold(FaultPlan::none(), |plan, kind| plan.always(*kind, fault.clone())));
    }

    /// From now on calls go wrong by this plan.
    pub(crate) fn plan(&self, plan: FaultPlan) {
        self.broker.broker.replan(plan);
    }

    pub(crate) fn heal(&self) {
        self.broker.broker.replan(FaultPlan::none());
    }

    /// Place calls that were started so far.
    pub(crate) fn placed(&self) -> usize {
        self.broker.started("place")
    }

    pub(crate) async fn control(&self, change: ControlChange) {
        let answer = tokio::time::timeout(PATIENCE, self.engine.control(&client(), change, "a test", "a drill")).await;
        assert!(answer.expect("no answer").expect("no answer").is_applied());
    }

    pub(crate) async fn kill(&self, level: KillLevel) {
        self.control(ControlChange::Account(level)).await;
    }

    /// The next look at the clock inside this actor panics; waits until it has.
    pub(crate) async fn panic_in(&self, actor: &'static str) {
        self.clock.fail_in(actor);
        self.until("the panic", |desk| !desk.clock.is_armed()).await;
    }

    /// This actor panics when it next asks for this quote, with the order at hand.
    pub(crate) fn trap(&self, actor: &'static str, symbol: &str) {
        *self.quotes.trap.lock() = Some((actor, symbol.to_owned()));
    }

    /// The quote board shows BrokerActor this price of everything, so old.
    pub(crate) fn board(&self, text: &str, age: Duration) {
        *self.quotes.board.lock() = Some((price(text), age));
    }

    /// No quote is pushed any more: the first alert of the day.
    pub(crate) fn dark(&self) {
        self.quotes.is_dark.store(true, Ordering::SeqCst);
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.engine.line().budget.total()
    }
}

#[expect(clippy::too_many_arguments, reason = "every part of a process, once")]
fn start(
    setup: &Setup,
    disk: &SimulatedDisk,
    instruments: &Arc<InstrumentTable>,
    clock: &Arc<dyn Clock>,
    quotes: &Arc<TrappedQuotes>,
    broker: &Arc<Witness>,
    halt: &Arc<NotedHalt>,
    fault: &Arc<DiskFault>,
    steps: &Arc<Mutex<BTreeMap<CommandId, Vec<Step>>>>,
    number: u64,
) -> Engine {
    let inner = SqliteStore::simulated(disk, clock.now()).unwrap();
    let instruments: Arc<dyn Instruments> = instruments.clone();
    let world = ordergate_actors::World {
        clock: clock.clone(),
        calendar: (setup.calendar)(),
        ids: CountedIds::new(0xde5c_0000 + number),
        instruments,
        quotes: quotes.clone(),
        halt: halt.clone(),
    };
    let parts = Parts {
        store: Box::new(DrilledStore { inner: Some(inner), fault: Arc::clone(fault) }),
        listeners: vec![Box::new(Recorder { disk: disk.clone(), steps: Arc::clone(steps) })],
        world,
        settings: setup.settings.clone(),
        accounts: vec![(setup.account.clone(), broker.clone())],
        write_on: setup.write_on,
        unsound: std::collections::BTreeSet::new(),
    };
    Engine::start(parts).unwrap()
}

pub(crate) fn nse(symbol: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nse, symbol)
}

pub(crate) fn sbin() -> InstrumentKey {
    nse("SBIN-EQ")
}

/// The nearest index future of the sample.
pub(crate) fn future() -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F")
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn rupees(amount: i64) -> Amount {
    Amount(Decimal::from(amount))
}

fn text(text: impl ToString) -> Option<String> {
    Some(text.to_string())
}

/// An entry at the market.
pub(crate) fn entry(strategy: &str, symbol: &str, side: &str, quantity: i64) -> LegDraft {
    LegDraft {
        strategy: text(strategy),
        execution_type: text("ENTRY"),
        exchange: text("NSE"),
        symbol: text(symbol),
        side: text(side),
        quantity: text(quantity),
        product: text("MIS"),
        order_type: text("MARKET"),
        ..LegDraft::default()
    }
}

/// An exit at the market of all that the strategy holds there.
pub(crate) fn exit(strategy: &str, symbol: &str) -> LegDraft {
    LegDraft {
        strategy: text(strategy),
        execution_type: text("EXIT"),
        exchange: text("NSE"),
        symbol: text(symbol),
        order_type: text("MARKET"),
        ..LegDraft::default()
    }
}

pub(crate) fn buy(strategy: &str, quantity: i64) -> LegDraft {
    entry(strategy, "SBIN-EQ", "BUY", quantity)
}

pub(crate) fn sell(strategy: &str, quantity: i64) -> LegDraft {
    entry(strategy, "SBIN-EQ", "SELL", quantity)
}

/// What the strategy shall hold in SBIN, at the market.
pub(crate) fn target(strategy: &str, position: i64) -> LegDraft {
    LegDraft { side: None, quantity: None, target_position: text(position), ..buy(strategy, 1).kind("TARGET") }
}

/// Words that change a leg.
pub(crate) trait But: Sized {
    fn at(self, price: &str) -> Self;
    fn of(self, quantity: i64) -> Self;
    fn product(self, product: &str) -> Self;
    fn kind(self, kind: &str) -> Self;
    fn mock(self, result: &str) -> Self;
    fn in_future(self) -> Self;
}

impl But for LegDraft {
    fn at(self, price: &str) -> Self {
        Self { order_type: text("LIMIT"), price: text(price), ..self }
    }
    fn of(self, quantity: i64) -> Self {
        Self { quantity: text(quantity), ..self }
    }
    fn product(self, product: &str) -> Self {
        Self { product: text(product), ..self }
    }
    fn kind(self, kind: &str) -> Self {
        Self { execution_type: text(kind), ..self }
    }
    fn mock(self, result: &str) -> Self {
        Self { test_mode: text(result), ..self }
    }
    fn in_future(self) -> Self {
        Self { exchange: text("NFO"), symbol: text(future().symbol), ..self }
    }
}

/// Some time before now.
pub(crate) fn ago(now: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    now - chrono::Duration::seconds(seconds)
}
