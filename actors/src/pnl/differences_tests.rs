use chrono::Duration;

use super::*;
use crate::order::{BookState, Holding, InstrumentKey};
use crate::persistence::{Kept, KeptChange};
use crate::pnl::{DayChange, Move};
use crate::testkit::builders::{
    Build, SEQ, add_row, at, book_of, book_row, broker_shows, order, position, price, sbin, sbin_in, strategy, units,
};
use crate::watcher::Delivered;

fn mis() -> HoldingKey {
    sbin_in(Product::Mis)
}

/// An order of somebody else, filled.
fn foreign(id: &str, side: Side, filled: i64, at_price: &str, tag: Option<&str>) -> Arc<BookRow> {
    Arc::new(BookRow {
        tag: tag.map(Arc::from),
        side,
        quantity: filled,
        filled,
        average_price: Some(at_price.parse().unwrap()),
        state: BookState::Complete,
        ..book_row(id)
    })
}

fn found(book: &Book, findings: &Findings) -> Vec<(i64, Vec<(Cause, i64)>)> {
    let found = differences(book, findings, at(1)).unwrap();
    found.iter().map(|found| (found.units(), found.parts.iter().map(|part| (part.cause, part.units)).collect())).collect()
}

#[test]
fn books_that_agree_have_no_difference_and_unread_ones_no_answer() {
    let book = book_of([], &[("trend", mis(), 10)]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), 10)])), []);
    assert_eq!(differences(&book, &Findings::default(), at(1)), None);
}

#[test]
fn a_manual_trade_and_the_order_of_another_program_are_told_apart() {
    let book = book_of([], &[("trend", mis(), 10)]);
    let mut findings = broker_shows(&[(mis(), 17)]);
    findings.foreign = vec![
        foreign("B1", Side::Buy, 5, "801", None),
        foreign("B2", Side::Buy, 3, "803", Some("robo-7")),
        foreign("B3", Side::Sell, 1, "800", Some(" ")),
    ];
    assert_eq!(found(&book, &findings), [(7, vec![(Cause::ManualTrade, 4), (Cause::ForeignOrder, 3)])]);
    let all = differences(&book, &findings, at(1)).unwrap();
    assert_eq!(all[0].parts[1].evidence, [r#"broker order B2 BUY 3 at 803, tag "robo-7""#]);
    assert_eq!(all[0].price(), None, "bought and sold by hand: no one price for what is left");
    findings.foreign.remove(2);
    findings.positions = broker_shows(&[(mis(), 18)]).positions;
    assert_eq!(differences(&book, &findings, at(1)).unwrap()[0].price(), Some(price("801.75")), "5 at 801, 3 at 803");
}

#[test]
fn what_no_order_of_today_explains_is_unknown() {
    let book = book_of([], &[("trend", mis(), 10)]);
    let mut findings = broker_shows(&[(mis(), 4)]);
    assert_eq!(found(&book, &findings), [(-6, vec![(Cause::Unknown, -6)])]);
    let yesterday = BookRow { at: at(0) - Duration::days(1), ..(*foreign("B1", Side::Sell, 6, "801", None)).clone() };
    findings.foreign = vec![Arc::new(yesterday)];
    assert_eq!(found(&book, &findings), [(-6, vec![(Cause::Unknown, -6)])]);
    findings.foreign = vec![foreign("B1", Side::Sell, 4, "801", None)];
    assert_eq!(found(&book, &findings), [(-6, vec![(Cause::ManualTrade, -4), (Cause::Unknown, -2)])]);
}

#[test]
fn trades_of_our_own_that_are_on_their_way_are_late_fills() {
    let owed = order(1).working("B1").filled(10, 4);
    let book = book_of([owed], &[("trend", mis(), 4)]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), 10)])), [(6, vec![(Cause::LateFill, 6)])]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), 12)])), [(8, vec![(Cause::LateFill, 6), (Cause::Unknown, 2)])]);
    // Owed on one side, and more sold by hand on the other: the trade is on its way still.
    let buy = order(1).working("B1").filled(10, 0).ended(crate::order::Status::Executed, None);
    let beside = |orders: Vec<OrderRecord>| differences(&book_of(orders, &[]), &broker_shows(&[(mis(), -15)]), at(1)).unwrap().remove(0);
    assert!(beside(vec![buy.clone()]).is_settling() && !beside(vec![OrderRecord { traded_quantity: 10, ..buy }]).is_settling());
    // One in doubt may have filled, as far as it goes.
    let book = book_of([order(1).doubted()], &[]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), 7)])), [(7, vec![(Cause::LateFill, 7)])]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), 12)])), [(12, vec![(Cause::LateFill, 10), (Cause::Unknown, 2)])]);
    assert_eq!(found(&book, &broker_shows(&[(mis(), -7)])), [(-7, vec![(Cause::Unknown, -7)])], "a buy never makes a short");
    // Positions from before our last fill say nothing yet.
    let book = book_of([], &[("trend", mis(), 10)]);
    let mut findings = broker_shows(&[(mis(), 0)]);
    findings.positions.as_mut().unwrap().began_seq = SEQ - 1;
    let all = differences(&book, &findings, at(1)).unwrap();
    assert!(all[0].is_settling() && all[0].parts.len() == 1);
}

#[test]
fn a_stop_that_rests_is_not_what_took_shares_of_earlier_days_away() {
    let cnc = sbin_in(Product::Cnc);
    let mut stop = order(1).working("B1");
    (stop.ask.side, stop.ask.product, stop.ask.quantity) = (Some(Side::Sell), Some(Product::Cnc), Some(units(100)));
    let book = book_of([stop], &[("swing", cnc.clone(), 100)]);
    let mut findings = broker_shows(&[]);
    let shares = |quantity| Delivered { rows: vec![DeliveryRow { listings: vec![sbin()], quantity, average_price: None }], at: at(0) };
    findings.holdings = Some(shares(60));
    assert_eq!(found(&book, &findings), [(-40, vec![(Cause::Unknown, -40)])], "a person can take it over");
    // A sale of today has a row: it may be the stop's.
    findings.positions = broker_shows(&[(cnc, -40)]).positions;
    findings.holdings = Some(shares(100));
    assert_eq!(found(&book, &findings), [(-40, vec![(Cause::LateFill, -40)])]);
}

fn changed(book: &mut Book, what: Move) {
    let before = book.held(&strategy("trend"), &mis());
    let day = trading_date(at(0));
    book.put_day(&DayChange { seq: SEQ + 1, day, strategy: strategy("trend"), key: mis(), before, what });
}

#[test]
fn what_our_strategies_have_taken_in_is_no_difference_a_second_time() {
    // 10 were held, somebody sold them, and the holding was given up; then somebody bought 5.
    let before = book_of([], &[("trend", mis(), 10)]).held(&strategy("trend"), &mis());
    let day = trading_date(at(0));
    let left = DayChange { seq: 7, day, strategy: strategy("trend"), key: mis(), before, what: Move::Left { units: 10, told: None } };
    let mut book = book_of([], &[]);
    book.begin_day(day, &[left]);
    let mut findings = broker_shows(&[(mis(), 5)]);
    findings.foreign = vec![foreign("B1", Side::Sell, 10, "801", None), foreign("B2", Side::Buy, 5, "799", None)];
    assert_eq!(found(&book, &findings), [(5, vec![(Cause::ManualTrade, 5)])]);
    // What was taken over is ours: the same order explains nothing more.
    let mut book = book_of([], &[("trend", mis(), 4)]);
    changed(&mut book, Move::Taken { side: Side::Buy, quantity: units(4), price: price("801") });
    let mut findings = broker_shows(&[(mis(), 6)]);
    findings.foreign = vec![foreign("B1", Side::Buy, 6, "801", None)];
    assert_eq!(found(&book, &findings), [(2, vec![(Cause::ManualTrade, 2)])]);
    // Of two kinds of orders it is the one that it is whole.
    let mut findings = broker_shows(&[(mis(), 11)]);
    findings.foreign = vec![foreign("B1", Side::Buy, 7, "801", None), foreign("B2", Side::Buy, 4, "801", Some("robo-7"))];
    assert_eq!(found(&book, &findings), [(7, vec![(Cause::ManualTrade, 7)])]);
}

#[test]
fn a_close_by_hand_has_the_price_of_the_trades_that_closed_it_and_no_other() {
    let told = |book: &Book, rows: Vec<Arc<BookRow>>, missing| {
        let findings = Findings { foreign: rows, ..broker_shows(&[(mis(), 0)]) };
        price_of_close(book, &findings, &mis(), trading_date(at(0)), missing).map(|price| price.to_string())
    };
    let sold = |id, units, at_price| foreign(id, Side::Sell, units, at_price, None);
    let book = || book_of([], &[("trend", mis(), 10)]);
    assert_eq!(told(&book(), vec![sold("B1", 4, "801"), sold("B2", 6, "806")], 10).as_deref(), Some("804"));
    assert_eq!(told(&book(), vec![sold("B1", 4, "801")], 10), None, "the rest left some other way");
    assert_eq!(told(&book(), vec![sold("B1", 10, "801"), foreign("B2", Side::Buy, 5, "799", None)], 10), None, "both sides");
    let unpriced = Arc::new(BookRow { average_price: None, ..(*sold("B1", 10, "801")).clone() });
    assert_eq!(told(&book(), vec![unpriced], 10), None);
    // Closed yesterday, while nobody looked: by the rows of that day, where the broker shows them still.
    let day = trading_date(at(0));
    let (yesterday, mut carried) = (day.pred_opt().unwrap(), book());
    carried.begin_day(day, &[]);
    let of_yesterday = Arc::new(BookRow { at: at(0) - Duration::days(1), ..(*sold("B1", 10, "803")).clone() });
    let findings = Findings { foreign: vec![of_yesterday, sold("B2", 10, "806")], ..broker_shows(&[(mis(), 0)]) };
    let on = |day| price_of_close(&carried, &findings, &mis(), day, 10);
    assert_eq!((on(yesterday), on(day)), (Some(price("803")), Some(price("806"))));
    // Four left before, and were taken in: what is asked for now is the rest.
    let mut later = book();
    let day = trading_date(at(0));
    let held = Holding { net: 14, ..later.held(&strategy("trend"), &mis()) };
    let left =
        DayChange { seq: SEQ + 1, day, strategy: strategy("trend"), key: mis(), before: held, what: Move::Left { units: 4, told: None } };
    later.begin_day(day, &[left]);
    assert_eq!(told(&later, vec![sold("B1", 4, "801"), sold("B2", 10, "806")], 10).as_deref(), Some("806"));
    assert_eq!(told(&later, vec![sold("B1", 14, "801")], 10), None, "one order, and a part of it is taken in");
}

#[test]
fn shares_of_earlier_days_count_for_delivery_once_and_only_when_read_today() {
    let cnc = sbin_in(Product::Cnc);
    let bse = InstrumentKey::new(crate::order::Exchange::Bse, "SBIN");
    let held = |quantity| DeliveryRow { listings: vec![bse.clone(), sbin()], quantity, average_price: Some("700".parse().unwrap()) };
    let with = |quantity, read_at| {
        let mut findings = broker_shows(&[]);
        findings.holdings = Some(Delivered { rows: vec![held(quantity)], at: read_at });
        findings
    };
    let book = book_of([], &[("trend", cnc.clone(), 10)]);
    assert_eq!(found(&book, &with(10, at(0))), []);
    assert_eq!(found(&book, &with(25, at(0))), [(15, vec![(Cause::HeldForDelivery, 15)])]);
    assert_eq!(found(&book, &with(4, at(0))), [(-6, vec![(Cause::Unknown, -6)])]);
    assert_eq!(found(&book, &with(25, at(0) - Duration::days(1))), [], "what moved overnight is not known");
    assert_eq!(found(&book, &broker_shows(&[])), []);
    // Sold today: a short in the positions, against the shares of the morning.
    let mut sold = with(10, at(0));
    add_row(&mut sold, position(cnc, -4));
    let book = book_of([], &[("trend", sbin_in(Product::Cnc), 6)]);
    assert_eq!(found(&book, &sold), []);
    // Nobody's: named once, at its first listing.
    let all = differences(&book_of([], &[]), &with(25, at(0)), at(1)).unwrap();
    assert_eq!(all.iter().map(|found| &found.key.instrument).collect::<Vec<_>>(), [&bse]);
    assert_eq!(all[0].price(), Some(price("700")));
}

#[test]
fn a_difference_is_left_alone_until_it_changes() {
    let mut book = book_of([], &[]);
    let said = Ignored { units: 5, who: Arc::from("asha"), reason: Arc::from("mine"), at: at(0) };
    let now = Kept { value: Arc::from(serde_json::to_string(&said).unwrap()), seq: 9, at: at(0) };
    book.put_kept(KeptChange { slot: slot(&mis()), now: Some(now) });
    let ignored = |net| differences(&book, &broker_shows(&[(mis(), net)]), at(1)).unwrap()[0].ignored.clone();
    assert_eq!(ignored(5), Some(said));
    assert_eq!((ignored(6), ignored(-5)), (None, None));
}
