//! Positions of earlier days that the broker's book has no row for. A closed position keeps its row for its day, and what is
//! carried has one every day: a book without it lies, or the position was closed on a day that nobody looked at. Only a
//! person can tell which, so a person is paged, once for each such difference and day.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::Shrunk;
use crate::order::HoldingKey;
use crate::persistence::Book;
use crate::pnl::differences::{Ignored, slot};
use crate::watcher::Told;

/// The alarm.
pub(super) const EVENT: &str = "ALARM_POSITION_NOT_SHOWN";

/// What people were told.
#[derive(Debug, Default)]
pub(super) struct NotShown(BTreeMap<HoldingKey, (NaiveDate, i64)>);

impl NotShown {
    /// What a person must hear of it now. `None`: that was said today, or somebody has said that it is to be left alone.
    pub(super) fn page(&mut self, book: &Book, shrunk: &Shrunk, today: NaiveDate) -> Option<String> {
        let units = shrunk.at_broker - shrunk.ours;
        let is_ignored =
            book.kept(&slot(&shrunk.key)).and_then(|kept| kept.read::<Ignored>().ok()).is_some_and(|ignored| ignored.units == units);
        if is_ignored || self.0.insert(shrunk.key.clone(), (today, units)) == Some((today, units)) {
            return None;
        }
        let text = words(shrunk, today);
        // Another guard, or the process before, has said it, and nobody has seen to it yet.
        let is_open = book.alarms().any(|alarm| &*alarm.event == EVENT && *alarm.text == *text);
        (!is_open).then_some(text)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn words(shrunk: &Shrunk, today: NaiveDate) -> String {
    if shrunk.told == Told::LacksDelivery {
        return format!(
            "our strategies carry {} in {}, and the broker's positions and holdings of {today} have {} together, while no order there sold the rest today. That proves no end of it: shares may not be settled yet, or be pledged. The holding and its exits stay. Look at the broker: if they are there, nothing is to be done; if some were sold on an earlier day or are not yours any more, let the strategy take the difference over at the price of the sale (page Positions): the rest keeps its stop; else say that the difference is to be left alone",
            shrunk.ours, shrunk.key, shrunk.at_broker
        );
    }
    format!(
        "our strategies carry {} in {}, and the broker's positions of {today} have no row for it, not even a closed one. That proves no end of it: the holding and its exits stay. Look at the broker: if it is there, nothing is to be done; if it was closed on an earlier day, or its contract has expired, let the strategy take the difference over at that price (page Positions); else say that the difference is to be left alone",
        shrunk.ours, shrunk.key
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::order::{Product, trading_date};
    use crate::persistence::{Kept, KeptChange};
    use crate::testkit::builders::{at, book_of, sbin_in};

    fn shrunk(ours: i64) -> Shrunk {
        Shrunk { key: sbin_in(Product::Nrml), ours, at_broker: 0, rest: Vec::new(), told: Told::LacksCarried }
    }

    #[test]
    fn a_person_is_paged_once_for_each_difference_and_day() {
        let (book, today) = (book_of([], &[]), trading_date(at(0)));
        let mut said = NotShown::default();
        assert!(said.page(&book, &shrunk(10), today).is_some_and(|text| text.contains("carry 10 in NSE:SBIN-EQ NRML")));
        assert_eq!(said.page(&book, &shrunk(10), today), None);
        assert!(said.page(&book, &shrunk(4), today).is_some(), "another difference");
        assert!(said.page(&book, &shrunk(4), today + chrono::Days::new(1)).is_some(), "another day");
    }

    #[test]
    fn what_a_person_leaves_alone_is_not_paged_until_it_changes() {
        let (mut book, today) = (book_of([], &[]), trading_date(at(0)));
        let ignored = Ignored { units: -10, who: Arc::from("asha"), reason: Arc::from("mine"), at: at(0) };
        let value = Arc::from(serde_json::to_string(&ignored).unwrap());
        book.put_kept(KeptChange { slot: slot(&shrunk(10).key), now: Some(Kept { value, seq: 1, at: at(0) }) });
        let mut said = NotShown::default();
        assert_eq!(said.page(&book, &shrunk(10), today), None);
        assert!(said.page(&book, &shrunk(12), today).is_some());
    }
}
