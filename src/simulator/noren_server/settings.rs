//! What a simulated broker is: its test user, its limits, its delays, its market and its time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chrono::{DateTime, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::core::FaultRule;

/// The one user of the simulated broker. Every value is public: it opens nothing but this simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestUser {
    /// User and account id.
    pub uid: String,
    /// Password in plain text; `QuickAuth` carries its SHA-256.
    pub password: String,
    /// API key; `QuickAuth` carries SHA-256 of `uid|key`.
    pub api_key: String,
    /// Vendor code and OAuth client id.
    pub vendor: String,
    /// OAuth client secret.
    pub client_secret: String,
    /// Base32 seed of the one-time codes.
    pub totp_seed: String,
    /// What logins tell of the person.
    pub email: String,
    /// The number of the person's tax card, which logins and rows of orders tell.
    pub pan: String,
    /// Where orders come from, as their rows tell it; `None`: they do not.
    pub address: Option<IpAddr>,
    /// Where the sign-in page sends the browser when the request names no place of its own.
    pub redirect_url: String,
}

impl Default for TestUser {
    fn default() -> Self {
        Self {
            uid: "FA00001".to_owned(),
            password: "sim-password".to_owned(),
            api_key: "sim-key".to_owned(),
            vendor: "FA00001_U".to_owned(),
            client_secret: "sim-secret".to_owned(),
            totp_seed: "JBSWY3DPEHPK3PXP".to_owned(),
            email: "fa00001@example.test".to_owned(),
            pan: "ZZZPZ0000Z".to_owned(),
            address: None,
            redirect_url: "http://127.0.0.1:8080/broker/callback/SIM1".to_owned(),
        }
    }
}

/// Milliseconds of simulated time that each step of an order takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// From the number to the broker's own risk check.
    pub risk_ms: u32,
    /// From the risk check to the exchange, and from a change or cancel to the exchange.
    pub exchange_ms: u32,
}

impl Default for Delays {
    fn default() -> Self {
        Self { risk_ms: 1, exchange_ms: 2 }
    }
}

/// Where prices come from before anybody sets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prices {
    /// Drawn from the seed; a price that was set stands in front of it.
    #[default]
    Synthetic,
    /// Only what was set; an instrument without a price has an empty book.
    Scripted,
}

/// How simulated time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSettings {
    /// Where it begins; `None`: at the machine's time.
    pub start: Option<DateTime<Utc>>,
    /// Simulated milliseconds in one real second: 1000 is real time, 0 stands still until it is moved.
    pub speed: u32,
}

impl Default for TimeSettings {
    fn default() -> Self {
        Self { start: None, speed: 1_000 }
    }
}

/// Everything about one simulated broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Seed of the market and of the tokens.
    pub seed: u64,
    /// The user.
    pub user: TestUser,
    /// Delays of an order's steps.
    pub delays: Delays,
    /// Prices.
    pub prices: Prices,
    /// Time.
    pub time: TimeSettings,
    /// Faults from the start on.
    pub faults: Vec<FaultRule>,
    /// File that keeps orders, trades and sessions over a restart.
    pub state: Option<PathBuf>,
    /// Rupees in the account.
    pub cash: Decimal,
    /// Calls in one calendar second; 0: no limit.
    pub per_second: u32,
    /// Calls in one calendar minute; 0: no limit.
    pub per_minute: u32,
    /// Whether a login ends the sessions before it.
    pub single_session: bool,
    /// Whether the subscription of order messages is acknowledged; at Flattrade it is not.
    pub acknowledges_orders: bool,
    /// Whether a one-time code is taken once only, as servers may do (RFC 6238, section 5.2).
    pub codes_once: bool,
    /// Whether a raw `&` inside the JSON is refused, as a live server was seen to do.
    pub refuse_raw_ampersand: bool,
    /// Whether MKT and SL-MKT are refused, as since April 2026.
    pub refuse_market_orders: bool,
    /// From when on (IST) new intraday orders are refused until the day ends; `None`: never.
    pub square_off: Option<NaiveTime>,
    /// Remarks longer than this are cut; `None`: kept whole.
    pub remarks_length: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            user: TestUser::default(),
            delays: Delays::default(),
            prices: Prices::default(),
            time: TimeSettings::default(),
            faults: Vec::new(),
            state: None,
            cash: Decimal::new(5_000_000, 0),
            per_second: 10,
            per_minute: 120,
            single_session: true,
            acknowledges_orders: true,
            codes_once: false,
            refuse_raw_ampersand: true,
            refuse_market_orders: true,
            square_off: None,
            remarks_length: None,
        }
    }
}
