//! One seeded world: a disk, a broker account, a clock, and as many engine processes as it takes.

mod account;
mod auction;
mod extent;
mod faults;
mod market;
mod people;
mod process;
mod settling;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{FaultPlan, FaultyBroker};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::InstrumentTable;
use ordergate::store::{ReadStore, SimulatedDisk};
use ordergate_actors::AccountSettings;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{Amount, ClientId, CommandId, StopAt};
use ordergate_actors::ports::Clock;
use ordergate_actors::testkit::{TokioClock, morning};
use parking_lot::Mutex;

use self::account::tight;
pub(crate) use self::account::{account, client, neighbour, settings};
pub(crate) use self::auction::with_an_auction;
pub(crate) use self::extent::{Extent, Has};
pub(crate) use self::faults::TOOK_IT;
use self::faults::plan;
use self::process::{End, Process};
pub(crate) use self::settling::go_on;
use super::beside::{self, Others};
use super::checks::{self, Answers, AtBroker};
use super::disk::Reads;
use super::gateway::Gateway;
use super::kills::Kills;
use super::lies::Lies;
use super::next_door;
use super::script::{self, Act, Draw};
use super::weather::Weather;
use super::witness::{Calls, Witness};

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

/// Crashes as the environment names them: `9+,12-`.
pub(crate) fn crashes_named(text: &str) -> Result<Vec<CrashAt>, std::num::ParseIntError> {
    text.split(',').map(str::parse).collect()
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) verdict: Result<(), String>,
    pub(crate) crashes: Vec<CrashAt>,
    pub(crate) commits: u64,
    pub(crate) starts: u64,
    pub(crate) sent: u64,
    disk: SimulatedDisk,
    /// The writes that were started at the first account's broker, by every process, in order.
    calls: Vec<String>,
}

impl Run {
    /// The whole journal as text, every chain of it, and the calls that were made at the broker.
    pub(crate) fn trace(&self) -> String {
        checks::whole_trace(&self.disk) + &self.calls.join("\n")
    }
}

/// Everything that outlives a process.
pub(crate) struct World {
    seed: u64,
    disk: SimulatedDisk,
    reads: Reads,
    directory: tempfile::TempDir,
    instruments: Arc<InstrumentTable>,
    market: Arc<Weather>,
    /// The kills that were answered, and that nobody has taken back since.
    kills: Kills,
    /// Those of the second account.
    kills_next_door: Kills,
    /// The calls of each order, by every process.
    calls: Calls,
    /// What each alert was answered with, by its account and its key.
    answers: Answers,
    now: DateTime<Utc>,
    commits: Arc<AtomicU64>,
    breaches: Arc<Mutex<Vec<String>>>,
    accepted: Vec<CommandId>,
    others: Arc<Others>,
    extent: Extent,
    has: Has,
    /// Where the second account's broker keeps its book, if there is one.
    next_door: Option<tempfile::TempDir>,
    gateway: Gateway,
    lies: Lies,
    calendar: Arc<Calendar>,
    starts: u64,
    signals: u64,
    /// The writes that were started at the broker, in order.
    writes: Vec<String>,
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
        let disk = SimulatedDisk::with_schema("SIM1").unwrap();
        Self {
            seed,
            reads: Reads::of(&disk),
            disk,
            directory: tempfile::tempdir().unwrap(),
            instruments,
            market,
            kills: Kills::default(),
            kills_next_door: Kills::default(),
            calls: Calls::default(),
            answers: Answers::default(),
            now: morning(),
            commits: Arc::new(AtomicU64::new(0)),
            breaches: Arc::default(),
            accepted: Vec::new(),
            others: Arc::default(),
            extent: Extent::Alone,
            has,
            next_door: has.neighbour.then(|| tempfile::tempdir().unwrap()),
            gateway: Gateway::default(),
            lies: Lies::default(),
            calendar: Calendar::always_open(),
            starts: 0,
            signals: 0,
            writes: Vec::new(),
        }
    }

    /// Lives the script through, with these crashes, the first of them first, then heals, settles, and is checked.
    pub(crate) fn live(mut self, crashes: &[CrashAt]) -> Run {
        let written = script::write(self.seed);
        let crowded = if self.is_alone() { written } else { beside::among(self.seed, written) };
        let whole = if self.extent >= Extent::Whole { next_door::among(self.seed, crowded) } else { crowded };
        let mut left = if self.extent == Extent::Harsh { next_door::acted_on(self.seed, whole) } else { whole };
        let mut deaths = 0;
        loop {
            self.starts += 1;
            let Process { end, rest, ended_at } = self.process(left, crashes);
            left = rest;
            let why = match end {
                End::Rests(verdict) => return self.judge(crashes, verdict),
                End::Dies(why) => why,
            };
            // The ends that the world brings about; whatever else ends a process is a bug, and so is a start that fails.
            let is_killed = crashes.get(deaths).is_some_and(|crash| self.has_crashed(*crash));
            deaths += 1;
            let verdict = if is_killed { self.left_on_disk() } else { Err(format!("start {} ended by itself: {why}", self.starts)) };
            if verdict.is_err() {
                return self.judge(crashes, verdict);
            }
            let gap = i64::try_from(Draw::new(self.seed ^ self.starts).below(40)).unwrap();
            self.now = ended_at + chrono::Duration::seconds(gap);
        }
    }

    fn has_crashed(&self, crash: CrashAt) -> bool {
        self.commits.load(Ordering::SeqCst) >= crash.commit
    }

    /// What a process that died has left: the recovery of the next one must not be what makes it right.
    fn left_on_disk(&self) -> Result<(), String> {
        self.reads.look(checks::journal_sound)?;
        let nobody = Others::default();
        self.accounts(&nobody).iter().try_for_each(|account| {
            checks::nothing_doubled(&account.exchange, account.others)?;
            self.reads.look(|store| checks::none_turned(store, account, &self.calls))
        })
    }

    /// Each account, as its broker has it now.
    fn accounts<'a>(&'a self, nobody: &'a Others) -> Vec<AtBroker<'a>> {
        let clock: Arc<dyn Clock> = ordergate_actors::testkit::ManualClock::at(self.now);
        let mut accounts = vec![AtBroker { client: client(), exchange: self.broker(clock.clone()).exchange(), others: &self.others }];
        if let Some(directory) = &self.next_door {
            accounts.push(AtBroker { client: neighbour(), exchange: self.broker_in(directory.path(), clock).exchange(), others: nobody });
        }
        accounts
    }

    fn judge(self, crashes: &[CrashAt], verdict: Result<(), String>) -> Run {
        let verdict = match self.breaches.lock().first() {
            Some(breach) => Err(breach.clone()),
            None => verdict,
        };
        let (verdict, sent) = self.reads.look(|store| (verdict.and_then(|()| self.is_right(store)), checks::sent(store)));
        Run {
            verdict,
            crashes: crashes.to_vec(),
            commits: self.commits.load(Ordering::SeqCst),
            starts: self.starts,
            sent,
            disk: self.disk,
            calls: self.writes,
        }
    }

    /// What must be true at rest.
    fn is_right(&self, store: &ReadStore) -> Result<(), String> {
        let nobody = Others::default();
        let accounts = self.accounts(&nobody);
        let believable = self.lies.most() < account().waits.absent_snapshots;
        checks::at_rest(store, &accounts, &self.accepted, believable, &*self.market, self.now)?;
        accounts.iter().try_for_each(|account| checks::none_turned(store, account, &self.calls))?;
        if self.extent < Extent::Harsh {
            checks::left_alone(store, &neighbour())?;
        }
        checks::nothing_alarming(store, &accounts)
    }

    fn is_alone(&self) -> bool {
        self.extent == Extent::Alone
    }

    /// Where continuous trading ends within the minute, entries go until then, and what shall not stay is left in its last
    /// seconds.
    fn account(&self) -> AccountSettings {
        let mut account = if self.has.limits { tight(account()) } else { account() };
        if self.has.resting_stops {
            account.exits.stop_at = StopAt::Broker;
        }
        if let Some(rupees) = self.has.daily_loss {
            (account.limits.daily_loss, account.limits.loss_step) = (Amount(rupees.into()), Amount::ZERO);
        }
        if self.has.short_quiet {
            account.waits.quiet_period = Duration::from_millis(500);
        }
        if !self.calendar.holds(false) {
            return account;
        }
        account.limits.intraday_cutoff = Duration::ZERO;
        account.exits.before_close = Duration::from_secs(10);
        account.exits.before_close_mcx = Duration::from_secs(10);
        account
    }

    fn broker(&self, clock: Arc<dyn Clock>) -> PaperBroker {
        self.broker_in(self.directory.path(), clock)
    }

    fn broker_in(&self, directory: &Path, clock: Arc<dyn Clock>) -> PaperBroker {
        let instruments: Arc<InstrumentTable> = Arc::clone(&self.instruments);
        PaperBroker::open(&PaperSettings::new(directory), instruments, self.market.clone(), clock).unwrap()
    }

    /// The second account, if there is one: nothing goes wrong at its broker, but in the tight world.
    fn next_door(&self, clock: &Arc<TokioClock>, engine_clock: &Arc<dyn Clock>) -> Option<(AccountSettings, Arc<Witness>)> {
        let paper = self.broker_in(self.next_door.as_ref()?.path(), clock.clone());
        let goes_wrong = self.extent >= Extent::Tight;
        let plan = if goes_wrong { plan(self.seed ^ 0x2d00, self.starts, false) } else { FaultPlan::none() };
        let broker = FaultyBroker::new(paper, plan).with_capabilities(|row| {
            if goes_wrong {
                row.visibility_bound = VISIBILITY;
            }
        });
        if goes_wrong {
            broker.set_positions_within(VISIBILITY);
        }
        let witness = Witness::new(broker, self.reads.clone(), Arc::clone(&self.breaches));
        let settings = AccountSettings { client_id: neighbour(), ..account() };
        let witness = witness
            .of(neighbour(), Arc::clone(&self.calls))
            .within(settings.limits.clone())
            .forbidding_entries(self.kills_next_door.clone(), clock.clone())
            .in_sessions(Arc::clone(&self.calendar), Arc::clone(&self.instruments), Arc::clone(engine_clock))
            .watching(self.market.clone());
        Some((settings, Arc::new(witness)))
    }
}

/// Whose alert it is, and its key.
fn key_of(act: &Act) -> Option<(ClientId, String)> {
    let Act::Alert(alert) = act else { return None };
    Some((alert.account(), alert.key.clone()))
}
