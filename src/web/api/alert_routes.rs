//! `GET PUT DELETE /dashboard/routes`: what alerts become, each version a journal row; and what numbered sources lack.

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Keep, Outcome, Slot, Topic};
use ordergate_actors::routes::{Origin, Route, Sequence};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, who};
use crate::web::body::{said, typed};
use crate::web::problem::Problem;
use crate::web::routing::{routes_of, sequence_slot};
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Of {
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutBody {
    client_id: Option<String>,
    /// The version that the caller looked at; 0: there was none. Another one that stands is not written over.
    version: Option<u64>,
    #[serde(deserialize_with = "said")]
    reason: String,
    route: Route,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteBody {
    client_id: Option<String>,
    name: String,
    #[serde(deserialize_with = "said")]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgiveBody {
    client_id: Option<String>,
    source: String,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// The routes, and what each numbered source has sent.
pub(in crate::web) async fn list(asked: Parameters<Of>, state: Data<WebState>) -> Answer {
    let (mut routes, mut sources) = (Vec::new(), Vec::new());
    for client_id in state.accounts(asked.client_id.as_deref())? {
        routes.extend(routes_of(&state, &client_id).iter().map(|(route, version)| shown(&client_id, route, *version)));
        sources.extend(state.settings.sources.iter().filter_map(|source| {
            let sequence = crate::web::routing::sequence_of(&state, &client_id, &source.name)?;
            Some(json!({ "client_id": client_id, "source": source.name, "last": sequence.last, "missing": sequence.missing }))
        }));
    }
    Ok(HttpResponse::Ok().json(json!({ "count": routes.len(), "routes": routes, "sources": sources, "as_of": state.now() })))
}

/// A route with its account and version: the number of the account's journal row that wrote it.
pub(in crate::web) fn shown(client_id: &ClientId, route: &Route, version: u64) -> Value {
    let mut fields = json!(route);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("client_id".to_owned(), json!(client_id));
        fields.insert("version".to_owned(), json!(version));
    }
    fields
}

/// Writes a route, new or in place of the one of its name.
pub(in crate::web) async fn put(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<PutBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let route = Route { origin: Origin::Person, ..body.route };
    let flaws = route.flaws();
    if !flaws.is_empty() {
        let words = flaws.iter().map(|flaw| format!("{} {}", flaw.field, flaw.rule)).collect::<Vec<_>>().join("; ");
        return Err(Problem::bad_request("bad_route", words, "correct the fields that are named").with("flaws", json!(flaws)));
    }
    if let Some(source) = &route.source
        && !state.settings.sources.iter().any(|known| known.name == *source)
    {
        let names: Vec<&str> = state.settings.sources.iter().map(|source| source.name.as_str()).collect();
        let detail = format!("there is no source {source:?}: {}", names.join(", "));
        return Err(Problem::bad_request("no_such_source", detail, "name one of them, or leave source out"));
    }
    let before = standing(&state, &client_id, &route.name);
    not_configured(before.as_ref())?;
    let basis = body.version.or(Some(before.as_ref().map_or(0, |(_, version)| *version)));
    let changed = differences(before.as_ref().map(|(route, _)| route), &route);
    let reason = format!("route {}: {}; {changed}", route.name, body.reason);
    let keep = row(&client_id, Slot::new(Topic::Route, route.name.as_str()), basis, "ROUTE_CHANGED", &reason, &who(&request));
    let keep = keep.with(&route).map_err(|_| Problem::bad_request("bad_route", "the route cannot be written", "correct its fields"))?;
    written(state.engine.keep(keep).await?, &route.name)?;
    let now = standing(&state, &client_id, &route.name);
    let version = now.map_or(0, |(_, version)| version);
    let rivals: Vec<String> =
        routes_of(&state, &client_id).into_iter().filter(|(other, _)| other.is_rival_of(&route)).map(|(other, _)| other.name).collect();
    let done = if rivals.is_empty() {
        "written".to_owned()
    } else {
        format!("written, but {} takes the same alerts as closely: they are refused until one has a condition more", rivals.join(", "))
    };
    Ok(HttpResponse::Ok().json(json!({ "done": done, "changed": changed, "route": shown(&client_id, &route, version) })))
}

/// Removes a route. Its orders and positions stay; its alerts find no route any more.
pub(in crate::web) async fn delete(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<DeleteBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let Some((route, version)) = standing(&state, &client_id, &body.name) else {
        return Err(Problem::not_found("no_such_route_name", "there is no such route", "GET /dashboard/routes lists them"));
    };
    not_configured(Some(&(route, version)))?;
    let reason = format!("route {}: {}", body.name, body.reason);
    let keep = row(&client_id, Slot::new(Topic::Route, body.name.as_str()), Some(version), "ROUTE_REMOVED", &reason, &who(&request));
    written(state.engine.keep(keep).await?, &body.name)?;
    Ok(HttpResponse::Ok().json(json!({ "done": "removed", "client_id": client_id, "name": body.name })))
}

/// A person lets the missing alerts of a source go: entries that stopped for them go on.
pub(in crate::web) async fn forgive(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<ForgiveBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let slot = sequence_slot(&body.source);
    let kept = state.engine.read(&client_id, |book| book.kept(&slot).cloned()).flatten();
    let counted = kept.as_ref().and_then(|kept| Some((kept.read::<Sequence>().ok()?, kept.seq)));
    let Some((sequence, version)) = counted.filter(|(sequence, _)| !sequence.missing.is_empty()) else {
        return Err(Problem::conflict("nothing_missing", "no alert of that source is missing", "GET /dashboard/routes shows the sources"));
    };
    let reason = format!("alerts {} of {} are let go: {}", sequence.words(), body.source, body.reason);
    let keep = row(&client_id, slot, Some(version), "SEQUENCE_FORGIVEN", &reason, &who(&request));
    let after = Sequence { missing: Vec::new(), ..sequence.clone() };
    let keep = keep.with(&after).map_err(|_| Problem::unavailable("not_written", "it could not be written"))?;
    written(state.engine.keep(keep).await?, &body.source)?;
    Ok(HttpResponse::Ok().json(json!({ "done": "let go", "client_id": client_id, "source": body.source, "missing": sequence.missing })))
}

fn standing(state: &WebState, client_id: &ClientId, name: &str) -> Option<(Route, u64)> {
    routes_of(state, client_id).into_iter().find(|(route, _)| route.name == name)
}

fn not_configured(before: Option<&(Route, u64)>) -> Result<(), Problem> {
    match before {
        Some((route, _)) if route.origin == Origin::Config => Err(Problem::conflict(
            "route_is_configured",
            format!("route {} is said in the configuration", route.name),
            "change it there and start again, or write one under another name",
        )),
        _ => Ok(()),
    }
}

fn row(client_id: &ClientId, slot: Slot, basis: Option<u64>, event: &'static str, reason: &str, who: &str) -> Keep {
    let reason = ordergate_actors::order::clean(reason, 600);
    Keep { basis, ..Keep::new(slot, event, who, reason).of(client_id) }
}

fn written(outcome: Outcome, name: &str) -> Result<(), Problem> {
    if outcome.is_applied() {
        return Ok(());
    }
    let detail = format!("{name} is another by now than the one that was looked at");
    Err(Problem::conflict("changed_meanwhile", detail, "read it again, and send the version that stands"))
}

/// What is another now, field by field.
fn differences(before: Option<&Route>, after: &Route) -> String {
    let Some(before) = before else { return "it is new".to_owned() };
    let (before, after) = (json!(before), json!(after));
    let empty = serde_json::Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = |value: Option<&Value>| {
        value.map_or_else(|| "not said".to_owned(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    let words: Vec<String> = changed.map(|key| format!("{key}: {} -> {}", said(before.get(key)), said(after.get(key)))).collect();
    if words.is_empty() { "nothing is another".to_owned() } else { words.join(", ") }
}
