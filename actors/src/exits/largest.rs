//! The largest exit that goes as one order: by the master, and by what the broker refused today.

use chrono::NaiveDate;

use super::reject::{Rejection, classify, freeze_told};
use crate::order::{Instrument, InstrumentKey, OrderRecord, Strategy, Tag, trading_date};
use crate::persistence::Book;

/// The most units that one exit of the strategy takes, whole lots; `None`: nobody has named a limit.
///
/// Most masters tell no freeze quantity, and those that do may be old. What the broker named in a refusal counts for the whole day. One
/// that it did not name lies below what it refused last: half of that is tried.
#[must_use]
pub fn largest_exit(instrument: &Instrument, strategy: &Strategy, book: &Book, today: NaiveDate) -> Option<i64> {
    let shown = shown(&instrument.key, strategy, book, today).map(|most| in_lots(most, instrument));
    instrument.max_quantity().into_iter().chain(shown).min()
}

/// So many units as whole lots, and one lot at least.
#[must_use]
pub fn in_lots(units: i64, instrument: &Instrument) -> i64 {
    let lot = instrument.lot.value();
    (units - units.checked_rem(lot).unwrap_or(0)).max(lot)
}

/// The most that one order takes, by the words with which the broker refused one of so many units; `None`: not for its size.
#[must_use]
pub fn most_after(words: &str, units: i64) -> Option<i64> {
    (classify(words) == Rejection::Freeze).then(|| freeze_told(words).unwrap_or(units / 2))
}

fn shown(key: &InstrumentKey, strategy: &Strategy, book: &Book, today: NaiveDate) -> Option<i64> {
    let is_frozen = |order: &OrderRecord| order.tag == Some(Tag::BrokerRejected) && classify(reason(order)) == Rejection::Freeze;
    let failed = || book.failed_exits().filter(|order| order.is_for(key) && trading_date(order.updated_at) == today);
    let told = failed().filter(|order| is_frozen(order)).filter_map(|order| freeze_told(reason(order))).min();
    let newest = failed().filter(|order| order.ask.strategy == *strategy && order.tag == Some(Tag::BrokerRejected)).last();
    told.or_else(|| newest.filter(|order| is_frozen(order)).map(|order| order.quantity() / 2))
}

fn reason(order: &OrderRecord) -> &str {
    order.reason.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::order::{Exchange, Status};
    use crate::testkit::builders::{Build, at, book_of, exit, future, strategy};

    fn refused(number: u64, units: i64, words: &str) -> OrderRecord {
        let mut order = exit(number).of("NIFTY26NOVFUT").asks(units).ended(Status::Failed, Some(Tag::BrokerRejected));
        (order.ask.exchange, order.reason, order.updated_at) = (Some(Exchange::Nfo), Some(Arc::from(words)), at(0));
        order
    }

    fn most(freeze: Option<i64>, orders: Vec<OrderRecord>, day_after: u64) -> Option<i64> {
        let instrument = Instrument { freeze: freeze.and_then(crate::order::Quantity::new), ..future() };
        let today = trading_date(at(0)).checked_add_days(chrono::Days::new(day_after)).unwrap();
        largest_exit(&instrument, &strategy("trend"), &book_of(orders, &[]), today)
    }

    #[test]
    fn what_the_broker_names_in_a_refusal_counts_for_the_day() {
        let named = || refused(1, 3000, "RED:RULE:{Check Freeze qty including square off order}Current:3000 Set:2001");
        assert_eq!((most(None, vec![], 0), most(Some(1800), vec![], 0)), (None, Some(1800)), "by the master");
        assert_eq!(most(None, vec![named()], 0), Some(1950), "26 lots of 75 within 2000");
        assert_eq!(most(Some(1800), vec![named()], 0), Some(1800), "the smaller one");
        assert_eq!(most(Some(2400), vec![named(), refused(2, 75, "margin")], 0), Some(1950), "whatever was refused since");
        assert_eq!(most(None, vec![named().by("other")], 0), Some(1950), "whoever asked");
        assert_eq!(most(None, vec![named()], 1), None, "it is another one tomorrow");
        let elsewhere = OrderRecord { ask: crate::order::Ask { symbol: Arc::from("OTHER"), ..named().ask }, ..named() };
        assert_eq!(most(None, vec![elsewhere], 0), None);
    }

    #[test]
    fn what_it_does_not_name_is_looked_for_in_halves_and_never_below_a_lot() {
        let wordless = |number, units| refused(number, units, "above the freeze quantity");
        assert_eq!(most(None, vec![wordless(1, 3000)], 0), Some(1500));
        assert_eq!(most(None, vec![wordless(1, 3000), wordless(2, 1500)], 0), Some(750));
        assert_eq!(most(None, vec![wordless(1, 75)], 0), Some(75));
        assert_eq!(most(None, vec![wordless(1, 3000), refused(2, 3000, "margin shortfall")], 0), None, "it got past it");
        assert_eq!(most(None, vec![wordless(1, 3000).by("other")], 0), None);
        let ours = OrderRecord { tag: Some(Tag::NotSent), ..wordless(1, 3000) };
        assert_eq!(most(None, vec![ours], 0), None);
    }
}
