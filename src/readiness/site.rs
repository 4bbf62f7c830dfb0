//! What going live needs beside the engine: the connections, the data directory, the settings, the logins under way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ordergate_actors::order::{ClientId, Exchange};
use parking_lot::Mutex;

use crate::alerts::Alerts;
use crate::brokers::connection::Connection;
use crate::config::Readiness;

/// How long a person has to sign in at the broker's page.
const LOGIN_PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What going live needs beside the engine. The default is that of paper: no connections, no alerts.
#[derive(Debug, Default)]
pub struct Site {
    /// The data directory.
    pub directory: PathBuf,
    /// The accounts that have a connection to report on and to log in by.
    pub connections: BTreeMap<ClientId, Arc<dyn Connection>>,
    /// The exchanges whose masters are wanted; empty: the built-in sample.
    pub exchanges: Vec<Exchange>,
    /// The report's settings.
    pub readiness: Readiness,
    /// The addresses that the brokers know this machine by.
    pub registered: BTreeMap<ClientId, IpAddr>,
    /// Where pages go, if anywhere.
    pub alerts: Option<Alerts>,
    /// Logins that a person began.
    pub logins: Logins,
    /// Whether paper orders fill against quotes of a real account.
    pub has_live_quotes: bool,
    /// The days whose report a person has dismissed.
    pub dismissed: Mutex<BTreeMap<ClientId, NaiveDate>>,
}

/// Logins that wait for their redirect. A code that nobody waits for is not taken: it may be another's.
#[derive(Debug, Default)]
pub struct Logins {
    awaited: Mutex<BTreeMap<ClientId, (String, DateTime<Utc>)>>,
}

impl Logins {
    /// A login begins; the newest counts.
    pub fn begin(&self, client_id: &ClientId, nonce: String, now: DateTime<Utc>) {
        let until = now.checked_add_signed(LOGIN_PATIENCE).unwrap_or(now);
        self.awaited.lock().insert(client_id.clone(), (nonce, until));
    }

    /// Takes the login that a redirect belongs to; it is used up. A state that came back must be the one that went out.
    ///
    /// # Errors
    /// Why the redirect is not taken.
    pub fn take(&self, client_id: &ClientId, state: Option<&str>, now: DateTime<Utc>) -> Result<(), &'static str> {
        let mut awaited = self.awaited.lock();
        let Some((nonce, until)) = awaited.get(client_id) else { return Err("no login of this account is awaited") };
        if now > *until {
            awaited.remove(client_id);
            return Err("the login was begun too long ago");
        }
        if state.is_some_and(|state| !bool::from(subtle::ConstantTimeEq::ct_eq(state.as_bytes(), nonce.as_bytes()))) {
            return Err("the redirect belongs to another login");
        }
        awaited.remove(client_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_taken_once_in_time_and_for_its_own_login() {
        let client = ClientId::parse("LIVE1").unwrap();
        let now: DateTime<Utc> = "2026-11-20T03:15:00Z".parse().unwrap();
        let logins = Logins::default();
        assert!(logins.take(&client, None, now).is_err(), "nobody waits for it");
        logins.begin(&client, "abc".into(), now);
        assert!(logins.take(&client, Some("xyz"), now).is_err());
        assert_eq!(logins.take(&client, Some("abc"), now), Ok(()));
        assert!(logins.take(&client, Some("abc"), now).is_err(), "used up");
        logins.begin(&client, "abc".into(), now);
        assert!(logins.take(&client, None, now + TimeDelta::minutes(11)).is_err());
        logins.begin(&client, "abc".into(), now);
        assert_eq!(logins.take(&client, None, now), Ok(()), "some brokers do not give the state back");
    }
}
