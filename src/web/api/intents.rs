//! `POST /dashboard/intent/…`: a person's order, a person's basket, a strategy's act by name.

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, IdempotencyKey, LegDraft, MAX_LEGS, SignalDraft, SignalId, Source, Strategy, clean};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, OrderBody, account, exits, user};
use crate::web::auth::body_hash;
use crate::web::body::{fields, json, typed};
use crate::web::door::scope;
use crate::web::problem::Problem;
use crate::web::settings::Scope;
use crate::web::state::WebState;
use crate::web::submission::{Taken, submit};
use crate::web::webhook::key;

/// Who asks, for which account, under which key.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub client_id: ClientId,
    pub source: Source,
    pub user: String,
    pub key: Option<IdempotencyKey>,
    pub body_hash: [u8; 32],
    /// For whom the key may act.
    pub scope: Scope,
}

impl Asking {
    /// Sends the orders down the line as one signal, if the key may trade for the strategy of every one of them.
    pub(super) async fn send(self, state: &WebState, legs: Vec<LegDraft>) -> Result<Taken, Problem> {
        if let Some(leg) = legs.iter().find(|leg| !self.scope.trades(&self.client_id, leg.strategy.as_deref())) {
            let strategy = clean(leg.strategy.as_deref().unwrap_or("default"), 64);
            return Err(Problem::not_for_this_key(&self.user).with("strategy", json!(strategy)));
        }
        if legs.len() > MAX_LEGS {
            let detail = format!("{} orders; one signal may have at most {MAX_LEGS}", legs.len());
            return Err(Problem::bad_request("too_many_legs", detail, "send several baskets"));
        }
        let draft = SignalDraft {
            client_id: self.client_id,
            signal_id: SignalId(state.engine.line().ids.next()),
            source: self.source,
            user: self.user,
            idempotency_key: self.key,
            body_hash: self.body_hash,
            // A person who sends the same order twice means it; the guard judges the second one. A key makes it a replay.
            replay_window_ms: 0,
            received_at: state.now(),
            signal_time: None,
            legs,
        };
        submit(state, draft).await
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Basket {
    client_id: Option<String>,
    idempotency_key: Option<String>,
    policy: Option<String>,
    orders: Vec<OrderBody>,
}

/// For which account, and under which key; beside the order's own fields.
#[derive(Debug, Deserialize)]
struct Addressed {
    client_id: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Action {
    Entry,
    Exit,
    Adjust,
    ForceExit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByStrategy {
    #[serde(alias = "strategy_name")]
    strategy: Strategy,
    action: Action,
    client_id: Option<String>,
    idempotency_key: Option<String>,
    #[serde(default)]
    orders: Vec<OrderBody>,
}

fn asking(
    state: &WebState,
    request: &HttpRequest,
    source: Source,
    client_id: Option<&str>,
    in_body: Option<&str>,
    canonical: &str,
) -> Result<Asking, Problem> {
    let headers: &HeaderMap = request.headers();
    let client_id = account(state, request, client_id)?;
    // Before anything is looked up: what is held there is not told to a key of another account.
    scope(request).must_reach(&client_id, None, &user(request))?;
    Ok(Asking {
        client_id,
        source,
        user: user(request),
        key: key(headers, in_body)?,
        body_hash: body_hash(canonical),
        scope: scope(request),
    })
}

fn taken(state: &WebState, taken: &Taken) -> HttpResponse {
    HttpResponse::Accepted().json(taken.body(state, false))
}

/// One order; its fields stand beside `client_id` and `idempotency_key`.
pub(in crate::web) async fn generic(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let sent = json(payload, request.headers(), &state.settings).await?;
    let canonical = sent.canonical();
    let to: Addressed = fields(sent.clone())?;
    let order: OrderBody = fields(sent.without("client_id").without("idempotency_key"))?;
    let asking = asking(&state, &request, Source::Dashboard, to.client_id.as_deref(), to.idempotency_key.as_deref(), &canonical)?;
    Ok(taken(&state, &asking.send(&state, vec![order.into_leg()]).await?))
}

/// Several orders, judged together: `{"orders": […]}`.
pub(in crate::web) async fn basket(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, json) = typed::<Basket>(payload, request.headers(), &state.settings).await?;
    if body.orders.is_empty() {
        return Err(Problem::bad_request("no_orders", "orders is empty", "send at least one order"));
    }
    let asking =
        asking(&state, &request, Source::Dashboard, body.client_id.as_deref(), body.idempotency_key.as_deref(), &json.canonical())?;
    let policy = body.policy;
    let legs = body.orders.into_iter().map(|order| LegDraft { policy: policy.clone(), ..order.into_leg() });
    Ok(taken(&state, &asking.send(&state, legs.collect()).await?))
}

/// A strategy's act by name. EXIT without orders, and FORCE_EXIT, close everything that it holds, at the market.
pub(in crate::web) async fn strategy(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, json) = typed::<ByStrategy>(payload, request.headers(), &state.settings).await?;
    let asking = asking(&state, &request, Source::Strategy, body.client_id.as_deref(), body.idempotency_key.as_deref(), &json.canonical())?;
    match (body.action, body.orders.is_empty()) {
        (Action::ForceExit, false) => Err(Problem::bad_request(
            "orders_not_wanted",
            "FORCE_EXIT closes everything and takes no orders",
            "leave orders out, or send EXIT",
        )),
        (Action::ForceExit | Action::Exit, true) => {
            asking.scope.must_reach(&asking.client_id, Some(&body.strategy), &asking.user)?;
            let filter = exits::Filter { strategy: Some(body.strategy), ..exits::Filter::default() };
            exits::send(&state, &filter, vec![asking]).await
        }
        (Action::Entry | Action::Adjust, true) => {
            Err(Problem::bad_request("no_orders", "orders is empty", "send at least one order, or EXIT without orders"))
        }
        (action, false) => {
            let legs = body.orders.into_iter().map(|order| leg(order, action, &body.strategy)).collect::<Result<Vec<_>, _>>()?;
            Ok(taken(&state, &asking.send(&state, legs).await?))
        }
    }
}

/// The order under the strategy's name and act; what it says itself must not contradict them.
fn leg(order: OrderBody, action: Action, strategy: &Strategy) -> Result<LegDraft, Problem> {
    let word = match action {
        Action::Entry => "ENTRY",
        Action::Adjust => "ADJUST",
        Action::Exit | Action::ForceExit => "EXIT",
    };
    let mut leg = order.into_leg();
    let contradicts = leg.execution_type.as_deref().is_some_and(|text| !text.trim().eq_ignore_ascii_case(word))
        || leg.strategy.as_deref().is_some_and(|text| text.trim() != strategy.as_str());
    if contradicts {
        let detail = format!("an order names another strategy or execution type than {strategy} {word}");
        return Err(Problem::bad_request("contradiction", detail, "leave strategy and execution_type out of the orders"));
    }
    leg.execution_type = Some(word.to_owned());
    leg.strategy = Some(strategy.to_string());
    Ok(leg)
}
