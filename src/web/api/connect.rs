//! `/dashboard/connect…`: from a chart to an order. What to copy where; what a sample would become, without a side effect;
//! and a test that walks the line and ends before the broker.

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::ClientId;
use ordergate_actors::routes::{Reading, Route, Step};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::Answer;
use super::alert_routes::shown;
use super::explain::{explanation, say_what_was_not_sent};
use crate::web::auth::body_hash;
use crate::web::body::{self, typed};
use crate::web::chain::{self, Incoming};
use crate::web::connect::{Sender, recipe};
use crate::web::formats::{self, Alert, Read};
use crate::web::json::Json;
use crate::web::problem::Problem;
use crate::web::routing::{self, routes_of};
use crate::web::settings::Source;
use crate::web::state::WebState;
use crate::web::submission;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Of {
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct MessageOf {
    client_id: Option<String>,
    route: String,
    sender: Sender,
    /// What the chart shows: `NSE:SBIN`. Absent: the route's ticker or instrument.
    symbol: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleBody {
    client_id: Option<String>,
    /// Whose alert it would be; absent: the first source.
    source: Option<String>,
    /// The message, as an object or as text.
    sample: Value,
    /// Of a test: the result that it ends with.
    result: Option<String>,
}

/// What there is to connect: accounts, sources, routes, kinds of senders.
pub(in crate::web) async fn overview(asked: Parameters<Of>, state: Data<WebState>) -> Answer {
    let clients = state.accounts(asked.client_id.as_deref())?;
    let routes: Vec<Value> = clients
        .iter()
        .flat_map(|client| routes_of(&state, client).into_iter().map(|(route, version)| shown(client, &route, version)))
        .collect();
    let sources: Vec<Value> = state
        .settings
        .sources
        .iter()
        .map(|source| json!({ "name": source.name, "accounts": source.accounts, "resends_on_5xx_only": source.resends_on_5xx_only }))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "accounts": clients, "sources": sources, "routes": routes, "senders": Sender::ALL, "base_url": base(&state),
    })))
}

/// The address and the message for one route and sender.
pub(in crate::web) async fn message(asked: Parameters<MessageOf>, state: Data<WebState>) -> Answer {
    let asked = asked.into_inner();
    let client_id = state.account(asked.client_id.as_deref())?;
    let route = named(&state, &client_id, &asked.route)?;
    let symbol =
        asked.symbol.or_else(|| route.ticker.clone()).or_else(|| route.instrument.clone()).unwrap_or_else(|| "NSE:SBIN".to_owned());
    let recipe = recipe(asked.sender, &base(&state), client_id.as_str(), &route, symbol.trim());
    Ok(HttpResponse::Ok().json(json!({ "client_id": client_id, "route": route.name, "recipe": recipe })))
}

/// What a sample would become: how it is read, its route, its order, and where it stands in its chain. Nothing is written.
pub(in crate::web) async fn read(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (client_id, source, read, _) = sample(&request, payload, &state).await?;
    let Read::Readings(readings) = read else {
        return Err(Problem::bad_request(
            "names_its_orders",
            "the sample names its orders itself and needs no route",
            "POST /dashboard/explain",
        ));
    };
    Ok(HttpResponse::Ok().json(becomes(&state, &client_id, &source, &readings)?))
}

/// Of an order as it is asked for.
const MAY_BE_UNSENT: [&str; 8] =
    ["validity", "price", "trigger_price", "stop_loss", "target", "trailing_type", "trailing_value", "test_mode"];

/// What readings would become, each by itself: its route, its order, its place in its chain, and what the gates and the
/// broker's adapter would make of it. Nothing is written.
///
/// # Errors
/// No such account.
pub(super) fn becomes(state: &WebState, client_id: &ClientId, source: &Source, readings: &[Reading]) -> Result<Value, Problem> {
    let mut items = Vec::new();
    for reading in readings {
        let becomes = match routing::route(state, client_id, &source.name, reading, None) {
            Ok(routing) => {
                let alert = Alert {
                    format: reading.format.as_str(),
                    legs: vec![routing.planned.leg.clone()],
                    idempotency_key: None,
                    signal_time: reading.made_at,
                    seq: None,
                    repeat: reading.repeat,
                    ignored: Vec::new(),
                };
                let mut order = json!(routing.planned.leg);
                say_what_was_not_sent(&mut order, &MAY_BE_UNSENT);
                json!({
                    "route": routing.route.name,
                    "version": routing.version,
                    "instrument": routing.instrument.map(|key| key.to_string()),
                    "held": routing.held,
                    "order": order,
                    "notes": routing.planned.notes,
                    "key": routing.key,
                    "chain": routing.place.map(|link| chain_words(&link.step)),
                    "explained": explanation(state, client_id, &alert)?["legs"][0],
                })
            }
            Err(problem) => problem.body(),
        };
        items.push(json!({ "reading": reading, "becomes": becomes }));
    }
    Ok(json!({ "client_id": client_id, "source": source.name, "alerts": items, "done": "nothing was written, and nothing was sent" }))
}

fn chain_words(step: &Step) -> String {
    match step {
        Step::Next => "it goes on where the last alert ended, or is the first".to_owned(),
        Step::Same => "it is the last alert again".to_owned(),
        Step::Overtaken(words) => format!("too late: {words}"),
        Step::Missed(words) => format!("an alert was missed: {words}"),
    }
}

/// Sends a sample as a test: it walks the whole line, leaves its record, and ends before the broker. It stands in no chain.
pub(in crate::web) async fn test(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (client_id, source, read, result) = sample(&request, payload, &state).await?;
    let Read::Readings(mut readings) = read else {
        return Err(Problem::bad_request(
            "names_its_orders",
            "the sample names its orders itself",
            "send it to the webhook with test_mode",
        ));
    };
    for reading in &mut readings {
        // A test is a signal of its own each time, and its age is that of now.
        reading.test_mode = Some(result.clone().unwrap_or_else(|| "SUCCESS".to_owned()));
        reading.key = Some(format!("test:{}", state.engine.line().ids.next()));
        (reading.once, reading.made_at, reading.seq) = (None, None, None);
    }
    let incoming = Incoming { client_id, source, read: Read::Readings(readings), key: None, body_hash: body_hash("test") };
    let taking = actix_web::rt::spawn(chain::take(state.clone(), incoming).in_current_span());
    let lost = |_| Problem::unavailable("answer_lost", "the answer was lost; look at the record before asking again");
    let mut done = taking.await.map_err(lost)??;
    let patience = std::time::Duration::from_secs(5);
    futures_util::future::join_all(done.taken.iter_mut().map(|taken| taken.settle(&state, submission::Until::End, patience))).await;
    let mut answer = submission::body(&state, &done.taken, false);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("route".to_owned(), json!(done.routes.first()));
        fields.insert("notes".to_owned(), json!(done.notes));
    }
    Ok(HttpResponse::Accepted().json(answer))
}

async fn sample(request: &HttpRequest, payload: Payload, state: &WebState) -> Result<(ClientId, Source, Read, Option<String>), Problem> {
    let (body, sent) = typed::<SampleBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let source = source(state, &client_id, body.source.as_deref())?;
    // Numbers keep their text: the sample is read as it was sent, not as the fields were.
    let json = match (&body.sample, sent.get("sample")) {
        (Value::String(text), _) => body::parse(text.as_bytes(), &state.settings)?,
        (_, json) => json.cloned().unwrap_or(Json::Null),
    };
    let json = json.without("secret_key");
    let read = formats::read(&json, state.now())
        .map_err(|refusal| Problem::bad_request(refusal.code(), refusal.to_string(), "see docs/connect.md for the formats"))?;
    Ok((client_id, source.clone(), read, body.result))
}

/// The source that is named, or the first.
///
/// # Errors
/// 404.
pub(super) fn source<'a>(state: &'a WebState, client_id: &ClientId, name: Option<&str>) -> Result<&'a Source, Problem> {
    let found = state.settings.sources.iter().find(|source| name.is_none_or(|name| source.name == name));
    let source =
        found.ok_or_else(|| Problem::not_found("no_such_source", "there is no such source", "GET /dashboard/connect lists them"))?;
    if source.may_send_for(client_id) { Ok(source) } else { Err(Problem::no_account()) }
}

fn named(state: &WebState, client_id: &ClientId, name: &str) -> Result<Route, Problem> {
    let found = routes_of(state, client_id).into_iter().find(|(route, _)| route.name == name);
    found.map(|(route, _)| route).ok_or_else(|| {
        Problem::not_found("no_such_route_name", format!("{client_id} has no route {name:?}"), "GET /dashboard/routes lists them")
    })
}

fn base(state: &WebState) -> String {
    state.site.base_url.clone().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned())
}
