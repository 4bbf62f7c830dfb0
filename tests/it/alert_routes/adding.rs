//! Entries that add up, with keys and without, and what is sent again.

use ordergate_actors::order::Status;
use serde_json::{Value, json};

use super::{is_refused, shares};
use crate::support::House;

/// Three entries that add up, and two exits of a half each, all within one second.
async fn pyramid(house: &House, alerts: Vec<Value>) {
    for alert in &alerts {
        let reply = house.alert(alert.clone()).await;
        assert_eq!((&reply.body["status"], &reply.body["replayed"]), (&json!("ACCEPTED"), &json!(false)), "{:#}", reply.body);
    }
    house
        .until("the five orders have ended", || {
            let orders = house.orders();
            orders.len() == 5 && orders.iter().all(|order| order.status == Status::Executed)
        })
        .await;
    house.until_held("trend", 0).await;
    for alert in alerts {
        let again = house.alert(alert).await;
        assert_eq!(again.body["replayed"], true, "{:#}", again.body);
    }
    assert_eq!(house.orders().len(), 5);
    assert!(house.is_in_the_journal("SIGNAL_REPLAYED").await);
    let attention = house.get("/dashboard/attention").await.body.to_string();
    assert!(attention.contains("SIGNAL_REPLAYED"), "the sender never reads our answer: {attention}");
}

#[actix_web::test]
async fn a_pyramid_and_two_half_exits_within_a_second_without_keys() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    let steps = [("buy", 10, "L1"), ("buy", 10, "L2"), ("buy", 10, "L3"), ("sell", 15, "X1"), ("sell", 15, "X2")];
    pyramid(&house, steps.map(|(action, contracts, id)| house.plain(action, contracts, id)).to_vec()).await;
    house.close().await;
}

#[actix_web::test]
async fn a_pyramid_and_two_half_exits_within_a_second_with_keys() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    let steps = [("buy", 10), ("buy", 10), ("buy", 10), ("sell", 15), ("sell", 15)];
    let keyed = |(place, (action, contracts)): (usize, (&str, i64))| {
        let mut alert = house.plain(action, contracts, "same");
        alert["idempotency_key"] = json!(format!("bar-1-{place}"));
        alert
    };
    pyramid(&house, steps.into_iter().enumerate().map(keyed).collect()).await;
    house.close().await;
}

#[actix_web::test]
async fn the_fourth_entry_of_a_pyramid_of_three_is_refused() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    for (at, id) in ["L1", "L2", "L3"].into_iter().enumerate() {
        assert_eq!(house.settled(house.plain("buy", 10, id)).await.order(0)["status"], "EXECUTED");
        house.until_held("trend", 10 * (i64::try_from(at).unwrap() + 1)).await;
    }
    is_refused(&house.alert(house.plain("buy", 10, "L4")).await, "may add 2 times");
    house.close().await;
}

#[actix_web::test]
async fn an_alert_that_is_sent_on_with_repeat_is_meant_again() {
    let house = House::open().await;
    let mut alert = crate::support::entry("again");
    alert["repeat"] = json!(true);
    for held in [10, 20] {
        let reply = house.settled(alert.clone()).await;
        assert_eq!((&reply.body["replayed"], &reply.order(0)["status"]), (&json!(false), &json!("EXECUTED")), "{:#}", reply.body);
        house.until_held("again", held).await;
    }
    // The same words with the time they were made are one alert, whenever they come.
    let mut dated = crate::support::entry("dated");
    dated["signal_time"] = json!(house.timenow(0));
    house.settled(dated.clone()).await;
    assert_eq!(house.settled(dated).await.body["replayed"], true);
    house.close().await;
}
