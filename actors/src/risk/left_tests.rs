use std::sync::Arc;

use super::*;
use crate::order::{BookState, Product};
use crate::ports::BookRow;
use crate::testkit::book_row;
use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, exit, sbin, sbin_in};

const MIS: Product = Product::Mis;

/// A sale of 100 that works, of 100 that are held.
fn sale() -> OrderRecord {
    exit(1).side(Side::Sell).asks(100).product(MIS).working("B1")
}

fn by_hand(quantity: i64, filled: i64) -> BookRow {
    let state = if filled < quantity { BookState::Open } else { BookState::Complete };
    BookRow { side: Side::Sell, quantity, filled, state, instrument: sbin(), product: MIS, ..book_row("X1") }
}

fn book(orders: &[OrderRecord]) -> Book {
    book_of(orders.to_vec(), &[("trend", sbin_in(MIS), 100)])
}

fn shows(net: i64, foreign: &[BookRow]) -> Findings {
    Findings { foreign: foreign.iter().cloned().map(Arc::new).collect(), ..broker_shows(&[(sbin_in(MIS), net)]) }
}

#[track_caller]
fn waits(left: Left, words: &str) {
    assert!(matches!(&left, Left::Unknown(why) if why.contains(words)), "{left:?}");
}

#[test]
fn what_somebody_is_seen_to_have_closed_is_not_closed_again() {
    let (order, book) = (sale(), book(&[sale()]));
    let left = |findings: &Findings| left_by_others(&order, &book, findings, None);
    assert_eq!(left(&shows(100, &[])), Left::All);
    assert!(matches!(left(&shows(60, &[by_hand(40, 40)])), Left::Fewer(60, _)));
    waits(left(&shows(0, &[by_hand(100, 100)])), "somebody has closed 100");
    waits(left(&shows(60, &[])), "its own fill is not told yet");
    waits(left(&shows(60, &[by_hand(30, 30)])), "the broker has 60 of the 100");
    // The stream tells it, and the positions are of before it: they may be of after it as well.
    let mut told = shows(100, &[]);
    told.elsewhere.see([&by_hand(40, 40)], trading_date(at(0)));
    waits(left(&told), "the broker has 60");
    assert_eq!(left(&shows(140, &[by_hand(40, 40)])), Left::All, "somebody has more there, and his own is gone");
}

#[test]
fn what_the_exit_has_filled_itself_and_what_the_positions_may_lack_is_no_reason() {
    let filled = sale().filled(40, 0);
    assert_eq!(
        left_by_others(&filled, &book(std::slice::from_ref(&filled)), &shows(60, &[]), None),
        Left::All,
        "its trades are not told yet"
    );
    assert_eq!(left_by_others(&filled, &book(std::slice::from_ref(&filled)), &shows(100, &[]), None), Left::All, "the positions lag");
    let mut old = shows(100, &[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    assert_eq!(left_by_others(&sale(), &book(&[sale()]), &old, None), Left::All, "of before our last fill");
    let none = Findings { positions: Some(Positions::new(Vec::new(), at(0), SEQ)), ..Findings::default() };
    let carried = sale().product(Product::Nrml);
    let held = book_of([carried.clone()], &[("trend", sbin_in(Product::Nrml), 100)]);
    assert_eq!(left_by_others(&carried, &held, &none, None), Left::All, "a row that is missing proves nothing");
    assert_eq!(left_by_others(&sale(), &book(&[sale()]), &Findings::default(), None), Left::All);
}

#[test]
fn what_others_are_about_to_close_holds_an_exit_back_and_what_rests_far_away_does_not() {
    let (order, book) = (sale(), book(&[sale()]));
    let left = |row: BookRow| left_by_others(&order, &book, &shows(100, &[row]), None);
    waits(left(by_hand(100, 0)), "is about to close");
    waits(left(by_hand(40, 0)), "is about to close");
    let far = BookRow { price: Some(crate::testkit::builders::price("900").value()), ..by_hand(100, 0) };
    assert_eq!(left(far), Left::All);
}

#[test]
fn another_exit_of_ours_has_its_share() {
    let (mut one, other) = (sale().asks(60), exit(2).side(Side::Sell).asks(40).product(MIS).working("B2"));
    let book = book(&[one.clone(), other]);
    assert_eq!(left_by_others(&one, &book, &shows(100, &[]), None), Left::All);
    assert!(matches!(left_by_others(&one, &book, &shows(70, &[by_hand(30, 30)]), None), Left::Fewer(30, _)));
    one = one.filled(10, 0);
    let found = left_by_others(&one, &book, &shows(70, &[by_hand(30, 30)]), None);
    assert!(matches!(found, Left::Fewer(40, _)), "{found:?}");
}
