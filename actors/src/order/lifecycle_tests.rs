use proptest::prelude::{Just, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::words::{OrderType, Product, Side, TestMode, Validity};
use crate::order::{Answered, BrokerOrderId, Heard, Price, TradeId};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_149_000 + second, 0).unwrap()
}

fn created() -> OrderRecord {
    crate::testkit::order(1)
}

fn id(text: &str) -> BrokerOrderId {
    BrokerOrderId::parse(text).unwrap()
}

fn terms() -> Terms {
    Terms {
        side: Side::Buy,
        quantity: Quantity::new(10).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Price::parse("800").ok(),
        trigger_price: None,
    }
}

fn sent() -> OrderFact {
    OrderFact::SendIntended { terms: terms(), request: "{}".into(), gates: vec![], note: None, high_water: None }
}

fn accepted() -> OrderFact {
    OrderFact::Accepted { broker_order_id: id("123456789") }
}

fn book(state: BookState, filled: i64) -> OrderFact {
    OrderFact::Book {
        broker_order_id: id("123456789"),
        state,
        filled,
        average_price: None,
        quantity: 10,
        price: None,
        trigger_price: None,
        order_type: None,
        reason: Some("the broker says so".into()),
        besides: None,
    }
}

fn fill(trade: &str, quantity: i64) -> OrderFact {
    OrderFact::Fill(Fill {
        trade_id: TradeId::parse(trade).unwrap(),
        broker_order_id: id("123456789"),
        quantity: Quantity::new(quantity).unwrap(),
        price: Price::parse("800").unwrap(),
        at: at(3),
    })
}

fn refused(tag: Tag) -> OrderFact {
    OrderFact::Refused { tag, reason: "limit".into(), gates: vec![] }
}

fn after(facts: &[OrderFact]) -> OrderRecord {
    facts.iter().fold(created(), |record, fact| apply(&record, fact, at(5)).map_or(record, |transition| transition.record))
}

/// The seeds' table "Database State Transitions", row by row: status, tag, broker id.
#[test]
fn the_seeds_table_of_state_transitions_holds() {
    let row = |facts: &[OrderFact]| {
        let record = after(facts);
        (record.status.as_str(), record.tag.map(Tag::as_str), record.broker_order_id.map(|id| id.to_string()))
    };
    let number = Some("123456789".to_owned());
    assert_eq!(row(&[]), ("CREATED", None, None), "T0: command registered");
    assert_eq!(row(&[refused(Tag::RiskLimitsExceeded)]), ("FAILED", Some("RISK_LIMITS_EXCEEDED"), None), "T0+1: risk blocker");
    assert_eq!(row(&[refused(Tag::ExecutionGuardBlocked)]), ("FAILED", Some("EXECUTION_GUARD_BLOCKED"), None), "T0+2: guard blocker");
    assert_eq!(row(&[refused(Tag::DuplicateOrderBlocked)]), ("FAILED", Some("DUPLICATE_ORDER_BLOCKED"), None), "T0+3: duplicate blocker");
    assert_eq!(row(&[sent()]), ("SENT_TO_BROKER", None, None), "T0+4: all blockers passed");
    assert_eq!(row(&[sent(), accepted()]), ("SENT_TO_BROKER", None, number.clone()), "T0+5: broker accepted");
    assert_eq!(
        row(&[sent(), accepted(), book(BookState::Complete, 10)]),
        ("EXECUTED", None, number.clone()),
        "T0+6: polling found COMPLETE"
    );
    let said_no = OrderFact::Rejected { tag: Tag::BrokerRejected, reason: "Quantity exceeds limit".into() };
    assert_eq!(row(&[sent(), said_no]), ("FAILED", Some("BROKER_REJECTED"), None), "T0+6: broker rejected");
    assert_eq!(
        row(&[sent(), accepted(), book(BookState::Rejected, 0)]),
        ("FAILED", Some("BROKER_REJECTED"), number.clone()),
        "T0+6: polling found REJECTED"
    );
    assert_eq!(row(&[sent(), accepted(), book(BookState::Cancelled, 0)]), ("FAILED", Some("BROKER_CANCELLED"), number.clone()));
    assert_eq!(row(&[sent(), accepted(), book(BookState::Expired, 0)]), ("FAILED", Some("BROKER_EXPIRED"), number));
}

#[test]
fn a_fill_may_come_before_the_reply() {
    let record = after(&[sent(), fill("1", 4), accepted()]);
    assert_eq!((record.status, record.filled_quantity), (Status::Partial, 4));
    assert_eq!(after(&[sent(), fill("1", 10), accepted()]).status, Status::Executed);
}

#[test]
fn an_unclear_send_stays_sent_until_proof() {
    let unclear = OrderFact::Unconfirmed { cause: "no answer".into() };
    let doubt = after(&[sent(), unclear.clone()]);
    assert_eq!((doubt.status, doubt.tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)));
    assert_eq!(after(&[sent(), unclear.clone(), accepted()]).tag, None, "the late answer settles it");
    assert_eq!(after(&[sent(), unclear.clone(), book(BookState::Open, 0)]).tag, None, "so does the book");
    let absent = after(&[sent(), unclear, OrderFact::Absent { evidence: "3 books".into() }]);
    assert_eq!((absent.status, absent.tag), (Status::Failed, Some(Tag::NotAtBroker)));
}

#[test]
fn what_a_person_tells_of_trades_is_all_that_is_missing_or_changes_nothing() {
    let told = |quantity| OrderFact::Fill(Fill { trade_id: TradeId::told_by_a_person(), ..of(fill("1", quantity)) });
    let owes = after(&[sent(), accepted(), book(BookState::Complete, 10)]);
    assert!(apply(&owes, &told(9), at(9)).is_err());
    let whole = apply(&owes, &told(10), at(9)).unwrap().record;
    assert_eq!((whole.status, whole.filled_quantity, whole.traded_quantity), (Status::Executed, 10, 10));
    assert!(apply(&whole, &told(10), at(9)).is_err(), "once");
    let meanwhile = apply(&owes, &fill("1", 4), at(9)).unwrap().record;
    assert!(apply(&meanwhile, &told(10), at(9)).is_err(), "a trade came meanwhile");
    assert!(apply(&meanwhile, &told(6), at(9)).is_ok());
}

fn of(fact: OrderFact) -> Fill {
    let OrderFact::Fill(fill) = fact else { panic!("{fact:?}") };
    fill
}

#[test]
fn a_person_may_end_what_the_broker_numbered_and_lost() {
    let verdict = || OrderFact::Resolved { verdict: Resolution::Absent, reason: "not there".into() };
    let unseen = OrderFact::Unseen { evidence: "3 books".into() };
    let lost = after(&[sent(), accepted(), unseen, verdict()]);
    assert_eq!((lost.status, lost.tag), (Status::Failed, Some(Tag::NotAtBroker)));
    let found = apply(&lost, &book(BookState::Complete, 10), at(9)).unwrap();
    assert!(found.late_truth && found.record.status == Status::Executed);
}

/// The engine asks for that only after people were told that the broker does not show it.
#[test]
fn a_person_may_end_what_the_broker_lost_after_it_had_filled_a_part() {
    let verdict = || OrderFact::Resolved { verdict: Resolution::Absent, reason: "not there".into() };
    let unseen = OrderFact::Unseen { evidence: "3 books".into() };
    let doubt = after(&[sent(), accepted(), book(BookState::Open, 4), unseen]);
    assert!(doubt.is_in_doubt() && doubt.status == Status::Partial);
    for lost in [doubt, after(&[sent(), accepted(), book(BookState::Open, 4)])] {
        let ended = apply(&lost, &verdict(), at(9)).unwrap().record;
        assert_eq!((ended.status, ended.tag, ended.filled_quantity), (Status::Failed, Some(Tag::NotAtBroker), 4));
        let told = apply(&ended, &fill("1", 4), at(9)).unwrap();
        assert!(!told.late_truth && told.record.traded_quantity == 4, "the trades of what had filled are no news");
        let more = apply(&told.record, &fill("2", 1), at(9)).unwrap();
        assert!(more.late_truth && more.record.status == Status::Partial);
        let cancelled = apply(&ended, &book(BookState::Cancelled, 4), at(9)).unwrap();
        assert!(!cancelled.late_truth && cancelled.record.tag == Some(Tag::BrokerCancelled), "the broker's word replaces ours");
        assert!(apply(&ended, &book(BookState::Open, 4), at(9)).unwrap().late_truth);
    }
}

#[test]
fn late_truth_reopens_only_what_was_sent() {
    let absent = after(&[sent(), OrderFact::Unconfirmed { cause: "?".into() }, OrderFact::Absent { evidence: "none".into() }]);
    let reopened = apply(&absent, &book(BookState::Open, 0), at(9)).unwrap();
    assert!(reopened.late_truth);
    assert_eq!(reopened.record.status, Status::SentToBroker);
    let filled = apply(&absent, &fill("7", 10), at(9)).unwrap();
    assert!(filled.late_truth);
    assert_eq!(filled.record.status, Status::Executed);
    let blocked = after(&[refused(Tag::RiskLimitsExceeded)]);
    assert!(apply(&blocked, &book(BookState::Open, 0), at(9)).is_err(), "an order that was never sent is never re-opened");
    assert!(apply(&blocked, &fill("7", 10), at(9)).is_err());
}

#[test]
fn a_cancel_after_a_partial_fill_keeps_the_fill() {
    let record = after(&[sent(), accepted(), fill("1", 4), book(BookState::Cancelled, 4)]);
    assert_eq!((record.status, record.tag, record.filled_quantity), (Status::Failed, Some(Tag::BrokerCancelled), 4));
    assert!(record.reason.unwrap().contains("4 of 10 filled"));
}

#[test]
fn a_wish_to_cancel_ends_what_was_not_sent_and_marks_what_was() {
    let wish = OrderFact::CancelWanted { tag: Tag::CancelledByUser, reason: "me".into() };
    assert_eq!(after(std::slice::from_ref(&wish)).tag, Some(Tag::CancelledByUser));
    let working = after(&[sent(), accepted(), wish]);
    assert_eq!((working.status, working.cancel_wanted), (Status::SentToBroker, Some(Tag::CancelledByUser)));
    let ended = apply(&working, &book(BookState::Cancelled, 0), at(9)).unwrap().record;
    assert_eq!(ended.tag, Some(Tag::CancelledByUser), "the book's CANCELLED is the answer to our wish");
}

/// Who cancels what makes room for another wants none in its place. Every other wish stands as it came first.
#[test]
fn a_person_may_still_cancel_what_was_only_to_be_replaced() {
    let wanted = |tags: &[Tag]| {
        let wish = |tag: &Tag| OrderFact::CancelWanted { tag: *tag, reason: "a test".into() };
        let wishes: Vec<OrderFact> = tags.iter().map(wish).collect();
        let stands = after(&[sent(), accepted()]);
        wishes.iter().fold(stands, |order, wish| apply(&order, wish, at(9)).map_or(order, |next| next.record)).cancel_wanted
    };
    assert_eq!(wanted(&[Tag::Replaced, Tag::CancelledByUser]), Some(Tag::CancelledByUser));
    assert_eq!(wanted(&[Tag::CancelledByUser, Tag::Replaced]), Some(Tag::CancelledByUser));
    assert_eq!(wanted(&[Tag::Replaced, Tag::KillSwitch]), Some(Tag::Replaced));
    assert_eq!(wanted(&[Tag::KillSwitch, Tag::CancelledByUser]), Some(Tag::KillSwitch));
}

#[test]
fn a_second_send_intention_is_refused() {
    let record = after(&[sent()]);
    assert_eq!(apply(&record, &sent(), at(6)), Err(NotApplied { current: Status::SentToBroker }));
}

#[test]
fn the_same_fact_twice_says_nothing_new() {
    for facts in [vec![sent(), accepted(), book(BookState::Open, 0)], vec![sent(), accepted(), book(BookState::Complete, 10)]] {
        let record = after(&facts);
        assert!(apply(&record, facts.last().unwrap(), at(9)).is_err());
    }
}

fn shown(state: BookState, filled: i64, quantity: i64, limit: &str) -> OrderFact {
    OrderFact::Book {
        broker_order_id: id("123456789"),
        state,
        filled,
        average_price: None,
        quantity,
        price: Price::parse(limit).ok().map(Price::value),
        trigger_price: None,
        order_type: None,
        reason: None,
        besides: None,
    }
}

fn replied(quantity: i64, limit: &str) -> OrderFact {
    let terms = Terms { quantity: Quantity::new(quantity).unwrap(), price: Price::parse(limit).ok(), ..terms() };
    answered(terms)
}

#[test]
fn a_change_is_settled_by_the_book_and_until_then_the_larger_quantity_counts() {
    let of = |record: &OrderRecord| (record.quantity(), record.ask.price, record.unfilled());
    let limit = |text: &str| Price::parse(text).ok();
    let larger = after(&[sent(), accepted(), replied(20, "801")]);
    assert_eq!(of(&larger), (10, limit("800"), 20), "an Ok only acknowledges");
    let smaller = after(&[sent(), accepted(), replied(5, "801")]);
    assert_eq!(of(&smaller), (10, limit("800"), 10));
    let half = apply(&larger, &shown(BookState::Open, 0, 20, "800"), at(9)).unwrap().record;
    assert!(of(&half) == (20, limit("800"), 20) && half.pending.is_some(), "the price is not there yet");
    let settled = apply(&larger, &shown(BookState::Open, 0, 20, "801"), at(9)).unwrap().record;
    assert_eq!((of(&settled), settled.pending), ((20, limit("801"), 20), None));
    let filled = apply(&larger, &fill("1", 10), at(9)).unwrap().record;
    assert_eq!(filled.status, Status::Partial, "ten more may come");
    let whole = apply(&larger, &shown(BookState::Complete, 20, 20, "801"), at(9)).unwrap().record;
    assert_eq!((whole.status, of(&whole), whole.pending), (Status::Executed, (20, limit("801"), 0), None));
    let ended = apply(&larger, &book(BookState::Cancelled, 0), at(9)).unwrap().record;
    assert_eq!((ended.status, ended.quantity(), ended.pending), (Status::Failed, 10, None), "it was never changed");
}

fn typed(fact: OrderFact, kind: Option<OrderType>, trigger: Option<&str>) -> OrderFact {
    let OrderFact::Book { broker_order_id, state, filled, average_price, quantity, price, reason, .. } = fact else { panic!("no row") };
    let trigger_price = trigger.map(|text| Price::parse(text).unwrap().value());
    OrderFact::Book {
        broker_order_id,
        state,
        filled,
        average_price,
        quantity,
        price,
        trigger_price,
        order_type: kind,
        reason,
        besides: None,
    }
}

fn stop_terms() -> Terms {
    Terms { order_type: OrderType::StopLimit, trigger_price: Price::parse("795").ok(), ..terms() }
}

fn answered(terms: Terms) -> OrderFact {
    OrderFact::CallReplied {
        call: ChangeCall::Modify,
        answer: CallAnswer::read("accepted"),
        change: Some(Answered { terms, heard: Heard::Taken }),
    }
}

#[test]
fn a_change_of_the_type_is_settled_by_a_row_of_that_type_only() {
    let stop = OrderFact::SendIntended { terms: stop_terms(), request: "{}".into(), gates: vec![], note: None, high_water: None };
    let row = |kind, trigger| typed(shown(BookState::Open, 0, 10, "800"), kind, trigger);
    let settles = |record: &OrderRecord, fact: &OrderFact| {
        let after = apply(record, fact, at(9)).map_or_else(|_| record.clone(), |done| done.record);
        after.pending.is_none().then_some(after.ask.order_type.unwrap())
    };
    // The stop becomes a limit at its own limit: only the type tells them apart.
    let to_limit = after(&[stop.clone(), accepted(), answered(terms())]);
    assert_eq!(settles(&to_limit, &row(Some(OrderType::StopLimit), Some("795"))), None, "it is a stop there still");
    assert_eq!(settles(&to_limit, &row(Some(OrderType::StopMarket), Some("795"))), None);
    for (kind, trigger) in [(Some(OrderType::Limit), None), (None, None), (Some(OrderType::StopLimit), None)] {
        assert_eq!(settles(&to_limit, &row(kind, trigger)), Some(OrderType::Limit), "{kind:?} {trigger:?}");
    }
    // A limit becomes a stop.
    let to_stop = after(&[sent(), accepted(), answered(stop_terms())]);
    assert_eq!(settles(&to_stop, &row(Some(OrderType::Limit), None)), None, "it is a limit there still");
    assert_eq!(settles(&to_stop, &row(Some(OrderType::StopLimit), Some("795"))), Some(OrderType::StopLimit));
    // A stop that is moved and reached meanwhile may be shown as the limit that it became.
    let moved = after(&[stop, accepted(), answered(stop_terms())]);
    assert_eq!(settles(&moved, &row(Some(OrderType::Limit), None)), Some(OrderType::StopLimit));
    // A market order is a limit with protection there, and a stop-market one a stop-limit.
    let market = Terms { order_type: OrderType::Market, price: None, ..terms() };
    let changed = after(&[sent(), accepted(), answered(market)]);
    assert_eq!(settles(&changed, &row(Some(OrderType::Limit), None)), Some(OrderType::Market));
    let stop_market = Terms { order_type: OrderType::StopMarket, price: None, ..stop_terms() };
    let changed = after(&[sent(), accepted(), answered(stop_market)]);
    assert_eq!(settles(&changed, &row(Some(OrderType::StopLimit), Some("795"))), Some(OrderType::StopMarket));
}

#[test]
fn an_order_that_fills_before_the_news_of_its_change_ends_with_the_terms_that_its_row_shows() {
    let asked = || OrderFact::CallIntended { call: ChangeCall::Modify, request: "{}".into(), terms: Some(terms()) };
    let of = |record: &OrderRecord| (record.status, record.ask.price.unwrap().to_string(), record.ask.order_type.unwrap());
    let next = |record: &OrderRecord, fact: &OrderFact| apply(record, fact, at(9)).map(|done| done.record);
    let complete = |limit| typed(shown(BookState::Complete, 10, 10, limit), Some(OrderType::Limit), None);
    let stop = OrderFact::SendIntended {
        terms: Terms { price: Price::parse("790").ok(), ..stop_terms() },
        request: "{}".into(),
        gates: vec![],
        note: None,
        high_water: None,
    };
    let before = [stop, accepted(), asked()];
    // Whatever comes first: the answer, the trade, the row.
    for order in [
        ["answer", "fill", "row"],
        ["fill", "answer", "row"],
        ["fill", "row", "answer"],
        ["row", "fill", "answer"],
        ["answer", "row", "fill"],
    ] {
        let mut record = after(&before);
        for what in order {
            let fact = match what {
                "answer" => answered(terms()),
                "fill" => fill("1", 10),
                _ => complete("800"),
            };
            record = next(&record, &fact).unwrap_or(record);
        }
        assert_eq!((of(&record), record.pending.is_none()), ((Status::Executed, "800".to_owned(), OrderType::Limit), true), "{order:?}");
        assert!(next(&record, &complete("800")).is_err(), "once");
    }
    // The change was taken and had no effect any more: it filled as the stop that it was.
    let lost = after(&[&before[..], &[answered(terms()), fill("1", 10)]].concat());
    assert!(lost.pending.is_some());
    let as_it_was = typed(shown(BookState::Complete, 10, 10, "790"), Some(OrderType::StopLimit), Some("795"));
    let record = next(&lost, &as_it_was).unwrap();
    assert_eq!((of(&record), record.pending), ((Status::Executed, "790".to_owned(), OrderType::StopLimit), None));
    // One that was never changed keeps its own, whatever a row says.
    let untouched = after(&[sent(), accepted(), fill("1", 10)]);
    assert!(next(&untouched, &complete("801")).is_err());
}

#[test]
fn a_larger_change_claims_its_total_from_its_intention_until_its_answer() {
    let of = |total| Some(Terms { quantity: Quantity::new(total).unwrap(), ..terms() });
    let asked = |total| OrderFact::CallIntended { call: ChangeCall::Modify, request: "{}".into(), terms: of(total) };
    let answer = |call, outcome: &str| OrderFact::CallReplied { call, answer: CallAnswer::read(outcome), change: None };
    let larger = after(&[sent(), accepted(), asked(20)]);
    assert_eq!((larger.quantity(), larger.unfilled()), (10, 20));
    assert_eq!(after(&[sent(), accepted(), asked(5)]).unfilled(), 10, "a smaller one claims nothing");
    let then = |fact: &OrderFact| apply(&larger, fact, at(9)).unwrap().record.unfilled();
    assert_eq!(then(&answer(ChangeCall::Modify, "rejected: no")), 10);
    assert_eq!(then(&answer(ChangeCall::Modify, "not sent: an earlier change waits for its turn")), 20, "that was another one");
    // It never left itself: nothing of it counts, and nothing may be kept from another order because of it.
    let taken_back = |total| {
        let change = of(total).map(|terms| Answered { terms, heard: Heard::Refused });
        OrderFact::CallReplied { call: ChangeCall::Modify, answer: CallAnswer::NotSent("the account is killed".into()), change }
    };
    assert_eq!(then(&taken_back(20)), 10);
    let both = after(&[sent(), accepted(), asked(20), asked(15), taken_back(15)]);
    assert_eq!(both.unfilled(), 20, "the one that was called counts on");
    assert_eq!(apply(&both, &taken_back(20), at(9)).unwrap().record.unfilled(), 10);
    assert_eq!(then(&answer(ChangeCall::Cancel, "accepted")), 20);
    assert_eq!(then(&replied(20, "800")), 20, "until the book shows it");
    assert_eq!(apply(&larger, &book(BookState::Cancelled, 0), at(9)).unwrap().record.reach, None);
}

fn terms_shown(record: &OrderRecord, now: &str, by_hand: bool) -> OrderFact {
    let now = Pricing { price: Price::parse(now).ok(), ..Pricing::from(record) };
    OrderFact::TermsShown { was: Pricing::from(record), now, basis: record.seq, by_hand }
}

#[test]
fn what_somebody_changed_at_the_broker_is_the_record_until_a_change_of_ours_is_in_force() {
    let limit = |record: &OrderRecord| record.ask.price.unwrap().to_string();
    let of = |total, text: &str| Terms { quantity: Quantity::new(total).unwrap(), price: Price::parse(text).ok(), ..terms() };
    let working = after(&[sent(), accepted()]);
    let changed = apply(&working, &terms_shown(&working, "812", true), at(9)).unwrap().record;
    assert_eq!((limit(&changed), changed.by_hand, changed.status), ("812".to_owned(), Some(at(9)), working.status));
    assert!(apply(&changed, &terms_shown(&changed, "812", true), at(10)).is_err(), "once");
    // It is about the record that was looked at, and about no other.
    let stale = OrderFact::TermsShown { was: Pricing::from(&working), now: Pricing::from(&changed), basis: working.seq + 1, by_hand: true };
    assert!(apply(&working, &stale, at(9)).is_err());
    assert!(apply(&after(&[sent()]), &terms_shown(&working, "812", true), at(9)).is_err(), "without a number");
    let ended = after(&[sent(), accepted(), book(BookState::Cancelled, 0)]);
    assert!(apply(&ended, &terms_shown(&ended, "812", true), at(9)).is_err(), "it works no more");
    // A change of the quantity alone leaves it, another limit of ours does not.
    let next = |fact: &OrderFact, record: &OrderRecord| apply(record, fact, at(11)).unwrap().record;
    let fewer = next(&shown(BookState::Open, 0, 5, "812"), &next(&answered(of(5, "812")), &changed));
    assert_eq!((limit(&fewer), fewer.quantity(), fewer.by_hand), ("812".to_owned(), 5, Some(at(9))));
    let ours = next(&shown(BookState::Open, 0, 10, "805"), &next(&answered(of(10, "805")), &changed));
    assert_eq!((limit(&ours), ours.by_hand), ("805".to_owned(), None));
}

#[test]
fn a_change_that_was_asked_for_is_remembered_until_the_book_has_overtaken_it_or_it_was_refused() {
    let of = |text: &str| Terms { price: Price::parse(text).ok(), ..terms() };
    let intends = |text: &str| OrderFact::CallIntended { call: ChangeCall::Modify, request: "{}".into(), terms: Some(of(text)) };
    let hears = |text: &str, heard| OrderFact::CallReplied {
        call: ChangeCall::Modify,
        answer: CallAnswer::read("x"),
        change: Some(Answered { terms: of(text), heard }),
    };
    let asked = |facts: &[OrderFact]| {
        let record = after(&[&[sent(), accepted()], facts].concat());
        record.asked.iter().map(|asked| asked.terms.price.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(asked(&[intends("801"), intends("802")]), ["801", "802"]);
    assert_eq!(asked(&[intends("801"), intends("802"), hears("801", Heard::Refused)]), ["802"]);
    // Of those that were taken the last stands; one of which nothing was heard may still come.
    let taken = [intends("801"), hears("801", Heard::Taken), intends("802"), hears("802", Heard::Taken)];
    assert_eq!(asked(&taken), ["801", "802"]);
    let settled = shown(BookState::Open, 0, 10, "802");
    assert_eq!(asked(&[&taken[..], std::slice::from_ref(&settled)].concat()), Vec::<String>::new());
    let unclear = [intends("801"), hears("801", Heard::Unclear), intends("802"), hears("802", Heard::Taken), settled];
    assert_eq!(asked(&unclear), ["801"]);
    // That one comes into force after all: it is ours, and nobody's hand.
    let record = after(&[&[sent(), accepted()], &unclear[..]].concat());
    let late = apply(&record, &terms_shown(&record, "801", false), at(9)).unwrap().record;
    assert_eq!((late.ask.price, late.by_hand, late.asked.len()), (Price::parse("801").ok(), None, 0));
    let many: Vec<OrderFact> = (801..=820).map(|price| intends(&price.to_string())).collect();
    assert_eq!((asked(&many).len(), asked(&many)[0].as_str()), (8, "813"));
}

#[test]
fn a_working_row_for_more_units_reopens_an_executed_order() {
    let executed = after(&[sent(), accepted(), fill("1", 10)]);
    assert_eq!(executed.status, Status::Executed);
    assert!(apply(&executed, &shown(BookState::Open, 4, 10, "800"), at(9)).is_err(), "a book that lags behind");
    let reopened = apply(&executed, &shown(BookState::Open, 10, 20, "800"), at(9)).unwrap();
    assert!(reopened.late_truth);
    assert_eq!((reopened.record.status, reopened.record.unfilled()), (Status::Partial, 10));
}

#[test]
fn an_order_whose_number_no_book_shows_is_in_doubt_until_the_book_or_a_person_tells() {
    let unseen = OrderFact::Unseen { evidence: "3 books".into() };
    let doubt = after(&[sent(), accepted(), unseen.clone()]);
    assert!(doubt.is_in_doubt() && doubt.broker_order_id.is_some());
    assert!(apply(&doubt, &unseen, at(9)).is_err() && apply(&after(&[sent()]), &unseen, at(9)).is_err());
    assert!(apply(&doubt, &OrderFact::Absent { evidence: "3 books".into() }, at(9)).is_err(), "never by itself");
    assert_eq!(apply(&doubt, &book(BookState::Open, 0), at(9)).unwrap().record.tag, None);
    let verdict = OrderFact::Resolved { verdict: crate::order::Resolution::Absent, reason: "asha".into() };
    let resolved = apply(&doubt, &verdict, at(9)).unwrap().record;
    assert_eq!((resolved.status, resolved.tag), (Status::Failed, Some(Tag::NotAtBroker)));
    assert!(apply(&resolved, &book(BookState::Open, 0), at(9)).unwrap().late_truth);
    assert!(apply(&after(&[sent()]), &verdict, at(9)).is_err(), "without a number only in doubt");
}

#[test]
fn a_mock_order_ends_before_the_port() {
    let mut mock = created();
    mock.ask.test_mode = Some(TestMode::Success);
    let sent = apply(&mock, &sent(), at(1)).unwrap().record;
    let ended = apply(&sent, &OrderFact::TestEnded { success: true }, at(2)).unwrap().record;
    assert_eq!((ended.status, ended.tag, ended.broker_order_id), (Status::Executed, Some(Tag::TestMode), None));
    assert!(
        apply(&after(&[super::tests::sent()]), &OrderFact::TestEnded { success: true }, at(2)).is_err(),
        "a real order cannot end like that"
    );
}

/// Which facts count for an order that stands like this, each by itself.
#[test]
fn the_table_of_what_counts_where_holds() {
    let unclear = || OrderFact::Unconfirmed { cause: "no answer".into() };
    let unseen = || OrderFact::Unseen { evidence: "3 books".into() };
    let no = |tag| OrderFact::Rejected { tag, reason: "no".into() };
    let wish = || OrderFact::CancelWanted { tag: Tag::CancelledByUser, reason: "me".into() };
    let target = || {
        let mut target = created();
        (target.ask.intent, target.ask.target_position) = (Some(Intent::Target), Some(10));
        target
    };
    let mut mock = created();
    mock.ask.test_mode = Some(TestMode::Success);
    let mock = apply(&mock, &sent(), at(1)).unwrap().record;
    let stands: [(&str, OrderRecord); 14] = [
        ("created", created()),
        ("unaimed", target()),
        ("refused", after(&[refused(Tag::RiskLimitsExceeded)])),
        ("sent", after(&[sent()])),
        ("mock", mock),
        ("doubt", after(&[sent(), unclear()])),
        ("part", after(&[sent(), fill("1", 4)])),
        ("works", after(&[sent(), accepted()])),
        ("leaving", after(&[sent(), accepted(), wish()])),
        ("unseen", after(&[sent(), accepted(), unseen()])),
        ("rejected", after(&[sent(), no(Tag::BrokerRejected)])),
        ("absent", after(&[sent(), unclear(), OrderFact::Absent { evidence: "none".into() }])),
        ("ended", after(&[sent(), accepted(), book(BookState::Cancelled, 0)])),
        ("executed", after(&[sent(), accepted(), fill("1", 10)])),
    ];
    let aimed = OrderFact::Aimed {
        intent: Intent::Entry,
        side: Side::Buy,
        quantity: Quantity::new(10).unwrap(),
        product: Product::Mis,
        reason: "10 are missing".into(),
    };
    let called = |call, answer: &str| OrderFact::CallReplied { call, answer: CallAnswer::read(answer), change: None };
    let resolved = |verdict| OrderFact::Resolved { verdict, reason: "asha".into() };
    let facts: [(&str, OrderFact); 25] = [
        ("refused", refused(Tag::RiskLimitsExceeded)),
        ("aimed", aimed),
        ("send intended", sent()),
        ("not sent", OrderFact::NotSent { tag: Tag::NotSent, reason: "no".into() }),
        ("accepted", accepted()),
        ("rejected", no(Tag::RateLimited)),
        ("unconfirmed", unclear()),
        ("book open", book(BookState::Open, 0)),
        ("book complete", book(BookState::Complete, 10)),
        ("book rejected", book(BookState::Rejected, 0)),
        ("book cancelled", book(BookState::Cancelled, 0)),
        ("fill", fill("7", 3)),
        ("absent", OrderFact::Absent { evidence: "none".into() }),
        ("unseen", unseen()),
        ("lapsed", OrderFact::Lapsed { evidence: "of yesterday".into() }),
        ("cancel wanted", wish()),
        ("cancel intended", OrderFact::CallIntended { call: ChangeCall::Cancel, request: "{}".into(), terms: None }),
        ("modify intended", OrderFact::CallIntended { call: ChangeCall::Modify, request: "{}".into(), terms: Some(terms()) }),
        ("cancel replied", called(ChangeCall::Cancel, "accepted")),
        ("modify replied", called(ChangeCall::Modify, "rejected: no")),
        ("suspect", OrderFact::Suspect { cause: "a fault".into() }),
        ("test ended", OrderFact::TestEnded { success: true }),
        ("is that one", resolved(Resolution::AtBroker(id("123456789")))),
        ("is not there", resolved(Resolution::Absent)),
        ("changed by hand", terms_shown(&after(&[sent(), accepted()]), "812", true)),
    ];
    let told = facts.map(|(name, fact)| {
        let cells: Vec<String> = stands
            .iter()
            .map(|(_, record)| {
                let cell = apply(record, &fact, at(9)).map(|done| {
                    let status = done.record.status.as_str().chars().next().unwrap();
                    let tag = done.record.tag.map_or("", |_| "+");
                    format!("{}{status}{tag}", if done.late_truth { "!" } else { "" })
                });
                format!("{:<3}", cell.unwrap_or_else(|_| ".".to_owned()))
            })
            .collect();
        format!("{name:<16}{}", cells.join(" ")).trim_end().to_owned()
    });
    let table = told.join("\n");
    assert_eq!(table, TABLE.trim_start(), "\n{table}\n");
}

/// The columns are the orders of the test above in their order. C, S, P, E and F are the status after, `+` one with a tag, `!` late
/// truth; a dot: the fact changes nothing.
const TABLE: &str = r"
refused         F+  F+  .   .   .   .   .   .   .   .   .   .   .   .
aimed           .   C   .   .   .   .   .   .   .   .   .   .   .   .
send intended   S   S   .   .   .   .   .   .   .   .   .   .   .   .
not sent        .   .   .   F+  F+  F+  .   .   .   .   .   .   .   .
accepted        .   .   .   S   S   S   .   .   .   .   !S  !S  .   .
rejected        .   .   .   F+  F+  F+  .   .   .   .   .   .   .   .
unconfirmed     .   .   .   S+  S+  .   .   .   .   .   .   .   .   .
book open       .   .   .   S   S   S   .   .   .   S   !S  !S  !S  .
book complete   .   .   .   E   E   E   E   E   E   E   !E  !E  !E  .
book rejected   .   .   .   F+  F+  F+  F+  F+  F+  F+  F+  F+  .   .
book cancelled  .   .   .   F+  F+  F+  F+  F+  F+  F+  F+  F+  .   .
fill            .   .   .   P   P   P   P   P   P   P   !P  !P  F+  E
absent          .   .   .   F+  F+  F+  .   .   .   .   .   .   .   .
unseen          .   .   .   .   .   .   P+  S+  S+  .   .   .   .   .
lapsed          .   .   .   .   .   .   F+  F+  F+  F+  .   .   .   .
cancel wanted   F+  F+  .   S   S   S+  P   S   .   S+  .   .   .   .
cancel intended .   .   .   S   S   S+  P   S   S   S+  .   .   .   .
modify intended .   .   .   S   S   S+  P   S   S   S+  .   .   .   .
cancel replied  .   .   .   S   S   S+  P   S   S   S+  F+  F+  F+  E
modify replied  .   .   .   S   S   S+  P   S   S   S+  F+  F+  F+  E
suspect         F+  F+  .   S+  S+  .   .   .   .   .   .   .   .   .
test ended      .   .   .   .   E+  .   .   .   .   .   .   .   .   .
is that one     .   .   .   .   .   S   .   .   .   .   !S  !S  .   .
is not there    .   .   .   .   .   F+  F+  F+  F+  F+  .   .   .   .
changed by hand .   .   .   .   .   .   P   S   S   .   .   .   .   .";

fn any_fact() -> impl proptest::strategy::Strategy<Value = OrderFact> {
    let state = prop_oneof![
        Just(BookState::Open),
        Just(BookState::Complete),
        Just(BookState::Rejected),
        Just(BookState::Cancelled),
        Just(BookState::Expired)
    ];
    prop_oneof![
        Just(refused(Tag::RiskLimitsExceeded)),
        Just(sent()),
        Just(accepted()),
        Just(OrderFact::NotSent { tag: Tag::NotSent, reason: "no".into() }),
        Just(OrderFact::Rejected { tag: Tag::RateLimited, reason: "no".into() }),
        Just(OrderFact::Unconfirmed { cause: "?".into() }),
        Just(OrderFact::Absent { evidence: "none".into() }),
        Just(OrderFact::CancelWanted { tag: Tag::KillSwitch, reason: "kill".into() }),
        Just(OrderFact::Suspect { cause: "fault".into() }),
        (state, 0i64..=10).prop_map(|(state, filled)| book(state, if state == BookState::Complete { 10 } else { filled })),
        (1i64..=10).prop_map(|quantity| fill("1", quantity)),
        any::<bool>().prop_map(|success| OrderFact::TestEnded { success }),
    ]
}

#[test]
fn the_answer_of_a_call_is_read_back_as_it_was_written() {
    for answer in [CallAnswer::NotSent("the account is killed".into()), CallAnswer::Called("rejected: not sent: no".into())] {
        assert_eq!(CallAnswer::read(&answer.to_string()), answer);
    }
    assert_eq!(CallAnswer::NotSent("no turn".into()).to_string(), "not sent: no turn");
}

proptest! {
    /// Whatever comes in whatever order: what was never sent is never live, fills never shrink, a number never changes,
    /// and only the broker's word leads out of a terminal state.
    #[test]
    fn prop_no_order_of_facts_breaks_the_row(facts in proptest::collection::vec(any_fact(), 0..24)) {
        let mut record = created();
        for fact in facts {
            let Ok(transition) = apply(&record, &fact, at(9)) else { continue };
            let next = transition.record;
            prop_assert!(next.filled_quantity >= record.filled_quantity);
            prop_assert!(record.broker_order_id.is_none() || next.broker_order_id == record.broker_order_id);
            prop_assert!(next.sent_at.is_some() || matches!(next.status, Status::Created | Status::Failed), "{:?} without having been sent", next.status);
            if record.status.is_terminal() && !next.status.is_terminal() {
                prop_assert!(transition.late_truth, "left {:?} without late truth", record.status);
            }
            prop_assert!(record.status != Status::Executed || next.status == Status::Executed, "EXECUTED is final unless the broker works on more");
            prop_assert!(next.status != Status::Failed || next.tag.is_some(), "never a bare FAILED");
            if next.status == Status::Partial {
                prop_assert!(next.filled_quantity > 0);
            }
            prop_assert_eq!(next.number, record.number);
            record = next;
        }
    }
}
