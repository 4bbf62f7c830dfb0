//! Orders, changes and cancels of the account in any minute, exits and refusals counted: a loop that sends is slowed down
//! before it costs money. Numbers of orders have no gaps, so one look tells how many came.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.messages_per_minute;
    let since = x.now.checked_sub_signed(Duration::minutes(1)).unwrap_or(x.now);
    let calls = x.book.calls_since(since);
    // A change of a working order is a message beside all orders; a new order is one of them.
    let (newest, own) = if x.order.sent_at.is_some() { (x.book.last_number(), 1) } else { (x.order.number, 0) };
    let too_many = match limit.checked_sub(calls.saturating_add(own)).map(u64::try_from) {
        None => true,
        Some(room) => {
            let earliest = newest.checked_sub(room.unwrap_or(u64::MAX)).and_then(|number| x.book.order_by_number(number));
            earliest.is_some_and(|order| order.created_at > since)
        }
    };
    let words = format!("{limit} orders, changes and cancels in a minute");
    let input = if too_many {
        format!("more than {words}, of which {calls} were changes and cancels")
    } else {
        format!("fewer in the last minute, of which {calls} were changes and cancels")
    };
    Checked::new("risk.messages", Tag::RiskLimitsExceeded, !too_many, input, words)
}
