//! `POST /webhook…`: an alert comes in, and the decision about it goes out.
//!
//! The handler may be dropped whenever its client goes away. So everything up to the hand-over runs without a pause once
//! the body is there, and nothing after the hand-over matters to the orders.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, IdempotencyKey};
use ordergate_actors::persistence::{Level, Note};
use serde_json::json;
use tracing::Instrument as _;

use super::auth::{Presented, body_hash};
use super::body::{self, check_content_type, check_headers};
use super::chain::{self, Done, Incoming};
use super::door::address_of;
use super::formats::{self, Read};
use super::json::{Field, Json};
use super::problem::Problem;
use super::settings::Source;
use super::state::WebState;
use super::submission::{self, Until};
use super::{untaken, visitors};

const LONGEST_WAIT_S: u64 = 10;

/// One alert.
pub(super) async fn receive(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Result<HttpResponse, Problem> {
    metrics::counter!("ordergate_webhook_requests_total").increment(1);
    check_headers(request.headers(), state.settings.header_limit)?;
    let body = match body::read(payload, &state.settings).await {
        Ok(body) => body,
        Err(problem) => return Err(unread(&state, &request, problem)),
    };
    let json = body::parse(&body, &state.settings);
    let (source, by_secret) = authenticate(&state, &request, &body, json.as_ref().ok())?;
    visitors::known(&request);
    let client_id = account(&state, &request, source)?;
    let from = address_of(&request, &state.settings.trusted_proxies);
    if !source.addresses.let_in(from) {
        let problem = Problem::not_from_here(&source.name, from);
        untaken::tell_at_the_door(&state, std::slice::from_ref(&client_id), &source.name, &problem);
        return Err(refuse(&state, Some(&client_id), source, problem));
    }
    let refused = |problem: Problem| refuse(&state, Some(&client_id), source, problem);
    let incoming = incoming(&state, request.headers(), source, &client_id, json).map_err(|problem| {
        untaken::tell_unreadable(&state, &client_id, &source.name, &problem);
        refused(problem)
    })?;
    let alert = incoming.read.clone();
    // The handler may be dropped while it waits: what was begun goes on beside it.
    let taking = actix_web::rt::spawn(chain::take(state.clone(), incoming).in_current_span());
    let done =
        taking.await.map_err(|_| Problem::unavailable("answer_lost", "the answer was lost; look at the record before asking again"))?;
    let done = done.map_err(|problem| if problem.is_of_the_alert() { refused(problem) } else { overload(problem, source) })?;
    Ok(answer(&state, &request, done, &alert, by_secret).await)
}

/// A body that could not be read. Its sender is known only if the address proves it.
fn unread(state: &WebState, request: &HttpRequest, problem: Problem) -> Problem {
    let presented = Presented { token: request.match_info().get("token"), ..Presented::default() };
    match state.sources.source(&presented).and_then(|place| state.settings.sources.get(place)) {
        Some(source) => refuse(state, None, source, problem),
        None => problem,
    }
}

/// The source for which every proof holds, and whether only the body's secret did.
fn authenticate<'a>(state: &'a WebState, request: &HttpRequest, body: &[u8], json: Option<&Json>) -> Result<(&'a Source, bool), Problem> {
    let proof = |key: &str| {
        json.map(|json| json.field(key)).and_then(|field| match field {
            Field::Absent => None,
            Field::Text(text) => Some(text),
            Field::Wrong(_) => Some(String::new()),
        })
    };
    // OpenAlgo's clients call it apikey; beside another proof theirs may be a key of OpenAlgo's own.
    let is_proven = request.match_info().get("token").is_some() || request.headers().contains_key("x-signature");
    let secret = proof("secret_key").or_else(|| proof("apikey").filter(|_| !is_proven));
    // More than one signature is none that holds.
    let mut signatures = request.headers().get_all("x-signature").map(actix_web::http::header::HeaderValue::as_bytes);
    let signature = signatures.next().map(|first| if signatures.next().is_some() { &b""[..] } else { first });
    let presented = Presented { secret: secret.as_deref(), signature, token: request.match_info().get("token"), body };
    let by_secret = presented.signature.is_none() && presented.token.is_none();
    match state.sources.source(&presented).and_then(|place| state.settings.sources.get(place)) {
        Some(source) => Ok((source, by_secret)),
        None => {
            metrics::counter!("ordergate_unauthorized_total", "door" => "webhook").increment(1);
            let from = address_of(request, &state.settings.trusted_proxies).map(|address| address.to_string());
            if let Some(untold) = state.refusals.one_more("webhook", state.now()) {
                tracing::warn!(event = "unauthorized", door = "webhook", untold, proofs = %presented.kinds(), from, "an alert without a valid secret; the secret is not shown");
            }
            let remedy = "send the source's secret as secret_key in the body, as the last part of the address, or as X-Signature; all that is sent must hold";
            // A body that cannot be read proves nobody; say so, or a stray comma is looked for in the secret.
            Err(if by_secret && json.is_none() {
                Problem::unauthorized(
                    "the body is not JSON, so its secret_key could not be read: correct the JSON, or prove the source by the address or X-Signature",
                )
            } else {
                Problem::unauthorized(remedy)
            })
        }
    }
}

fn account(state: &WebState, request: &HttpRequest, source: &Source) -> Result<ClientId, Problem> {
    let named = request.match_info().get("client_id");
    state.account_among(named, |client_id| source.may_send_for(client_id)).map_err(|problem| {
        let mut own = state.accounts(None).unwrap_or_default();
        own.retain(|client_id| source.may_send_for(client_id));
        untaken::tell_at_the_door(state, &own, &source.name, &problem);
        refuse(state, None, source, problem)
    })
}

/// A signal that was authenticated and leaves no order: one journal row tells of it.
fn refuse(state: &WebState, client_id: Option<&ClientId>, source: &Source, problem: Problem) -> Problem {
    metrics::counter!("ordergate_signals_refused_total", "code" => problem.code()).increment(1);
    tracing::warn!(event = "signal_refused", source = %source.name, code = problem.code(), "{problem}");
    state.engine.note(Note {
        client_id: client_id.cloned(),
        event: "SIGNAL_REFUSED",
        level: Level::Info,
        text: problem.to_string(),
        command_id: None,
        who: source.name.as_str().into(),
        inputs: json!({ "code": problem.code() }).to_string(),
    });
    problem
}

fn incoming(
    state: &WebState,
    headers: &HeaderMap,
    source: &Source,
    client_id: &ClientId,
    json: Result<Json, Problem>,
) -> Result<Incoming, Problem> {
    check_content_type(headers)?;
    let json = json?;
    // OpenAlgo's own field for a secret: whatever stands there is never stored.
    let without_secret = json.clone().without("secret_key").without("apikey").canonical();
    // A key is stored too, wherever it came from.
    let mut keys = headers.get_all("idempotency-key").filter_map(|value| value.to_str().ok());
    let in_a_header = keys.any(|key| state.settings.holds_a_secret(&json!(key).to_string()));
    if in_a_header || state.settings.holds_a_secret(&without_secret) {
        let detail = "a source's secret stands outside of secret_key; it would be stored".to_owned();
        return Err(Problem::bad_request(
            "secret_in_the_open",
            detail,
            "send the secret as secret_key only; change it if this was sent before",
        ));
    }
    let read = formats::read(&json, state.now()).map_err(|refusal| {
        Problem::bad_request(
            refusal.code(),
            refusal.to_string(),
            "send {\"execution_type\", \"strategy_name\", \"exchange\", \"legs\": [1 to 100 orders]}, or an alert that a route takes: see docs/connect.md",
        )
    })?;
    let own = match &read {
        Read::Orders(alert) => alert.idempotency_key.as_deref(),
        Read::Readings(readings) => readings.first().and_then(|reading| reading.key.as_deref()),
    };
    let key = key(headers, own)?;
    Ok(Incoming { client_id: client_id.clone(), source: source.clone(), read, key, body_hash: body_hash(&without_secret) })
}

/// The sender's key, from the header or from the body; from both only if they agree.
///
/// # Errors
/// 400.
pub(super) fn key(headers: &HeaderMap, in_body: Option<&str>) -> Result<Option<IdempotencyKey>, Problem> {
    let bad = |detail: String| {
        Problem::bad_request("bad_idempotency_key", detail, "send one key of 1 to 128 bytes, a new one for every new signal")
    };
    let mut in_header = None;
    for value in headers.get_all("idempotency-key") {
        let text = value.to_str().map_err(|_| bad("the Idempotency-Key header is no text".to_owned()))?.trim();
        if in_header.is_some_and(|other| other != text) {
            return Err(bad("there are two different Idempotency-Key headers".to_owned()));
        }
        in_header = Some(text);
    }
    if in_header.zip(in_body).is_some_and(|(header, body)| header != body) {
        return Err(bad("the Idempotency-Key header and idempotency_key in the body differ".to_owned()));
    }
    let Some(text) = in_header.or(in_body) else { return Ok(None) };
    IdempotencyKey::of_sender(text).map(Some).map_err(|error| bad(format!("the idempotency key must be {}", error.rule)))
}

fn overload(problem: Problem, source: &Source) -> Problem {
    if problem.code() == "overloaded" && source.resends_on_5xx_only { problem.as_5xx() } else { problem }
}

async fn answer(state: &WebState, request: &HttpRequest, done: Done, alert: &Read, by_secret: bool) -> HttpResponse {
    let Done { mut taken, mut notes, routes } = done;
    let wait = preferred_wait(request.headers());
    if let Some((seconds, until)) = wait {
        let patience = Duration::from_secs(seconds);
        futures_util::future::join_all(taken.iter_mut().map(|taken| taken.settle(state, until, patience))).await;
    }
    let mut body = submission::body(state, &taken, by_secret);
    let ignored = match alert {
        Read::Orders(alert) => alert.ignored.as_slice(),
        Read::Readings(readings) => readings.first().map_or(&[][..], |reading| reading.ignored.as_slice()),
    };
    if !ignored.is_empty() {
        notes.push(format!("not known and ignored: {}", ignored.join(", ")));
    }
    if let Some(fields) = body.as_object_mut() {
        if !notes.is_empty() {
            fields.insert("notes".to_owned(), json!(notes));
        }
        if let Some(route) = routes.first() {
            fields.insert("route".to_owned(), json!(route));
        }
    }
    let mut response = HttpResponse::build(StatusCode::ACCEPTED);
    if let Some((seconds, _)) = wait {
        response.insert_header(("Preference-Applied", format!("wait={seconds}")));
    }
    response.json(body)
}

/// `Prefer: wait=N`, at most ten seconds, for the end of every order; with `until=broker` only for the broker's answer.
/// What cannot be read is no preference (RFC 7240).
fn preferred_wait(headers: &HeaderMap) -> Option<(u64, Until)> {
    let wish = |name: &str| {
        let wishes = headers.get_all("prefer").filter_map(|value| value.to_str().ok()).flat_map(|value| value.split([',', ';']));
        wishes
            .filter_map(|wish| wish.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().trim_matches('"'))
    };
    let seconds: u64 = wish("wait")?.parse().ok()?;
    let until = if wish("until").is_some_and(|value| value.eq_ignore_ascii_case("broker")) { Until::Broker } else { Until::End };
    Some((seconds.min(LONGEST_WAIT_S), until))
}
