//! The channels: webhooks of one's own, Telegram. Here is the one try; when it is made again the outbox says.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ordergate_actors::persistence::Level;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::outbox::Rules;
use super::{Alert, known_secrets, redacted};
use crate::config::{AlertTo, Config};
use crate::secrets::Secrets;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before the second try; it doubles.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// How often a page that waits for nothing is tried, and the pause between two tries.
const TRIES_AT_ONCE: u32 = 3;
const PAUSE_AT_ONCE: Duration = Duration::from_secs(2);
/// The most characters of a text: Telegram takes 4,096 of a message.
const LONGEST: usize = 3_900;

/// Why an alert did not arrive. Never holds an address or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection, or no answer in time: worth another try.
    #[error("{0} was not reached: {1}")]
    NotReached(Arc<str>, String),
    /// Too many, or a fault over there: worth another try.
    #[error("{0} answered {1}; it is tried again")]
    Later(Arc<str>, u16),
    /// It lets nobody in like that: it is tried again, and goes through once the settings are right.
    #[error("{0} refuses: it answered {1}; check [alerts]")]
    Refused(Arc<str>, u16),
    /// It does not want this message.
    #[error("{0} does not take this message: it answered {1}")]
    Unwanted(Arc<str>, u16),
    /// No client can be made.
    #[error("there is no HTTP client for alerts: {0}")]
    NoClient(String),
}

impl SendError {
    /// Whether it is this message that the other side does not take.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        matches!(self, Self::Unwanted(..))
    }
}

/// What became of one alert in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub channel: Arc<str>,
    /// Whether it arrived.
    pub result: Result<(), SendError>,
}

/// One place that alerts go to.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    name: Arc<str>,
    client: reqwest::Client,
    to: AlertTo,
    /// Telegram's address.
    base: Arc<str>,
    secrets: Arc<[SecretString]>,
    pub(super) rules: Rules,
}

/// Where alerts go.
#[derive(Debug, Clone)]
pub struct Channels(Vec<Channel>);

impl Channels {
    /// The channels that are set; `None` without any.
    ///
    /// # Errors
    /// [`SendError::NoClient`].
    pub fn from(config: &Config, secrets: &Secrets) -> Result<Option<Self>, SendError> {
        let settings = &config.alerts;
        if settings.channels.is_empty() {
            return Ok(None);
        }
        let client = client(PATIENCE)?;
        let secrets: Arc<[SecretString]> = known_secrets(config, secrets).into();
        let base: Arc<str> = Arc::from(settings.telegram_url.as_str());
        let span = |span: Duration| TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        let channels = settings.channels.iter().map(|row| Channel {
            name: Arc::from(row.name.as_str()),
            client: client.clone(),
            to: row.to.clone(),
            base: Arc::clone(&base),
            secrets: Arc::clone(&secrets),
            rules: Rules {
                from: row.from,
                quiet: row.quiet,
                fold: span(settings.fold),
                escalate: settings.escalate_after.map(span),
                is_escalation: row.is_escalation,
                first_pause: FIRST_PAUSE,
            },
        });
        Ok(Some(Self(channels.collect())))
    }

    /// One by one, for a task each.
    pub(super) fn each(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter()
    }

    /// The same but the escalation channels, over connections of their own: those of the channels' thread may stand still with it.
    ///
    /// # Errors
    /// [`SendError::NoClient`].
    pub(super) fn apart(&self) -> Result<Self, SendError> {
        let client = client(PATIENCE)?;
        let called = self.0.iter().filter(|channel| !channel.rules.is_escalation);
        Ok(Self(called.map(|channel| Channel { client: client.clone(), ..channel.clone() }).collect()))
    }

    /// Sends to every channel at once, with a few tries each.
    pub(super) async fn insist(&self, alert: &Alert) {
        let each = self.0.iter().map(|channel| async move {
            for _ in 0..TRIES_AT_ONCE {
                match channel.once(alert).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(
                            event = "alert_failed",
                            channel = channel.name(),
                            alert = alert.event,
                            "a page did not arrive: {error}"
                        );
                    }
                }
                tokio::time::sleep(PAUSE_AT_ONCE).await;
            }
        });
        futures_util::future::join_all(each).await;
    }

    /// For tests: another pause before the second try.
    #[cfg(test)]
    pub(super) fn pausing(mut self, first_pause: TimeDelta) -> Self {
        self.0.iter_mut().for_each(|channel| channel.rules.first_pause = first_pause);
        self
    }

    /// Sends to every channel at once, with one try each, whatever their rules: for a person who waits for the answer.
    pub async fn deliver(&self, alert: &Alert) -> Vec<Delivery> {
        let each =
            self.0.iter().map(|channel| async move { Delivery { channel: channel.name.clone(), result: channel.once(alert).await } });
        futures_util::future::join_all(each).await
    }
}

/// A client that follows nobody elsewhere, and waits so long.
pub(super) fn client(patience: Duration) -> Result<reqwest::Client, SendError> {
    reqwest::Client::builder()
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|cause| SendError::NoClient(cause.to_string()))
}

impl Channel {
    /// Its name in the settings.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `webhook` or `telegram`.
    pub(super) fn kind(&self) -> &'static str {
        match self.to {
            AlertTo::Webhook(_) => "webhook",
            AlertTo::Telegram { .. } => "telegram",
        }
    }

    /// One try.
    ///
    /// # Errors
    /// It did not arrive, or nobody said that it did.
    pub(super) async fn once(&self, alert: &Alert) -> Result<(), SendError> {
        let name = || Arc::clone(&self.name);
        let text = shortened(redacted(&alert.text, &self.secrets));
        let request = match &self.to {
            AlertTo::Webhook(url) => self.client.post(url.expose_secret()).json(&Alert { text, ..alert.clone() }),
            AlertTo::Telegram { token, chat } => {
                let account = alert.client_id.as_ref().map_or_else(String::new, |client| format!(" {client}"));
                let loud = match alert.level {
                    Level::Page => "PAGE ",
                    Level::Warn => "WARN ",
                    Level::Info => "",
                };
                let text = format!("{loud}ordergate{account}: {}\n{text}", alert.event);
                let url = format!("{}/bot{}/sendMessage", self.base, token.expose_secret());
                let is_silent = alert.level == Level::Info;
                // A preview would have Telegram's own machines open every link of the text.
                let without = json!({ "is_disabled": true });
                let message = json!({ "chat_id": chat, "text": text, "disable_notification": is_silent, "link_preview_options": without });
                self.client.post(url).json(&message)
            }
        };
        match request.send().await {
            Ok(answer) => answered(name(), answer.status().as_u16()),
            // The client's own words hold the address, and with it the token.
            Err(error) => Err(SendError::NotReached(name(), redacted(&error.without_url().to_string(), &self.secrets))),
        }
    }
}

/// What a status means for the message.
fn answered(name: Arc<str>, status: u16) -> Result<(), SendError> {
    match status {
        200..=299 => Ok(()),
        400 | 413 | 415 | 422 => Err(SendError::Unwanted(name, status)),
        408 | 425 | 429 | 500..=599 => Err(SendError::Later(name, status)),
        _ => Err(SendError::Refused(name, status)),
    }
}

fn shortened(text: String) -> String {
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain("…".chars()).collect() }
}
