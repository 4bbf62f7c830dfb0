//! The channels: a webhook of one's own, Telegram. Each is tried by itself, a few times, with a growing pause.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

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

/// Where alerts go.
#[derive(Debug, Clone)]
pub struct Channels {
    client: reqwest::Client,
    webhook: Option<SecretString>,
    telegram: Option<(SecretString, String)>,
    telegram_base: String,
    secrets: Vec<SecretString>,
    first_pause: Duration,
}

impl Channels {
    /// The channels that are set; `None` without any.
    ///
    /// # Errors
    /// [`SendError::NoClient`].
    pub fn from(config: &Config, secrets: &Secrets) -> Result<Option<Self>, SendError> {
        if config.alerts.webhook_url.is_none() && config.alerts.telegram.is_none() {
            return Ok(None);
        }
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|cause| SendError::NoClient(cause.to_string()))?;
        Ok(Some(Self {
            client,
            webhook: config.alerts.webhook_url.clone(),
            telegram: config.alerts.telegram.clone(),
            telegram_base: TELEGRAM.to_owned(),
            secrets: known_secrets(config, secrets),
            first_pause: FIRST_PAUSE,
        }))
    }

    /// For tests: another server in Telegram's place, and short pauses.
    #[cfg(test)]
    pub(super) fn against(mut self, telegram_base: &str, first_pause: Duration) -> Self {
        telegram_base.clone_into(&mut self.telegram_base);
        self.first_pause = first_pause;
        self
    }

    /// Sends to every channel, with retries; says in the log what did not arrive.
    pub async fn deliver(&self, alert: &Alert) -> Vec<Delivery> {
        let (webhook, telegram) = futures_util::join!(self.insist("webhook", alert), self.insist("telegram", alert));
        let deliveries: Vec<Delivery> = webhook.into_iter().chain(telegram).collect();
        for Delivery { channel, result } in &deliveries {
            match result {
                Ok(()) => metrics::counter!("ordergate_alerts_sent_total", "channel" => *channel).increment(1),
                Err(error) => {
                    metrics::counter!("ordergate_alerts_failed_total", "channel" => *channel).increment(1);
                    tracing::error!(event = "alert_failed", channel, alert = alert.event, "an alert did not arrive: {error}");
                }
            }
        }
        deliveries
    }

    async fn insist(&self, channel: &'static str, alert: &Alert) -> Option<Delivery> {
        let mut pause = self.first_pause;
        let mut tries = 1;
        loop {
            let result = self.once(channel, alert).await?;
            let is_final = matches!(result, Ok(()) | Err(SendError::Refused(..) | SendError::NoClient(_))) || tries == TRIES;
            if is_final {
                return Some(Delivery { channel, result });
            }
            tokio::time::sleep(pause).await;
            (pause, tries) = (pause.saturating_mul(2), tries + 1);
        }
    }

    /// One try; `None` if the channel is not set.
    async fn once(&self, channel: &'static str, alert: &Alert) -> Option<Result<(), SendError>> {
        let text = redacted(&alert.text, &self.secrets);
        let request = if channel == "webhook" {
            let url = self.webhook.as_ref()?;
            let body = Alert { text, ..alert.clone() };
            self.client.post(url.expose_secret()).json(&body)
        } else {
            let (token, chat) = self.telegram.as_ref()?;
            let account = alert.client_id.as_ref().map_or_else(String::new, |client| format!(" {client}"));
            let text = format!("ordergate{account}: {}\n{text}", alert.event);
            let url = format!("{}/bot{}/sendMessage", self.telegram_base, token.expose_secret());
            self.client.post(url).json(&json!({ "chat_id": chat, "text": text }))
        };
        Some(match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) if answer.status().is_server_error() || matches!(answer.status().as_u16(), 408 | 429) => {
                Err(SendError::Later(channel, answer.status().as_u16()))
            }
            Ok(answer) => Err(SendError::Refused(channel, answer.status().as_u16())),
            // The client's own words hold the address, and with it the token.
            Err(error) => Err(SendError::NotReached(channel, redacted(&error.without_url().to_string(), &self.secrets))),
        })
    }
}
