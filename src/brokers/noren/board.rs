//! The quote board: the newest quote of every instrument that somebody asked for. One writer (the stream), any number of
//! readers; a burst of frames overwrites, and queues nowhere.
//!
//! Asking is subscribing: the first question for an instrument has no answer yet and makes the stream ask for it. The
//! number of subscriptions is bounded; the one that nobody has asked for longest gives way.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use ordergate_actors::order::InstrumentKey;
use ordergate_actors::ports::{Instruments, Quote, Quotes};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::wire::frames::{Scrip, Tick};

/// What the stream shall ask for, and no longer ask for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// New.
    pub subscribe: Vec<Scrip>,
    /// Given up.
    pub unsubscribe: Vec<Scrip>,
}

/// The board of one account's stream.
pub struct Board {
    instruments: Arc<dyn Instruments>,
    slots: RwLock<HashMap<Scrip, Slot>>,
    changes: Mutex<Changes>,
    changed: Notify,
    questions: AtomicU64,
    most: usize,
}

#[derive(Debug, Default)]
struct Slot {
    quote: Option<Quote>,
    /// The number of the last question for it.
    asked: AtomicU64,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("subscribed", &self.slots.read().len()).field("most", &self.most).finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board with room for so many instruments.
    #[must_use]
    pub fn new(instruments: Arc<dyn Instruments>, most: usize) -> Self {
        Self {
            instruments,
            slots: RwLock::default(),
            changes: Mutex::default(),
            changed: Notify::new(),
            questions: AtomicU64::new(0),
            most: most.max(1),
        }
    }

    /// Takes a frame; whether the instrument is on the board. A time ahead of ours is ours.
    pub fn take(&self, tick: &Tick, now: DateTime<Utc>) -> bool {
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(&tick.scrip) else { return false };
        slot.quote = tick.merge(slot.quote, now).map(|quote| Quote { at: quote.at.min(now), ..quote });
        true
    }

    /// Takes a quote that was read by itself, unless the board has a newer one.
    pub fn put(&self, scrip: Scrip, quote: Quote) {
        if let Some(slot) = self.slots.write().get_mut(&scrip)
            && slot.quote.is_none_or(|known| known.at <= quote.at)
        {
            slot.quote = Some(quote);
        }
    }

    /// All that shall be subscribed: for a new connection. Changes up to now are in it.
    pub fn all(&self) -> Vec<Scrip> {
        let mut changes = self.changes.lock();
        *changes = Changes::default();
        let mut all: Vec<Scrip> = self.slots.read().keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Waits until there is something to change. Loses nothing when dropped.
    pub async fn changed(&self) {
        loop {
            let notified = self.changed.notified();
            let is_pending = {
                let changes = self.changes.lock();
                !changes.subscribe.is_empty() || !changes.unsubscribe.is_empty()
            };
            if is_pending {
                return;
            }
            notified.await;
        }
    }

    /// What changed since the last question.
    pub fn take_changes(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Wants the instrument's quotes from now on.
    pub fn want(&self, scrip: Scrip) {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.slots.read().get(&scrip) {
            slot.asked.store(number, Ordering::Relaxed);
            return;
        }
        let mut changes = self.changes.lock();
        let mut slots = self.slots.write();
        if slots.contains_key(&scrip) {
            return;
        }
        if slots.len() >= self.most
            && let Some(oldest) = slots.iter().min_by_key(|(_, slot)| slot.asked.load(Ordering::Relaxed)).map(|(scrip, _)| *scrip)
        {
            slots.remove(&oldest);
            changes.subscribe.retain(|other| *other != oldest);
            changes.unsubscribe.push(oldest);
        }
        slots.insert(scrip, Slot { quote: None, asked: AtomicU64::new(number) });
        changes.unsubscribe.retain(|other| *other != scrip);
        changes.subscribe.push(scrip);
        drop((slots, changes));
        self.changed.notify_one();
    }
}

impl Quotes for Board {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        let instrument = self.instruments.find(key)?;
        let scrip = Scrip { exchange: key.exchange, token: instrument.token };
        self.want(scrip);
        self.slots.read().get(&scrip).and_then(|slot| slot.quote)
    }
}
