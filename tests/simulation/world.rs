//! One seeded world: a disk, a broker account, a clock, and as many engine processes as it takes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, FaultyBroker, StreamFaults};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::market::{MarketQuotes, SyntheticMarket};
use ordergate::store::{SimulatedDisk, SqliteStore};
use ordergate_actors::order::calendar::{Calendar, Enforce, File};
use ordergate_actors::order::{
    Amount, BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord, Price, Quantity, Resolution, Status, Strategy,
};
use ordergate_actors::persistence::{ControlChange, Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::pnl::differences::{Cause, differences};
use ordergate_actors::ports::{Clock, Loaded, Query, RateWindow, Rows, SignalRow, Store, StoreError, Verdict, Write};
use ordergate_actors::risk::{Change, LimitName, Override};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning};
use ordergate_actors::{AccountSettings, Engine, Limits, Parts, Phase, Settings, Waits, WriteOn};
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::beside::{self, Beside, Others};
use super::checks;
use super::script::{self, Act, Draw, Step};
use super::weather::Weather;
use super::witness::Witness;

/// How long the world may take to settle after the last fault, virtual time.
const SETTLE: Duration = Duration::from_secs(240);

/// After so long a person looks at the broker for what is still in doubt: an order of somebody else's could be it.
const PERSON: Duration = Duration::from_secs(60);

/// One of so many seeds lives through a closing auction.
const AUCTIONS: u64 = 8;

/// A day on which continuous trading ends a minute after the script has begun, and comes back after a closing auction.
const AUCTION_DAY: &str = r#"
[[special]]
on = "Fri 2026-11-20"
name = "a closing auction in the morning"
segments = ["NSE"]
windows = [
    "09:15-10:01 CONTINUOUS",
    "10:01-10:02 CLOSING_AUCTION REFERENCE",
    "10:02-10:03 CLOSING_AUCTION LIMIT_AND_MARKET",
    "10:03-10:04 CLOSING_AUCTION MATCHING",
    "10:04-15:30 CONTINUOUS",
]
source = "the simulation"
"#;

/// Kill the process at its n-th commit (counted over the whole run): before it was made, or after, with the
/// acknowledgement lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrashAt {
    pub(crate) commit: u64,
    pub(crate) is_acknowledgement_lost: bool,
}

impl fmt::Display for CrashAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.commit, if self.is_acknowledgement_lost { "+" } else { "-" })
    }
}

impl FromStr for CrashAt {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_acknowledgement_lost = text.ends_with('+');
        Ok(Self { commit: text.trim_end_matches(['+', '-']).parse()?, is_acknowledgement_lost })
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) verdict: Result<(), String>,
    pub(crate) crash: Option<CrashAt>,
    pub(crate) commits: u64,
    pub(crate) starts: u64,
    pub(crate) sent: u64,
    pub(crate) trace: String,
}

/// A store that dies at a commit.
struct DyingStore {
    inner: SqliteStore,
    commits: Arc<AtomicU64>,
    crash: Option<CrashAt>,
}

impl Store for DyingStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.inner.load()
    }
    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        self.inner.day(client, from)
    }
    fn begin(&mut self) -> Result<(), StoreError> {
        self.inner.begin()
    }
    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        self.inner.unit(writes)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        match self.crash.filter(|crash| crash.commit == number) {
            None => self.inner.commit(),
            Some(crash) => {
                if crash.is_acknowledgement_lost {
                    self.inner.commit()?;
                }
                Err(StoreError { step: "commit", cause: "the process was killed here".into() })
            }
        }
    }
    fn idle(&mut self) -> Result<(), StoreError> {
        self.inner.idle()
    }
    fn close(&mut self) -> Result<(), StoreError> {
        self.inner.close()
    }
    fn signal_by_key(&mut self, client: &ClientId, key: &str) -> Result<Option<SignalRow>, StoreError> {
        self.inner.signal_by_key(client, key)
    }
    fn newest_signal_with_prefix(&mut self, client: &ClientId, prefix: &str) -> Result<Option<SignalRow>, StoreError> {
        self.inner.newest_signal_with_prefix(client, prefix)
    }
    fn order(&mut self, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError> {
        self.inner.order(client, command)
    }
    fn order_by_broker_id(&mut self, client: &ClientId, date: NaiveDate, id: &BrokerOrderId) -> Result<Option<OrderRecord>, StoreError> {
        self.inner.order_by_broker_id(client, date, id)
    }
    fn order_by_tag(&mut self, client: &ClientId, tag: &BrokerTag) -> Result<Option<OrderRecord>, StoreError> {
        self.inner.order_by_tag(client, tag)
    }
    fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.inner.query(query)
    }
    fn free_space(&self) -> Option<u64> {
        None
    }
    fn release_ballast(&mut self) {}
}

/// Everything that outlives a process.
pub(crate) struct World {
    seed: u64,
    disk: SimulatedDisk,
    directory: tempfile::TempDir,
    instruments: Arc<InstrumentTable>,
    market: Arc<Weather>,
    /// That a kill was answered, and nobody has re-armed since.
    is_killed: Arc<AtomicBool>,
    now: DateTime<Utc>,
    commits: Arc<AtomicU64>,
    breaches: Arc<Mutex<Vec<String>>>,
    accepted: Vec<CommandId>,
    others: Arc<Others>,
    /// What happens beside the script, or nothing of it.
    is_alone: bool,
    calendar: Arc<Calendar>,
    starts: u64,
    signals: u64,
}

fn with_an_auction() -> Arc<Calendar> {
    static CALENDAR: OnceLock<Arc<Calendar>> = OnceLock::new();
    let read = || {
        let mut files = ordergate::calendar::files(None).unwrap();
        files.push(File { name: "simulation.toml".to_owned(), text: AUCTION_DAY.to_owned() });
        Arc::new(Calendar::parse(&files).unwrap_or_else(|bad| panic!("{bad}")).enforced(Enforce::Always))
    };
    Arc::clone(CALENDAR.get_or_init(read))
}

pub(crate) fn client() -> ClientId {
    ClientId::parse("SIM1").unwrap()
}

pub(crate) fn account() -> AccountSettings {
    AccountSettings {
        client_id: client(),
        limits: Limits {
            max_quantity: 1_000,
            max_order_value: Amount(Decimal::from(10_000_000)),
            max_open_orders: 100,
            daily_loss: Amount(Decimal::from(1_000_000)),
            max_open_value: Amount(Decimal::from(1_000_000_000)),
            max_position: 1_000_000,
            max_position_underlying: 10_000_000,
            max_short_option_lots: 10_000,
            trades_per_day: 1_000_000,
            messages_per_minute: 10_000,
            repeats: 100_000,
            rejections: 100_000,
            ..Limits::standard()
        },
        waits: Waits::standard(Duration::from_secs(1)),
        permits: 64,
        permits_for_exits: 8,
        budget: ordergate_actors::ports::BudgetChange::default(),
        exits: Default::default(),
        quantity_units: Default::default(),
        arming: ordergate_actors::arming::ArmingSettings::default(),
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        max_notional: Amount(Decimal::from(100_000_000)),
        entry_ttl: Duration::from_secs(30),
        future_tolerance: Duration::from_secs(5),
        restarts_most: 5,
        restarts_window: Duration::from_secs(60),
        mailbox: 1_024,
        min_free_bytes: 0,
        drain_deadline: Duration::from_secs(5),
    }
}

/// The faults of one process: each probability is drawn from the seed, zero included.
fn plan(seed: u64, start: u64, is_alone: bool) -> FaultPlan {
    let mut draw = Draw::new(seed ^ (start << 40) ^ 0xfa17);
    let mut rate = |most: u64| u32::try_from(if draw.below(3) == 0 { 0 } else { draw.below(most) }).unwrap();
    let lost = || "lost".to_owned();
    let plan = FaultPlan::seeded(seed ^ start)
        .rate(CallKind::Place, rate(200), Fault::LoseReply(lost()))
        .rate(CallKind::Place, rate(100), Fault::LoseRequest(lost()))
        .rate(CallKind::Place, rate(100), Fault::HangAfter)
        .rate(CallKind::Place, rate(80), Fault::Hang)
        .rate(CallKind::Place, rate(150), Fault::Late(Duration::from_millis(3_500)))
        .rate(CallKind::Place, rate(150), Fault::Slow(Duration::from_millis(1_200)))
        .rate(CallKind::Place, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Place, rate(80), Fault::NotSent("connection refused".into()))
        .rate(CallKind::Cancel, rate(200), Fault::LoseReply(lost()))
        .rate(CallKind::Cancel, rate(200), Fault::LoseRequest(lost()))
        .rate(CallKind::Orders, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Orders, rate(100), Fault::Empty)
        .rate(CallKind::Orders, rate(150), Fault::Stale)
        .rate(CallKind::Orders, rate(60), Fault::Unreadable(1))
        .rate(CallKind::Trades, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Trades, rate(100), Fault::Stale)
        .rate(CallKind::Positions, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Positions, rate(100), Fault::Late(Duration::from_millis(1_500)))
        .stream(StreamFaults {
            drop_every: u64::from(rate(4)),
            repeat_every: u64::from(rate(4)),
            delay: Duration::from_millis(u64::from(rate(900))),
        });
    if is_alone { plan } else { crowded(plan, seed, start) }
}

/// What came to the faults later, from numbers of its own: too many calls, changes that go wrong, old positions, no quotes.
fn crowded(plan: FaultPlan, seed: u64, start: u64) -> FaultPlan {
    let mut draw = Draw::new(seed ^ (start << 40) ^ 0xc20d);
    let mut rate = |most: u64| u32::try_from(if draw.below(2) == 0 { 0 } else { draw.below(most) }).unwrap();
    let (second, minute) = (Fault::RateLimited(RateWindow::Second), Fault::RateLimited(RateWindow::Minute));
    let lost = || "lost".to_owned();
    let mut plan = plan;
    for kind in [CallKind::Place, CallKind::Cancel, CallKind::Modify, CallKind::Orders, CallKind::Trades, CallKind::Positions] {
        plan = plan.rate(kind, rate(80), second.clone()).rate(kind, rate(10), minute.clone());
    }
    plan.rate(CallKind::Modify, rate(150), Fault::LoseReply(lost()))
        .rate(CallKind::Modify, rate(150), Fault::LoseRequest(lost()))
        .rate(CallKind::Modify, rate(100), Fault::HangAfter)
        .rate(CallKind::Modify, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Cancel, rate(100), Fault::HangAfter)
        .rate(CallKind::Cancel, rate(100), Fault::Late(Duration::from_millis(3_500)))
        .rate(CallKind::Cancel, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Positions, rate(150), Fault::Stale)
        .rate(CallKind::Orders, rate(50), Fault::Duplicate)
        .rate(CallKind::Trades, rate(50), Fault::Duplicate)
        .rate(CallKind::Session, rate(100), Fault::NotSent("connection refused".into()))
}

impl World {
    /// The world of that seed, with everything that happens beside the script.
    pub(crate) fn new(seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0xa0c7);
        let has_auction = draw.below(AUCTIONS) == 0;
        let late = if has_auction { i64::try_from(30 + draw.below(28)).unwrap() } else { 0 };
        let world = Self::alone(seed);
        Self {
            is_alone: false,
            now: world.now + chrono::Duration::seconds(late),
            calendar: if has_auction { with_an_auction() } else { world.calendar },
            ..world
        }
    }

    /// The same without: as it was when the first seeds were recorded.
    pub(crate) fn alone(seed: u64) -> Self {
        let now = morning();
        let rows = sample(now.date_naive()).unwrap();
        let instruments = Arc::new(InstrumentTable::new(rows));
        let listed: Vec<_> = instruments.iter().collect();
        let market = SyntheticMarket::new(seed, listed.iter().map(AsRef::as_ref));
        let market = Arc::new(Weather::new(seed, market));
        Self {
            seed,
            disk: SimulatedDisk::new("SIM1").unwrap(),
            directory: tempfile::tempdir().unwrap(),
            instruments,
            market,
            is_killed: Arc::default(),
            now,
            commits: Arc::new(AtomicU64::new(0)),
            breaches: Arc::default(),
            accepted: Vec::new(),
            others: Arc::default(),
            is_alone: true,
            calendar: Calendar::always_open(),
            starts: 0,
            signals: 0,
        }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Lives the script through, with a crash if there is to be one, then heals, settles, and is checked.
    pub(crate) fn live(mut self, crash: Option<CrashAt>) -> Run {
        let written = script::write(self.seed);
        let mut left = if self.is_alone { written } else { beside::among(self.seed, written) };
        loop {
            self.starts += 1;
            let Process { finished, rest, ended_at, verdict } = self.process(left, crash);
            left = rest;
            if finished || self.starts > 3 {
                return self.judge(crash, verdict);
            }
            let gap = i64::try_from(Draw::new(self.seed ^ self.starts).below(40)).unwrap();
            self.now = ended_at + chrono::Duration::seconds(gap);
        }
    }

    fn judge(self, crash: Option<CrashAt>, verdict: Result<(), String>) -> Run {
        let verdict = match self.breaches.lock().first() {
            Some(breach) => Err(breach.clone()),
            None => verdict,
        };
        let verdict = verdict.and_then(|()| {
            let broker = self.broker(self.clock_at_rest());
            checks::at_rest(&self.disk, &broker.exchange(), &self.accepted, &self.others, &*self.market, self.now)
        });
        let (trace, sent) = checks::trace(&self.disk);
        Run { verdict, crash, commits: self.commits.load(Ordering::SeqCst), starts: self.starts, sent, trace }
    }

    /// Where continuous trading ends within the minute, entries go until then, and what shall not stay is left in its last
    /// seconds.
    fn account(&self) -> AccountSettings {
        let mut account = account();
        if !self.calendar.holds(false) {
            return account;
        }
        account.limits.intraday_cutoff = Duration::ZERO;
        account.exits.before_close = Duration::from_secs(10);
        account
    }

    fn clock_at_rest(&self) -> Arc<dyn Clock> {
        ordergate_actors::testkit::ManualClock::at(self.now)
    }

    fn broker(&self, clock: Arc<dyn Clock>) -> PaperBroker {
        let instruments: Arc<InstrumentTable> = Arc::clone(&self.instruments);
        PaperBroker::open(&PaperSettings::new(self.directory.path()), instruments, self.market.clone(), clock).unwrap()
    }

    /// One process, until the script is through and everything has settled, or until it is killed.
    fn process(&mut self, steps: Vec<Step>, crash: Option<CrashAt>) -> Process {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let runner = actix::System::with_tokio_rt(runtime);
        let ended = runner.block_on(self.run(steps, crash));
        drop(runner);
        ended
    }

    async fn run(&mut self, mut steps: Vec<Step>, crash: Option<CrashAt>) -> Process {
        let clock = TokioClock::from(self.now);
        // The engine goes by a clock that may jump, and the broker by its own.
        let machine = TokioClock::from(self.now);
        let engine_clock: Arc<dyn Clock> = if self.is_alone { clock.clone() } else { SteadyClock::over(machine.clone()) };
        self.market.stand_still(None);
        let halt = Arc::new(NotedHalt::default());
        let plan = plan(self.seed, self.starts, self.is_alone);
        let witness = Arc::new(
            Witness::new(
                FaultyBroker::new(self.broker(clock.clone()), plan).with_capabilities(|row| row.visibility_bound = Duration::from_secs(3)),
                self.disk.clone(),
                Arc::clone(&self.breaches),
            )
            .forbidding_entries(Arc::clone(&self.is_killed), clock.clone())
            .among(Arc::clone(&self.others))
            .in_sessions(Arc::clone(&self.calendar), Arc::clone(&self.instruments), Arc::clone(&engine_clock)),
        );
        witness.broker.set_lag(Duration::from_millis(Draw::new(self.seed ^ 0x1a6).below(3_000)));
        let engine = self.start(&engine_clock, &halt, Arc::clone(&witness), crash);
        let process = |steps: Vec<Step>, finished, verdict| Process { finished, rest: steps, ended_at: clock.now(), verdict };
        let Some(engine) = engine else { return process(steps, false, Ok(())) };
        let mut waiting = Vec::new();
        while !steps.is_empty() && !halt.is_halted() {
            let step = steps.first().cloned().unwrap();
            tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
            if halt.is_halted() {
                break;
            }
            steps.remove(0);
            match &step.act {
                Act::Alert(alert) => {
                    self.signals += 1;
                    let draft = alert.draft(&client(), &*engine_clock, self.signals);
                    // An overloaded engine says so, and the sender comes again.
                    match engine.submit_now(draft) {
                        Ok(_gone) if alert.is_reset => {}
                        Ok(answer) => waiting.push((step, answer)),
                        Err(_) => steps.insert(0, Step { after_ms: 500, ..step }),
                    }
                }
                Act::Beside(Beside::ClockJumps(by)) => machine.jump(*by),
                Act::Beside(what) => self.others.happen(what, &witness.broker),
                act => self.operate(&engine, act, &*engine_clock).await,
            }
        }
        // Faults heal; what was asked for must come to its end.
        witness.broker.replan(FaultPlan::none());
        witness.broker.end_session(Duration::ZERO);
        self.market.stand_still(Some(clock.now()));
        let settled = settle(&engine, &halt, &self.others, &witness);
        let verdict = if halt.is_halted() { Ok(()) } else { settled.await.and_then(|()| classified(&engine, &halt, engine_clock.now())) };
        // Who got no answer sends again under the same key; who got one holds us to it.
        for (step, mut answer) in waiting {
            match answer.try_recv() {
                Ok(Ok(answer)) => self.accepted.extend(answer.orders),
                Ok(Err(_)) => {}
                Err(_) => steps.insert(0, step),
            }
        }
        if halt.is_halted() {
            return process(steps, false, Ok(()));
        }
        self.now = clock.now();
        process(steps, true, verdict)
    }

    /// What a person does. Each answer is waited for, but not for ever.
    async fn operate(&self, engine: &Engine, act: &Act, clock: &dyn Clock) {
        let who = "simulation";
        let newest = || engine.read(&client(), |book| book.open_orders().last().cloned()).flatten();
        let asked: Pin<Box<dyn Future<Output = bool> + '_>> = match act {
            Act::Alert(_) | Act::Beside(_) => return,
            Act::Cancel => {
                let Some(order) = newest() else { return };
                Box::pin(async move { engine.cancel(&client(), order.command_id, who, "").await.is_ok() })
            }
            Act::Change(paise) => {
                let Some(order) = newest() else { return };
                let price = order.ask.price.and_then(|price| Price::new(price.value() + Decimal::new(*paise, 2)));
                let quantity = if price.is_none() { Quantity::new(order.quantity() + 1) } else { None };
                let change = Change {
                    client_id: client(),
                    command_id: order.command_id,
                    quantity,
                    price,
                    trigger_price: None,
                    order_type: None,
                    who: who.to_owned(),
                };
                Box::pin(async move { engine.modify(change).await.is_ok() })
            }
            Act::Kill(level) => {
                // Whoever re-arms says so before the engine hears it; a kill holds from its answer on.
                if *level == KillLevel::None {
                    self.is_killed.store(false, Ordering::SeqCst);
                }
                let change = ControlChange::Account(*level);
                Box::pin(async move { engine.control(&client(), change, who, "drill").await.is_ok_and(|outcome| outcome.is_applied()) })
            }
            Act::KillStrategy(strategy, level) => {
                let change = ControlChange::Strategy(Strategy::parse(&format!("s{strategy}")).unwrap(), *level);
                Box::pin(async move { engine.control(&client(), change, who, "drill").await.is_ok() })
            }
            Act::Override(most) => {
                let keep = overridden(*most, clock.now());
                Box::pin(async move { engine.keep(keep).await.is_ok() })
            }
        };
        let is_done = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap_or(false);
        if is_done && matches!(act, Act::Kill(level) if *level != KillLevel::None) {
            self.is_killed.store(true, Ordering::SeqCst);
        }
    }

    fn start(&self, clock: &Arc<dyn Clock>, halt: &Arc<NotedHalt>, broker: Arc<Witness>, crash: Option<CrashAt>) -> Option<Engine> {
        let inner = SqliteStore::simulated(&self.disk, clock.now()).unwrap();
        let store = DyingStore { inner, commits: Arc::clone(&self.commits), crash };
        let instruments: Arc<InstrumentTable> = Arc::clone(&self.instruments);
        let quotes = Arc::new(MarketQuotes::new(self.market.clone(), instruments.clone(), clock.clone()));
        let world = ordergate_actors::World {
            clock: clock.clone(),
            calendar: Arc::clone(&self.calendar),
            ids: CountedIds::new(self.seed.wrapping_mul(1_000) + self.starts),
            instruments,
            quotes,
            halt: halt.clone(),
        };
        let parts = Parts {
            store: Box::new(store),
            listeners: Vec::new(),
            world,
            settings: settings(),
            accounts: vec![(self.account(), broker)],
            write_on: WriteOn::Caller,
            unsound: std::collections::BTreeSet::new(),
        };
        Engine::start(parts).ok()
    }
}

/// The largest order is set otherwise for a minute.
fn overridden(most: u64, now: DateTime<Utc>) -> Keep {
    let set = Override {
        limit: LimitName::MaxQuantity,
        value: Decimal::from(most),
        who: "simulation".to_owned(),
        reason: "drill".to_owned(),
        from: now,
        until: now + chrono::Duration::minutes(1),
    };
    let keep = Keep {
        client_id: Some(client()),
        slot: Slot::new(Topic::Override, set.limit.as_str()),
        value: None,
        basis: None,
        event: "OVERRIDE_SET",
        level: Level::Warn,
        reason: "drill".into(),
        who: "simulation".into(),
        command_id: None,
    };
    keep.with(&set).unwrap()
}

struct Process {
    finished: bool,
    rest: Vec<Step>,
    ended_at: DateTime<Utc>,
    verdict: Result<(), String>,
}

/// Waits until nothing moves any more: open for entries, no order in the line, none in doubt, none on its way.
async fn settle(engine: &Engine, halt: &Arc<NotedHalt>, others: &Others, witness: &Witness) -> Result<(), String> {
    let begun = tokio::time::Instant::now();
    let deadline = begun + SETTLE;
    let mut was_still = None;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if halt.is_halted() {
            return Ok(());
        }
        if others.are_there() && begun.elapsed() > PERSON {
            resolve_what_is_not_there(engine, witness).await;
        }
        let desk = engine.desk(&client()).map_err(|error| error.to_string())?;
        let unsettled: Vec<String> = engine
            .read(&client(), |book| {
                book.open_orders()
                    .filter(|order| order.status == Status::Created || order.broker_order_id.is_none() || order.cancel_wanted.is_some())
                    .map(|order| format!("{} {} {:?} cancel {:?}", order.command_id, order.status, order.tag, order.cancel_wanted))
                    .collect()
            })
            .unwrap_or_default();
        let is_square =
            engine.read(&client(), |book| u8::from(book.control().level) < 3 || book.holdings().next().is_none()).unwrap_or(false);
        let is_counted =
            engine.read(&client(), |book| book.newest().all(|order| order.traded_quantity >= order.filled_quantity)).unwrap_or(false);
        let still = unsettled.is_empty()
            && is_square
            && is_counted
            && desk.admission.used() == 0
            && desk.calls.lock().running() == 0
            && desk.phase() == Phase::Open;
        // An order that was sent between two looks is not settled by either.
        let newest =
            engine.read(&client(), |book| (book.last_number(), book.newest().map(|order| order.updated_at).max())).unwrap_or_default();
        if still && was_still == Some(newest) {
            return Ok(());
        }
        was_still = still.then_some(newest);
        if still {
            // What was accepted last may stay out of the books for three seconds; then one more poll, and look again.
            tokio::time::sleep(Duration::from_millis(5_500)).await;
            continue;
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!(
                "not settled after {} s: phase {:?}, {} tickets out, {} calls running, square {is_square}, {unsettled:?}",
                SETTLE.as_secs(),
                desk.phase(),
                desk.admission.used(),
                desk.calls.lock().running()
            ));
        }
    }
}

/// A person looks the orders in doubt up at the broker, and says which of them are not there.
async fn resolve_what_is_not_there(engine: &Engine, witness: &Witness) {
    let rows = witness.broker.inner().exchange().orders();
    let doubts: Vec<_> = engine.read(&client(), |book| book.doubts().cloned().collect()).unwrap_or_default();
    let client = client();
    for order in doubts.iter().filter(|order| order.broker_order_id.is_none()) {
        if !rows.iter().any(|row| checks::is_ours(order, row)) {
            let said = engine.resolve(&client, order.command_id, Resolution::Absent, "simulation", "it is not in the broker's books");
            let _killed_meanwhile = tokio::time::timeout(Duration::from_secs(5), said).await;
        }
    }
}

/// INV-4: every difference between our holdings and the broker's positions has a cause that shows.
fn classified(engine: &Engine, halt: &NotedHalt, now: DateTime<Utc>) -> Result<(), String> {
    if halt.is_halted() {
        return Ok(());
    }
    let desk = engine.desk(&client()).map_err(|error| error.to_string())?;
    let found = engine.read(&client(), |book| differences(book, &desk.findings.read(), now)).flatten().unwrap_or_default();
    let is_odd = |cause: Cause| matches!(cause, Cause::Unknown | Cause::LateFill);
    match found.iter().find(|difference| difference.parts.iter().any(|part| is_odd(part.cause))) {
        Some(difference) => Err(format!("INV-4: the difference {difference:?} is not classified")),
        None => Ok(()),
    }
}
