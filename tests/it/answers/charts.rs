//! From a chart to an order: routes, samples, and what an alert would become.

use ordergate_actors::order::Amount;
use ordergate_actors::ports::{Clock, OrderMargin};
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use super::house::{done, reads, until};
use crate::support::{House, KEY, entry, resting};

/// From a chart to an order.
pub(super) async fn charts(house: &House) {
    let route = json!({ "name": "chart", "source": "tests", "ticker": "SBIN", "strategy": "chart", "direction": "long", "product": "MIS",
        "order_type": "MARKET", "instrument": "SBIN", "size": "10 units", "entries_from": "09:20:00", "entries_until": "15:00:00", "adds": 3,
        "trades_per_day": 5, "stop_loss": "1%", "target": "2%", "stop_at": "engine" });
    let put = |route: Value| {
        house.send(house.request("PUT", "/dashboard/routes").bearer_auth(KEY).json(&json!({ "route": route, "reason": "a drill" })))
    };
    done(&put(route).await);
    let other = json!({ "name": "plain", "ticker": "INFY", "strategy": "plain", "direction": "long", "product": "MIS",
        "order_type": "MARKET", "action": "BUY", "qty_unit": "units" });
    done(&put(other).await);
    let now = || house.clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let plain = |seq: u64| {
        json!({ "ticker": "SBIN", "exchange": "NSE", "action": "buy", "contracts": "10", "order_id": format!("order {seq}"), "seq": seq,
            "timenow": now() })
    };
    let told = |seq: u64| {
        json!({ "ticker": "SBIN", "exchange": "NSE", "action": "buy", "contracts": "10", "order_id": format!("order {seq}"), "seq": seq,
            "price": "800", "market_position": "long", "market_position_size": "10", "prev_market_position": "flat",
            "prev_market_position_size": "0", "timenow": now(), "time": now() })
    };
    done(&house.alert(plain(1)).await);
    done(&house.alert(plain(4)).await);
    until(house, "/dashboard/routes", |found| found["sources"][0]["missing"] == json!([[2, 3]])).await;
    done(&house.get("/dashboard/connect").await);
    done(&house.get("/dashboard/connect/message?route=chart&sender=tradingview").await);
    done(&house.post("/dashboard/connect/read", json!({ "sample": told(5) })).await);
    let nobodys = done(
        &house
            .post(
                "/dashboard/connect/read",
                json!({ "sample": { "ticker": "RELIANCE", "exchange": "NSE", "action": "buy", "contracts": "1" } }),
            )
            .await,
    )
    .clone();
    assert!(nobodys["alerts"][0]["becomes"]["code"].is_string(), "{nobodys:#}");
    let mut worded = told(5);
    for (field, value) in [
        ("strategy", "chart"),
        ("product", "MIS"),
        ("order_type", "SL"),
        ("trigger_price", "805"),
        ("idempotency_key", "one"),
        ("test_mode", "SUCCESS"),
    ] {
        worded[field] = json!(value);
    }
    done(&house.post("/dashboard/connect/read", json!({ "sample": worded })).await);
    done(&house.post("/dashboard/connect/test", json!({ "sample": told(6) })).await);
    done(&house.post("/dashboard/explain", told(7)).await);
    let mut native = entry("explained");
    (native["legs"][0]["stop_loss"], native["legs"][0]["trailing_type"], native["legs"][0]["trailing_value"]) =
        (json!("1%"), json!("POINTS"), json!(5));
    done(&house.post("/dashboard/explain", native.clone()).await);
    let rupees = |number: i64| Amount(rust_decimal::Decimal::from(number));
    let mut rich = entry("explained");
    rich["test_mode"] = json!("SUCCESS");
    for (field, value) in [
        ("order_type", "SL"),
        ("price", "810.00"),
        ("trigger_price", "805.00"),
        ("stop_loss", "1%"),
        ("trailing_type", "POINTS"),
        ("trailing_value", "5"),
        ("trailing_step", "5 points"),
        ("trailing_after", "2 points"),
        ("break_even", "3 points"),
        ("exit_at", "15:10"),
        ("cancel_after_s", "600"),
    ] {
        rich["legs"][0][field] = json!(value);
    }
    done(&house.post("/dashboard/explain", rich).await);
    house.brokers[&house.client()].show_margin(OrderMargin { order: rupees(1_234), used: rupees(1_241), words: None });
    let told = async || {
        let takes = house.post("/dashboard/explain", resting("explained")).await.body["legs"][0]["takes"].clone();
        if takes["source"] == "broker" { Ok(()) } else { Err(takes) }
    };
    until_found("the broker's figure comes", told).await;
    native["legs"][0]["qty"] = json!(99_999_999);
    done(&house.post("/dashboard/explain", native).await);
    done(&house.post("/dashboard/sources/forgive", json!({ "source": "tests", "reason": "a drill" })).await);
    reads(house).await;
    let gone = house.request("DELETE", "/dashboard/routes").bearer_auth(KEY).json(&json!({ "name": "plain", "reason": "a drill" }));
    done(&house.send(gone).await);
}
