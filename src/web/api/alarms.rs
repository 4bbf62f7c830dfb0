//! `POST /dashboard/alarms/{id}/ack`: a person has seen it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::ClientId;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, who};
use crate::web::body::{said, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AckBody {
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// An alarm's name in addresses: the journal row that raised it, and its account (`17@PAPER1`); without one, of the process.
pub(super) fn name(client_id: Option<&ClientId>, seq: u64) -> String {
    client_id.map_or_else(|| seq.to_string(), |client_id| format!("{seq}@{client_id}"))
}

/// Reads what [`name`] wrote.
pub(super) fn read_name(text: &str) -> Option<(Option<ClientId>, u64)> {
    match text.split_once('@') {
        None => Some((None, text.parse().ok()?)),
        Some((seq, client)) => Some((Some(ClientId::parse(client).ok()?), seq.parse().ok()?)),
    }
}

/// Takes an alarm off the attention list. What it is about stays there for as long as it is so.
pub(in crate::web) async fn acknowledge(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<AckBody>(payload, request.headers(), &state.settings).await?;
    let missing = || Problem::not_found("no_such_alarm", "no such alarm is open", "take the alarm_id from GET /dashboard/attention");
    let (client_id, seq) = request.match_info().get("id").and_then(read_name).ok_or_else(missing)?;
    let client_id = client_id.map(|client| state.account(Some(client.as_str()))).transpose()?;
    let who = who(&request);
    let outcome = state.engine.acknowledge(client_id.as_ref(), seq, &who, &body.reason).await?;
    if !outcome.is_applied() {
        return Err(missing());
    }
    tracing::info!(event = "alarm_acknowledged", alarm = name(client_id.as_ref(), seq), who, reason = body.reason, "an alarm was seen");
    Ok(HttpResponse::Ok().json(json!({ "done": "seen", "alarm_id": name(client_id.as_ref(), seq), "who": who })))
}
