//! `POST /dashboard/explain`: paste an alert, hear what would become of it. Nothing is written, and nothing is sent.

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, SignalDraft, SignalId, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::connect::{becomes, source};
use super::{Answer, user};
use crate::web::body;
use crate::web::door::scope;
use crate::web::formats::{self, Alert, Read};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct For {
    client_id: Option<String>,
    /// Whose alert it would be, where a route decides; absent: the first source.
    source: Option<String>,
}

/// What would become of the alert in the body, if it came now, for the account that the address names.
pub(in crate::web) async fn explain(request: HttpRequest, payload: Payload, state: Data<WebState>, asked: Parameters<For>) -> Answer {
    let client_id = state.account(asked.client_id.as_deref())?;
    if !scope(&request).sees(&client_id) {
        return Err(Problem::not_for_this_key(&user(&request)));
    }
    let json = body::json(payload, request.headers(), &state.settings).await?.without("secret_key");
    let read = formats::read(&json, state.now()).map_err(|refusal| {
        Problem::bad_request(refusal.code(), refusal.to_string(), "paste the alert as its sender would send it; a secret in it is not read")
    })?;
    match read {
        Read::Orders(alert) => Ok(HttpResponse::Ok().json(explanation(&state, &client_id, &alert)?)),
        Read::Readings(readings) => {
            let source = source(&state, &client_id, asked.source.as_deref())?;
            Ok(HttpResponse::Ok().json(becomes(&state, &client_id, source, &readings)?))
        }
    }
}

/// The same for an alert that was read already.
///
/// # Errors
/// No such account.
pub(in crate::web) fn explanation(state: &WebState, client_id: &ClientId, alert: &Alert) -> Result<Value, Problem> {
    let draft = SignalDraft {
        client_id: client_id.clone(),
        // Of no signal: nothing is looked up by it, and no name is drawn.
        signal_id: SignalId(Uuid::nil()),
        source: Source::Webhook,
        user: "explain".to_owned(),
        idempotency_key: None,
        body_hash: [0; 32],
        replay_window_ms: 0,
        received_at: state.now(),
        signal_time: alert.signal_time,
        legs: alert.legs.clone(),
    };
    let legs = state.engine.explain(&draft)?;
    Ok(json!({
        "client_id": client_id,
        "format": alert.format,
        "as_of": state.now(),
        "done": "nothing was written, and nothing was sent",
        "legs": legs,
        "ignored": alert.ignored,
    }))
}
