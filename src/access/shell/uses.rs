//! Sessions that last: used, listed, ended.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::spawn_blocking;

use super::super::files::{AccessError, hashed};
use super::super::password::{self, Password};
use super::super::sessions::{Grant, Session};
use super::{Access, Held};

/// A use of a session is written down at most so often: a restart may count it as idle for so much longer.
const KEEP_EVERY: TimeDelta = TimeDelta::minutes(1);

impl Access {
    /// The session of a token, which is used now. Answers it with its end.
    #[must_use]
    pub fn session(self: &Arc<Self>, token: &str, now: DateTime<Utc>) -> Option<(Session, DateTime<Utc>)> {
        let terms = self.settings.terms();
        let mut held = self.held.lock();
        let found = held.sessions.find(&hashed(token), terms, now)?.clone();
        if !self.is_still(&found, &mut held) {
            return None;
        }
        let found = held.sessions.find(&found.hash, terms, now)?;
        found.seen_at = found.seen_at.max(now);
        let found = found.clone();
        if now.signed_duration_since(held.kept_at) >= KEEP_EVERY {
            held.kept_at = now;
            let access = Arc::clone(self);
            // Nobody waits for it: a use that is lost makes the session idle a minute earlier.
            drop(spawn_blocking(move || access.keep()));
        }
        let ends_at = found.ends_at(terms);
        Some((found, ends_at))
    }

    /// Whether a session lasts; that somebody asks is no use of it.
    #[must_use]
    pub fn lasts(&self, id: &str, now: DateTime<Utc>) -> bool {
        let mut held = self.held.lock();
        let found = held.sessions.lasting(self.settings.terms(), now).into_iter().find(|session| session.id == id);
        found.is_some_and(|session| self.is_still(&session, &mut held))
    }

    /// Whether the password that the owner may have come by is the one of now.
    fn is_still(&self, session: &Session, held: &mut Held) -> bool {
        let (Grant::Owner { .. }, Some(directory)) = (&session.grant, &self.directory) else { return true };
        let Ok(changed) = std::fs::metadata(password::path(directory)).and_then(|found| found.modified()) else { return true };
        if held.password.is_none_or(|(known, _)| known != changed) {
            // A file that cannot be read ends the owner's sessions until it can be.
            held.password = Some((changed, Password::read(directory).ok().flatten().map(|kept| kept.set_at)));
        }
        held.password.and_then(|(_, set_at)| set_at).is_some_and(|set_at| session.began_at >= set_at)
    }

    /// Every session that lasts, the last used first, with its end.
    #[must_use]
    pub fn sessions(&self, now: DateTime<Utc>) -> Vec<(Session, DateTime<Utc>)> {
        let terms = self.settings.terms();
        let mut held = self.held.lock();
        let lasting = held.sessions.lasting(terms, now);
        let still: Vec<Session> = lasting.into_iter().filter(|session| self.is_still(session, &mut held)).collect();
        still.into_iter().map(|session| (session.ends_at(terms), session)).map(|(ends_at, session)| (session, ends_at)).collect()
    }

    /// Ends a session by its name; `None` if there is none.
    ///
    /// # Errors
    /// It has ended, but that is not on disk: a restart would bring it back.
    pub async fn end(self: &Arc<Self>, id: &str) -> Result<Option<Session>, AccessError> {
        let ended = self.held.lock().sessions.end(|session| session.id == id).pop();
        if ended.is_some() {
            self.kept().await?;
        }
        Ok(ended)
    }
}
