//! Answers to an order that do not tell what became of it.

use std::sync::Arc;
use std::time::Duration;

use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{BrokerOrderId, Resolution, Status, Tag};

use super::{never_failed, rests};
use crate::checks::{Excuse, at_rest};
use crate::house::{House, LONG, Patience, Plan, client, entry, exit, pass, resting_entry, secs};
use crate::menu::always;

/// Nothing but the answer can tell: the books are closed and the order's messages lost.
fn blind(house: &House) {
    for rule in always(&["OrderBook", "om"], &Fault::StreamLost) {
        house.fault(rule);
    }
    house.fault(FaultRule::always("OrderBook", Fault::Refuse { then: Symptom::BadGateway }));
}

#[tokio::test]
async fn a_bad_gateway_after_acceptance_is_a_doubt_and_then_the_fill() {
    let house = House::open().await;
    blind(&house);
    house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::BadGateway }));
    let command = house.submit(entry()).await;
    let doubted = house.until_order("it is in doubt", command, |order| order.tag == Some(Tag::SendUnconfirmed)).await;
    assert_eq!((doubted.status, &doubted.broker_order_id), (Status::SentToBroker, &None));
    assert!(doubted.reason.as_deref().is_some_and(|reason| reason.contains("502")), "{:?}", doubted.reason);
    // However long it lasts: a page, no end.
    house.until_alarm("ALARM_IN_DOUBT").await;
    assert_eq!(house.order(command).status, Status::SentToBroker);
    house.heal().await;
    let row = house.until_order("it is found", command, |order| order.status == Status::Executed).await;
    assert_eq!((row.tag, house.accepted(command)), (None, 1));
    rests(&house).await;
}

#[tokio::test]
async fn a_time_out_after_acceptance_and_an_order_that_shows_only_a_minute_later() {
    // It shows when a minute has passed, whenever that is; nobody calls it absent before two have.
    let plan = Plan { noren: Arc::new(|noren| noren.visibility_bound = Duration::from_secs(120)), ..Plan::of(Patience::SOME) };
    let house = House::with(plan).await;
    house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Timeout }));
    house.fault(FaultRule::next("PlaceOrder", Fault::Invisible { ms: 60_000, stream: false }));
    let command = house.submit(entry()).await;
    let doubted = house.until_order("it is in doubt", command, |order| order.tag == Some(Tag::SendUnconfirmed)).await;
    assert_eq!(doubted.status, Status::SentToBroker);
    pass(secs(5)).await;
    assert_eq!(house.order(command).tag, Some(Tag::SendUnconfirmed), "{}", house.told());
    house.a_minute_passes();
    let row = house.until_order("it is found", command, |order| order.status == Status::Executed).await;
    assert_eq!((row.tag, row.filled_quantity, house.accepted(command)), (None, 10, 1));
    never_failed(&house, command).await;
    rests(&house).await;
}

#[tokio::test]
async fn an_ok_without_a_number_is_a_doubt_until_the_book_names_it() {
    let house = House::open().await;
    blind(&house);
    house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::OkWithoutNumber }));
    let command = house.submit(resting_entry()).await;
    house.until_order("it is in doubt", command, |order| order.tag == Some(Tag::SendUnconfirmed)).await;
    house.heal().await;
    let row = house.until_order("it has a number", command, |order| order.broker_order_id.is_some()).await;
    assert_eq!((row.status, row.tag), (Status::SentToBroker, None));
    never_failed(&house, command).await;
    rests(&house).await;
}

#[tokio::test]
async fn an_ok_without_a_number_that_was_never_taken_is_proven_absent() {
    let house = House::open().await;
    house.fault(FaultRule::next("PlaceOrder", Fault::Refuse { then: Symptom::OkWithoutNumber }));
    let command = house.submit(entry()).await;
    let row = house.until_order("it is proven absent", command, |order| order.status == Status::Failed).await;
    assert_eq!(row.tag, Some(Tag::NotAtBroker));
    let waited = row.updated_at - row.sent_at.unwrap();
    assert!(waited.to_std().unwrap() >= secs(35), "concluded after {waited}: before the bound of visibility and the quiet period");
    rests(&house).await;
}

/// A gateway that did not take the token refused no order: the exit goes again, and the session is proven before.
#[tokio::test]
async fn an_exit_that_met_a_gateways_page_goes_again() {
    for status in [401, 403] {
        let house = House::open().await;
        let held = house.submit(entry()).await;
        house.until_order("it fills", held, |order| order.status == Status::Executed).await;
        rests(&house).await;
        let proofs = |house: &House| house.sim().log().iter().filter(|row| row.route == "UserDetails").count();
        let before = proofs(&house);
        house.fault(FaultRule::next("PlaceOrder", Fault::GatewayPage { status }));
        let out = house.submit(exit()).await;
        let row = house.until_order("it was not taken", out, |order| order.status.is_terminal()).await;
        assert_eq!((row.tag, house.accepted(out)), (Some(Tag::BrokerNotLoggedIn), 0), "{status}");
        house.until("it is closed", || house.held("SBIN-EQ") == 0).await;
        assert!(proofs(&house) > before, "the token was suspected");
        rests(&house).await;
    }
}

#[tokio::test]
async fn an_ok_and_then_nothing_for_ever_pages_and_fails_only_by_a_person() {
    let house = House::open().await;
    house.fault(FaultRule::next("PlaceOrder", Fault::SilentlyDropped));
    let command = house.submit(entry()).await;
    house.until_alarm("ALARM_BOOK_INCOMPLETE").await;
    house.until_alarm("ALARM_IN_DOUBT").await;
    let row = house.until_order("it is in doubt", command, |order| order.is_in_doubt()).await;
    assert_eq!((row.status, row.tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)));
    assert!(row.broker_order_id.is_some(), "the broker's number is kept");
    never_failed(&house, command).await;
    let result = house.engine().resolve(&client(), command, Resolution::Absent, "asha", "the broker says so").await.unwrap();
    assert!(result.is_applied());
    let row = house.order(command);
    assert_eq!((row.status, row.tag, house.held("SBIN-EQ")), (Status::Failed, Some(Tag::NotAtBroker), 0));
    // The strategy is free again.
    let again = house.submit(entry()).await;
    house.until_order("the next one fills", again, |order| order.status == Status::Executed).await;
}

#[tokio::test]
async fn remarks_that_are_gone_are_never_adopted_and_a_person_is_asked() {
    for fault in [Fault::RemarksMissing, Fault::RemarksTruncated { length: 5 }, Fault::RemarksTruncated { length: 12 }] {
        let house = House::open().await;
        house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
        house.fault(FaultRule::next("PlaceOrder", fault));
        let command = house.submit(entry()).await;
        house.until_alarm("ALARM_IN_DOUBT").await;
        // Far longer than absence takes to be concluded.
        pass(secs(60)).await;
        let row = house.order(command);
        assert_eq!((row.status, row.tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)), "{}", house.told());
        assert_eq!(house.held("SBIN-EQ"), 0, "nothing is adopted");
        let number = house.sim().orders()[0]["norenordno"].as_str().unwrap().to_owned();
        house.until("the page names it", || house.alarms().iter().any(|alarm| alarm.text.contains(&number))).await;
        let verdict = Resolution::AtBroker(BrokerOrderId::parse(&number).unwrap());
        house.engine().resolve(&client(), command, verdict, "asha", "it is this one").await.unwrap();
        house.until_order("it is followed", command, |order| order.status == Status::Executed).await;
        at_rest(&house, Excuse::default()).await.unwrap();
    }
}

#[tokio::test]
async fn an_ampersand_goes_out_and_comes_back() {
    let house = House::open().await;
    let named = |leg: ordergate_actors::order::LegDraft, price: &str| ordergate_actors::order::LegDraft {
        symbol: Some("M&M-EQ".into()),
        price: Some(price.into()),
        ..leg
    };
    let bought = house.submit(named(entry(), "3341.00")).await;
    house.until_order("it fills", bought, |order| order.status == Status::Executed).await;
    house.until("it is held", || house.held("M&M-EQ") == 10).await;
    assert_eq!(house.sim().net("NSE", "M&M-EQ"), 10);
    let sold = house.submit(named(crate::house::exit(), "3339.00")).await;
    tokio::time::timeout(LONG, house.until_order("it closes", sold, |order| order.status == Status::Executed)).await.unwrap();
    rests(&house).await;
}
