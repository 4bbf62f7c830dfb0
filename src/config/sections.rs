//! Reads each section. What a setting means is said in `config/default.toml`; which values it takes, here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ordergate_actors::order::calendar::Enforce;
use ordergate_actors::order::{Amount, ClientId};
use ordergate_actors::ports::{Budget, BudgetChange};
use ordergate_actors::{AccountSettings, QuantityUnit, QuantityUnits, Waits};
use secrecy::ExposeSecret;

use super::reader::{Reader, Scope};
use super::{Account, Api, ApiKey, BrokerKind, Calendar, Engine, Log, LogFormat, Paper, Server, Storage, Watcher, Webhook, WebhookSource};

pub(super) fn server(reader: &mut Reader) -> Server {
    let mut scope = reader.section("server");
    Server {
        listen: scope
            .text("listen", "must be an address and a port, for example 127.0.0.1:8080", |text| text.trim().parse().ok())
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        public_url: scope
            .text("public_url", "must be a web address without a path, for example https://trade.example.com, or empty", web_root)
            .flatten(),
        dashboard_url: scope
            .text("dashboard_url", "must be a web address without a path, for example https://10.8.0.1:8443, or empty", web_root)
            .flatten(),
        trusted_proxies: super::access::ranges(&mut scope, "trusted_proxies"),
        workers: scope.count("workers", 1..=256),
        body_limit_bytes: scope.count("body_limit_bytes", 1_024..=16_777_216),
        body_deadline: scope.millis("body_deadline_ms"),
        decision_deadline: scope.millis("decision_deadline_ms"),
        lookup_deadline: scope.millis("lookup_deadline_ms"),
    }
}

/// The root of a web address; `Some(None)` for an empty text.
fn web_root(text: &str) -> Option<Option<String>> {
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() {
        return Some(None);
    }
    let url = reqwest::Url::parse(text).ok()?;
    let is_root = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_root).then(|| Some(text.to_owned()))
}

pub(super) fn storage(reader: &mut Reader) -> Storage {
    let mut scope = reader.section("storage");
    let directory = scope.path("directory");
    let storage = Storage {
        directory: directory.clone().unwrap_or_else(|| PathBuf::from("./data")),
        ballast_bytes: scope.bytes_of_mb("ballast_mb"),
        min_free_bytes: scope.bytes_of_mb("min_free_mb"),
        checkpoint_pages: pages(&mut scope, "checkpoint_pages"),
        idle_checkpoint_pages: pages(&mut scope, "idle_checkpoint_pages"),
        busy_timeout_ms: u32::try_from(scope.number("busy_timeout_ms", 0..=60_000)).unwrap_or(u32::MAX),
        stalled: scope.millis("stalled_ms"),
        hung: scope.millis("hung_ms"),
    };
    if directory.is_none() {
        reader.violate("storage.directory", "must be a path");
    }
    if storage.hung <= storage.stalled {
        reader.violate("storage.hung_ms", "must be longer than stalled_ms");
    }
    storage
}

fn pages(scope: &mut Scope<'_>, name: &str) -> u32 {
    u32::try_from(scope.number(name, 100..=1_000_000)).unwrap_or(u32::MAX)
}

pub(super) fn webhook(reader: &mut Reader, accounts: &[Account]) -> Webhook {
    let mut scope = reader.section("webhook");
    let secret = scope.secret("secret");
    let previous_secret = scope.secret("previous_secret");
    let replay_window_ms = scope.number("replay_window_ms", 0..=86_400_000);
    let mut sources: Vec<WebhookSource> = Vec::new();
    for index in 0..reader.rows("webhook.sources") {
        let source = source(reader, index, replay_window_ms, accounts);
        let Some(source) = source else { continue };
        let at = format!("webhook.sources.{index}");
        if source.name == super::convert::COMMON_SOURCE || sources.iter().any(|other| other.name == source.name) {
            reader.violate(&format!("{at}.name"), "is the name of another source too");
        }
        let is_same = |other: &secrecy::SecretString| other.expose_secret() == source.secret.expose_secret();
        if sources.iter().any(|other| is_same(&other.secret)) || secret.as_ref().is_some_and(is_same) {
            reader.violations.push(super::Violation {
                key: format!("{at}.secret"),
                value: Some("[set]".to_owned()),
                rule: "is the secret of another source too: the two could not be told apart".to_owned(),
                layer: None,
            });
        }
        sources.push(source);
    }
    Webhook { secret, previous_secret, replay_window_ms, sources }
}

fn source(reader: &mut Reader, index: usize, replay_window_ms: u64, known: &[Account]) -> Option<WebhookSource> {
    let mut scope = reader.row("webhook.sources", index, None);
    let name = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", |text| ClientId::parse(text).ok());
    let secret = scope.secret("secret");
    let previous = scope.secret("previous");
    let accounts: Vec<String> = scope.texts("accounts");
    let replay_window_ms = scope.number_or("replay_window_ms", 0..=86_400_000, replay_window_ms);
    let resends_on_5xx_only = scope.flag("resends_on_5xx_only", false);
    let addresses = super::access::ranges(&mut scope, "addresses");
    let at = format!("webhook.sources.{index}");
    if secret.is_none() {
        reader.violate(&format!("{at}.secret"), "is missing: a source has a secret of its own");
    }
    let mut allowed = Vec::new();
    for (row, account) in accounts.iter().enumerate() {
        match known.iter().find(|other| other.client_id.as_str() == account) {
            Some(found) => allowed.push(found.client_id.clone()),
            None => reader.violate(&format!("{at}.accounts.{row}"), "is not one of the accounts"),
        }
    }
    let (name, secret) = (name?.to_string(), secret?);
    Some(WebhookSource { name, secret, previous, accounts: allowed, replay_window_ms, resends_on_5xx_only, addresses })
}

pub(super) fn api(reader: &mut Reader, accounts: &[Account]) -> Api {
    let key = reader.section("api").secret("key");
    let mut keys: Vec<ApiKey> = Vec::new();
    for index in 0..reader.rows("api.keys") {
        let mut scope = reader.row("api.keys", index, None);
        let name = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", |text| ClientId::parse(text).ok());
        let key = scope.secret("key");
        let addresses = super::access::ranges(&mut scope, "addresses");
        let scope = super::access::scope(reader, index, accounts);
        match (name, key) {
            (_, None) => reader.violate(&format!("api.keys.{index}.key"), "is missing"),
            (Some(name), Some(key))
                if name.as_str() != super::convert::COMMON_KEY && keys.iter().all(|other| other.name != name.as_str()) =>
            {
                keys.push(ApiKey { name: name.to_string(), key, scope, addresses });
            }
            (Some(_), Some(_)) => reader.violate(&format!("api.keys.{index}.name"), "is the name of another key too"),
            (None, Some(_)) => {}
        }
    }
    Api { key, keys }
}

pub(super) fn accounts(reader: &mut Reader, watcher: &Watcher) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut names = BTreeSet::new();
    let rows = reader.rows("accounts");
    if rows == 0 {
        reader.violate("accounts", "must have at least one row");
    }
    for index in 0..rows {
        let mut scope = reader.row("accounts", index, Some("account"));
        let client_id = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", |text| ClientId::parse(text).ok());
        let broker = scope.text("broker", "must be paper or noren", BrokerKind::parse);
        let permits = scope.count("permits", 1..=65_536);
        let permits_for_exits = scope.count("permits_for_exits", 0..=65_536);
        let (arming, registered_address) = super::going_live::account(&mut scope);
        let plan =
            scope.text("charges_plan", "must be the name of a plan in the charge files, or empty", |text| Some(text.trim().to_owned()));
        let charges_plan = plan.filter(|plan| !plan.is_empty());
        let limits = super::limits::limits(&mut scope);
        let counts_requests = matches!(broker, Some(BrokerKind::Noren { .. }));
        let waits = waits(&mut scope, watcher, counts_requests);
        let quantity_units = QuantityUnits { mcx: quantity_unit(&mut scope, "mcx"), cds: quantity_unit(&mut scope, "cds") };
        let exits = super::exits::exits(&mut scope);
        let budget = budget(&mut scope);
        if permits_for_exits >= permits {
            let own = format!("accounts.{index}.permits_for_exits");
            reader.violate(&own, format!("must be less than the account's permits ({permits}): entries need some too"));
        }
        // What the broker has of its own is not known here; what the account says must fit by itself.
        if budget.per_second.or(budget.per_minute).is_some()
            && let Err(cause) = Budget::changed(None, budget)
        {
            reader.violate(&format!("accounts.{index}.budget"), format!("does not fit together: {cause}"));
        }
        if waits.call_deadline < waits.slot_deadline {
            reader.violate(&format!("accounts.{index}.waits.call_deadline_ms"), "must not be shorter than slot_deadline_ms");
        }
        let shown = reader.settings.len();
        let is_noren = matches!(broker, Some(BrokerKind::Noren { .. }));
        let noren = super::noren::noren(reader, super::noren::Of::Account(index), is_noren, watcher.poll);
        if !is_noren {
            reader.settings.truncate(shown);
        }
        let (Some(client_id), Some(broker)) = (client_id, broker) else { continue };
        let broker = match broker {
            BrokerKind::Noren { .. } => BrokerKind::Noren { is_live: noren.is_live },
            BrokerKind::Paper => broker,
        };
        // Files carry the name, and some file systems do not tell a from A.
        if !names.insert(client_id.as_str().to_ascii_lowercase()) {
            reader.violate(&format!("accounts.{index}.name"), "is the name of another account too");
        }
        let settings = AccountSettings {
            client_id: client_id.clone(),
            limits,
            waits,
            permits,
            permits_for_exits,
            budget,
            exits,
            quantity_units,
            arming,
        };
        accounts.push(Account { client_id, broker, registered_address, charges_plan, settings, noren: is_noren.then(|| Box::new(noren)) });
    }
    let live = accounts.iter().filter(|account| account.broker.is_live()).count();
    if live > 0 && live < accounts.len() {
        reader.violate("accounts", "mixes real money with paper: they never share a data directory; run two engines");
    }
    accounts
}

/// Empty is not settled.
fn quantity_unit(scope: &mut Scope<'_>, exchange: &str) -> Option<QuantityUnit> {
    scope
        .text(
            &format!("quantity_unit.{exchange}"),
            "must be units or lots, or empty until `ordergate conformance` has settled it",
            |text| {
                if text.trim().is_empty() { Some(None) } else { QuantityUnit::parse(text).map(Some) }
            },
        )
        .flatten()
}

/// 0 says nothing: the broker's own, or what follows from the rest.
fn budget(scope: &mut Scope<'_>) -> BudgetChange {
    let mut said = |name: &str| u32::try_from(scope.number(name, 0..=10_000)).ok().filter(|number| *number > 0);
    BudgetChange {
        per_second: said("budget.per_second"),
        per_minute: said("budget.per_minute"),
        reserved_per_second: said("budget.reserved_per_second"),
        reserved_per_minute: said("budget.reserved_per_minute"),
        reads_per_second: said("budget.reads_per_second"),
        reads_per_minute: said("budget.reads_per_minute"),
        per_exchange_second: said("budget.per_exchange_second"),
    }
}

fn waits(scope: &mut Scope<'_>, watcher: &Watcher, counts_requests: bool) -> Waits {
    // The paper broker is in this process: asking it costs nothing.
    let slow = |cadence: Duration| if counts_requests { cadence } else { watcher.poll };
    Waits {
        slot_deadline: scope.millis("waits.slot_deadline_ms"),
        call_deadline: scope.millis("waits.call_deadline_ms"),
        read_deadline: scope.millis("waits.read_deadline_ms"),
        poll: watcher.poll,
        idle_poll: slow(watcher.idle_poll),
        books_poll: slow(watcher.books_poll),
        blind_after: scope.millis("waits.blind_after_ms"),
        quote_max_age: scope.millis("waits.quote_max_age_ms"),
        quote_wait: scope.millis("waits.quote_wait_ms"),
        entry_market_timeout: scope.millis("waits.entry_market_timeout_ms"),
        quiet_period: scope.millis("waits.quiet_period_ms"),
        absent_snapshots: u32::try_from(scope.number("waits.absent_snapshots", 1..=1_000)).unwrap_or(u32::MAX),
        exit_wait_page: scope.millis("waits.exit_wait_page_ms"),
        session_lead: Duration::from_secs(scope.number("waits.session_lead_min", 0..=1_440) * 60),
        cancel_again: scope.millis("waits.cancel_again_ms"),
        doubt_page: scope.millis("waits.doubt_page_ms"),
        resend_exit: scope.millis("waits.resend_exit_ms"),
        resend_exit_most: u32::try_from(scope.number("waits.resend_exit_most", 0..=100)).unwrap_or(u32::MAX),
        resend_absent_exit: scope.flag("waits.resend_absent_exit", false),
    }
}

pub(super) fn paper(reader: &mut Reader, poll: Duration) -> Paper {
    let mut scope = reader.section("paper");
    let seed = scope.number("seed", 0..=u64::MAX);
    let stale_after = scope.millis("stale_after_ms");
    let cash = Some(scope.rupees_or_none("cash")).filter(|cash| *cash > Amount::ZERO);
    let is_live = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "synthetic" => Some(false),
        "noren" => Some(true),
        _ => None,
    };
    let is_live = scope.text("quotes", "must be synthetic or noren", is_live).unwrap_or(false);
    let quotes = is_live.then(|| Box::new(super::noren::noren(reader, super::noren::Of::Paper, true, poll)));
    Paper { seed, quotes, stale_after, cash }
}

pub(super) fn calendar(reader: &mut Reader) -> Calendar {
    let mut scope = reader.section("calendar");
    Calendar {
        enforce: scope.text("enforce", "must be live, always or never", Enforce::parse).unwrap_or_default(),
        directory: scope.path("directory"),
    }
}

pub(super) fn watcher(reader: &mut Reader) -> Watcher {
    let mut scope = reader.section("watcher");
    Watcher {
        poll: Duration::from_millis(scope.number("poll_ms", 0..=86_400_000)),
        idle_poll: scope.millis("idle_poll_ms"),
        books_poll: scope.millis("books_poll_ms"),
    }
}

pub(super) fn engine(reader: &mut Reader, accounts: &[Account]) -> Engine {
    let mut scope = reader.section("engine");
    let engine = Engine {
        entry_ttl: scope.millis("entry_ttl_ms"),
        future_tolerance: scope.millis("future_tolerance_ms"),
        restarts: scope.count("restarts", 0..=1_000),
        restart_window: scope.seconds("restart_window_s"),
        safe_mode_starts: scope.count("safe_mode_starts", 2..=1_000),
        safe_mode_window: scope.seconds("safe_mode_window_s"),
        drain_deadline: scope.millis("drain_deadline_ms"),
        mailbox: scope.count("mailbox", 256..=10_000_000),
        max_notional: scope.rupees("max_notional"),
    };
    let needed = accounts.iter().map(|account| account.settings.permits).sum::<usize>() + 256;
    if engine.mailbox < needed {
        reader.violate("engine.mailbox", format!("must be at least {needed}: the permits of all accounts and 256"));
    }
    engine
}

pub(super) fn log(reader: &mut Reader, storage: &Storage) -> Log {
    let mut scope = reader.section("log");
    let level = scope.text("level", "must be error, warn, info, debug, trace, or a filter such as info,ordergate_actors=debug", |text| {
        is_filter(text).then(|| text.to_owned())
    });
    let format = scope.text("format", "must be text or json", |text| match text.trim().to_ascii_lowercase().as_str() {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    Log {
        level: level.unwrap_or_default(),
        format: format.unwrap_or(LogFormat::Text),
        directory: scope.path("directory").unwrap_or_else(|| storage.directory.join("logs")),
        keep_files: scope.count("keep_files", 1..=10_000),
    }
}

/// Stricter than the filter itself, which takes a misspelt level for a module's name and then logs nothing.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| word.trim().parse::<tracing_subscriber::filter::LevelFilter>().is_ok_and(|_| !word.trim().is_empty());
    text.split(',').all(|part| is_level(part.rsplit_once('=').map_or(part, |(_, level)| level)))
        && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}
