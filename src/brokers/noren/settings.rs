//! Everything about a Noren account that a person may set. The values come from `config/`; nothing is decided here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use ordergate_actors::order::Exchange;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::settings::QuantityUnits;
use secrecy::SecretString;

use super::protect::Buffers;
use super::wire::Ampersand;

/// How an account logs in (Noren protocol reference, sections 2.1 and 2.2; what is known of Flattrade stands in `config/flattrade.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFlow {
    /// A person signs in at the broker's page; the code of the redirect is exchanged for a token.
    OAuth,
    /// Password and one-time code, no person needed.
    QuickAuth,
    /// A person signs in at Flattrade's page; the code of the redirect is exchanged at an address of its own, and the token goes with
    /// every call as that of [`Self::QuickAuth`] does, and into the socket as that of [`Self::OAuth`].
    Flattrade,
}

impl AuthFlow {
    /// Reads `oauth`, `quickauth` or `flattrade`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "oauth" => Some(Self::OAuth),
            "quickauth" => Some(Self::QuickAuth),
            "flattrade" => Some(Self::Flattrade),
            _ => None,
        }
    }

    /// Whether a person signs in at the broker's page.
    #[must_use]
    pub fn needs_person(self) -> bool {
        match self {
            Self::OAuth | Self::Flattrade => true,
            Self::QuickAuth => false,
        }
    }
}

/// Who logs in. What is secret shows in no `Debug`.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user (`FA12345`).
    pub uid: String,
    /// The account; for a retail client the same as the user.
    pub actid: String,
    /// The vendor code of `QuickAuth`.
    pub vendor_code: String,
    /// The client of OAuth.
    pub client_id: String,
    /// Any name of this device.
    pub imei: String,
    /// The password; `QuickAuth` needs it.
    pub password: Option<SecretString>,
    /// The base32 seed of one-time codes; `QuickAuth` needs it.
    pub totp_secret: Option<SecretString>,
    /// The API key; `QuickAuth` needs it.
    pub api_key: Option<SecretString>,
    /// The secret of the OAuth client; OAuth needs it.
    pub client_secret: Option<SecretString>,
}

/// How long each kind of call may take, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Place, modify, cancel.
    pub order: Duration,
    /// Small reads.
    pub read: Duration,
    /// Order book, trade book, positions.
    pub book: Duration,
    /// Login calls.
    pub login: Duration,
    /// A kept-alive connection is closed after this: sooner than the server does it.
    pub idle: Duration,
}

/// The socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamWaits {
    /// How often we speak.
    pub heartbeat: Duration,
    /// Without any frame for this long, in market hours, the socket is dead.
    pub silence: Duration,
    /// How long its login may take.
    pub handshake: Duration,
    /// Between frames of one long subscription.
    pub chunk_gap: Duration,
}

/// Waits that double from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer.
    pub last: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row.
    #[must_use]
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.first.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(self.last)
    }
}

/// One Noren account.
#[derive(Debug, Clone)]
pub struct NorenSettings {
    /// Scheme and host of REST calls (`https://api.shoonya.com`), without a slash at the end.
    pub host: String,
    /// The path before the route, with a slash at both ends.
    pub rest_prefix: String,
    /// Where the socket is.
    pub socket_url: String,
    /// The page where a person signs in; `{client_id}` and `{uid}` are replaced.
    pub login_page: String,
    /// Where a code becomes a token, at Flattrade: an address of its own.
    pub token_url: String,
    /// How it logs in.
    pub auth: AuthFlow,
    /// The content type of every call.
    pub content_type: String,
    /// How an ampersand in a symbol goes out.
    pub ampersand: Ampersand,
    /// Who.
    pub credentials: Credentials,
    /// Whether real money moves: a broker on a loopback address is a simulator.
    pub is_live: bool,
    /// Waits of calls.
    pub timeouts: Timeouts,
    /// Waits of the socket.
    pub stream: StreamWaits,
    /// Between attempts to connect the socket.
    pub reconnect: Backoff,
    /// Whether a one-time code goes out once only; the next login waits for the next code then.
    pub codes_once: bool,
    /// The hour, Indian time, before which a login at night waits while nothing is open or held.
    pub login_at: NaiveTime,
    /// What quantities count on MCX and CDS; set by who opens the account.
    pub quantity_units: QuantityUnits,
    /// Special sessions, for the patience with a silent socket; set by who opens the account.
    pub calendar: Arc<Calendar>,
    /// Between attempts to log in.
    pub login_backoff: Backoff,
    /// So many evictions by another login within [`Self::eviction_window`] and we stop logging in again.
    pub evictions_most: usize,
    /// See [`Self::evictions_most`].
    pub eviction_window: Duration,
    /// How long an accepted order may stay invisible in the books.
    pub visibility_bound: Duration,
    /// How often the engine reads the books.
    pub poll: Duration,
    /// Instruments whose quotes are asked for at once, at most.
    pub max_subscriptions: usize,
    /// Updates that wait for the engine, at most.
    pub stream_capacity: usize,
    /// The exchanges at which IOC orders of programs are taken.
    pub takes_ioc: Vec<Exchange>,
    /// How market orders become limits.
    pub buffers: Buffers,
    /// Where the sealed token is kept; private to this account.
    pub directory: PathBuf,
}

impl NorenSettings {
    /// The address of a route.
    #[must_use]
    pub fn url(&self, route: &str) -> String {
        format!("{}{}{route}", self.host, self.rest_prefix)
    }

    /// Where a person signs in; nothing for a flow that needs no person.
    #[must_use]
    pub fn login_link(&self) -> Option<String> {
        self.auth.needs_person().then(|| {
            let page = self.login_page.replace("{client_id}", &self.credentials.client_id);
            page.replace("{uid}", &self.credentials.uid)
        })
    }
}

/// Whether the host of a URL is this machine.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let Some(host) = url.host_str() else { return false };
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain.eq_ignore_ascii_case("localhost") || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:9090", "http://localhost:1/x", "http://[::1]:9", "ws://127.8.0.1/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in
            ["https://api.shoonya.com", "http://127.0.0.1.example.com", "http://localhost.example.com", "127.0.0.1", "http://10.0.0.1"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn a_backoff_doubles_up_to_its_last() {
        let backoff = Backoff { first: Duration::from_millis(500), last: Duration::from_secs(30) };
        let waits: Vec<u128> = (1..=9).map(|n| backoff.after(n).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!((backoff.after(0), backoff.after(u32::MAX)), (backoff.first, backoff.last));
    }
}
