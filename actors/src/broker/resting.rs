//! Orders that came as market orders and rest. At a broker that takes no market orders they went out as limits through
//! the touch; an entry that is still there when its time is up must not fill an hour later at a price that nobody wanted.
//! An entry is cancelled; an exit is repriced instead (`actors/src/exits/ladder.rs`).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::line::{Desk, Line};
use crate::order::{CommandId, OrderFact, OrderRecord, OrderType, Tag};
use crate::persistence::{Book, Level, OrderUnit, Unit};
use crate::supervision::current_actor;

/// An entry whose time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// The order.
    pub command_id: CommandId,
    /// What rests, and since when: for the row and for people.
    pub text: String,
}

/// Asks for the cancels of entries and says so: once for each order, because the wish is on disk from then on. One that
/// somebody may have changed at the broker waits until that is known.
pub(crate) fn cancel_resting(line: &Line, desk: &Desk, is_suspected: impl Fn(CommandId) -> bool, now: DateTime<Utc>) {
    if desk.broker.capabilities().takes_market_orders {
        return;
    }
    let timeout = TimeDelta::from_std(desk.settings.waits.entry_market_timeout).unwrap_or(TimeDelta::MAX);
    let resting = line.view.read(&desk.client_id, |book| overdue(book, timeout, now)).unwrap_or_default();
    for Resting { command_id, text } in resting.into_iter().filter(|resting| !is_suspected(resting.command_id)) {
        let fact = OrderFact::CancelWanted { tag: Tag::MarketTimeout, reason: text.clone() };
        let unit = OrderUnit { client_id: desk.client_id.clone(), command_id, fact, who: Arc::from(current_actor()) };
        line.post_unit(Unit::Order(unit));
        line.alarm(Some(&desk.client_id), "ALARM_MARKET_ENTRY_RESTS", Level::Warn, Some(command_id), text);
    }
}

/// Whether it came as MARKET and works at the broker as a limit that nobody has cancelled.
fn rests(order: &OrderRecord) -> bool {
    order.status.is_at_broker()
        && order.broker_order_id.is_some()
        && order.cancel_wanted.is_none()
        && order.is_protected_market()
        && order.ask.order_type == Some(OrderType::Market)
}

/// The entries of the book that have rested for `timeout` or longer. All that is asked is on disk: a restart changes
/// nothing. A stop-market order has no time of its own: it waits for its trigger.
#[must_use]
pub fn overdue(book: &Book, timeout: TimeDelta, now: DateTime<Utc>) -> Vec<Resting> {
    book.open_orders().filter_map(|order| is_overdue(order, timeout, now)).collect()
}

fn is_overdue(order: &Arc<OrderRecord>, timeout: TimeDelta, now: DateTime<Utc>) -> Option<Resting> {
    let sent_at = order.sent_at.filter(|_| !order.is_exit() && rests(order))?;
    let age = now.signed_duration_since(sent_at);
    (age >= timeout).then(|| Resting {
        command_id: order.command_id,
        text: format!(
            "came as a market order, went out as a limit at {}, and {} of {} rest after {} s (limit: {} s): the rest is cancelled",
            order.ask.price.map_or_else(String::new, |price| price.to_string()),
            order.unfilled(),
            order.quantity(),
            age.num_seconds(),
            timeout.num_seconds()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Price, Status};
    use crate::testkit::builders::{at, book_of, broker_id, command, order};

    const TIMEOUT: TimeDelta = TimeDelta::seconds(10);

    /// An entry that came as MARKET, is at the broker as a limit since second 0, and has 4 of 10 filled.
    fn resting(number: u64) -> OrderRecord {
        let mut order = order(number);
        order.ask.order_type = Some(OrderType::Market);
        order.ask.price = Price::parse("801.5").ok();
        order.status = Status::Partial;
        order.filled_quantity = 4;
        order.sent_at = Some(at(0));
        order.broker_order_id = Some(broker_id(&number.to_string()));
        order
    }

    fn found(change: impl Fn(&mut OrderRecord), second: i64) -> Vec<Resting> {
        let mut order = resting(1);
        change(&mut order);
        overdue(&book_of([order], &[]), TIMEOUT, at(second))
    }

    #[test]
    fn an_entry_that_rests_for_its_time_is_named_with_its_numbers() {
        assert!(found(|_| (), 9).is_empty());
        let found = found(|_| (), 10);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].command_id, command(1));
        assert!(found[0].text.contains("801.5") && found[0].text.contains("6 of 10 rest after 10 s"), "{}", found[0].text);
    }

    #[test]
    fn nothing_else_is_touched() {
        let is_left = |change: fn(&mut OrderRecord)| found(change, 60).is_empty();
        assert!(is_left(|order| order.ask.order_type = Some(OrderType::Limit)), "a limit order rests as long as it likes");
        assert!(is_left(|order| order.ask.intent = Some(crate::order::Intent::Exit)), "an exit is not cancelled");
        assert!(is_left(|order| order.ask.price = None), "it went out as a market order");
        assert!(is_left(|order| order.ask.order_type = Some(OrderType::StopMarket)), "it waits for its trigger");
        assert!(is_left(|order| order.cancel_wanted = Some(Tag::CancelledByUser)), "it is being cancelled");
        assert!(is_left(|order| order.broker_order_id = None), "it is being looked for");
        assert!(is_left(|order| order.status = Status::Executed), "it has ended");
    }
}
