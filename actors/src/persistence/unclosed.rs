//! Positions whose exit came to nothing: derived from the orders and the holdings, so that no restart forgets them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::Book;
use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Status, Strategy, Tag};

impl Book {
    /// What is held although the newest exit of it failed, and no person cancelled that one: until a later exit fills, or
    /// nothing is held there. An exit that never was one (not valid, a mock, for nothing, a second one) does not count.
    #[must_use]
    pub fn unclosed(&self) -> Vec<(&Strategy, &HoldingKey, &Arc<OrderRecord>)> {
        if self.holdings().next().is_none() {
            return Vec::new();
        }
        let mut newest: BTreeMap<(&Strategy, InstrumentKey), Vec<&Arc<OrderRecord>>> = BTreeMap::new();
        for order in self.newest().filter(|order| order.is_exit() && counts(order)) {
            if let Some(instrument) = order.instrument() {
                newest.entry((&order.ask.strategy, instrument)).or_default().push(order);
            }
        }
        self.holdings()
            .filter_map(|(strategy, key, _)| {
                let mut exits = newest
                    .get(&(strategy, key.instrument.clone()))?
                    .iter()
                    .filter(|order| order.ask.product.is_none_or(|product| product == key.product));
                let last = exits.next()?;
                let is_covered = !last.status.is_terminal() || exits.any(|order| !order.status.is_terminal());
                let has_failed = last.status == Status::Failed && last.tag != Some(Tag::CancelledByUser);
                (has_failed && !is_covered).then_some((strategy, key, *last))
            })
            .collect()
    }
}

/// A stop that rested and is gone is no exit that failed: the engine watches the position.
fn counts(order: &OrderRecord) -> bool {
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
    use crate::testkit::builders::{Build, book_of, exit, order, sbin_in};

    fn named(orders: Vec<OrderRecord>, net: i64) -> Vec<u64> {
        book_of(orders, &[("trend", sbin_in(Product::Mis), net)]).unclosed().iter().map(|(_, _, order)| order.number).collect()
    }

    #[test]
    fn a_position_whose_newest_exit_failed_is_named_until_it_is_closed_or_covered() {
        let entry = || order(1).ended(Status::Executed, None);
        let failed = |number, tag| exit(number).ended(Status::Failed, Some(tag));
        assert_eq!(named(vec![entry(), failed(2, Tag::BrokerRejected)], 10), [2]);
        assert_eq!(named(vec![entry(), failed(2, Tag::BrokerRejected)], 0), Vec::<u64>::new(), "nothing is held");
        assert_eq!(named(vec![entry(), failed(2, Tag::CancelledByUser)], 10), Vec::<u64>::new(), "a person wanted it so");
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), exit(3)], 10), Vec::<u64>::new(), "another is on its way");
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), exit(3).ended(Status::Executed, None)], 4), Vec::<u64>::new());
        assert_eq!(named(vec![entry(), failed(2, Tag::NotSent), failed(3, Tag::ValidationFailed)], 10), [2], "that never was one");
        assert_eq!(named(vec![entry()], 10), Vec::<u64>::new());
    }
}
