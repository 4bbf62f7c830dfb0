//! What the HTTP side is told when it is built: accounts, secrets, limits.

use std::time::Duration;

use ordergate_actors::order::{ClientId, Strategy};
use secrecy::{ExposeSecret, SecretString};

use super::problem::Problem;
use crate::access::Ranges;
use crate::schedule::Scheduled;

/// An account, as the HTTP side needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub client_id: ClientId,
    /// Whether real money moves.
    pub mode_is_live: bool,
}

/// One sender of alerts, with a secret of its own.
#[derive(Debug, Clone)]
pub struct Source {
    /// Shown to people as the order's user.
    pub name: String,
    /// The secret that it uses.
    pub current: SecretString,
    /// The secret that it used before; taken as well while the sender is being changed over.
    pub previous: Option<SecretString>,
    /// The accounts that it may send for; `None`: all of them.
    pub accounts: Option<Vec<ClientId>>,
    /// Identical bodies without a key within this many milliseconds are one signal; 0 turns that off.
    pub replay_window_ms: u64,
    /// Whether it sends again only after a 5xx (TradingView): overload is 503 for it instead of 429.
    pub resends_on_5xx_only: bool,
    /// From where it may send; none: from anywhere.
    pub addresses: Ranges,
}

impl Source {
    /// A source for all accounts, with a replay window of a minute.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: SecretString) -> Self {
        Self {
            name: name.into(),
            current: secret,
            previous: None,
            accounts: None,
            replay_window_ms: 60_000,
            resends_on_5xx_only: false,
            addresses: Ranges::default(),
        }
    }

    /// Whether it may send for the account.
    #[must_use]
    pub fn may_send_for(&self, client_id: &ClientId) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(client_id))
    }
}

/// A key of the dashboard API. Its name stands in the journal as who did it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Who.
    pub name: String,
    /// The key.
    pub secret: SecretString,
    /// For whom it may act.
    pub scope: Scope,
    /// From where it may come; none: from anywhere.
    pub addresses: Ranges,
}

impl ApiKey {
    /// A key that may do everything, from anywhere.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: SecretString) -> Self {
        Self { name: name.into(), secret, scope: Scope::default(), addresses: Ranges::default() }
    }
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The key's name.
    pub name: String,
    /// For whom it may act.
    pub scope: Scope,
    /// From where it may come.
    pub addresses: Ranges,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// See orders, positions, risk, the journal.
    pub read: bool,
    /// Send, change and cancel orders, and see where they are.
    pub trade: bool,
    /// Everything else that changes something: kill, arming, rules, verdicts, sessions.
    pub control: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Self = Self { read: true, trade: true, control: true };
    /// Nothing.
    pub const NONE: Self = Self { read: false, trade: false, control: false };
}

impl Default for Rights {
    fn default() -> Self {
        Self::ALL
    }
}

/// For whom a key may act, and what it may do. One that names accounts or strategies trades for these, reads what is of these
/// accounts, and does nothing else: no kill, no arming, no verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// What it may do.
    pub rights: Rights,
    /// The accounts; `None`: all.
    pub accounts: Option<Vec<ClientId>>,
    /// The strategies; `None`: all.
    pub strategies: Option<Vec<Strategy>>,
}

impl Scope {
    /// Whether it is for every account and every strategy.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.accounts.is_none() && self.strategies.is_none()
    }

    /// Whether it may see what is of the account.
    #[must_use]
    pub fn sees(&self, client_id: &ClientId) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(client_id))
    }

    /// Whether it may trade for that strategy of the account. `strategy` as it was sent: none is the strategy `default`.
    #[must_use]
    pub fn trades(&self, client_id: &ClientId, strategy: Option<&str>) -> bool {
        let owner = strategy.map(str::trim).filter(|name| !name.is_empty()).unwrap_or("default");
        self.sees(client_id) && self.strategies.as_ref().is_none_or(|all| all.iter().any(|own| own.as_str() == owner))
    }
}

impl Scope {
    /// That it is for that account, and for the strategy where one is named.
    ///
    /// # Errors
    /// 403, whatever there is in that account.
    pub(super) fn must_reach(&self, client_id: &ClientId, strategy: Option<&Strategy>, name: &str) -> Result<(), Problem> {
        let reaches = self.sees(client_id) && strategy.is_none_or(|strategy| self.trades(client_id, Some(strategy.as_str())));
        if reaches { Ok(()) } else { Err(Problem::not_for_this_key(name)) }
    }
}

/// Settings of the HTTP side.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// The accounts, in the order in which people named them.
    pub accounts: Vec<Account>,
    /// Who may send alerts.
    pub sources: Vec<Source>,
    /// Who may use the API.
    pub keys: Vec<ApiKey>,
    /// Stored alerts that fire at a time of day.
    pub schedule: Vec<Scheduled>,
    /// A write of the journal that takes so long is told: the disk hangs.
    pub stalled: Duration,
    /// The largest body, bytes.
    pub body_limit: usize,
    /// The most bytes of all request headers together.
    pub header_limit: usize,
    /// The deepest JSON.
    pub max_json_depth: usize,
    /// The most keys in one JSON body.
    pub max_json_keys: usize,
    /// Proxies that are believed about whom they forward for.
    pub trusted_proxies: Ranges,
    /// Where alerts and the broker's login come in from outside; without a slash at the end.
    pub public_url: Option<String>,
    /// Where a person's browser reaches the dashboard, if not at the address that is listened on; without a slash at the end.
    pub dashboard_url: Option<String>,
    /// How long a sender may take for its body.
    pub body_deadline: Duration,
    /// How long the answer waits for the decision before it is read from the record instead.
    pub decision_deadline: Duration,
    /// How long a lost answer is looked for on disk.
    pub lookup_deadline: Duration,
}

impl WebSettings {
    /// The standard limits, for these accounts.
    #[must_use]
    pub fn new(accounts: Vec<Account>, sources: Vec<Source>, keys: Vec<ApiKey>) -> Self {
        Self {
            accounts,
            sources,
            keys,
            schedule: Vec::new(),
            stalled: Duration::from_secs(5),
            body_limit: 64 * 1024,
            header_limit: 16 * 1024,
            max_json_depth: 16,
            max_json_keys: 4_000,
            trusted_proxies: Ranges::default(),
            public_url: None,
            dashboard_url: None,
            body_deadline: Duration::from_secs(10),
            decision_deadline: Duration::from_secs(5),
            lookup_deadline: Duration::from_secs(2),
        }
    }

    /// Where browsers may reach the pages through a proxy.
    pub(super) fn web_roots(&self) -> impl Iterator<Item = &str> {
        [&self.public_url, &self.dashboard_url].into_iter().filter_map(|url| url.as_deref())
    }

    /// Whether the text holds the secret of any source: such a text is never stored.
    #[must_use]
    pub fn holds_a_secret(&self, text: &str) -> bool {
        let secrets = self.sources.iter().flat_map(|source| std::iter::once(&source.current).chain(&source.previous));
        // As it would stand in a JSON text.
        let quoted = |secret: &str| serde_json::Value::from(secret).to_string();
        let stands =
            |secret: &str| quoted(secret).get(1..).and_then(|rest| rest.strip_suffix('"')).is_some_and(|inner| text.contains(inner));
        secrets.map(ExposeSecret::expose_secret).any(|secret| !secret.is_empty() && stands(secret))
    }
}
