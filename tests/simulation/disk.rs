//! The disk under an engine: the real SQL, and commits that fail as a killed process, a broken disk or a bug makes them fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use ordergate::store::{ReadStore, SimulatedDisk, SqliteStore};
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{Begun, Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};
use parking_lot::Mutex;

use super::world::CrashAt;

/// The disk as checks read it: one connection for as long as the world lasts, on which no statement is prepared twice.
#[derive(Debug, Clone)]
pub(crate) struct Reads(Arc<Mutex<ReadStore>>);

impl Reads {
    pub(crate) fn of(disk: &SimulatedDisk) -> Self {
        Self(Arc::new(Mutex::new(ReadStore::simulated(disk).unwrap())))
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&ReadStore) -> T) -> T {
        look(&self.0.lock())
    }
}

/// What a test looks at while a change of the controls is being written, and is not on disk yet.
pub(crate) type AtControl = Box<dyn Fn() + Send>;

/// Whether an order stands as a test waits for.
pub(crate) type StandsSo = fn(&OrderRecord) -> bool;

/// What the disk does at its next commits.
#[derive(Default)]
pub(crate) struct DiskFault {
    /// The so-manieth commit from now fails, 1 being the next: before it is made, or (`true`) after.
    pub(crate) fail_commit: Mutex<Option<(u32, bool)>>,
    /// The process dies right after the commit by which an order stands so.
    pub(crate) die_at: Mutex<Option<StandsSo>>,
    /// The next commit panics.
    pub(crate) panic_at_commit: Mutex<bool>,
    /// Bytes free, as the disk tells.
    pub(crate) free: Mutex<Option<u64>>,
    /// Looked at with every change of the controls.
    pub(crate) at_control: Mutex<Option<AtControl>>,
}

impl DiskFault {
    /// What becomes of the commit that is asked for now.
    fn next(&self) -> Commit {
        if std::mem::take(&mut *self.panic_at_commit.lock()) {
            return Commit::Panics;
        }
        let mut fault = self.fail_commit.lock();
        match *fault {
            Some((1, is_made)) => {
                *fault = None;
                Commit::Fails { is_made }
            }
            Some((left, is_made)) => {
                *fault = Some((left - 1, is_made));
                Commit::Made
            }
            None => Commit::Made,
        }
    }
}

/// What becomes of a commit. One that fails was made or not: whoever asked cannot know.
enum Commit {
    Made,
    /// The process is killed there; its connection lasts as long as the process would have.
    Killed {
        is_made: bool,
    },
    /// The disk says no, and the connection is gone.
    Fails {
        is_made: bool,
    },
    /// A bug.
    Panics,
}

/// What tells it, commit by commit.
type Script = Box<dyn FnMut() -> Commit + Send>;

/// A store whose commits may fail.
pub(crate) struct FailingStore {
    /// `None` once a commit failed for good: the process is as good as dead.
    inner: Option<SqliteStore>,
    script: Script,
    fault: Arc<DiskFault>,
}

impl FailingStore {
    /// One that fails as `fault` says.
    pub(crate) fn faulty(disk: &SimulatedDisk, now: DateTime<Utc>, fault: Arc<DiskFault>) -> Self {
        let told = Arc::clone(&fault);
        Self { inner: Some(SqliteStore::simulated(disk, now).unwrap()), script: Box::new(move || told.next()), fault }
    }

    /// One that dies at each of `crashes`; every commit of the run is counted.
    pub(crate) fn dying(disk: &SimulatedDisk, now: DateTime<Utc>, commits: Arc<AtomicU64>, crashes: Vec<CrashAt>) -> Self {
        let script = move || {
            let number = commits.fetch_add(1, Ordering::SeqCst) + 1;
            let crash = crashes.iter().find(|crash| crash.commit == number);
            crash.map_or(Commit::Made, |crash| Commit::Killed { is_made: crash.is_acknowledgement_lost })
        };
        Self { inner: Some(SqliteStore::simulated(disk, now).unwrap()), script: Box::new(script), fault: Arc::default() }
    }

    fn live(&mut self) -> Result<&mut SqliteStore, StoreError> {
        self.inner.as_mut().ok_or(StoreError { step: "begin", cause: "written to after a commit failed".into() })
    }
}

impl Store for FailingStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.live()?.load()
    }
    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        self.live()?.day(client, from)
    }
    fn correction(&mut self, client: &ClientId, seq: u64) -> Result<Option<DayChange>, StoreError> {
        self.live()?.correction(client, seq)
    }
    fn begin(&mut self) -> Result<Begun, StoreError> {
        self.live()?.begin()
    }
    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        if writes.iter().any(|write| matches!(write, Write::Control { .. })) {
            self.fault.at_control.lock().iter().for_each(|look| look());
        }
        let mut die_at = self.fault.die_at.lock();
        if writes.iter().any(|write| matches!((write, *die_at), (Write::UpdateOrder(order), Some(stands_so)) if stands_so(order))) {
            *die_at = None;
            *self.fault.fail_commit.lock() = Some((1, true));
        }
        drop(die_at);
        self.live()?.unit(writes)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        let becomes = (self.script)();
        if matches!(becomes, Commit::Made | Commit::Killed { is_made: true } | Commit::Fails { is_made: true }) {
            self.live()?.commit()?;
        }
        if matches!(becomes, Commit::Fails { .. } | Commit::Panics) {
            self.inner = None;
        }
        match becomes {
            Commit::Made => Ok(()),
            Commit::Killed { .. } => Err(StoreError { step: "commit", cause: "the process was killed here".into() }),
            Commit::Fails { .. } => Err(StoreError { step: "commit", cause: "a drill: input/output error".into() }),
            Commit::Panics => panic!("injected by a test"),
        }
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
