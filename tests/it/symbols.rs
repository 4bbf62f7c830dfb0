//! What an alert calls an instrument, from the alert to the record: names of today for entries, what is held for exits.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use ordergate::instruments::Rolls;
use ordergate_actors::order::{Exchange, InstrumentKey, Price};
use serde_json::{Value, json};

use crate::support::{House, KEY, Plan};

fn show(house: &House, key: (Exchange, &str), bid: &str, ask: &str) {
    let price = |text| Price::parse(text).unwrap();
    house.market.set(&InstrumentKey::new(key.0, key.1), price(bid), price(ask), price(bid));
}

fn order(act: &str, symbol: &str, product: Option<&str>) -> Value {
    let mut leg = json!({ "tradingsymbol": symbol, "order_type": "MARKET" });
    if act == "ENTRY" {
        leg["direction"] = json!("BUY");
        leg["qty"] = json!(65);
    }
    // A name of its own for each: the same body within a minute would be the same alert.
    static SENT: AtomicU32 = AtomicU32::new(0);
    let key = format!("alert {}", SENT.fetch_add(1, Ordering::Relaxed));
    json!({
        "execution_type": act, "strategy_name": "chart", "exchange": "NSE", "product_type": product, "idempotency_key": key, "legs": [leg],
    })
}

fn symbols(house: &House) -> Vec<String> {
    house.orders().iter().map(|order| format!("{} {}", order.ask.exchange.unwrap(), order.ask.symbol)).collect()
}

/// A house whose futures roll three days before their last one. The test's clock starts four days before it.
async fn rolling() -> House {
    let house = House::with(Plan { rolls: Rolls::new([(Exchange::Nfo, 3)]), ..Plan::default() }).await;
    show(&house, (Exchange::Nfo, "NIFTY24NOV26F"), "25700", "25701");
    show(&house, (Exchange::Nfo, "NIFTY29DEC26F"), "25800", "25801");
    house
}

#[actix_web::test]
async fn an_exit_of_the_front_month_closes_the_month_that_is_held_over_the_roll() {
    let house = rolling().await;
    let entered = house.alert(order("ENTRY", "NIFTY1!", Some("NRML"))).await;
    assert_eq!(entered.status, 202, "{:#}", entered.body);
    house.until_held("chart", 65).await;

    house.clock.jump(TimeDelta::days(3));
    let means = |act: &str| format!("/dashboard/symbols/resolve?symbol=NIFTY1!&exchange=NSE&strategy=chart&execution_type={act}");
    let today = house.get(&means("ENTRY")).await;
    assert_eq!(today.body["instrument"]["symbol"], "NIFTY29DEC26F", "the roll has passed: {:#}", today.body);
    let adding = house.get(&format!("{}&direction=BUY", means("ADJUST"))).await;
    assert_eq!(adding.body["instrument"]["symbol"], "NIFTY24NOV26F", "what is added to is what is held: {:#}", adding.body);
    let held = house.get(&means("EXIT")).await;
    assert_eq!((held.body["instrument"]["symbol"].as_str(), held.body["rule"].as_str()), (Some("NIFTY24NOV26F"), Some("HELD")));

    assert_eq!(house.alert(order("EXIT", "NIFTY1!", None)).await.status, 202);
    house.until_held("chart", 0).await;
    assert_eq!(symbols(&house), ["NFO NIFTY24NOV26F", "NFO NIFTY24NOV26F"]);
    house.close().await;
}

#[actix_web::test]
async fn an_exit_at_the_money_closes_the_strike_that_is_held_after_the_market_moved() {
    let house = House::open().await;
    let wish = "NIFTY weekly ATM CE";
    let blind = house.alert(order("ENTRY", wish, Some("NRML"))).await;
    let refused = blind.order(0);
    assert_eq!(refused["tag"], "VALIDATION_FAILED");
    assert!(refused["reason"].as_str().unwrap().contains("there is no fresh quote of NSE:NIFTY"), "{refused:#}");

    show(&house, (Exchange::Nse, "NIFTY"), "25712", "25713");
    show(&house, (Exchange::Nfo, "NIFTY24NOV26C25700"), "120", "120.05");
    let entered = house.alert(order("ENTRY", wish, Some("NRML"))).await;
    assert_eq!(entered.order(0)["symbol"], "NIFTY24NOV26C25700", "{:#}", entered.body);
    house.until_held("chart", 65).await;

    show(&house, (Exchange::Nse, "NIFTY"), "26010", "26011");
    assert_eq!(house.alert(order("EXIT", wish, None)).await.order(0)["symbol"], "NIFTY24NOV26C25700");
    house.until_held("chart", 0).await;

    // The record keeps what was sent and how it was read; nobody reads it again.
    let command = entered.order(0)["command_id"].as_str().unwrap().to_owned();
    let detail = house.get(&format!("/dashboard/orders/{command}")).await;
    assert_eq!(detail.body["naming"]["sent"], format!("NSE:{wish}"));
    assert_eq!(detail.body["naming"]["rule"], "SELECTOR");
    let told = detail.body["journal"][0]["reason"].as_str().unwrap();
    assert!(told.starts_with("sent as NSE:NIFTY weekly ATM CE, read as NFO:NIFTY24NOV26C25700 by the wish"), "{told}");
    assert!(told.contains("at the money 25712 of NSE:NIFTY"), "{told}");
    assert_eq!(detail.body["journal"][0]["inputs"]["asked"]["symbol"], wish, "the leg stands as it was sent");
    house.close().await;
}

#[actix_web::test]
async fn an_intraday_exit_never_touches_a_carried_position() {
    let house = rolling().await;
    house.alert(order("ENTRY", "NIFTY1!", Some("NRML"))).await;
    house.until_held("chart", 65).await;

    let other = house.alert(order("EXIT", "NIFTY1!", Some("MIS"))).await;
    assert_eq!((other.order(0)["status"].as_str(), other.order(0)["tag"].as_str()), (Some("FAILED"), Some("NO_POSITION")));
    let exact = house.alert(order("EXIT", "NIFTY24NOV26F", Some("MIS"))).await;
    assert_eq!(exact.order(0)["tag"], "NO_POSITION", "{:#}", exact.body);
    house.until_held("chart", 65).await;

    house.alert(order("EXIT", "NIFTY1!", Some("NRML"))).await;
    house.until_held("chart", 0).await;
    house.close().await;
}

#[actix_web::test]
async fn several_that_are_held_are_named_and_none_is_closed() {
    let house = rolling().await;
    for symbol in ["NIFTY1!", "NIFTY2!"] {
        house
            .alert(json!({
                "execution_type": "ENTRY", "strategy_name": format!("of {symbol}"), "exchange": "NSE", "product_type": "NRML",
                "legs": [{ "tradingsymbol": symbol, "direction": "BUY", "qty": 65, "order_type": "MARKET" }],
            }))
            .await;
        house.until_held(&format!("of {symbol}"), 65).await;
    }
    let of_one = house.get("/dashboard/symbols/resolve?symbol=NIFTY1!&execution_type=EXIT&strategy=of%20NIFTY2!").await;
    assert_eq!(of_one.body["instrument"]["symbol"], "NIFTY29DEC26F", "a strategy closes what is its own");

    let closed = house.post("/dashboard/positions/exit", json!({ "symbol": "NIFTY1!", "strategy": "of NIFTY2!" })).await;
    assert_eq!(closed.status, 202, "{:#}", closed.body);
    assert_eq!(closed.order(0)["symbol"], "NIFTY29DEC26F");
    house.until_held("of NIFTY2!", 0).await;
    house.until_held("of NIFTY1!", 65).await;
    house.close().await;
}

#[actix_web::test]
async fn names_that_are_none_are_refused_with_the_nearest() {
    let house = House::open().await;
    let sent = |symbol: &str| {
        json!({
            "execution_type": "ENTRY", "strategy_name": "chart", "product_type": "CNC",
            "legs": [{ "tradingsymbol": symbol, "direction": "BUY", "qty": 1, "order_type": "MARKET" }],
        })
    };
    let unknown = house.alert(sent("NSE:RELIANC")).await;
    let reason = unknown.order(0)["reason"].as_str().unwrap();
    assert!(reason.contains("RELIANC is not in today's instrument master of NSE; nearest are NSE:RELIANCE-EQ"), "{reason}");
    let share = house.alert(sent("NSE:M_M")).await;
    assert_eq!((share.order(0)["exchange"].as_str(), share.order(0)["symbol"].as_str()), (Some("NSE"), Some("M&M-EQ")));
    let index = house.alert(sent("NSE_INDEX:NIFTY")).await;
    assert!(index.order(0)["reason"].as_str().unwrap().contains("NSE:NIFTY is an index: it is quoted, not traded"));
    house.close().await;
}

#[actix_web::test]
async fn the_api_searches_lists_and_resolves() {
    let house = House::open().await;
    let found = house.get("/dashboard/symbols/search?q=nifty%20c25700&limit=1").await;
    assert_eq!((found.body["count"].as_u64(), found.body["instruments"][0]["symbol"].as_str()), (Some(2), Some("NIFTY24NOV26C25700")));
    assert_eq!(found.body["instruments"][0]["strike"], "25700");
    let days = house.get("/dashboard/symbols/expiries?underlying=nifty").await;
    assert_eq!(days.body["expiries"][0], json!({ "expiry": "2026-11-24", "exchange": "NFO", "futures": 1, "options": 42 }));
    let contracts = house.get("/dashboard/symbols/contracts?underlying=NIFTY&expiry=2026-12-01").await;
    assert_eq!(contracts.body["contracts"].as_array().unwrap().len(), 42);
    house.get("/dashboard/symbols/contracts?underlying=NIFTI").await.is_problem(404, "no_contracts");

    let read = house.get("/dashboard/symbols/resolve?symbol=NIFTY24NOV2625700PE&exchange=NFO").await;
    assert_eq!((read.body["instrument"]["symbol"].as_str(), read.body["rule"].as_str()), (Some("NIFTY24NOV26P25700"), Some("CONTRACT")));
    let plain = house.get("/dashboard/symbols/resolve?symbol=SBIN-EQ&exchange=NSE").await;
    assert_eq!((plain.body["rule"].as_str(), plain.body["read"].as_str()), (Some("BROKER_SYMBOL"), None));
    let unknown = house.get("/dashboard/symbols/resolve?symbol=NIFTI1!").await;
    unknown.is_problem(422, "unknown_symbol");
    assert_eq!(unknown.body["near"][0], json!({ "exchange": "NFO", "symbol": "NIFTY24NOV26F" }));
    house.get("/dashboard/symbols/resolve?symbol=NIFTY%20weekly%20ATM%20CE").await.is_problem(422, "no_price");
    house.get("/dashboard/symbols/resolve?symbol=NIFTY1!&execution_type=EXIT").await.is_problem(422, "no_position");
    house.get("/dashboard/symbols/resolve?symbol=").await.is_problem(400, "no_symbol");
    let bad = house.send(house.request("GET", "/dashboard/symbols/search").bearer_auth(KEY)).await;
    bad.is_problem(400, "bad_query");
    house.close().await;
}
