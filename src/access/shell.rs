//! The files and the locks around the rules. One engine runs per data directory, and it alone writes the sessions;
//! `ordergate link` and `ordergate password` write files of their own beside it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::files::{self, AccessError, hashed, place};
use super::password::{self, Password};
use super::sessions::{Grant, Session, Sessions, Terms};
use super::throttle::{Pace, Throttle};

const FILE: &str = "sessions.json";
/// A use of a session is written down at most so often: a restart may count it as idle for so much longer.
const KEEP_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How long a login waits for its turn to hash.
const TURN: Duration = Duration::from_secs(3);

/// How sessions and logins are run.
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

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl AccessSettings {
    fn terms(&self) -> Terms {
        Terms { idle: span(self.idle), most: span(self.most), count: self.sessions }
    }

    fn pace(&self) -> Pace {
        Pace { free: self.free_tries, longest: span(self.longest_wait) }
    }
}

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
            super::link::spend(directory, token.expose_secret(), now)
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

/// What a password and a code prove.
enum Known {
    No,
    WantsCode,
    Yes,
    /// Yes, by the one-time code of this step.
    AtStep(u64),
}

/// Files and hashes wait for a disk and a core: not on a thread that serves HTTP.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, AccessError> + Send + 'static) -> Result<T, AccessError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(AccessError::Secret(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::super::{draw_link, forget_password, set_password};
    use super::*;

    fn comer(minute: i64) -> Comer {
        Comer { from: "127.0.0.1".parse().ok(), agent: "tests".to_owned(), now: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute) }
    }

    fn open(directory: &tempfile::TempDir) -> Arc<Access> {
        Arc::new(Access::open(directory.path().to_owned(), AccessSettings { free_tries: 2, ..AccessSettings::default() }))
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_session_is_kept_over_a_restart_and_its_token_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let access = open(&directory);
        let token = draw_link(directory.path(), comer(0).now, TimeDelta::hours(1)).unwrap();
        let opened = access.by_link(token.clone(), &comer(1)).await.unwrap();
        assert!(matches!(access.by_link(token, &comer(1)).await, Err(Refused::Wrong)), "once");
        let text = std::fs::read_to_string(place(directory.path(), FILE)).unwrap();
        assert!(text.contains(&opened.session.id) && !text.contains(opened.token.expose_secret()));
        let again = open(&directory);
        let (found, ends_at) = again.session(opened.token.expose_secret(), comer(2).now).unwrap();
        assert_eq!((found.id.as_str(), ends_at), (opened.session.id.as_str(), comer(2).now + TimeDelta::hours(8)));
        assert!(again.lasts(&found.id, comer(2).now) && !again.lasts(&found.id, comer(2_000).now));
        assert_eq!(again.end(&found.id).await.unwrap().unwrap().id, found.id);
        assert!(again.session(opened.token.expose_secret(), comer(2).now).is_none());
        assert!(open(&directory).sessions(comer(2).now).is_empty(), "that it ended is on disk");
    }

    #[tokio::test]
    async fn a_new_password_ends_the_owners_sessions() {
        let directory = tempfile::tempdir().unwrap();
        let access = open(&directory);
        set_password(directory.path(), &secret("the first password"), None, comer(0).now).unwrap();
        let opened = access.by_password(secret("the first password"), None, &comer(1)).await.unwrap();
        let by_key = access.by_key("asha", "k", &comer(1)).await.unwrap();
        let stands = |opened: &Opened, minute| access.session(opened.token.expose_secret(), comer(minute).now).is_some();
        assert!(stands(&opened, 2) && stands(&by_key, 2));
        set_password(directory.path(), &secret("the second password"), None, comer(3).now).unwrap();
        assert!(!stands(&opened, 4) && stands(&by_key, 4));
        assert_eq!(access.sessions(comer(4).now).len(), 1);
        let second = access.by_password(secret("the second password"), None, &comer(5)).await.unwrap();
        assert!(stands(&second, 6));
        forget_password(directory.path(), comer(7).now).unwrap();
        assert!(!stands(&second, 8));
        assert!(matches!(access.by_password(secret("the second password"), None, &comer(9)).await, Err(Refused::Wrong)));
    }

    #[tokio::test]
    async fn failures_wait_and_a_code_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let access = open(&directory);
        let codes = super::super::Enrolment::draw().unwrap();
        set_password(directory.path(), &secret("the first password"), Some(&codes), comer(0).now).unwrap();
        assert!(matches!(access.by_password(secret("whatever it is"), None, &comer(1)).await, Err(Refused::WantsCode)));
        let shown = codes.shown(comer(1).now);
        let who = comer(1);
        let with = |password: &str, code: &str| access.by_password(secret(password), Some(code.to_owned()), &who);
        let shell = with("the first password", &shown).await.unwrap();
        assert!(access.session(shell.token.expose_secret(), comer(1).now).is_some());
        assert!(matches!(with("the first password", &shown).await, Err(Refused::Wrong)), "the same code, again");
        assert!(matches!(with("a wrong password", &shown).await, Err(Refused::Wrong)));
        assert!(matches!(with("the first password", &shown).await, Err(Refused::Wait(_))));
    }

    #[tokio::test]
    async fn a_code_alone_is_taken_once_over_a_restart_too() {
        let directory = tempfile::tempdir().unwrap();
        let access = open(&directory);
        let now = comer(1).now;
        assert!(!access.has_codes().await.unwrap() && !access.take_code("000000".to_owned(), now).await.unwrap(), "there is none");
        let codes = super::super::Enrolment::draw().unwrap();
        set_password(directory.path(), &secret("the first password"), Some(&codes), comer(0).now).unwrap();
        assert!(access.has_codes().await.unwrap());
        let shown = codes.shown(now);
        assert!(!access.take_code(codes.shown(comer(9).now), now).await.unwrap(), "of another time");
        assert!(access.take_code(shown.clone(), now).await.unwrap());
        assert!(!access.take_code(shown.clone(), now).await.unwrap(), "again");
        assert!(!open(&directory).take_code(shown.clone(), now).await.unwrap(), "after a restart");
        let who = comer(1);
        assert!(
            matches!(access.by_password(secret("the first password"), Some(shown), &who).await, Err(Refused::Wrong)),
            "nor for a login"
        );
    }

    #[tokio::test]
    async fn without_a_directory_only_keys_log_in_and_damage_ends_sessions() {
        let access = Arc::new(Access::default());
        assert!(matches!(access.by_link(secret("x"), &comer(0)).await, Err(Refused::Wrong)));
        assert!(matches!(access.by_password(secret("x"), None, &comer(0)).await, Err(Refused::Wrong)));
        assert!(access.by_key("asha", "k", &comer(0)).await.is_ok());
        let directory = tempfile::tempdir().unwrap();
        open(&directory).by_key("asha", "k", &comer(0)).await.unwrap();
        files::write(&place(directory.path(), FILE), &"damaged").unwrap();
        assert!(open(&directory).sessions(comer(0).now).is_empty());
    }
}
