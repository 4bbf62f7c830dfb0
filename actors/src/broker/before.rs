//! What the process before sent within the last minute, from the rows: the broker counts an account's calls, whichever process makes
//! them. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::lanes::Lane;
use crate::order::{Exchange, OrderRecord};
use crate::persistence::Book;

/// The calls whose rows say that they went out, or were to go out, after a minute ago. Of changes and cancels only the number is
/// known for certain: they count from now.
pub(crate) fn sent_before(book: &Book, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, Lane, Option<Exchange>)> {
    let since = now - TimeDelta::minutes(1);
    let place = |order: &OrderRecord| {
        let sent_at = order.sent_at.filter(|at| *at > since && !order.is_test())?;
        Some((sent_at, if order.is_exit() { Lane::Exit } else { Lane::Entry }, order.ask.exchange))
    };
    let placed = book.newest().filter_map(|order| place(order));
    let changed = (0..book.calls_since(since)).map(|_| (now, Lane::Modify, None));
    placed.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{Build, at, book_of, exit, order};

    #[test]
    fn what_was_sent_within_the_minute_counts_and_nothing_else() {
        let sent = |order: OrderRecord, second: i64| OrderRecord { sent_at: Some(at(second)), ..order };
        let orders = vec![
            sent(order(1).working("1"), 0),
            sent(order(2).working("2"), 10),
            sent(exit(3).working("3"), 40),
            OrderRecord { modifications: 2, updated_at: at(30), ..sent(order(4).working("4"), 0) },
            OrderRecord { sent_at: None, ..order(5) },
            sent(order(6).test(), 50),
        ];
        // A mock never reaches the broker.
        let mut before = sent_before(&book_of(orders, &[]), at(61));
        before.sort_by_key(|(at, ..)| *at);
        let nse = Some(Exchange::Nse);
        let now = (at(61), Lane::Modify, None);
        assert_eq!(before, [(at(10), Lane::Entry, nse), (at(40), Lane::Exit, nse), now, now]);
    }
}
