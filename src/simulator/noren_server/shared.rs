//! The one broker that HTTP handlers, sockets and the ticker share.
//!
//! *Invariant:* what changed is in the state file before anybody is told, and messages leave in the order in which they
//! came to be: both happen under the lock of the core.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::ports::Clock as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::StartError;
use super::clock::SimClock;
use super::core::{Core, Outgoing, SocketId, Times};
use super::listing::Listing;
use super::settings::Settings;
use crate::clock::SystemClock;
use ordergate_actors::order::trading_date;
use std::sync::Arc;

/// How often the market is looked at while somebody watches it, and how long the ticker sleeps at most.
const MARKET: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: SimClock,
    pub(super) settings: Settings,
    pub(super) listing: Arc<Listing>,
    inner: Mutex<Inner>,
    changed: Notify,
    sockets: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    senders: HashMap<SocketId, mpsc::UnboundedSender<Outgoing>>,
    state: Option<File>,
    starts: u64,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Result<Self, StartError> {
        let clock = SimClock::new(settings.time);
        let now = clock.now();
        let listing = Arc::new(Listing::new(trading_date(now))?);
        let mut core = Core::new(settings.clone(), Arc::clone(&listing), &nonce(0));
        let mut state = None;
        if let Some(path) = &settings.state {
            let bad = |cause: String| StartError::State { path: path.clone(), cause };
            let file = OpenOptions::new().create(true).append(true).open(path).map_err(|cause| bad(cause.to_string()))?;
            let text = std::fs::read_to_string(path).map_err(|cause| bad(cause.to_string()))?;
            core.restore(&text, now).map_err(bad)?;
            // What a kill tore off must not lead the next line.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            if whole < text.len() {
                file.set_len(u64::try_from(whole).unwrap_or(0)).map_err(|cause| bad(cause.to_string()))?;
            }
            state = Some(file);
        }
        let inner = Inner { core, senders: HashMap::new(), state, starts: 0 };
        Ok(Self { clock, settings, listing, inner: Mutex::new(inner), changed: Notify::new(), sockets: AtomicU64::new(0) })
    }

    /// The times of now.
    pub(super) fn times(&self) -> Times {
        Times { now: self.clock.now(), machine: SystemClock.now() }
    }

    /// Does something to the broker.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Core, DateTime<Utc>) -> T) -> T {
        let mut inner = self.inner.lock();
        let done = act(&mut inner.core, self.clock.now());
        inner.settle();
        drop(inner);
        self.changed.notify_one();
        done
    }

    /// A connection begins: its number and what is to be sent to it.
    pub(super) fn connect(&self) -> (SocketId, mpsc::UnboundedReceiver<Outgoing>) {
        let id = self.sockets.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.inner.lock();
        inner.core.socket_open(id);
        inner.senders.insert(id, sender);
        (id, receiver)
    }

    pub(super) fn disconnect(&self, id: SocketId) {
        let mut inner = self.inner.lock();
        inner.core.socket_gone(id);
        inner.senders.remove(&id);
    }

    /// Begins anew: empty books, no sessions, the faults of the settings; the time stays.
    pub(super) fn reset(&self) -> std::io::Result<()> {
        let mut inner = self.inner.lock();
        inner.starts += 1;
        if let Some(file) = &inner.state {
            file.set_len(0)?;
        }
        inner.core = Core::new(self.settings.clone(), Arc::clone(&self.listing), &nonce(inner.starts));
        inner.senders.clear();
        Ok(())
    }

    /// Lets time pass until the task is dropped.
    pub(super) async fn tick(&self) {
        loop {
            let wait = {
                let mut inner = self.inner.lock();
                inner.core.advance(self.clock.now());
                inner.settle();
                let due = inner.core.next_due().and_then(|due| self.clock.real_until(due)).unwrap_or(IDLE);
                due.min(if inner.core.watches_market() { MARKET } else { IDLE })
            };
            let _either = tokio::time::timeout(wait, self.changed.notified()).await;
        }
    }
}

impl Inner {
    fn settle(&mut self) {
        match &mut self.state {
            None => self.core.forget_unsaved(),
            Some(file) => {
                if let Some(line) = self.core.take_unsaved()
                    && let Err(cause) = file.write_all(format!("{line}\n").as_bytes())
                {
                    eprintln!("simulate-broker: the state file cannot be written: {cause}; the next start will not know what happened");
                }
            }
        }
        for (id, outgoing) in self.core.take_outgoing() {
            let is_end = outgoing == Outgoing::Close;
            if let Some(sender) = self.senders.get(&id) {
                // Who is gone misses it.
                let _ = sender.send(outgoing);
            }
            if is_end {
                self.senders.remove(&id);
            }
        }
    }
}

/// What makes the tokens of this run its own.
fn nonce(starts: u64) -> String {
    format!("{} {} {starts}", std::process::id(), SystemClock.now().timestamp_micros())
}
