//! Messages of the socket that mislead, lead or repeat.

use std::sync::Arc;

use ordergate::simulator::noren_server::{Fault, FaultRule, PriceSetting};
use ordergate_actors::AccountSettings;
use ordergate_actors::order::{CommandId, LegDraft, Price, Status, Tag};
use ordergate_actors::ports::Clock as _;
use ordergate_actors::risk::{Change, ChangeAnswer};
use ordergate_actors::testkit::until_found;
use rust_decimal::Decimal;

use super::{never_failed, rests};
use crate::house::{House, LONG, Plan, SBIN, client, entry, resting_entry, secs};
use crate::menu::always;

/// An order that rests under a known number.
async fn resting(house: &House) -> CommandId {
    let command = house.submit(resting_entry()).await;
    house.until_order("it has a number", command, |order| order.broker_order_id.is_some()).await;
    house.until("it works", || house.sim().orders().iter().any(|row| row["status"] == "OPEN")).await;
    command
}

/// So many units are offered at the price of the order that rests.
fn offer(house: &House, units: i64) {
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    let setting = PriceSetting {
        exch: "NSE".into(),
        tsym: SBIN.into(),
        bids: vec![(number("848.00"), 1_000)],
        asks: vec![(number("849.00"), units)],
        ..PriceSetting::default()
    };
    house.sim().set_price(&setting).unwrap();
}

fn cancels(house: &House) -> usize {
    house.sim().log().iter().filter(|row| row.route == "CancelOrder").count()
}

#[tokio::test]
async fn a_refusal_of_a_request_shaped_like_one_of_the_order_ends_nothing() {
    let house = House::open().await;
    let command = resting(&house).await;
    house.fault(FaultRule::always("CancelOrder", Fault::SafRejected));
    house.engine().cancel(&client(), command, "asha", "").await.unwrap();
    house.until("the cancel was asked for again", || cancels(&house) >= 3).await;
    let row = house.order(command);
    assert_eq!((row.status, row.tag), (Status::SentToBroker, None), "it lives");
    never_failed(&house, command).await;
    house.sim().clear_faults();
    let row = house.until_order("it is cancelled", command, |order| order.status == Status::Failed).await;
    assert_eq!(row.tag, Some(Tag::CancelledByUser));
    rests(&house).await;
}

#[tokio::test]
async fn a_cancelled_order_keeps_its_fills() {
    let house = House::open().await;
    let command = resting(&house).await;
    offer(&house, 4);
    let row = house.until_order("a part fills", command, |order| order.status == Status::Partial).await;
    assert_eq!(row.filled_quantity, 4);
    house.engine().cancel(&client(), command, "asha", "").await.unwrap();
    let row = house.until_order("the rest is cancelled", command, |order| order.status.is_terminal()).await;
    assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::CancelledByUser), 4));
    rests(&house).await;
    assert_eq!((house.held(SBIN), house.sim().net("NSE", SBIN)), (4, 4));
}

#[tokio::test]
async fn a_fill_that_is_pushed_before_the_answer_is_taken() {
    let house = House::open().await;
    // Its answer comes when a minute has passed.
    house.fault(FaultRule::next("PlaceOrder", Fault::StreamFirst { ms: 60_000 }));
    house.fault(FaultRule::always("OrderBook", Fault::Refuse { then: ordergate::simulator::noren_server::Symptom::Empty }));
    let command = house.submit_soon(entry()).await;
    let row = house.until_order("the stream tells it", command, |order| order.status == Status::Executed).await;
    assert!(house.engine().desk(&client()).unwrap().calls.lock().is_running(command), "its answer is still to come");
    assert_eq!((row.filled_quantity, row.tag), (10, None));
    house.a_minute_passes();
    house.heal().await;
    rests(&house).await;
    never_failed(&house, command).await;
}

#[tokio::test]
async fn messages_that_come_twice_and_out_of_order_count_once() {
    let house = House::open().await;
    for fault in [Fault::StreamDuplicate, Fault::StreamReorder] {
        always(&["om"], &fault).into_iter().for_each(|rule| house.fault(rule));
    }
    let command = resting(&house).await;
    for units in [3, 2] {
        let before = house.order(command).filled_quantity;
        offer(&house, units);
        house.until_order("a part fills", command, |order| order.filled_quantity == before + units).await;
    }
    house.price(SBIN, "848.00", "848.10");
    let row = house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    assert_eq!(row.filled_quantity, 10);
    house.heal().await;
    rests(&house).await;
    assert_eq!(house.held(SBIN), 10);
}

#[tokio::test]
async fn a_change_that_is_taken_and_then_refused_leaves_the_order_as_it_was() {
    let house = House::open().await;
    let command = resting(&house).await;
    let change = |price: &str| Change {
        client_id: client(),
        command_id: command,
        quantity: None,
        price: Price::parse(price).ok(),
        trigger_price: None,
        order_type: None,
        who: "asha".into(),
    };
    let asks = async |price: &str| {
        // On a busy machine a change is refused while a read is late: then once more.
        let ask = async || match house.engine().modify(change(price)).await.unwrap() {
            ChangeAnswer::Asked => Ok(()),
            refused => Err(format!("{refused:?}")),
        };
        until_found("the change is asked for", ask).await;
    };
    house.fault(FaultRule::next("ModifyOrder", Fault::ReplaceRejected));
    asks("848.50").await;
    house
        .until("it was refused", || {
            house
                .sim()
                .orders()
                .iter()
                .any(|row| row["reports"].as_array().is_some_and(|all| all.iter().any(|one| one == "ReplaceRejected")))
        })
        .await;
    rests(&house).await;
    let row = house.order(command);
    assert_eq!((row.status, row.tag), (Status::SentToBroker, None));
    assert_eq!(house.sim().orders()[0]["prc"], "849.00");
    never_failed(&house, command).await;
    // The next one works, and the order fills at its new price only.
    asks("848.00").await;
    house.until("it was changed", || house.sim().orders()[0]["prc"] == "848.00").await;
    house.price(SBIN, "847.00", "847.10");
    house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    rests(&house).await;
}

#[tokio::test]
async fn a_second_login_evicts_the_socket_and_both_come_back() {
    let house = House::open().await;
    let command = resting(&house).await;
    let logins = house.sim().state()["logins"].as_u64().unwrap();
    house.sim().second_login();
    house.price(SBIN, "848.00", "848.10");
    house.until_order("the fill is found", command, |order| order.status == Status::Executed).await;
    house
        .until("a socket is back", || {
            let state = house.sim().state();
            state["sockets"].as_array().unwrap().iter().any(|socket| socket["logged_in"] == true && socket["orders"] == true)
        })
        .await;
    assert_eq!(house.sim().state()["logins"].as_u64().unwrap(), logins + 1, "one login, not a fight");
    never_failed(&house, command).await;
    rests(&house).await;
}

/// The first frame of a subscription is dated by the last change, which was long ago: the price is as fresh as the question.
#[tokio::test]
async fn a_market_order_goes_out_in_a_contract_that_stands_still() {
    let unhurried = |account: &mut AccountSettings| (account.waits.quote_max_age, account.waits.quote_wait) = (secs(500), LONG);
    let house = House::with(Plan { account: Arc::new(unhurried), ..Plan::default() }).await;
    house.a_minute_passes();
    let jumped = house.clock.now() - chrono::Duration::seconds(5);
    let positions_at = || house.engine().desk(&client()).unwrap().findings.read().positions.as_ref().map(|positions| positions.at);
    house.until("the positions are read again", || positions_at().is_some_and(|at| at > jumped)).await;
    for (place, symbol) in ["INFY-EQ", "M&M-EQ", SBIN].into_iter().enumerate() {
        let market = LegDraft {
            strategy: Some(format!("s{place}")),
            symbol: Some(symbol.into()),
            order_type: Some("MARKET".into()),
            price: None,
            ..entry()
        };
        let command = house.submit(market).await;
        let row = house.until_order("it ends", command, |order| order.status.is_terminal()).await;
        assert_eq!((row.status, house.accepted(command)), (Status::Executed, 1), "{row:?}");
    }
    rests(&house).await;
}
