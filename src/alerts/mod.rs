//! What must be heard goes to a phone: committed alarms of level PAGE, and the readiness report.
//!
//! Nothing here is waited for: the queue is bounded, what does not fit is counted and logged, and the journal has it anyway.

mod fold;
mod send;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Event, Level, Listener};
use ordergate_actors::ports::Clock;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::mpsc;

pub use fold::Folder;
pub use send::{Channels, Delivery, SendError};

use crate::config::Config;
use crate::secrets::Secrets;

/// Alerts that wait to be sent; more are dropped.
const QUEUE: usize = 256;

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
    /// When.
    pub at: DateTime<Utc>,
}

/// The handle: cheap to clone, never blocks.
#[derive(Debug, Clone)]
pub struct Alerts {
    queue: mpsc::Sender<Alert>,
}

impl Alerts {
    /// Puts an alert into the queue; drops it, with a word in the log, when there is no room.
    pub fn raise(&self, alert: Alert) {
        if let Err(error) = self.queue.try_send(alert) {
            metrics::counter!("ordergate_alerts_dropped_total").increment(1);
            let (why, alert) = match error {
                mpsc::error::TrySendError::Full(alert) => ("the queue is full", alert),
                mpsc::error::TrySendError::Closed(alert) => ("its sender has ended", alert),
            };
            tracing::error!(event = "alert_dropped", alert = alert.event, "an alert was not sent: {why}; the journal has it");
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
    let (queue, taken) = mpsc::channel(QUEUE);
    let fold = config.alerts.fold;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("alerts".into()).spawn(move || runtime.block_on(run(channels, taken, fold, clock)))?;
    Ok(Some(Alerts { queue }))
}

/// Sends what comes until every handle is gone; what was folded is sent when its time is over.
async fn run(channels: Channels, mut queue: mpsc::Receiver<Alert>, fold: std::time::Duration, clock: Arc<dyn Clock>) {
    let mut folder = Folder::new(chrono::Duration::from_std(fold).unwrap_or(chrono::Duration::MAX));
    let mut look = tokio::time::interval(fold.clamp(std::time::Duration::from_millis(10), std::time::Duration::from_secs(5)));
    loop {
        let ready: Vec<Alert> = tokio::select! {
            taken = queue.recv() => match taken {
                Some(alert) => folder.take(alert, clock.now()).into_iter().collect(),
                None => break,
            },
            _ = look.tick() => folder.due(clock.now()),
        };
        for alert in ready {
            channels.deliver(&alert).await;
        }
    }
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
