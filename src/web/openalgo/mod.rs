//! `POST /api/v1/…`: OpenAlgo's calls in OpenAlgo's shapes, so that its clients go on by changing the host. `docs/openalgo.md` lists
//! what differs.
//!
//! The orders go down the ordinary line. `orderid` is our command id: it is there as soon as the order is on disk, and every
//! later call knows it. Once a row exists the answer is 200 and says what the row says, also that it was refused.

mod acts;
mod orders;
mod reads;
mod words;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use ordergate_actors::order::{ClientId, CommandId, OrderRecord, clean};
use serde::Serialize;
use std::sync::Arc;

use super::body::{check_content_type, check_headers, parse, read};
use super::door::{Caller, address_of, private};
use super::json::{Field, Json};
use super::problem::Problem;
use super::routes::{Guard, ROUTES};
use super::settings::{Rights, Scope};
use super::state::WebState;
use super::visitors;

/// The calls, as the last part of the address names them.
pub(super) const CALLS: [&str; 18] = [
    "placeorder",
    "placesmartorder",
    "modifyorder",
    "cancelorder",
    "cancelallorder",
    "closeposition",
    "basketorder",
    "splitorder",
    "orderstatus",
    "openposition",
    "orderbook",
    "tradebook",
    "positionbook",
    "holdings",
    "funds",
    "quotes",
    "search",
    "ping",
];

/// The first of [`CALLS`] that only read.
const FIRST_READ: &str = "orderstatus";

/// Sets the routes up that the list has; clients write them with a slash at the end, too.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    for route in ROUTES.iter().filter(|route| route.guard == Guard::KeyInBody) {
        let paths = vec![route.path.to_owned(), format!("{}/", route.path)];
        let wrong = || async { refused(StatusCode::METHOD_NOT_ALLOWED, "only POST is possible here") };
        cfg.service(web::resource(paths).route(web::post().to(answer)).default_service(web::to(wrong)));
    }
}

/// One call: who asks, for which account, and what was sent without the key.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub client_id: ClientId,
    pub caller: Caller,
    pub scope: Scope,
    pub body: Json,
}

async fn answer(request: HttpRequest, payload: Payload, state: Data<WebState>) -> HttpResponse {
    let mut response = match answered(&request, payload, &state).await {
        Ok(body) => HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body),
        Err(problem) => refused(problem.status_code(), problem.detail()),
    };
    private(response.headers_mut());
    response
}

async fn answered(request: &HttpRequest, payload: Payload, state: &Data<WebState>) -> Result<String, Problem> {
    metrics::counter!("ordergate_openalgo_calls_total").increment(1);
    check_headers(request.headers(), state.settings.header_limit)?;
    let body = read(payload, &state.settings).await?;
    check_content_type(request.headers())?;
    // A body without anything proves nobody.
    let body = if body.iter().all(u8::is_ascii_whitespace) { Json::Object(Default::default()) } else { parse(&body, &state.settings)? };
    let call = CALLS.into_iter().find(|call| request.match_info().as_str().trim_end_matches('/').ends_with(&format!("/{call}")));
    let call = call.ok_or_else(|| Problem::not_found("no_such_route", "there is no such call", "see docs/openalgo.md"))?;
    let asked = admit(request, state, body, call)?;
    visitors::known(request);
    // A key is stored too, wherever it came from.
    let mut keys = request.headers().get_all("idempotency-key").filter_map(|value| value.to_str().ok());
    let in_a_header = keys.any(|key| state.settings.holds_a_secret(&serde_json::json!(key).to_string()));
    if in_a_header || state.settings.holds_a_secret(&asked.body.canonical()) {
        return Err(Problem::bad_request(
            "secret_in_the_open",
            "a secret stands outside of apikey; it would be stored",
            "send it as apikey only",
        ));
    }
    match call {
        "placeorder" | "placesmartorder" => orders::place(state, request, asked).await,
        "basketorder" => orders::basket(state, request, asked).await,
        "splitorder" => orders::split(state, request, asked).await,
        "modifyorder" => acts::modify(state, &asked).await,
        "cancelorder" => acts::cancel(state, &asked).await,
        "cancelallorder" => acts::cancel_all(state, &asked).await,
        "closeposition" => orders::close(state, request, asked).await,
        "orderstatus" => reads::status(state, &asked).await,
        "openposition" => reads::open_position(state, &asked),
        "orderbook" => reads::order_book(state, &asked).await,
        "tradebook" => reads::trade_book(state, &asked).await,
        "positionbook" => reads::position_book(state, &asked),
        "holdings" => reads::holdings(state, &asked),
        "funds" => reads::funds(state, &asked),
        "quotes" => reads::quotes(state, &asked),
        "search" => reads::search(state, &asked),
        _ => {
            text(&words::Said { data: words::Pong { broker: words::broker(state, &asked.client_id), message: "pong" }, status: "success" })
        }
    }
}

/// Whose key the body carries, and whether it may do that.
fn admit(request: &HttpRequest, state: &WebState, body: Json, call: &str) -> Result<Asked, Problem> {
    let forbidden = |detail: &str| Problem::new(StatusCode::FORBIDDEN, "not_for_this_key", detail, "see docs/openalgo.md");
    let key = match body.field("apikey") {
        Field::Text(key) => key,
        Field::Absent | Field::Wrong(_) => String::new(),
    };
    let Some(holder) = state.keys.holder(&key) else {
        metrics::counter!("ordergate_unauthorized_total", "door" => "openalgo").increment(1);
        if let Some(untold) = state.refusals.one_more("openalgo", state.now()) {
            tracing::warn!(event = "unauthorized", door = "openalgo", untold, call, "a call without a valid key");
        }
        return Err(forbidden("Invalid openalgo apikey"));
    };
    let from = address_of(request, &state.settings.trusted_proxies);
    if !holder.addresses.let_in(from) {
        return Err(Problem::not_from_here(&holder.name, from));
    }
    let Rights { read, trade, control } = holder.scope.rights;
    // A body is written into scripts and sheets, and copied: what lies there must not be able to do everything.
    if control && !from.is_some_and(|address| address.is_loopback()) {
        return Err(forbidden("a key that may control is taken in a body from this machine only: make one with scopes = [\"trade\"]"));
    }
    let is_read = CALLS.iter().skip_while(|name| **name != FIRST_READ).any(|name| *name == call);
    if !(trade || (is_read && read)) {
        return Err(forbidden("the key may not do that: it needs the scope trade"));
    }
    let named = match body.field("client_id") {
        Field::Text(name) => Some(name),
        Field::Absent | Field::Wrong(_) => None,
    };
    let client_id = account(state, &holder.scope, named.as_deref())?;
    let body = body.without("apikey").without("client_id");
    let caller = Caller { name: holder.name.clone(), from, session: None };
    Ok(Asked { client_id, caller, scope: holder.scope.clone(), body })
}

/// The account that is named, or the only one that the key is for.
fn account(state: &WebState, scope: &Scope, named: Option<&str>) -> Result<ClientId, Problem> {
    state.account_among(named, |client_id| scope.sees(client_id))
}

impl Asked {
    /// A field as text; blank is absent.
    fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        text_of(&self.body, name)
    }

    /// A field that must be there.
    fn needed(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// The strategy that owns what is traded; without a name the strategy `default`.
    fn strategy(&self) -> Result<String, Problem> {
        Ok(self.text("strategy")?.map_or_else(|| "default".to_owned(), |name| name.trim().to_owned()))
    }

    /// Refuses a strategy that the key may not trade for.
    fn check(&self, strategy: &str) -> Result<(), Problem> {
        if self.scope.trades(&self.client_id, Some(strategy)) { Ok(()) } else { Err(Problem::not_for_this_key(&self.caller.name)) }
    }

    /// The order that `orderid` names.
    async fn order(&self, state: &WebState) -> Result<Arc<OrderRecord>, Problem> {
        let id = self.needed("orderid")?;
        let unknown =
            || Problem::not_found("no_such_order", format!("there is no order {}", clean(&id, 60)), "send the orderid of an answer");
        let command_id: CommandId = id.trim().parse().map_err(|_| unknown())?;
        state.engine.order(&self.client_id, command_id).await?.ok_or_else(unknown)
    }
}

fn text_of(body: &Json, name: &str) -> Result<Option<String>, Problem> {
    match body.field(name) {
        Field::Absent => Ok(None),
        Field::Text(text) => Ok(Some(text)),
        Field::Wrong(what) => Err(Problem::bad_request("bad_request", format!("{name} is {what}"), "send a text or a number")),
    }
}

fn missing(name: &str) -> Problem {
    Problem::bad_request("bad_request", format!("{name} is missing"), "see docs/openalgo.md")
}

fn refused(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(serde_json::json!({ "status": "error", "message": message }))
}

fn text<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|_| Problem::unavailable("unreadable", "the answer could not be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_those_of_the_list_of_routes() {
        let listed: Vec<&str> = ROUTES.iter().filter_map(|route| route.path.strip_prefix("/api/v1/")).collect();
        assert_eq!(listed, CALLS);
        assert!(ROUTES.iter().all(|route| route.path.starts_with("/api/v1/") == (route.guard == Guard::KeyInBody)));
    }
}
