//! Entries that were given a time: what has not filled by then is cancelled, what has filled is kept.

use chrono::{DateTime, TimeDelta, Utc};

use crate::order::{CommandId, OrderRecord};
use crate::persistence::Book;

/// An entry whose time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The order.
    pub command_id: CommandId,
    /// What rests, and since when.
    pub reason: String,
}

/// The working entries whose time is up. All that is asked is on disk: a restart changes nothing.
#[must_use]
pub fn overdue(book: &Book, now: DateTime<Utc>) -> Vec<Overdue> {
    book.open_orders().filter_map(|order| is_overdue(order, now)).collect()
}

fn is_overdue(order: &OrderRecord, now: DateTime<Utc>) -> Option<Overdue> {
    let seconds = i64::from(order.ask.cancel_after_s?);
    // Without a number there is nothing that could be cancelled: it is being looked for.
    let is_working = order.status.is_at_broker() && order.broker_order_id.is_some();
    if !is_working || order.is_exit() || order.cancel_wanted.is_some() {
        return None;
    }
    let age = now.signed_duration_since(order.sent_at?);
    (age >= TimeDelta::seconds(seconds)).then(|| Overdue {
        command_id: order.command_id,
        reason: format!(
            "{} of {} not filled after {} s (cancel_after_s: {seconds}): the rest is cancelled, {} are kept",
            order.unfilled(),
            order.quantity(),
            age.num_seconds(),
            order.filled_quantity
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Intent, Status, Tag};
    use crate::testkit::builders::{Build, at, book_of, order};

    /// Sent at second 1, to be cancelled after 10.
    fn resting() -> OrderRecord {
        let mut order = order(1).working("7").filled(4, 4);
        order.ask.cancel_after_s = Some(10);
        order
    }

    fn found(order: OrderRecord, second: i64) -> Vec<String> {
        overdue(&book_of([order], &[]), at(second)).into_iter().map(|overdue| overdue.reason).collect()
    }

    #[test]
    fn what_has_not_filled_in_its_time_is_named_with_its_numbers() {
        assert!(found(resting(), 10).is_empty(), "9 s");
        let reasons = found(resting(), 11);
        assert!(
            reasons.len() == 1 && reasons[0].contains("6 of 10 not filled after 10 s") && reasons[0].contains("4 are kept"),
            "{reasons:?}"
        );
    }

    #[test]
    fn nothing_else_is_touched() {
        let is_left = |change: fn(&mut OrderRecord)| {
            let mut order = resting();
            change(&mut order);
            found(order, 60).is_empty()
        };
        assert!(is_left(|order| order.ask.cancel_after_s = None), "it may rest");
        assert!(is_left(|order| order.ask.intent = Some(Intent::Exit)), "an exit is not cancelled");
        assert!(is_left(|order| order.cancel_wanted = Some(Tag::CancelledByUser)), "it is being cancelled");
        assert!(is_left(|order| order.broker_order_id = None), "it is being looked for");
        assert!(is_left(|order| order.status = Status::Executed), "it has ended");
    }
}
