//! The steps around each commit.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use ordergate_actors::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};

use super::{Drill, Step};

/// A store that stops around the commit of a certain row.
pub(super) struct DrilledStore<S> {
    inner: S,
    drill: Drill,
    /// The steps before and after the commit of what was written since the transaction began.
    around: BTreeSet<(Step, Step)>,
}

impl<S> DrilledStore<S> {
    pub(super) fn new(inner: S, drill: Drill) -> Self {
        Self { inner, drill, around: BTreeSet::new() }
    }
}

impl<S: Store> Store for DrilledStore<S> {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let loaded = self.inner.load()?;
        self.drill.reach(Step::StartLoaded);
        Ok(loaded)
    }

    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        self.inner.day(client, from)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.around.clear();
        self.inner.begin()
    }

    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError> {
        let verdict = self.inner.unit(writes)?;
        if verdict == Verdict::Done {
            let events = writes.iter().filter_map(|write| if let Write::Journal(row) = write { Some(&row.event) } else { None });
            self.around.extend(events.filter_map(|event| Step::around(event)));
        }
        Ok(verdict)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        for (before, _) in &self.around {
            self.drill.reach(*before);
        }
        self.inner.commit()?;
        for (_, after) in &self.around {
            self.drill.reach(*after);
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        self.inner.idle()
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.drill.reach(Step::StopBefore);
        self.inner.close()?;
        self.drill.reach(Step::StopAfter);
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
