use super::*;
use crate::order::{Product, Side};
use crate::testkit::builders::{Build, SEQ, book_of, broker_shows, command, exit, order, sbin_in, strategy};

const RESENDS: Resends = Resends { most: 3, absent: false };

fn plan() -> Reverse {
    Reverse { order: command(5), number: 5, strategy: strategy("trend"), key: sbin_in(Product::Mis), from: 10, beside: 0 }
}

fn waiting() -> OrderRecord {
    order(5).side(Side::Sell)
}

fn child(number: u64) -> OrderRecord {
    OrderRecord { parent_command_id: Some(command(5)), ..exit(number).side(Side::Sell).asks(10).product(Product::Mis) }
}

fn next(orders: Vec<OrderRecord>, held: i64) -> Next {
    let holdings = [("trend", sbin_in(Product::Mis), held)];
    plan().next(&book_of(orders, if held == 0 { &[] } else { &holdings }), RESENDS)
}

#[test]
fn it_sends_one_exit_and_waits_for_its_end() {
    assert_eq!(next(vec![waiting()], 10), Next::Exit(0));
    assert_eq!(next(vec![waiting(), child(6)], 10), Next::Wait);
    assert_eq!(next(vec![waiting(), child(6).working("1")], 10), Next::Wait);
    assert_eq!(next(vec![waiting(), child(6).doubted()], 10), Next::Wait, "unknown is not failed");
    assert_eq!(next(vec![waiting(), child(6).working("1").filled(10, 4)], 6), Next::Wait, "its trades are outstanding");
    assert_eq!(next(vec![waiting(), child(6).working("1").filled(10, 10)], 0), Next::Wait, "flat: the order goes by itself");
}

#[test]
fn an_exit_that_was_cut_or_half_filled_is_followed_by_another() {
    assert_eq!(next(vec![waiting(), child(6).asks(4).working("1").filled(4, 4)], 6), Next::Exit(1));
    let half = child(6).working("1").filled(4, 4).ended(Status::Failed, Some(Tag::BrokerCancelled));
    assert_eq!(next(vec![waiting(), half], 6), Next::Exit(1));
    let many: Vec<OrderRecord> = (6..26).map(|number| child(number).asks(1).working(&number.to_string()).filled(1, 1)).collect();
    let Next::Stop(reason) = next([vec![waiting()], many].concat(), 6) else { panic!() };
    assert!(reason.contains("left after 20 exits"), "{reason}");
}

#[test]
fn an_exit_that_failed_stops_it_unless_it_goes_again_by_itself() {
    let failed = |tag| child(6).ended(Status::Failed, Some(tag));
    let Next::Stop(reason) = next(vec![waiting(), failed(Tag::BrokerRejected)], 10) else { panic!() };
    assert!(reason.contains("failed (BROKER_REJECTED)"), "{reason}");
    assert_eq!(next(vec![waiting(), failed(Tag::NotSent)], 10), Next::Wait);
    let by_a_person = child(6).working("1").filled(4, 4).ended(Status::Failed, Some(Tag::CancelledByUser));
    assert!(matches!(next(vec![waiting(), by_a_person], 6), Next::Stop(_)), "a person does not want it");
}

#[test]
fn it_ends_with_its_order_and_pages_when_that_did_not_go() {
    assert!(matches!(next(vec![waiting().working("1")], 0), Next::End(false, _)));
    for (tag, is_page) in [(Tag::StaleSignal, true), (Tag::AbandonedAtRecovery, true), (Tag::PlanStopped, true), (Tag::Superseded, false)] {
        let Next::End(page, reason) = next(vec![waiting().ended(Status::Failed, Some(tag))], 0) else { panic!("{tag}") };
        assert_eq!(page, is_page, "{reason}");
    }
    assert!(matches!(next(vec![], 0), Next::End(true, _)), "it cannot be found any more");
}

#[test]
fn flat_is_proven_by_a_younger_read_that_shows_no_more_than_stood_beside() {
    let key = || sbin_in(Product::Mis);
    let book = book_of([], &[]);
    let proof = |plan: &Reverse, shown: i64| is_flat(plan, &book, &broker_shows(&[(key(), shown)]));
    assert_eq!(proof(&plan(), 0), Ok(()));
    assert!(proof(&plan(), 10).unwrap_err().contains("still shows 10"));
    assert_eq!(proof(&Reverse { beside: 7, ..plan() }, 7), Ok(()), "a person's own units are no part of it");
    assert!(proof(&Reverse { beside: 7, ..plan() }, 17).is_err());
    assert_eq!(proof(&Reverse { from: -10, ..plan() }, 3), Ok(()), "a short that was left is not seen in a long");
    assert!(is_flat(&plan(), &book, &Findings::default()).unwrap_err().contains("never read"));
    let held = book_of([], &[("trend", key(), 3)]);
    assert!(is_flat(&plan(), &held, &broker_shows(&[(key(), 3)])).unwrap_err().contains("held still"));
    let working = book_of([child(6).working("1")], &[]);
    assert!(is_flat(&plan(), &working, &broker_shows(&[])).unwrap_err().contains("working"));
    let mut old = broker_shows(&[]);
    old.positions.as_mut().unwrap().began_seq = SEQ - 1;
    let other = book_of([], &[("other", key(), 5)]);
    assert!(is_flat(&plan(), &other, &old).unwrap_err().contains("older than the last fill"));
}

#[test]
fn it_reads_back_as_it_was_kept() {
    let text = serde_json::to_string(&crate::plan::Plan::Reverse(plan())).unwrap();
    assert!(text.contains("\"kind\":\"REVERSE\""), "{text}");
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&text).unwrap(), crate::plan::Plan::Reverse(plan()));
}
