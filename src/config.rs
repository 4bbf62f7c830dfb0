//! Every setting, typed. `config/default.toml` says what each one means; a file and the environment may override it.
//!
//! All that is wrong is reported at once, each with its key, its value, the rule and where it was said.

mod access;
mod account;
mod alerts;
mod convert;
mod drill;
mod exits;
mod going_live;
mod instruments;
mod layers;
mod limits;
mod noren;
#[cfg(test)]
mod noren_tests;
mod reader;
mod routes;
mod schedule;
mod sections;
#[cfg(test)]
mod tests;
mod violation;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveTime;
use ordergate_actors::order::calendar::Enforce;
use ordergate_actors::order::{Amount, ClientId, Exchange};
use secrecy::SecretString;

use crate::access::{AccessSettings, Ranges};
use crate::brokers::noren::NorenSettings;
use crate::instruments::Rolls;
use crate::instruments::master::EquityTick;
use crate::schedule::Scheduled;
use crate::web::Scope;
use crate::web::live::LiveSettings;

pub use account::{Account, BrokerKind};
pub use alerts::{AlertChannel, AlertTo, Alerts, ChatActions, Commands, Heartbeat};
pub use layers::Layer;
pub use violation::{ConfigError, Violation};

/// Names the file when `--config` does not.
pub const FILE_VARIABLE: &str = "ORDERGATE_CONFIG";

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// HTTP.
    pub server: Server,
    /// The data directory.
    pub storage: Storage,
    /// Alerts.
    pub webhook: Webhook,
    /// What alerts become, by account.
    pub routes: Vec<(ClientId, ordergate_actors::routes::Route)>,
    /// The dashboard API.
    pub api: Api,
    /// How people log in.
    pub access: AccessSettings,
    /// The live stream.
    pub live: LiveSettings,
    /// What goes to a phone.
    pub alerts: Alerts,
    /// The report of the morning.
    pub readiness: Readiness,
    /// The accounts; at least one.
    pub accounts: Vec<Account>,
    /// Stored alerts that fire at a time of day.
    pub schedule: Vec<Scheduled>,
    /// The paper broker.
    pub paper: Paper,
    /// What can be traded.
    pub instruments: Instruments,
    /// Which calendar, and who is held to it.
    pub calendar: Calendar,
    /// Charge files that add to what is built in, or take its place.
    pub charges_directory: Option<PathBuf>,
    /// The comparison with the broker's books.
    pub watcher: Watcher,
    /// The line.
    pub engine: Engine,
    /// Logs.
    pub log: Log,
    /// The step at which the process stops, to be killed there; `None`: it does not.
    pub drill: Option<crate::drill::Step>,
    /// Every value as it was said, for people; secrets as `[set]`.
    pub effective: Vec<Setting>,
}

/// HTTP.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where alerts and the broker's login reach it from outside; without a slash at the end.
    pub public_url: Option<String>,
    /// Where a person's browser reaches the dashboard, if not at `listen`; without a slash at the end.
    pub dashboard_url: Option<String>,
    /// Proxies that are believed about whom they forward for.
    pub trusted_proxies: Ranges,
    /// Threads.
    pub workers: usize,
    /// Larger bodies are refused.
    pub body_limit_bytes: usize,
    /// How long a body may take.
    pub body_deadline: Duration,
    /// How long an answer waits for the decision.
    pub decision_deadline: Duration,
    /// How long a lost answer is looked for.
    pub lookup_deadline: Duration,
}

/// The data directory.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Where it is.
    pub directory: PathBuf,
    /// Space kept back; 0 for none.
    pub ballast_bytes: u64,
    /// Entries stop below this much room.
    pub min_free_bytes: u64,
    /// Checkpoint while busy.
    pub checkpoint_pages: u32,
    /// Checkpoint while idle.
    pub idle_checkpoint_pages: u32,
    /// How long to wait for a foreign lock.
    pub busy_timeout_ms: u32,
    /// A write that takes so long is said.
    pub stalled: Duration,
    /// A write that takes so long ends the process.
    pub hung: Duration,
}

/// Alerts.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Of alerts without a source of their own; `None`: drawn at the first start.
    pub secret: Option<SecretString>,
    /// The one before, still taken.
    pub previous_secret: Option<SecretString>,
    /// Identical bodies within this time are one alert; 0: off.
    pub replay_window_ms: u64,
    /// Senders with secrets of their own.
    pub sources: Vec<WebhookSource>,
}

/// A sender of alerts.
#[derive(Debug, Clone)]
pub struct WebhookSource {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: SecretString,
    /// The one before, still taken.
    pub previous: Option<SecretString>,
    /// The accounts it may trade; empty: all.
    pub accounts: Vec<ClientId>,
    /// As [`Webhook::replay_window_ms`].
    pub replay_window_ms: u64,
    /// Overload is answered 503, because it resends on nothing else.
    pub resends_on_5xx_only: bool,
    /// From where it may send; none: from anywhere.
    pub addresses: Ranges,
}

/// The dashboard API.
#[derive(Debug, Clone)]
pub struct Api {
    /// The bearer key; `None`: drawn at the first start.
    pub key: Option<SecretString>,
    /// More of them.
    pub keys: Vec<ApiKey>,
}

/// A named key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Whose.
    pub name: String,
    /// The key.
    pub key: SecretString,
    /// For whom it may act, and what it may do.
    pub scope: Scope,
    /// From where it may come; none: from anywhere.
    pub addresses: Ranges,
}

/// The report of the morning.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// When it goes out, India time.
    pub push_at: chrono::NaiveTime,
    /// How often it is repeated until it is green or dismissed.
    pub repeat: Duration,
    /// How far the broker's clock may be from ours.
    pub max_clock_skew: Duration,
    /// How old an instrument master may be.
    pub max_master_age: Duration,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            push_at: chrono::NaiveTime::from_hms_opt(8, 45, 0).unwrap_or_default(),
            repeat: Duration::from_secs(600),
            max_clock_skew: Duration::from_secs(2),
            max_master_age: Duration::from_secs(86_400),
        }
    }
}

/// The paper broker.
#[derive(Debug, Clone)]
pub struct Paper {
    /// The market's seed.
    pub seed: u64,
    /// The real account whose quotes it fills against; `None`: the synthetic market. The directory in them is set by who
    /// opens it.
    pub quotes: Option<Box<NorenSettings>>,
    /// A live quote older than this is no price.
    pub stale_after: Duration,
    /// Rupees with which each day of an account begins; `None`: it tells no money.
    pub cash: Option<Amount>,
}

/// What can be traded, and from where that is known.
#[derive(Debug, Clone)]
pub struct Instruments {
    /// From where.
    pub source: InstrumentSource,
    /// The address of the masters.
    pub url: String,
    /// Whose masters.
    pub exchanges: Vec<Exchange>,
    /// From when on they are of the day, IST.
    pub refresh_ist: NaiveTime,
    /// Days of files kept.
    pub keep_days: u64,
    /// The unit of the price steps of shares.
    pub equity_tick: EquityTick,
    /// Underlyings whose quotes are kept at hand.
    pub watch: Vec<String>,
    /// When continuous futures (`NIFTY1!`) go over to the next month.
    pub rolls: Rolls,
}

/// From where instruments are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentSource {
    /// The built-in sample.
    Sample,
    /// The masters of a Noren broker.
    Noren,
}

/// The session calendar.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// Which accounts are held to it.
    pub enforce: Enforce,
    /// Files that add to what is built in, or take its place.
    pub directory: Option<PathBuf>,
}

/// The comparison with the broker's books.
#[derive(Debug, Clone)]
pub struct Watcher {
    /// How often they are read while something is going on; zero: as often as the broker says.
    pub poll: Duration,
    /// How often the order book is read while nothing is open, of a broker that counts requests.
    pub idle_poll: Duration,
    /// How often trades and positions are read without a cause, of such a broker.
    pub books_poll: Duration,
}

/// The line.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Older entries are stale.
    pub entry_ttl: Duration,
    /// How far in the future a signal may be.
    pub future_tolerance: Duration,
    /// Restarts borne within the window.
    pub restarts: usize,
    /// See [`Engine::restarts`].
    pub restart_window: Duration,
    /// Starts within the window that mean safe mode.
    pub safe_mode_starts: usize,
    /// See [`Engine::safe_mode_starts`].
    pub safe_mode_window: Duration,
    /// How long a clean stop may take.
    pub drain_deadline: Duration,
    /// Messages that a mailbox holds.
    pub mailbox: usize,
    /// No order may be worth more.
    pub max_notional: Amount,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct Log {
    /// The filter.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// Where the files go.
    pub directory: PathBuf,
    /// Daily files kept.
    pub keep_files: usize,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// One value, as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its value; `[set]` for a secret.
    pub value: String,
    /// Where it was said.
    pub layer: Layer,
}

impl Config {
    /// Reads all layers: what is built in, the file (or the one that [`FILE_VARIABLE`] names), the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names everything that is wrong.
    pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let env: Vec<_> = env.into_iter().collect();
        let named = env.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty()).map(|(_, path)| PathBuf::from(path));
        let mut violations = Vec::new();
        let flat = layers::lay(file.or(named.as_deref()), env, &mut violations);
        let mut reader = reader::Reader::new(flat, violations);
        let server = sections::server(&mut reader);
        let storage = sections::storage(&mut reader);
        let watcher = sections::watcher(&mut reader);
        let mut accounts = sections::accounts(&mut reader, &watcher);
        let webhook = sections::webhook(&mut reader, &accounts);
        let routes = routes::routes(&mut reader, &accounts);
        let api = sections::api(&mut reader, &accounts);
        let access = access::access(&mut reader);
        let live = access::live(&mut reader);
        access::beyond_loopback(&mut reader, &server, &webhook, &api);
        let schedule = schedule::schedule(&mut reader, &accounts);
        let alerts = alerts::alerts(&mut reader);
        let readiness = going_live::readiness(&mut reader);
        let paper = sections::paper(&mut reader, watcher.poll);
        noren::one_row_a_user(&mut reader, &accounts, &paper);
        let instruments = instruments::instruments(&mut reader, &accounts);
        let calendar = sections::calendar(&mut reader);
        let charges_directory = reader.section("charges").path("directory");
        let engine = sections::engine(&mut reader, &accounts);
        let log = sections::log(&mut reader, &storage);
        let drill = drill::drill(&mut reader, &accounts);
        reader.finish("account");
        let reader::Reader { violations, settings: effective, .. } = reader;
        if !violations.is_empty() {
            return Err(ConfigError { violations });
        }
        for (index, account) in accounts.iter_mut().enumerate() {
            account.settings.arming.basis = going_live::basis(index, &effective);
        }
        Ok(Self {
            server,
            storage,
            webhook,
            routes,
            api,
            access,
            live,
            alerts,
            readiness,
            accounts,
            schedule,
            paper,
            instruments,
            calendar,
            charges_directory,
            watcher,
            engine,
            log,
            drill,
            effective,
        })
    }

    /// The environment of this process, for [`Config::load`].
    pub fn process_env() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
    }

    /// What is allowed but unwise, for the log of the start.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        use secrecy::ExposeSecret;
        let mut warnings = Vec::new();
        if !self.server.listen.ip().is_loopback() {
            warnings.push(format!(
                "server.listen is {}: what does not come through the proxy comes without TLS; let the firewall take only the proxy",
                self.server.listen
            ));
        }
        let keys = [("webhook.secret", self.webhook.secret.as_ref()), ("api.key", self.api.key.as_ref())];
        let sources = self.webhook.sources.iter().map(|source| (source.name.as_str(), Some(&source.secret)));
        for (name, secret) in keys.into_iter().chain(sources) {
            if secret.is_some_and(|secret| secret.expose_secret().len() < 16) {
                warnings.push(format!("the secret of {name} is shorter than 16 characters: it can be guessed"));
            }
        }
        let actions = self.alerts.commands.as_ref().and_then(|commands| commands.actions.as_ref());
        if actions.is_some_and(|actions| !actions.by_totp) {
            warnings.push(
                "alerts.telegram_confirm is \"code\": the code comes in the chat in which the action is asked for, so whoever holds a device \
                 on which one of alerts.telegram_users is logged in can stop entries, cancel and square off; \"totp\" wants the \
                 authenticator app as well"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Why nobody can act over Telegram although the settings let somebody; `None`: nothing is missing.
    #[must_use]
    pub fn actions_want(&self) -> Option<String> {
        let actions = self.alerts.commands.as_ref()?.actions.as_ref()?;
        match crate::access::has_authenticator(&self.storage.directory) {
            _ if !actions.by_totp => None,
            Ok(true) => None,
            Ok(false) => Some(
                "alerts.telegram_actions is on, and every action is refused: alerts.telegram_confirm is \"totp\", and the owner of the \
                 dashboard has no authenticator app yet; `ordergate password --totp` sets it up"
                    .to_owned(),
            ),
            Err(error) => Some(format!("alerts.telegram_actions is on, and every action is refused: {error}")),
        }
    }
}

/// Whether a key's value must never be shown.
fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    ["secret", "previous", "key", "token", "password", "webhook_url", "heartbeat_url"].iter().any(|word| last.contains(word))
}
