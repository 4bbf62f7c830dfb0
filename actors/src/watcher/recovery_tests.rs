use super::*;
use crate::order::TestMode;
use crate::testkit::builders::{Build, at, book_of, exit, order};

const TTL: Duration = Duration::seconds(30);

fn found(orders: &[OrderRecord], second: i64) -> Vec<Found> {
    decide(&book_of(orders.iter().cloned(), &[]), TTL, at(second))
}

fn only(order: OrderRecord, second: i64) -> Option<Found> {
    let mut found = found(&[order], second);
    assert!(found.len() <= 1);
    found.pop()
}

#[test]
fn a_start_decides_about_every_order_that_had_not_ended() {
    let back = |order: &OrderRecord| Some(Found::Drive(order.basket_id, order.command_id));
    assert_eq!(only(order(1), 29), back(&order(1)));
    assert_eq!(only(order(1), 30), back(&order(1)), "an entry at its time to live");
    assert_eq!(only(exit(1), 86_400), back(&exit(1)), "an exit goes on, however old");
    match only(order(1), 31) {
        Some(Found::Decide(_, OrderFact::Refused { tag: Tag::AbandonedAtRecovery, reason, .. }, said)) => {
            assert_eq!(reason, "found CREATED after a restart, 31 s old (limit 30 s): nothing was sent");
            assert_eq!(reason, said);
        }
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(only(order(1).sent(), 1), Some(Found::Decide(_, OrderFact::Unconfirmed { .. }, _))),
        "sent without an answer is in doubt"
    );
    assert!(matches!(only(exit(1).sent(), 1), Some(Found::Decide(_, OrderFact::Unconfirmed { .. }, _))));
    for settled in [
        order(1).working("B1"),
        order(1).working("B1").filled(4, 4),
        order(1).doubted(),
        order(1).ended(Status::Executed, None),
        order(1).ended(Status::Failed, Some(Tag::NotSent)),
    ] {
        assert_eq!(only(settled, 3_600), None);
    }
}

#[test]
fn a_mock_order_ends_as_it_was_asked_to() {
    let success = order(1).test().sent();
    assert!(matches!(only(success.clone(), 1), Some(Found::Decide(_, OrderFact::TestEnded { success: true }, _))));
    let mut failure = success;
    failure.ask.test_mode = Some(TestMode::Failure);
    assert!(matches!(only(failure, 1), Some(Found::Decide(_, OrderFact::TestEnded { success: false }, _))));
    assert!(matches!(only(order(1).test(), 1), Some(Found::Drive(..))));
}

#[test]
fn an_abandoned_leg_tells_of_its_half_sent_basket() {
    let sent = order(1).basket(50, 0).working("B1");
    let left = order(2).of("INFY-EQ").basket(50, 1);
    match found(&[sent, left.clone()], 31).as_slice() {
        [Found::Decide(command, OrderFact::Refused { reason, .. }, _)] => {
            assert_eq!(*command, left.command_id);
            assert!(reason.contains("other orders of its basket were sent before the stop"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_found_is_decided_in_the_order_of_registration() {
    let all: Vec<OrderRecord> = [3, 1, 2].map(order).to_vec();
    let driven: Vec<Found> = (1..=3).map(|number| Found::Drive(order(number).basket_id, order(number).command_id)).collect();
    assert_eq!(found(&all, 0), driven);
}

/// Whatever the market takes by then, and whether the row that ends the halt is written or not.
#[test]
fn an_exit_of_a_square_off_that_is_over_is_withdrawn_and_not_driven_on() {
    use crate::order::{Source, trading_date};
    use crate::persistence::{Control, ControlChange, HaltCause, KillLevel};
    let ours = OrderRecord { source: Source::System, user: std::sync::Arc::from("kill level 3"), ..exit(1) };
    let after = |control: Control| {
        let mut book = book_of([ours.clone()], &[]);
        book.put_control(control);
        decide(&book, TTL, at(0)).pop()
    };
    let is_withdrawn =
        |found: Option<Found>| matches!(found, Some(Found::Decide(_, OrderFact::Refused { tag: Tag::SquareOffOver, .. }, _)));
    let today = trading_date(at(0));
    let halted =
        |day| Control::default().after(&ControlChange::HaltDay(day, KillLevel::SquareOff, HaltCause::Loss), "RiskActor", "", at(0));
    assert!(is_withdrawn(after(Control::default())) && is_withdrawn(after(halted(today.pred_opt().unwrap()))));
    assert_eq!(after(halted(today)), Some(Found::Drive(ours.basket_id, ours.command_id)), "it is wanted still");
}
