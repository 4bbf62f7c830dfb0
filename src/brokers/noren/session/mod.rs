//! The session of one account: one owner logs in, everybody else only reads the token and says what they heard about it.

mod egress;
pub mod machine;
#[cfg(test)]
mod machine_tests;
pub mod otp;
mod owner;
mod skew;
pub mod vault;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{Aside, Clock, NoQuote, RateWindow};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::http::Http;
use super::settings::{AuthFlow, NorenSettings};
use super::wire::{Body, Delivery, Encoder, ErrorClass, ObjectReply};
use crate::brokers::updates::Notices;
use egress::Egress;
use machine::{Machine, Standing, Step, Token, rests_until};
use skew::Skew;
use vault::Vault;

/// Calls that stayed at home which are remembered until somebody asks; far more than there are between two questions.
const STAYED_MOST: usize = 256;
/// Who wants a read: its place in the rate budget hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The engine asked, and has spent a token on it.
    Engine,
    /// The adapter does it by itself; it is counted when it goes out.
    Itself,
}

/// The session, shared by all calls of the account.
#[derive(Debug)]
pub struct Session {
    settings: Arc<NorenSettings>,
    http: Http,
    encoder: Encoder,
    clock: Arc<dyn Clock>,
    vault: Vault,
    machine: Mutex<Machine>,
    orders_under_way: AtomicUsize,
    wake: Notify,
    changed: watch::Sender<u64>,
    facts: Mutex<Facts>,
    aside: Mutex<Aside>,
    /// A person asked for a login that has not come yet.
    is_asked_for: AtomicBool,
    /// The step of the newest one-time code that went out.
    used_code: Mutex<Option<u64>>,
    notices: Notices,
}

/// What the broker's answers told beside their content.
#[derive(Debug, Default)]
struct Facts {
    skew: Option<Skew>,
    egress: Egress,
}

/// An order call under way: no login happens while it is held.
#[derive(Debug)]
pub struct Flight(Arc<Session>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.orders_under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
    }
}

impl Session {
    /// The session as it is before anything was tried. `run` does the trying.
    #[must_use]
    pub(crate) fn new(settings: Arc<NorenSettings>, http: Http, encoder: Encoder, clock: Arc<dyn Clock>, notices: Notices) -> Self {
        let vault = Vault::new(&settings.directory, &settings.host, &settings.credentials);
        let window = TimeDelta::from_std(settings.eviction_window).unwrap_or(TimeDelta::MAX);
        let machine = Machine::new(settings.auth, settings.login_backoff, settings.evictions_most, window);
        Self {
            settings,
            http,
            encoder,
            clock,
            vault,
            machine: Mutex::new(machine),
            orders_under_way: AtomicUsize::new(0),
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            facts: Mutex::default(),
            aside: Mutex::default(),
            is_asked_for: AtomicBool::new(false),
            used_code: Mutex::default(),
            notices,
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether the machine's clock stands behind the engine's time: no date of the broker's can be held against that then.
    #[must_use]
    pub fn is_clock_set_back(&self) -> bool {
        self.clock.jumped().is_some_and(|jump| jump.behind > TimeDelta::zero())
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.machine.lock().standing(self.now())
    }

    /// The token for a read.
    ///
    /// # Errors
    /// Why there is none.
    pub fn token(&self) -> Result<Token, String> {
        let machine = self.machine.lock();
        let now = self.now();
        machine.proven(now).cloned().ok_or_else(|| self.words(&machine.standing(now)))
    }

    /// The token for an order call, and the flight that keeps logins away until it is dropped.
    ///
    /// # Errors
    /// Why there is none: nothing may be sent.
    pub fn take_off(self: &Arc<Self>) -> Result<(Token, Flight), String> {
        let machine = self.machine.lock();
        let now = self.now();
        match machine.proven(now) {
            Some(token) if !machine.is_logging_in() => {
                self.orders_under_way.fetch_add(1, Ordering::AcqRel);
                Ok((token.clone(), Flight(Arc::clone(self))))
            }
            Some(_) => Err("a login is under way".to_owned()),
            None => Err(self.words(&machine.standing(now))),
        }
    }

    /// Why there is no session, for people.
    #[must_use]
    pub fn words(&self, standing: &Standing) -> String {
        match standing {
            Standing::Ready => "logged in".to_owned(),
            Standing::Trying(words) => format!("not logged in: {words}"),
            Standing::NeedsPerson => "not logged in: a person must sign in (ordergate login)".to_owned(),
            Standing::Stopped(words) => format!("not logged in: {words}"),
        }
    }

    /// What a call with that token heard.
    pub fn learn(&self, token: u64, class: Option<ErrorClass>, told: Option<DateTime<Utc>>, asked_at: DateTime<Utc>) {
        let now = self.now();
        if let Some(told) = told {
            let skew = Skew::measured(told, asked_at, now);
            let mut facts = self.facts.lock();
            if facts.skew.is_none_or(|before| skew.replaces(before)) {
                facts.skew = Some(skew);
            }
        }
        match class {
            Some(ErrorClass::SessionExpired) => self.dead(token),
            Some(ErrorClass::TokenNotTaken) => self.suspect(token),
            _ => {}
        }
    }

    /// The broker does not take calls from our address: every one after this is refused too, exits like entries.
    pub fn address_refused(&self, words: &str) {
        let is_news = self.facts.lock().egress.was_refused(words.to_owned(), self.now());
        if is_news {
            let text = format!(
                "the broker takes no order from this machine's address ({words}): entries and exits are refused; register the address at the \
                 broker, or leave by the registered one"
            );
            self.notices.say(Level::Page, "ALARM_ADDRESS_REFUSED", text);
        }
    }

    /// An order passed, or a person asks for another try.
    pub fn address_is_taken(&self) {
        self.facts.lock().egress.is_cleared();
    }

    fn dead(&self, number: u64) {
        let now = self.now();
        let (was_evicted, is_gone) = {
            let mut machine = self.machine.lock();
            (machine.dead(number, now), machine.token(now).is_none())
        };
        if is_gone {
            self.vault.forget();
        }
        if was_evicted {
            tracing::warn!(
                event = "broker_session_ended_early",
                uid = self.settings.credentials.uid,
                "the broker ended the session before its time; another login of this account does that"
            );
            let (level, follows) = self.after_eviction();
            self.notices.say(level, "ALARM_SESSION_EVICTED", format!("the broker ended the session at {now}, before its time: {follows}"));
        }
        self.announce();
    }

    /// What follows an eviction, and how loud that is: who logs in by itself is back in a moment, and everybody else waits for a person.
    fn after_eviction(&self) -> (Level, String) {
        const CAUSE: &str = "another login of this account can do that, also one in the broker's app or at its web page";
        match self.standing() {
            Standing::Stopped(words) => (Level::Page, words),
            _ if self.settings.auth.needs_person() => {
                let (level, waits) = if self.is_in_use() { (Level::Page, ": exits wait for that") } else { (Level::Warn, "") };
                (level, format!("{CAUSE}; a person must sign in again{waits} (ordergate login, or the link that is sent as LOGIN NEEDED)"))
            }
            _ => (Level::Warn, format!("{CAUSE}; stop the other program")),
        }
    }

    /// The socket's login was refused, or a gateway did not take the token: it is proven again before anything else is done with it.
    pub fn suspect(&self, number: u64) {
        self.machine.lock().suspect(number);
        self.announce();
    }

    fn announce(&self) {
        self.wake.notify_one();
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells of every change of the session.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until a step that runs or is due has ended, no longer than that; then how it stands.
    pub async fn settled(&self, within: Duration) -> Standing {
        let mut changes = self.watch();
        let _late = tokio::time::timeout(within, async {
            while matches!(self.standing(), Standing::Trying(_)) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
        .await;
        self.standing()
    }

    /// A person asks for a login.
    pub fn ask(&self) {
        self.vault.log_in();
        self.machine.lock().asked();
        self.is_asked_for.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether something is open or held.
    pub fn in_use(&self, is_in_use: bool) {
        let mut machine = self.machine.lock();
        if is_in_use != machine.is_in_use() {
            machine.in_use(is_in_use);
            self.wake.notify_one();
        }
    }

    /// Whether something is open or held, or nobody has said that it is not.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.machine.lock().is_in_use()
    }

    /// Until when no login is tried that nobody needs: the token ends at night, and one of the morning serves the day.
    fn no_login_before(&self, machine: &Machine) -> Option<DateTime<Utc>> {
        let is_needed = machine.is_in_use() || self.is_asked_for.load(Ordering::Acquire);
        if is_needed { None } else { rests_until(self.now(), self.settings.login_at) }
    }

    /// Until when it rests, if it does: nothing else would keep a login back.
    #[must_use]
    pub fn rests(&self) -> Option<DateTime<Utc>> {
        let machine = self.machine.lock();
        let is_due = self.settings.auth == AuthFlow::QuickAuth && machine.next(self.now(), 0) == Step::Login;
        self.no_login_before(&machine).filter(|_| is_due)
    }

    /// A call that nobody asked for goes out.
    pub fn goes_aside(&self) {
        let mut aside = self.aside.lock();
        aside.calls = aside.calls.saturating_add(1);
    }

    /// A call that was asked for then stays at home: not one byte of it leaves.
    pub fn stays(&self, asked_at: DateTime<Utc>) {
        let mut aside = self.aside.lock();
        // One that is not told counts as made.
        if aside.unmade.len() < STAYED_MOST {
            aside.unmade.push(asked_at);
        }
    }

    /// The broker had no room for a call whose answer cannot say so.
    pub fn limited(&self, window: RateWindow, text: String) {
        let mut aside = self.aside.lock();
        // Of two that were not told yet, the one with the longer wait for all.
        let is_longer = aside.limited.as_ref().is_none_or(|(before, _)| *before != RateWindow::Minute);
        if is_longer || window == RateWindow::Minute {
            aside.limited = Some((window, text));
        }
    }

    /// What was done aside since this was last asked.
    #[must_use]
    pub fn take_aside(&self) -> Aside {
        std::mem::take(&mut *self.aside.lock())
    }

    /// For a person.
    pub(crate) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// When the token ends.
    #[must_use]
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.machine.lock().token(self.now()).map(|token| token.ends_at)
    }

    /// The broker's clock minus ours, ms: at least so much, as far as its answers were quick enough to tell.
    #[must_use]
    pub fn skew_ms(&self) -> Option<i64> {
        self.facts.lock().skew.map(Skew::at_least)
    }

    /// The address that the broker named as ours today.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.facts.lock().egress.address(self.now())
    }

    /// The broker's words of today by which it takes no order from our address.
    #[must_use]
    pub fn address_refusal(&self) -> Option<String> {
        self.facts.lock().egress.refusal(self.now()).map(str::to_owned)
    }

    /// The broker named our address, of that time.
    pub fn saw_address(&self, address: IpAddr, at: DateTime<Utc>) {
        self.facts.lock().egress.saw(address, at);
    }

    /// A read with the session's token.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn read(&self, body: &Body, within: Duration, by: By) -> Result<(Token, DateTime<Utc>, Delivery), String> {
        let asked_at = self.now();
        let token = match (self.token(), by) {
            (Ok(token), By::Engine) => token,
            (Ok(token), By::Itself) => {
                self.goes_aside();
                token
            }
            (Err(words), By::Engine) => {
                self.stays(asked_at);
                return Err(words);
            }
            (Err(words), By::Itself) => return Err(words),
        };
        let delivery = self.http.post(body, Some(&token.text), within).await;
        if by == By::Engine && matches!(delivery, Delivery::NotWritten(_)) {
            self.stays(asked_at);
        }
        Ok((token, asked_at, delivery))
    }

    /// A read that answers with one object; what it heard is learnt.
    ///
    /// # Errors
    /// Why there is no answer, or the broker's refusal.
    pub async fn object(&self, body: &Body, by: By) -> Result<super::wire::Fields, Unread> {
        let (token, asked_at, delivery) = self.read(body, self.settings.timeouts.read, by).await.map_err(Unread::Other)?;
        let (status, text) = match delivery {
            Delivery::Replied { status, body } => (status, body),
            Delivery::NotWritten(words) | Delivery::Lost(words) => return Err(Unread::Other(words)),
        };
        let reply = ObjectReply::read(status, &text);
        self.learn(token.number, reply.class(), reply.request_time(), asked_at);
        match (reply.class().and_then(ErrorClass::window), reply) {
            (_, ObjectReply::Ok(fields)) => Ok(fields),
            (Some(window), ObjectReply::NotOk(refusal)) => Err(Unread::RateLimited { window, text: refusal.emsg }),
            (None, ObjectReply::NotOk(refusal)) => Err(Unread::Other(format!("the broker answered: {}", refusal.emsg))),
            (Some(window), ObjectReply::Garbled(garbled)) => Err(Unread::RateLimited { window, text: garbled.to_string() }),
            (None, ObjectReply::Garbled(garbled)) => Err(Unread::Other(garbled.to_string())),
        }
    }
}

/// Why a small read brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Too many calls came: proves nothing of what was asked, and nothing against the session.
    #[error("the broker answered: {text}")]
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Unread> for NoQuote {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::RateLimited { window, text } => Self::RateLimited { window, text },
            Unread::Other(words) => Self::None(words),
        }
    }
}
