//! Positions whose exit came to nothing: derived from the orders and the holdings, so that no restart forgets them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::book::Book;
use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Status, Strategy, Tag};

impl Book {
    /// What is held although the newest exit of it failed, and no person cancelled that one: until a later exit fills, or
    /// nothing is held there. An exit that never was one (not valid, a mock, for nothing, a second one) does not count.
    #[must_use]
    pub fn unclosed(&self) -> Vec<(&Strategy, &HoldingKey, &Arc<OrderRecord>)> {
        let strategies: BTreeSet<&Strategy> =
            self.failed_exits().filter(|order| counts_as_exit(order)).map(|order| &order.ask.strategy).collect();
        strategies.into_iter().flat_map(|strategy| self.unclosed_of(strategy)).collect()
    }

    fn unclosed_of<'a>(&'a self, strategy: &'a Strategy) -> Vec<(&'a Strategy, &'a HoldingKey, &'a Arc<OrderRecord>)> {
        let mut newest: BTreeMap<InstrumentKey, Vec<&Arc<OrderRecord>>> = BTreeMap::new();
        for order in self.newest_of(strategy).filter(|order| order.is_exit() && counts_as_exit(order)) {
            if let Some(instrument) = order.instrument() {
                newest.entry(instrument).or_default().push(order);
            }
        }
        self.holdings_of(strategy)
            .filter_map(|(key, _)| {
                let mut exits = newest.get(&key.instrument)?.iter().filter(|order| order.may_be_of(key.product));
                let last = exits.next()?;
                let has_failed = |order: &OrderRecord| order.status == Status::Failed && order.tag != Some(Tag::CancelledByUser);
                let beside: Vec<&Arc<OrderRecord>> = exits.copied().collect();
                let is_covered = !last.status.is_terminal() || beside.iter().any(|order| !order.status.is_terminal());
                // The orders of one signal are one wish: one that failed is not made good by another that filled.
                let goes_on = |order: &OrderRecord| self.after(order.number).any(|next| next.parent_command_id == Some(order.command_id));
                let of_one = |order: &&Arc<OrderRecord>| order.signal_id == last.signal_id && has_failed(order) && !goes_on(order);
                let failed = if has_failed(last) { Some(*last) } else { beside.into_iter().find(of_one) };
                failed.filter(|_| !is_covered).map(|failed| (strategy, key, failed))
            })
            .collect()
    }
}

/// Whether an exit ever was one: valid, no mock, for something, and not a second one. A stop that rested and is gone is no exit that failed:
/// the engine watches the position.
#[must_use]
pub(crate) fn counts_as_exit(order: &OrderRecord) -> bool {
    let is_none = matches!(
        order.tag,
        Some(Tag::NoPosition | Tag::DuplicateOrderBlocked | Tag::ValidationFailed | Tag::TestMode | Tag::AtTarget | Tag::Superseded)
    );
    !is_none && !order.is_resting_stop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Product;
    use crate::persistence::book::NEWEST_KEPT;
    use crate::testkit::builders::{Build, book_of, exit, order, sbin_in};

    fn named(orders: Vec<OrderRecord>, net: i64) -> Vec<u64> {
        book_of(orders, &[("trend", sbin_in(Product::Mis), net)]).unclosed().iter().map(|(_, _, order)| order.number).collect()
    }

    #[test]
    fn a_position_whose_newest_exit_failed_is_named_until_it_is_closed_or_covered() {
        let entry = || order(1).ended(Status::Executed, None);
        let failed = |number, tag| exit(number).ended(Status::Failed, Some(tag));
        assert_eq!(named(vec![entry(), failed(2, Tag::BrokerRejected)], 10), [2]);
        assert_eq!(named(vec![entry(), failed(2, Tag::ExitTakenBack)], 4), [2], "what was left of it is held");
        assert_eq!(named(vec![entry(), failed(2, Tag::BrokerRejected)], 0), Vec::<u64>::new(), "nothing is held");
        assert_eq!(named(vec![entry(), failed(2, Tag::CancelledByUser)], 10), Vec::<u64>::new(), "a person wanted it so");
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), exit(3)], 10), Vec::<u64>::new(), "another is on its way");
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), exit(3).ended(Status::Executed, None)], 4), Vec::<u64>::new());
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), failed(3, Tag::ValidationFailed)], 10), [2], "that never was one");
        let of_one = |order: OrderRecord| OrderRecord { signal_id: entry().signal_id, ..order };
        let filled = of_one(exit(3).ended(Status::Executed, None));
        assert_eq!(named(vec![entry(), of_one(failed(2, Tag::BrokerRejected)), filled.clone()], 4), [2], "an order of the same signal");
        let again = OrderRecord { parent_command_id: Some(failed(2, Tag::NotSent).command_id), ..exit(4).ended(Status::Executed, None) };
        assert_eq!(named(vec![entry(), of_one(failed(2, Tag::NotSent)), filled, again], 4), Vec::<u64>::new(), "it went again");
        assert_eq!(named(vec![entry()], 10), Vec::<u64>::new());
    }

    #[test]
    fn a_failed_exit_that_was_forgotten_or_came_back_to_life_is_none() {
        let failed = exit(2).ended(Status::Failed, Some(Tag::BrokerRejected));
        let mut book = book_of([order(1).ended(Status::Executed, None), failed.clone()], &[("trend", sbin_in(Product::Mis), 10)]);
        assert_eq!(book.failed_exits().count(), 1);
        book.put_order(Arc::new(OrderRecord { status: Status::SentToBroker, tag: None, ..failed.clone() }));
        assert_eq!((book.unclosed().len(), book.failed_exits().count()), (0, 0), "late truth: it works at the broker");
        book.put_order(Arc::new(failed));
        assert_eq!(book.unclosed().len(), 1);
        book.put_order(Arc::new(OrderRecord { number: NEWEST_KEPT + 2, ..order(3) }));
        assert_eq!((book.failed_exits().count(), book.unclosed().len()), (0, 0), "it is among the newest no more");
    }
}
