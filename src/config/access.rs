//! Reads `[access]` and `[live]`, what a key of the API may do and from where, and when ordergate may be reached from outside.

use std::time::Duration;

use ordergate_actors::order::Strategy;
use secrecy::ExposeSecret;

use super::reader::{Reader, Scope as Part};
use super::{Account, Api, Server, Webhook};
use crate::access::{AccessSettings, Range, Ranges};
use crate::web::live::LiveSettings;
use crate::web::{Rights, Scope};

/// A secret that can be reached from outside is this long at least.
const GUESSED_BELOW: usize = 16;

pub(super) fn access(reader: &mut Reader) -> AccessSettings {
    let mut scope = reader.section("access");
    let minutes = |scope: &mut Part<'_>, name: &str| Duration::from_secs(scope.number(name, 1..=527_040) * 60);
    let settings = AccessSettings {
        idle: minutes(&mut scope, "session_idle_min"),
        most: minutes(&mut scope, "session_most_min"),
        sessions: scope.count("sessions", 1..=1_000),
        free_tries: u32::try_from(scope.number("free_tries", 1..=100)).unwrap_or(u32::MAX),
        longest_wait: scope.seconds("longest_wait_s"),
        link: minutes(&mut scope, "link_min"),
    };
    if settings.most < settings.idle {
        reader.violate("access.session_most_min", "must not be shorter than session_idle_min");
    }
    settings
}

pub(super) fn live(reader: &mut Reader) -> LiveSettings {
    let mut scope = reader.section("live");
    LiveSettings { readers: scope.count("readers", 1..=10_000), window: scope.millis("window_ms"), ..LiveSettings::default() }
}

/// A list of addresses, ranges and presets.
pub(super) fn ranges(scope: &mut Part<'_>, name: &str) -> Ranges {
    let texts = scope.texts(name);
    let mut all: Vec<Range> = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        match Ranges::parse(text) {
            Some(ranges) => all.extend(ranges),
            None => scope.violate(&format!("{name}.{place}"), "must be an address, a range such as 10.0.0.0/8, or tradingview"),
        }
    }
    all.into_iter().collect()
}

/// For whom a key may act, and what it may do.
pub(super) fn scope(reader: &mut Reader, index: usize, known: &[Account]) -> Scope {
    let at = |name: &str| format!("api.keys.{index}.{name}");
    let mut row = reader.row("api.keys", index, None);
    let (names, strategies, words) = (row.texts("accounts"), row.texts("strategies"), row.texts("scopes"));
    let mut accounts = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match known.iter().find(|account| account.client_id.as_str() == name) {
            Some(account) => accounts.push(account.client_id.clone()),
            None => reader.violate(&at(&format!("accounts.{place}")), "is not one of the accounts"),
        }
    }
    let mut allowed = Vec::new();
    for (place, name) in strategies.iter().enumerate() {
        match Strategy::parse(name) {
            Ok(strategy) => allowed.push(strategy),
            Err(error) => reader.violate(&at(&format!("strategies.{place}")), format!("must be {}", error.rule)),
        }
    }
    let is_for_some = !names.is_empty() || !strategies.is_empty();
    let mut rights = if words.is_empty() { Rights { control: !is_for_some, ..Rights::ALL } } else { Rights::NONE };
    for (place, word) in words.iter().enumerate() {
        match word.trim().to_ascii_lowercase().as_str() {
            "read" => rights.read = true,
            "trade" => rights.trade = true,
            "control" if is_for_some => {
                reader.violate(&at(&format!("scopes.{place}")), "needs a key without accounts and strategies: it acts for all of them");
            }
            "control" => rights.control = true,
            _ => reader.violate(&at(&format!("scopes.{place}")), "must be read, trade or control"),
        }
    }
    Scope { rights, accounts: (!names.is_empty()).then_some(accounts), strategies: (!strategies.is_empty()).then_some(allowed) }
}

/// There is no TLS here, and every secret opens a door: from outside it takes a proxy that is named, and secrets that nobody
/// guesses.
pub(super) fn beyond_loopback(reader: &mut Reader, server: &Server, webhook: &Webhook, api: &Api) {
    if server.listen.ip().is_loopback() {
        return;
    }
    if server.trusted_proxies.is_empty() {
        reader.violate(
            "server.listen",
            "is reachable from outside, and nothing here speaks TLS: put a reverse proxy in front of it and name its address in server.trusted_proxies, or listen on 127.0.0.1",
        );
    }
    let mut secrets = vec![("webhook.secret".to_owned(), webhook.secret.as_ref()), ("api.key".to_owned(), api.key.as_ref())];
    secrets.extend(
        webhook.sources.iter().enumerate().map(|(index, source)| (format!("webhook.sources.{index}.secret"), Some(&source.secret))),
    );
    secrets.extend(api.keys.iter().enumerate().map(|(index, key)| (format!("api.keys.{index}.key"), Some(&key.key))));
    for (key, secret) in secrets {
        if secret.is_some_and(|secret| secret.expose_secret().len() < GUESSED_BELOW) {
            reader.violate_secret(&key, "must have 16 characters at least while server.listen is reachable from outside");
        }
    }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::ClientId;

    use super::*;
    use crate::config::{Config, ConfigError};

    fn load(rows: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(None, rows.iter().map(|(key, value)| (format!("ORDERGATE__{key}"), (*value).to_owned())))
    }

    #[test]
    fn a_key_may_be_for_some_only() {
        let key = [("API__KEYS__0__NAME", "bot"), ("API__KEYS__0__KEY", "k")];
        let with = |more: &[(&str, &str)]| load(&[&key[..], more].concat());
        let all = with(&[]).unwrap().api.keys[0].scope.clone();
        assert!(all.is_whole() && all.rights == Rights::ALL);
        let some = with(&[("API__KEYS__0__ACCOUNTS__0", "PAPER1"), ("API__KEYS__0__STRATEGIES__0", "momentum")]).unwrap();
        let (scope, client) = (&some.api.keys[0].scope, ClientId::parse("PAPER1").unwrap());
        assert!(scope.trades(&client, Some(" momentum ")) && !scope.trades(&client, Some("other")) && !scope.trades(&client, None));
        assert!(!scope.sees(&ClientId::parse("OTHER").unwrap()) && scope.rights == Rights { control: false, ..Rights::ALL });
        let error = with(&[("API__KEYS__0__ACCOUNTS__0", "NOBODY")]).unwrap_err().to_string();
        assert!(error.contains("api.keys.0.accounts.0 = \"NOBODY\""), "{error}");
    }

    #[test]
    fn a_key_may_do_what_its_scopes_say_from_where_its_addresses_are() {
        let key = [("API__KEYS__0__NAME", "bot"), ("API__KEYS__0__KEY", "k")];
        let with = |more: &[(&str, &str)]| load(&[&key[..], more].concat());
        let trades = with(&[("API__KEYS__0__SCOPES__0", "Trade"), ("API__KEYS__0__ADDRESSES__0", "10.0.0.0/8")]).unwrap();
        assert_eq!(trades.api.keys[0].scope.rights, Rights { trade: true, ..Rights::NONE });
        assert!(trades.api.keys[0].addresses.let_in("10.9.9.9".parse().ok()) && !trades.api.keys[0].addresses.let_in(None));
        for (rows, words) in [
            (vec![("API__KEYS__0__SCOPES__0", "write")], "must be read, trade or control"),
            (vec![("API__KEYS__0__SCOPES__0", "control"), ("API__KEYS__0__ACCOUNTS__0", "PAPER1")], "needs a key without accounts"),
            (vec![("API__KEYS__0__ADDRESSES__0", "example.com")], "api.keys.0.addresses.0"),
        ] {
            let error = with(&rows).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} is not in {error}");
        }
        let source = [
            ("WEBHOOK__SOURCES__0__NAME", "tv"),
            ("WEBHOOK__SOURCES__0__SECRET", "s"),
            ("WEBHOOK__SOURCES__0__ADDRESSES__0", "tradingview"),
        ];
        assert!(load(&source).unwrap().webhook.sources[0].addresses.let_in("52.32.178.7".parse().ok()));
    }

    #[test]
    fn from_outside_it_takes_a_proxy_and_secrets_that_nobody_guesses() {
        let outside = ("SERVER__LISTEN", "0.0.0.0:8080");
        let proxy = ("SERVER__TRUSTED_PROXIES__0", "172.16.0.0/12");
        let error = load(&[outside]).unwrap_err().to_string();
        assert!(error.contains("server.listen") && error.contains("server.trusted_proxies"), "{error}");
        assert!(load(&[outside, proxy]).is_ok());
        let error = load(&[outside, proxy, ("API__KEY", "hunter2")]).unwrap_err().to_string();
        assert!(error.contains("api.key = [set]") && !error.contains("hunter2"), "{error}");
        assert!(load(&[("API__KEY", "hunter2")]).is_ok(), "on this machine it is a warning");
    }

    #[test]
    fn sessions_end_idle_before_they_end_at_all() {
        assert_eq!(load(&[]).unwrap().access, AccessSettings::default());
        let error = load(&[("ACCESS__SESSION_MOST_MIN", "10")]).unwrap_err().to_string();
        assert!(error.contains("must not be shorter than session_idle_min"), "{error}");
    }
}
