//! `GET /dashboard/orders/{command_id}`: one order whole: its record, its trades, and every step with every gate, however many.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, CommandId, Fill, OrderRecord, Points, Status, Tag};
use ordergate_actors::ports::{JournalRow, Query, Rows};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::pnl::money;
use super::{Answer, named_order};
use crate::web::answer::{OrderRow, status_url};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// The order, its fills and its journal.
pub(in crate::web) async fn detail(request: HttpRequest, state: Data<WebState>) -> Answer {
    let order = named_order(&state, &request).await?;
    let key = (order.client_id.clone(), order.command_id);
    let fills = fills(&state, &key.0, key.1).await?;
    let rows = whole_journal(&state, &key.0, key.1).await?;
    let journal: Vec<Value> = rows.iter().map(step).collect();
    let gates: Vec<Value> = journal.iter().filter_map(|row| row.get("gates")).filter_map(Value::as_array).flatten().cloned().collect();
    let row = OrderRow::for_sender(&state, &order, false);
    let naming = journal.iter().find_map(|row| row.get("inputs")?.get("naming")).cloned();
    Ok(HttpResponse::Ok().json(json!({
        "words": row.words,
        "remedy": row.remedy,
        "order": row,
        "naming": naming,
        "filled_value": filled_value(&state, &order),
        "fills": fills,
        "gates": gates,
        "journal": journal,
        "next_actions": next_actions(&order),
        "as_of": state.now(),
    })))
}

/// What was filled comes to, in rupees; `None`: nothing was, or nobody knows what a point of it is worth.
fn filled_value(state: &WebState, order: &OrderRecord) -> Option<String> {
    let average = order.average_price.filter(|_| order.filled_quantity > 0)?;
    let point = state.engine.line().point(&order.client_id, &order.instrument()?)?;
    Some(money(Points(average.saturating_mul(Decimal::from(order.filled_quantity))).rupees(point)))
}

/// All of an order's trades, oldest first.
pub(in crate::web) async fn fills(state: &WebState, client_id: &ClientId, command_id: CommandId) -> Result<Vec<Fill>, Problem> {
    match state.engine.query(Query::Fills(client_id.clone(), command_id)).await? {
        Rows::Fills(fills) => Ok(fills),
        Rows::Orders(_) | Rows::Journal(_) | Rows::Changes(_) => Ok(Vec::new()),
    }
}

/// All of an order's journal, oldest first: page after page, so that the writer goes on between two of them. A stop that trails a
/// whole day at the broker has some hundred rows.
async fn whole_journal(state: &WebState, client_id: &ClientId, command_id: CommandId) -> Result<Vec<JournalRow>, Problem> {
    let mut all: Vec<JournalRow> = Vec::new();
    loop {
        let after = all.last().map_or(0, |row| row.seq);
        match state.engine.query(Query::OrderJournal(client_id.clone(), command_id, after)).await? {
            Rows::Journal(page) if !page.is_empty() => all.extend(page),
            _ => return Ok(all),
        }
    }
}

/// A journal row; its gates carry the time of the row.
fn step(row: &JournalRow) -> Value {
    let mut inputs: Value = serde_json::from_str(&row.inputs).unwrap_or(Value::Null);
    let mut gates = inputs.as_object_mut().and_then(|fields| fields.remove("gates")).unwrap_or_else(|| json!([]));
    for gate in gates.as_array_mut().into_iter().flatten() {
        if let Some(fields) = gate.as_object_mut() {
            let verdict = if fields.get("passed") == Some(&json!(true)) { "PASSED" } else { "REFUSED" };
            fields.insert("verdict".to_owned(), json!(verdict));
            fields.insert("at".to_owned(), json!(row.at));
        }
    }
    json!({
        "seq": row.seq,
        "at": row.at,
        "event": row.event,
        "from": row.from,
        "to": row.to,
        "tag": row.tag,
        "reason": row.reason,
        "who": row.who,
        "gates": gates,
        "inputs": inputs,
    })
}

/// What a person may do with the order now.
pub(super) fn next_actions(order: &OrderRecord) -> Vec<Value> {
    let act = |label: &str, verb: &str, body: Value| json!({ "label": label, "method": "POST", "path": format!("{}/{verb}", status_url(order.command_id)), "body": body });
    let mut actions = Vec::new();
    if order.is_in_doubt() {
        actions.push(act("it is at the broker", "resolve", json!({ "broker_order_id": "<number>", "reason": "<how you know>" })));
        actions.push(act("it is not at the broker", "resolve", json!({ "absent": true, "reason": "<how you know>" })));
    }
    // One that makes room for another can still be kept from that.
    if !order.status.is_terminal() && order.cancel_wanted.is_none_or(|tag| tag == Tag::Replaced) {
        actions.push(act("cancel", "cancel", json!({ "reason": "<why>" })));
    }
    if order.status.is_at_broker() && order.broker_order_id.is_some() && order.cancel_wanted.is_none() {
        // Without figures: an exit that the ladder moves has another price by the time that somebody sends it.
        actions.push(act("change", "modify", json!({ "quantity": "<units>", "price": "<rupees>" })));
    }
    let is_over = order.tag == Some(Tag::CancelledByUser) && order.unfilled() == 0;
    if order.status == Status::Failed && !is_over {
        actions.push(act("send again", "resubmit", json!({ "changes": {} })));
    }
    actions
}
