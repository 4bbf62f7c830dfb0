//! What has arrived in a channel, kept over a restart: the newest journal row of each chain. An open page after it goes
//! out again at the next start.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Alarm, Level};
use serde::{Deserialize, Serialize};

use super::Alert;
use crate::files::{Mode, private_directory, write_whole};

/// The newest page of a chain that arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    seq: u64,
    at: DateTime<Utc>,
}

/// The marks of one channel.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    path: PathBuf,
    /// By account; the chain without one is empty text.
    chains: BTreeMap<String, Mark>,
}

fn chain(client_id: Option<&ClientId>) -> &str {
    client_id.map_or("", ClientId::as_str)
}

impl Marks {
    /// As they stand in the data directory. A file that is missing or does not read marks nothing: rather twice than never.
    pub(super) fn load(data: &Path, channel: &str) -> Self {
        let path = data.join("alerts").join(format!("delivered.{channel}.json"));
        let chains = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, chains }
    }

    /// Whether the open alarm is a page that did not arrive: raised, or said again, after the last one that did.
    pub(super) fn lacks(&self, client_id: Option<&ClientId>, alarm: &Alarm) -> bool {
        let mark = self.chains.get(chain(client_id)).copied().unwrap_or_default();
        alarm.level == Level::Page && (alarm.seq > mark.seq || alarm.last_at > mark.at)
    }

    /// Notes that it arrived. What is not from the journal is not noted.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn delivered(&mut self, alert: &Alert) -> io::Result<()> {
        let Some(seq) = alert.seq else { return Ok(()) };
        let mark = self.chains.entry(chain(alert.client_id.as_ref()).to_owned()).or_default();
        let newest = Mark { seq: mark.seq.max(seq), at: mark.at.max(alert.at) };
        if newest == *mark {
            return Ok(());
        }
        *mark = newest;
        if let Some(folder) = self.path.parent() {
            private_directory(folder)?;
        }
        write_whole(&self.path, &serde_json::to_vec(&self.chains)?, Mode::Shared)
    }
}
