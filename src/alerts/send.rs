//! The channels: a webhook of one's own, Telegram. Each is tried by itself, a few times, with a growing pause.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::watch;

use super::{Alert, known_secrets, redacted};
use crate::config::Config;
use crate::secrets::Secrets;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Tries of one alert.
const TRIES: u32 = 5;
/// Telegram's own.
const TELEGRAM: &str = "https://api.telegram.org";

/// Why an alert did not arrive. Never holds an address or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection, or no answer in time: worth another try.
    #[error("{0} was not reached: {1}")]
    NotReached(&'static str, String),
    /// Too many, or a fault over there: worth another try.
    #[error("{0} answered {1}; it is tried again")]
    Later(&'static str, u16),
    /// It does not want it: another try changes nothing.
    #[error("{0} refuses: it answered {1}; check [alerts]")]
    Refused(&'static str, u16),
    /// No client can be made.
    #[error("there is no HTTP client for alerts: {0}")]
    NoClient(String),
}

/// What became of one alert in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `webhook` or `telegram`.
    pub channel: &'static str,
    /// Whether it arrived.
    pub result: Result<(), SendError>,
}

/// One place that alerts go to.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    client: reqwest::Client,
    to: To,
    secrets: Arc<[SecretString]>,
    first_pause: Duration,
}

#[derive(Debug, Clone)]
enum To {
    Webhook(SecretString),
    Telegram { token: SecretString, chat: String, base: String },
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
        let webhook = config.alerts.webhook_url.clone().map(To::Webhook);
        let telegram = config.alerts.telegram.clone().map(|(token, chat)| To::Telegram { token, chat, base: TELEGRAM.to_owned() });
        let places: Vec<To> = webhook.into_iter().chain(telegram).collect();
        if places.is_empty() {
            return Ok(None);
        }
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|cause| SendError::NoClient(cause.to_string()))?;
        let secrets: Arc<[SecretString]> = known_secrets(config, secrets).into();
        let channel = |to| Channel { client: client.clone(), to, secrets: Arc::clone(&secrets), first_pause: FIRST_PAUSE };
        Ok(Some(Self(places.into_iter().map(channel).collect())))
    }

    /// For tests: another server in Telegram's place, and short pauses.
    #[cfg(test)]
    pub(super) fn against(mut self, telegram_base: &str, first_pause: Duration) -> Self {
        for channel in &mut self.0 {
            if let To::Telegram { base, .. } = &mut channel.to {
                telegram_base.clone_into(base);
            }
            channel.first_pause = first_pause;
        }
        self
    }

    /// One by one, for a task each.
    pub(super) fn into_each(self) -> Vec<Channel> {
        self.0
    }

    /// Sends to every channel, with retries; says in the log what did not arrive.
    pub async fn deliver(&self, alert: &Alert) -> Vec<Delivery> {
        let (_open, never) = watch::channel(false);
        let each = self.0.iter().map(|channel| {
            let mut never = never.clone();
            async move { channel.insist(alert, &mut never).await }
        });
        futures_util::future::join_all(each).await
    }
}

impl Channel {
    /// `webhook` or `telegram`.
    pub(super) fn name(&self) -> &'static str {
        match self.to {
            To::Webhook(_) => "webhook",
            To::Telegram { .. } => "telegram",
        }
    }

    /// Sends with retries; once it is closing, only the one try. Says in the log what did not arrive.
    pub(super) async fn insist(&self, alert: &Alert, closing: &mut watch::Receiver<bool>) -> Delivery {
        let (channel, result) = (self.name(), self.tries(alert, closing).await);
        match &result {
            Ok(()) => metrics::counter!("ordergate_alerts_sent_total", "channel" => channel).increment(1),
            Err(error) => {
                metrics::counter!("ordergate_alerts_failed_total", "channel" => channel).increment(1);
                tracing::error!(event = "alert_failed", channel, alert = alert.event, "an alert did not arrive: {error}");
            }
        }
        Delivery { channel, result }
    }

    async fn tries(&self, alert: &Alert, closing: &mut watch::Receiver<bool>) -> Result<(), SendError> {
        let mut pause = self.first_pause;
        let mut tries = 1;
        loop {
            let is_last = tries == TRIES || *closing.borrow();
            let result = self.once(alert).await;
            if is_last || matches!(result, Ok(()) | Err(SendError::Refused(..) | SendError::NoClient(_))) {
                return result;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = closing.wait_for(|is_closing| *is_closing) => {}
            }
            (pause, tries) = (pause.saturating_mul(2), tries + 1);
        }
    }

    async fn once(&self, alert: &Alert) -> Result<(), SendError> {
        let (channel, text) = (self.name(), redacted(&alert.text, &self.secrets));
        let request = match &self.to {
            To::Webhook(url) => self.client.post(url.expose_secret()).json(&Alert { text, ..alert.clone() }),
            To::Telegram { token, chat, base } => {
                let account = alert.client_id.as_ref().map_or_else(String::new, |client| format!(" {client}"));
                let text = format!("ordergate{account}: {}\n{text}", alert.event);
                let url = format!("{base}/bot{}/sendMessage", token.expose_secret());
                self.client.post(url).json(&json!({ "chat_id": chat, "text": text }))
            }
        };
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) if answer.status().is_server_error() || matches!(answer.status().as_u16(), 408 | 429) => {
                Err(SendError::Later(channel, answer.status().as_u16()))
            }
            Ok(answer) => Err(SendError::Refused(channel, answer.status().as_u16())),
            // The client's own words hold the address, and with it the token.
            Err(error) => Err(SendError::NotReached(channel, redacted(&error.without_url().to_string(), &self.secrets))),
        }
    }
}
