//! `ordergate login` and `ordergate logout`: through the running engine, which owns the session. Where a person must sign in, it
//! prints the link and waits until the broker's page has redirected back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::engine::ask;
use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};

/// How long a person has to sign in.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the engine is asked whether the redirect came.
const LOOK: Duration = Duration::from_secs(3);

pub(super) fn run(config: &Config, account: Option<&str>) -> anyhow::Result<i32> {
    let body = account.map_or_else(|| json!({}), |account| json!({ "client_id": account }));
    let said = match ask(config, "/dashboard/broker/login", Some(&body))? {
        Ok(said) if said.is_success() => said.body,
        Ok(said) => return done(EXIT_ATTENTION, &said.trouble()),
        Err(cause) => return done(EXIT_ATTENTION, &format!("{cause}\n(start it first: it owns the session)")),
    };
    let client_id = said["client_id"].as_str().unwrap_or_default().to_owned();
    let Some(link) = said["login_link"].as_str() else {
        return done(EXIT_OK, &format!("{client_id} is logged in: {}", said["session"].as_str().unwrap_or_default()));
    };
    Page::new().line(format!("open this and sign in; waiting for the redirect:\n{link}")).show()?;
    wait(config, &client_id)
}

/// Ends the session of an account with nothing open or held.
pub(super) fn out(config: &Config, account: Option<&str>) -> anyhow::Result<i32> {
    let body = account.map_or_else(|| json!({}), |account| json!({ "client_id": account }));
    match ask(config, "/dashboard/broker/logout", Some(&body))? {
        Ok(said) if said.is_success() => done(EXIT_OK, said.body["session"].as_str().unwrap_or_default()),
        Ok(said) => done(EXIT_ATTENTION, &said.trouble()),
        Err(cause) => done(EXIT_ATTENTION, &format!("{cause}\n(no engine runs: its token is forgotten with the day)")),
    }
}

fn wait(config: &Config, client_id: &str) -> anyhow::Result<i32> {
    let deadline = Instant::now() + PATIENCE;
    let (waker, never) = std::sync::mpsc::channel::<()>();
    while Instant::now() < deadline {
        if let Ok(said) = ask(config, &format!("/dashboard/broker?client_id={client_id}"), None)?
            && is_logged_in(&said.body, client_id)
        {
            return done(EXIT_OK, &format!("{client_id} is logged in"));
        }
        let _nobody_wakes = never.recv_timeout(LOOK);
    }
    drop(waker);
    done(EXIT_ATTENTION, "no redirect came; begin again")
}

fn is_logged_in(body: &Value, client_id: &str) -> bool {
    let rows = body["accounts"].as_array().into_iter().flatten();
    rows.into_iter().any(|row| row["client_id"] == client_id && row["is_logged_in"] == true)
}

fn done(code: i32, words: &str) -> anyhow::Result<i32> {
    Page::new().line(words).show()?;
    Ok(code)
}
