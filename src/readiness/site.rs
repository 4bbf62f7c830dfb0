//! What going live needs beside the engine: the connections, the data directory, the settings, the logins under way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::Desk;
use ordergate_actors::order::{ClientId, Exchange};
use ordergate_actors::ports::Session;
use parking_lot::Mutex;
use secrecy::ExposeSecret;

use super::logins::Logins;
use super::reports::{Fresh, Reports};
use crate::alerts::Alerts;
use crate::brokers::connection::{Connection, ConnectionReport};
use crate::charges::Charges;
use crate::config::Readiness;

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
    /// Where a person's browser reaches this process, if it does: `https://name` or `http://address:port`.
    pub base_url: Option<String>,
    /// Logins that a person began.
    pub logins: Logins,
    /// Whether paper orders fill against quotes of a real account.
    pub has_live_quotes: bool,
    /// What the connections reported lately.
    pub reports: Reports,
    /// What trading costs.
    pub charges: Charges,
    /// The days whose report a person has dismissed.
    pub dismissed: Mutex<BTreeMap<ClientId, NaiveDate>>,
}

impl Site {
    /// What an account's connection reports, if it has one.
    pub(crate) async fn report(&self, desk: &Desk, fresh: Fresh) -> Option<ConnectionReport> {
        let connection = self.connections.get(&desk.client_id)?;
        let is_ready = matches!(desk.findings.read().session, Some(Session::Ready));
        Some(self.reports.of(&desk.client_id, &**connection, fresh, is_ready).await)
    }

    /// A link of our own that begins a login, for a person who is not at the command line. Nothing if this machine
    /// cannot be reached by one: then `ordergate login` it is.
    #[must_use]
    pub fn login_link(&self, client_id: &ClientId, now: DateTime<Utc>) -> Option<String> {
        let base = self.base_url.as_ref()?;
        let draw = || crate::secrets::draw().map(|text| text.expose_secret().to_owned());
        match self.logins.link(client_id, now, draw) {
            Ok(ticket) => Some(format!("{}/broker/login/{client_id}?ticket={ticket}", base.trim_end_matches('/'))),
            Err(cause) => {
                tracing::warn!(event = "no_login_link", %client_id, "no link to log in by: {cause}");
                None
            }
        }
    }
}
