//! Changes and cancels of the account's working orders: how many there were in the last minute, and how often an entry became
//! another one. Derived from the rows alone, so that a restart finds the same or, for a minute, rather more.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

use super::exposure::own_price;
use crate::order::OrderRecord;

/// Times are kept for so long.
const KEPT: Duration = Duration::minutes(1);

/// The calls of one account beside those that place orders.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    /// When each was asked for, earliest first.
    at: VecDeque<DateTime<Utc>>,
    /// How often an entry came to be for other units than before, or at another price.
    changes: u64,
}

impl Calls {
    /// An order's row became another one, or is seen for the first time.
    pub(super) fn note(&mut self, before: Option<&OrderRecord>, after: &OrderRecord) {
        let (changed, wanted) = before.map_or((0, false), |before| (before.modifications, before.cancel_wanted.is_some()));
        let calls = after.modifications.saturating_sub(changed) + u32::from(after.cancel_wanted.is_some() && !wanted);
        for _ in 0..calls {
            let place = self.at.partition_point(|at| *at <= after.updated_at);
            self.at.insert(place, after.updated_at);
        }
        if let Some(newest) = self.at.back().copied().filter(|_| calls > 0) {
            let is_old = |at: &DateTime<Utc>| newest.signed_duration_since(*at) > KEPT;
            self.at.drain(..self.at.partition_point(is_old));
        }
        let is_other = |before: &OrderRecord| {
            let has_other_price = own_price(before).zip(own_price(after)).is_some_and(|(before, after)| before != after);
            has_other_price || before.quantity_most() != after.quantity_most()
        };
        if !after.is_exit() && before.is_some_and(is_other) {
            self.changes += 1;
        }
    }

    /// How many were asked for after that time, at most a minute back.
    pub(super) fn since(&self, since: DateTime<Utc>) -> usize {
        self.at.len() - self.at.partition_point(|at| *at <= since)
    }

    /// How often an entry was re-priced or re-sized since the start.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Tag;
    use crate::testkit::builders::{Build, at, order, price, units};

    fn changed(second: i64, modifications: u32) -> OrderRecord {
        OrderRecord { modifications, updated_at: at(second), ..order(1).working("1") }
    }

    #[test]
    fn a_change_and_a_cancel_count_once_each_for_a_minute() {
        let mut calls = Calls::default();
        let mut row = changed(0, 0);
        calls.note(None, &row);
        for next in [
            changed(1, 1),
            changed(2, 1),
            changed(3, 2),
            OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..changed(4, 2) },
            OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..changed(5, 2) },
        ] {
            calls.note(Some(&row), &next);
            row = next;
        }
        assert_eq!([-1, 1, 3, 4].map(|second| calls.since(at(second))), [3, 2, 1, 0]);
        calls.note(Some(&row), &OrderRecord { cancel_wanted: row.cancel_wanted, ..changed(64, 3) });
        assert_eq!(calls.since(at(-1)), 2, "what is older than a minute is forgotten");
    }

    #[test]
    fn after_a_restart_all_changes_of_a_row_count_as_its_last() {
        let mut calls = Calls::default();
        let wanted = Some(Tag::CancelledByUser);
        for row in [OrderRecord { cancel_wanted: wanted, ..changed(30, 2) }, OrderRecord { number: 2, ..changed(10, 1) }] {
            calls.note(None, &row);
        }
        assert_eq!((calls.since(at(0)), calls.since(at(10)), calls.since(at(30))), (4, 3, 0), "in the order of time");
    }

    #[test]
    fn an_entry_that_is_for_other_units_or_at_another_price_has_changed() {
        let mut calls = Calls::default();
        let row = changed(0, 0);
        calls.note(None, &row);
        calls.note(Some(&row), &changed(1, 1));
        assert_eq!(calls.changes(), 0);
        let mut more = changed(2, 1);
        more.ask.quantity = Some(units(more.quantity() + 1));
        calls.note(Some(&row), &more);
        assert_eq!(calls.changes(), 1);
        let mut dearer = more.clone();
        dearer.ask.price = Some(price("801"));
        calls.note(Some(&more), &dearer);
        assert_eq!(calls.changes(), 2);
        let bare = |row: &OrderRecord| row.clone().market();
        calls.note(Some(&bare(&dearer)), &dearer);
        assert_eq!(calls.changes(), 2, "at the market, and then at its protected price: nothing became more");
    }
}
