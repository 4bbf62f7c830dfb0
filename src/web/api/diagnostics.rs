//! `GET /dashboard/diagnostics/…`: the seeds' two reports, over the orders in memory (all open ones, the newest 10,000).

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, OrderRecord, Status};
use serde_json::{Value, json};

use super::{Answer, OfAccount, accounts, age_ms};
use crate::web::answer::OrderRow;
use crate::web::state::WebState;

const DETAILS: usize = 50;
const RECENT: usize = 20;
/// A CREATED order older than this is looked into.
const CREATED_LONG_MS: i64 = 30_000;
/// A SENT_TO_BROKER order that did not change for this long is looked into.
const SENT_LONG_MS: i64 = 60_000;

fn known(state: &WebState, clients: &[ClientId]) -> (u64, Vec<Arc<OrderRecord>>) {
    let (mut total, mut orders) = (0, Vec::new());
    for client_id in clients {
        state.engine.read(client_id, |book| {
            total += book.last_number();
            orders.extend(book.newest().cloned());
        });
    }
    orders.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.number.cmp(&a.number)));
    (total, orders)
}

fn count<'a>(orders: &'a [Arc<OrderRecord>], name: impl Fn(&'a OrderRecord) -> &'static str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for order in orders {
        *counts.entry(name(order)).or_default() += 1;
    }
    counts
}

fn list(orders: &[Arc<OrderRecord>], fits: impl Fn(Status) -> bool) -> Value {
    let fitting: Vec<&Arc<OrderRecord>> = orders.iter().filter(|order| fits(order.status)).collect();
    let details: Vec<OrderRow> = fitting.iter().take(DETAILS).map(|order| OrderRow::from(&***order)).collect();
    json!({ "count": fitting.len(), "details": details })
}

/// Orders by status and source, with the newest of each kind.
pub(in crate::web) async fn orders(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let (total, orders) = known(&state, &accounts(&state, &request, asked.client_id.as_deref())?);
    Ok(HttpResponse::Ok().json(json!({
        "summary": {
            "total_orders": total,
            "looked_at": orders.len(),
            "status_breakdown": count(&orders, |order| order.status.as_str()),
            "source_breakdown": count(&orders, |order| order.source.as_str()),
        },
        "failed_orders": list(&orders, |status| status == Status::Failed),
        "pending_orders": list(&orders, |status| !status.is_terminal()),
        "executed_orders": list(&orders, |status| status == Status::Executed),
        "as_of": state.now(),
    })))
}

fn issues(order: &OrderRecord, unchanged_ms: i64) -> Vec<&'static str> {
    let is_nameless = order.broker_order_id.is_none();
    let checks = [
        (order.ask.intent.is_none(), "missing_execution_type"),
        (order.status.is_at_broker() && is_nameless && !order.is_test(), "sent_to_broker_but_no_broker_id"),
        (order.status == Status::Executed && is_nameless && !order.is_test(), "executed_but_no_broker_id"),
        (order.status == Status::Created && unchanged_ms > CREATED_LONG_MS, "created_for_long"),
        (order.status == Status::SentToBroker && is_nameless && unchanged_ms > SENT_LONG_MS, "sent_for_long"),
        (order.is_in_doubt(), "in_doubt"),
    ];
    checks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, issue)| issue).collect()
}

/// Whether every intent went where it should.
pub(in crate::web) async fn intent_verification(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let (total, orders) = known(&state, &accounts(&state, &request, asked.client_id.as_deref())?);
    let now = state.now();
    let incomplete: Vec<Value> = orders
        .iter()
        .map(|order| (order, issues(order, age_ms(now, order.updated_at))))
        .filter(|(_, issues)| !issues.is_empty())
        .map(|(order, issues)| json!({ "command_id": order.command_id, "client_id": order.client_id, "symbol": order.ask.symbol, "status": order.status, "issues": issues }))
        .collect();
    let nameless = orders
        .iter()
        .filter(|order| order.sent_at.is_some() && order.broker_order_id.is_none() && !order.is_test() && order.status != Status::Failed);
    let recent: Vec<OrderRow> = orders.iter().take(RECENT).map(|order| OrderRow::from(&**order)).collect();
    Ok(HttpResponse::Ok().json(json!({
        "intent_pipeline": {
            "total_intents": total,
            "looked_at": orders.len(),
            "sent_to_broker": orders.iter().filter(|order| order.sent_at.is_some()).count(),
            "by_execution_type": count(&orders, |order| order.ask.intent.map_or("MISSING", |intent| intent.as_str())),
        },
        "data_quality": { "missing_broker_id_count": nameless.count(), "incomplete_orders": incomplete },
        "recent_activity": recent,
        "as_of": now,
    })))
}
