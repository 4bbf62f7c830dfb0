use super::*;
use crate::order::trading_date;
use crate::pnl::{DayChange, Move};
use crate::testkit::builders::{SEQ, at, book_of, broker_shows, nfo, price, sbin_in, strategy, units};

fn beside(findings: &Findings, held: &[(&str, HoldingKey, i64)], key: &HoldingKey) -> (i64, i64) {
    Beyond::of(&book_of([], held), findings).units(&key.instrument)
}

#[test]
fn what_the_broker_shows_beyond_ours_is_held_elsewhere_and_less_is_not_trusted() {
    let mis = || sbin_in(Product::Mis);
    let rows = [
        (25, vec![], (25, 0)),
        (25, vec![("a", mis(), 5)], (20, 0)),
        (-25, vec![("a", mis(), -5), ("b", mis(), -20)], (0, 0)),
        (3, vec![("a", mis(), 5)], (0, 0)),
        (-10, vec![("a", mis(), 5)], (0, 10)),
        (0, vec![("a", mis(), 5), ("b", mis(), -5)], (0, 0)),
    ];
    for (shown, held, units) in rows {
        assert_eq!(beside(&broker_shows(&[(mis(), shown)]), &held, &mis()), units, "{shown} beside {held:?}");
    }
}

#[test]
fn shares_that_leave_a_delivery_holding_are_no_short_position() {
    let (cnc, mis) = (sbin_in(Product::Cnc), sbin_in(Product::Mis));
    assert_eq!(beside(&broker_shows(&[(cnc.clone(), -500)]), &[], &cnc), (0, 0), "somebody has sold them today");
    assert_eq!(beside(&broker_shows(&[(cnc.clone(), -500), (mis, -5)]), &[], &cnc), (0, 5));
    assert_eq!(beside(&broker_shows(&[(cnc.clone(), 7)]), &[], &cnc), (7, 0), "bought today");
}

/// After a trade of ours, which the positions of before it lack: with what was held before.
fn traded_since(before: i64, side: Side, quantity: i64) -> Book {
    let key = nfo("24000CE");
    let holdings = [("a", key.clone(), before)];
    let mut book = book_of([], if before == 0 { &[] } else { &holdings[..] });
    let (owner, seq, price) = (strategy("a"), SEQ + 1, price("100"));
    let held = book.held(&owner, &key);
    let quantity = units(quantity);
    book.put_holding(owner.clone(), key.clone(), held.after(side, quantity, price), seq);
    let what = Move::Traded { order: 1, side, quantity, price, seen: None, at: at(0) };
    book.put_day(&DayChange { seq, day: trading_date(at(0)), strategy: owner, key, before: held, what });
    book.put_seq(seq);
    book
}

#[test]
fn what_we_have_just_traded_is_nobody_elses_in_positions_of_before_it() {
    let beyond = |book: &Book, shown: i64| {
        let key = nfo("24000CE");
        Beyond::of(book, &broker_shows(&[(key.clone(), shown)])).units(&key.instrument)
    };
    let left = traded_since(-50, Side::Buy, 50);
    assert_eq!((beyond(&left, -50), beyond(&left, 0)), ((0, 0), (0, 0)), "it is bought back, and not shown yet");
    assert_eq!(beyond(&left, -95), (0, 95), "somebody has sold too, and which of ours is in it is not known");
    let sold = traded_since(0, Side::Sell, 50);
    assert_eq!((beyond(&sold, 0), beyond(&sold, -50)), ((0, 0), (0, 0)));
    assert_eq!((beyond(&sold, -45), beyond(&sold, -95)), ((0, 45), (0, 95)), "45 of others, ours not shown; or shown");
}
