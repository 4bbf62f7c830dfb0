//! One channel's own outbox and task: what is slow or dead there holds up nobody else.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::Clock;
use ordergate_actors::supervision::panic_words;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, mpsc, watch};

use super::Alert;
use super::feed::{Feed, FeedError};
use super::outbox::{Outbox, Rules};
use super::send::{Channel, SendError};
use super::shelf::Shelf;

/// How often the journal is looked at while something is committed that is no page; a page is looked at at once.
const LOOK: Duration = Duration::from_millis(250);
/// How often what comes due by time is looked at: folds, quiet hours, escalation.
const BY_TIME: TimeDelta = TimeDelta::seconds(5);
/// How often the outbox is written when nothing but the place in the journal has changed.
const WRITE: TimeDelta = TimeDelta::seconds(5);

/// The pause before a channel begins again after a fault.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// The journal that is read, once it is open.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// The data directory.
    pub(super) directory: Arc<Path>,
    /// Where each chain ended when the engine opened it, by account.
    pub(super) heads: Arc<[(Option<ClientId>, u64)]>,
}

/// How a channel is woken: by the writer's thread, which never waits for it.
#[derive(Debug, Default)]
pub(super) struct Wake {
    has_rows: AtomicBool,
    page: Notify,
}

impl Wake {
    pub(super) fn committed(&self, has_page: bool) {
        self.has_rows.store(true, Ordering::Release);
        if has_page {
            self.page.notify_one();
        }
    }
}

/// How a channel stands, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Messages that were read from the journal and have not arrived.
    pub waiting: usize,
    /// Alerts that are counted and told later: it is quiet, or they were read late.
    pub held_back: u32,
    /// When the last message arrived, since the start.
    pub sent_at: Option<DateTime<Utc>>,
    /// What went wrong with the last one, if it did.
    pub trouble: Option<String>,
    /// Its sender stopped at a fault, and has not got through a round since.
    #[serde(skip)]
    pub is_faulty: bool,
}

/// What the task of one channel owns.
pub(super) struct Post {
    pub(super) channel: Channel,
    pub(super) rules: Rules,
    /// What is in no journal: the end of the process, the report of the morning.
    pub(super) queue: mpsc::Receiver<Alert>,
    pub(super) wake: Arc<Wake>,
    pub(super) clock: Arc<dyn Clock>,
    /// Set once the journal is open.
    pub(super) opened: watch::Receiver<Option<Opened>>,
    pub(super) feed: Option<Feed>,
    pub(super) outbox: Outbox,
    pub(super) shelf: Shelf,
    pub(super) standing: Arc<Mutex<Standing>>,
    /// Turns true when the process ends.
    pub(super) closing: watch::Receiver<bool>,
    /// Dropped with the task: that is how its end is seen.
    pub(super) _ended: crossbeam_channel::Sender<()>,
}

/// What was last written down, and when.
struct Written {
    outbox: Outbox,
    at: DateTime<Utc>,
    /// When it could not be written.
    failed_at: Option<DateTime<Utc>>,
}

impl Post {
    /// Sends what comes until it is told to close. A fault ends no channel, and this one's no other's: it begins again with what is
    /// written down.
    pub(super) async fn run(mut self) {
        while let Err(panic) = AssertUnwindSafe(self.work()).catch_unwind().await {
            let words = panic_words(&*panic);
            tracing::error!(event = "alert_fault", channel = self.channel.name(), "a channel stopped at a fault and begins again: {words}");
            {
                let mut standing = self.standing.lock();
                (standing.trouble, standing.is_faulty) = (Some(format!("a fault of its sender: {words}")), true);
            }
            (self.outbox, self.feed) = (self.shelf.load(), None);
            tokio::time::sleep(AFTER_A_FAULT).await;
        }
    }

    /// Sends what comes; at the end what is left, until the first that does not arrive.
    async fn work(&mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut written = Written { outbox: self.outbox.clone(), at: self.clock.now(), failed_at: None };
        let mut looked_at = None;
        let mut is_behind = true;
        loop {
            tokio::select! {
                biased;
                // An error: every handle is gone, which is an end as well.
                _ = self.closing.wait_for(|is_closing| *is_closing) => break,
                taken = self.queue.recv() => match taken {
                    Some(alert) => self.outbox.take(&self.rules, alert, self.clock.now()),
                    None => break,
                },
                () = self.wake.page.notified() => is_behind = true,
                _ = look.tick() => {}
            }
            is_behind |= self.wake.has_rows.swap(false, Ordering::AcqRel);
            let now = self.clock.now();
            let is_due = looked_at.is_none_or(|at: DateTime<Utc>| (now.signed_duration_since(at)).abs() >= BY_TIME);
            if is_behind || is_due {
                is_behind = !self.read(now);
            }
            if is_due {
                looked_at = Some(now);
                self.by_time(now);
            }
            self.keep(&mut written, now);
            if self.send(&mut written).await {
                // There is room again, and the journal may have more.
                is_behind = true;
            }
            self.show();
        }
        self.end(&mut written).await;
    }

    /// Reads on in the journal; answers whether there is no more to do now: no row is left, or it cannot be read. What comes due
    /// by time reads again.
    fn read(&mut self, now: DateTime<Utc>) -> bool {
        match self.read_on(now) {
            Ok(()) => self.outbox.has_room(),
            Err(error) => {
                tracing::error!(event = "alert_feed", channel = self.channel.name(), "{error}; it is tried again");
                true
            }
        }
    }

    fn read_on(&mut self, now: DateTime<Utc>) -> Result<(), FeedError> {
        let Some(opened) = self.opened.borrow().clone() else { return Ok(()) };
        if self.feed.is_none() {
            self.outbox.fit(&opened.heads);
        }
        let feed = self.feed.get_or_insert_with(|| Feed::new(&opened.directory));
        if !self.outbox.has_begun() {
            let open = feed.open_alarms()?;
            self.outbox.begin(&opened.heads, &open);
        }
        if self.rules.is_escalation { Ok(()) } else { feed.read(&mut self.outbox, &self.rules, now) }
    }

    fn by_time(&mut self, now: DateTime<Utc>) {
        self.outbox.look(&self.rules, now);
        let Some(feed) = self.feed.as_mut().filter(|_| self.rules.escalate.is_some() && self.outbox.has_begun()) else { return };
        match feed.open_alarms() {
            Ok(open) => self.outbox.escalate(&self.rules, &open, now),
            Err(error) => tracing::error!(event = "alert_feed", channel = self.channel.name(), "{error}; it is tried again"),
        }
    }

    /// Writes the outbox down before anything of it is sent.
    fn keep(&self, written: &mut Written, now: DateTime<Utc>) {
        if self.outbox == written.outbox {
            return;
        }
        let is_recent = |at: DateTime<Utc>| now.signed_duration_since(at).abs() < WRITE;
        let can_wait = is_recent(written.at) && self.outbox.differs_only_in_reading(&written.outbox);
        if can_wait || written.failed_at.is_some_and(is_recent) {
            return;
        }
        match self.shelf.save(&self.outbox) {
            Ok(()) => *written = Written { outbox: self.outbox.clone(), at: now, failed_at: None },
            Err(error) => {
                written.failed_at = Some(now);
                let channel = self.channel.name();
                tracing::error!(
                    event = "alert_outbox",
                    channel,
                    "what was sent is not written down: {error}; the next start may send it again"
                );
            }
        }
    }

    /// Sends what is due, one after the other; answers whether anything arrived.
    async fn send(&mut self, written: &mut Written) -> bool {
        let mut has_arrived = false;
        while let Some(message) = self.outbox.next(self.clock.now()) {
            let name = self.channel.name().to_owned();
            let result = self.channel.once(&message.alert).await;
            let now = self.clock.now();
            match result {
                Ok(()) => {
                    has_arrived = true;
                    self.outbox.sent(message.count);
                    metrics::counter!("ordergate_alerts_sent_total", "channel" => name).increment(1);
                    let mut standing = self.standing.lock();
                    (standing.sent_at, standing.trouble) = (Some(now), None);
                }
                Err(error) => {
                    let is_given_up = self.outbox.failed(&self.rules, message.count, error.is_unwanted(), now);
                    self.failed(&message.alert, &error, is_given_up);
                }
            }
            self.keep(written, now);
            if *self.closing.borrow() {
                break;
            }
        }
        has_arrived
    }

    fn failed(&self, alert: &Alert, error: &SendError, is_given_up: bool) {
        let channel = self.channel.name().to_owned();
        if is_given_up {
            tracing::error!(event = "alert_given_up", channel, alert = alert.event, "{error}: this one is given up; the journal has it");
            metrics::counter!("ordergate_alerts_given_up_total", "channel" => channel.clone()).increment(1);
        } else {
            tracing::warn!(event = "alert_failed", channel, alert = alert.event, "an alert did not arrive yet: {error}");
        }
        metrics::counter!("ordergate_alerts_failed_total", "channel" => channel).increment(1);
        self.standing.lock().trouble = Some(error.to_string());
    }

    fn show(&self) {
        let mut standing = self.standing.lock();
        (standing.waiting, standing.held_back) = (self.outbox.waiting(), self.outbox.held_back());
        standing.is_faulty = false;
        let channel = self.channel.name().to_owned();
        metrics::gauge!("ordergate_alerts_waiting", "channel" => channel)
            .set(f64::from(u32::try_from(standing.waiting).unwrap_or(u32::MAX)));
    }

    /// The process ends: what is left goes out until the first that does not arrive; the rest is on disk for the next start.
    async fn end(&mut self, written: &mut Written) {
        let now = self.clock.now();
        while let Ok(alert) = self.queue.try_recv() {
            self.outbox.take(&self.rules, alert, now);
        }
        let _as_far_as_it_reads = self.read(now);
        self.outbox.close();
        self.keep(written, now);
        while let Some(message) = self.outbox.next(self.clock.now()) {
            let result = self.channel.once(&message.alert).await;
            match result {
                Ok(()) => self.outbox.sent(message.count),
                Err(error) => {
                    self.failed(&message.alert, &error, false);
                    break;
                }
            }
            self.keep(written, self.clock.now());
        }
        if let Err(error) = self.shelf.save(&self.outbox) {
            tracing::error!(event = "alert_outbox", channel = self.channel.name(), "{error}; the next start may send some again");
        }
    }
}
