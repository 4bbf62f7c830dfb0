//! What others do in the same account.

use ordergate::simulator::noren_server::ForeignOrder;
use ordergate_actors::order::Status;
use serde_json::json;

use super::rests;
use crate::checks::{Excuse, at_rest};
use crate::house::{House, SBIN, client, entry, exit, resting_entry};

fn by_hand(house: &House, side: &str, units: &str) -> String {
    let fields = json!({"exch":"NSE","tsym":SBIN,"qty":units,"prc":"0","prd":"I","trantype":side,"prctyp":"MKT"});
    house.sim().foreign_order(&ForeignOrder { fields: fields.as_object().unwrap().clone() }).unwrap()
}

fn shows(house: &House, number: &str) -> bool {
    let desk = house.engine().desk(&client()).unwrap();
    let findings = desk.findings.read();
    findings.foreign.iter().any(|row| row.broker_order_id.as_str() == number)
}

#[tokio::test]
async fn an_order_by_hand_is_shown_and_counts_for_nobody() {
    let house = House::open().await;
    let ours = house.submit(entry()).await;
    house.until_order("it fills", ours, |order| order.status == Status::Executed).await;
    let number = by_hand(&house, "B", "3");
    house.until("it is shown", || shows(&house, &number)).await;
    rests(&house).await;
    assert_eq!((house.held(SBIN), house.sim().net("NSE", SBIN), house.orders().len()), (10, 13, 1));
    // Our exit closes ours, and not theirs.
    let out = house.submit(exit()).await;
    house.until_order("it closes", out, |order| order.status == Status::Executed).await;
    rests(&house).await;
    assert_eq!((house.held(SBIN), house.sim().net("NSE", SBIN)), (0, 3));
}

#[tokio::test]
async fn a_square_off_by_the_broker_takes_the_holding_away_and_pages() {
    let house = House::open().await;
    let held = house.submit(entry()).await;
    house.until_order("it fills", held, |order| order.status == Status::Executed).await;
    rests(&house).await;
    let numbers = house.sim().square_off();
    assert_eq!(numbers.len(), 1);
    house.until("it is shown", || shows(&house, &numbers[0])).await;
    house.until_alarm("ALARM_HOLDING_REDUCED").await;
    house.until("nothing is held", || house.held(SBIN) == 0).await;
    at_rest(&house, Excuse { foreign: true, ..Excuse::default() }).await.unwrap();
    // An exit now would open a position: it is refused.
    let late = house.submit(exit()).await;
    assert_eq!(house.order(late).tag, Some(ordergate_actors::order::Tag::NoPosition));
    assert_eq!(house.sim().net("NSE", SBIN), 0);
}

#[tokio::test]
async fn a_square_off_ends_what_rests() {
    let house = House::open().await;
    let command = house.submit(resting_entry()).await;
    house.until("it works", || house.sim().orders().iter().any(|row| row["status"] == "OPEN")).await;
    house.sim().square_off();
    let row = house.until_order("it ends", command, |order| order.status == Status::Failed).await;
    assert_eq!(row.tag, Some(ordergate_actors::order::Tag::BrokerCancelled));
    assert!(row.reason.as_deref().is_some_and(|reason| reason.contains("square off")), "{:?}", row.reason);
    rests(&house).await;
}
