//! One seeded world: a disk, a broker account, a clock, and as many engine processes as it takes.

mod account;
mod auction;
mod faults;
mod settling;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{FaultPlan, FaultyBroker};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::market::{MarketQuotes, SyntheticMarket};
use ordergate::store::SimulatedDisk;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{CommandId, Price, Quantity, Strategy};
use ordergate_actors::persistence::{ControlChange, Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{Change, LimitName, Override};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning};
use ordergate_actors::{AccountSettings, Engine, Parts, WriteOn};
use parking_lot::Mutex;
use rust_decimal::Decimal;

pub(crate) use self::account::{account, client, settings};
use self::auction::with_an_auction;
use self::faults::plan;
use self::settling::{classified, settle};
use super::beside::{self, Beside, Others};
use super::checks;
use super::disk::FailingStore;
use super::script::{self, Act, Draw, Step};
use super::weather::Weather;
use super::witness::Witness;

/// One of so many seeds lives through a closing auction.
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
    pub(crate) trace: String,
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
