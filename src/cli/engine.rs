//! How commands speak to the running engine: over its own API, with the key of the data directory.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::Config;
use crate::secrets::Secrets;

/// How long an act may take: it may ask the broker.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the engine said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Said {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What is wrong and what to do, for people.
    pub(super) fn trouble(&self) -> String {
        let text = |name: &str| self.body[name].as_str().map(|text| ordergate_actors::order::clean(text, 600));
        match (text("detail"), text("remedy")) {
            (Some(detail), Some(remedy)) => format!("{detail}\n({remedy})"),
            _ => format!("the engine answered {}", self.status),
        }
    }
}

/// Where the engine listens, as this machine reaches it.
pub(super) fn address(config: &Config) -> SocketAddr {
    let mut to = config.server.listen;
    if to.ip().is_unspecified() {
        to.set_ip(if to.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    to
}

/// A client that no proxy of the environment gets between: it must not see the key.
pub(super) fn client(patience: Duration) -> Result<reqwest::Client, String> {
    reqwest::Client::builder().timeout(patience).no_proxy().build().map_err(|cause| cause.to_string())
}

/// The cause behind the client's own sentence.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// Asks the running engine; with a body it is a POST.
///
/// # Errors
/// No engine answers, in words.
pub(super) fn ask(config: &Config, path: &str, body: Option<&Value>) -> anyhow::Result<Result<Said, String>> {
    ask_with(config, if body.is_some() { "POST" } else { "GET" }, path, body)
}

/// Asks the running engine with that method.
///
/// # Errors
/// No engine answers, in words.
pub(super) fn ask_with(config: &Config, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Result<Said, String>> {
    let Some(key) = Secrets::load(config)?.map(|secrets| secrets.api_key) else {
        return Ok(Err("there are no secrets yet: no engine has run on this directory".to_owned()));
    };
    let method = method.parse::<reqwest::Method>()?;
    send(config, |client| {
        let request = client.request(method, format!("http://{}{path}", address(config)));
        let request = request.bearer_auth(key.expose_secret());
        body.into_iter().fold(request, |request, body| request.json(body))
    })
}

/// Sends an alert to the running engine's webhook, as its sender would, and waits for its end.
///
/// # Errors
/// No engine answers, in words.
pub(super) fn post_alert(config: &Config, account: Option<&str>, secret: &str, alert: &str) -> anyhow::Result<Result<Said, String>> {
    let account = account.map(str::to_owned).or_else(|| config.accounts.first().map(|account| account.client_id.to_string()));
    let path = format!("/webhook/{}/{secret}", account.unwrap_or_default());
    let alert = alert.to_owned();
    send(config, |client| {
        let request = client.post(format!("http://{}{path}", address(config)));
        request.header("content-type", "application/json").header("prefer", "wait=10").body(alert)
    })
}

fn send(config: &Config, request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> anyhow::Result<Result<Said, String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let client = client(PATIENCE)?;
        let sent = request(&client).send().await;
        // The address may hold a secret: only its root is shown.
        let answer = sent.map_err(|cause| format!("no engine answers at {}: {}", address(config), innermost(&cause.without_url())))?;
        Ok(Said { status: answer.status().as_u16(), body: answer.json().await.unwrap_or(Value::Null) })
    }))
}
