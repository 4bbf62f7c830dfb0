//! The pure core of BrokerActor: who goes next. Kill before cancel before exit before modify before entry; within a
//! lane, first registered first.

use std::collections::BTreeMap;

use crate::guard::Admitted;
use crate::order::CommandId;
use crate::ports::{Prepared, PreparedChange};

use super::calls::CallKind;

/// The lanes, in the order in which they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Cancels that a kill asked for.
    Kill,
    /// Cancels.
    Cancel,
    /// Orders that close a position.
    Exit,
    /// Changes of working orders.
    Modify,
    /// Everything else.
    Entry,
}

/// What is called.
#[derive(Debug)]
pub enum Work {
    /// Place this order, as this request.
    Place(Box<Admitted>, Box<Prepared>),
    /// Cancel the order.
    Cancel,
    /// Change the order.
    Modify(Box<PreparedChange>),
}

impl Work {
    fn kind(&self) -> CallKind {
        match self {
            Self::Place(..) => CallKind::Place,
            Self::Cancel => CallKind::Cancel,
            Self::Modify(_) => CallKind::Modify,
        }
    }
}

/// One thing that waits.
#[derive(Debug)]
pub struct Item {
    /// The order.
    pub command_id: CommandId,
    /// What to do.
    pub work: Work,
}

type Key = (Lane, u64, CallKind);

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waits for room in the window.
    Queued,
    /// Its row is on the way to the disk.
    Intended,
    /// On disk: may be called.
    Ready,
}

/// Everything that waits for the write slot, by how far it has come.
#[derive(Debug, Default)]
pub struct Lanes {
    queued: BTreeMap<Key, Item>,
    intended: BTreeMap<Key, Item>,
    ready: BTreeMap<Key, Item>,
    places: BTreeMap<(CommandId, CallKind), (Key, Stage)>,
}

impl Lanes {
    /// Adds an item; one of the same kind for the same order that waits already stands, and the new one is handed back.
    pub fn push(&mut self, lane: Lane, number: u64, command_id: CommandId, work: Work) -> Option<Work> {
        let kind = work.kind();
        if self.places.contains_key(&(command_id, kind)) {
            return Some(work);
        }
        let key = (lane, number, kind);
        self.places.insert((command_id, kind), (key, Stage::Queued));
        self.queued.insert(key, Item { command_id, work });
        None
    }

    /// Entries and changes whose row is on disk or on the way there; cancels and exits are not counted.
    #[must_use]
    pub fn ahead(&self) -> usize {
        let counted = (Lane::Modify, 0, CallKind::Place)..;
        self.intended.range(counted.clone()).count() + self.ready.range(counted).count()
    }

    /// The lane of the next item whose row should be written.
    #[must_use]
    pub fn next_lane(&self) -> Option<Lane> {
        self.queued.first_key_value().map(|((lane, ..), _)| *lane)
    }

    /// The next item whose row is written: from now on it counts as on the way to the disk.
    pub fn intend_next(&mut self) -> Option<&Item> {
        let (key, item) = self.queued.pop_first()?;
        self.places.insert((item.command_id, key.2), (key, Stage::Intended));
        Some(self.intended.entry(key).or_insert(item))
    }

    /// The row of the item is on disk; answers whether there is such an item.
    pub fn make_ready(&mut self, command_id: CommandId, kind: CallKind) -> bool {
        let Some((key, stage @ Stage::Intended)) = self.places.get_mut(&(command_id, kind)) else { return false };
        let Some(item) = self.intended.remove(key) else { return false };
        *stage = Stage::Ready;
        self.ready.insert(*key, item);
        true
    }

    /// Takes the next item that may be called.
    pub fn take_ready(&mut self) -> Option<Item> {
        let (key, item) = self.ready.pop_first()?;
        self.places.remove(&(item.command_id, key.2));
        Some(item)
    }

    /// Takes the item of this kind for this order whose row was on the way to the disk.
    pub fn take_intended(&mut self, command_id: CommandId, kind: CallKind) -> Option<Item> {
        let (key, Stage::Intended) = self.places.get(&(command_id, kind))? else { return None };
        let item = self.intended.remove(key)?;
        self.places.remove(&(command_id, kind));
        Some(item)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn command(n: u128) -> CommandId {
        CommandId(Uuid::from_u128(n))
    }

    #[test]
    fn kill_goes_before_cancel_and_first_before_second() {
        let mut lanes = Lanes::default();
        for (lane, number) in [(Lane::Cancel, 5), (Lane::Kill, 9), (Lane::Cancel, 3)] {
            assert!(lanes.push(lane, number, command(u128::from(number)), Work::Cancel).is_none());
        }
        while lanes.intend_next().is_some() {}
        for number in [5, 9, 3] {
            assert!(lanes.make_ready(command(number), CallKind::Cancel));
        }
        let order: Vec<_> = std::iter::from_fn(|| lanes.take_ready().map(|item| item.command_id)).collect();
        assert_eq!(order, [command(9), command(3), command(5)]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_cancel_is_asked_for_once_at_a_time() {
        let mut lanes = Lanes::default();
        assert!(lanes.push(Lane::Cancel, 1, command(1), Work::Cancel).is_none());
        assert!(lanes.push(Lane::Cancel, 1, command(1), Work::Cancel).is_some());
        assert_eq!(lanes.len(), 1);
    }

    #[test]
    fn what_is_not_on_disk_is_not_called() {
        let mut lanes = Lanes::default();
        let _none = lanes.push(Lane::Cancel, 1, command(1), Work::Cancel);
        assert!(lanes.take_ready().is_none());
        assert!(lanes.intend_next().is_some());
        assert!(lanes.take_ready().is_none());
        assert_eq!(lanes.ahead(), 0, "a cancel takes no room in the window");
        assert!(lanes.make_ready(command(1), CallKind::Cancel));
        assert!(lanes.take_ready().is_some());
    }
}
