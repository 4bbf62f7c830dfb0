//! Faults that each have a story of their own: what the order's row, its tag and the alarms say on the way.

mod answers;
mod books;
mod contracts;
mod hands;
mod logins;
mod others;
mod rates;
mod square_off;
mod stops;
mod stream;

use std::sync::Arc;

use ordergate_actors::order::{CommandId, OrderRecord, Source, Status};

use crate::checks::{Excuse, at_rest};
use crate::house::House;

/// The world rests, and all is true.
async fn rests(house: &House) {
    at_rest(house, Excuse::default()).await.unwrap();
}

/// The row here of a stop that rests there.
fn stop(house: &House) -> Option<Arc<OrderRecord>> {
    house.orders().into_iter().find(|order| order.source == Source::Stop)
}

/// The order never ended otherwise than it did at last.
async fn never_failed(house: &House, command: CommandId) {
    let rows = house.journal(command).await;
    assert!(rows.iter().all(|row| row.to != Some(Status::Failed)), "{rows:#?}");
}
