//! The signal of tests: the orders of one basket on their way into the journal.

use std::sync::Arc;

use crate::order::OrderRecord;
use crate::persistence::{NewOrder, Permit, Registration};

/// These orders, each with a permit of its own, as one signal of the first one's; from a webhook, without a key.
///
/// # Panics
/// There is no order.
#[must_use]
pub fn signal_of(orders: &[OrderRecord], permit: impl Fn() -> Permit) -> Registration {
    let legs = (0..).zip(orders).map(|(leg, order)| NewOrder {
        command_id: order.command_id,
        leg,
        ask: order.ask.clone(),
        refused: None,
        sent: "{}".to_owned(),
        naming: None,
        parent: None,
        permit: permit(),
    });
    let first = &orders[0];
    let [.., number] = first.number.to_be_bytes();
    Registration {
        client_id: first.client_id.clone(),
        signal_id: first.signal_id,
        basket_id: first.basket_id,
        source: first.source,
        user: Arc::clone(&first.user),
        key: None,
        body_hash: [number; 32],
        replay_window_ms: 0,
        received_at: first.created_at,
        signal_time: first.signal_time,
        legs: legs.collect(),
        fired: None,
        plan: None,
    }
}
