//! Repeats are one message with a count: pure. The first goes at once; what follows within the window goes at its end.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use ordergate_actors::order::{ClientId, CommandId};

use super::Alert;

/// Different alerts that are folded at a time; beyond it, alerts go unfolded.
const KEPT: usize = 1_024;

/// What makes two alerts the same thing said again: about the same order, or in the same words, as the open alarms count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    client_id: Option<ClientId>,
    event: String,
    about: About,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Order(CommandId),
    Words(String),
}

impl Key {
    fn of(alert: &Alert) -> Self {
        let about = alert.command_id.map_or_else(|| About::Words(alert.text.clone()), About::Order);
        Self { client_id: alert.client_id.clone(), event: alert.event.clone(), about }
    }
}

impl Open {
    /// The newest of what was held back, with how often it was said.
    fn told(&mut self) -> Option<Alert> {
        let mut alert = self.newest.take()?;
        alert.text = format!("{} ({} times since {})", alert.text, self.more, self.since.format("%H:%M:%S UTC"));
        Some(alert)
    }
}

/// Folds what is said again.
#[derive(Debug)]
pub struct Folder {
    window: Duration,
    open: BTreeMap<Key, Open>,
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
        let key = Key::of(&alert);
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

    /// Everything that is held back, at once: nothing is folded any more.
    pub fn close(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.open).into_values().filter_map(|mut open| open.told()).collect()
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
            let Some(alert) = open.told() else { return false };
            ready.push(alert);
            *open = Open { since: now, more: 0, newest: None };
            true
        });
        ready
    }
}
