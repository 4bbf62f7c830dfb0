use super::*;
use crate::order::{CallAnswer, ChangeCall, OrderFact, Side, Status, Tag};
use crate::testkit::builders::{Build, at, book_of, exit, order, price};

#[test]
fn the_next_price_of_an_exit_does_not_meet_an_entry_of_our_own() {
    let buy = |number, at: &str| {
        let mut entry = order(number).by("other").side(Side::Buy).working(&number.to_string());
        (entry.ask.order_type, entry.ask.price) = (Some(OrderType::Limit), Some(price(at)));
        entry
    };
    let sale = |at: &str| {
        let mut exit = exit(1).side(Side::Sell).asks(10).working("1");
        (exit.ask.order_type, exit.ask.price) = (Some(OrderType::Limit), Some(price(at)));
        exit
    };
    let meets = |exit: &OrderRecord, entry: OrderRecord| {
        let book = book_of([exit.clone(), entry], &[]);
        !InTheWay::default().still(exit, &book, at(0), chrono::Duration::seconds(5)).is_empty()
    };
    assert!(!meets(&sale("789"), buy(2, "785")), "they do not meet");
    assert!(meets(&sale("785"), buy(2, "785")));
    let mut stop = sale("785");
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopLimit), Some(price("786")));
    assert!(!meets(&stop, buy(2, "785")), "a stop meets nothing until it is triggered");
}

/// The cancel of the entry is refused every few seconds, and each refusal is a row of it.
#[test]
fn the_next_price_of_an_exit_does_not_wait_for_ever_for_a_cancel_that_is_refused_again_and_again() {
    let limit = |order: OrderRecord, at: &str| {
        let mut order = order;
        (order.ask.order_type, order.ask.price) = (Some(OrderType::Limit), Some(price(at)));
        order
    };
    let exit = limit(exit(1).side(Side::Sell).asks(10).working("1"), "785");
    let mut entry = limit(order(2).by("other").side(Side::Buy).working("2"), "785");
    let (mut way, patience) = (InTheWay::default(), chrono::Duration::seconds(5));
    let mut held_at = Vec::new();
    for second in 0..9 {
        let facts = match second {
            1 => vec![OrderFact::CancelWanted { tag: Tag::SelfTrade, reason: "in the way".to_owned() }],
            _ if second % 2 == 0 => vec![
                OrderFact::CallIntended { call: ChangeCall::Cancel, request: String::new(), terms: None },
                OrderFact::CallReplied { call: ChangeCall::Cancel, answer: CallAnswer::read("rejected: not now"), change: None },
            ],
            _ => Vec::new(),
        };
        for fact in facts {
            entry = crate::order::lifecycle::apply(&entry, &fact, at(second)).unwrap().record;
        }
        let book = book_of([exit.clone(), entry.clone()], &[]);
        if !way.still(&exit, &book, at(second), patience).is_empty() {
            held_at.push(second);
        }
    }
    assert_eq!((held_at, entry.updated_at), (vec![0, 1, 2, 3, 4, 5], at(8)), "until its end is proven, but not for ever");
    let mut gone = entry.clone();
    gone.status = Status::Failed;
    way.still(&exit, &book_of([exit.clone(), gone], &[]), at(20), patience);
    let another = limit(order(3).by("other").side(Side::Buy).working("3"), "785");
    let still = way.still(&exit, &book_of([exit.clone(), another], &[]), at(21), patience);
    assert_eq!((still.len(), way.0.len()), (1, 1), "another entry has a time of its own");
}
