//! What must be heard goes to a phone: fills, refusals, alarms, the engine's starts, the day's result, the report of the morning.
//!
//! ```text
//! journal ─▶ Feed: rows after the cursor ─▶ fact: a row's words ─▶ Outbox: rules, folds, quiet hours, escalation ─▶ Channel
//!                                                                  └─ written down before anything of it is sent
//! ```
//!
//! *Invariant:* what is told was committed, and every page that was committed is told in each channel that takes pages. The
//! journal is the queue: each channel reads it by a cursor of its own on a read-only connection, at its own pace, over
//! restarts. The writer's thread only wakes the channels; nothing here is waited for while the engine runs. Only what no
//! journal holds (how the process ends, the report of the morning) comes over a bounded queue; that the disk itself hangs goes past
//! all of it ([`Alerts::at_once`]).

pub mod actions;
mod channel;
pub mod commands;
mod fact;
mod feed;
mod fold;
pub mod heartbeat;
pub mod late;
mod outbox;
mod quiet;
mod send;
mod shelf;
pub mod summary;
pub mod wishes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, CommandId};
use ordergate_actors::persistence::{Event, Level, Listener};
use ordergate_actors::ports::{Clock, StoreError};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

pub use channel::Standing;
pub(crate) use fact::{ENGINE_RESTARTED, ENGINE_STARTED};
pub use fold::Folder;
pub use outbox::{Message, Outbox, Rules};
pub use quiet::Quiet;
pub use send::{Channels, Delivery, SendError};

use channel::{Opened, Post, Wake};
use shelf::Shelf;

use crate::config::{AlertTo, Config};
use crate::files::{Mode, private_directory, write_whole};
use crate::readiness::{ALERT_TEST, Recorded};
use crate::secrets::Secrets;
use crate::store::{OpenError, ReadStore};

/// Alerts that are in no journal and wait to be taken by one channel; more are dropped.
const QUEUE: usize = 256;

/// One thing that a person must hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How loud.
    pub level: Level,
    /// Stable name.
    pub event: String,
    /// What, with the numbers.
    pub text: String,
    /// The account, if it is about one.
    pub client_id: Option<ClientId>,
    /// The order, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The journal row that it is, in the chain of its account: with it a receiver knows what it has heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Alert {
    /// One that is about no account, no order and no row.
    #[must_use]
    pub fn plain(level: Level, event: &str, text: String, at: DateTime<Utc>) -> Self {
        Self { level, event: event.to_owned(), text, client_id: None, command_id: None, seq: None, at }
    }
}

/// Why the channels cannot follow the journal.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It cannot be opened.
    #[error("opening the journal for the alerts: {0}")]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("reading the journal for the alerts: {0}")]
    Store(#[from] StoreError),
}

/// The handle: cheap to clone, never blocks but to [`Alerts::close`].
#[derive(Debug, Clone)]
pub struct Alerts {
    lanes: Arc<[Lane]>,
    channels: Channels,
    apart: Channels,
    opened: Arc<watch::Sender<Option<Opened>>>,
    closing: Arc<watch::Sender<bool>>,
    /// Never holds anything: it is cut off when the last channel's task has ended.
    ended: crossbeam_channel::Receiver<()>,
}

/// The way to one channel.
#[derive(Debug)]
struct Lane {
    shown: Shown,
    queue: mpsc::Sender<Alert>,
    wake: Arc<Wake>,
    standing: Arc<Mutex<Standing>>,
}

/// A channel, for people: its settings without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// `webhook` or `telegram`.
    pub kind: &'static str,
    /// From this level up.
    pub from: Level,
    /// When only pages go, India time.
    pub quiet: Option<String>,
    /// Whether it takes nothing but pages that nobody acknowledged.
    pub is_escalation: bool,
}

impl Lane {
    fn put(&self, alert: Alert) {
        if let Err(error) = self.queue.try_send(alert) {
            metrics::counter!("ordergate_alerts_dropped_total").increment(1);
            let (why, alert) = match error {
                mpsc::error::TrySendError::Full(alert) => ("the queue is full", alert),
                mpsc::error::TrySendError::Closed(alert) => ("its sender has ended", alert),
            };
            let channel = &self.shown.name;
            tracing::error!(event = "alert_dropped", channel, alert = alert.event, "an alert that is in no journal was not sent: {why}");
        }
    }
}

impl Alerts {
    /// Puts an alert that no journal holds into the queue of every channel; drops it, with a word in the log, where there is no
    /// room.
    pub fn raise(&self, alert: Alert) {
        for lane in self.lanes.iter() {
            lane.put(alert.clone());
        }
    }

    /// Sends an alert past the outboxes, from a thread of its own: for when the disk that they lie on may hang. It is in no journal,
    /// is tried a few times, and comes in no order with the others.
    pub fn at_once(&self, alert: Alert) {
        let channels = self.apart.clone();
        let sends = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(channels.insist(&alert)),
            Err(cause) => tracing::error!(event = "alert_dropped", alert = alert.event, "no runtime to send it: {cause}"),
        };
        if let Err(cause) = std::thread::Builder::new().name("alert-at-once".into()).spawn(sends) {
            tracing::error!(event = "alert_dropped", "no thread to send it: {cause}");
        }
    }

    /// The journal is open: from now on every channel reads it, from where it stood. A channel without a past begins here, with
    /// the pages that stand open. To be called before the engine starts, so that nothing of this start is before it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn follow(&self, data: &Path) -> Result<(), FollowError> {
        let heads = ReadStore::open(data)?.heads()?;
        let heads = heads.into_iter().map(|head| (head.client_id, head.seq)).collect();
        self.opened.send_replace(Some(Opened { directory: Arc::from(data), heads }));
        Ok(())
    }

    /// How every channel stands.
    #[must_use]
    pub fn standing(&self) -> Vec<(Shown, Standing)> {
        self.lanes.iter().map(|lane| (lane.shown.clone(), lane.standing.lock().clone())).collect()
    }

    /// The channels whose sender stands at a fault, or has ended.
    #[must_use]
    pub fn faulty(&self) -> Vec<&str> {
        let is_faulty = |lane: &&Lane| lane.queue.is_closed() || lane.standing.lock().is_faulty;
        self.lanes.iter().filter(is_faulty).map(|lane| lane.shown.name.as_str()).collect()
    }

    /// Sends one alert to every channel, with one try, and writes down whether it arrived: the arming asks for it.
    pub async fn test(&self, data: &Path, who: &str, at: DateTime<Utc>) -> (Recorded, Vec<Delivery>) {
        test(&self.channels, data, who, at).await
    }

    /// The process ends: every channel sends what it holds, until the first that does not arrive. Waits for that, so long at
    /// most; blocks.
    pub fn close(&self, patience: Duration) {
        self.closing.send_replace(true);
        if self.ended.recv_timeout(patience) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            tracing::error!(event = "alerts_left", "not every alert was sent within {} ms; the next start goes on", patience.as_millis());
        }
    }
}

/// Wakes the channels after a commit.
#[derive(Debug)]
pub struct Waker(pub Alerts);

impl Listener for Waker {
    fn committed(&mut self, events: &[Event]) {
        let has_page = events.iter().any(|event| event.level == Level::Page);
        for lane in self.0.lanes.iter() {
            lane.wake.committed(has_page);
        }
    }
}

/// One alert to every channel, with one try each; what came of it is kept in `alerts/test.json` of the data directory.
pub async fn test(channels: &Channels, data: &Path, who: &str, at: DateTime<Utc>) -> (Recorded, Vec<Delivery>) {
    let alert = Alert::plain(Level::Info, "ALERT TEST", format!("this is a test of ordergate's alerts, asked for by {who}"), at);
    let deliveries = channels.deliver(&alert).await;
    let words: Vec<String> = deliveries
        .iter()
        .map(|one| match &one.result {
            Ok(()) => format!("{}: arrived", one.channel),
            Err(error) => format!("{}: {error}", one.channel),
        })
        .collect();
    let record = Recorded { passed: deliveries.iter().all(|one| one.result.is_ok()), at: Some(at), text: words.join("; "), version: None };
    if let Err(error) = note_test(data, &record) {
        tracing::error!(event = "alert_test", "the result of the test is not written down: {error}");
    }
    (record, deliveries)
}

fn note_test(data: &Path, record: &Recorded) -> std::io::Result<()> {
    let path = data.join(ALERT_TEST);
    if let Some(folder) = path.parent() {
        private_directory(folder)?;
    }
    write_whole(&path, serde_json::to_string(record)?.as_bytes(), Mode::Shared)
}

/// Starts the thread that sends; `None` if no channel is set.
///
/// # Errors
/// There is no thread, or no client, for it.
pub fn start(config: &Config, secrets: &Secrets, clock: Arc<dyn Clock>) -> std::io::Result<Option<Alerts>> {
    let Some(channels) = Channels::from(config, secrets).map_err(std::io::Error::other)? else { return Ok(None) };
    start_with(channels, &config.storage.directory, clock).map(Some)
}

/// A task for each channel, all on one thread.
fn start_with(channels: Channels, data: &Path, clock: Arc<dyn Clock>) -> std::io::Result<Alerts> {
    let apart = channels.apart().map_err(std::io::Error::other)?;
    let (closing, close) = watch::channel(false);
    let (open, opened) = watch::channel(None);
    let (end, ended) = crossbeam_channel::bounded(0);
    let (mut lanes, mut posts) = (Vec::new(), Vec::new());
    for channel in channels.each() {
        let (queue, taken) = mpsc::channel(QUEUE);
        let (wake, standing) = (Arc::<Wake>::default(), Arc::<Mutex<Standing>>::default());
        let rules = channel.rules;
        let shown = Shown {
            name: channel.name().to_owned(),
            kind: channel.kind(),
            from: rules.from,
            quiet: rules.quiet.map(|quiet| quiet.to_string()),
            is_escalation: rules.is_escalation,
        };
        lanes.push(Lane { shown, queue, wake: Arc::clone(&wake), standing: Arc::clone(&standing) });
        let shelf = Shelf::new(data, channel.name());
        posts.push(Post {
            channel: channel.clone(),
            rules,
            queue: taken,
            wake,
            clock: Arc::clone(&clock),
            opened: opened.clone(),
            feed: None,
            outbox: shelf.load(),
            shelf,
            standing,
            closing: close.clone(),
            _ended: end.clone(),
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("alerts".into())
        .spawn(move || runtime.block_on(async { drop(futures_util::future::join_all(posts.into_iter().map(Post::run)).await) }))?;
    Ok(Alerts { lanes: lanes.into(), channels, apart, opened: Arc::new(open), closing: Arc::new(closing), ended })
}

/// Every secret that the application knows: none of them may leave in a text.
pub(crate) fn known_secrets(config: &Config, secrets: &Secrets) -> Vec<SecretString> {
    let webhook = config.webhook.sources.iter().flat_map(|source| std::iter::once(&source.secret).chain(&source.previous));
    let keys = config.api.keys.iter().map(|key| &key.key);
    let alerts = config.alerts.channels.iter().map(|channel| match &channel.to {
        AlertTo::Webhook(url) => url,
        AlertTo::Telegram { token, .. } => token,
    });
    let heartbeat = config.alerts.heartbeat.as_ref().map(|heartbeat| &heartbeat.url);
    let credentials = config.accounts.iter().filter_map(|account| account.noren.as_ref()).map(|noren| &noren.credentials);
    let brokers = credentials.flat_map(|with| [&with.password, &with.totp_secret, &with.api_key, &with.client_secret]).flatten();
    let own = [&secrets.webhook_secret, &secrets.api_key].into_iter();
    own.chain(webhook).chain(keys).chain(brokers).chain(&config.webhook.previous_secret).chain(alerts).chain(heartbeat).cloned().collect()
}

/// The text with every known secret covered.
pub(crate) fn redacted(text: &str, secrets: &[SecretString]) -> String {
    let mut known: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= 4).collect();
    // One that holds another is covered whole.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    known.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
}

#[cfg(test)]
mod tests;
