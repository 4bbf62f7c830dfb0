//! The logins that wait for a person at a broker's page, and the one-time links that begin them. Pure but for its lock:
//! times and random texts come from outside.
//!
//! *Invariant:* a redirect that does not belong to the awaited login uses nothing up, and whoever has no state of ours
//! gets a few tries only.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::ClientId;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

/// How long a person has to sign in at the broker's page.
const LOGIN_PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How often codes are tried for one awaited login: with its state, and without any.
const MOST_TRIES: u32 = 5;
/// Codes that come without a state: no more than so many in a time.
const BURST: usize = 3;
const BURST_TIME: TimeDelta = TimeDelta::seconds(10);
/// How long a link is good; a new one is made when less than half of that is left.
const LINK_LIFE: TimeDelta = TimeDelta::hours(1);

/// The logins under way, by account.
#[derive(Debug, Default)]
pub struct Logins(Mutex<BTreeMap<ClientId, Account>>);

#[derive(Default)]
struct Account {
    awaited: Option<Awaited>,
    links: Vec<(String, DateTime<Utc>)>,
    /// The broker was seen to give the state back: from then on it must.
    returns_state: bool,
    /// When codes without a state came.
    bare: VecDeque<DateTime<Utc>>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("is_awaited", &self.awaited.is_some()).field("links", &self.links.len()).finish_non_exhaustive()
    }
}

struct Awaited {
    nonce: String,
    until: DateTime<Utc>,
    tries: u32,
    bare_tries: u32,
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn after(now: DateTime<Utc>, life: TimeDelta) -> DateTime<Utc> {
    now.checked_add_signed(life).unwrap_or(now)
}

impl Logins {
    /// A login begins; the newest counts.
    pub fn begin(&self, client_id: &ClientId, nonce: String, now: DateTime<Utc>) {
        let awaited = Awaited { nonce, until: after(now, LOGIN_PATIENCE), tries: 0, bare_tries: 0 };
        self.0.lock().entry(client_id.clone()).or_default().awaited = Some(awaited);
    }

    /// Whether the code of a redirect may be tried. The login stays awaited until [`Logins::succeeded`]: a code that is
    /// not taken is not the end of it.
    ///
    /// # Errors
    /// Why the code is not tried; nothing was used up.
    pub fn admit(&self, client_id: &ClientId, state: Option<&str>, now: DateTime<Utc>) -> Result<(), &'static str> {
        const NOBODY: &str = "no login of this account is awaited";
        let mut accounts = self.0.lock();
        let account = accounts.get_mut(client_id).ok_or(NOBODY)?;
        let awaited = account.awaited.as_mut().ok_or(NOBODY)?;
        if now > awaited.until {
            account.awaited = None;
            return Err("the login was begun too long ago");
        }
        match state {
            Some(state) if !same(state, &awaited.nonce) => return Err("the redirect belongs to another login"),
            Some(_) if awaited.tries >= MOST_TRIES => return Err("the login was tried too often"),
            Some(_) => {
                account.returns_state = true;
                awaited.tries += 1;
            }
            None if account.returns_state => return Err("the redirect does not say which login it belongs to"),
            None => {
                account.bare.retain(|at| now.signed_duration_since(*at) < BURST_TIME);
                if awaited.bare_tries >= MOST_TRIES || account.bare.len() >= BURST {
                    return Err("too many codes came; wait a moment, then begin again");
                }
                account.bare.push_back(now);
                awaited.bare_tries += 1;
            }
        }
        Ok(())
    }

    /// A code was taken: nobody waits any more.
    pub fn succeeded(&self, client_id: &ClientId) {
        if let Some(account) = self.0.lock().get_mut(client_id) {
            account.awaited = None;
        }
    }

    /// The text of a link that begins a login once. One that is young enough is given again; otherwise `draw` makes one.
    ///
    /// # Errors
    /// Those of `draw`.
    pub fn link<E>(&self, client_id: &ClientId, now: DateTime<Utc>, draw: impl FnOnce() -> Result<String, E>) -> Result<String, E> {
        let mut accounts = self.0.lock();
        let links = &mut accounts.entry(client_id.clone()).or_default().links;
        links.retain(|(_, until)| now < *until);
        let half = after(now, LINK_LIFE / 2);
        if let Some((text, _)) = links.iter().find(|(_, until)| *until >= half) {
            return Ok(text.clone());
        }
        let text = draw()?;
        links.push((text.clone(), after(now, LINK_LIFE)));
        Ok(text)
    }

    /// Uses a link up.
    ///
    /// # Errors
    /// There is no such link, or not any more.
    pub fn follow(&self, client_id: &ClientId, ticket: &str, now: DateTime<Utc>) -> Result<(), &'static str> {
        const GONE: &str = "the link was used already, or it is too old";
        let mut accounts = self.0.lock();
        let links = &mut accounts.get_mut(client_id).ok_or(GONE)?.links;
        links.retain(|(_, until)| now < *until);
        let index = links.iter().position(|(text, _)| same(text, ticket)).ok_or(GONE)?;
        links.remove(index);
        Ok(())
    }
}

#[cfg(test)]
#[path = "logins_tests.rs"]
mod tests;
