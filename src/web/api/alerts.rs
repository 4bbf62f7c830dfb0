//! `GET /dashboard/alerts`: where alerts go, and how each channel stands. `POST /dashboard/alerts/test`: one alert to each.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{Answer, who};
use crate::readiness::{ALERT_TEST, Recorded};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Every channel, without its secrets.
pub(in crate::web) async fn list(state: Data<WebState>) -> Answer {
    let channels: Vec<Value> = state
        .site
        .alerts
        .iter()
        .flat_map(|alerts| alerts.standing())
        .map(|(shown, standing)| {
            json!({
                "name": shown.name, "kind": shown.kind, "from": shown.from, "quiet": shown.quiet, "is_escalation": shown.is_escalation,
                "waiting": standing.waiting, "held_back": standing.held_back, "sent_at": standing.sent_at, "trouble": standing.trouble,
            })
        })
        .collect();
    let test = Recorded::read(&state.site.directory, ALERT_TEST);
    let test = test.map(|test| json!({ "passed": test.passed, "at": test.at, "text": test.text }));
    Ok(HttpResponse::Ok().json(json!({ "channels": channels, "test": test, "as_of": state.now() })))
}

/// Sends a test to every channel, with one try each, and says what came of it.
pub(in crate::web) async fn test(request: HttpRequest, state: Data<WebState>) -> Answer {
    let Some(alerts) = &state.site.alerts else {
        let problem =
            Problem::new(StatusCode::CONFLICT, "no_channel", "no channel is set", "set one in [alerts] of the settings, and restart");
        return Err(problem);
    };
    let who = who(&request);
    let (record, deliveries) = alerts.test(&state.site.directory, &who, state.now()).await;
    tracing::info!(event = "alert_test", who, passed = record.passed, "{}", record.text);
    let channels: Vec<Value> = deliveries
        .iter()
        .map(|one| json!({ "name": &*one.channel, "arrived": one.result.is_ok(), "trouble": one.result.as_ref().err().map(ToString::to_string) }))
        .collect();
    let done = if record.passed { "every channel has it" } else { "not every channel has it" };
    Ok(HttpResponse::Ok().json(json!({ "done": done, "passed": record.passed, "channels": channels, "who": who })))
}
