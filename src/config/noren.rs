//! Reads an account's Noren settings. What each one means is said in `config/default.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveTime;
use ordergate_actors::order::Exchange;
use ordergate_actors::settings::QuantityUnits;
use secrecy::SecretString;
use serde::Deserialize;

use super::reader::{Reader, Scope};
use super::{Account, Paper};
use crate::brokers::noren::wire::Ampersand;
use crate::brokers::noren::{
    AuthFlow, Backoff, Buffers, Credentials, NorenSettings, Protection, Slabs, StreamWaits, Timeouts, is_loopback,
};

/// How often the order book is read while something goes on, unless the settings say.
const POLL: Duration = Duration::from_secs(1);

/// The secrets of an account as its private file holds them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Kept {
    password: Option<SecretString>,
    totp_secret: Option<SecretString>,
    api_key: Option<SecretString>,
    client_secret: Option<SecretString>,
}

/// Whose settings they are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// The account in that row, which trades there.
    Account(usize),
    /// The account whose quotes the paper broker fills against. It never trades.
    Paper,
}

impl Of {
    fn at(self) -> String {
        match self {
            Self::Account(index) => format!("accounts.{index}"),
            Self::Paper => "paper".to_owned(),
        }
    }

    fn scope(self, reader: &mut Reader) -> Scope<'_> {
        match self {
            Self::Account(index) => reader.row("accounts", index, Some("account")),
            Self::Paper => reader.section_over("paper", "account"),
        }
    }
}

/// The settings of that account. They are read for every account, so that a wrong default is found before
/// anybody needs it; what must be there is asked only of an account that `uses` them. The directory is set by who opens
/// the account.
pub(super) fn noren(reader: &mut Reader, of: Of, uses: bool, poll: Duration) -> NorenSettings {
    let at = |name: &str| format!("{}.noren.{name}", of.at());
    let mut scope = of.scope(reader);
    let host = url(&mut scope, "noren.host", &["https://", "http://"]);
    let host = host.trim_end_matches('/').to_owned();
    let rest_prefix = scope.text("noren.rest_prefix", "must be a path with a slash at both ends, for example /NorenWClientAPI/", |text| {
        let text = text.trim();
        (text.starts_with('/') && text.ends_with('/')).then(|| text.to_owned())
    });
    let socket_url = url(&mut scope, "noren.socket_url", &["wss://", "ws://"]);
    // An address on this machine alone proves nothing: a tunnel to the broker has one too.
    let is_simulator = scope.flag("noren.simulator", false);
    let is_elsewhere = !(is_loopback(&host) && is_loopback(&socket_url));
    let is_live = !is_simulator || is_elsewhere;
    let auth = scope.text("noren.auth", "must be oauth, quickauth or flattrade", AuthFlow::parse);
    let ioc = scope.texts("noren.ioc");
    let settings = NorenSettings {
        login_page: word(&mut scope, "noren.login_page"),
        token_url: url(&mut scope, "noren.token_url", &["https://", "http://"]),
        auth: auth.unwrap_or(AuthFlow::OAuth),
        content_type: word(&mut scope, "noren.content_type"),
        ampersand: scope.text("noren.ampersand", "must be escape, percent or raw", ampersand).unwrap_or_default(),
        credentials: credentials(&mut scope),
        timeouts: timeouts(&mut scope),
        stream: StreamWaits {
            heartbeat: scope.millis("noren.heartbeat_ms"),
            silence: scope.millis("noren.silence_ms"),
            handshake: scope.millis("noren.handshake_ms"),
            chunk_gap: scope.millis("noren.chunk_gap_ms"),
        },
        reconnect: backoff(&mut scope, "noren.reconnect_first_ms", "noren.reconnect_last_ms"),
        login_backoff: backoff(&mut scope, "noren.login_again_first_ms", "noren.login_again_last_ms"),
        codes_once: scope.flag("noren.codes_once", true),
        login_at: scope.text("noren.login_at", "must be a time of the day, for example 08:00", time).unwrap_or_default(),
        quantity_units: QuantityUnits::default(),
        calendar: std::sync::Arc::default(),
        evictions_most: scope.count("noren.evictions", 1..=1_000),
        eviction_window: scope.seconds("noren.eviction_window_s"),
        visibility_bound: scope.millis("noren.visibility_bound_ms"),
        poll: if poll.is_zero() { POLL } else { poll },
        max_subscriptions: scope.count("noren.max_subscriptions", 1..=5_000),
        stream_capacity: scope.count("noren.stream_capacity", 16..=1_000_000),
        takes_ioc: ioc.iter().filter_map(|name| Exchange::parse(name.trim())).collect(),
        buffers: buffers(&mut scope),
        directory: std::path::PathBuf::new(),
        rest_prefix: rest_prefix.unwrap_or_default(),
        host,
        socket_url,
        is_live,
    };
    for (row, _) in ioc.iter().enumerate().filter(|(_, name)| Exchange::parse(name.trim()).is_none()) {
        reader.violate(&at(&format!("ioc.{row}")), format!("must be one of {}", Exchange::choices()));
    }
    if settings.stream.silence <= settings.stream.heartbeat {
        reader.violate(&at("silence_ms"), "must be longer than heartbeat_ms");
    }
    if uses && is_simulator && is_elsewhere {
        reader.violate(&at("simulator"), "is for a broker on a loopback address; host and socket_url must both be on this machine");
    }
    if uses {
        needed(reader, of, &settings);
    }
    settings
}

/// One user of a broker has one session and one budget of calls, and its orders one series of tags: two rows that name it would end
/// each other's logins, spend each other's calls and take each other's orders for their own.
pub(super) fn one_row_a_user(reader: &mut Reader, accounts: &[Account], paper: &Paper) {
    let mut users: BTreeMap<(String, &str), String> = BTreeMap::new();
    let trading = accounts.iter().filter_map(|account| Some((account.client_id.to_string(), account.noren.as_deref()?)));
    let quoting = paper.quotes.as_deref().map(|quotes| ("[paper.noren]".to_owned(), quotes));
    for (row, noren) in trading.chain(quoting).filter(|(_, noren)| !noren.credentials.uid.is_empty()) {
        let host = noren.host.split_once("://").map_or(noren.host.as_str(), |(_, rest)| rest).to_ascii_lowercase();
        let uid = noren.credentials.uid.as_str();
        if let Some(other) = users.insert((host.clone(), uid), row.clone()) {
            let text = format!(
                "{row} and {other} are both {uid} at {host}: a user there has one session and one budget of calls; leave one of them out"
            );
            reader.violate("accounts", text);
        }
    }
}

/// What an account that trades there cannot do without.
fn needed(reader: &mut Reader, of: Of, settings: &NorenSettings) {
    let at = |name: &str| format!("{}.noren.{name}", of.at());
    let who = &settings.credentials;
    if who.uid.is_empty() {
        reader.violate(&at("uid"), "must be the user at the broker, for example FA12345");
    }
    let secrets = match settings.auth {
        AuthFlow::OAuth | AuthFlow::Flattrade => vec![("client_secret", &who.client_secret)],
        AuthFlow::QuickAuth => vec![("password", &who.password), ("totp_secret", &who.totp_secret), ("api_key", &who.api_key)],
    };
    for (name, _) in secrets.into_iter().filter(|(_, secret)| secret.is_none()) {
        reader.violate(&at(name), "is missing: set it in the environment, or in the file that credentials_file names");
    }
    if settings.auth == AuthFlow::Flattrade && who.client_id == format!("{}_U", who.uid) {
        reader.violate(&at("client_id"), "must be the API key: Flattrade's page knows an account by it");
    }
    if !settings.is_live {
        return;
    }
    if settings.auth == AuthFlow::Flattrade && !settings.token_url.starts_with("https://") {
        reader.violate(&at("token_url"), "must be https: a secret goes there");
    }
    if !settings.host.starts_with("https://") {
        reader.violate(&at("host"), "must be https: real money moves there (for a simulator on this machine, say simulator = true)");
    }
    if !settings.socket_url.starts_with("wss://") {
        reader.violate(&at("socket_url"), "must be wss: real money moves there (for a simulator on this machine, say simulator = true)");
    }
    let Of::Account(index) = of else { return };
    for name in ["daily_loss", "max_order_value", "max_quantity", "max_position"] {
        let key = format!("accounts.{index}.limits.{name}");
        if !reader.is_said(&key) {
            reader.violate(&key, "is missing: an account with real money states this limit itself");
        }
    }
}

fn word(scope: &mut Scope<'_>, name: &str) -> String {
    scope.text(name, "must be text", |text| Some(text.trim().to_owned())).unwrap_or_default()
}

/// Text, or what stands for it when it is empty.
fn word_or(scope: &mut Scope<'_>, name: &str, otherwise: String) -> String {
    Some(word(scope, name)).filter(|text| !text.is_empty()).unwrap_or(otherwise)
}

fn url(scope: &mut Scope<'_>, name: &str, schemes: &[&str]) -> String {
    let rule = format!("must be an address that starts with {}", schemes.join(" or "));
    let read = |text: &str| {
        let text = text.trim();
        let is_whole = reqwest::Url::parse(text).is_ok_and(|url| url.has_host());
        (is_whole && schemes.iter().any(|scheme| text.starts_with(scheme))).then(|| text.to_owned())
    };
    scope.text(name, &rule, read).unwrap_or_default()
}

fn time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text.trim(), "%H:%M").ok()
}

fn ampersand(text: &str) -> Option<Ampersand> {
    match text.trim().to_ascii_lowercase().as_str() {
        "escape" => Some(Ampersand::Escape),
        "percent" => Some(Ampersand::Percent),
        "raw" => Some(Ampersand::Raw),
        _ => None,
    }
}

fn timeouts(scope: &mut Scope<'_>) -> Timeouts {
    Timeouts {
        connect: scope.millis("noren.connect_ms"),
        order: scope.millis("noren.order_ms"),
        read: scope.millis("noren.read_ms"),
        book: scope.millis("noren.book_ms"),
        login: scope.millis("noren.login_ms"),
        idle: scope.millis("noren.idle_ms"),
    }
}

fn backoff(scope: &mut Scope<'_>, first: &str, last: &str) -> Backoff {
    let (first, last) = (scope.millis(first), scope.millis(last));
    Backoff { first, last: last.max(first) }
}

fn buffers(scope: &mut Scope<'_>) -> Buffers {
    let slab_rule = "must be rising prices with percentages below 50, for example 100: 2, 500: 1, above: 0.5";
    let width_rule = "must be a percentage and rupees, for example 40 min 20";
    let slabs = |text: &str| Slabs::parse(text);
    let shares_and_futures = scope.text("noren.buffer_shares_and_futures", slab_rule, slabs).unwrap_or_else(Slabs::none);
    let options = scope.text("noren.buffer_options", slab_rule, slabs).unwrap_or_else(Slabs::none);
    let width = |scope: &mut Scope<'_>, name: &str| {
        let none = Protection { percent: rust_decimal::Decimal::ONE, least: rust_decimal::Decimal::ONE };
        scope.text(name, width_rule, Protection::parse).unwrap_or(none)
    };
    let future_protection = width(scope, "noren.protection_futures");
    let option_protection = width(scope, "noren.protection_options");
    Buffers { shares_and_futures, options, future_protection, option_protection }
}

fn credentials(scope: &mut Scope<'_>) -> Credentials {
    let uid = word(scope, "noren.uid").to_ascii_uppercase();
    let kept = kept(scope);
    Credentials {
        actid: word_or(scope, "noren.actid", uid.clone()),
        vendor_code: word_or(scope, "noren.vendor_code", format!("{uid}_U")),
        client_id: word_or(scope, "noren.client_id", format!("{uid}_U")),
        imei: word_or(scope, "noren.imei", "ordergate".to_owned()),
        password: scope.secret("noren.password").or(kept.password),
        totp_secret: scope.secret("noren.totp_secret").or(kept.totp_secret),
        api_key: scope.secret("noren.api_key").or(kept.api_key),
        client_secret: scope.secret("noren.client_secret").or(kept.client_secret),
        uid,
    }
}

/// The private file of the account's secrets; none when it is not named, or is wrong.
fn kept(scope: &mut Scope<'_>) -> Kept {
    let rule = "must be a TOML file with password, totp_secret, api_key, client_secret, that only its owner can read (mode 600)";
    scope
        .text(
            "noren.credentials_file",
            rule,
            |path| if path.trim().is_empty() { Some(Kept::default()) } else { read(Path::new(path.trim())) },
        )
        .unwrap_or_default()
}

fn read(path: &Path) -> Option<Kept> {
    let text = String::from_utf8(crate::secrets::read_private(path).ok()?).ok()?;
    let source = config::File::from_str(&text, config::FileFormat::Toml);
    config::Config::builder().add_source(source).build().ok()?.try_deserialize().ok()
}
