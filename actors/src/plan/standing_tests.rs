use super::*;
use crate::order::{BrokerOrderId, Intent, Product, Side, Tag};
use crate::persistence::{Kept, KeptChange, Slot};
use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, command, exit, order, sbin_in, strategy};

fn kept(book: &mut Book, slot: Slot, value: String) {
    book.put_kept(KeptChange { slot, now: Some(Kept { value: value.into(), seq: SEQ, at: at(0) }) });
}

fn with_plan(orders: Vec<OrderRecord>, holdings: &[(&str, crate::order::HoldingKey, i64)], slot: Slot, plan: &Plan) -> Book {
    let mut book = book_of(orders, holdings);
    kept(&mut book, slot, serde_json::to_string(plan).unwrap());
    book
}

fn only(book: &Book, second: i64) -> Standing {
    let mut found = standings(book, &broker_shows(&[]), Resends { most: 0, absent: false }, Duration::seconds(30), at(second));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// A bought hedge that rests, and a sale that waits for it.
fn basket(hedge: OrderRecord, short: OrderRecord, more: Vec<OrderRecord>) -> Book {
    let slot = Plan::slot_of_basket(hedge.basket_id);
    let plan = Plan::Basket(BasketPlan { policy: Policy::HedgeFirst, member: short.command_id });
    with_plan([vec![hedge, short], more].concat(), &[], slot, &plan)
}

fn hedge() -> OrderRecord {
    order(1).basket(50, 0).of("INFY-EQ").working("1")
}

fn short() -> OrderRecord {
    order(2).basket(50, 1).side(Side::Sell)
}

#[test]
fn a_basket_tells_its_legs_and_which_waits_for_which() {
    let seen = only(&basket(hedge(), short(), Vec::new()), 600);
    assert_eq!((seen.kind, seen.policy, seen.since), (PlanKind::Basket, Some(Policy::HedgeFirst), at(0)));
    assert_eq!(seen.orders.iter().map(|order| order.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((seen.next.as_str(), seen.stuck), ("leg 2 waits: leg 1 of this basket is filled first", None), "a hedge may rest for long");
    let both = only(&basket(hedge(), short().working("2"), Vec::new()), 600);
    assert_eq!(both.next, "2 of 2 legs are under way");
}

#[test]
fn what_is_in_doubt_due_for_long_or_waits_as_an_exit_is_stuck() {
    let doubted = OrderRecord { broker_order_id: None, ..hedge().doubted() };
    let seen = only(&basket(doubted, short(), Vec::new()), 1);
    assert!(seen.stuck.is_some_and(|why| why.contains("is being looked for at the broker")));

    let over = |second| {
        let failed = short().ended(Status::Failed, Some(Tag::PlanStopped));
        only(&basket(hedge().ended(Status::Failed, Some(Tag::BrokerRejected)), failed, Vec::new()), second).stuck
    };
    assert_eq!(over(30), None, "it is done at the next look");
    assert!(over(31).is_some_and(|why| why.contains("due since")), "{:?}", over(31));

    let out = OrderRecord { parent_command_id: Some(command(1)), ..exit(3).of("INFY-EQ") };
    let waits = |second| only(&basket(hedge(), short(), vec![out.clone()]), second);
    assert_eq!(waits(600).orders.len(), 3, "the exit that it sent is part of it");
    assert!(waits(30).stuck.is_none() && waits(31).stuck.is_some_and(|why| why.starts_with("exit ")));
}

#[test]
fn a_reversal_tells_what_is_left_first_and_what_is_missing() {
    let mut waiting = order(5).intent(Intent::Target).side(Side::Sell);
    waiting.ask.target_position = Some(-10);
    let key = sbin_in(Product::Mis);
    let plan =
        Plan::Reverse(Reverse { order: waiting.command_id, number: 5, strategy: strategy("trend"), key: key.clone(), from: 10, beside: 0 });
    let slot = Plan::slot_of(waiting.command_id);
    let held = [("trend", key, 10)];
    let seen = only(&with_plan(vec![waiting.clone()], &held, slot.clone(), &plan), 1);
    assert_eq!((seen.kind, seen.stuck.is_none()), (PlanKind::Reverse, true));
    assert!(seen.next.starts_with("10 ") && seen.next.ends_with("are left first"), "{}", seen.next);
    let out = exit(6).working("6");
    let leaving = only(&with_plan(vec![waiting.clone(), out], &held, slot.clone(), &plan), 600);
    assert!(leaving.next.contains("are held still") && leaving.stuck.is_none(), "{leaving:?}");
    let flat = only(&with_plan(vec![waiting], &[], slot, &plan), 1);
    assert!(flat.next.contains("is flat"), "{}", flat.next);
}

#[test]
fn an_entry_with_a_time_tells_when_it_ends() {
    let mut timed = order(1).working("1");
    timed.ask.cancel_after_s = Some(10);
    let seen = only(&book_of([timed.clone()], &[]), 5);
    assert_eq!((seen.kind, seen.next), (PlanKind::CancelAfter, format!("what has not filled at {} is cancelled", at(11))));
    let unsent = OrderRecord { sent_at: None, broker_order_id: None::<BrokerOrderId>, status: Status::Created, ..timed };
    assert!(only(&book_of([unsent], &[]), 5).next.contains("10 s after it was sent"));
}

#[test]
fn a_plan_that_cannot_be_read_is_shown_and_stuck() {
    let mut book = book_of([], &[]);
    kept(&mut book, Slot::new(Topic::Plan, "x"), "{\"kind\":\"LATER\"}".to_owned());
    let seen = only(&book, 0);
    assert_eq!(seen.kind, PlanKind::Unknown);
    assert!(seen.stuck.is_some_and(|why| why.starts_with("the plan x cannot be read")));
}
