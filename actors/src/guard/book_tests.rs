use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::*;
use crate::order::{Product, Status};
use crate::ports::DeliveryRow;
use crate::testkit::builders::at;
use crate::testkit::builders::{Build, SEQ, book_of, broker_shows, exit, nse, order, sbin_in, strategy, terms_of};
use crate::watcher::Delivered;

#[path = "adds_tests.rs"]
mod adds;
#[path = "book_props_tests.rs"]
mod props;

const MIS: Product = Product::Mis;

fn held(name: &'static str, net: i64) -> (&'static str, HoldingKey, i64) {
    (name, sbin_in(MIS), net)
}

/// Judges `me` among others, all of them in the book, as a basket of its own.
fn judged(me: &OrderRecord, others: &[OrderRecord], holdings: &[(&str, HoldingKey, i64)]) -> Option<Block> {
    let book = book_of(others.iter().cloned().chain([me.clone()]), holdings);
    let terms = terms_of(me);
    GuardBook::new(&book).judge(Candidate { order: me, terms: &terms }, &me.instrument().unwrap(), &[])
}

#[track_caller]
fn blocked(block: Option<Block>, tag: Tag, words: &str) {
    match block {
        Some(block) => assert!(block.tag == tag && block.reason.contains(words), "{} {}", block.tag, block.reason),
        None => panic!("wanted {tag}: ..{words}.."),
    }
}

fn sell(number: u64) -> OrderRecord {
    order(number).side(Side::Sell)
}

fn adjust(number: u64) -> OrderRecord {
    order(number).intent(Intent::Adjust)
}

#[test]
fn a_flat_strategy_may_enter() {
    assert_eq!(judged(&order(1), &[], &[]), None);
    assert_eq!(judged(&order(1), &[], &[held("other", 10)]), None, "the same side of another strategy is no conflict");
    assert!(verdict(None).passed);
}

#[test]
fn a_strategy_that_holds_is_told_what_and_how_to_go_on() {
    let block = judged(&order(1), &[], &[held("trend", 10)]);
    assert!(block.as_ref().unwrap().by_holding);
    let said = verdict(block.as_ref());
    assert!(!said.passed && said.input.contains("trend holds 10 NSE:SBIN-EQ MIS already"));
    blocked(block, Tag::ExecutionGuardBlocked, "exit it first, or send ADJUST");
    blocked(judged(&order(1).of("INFY-EQ"), &[], &[held("trend", -10)]), Tag::ExecutionGuardBlocked, "trend holds -10 NSE:SBIN-EQ MIS");
}

#[test]
fn an_open_order_for_the_symbol_makes_the_next_one_a_duplicate() {
    for open in [order(1), order(1).working("B1"), order(1).doubted(), exit(1), sell(1)] {
        blocked(judged(&order(2), &[open], &[]), Tag::DuplicateOrderBlocked, "open in NSE:SBIN-EQ");
    }
    assert_eq!(judged(&order(2), &[order(1).ended(Status::Failed, Some(Tag::KillSwitch))], &[]), None);
    assert_eq!(judged(&order(2), &[order(9)], &[]), None, "a later one that was not sent does not count");
    blocked(judged(&order(2), &[order(9).sent()], &[]), Tag::DuplicateOrderBlocked, "SENT_TO_BROKER");
}

#[test]
fn a_strategy_that_enters_elsewhere_is_not_flat() {
    blocked(judged(&order(2), &[order(1).of("INFY-EQ")], &[]), Tag::ExecutionGuardBlocked, "trend is entering INFY-EQ already");
    assert_eq!(judged(&order(2), &[exit(1).of("INFY-EQ")], &[]), None, "an exit elsewhere is no entry");
}

#[test]
fn orders_of_the_same_basket_are_no_rivals() {
    let me = order(2).basket(50, 1).of("INFY-EQ");
    for leg in [order(1).basket(50, 0), order(1).basket(50, 0).working("B1"), sell(1).basket(50, 0)] {
        assert_eq!(judged(&me, &[leg], &[]), None);
    }
    let filled = order(1).basket(50, 0).working("B1").filled(10, 10);
    assert_eq!(
        judged(&me, std::slice::from_ref(&filled), &[held("trend", 10)]),
        None,
        "what a leg of the basket filled is no holding in the way"
    );
    blocked(judged(&me, &[filled], &[held("trend", 15)]), Tag::ExecutionGuardBlocked, "holds 15");
}

#[test]
fn mock_orders_are_invisible_and_exits_pass() {
    assert_eq!(judged(&order(2), &[order(1).test(), order(3).test().sent()], &[]), None);
    assert_eq!(judged(&sell(2), &[order(1).by("other").test()], &[]), None);
    assert_eq!(judged(&exit(2), &[order(1).working("B1"), sell(3).by("other").sent()], &[held("trend", 10), held("other", -10)]), None);
}

#[test]
fn two_legs_of_a_basket_in_one_instrument_contradict_each_other() {
    let legs = [order(1).basket(50, 0), sell(2).basket(50, 1).asks(4)];
    let terms: Vec<Terms> = legs.iter().map(terms_of).collect();
    let judge = |legs: &[OrderRecord], me: usize| {
        let book = book_of(legs.to_vec(), &[]);
        let basket: Vec<Candidate<'_>> = legs.iter().zip(&terms).map(|(order, terms)| Candidate { order, terms }).collect();
        GuardBook::new(&book).judge(basket[me], &legs[me].instrument().unwrap(), &basket)
    };
    blocked(judge(&legs, 0), Tag::ExecutionGuardBlocked, "this basket asks for BUY 10 and SELL 4 of NSE:SBIN-EQ");
    blocked(judge(&legs, 1), Tag::ExecutionGuardBlocked, "this basket asks for SELL 4 and BUY 10");
    let [one, other] = legs;
    assert_eq!(judge(&[one.clone(), other.clone().of("INFY-EQ")], 0), None);
    assert_eq!(judge(&[one, other.intent(Intent::Exit)], 0), None, "an exit beside an entry is a turn, in order");
}

/// A plan lets the legs of a basket go one after the other: each is judged alone, and the others are in the book.
#[test]
fn legs_that_go_one_after_the_other_contradict_each_other_too() {
    let leg = || sell(2).basket(50, 1).asks(4);
    let bought = order(1).basket(50, 0).working("B1").filled(10, 10);
    let failed = order(1).basket(50, 0).ended(Status::Failed, Some(Tag::BrokerRejected));
    for other in [order(1).basket(50, 0), bought.clone(), bought.clone().ended(Status::Executed, None)] {
        let holdings = if other.filled_quantity > 0 { vec![held("trend", 10)] } else { vec![] };
        blocked(judged(&leg(), &[other], &holdings), Tag::ExecutionGuardBlocked, "this basket asks for SELL 4 and BUY 10");
    }
    for other in [failed, order(1).basket(50, 0).of("INFY-EQ"), order(1).basket(50, 0).test()] {
        assert_eq!(judged(&leg(), std::slice::from_ref(&other), &[]), None, "{other:?}");
    }
}

#[test]
fn an_adjustment_never_turns_a_position_around() {
    let reduce = |quantity| adjust(5).side(Side::Sell).asks(quantity);
    let long = [held("trend", 10)];
    assert_eq!(judged(&reduce(9), &[], &long), None);
    assert_eq!(judged(&reduce(10), &[], &long), None);
    blocked(judged(&reduce(11), &[], &long), Tag::ExecutionGuardBlocked, "SELL 11 (with 0 working) would turn it around");
    assert_eq!(judged(&adjust(5).asks(100), &[], &long), None, "adding is no turn");
    let working = adjust(1).side(Side::Sell).asks(6).working("B1").filled(2, 2);
    assert_eq!(judged(&reduce(6), std::slice::from_ref(&working), &long), None);
    blocked(judged(&reduce(7), &[working], &long), Tag::ExecutionGuardBlocked, "SELL 7 (with 4 working)");
    blocked(judged(&reduce(1), &[exit(1)], &long), Tag::ExecutionGuardBlocked, "SELL 1 (with 10 working)");
    assert_eq!(judged(&reduce(6), &[exit(1).asks(4)], &long), None);
    blocked(judged(&reduce(7), &[exit(1).asks(4)], &long), Tag::ExecutionGuardBlocked, "SELL 7 (with 4 working)");
    assert_eq!(judged(&reduce(10), &[exit(1).product(Product::Nrml)], &long), None, "an exit of another product");
    assert_eq!(judged(&adjust(5), &[exit(1)], &long), None);
    let short = [held("trend", -10)];
    blocked(judged(&adjust(5).asks(11), &[], &short), Tag::ExecutionGuardBlocked, "BUY 11");
    assert_eq!(judged(&adjust(5).asks(10), &[], &short), None);
}

#[test]
fn an_adjustment_of_nothing_is_an_entry_in_disguise() {
    blocked(judged(&adjust(1), &[], &[held("other", 10)]), Tag::ExecutionGuardBlocked, "trend holds nothing that could be adjusted");
}

#[test]
fn two_strategies_never_stand_on_opposite_sides() {
    blocked(judged(&sell(1), &[], &[held("other", 10)]), Tag::ExecutionGuardBlocked, "another strategy holds 10 NSE:SBIN-EQ MIS");
    blocked(judged(&order(1), &[], &[held("other", -10)]), Tag::ExecutionGuardBlocked, "another strategy holds -10");
    blocked(judged(&sell(1), &[], &[("other", sbin_in(Product::Cnc), 10)]), Tag::ExecutionGuardBlocked, "CNC");
    let open = order(1).by("other");
    blocked(judged(&sell(2), std::slice::from_ref(&open), &[]), Tag::ExecutionGuardBlocked, "strategy other has a BUY open in NSE:SBIN-EQ");
    assert_eq!(judged(&order(2), &[open], &[]), None);
    assert_eq!(judged(&sell(1), &[order(2).by("other")], &[]), None, "the later one gives way");
    blocked(judged(&sell(1), &[order(2).by("other").doubted()], &[]), Tag::ExecutionGuardBlocked, "strategy other");
    assert_eq!(judged(&sell(2), &[exit(1).by("other").side(Side::Buy)], &[]), None, "an exit is not in the way");
    let reduce = adjust(2).side(Side::Sell).asks(5);
    assert_eq!(judged(&reduce, &[], &[held("trend", 10)]), None, "its own holding is not another's");
    blocked(judged(&reduce, &[], &[held("trend", 10), held("other", 1)]), Tag::ExecutionGuardBlocked, "another strategy holds 1");
}

#[test]
fn the_brokers_newest_positions_free_what_is_gone() {
    let me = order(1);
    let terms = terms_of(&me);
    let book = book_of([me.clone()], &[held("trend", 10)]);
    let candidate = Candidate { order: &me, terms: &terms };
    let judge = |findings: &Findings| GuardBook::corrected_by(&book, findings).judge(candidate, &crate::testkit::builders::sbin(), &[]);
    assert_eq!(judge(&broker_shows(&[])), None, "flat at the broker");
    assert_eq!(judge(&broker_shows(&[(sbin_in(MIS), -5)])), None, "on the other side at the broker");
    blocked(judge(&broker_shows(&[(sbin_in(MIS), 4)])), Tag::ExecutionGuardBlocked, "trend holds 4");
    blocked(judge(&broker_shows(&[(sbin_in(MIS), 40)])), Tag::ExecutionGuardBlocked, "trend holds 10");
    let mut old = broker_shows(&[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    blocked(judge(&old), Tag::ExecutionGuardBlocked, "trend holds 10");
    blocked(judge(&Findings::default()), Tag::ExecutionGuardBlocked, "trend holds 10");
    assert_eq!(GuardBook::new(&book).has_strategy(&strategy("trend")), Some((sbin_in(MIS), 10)));
    assert_eq!(GuardBook::corrected_by(&book, &broker_shows(&[])).has_strategy(&strategy("trend")), None);
}

#[test]
fn nothing_but_an_exit_sells_for_delivery() {
    for intent in [Intent::Entry, Intent::Adjust] {
        let me = order(1).intent(intent).side(Side::Sell).product(Product::Cnc);
        let flat = judged(&me, &[], &[]);
        blocked(flat, Tag::ExecutionGuardBlocked, "would sell shares that trend does not hold");
    }
    assert_eq!(judged(&order(1).product(Product::Cnc), &[], &[]), None, "it buys");
    assert_eq!(judged(&exit(1).side(Side::Sell).product(Product::Cnc), &[], &[("trend", sbin_in(Product::Cnc), 10)]), None);
}

#[test]
fn shares_for_delivery_that_left_the_positions_overnight_are_held_still() {
    let me = order(1);
    let terms = terms_of(&me);
    let book = book_of([me.clone()], &[("trend", sbin_in(Product::Cnc), 10)]);
    let candidate = Candidate { order: &me, terms: &terms };
    let judge = |findings: &Findings| GuardBook::corrected_by(&book, findings).judge(candidate, &crate::testkit::builders::sbin(), &[]);
    blocked(judge(&broker_shows(&[])), Tag::ExecutionGuardBlocked, "trend holds 10");
    let shares = |quantity, second| {
        let row = DeliveryRow { listings: vec![crate::testkit::builders::sbin()], quantity, average_price: None };
        Findings { holdings: Some(Delivered { rows: vec![row], at: at(second) }), ..broker_shows(&[]) }
    };
    blocked(judge(&shares(10, 0)), Tag::ExecutionGuardBlocked, "trend holds 10");
    blocked(judge(&shares(0, 0)), Tag::ExecutionGuardBlocked, "trend holds 10");
    let sold = |sold| {
        let row = BookRow { side: Side::Sell, filled: sold, product: Product::Cnc, at: at(0), ..crate::testkit::builders::book_row("X1") };
        let shown = [(sbin_in(Product::Cnc), -sold)];
        Findings { foreign: vec![Arc::new(row)], holdings: shares(10, 0).holdings, ..broker_shows(&shown) }
    };
    assert_eq!(judge(&sold(10)), None, "an order of the day has sold them");
    blocked(judge(&sold(4)), Tag::ExecutionGuardBlocked, "trend holds 6");
    blocked(judge(&shares(0, -86_400)), Tag::ExecutionGuardBlocked, "trend holds 10");
}

#[test]
fn a_book_of_positions_without_any_row_for_what_was_traded_today_frees_nothing() {
    let me = order(2);
    let terms = terms_of(&me);
    let filled = order(1).working("B1").filled(10, 10).ended(Status::Executed, None);
    let book = book_of([filled, me.clone()], &[held("trend", 10)]);
    let candidate = Candidate { order: &me, terms: &terms };
    let judge = |findings: &Findings| GuardBook::corrected_by(&book, findings).judge(candidate, &crate::testkit::builders::sbin(), &[]);
    blocked(judge(&broker_shows(&[])), Tag::ExecutionGuardBlocked, "trend holds 10");
    assert_eq!(judge(&broker_shows(&[(sbin_in(MIS), 0)])), None, "a row that says so does");
}

#[test]
fn a_change_is_judged_without_its_own_row() {
    let judge = |me: &OrderRecord, quantity: i64, others: &[OrderRecord], holdings: &[(&str, HoldingKey, i64)]| {
        let book = book_of(others.iter().cloned().chain([me.clone()]), holdings);
        let terms = terms_of(&me.clone().asks(quantity));
        GuardBook::new(&book).judge_change(Candidate { order: me, terms: &terms }, &me.instrument().unwrap())
    };
    assert_eq!(judge(&order(1).working("B1").filled(4, 4), 20, &[], &[held("trend", 4)]), None);
    blocked(judge(&sell(2).working("B2"), 20, &[], &[held("other", 4)]), Tag::ExecutionGuardBlocked, "another strategy holds 4");
    blocked(judge(&adjust(1).side(Side::Sell).working("B1"), 11, &[], &[held("trend", 10)]), Tag::ExecutionGuardBlocked, "turn it around");
    assert_eq!(judge(&exit(1).working("B1"), 20, &[], &[held("other", -4)]), None);
}

/// Holdings and rows are gone through beside each other: neither has all that the other has, and rows come in no order.
#[test]
fn each_holding_is_held_against_its_own_rows() {
    let keys = [sbin_in(MIS), sbin_in(Product::Nrml)];
    let other = |symbol: &str| HoldingKey { instrument: InstrumentKey::new(crate::order::Exchange::Nse, symbol), product: MIS };
    let (acc, tcs, zee) = (other("ACC-EQ"), other("TCS-EQ"), other("ZEEL-EQ"));
    let held = |key: &HoldingKey, net| ("trend", key.clone(), net);
    let book = book_of([], &[held(&zee, 5), held(&keys[0], 10), held(&tcs, 7), held(&keys[1], 3)]);
    let shown = [(zee.clone(), 4), (acc, 1), (keys[0].clone(), 6), (keys[1].clone(), 3), (keys[0].clone(), 3)];
    let found = reconcile_with_broker(&book, &broker_shows(&shown)).into_iter().map(|shrunk| (shrunk.key, shrunk.ours, shrunk.at_broker));
    assert_eq!(found.collect::<Vec<_>>(), [(keys[0].clone(), 10, 9), (tcs, 7, 0), (zee, 5, 4)]);
}

#[test]
fn a_holding_is_smaller_at_the_broker_only_when_every_fill_is_known_there() {
    let shrunk = |orders: &[OrderRecord], net: i64, shown: i64| {
        reconcile_with_broker(&book_of(orders.iter().cloned(), &[held("trend", net)]), &broker_shows(&[(sbin_in(MIS), shown)]))
    };
    assert_eq!(shrunk(&[], 10, 4), [Shrunk { key: sbin_in(MIS), ours: 10, at_broker: 4, rest: Vec::new(), told: Told::Yes }]);
    assert_eq!(shrunk(&[], -10, 0).len(), 1);
    assert_eq!(shrunk(&[], 10, -10).len(), 1);
    assert_eq!(shrunk(&[], 10, 10), []);
    assert_eq!(shrunk(&[], 10, 25), [], "more at the broker is somebody else's");
    assert_eq!(shrunk(&[order(1).working("B1")], 10, 4)[0].rest.len(), 1, "something of ours works there");
    assert_eq!(shrunk(&[order(1).working("B1").filled(10, 0)], 10, 4), [], "a trade is outstanding there");
    assert_eq!(shrunk(&[order(1).of("INFY-EQ").working("B1")], 10, 4).len(), 1);
    let book = book_of([], &[held("trend", 10)]);
    let mut old = broker_shows(&[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    assert_eq!(reconcile_with_broker(&book, &old), []);
    assert_eq!(reconcile_with_broker(&book, &Findings::default()), []);
}

#[test]
fn a_position_without_a_row_is_told_to_be_closed_only_if_its_broker_closes_it_by_itself() {
    const NRML: Product = Product::Nrml;
    let told = |product: Product, orders: &[OrderRecord], shown: &[(HoldingKey, i64)], read_at: i64| {
        let mut findings = broker_shows(shown);
        findings.positions.as_mut().unwrap().at = at(read_at);
        let book = book_of(orders.iter().cloned(), &[("trend", sbin_in(product), 10)]);
        let found = reconcile_with_broker(&book, &findings);
        found.into_iter().map(|shrunk| shrunk.told).collect::<Vec<_>>()
    };
    let bought = [order(1).working("B1").filled(10, 10)];
    assert_eq!(told(MIS, &bought, &[], 0), [Told::LacksToday]);
    assert_eq!(told(MIS, &bought, &[(sbin_in(MIS), 0)], 0), [Told::Yes], "a row says so");
    assert_eq!(told(MIS, &[order(1).of("INFY-EQ").working("B1").filled(10, 10)], &[], 0), [Told::Yes]);
    assert_eq!(told(MIS, &[], &[], 0), [Told::Yes], "of another day: the broker has closed it");
    // The tests' morning is ten o'clock in India.
    assert_eq!(told(MIS, &[], &[], -3601), [Told::LacksCarried], "before the exchanges open a broker may show nothing at all");
    assert_eq!(told(MIS, &[], &[], -3600), [Told::Yes]);
    assert_eq!(told(NRML, &[], &[], 0), [Told::LacksCarried], "what is carried has a row every day");
    assert_eq!(told(NRML, &[], &[(sbin_in(NRML), 0)], 0), [Told::Yes]);
    assert_eq!(told(NRML, &[order(1).product(NRML).working("B1").filled(10, 10)], &[], 0), [Told::LacksToday]);
    // On both sides it comes to nothing at the broker, which then has no row.
    let both = book_of([], &[("trend", sbin_in(NRML), 10), ("other", sbin_in(NRML), -10)]);
    assert_eq!(broker_shows(&[]).positions.unwrap().told(&sbin_in(NRML), &both), Told::Yes);
}

/// Ten shares of an earlier day. That they were sold elsewhere is proven by a sale; shares that no book has may not be settled yet.
#[test]
fn delivery_that_was_sold_elsewhere_is_taken_in_where_an_order_tells_the_sale() {
    let cnc = sbin_in(Product::Cnc);
    let book = book_of([], &[("trend", cnc.clone(), 10)]);
    let shares = |quantity| DeliveryRow { listings: vec![crate::testkit::builders::sbin()], quantity, average_price: None };
    let found = |held: Option<i64>, shown: &[(HoldingKey, i64)], sold: i64, at_second: i64| {
        let row = crate::testkit::book_row("X1");
        let row =
            BookRow { side: Side::Sell, filled: sold, product: Product::Cnc, instrument: cnc.instrument.clone(), at: at(at_second), ..row };
        let holdings = held.map(|quantity| Delivered { rows: vec![shares(quantity)], at: at(0) });
        let findings = Findings { holdings, foreign: vec![Arc::new(row)], ..broker_shows(shown) };
        reconcile_with_broker(&book, &findings).into_iter().map(|shrunk| (shrunk.at_broker, shrunk.told)).collect::<Vec<_>>()
    };
    assert_eq!(found(None, &[], 10, 0), [], "the holdings were not read");
    assert_eq!(found(Some(10), &[], 0, 0), [], "they are there");
    assert_eq!(found(Some(10), &[(cnc.clone(), -10)], 10, 0), [(0, Told::Yes)], "a GTT has sold them");
    assert_eq!(found(Some(10), &[(cnc.clone(), -4)], 4, 0), [(6, Told::Yes)]);
    assert_eq!(found(Some(15), &[(cnc.clone(), -5)], 5, 0), [], "the owner has sold his own");
    assert_eq!(found(Some(0), &[], 0, 0), [(0, Told::LacksDelivery)], "nobody tells where they went");
    assert_eq!(found(Some(0), &[], 10, -86_400), [(0, Told::LacksDelivery)], "a sale of yesterday is none of today");
    assert_eq!(found(Some(3), &[(cnc.clone(), -4)], 4, 0), [(-1, Told::LacksDelivery)], "it explains a part only");
}

/// The owner sells 5 of 10, which are given up; then he pledges the other 5. No further sale tells of those.
#[test]
fn a_sale_that_was_taken_in_proves_no_second_loss() {
    let cnc = sbin_in(Product::Cnc);
    let mut book = book_of([], &[("trend", cnc.clone(), 10)]);
    let held = book.held(&strategy("trend"), &cnc);
    let slot = (strategy("trend"), cnc.clone());
    book.put_day(&crate::pnl::DayChange::corrected(SEQ, at(0), slot.clone(), held, crate::pnl::Move::left(held, 5, None)));
    book.put_holding(slot.0, slot.1, crate::order::Holding { net: 5, ..held }, SEQ);
    let found = |sold: i64| {
        let row = BookRow { side: Side::Sell, filled: sold, product: Product::Cnc, at: at(0), ..crate::testkit::builders::book_row("X1") };
        let shares = DeliveryRow { listings: vec![cnc.instrument.clone()], quantity: 5, average_price: None };
        let holdings = Some(Delivered { rows: vec![shares], at: at(0) });
        let findings = Findings { holdings, foreign: vec![Arc::new(row)], ..broker_shows(&[(cnc.clone(), -5)]) };
        reconcile_with_broker(&book, &findings).into_iter().map(|shrunk| (shrunk.at_broker, shrunk.told)).collect::<Vec<_>>()
    };
    assert_eq!(found(5), [(0, Told::LacksDelivery)]);
    assert_eq!(found(10), [(0, Told::Yes)], "a second sale does");
}

#[test]
fn what_a_person_took_over_today_has_a_row() {
    let mut book = book_of([], &[]);
    let (price, units) = (crate::testkit::builders::price("800"), crate::testkit::builders::units(10));
    let what = crate::pnl::Move::Taken { side: Side::Buy, quantity: units, price };
    let slot = (strategy("trend"), sbin_in(MIS));
    let change = crate::pnl::DayChange::corrected(SEQ, at(0), slot.clone(), crate::order::Holding::default(), what);
    book.put_day(&change);
    book.put_holding(slot.0, slot.1, crate::order::Holding::default().adopting(Side::Buy, units, price, at(0)), SEQ);
    assert_eq!(reconcile_with_broker(&book, &broker_shows(&[]))[0].told, Told::LacksToday);
}

#[test]
fn a_carried_position_that_is_not_shown_lets_no_second_entry_in() {
    let nrml = sbin_in(Product::Nrml);
    let book = book_of([], &[("trend", nrml.clone(), 10)]);
    let holds = |shown: &[(HoldingKey, i64)]| GuardBook::corrected_by(&book, &broker_shows(shown)).has_strategy(&strategy("trend"));
    assert_eq!(holds(&[]), Some((nrml.clone(), 10)));
    assert_eq!(holds(&[(nrml, 0)]), None, "a row says that it is flat");
}

#[test]
fn shares_for_delivery_that_are_not_shown_let_no_second_entry_in() {
    let cnc = sbin_in(Product::Cnc);
    let book = book_of([], &[("trend", cnc.clone(), 10)]);
    let pledged = DeliveryRow { listings: vec![cnc.instrument.clone()], quantity: 0, average_price: None };
    let findings = Findings { holdings: Some(Delivered { rows: vec![pledged], at: at(0) }), ..broker_shows(&[]) };
    assert_eq!(GuardBook::corrected_by(&book, &findings).has_strategy(&strategy("trend")), Some((cnc, 10)));
}

#[test]
fn what_is_missing_is_taken_from_the_largest_first() {
    let given_up = |holdings: &[(&str, HoldingKey, i64)], ours: i64, at_broker: i64| {
        let shrunk = Shrunk { key: sbin_in(MIS), ours, at_broker, rest: Vec::new(), told: Told::Yes };
        let found = reductions(&book_of([], holdings), &shrunk);
        found.into_iter().map(|(strategy, units)| (strategy.to_string(), units)).collect::<Vec<_>>()
    };
    let three = [held("a", 5), held("b", 20), held("c", 5)];
    assert_eq!(given_up(&three, 30, 28), [("b".to_owned(), 2)]);
    assert_eq!(given_up(&three, 30, 7), [("b".to_owned(), 20), ("a".to_owned(), 3)]);
    assert_eq!(given_up(&three, 30, 0).iter().map(|(_, units)| units).sum::<i64>(), 30);
    assert_eq!(given_up(&three, 30, -4).iter().map(|(_, units)| units).sum::<i64>(), 30, "on the other side: all of it is gone");
    assert_eq!(given_up(&[held("a", -5), held("b", 3)], -2, 0), [("a".to_owned(), 2)], "nobody on the other side gives up anything");
}

#[test]
fn what_is_missing_beside_orders_that_work_was_not_their_doing_if_the_order_book_shows_them_as_we_know_them() {
    use crate::testkit::builders::{at, book_row};
    let target = exit(2).side(Side::Sell).asks(10).product(MIS).working("B2");
    let entry = order(3).working("B3");
    let waits = exit(4);
    let book = book_of([target, entry, waits], &[held("trend", 10)]);
    let findings = |rows: &[(&str, i64)]| {
        let rows = rows.iter().map(|(id, filled)| Arc::new(BookRow { side: Side::Sell, filled: *filled, ..book_row(id) }));
        let orders = Some(crate::watcher::Orders { rows: rows.collect(), at: at(9) });
        Findings { orders, ..broker_shows(&[(sbin_in(MIS), 4)]) }
    };
    let shrunk = reconcile_with_broker(&book, &findings(&[])).pop().unwrap();
    assert_eq!((shrunk.at_broker, shrunk.rest.len()), (4, 2), "what was never sent hides nothing");
    assert!(shows_the_rest(&shrunk, &findings(&[("B2", 0), ("B3", 0)])));
    assert!(!shows_the_rest(&shrunk, &findings(&[("B2", 6), ("B3", 0)])), "it has filled, and its trades will come");
    assert!(!shows_the_rest(&shrunk, &findings(&[("B2", 0)])), "of one of them it says nothing");
    assert!(!shows_the_rest(&shrunk, &Findings::default()));
    // One of which nobody knows whether the broker has it may be what is missing.
    for unclear in [order(3).doubted(), order(3).sent()] {
        let book = book_of([unclear], &[held("trend", 10)]);
        assert_eq!(reconcile_with_broker(&book, &findings(&[])), []);
    }
}

#[test]
fn exits_with_nothing_to_close_are_those_of_the_strategy_and_the_product() {
    let mine = exit(2).side(Side::Sell).product(MIS).working("B2");
    let cancelled = OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..exit(3).product(MIS).working("B3") };
    let others = [exit(4).by("other").product(MIS).working("B4"), exit(5).product(Product::Cnc).working("B5"), order(6).working("B6")];
    // The book of before the position was closed elsewhere: an adjustment that takes out of it has nothing to take either.
    let (less, more) = (adjust(8).side(Side::Sell).product(MIS).working("B8"), adjust(9).side(Side::Buy).product(MIS).working("B9"));
    let book = book_of([mine, exit(7), cancelled, less, more].into_iter().chain(others), &[held("trend", 10)]);
    let found = exits_of_nothing(&book, &strategy("trend"), &sbin_in(MIS));
    assert_eq!(found, [2, 7, 8].map(crate::testkit::builders::command));
}

#[test]
fn what_adds_to_a_position_does_not_stand_behind_its_stop() {
    use crate::order::{OrderType, Source};
    use crate::testkit::builders::price;
    let mut stop = exit(2).side(Side::Sell).asks(10).product(MIS).working("B2");
    stop.source = Source::Stop;
    (stop.ask.order_type, stop.ask.trigger_price, stop.ask.price) = (Some(OrderType::StopLimit), Some(price("790")), Some(price("782")));
    let book = book_of([stop], &[held("trend", 10)]);
    let adds = adjust(3).side(Side::Buy);
    let terms = terms_of(&adds);
    assert_eq!(GuardBook::new(&book).judge(Candidate { order: &adds, terms: &terms }, &sbin_in(MIS).instrument, &[]), None);
}
