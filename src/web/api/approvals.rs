//! `GET /dashboard/approvals`, `POST /dashboard/approvals/{command_id}`: the baskets that wait for a person's yes.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::Desk;
use ordergate_actors::arming::{Approval, Yes, yes};
use ordergate_actors::order::{BasketId, OrderRecord, Status};
use ordergate_actors::persistence::ControlChange;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, OfAccount, accounts, age_ms, named_order, who};
use crate::web::body::{said, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Reject,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    decision: Decision,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// A basket that waits, with its orders.
pub(super) struct Waiting {
    pub(super) approval: Approval,
    pub(super) orders: Vec<Arc<OrderRecord>>,
}

/// The baskets of a desk that wait for a yes, oldest first.
pub(super) fn waiting(state: &WebState, desk: &Desk) -> Vec<Waiting> {
    let now = state.now();
    let found = state.engine.read(&desk.client_id, |book| {
        let mut baskets: BTreeMap<BasketId, Waiting> = BTreeMap::new();
        for order in book.open_orders().filter(|order| order.status == Status::Created && !order.is_exit()) {
            if let (Yes::Waiting(_), Some(approval)) =
                (yes(book.control(), order.basket_id, now), book.control().approvals.get(&order.basket_id))
            {
                let basket = baskets.entry(order.basket_id).or_insert_with(|| Waiting { approval: approval.clone(), orders: Vec::new() });
                basket.orders.push(Arc::clone(order));
            }
        }
        baskets
    });
    let mut waiting: Vec<Waiting> = found.unwrap_or_default().into_values().collect();
    waiting.sort_by_key(|basket| basket.approval.asked_at);
    waiting
}

/// An order that waits, with what it is about to cost: its units at its limit, or at the newest quote where it has none.
fn shown(state: &WebState, desk: &Desk, order: &OrderRecord) -> Value {
    let quote = order.instrument().and_then(|key| state.engine.line().newest_quote(desk, &key));
    let last = quote.as_ref().map(|quote| quote.last);
    let point = order.instrument().and_then(|key| state.engine.line().point(&desk.client_id, &key));
    let value = order.ask.price.or(last).zip(point).map(|(price, point)| price.times(order.quantity()).rupees(point));
    json!({
        "last_price": last, "last_at": quote.map(|quote| quote.at), "value": value,
        "command_id": order.command_id, "strategy": order.ask.strategy, "execution_type": order.ask.intent,
        "exchange": order.ask.exchange, "symbol": order.ask.symbol, "side": order.ask.side, "quantity": order.quantity(),
        "product": order.ask.product, "order_type": order.ask.order_type, "price": order.ask.price,
        "trigger_price": order.ask.trigger_price, "source": order.source, "user": order.user, "signal_time": order.signal_time,
    })
}

/// A basket that waits in one line: each order with its units, its price and what it comes to, so that a yes is to something.
pub(super) fn words(state: &WebState, desk: &Desk, basket: &Waiting) -> String {
    let orders = basket.orders.iter().map(|order| line(&shown(state, desk, order), order));
    orders.collect::<Vec<String>>().join("; ")
}

fn line(shown: &Value, order: &OrderRecord) -> String {
    let ask = &order.ask;
    let side = ask.side.map(|side| format!("{side} ")).unwrap_or_default();
    let product = ask.product.map(|product| format!(" {product}")).unwrap_or_default();
    let at = ask.price.map_or_else(|| "at market".to_owned(), |price| format!("at {price}"));
    let trigger = ask.trigger_price.map(|trigger| format!(", trigger {trigger}")).unwrap_or_default();
    let text = |name: &str| shown.get(name).and_then(Value::as_str);
    let worth = match (text("value"), text("last_price"), quoted_at(shown)) {
        (None, ..) => "no price is known: what it comes to is not known".to_owned(),
        (Some(value), Some(last), Some(at)) if ask.price.is_none() => format!("about ₹{value}, at the last price of {last}, of {at}"),
        (Some(value), ..) => format!("₹{value}"),
    };
    format!("{side}{} {}{product} {at}{trigger}: {worth}", order.quantity(), ask.symbol)
}

/// The time of the quote, whole: it may be of another day.
fn quoted_at(shown: &Value) -> Option<String> {
    let at: DateTime<Utc> = shown.get("last_at")?.as_str()?.parse().ok()?;
    Some(at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// What waits for a yes.
pub(in crate::web) async fn list(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let now = state.now();
    let mut items = Vec::new();
    for client_id in &clients {
        let desk = state.engine.desk(client_id)?;
        for basket in waiting(&state, desk) {
            let first = basket.orders.first().map(|order| order.command_id);
            items.push(json!({
                "client_id": desk.client_id,
                "command_id": first,
                "basket_id": basket.orders.first().map(|order| order.basket_id),
                "asked_at": basket.approval.asked_at,
                "until": basket.approval.until,
                "left_ms": age_ms(basket.approval.until, now),
                "orders": basket.orders.iter().map(|order| shown(&state, desk, order)).collect::<Vec<_>>(),
            }));
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "count": items.len(), "approvals": items, "as_of": now })))
}

/// A yes or a no to a basket, by any of its orders.
pub(in crate::web) async fn decide(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<DecisionBody>(payload, request.headers(), &state.settings).await?;
    let order = named_order(&state, &request).await?;
    let (client_id, basket) = (&order.client_id, order.basket_id);
    let desk = state.engine.desk(client_id)?;
    let found = waiting(&state, desk).into_iter().find(|waiting| waiting.orders.iter().any(|one| one.basket_id == basket));
    let not_waiting = || Problem::conflict("not_waiting", format!("order {} does not wait for a yes", order.command_id), "read its record");
    let found = found.ok_or_else(not_waiting)?;
    let who = who(&request);
    let words = match body.decision {
        Decision::Approve => {
            state.engine.control(client_id, ControlChange::Approve { basket }, &who, &body.reason).await?;
            let now = state.now();
            let is_given = state.engine.read(client_id, |book| matches!(yes(book.control(), basket, now), Yes::Given(_)));
            if is_given != Some(true) {
                return Err(not_waiting());
            }
            "approved: the basket goes on, and is judged again"
        }
        Decision::Reject => {
            let reason = format!("rejected: {}", body.reason);
            let cancels = found.orders.iter().map(|order| state.engine.cancel(client_id, order.command_id, &who, &reason));
            // The yes of another person may have come first.
            let mut was_sent = false;
            for outcome in futures_util::future::join_all(cancels).await {
                was_sent |= outcome?.record().is_some_and(|order| order.sent_at.is_some());
            }
            if was_sent {
                "rejected too late for all of it: a yes came first, and some was sent. What is open of it is being cancelled; see its orders"
            } else {
                "rejected: nothing of the basket is sent"
            }
        }
    };
    tracing::warn!(event = "approval", %client_id, command_id = %order.command_id, who, reason = body.reason, "{words}");
    Ok(HttpResponse::Ok().json(json!({
        "done": words, "client_id": client_id, "basket_id": basket, "who": who,
        "orders": found.orders.iter().map(|order| order.command_id).collect::<Vec<_>>(),
    })))
}
