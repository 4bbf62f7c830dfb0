//! The files and the locks around the rules: what is held in memory, and how it comes to the disk. One engine runs per data directory,
//! and it alone writes the sessions; `ordergate link` and `ordergate password` write files of their own beside it.

mod codes;
mod logins;
mod uses;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::files::{self, AccessError, place};
use super::sessions::Sessions;
use super::settings::AccessSettings;
use super::throttle::Throttle;

pub use logins::{Comer, Opened, Refused};

const FILE: &str = "sessions.json";

#[derive(Debug, Default)]
struct Held {
    sessions: Sessions,
    throttle: Throttle,
    kept_at: DateTime<Utc>,
    /// The password's file when it was last read, and since when the password is this one.
    password: Option<(SystemTime, Option<DateTime<Utc>>)>,
}

/// Sessions, logins and what they are proven by.
#[derive(Debug)]
pub struct Access {
    directory: Option<PathBuf>,
    settings: AccessSettings,
    held: Mutex<Held>,
    /// One write at a time, each of what stands then: an older state never lands on a newer one.
    writing: Mutex<()>,
    /// One password is hashed at a time: strangers cannot take all memory and every core.
    hashing: Semaphore,
}

impl Default for Access {
    /// Without a directory: sessions are kept in memory only, and only API keys log in.
    fn default() -> Self {
        Self::over(None, AccessSettings::default(), Sessions::default())
    }
}

impl Access {
    fn over(directory: Option<PathBuf>, settings: AccessSettings, sessions: Sessions) -> Self {
        let held = Mutex::new(Held { sessions, ..Held::default() });
        Self { directory, settings, held, writing: Mutex::new(()), hashing: Semaphore::new(1) }
    }

    /// With the sessions of a data directory. Sessions that cannot be read are over: a person logs in again, and the engine
    /// does not wait for that.
    #[must_use]
    pub fn open(directory: PathBuf, settings: AccessSettings) -> Self {
        let sessions = files::read(&place(&directory, FILE)).unwrap_or_else(|error| {
            tracing::error!(event = "sessions_lost", "every session is over: {error}");
            None
        });
        Self::over(Some(directory), settings, sessions.unwrap_or_default())
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &AccessSettings {
        &self.settings
    }

    async fn kept(self: &Arc<Self>) -> Result<(), AccessError> {
        let access = Arc::clone(self);
        blocking(move || access.keep()).await
    }

    fn keep(&self) -> Result<(), AccessError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let _one_at_a_time = self.writing.lock();
        let stands = serde_json::to_value(&self.held.lock().sessions);
        let path = place(directory, FILE);
        let stands = stands.map_err(|cause| AccessError::Unusable { path: path.clone(), cause: cause.into() })?;
        files::write(&path, &stands)
    }
}

/// Files and hashes wait for a disk and a core: not on a thread that serves HTTP.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, AccessError> + Send + 'static) -> Result<T, AccessError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(AccessError::Secret(error.to_string())))
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
