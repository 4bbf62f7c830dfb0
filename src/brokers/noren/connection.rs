//! What the account says of its connection, and how a person logs it in.

use std::sync::Arc;

use ordergate_actors::order::Amount;
use ordergate_actors::ports::Call;

use super::AuthFlow;
use super::session::machine::Standing;
use super::session::otp::LONGEST_WAIT;
use super::session::{By, Unread};
use super::wire::limits;
use super::{NorenBroker, Shared};
use crate::brokers::connection::{Connection, ConnectionReport, Funds, LoginError, LogoutError};

impl Connection for NorenBroker {
    fn report(&self) -> Call<ConnectionReport> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.report().await }, ConnectionReport::lost)
    }

    fn login(&self) -> Call<Result<String, LoginError>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.login().await }, |words| Err(LoginError::Later(words)))
    }

    fn take_code(&self, code: String) -> Call<Result<String, LoginError>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.session.take_code(code).await }, |words| Err(LoginError::Later(words)))
    }

    fn logout(&self) -> Call<Result<String, LogoutError>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.session.log_out().await }, |words| Err(LogoutError::Later(words)))
    }
}

impl Shared {
    async fn report(&self) -> ConnectionReport {
        let uid = &self.settings().credentials.uid;
        let (session, read) = match self.prove(By::Itself).await {
            Ok(_) => (Ok(format!("{uid} is logged in; a read worked")), self.read_funds(By::Itself).await),
            // The broker counts the calls of those it knows: a full window is no lost session, and no reason for a new login.
            Err(unread @ Unread::RateLimited { .. }) if self.session.standing() == Standing::Ready => {
                (Ok(format!("{uid} is logged in; there was no room for a read just now: {unread}")), Err(unread))
            }
            Err(unread) => (Err(unread.to_string()), Err(unread)),
        };
        let is_full = matches!(read, Err(Unread::RateLimited { .. }));
        let funds = read.map_err(|unread| self.heard(unread));
        ConnectionReport {
            login_link: if session.is_ok() { None } else { self.settings().login_link() },
            session,
            token_ends_at: self.session.ends_at(),
            clock_skew_ms: self.session.skew_ms(),
            address: self.session.address(),
            address_refusal: self.session.address_refusal(),
            funds,
            is_full,
            stream_age: self.health.age(),
            stream_down: self.health.down(),
        }
    }

    /// The account's money, in one call.
    pub(super) async fn read_funds(&self, by: By) -> Result<Funds, Unread> {
        let body = self.encoder.limits().map_err(|error| Unread::Other(error.to_string()))?;
        let fields = self.session.object(&body, by).await?;
        let limits = limits::read(&fields).map_err(|error| Unread::Other(error.to_string()))?;
        Ok(Funds { cash: Amount(limits.cash), margin_used: Amount(limits.used), available: Amount(limits.available) })
    }

    /// A token that works is kept. What was refused before is tried again, because a person asks.
    async fn login(&self) -> Result<String, LoginError> {
        if self.session.standing() != Standing::Ready {
            self.session.ask();
        }
        self.session.address_is_taken();
        let timeouts = self.settings().timeouts;
        // A kept token is tried first; where no person is needed, a code that went out or is near its end is waited out.
        let patience = match self.settings().auth {
            AuthFlow::OAuth | AuthFlow::Flattrade => timeouts.read,
            AuthFlow::QuickAuth => timeouts.login.saturating_add(timeouts.read).saturating_add(LONGEST_WAIT),
        };
        match self.session.settled(patience).await {
            Standing::Ready => match self.prove(By::Itself).await {
                Ok(_) => Ok(format!("{} is logged in", self.settings().credentials.uid)),
                Err(unread) => Err(LoginError::Later(self.heard(unread))),
            },
            Standing::NeedsPerson => Err(LoginError::NeedsPerson(self.settings().login_link().unwrap_or_default())),
            Standing::Stopped(words) => Err(LoginError::Refused(words)),
            // A kept token that cannot be proven keeps nobody from signing in anew.
            Standing::Trying(words) => Err(self.settings().login_link().map_or(LoginError::Later(words), LoginError::NeedsPerson)),
        }
    }
}
