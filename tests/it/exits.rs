//! Exits of more than one signal can hold.

use serde_json::json;

use crate::support::{House, entry};

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
