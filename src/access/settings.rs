//! How sessions and logins are run.

use std::time::Duration;

use chrono::TimeDelta;

use super::sessions::Terms;
use super::throttle::Pace;

/// How long sessions last, how many there are, and how logins that fail are slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessSettings {
    /// A session ends after so long without a request.
    pub idle: Duration,
    /// And after so long at the most.
    pub most: Duration,
    /// So many sessions at one time; one more ends the one that was used longest ago.
    pub sessions: usize,
    /// So many failed logins of an address are answered at once; each further one doubles its wait.
    pub free_tries: u32,
    /// The longest of these waits.
    pub longest_wait: Duration,
    /// How long a one-time link is good for.
    pub link: Duration,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(8 * 3_600),
            most: Duration::from_secs(24 * 3_600),
            sessions: 20,
            free_tries: 5,
            longest_wait: Duration::from_secs(900),
            link: Duration::from_secs(3_600),
        }
    }
}

impl AccessSettings {
    pub(super) fn terms(&self) -> Terms {
        Terms { idle: span(self.idle), most: span(self.most), count: self.sessions }
    }

    pub(super) fn pace(&self) -> Pace {
        Pace { free: self.free_tries, longest: span(self.longest_wait) }
    }
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
