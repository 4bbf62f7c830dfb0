//! Logging in: by a one-time link, the password, or a key.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::super::files::{AccessError, hashed};
use super::super::link;
use super::super::password::Password;
use super::super::sessions::{Grant, Session};
use super::{Access, blocking};

/// How long a login waits for its turn to hash.
const TURN: Duration = Duration::from_secs(3);

/// Why a login was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too many failed from there.
    #[error("too many logins failed from this address; wait {} s", .0.num_seconds().max(1))]
    Wait(TimeDelta),
    /// It proves nobody.
    #[error("the credentials are missing or wrong")]
    Wrong,
    /// The password alone is not enough.
    #[error("a one-time code of the authenticator app is wanted too")]
    WantsCode,
    /// A file of access cannot be used.
    #[error(transparent)]
    Unusable(#[from] AccessError),
}

/// A login that was taken.
#[derive(Debug)]
pub struct Opened {
    /// The token, for the cookie. It is kept nowhere.
    pub token: SecretString,
    /// The session.
    pub session: Session,
    /// When it ends, if it is not used again.
    pub ends_at: DateTime<Utc>,
}

/// Who comes, and when.
#[derive(Debug, Clone)]
pub struct Comer {
    /// From where; `None` if that is not known.
    pub from: Option<IpAddr>,
    /// What the browser calls itself, clean and short.
    pub agent: String,
    /// Now.
    pub now: DateTime<Utc>,
}

/// What a password and a code prove.
enum Known {
    No,
    WantsCode,
    Yes,
    /// Yes, by the one-time code of this step.
    AtStep(u64),
}

impl Access {
    /// Refuses an address whose logins failed too often.
    ///
    /// # Errors
    /// [`Refused::Wait`].
    pub fn may_try(&self, comer: &Comer) -> Result<(), Refused> {
        let wait = self.held.lock().throttle.wait(comer.from, self.settings.pace(), comer.now);
        wait.map_or(Ok(()), |wait| Err(Refused::Wait(wait)))
    }

    /// Counts a login that failed.
    pub fn failed(&self, comer: &Comer) {
        self.held.lock().throttle.failed(comer.from, self.settings.pace(), comer.now);
    }

    /// Logs in by a one-time link.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn by_link(self: &Arc<Self>, token: SecretString, comer: &Comer) -> Result<Opened, Refused> {
        self.may_try(comer)?;
        let (access, now) = (Arc::clone(self), comer.now);
        let spent = blocking(move || {
            let Some(directory) = &access.directory else { return Ok(false) };
            let _one_at_a_time = access.writing.lock();
            link::spend(directory, token.expose_secret(), now)
        });
        self.decided(spent.await?, Grant::Owner { by: "link".to_owned() }, comer).await
    }

    /// Logs in by the password, and a one-time code if it wants one.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn by_password(self: &Arc<Self>, given: SecretString, code: Option<String>, comer: &Comer) -> Result<Opened, Refused> {
        self.may_try(comer)?;
        let turn = tokio::time::timeout(TURN, self.hashing.acquire()).await;
        let _turn = turn.map_err(|_| Refused::Wait(TimeDelta::seconds(1)))?.map_err(|_| Refused::Wrong)?;
        // Others of this address may have failed while this one waited.
        self.may_try(comer)?;
        let (directory, now) = (self.directory.clone(), comer.now);
        let is_code_given = code.is_some();
        let known = blocking(move || {
            let Some(kept) = directory.map_or(Ok(None), |directory| Password::read(&directory))? else { return Ok(Known::No) };
            if kept.wants_code() && !is_code_given {
                return Ok(Known::WantsCode);
            }
            if !kept.is(given.expose_secret()) {
                return Ok(Known::No);
            }
            Ok(match code.filter(|_| kept.wants_code()) {
                None => Known::Yes,
                Some(code) => kept.step(&code, now).map_or(Known::No, Known::AtStep),
            })
        });
        let is_proven = match known.await? {
            Known::WantsCode => return Err(Refused::WantsCode),
            Known::No => false,
            Known::Yes => true,
            Known::AtStep(step) => self.held.lock().sessions.take_step(step),
        };
        self.decided(is_proven, Grant::Owner { by: "password".to_owned() }, comer).await
    }

    /// Logs in the holder of a key that was looked up.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn by_key(self: &Arc<Self>, name: &str, key: &str, comer: &Comer) -> Result<Opened, Refused> {
        self.decided(true, Grant::Key { name: name.to_owned(), hash: hashed(key) }, comer).await
    }

    async fn decided(self: &Arc<Self>, is_proven: bool, grant: Grant, comer: &Comer) -> Result<Opened, Refused> {
        if !is_proven {
            self.failed(comer);
            return Err(Refused::Wrong);
        }
        let draw = || crate::secrets::draw().map_err(|cause| AccessError::Secret(cause.to_string()));
        let (token, name) = (draw()?, draw()?);
        let session = Session {
            id: name.expose_secret().chars().take(12).collect(),
            hash: hashed(token.expose_secret()),
            grant,
            began_at: comer.now,
            seen_at: comer.now,
            from: comer.from,
            agent: comer.agent.clone(),
        };
        let terms = self.settings.terms();
        {
            let mut held = self.held.lock();
            held.throttle.succeeded(comer.from);
            held.sessions.open(session.clone(), terms);
            held.kept_at = comer.now;
        }
        let ends_at = session.ends_at(terms);
        // On disk first: a session that a restart would forget is none.
        if let Err(error) = self.kept().await {
            self.held.lock().sessions.end(|other| other.id == session.id);
            return Err(error.into());
        }
        Ok(Opened { token, session, ends_at })
    }
}
