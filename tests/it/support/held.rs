//! A store that stops right after the commit of a certain row: what is on disk then is what a process leaves that is killed there,
//! before anybody was told of the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use chrono::NaiveDate;
use ordergate::store::SqliteStore;
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};
use parking_lot::Mutex;

/// Where it stops, and whether it has.
#[derive(Default)]
pub(crate) struct Hold {
    event: Mutex<Option<&'static str>>,
    is_reached: AtomicBool,
}

impl Hold {
    /// The next commit of a row with this event is the last one.
    pub(crate) fn at(&self, event: &'static str) {
        *self.event.lock() = Some(event);
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::SeqCst)
    }
}

/// The store; it goes on when what [`HeldStore::around`] answered is dropped.
pub(crate) struct HeldStore {
    inner: SqliteStore,
    hold: Arc<Hold>,
    is_due: bool,
    goes_on: Receiver<()>,
}

impl HeldStore {
    /// What puts it around a store, and what holds it.
    #[allow(clippy::type_complexity, reason = "a plan's own type")]
    pub(crate) fn around(hold: &Arc<Hold>) -> (Box<dyn FnOnce(SqliteStore) -> Box<dyn Store>>, Sender<()>) {
        let (held, goes_on) = channel();
        let hold = Arc::clone(hold);
        (Box::new(move |inner| Box::new(Self { inner, hold, is_due: false, goes_on })), held)
    }
}

impl Store for HeldStore {
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
        let event = *self.hold.event.lock();
        self.is_due |= writes.iter().any(|write| matches!(write, Write::Journal(row) if Some(&*row.event) == event));
        self.inner.unit(writes)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.inner.commit()?;
        if std::mem::take(&mut self.is_due) {
            *self.hold.event.lock() = None;
            self.hold.is_reached.store(true, Ordering::SeqCst);
            // An error says that it may go on.
            let _gone = self.goes_on.recv();
        }
        Ok(())
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
        self.inner.free_space()
    }

    fn release_ballast(&mut self) {
        self.inner.release_ballast();
    }
}
