//! Parts for tests: clocks that are set by hand or follow tokio's paused one, names from a counter, a halt that only
//! remembers, the patience to wait for a task, limits that stop nothing.

mod book_row;
#[cfg(test)]
pub(crate) mod builders;
mod order;
mod patience;
mod rebuilt;
mod signal;
mod wide;

pub use self::book_row::book_row;
pub use self::order::order;
pub use self::patience::{found_by_thread, until, until_found};
pub use self::rebuilt::book_of_journal;
pub use self::signal::signal_of;
pub use self::wide::{wide_limits, wide_settings};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::order::{Exchange, Instrument, InstrumentKey};
use crate::ports::{Clock, Ids, Instruments, Quote, Quotes};
use crate::supervision::{Halt, current_actor};

/// Where test time starts unless a test says otherwise: a Friday morning in the session.
#[must_use]
pub fn morning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_149_000, 0).unwrap_or_default()
}

/// A clock that stands where it is put. It panics inside an actor when told to: the way to inject a fault.
#[derive(Debug)]
pub struct ManualClock {
    now: RwLock<DateTime<Utc>>,
    fault: Fault,
}

impl ManualClock {
    /// A clock at this time.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self { now: RwLock::new(now), fault: Fault::new(None) })
    }

    /// Moves it, either way.
    pub fn advance(&self, by: Duration) {
        *self.now.write() += by;
    }

    /// The next look at the clock inside this actor panics, once.
    pub fn fail_in(&self, actor: &'static str) {
        self.fail_at(actor, 1);
    }

    /// The so-manieth look from now inside this actor panics, once; 1 is the next.
    pub fn fail_at(&self, actor: &'static str, look: u32) {
        *self.fault.lock() = Some((actor, look));
    }

    /// Whether the fault is still to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.fault.lock().is_some()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        trip(&self.fault);
        *self.now.read()
    }
}

/// The actor that will panic, and at which of its looks at the clock, or of its messages.
pub type Fault = Mutex<Option<(&'static str, u32)>>;

#[expect(clippy::panic, reason = "injecting a fault is what it is for")]
pub(crate) fn trip(fault: &Fault) {
    let mut fault = fault.lock();
    match &mut *fault {
        Some((actor, look)) if *actor == current_actor() && *look > 1 => *look -= 1,
        Some((actor, _)) if *actor == current_actor() => {
            *fault = None;
            drop(fault);
            panic!("injected by a test");
        }
        _ => {}
    }
}

/// A clock that follows tokio's, which tests pause: wall time is the start plus what has passed.
#[derive(Debug)]
pub struct TokioClock {
    start: DateTime<Utc>,
    zero: tokio::time::Instant,
    shift: RwLock<Duration>,
    fault: Fault,
}

impl TokioClock {
    /// A clock that shows `start` now. To be made inside the runtime.
    #[must_use]
    pub fn from(start: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self { start, zero: tokio::time::Instant::now(), shift: RwLock::new(Duration::zero()), fault: Fault::new(None) })
    }

    /// The wall clock jumps; the timers do not.
    pub fn jump(&self, by: Duration) {
        *self.shift.write() += by;
    }

    /// The next look at the clock inside this actor panics, once.
    pub fn fail_in(&self, actor: &'static str) {
        self.fail_at(actor, 1);
    }

    /// The so-manieth look from now inside this actor panics, once; 1 is the next.
    pub fn fail_at(&self, actor: &'static str, look: u32) {
        *self.fault.lock() = Some((actor, look));
    }

    /// The fault will not come.
    pub fn disarm(&self) {
        *self.fault.lock() = None;
    }

    /// Whether the fault is still to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.fault.lock().is_some()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> DateTime<Utc> {
        trip(&self.fault);
        let passed = Duration::from_std(self.zero.elapsed()).unwrap_or(Duration::MAX);
        self.start + passed + *self.shift.read()
    }
}

/// Names from a counter: the same run draws the same names.
#[derive(Debug)]
pub struct CountedIds {
    seed: u64,
    next: AtomicU64,
}

impl CountedIds {
    /// Names of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, next: AtomicU64::new(1) })
    }
}

impl Ids for CountedIds {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Remembers that the process should have ended.
#[derive(Debug, Default)]
pub struct NotedHalt {
    is_halted: AtomicBool,
    code: AtomicI32,
    cause: Mutex<String>,
}

impl NotedHalt {
    /// The exit code and the cause, if it was asked to end.
    #[must_use]
    pub fn halted(&self) -> Option<(i32, String)> {
        self.is_halted.load(Ordering::SeqCst).then(|| (self.code.load(Ordering::SeqCst), self.cause.lock().clone()))
    }
}

impl Halt for NotedHalt {
    fn halt(&self, code: i32, cause: &str) {
        if !self.is_halted.swap(true, Ordering::SeqCst) {
            self.code.store(code, Ordering::SeqCst);
            cause.clone_into(&mut self.cause.lock());
        }
    }
    fn is_halted(&self) -> bool {
        self.is_halted.load(Ordering::SeqCst)
    }
}

/// Instruments from a list.
#[derive(Debug, Default)]
pub struct ListedInstruments(pub BTreeMap<InstrumentKey, Arc<Instrument>>);

impl Instruments for ListedInstruments {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.0.get(key).cloned()
    }

    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

/// Quotes as they were put.
#[derive(Debug, Default)]
pub struct SetQuotes(pub RwLock<BTreeMap<InstrumentKey, Quote>>);

impl Quotes for SetQuotes {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        self.0.read().get(key).copied()
    }
}
