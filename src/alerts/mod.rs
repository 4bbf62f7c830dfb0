//! What must be heard goes to a phone: committed alarms of level PAGE, and the readiness report.
//!
//! Nothing here is waited for while the engine runs: each channel has a bounded queue and a task of its own, what does not
//! fit is counted and logged, and the journal has it anyway. Only the end of the process waits, for a short time.

mod channel;
mod fold;
mod mark;
mod send;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, CommandId};
use ordergate_actors::persistence::{Alarm, Event, Level, Listener};
use ordergate_actors::ports::Clock;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

pub use fold::Folder;
pub use send::{Channels, Delivery, SendError};

use channel::Post;
use mark::Marks;
use send::Channel;

use crate::config::Config;
use crate::secrets::Secrets;

/// Alerts that wait to be sent in one channel; more are dropped.
const QUEUE: usize = 256;
/// Open pages that go out one by one after a start; older ones are a count.
const CAUGHT_UP: usize = 20;

/// One thing that a person must hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The journal row that it is, in the chain of its account.
    #[serde(skip)]
    pub seq: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The handle: cheap to clone, never blocks but to [`Alerts::close`].
#[derive(Debug, Clone)]
pub struct Alerts {
    queues: Vec<Queue>,
    closing: Arc<watch::Sender<bool>>,
    /// Never holds anything: it is cut off when the last channel's task has ended.
    ended: crossbeam_channel::Receiver<()>,
}

/// The way to one channel.
#[derive(Debug, Clone)]
struct Queue {
    alerts: mpsc::Sender<Alert>,
    /// What had arrived there before this start.
    marks: Arc<Marks>,
}

impl Queue {
    fn put(&self, alert: Alert) {
        if let Err(error) = self.alerts.try_send(alert) {
            metrics::counter!("ordergate_alerts_dropped_total").increment(1);
            let (why, alert) = match error {
                mpsc::error::TrySendError::Full(alert) => ("the queue is full", alert),
                mpsc::error::TrySendError::Closed(alert) => ("its sender has ended", alert),
            };
            tracing::error!(event = "alert_dropped", alert = alert.event, "an alert was not sent: {why}; the journal has it");
        }
    }
}

impl Alerts {
    /// Puts an alert into the queue of every channel; drops it, with a word in the log, where there is no room.
    pub fn raise(&self, alert: Alert) {
        for queue in &self.queues {
            queue.put(alert.clone());
        }
    }

    /// Sends what the process before did not get out: the open pages after the last that arrived in a channel. The newest
    /// go one by one, older ones as a count.
    pub fn catch_up(&self, open: &[(Option<ClientId>, Alarm)], now: DateTime<Utc>) {
        for queue in &self.queues {
            let lacking: Vec<_> = open.iter().filter(|(client_id, alarm)| queue.marks.lacks(client_id.as_ref(), alarm)).collect();
            let (older, newest) = lacking.split_at(lacking.len().saturating_sub(CAUGHT_UP));
            if !older.is_empty() {
                let text = format!("{} older pages are open and did not arrive before the last end; see the attention list", older.len());
                queue.put(Alert {
                    level: Level::Page,
                    event: "OPEN PAGES".into(),
                    text,
                    client_id: None,
                    command_id: None,
                    seq: None,
                    at: now,
                });
            }
            for (client_id, alarm) in newest {
                queue.put(Alert {
                    level: Level::Page,
                    event: alarm.event.to_string(),
                    text: format!("{} (open since before the start)", alarm.text),
                    client_id: client_id.clone(),
                    command_id: alarm.command_id,
                    seq: Some(alarm.seq),
                    at: alarm.last_at,
                });
            }
        }
    }

    /// The process ends: every channel sends what it holds, with one try each. Waits for that, so long at most; blocks.
    pub fn close(&self, patience: Duration) {
        self.closing.send_replace(true);
        if self.ended.recv_timeout(patience) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            tracing::error!(
                event = "alerts_left",
                "not every alert was sent within {} ms; the next start sends open pages",
                patience.as_millis()
            );
        }
    }
}

/// Takes pages out of what is committed.
#[derive(Debug)]
pub struct PageListener(pub Alerts);

impl Listener for PageListener {
    fn committed(&mut self, events: &[Event]) {
        for event in events.iter().filter(|event| event.level == Level::Page) {
            let row = &event.row;
            self.0.raise(Alert {
                level: Level::Page,
                event: row.event.to_string(),
                text: row.reason.as_deref().unwrap_or("").to_owned(),
                client_id: row.client_id.clone(),
                command_id: row.command_id,
                seq: Some(row.seq),
                at: row.at,
            });
        }
    }
}

/// Starts the thread that sends; `None` if no channel is set.
///
/// # Errors
/// There is no thread, or no client, for it.
pub fn start(config: &Config, secrets: &Secrets, clock: Arc<dyn Clock>) -> std::io::Result<Option<Alerts>> {
    let Some(channels) = Channels::from(config, secrets).map_err(std::io::Error::other)? else { return Ok(None) };
    start_with(channels.into_each(), config.alerts.fold, &config.storage.directory, clock).map(Some)
}

/// A task for each channel, all on one thread.
fn start_with(channels: Vec<Channel>, fold: Duration, data: &Path, clock: Arc<dyn Clock>) -> std::io::Result<Alerts> {
    let (closing, close) = watch::channel(false);
    let (end, ended) = crossbeam_channel::bounded(0);
    let (mut queues, mut posts) = (Vec::new(), Vec::new());
    for channel in channels {
        let (alerts, queue) = mpsc::channel(QUEUE);
        let marks = Marks::load(data, channel.name());
        queues.push(Queue { alerts, marks: Arc::new(marks.clone()) });
        posts.push(Post {
            channel,
            queue,
            folder: Folder::new(chrono::Duration::from_std(fold).unwrap_or(chrono::Duration::MAX)),
            look: fold.clamp(Duration::from_millis(10), Duration::from_secs(5)),
            clock: Arc::clone(&clock),
            marks,
            closing: close.clone(),
            _ended: end.clone(),
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("alerts".into())
        .spawn(move || runtime.block_on(async { drop(futures_util::future::join_all(posts.into_iter().map(Post::run)).await) }))?;
    Ok(Alerts { queues, closing: Arc::new(closing), ended })
}

/// Every secret that the application knows: none of them may leave in a text.
pub(crate) fn known_secrets(config: &Config, secrets: &Secrets) -> Vec<SecretString> {
    let webhook = config.webhook.sources.iter().flat_map(|source| std::iter::once(&source.secret).chain(&source.previous));
    let keys = config.api.keys.iter().map(|key| &key.key);
    let telegram = config.alerts.telegram.as_ref().map(|(token, _)| token);
    let credentials = config.accounts.iter().filter_map(|account| account.noren.as_ref()).map(|noren| &noren.credentials);
    let brokers = credentials.flat_map(|with| [&with.password, &with.totp_secret, &with.api_key, &with.client_secret]).flatten();
    let own = [&secrets.webhook_secret, &secrets.api_key].into_iter();
    own.chain(webhook)
        .chain(keys)
        .chain(brokers)
        .chain(&config.webhook.previous_secret)
        .chain(telegram)
        .chain(&config.alerts.webhook_url)
        .cloned()
        .collect()
}

/// The text with every known secret covered.
fn redacted(text: &str, secrets: &[SecretString]) -> String {
    let mut known: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= 4).collect();
    // One that holds another is covered whole.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    known.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
}

#[cfg(test)]
mod tests;
