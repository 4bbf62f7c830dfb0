use std::sync::Arc;

use proptest::prelude::{Just, ProptestConfig, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::{Ask, OrderType, Status};
use crate::persistence::{Kept, KeptChange};
use crate::plan::Plan;
use crate::settings::Resends;
use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, command, exit, order, sbin, sbin_in};

const RESENDS: Resends = Resends { most: 3, absent: false };

/// TARGET of "trend" in SBIN-EQ MIS, at the market.
fn target(number: u64, position: i64) -> OrderRecord {
    let mut order = order(number).intent(Intent::Target).market();
    (order.ask.side, order.ask.quantity, order.ask.target_position) = (None, None, Some(position));
    order
}

fn aimed(order: &OrderRecord, others: Vec<OrderRecord>, held: i64) -> Aim {
    let holdings = [("trend", sbin_in(Product::Mis), held)];
    let book = book_of(others, if held == 0 { &[] } else { &holdings });
    aim(order, &sbin(), &book, &broker_shows(&[(sbin_in(Product::Mis), held)]), None, None)
}

#[track_caller]
fn goes(aim: Aim, intent: Intent, side: Side, quantity: i64) {
    let Aim::Go(shot) = aim else { panic!("{aim:?}") };
    assert_eq!((shot.intent, shot.side, shot.quantity.value()), (intent, side, quantity), "{}", shot.reason);
}

#[track_caller]
fn ends(aim: Aim, tag: Tag, words: &str) {
    let Aim::End(found, reason) = aim else { panic!("{aim:?}") };
    assert!(found == tag && reason.contains(words), "{found} {reason}");
}

#[track_caller]
fn waits(aim: Aim, words: &str) {
    let Aim::Wait(reason) = aim else { panic!("{aim:?}") };
    assert!(reason.contains(words), "{reason}");
}

fn entry(number: u64, side: Side, quantity: i64) -> OrderRecord {
    order(number).side(side).asks(quantity)
}

#[test]
fn from_flat_it_enters_and_from_a_position_it_adds_or_takes_out() {
    goes(aimed(&target(5, 10), vec![], 0), Intent::Entry, Side::Buy, 10);
    goes(aimed(&target(5, -10), vec![], 0), Intent::Entry, Side::Sell, 10);
    goes(aimed(&target(5, 15), vec![], 10), Intent::Adjust, Side::Buy, 5);
    goes(aimed(&target(5, -15), vec![], -10), Intent::Adjust, Side::Sell, 5);
    goes(aimed(&target(5, 4), vec![], 10), Intent::Exit, Side::Sell, 6);
    goes(aimed(&target(5, -4), vec![], -10), Intent::Exit, Side::Buy, 6);
    goes(aimed(&target(5, 0), vec![], 10), Intent::Exit, Side::Sell, 10);
}

/// The exchange takes 100 in one order.
#[test]
fn what_closes_goes_as_far_as_one_order_may_and_what_opens_goes_whole_or_not_at_all() {
    let aimed = |order: &OrderRecord, others: Vec<OrderRecord>, held: i64| {
        let holdings = [("trend", sbin_in(Product::Mis), held)];
        let book = book_of(others, if held == 0 { &[] } else { &holdings });
        aim(order, &sbin(), &book, &broker_shows(&[(sbin_in(Product::Mis), held)]), None, Some(100))
    };
    let left = |found: Aim| match found {
        Aim::Go(shot) => (shot.quantity.value(), shot.left),
        other => panic!("{other:?}"),
    };
    assert_eq!(left(aimed(&target(5, 0), vec![], 100)), (100, 0));
    assert_eq!(left(aimed(&target(5, 0), vec![], 250)), (100, 150), "no other order is for the rest");
    assert_eq!(left(aimed(&target(5, 20), vec![], 250)), (100, 130));
    let basket = |number: u64| {
        let mut order = target(number, 0);
        order.basket_id = target(5, 0).basket_id;
        order
    };
    assert_eq!(left(aimed(&basket(5), vec![basket(5), basket(6)], 250)), (100, 0), "the next one of its signal is");
    let first = entry(5, Side::Sell, 100).intent(Intent::Exit).working("B5");
    assert_eq!(left(aimed(&basket(6), vec![OrderRecord { basket_id: basket(5).basket_id, ..first }, basket(6)], 250)), (100, 50));
    ends(aimed(&target(5, 250), vec![], 0), Tag::ValidationFailed, "freezes orders above 100");
    ends(aimed(&target(5, -250), vec![], -50), Tag::ValidationFailed, "freezes orders above 100");
}

#[test]
fn a_strategy_that_is_there_already_sends_nothing_and_says_so() {
    ends(aimed(&target(5, 10), vec![], 10), Tag::AtTarget, "holds 10 NSE:SBIN-EQ MIS, and that is the target");
    ends(aimed(&target(5, 0), vec![], 0), Tag::AtTarget, "and that is the target");
    let mut flat = target(5, 0);
    flat.ask.product = None;
    ends(aimed(&flat, vec![], 0), Tag::AtTarget, "nothing working there");
}

#[test]
fn what_works_counts_as_filled() {
    let resting = entry(2, Side::Buy, 10).working("1");
    ends(aimed(&target(5, 10), vec![resting.clone()], 0), Tag::AtTarget, "works for the rest to 10");
    goes(aimed(&target(5, 15), vec![resting.clone()], 0), Intent::Adjust, Side::Buy, 5);
    let half = entry(2, Side::Buy, 10).working("1").filled(4, 4);
    ends(aimed(&target(5, 10), vec![half], 4), Tag::AtTarget, "holds 4");
    let leaving = exit(2).side(Side::Sell).asks(10).product(Product::Mis).working("1");
    ends(aimed(&target(5, 0), vec![leaving], 10), Tag::AtTarget, "works for the rest to 0");
}

#[test]
fn an_order_in_doubt_counts_as_filled_and_is_never_answered_with_a_guess() {
    let doubted = entry(2, Side::Buy, 10).doubted();
    ends(aimed(&target(5, 10), vec![doubted.clone()], 0), Tag::AtTarget, "works for the rest");
    waits(aimed(&target(5, 20), vec![doubted.clone()], 0), "not settled");
    let Aim::Clear(orders, _) = aimed(&target(5, 0), vec![doubted], 0) else { panic!() };
    assert_eq!(orders, [command(2)], "it is cancelled the moment it can be, and nothing is sold for it");
    let leaving = exit(2).side(Side::Sell).asks(10).product(Product::Mis).doubted();
    waits(aimed(&target(5, 10), vec![leaving], 10), "works the other way");
}

#[test]
fn what_works_the_other_way_is_out_of_the_way_first() {
    let resting = entry(2, Side::Buy, 10).working("1");
    let Aim::Clear(orders, reason) = aimed(&target(5, 4), vec![resting.clone()], 0) else { panic!() };
    assert!(orders == [command(2)] && reason.contains("works the other way"), "{reason}");
    let mut cancelling = resting;
    cancelling.cancel_wanted = Some(Tag::Superseded);
    waits(aimed(&target(5, 4), vec![cancelling], 0), "works the other way");
    let created = entry(2, Side::Buy, 10);
    assert!(matches!(aimed(&target(5, 0), vec![created.clone()], 0), Aim::Clear(..)), "nothing of it was sent yet");
    waits(aimed(&target(5, 10), vec![created], 0), "not settled");
    let at_market = exit(2).side(Side::Sell).asks(10).product(Product::Mis).working("1");
    waits(aimed(&target(5, 10), vec![at_market], 10), "works the other way");
}

#[test]
fn an_exit_that_an_earlier_signal_rests_at_its_limit_is_overtaken_and_no_other() {
    let resting = |order_type| {
        let mut exit = exit(2).side(Side::Sell).asks(20).product(Product::Mis).working("1");
        (exit.ask.order_type, exit.ask.price) = (Some(order_type), Some(crate::testkit::builders::price("880")));
        exit
    };
    for wanted in [16, 20, 25] {
        let Aim::Clear(orders, reason) = aimed(&target(5, wanted), vec![resting(OrderType::Limit)], 20) else { panic!("{wanted}") };
        assert!(orders == [command(2)] && reason.contains("works the other way"), "{reason}");
    }
    ends(aimed(&target(5, 0), vec![resting(OrderType::Limit)], 20), Tag::AtTarget, "works for the rest to 0");
    let mut leaving = resting(OrderType::Limit);
    leaving.cancel_wanted = Some(Tag::Superseded);
    waits(aimed(&target(5, 16), vec![leaving], 20), "works the other way");
    let mut own = resting(OrderType::Limit);
    own.source = Source::System;
    let unclear = resting(OrderType::Limit).doubted();
    for protects in [own, unclear, resting(OrderType::StopLimit)] {
        waits(aimed(&target(5, 16), vec![protects], 20), "works the other way");
    }
}

#[test]
fn an_exit_by_a_persons_hand_stays_and_a_signals_target_says_what_it_waits_for() {
    let mut hand = exit(2).side(Side::Sell).asks(20).product(Product::Mis).working("1");
    (hand.source, hand.user) = (Source::Dashboard, "asha".into());
    (hand.ask.order_type, hand.ask.price) = (Some(OrderType::Limit), Some(crate::testkit::builders::price("880")));
    for wanted in [16, 20, 25] {
        let Aim::Yield(reason) = aimed(&target(5, wanted), vec![hand.clone()], 20) else { panic!("{wanted}") };
        let words = format!("order {}, an exit that asha placed by hand and that rests at 880, works the other way and stays", command(2));
        assert!(reason.contains(&words), "{reason}");
    }
    // It counts as what it may fill: there is nothing more to leave, or the rest of it.
    ends(aimed(&target(5, 0), vec![hand.clone()], 20), Tag::AtTarget, "works for the rest to 0");
    goes(
        aimed(&target(5, 0), vec![OrderRecord { ask: Ask { quantity: Quantity::new(5), ..hand.ask.clone() }, ..hand.clone() }], 20),
        Intent::Exit,
        Side::Sell,
        15,
    );
    // What else works the other way goes as ever, and a person's newer word is newer.
    let mut earlier = hand.clone();
    (earlier.source, earlier.command_id, earlier.number) = (Source::Webhook, command(3), 3);
    earlier.ask.quantity = Quantity::new(4);
    hand.ask.quantity = Quantity::new(16);
    let Aim::Clear(orders, _) = aimed(&target(5, 20), vec![hand.clone(), earlier.clone()], 20) else { panic!() };
    assert_eq!(orders, [command(3)]);
    let by_hand = OrderRecord { source: Source::Dashboard, ..target(5, 20) };
    let Aim::Clear(orders, _) = aimed(&by_hand, vec![hand.clone(), earlier], 20) else { panic!() };
    assert_eq!(orders, [command(2), command(3)]);
    let entry = OrderRecord { source: Source::Dashboard, ..entry(2, Side::Buy, 10).working("1") };
    assert!(matches!(aimed(&target(5, 0), vec![entry], 0), Aim::Clear(..)), "an entry is not left to fill into a flat target");
    hand.cancel_wanted = Some(Tag::CancelledByUser);
    waits(aimed(&target(5, 20), vec![hand], 20), "works the other way");
}

#[test]
fn what_is_outstanding_or_undecided_is_waited_for() {
    let owed = entry(2, Side::Buy, 10).working("1").filled(10, 4);
    waits(aimed(&target(5, 0), vec![owed], 4), "filled is not settled yet");
    waits(aimed(&target(5, 0), vec![exit(2)], 10), "not decided yet");
    let elsewhere = entry(2, Side::Buy, 10).of("INFY-EQ").working("1");
    goes(aimed(&target(5, 10), vec![elsewhere], 0), Intent::Entry, Side::Buy, 10);
    let stranger = entry(2, Side::Buy, 10).by("other").working("1");
    goes(aimed(&target(5, 10), vec![stranger], 0), Intent::Entry, Side::Buy, 10);
}

#[test]
fn through_zero_is_a_reversal() {
    let Aim::Reverse(plan, reason) = aimed(&target(5, -5), vec![], 10) else { panic!() };
    assert_eq!((plan.order, plan.from, plan.beside), (command(5), 10, 0));
    assert!(reason.contains("out of 10 first, and then to -5"), "{reason}");
    let leaving = exit(2).side(Side::Sell).asks(10).product(Product::Mis).working("1");
    waits(aimed(&target(5, -5), vec![leaving], 10), "being left first");
}

/// What stands beside ours is read from positions that know our last fill; older ones would take that fill for a difference,
/// and the position would never be proven flat.
#[test]
fn a_reversal_begins_only_with_positions_that_know_the_last_fill() {
    let book = book_of(vec![], &[("trend", sbin_in(Product::Mis), 10)]);
    let mut old = broker_shows(&[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    waits(aim(&target(5, -5), &sbin(), &book, &old, None, None), "older than the last fill");
    waits(aim(&target(5, -5), &sbin(), &book, &Findings::default(), None, None), "never read");
    let Aim::Reverse(plan, _) = aim(&target(5, -5), &sbin(), &book, &broker_shows(&[(sbin_in(Product::Mis), 12)]), None, None) else {
        panic!()
    };
    assert_eq!(plan.beside, 2);
}

#[test]
fn the_newest_signal_speaks() {
    ends(aimed(&target(5, 10), vec![target(6, -10)], 0), Tag::Superseded, "is newer");
    ends(aimed(&target(5, 10), vec![exit(6)], 0), Tag::Superseded, "is newer");
    let mut system = exit(6).side(Side::Sell).asks(10).product(Product::Mis);
    system.source = Source::System;
    waits(aimed(&target(5, 20), vec![system], 10), "works the other way");
    let invalid = target(6, 3).ended(Status::Failed, Some(Tag::ValidationFailed));
    goes(aimed(&target(5, 10), vec![invalid], 0), Intent::Entry, Side::Buy, 10);
    goes(aimed(&target(5, 10), vec![target(6, 3).by("other")], 0), Intent::Entry, Side::Buy, 10);
}

#[test]
fn a_flat_target_finds_the_product_or_asks_for_it() {
    let mut flat = target(5, 0);
    flat.ask.product = None;
    goes(aimed(&flat, vec![], 10), Intent::Exit, Side::Sell, 10);
    let book = book_of([], &[("trend", sbin_in(Product::Mis), 5), ("trend", sbin_in(Product::Nrml), 5)]);
    ends(aim(&flat, &sbin(), &book, &broker_shows(&[]), None, None), Tag::ValidationFailed, "more than one product");
}

#[test]
fn only_a_target_that_takes_out_has_no_time_to_live() {
    let book = book_of([], &[("trend", sbin_in(Product::Mis), 10)]);
    for (position, reduces) in [(0, true), (5, true), (10, false), (15, false), (-5, false)] {
        assert_eq!(only_reduces(&target(5, position), &sbin(), &book), reduces, "{position}");
    }
}

/// A small world: one strategy in one instrument, a broker that fills and cancels, and targets that come when they like.
#[derive(Default)]
struct World {
    orders: Vec<OrderRecord>,
    held: i64,
    plans: Vec<(Reverse, usize)>,
    last: i64,
}

#[derive(Debug, Clone)]
enum Happens {
    Target(i64),
    Fill(usize, i64),
    Doubt(usize),
    Settles,
}

impl World {
    fn book(&self) -> Book {
        let holdings = [("trend", sbin_in(Product::Mis), self.held)];
        let mut book = book_of(self.orders.clone(), if self.held == 0 { &[] } else { &holdings });
        for (plan, _) in &self.plans {
            let value = Arc::from(serde_json::to_string(&Plan::Reverse(plan.clone())).unwrap());
            book.put_kept(KeptChange { slot: Plan::slot_of(plan.order), now: Some(Kept { value, seq: 1, at: at(0) }) });
        }
        book
    }

    fn number(&self) -> u64 {
        self.orders.len() as u64 + 1
    }

    fn working(&mut self) -> Vec<&mut OrderRecord> {
        self.orders.iter_mut().filter(|order| order.status.is_at_broker()).collect()
    }

    fn happens(&mut self, what: &Happens) {
        match *what {
            Happens::Target(position) => {
                let number = self.number();
                self.orders.push(target(number, position));
                self.last = position;
            }
            Happens::Fill(which, most) => {
                let mut filled = 0;
                let mut working = self.working();
                if let Some(index) = which.checked_rem(working.len()) {
                    let order = &mut working[index];
                    let quantity = most.min(order.unfilled());
                    (order.tag, order.filled_quantity) = (None, order.filled_quantity + quantity);
                    order.traded_quantity = order.filled_quantity;
                    order.status = if order.unfilled() == 0 { Status::Executed } else { Status::Partial };
                    filled = order.ask.side.unwrap().sign() * quantity;
                }
                self.held += filled;
            }
            Happens::Doubt(which) => {
                let mut working = self.working();
                if let Some(index) = which.checked_rem(working.len()) {
                    working[index].tag = Some(Tag::SendUnconfirmed);
                }
            }
            Happens::Settles => self.settles(),
        }
        self.think();
    }

    /// The broker tells of what was in doubt, and carries out cancels.
    fn settles(&mut self) {
        for order in self.working() {
            order.tag = None;
            if let Some(tag) = order.cancel_wanted {
                (order.status, order.tag) = (Status::Failed, Some(tag));
            }
        }
    }

    /// Risk looks at every target that is not aimed yet, and the plans take their steps, until nothing changes.
    fn think(&mut self) {
        while self.look() {}
    }

    fn look(&mut self) -> bool {
        let (book, findings) = (self.book(), broker_shows(&[(sbin_in(Product::Mis), self.held)]));
        for index in 0..self.orders.len() {
            let me = self.orders[index].clone();
            if !me.is_unaimed() || me.status != Status::Created {
                continue;
            }
            let plan = Plan::reversal(&book, me.command_id);
            match aim(&me, &sbin(), &book, &findings, plan.as_ref(), None) {
                Aim::End(tag, _) => {
                    (self.orders[index].status, self.orders[index].tag) = (Status::Failed, Some(tag));
                    return true;
                }
                Aim::Go(shot) => {
                    self.goes(index, &shot);
                    return true;
                }
                Aim::Clear(commands, _) => {
                    for order in self.orders.iter_mut().filter(|order| commands.contains(&order.command_id)) {
                        order.cancel_wanted = Some(Tag::Superseded);
                    }
                    return true;
                }
                Aim::Reverse(plan, _) => {
                    self.plans.push((plan, 0));
                    return true;
                }
                Aim::Wait(_) | Aim::Yield(_) => {}
            }
        }
        self.leave(&book)
    }

    fn goes(&mut self, index: usize, shot: &Shot) {
        let order = &mut self.orders[index];
        order.ask.intent = Some(shot.intent);
        (order.ask.side, order.ask.quantity, order.ask.product) = (Some(shot.side), Some(shot.quantity), Some(shot.product));
        (order.ask.order_type, order.status, order.sent_at) = (Some(OrderType::Market), Status::SentToBroker, Some(at(1)));
    }

    fn leave(&mut self, book: &Book) -> bool {
        for index in 0..self.plans.len() {
            if self.plans[index].0.next(book, RESENDS) != crate::plan::Next::Exit(self.plans[index].1) {
                continue;
            }
            self.plans[index].1 += 1;
            let side = Side::of_net(self.held).unwrap().opposite();
            let mut child = exit(self.number()).side(side).product(Product::Mis).asks(self.held.abs()).sent();
            child.parent_command_id = Some(self.plans[index].0.order);
            self.orders.push(child);
            return true;
        }
        false
    }

    fn adds(&self, order: &OrderRecord) -> i64 {
        order.ask.side.unwrap().sign() * order.unfilled()
    }
}

fn happening() -> impl proptest::prelude::Strategy<Value = Happens> {
    prop_oneof![
        3 => prop_oneof![Just(0i64), -20i64..20].prop_map(Happens::Target),
        4 => (any::<usize>(), 1i64..15).prop_map(|(which, units)| Happens::Fill(which, units)),
        1 => any::<usize>().prop_map(Happens::Doubt),
        2 => Just(Happens::Settles),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// Whatever comes in whatever order: no exit flips the position, nothing works against itself when it is sent, a flat
    /// target opens nothing; and once the broker has settled everything, the strategy holds what the newest signal asked for.
    #[test]
    fn prop_targets_never_overshoot_and_arrive(events in proptest::collection::vec(happening(), 1..25)) {
        let mut world = World::default();
        for event in &events {
            let sent = world.orders.iter().filter(|order| order.sent_at.is_some()).count();
            world.happens(event);
            let working: Vec<&OrderRecord> = world.orders.iter().filter(|order| order.status.is_at_broker()).collect();
            let exits: i64 = working.iter().filter(|order| order.is_exit()).map(|order| world.adds(order)).sum();
            prop_assert!(world.held == 0 || (world.held + exits).signum() != -world.held.signum(), "exits of {exits} flip {}", world.held);
            if world.orders.iter().filter(|order| order.sent_at.is_some()).count() > sent {
                let live: Vec<i64> = working.iter().filter(|order| order.cancel_wanted.is_none()).map(|order| world.adds(order)).collect();
                prop_assert!(live.iter().all(|adds| *adds >= 0) || live.iter().all(|adds| *adds <= 0), "{live:?} work against each other");
                let all = live.iter().sum::<i64>() + world.held;
                let is_on_the_way = all == 0 || all == world.last;
                prop_assert!(is_on_the_way || working.iter().any(|order| order.is_in_doubt()), "{all} for a target of {}", world.last);
            }
        }
        let mut rounds = 0;
        while world.orders.iter().any(|order| !order.status.is_terminal()) {
            world.happens(&Happens::Settles);
            world.happens(&Happens::Fill(0, i64::MAX));
            rounds += 1;
            prop_assert!(rounds < 200, "it does not come to rest: {:?}", world.orders);
        }
        if events.iter().any(|event| matches!(event, Happens::Target(_))) {
            prop_assert_eq!(world.held, world.last);
        }
    }

    /// The same target again while the first one rests, however much of it has filled: nothing is sent.
    #[test]
    fn prop_the_same_target_twice_sends_once(held in -50i64..50, position in -50i64..50, part in 0i64..100) {
        let mut world = World { held, ..World::default() };
        world.happens(&Happens::Target(position));
        world.happens(&Happens::Fill(0, part.max(1)));
        let sent = |world: &World| world.orders.iter().filter(|order| order.sent_at.is_some() && !order.is_unaimed()).count();
        let before = sent(&world);
        if !world.orders[0].is_unaimed() {
            world.happens(&Happens::Target(position));
            prop_assert_eq!(sent(&world), before);
        }
    }
}

#[test]
fn a_mock_goes_the_straight_way() {
    goes(aimed(&target(5, -5).test(), vec![], 10), Intent::Exit, Side::Sell, 15);
    goes(aimed(&target(5, 5).test(), vec![entry(2, Side::Sell, 3).working("1")], 0), Intent::Entry, Side::Buy, 5);
}
