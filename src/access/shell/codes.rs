//! The codes of the owner's authenticator app, where they prove something by themselves.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::files::AccessError;
use super::super::password::{self, Password};
use super::{Access, blocking};

impl Access {
    /// Whether the owner has an authenticator app.
    ///
    /// # Errors
    /// The password's file cannot be read.
    pub async fn has_codes(self: &Arc<Self>) -> Result<bool, AccessError> {
        let directory = self.directory.clone();
        blocking(move || directory.map_or(Ok(false), |directory| password::has_authenticator(&directory))).await
    }

    /// Takes a one-time code of the owner's authenticator app, once: one that was used for a login or here counts no more, after a
    /// restart too.
    ///
    /// # Errors
    /// A file of access cannot be read or written.
    pub async fn take_code(self: &Arc<Self>, code: String, now: DateTime<Utc>) -> Result<bool, AccessError> {
        let directory = self.directory.clone();
        let step = blocking(move || {
            let kept = directory.map_or(Ok(None), |directory| Password::read(&directory))?;
            Ok(kept.filter(Password::wants_code).and_then(|kept| kept.step(&code, now)))
        });
        let Some(step) = step.await? else { return Ok(false) };
        let is_first = self.held.lock().sessions.take_step(step);
        if is_first {
            self.kept().await?;
        }
        Ok(is_first)
    }
}
