use proptest::prelude::{Just, ProptestConfig, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::{Status, Terms};
use crate::testkit::builders::{Build, SEQ, add_row, book_of, broker_shows, command, exit, order, sbin, sbin_in, strategy, terms_of};

const MIS: Product = Product::Mis;

fn sized(order: &OrderRecord, others: &[OrderRecord], holdings: &[(&str, HoldingKey, i64)], broker: &[(HoldingKey, i64)]) -> ExitSize {
    size(&ExitCase::seen(
        order,
        &sbin(),
        &book_of(others.iter().cloned().chain([order.clone()]), holdings),
        &broker_shows(broker),
        ReadAge::CLEAR,
    ))
}

#[track_caller]
fn closes(found: ExitSize) -> (Side, Product, i64, Option<String>) {
    match found {
        ExitSize::Close { side, product, quantity, note, .. } => (side, product, quantity.value(), note),
        other => panic!("wanted it to close, got {other:?}"),
    }
}

#[track_caller]
fn refuses(found: ExitSize, tag: Tag, words: &str) {
    match found {
        ExitSize::Refuse(found, reason) => assert!(found == tag && reason.contains(words), "{found} {reason}"),
        other => panic!("wanted {tag}, got {other:?}"),
    }
}

#[track_caller]
fn waits(found: ExitSize, words: &str) {
    match found {
        ExitSize::Wait(reason) => assert!(reason.contains(words), "{reason}"),
        other => panic!("wanted it to wait, got {other:?}"),
    }
}

#[track_caller]
fn overtakes(found: ExitSize) -> Vec<u64> {
    match found {
        ExitSize::Overtakes(orders, reason) => {
            assert!(reason.contains("enters") && !orders.is_empty(), "{reason}");
            (1..9).filter(|number| orders.contains(&crate::testkit::builders::command(*number))).collect()
        }
        other => panic!("wanted it to cancel an entry, got {other:?}"),
    }
}

#[test]
fn an_exit_that_comes_before_its_entry_is_in_the_position_takes_the_entry_back() {
    let alone = |me: &OrderRecord, others: &[OrderRecord]| sized(me, others, &[], &[]);
    for (what, entry) in [("waits for its turn", order(1)), ("its call is in the air", order(1).sent()), ("rests", order(1).working("B1"))]
    {
        assert_eq!(overtakes(alone(&exit(2), std::slice::from_ref(&entry))), [1], "{what}");
        let wanted = OrderRecord { cancel_wanted: Some(Tag::Superseded), ..entry };
        waits(alone(&exit(2), &[wanted]), "has not ended");
    }
    let both = [order(1), order(2).working("B2")];
    assert_eq!(overtakes(alone(&exit(3), &both)), [1, 2]);
    let none = |me: &OrderRecord, others: &[OrderRecord]| refuses(alone(me, others), Tag::NoPosition, "holds nothing");
    none(&exit(1), &[order(2)]);
    none(&exit(2), &[order(1).by("other")]);
    none(&exit(2), &[order(1).test()]);
    none(&exit(2), &[order(1).ended(Status::Failed, Some(Tag::BrokerRejected))]);
    none(&exit(2).product(Product::Nrml), &[order(1).product(MIS)]);
    none(&exit(2).side(Side::Buy), &[order(1).side(Side::Buy)]);
    let basket = order(1);
    none(&OrderRecord { basket_id: basket.basket_id, ..exit(2) }, &[basket]);
    none(&OrderRecord { source: Source::System, ..exit(2) }, &[order(1)]);
    // Made before the entry was, by the one who made both: it came late, and is not meant for it. Two senders have two clocks.
    let second = chrono::Duration::seconds(1);
    let made = |shift, user: &str| {
        let late = exit(2);
        OrderRecord { signal_time: order(1).signal_time + shift, user: std::sync::Arc::from(user), ..late }
    };
    let user = order(1).user;
    none(&made(-second, &user), &[order(1)]);
    for other in [made(chrono::Duration::zero(), &user), made(second, &user), made(-second, "another")] {
        assert_eq!(overtakes(alone(&other, &[order(1)])), [1]);
    }
    // What is held is closed, whatever else rests.
    let held = [("trend", sbin_in(MIS), 10)];
    assert_eq!(closes(sized(&exit(2), &[order(1).working("B1")], &held, &[(sbin_in(MIS), 10)])).2, 10);
}

/// The exit of a reversal is sent for the order that waits for it, and so is what is sent again for that exit.
#[test]
fn what_a_plan_leaves_for_an_order_does_not_take_that_order_back() {
    let mut waits = order(1).intent(crate::order::Intent::Target);
    (waits.ask.side, waits.ask.quantity, waits.ask.target_position) = (None, None, Some(-10));
    let of = |number: u64, parent: u64| OrderRecord { parent_command_id: Some(command(parent)), ..exit(number) };
    let gone = of(2, 1).ended(Status::Failed, Some(Tag::NotSent));
    for others in [vec![waits.clone()], vec![waits.clone(), gone]] {
        let me = of(3, others.len() as u64);
        refuses(sized(&me, &others, &[], &[]), Tag::NoPosition, "holds nothing");
    }
    assert_eq!(overtakes(sized(&of(3, 2), &[waits, order(2).working("B2")], &[], &[])), [1], "no other is its parent");
}

/// The exchange takes 100 in one order.
#[test]
fn the_orders_of_one_wish_to_leave_all_are_each_for_what_those_before_leave() {
    let of = |number: u64| exit(number).basket(9, 0);
    let sized = |me: &OrderRecord, others: &[OrderRecord], held: i64| {
        let held = [("trend", sbin_in(MIS), held)];
        let book = book_of(others.iter().cloned().chain([me.clone()]), &held);
        {
            let findings = broker_shows(&[(sbin_in(MIS), held[0].2)]);
            size(&ExitCase { largest: Some(100), ..ExitCase::seen(me, &sbin(), &book, &findings, ReadAge::CLEAR) })
        }
    };
    let goes = |found: ExitSize| match found {
        ExitSize::Close { quantity, left, note, .. } => (quantity.value(), left, note.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!(goes(sized(&of(2), &[of(3)], 250)), (100, 0, false), "the next one is for the rest");
    assert_eq!(goes(sized(&of(2), &[], 250)), (100, 150, true));
    waits(sized(&of(3), &[of(2)], 250), "is sized first");
    let sent = |number: u64| of(number).side(Side::Sell).asks(100).product(MIS).working(&number.to_string());
    assert_eq!(goes(sized(&of(3), &[sent(2)], 250)), (100, 50, true), "none is for what is left");
    assert_eq!(goes(sized(&of(3), &[sent(2)], 180)), (80, 0, false));
    refuses(sized(&of(3), &[sent(2)], 100), Tag::NoPosition, "before it of its signal are for all");
    refuses(sized(&exit(3), &[sent(2)], 100), Tag::DuplicateOrderBlocked, "open exits cover all");
    for other in [of(2).product(Product::Nrml), of(2).by("other"), of(2).test(), of(2).ended(Status::Failed, Some(Tag::NotSent)), order(2)]
    {
        let me = of(3).product(MIS);
        assert_eq!(goes(sized(&me, &[OrderRecord { basket_id: me.basket_id, ..other }], 100)).0, 100, "another wish");
    }
}

#[test]
fn an_exit_without_quantity_closes_all_on_the_closing_side() {
    let long = [("trend", sbin_in(MIS), 10)];
    assert_eq!(closes(sized(&exit(1), &[], &long, &[(sbin_in(MIS), 10)])), (Side::Sell, MIS, 10, None));
    let short = [("trend", sbin_in(MIS), -10)];
    assert_eq!(closes(sized(&exit(1), &[], &short, &[(sbin_in(MIS), -10)])), (Side::Buy, MIS, 10, None));
    assert_eq!(closes(sized(&exit(1).asks(4), &[], &long, &[(sbin_in(MIS), 10)])).2, 4);
}

#[test]
fn more_asked_than_held_is_capped_and_said() {
    let long = [("trend", sbin_in(MIS), 10)];
    let (_, _, quantity, note) = closes(sized(&exit(1).asks(25), &[], &long, &[(sbin_in(MIS), 10)]));
    assert_eq!((quantity, note.as_deref()), (10, Some("asked to close 25, holds 10: capped to 10")));
    let (_, _, quantity, note) = closes(sized(&exit(1).asks(10), &[], &long, &[(sbin_in(MIS), 3)]));
    assert_eq!(quantity, 3, "the broker shows less than we hold");
    assert!(note.unwrap().contains("capped to 3"));
}

#[test]
fn positions_without_a_row_for_what_was_traded_today_make_it_wait() {
    let long = [("trend", sbin_in(MIS), 10)];
    let bought = [order(2).working("B2").filled(10, 10)];
    waits(sized(&exit(1), &bought, &long, &[]), "have no row");
    refuses(sized(&exit(1), &bought, &long, &[(sbin_in(MIS), 0)]), Tag::NoPosition, "the broker shows 0");
}

#[test]
fn nothing_held_is_no_position() {
    refuses(sized(&exit(1), &[], &[], &[(sbin_in(MIS), 10)]), Tag::NoPosition, "trend holds nothing in NSE:SBIN-EQ");
    let other = [("other", sbin_in(MIS), 10)];
    refuses(sized(&exit(1), &[], &other, &[(sbin_in(MIS), 10)]), Tag::NoPosition, "trend holds nothing");
    let long = [("trend", sbin_in(MIS), 10)];
    refuses(sized(&exit(1), &[], &long, &[]), Tag::NoPosition, "the broker shows 0");
    refuses(sized(&exit(1), &[], &long, &[(sbin_in(MIS), -10)]), Tag::NoPosition, "the broker shows -10");
    refuses(
        sized(&exit(1).side(Side::Buy), &[], &long, &[(sbin_in(MIS), 10)]),
        Tag::NoPosition,
        "a BUY would add to it, only a SELL closes it",
    );
}

#[test]
fn an_adjustment_that_reduces_claims_its_part() {
    let long = [("trend", sbin_in(MIS), 10)];
    let mut adjust = order(1).product(MIS).side(Side::Sell).asks(4).working("B1");
    adjust.ask.intent = Some(crate::order::Intent::Adjust);
    let broker = [(sbin_in(MIS), 10)];
    assert_eq!(closes(sized(&exit(2), std::slice::from_ref(&adjust), &long, &broker)).2, 6);
    adjust.ask.side = Some(Side::Buy);
    assert_eq!(closes(sized(&exit(2), &[adjust], &long, &broker)).2, 10, "one that adds claims nothing");
}

#[test]
fn a_position_that_another_strategy_offsets_is_not_called_flat() {
    let offset = [("trend", sbin_in(MIS), 10), ("other", sbin_in(MIS), -10)];
    refuses(sized(&exit(1), &[], &offset, &[]), Tag::RiskLimitsExceeded, "trend holds 10, but the broker shows 0");
}

#[test]
fn an_exit_of_one_product_never_touches_another() {
    let both = [("trend", sbin_in(MIS), 10), ("trend", sbin_in(Product::Nrml), 20)];
    let broker = [(sbin_in(MIS), 10), (sbin_in(Product::Nrml), 20)];
    refuses(sized(&exit(1), &[], &both, &broker), Tag::ValidationFailed, "product_type");
    assert_eq!(closes(sized(&exit(1).product(MIS), &[], &both, &broker)), (Side::Sell, MIS, 10, None));
    assert_eq!(closes(sized(&exit(1).product(MIS).asks(30), &[], &both, &broker)).2, 10);
    let carried = [("trend", sbin_in(Product::Nrml), 20)];
    refuses(sized(&exit(1).product(MIS), &[], &carried, &broker), Tag::NoPosition, "holds nothing in NSE:SBIN-EQ MIS");
    let mis = [("trend", sbin_in(MIS), 10)];
    refuses(sized(&exit(1), &[], &mis, &[(sbin_in(Product::Nrml), 20)]), Tag::NoPosition, "the broker shows 0 in NSE:SBIN-EQ MIS");
    let elsewhere = exit(1).product(Product::Nrml).side(Side::Sell).asks(20).working("B1");
    assert_eq!(closes(sized(&exit(2).product(MIS), &[elsewhere], &both, &broker)).2, 10, "what works in NRML claims nothing of MIS");
}

#[test]
fn earlier_working_and_unconfirmed_exits_claim_their_share() {
    let long = [("trend", sbin_in(MIS), 10)];
    let broker = [(sbin_in(MIS), 10)];
    let settled = |number| exit(number).product(MIS).side(Side::Sell);
    for other in [settled(1).asks(4), settled(1).asks(4).working("B1"), settled(1).asks(4).doubted(), settled(9).asks(4).sent()] {
        assert_eq!(closes(sized(&exit(2), std::slice::from_ref(&other), &long, &broker)).2, 6, "{other:?}");
    }
    assert_eq!(closes(sized(&exit(2), &[settled(9).asks(4)], &long, &broker)).2, 10, "a later one that was not sent waits for us");
    assert_eq!(closes(sized(&exit(2), &[settled(1).asks(4).test()], &long, &broker)).2, 10, "a mock one claims nothing");
    let partial = settled(1).asks(6).working("B1").filled(2, 2);
    assert_eq!(closes(sized(&exit(2), &[partial], &long, &broker)).2, 6, "only what may still fill");
    refuses(sized(&exit(2), &[exit(1)], &long, &broker), Tag::DuplicateOrderBlocked, "open exits cover all of the 10");
}

#[test]
fn another_strategys_exits_claim_of_the_brokers_net_only() {
    let both = [("trend", sbin_in(MIS), 10), ("other", sbin_in(MIS), 10)];
    let theirs = exit(1).by("other").product(MIS).side(Side::Sell).asks(10).working("B1");
    assert_eq!(closes(sized(&exit(2), std::slice::from_ref(&theirs), &both, &[(sbin_in(MIS), 20)])).2, 10);
    assert_eq!(closes(sized(&exit(2), std::slice::from_ref(&theirs), &both, &[(sbin_in(MIS), 14)])).2, 4);
    let shown = |net| sized(&exit(2), std::slice::from_ref(&theirs), &both, &[(sbin_in(MIS), net)]);
    waits(shown(10), "other exits there are under way");
    refuses(shown(9), Tag::NoPosition, "other exits claim the rest");
    refuses(shown(0), Tag::NoPosition, "other exits claim the rest");
}

#[test]
fn an_exit_waits_for_fills_that_are_not_recorded_and_entries_that_may_be_live() {
    let broker = [(sbin_in(MIS), 10)];
    for other in [order(1).working("B1").filled(10, 0), order(1).doubted(), order(1).working("B1").filled(5, 0)] {
        waits(sized(&exit(2), std::slice::from_ref(&other), &[], &broker), "is not settled yet");
        refuses(sized(&exit(2).by("other"), &[other], &[], &broker), Tag::NoPosition, "other holds nothing");
    }
}

#[test]
fn a_signal_waits_for_positions_that_include_the_last_fill_and_the_engine_does_not() {
    let long = [("trend", sbin_in(MIS), 10)];
    let mut me = exit(1);
    let mut findings = broker_shows(&[(sbin_in(MIS), 10)]);
    findings.positions.as_mut().unwrap().began_seq = SEQ - 1;
    let book = book_of([me.clone()], &long);
    waits(size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR)), "older than our last fill");
    for source in [Source::Dashboard, Source::Strategy] {
        me.source = source;
        waits(size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR)), "older than our last fill");
    }
    me.source = Source::System;
    assert_eq!(closes(size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR))).2, 10);
    findings.positions = None;
    waits(size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR)), "were not read yet");
}

/// What a fill has closed already, and is not recorded as a trade yet, cannot be closed once more.
#[test]
fn the_engine_does_not_wait_but_counts_what_an_exit_has_filled() {
    let long = [("trend", sbin_in(MIS), 10)];
    let mut kill = exit(2);
    kill.source = Source::System;
    let first = exit(1).product(MIS).side(Side::Sell).asks(10).working("B1");
    let broker = [(sbin_in(MIS), 10)];
    waits(sized(&kill, &[first.clone().filled(10, 0)], &long, &broker), "not settled");
    waits(sized(&kill, &[first.clone().filled(4, 0)], &long, &broker), "not settled");
    assert_eq!(closes(sized(&kill, &[first.clone().filled(4, 0).ended(Status::Failed, Some(Tag::BrokerCancelled))], &long, &broker)).2, 6);
    let unsettled_entry = order(1).working("B1").filled(20, 10).ended(Status::Executed, None);
    assert_eq!(closes(sized(&kill, &[unsettled_entry], &long, &broker)).2, 10, "an entry's fill does not hold a kill up");
}

/// One order of the account, as drawn: strategy, product, quantity asked (0: all), where it is.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    trend: bool,
    product: Option<Product>,
    asked: i64,
    place: u8,
    filled: i64,
    system: bool,
}

const NAMES: [&str; 2] = ["trend", "other"];

impl Drawn {
    fn order(self, number: u64) -> OrderRecord {
        let mut order = exit(number).by(NAMES[usize::from(!self.trend)]);
        order.ask.product = self.product;
        if self.asked > 0 {
            order = order.asks(self.asked);
        }
        if self.system {
            order.source = Source::System;
        }
        if self.place > 0 {
            // Sent orders are settled: a product and a quantity are on the row.
            order = order.asks(self.asked.max(1)).product(self.product.unwrap_or(MIS));
            order = if self.place == 1 { order.working(&format!("B{number}")) } else { order.doubted() };
            let filled = self.filled.min(order.quantity() - 1);
            order = order.filled(filled, filled);
        }
        order
    }
}

fn drawn() -> impl proptest::strategy::Strategy<Value = Drawn> {
    let product = prop_oneof![Just(None), Just(Some(MIS)), Just(Some(Product::Nrml))];
    (any::<bool>(), product, 0i64..30, 0u8..3, 0i64..10, any::<bool>()).prop_map(|(trend, product, asked, place, filled, system)| Drawn {
        trend,
        product,
        asked,
        place,
        filled,
        system,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// INV-6: whatever is held, shown, working and asked for, and in whatever order the exits are judged: those that go
    /// never close more than the strategy holds, nor more than the broker shows, per product, and always close.
    #[test]
    fn prop_exits_never_close_more_than_is_there(
        draws in proptest::collection::vec((drawn(), any::<u32>()), 1..8),
        held in proptest::array::uniform4(-30i64..30),
        broker in proptest::array::uniform2(-60i64..60),
    ) {
        let keys = [sbin_in(MIS), sbin_in(Product::Nrml)];
        let holdings: Vec<(&str, HoldingKey, i64)> = (0..4)
            .map(|i| (NAMES[i / 2], keys[i % 2].clone(), held[i]))
            .filter(|(_, _, net)| *net != 0)
            .collect();
        let findings = broker_shows(&[(keys[0].clone(), broker[0]), (keys[1].clone(), broker[1])]);
        let mut orders: Vec<OrderRecord> = draws.iter().zip(1u64..).map(|((draw, _), number)| draw.order(number)).collect();
        let mut turns: Vec<usize> = (0..orders.len()).filter(|i| orders[*i].status == Status::Created).collect();
        turns.sort_by_key(|i| draws[*i].1);
        for turn in turns {
            let book = book_of(orders.clone(), &holdings);
            let me = orders[turn].clone();
            let ExitSize::Close { side, product, quantity, note, .. } = size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR)) else {
                orders[turn] = me.ended(Status::Failed, Some(Tag::NoPosition));
                continue;
            };
            let key = sbin_in(product);
            let net = book.held(&me.ask.strategy, &key).net;
            let shown = findings.positions.as_ref().map_or(0, |positions| positions.net(&key));
            prop_assert_eq!(Some(side.opposite()), Side::of_net(net), "it closes");
            prop_assert_eq!(Some(side.opposite()), Side::of_net(shown), "at the broker too");
            prop_assert!(me.ask.product.is_none_or(|asked| asked == product));
            let asked = me.quantity();
            prop_assert!(asked == 0 || quantity.value() <= asked);
            prop_assert_eq!(note.is_some(), asked > quantity.value(), "what is capped is said, nothing else is");
            orders[turn] = me.asks(quantity.value()).product(product).side(side).working(&format!("N{turn}"));
            let at_broker = |owner: Option<&str>| -> i64 {
                orders
                    .iter()
                    .filter(|order| order.status.is_at_broker() && order.ask.product == Some(product))
                    .filter(|order| owner.is_none_or(|owner| order.ask.strategy == strategy(owner)))
                    .map(OrderRecord::unfilled)
                    .sum()
            };
            prop_assert!(at_broker(Some(orders[turn].ask.strategy.as_str())) <= net.abs(), "more than the strategy holds");
            prop_assert!(at_broker(None) <= shown.abs(), "more than the broker shows");
        }
    }
}

/// Its intention is on disk before its call, and is looked at once more then: the room must not come from its own wish.
#[test]
fn a_change_that_is_under_way_is_no_reason_for_itself() {
    let mut stop = exit(2).side(Side::Sell).asks(4).product(MIS).working("1");
    stop.reach = Quantity::new(10);
    let most = |stop: &OrderRecord, held: i64, shown: i64, is_old: bool| {
        let mut findings = broker_shows(&[(sbin_in(MIS), shown)]);
        findings.positions.as_mut().unwrap().began_seq = SEQ - u64::from(is_old);
        largest_total(stop, &book_of([stop.clone()], &[("trend", sbin_in(MIS), held)]), &findings)
    };
    assert_eq!(most(&stop, 10, 10, false), 10);
    assert_eq!(most(&stop, 4, 10, true), 4, "from positions that are older than the last fill nothing follows but what it is for already");
    stop.pending = Some(Terms { quantity: Quantity::new(10).unwrap(), ..terms_of(&stop) });
    assert_eq!(most(&stop, 10, 4, true), 10, "the broker may have taken that");
    assert_eq!(most(&stop, 4, 4, false), 4);
}

#[test]
fn an_exit_of_delivery_is_bounded_by_what_the_broker_has_of_it() {
    let cnc = sbin_in(Product::Cnc);
    use crate::ports::DeliveryRow;
    use crate::testkit::builders::{at, position};
    use crate::watcher::Delivered;
    let asked = exit(1);
    let sized = |book: &Book, findings: &Findings| match size(&ExitCase::seen(&asked, &sbin(), book, findings, ReadAge::CLEAR)) {
        ExitSize::Close { quantity, .. } => Ok(quantity.value()),
        ExitSize::Refuse(_, reason) | ExitSize::Wait(reason) | ExitSize::Overtakes(_, reason) => Err(reason),
    };
    let book = book_of([], &[("trend", cnc.clone(), 10)]);
    let mut findings = broker_shows(&[]);
    assert_eq!(sized(&book, &findings), Ok(10), "until the holdings are read, our own fills bound it");
    for (quantity, closes) in [(4, Some(4)), (10, Some(10)), (50, Some(10)), (0, None)] {
        findings.holdings =
            Some(Delivered { rows: vec![DeliveryRow { listings: vec![sbin()], quantity, average_price: None }], at: at(0) });
        assert_eq!(sized(&book, &findings).ok(), closes, "{quantity} at the broker");
    }
    // What another strategy's exit claims is gone for this one.
    findings.holdings =
        Some(Delivered { rows: vec![DeliveryRow { listings: vec![sbin()], quantity: 15, average_price: None }], at: at(0) });
    let other = exit(9).by("other").side(Side::Sell).asks(10).product(Product::Cnc).working("B9");
    let book = book_of([other], &[("trend", cnc.clone(), 10), ("other", cnc.clone(), 10)]);
    assert_eq!(sized(&book, &findings), Ok(5));
    // Sold today already: in the positions, as a short.
    add_row(&mut findings, position(cnc.clone(), -8));
    let book = book_of([], &[("trend", cnc, 10)]);
    assert_eq!(sized(&book, &findings), Ok(7));
}

fn by_others(quantity: i64, limit: Option<&str>, trigger: Option<&str>) -> crate::ports::BookRow {
    let value = |text: &str| crate::testkit::builders::price(text).value();
    crate::ports::BookRow {
        side: Side::Sell,
        quantity,
        instrument: sbin(),
        product: MIS,
        price: limit.map(value),
        trigger_price: trigger.map(value),
        ..crate::testkit::book_row("X1")
    }
}

/// The broker's own square-off waits in the closing auction, or a person's order is about to trade: whoever sends another one beside it
/// is short when both have filled. One that rests far away holds nothing back.
#[test]
fn what_others_are_about_to_close_is_theirs_and_what_rests_far_away_is_not() {
    let (long, book) = ([("trend", sbin_in(MIS), 10)], |me: &OrderRecord| book_of([me.clone()], &[("trend", sbin_in(MIS), 10)]));
    let quote = {
        let price = crate::testkit::builders::price("800");
        let at = crate::testkit::builders::at(0);
        crate::ports::Quote { bid: Some(price), ask: None, last: price, band: None, at, seen_at: at }
    };
    let judged = |source: Source, row: crate::ports::BookRow| {
        let me = OrderRecord { source, ..exit(1) };
        let findings = Findings { foreign: vec![std::sync::Arc::new(row)], ..broker_shows(&[(sbin_in(MIS), 10)]) };
        let book = book(&me);
        size(&ExitCase { quote: Some(&quote), ..ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR) })
    };
    for source in [Source::Webhook, Source::System] {
        for row in [by_others(10, None, None), by_others(10, Some("800"), None), by_others(12, Some("799"), Some("800"))] {
            waits(judged(source, row), "broker order X1 of somebody else");
        }
        for limit in [None, Some("800")] {
            let found = judged(source, by_others(4, limit, None));
            let ExitSize::Close { quantity, left: 0, theirs: Some(theirs), note: Some(note), .. } = &found else { panic!("{found:?}") };
            let words = "4 NSE:SBIN-EQ MIS are left to broker order X1 of somebody else";
            assert!(quantity.value() == 6 && theirs.starts_with(words) && note == theirs, "{theirs}");
        }
        for row in [by_others(4, Some("900"), None), by_others(4, None, Some("790"))] {
            assert!(matches!(judged(source, row), ExitSize::Close { theirs: None, note: None, .. }), "nothing is left to it");
        }
        for row in [by_others(10, Some("900"), None), by_others(10, None, Some("790"))] {
            assert_eq!(closes(judged(source, row)).2, 10, "a position is not left alone for an order that may never trade");
        }
    }
    let stop = |row| judged(Source::Stop, row);
    refuses(stop(by_others(10, Some("780"), Some("790"))), Tag::DuplicateOrderBlocked, "or is a stop of it");
    assert_eq!(closes(stop(by_others(10, Some("900"), None))).2, 10, "a target far away switches no stop off");
    let beside = [(sbin_in(MIS), 20)];
    let findings = Findings { foreign: vec![std::sync::Arc::new(by_others(10, None, None))], ..broker_shows(&beside) };
    let (me, book) = (exit(1), book_of([exit(1)], &long));
    assert_eq!(closes(size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR))).2, 10, "they close their own");
}

/// So many of what an exit is for are left to somebody's order at the market, which is for 40; 250 are held.
#[test]
fn what_is_left_to_somebodys_order_is_said_by_the_last_of_its_signal() {
    let left_of = |asked: Option<i64>, next: bool, largest: Option<i64>, net: i64| {
        let of = |number: u64| exit(number).basket(9, 0);
        let me = asked.map_or(of(1), |asked| of(1).asks(asked));
        let orders = [Some(me.clone()), next.then(|| of(2))].into_iter().flatten();
        let book = book_of(orders, &[("trend", sbin_in(MIS), 250)]);
        let findings = Findings { foreign: vec![std::sync::Arc::new(by_others(40, None, None))], ..broker_shows(&[(sbin_in(MIS), net)]) };
        match size(&ExitCase { largest, ..ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR) }) {
            ExitSize::Close { quantity, left, theirs, .. } => {
                let theirs = theirs.map(|theirs| theirs.split(' ').next().unwrap().parse::<i64>().unwrap());
                (quantity.value(), left, theirs)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(left_of(None, false, None, 250), (210, 0, Some(40)));
    assert_eq!(left_of(Some(230), false, None, 250), (210, 0, Some(20)), "of what it asks for");
    assert_eq!(left_of(Some(200), false, None, 250), (200, 0, None), "all that it asks for goes");
    assert_eq!(left_of(None, false, None, 290), (250, 0, None), "they close their own");
    assert_eq!(left_of(None, false, None, 200), (160, 0, Some(40)), "what the broker does not have is left to nobody");
    assert_eq!(left_of(None, false, Some(100), 250), (100, 110, Some(40)));
    assert_eq!(left_of(None, true, Some(100), 250), (100, 0, None), "the next one is for the rest");
}

#[test]
fn a_stop_grows_only_into_what_stops_of_others_leave() {
    let stop = OrderRecord { source: Source::Stop, ..exit(1).side(Side::Sell).asks(4).product(MIS).working("B1") };
    let book = book_of([stop.clone()], &[("trend", sbin_in(MIS), 10)]);
    let most = |rows: Vec<crate::ports::BookRow>| {
        let foreign = rows.into_iter().map(std::sync::Arc::new).collect();
        largest_total(&stop, &book, &Findings { foreign, ..broker_shows(&[(sbin_in(MIS), 10)]) })
    };
    assert_eq!(
        (most(Vec::new()), most(vec![by_others(5, Some("780"), Some("790"))]), most(vec![by_others(5, Some("900"), None)])),
        (10, 5, 10)
    );
}

/// 100 shares are held, and an exit of 60 is under way: whatever it has filled that nobody has told of, the next one waits for it. An end
/// would be for good, and what is there would stay.
#[test]
fn an_exit_of_delivery_waits_for_those_under_way_and_is_not_told_that_there_are_no_shares() {
    use crate::ports::DeliveryRow;
    use crate::testkit::builders::{at, position};
    use crate::watcher::Delivered;
    let cnc = sbin_in(Product::Cnc);
    let sold = |filled: i64, elsewhere: i64| {
        let mut findings = broker_shows(&[]);
        findings.holdings =
            Some(Delivered { rows: vec![DeliveryRow { listings: vec![sbin()], quantity: 100, average_price: None }], at: at(0) });
        let row = crate::ports::BookRow { filled: elsewhere, product: Product::Cnc, ..by_others(elsewhere, None, None) };
        if elsewhere > 0 {
            let done = crate::ports::BookRow { state: crate::order::BookState::Complete, ..row };
            findings.foreign = vec![std::sync::Arc::new(done)];
        }
        add_row(&mut findings, position(cnc.clone(), -filled - elsewhere));
        findings
    };
    let judged = |source: Source, under_way: &[OrderRecord], findings: &Findings| {
        let me = OrderRecord { source, ..exit(9) };
        let book = book_of(under_way.iter().cloned().chain([me.clone()]), &[("trend", cnc.clone(), 100)]);
        size(&ExitCase::seen(&me, &sbin(), &book, findings, ReadAge::CLEAR))
    };
    let first = [exit(1).side(Side::Sell).asks(60).product(Product::Cnc).working("B1")];
    for source in [Source::Webhook, Source::System, Source::Stop] {
        waits(judged(source, &first, &sold(60, 0)), "other exits there are under way");
        waits(judged(source, &first, &sold(60, 30)), "other exits there are under way");
        waits(judged(source, &first, &sold(60, 40)), "other exits there are under way");
        assert_eq!(closes(judged(source, &first, &sold(0, 0))).2, 40, "none of it is filled, and it claims them");
        let told = [first[0].clone().filled(60, 0)];
        assert!(matches!(judged(source, &told, &sold(60, 0)), ExitSize::Wait(_)), "its trades are outstanding");
    }
    // What no sale of today explains, of ours or of others, is not there.
    let few = [exit(1).side(Side::Sell).asks(20).product(Product::Cnc).working("B1")];
    let mut gone = sold(0, 0);
    gone.holdings.as_mut().unwrap().rows.clear();
    refuses(judged(Source::Webhook, &few, &gone), Tag::RiskLimitsExceeded, "no sale of today tells where they went");
    refuses(judged(Source::System, &few, &gone), Tag::NoPosition, "no sale of today tells where they went");
}

/// Shares move when the broker begins its day: what was held at three in the night is of the day before.
#[test]
fn delivery_is_not_bounded_by_holdings_of_before_the_brokers_day() {
    use crate::ports::DeliveryRow;
    use crate::testkit::builders::position;
    use crate::watcher::{Delivered, Positions};
    let ist = |text: &str| format!("2026-11-24T{text}+05:30").parse().unwrap();
    let cnc = sbin_in(Product::Cnc);
    let (me, book) = (exit(1), book_of([], &[("trend", cnc.clone(), 10)]));
    let sized = |held_at: &str, quantity: i64| {
        let rows = vec![DeliveryRow { listings: vec![sbin()], quantity, average_price: None }];
        let positions = Some(Positions::new(vec![position(sbin_in(MIS), 0)], ist("09:40:00"), SEQ));
        let findings = Findings { positions, holdings: Some(Delivered { rows, at: ist(held_at) }), ..Findings::default() };
        size(&ExitCase::seen(&me, &sbin(), &book, &findings, ReadAge::CLEAR))
    };
    assert_eq!(closes(sized("02:50:00", 0)).2, 10, "the broker checks what may be sold");
    assert_eq!(closes(sized("09:40:01", 10)).2, 10);
    refuses(sized("09:40:01", 0), Tag::RiskLimitsExceeded, "no sale of today tells where they went");
    assert_eq!(closes(sized("09:40:01", 4)).2, 4);
}
