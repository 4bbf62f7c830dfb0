//! What a test reads: from the disk, and from the broker.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{CommandId, InstrumentKey, OrderRecord, Status, Tag};
use ordergate_actors::persistence::Topic;
use ordergate_actors::ports::Clock;

use super::Desk;
use super::recorder::Step;
use crate::checks;
use crate::world::client;

impl Desk {
    pub(crate) fn clock_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The engine's time.
    pub(crate) fn machine_now(&self) -> DateTime<Utc> {
        self.engine_clock.now()
    }

    /// Every order on disk, first registered first.
    pub(crate) fn rows(&self) -> Vec<OrderRecord> {
        let mut rows = self.store().last(10_000).unwrap();
        rows.reverse();
        rows
    }

    /// The orders that this one made: of its plan, or the exits of its reversal.
    pub(crate) fn children_of(&self, order: CommandId) -> Vec<OrderRecord> {
        self.rows().into_iter().filter(|row| row.parent_command_id == Some(order)).collect()
    }

    /// How many plans are under way.
    pub(crate) fn plans(&self) -> usize {
        self.engine.read(&client(), |book| book.kept_of(Topic::Plan).count()).unwrap_or(0)
    }

    pub(crate) fn find(&self, command: CommandId) -> Option<OrderRecord> {
        self.store().find(&command.to_string()).unwrap().into_iter().find(|row| row.command_id == command)
    }

    pub(crate) fn row(&self, command: CommandId) -> OrderRecord {
        self.find(command).expect("the order is on disk")
    }

    pub(crate) fn reason(&self, command: CommandId) -> String {
        self.row(command).reason.map_or_else(String::new, |reason| reason.to_string())
    }

    /// What the disk said of the order after each commit.
    pub(crate) fn steps(&self, command: CommandId) -> Vec<Step> {
        self.steps.lock().get(&command).cloned().unwrap_or_default()
    }

    /// The same as status, tag and whether there is a broker's number; repeats folded.
    pub(crate) fn states(&self, command: CommandId) -> Vec<(Status, Option<Tag>, bool)> {
        let mut states: Vec<_> =
            self.steps(command).into_iter().map(|step| (step.status, step.tag, step.broker_order_id.is_some())).collect();
        states.dedup();
        states
    }

    /// The names of the order's journal rows.
    pub(crate) fn events(&self, command: CommandId) -> Vec<String> {
        self.store().order_journal(&client(), command).unwrap().iter().map(|row| row.event.to_string()).collect()
    }

    /// The names of the alarms in the journal, oldest first.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let store = self.store();
        let rows = store.journal(Some(&client()), 0, u64::MAX).chain(store.journal(None, 0, u64::MAX));
        rows.map(|row| row.unwrap().event.to_string()).filter(|event| event.starts_with("ALARM_")).collect()
    }

    pub(crate) fn has_alarm(&self, event: &str) -> bool {
        self.alarms().iter().any(|alarm| alarm == event)
    }

    /// The texts of the journal rows of this name.
    pub(crate) fn texts(&self, event: &str) -> Vec<String> {
        let store = self.store();
        let rows = store.journal(Some(&client()), 0, u64::MAX).map(Result::unwrap);
        rows.filter(|row| &*row.event == event).map(|row| row.reason.as_deref().unwrap_or("").to_owned()).collect()
    }

    pub(crate) fn trace(&self) -> String {
        checks::trace(&self.disk)
    }

    /// What a strategy holds there, as committed.
    pub(crate) fn held(&self, strategy: &str, key: &InstrumentKey) -> i64 {
        let held = self.engine.read(&client(), |book| {
            book.holdings().filter(|(owner, of, _)| owner.as_str() == strategy && of.instrument == *key).map(|(_, _, held)| held.net).sum()
        });
        held.unwrap_or(0)
    }

    /// The broker's net over all products.
    pub(crate) fn net_at_broker(&self, key: &InstrumentKey) -> i64 {
        let exchange = self.broker.broker.inner().exchange();
        exchange.positions(self.clock.now(), &*self.market).iter().filter(|row| row.holding.instrument == *key).map(|row| row.net).sum()
    }

    /// Place calls that were started so far.
    pub(crate) fn placed(&self) -> usize {
        self.broker.started("place")
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.engine.line().budget.total()
    }
}
