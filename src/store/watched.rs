//! A store, and somebody who is told of its steps.

use chrono::NaiveDate;
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{Begun, Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};

/// What happens at a store, in the order in which it happens. It is told on the thread that writes, which goes on when this has come
/// back; what the store answers is not in its hands.
pub trait Steps: Send {
    /// What a restart needs was read.
    fn loaded(&mut self) {}

    /// A transaction is about to begin.
    fn begins(&mut self) {}

    /// A unit was written into it, or not: the verdict says which.
    fn written(&mut self, _writes: &[Write], _verdict: &Verdict) {}

    /// It is about to become durable.
    fn commits(&mut self) {}

    /// It is durable, and nobody was told.
    fn committed(&mut self) {}

    /// The store is about to close.
    fn closes(&mut self) {}

    /// It is closed.
    fn closed(&mut self) {}
}

/// The store. A step that failed is not told.
#[derive(Debug)]
pub struct WatchedStore<S, W> {
    inner: S,
    watch: W,
}

impl<S, W> WatchedStore<S, W> {
    /// Tells `watch` of the steps of `inner`.
    pub fn new(inner: S, watch: W) -> Self {
        Self { inner, watch }
    }
}

impl<S: Store, W: Steps> Store for WatchedStore<S, W> {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let loaded = self.inner.load()?;
        self.watch.loaded();
        Ok(loaded)
    }

    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        self.inner.day(client, from)
    }

    fn correction(&mut self, client: &ClientId, seq: u64) -> Result<Option<DayChange>, StoreError> {
        self.inner.correction(client, seq)
    }

    fn begin(&mut self) -> Result<Begun, StoreError> {
        self.watch.begins();
        self.inner.begin()
    }

    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        let verdict = self.inner.unit(writes)?;
        self.watch.written(writes, &verdict);
        Ok(verdict)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.watch.commits();
        self.inner.commit()?;
        self.watch.committed();
        Ok(())
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        self.inner.idle()
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.watch.closes();
        self.inner.close()?;
        self.watch.closed();
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::store::SqliteStore;
    use crate::store::fixtures::{insert, now, order};

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl Steps for Told {
        fn loaded(&mut self) {
            self.0.lock().push("loaded".to_owned());
        }
        fn begins(&mut self) {
            self.0.lock().push("begins".to_owned());
        }
        fn written(&mut self, writes: &[Write], verdict: &Verdict) {
            self.0.lock().push(format!("{} written: {verdict:?}", writes.len()));
        }
        fn commits(&mut self) {
            self.0.lock().push("commits".to_owned());
        }
        fn committed(&mut self) {
            self.0.lock().push("committed".to_owned());
        }
        fn closes(&mut self) {
            self.0.lock().push("closes".to_owned());
        }
        fn closed(&mut self) {
            self.0.lock().push("closed".to_owned());
        }
    }

    #[test]
    fn each_step_is_told_where_it_happens_and_the_store_answers_as_it_is() {
        let (directory, told) = (tempfile::tempdir().unwrap(), Told::default());
        let mut store = WatchedStore::new(SqliteStore::in_directory(directory.path(), now()).unwrap(), told.clone());
        assert!(store.load().unwrap().accounts.is_empty());
        store.begin().unwrap();
        assert_eq!(store.unit(&[insert(order(1))]).unwrap(), Verdict::Done);
        let refused = store.unit(&[insert(order(1))]).unwrap();
        assert!(matches!(refused, Verdict::Refused(_)));
        store.commit().unwrap();
        store.close().unwrap();
        let wanted =
            ["loaded", "begins", "1 written: Done", &format!("1 written: {refused:?}"), "commits", "committed", "closes", "closed"];
        assert_eq!(*told.0.lock(), wanted);
        drop(store);
        let loaded = SqliteStore::in_directory(directory.path(), now()).unwrap().load().unwrap();
        assert_eq!(loaded.accounts[0].orders.len(), 1);
    }
}
