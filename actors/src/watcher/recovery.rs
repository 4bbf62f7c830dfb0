//! What a start decides about the orders that it finds: pure. The only start-up path there is.

use chrono::{DateTime, Duration, Utc};

use super::kill::withdrawn;
use super::square_off;
use crate::order::{BasketId, CommandId, OrderFact, OrderRecord, Status, Tag};
use crate::persistence::Book;

/// What becomes of an order found at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// CREATED and still wanted: back on the line.
    Drive(BasketId, CommandId),
    /// Decided by this fact.
    Decide(CommandId, OrderFact, String),
}

/// Looks at every order that had not ended. Entries live by their time to live; exits go on, and risk measures them
/// against the position as it is. What was sent without an answer is in doubt.
#[must_use]
pub fn decide(book: &Book, ttl: Duration, now: DateTime<Utc>) -> Vec<Found> {
    book.open_orders().filter_map(|order| decide_one(book, order, ttl, now)).collect()
}

fn decide_one(book: &Book, order: &OrderRecord, ttl: Duration, now: DateTime<Utc>) -> Option<Found> {
    let command = order.command_id;
    match order.status {
        // It is not driven on to be withdrawn there: the market may be open by now.
        Status::Created if square_off::is_over(order, book, now) => {
            let reason = format!("the exit of a square-off of {} that is over: it was not sent, and is withdrawn", order.ask.strategy);
            Some(Found::Decide(command, withdrawn(order), reason))
        }
        // What a target comes to, and whether it is too old for that, is for risk to say.
        Status::Created if order.is_exit() || order.is_unaimed() => Some(Found::Drive(order.basket_id, command)),
        Status::Created => {
            let age = now.signed_duration_since(order.signal_time);
            // A basket that a person was asked about is judged by risk: it waits, or its age counts from the yes.
            if age <= ttl || book.control().approvals.contains_key(&order.basket_id) {
                return Some(Found::Drive(order.basket_id, command));
            }
            let is_half_sent = book.newest().any(|other| other.basket_id == order.basket_id && other.sent_at.is_some());
            let basket = if is_half_sent { "; other orders of its basket were sent before the stop, look at what they hold" } else { "" };
            let reason = format!(
                "found CREATED after a restart, {} s old (limit {} s): nothing was sent{basket}",
                age.num_seconds(),
                ttl.num_seconds()
            );
            let fact = OrderFact::Refused { tag: Tag::AbandonedAtRecovery, reason: reason.clone(), gates: Vec::new() };
            Some(Found::Decide(command, fact, reason))
        }
        Status::SentToBroker if order.broker_order_id.is_none() && !order.is_in_doubt() => {
            if order.is_test() {
                let reason = "a mock order, ended at the restart".to_owned();
                let success = order.ask.test_mode == Some(crate::order::TestMode::Success);
                return Some(Found::Decide(command, OrderFact::TestEnded { success }, reason));
            }
            let cause = "found sent without an answer after a restart; looked for in the broker's books".to_owned();
            Some(Found::Decide(command, OrderFact::Unconfirmed { cause: cause.clone() }, cause))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
