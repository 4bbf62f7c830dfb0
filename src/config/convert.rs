//! The settings, as the parts of the application take them.

use chrono::{DateTime, Utc};
use ordergate_actors::{AccountSettings, Settings};

use super::{ApiKey, Config, Engine, Storage, WebhookSource};
use crate::secrets::Secrets;
use crate::store::{Binding, Options};

/// The name under which alerts with the common secret stand in the rows.
pub(super) const COMMON_SOURCE: &str = "webhook";
/// The name of the one key that every installation has.
pub(super) const COMMON_KEY: &str = "api";

impl Config {
    /// What the engine needs to know of the process.
    #[must_use]
    pub fn engine_settings(&self) -> Settings {
        let Engine { entry_ttl, future_tolerance, restarts, restart_window, drain_deadline, mailbox, max_notional, .. } = self.engine;
        Settings {
            max_notional,
            entry_ttl,
            future_tolerance,
            restarts_most: restarts,
            restarts_window: restart_window,
            mailbox,
            min_free_bytes: self.storage.min_free_bytes,
            drain_deadline,
        }
    }

    /// What the engine needs to know of each account, in the order of the configuration.
    pub fn account_settings(&self) -> impl Iterator<Item = AccountSettings> + '_ {
        self.accounts.iter().map(|account| account.settings.clone())
    }

    /// Whose orders the data directory holds.
    #[must_use]
    pub fn binding(&self) -> Binding {
        let broker = self.accounts.first().map(|account| account.broker);
        Binding {
            broker: broker.map_or("", super::BrokerKind::as_str).to_owned(),
            accounts: self.accounts.iter().map(|account| account.client_id.to_string()).collect(),
            mode: if broker.is_some_and(super::BrokerKind::is_live) { "live" } else { "paper" }.to_owned(),
        }
    }

    /// Every sender of alerts: the one with the common secret, then those with their own.
    #[must_use]
    pub fn sources(&self, secrets: &Secrets) -> Vec<WebhookSource> {
        let common = WebhookSource {
            name: COMMON_SOURCE.to_owned(),
            secret: secrets.webhook_secret.clone(),
            previous: self.webhook.previous_secret.clone(),
            accounts: Vec::new(),
            replay_window_ms: self.webhook.replay_window_ms,
            resends_on_5xx_only: false,
        };
        std::iter::once(common).chain(self.webhook.sources.iter().cloned()).collect()
    }

    /// Every key of the dashboard API: the one that every installation has, then the named ones.
    #[must_use]
    pub fn api_keys(&self, secrets: &Secrets) -> Vec<ApiKey> {
        let common = ApiKey { name: COMMON_KEY.to_owned(), key: secrets.api_key.clone() };
        std::iter::once(common).chain(self.api.keys.iter().cloned()).collect()
    }
}

impl Storage {
    /// How the store is opened.
    #[must_use]
    pub fn options(&self, opened_at: DateTime<Utc>) -> Options {
        Options {
            checkpoint_pages: self.checkpoint_pages,
            idle_checkpoint_pages: self.idle_checkpoint_pages,
            busy_timeout_ms: self.busy_timeout_ms,
            ballast_bytes: self.ballast_bytes,
            ..Options::at(opened_at)
        }
    }
}
