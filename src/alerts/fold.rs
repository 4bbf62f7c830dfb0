//! Repeats are one message with a count: pure. The first goes at once; what follows within the window goes at its end.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use ordergate_actors::order::ClientId;

use super::Alert;

/// Different alerts that are folded at a time; beyond it, alerts go unfolded.
const KEPT: usize = 1_024;

/// Folds alerts of one event and account.
#[derive(Debug)]
pub struct Folder {
    window: Duration,
    open: BTreeMap<(Option<ClientId>, String), Open>,
}

#[derive(Debug)]
struct Open {
    since: DateTime<Utc>,
    more: u32,
    newest: Option<Alert>,
}

impl Folder {
    /// Folds what repeats within the window.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, open: BTreeMap::new() }
    }

    /// Takes an alert; gives it back if it goes now.
    pub fn take(&mut self, alert: Alert, now: DateTime<Utc>) -> Option<Alert> {
        let key = (alert.client_id.clone(), alert.event.clone());
        if let Some(open) = self.open.get_mut(&key) {
            open.more += 1;
            open.newest = Some(alert);
            return None;
        }
        if self.open.len() < KEPT {
            self.open.insert(key, Open { since: now, more: 0, newest: None });
        }
        Some(alert)
    }

    /// What is due now: one message for every window that is over and held something back. It opens a new window.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<Alert> {
        let window = self.window;
        let mut ready = Vec::new();
        self.open.retain(|_, open| {
            // A clock that was set back must not hold an alert for ever.
            let age = now.signed_duration_since(open.since);
            if age < window && age >= Duration::zero() {
                return true;
            }
            let Some(mut alert) = open.newest.take() else { return false };
            alert.text = format!("{} ({} times since {})", alert.text, open.more, open.since.format("%H:%M:%S UTC"));
            ready.push(alert);
            *open = Open { since: now, more: 0, newest: None };
            true
        });
        ready
    }
}
