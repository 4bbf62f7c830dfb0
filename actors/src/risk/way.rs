//! Entries whose end an exit waits for, and since when. Each is waited for once, from the first look at which an exit found it in its
//! way and its cancel was asked for: a cancel that is refused again and again does not begin it anew, a fresh core does. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::rules::self_trade;
use crate::order::{CommandId, OrderRecord, OrderType};
use crate::persistence::Book;

/// See above.
#[derive(Debug, Default)]
pub struct InTheWay(BTreeMap<CommandId, DateTime<Utc>>);

impl InTheWay {
    /// These are in the way of an exit now, and are waited for from now on unless they were before. What has ended is forgotten.
    pub(super) fn note(&mut self, entries: &[CommandId], book: &Book, now: DateTime<Utc>) {
        self.0.retain(|entry, _| book.order(*entry).is_some_and(|order| !order.status.is_terminal()));
        for entry in entries {
            self.0.entry(*entry).or_insert(now);
        }
    }

    /// Whether an exit has waited for the entry's end as long as it does. Not before its cancel is on disk.
    pub(super) fn waited_enough(&self, entry: &OrderRecord, now: DateTime<Utc>, patience: chrono::Duration) -> bool {
        let is_long = |since: &DateTime<Utc>| now.signed_duration_since(*since) > patience;
        entry.cancel_wanted.is_some() && self.0.get(&entry.command_id).is_some_and(is_long)
    }

    /// The entries that a working exit with these terms could trade against, and that still hold its change back. A stop meets nothing
    /// until it is triggered.
    pub(super) fn still(
        &mut self,
        exit: &OrderRecord,
        book: &Book,
        now: DateTime<Utc>,
        patience: chrono::Duration,
    ) -> Vec<Arc<OrderRecord>> {
        let (Some(side), Some(key)) = (exit.ask.side, exit.instrument()) else { return Vec::new() };
        if exit.ask.order_type.is_some_and(OrderType::has_trigger) {
            return Vec::new();
        }
        let against: Vec<Arc<OrderRecord>> =
            self_trade::against(exit, &key, side, book).filter(|other| !other.is_exit() && !other.is_in_doubt()).map(Arc::clone).collect();
        let entries: Vec<CommandId> = against.iter().map(|entry| entry.command_id).collect();
        self.note(&entries, book, now);
        against.into_iter().filter(|entry| !self.waited_enough(entry, now, patience)).collect()
    }
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
