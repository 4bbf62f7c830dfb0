//! The sign of life that goes out while something trades: the shell. It comes from where the engine is looked at, so that it
//! stops with the engine.

use std::time::Duration;

use actix_web::web::Data;
use secrecy::ExposeSecret;

use super::health;
use super::state::WebState;
use super::summaries::exchanges;
use crate::alerts::heartbeat::beat;
use crate::config::Heartbeat;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// An actor that has not moved for so long is no sign of life.
const STILL: Duration = Duration::from_secs(15);

/// Beats for as long as it is polled.
pub async fn keep_beating(state: Data<WebState>, heartbeat: Heartbeat) {
    let client = match reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build() {
        Ok(client) => client,
        Err(cause) => return tracing::error!(event = "heartbeat_off", "no heartbeat goes out: {cause}"),
    };
    let mut every = tokio::time::interval(heartbeat.every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = state.now();
        let troubles = troubles(&state);
        let Some(beat) = beat(&state.engine.line().calendar, exchanges(&state), troubles.is_empty(), now) else { continue };
        if !troubles.is_empty() {
            tracing::warn!(event = "heartbeat_fail", "the heartbeat says that something is wrong: {}", troubles.join(", "));
        }
        let answer = client.get(beat.address(heartbeat.url.expose_secret())).send().await;
        let result = match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => beat.as_str(),
            Ok(status) => {
                tracing::warn!(event = "heartbeat_lost", "the heartbeat was answered {}", status.as_u16());
                "lost"
            }
            Err(error) => {
                // The client's own words hold the address, which is a secret.
                tracing::warn!(event = "heartbeat_lost", "the heartbeat was not taken: {}", error.without_url());
                "lost"
            }
        };
        metrics::counter!("ordergate_heartbeats_total", "result" => result).increment(1);
    }
}

/// What keeps the engine from being well, by name; nothing if it is.
fn troubles(state: &WebState) -> Vec<String> {
    let line = state.engine.line();
    let (mut troubles, _) = health::why_not(state, state.now());
    if line.halt.is_halted() {
        troubles.push("ending".to_owned());
    }
    if let Some(alerts) = &state.site.alerts {
        troubles.extend(alerts.faulty().into_iter().map(|channel| format!("alerts_{channel}_faulty")));
    }
    troubles.extend(line.heartbeats().into_iter().filter(|(_, _, age)| *age > STILL).map(|(actor, _, _)| format!("{actor}_still")));
    troubles
}
