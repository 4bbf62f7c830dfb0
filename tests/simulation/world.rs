//! One seeded world: a disk, a broker account, a clock, and as many engine processes as it takes.

mod account;
mod auction;
mod extent;
mod faults;
mod market;
mod people;
mod settling;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{FaultPlan, FaultyBroker};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::InstrumentTable;
use ordergate::simulator::market::MarketQuotes;
use ordergate::store::{ReadStore, SimulatedDisk};
use ordergate_actors::order::CommandId;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::persistence::NotRegistered;
use ordergate_actors::ports::{Broker, Clock};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning};
use ordergate_actors::{AccountSettings, Engine, Parts, WriteOn};
use parking_lot::Mutex;

pub(crate) use self::account::{account, client, neighbour, settings};
use self::auction::with_an_auction;
pub(crate) use self::extent::{Extent, Has};
use self::faults::plan;
pub(crate) use self::settling::go_on;
use self::settling::{classified, settle};
use super::beside::{self, Beside, Others};
use super::checks::{self, AtBroker};
use super::disk::FailingStore;
use super::gateway::Gateway;
use super::lies::Lies;
use super::next_door;
use super::script::{self, Act, Draw, Step};
use super::weather::Weather;
use super::witness::Witness;

/// What the engine is told of how long the broker's books may lag behind.
const VISIBILITY: Duration = Duration::from_secs(3);
/// One of so many seeds has a closing auction.
const AUCTIONS: u64 = 8;

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
    disk: SimulatedDisk,
}

impl Run {
    /// The whole journal as text.
    pub(crate) fn trace(&self) -> String {
        checks::trace(&self.disk)
    }
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
    extent: Extent,
    /// Where the second account's broker keeps its book, if there is one.
    next_door: Option<tempfile::TempDir>,
    gateway: Gateway,
    lies: Lies,
    calendar: Arc<Calendar>,
    starts: u64,
    signals: u64,
}

impl World {
    /// So much of the world of that seed.
    pub(crate) fn of(seed: u64, extent: Extent) -> Self {
        let world = Self::alone(seed, Has::of(seed, extent));
        let world = if extent == Extent::Alone { world } else { world.with_auctions() };
        Self { extent, ..world }
    }

    /// One of so many seeds lives through a closing auction.
    fn with_auctions(self) -> Self {
        let mut draw = Draw::new(self.seed ^ 0xa0c7);
        let has_auction = draw.below(AUCTIONS) == 0;
        let late = if has_auction { i64::try_from(30 + draw.below(28)).unwrap() } else { 0 };
        Self {
            now: self.now + chrono::Duration::seconds(late),
            calendar: if has_auction { with_an_auction() } else { self.calendar },
            ..self
        }
    }

    fn alone(seed: u64, has: Has) -> Self {
        let instruments = market::instruments();
        let market = Arc::new(Weather::new(seed, market::of(seed)).thin(has.thin_market));
        Self {
            seed,
            disk: SimulatedDisk::with_schema("SIM1").unwrap(),
            directory: tempfile::tempdir().unwrap(),
            instruments,
            market,
            is_killed: Arc::default(),
            now: morning(),
            commits: Arc::new(AtomicU64::new(0)),
            breaches: Arc::default(),
            accepted: Vec::new(),
            others: Arc::default(),
            extent: Extent::Alone,
            next_door: has.neighbour.then(|| tempfile::tempdir().unwrap()),
            gateway: Gateway::default(),
            lies: Lies::default(),
            calendar: Calendar::always_open(),
            starts: 0,
            signals: 0,
        }
    }

    /// Lives the script through, with a crash if there is to be one, then heals, settles, and is checked.
    pub(crate) fn live(mut self, crash: Option<CrashAt>) -> Run {
        let written = script::write(self.seed);
        let crowded = if self.is_alone() { written } else { beside::among(self.seed, written) };
        let mut left = if self.extent == Extent::Whole { next_door::among(self.seed, crowded) } else { crowded };
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
        let store = ReadStore::simulated(&self.disk).unwrap();
        let verdict = verdict.and_then(|()| self.is_right(&store));
        let sent = checks::sent(&store);
        drop(store);
        Run { verdict, crash, commits: self.commits.load(Ordering::SeqCst), starts: self.starts, sent, disk: self.disk }
    }

    /// What must be true at rest.
    fn is_right(&self, store: &ReadStore) -> Result<(), String> {
        let clock: Arc<dyn Clock> = ordergate_actors::testkit::ManualClock::at(self.now);
        let nobody = Others::default();
        let mut accounts = vec![AtBroker { client: client(), exchange: self.broker(clock.clone()).exchange(), others: &self.others }];
        if let Some(directory) = &self.next_door {
            let exchange = self.broker_in(directory.path(), clock).exchange();
            accounts.push(AtBroker { client: neighbour(), exchange, others: &nobody });
        }
        let believable = self.lies.most() < account().waits.absent_snapshots;
        checks::at_rest(store, &accounts, &self.accepted, believable, &*self.market, self.now)
    }

    fn is_alone(&self) -> bool {
        self.extent == Extent::Alone
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

    fn broker(&self, clock: Arc<dyn Clock>) -> PaperBroker {
        self.broker_in(self.directory.path(), clock)
    }

    fn broker_in(&self, directory: &Path, clock: Arc<dyn Clock>) -> PaperBroker {
        let instruments: Arc<InstrumentTable> = Arc::clone(&self.instruments);
        PaperBroker::open(&PaperSettings::new(directory), instruments, self.market.clone(), clock).unwrap()
    }

    /// The second account, if there is one: nothing goes wrong at its broker.
    fn next_door(&self, clock: &Arc<TokioClock>) -> Option<(AccountSettings, Arc<dyn Broker>)> {
        let paper = self.broker_in(self.next_door.as_ref()?.path(), clock.clone());
        let witness = Witness::new(FaultyBroker::new(paper, FaultPlan::none()), self.disk.clone(), Arc::clone(&self.breaches));
        let witness = witness.forbidding_entries(Arc::default(), clock.clone());
        Some((AccountSettings { client_id: neighbour(), ..account() }, Arc::new(witness)))
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
        let engine_clock: Arc<dyn Clock> = if self.is_alone() { clock.clone() } else { SteadyClock::over(machine.clone()) };
        self.market.stand_still(None);
        let halt = Arc::new(NotedHalt::default());
        let plan = plan(self.seed, self.starts, self.is_alone());
        let witness = Arc::new(
            Witness::new(
                FaultyBroker::new(self.broker(clock.clone()), plan).with_capabilities(|row| row.visibility_bound = VISIBILITY),
                self.disk.clone(),
                Arc::clone(&self.breaches),
            )
            .forbidding_entries(Arc::clone(&self.is_killed), clock.clone())
            .among(Arc::clone(&self.others))
            .behind(self.gateway.clone(), self.lies.clone())
            .in_sessions(Arc::clone(&self.calendar), Arc::clone(&self.instruments), Arc::clone(&engine_clock)),
        );
        // As the engine is told: its positions are no older than its other books.
        witness.broker.set_positions_within(VISIBILITY);
        witness.broker.set_lag(Duration::from_millis(Draw::new(self.seed ^ 0x1a6).below(3_000)));
        let mut accounts: Vec<(AccountSettings, Arc<dyn Broker>)> = vec![(self.account(), witness.clone())];
        accounts.extend(self.next_door(&clock));
        let engine = self.start(&engine_clock, &halt, accounts, crash);
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
                    let whose = if alert.is_next_door { neighbour() } else { client() };
                    let draft = alert.draft(whose, &*engine_clock, self.signals);
                    // An overloaded engine says so, and the sender comes again.
                    match engine.submit_now(draft) {
                        Ok(_gone) if alert.is_reset => {}
                        Ok(answer) => waiting.push((step, answer)),
                        Err(_) => steps.insert(0, Step { after_ms: 500, ..step }),
                    }
                }
                Act::Beside(Beside::ClockJumps(by)) => machine.jump(*by),
                Act::Beside(Beside::GatewayFails(time)) => self.gateway.fails(clock.now(), *time),
                Act::Beside(what) => self.others.happen(what, &witness.broker),
                act => self.operate(&engine, act, &*engine_clock).await,
            }
        }
        // Faults heal; what was asked for must come to its end.
        witness.broker.replan(FaultPlan::none());
        witness.broker.end_session(Duration::ZERO);
        // Its trouble is none of the process, and lasts when that has died.
        if !halt.is_halted() {
            self.gateway.heals();
        }
        self.market.stand_still(Some(clock.now()));
        let settled = settle(&engine, &halt, &self.others, &witness);
        let verdict = if halt.is_halted() { Ok(()) } else { settled.await };
        let is_sound = || {
            classified(&engine, engine_clock.now())?;
            checks::gates_agree(&self.disk, &engine, engine_clock.now())
        };
        let verdict = if halt.is_halted() { Ok(()) } else { verdict.and_then(|()| is_sound()) };
        // Who got no answer sends again under the same key; who got one holds us to it.
        for (step, mut answer) in waiting {
            match answer.try_recv() {
                Ok(Ok(answer)) => self.accepted.extend(answer.orders),
                // Nobody here sends two bodies under one key of one account.
                Ok(Err(taken @ NotRegistered::Conflict { .. })) => self.breaches.lock().push(format!("INV-8: {taken}")),
                Ok(Err(NotRegistered::Closed(_))) => {}
                Err(_) => steps.insert(0, step),
            }
        }
        if halt.is_halted() {
            return process(steps, false, Ok(()));
        }
        self.now = clock.now();
        process(steps, true, verdict)
    }

    fn start(
        &self,
        clock: &Arc<dyn Clock>,
        halt: &Arc<NotedHalt>,
        accounts: Vec<(AccountSettings, Arc<dyn Broker>)>,
        crash: Option<CrashAt>,
    ) -> Option<Engine> {
        let store = FailingStore::dying(&self.disk, clock.now(), Arc::clone(&self.commits), crash);
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
            accounts,
            write_on: WriteOn::Caller,
            unsound: std::collections::BTreeSet::new(),
        };
        Engine::start(parts).ok()
    }
}

struct Process {
    finished: bool,
    rest: Vec<Step>,
    ended_at: DateTime<Utc>,
    verdict: Result<(), String>,
}
