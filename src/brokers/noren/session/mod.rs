//! The session of one account: one owner logs in, everybody else only reads the token and says what they heard about it.

pub mod machine;
#[cfg(test)]
mod machine_tests;
pub mod otp;
mod owner;
pub mod vault;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::ports::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::http::Http;
use super::settings::NorenSettings;
use super::wire::{Body, Delivery, Encoder, ErrorClass, ObjectReply};
use machine::{Machine, Standing, Token};
use vault::Vault;

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
}

/// What the broker's answers told beside their content.
#[derive(Debug, Default, Clone, Copy)]
struct Facts {
    skew_ms: Option<i64>,
    address: Option<IpAddr>,
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
    pub fn new(settings: Arc<NorenSettings>, http: Http, encoder: Encoder, clock: Arc<dyn Clock>) -> Self {
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
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
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
            // The broker tells whole seconds: half a second more is the likeliest.
            let ours = asked_at.timestamp_millis().midpoint(now.timestamp_millis());
            self.facts.lock().skew_ms = Some(told.timestamp_millis().saturating_add(500).saturating_sub(ours));
        }
        if class == Some(ErrorClass::SessionExpired) {
            self.dead(token);
        }
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
        }
        self.announce();
    }

    /// The socket's login was refused: the token is proven again before anything else is done with it.
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
        self.machine.lock().asked();
        self.wake.notify_one();
    }

    /// When the token ends.
    #[must_use]
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.machine.lock().token(self.now()).map(|token| token.ends_at)
    }

    /// The broker's clock minus ours, ms.
    #[must_use]
    pub fn skew_ms(&self) -> Option<i64> {
        self.facts.lock().skew_ms
    }

    /// The address that the broker names as ours.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.facts.lock().address
    }

    /// The broker named our address.
    pub fn saw_address(&self, address: IpAddr) {
        self.facts.lock().address = Some(address);
    }

    /// A read with the session's token; what it heard is learnt.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn read(&self, body: &Body, within: Duration) -> Result<(Token, DateTime<Utc>, Delivery), String> {
        let token = self.token()?;
        let asked_at = self.now();
        let delivery = self.http.post(body, Some(&token.text), within).await;
        Ok((token, asked_at, delivery))
    }

    /// A read that answers with one object.
    ///
    /// # Errors
    /// Why there is no answer, or the broker's refusal.
    pub async fn object(&self, body: &Body) -> Result<super::wire::Fields, String> {
        let (token, asked_at, delivery) = self.read(body, self.settings.timeouts.read).await?;
        let (status, text) = match delivery {
            Delivery::Replied { status, body } => (status, body),
            Delivery::NotWritten(words) | Delivery::Lost(words) => return Err(words),
        };
        let reply = ObjectReply::read(status, &text);
        self.learn(token.number, reply.class(), reply.request_time(), asked_at);
        match reply {
            ObjectReply::Ok(fields) => Ok(fields),
            ObjectReply::NotOk(refusal) => Err(format!("the broker answered: {}", refusal.emsg)),
            ObjectReply::Garbled(garbled) => Err(garbled.to_string()),
        }
    }
}
