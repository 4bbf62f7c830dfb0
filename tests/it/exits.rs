//! Exits of everything: more than one signal can hold, and what is only being entered.

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, StreamFaults};
use ordergate_actors::order::{Status, Tag};
use serde_json::json;

use crate::support::{House, Plan, entry, quote, resting, secret};

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

/// The order book says that it has filled, the trade book is silent, and nothing is pushed: the holding comes later.
#[actix_web::test]
async fn an_exit_of_everything_waits_for_fills_that_are_owed_and_closes_them_once() {
    let mute = FaultPlan::none().stream(StreamFaults { drop_every: 1, ..StreamFaults::default() });
    let house = House::with(Plan { faults: mute.clone(), ..Plan::default() }).await;
    let broker = &house.brokers[&house.client()];
    broker.replan(mute.clone().always(CallKind::Trades, Fault::Unknown("502".into())));
    house.alert(entry("trend")).await;
    house.until_status(0, Status::Executed).await;
    assert_eq!(house.orders()[0].traded_quantity, 0, "no trade tells of it yet");

    let gone = house.post("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "FORCE_EXIT" })).await;
    assert_eq!((gone.status, gone.body["orders"].as_array().unwrap().len()), (202, 1), "{:#}", gone.body);
    // Whoever is afraid asks twice.
    let again = house.post("/dashboard/positions/exit-all", json!({})).await;
    assert_eq!((again.status, again.body["orders"].as_array().unwrap().len()), (202, 1), "{:#}", again.body);
    assert!(house.orders().iter().filter(|order| order.is_exit()).all(|exit| exit.status == Status::Created), "both wait for the trades");

    broker.replan(mute);
    house.until("all is recorded", || house.orders().iter().all(|order| order.traded_quantity == order.filled_quantity)).await;
    house.until_ended().await;
    house.until_held("trend", 0).await;
    let sold: i64 = house.orders().iter().filter(|order| order.is_exit()).map(|exit| exit.filled_quantity).sum();
    assert_eq!(sold, 10, "{:#?}", house.orders());
    house.close().await;
}

#[actix_web::test]
async fn an_exit_of_everything_takes_an_entry_back_that_rests() {
    let house = House::open().await;
    let exits = [
        ("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "FORCE_EXIT" })),
        ("/dashboard/positions/exit-all", json!({})),
        ("/dashboard/positions/exit", json!({ "symbol": "SBIN" })),
        ("/dashboard/positions/exit", json!({ "symbol": "SBIN-EQ", "quantity": 10 })),
    ];
    for (round, (path, body)) in exits.into_iter().enumerate() {
        let mut alert = resting("trend");
        alert["idempotency_key"] = json!(format!("round {round}"));
        house.alert(alert).await;
        house.until("it rests", || house.orders().last().is_some_and(|order| order.broker_order_id.is_some())).await;
        let gone = house.post(path, body.clone()).await;
        assert_eq!((gone.status, gone.body["orders"].as_array().unwrap().len()), (202, 1), "{path} {:#}", gone.body);
        house.until_ended().await;
        let orders = house.orders();
        let [.., entered, exit] = &orders[..] else { panic!("{orders:#?}") };
        assert_eq!((entered.tag, entered.filled_quantity), (Some(Tag::Superseded), 0), "{path} {entered:#?}");
        assert_eq!((exit.tag, exit.filled_quantity), (Some(Tag::NoPosition), 0), "{path} {exit:#?}");
    }
    quote(&house.market, "SBIN-EQ", "789.00", "789.50");
    let nothing = house.post("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "FORCE_EXIT" })).await;
    assert_eq!((nothing.status, nothing.body["status"].as_str()), (200, Some("NO_POSITION")), "{:#}", nothing.body);
    house.until_held("trend", 0).await;
    assert_eq!(house.orders().len(), 8, "nothing was sent for it");
    house.close().await;
}
