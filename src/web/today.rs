//! A trading date of an account, whole: its orders, from memory and behind that from the disk, and its trades, from the disk.

use std::sync::Arc;

use actix_web::web::block;
use chrono::NaiveDate;
use ordergate_actors::order::{ClientId, OrderRecord, trading_date};
use ordergate_actors::persistence::{Book, NEWEST_KEPT};
use ordergate_actors::ports::{Query, Rows};

use super::problem::Problem;
use super::state::WebState;
use crate::store::{ReadStore, Trade};

/// Orders that are asked of the disk at once.
const PAGE: u16 = 200;

/// The orders of an account that were made on a day, and those that have not ended, the newest first. What memory holds is
/// gapless above a number: of a day with more orders than that, the older ones are read from the disk.
pub(super) async fn orders(state: &WebState, client_id: &ClientId, day: NaiveDate) -> Result<Vec<Arc<OrderRecord>>, Problem> {
    let is_of_it = |order: &OrderRecord| trading_date(order.created_at) >= day;
    let in_memory = |book: &Book| {
        let horizon = book.last_number().saturating_sub(NEWEST_KEPT);
        let of_it: Vec<_> = book.newest().filter(|order| is_of_it(order) || !order.status.is_terminal()).cloned().collect();
        let oldest = book.newest().take_while(|order| order.number > horizon).last();
        (of_it, oldest.filter(|order| is_of_it(order)).map_or(1, |order| order.number))
    };
    let (mut orders, mut below) = state.engine.read(client_id, in_memory).unwrap_or_default();
    while below > 1 {
        let Rows::Orders(page) = state.engine.query(Query::OrdersBefore(client_id.clone(), below, PAGE)).await? else { break };
        below = page.last().filter(|order| is_of_it(order)).map_or(1, |order| order.number);
        // What has not ended is in memory, whatever its number.
        orders.extend(page.into_iter().filter(|order| is_of_it(order) && order.status.is_terminal()).map(Arc::new));
    }
    orders.sort_by_key(|order| std::cmp::Reverse(order.number));
    orders.dedup_by_key(|order| order.number);
    Ok(orders)
}

/// The trades of an account on a day, the newest first: all of them, by a connection of their own, so that the writer never waits.
pub(super) async fn trades(state: &WebState, client_id: &ClientId, day: NaiveDate) -> Result<Vec<Trade>, Problem> {
    let (directory, client_id) = (state.paths.database.parent().map(std::path::Path::to_owned).unwrap_or_default(), client_id.clone());
    let read = block(move || {
        let store = ReadStore::open(&directory).map_err(|cause| cause.to_string())?;
        store.trades_of(&client_id, day).map_err(|cause| cause.to_string())
    });
    let mut trades = read.await.unwrap_or_else(|_| Err("it was given up".to_owned())).map_err(|cause| {
        tracing::error!(event = "read_failed", cause, "a day's trades could not be read");
        Problem::unavailable("read_failed", "the record could not be read just now")
    })?;
    trades.reverse();
    Ok(trades)
}
