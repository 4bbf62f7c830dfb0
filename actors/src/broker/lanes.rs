//! The pure core of BrokerActor: who goes next. Kill before cancel before exit before modify before entry; within a
//! lane, first registered first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::budget::Venue;
use super::calls::CallKind;
use super::change::Wish;
use crate::guard::Admitted;
use crate::order::{BasketId, CommandId, Exchange};
use crate::ports::{Prepared, PreparedChange};

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
    /// Everything else that is sent.
    Entry,
    /// Reads of the broker's books. They wait for no slot of the others, only for room in the budget.
    Read,
}

/// What is called.
#[derive(Debug)]
pub enum Work {
    /// Place this order, as this request.
    Place(Box<Admitted>, Box<Prepared>),
    /// Cancel the order.
    Cancel,
    /// Change the order.
    Modify(Box<PreparedChange>, Wish),
}

impl Work {
    fn kind(&self) -> CallKind {
        match self {
            Self::Place(..) => CallKind::Place,
            Self::Cancel => CallKind::Cancel,
            Self::Modify(..) => CallKind::Modify,
        }
    }
}

/// One thing that waits.
#[derive(Debug)]
pub struct Item {
    /// The order.
    pub command_id: CommandId,
    /// The lane that it waits in.
    pub lane: Lane,
    /// The order's number: within a lane the lowest goes first.
    pub number: u64,
    /// Where it is for, if a token of the budget is taken for it; a mock order needs none.
    pub counts_at: Option<Exchange>,
    /// When it came to where it waits now.
    pub since: DateTime<Utc>,
    /// What to do.
    pub work: Work,
}

/// Where an item waits.
pub(super) type Key = (Lane, u64, CallKind);

impl Item {
    /// The basket of an order that is to be placed.
    fn basket(&self) -> Option<BasketId> {
        match &self.work {
            Work::Place(admitted, _) => Some(admitted.record().basket_id),
            Work::Cancel | Work::Modify(..) => None,
        }
    }
}

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
    /// Adds an item. Of two of the same kind for the same order the one that came first stands, unless nothing is written of
    /// it and the new one is in more of a hurry; the other one is handed back.
    pub fn push(&mut self, item: Item) -> Option<Work> {
        let kind = item.work.kind();
        let slower = match self.places.get(&(item.command_id, kind)) {
            None => None,
            Some((waits, Stage::Queued)) if item.lane < waits.0 => self.queued.remove(waits),
            Some(_) => return Some(item.work),
        };
        let key = (item.lane, item.number, kind);
        self.places.insert((item.command_id, kind), (key, Stage::Queued));
        self.queued.insert(key, item);
        slower.map(|slower| slower.work)
    }

    /// Entries and changes whose row is on disk or on the way there; cancels and exits are not counted.
    #[must_use]
    pub fn ahead(&self) -> usize {
        let counted = (Lane::Modify, 0, CallKind::Place)..;
        self.intended.range(counted.clone()).count() + self.ready.range(counted).count()
    }

    /// The next item whose row should be written: the first, or, while the counts of some exchanges are full, the first of
    /// its lane that is for another one. A basket keeps its order: none of it passes another of it.
    #[must_use]
    pub fn next(&self, full: &[Venue]) -> Option<Key> {
        let ((lane, ..), _) = self.queued.first_key_value()?;
        let mut held: BTreeSet<BasketId> = BTreeSet::new();
        let mut of_lane = self.queued.iter().take_while(|(key, _)| key.0 == *lane);
        let found = of_lane.find(|(_, item)| {
            let is_full = item.counts_at.is_some_and(|exchange| full.contains(&Venue::of(exchange)));
            let stays = is_full || item.basket().is_some_and(|basket| held.contains(&basket));
            if stays {
                held.extend(item.basket());
            }
            !stays
        });
        found.map(|(key, _)| *key)
    }

    /// An item whose row is not written yet.
    #[must_use]
    pub fn queued(&self, key: Key) -> Option<&Item> {
        self.queued.get(&key)
    }

    /// Takes an item out whose row is not written yet.
    pub fn take_queued(&mut self, key: Key) -> Option<Item> {
        let item = self.queued.remove(&key)?;
        self.places.remove(&(item.command_id, key.2));
        Some(item)
    }

    /// The row of the item is written: from now on it counts as on the way to the disk.
    pub fn intend(&mut self, key: Key, now: DateTime<Utc>) -> Option<&mut Item> {
        let mut item = self.queued.remove(&key)?;
        item.since = now;
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

    /// What has been on the way to the disk since before then: the word of its commit may be lost.
    #[must_use]
    pub fn overdue(&self, before: DateTime<Utc>) -> Vec<(CommandId, CallKind)> {
        self.intended.iter().filter(|(_, item)| item.since < before).map(|(key, item)| (item.command_id, key.2)).collect()
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

    fn cancel(lane: Lane, number: u64) -> Item {
        let command_id = command(u128::from(number));
        Item { command_id, lane, number, counts_at: Some(Exchange::Nse), since: DateTime::UNIX_EPOCH, work: Work::Cancel }
    }

    fn intend_next(lanes: &mut Lanes, now: DateTime<Utc>) -> bool {
        lanes.next(&[]).is_some_and(|key| lanes.intend(key, now).is_some())
    }

    #[test]
    fn what_one_exchange_holds_up_does_not_hold_up_the_lane() {
        let mut lanes = Lanes::default();
        let at = |exchange, number| Item { counts_at: Some(exchange), ..cancel(Lane::Cancel, number) };
        let (nfo, mcx) = (Exchange::Nfo, Exchange::Mcx);
        let kill = Item { counts_at: Some(nfo), ..cancel(Lane::Kill, 9) };
        for item in [at(nfo, 1), at(Exchange::Nse, 2), at(mcx, 3), kill] {
            assert!(lanes.push(item).is_none());
        }
        let number = |lanes: &Lanes, full: &[Venue]| lanes.next(full).map(|(_, number, _)| number);
        assert_eq!(number(&lanes, &[Venue::Nse]), None, "no other lane passes a kill");
        assert!(intend_next(&mut lanes, DateTime::UNIX_EPOCH));
        assert_eq!(number(&lanes, &[]), Some(1));
        assert_eq!(number(&lanes, &[Venue::Nse]), Some(3), "both NSE and NFO are counted there");
        assert_eq!(number(&lanes, &[Venue::Nse, Venue::Mcx]), None);
    }

    #[test]
    fn what_is_on_the_way_for_too_long_is_named() {
        let at = |second| DateTime::UNIX_EPOCH + chrono::Duration::seconds(second);
        let mut lanes = Lanes::default();
        for number in [1, 2, 3] {
            assert!(lanes.push(cancel(Lane::Cancel, number)).is_none());
        }
        assert!(intend_next(&mut lanes, at(10)) && intend_next(&mut lanes, at(20)));
        assert_eq!(lanes.overdue(at(15)), [(command(1), CallKind::Cancel)], "2 is young, 3 was not written");
        assert!(lanes.make_ready(command(1), CallKind::Cancel));
        assert!(lanes.overdue(at(15)).is_empty());
    }

    #[test]
    fn kill_goes_before_cancel_and_first_before_second() {
        let mut lanes = Lanes::default();
        for (lane, number) in [(Lane::Cancel, 5), (Lane::Kill, 9), (Lane::Cancel, 3)] {
            assert!(lanes.push(cancel(lane, number)).is_none());
        }
        while intend_next(&mut lanes, DateTime::UNIX_EPOCH) {}
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
        assert!(lanes.push(cancel(Lane::Cancel, 1)).is_none());
        assert!(lanes.push(cancel(Lane::Cancel, 1)).is_some());
        assert_eq!(lanes.len(), 1);
    }

    #[test]
    fn what_is_in_more_of_a_hurry_takes_the_place_of_what_is_not_written() {
        let mut lanes = Lanes::default();
        assert!(lanes.push(cancel(Lane::Cancel, 1)).is_none());
        assert!(lanes.push(cancel(Lane::Kill, 1)).is_some(), "the slower one is handed back");
        assert_eq!((lanes.len(), lanes.next(&[])), (1, Some((Lane::Kill, 1, CallKind::Cancel))));
        assert!(lanes.push(cancel(Lane::Cancel, 1)).is_some());
        assert_eq!(lanes.next(&[]), Some((Lane::Kill, 1, CallKind::Cancel)), "and never a quicker one");
        assert!(lanes.push(cancel(Lane::Cancel, 2)).is_none());
        assert!(intend_next(&mut lanes, DateTime::UNIX_EPOCH) && intend_next(&mut lanes, DateTime::UNIX_EPOCH));
        assert!(lanes.push(cancel(Lane::Kill, 2)).is_some(), "its row is on the way");
        assert!(lanes.make_ready(command(2), CallKind::Cancel), "and it goes as it was written");
    }

    #[test]
    fn what_is_not_on_disk_is_not_called() {
        let mut lanes = Lanes::default();
        let _none = lanes.push(cancel(Lane::Cancel, 1));
        assert!(lanes.take_ready().is_none());
        assert!(intend_next(&mut lanes, DateTime::UNIX_EPOCH));
        assert!(lanes.take_ready().is_none());
        assert_eq!(lanes.ahead(), 0, "a cancel takes no room in the window");
        assert!(lanes.make_ready(command(1), CallKind::Cancel));
        assert!(lanes.take_ready().is_some());
    }
}
