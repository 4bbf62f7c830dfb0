//! What a broker account can say about its connection, and how a person logs it in. The engine does not see it: it asks
//! [`Broker::session`](ordergate_actors::ports::Broker::session) and follows the books. The CLI, the dashboard API and
//! the readiness report do.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::ports::Call;
pub use ordergate_actors::ports::Funds;

/// How the connection stands. Each part is read anew; `Err` says why it could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Whether a read with the present token worked; the words of the broker, or why not.
    pub session: Result<String, String>,
    /// When the token ends, if known.
    pub token_ends_at: Option<DateTime<Utc>>,
    /// The broker's clock minus ours, ms, from its newest answer.
    pub clock_skew_ms: Option<i64>,
    /// The address that the broker's own answers of today name as ours, if they do.
    pub address: Option<IpAddr>,
    /// The broker's words of today by which it takes no order from our address, if no order has passed since.
    pub address_refusal: Option<String>,
    /// The account's money.
    pub funds: Result<Funds, String>,
    /// The broker had no room for a read just now: what is not known because of that says nothing against the connection.
    pub is_full: bool,
    /// Age of the newest frame of the stream; `None`: no stream is up.
    pub stream_age: Option<Duration>,
    /// For how long no stream has come up, and why not; `None` while one is up, or none was tried.
    pub stream_down: Option<(Duration, String)>,
    /// The broker's page where a person signs in, if a person must. Its redirect is taken only while a login is awaited,
    /// so this is never shown by itself.
    pub login_link: Option<String>,
}

impl ConnectionReport {
    /// One of a connection that told nothing, and why.
    #[must_use]
    pub fn lost(words: String) -> Self {
        Self {
            session: Err(words.clone()),
            token_ends_at: None,
            clock_skew_ms: None,
            address: None,
            address_refusal: None,
            funds: Err(words),
            is_full: false,
            stream_age: None,
            stream_down: None,
            login_link: None,
        }
    }
}

/// Why a login did not work, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Never tried again with the same words: a second wrong one may lock the account.
    #[error("the broker refuses this login: {0}; check the account's credentials")]
    Refused(String),
    /// A person must sign in at the broker's page, which is this, while the redirect is awaited.
    #[error("a person must sign in (ordergate login)")]
    NeedsPerson(String),
    /// Not now; trying again later may help.
    #[error("the login did not come through: {0}")]
    Later(String),
    /// This broker has no login.
    #[error("this broker has no login")]
    None,
}

/// Why a session was not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// Not now; trying again later may help.
    #[error("the session was not ended: {0}")]
    Later(String),
    /// This broker has no login.
    #[error("this broker has no login")]
    None,
}

/// One account's connection to its broker.
pub trait Connection: Send + Sync + fmt::Debug + 'static {
    /// Reads how it stands. Takes part in the account's rate budget like any read.
    fn report(&self) -> Call<ConnectionReport>;

    /// Logs in with what is configured, if no kept token works.
    fn login(&self) -> Call<Result<String, LoginError>>;

    /// Finishes a login that a person began at the broker's page: the code that the redirect brought.
    fn take_code(&self, code: String) -> Call<Result<String, LoginError>>;

    /// Ends the session at the broker. Nothing logs in again until a person asks.
    fn logout(&self) -> Call<Result<String, LogoutError>> {
        Box::pin(std::future::ready(Err(LogoutError::None)))
    }
}
