//! `GET /dashboard/orderbook`: our orders beside the broker's.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::order::{BrokerOrderId, ClientId, OrderRecord};
use ordergate_actors::persistence::NEWEST_KEPT;
use ordergate_actors::ports::{BookRow, Query, Rows};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
    /// Only orders that have not ended.
    #[serde(default)]
    open: bool,
}

/// The newest orders, or a page of older ones.
pub(in crate::web) async fn orderbook(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let limit = asked.limit.unwrap_or(STANDARD);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request("bad_limit", format!("limit is {limit}"), format!("send a limit from 1 to {MOST}")));
    }
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    if asked.before.is_some() && clients.len() > 1 {
        return Err(Problem::which_account(&clients));
    }
    let (before, mut orders, mut total) = (asked.before.unwrap_or(u64::MAX), Vec::new(), 0);
    for client_id in &clients {
        total += state.engine.read(client_id, |book| if asked.open { counted(book.open_count()) } else { book.last_number() }).unwrap_or(0);
        let page = if asked.open { open(&state, client_id, before) } else { page(&state, client_id, before, limit).await? };
        orders.extend(page);
    }
    orders.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.number.cmp(&a.number)));
    let is_cut = orders.len() > usize::from(limit);
    orders.truncate(usize::from(limit));
    let next = match clients.as_slice() {
        // Every open order is at hand; of all of them the first one has the number 1.
        [_] => orders.last().map(|order| order.number).filter(|number| if asked.open { is_cut } else { *number > 1 }),
        _ => None,
    };
    let rows: Vec<OrderRow> = orders.iter().map(|order| OrderRow::from(&**order)).collect();
    let (broker, broker_total) = broker_orders(&state, &clients, limit);
    let etag = etag(&json!({
        "system": rows, "broker": broker.iter().map(|found| (&found.client_id, found.is_foreign, &found.row)).collect::<Vec<_>>(),
        "next": next, "totals": [total, broker_total],
    }));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let now = state.now();
    Ok(HttpResponse::Ok().insert_header((ETAG, etag)).json(json!({
        "system_orders": rows,
        "broker_orders": broker.iter().map(|found| broker_order(found, now)).collect::<Vec<_>>(),
        "next": next,
        "system_total": total,
        "broker_total": broker_total,
        "as_of": now,
    })))
}

/// The same for as long as no order has changed, here or at the broker; when the books were read does not count.
fn etag(shown: &Value) -> String {
    let digest: String = Sha256::digest(shown.to_string().as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digest}\"")
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

/// The orders below a number that have not ended, newest first: all of them are in memory.
fn open(state: &WebState, client_id: &ClientId, before: u64) -> Vec<Arc<OrderRecord>> {
    let mut orders: Vec<Arc<OrderRecord>> = state
        .engine
        .read(client_id, |book| book.open_orders().filter(|order| order.number < before).cloned().collect())
        .unwrap_or_default();
    orders.sort_unstable_by_key(|order| std::cmp::Reverse(order.number));
    orders
}

fn counted(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A row of the broker's book.
struct AtBroker {
    client_id: ClientId,
    read_at: DateTime<Utc>,
    is_foreign: bool,
    row: Arc<BookRow>,
}

/// The broker's rows as last proven, those that changed last first, and how many there are, shown or not.
fn broker_orders(state: &WebState, clients: &[ClientId], limit: u16) -> (Vec<AtBroker>, u64) {
    let mut books = Vec::new();
    for desk in clients.iter().filter_map(|client| state.engine.desk(client).ok()) {
        let findings = desk.findings.read();
        if let Some(orders) = &findings.orders {
            books.push((desk.client_id.clone(), orders.clone(), findings.foreign.clone()));
        }
    }
    let foreign: Vec<HashSet<&BrokerOrderId>> =
        books.iter().map(|(.., foreign)| foreign.iter().map(|row| &row.broker_order_id).collect()).collect();
    // By its place: what is equal stays in the order of the accounts and of their books.
    let all: Vec<(&BookRow, usize, usize)> = books
        .iter()
        .enumerate()
        .flat_map(|(account, (_, orders, _))| orders.rows.iter().enumerate().map(move |(place, row)| (&**row, account, place)))
        .collect();
    let total = counted(all.len());
    let newest = first(all, usize::from(limit), |a, b| {
        let newer = b.0.at.cmp(&a.0.at).then_with(|| b.0.broker_order_id.cmp(&a.0.broker_order_id));
        newer.then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
    });
    let shown = newest.into_iter().filter_map(|(_, account, place)| {
        let (client_id, orders, _) = books.get(account)?;
        let row = Arc::clone(orders.rows.get(place)?);
        let is_foreign = foreign.get(account)?.contains(&row.broker_order_id);
        Some(AtBroker { client_id: client_id.clone(), read_at: orders.at, is_foreign, row })
    });
    (shown.collect(), total)
}

/// The first so many of all in a total order, in that order. What is cut off is never put in order.
fn first<T>(mut all: Vec<T>, most: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if most < all.len() {
        all.select_nth_unstable_by(most, &order);
        all.truncate(most);
    }
    all.sort_unstable_by(order);
    all
}

fn broker_order(found: &AtBroker, now: DateTime<Utc>) -> Value {
    let mut value = json!(found.row);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("client_id".to_owned(), json!(found.client_id));
        fields.insert("foreign".to_owned(), json!(found.is_foreign));
        fields.insert("read_at".to_owned(), json!(found.read_at));
        fields.insert("age_ms".to_owned(), json!(age_ms(now, found.read_at)));
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rows with the same time and number too: the place decides, as in a sort that keeps what is equal.
        #[test]
        fn prop_a_page_is_the_beginning_of_the_whole_in_order(keys in prop::collection::vec((0..9_u8, 0..4_u8), 0..200), most in 0..250_usize) {
            let rows: Vec<_> = keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
            let mut whole = rows.clone();
            whole.sort_by_key(|row| std::cmp::Reverse(row.0));
            whole.truncate(most);
            prop_assert_eq!(first(rows, most, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1))), whole);
        }
    }
}
