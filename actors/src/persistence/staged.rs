//! What a round has changed so far, on top of the view.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::alarms::Alarms;
use super::control::Control;
use super::delta::Delta;
use super::kept::{KeptChange, KeptStates};
use super::unit::Event;
use crate::order::{ClientId, CommandId, Holding, HoldingKey, OrderRecord, Strategy};
use crate::pnl::DayChange;

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chain {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

pub(super) type HoldingSlot = (ClientId, Strategy, HoldingKey);

/// What a commit has changed.
pub(super) struct Committed {
    pub(super) orders: Vec<Arc<OrderRecord>>,
    pub(super) holdings: BTreeMap<HoldingSlot, (Holding, u64)>,
    /// In commit order.
    pub(super) day: Vec<(ClientId, DayChange)>,
    pub(super) controls: BTreeMap<ClientId, Control>,
    pub(super) alarms: Vec<(Option<ClientId>, Alarms)>,
    /// In commit order.
    pub(super) kept: Vec<(Option<ClientId>, KeptChange)>,
    pub(super) events: Vec<Event>,
}

/// What the round has changed so far, on top of the view.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) chains: BTreeMap<Option<ClientId>, Chain>,
    pub(super) numbers: BTreeMap<ClientId, u64>,
    pub(super) controls: BTreeMap<ClientId, Control>,
    /// The open alarms of every chain.
    pub(super) alarms: BTreeMap<Option<ClientId>, Alarms>,
    alarms_changed: BTreeSet<Option<ClientId>>,
    /// The states beside the orders, of every chain.
    pub(super) kept: BTreeMap<Option<ClientId>, KeptStates>,
    kept_changed: Vec<(Option<ClientId>, KeptChange)>,
    orders: HashMap<CommandId, Arc<OrderRecord>>,
    sequence: Vec<CommandId>,
    holdings: BTreeMap<HoldingSlot, (Holding, u64)>,
    day: Vec<(ClientId, DayChange)>,
    /// The accounts in which a price was told.
    pub(super) told: BTreeSet<ClientId>,
    events: Vec<Event>,
    /// The last row of each chain that an anchor wrote down, also by the processes before.
    pub(super) anchored: BTreeMap<Option<ClientId>, u64>,
}

impl Staged {
    pub(super) fn order(&self, client: &ClientId, command: CommandId) -> Option<Arc<OrderRecord>> {
        self.orders.get(&command).filter(|record| record.client_id == *client).cloned()
    }

    /// The orders of an account that this round has changed so far.
    pub(super) fn orders_of<'a>(&'a self, client: &'a ClientId) -> impl Iterator<Item = &'a OrderRecord> {
        self.orders.values().map(|order| &**order).filter(move |order| order.client_id == *client)
    }

    pub(super) fn holding(&self, client: &ClientId, strategy: &Strategy, key: &HoldingKey) -> Option<Holding> {
        if self.holdings.is_empty() {
            return None;
        }
        self.holdings.get(&(client.clone(), strategy.clone(), key.clone())).map(|(holding, _)| *holding)
    }

    pub(super) fn keep(&mut self, delta: Delta) {
        for record in delta.orders {
            self.sequence.push(record.command_id);
            self.orders.insert(record.command_id, record);
        }
        self.holdings.extend(delta.holdings);
        self.day.extend(delta.day);
        self.told.extend(delta.told);
        self.controls.extend(delta.controls);
        self.events.extend(delta.events);
        for (chain, change) in delta.kept {
            let states = self.kept.entry(chain.clone()).or_default();
            match &change.now {
                Some(now) => states.insert(change.slot.clone(), now.clone()),
                None => states.remove(&change.slot),
            };
            self.kept_changed.push((chain, change));
        }
        self.alarms_changed.extend(delta.alarms_before.into_iter().map(|(chain, _)| chain));
    }

    /// Chains that have grown past a multiple of `every` since their last anchor.
    pub(super) fn chains_past(&mut self, every: u64) -> Vec<(Option<ClientId>, Chain)> {
        let due: Vec<_> = self
            .chains
            .iter()
            .filter(|(client, chain)| {
                let anchored = self.anchored.get(*client).copied().unwrap_or(0);
                chain.seq.checked_div(every) > anchored.checked_div(every)
            })
            .map(|(client, chain)| (client.clone(), *chain))
            .collect();
        for (client, chain) in &due {
            self.anchored.insert(client.clone(), chain.seq);
        }
        due
    }

    pub(super) fn take_committed(&mut self) -> Committed {
        let mut orders = std::mem::take(&mut self.orders);
        let orders = std::mem::take(&mut self.sequence).iter().filter_map(|command| orders.remove(command)).collect();
        let changed = std::mem::take(&mut self.alarms_changed);
        let alarms = changed.into_iter().map(|chain| (chain.clone(), self.alarms.get(&chain).cloned().unwrap_or_default())).collect();
        let holdings = std::mem::take(&mut self.holdings);
        Committed {
            orders,
            holdings,
            day: std::mem::take(&mut self.day),
            controls: std::mem::take(&mut self.controls),
            alarms,
            kept: std::mem::take(&mut self.kept_changed),
            events: std::mem::take(&mut self.events),
        }
    }
}
