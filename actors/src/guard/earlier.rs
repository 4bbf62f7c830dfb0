//! Intraday positions of an earlier day. The broker closes them on their day, whenever that is seen here: what they realised is of
//! that day, and nothing of today. Pure.

use chrono::NaiveDate;

use crate::order::{HoldingKey, Product, Strategy, trading_date};
use crate::persistence::{Book, Earlier};
use crate::pnl::Line;

/// The day on which it is looked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Today {
    /// Its date, India.
    pub(super) date: NaiveDate,
    /// Whether it ends: a market that is always open closes no intraday position.
    pub(super) ends: bool,
}

/// The day with which what a strategy holds there ended: that on which it was opened, if it is intraday and none of it was traded
/// today. `None`: it may have been closed today, or what is of which day cannot be told apart.
#[must_use]
pub(super) fn ended(book: &Book, strategy: &Strategy, key: &HoldingKey, today: Today) -> Option<Earlier> {
    let held = book.held(strategy, key);
    let on = held.opened_at.map(trading_date).filter(|on| today.ends && key.product == Product::Mis && *on < today.date)?;
    let day = book.newest_day();
    let is_as_carried = |line: &Line| line.held == line.carried && line.bought.trades == 0 && line.sold.trades == 0;
    let is_untouched = day.date() < today.date || day.line(strategy, key).is_some_and(is_as_carried);
    (held.net != 0 && is_untouched).then_some(Earlier { on, net_before: held.net })
}

/// The day to which the end of several belongs: one of them, or today.
#[must_use]
pub(super) fn day_of(ends: &[Option<Earlier>], today: NaiveDate) -> Option<NaiveDate> {
    let mut days = ends.iter().map(|end| end.map_or(today, |end| end.on));
    let first = days.next()?;
    days.all(|day| day == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Holding, Quantity, Side};
    use crate::pnl::{DayChange, Move};
    use crate::testkit::builders::{at, book_of, points, price, sbin_in, strategy};

    const DAY: i64 = 86_400;

    /// Ten units, opened so many days before today, and what was traded of them today.
    fn book(product: Product, days: i64, today: &[(Side, i64)]) -> Book {
        let (owner, key) = (strategy("trend"), sbin_in(product));
        let mut book = book_of([], &[]);
        let mut held = Holding { net: 10, cost: points(1_000), opened_at: Some(at(-days * DAY)), ..Holding::default() };
        book.put_holding(owner.clone(), key.clone(), held, 1);
        book.begin_day(trading_date(at(0)), &[]);
        for (seq, (side, units)) in (2..).zip(today) {
            let quantity = Quantity::new(*units).unwrap();
            let what =
                Move::Traded { order: seq, side: *side, quantity, price: price("90"), seen: None, at: crate::testkit::builders::at(0) };
            let change = DayChange { seq, day: trading_date(at(0)), strategy: owner.clone(), key: key.clone(), before: held, what };
            held = held.after(*side, quantity, price("90"));
            book.put_holding(owner.clone(), key.clone(), held, seq);
            book.put_day(&change);
        }
        book
    }

    fn on(book: &Book, product: Product) -> Option<(NaiveDate, i64)> {
        seen(book, product, true)
    }

    fn seen(book: &Book, product: Product, ends: bool) -> Option<(NaiveDate, i64)> {
        let today = Today { date: trading_date(at(0)), ends };
        ended(book, &strategy("trend"), &sbin_in(product), today).map(|end| (end.on, end.net_before))
    }

    #[test]
    fn an_intraday_position_of_an_earlier_day_ended_on_that_day() {
        let day = |ago: i64| trading_date(at(-ago * DAY));
        assert_eq!(on(&book(Product::Mis, 1, &[]), Product::Mis), Some((day(1), 10)));
        assert_eq!(on(&book(Product::Mis, 4, &[]), Product::Mis), Some((day(4), 10)), "over a weekend");
        assert_eq!(on(&book(Product::Mis, 0, &[]), Product::Mis), None, "it is of today");
        assert_eq!(on(&book(Product::Nrml, 1, &[]), Product::Nrml), None, "that is carried over nights");
        assert_eq!(on(&book_of([], &[]), Product::Mis), None);
        assert_eq!(seen(&book(Product::Mis, 1, &[]), Product::Mis, false), None, "its market never closes");
        // The day has not begun here yet: nothing of it was traded.
        let mut early = book(Product::Mis, 1, &[]);
        early.begin_day(day(1), &[]);
        assert_eq!(on(&early, Product::Mis), Some((day(1), 10)));
    }

    #[test]
    fn what_is_of_two_days_is_of_today() {
        assert_eq!(on(&book(Product::Mis, 1, &[(Side::Buy, 5)]), Product::Mis), None);
        assert_eq!(on(&book(Product::Mis, 1, &[(Side::Buy, 5), (Side::Sell, 5)]), Product::Mis), None, "as many as before, and others");
    }

    #[test]
    fn several_ended_on_one_day_or_on_none_that_can_be_told() {
        let today = trading_date(at(0));
        let earlier = |ago: i64| Some(Earlier { on: trading_date(at(-ago * DAY)), net_before: 1 });
        assert_eq!(day_of(&[earlier(1), earlier(1)], today), Some(trading_date(at(-DAY))));
        assert_eq!(day_of(&[None, None], today), Some(today));
        assert_eq!(day_of(&[earlier(1), None], today), None);
        assert_eq!(day_of(&[earlier(1), earlier(2)], today), None);
    }
}
