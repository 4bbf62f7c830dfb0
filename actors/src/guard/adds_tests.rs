//! How often a route lets its strategy add to what it holds.

use super::*;

/// An order of a route that lets its strategy add so often.
fn pyramid(number: u64, adds: u32) -> OrderRecord {
    let mut order = order(number);
    let route = crate::order::Routed { route: "tv".into(), version: 1, adds, trades_per_day: None, approval: false };
    order.ask.route = Some(std::sync::Arc::new(route));
    order
}

#[test]
fn a_route_lets_a_strategy_add_so_often_and_no_more() {
    assert_eq!(judged(&pyramid(1, 2), &[], &[]), None, "the first is an entry as any other");
    let first = pyramid(1, 2).working("B1");
    assert_eq!(judged(&pyramid(2, 2), std::slice::from_ref(&first), &[]), None, "while the first is working");
    let filled = pyramid(1, 2).ended(Status::Executed, None).filled(10, 10);
    assert_eq!(judged(&pyramid(2, 2), std::slice::from_ref(&filled), &[held("trend", 10)]), None, "when it has filled");
    let second = pyramid(2, 2).working("B2");
    assert_eq!(judged(&pyramid(3, 2), &[filled.clone(), second.clone()], &[held("trend", 10)]), None);
    let third = pyramid(3, 2).working("B3");
    let more = judged(&pyramid(4, 2), &[filled.clone(), second, third], &[held("trend", 10)]);
    blocked(more, Tag::ExecutionGuardBlocked, "entered NSE:SBIN-EQ MIS 3 times, and may add 2 times");
    blocked(judged(&order(2), &[filled], &[held("trend", 10)]), Tag::ExecutionGuardBlocked, "holds 10");
}

#[test]
fn nothing_is_added_to_what_lies_elsewhere_or_on_the_other_side() {
    let filled = pyramid(1, 5).ended(Status::Executed, None).filled(10, 10);
    let second = |build: fn(OrderRecord) -> OrderRecord| build(pyramid(2, 5));
    for (me, word) in [(second(|order| order.side(Side::Sell)), "holds 10"), (second(|order| order.of("INFY-EQ")), "holds 10")] {
        blocked(judged(&me, std::slice::from_ref(&filled), &[held("trend", 10)]), Tag::ExecutionGuardBlocked, word);
    }
    let leaving = exit(2).working("B2");
    blocked(judged(&pyramid(3, 5), &[filled, leaving], &[held("trend", 10)]), Tag::ExecutionGuardBlocked, "holds 10");
    let never_left = pyramid(1, 1).ended(Status::Failed, Some(Tag::KillSwitch));
    let second = pyramid(2, 1).ended(Status::Executed, None).filled(10, 10);
    assert_eq!(judged(&pyramid(3, 1), &[never_left, second], &[held("trend", 10)]), None, "what never left is no entry");
}
