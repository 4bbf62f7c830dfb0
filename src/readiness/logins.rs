//! The logins that wait for a person at a broker's page, and the links that begin them. Pure but for its lock: times and random
//! texts come from outside.
//!
//! A link goes through chats and mail, and programs open what goes through there before a person does: previews, scanners. So nothing
//! that is done with a link uses it up. It is good until a login has come through, or for its time: what it begins ends at the broker's
//! own page, where whoever has the link alone gets no further.
//!
//! *Invariant:* a redirect that does not belong to the awaited login uses nothing up, and whoever has no state of ours
//! gets a few tries only. Whoever follows a link takes nothing from the next who does.

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
    /// The link that began it, if one did.
    link: Option<String>,
    until: DateTime<Utc>,
    tries: u32,
    bare_tries: u32,
}

impl Awaited {
    /// Whether who follows that link goes on with this login.
    fn goes_on(&self, link: Option<&str>, now: DateTime<Utc>) -> bool {
        let is_same = self.link.as_deref().zip(link).is_some_and(|(own, other)| same(own, other));
        is_same && now <= self.until && self.tries < MOST_TRIES && self.bare_tries < MOST_TRIES
    }
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn after(now: DateTime<Utc>, life: TimeDelta) -> DateTime<Utc> {
    now.checked_add_signed(life).unwrap_or(now)
}

impl Logins {
    /// A login begins; the newest counts. One that the same link began before goes on as long as its tries last: who is at the
    /// broker's page by then comes back with a state that is good. Answers the state that counts.
    pub fn begin(&self, client_id: &ClientId, link: Option<&str>, nonce: String, now: DateTime<Utc>) -> String {
        let mut accounts = self.0.lock();
        let account = accounts.entry(client_id.clone()).or_default();
        let until = after(now, LOGIN_PATIENCE);
        if let Some(before) = account.awaited.as_mut().filter(|before| before.goes_on(link, now)) {
            before.until = until;
            return before.nonce.clone();
        }
        account.awaited = Some(Awaited { nonce: nonce.clone(), link: link.map(str::to_owned), until, tries: 0, bare_tries: 0 });
        nonce
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

    /// A login came through: nobody waits any more, and no link of before is good.
    pub fn succeeded(&self, client_id: &ClientId) {
        if let Some(account) = self.0.lock().get_mut(client_id) {
            account.awaited = None;
            account.links.clear();
        }
    }

    /// The text of a link that begins a login. One that is young enough is given again; otherwise `draw` makes one.
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

    /// Whether a link is good. Asking uses nothing up.
    ///
    /// # Errors
    /// There is no such link, or not any more.
    pub fn follow(&self, client_id: &ClientId, ticket: &str, now: DateTime<Utc>) -> Result<(), &'static str> {
        const GONE: &str = "somebody has logged in by the link already, or it is too old: the newest message has a newer one";
        let mut accounts = self.0.lock();
        let links = &mut accounts.get_mut(client_id).ok_or(GONE)?.links;
        links.retain(|(_, until)| now < *until);
        if links.iter().any(|(text, _)| same(text, ticket)) { Ok(()) } else { Err(GONE) }
    }
}

#[cfg(test)]
#[path = "logins_tests.rs"]
mod tests;
