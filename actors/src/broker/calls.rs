//! The calls under way at one broker. They outlive a restart of BrokerActor: a call that went out is followed, whatever
//! happens to the actor that made it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::order::{BrokerOrderId, CommandId};
use crate::persistence::Ticket;
use crate::ports::{CallOutcome, Modification, PlaceOutcome};

/// What kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// Place the order.
    Place,
    /// Cancel it.
    Cancel,
    /// Change it.
    Modify,
}

/// One call: the order, what, and the how-manieth since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The order.
    pub command_id: CommandId,
    /// What.
    pub kind: CallKind,
    /// The how-manieth call of this process: a late answer names its own call.
    pub attempt: u64,
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Done {
    /// A place call.
    Placed(PlaceOutcome),
    /// A cancel or modify call, with what it asked for.
    Called(CallOutcome, Option<Modification>),
}

/// The write slot, the read slot, what runs, and the answers that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Calls {
    slot: Option<CallKey>,
    running: BTreeMap<CallKey, Option<Ticket>>,
    answers: VecDeque<(CallKey, Done)>,
    attempts: u64,
    is_reading: bool,
    went_on: BTreeSet<CommandId>,
    high_water: Option<BrokerOrderId>,
}

impl Calls {
    /// Whether a write may start.
    #[must_use]
    pub fn is_slot_free(&self) -> bool {
        self.slot.is_none()
    }

    /// The call that holds the write slot.
    #[must_use]
    pub fn slot(&self) -> Option<CallKey> {
        self.slot
    }

    /// Whether any call for the order runs.
    #[must_use]
    pub fn is_running(&self, command_id: CommandId) -> bool {
        self.running.keys().any(|key| key.command_id == command_id)
    }

    /// Whether a cancel of the order runs.
    #[must_use]
    pub fn is_cancelling(&self, command_id: CommandId) -> bool {
        self.running.keys().any(|key| key.command_id == command_id && key.kind == CallKind::Cancel)
    }

    /// How many calls run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Takes the slot for a call.
    pub(super) fn start(&mut self, command_id: CommandId, kind: CallKind, ticket: Option<Ticket>) -> CallKey {
        self.attempts += 1;
        let key = CallKey { command_id, kind, attempt: self.attempts };
        self.slot = Some(key);
        self.running.insert(key, ticket);
        key
    }

    /// The call took too long for the slot; it runs on.
    pub(super) fn release_slot(&mut self, key: CallKey) -> bool {
        let held = self.slot == Some(key);
        if held {
            self.slot = None;
        }
        held
    }

    /// An answer came. It waits here until it is taken: a wake-up may be lost with an actor, an answer may not.
    pub(super) fn answered(&mut self, key: CallKey, outcome: Done) {
        self.answers.push_back((key, outcome));
    }

    /// The answer that came first of those not taken.
    pub(super) fn take_answer(&mut self) -> Option<(CallKey, Done)> {
        self.answers.pop_front()
    }

    /// The call ended. `None` if it was not running (a second answer).
    pub(super) fn end(&mut self, key: CallKey) -> Option<Option<Ticket>> {
        self.release_slot(key);
        self.running.remove(&key)
    }

    /// The order goes on without the word of its commit, which seems to be lost; should it come late, it is no news.
    pub(super) fn go_on(&mut self, command_id: CommandId) {
        self.went_on.insert(command_id);
    }

    /// See [`Calls::go_on`].
    pub(super) fn went_on(&self, command_id: CommandId) -> bool {
        self.went_on.contains(&command_id)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.is_reading
    }

    pub(super) fn begin_read(&mut self) {
        self.is_reading = true;
    }

    pub(super) fn end_read(&mut self) {
        self.is_reading = false;
    }

    /// The highest order number known at the broker.
    #[must_use]
    pub fn high_water(&self) -> Option<&BrokerOrderId> {
        self.high_water.as_ref()
    }

    /// Numbers grow by length, then by digits.
    pub(crate) fn saw(&mut self, id: &BrokerOrderId) {
        let rank = |id: &BrokerOrderId| (id.as_str().len(), id.clone());
        if self.high_water.as_ref().is_none_or(|high| rank(id) > rank(high)) {
            self.high_water = Some(id.clone());
        }
    }
}
