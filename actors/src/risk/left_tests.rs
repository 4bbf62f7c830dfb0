use std::sync::Arc;

use super::*;
use crate::order::{BookState, Product, trading_date};
use crate::pnl::{DayChange, Move};
use crate::ports::BookRow;
use crate::testkit::book_row;
use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, exit, order, sbin, sbin_in, strategy};
use crate::watcher::Orders;

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

/// The same with an order book of that second which shows these orders of ours.
fn with_book(findings: Findings, ours: &[OrderRecord], second: i64) -> Findings {
    let row = |order: &OrderRecord| BookRow {
        filled: order.filled_quantity,
        broker_order_id: order.broker_order_id.clone().unwrap(),
        ..by_hand(order.quantity(), order.filled_quantity)
    };
    let rows: Arc<[Arc<BookRow>]> = ours.iter().map(|order| Arc::new(row(order))).chain(findings.foreign.iter().cloned()).collect();
    Findings { orders: Some(Orders { rows, at: at(second) }), ..findings }
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
    assert!(matches!(left(&with_book(shows(60, &[by_hand(40, 40)]), &[sale()], 0)), Left::Fewer(60, _)));
    waits(left(&shows(0, &[by_hand(100, 100)])), "somebody has closed 100");
    waits(left(&shows(60, &[])), "its own fill is not told yet");
    waits(left(&shows(60, &[by_hand(30, 30)])), "the broker has 60 of the 100");
    // The stream tells it, and the positions are of before it: they may be of after it as well.
    let mut told = shows(100, &[]);
    told.elsewhere.see([&by_hand(40, 40)], trading_date(at(0)));
    waits(left(&told), "the broker has 60");
    assert_eq!(left(&shows(140, &[by_hand(40, 40)])), Left::All, "somebody has more there, and his own is gone");
}

/// Somebody sold units of his own beyond ours, or nobody can tell whose they were: what is missing now may be what the exit has filled, and
/// an exit that is made smaller for that leaves as much open.
#[test]
fn a_trade_of_others_explains_nothing_where_a_fill_of_ours_may_be_missing() {
    let book = book(&[sale()]);
    let left = |findings: &Findings| left_by_others(&sale(), &book, findings, None);
    let missing = || shows(80, &[by_hand(40, 40)]);
    waits(left(&missing()), "its own fill is not told yet");
    waits(left(&with_book(missing(), &[sale()], -1)), "its own fill is not told yet");
    waits(left(&with_book(missing(), &[sale().filled(20, 0)], 0)), "its own fill is not told yet");
    waits(left(&with_book(missing(), &[], 0)), "its own fill is not told yet");
    assert!(matches!(left(&with_book(missing(), &[sale()], 0)), Left::Fewer(80, _)), "it has filled none of it");
    // Another one that works there, whosever and of whatever kind, may have filled it.
    for other in [exit(2).by("other"), order(2).by("other")] {
        let other = other.side(Side::Sell).asks(20).product(MIS).working("B2");
        let book = book_of([sale(), other.clone()], &[("trend", sbin_in(MIS), 100), ("other", sbin_in(MIS), 20)]);
        let left = |ours: &[OrderRecord]| left_by_others(&sale(), &book, &with_book(shows(90, &[by_hand(40, 40)]), ours, 0), None);
        waits(left(&[sale()]), "its own fill is not told yet");
        assert!(matches!(left(&[sale(), other]), Left::Fewer(70 | 90, _)));
    }
}

/// Our strategies gave up 40 for somebody's sale in the morning: it does not explain a second time what is missing in the afternoon.
#[test]
fn what_our_strategies_have_given_up_for_a_trade_is_explained_by_it_once() {
    let mut order = sale();
    order = order.asks(60);
    let mut book = book(std::slice::from_ref(&order));
    let before = book.held(&strategy("trend"), &sbin_in(MIS));
    let whose = (strategy("trend"), sbin_in(MIS));
    book.put_day(&DayChange::corrected(SEQ, at(0), whose, before, Move::left(before, 40, None)));
    book.put_holding(strategy("trend"), sbin_in(MIS), crate::order::Holding { net: 60, ..before }, SEQ);
    let left = |sold: i64| {
        let findings = with_book(shows(40, &[by_hand(sold, sold)]), std::slice::from_ref(&order), 0);
        left_by_others(&order, &book, &findings, None)
    };
    waits(left(40), "its own fill is not told yet");
    assert!(matches!(left(60), Left::Fewer(40, _)), "he has sold 20 more");
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
    let (one, other) = (sale().asks(60), exit(2).side(Side::Sell).asks(40).product(MIS).working("B2"));
    let left = |net: i64, sold: i64, one: &OrderRecord| {
        let ours = [one.clone(), other.clone()];
        let foreign = if sold > 0 { vec![by_hand(sold, sold)] } else { Vec::new() };
        left_by_others(one, &book(&ours), &with_book(shows(net, &foreign), &ours, 0), None)
    };
    assert_eq!(left(100, 0, &one), Left::All);
    assert!(matches!(left(70, 30, &one), Left::Fewer(30, _)));
    // Of 90 that are ours still.
    let found = left(60, 30, &one.clone().filled(10, 0));
    assert!(matches!(found, Left::Fewer(30, _)), "{found:?}");
}
