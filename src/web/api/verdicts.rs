//! `POST /dashboard/orders/{command_id}/…`: what a person does with one order.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{BadNumber, BrokerOrderId, LegDraft, OrderRecord, Price, Quantity, Resolution, Source, Status, again_key};
use ordergate_actors::persistence::Outcome;
use ordergate_actors::risk::{Change, ChangeAnswer};
use serde::Deserialize;
use serde_json::json;

use super::intents::Asking;
use super::{Answer, OrderBody, named_order, user, who};
use crate::web::answer::OrderRow;
use crate::web::auth::body_hash;
use crate::web::body::{said, text, typed};
use crate::web::door::scope;
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ModifyBody {
    #[serde(alias = "qty", deserialize_with = "text")]
    quantity: Option<String>,
    #[serde(deserialize_with = "text")]
    price: Option<String>,
    #[serde(deserialize_with = "text")]
    trigger_price: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveBody {
    broker_order_id: Option<BrokerOrderId>,
    #[serde(default)]
    absent: bool,
    /// It has filled on an earlier day, and no trade book told how.
    #[serde(default)]
    traded: bool,
    #[serde(default, deserialize_with = "text")]
    price: Option<String>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ResubmitBody {
    /// What is different this time.
    changes: OrderBody,
}

fn done(words: &str, order: Option<&Arc<OrderRecord>>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "done": words, "order": order.map(|order| OrderRow::from(&**order)) }))
}

fn outcome(outcome: &Outcome, words: &str, code: &'static str, remedy: &'static str, before: &OrderRecord) -> Answer {
    if outcome.is_applied() {
        return Ok(done(words, outcome.record()));
    }
    let record = outcome.record().map_or(before, |record| record);
    let cancelling = if record.cancel_wanted.is_some() { " and being cancelled" } else { "" };
    Err(Problem::conflict(code, format!("the order is {}{cancelling}", record.status), remedy).with("order", json!(OrderRow::from(record))))
}

/// Cancels, at the broker if it is there.
pub(in crate::web) async fn cancel(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<CancelBody>(payload, request.headers(), &state.settings).await?;
    let order = named_order(&state, &request).await?;
    let reason = ordergate_actors::order::clean(body.reason.trim(), 300);
    let result = state.engine.cancel(&order.client_id, order.command_id, &who(&request), &reason).await?;
    outcome(
        &result,
        "the cancel is written down and asked for; the broker's book tells when the order is dead",
        "not_cancellable",
        "nothing: see the order's status",
        &order,
    )
}

fn bad_number(error: BadNumber) -> Problem {
    Problem::bad_request("bad_request", error.to_string(), "correct the field named in the detail")
}

/// Changes a working order.
pub(in crate::web) async fn modify(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<ModifyBody>(payload, request.headers(), &state.settings).await?;
    let order = named_order(&state, &request).await?;
    let price = |text: &Option<String>| text.as_deref().map(Price::parse).transpose();
    let change = Change {
        client_id: order.client_id.clone(),
        command_id: order.command_id,
        quantity: body.quantity.as_deref().map(Quantity::parse).transpose().map_err(bad_number)?,
        price: price(&body.price).map_err(bad_number)?,
        trigger_price: price(&body.trigger_price).map_err(bad_number)?,
        order_type: None,
        who: who(&request),
    };
    if change.quantity.is_none() && change.price.is_none() && change.trigger_price.is_none() {
        return Err(Problem::bad_request("nothing_to_change", "neither quantity nor price nor trigger_price", "send what shall change"));
    }
    match state.engine.modify(change).await? {
        ChangeAnswer::Asked => Ok(HttpResponse::Accepted().json(json!({
            "done": "the change is on its way to the broker; the order's record tells what became of it",
            "order": OrderRow::from(&*order),
        }))),
        ChangeAnswer::Refused(reason) => {
            Err(Problem::conflict("change_refused", reason, "correct what the detail names; or cancel it and send a new order"))
        }
    }
}

/// Settles an order in doubt, or the trades of an earlier day that were never told, by a person who looked at the broker.
pub(in crate::web) async fn resolve(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<ResolveBody>(payload, request.headers(), &state.settings).await?;
    let order = named_order(&state, &request).await?;
    if body.traded && body.broker_order_id.is_none() && !body.absent {
        return tell_trades(&state, &order, &body, &who(&request)).await;
    }
    let (verdict, words) = match (body.broker_order_id, body.absent) {
        _ if body.traded || body.price.is_some() => return Err(which_verdict()),
        (Some(id), false) => (Resolution::AtBroker(id), "the order is followed under that number"),
        (None, true) => (Resolution::Absent, "the order is ended as never arrived at the broker"),
        _ => return Err(which_verdict()),
    };
    let result = state.engine.resolve(&order.client_id, order.command_id, verdict, &who(&request), &body.reason).await?;
    outcome(&result, words, "not_in_doubt", "nothing: only an order in doubt can be resolved", &order)
}

fn which_verdict() -> Problem {
    Problem::bad_request(
        "which_verdict",
        "exactly one of broker_order_id, absent: true and traded: true; price with the last alone",
        "look the order up at the broker, then send one of them",
    )
}

/// The missing trades, at the price that the person tells or that the broker's average leaves for them.
async fn tell_trades(state: &WebState, order: &OrderRecord, body: &ResolveBody, who: &str) -> Answer {
    let price = body.price.as_deref().map(Price::parse).transpose().map_err(bad_number)?;
    let is_missing = order.filled_quantity > order.traded_quantity;
    let result = match order.untold(price) {
        Some(fill) => state.engine.tell_trades(&order.client_id, order.command_id, fill, who, &body.reason).await?,
        None if is_missing => {
            return Err(Problem::bad_request(
                "bad_request",
                "the broker's book told no average price",
                "send price: rupees per missing unit",
            ));
        }
        None => Outcome::NotApplied(None),
    };
    outcome(&result, "the trades are recorded as told", "not_in_doubt", "nothing: no trade of an earlier day is missing", order)
}

/// Sends a failed order again, as a new one that is linked to it. Once: what fails again is resubmitted itself.
pub(in crate::web) async fn resubmit(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, sent) = typed::<ResubmitBody>(payload, request.headers(), &state.settings).await?;
    let order = named_order(&state, &request).await?;
    if order.status != Status::Failed {
        let detail = format!("the order is {}; only a FAILED one can be sent again", order.status);
        return Err(Problem::conflict("not_failed", detail, "nothing").with("order", json!(OrderRow::from(&*order))));
    }
    let key = again_key(order.command_id)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string(), "report this"))?;
    let asking = Asking {
        client_id: order.client_id.clone(),
        source: Source::Dashboard,
        user: user(&request),
        key: Some(key),
        body_hash: body_hash(&sent.canonical()),
        scope: scope(&request),
    };
    let leg = LegDraft { parent: Some(order.command_id), ..body.changes.over(LegDraft::again(&order)) };
    let taken = asking.send(&state, vec![leg]).await?;
    let mut answer = taken.body(&state, false);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("parent_command_id".to_owned(), json!(order.command_id));
    }
    Ok(HttpResponse::Accepted().json(answer))
}
