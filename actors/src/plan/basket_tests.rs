use proptest::prelude::{ProptestConfig, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::{Intent, Product};
use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, command, exit, order, sbin_in};

const BASKET: u64 = 500;
const RESENDS: Resends = Resends { most: 3, absent: false };

/// Leg `number - 1` of the basket: a share of its own, so that none stands in another's way.
fn leg(number: u64, side: Side) -> OrderRecord {
    order(number).side(side).of(&format!("S{number}-EQ")).basket(BASKET, u16::try_from(number - 1).unwrap())
}

fn full(order: OrderRecord) -> OrderRecord {
    let id = order.number.to_string();
    order.working(&id).filled(10, 10)
}

fn failed(order: OrderRecord, tag: Tag) -> OrderRecord {
    order.ended(Status::Failed, Some(tag))
}

fn part(order: OrderRecord, filled: i64) -> OrderRecord {
    let id = order.number.to_string();
    failed(order.working(&id).filled(filled, filled), Tag::BrokerCancelled)
}

fn turn_of(policy: Policy, me: usize, legs: &[OrderRecord]) -> Turn {
    turn(policy, &legs[me], &book_of(legs.to_vec(), &[]), &broker_shows(&[]))
}

fn next(policy: Policy, orders: &[OrderRecord]) -> Vec<Move> {
    next_at(policy, orders, 0)
}

fn next_at(policy: Policy, orders: &[OrderRecord], second: i64) -> Vec<Move> {
    BasketPlan { policy, member: command(1) }.next(&book_of(orders.to_vec(), &[]), RESENDS, at(second))
}

fn child(number: u64, of: u64) -> OrderRecord {
    let order = exit(number).side(Side::Sell).asks(10).product(Product::Mis).of(&format!("S{of}-EQ"));
    OrderRecord { parent_command_id: Some(command(of)), ..order }
}

#[test]
fn a_short_goes_when_its_hedge_has_filled_whole_and_never_when_it_failed() {
    let (hedge, short) = (leg(1, Side::Buy), leg(2, Side::Sell));
    let turn = |hedge: OrderRecord| turn_of(Policy::HedgeFirst, 1, &[hedge, short.clone()]);
    assert!(matches!(turn(hedge.clone()), Turn::Wait(_)));
    assert!(matches!(turn(hedge.clone().doubted()), Turn::Wait(_)), "unknown is not failed");
    assert!(matches!(turn(hedge.clone().working("1").filled(4, 4)), Turn::Wait(_)));
    assert_eq!(turn(full(hedge.clone())), Turn::Go);
    let Turn::Never(reason) = turn(part(hedge.clone(), 4)) else { panic!() };
    assert!(reason.contains("leg 1 of this basket ended BROKER_CANCELLED, 4 of 10 filled"), "{reason}");
    assert_eq!(turn_of(Policy::HedgeFirst, 0, &[hedge, short.clone()]), Turn::Go, "the hedge waits for nobody");
}

#[test]
fn one_after_the_other_waits_for_every_leg_before() {
    let legs = [full(leg(1, Side::Buy)), leg(2, Side::Buy), leg(3, Side::Sell)];
    assert_eq!(turn_of(Policy::WaitForFill, 1, &legs), Turn::Go);
    assert!(matches!(turn_of(Policy::WaitForFill, 2, &legs), Turn::Wait(_)));
    let broken = [full(leg(1, Side::Buy)), failed(leg(2, Side::Buy), Tag::BrokerRejected), leg(3, Side::Sell)];
    assert!(matches!(turn_of(Policy::WaitForFill, 2, &broken), Turn::Never(_)));
}

#[test]
fn best_effort_waits_for_nobody_and_all_or_none_stops_with_the_first_failure() {
    let broken = [failed(leg(1, Side::Buy), Tag::BrokerRejected), leg(2, Side::Sell)];
    assert_eq!(turn_of(Policy::BestEffort, 1, &broken), Turn::Go);
    assert!(matches!(turn_of(Policy::AllOrUnwind, 1, &broken), Turn::Never(_)));
    assert_eq!(turn_of(Policy::AllOrUnwind, 1, &[leg(1, Side::Buy).doubted(), leg(2, Side::Sell)]), Turn::Go);
}

#[test]
fn an_entry_waits_for_the_exits_of_its_basket_and_for_the_proof() {
    let out = || exit(1).of("S9-EQ").side(Side::Sell).asks(10).product(Product::Mis).basket(BASKET, 0);
    let enter = leg(2, Side::Buy);
    let turn = |exit: OrderRecord| turn_of(Policy::ExitThenEnter, 1, &[exit, enter.clone()]);
    assert!(matches!(turn(out()), Turn::Wait(_)));
    assert!(matches!(turn(out().doubted()), Turn::Wait(_)));
    assert!(matches!(turn(out().working("1").filled(10, 4)), Turn::Wait(_)), "its trades are outstanding");
    assert_eq!(turn(full(out())), Turn::Go);
    assert_eq!(turn(failed(out(), Tag::NoPosition)), Turn::Go, "flat already");
    assert!(matches!(turn(failed(out(), Tag::BrokerRejected)), Turn::Never(_)));
    assert!(matches!(turn(failed(out(), Tag::ExitTakenBack)), Turn::Never(_)), "what was left of it is held");
    let mut old = broker_shows(&[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    let mut key = sbin_in(Product::Mis);
    key.instrument.symbol = std::sync::Arc::from("S9-EQ");
    let book = book_of([full(out()), enter.clone()], &[("other", key, 5)]);
    assert!(matches!(super::turn(Policy::ExitThenEnter, &enter, &book, &old), Turn::Wait(_)), "positions of before the fill");
}

#[test]
fn a_failed_leg_cancels_what_is_open_and_unwinds_what_filled_and_only_that() {
    let rejected = failed(leg(1, Side::Buy), Tag::BrokerRejected);
    let working = leg(2, Side::Buy).working("2").filled(4, 4);
    let Some(Move::Cancel(cancelled, reason)) = next(Policy::AllOrUnwind, &[rejected.clone(), working]).pop() else { panic!() };
    assert!(cancelled == command(2) && reason.contains("leg 1 of this basket ended BROKER_REJECTED"), "{reason}");
    let gone = part(leg(2, Side::Buy), 4);
    let moves = next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone()]);
    assert!(matches!(moves.as_slice(), [Move::Unwind { units: 4, count: 0, .. }]), "{moves:?}");
    let out = |number| child(number, 2).asks(4);
    assert!(next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone(), out(3)]).is_empty(), "it is under way");
    assert!(next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone(), out(3).doubted()]).is_empty(), "and in doubt");
    let done = next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone(), out(3).working("3").filled(4, 4)]);
    assert!(matches!(done.as_slice(), [Move::End(false, _)]), "{done:?}");
    let half = failed(out(3).working("3").filled(1, 1), Tag::BrokerCancelled);
    let moves = next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone(), half]);
    assert!(matches!(moves.as_slice(), [Move::Unwind { units: 3, count: 1, .. }]), "{moves:?}");
    let stuck = next(Policy::AllOrUnwind, &[rejected.clone(), gone.clone(), failed(out(3), Tag::BrokerRejected)]);
    assert!(matches!(stuck.as_slice(), [Move::End(true, reason)] if reason.contains("NOT FLAT: 4 of leg 2 are held")), "{stuck:?}");
    let by_another = next(Policy::AllOrUnwind, &[rejected, gone, failed(out(3), Tag::NoPosition)]);
    assert!(matches!(by_another.as_slice(), [Move::End(false, _)]), "{by_another:?}");
}

/// A hedge and its short have filled, the third leg was rejected: the hedge is sold when the short is bought back, and no sooner.
#[test]
fn a_short_is_bought_back_before_its_hedge_is_sold() {
    let legs = [full(leg(1, Side::Buy)), full(leg(2, Side::Sell)), failed(leg(3, Side::Buy), Tag::BrokerRejected)];
    let with = |more: &[OrderRecord], second| next_at(Policy::AllOrUnwind, &[&legs[..], more].concat(), second);
    let is_of = |found: &[Move], number: u64, is_page: bool| match found {
        [Move::Unwind { leg, units: 10, uncovers, .. }] => *leg == command(number) && uncovers.is_some() == is_page,
        _ => false,
    };
    let cover = |second| OrderRecord { updated_at: at(second), ..child(4, 2).side(Side::Buy) };
    assert!(is_of(&with(&[], 3_600), 2, false), "{:?}", with(&[], 3_600));
    // Its exit is under way: the hedge waits from when that was last heard of, and then goes with a page.
    for under_way in [cover(60), cover(60).doubted(), cover(60).working("4").filled(4, 4), cover(60).working("4").filled(10, 4)] {
        assert_eq!(with(std::slice::from_ref(&under_way), 79), vec![], "{under_way:?}");
        assert!(is_of(&with(std::slice::from_ref(&under_way), 80), 1, true), "{under_way:?}");
    }
    assert!(is_of(&with(&[full(cover(60))], 60), 1, false), "nothing is short any more");
    assert!(is_of(&with(&[failed(cover(60), Tag::NoPosition)], 60), 1, false), "somebody else has bought it back");
    // It is not bought back by itself: what covers it stays, and a person hears of both.
    for tag in [Tag::BrokerRejected, Tag::ExitTakenBack] {
        let stuck = with(&[failed(cover(60), tag)], 3_600);
        let [Move::End(true, reason)] = stuck.as_slice() else { panic!("{stuck:?}") };
        assert!(reason.contains("NOT FLAT: 10 of leg 2 are held") && reason.contains("10 of leg 1 are kept"), "{reason}");
    }
}

#[test]
fn a_leg_in_doubt_is_waited_for_and_nothing_is_unwound() {
    let doubted = OrderRecord { cancel_wanted: Some(Tag::BasketUnwound), ..leg(1, Side::Buy).doubted() };
    let orders = [doubted, failed(leg(2, Side::Buy), Tag::BrokerRejected), full(leg(3, Side::Buy))];
    assert_eq!(next(Policy::AllOrUnwind, &orders), vec![]);
    let owed = [leg(1, Side::Buy).working("1").filled(10, 4), failed(leg(2, Side::Buy), Tag::BrokerRejected)];
    assert_eq!(next(Policy::AllOrUnwind, &owed), vec![], "trades are outstanding");
}

#[test]
fn a_plan_ends_with_its_last_leg_and_pages_for_what_is_held_alone() {
    let is_page = |policy, orders: &[OrderRecord]| match next(policy, orders).as_slice() {
        [Move::End(is_page, _)] => *is_page,
        other => panic!("{other:?}"),
    };
    let whole = [full(leg(1, Side::Buy)), full(leg(2, Side::Sell))];
    let hedge_alone = [full(leg(1, Side::Buy)), failed(leg(2, Side::Sell), Tag::StaleSignal)];
    let nothing = [failed(leg(1, Side::Buy), Tag::BrokerRejected), failed(leg(2, Side::Sell), Tag::PlanStopped)];
    for policy in Policy::ALL.iter().copied() {
        assert!(!is_page(policy, &whole), "{policy}");
        assert!(!is_page(policy, &nothing), "{policy}");
    }
    assert!(is_page(Policy::HedgeFirst, &hedge_alone) && is_page(Policy::WaitForFill, &hedge_alone));
    assert!(!is_page(Policy::BestEffort, &hedge_alone));
    assert!(next(Policy::HedgeFirst, &[full(leg(1, Side::Buy)), leg(2, Side::Sell)]).is_empty(), "it is not over");
}

/// What a broker makes of one leg, or of one exit, in the end.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Fills,
    Fails(i64),
}

fn fate() -> impl proptest::prelude::Strategy<Value = Fate> {
    prop_oneof![2 => proptest::prelude::Just(Fate::Fills), 1 => (0i64..10).prop_map(Fate::Fails)]
}

fn meets(order: &mut OrderRecord, fate: Fate) {
    let filled = match fate {
        Fate::Fills => order.quantity(),
        Fate::Fails(part) => part.min(order.quantity() - 1),
    };
    (order.sent_at, order.filled_quantity, order.traded_quantity) = (Some(order.created_at), filled, filled);
    (order.status, order.tag) =
        if filled == order.quantity() { (Status::Executed, None) } else { (Status::Failed, Some(Tag::BrokerCancelled)) };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    /// All or none: whatever legs and exits meet, in whatever order and with whatever doubt between, at the end all legs are
    /// filled, or nothing of any is held, or a person was paged; and never is more closed than the basket has opened. What was
    /// bought is not sold while anything is short, unless its exit was not heard of for long: then a person hears.
    #[test]
    fn prop_all_or_none_ends_whole_flat_or_with_a_page(
        fates in proptest::collection::vec((fate(), any::<bool>(), any::<bool>()), 2..5),
        exits in proptest::collection::vec((fate(), any::<bool>()), 40),
    ) {
        let side = |sells: bool| if sells { Side::Sell } else { Side::Buy };
        let mut orders: Vec<OrderRecord> =
            (1u64..).zip(&fates).map(|(number, (.., sells))| leg(number, side(*sells)).sent()).collect();
        let legs = orders.len();
        let (mut pending, mut exits) = (fates.clone(), exits.into_iter());
        let (mut ended, mut second) = (None, 0);
        for _ in 0..200 {
            for action in next_at(Policy::AllOrUnwind, &orders, second) {
                match action {
                    Move::Cancel(id, _) => orders.iter_mut().find(|order| order.command_id == id).unwrap().cancel_wanted = Some(Tag::BasketUnwound),
                    Move::Unwind { leg, units, count, uncovers, .. } => {
                        let number = orders.len() as u64 + 1;
                        let of = orders.iter().find(|order| order.command_id == leg).unwrap();
                        let (of, closes) = (of.number, of.ask.side.unwrap().opposite());
                        let sent = orders.iter().filter(|order| order.parent_command_id == Some(leg)).count();
                        prop_assert_eq!(sent, count);
                        if closes == Side::Sell {
                            let short = is_short(&orders, legs);
                            prop_assert_eq!(uncovers.is_some(), short.is_some(), "{:?}", orders);
                            prop_assert!(short.is_none_or(|heard_at| at(second) - heard_at >= COVER_FIRST), "{second}: {orders:?}");
                        }
                        let out = child(number, of).side(closes).asks(units).intent(Intent::Exit).sent();
                        orders.push(OrderRecord { updated_at: at(second), ..out });
                    }
                    Move::End(is_page, _) => ended = Some(is_page),
                }
            }
            if ended.is_some() {
                break;
            }
            // One thing happens: a doubt is settled, an exit is slow, or an order meets its end.
            if let Some(index) = (0..orders.len()).find(|index| !orders[*index].status.is_terminal()) {
                second += 1;
                if index < legs && pending[index].1 {
                    pending[index].1 = false;
                    orders[index].tag = Some(Tag::SendUnconfirmed);
                    prop_assert!(next(Policy::AllOrUnwind, &orders).iter().all(|action| !matches!(action, Move::Unwind { .. })), "unwound in doubt");
                    continue;
                }
                let (what, is_slow) = if index < legs { (pending[index].0, false) } else { exits.next().unwrap_or((Fate::Fills, false)) };
                if is_slow {
                    second += 21;
                    continue;
                }
                meets(&mut orders[index], what);
                orders[index].updated_at = at(second);
            }
        }
        let opened: i64 = orders[..legs].iter().map(|order| order.filled_quantity).sum();
        let closed: i64 = orders[legs..].iter().map(|order| order.filled_quantity).sum();
        let is_whole = orders[..legs].iter().all(|order| order.status == Status::Executed);
        prop_assert!(ended.is_some(), "it does not end: {orders:?}");
        prop_assert!(closed <= opened, "{closed} closed of {opened}");
        prop_assert!(!is_whole || closed == 0);
        prop_assert!(is_whole || closed == opened || ended == Some(true), "{closed} of {opened} closed, and nobody was told");
    }
}

/// When an exit of a short was last heard of, if anything that the basket has sold is not bought back.
fn is_short(orders: &[OrderRecord], legs: usize) -> Option<DateTime<Utc>> {
    let of = |leg: &OrderRecord| {
        orders[legs..].iter().filter(|order| order.parent_command_id == Some(leg.command_id)).cloned().collect::<Vec<_>>()
    };
    let shorts = orders[..legs].iter().filter(|leg| leg.ask.side == Some(Side::Sell)).map(|leg| (leg, of(leg)));
    let open = shorts.filter(|(leg, exits)| leg.filled_quantity > exits.iter().map(|exit| exit.filled_quantity).sum::<i64>());
    open.map(|(_, exits)| exits.iter().map(|exit| exit.updated_at).max().unwrap_or(DateTime::<Utc>::MAX_UTC)).max()
}
