//! What the surfaces get: the handlers' state, what going live needs, and the words of the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate_actors::Engine;
use ordergate_actors::order::ClientId;
use secrecy::ExposeSecret;

use crate::access::{Access, draw_link};
use crate::alerts::Alerts;
use crate::brokers::connection::Connection;
use crate::charges::Charges;
use crate::config::{Config, InstrumentSource};
use crate::readiness::Site;
use crate::secrets::Secrets;
use crate::web::{ApiKey, Paths, Source, WebSettings, WebState};

/// What going live needs beside the engine.
pub(super) fn site(
    config: &Config,
    connections: BTreeMap<ClientId, Arc<dyn Connection>>,
    charges: Charges,
    alerts: Option<Alerts>,
) -> Site {
    let registered = config.accounts.iter().filter_map(|account| Some((account.client_id.clone(), account.registered_address?))).collect();
    let exchanges = if config.instruments.source == InstrumentSource::Sample { Vec::new() } else { config.instruments.exchanges.clone() };
    let listen = config.server.listen;
    let own = || (!listen.ip().is_unspecified() && listen.port() != 0).then(|| format!("http://{listen}"));
    Site {
        directory: config.storage.directory.clone(),
        connections,
        exchanges,
        readiness: config.readiness.clone(),
        registered,
        base_url: config.server.public_url.clone().or_else(own),
        alerts,
        charges,
        // A simulator's prices are nobody's, whoever passes them on.
        has_live_quotes: config.paper.quotes.as_ref().is_some_and(|quotes| quotes.is_live),
        ..Site::default()
    }
}

/// What every handler shares, from the settings.
pub(super) fn web_state(
    config: &Config,
    secrets: &Secrets,
    engine: Engine,
    started_at: chrono::DateTime<chrono::Utc>,
    render: Arc<dyn Fn() -> String + Send + Sync>,
) -> WebState {
    let accounts = config
        .accounts
        .iter()
        .map(|account| crate::web::Account { client_id: account.client_id.clone(), mode_is_live: account.broker.is_live() })
        .collect();
    let own = Source {
        previous: config.webhook.previous_secret.clone(),
        replay_window_ms: config.webhook.replay_window_ms,
        ..Source::new("webhook", secrets.webhook_secret.clone())
    };
    let more = config.webhook.sources.iter().map(|source| Source {
        name: source.name.clone(),
        current: source.secret.clone(),
        previous: source.previous.clone(),
        accounts: (!source.accounts.is_empty()).then(|| source.accounts.clone()),
        replay_window_ms: source.replay_window_ms,
        resends_on_5xx_only: source.resends_on_5xx_only,
        addresses: source.addresses.clone(),
    });
    let key = ApiKey::new("api", secrets.api_key.clone());
    let more_keys = config.api.keys.iter().map(|key| ApiKey {
        name: key.name.clone(),
        secret: key.key.clone(),
        scope: key.scope.clone(),
        addresses: key.addresses.clone(),
    });
    let mut settings =
        WebSettings::new(accounts, std::iter::once(own).chain(more).collect(), std::iter::once(key).chain(more_keys).collect());
    settings.schedule.clone_from(&config.schedule);
    settings.trusted_proxies = config.server.trusted_proxies.clone();
    settings.public_url.clone_from(&config.server.public_url);
    settings.dashboard_url.clone_from(&config.server.dashboard_url);
    settings.stalled = config.storage.stalled;
    settings.body_limit = config.server.body_limit_bytes;
    settings.body_deadline = config.server.body_deadline;
    settings.decision_deadline = config.server.decision_deadline;
    settings.lookup_deadline = config.server.lookup_deadline;
    let risk_state =
        config.accounts.first().map(|account| crate::risk_state::path(&config.storage.directory, &account.client_id)).unwrap_or_default();
    let paths = Paths { database: config.storage.directory.join("orders.db"), logs: config.log.directory.clone(), risk_state };
    let access = Access::open(config.storage.directory.clone(), config.access);
    WebState::new(engine, settings, started_at, render, paths)
        .with_access(Arc::new(access))
        .with_effective(config.effective.as_slice().into())
}

/// What a person sees at the start: once the secrets and the alert to paste, later where to look.
pub(super) fn announce(config: &Config, secrets: &Secrets, address: std::net::SocketAddr, now: chrono::DateTime<chrono::Utc>) {
    let accounts: Vec<&str> = config.accounts.iter().map(|account| account.client_id.as_str()).collect();
    tracing::info!(event = "serving", %address, directory = %config.storage.directory.display(), accounts = accounts.join(","), "serving");
    println!("ordergate serves {} on http://{address} (data: {})", accounts.join(", "), config.storage.directory.display());
    if secrets.is_first_start {
        let mut shown = config.clone();
        shown.server.listen = address;
        println!("{}", secrets.welcome(&shown));
        match link(&shown, now) {
            Ok(link) => {
                println!("The dashboard, once, within {} minutes (again: ordergate link):\n  {link}\n", config.access.link.as_secs() / 60)
            }
            Err(cause) => tracing::error!(event = "no_link", "no link to the dashboard: {cause}"),
        }
        if let Err(cause) = Secrets::shown(config) {
            tracing::warn!(event = "shown_again", "that the secrets were shown is not on disk, the next start shows them again: {cause}");
        }
    }
}

/// A link that logs in once, as a person's browser on this machine takes it, or where the settings say that the dashboard is.
pub(crate) fn link(config: &Config, now: chrono::DateTime<chrono::Utc>) -> Result<String, crate::access::AccessError> {
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let base = config.server.dashboard_url.clone().unwrap_or_else(|| format!("http://{listen}"));
    let good_for = chrono::TimeDelta::from_std(config.access.link).unwrap_or(chrono::TimeDelta::MAX);
    let token = draw_link(&config.storage.directory, now, good_for)?;
    Ok(format!("{base}/dashboard/web/login.html#token={}", token.expose_secret()))
}
