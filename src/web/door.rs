//! The door of the dashboard API: a bearer key, a session's cookie, or 401.
//!
//! A key is sent by a program on purpose. A cookie goes with every request that a browser makes, whoever's page made it: what
//! changes something must come from our own page.

use std::net::IpAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use chrono::{DateTime, Utc};
use ordergate_actors::order::clean;

use super::body::check_headers;
use super::openapi;
use super::problem::Problem;
use super::routes::{Guard, Route, methods_of, no_such_route, only, route_of};
use super::settings::{Holder, Rights, Scope};
use super::state::WebState;
use super::visitors;
use crate::access::{Comer, Grant, Ranges, Sent, Session, client_address, is_same_origin};

/// The cookie that carries a session's token.
pub(super) const SESSION_COOKIE: &str = "og_session";
/// The owner's name in the journal: who came by the password or a one-time link.
pub(super) const OWNER: &str = "owner";

/// Who asks, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The key's name, or [`OWNER`].
    pub name: String,
    /// The address; `None` if it is not known.
    pub from: Option<IpAddr>,
    /// The session's name and its end as it stands, if a cookie brought it.
    pub session: Option<(String, DateTime<Utc>)>,
}

impl Caller {
    /// Who and from where, as it stands in the journal.
    pub(super) fn words(&self) -> String {
        match self.from {
            Some(address) => format!("{} from {address}", self.name),
            None => format!("{} from an unknown address", self.name),
        }
    }
}

/// For whom the request may act; for nobody, without credentials.
pub(super) fn scope(request: &HttpRequest) -> Scope {
    let nobody = || Scope { accounts: Some(Vec::new()), strategies: Some(Vec::new()), rights: Rights::NONE };
    request.extensions().get::<Scope>().cloned().unwrap_or_else(nobody)
}

/// From where a request comes, as far as it is known.
pub(super) fn address_of(request: &HttpRequest, trusted: &Ranges) -> Option<IpAddr> {
    let mut forwarded = Vec::new();
    for value in request.headers().get_all("x-forwarded-for") {
        // What is no text names nobody.
        forwarded.push(value.to_str().unwrap_or("unreadable"));
    }
    client_address(request.peer_addr().map(|peer| peer.ip()), forwarded.into_iter(), trusted)
}

/// Who comes to log in.
pub(super) fn comer(state: &WebState, request: &HttpRequest) -> Comer {
    let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Comer { from: address_of(request, &state.settings.trusted_proxies), agent: clean(agent, 120), now: state.now() }
}

/// Lets a request through whose key or session is known, and that may do what its route does.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(state) = request.app_data::<Data<WebState>>().cloned() else {
        let problem = Problem::unavailable("not_ready", "ordergate is starting");
        return Ok(request.into_response(problem.error_response()).map_into_right_body());
    };
    // The path as the router reads it: in the raw one a letter may stand as its code, and would be looked up in vain.
    let path = request.match_info().as_str().to_owned();
    let route = route_of(request.method().as_str(), &path);
    let admitted = admit(&state, request.request(), route.map(|route| route.guard));
    match admitted.and_then(|found| takes_it(request.request(), route).map(|()| found)) {
        Ok(_) if route.is_none() => return Ok(request.into_response(unknown(&path)).map_into_right_body()),
        Ok((caller, scope)) => {
            visitors::known(request.request());
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(scope);
        }
        Err(problem) => return Ok(request.into_response(refusal(&problem)).map_into_right_body()),
    }
    let mut response = next.call(request).await?;
    private(response.headers_mut());
    Ok(response.map_into_left_body())
}

/// The answer where no route is: nothing without a guard of its own is ever handed on.
fn unknown(path: &str) -> HttpResponse {
    let methods = methods_of(path);
    let mut response = if methods.is_empty() { no_such_route() } else { only(&methods.join(", ")) };
    private(response.headers_mut());
    response
}

/// A route that takes nothing in its address refuses what stands there: a misspelled `client_id` must not show, or stop, another
/// account. Where something is taken, its handler knows the names.
fn takes_it(request: &HttpRequest, route: Option<&Route>) -> Result<(), Problem> {
    let is_bare = route.is_some_and(|route| route.path.starts_with("/dashboard/") && openapi::fields_of(route).0.is_empty());
    let Some(name) = request.query_string().split(['&', '=']).next().filter(|name| is_bare && !name.is_empty()) else { return Ok(()) };
    let detail =
        format!("{} {} takes no parameter in its address, and {:?} stands there", request.method(), request.path(), clean(name, 60));
    Err(Problem::bad_request("bad_query", detail, "leave it out; what a POST takes stands in its body"))
}

/// What every answer of the API carries: it is for its reader alone, and nothing but what it says it is.
pub(super) fn private(headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(CACHE_CONTROL, "no-store");
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(REFERRER_POLICY, "no-referrer");
}

/// The answer to a request that is not let in.
pub(super) fn refusal(problem: &Problem) -> HttpResponse {
    let mut response = problem.error_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    private(response.headers_mut());
    response
}

/// Who asks, and for whom that one may act.
///
/// # Errors
/// 401 without valid credentials; 403 for a cookie that another site's page sent along, from an address that the key is not
/// for, or beyond its scope.
pub(super) fn admit(state: &Data<WebState>, request: &HttpRequest, protection: Option<Guard>) -> Result<(Caller, Scope), Problem> {
    check_headers(request.headers(), state.settings.header_limit)?;
    let from = address_of(request, &state.settings.trusted_proxies);
    // A request that brings a key is a program's, whatever cookie the machine has.
    let (caller, scope) = if request.headers().contains_key(AUTHORIZATION) {
        let holder = bearer(request.headers()).and_then(|key| state.keys.holder(key)).ok_or_else(|| stranger(state, request))?;
        by_key(holder, from)?
    } else {
        by_cookie(state, request, from)?
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if protection.is_some_and(|protection| !is_allowed(&scope, protection, is_read)) {
        metrics::counter!("ordergate_unauthorized_total", "door" => "scope").increment(1);
        return Err(Problem::not_for_this_key(&caller.name));
    }
    Ok((caller, scope))
}

/// Whether the scope reaches a route.
fn is_allowed(scope: &Scope, protection: Guard, is_read: bool) -> bool {
    let Rights { read, trade, control } = scope.rights;
    match (protection, is_read) {
        // Who trades must see where its orders are.
        (Guard::Trade, true) => read || trade,
        (Guard::Trade, false) => trade,
        (Guard::Key, true) => read && scope.is_whole(),
        (Guard::Key, false) => control && scope.is_whole(),
        (Guard::Anyone | Guard::Login | Guard::KeyInBody | Guard::Nothing | Guard::Secret | Guard::AwaitedLogin, _) => true,
    }
}

fn by_key(holder: &Holder, from: Option<IpAddr>) -> Result<(Caller, Scope), Problem> {
    if !holder.addresses.let_in(from) {
        metrics::counter!("ordergate_unauthorized_total", "door" => "address").increment(1);
        return Err(Problem::not_from_here(&holder.name, from));
    }
    Ok((Caller { name: holder.name.clone(), from, session: None }, holder.scope.clone()))
}

fn by_cookie(state: &Data<WebState>, request: &HttpRequest, from: Option<IpAddr>) -> Result<(Caller, Scope), Problem> {
    let found = cookie(request.headers()).and_then(|token| state.access.session(token, state.now()));
    let (session, ends_at) = found.ok_or_else(|| stranger(state, request))?;
    let (caller, scope) = of_session(state, &session, from)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) && !is_ours(state, request) {
        metrics::counter!("ordergate_unauthorized_total", "door" => "origin").increment(1);
        return Err(Problem::cross_origin());
    }
    Ok((Caller { session: Some((session.id, ends_at)), ..caller }, scope))
}

/// As whom a session acts: its key as the settings have it now, or the owner.
pub(super) fn of_session(state: &WebState, session: &Session, from: Option<IpAddr>) -> Result<(Caller, Scope), Problem> {
    match &session.grant {
        Grant::Owner { .. } => Ok((Caller { name: OWNER.to_owned(), from, session: None }, Scope::default())),
        Grant::Key { name, hash } => {
            let holder = state
                .keys
                .named(name, hash)
                .ok_or_else(|| Problem::unauthorized("log in again: the key is not in the settings any more"))?;
            by_key(holder, from)
        }
    }
}

/// Whether our own page sent the request.
pub(super) fn is_ours(state: &WebState, request: &HttpRequest) -> bool {
    let text = |name: HeaderName| {
        let mut all = request.headers().get_all(name);
        let only = all.next().filter(|_| all.next().is_none());
        only.and_then(|value| value.to_str().ok())
    };
    let sent = Sent { origin: text(ORIGIN), fetch_site: text(HeaderName::from_static("sec-fetch-site")), host: text(HOST) };
    is_same_origin(sent, state.settings.web_roots())
}

/// Counts who has no valid credentials, and says how to have them.
fn stranger(state: &WebState, request: &HttpRequest) -> Problem {
    metrics::counter!("ordergate_unauthorized_total", "door" => "dashboard").increment(1);
    if let Some(untold) = state.refusals.one_more("dashboard", state.now()) {
        let path = clean(request.path(), 100);
        let from = address_of(request, &state.settings.trusted_proxies).map(|address| address.to_string());
        tracing::warn!(event = "unauthorized", door = "dashboard", untold, path, from, "a request without a valid key or session");
    }
    Problem::unauthorized(
        "send the API key as Authorization: Bearer <key> (`ordergate config check` tells where it is kept), or log in: `ordergate link` prints a link",
    )
}

/// The key of exactly one Authorization header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION);
    let only = all.next().filter(|_| all.next().is_none())?;
    let (scheme, key) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The token of exactly one session cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, token)| token);
    all.next().filter(|_| all.next().is_none())
}
