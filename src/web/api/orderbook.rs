//! `GET /dashboard/orderbook`: our orders beside the broker's.

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::order::{BrokerOrderId, ClientId, OrderRecord};
use ordergate_actors::persistence::NEWEST_KEPT;
use ordergate_actors::ports::{BookRow, Query, Rows};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, accounts, age_ms};
use crate::web::answer::OrderRow;
use crate::web::problem::Problem;
use crate::web::state::WebState;

const STANDARD: u16 = 100;
const MOST: u16 = 1_000;
/// What one read from the disk gives at most.
const MOST_FROM_DISK: u16 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    limit: Option<u16>,
    client_id: Option<String>,
    /// The `next` of the page before; needs `client_id` where there are several accounts.
    before: Option<u64>,
}

/// The newest orders, or a page of older ones.
pub(in crate::web) async fn orderbook(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let limit = asked.limit.unwrap_or(STANDARD);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request("bad_limit", format!("limit is {limit}"), format!("send a limit from 1 to {MOST}")));
    }
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    if asked.before.is_some() && clients.len() > 1 {
        return Err(Problem::which_account(&state.settings.account_names()));
    }
    let mut orders = Vec::new();
    for client_id in &clients {
        orders.extend(page(&state, client_id, asked.before.unwrap_or(u64::MAX), limit).await?);
    }
    orders.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.number.cmp(&a.number)));
    orders.truncate(usize::from(limit));
    let next = match clients.as_slice() {
        [_] => orders.last().map(|order| order.number).filter(|number| *number > 1),
        _ => None,
    };
    let rows: Vec<OrderRow> = orders.iter().map(|order| OrderRow::from(&**order)).collect();
    Ok(HttpResponse::Ok().json(json!({
        "system_orders": rows,
        "broker_orders": broker_orders(&state, &clients, limit),
        "next": next,
        "as_of": state.now(),
    })))
}

/// The orders below a number, newest first: from memory as far as that is gapless, then from the disk.
async fn page(state: &WebState, client_id: &ClientId, before: u64, limit: u16) -> Result<Vec<Arc<OrderRecord>>, Problem> {
    let wanted = usize::from(limit);
    let (mut orders, last) = state
        .engine
        .read(client_id, |book| {
            let horizon = book.last_number().saturating_sub(NEWEST_KEPT);
            let newest = book.newest().filter(|order| order.number < before && order.number > horizon).take(wanted);
            (newest.cloned().collect::<Vec<_>>(), book.last_number())
        })
        .unwrap_or_default();
    let missing = u16::try_from(wanted.saturating_sub(orders.len())).unwrap_or(0).min(MOST_FROM_DISK);
    let below = orders.last().map_or(before, |order| order.number).min(last.saturating_add(1));
    if missing > 0
        && below > 1
        && let Rows::Orders(older) = state.engine.query(Query::OrdersBefore(client_id.clone(), below, missing)).await?
    {
        orders.extend(older.into_iter().map(Arc::new));
    }
    Ok(orders)
}

/// The broker's rows as last proven, those that changed last first.
fn broker_orders(state: &WebState, clients: &[ClientId], limit: u16) -> Vec<Value> {
    let now = state.now();
    let mut all = Vec::new();
    for desk in clients.iter().filter_map(|client| state.engine.desk(client).ok()) {
        let (orders, foreign) = {
            let findings = desk.findings.read();
            (findings.orders.clone(), findings.foreign.clone())
        };
        let Some(orders) = orders else { continue };
        let foreign: HashSet<BrokerOrderId> = foreign.iter().map(|row| row.broker_order_id.clone()).collect();
        all.extend(orders.rows.iter().map(|row| {
            let is_foreign = foreign.contains(&row.broker_order_id);
            (desk.client_id.clone(), orders.at, is_foreign, Arc::clone(row))
        }));
    }
    all.sort_by(|a, b| b.3.at.cmp(&a.3.at).then_with(|| b.3.broker_order_id.cmp(&a.3.broker_order_id)));
    all.truncate(usize::from(limit));
    all.into_iter().map(|(client_id, read_at, is_foreign, row)| broker_order(&client_id, read_at, is_foreign, &row, now)).collect()
}

fn broker_order(client_id: &ClientId, read_at: DateTime<Utc>, is_foreign: bool, row: &BookRow, now: DateTime<Utc>) -> Value {
    let mut value = json!(row);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("client_id".to_owned(), json!(client_id));
        fields.insert("foreign".to_owned(), json!(is_foreign));
        fields.insert("read_at".to_owned(), json!(read_at));
        fields.insert("age_ms".to_owned(), json!(age_ms(now, read_at)));
    }
    value
}
