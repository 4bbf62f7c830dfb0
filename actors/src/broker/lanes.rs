//! The pure core of BrokerActor: who goes next. Kill before cancel before exit before modify before entry; within a
//! lane, first registered first.

use std::collections::BTreeMap;

use crate::guard::Admitted;
use crate::order::CommandId;
use crate::ports::{Modification, Prepared};

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

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waits for room in the window.
    Queued,
    /// Its row is on the way to the disk.
    Intended,
    /// On disk: may be called.
    Ready,
}

/// What is called.
#[derive(Debug)]
pub enum Work {
    /// Place this order, as this request.
    Place(Box<Admitted>, Box<Prepared>),
    /// Cancel the order.
    Cancel,
    /// Change the order.
    Modify(Box<Modification>),
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
    /// How far it is.
    pub stage: Stage,
}

type Key = (Lane, u64, CallKind);

/// Everything that waits for the write slot.
#[derive(Debug, Default)]
pub struct Lanes {
    items: BTreeMap<Key, Item>,
    by_command: BTreeMap<(CommandId, CallKind), Key>,
}

impl Lanes {
    /// Adds an item; one of the same kind for the same order that waits already stands, and the new one is handed back.
    pub fn push(&mut self, lane: Lane, number: u64, command_id: CommandId, work: Work) -> Option<Work> {
        let kind = work.kind();
        if self.by_command.contains_key(&(command_id, kind)) {
            return Some(work);
        }
        let key = (lane, number, kind);
        self.by_command.insert((command_id, kind), key);
        self.items.insert(key, Item { command_id, work, stage: Stage::Queued });
        None
    }

    /// Orders and changes whose row is on disk or on the way there; cancels are not counted.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.items.iter().filter(|((lane, ..), item)| *lane > Lane::Cancel && item.stage != Stage::Queued).count()
    }

    /// The next item whose row should be written.
    pub fn next_queued(&mut self) -> Option<(Lane, &mut Item)> {
        self.items.iter_mut().find(|(_, item)| item.stage == Stage::Queued).map(|((lane, ..), item)| (*lane, item))
    }

    /// Takes the next item that may be called.
    pub fn take_ready(&mut self) -> Option<(Lane, Item)> {
        let key = *self.items.iter().find(|(_, item)| item.stage == Stage::Ready)?.0;
        self.remove(key)
    }

    /// Takes the item of this kind for this order.
    pub fn take(&mut self, command_id: CommandId, kind: CallKind) -> Option<(Lane, Item)> {
        let key = *self.by_command.get(&(command_id, kind))?;
        self.remove(key)
    }

    /// The item of this kind for this order.
    pub fn get_mut(&mut self, command_id: CommandId, kind: CallKind) -> Option<&mut Item> {
        self.items.get_mut(self.by_command.get(&(command_id, kind))?)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn remove(&mut self, key: Key) -> Option<(Lane, Item)> {
        let item = self.items.remove(&key)?;
        self.by_command.remove(&(item.command_id, item.work.kind()));
        Some((key.0, item))
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
        for number in [5, 9, 3] {
            lanes.get_mut(command(number), CallKind::Cancel).unwrap().stage = Stage::Ready;
        }
        let order: Vec<_> = std::iter::from_fn(|| lanes.take_ready().map(|(_, item)| item.command_id)).collect();
        assert_eq!(order, [command(9), command(3), command(5)]);
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
        lanes.next_queued().unwrap().1.stage = Stage::Intended;
        assert!(lanes.take_ready().is_none());
        assert_eq!(lanes.ahead(), 0, "a cancel takes no room in the window");
    }
}
