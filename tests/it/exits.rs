//! Exits of more than one signal can hold.

use serde_json::json;

use crate::support::{House, Plan, entry, secret};

#[actix_web::test]
async fn an_exit_of_everything_beyond_a_hundred_holdings_takes_several_signals() {
    let house = House::open().await;
    let names: Vec<String> = (0..105).map(|number| format!("s{number}")).collect();
    let replies = futures_util::future::join_all(names.iter().map(|name| house.alert(entry(name)))).await;
    assert!(replies.iter().all(|reply| reply.status == 202));
    let held = || house.engine.read(&house.client(), |book| book.holdings().count()).unwrap();
    house.until("every strategy holds", || held() == 105).await;

    let gone = house.post("/dashboard/positions/exit-all", json!({ "idempotency_key": "flat" })).await;
    assert_eq!((gone.status, gone.body["status"].as_str()), (202, Some("ACCEPTED")), "{:#}", gone.body);
    let sizes: Vec<usize> =
        gone.body["signals"].as_array().unwrap().iter().map(|signal| signal["orders"].as_array().unwrap().len()).collect();
    assert_eq!((gone.body["orders"].as_array().unwrap().len(), sizes), (105, vec![100, 5]));
    house.until("nothing is held", || held() == 0).await;
    house.until_ended().await;
    assert_eq!(house.orders().len(), 210, "each holding was closed once");
    house.close().await;
}

#[actix_web::test]
async fn an_account_that_was_not_taken_is_named_beside_the_one_that_was() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let enter = async |path: &str| assert_eq!(house.send(house.request("POST", path).json(&secret(entry("both")))).await.status, 202);
    let hold = async || {
        let held = || house.brokers.keys().all(|client_id| house.engine.read(client_id, |book| book.holdings().count()) == Some(1));
        house.until("both accounts hold", held).await;
    };
    enter("/webhook/PAPER1").await;
    enter("/webhook/PAPER2").await;
    hold().await;
    let part = json!({ "client_id": "PAPER1", "strategy": "both", "exchange": "NSE", "symbol": "SBIN-EQ", "quantity": 1, "idempotency_key": "used" });
    assert_eq!(house.post("/dashboard/positions/exit", part).await.status, 202);
    house.until_ended().await;
    let gone = house.post("/dashboard/positions/exit-all", json!({ "idempotency_key": "used" })).await;
    assert_eq!((gone.status, &gone.body["status"]), (202, &json!("PARTIALLY_ACCEPTED")), "{:#}", gone.body);
    let signals = gone.body["signals"].as_array().unwrap();
    assert_eq!((&signals[0]["client_id"], signals[0]["orders"].is_null(), &signals[0]["status"]), (&json!("PAPER1"), true, &json!(409)));
    assert_eq!((&signals[1]["client_id"], signals[1]["orders"].as_array().map(Vec::len)), (&json!("PAPER2"), Some(1)), "{:#}", gone.body);
    house.close().await;
}
