//! `GET /dashboard/plans`: what takes more than one step (baskets with a policy, reversals, entries with a time): its orders,
//! what it waits for, how old it is, and what can be done about it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query as Parameters};
use chrono::{DateTime, Duration, Utc};
use ordergate_actors::Desk;
use ordergate_actors::order::{ClientId, OrderRecord};
use ordergate_actors::plan::{Standing, standings};
use serde::Deserialize;
use serde_json::{Value, json};

use super::order::next_actions;
use super::{Answer, age_ms};
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// Every plan, account by account.
pub(in crate::web) async fn list(asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let clients = state.accounts(asked.client_id.as_deref())?;
    let now = state.now();
    let mut plans = Vec::new();
    for client_id in &clients {
        let desk = state.engine.desk(client_id)?;
        plans.extend(of_desk(&state, desk, now).iter().map(|plan| shown(client_id, plan, now)));
    }
    Ok(HttpResponse::Ok().json(json!({ "count": plans.len(), "plans": plans, "as_of": now })))
}

/// The plans of one account, oldest first.
pub(super) fn of_desk(state: &WebState, desk: &Desk, now: DateTime<Utc>) -> Vec<Standing> {
    let findings = desk.findings.read().clone();
    let waits = &desk.settings.waits;
    let patience = Duration::from_std(waits.doubt_page).unwrap_or(Duration::MAX);
    let look = |book: &ordergate_actors::persistence::Book| standings(book, &findings, waits.resends(), patience, now);
    state.engine.read(&desk.client_id, look).unwrap_or_default()
}

/// What can be done about a plan: about each of its orders that has not ended.
pub(super) fn actions(plan: &Standing) -> Vec<Value> {
    plan.orders.iter().filter(|order| !order.status.is_terminal()).flat_map(|order| next_actions(order)).collect()
}

fn shown(client_id: &ClientId, plan: &Standing, now: DateTime<Utc>) -> Value {
    json!({
        "client_id": client_id,
        "kind": plan.kind,
        "policy": plan.policy.map(|policy| policy.to_string()),
        "strategy": plan.orders.first().map(|order| &order.ask.strategy),
        "orders": plan.orders.iter().map(|order| member(order)).collect::<Vec<_>>(),
        "next": plan.next,
        "since": plan.since,
        "age_ms": age_ms(now, plan.since),
        "moved_at": plan.moved_at,
        "stuck": plan.stuck,
        "actions": actions(plan),
    })
}

fn member(order: &OrderRecord) -> Value {
    json!({
        "command_id": order.command_id,
        "leg": order.leg,
        "parent_command_id": order.parent_command_id,
        "execution_type": order.ask.intent,
        "exchange": order.ask.exchange,
        "symbol": order.ask.symbol,
        "side": order.ask.side,
        "quantity": order.quantity(),
        "filled_quantity": order.filled_quantity,
        "status": order.status,
        "tag": order.tag,
        "reason": order.reason,
    })
}
