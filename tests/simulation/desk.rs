//! One desk for single scenarios: an engine in process on a scripted market and a broker that fails when told to, under
//! a paused clock. Everything that a test asserts is read from the disk.

mod acts;
mod legs;
mod quotes;
mod reads;
mod recorder;
mod waits;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{FaultPlan, FaultyBroker, StreamFaults};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::market::{MarketQuotes, ScriptedMarket};
use ordergate::store::{ReadStore, SimulatedDisk};
use ordergate_actors::order::Instrument;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::ports::{Broker, Capabilities, Clock, Instruments};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning};
use ordergate_actors::{AccountSettings, Engine, Parts, Settings, WriteOn};
use parking_lot::Mutex;

pub(crate) use self::legs::{But, ago, buy, entry, exit, future, nse, price, rupees, sbin, sell, target};
use self::quotes::TrappedQuotes;
use self::recorder::{Recorder, Steps};
use super::beside::Others;
use super::checks;
use super::disk::{DiskFault, FailingStore, Reads};
use super::witness::Witness;
use super::world::{account, client, neighbour, settings};

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
    /// The engine has a second account, at a broker of its own.
    pub(crate) has_neighbour: bool,
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
            has_neighbour: false,
        }
    }
}

impl Setup {
    /// Nothing is pushed: what is known comes from answers and polls.
    pub(crate) fn polled() -> Self {
        Self { stream: StreamFaults { drop_every: 1, ..StreamFaults::default() }, ..Self::default() }
    }
}

/// One desk: what outlives a process, and the process that runs now.
pub(crate) struct Desk {
    /// What the next start goes by.
    pub(crate) setup: Setup,
    disk: SimulatedDisk,
    _directories: [tempfile::TempDir; 2],
    pub(crate) instruments: Arc<InstrumentTable>,
    pub(crate) market: Arc<ScriptedMarket>,
    pub(crate) clock: Arc<TokioClock>,
    /// The machine's clock, if the setup has one.
    pub(crate) machine: Arc<TokioClock>,
    engine_clock: Arc<dyn Clock>,
    quotes: Arc<TrappedQuotes>,
    pub(crate) broker: Arc<Witness>,
    /// The second account's.
    pub(crate) next_door: Option<Arc<Witness>>,
    pub(crate) halt: Arc<NotedHalt>,
    pub(crate) engine: Engine,
    pub(crate) disk_fault: Arc<DiskFault>,
    steps: Steps,
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
        let disk = SimulatedDisk::with_schema("SIM1").unwrap();
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
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
        let [broker, next_door] = directories.each_ref().map(|directory| {
            let settings = PaperSettings::new(directory.path());
            let paper = PaperBroker::open(&settings, instruments.clone(), market.clone(), clock.clone()).unwrap();
            let broker = FaultyBroker::new(paper, FaultPlan::none().stream(setup.stream)).with_capabilities(setup.can);
            Witness::new(broker, Reads::of(&disk), Arc::default())
        });
        let broker = Arc::new(broker);
        let next_door = setup.has_neighbour.then(|| Arc::new(next_door.of(neighbour(), Arc::default())));
        let inner = MarketQuotes::new(market.clone(), instruments.clone(), Arc::clone(&engine_clock));
        let quotes = Arc::new(TrappedQuotes::over(inner));
        let (halt, disk_fault, steps) = (Arc::new(NotedHalt::default()), Arc::new(DiskFault::default()), Arc::default());
        let engine =
            start(&setup, &disk, &instruments, &engine_clock, &quotes, (&broker, next_door.as_ref()), &halt, &disk_fault, &steps, 1);
        Self {
            setup,
            disk,
            _directories: directories,
            instruments,
            market,
            clock,
            machine,
            engine_clock,
            quotes,
            broker,
            next_door,
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
            (&self.broker, self.next_door.as_ref()),
            &self.halt,
            &self.disk_fault,
            &self.steps,
            self.starts,
        );
    }

    fn check(&self) {
        for broker in std::iter::once(&self.broker).chain(&self.next_door) {
            assert_eq!(broker.breaches.lock().first(), None, "{}", self.trace());
            checks::nothing_doubled(&broker.broker.inner().exchange(), &Others::default()).unwrap();
        }
        for rows in checks::journal_sound(&self.store()).unwrap() {
            checks::whole(&rows).unwrap();
        }
        if self.halt.halted().is_none() {
            checks::day_agrees(&self.store(), &self.engine, self.engine_clock.now()).unwrap();
            self.gates_agree();
        }
    }

    /// What risk, guard, exits and plans judge by is what a replay of the journal alone makes.
    pub(crate) fn gates_agree(&self) {
        checks::gates_agree(&self.store(), &self.engine, self.engine_clock.now()).unwrap();
    }

    pub(crate) fn line(&self) -> Arc<ordergate_actors::Desk> {
        Arc::clone(self.engine.desk(&client()).unwrap())
    }

    pub(crate) fn store(&self) -> ReadStore {
        ReadStore::simulated(&self.disk).unwrap()
    }
}

#[expect(clippy::too_many_arguments, reason = "every part of a process, once")]
fn start(
    setup: &Setup,
    disk: &SimulatedDisk,
    instruments: &Arc<InstrumentTable>,
    clock: &Arc<dyn Clock>,
    quotes: &Arc<TrappedQuotes>,
    (broker, next_door): (&Arc<Witness>, Option<&Arc<Witness>>),
    halt: &Arc<NotedHalt>,
    fault: &Arc<DiskFault>,
    steps: &Steps,
    number: u64,
) -> Engine {
    let instruments: Arc<dyn Instruments> = instruments.clone();
    let world = ordergate_actors::World {
        clock: clock.clone(),
        calendar: (setup.calendar)(),
        ids: CountedIds::new(0xde5c_0000 + number),
        instruments,
        quotes: quotes.clone(),
        halt: halt.clone(),
    };
    let mut accounts: Vec<(AccountSettings, Arc<dyn Broker>)> = vec![(setup.account.clone(), broker.clone())];
    accounts.extend(next_door.map(|broker| {
        let settings = AccountSettings { client_id: neighbour(), ..setup.account.clone() };
        (settings, Arc::clone(broker) as Arc<dyn Broker>)
    }));
    let parts = Parts {
        store: Box::new(FailingStore::faulty(disk, clock.now(), Arc::clone(fault))),
        listeners: vec![Box::new(Recorder { disk: disk.clone(), steps: Arc::clone(steps) })],
        world,
        settings: setup.settings.clone(),
        accounts,
        write_on: setup.write_on,
        unsound: std::collections::BTreeSet::new(),
    };
    Engine::start(parts).unwrap()
}
