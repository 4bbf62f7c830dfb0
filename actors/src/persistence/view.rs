//! The live view: every account's book, as of the last commit, or with what the round that is open has registered. One writer; readers lock it only to look or to clone
//! `Arc`s, never across serialisation or an await.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::alarms::{Alarm, Alarms};
use super::book::Book;
use super::kept::{Kept, KeptChange, KeptStates, Slot, Topic};
use super::waiting::{Changes, Waiting};
use super::writing::Writing;
use crate::order::{ClientId, CommandId};

/// Every account as committed.
#[derive(Debug)]
pub struct View {
    books: RwLock<BTreeMap<ClientId, Book>>,
    commits: watch::Sender<u64>,
    free_space: RwLock<Option<u64>>,
    writing: Writing,
    process_alarms: RwLock<Alarms>,
    process_kept: RwLock<KeptStates>,
    waiting: Arc<Waiting>,
}

impl View {
    /// A view over these accounts.
    #[must_use]
    pub fn new(books: Vec<Book>) -> Self {
        let books = books.into_iter().map(|book| (book.client_id().clone(), book)).collect();
        Self {
            books: RwLock::new(books),
            commits: watch::Sender::new(0),
            free_space: RwLock::new(None),
            writing: Writing::default(),
            process_alarms: RwLock::new(Alarms::default()),
            process_kept: RwLock::default(),
            waiting: Arc::default(),
        }
    }

    /// Looks at one account; `None` if there is no such account.
    pub fn read<R>(&self, client_id: &ClientId, look: impl FnOnce(&Book) -> R) -> Option<R> {
        self.books.read().get(client_id).map(look)
    }

    /// The accounts, in order.
    #[must_use]
    pub fn accounts(&self) -> Vec<ClientId> {
        self.books.read().keys().cloned().collect()
    }

    /// Counts up with every commit: what a reader that waits for a change waits on.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Bytes free where the journal lives, as last measured.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        *self.free_space.read()
    }

    pub(super) fn put_free_space(&self, bytes: Option<u64>) {
        *self.free_space.write() = bytes;
    }

    /// For how long the writer has been at one step.
    #[must_use]
    pub fn writing(&self) -> &Writing {
        &self.writing
    }

    /// The open alarms that are about no account.
    #[must_use]
    pub fn process_alarms(&self) -> Vec<Alarm> {
        self.process_alarms.read().iter().cloned().collect()
    }

    pub(super) fn put_process_alarms(&self, alarms: Alarms) {
        *self.process_alarms.write() = alarms;
    }

    /// The states of a topic that are about no account.
    #[must_use]
    pub fn process_kept(&self, topic: Topic) -> Vec<(Slot, Kept)> {
        let states = self.process_kept.read();
        states.iter().filter(|(slot, _)| slot.topic == topic).map(|(slot, kept)| (slot.clone(), kept.clone())).collect()
    }

    pub(super) fn put_process_kept(&self, change: KeptChange) {
        let mut states = self.process_kept.write();
        match change.now {
            Some(now) => states.insert(change.slot, now),
            None => states.remove(&change.slot),
        };
    }

    /// Waits for these orders to change, and for nothing else. Taken before the first look, so that no change is missed.
    #[must_use]
    pub fn changes_of(&self, orders: impl IntoIterator<Item = CommandId>) -> Changes {
        Changes::new(Arc::clone(&self.waiting), orders)
    }

    /// What was written is visible.
    pub(super) fn change(&self, change: impl FnOnce(&mut BTreeMap<ClientId, Book>)) {
        change(&mut self.books.write());
    }

    /// A commit was made; `changed` are the orders whose rows it wrote.
    pub(super) fn announce(&self, changed: &[CommandId]) {
        self.commits.send_modify(|count| *count += 1);
        self.waiting.wake(changed);
    }
}
