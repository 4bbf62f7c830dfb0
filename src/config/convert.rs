//! The settings, as the parts of the application take them.

use ordergate_actors::{AccountSettings, Settings};

use super::{Config, Engine};

/// The name under which alerts with the common secret stand in the rows; no other source may have it.
pub(super) const COMMON_SOURCE: &str = "webhook";
/// The name of the one key that every installation has; no other key may have it.
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
            max_clock_skew: self.readiness.max_clock_skew,
            restarts_most: restarts,
            restarts_window: restart_window,
            mailbox,
            min_free_bytes: self.storage.min_free_bytes,
            lock_patience: self.storage.hung,
            drain_deadline,
        }
    }

    /// What the engine needs to know of each account, in the order of the configuration.
    pub fn account_settings(&self) -> impl Iterator<Item = AccountSettings> + '_ {
        self.accounts.iter().map(|account| account.settings.clone())
    }
}
