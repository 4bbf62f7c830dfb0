//! What was on disk of each order after each commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate::store::{ReadStore, SimulatedDisk};
use ordergate_actors::order::{CommandId, Status, Tag};
use ordergate_actors::persistence::{Event, Listener};
use parking_lot::Mutex;

/// By order, oldest first.
pub(super) type Steps = Arc<Mutex<BTreeMap<CommandId, Vec<Step>>>>;

/// What the disk said of an order right after one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) event: String,
    pub(crate) status: Status,
    pub(crate) tag: Option<Tag>,
    pub(crate) broker_order_id: Option<String>,
}

/// Reads every order back from the disk after each commit that touched it.
pub(super) struct Recorder {
    pub(super) disk: SimulatedDisk,
    pub(super) steps: Steps,
}

impl Listener for Recorder {
    fn committed(&mut self, events: &[Event]) {
        let store = ReadStore::simulated(&self.disk).unwrap();
        for event in events {
            let (Some(command), Some(_)) = (event.row.command_id, &event.record) else { continue };
            let row = store.find(&command.to_string()).unwrap().into_iter().find(|row| row.command_id == command).unwrap();
            self.steps.lock().entry(command).or_default().push(Step {
                event: event.row.event.to_string(),
                status: row.status,
                tag: row.tag,
                broker_order_id: row.broker_order_id.map(|id| id.to_string()),
            });
        }
    }
}
