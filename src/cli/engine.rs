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
    let key = Secrets::load(config)?.map(|secrets| secrets.api_key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let key = key.ok_or_else(|| "there are no secrets yet: no engine has run on this directory".to_owned())?;
        let url = format!("http://{}{path}", address(config));
        let client = client(PATIENCE)?;
        let request = match body {
            Some(body) => client.post(url).json(body),
            None => client.get(url),
        };
        let sent = request.bearer_auth(key.expose_secret()).send().await;
        let answer = sent.map_err(|cause| format!("no engine answers at {}: {}", address(config), innermost(&cause)))?;
        Ok(Said { status: answer.status().as_u16(), body: answer.json().await.unwrap_or(Value::Null) })
    }))
}
