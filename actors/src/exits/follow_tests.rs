//! What follows on a firing, by what the book has.

use super::*;
use crate::exits::Terms;
use crate::order::{Holding, Side};
use crate::testkit::builders::{Build, at, book_of, command, exit, frozen_control, points, sbin_in, strategy};

fn rule(cause: Cause, attempt: u32) -> ExitRule {
    let held = Holding { net: 10, cost: points(8000), realised: points(0), opened_at: Some(at(-60)) };
    let terms = Terms { stop_loss: Some("790".parse().unwrap()), ..Terms::default() };
    let rule = ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held, terms, 1.into(), "a test".into(), at(0)).unwrap();
    let fired = Fired { cause, at: at(0), price: None, signal: SignalId(uuid::Uuid::from_u128(2)) };
    ExitRule { fired: Some(fired), attempt, ..rule }
}

fn next(rule: &ExitRule, orders: Vec<OrderRecord>, second: i64) -> Next {
    let book = book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]);
    follow(rule, &book, |order| order.tag == Some(Tag::NotSent), at(second))
}

fn ours(order: OrderRecord) -> OrderRecord {
    OrderRecord { source: Source::System, ..order }
}

fn failed(tag: Tag, reason: &str) -> OrderRecord {
    let order = ours(exit(2)).asks(10).ended(Status::Failed, Some(tag));
    OrderRecord { reason: Some(Arc::from(reason)), updated_at: at(0), ..order }
}

#[test]
fn an_exit_that_is_not_on_disk_goes_again_as_the_same_signal() {
    let stop = rule(Cause::Stop, 0);
    assert_eq!((next(&stop, vec![], 1), next(&stop, vec![], 3)), (Next::Wait, Next::Again));
    assert_eq!(next(&stop, vec![ours(exit(2))], 60), Next::Wait, "under way");
}

/// Its exit has ended so long ago that it is not in memory: to the ledger the same signal would be the one of then.
#[test]
fn an_exit_that_only_the_disk_knows_is_not_sent_as_the_same_signal_for_ever() {
    let since = |second| OrderRecord { number: NEWEST_KEPT + 5, created_at: at(second), ..exit(5) }.ended(Status::Executed, None);
    let first_kept = |second| OrderRecord { number: 6, created_at: at(second), ..exit(6) }.ended(Status::Executed, None);
    let of = |cause, first| next(&rule(cause, 0), vec![first_kept(first), since(9)], 60);
    assert_eq!((of(Cause::Stop, 1), of(Cause::Target, 1)), (Next::Anew(None), Next::Rearm));
    assert_eq!(of(Cause::Stop, 0), Next::Again, "orders of then are in memory, and it is not among them");
}

#[test]
fn what_came_to_nothing_goes_anew_ever_more_slowly_and_by_its_cause() {
    let stop = |attempt| rule(Cause::Stop, attempt);
    let cancelled = || vec![failed(Tag::BrokerCancelled, "")];
    assert_eq!((next(&stop(0), cancelled(), 0), next(&stop(0), cancelled(), 1)), (Next::Wait, Next::Anew(None)));
    assert_eq!((next(&stop(3), cancelled(), 7), next(&stop(3), cancelled(), 8)), (Next::Wait, Next::Anew(None)));
    let rejected = |words: &str, second| next(&stop(0), vec![failed(Tag::BrokerRejected, words)], second);
    assert_eq!(rejected("above the freeze quantity 5", 1), Next::Anew(Some(5)));
    assert_eq!((rejected("margin shortfall", 29), rejected("margin shortfall", 30)), (Next::Wait, Next::Anew(None)));
    assert_eq!(rejected("not allowed after square off time", 90), Next::Stuck(Rejection::Cutoff));
    let gone = |product| {
        let holding = sbin_in(product);
        let rule = ExitRule { holding: holding.clone(), ..rule(Cause::Stop, 0) };
        let book = book_of([failed(Tag::NoPosition, "the broker shows 0").product(product)], &[("trend", holding, 10)]);
        follow(&rule, &book, |_| false, at(90))
    };
    assert_eq!(gone(Product::Cnc), Next::Stuck(Rejection::NothingThere), "shares that somebody buys later are not sold");
    assert_eq!(gone(Product::Mis), Next::Anew(None), "two reads of the positions end its rule");
    assert_eq!(next(&stop(0), vec![failed(Tag::NotSent, "")], 60), Next::Wait, "it is sent again by itself");
}

#[test]
fn a_rule_that_is_switched_off_sends_no_exit_whatever_became_of_the_last() {
    for orders in [vec![], vec![failed(Tag::BrokerRejected, "margin shortfall")], vec![failed(Tag::BrokerCancelled, "")]] {
        for cause in Cause::ALL {
            let off = ExitRule { is_on: false, ..rule(cause, 0) };
            let wanted = if cause == Cause::Combined { next(&rule(cause, 0), orders.clone(), 90) } else { Next::Wait };
            assert_eq!(next(&off, orders.clone(), 90), wanted, "{cause}");
        }
    }
    assert_eq!(goes_on_after(&ExitRule { is_on: false, ..rule(Cause::Stop, 0) }, &failed(Tag::BrokerCancelled, "")), None);
}

/// Whoever cancels what a rule has sent wants the position kept, and his own exit stays where it is.
#[test]
fn an_exit_that_a_person_cancelled_is_not_sent_again_and_takes_nobodys_place() {
    let cancelled = |number| {
        let order = ours(exit(number)).asks(10).ended(Status::Failed, Some(Tag::CancelledByUser));
        OrderRecord { updated_at: at(0), ..order }
    };
    let stop = rule(Cause::Stop, 0);
    assert_eq!(next(&stop, vec![cancelled(2)], 90), Next::Stuck(Rejection::TakenBack));
    assert_eq!(next(&rule(Cause::Target, 0), vec![cancelled(2)], 90), Next::Rearm, "a target stands as before");
    let again = OrderRecord { parent_command_id: Some(command(2)), ..cancelled(3) };
    assert_eq!(next(&stop, vec![failed(Tag::Replaced, ""), again], 90), Next::Stuck(Rejection::TakenBack), "nor what replaced it");
    let mut limit = exit(3).asks(10).working("1");
    (limit.ask.order_type, limit.ask.price) = (Some(OrderType::Limit), crate::order::Price::parse("900").ok());
    assert_eq!(next(&stop, vec![cancelled(2), limit.clone()], 90), Next::Wait);
    // What a person cancels of his own says nothing of the rule, nor does what was cancelled before it fired.
    let his = OrderRecord { source: Source::Dashboard, ..cancelled(3) };
    assert_eq!(next(&stop, vec![failed(Tag::BrokerCancelled, ""), his], 90), Next::Anew(None));
    assert_eq!(next(&stop, vec![cancelled(1), failed(Tag::BrokerCancelled, "")], 90), Next::Anew(None));
}

#[test]
fn a_target_that_did_not_trade_stands_as_before_ever_more_slowly() {
    let after = |attempt, second| next(&rule(Cause::Target, attempt), vec![failed(Tag::BrokerExpired, "")], second);
    assert_eq!((after(0, 2), after(0, 3)), (Next::Wait, Next::Rearm));
    assert_eq!(after(0, -600), Next::Rearm, "a clock that was set back over a restart is not waited for");
    assert_eq!((after(4, 15), after(4, 16)), (Next::Wait, Next::Rearm));
    assert_eq!((after(40, 59), after(40, 60)), (Next::Wait, Next::Rearm));
    assert_eq!(next(&rule(Cause::Target, 0), vec![ours(exit(2)).working("1")], 60), Next::Wait);
}

#[test]
fn a_resting_exit_of_somebody_else_makes_way_for_a_stop_only() {
    let mut limit = exit(3).asks(10).working("1");
    (limit.ask.order_type, limit.ask.price) = (Some(OrderType::Limit), crate::order::Price::parse("900").ok());
    assert_eq!(next(&rule(Cause::Stop, 0), vec![limit.clone()], 60), Next::Cancel(vec![command(3)]));
    assert_eq!(next(&rule(Cause::Target, 0), vec![limit], 60), Next::Wait);
}

/// It waits for what the engine's own exit does not wait for, and claims what that is for meanwhile.
#[test]
fn an_exit_that_waits_for_a_proof_makes_way_for_a_stop() {
    let waiting = |second| OrderRecord { created_at: at(second), ..exit(3) };
    let orders = |waiting| vec![failed(Tag::DuplicateOrderBlocked, ""), waiting];
    assert_eq!(next(&rule(Cause::Stop, 0), orders(waiting(0)), 60), Next::Cancel(vec![command(3)]));
    assert_eq!(next(&rule(Cause::Stop, 0), orders(waiting(60)), 60), Next::Wait, "it is being judged this moment");
    assert_eq!(next(&rule(Cause::Target, 0), orders(waiting(0)), 60), Next::Wait);
    assert_eq!(next(&rule(Cause::Stop, 0), orders(ours(waiting(0))), 60), Next::Wait, "the engine's own does not wait");
    let going = OrderRecord { cancel_wanted: Some(Tag::Replaced), ..waiting(0) };
    assert_eq!(next(&rule(Cause::Stop, 0), orders(going), 60), Next::Wait);
}

/// An order that the firing's signal became, for so many of the 10 that are held.
fn slice(number: u64, units: i64) -> OrderRecord {
    let order = ours(exit(number)).side(Side::Sell).asks(units).product(Product::Mis).basket(2, u16::try_from(number).unwrap());
    OrderRecord { signal_id: SignalId(uuid::Uuid::from_u128(2)), created_at: at(0), updated_at: at(0), ..order }
}

fn beside(rule: &ExitRule, orders: Vec<OrderRecord>, second: i64) -> Option<(i64, u64)> {
    match next(rule, orders, second) {
        Next::Beside(beside) => Some((beside.units, beside.after.number)),
        Next::Wait => None,
        other => panic!("{other:?}"),
    }
}

/// The stop at the broker was for 6 when 4 more came in, or the order for the rest was refused: what no exit is for does not wait for the
/// end of the others.
#[test]
fn what_no_open_exit_is_for_gets_one_of_its_own() {
    let stop = |attempt| rule(Cause::Stop, attempt);
    let long_ago = |order: OrderRecord| OrderRecord { created_at: at(-600), ..order };
    let rests = || OrderRecord { source: Source::Stop, ..long_ago(slice(2, 6)).working("1") };
    assert_eq!(beside(&stop(0), vec![rests()], 0), Some((4, 2)), "at once");
    assert_eq!(beside(&stop(0), vec![long_ago(slice(2, 10)).working("1")], 0), None, "it is for all of it");
    assert_eq!(beside(&stop(0), vec![long_ago(slice(2, 10)).working("1").filled(3, 0)], 0), None, "what it has filled is closed");
    let more = || ours(exit(3)).side(Side::Sell).asks(4).product(Product::Mis);
    let sent = |second| OrderRecord { created_at: at(second), ..more() };
    assert_eq!(beside(&stop(0), vec![rests(), sent(0)], 60), None, "it is on its way");
    let too_few = |second| vec![rests(), OrderRecord { created_at: at(second), ..more().asks(1) }];
    assert_eq!((beside(&stop(0), too_few(58), 60), beside(&stop(0), too_few(57), 60)), (None, Some((3, 3))), "not with every fill");
    assert_eq!(beside(&rule(Cause::Target, 0), vec![rests()], 60), None, "a target takes a profit, and protects nothing");
}

#[test]
fn a_part_that_was_refused_is_tried_again_while_the_others_rest() {
    let refused = |words: &str| {
        let order = slice(3, 4).ended(Status::Failed, Some(Tag::BrokerRejected));
        vec![slice(2, 6).working("1"), OrderRecord { reason: Some(Arc::from(words)), ..order }]
    };
    let stop = |attempt| rule(Cause::Stop, attempt);
    assert_eq!(
        (beside(&stop(0), refused("margin shortfall"), 29), beside(&stop(0), refused("margin shortfall"), 30)),
        (None, Some((4, 3)))
    );
    assert_eq!((beside(&stop(3), refused("no"), 7), beside(&stop(3), refused("no"), 8)), (None, Some((4, 3))), "ever more slowly");
    assert_eq!(beside(&stop(0), refused("not allowed after square off time"), 600), None, "a person's, when the others have ended");
    assert!(matches!(next(&stop(0), refused("no"), 60), Next::Beside(beside) if beside.is_retry));
    let older = || {
        let order =
            OrderRecord { reason: Some(Arc::from("margin shortfall")), ..slice(2, 6).ended(Status::Failed, Some(Tag::BrokerRejected)) };
        vec![order, slice(3, 4).working("1")]
    };
    assert_eq!((beside(&stop(0), older(), 29), beside(&stop(0), older(), 30)), (None, Some((6, 3))), "whichever of them was refused");
    // One that goes again by itself is not sent twice; what was said to and does not is.
    let unsent = || vec![slice(2, 6).ended(Status::Failed, Some(Tag::NotSent)), slice(3, 4).working("1")];
    assert_eq!((beside(&stop(0), unsent(), 59), beside(&stop(0), unsent(), 60)), (None, Some((6, 3))));
    let again = OrderRecord { parent_command_id: Some(command(2)), ..ours(exit(4)).side(Side::Sell).asks(2).product(Product::Mis) };
    let again = OrderRecord { created_at: at(0), ..again.working("2") };
    assert_eq!(beside(&stop(0), [unsent(), vec![again]].concat(), 30), Some((4, 4)), "it has gone again, for less");
}

/// Whoever cancels one of them wants what it was for kept.
#[test]
fn nothing_goes_beside_what_a_person_takes_back() {
    let taken = slice(2, 6).ended(Status::Failed, Some(Tag::CancelledByUser));
    assert_eq!(beside(&rule(Cause::Stop, 0), vec![taken, slice(3, 4).working("1")], 60), None);
    let leaving = OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..slice(2, 4).working("1") };
    assert_eq!(beside(&rule(Cause::Stop, 0), vec![leaving], 60), None);
}

/// A person takes back one of two orders of a firing, and the other one fills: what he kept is not sold.
#[test]
fn what_a_person_took_back_stays_when_the_part_beside_it_has_filled() {
    let taken = |second| OrderRecord { updated_at: at(second), ..slice(2, 6).ended(Status::Failed, Some(Tag::CancelledByUser)) };
    let filled = || slice(3, 4).filled(4, 4).ended(Status::Executed, None);
    let after = |orders: Vec<OrderRecord>, second| {
        let book = book_of(orders, &[("trend", sbin_in(Product::Mis), 6)]);
        follow(&rule(Cause::Stop, 0), &book, |_| false, at(second))
    };
    assert_eq!(after(vec![taken(5), filled()], 60), Next::Stuck(Rejection::TakenBack));
    assert_eq!(after(vec![taken(-5), filled()], 60), Next::Anew(None), "it was taken back before the rule fired");
    assert_eq!(after(vec![taken(-90), filled()], -60), Next::Stuck(Rejection::TakenBack), "the clock was set back");
    assert_eq!(beside(&rule(Cause::Stop, 0), vec![taken(-5), slice(3, 4).working("1")], 60), Some((6, 3)));
}

/// Its own exit may be on its way, beside one of somebody else's.
#[test]
fn what_is_not_on_disk_goes_again_beside_an_exit_that_is_not_for_all() {
    let his = || vec![OrderRecord { created_at: at(0), ..exit(3).side(Side::Sell).asks(4).product(Product::Mis).working("1") }];
    let stop = rule(Cause::Stop, 0);
    assert_eq!((next(&stop, his(), 2), next(&stop, his(), 3)), (Next::Wait, Next::Again));
}

/// A target's limit that a person takes back is none that a stop could go on with.
#[test]
fn what_a_person_takes_back_of_a_target_is_not_taken_over() {
    let target = rule(Cause::Target, 0);
    let takes = |orders: Vec<OrderRecord>| target.exit_to_take_over(&book_of(orders, &[])).is_some();
    assert!(takes(vec![slice(2, 10).working("1")]) && takes(vec![slice(2, 6).working("1"), slice(3, 4).working("2")]));
    assert!(!takes(vec![slice(2, 10).ended(Status::Failed, Some(Tag::BrokerExpired))]), "nothing of it is open");
    for tag in [Tag::CancelledByUser, Tag::Superseded] {
        let leaving = |order: OrderRecord| OrderRecord { cancel_wanted: Some(tag), ..order };
        assert!(!takes(vec![leaving(slice(2, 10).working("1"))]), "{tag}");
        assert!(!takes(vec![slice(2, 6).working("1"), leaving(slice(3, 4).working("2"))]), "{tag}: a part of it");
    }
    let gone = slice(2, 6).ended(Status::Failed, Some(Tag::CancelledByUser));
    assert!(!takes(vec![gone, slice(3, 4).working("2")]), "it has ended");
    let again =
        OrderRecord { parent_command_id: Some(command(2)), signal_id: SignalId(uuid::Uuid::from_u128(9)), ..slice(3, 10).basket(9, 1) };
    let unsent = slice(2, 10).ended(Status::Failed, Some(Tag::NotSent));
    assert!(takes(vec![unsent.clone(), again.clone().working("1")]), "what was sent again for it is");
    let leaving = OrderRecord { cancel_wanted: Some(Tag::CancelledByUser), ..again.working("1") };
    assert!(!takes(vec![unsent, leaving]));
}

#[test]
fn a_freeze_holds_everything() {
    let mut book = book_of([], &[("trend", sbin_in(Product::Mis), 10)]);
    book.put_control(frozen_control());
    assert_eq!(follow(&rule(Cause::Stop, 0), &book, |_| false, at(60)), Next::Wait);
}
