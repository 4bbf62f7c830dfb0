//! What is held: rules of exits, exits by hand, what the broker shows otherwise, and prices of options.

use ordergate::simulator::market::Level as Depth;
use ordergate_actors::order::{Exchange, InstrumentKey, Price, Side};
use ordergate_actors::ports::{BookRow, Clock};
use ordergate_actors::testkit::book_row;
use serde_json::{Value, json};

use super::house::{done, until};
use crate::pnl::elsewhere;
use crate::support::{House, KEY, entry, quote};

/// Rules of exits, an exit beyond its cost cap, and exits by hand.
pub(super) async fn exits(house: &House) {
    let rules = |is_so: fn(&Value) -> bool| {
        until(house, "/dashboard/exit-rules", move |found| found["accounts"][0]["rules"].as_array().unwrap().iter().any(is_so))
    };
    let mut trend = entry("trend");
    trend["legs"][0]["stop_loss"] = json!("10 points");
    done(&house.alert(trend).await);
    rules(|rule| rule["strategy"] == "trend").await;
    let of_trend = json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": "780", "reason": "wider" });
    done(&house.post("/dashboard/exit-rules", of_trend).await);
    let together = json!({ "strategy": "trend", "combined_target": "5000", "combined_stop": "4000" });
    done(&house.post("/dashboard/exit-rules", together).await);
    done(&house.get("/dashboard/exit-rules").await);
    let off = |query: &str| house.send(house.request("DELETE", &format!("/dashboard/exit-rules?strategy=trend{query}")).bearer_auth(KEY));
    done(&off("").await);
    done(&off("&symbol=SBIN-EQ").await);

    // Within the day's band of its sample, or its exit would be rejected.
    quote(&house.market, "INFY-EQ", "1500.00", "1500.50");
    let mut thin = entry("thin");
    (thin["legs"][0]["tradingsymbol"], thin["legs"][0]["stop_loss"]) = (json!("INFY-EQ"), json!("10 points"));
    done(&house.alert(thin).await);
    house.until_held("thin", 10).await;
    rules(|rule| rule["strategy"] == "thin").await;
    let price = |text| Price::parse(text).unwrap();
    let level = |text, quantity| vec![Depth { price: price(text), quantity }];
    house.market.set_depth(&InstrumentKey::new(Exchange::Nse, "INFY-EQ"), level("1489.50", 3), level("1490.00", 1_000), price("1489.50"));
    house.until_held("thin", 7).await;
    rules(|rule| rule["fired"].is_object()).await;
    quote(&house.market, "INFY-EQ", "1440.00", "1440.50");
    let list =
        until(house, "/dashboard/attention", |found| found["items"].as_array().unwrap().iter().any(|item| item["kind"] == "not_flat"))
            .await;
    let item = list["items"].as_array().unwrap().iter().find(|item| item["kind"] == "not_flat").unwrap().clone();
    done(&house.post("/dashboard/exit-rules/go-on", json!({ "command_id": item["command_id"], "reason": "out" })).await);
    quote(&house.market, "INFY-EQ", "1500.00", "1500.50");
    house.until_held("thin", 0).await;

    for strategy in ["aim", "pair"] {
        done(&house.alert(entry(strategy)).await);
        house.until_held(strategy, 10).await;
    }
    let exit = |strategy: &str| json!({ "strategy": strategy, "symbol": "SBIN-EQ", "exchange": "NSE", "product": "MIS" });
    house.post("/dashboard/positions/exit", exit("nobody")).await.is_problem(404, "no_such_strategy");
    // For more than it cost: a trip that is won.
    quote(&house.market, "SBIN-EQ", "804.00", "804.50");
    done(&house.post("/dashboard/positions/exit", exit("aim")).await);
    house.until_held("aim", 0).await;
    assert_eq!(done(&house.post("/dashboard/positions/exit", exit("aim")).await)["status"], "NO_POSITION");
    done(&house.post("/dashboard/positions/exit-all", json!({ "strategy": "pair" })).await);
    house.until_held("pair", 0).await;
}

/// What the broker shows beside us, and what a person says of it.
pub(super) async fn differences(house: &House) {
    elsewhere(house, Side::Buy, 5, Some("robo-7"));
    let differs = |units: i64| {
        until(house, "/dashboard/positions", move |found| {
            let all = found["accounts"][0]["differences"].as_array().unwrap();
            all.iter().any(|one| one["difference"] == units && one["settles_by_itself"] == false)
        })
    };
    differs(5).await;
    done(&house.get("/dashboard/attention").await);
    house.brokers[&house.client()].show_foreign(BookRow {
        price: Price::parse("790").ok().map(Price::value),
        trigger_price: Price::parse("791").ok().map(Price::value),
        reason: Some("by hand".into()),
        at: house.clock.now(),
        ..book_row("BYHAND1")
    });
    until(house, "/dashboard/attention", |found| found["items"].as_array().unwrap().iter().any(|item| item["kind"] == "foreign_order"))
        .await;
    let of = |more: Value| {
        let mut body = json!({ "exchange": "NSE", "symbol": "SBIN-EQ", "product": "MIS", "reason": "mine" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    done(&house.post("/dashboard/differences/adopt", of(json!({ "strategy": "adopts", "quantity": 2, "price": "800.50" }))).await);
    differs(3).await;
    done(&house.post("/dashboard/differences/ignore", of(json!({ "difference": 3 }))).await);
    done(&house.alert(entry("leaves")).await);
    house.until_held("leaves", 10).await;
    done(&house.post("/dashboard/guard/force-clear", json!({ "strategy": "leaves", "all": true, "reason": "sold by hand" })).await);
    house.until_held("leaves", 0).await;
    let row = done(&house.get("/dashboard/told-prices").await)["accounts"][0]["left"][0]["row"].clone();
    let told = json!({ "row": &row, "price": "790.25", "reason": "the contract note" });
    done(&house.post("/dashboard/told-prices", told).await);
    let better = json!({ "row": row, "price": "790.50", "reason": "the contract note, read again" });
    done(&house.post("/dashboard/told-prices", better).await);
    done(&house.get("/dashboard/told-prices").await);
}

/// Prices of an underlying and of an option, so that a chain has a middle.
pub(super) async fn options(house: &House) {
    let contracts = house.get("/dashboard/symbols/contracts?underlying=NIFTY&exchange=NFO").await.body;
    let expiries = house.get("/dashboard/symbols/expiries?underlying=NIFTY&exchange=NFO").await.body;
    let day = expiries["expiries"].as_array().unwrap().iter().find(|one| one["options"].as_u64() > Some(0)).unwrap()["expiry"]
        .as_str()
        .unwrap()
        .to_owned();
    let of_day = house.get(&format!("/dashboard/symbols/contracts?underlying=NIFTY&exchange=NFO&expiry={day}")).await.body;
    let option = of_day["contracts"].as_array().unwrap().iter().find(|row| row["kind"] == "OPTION").unwrap().clone();
    assert!(contracts["contracts"].is_array());
    let put = |exchange, symbol: &str, price: &str| {
        let price = Price::parse(price).unwrap();
        house.market.set(&InstrumentKey::new(exchange, symbol), price, price, price);
    };
    put(Exchange::Nfo, option["symbol"].as_str().unwrap(), "10.00");
    let strike = option["strike"].as_str().unwrap();
    for symbol in ["NIFTY", "Nifty 50"] {
        put(Exchange::Nse, symbol, strike);
    }
    let future = house.get("/dashboard/symbols/resolve?symbol=NIFTY1!&exchange=NFO").await.body["instrument"]["symbol"].clone();
    put(Exchange::Nfo, future.as_str().unwrap(), strike);
    let chain = house.get("/dashboard/option-chain?underlying=NIFTY&exchange=NFO&strikes=2").await;
    assert!(done(&chain)["atm"].is_string(), "{:#}", chain.body);
    house.get("/dashboard/symbols/resolve?symbol=NOSUCH").await.is_problem(422, "unknown_symbol");
}
