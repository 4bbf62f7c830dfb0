//! What is sent: alerts by every door, what people send, and the same in OpenAlgo's words.

use ordergate::brokers::faulty::{CallKind, Fault};
use serde_json::{Value, json};

use super::house::{done, until};
use crate::support::{House, KEY, SECRET, entry, resting, secret};

/// An order that rests; what is null here is not sent.
fn order(strategy: &str, more: &Value) -> Value {
    let mut order = json!({ "strategy": strategy, "execution_type": "ENTRY", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "BUY",
        "quantity": "10", "product": "MIS", "order_type": "LIMIT", "price": "790.00" });
    let fields = order.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    order
}

/// Alerts by every door: filled, refused, replayed, in the way of each other, only tested.
pub(super) async fn alerts(house: &House) {
    let mut guarded = entry("trend");
    for (field, value) in
        [("stop_loss", "10 points"), ("target", "5%"), ("trailing_type", "ABSOLUTE"), ("trailing_value", "6"), ("price", "800.00")]
    {
        guarded["legs"][0][field] = json!(value);
    }
    done(&house.alert(guarded).await);
    house.until_held("trend", 10).await;
    let again = house.alert(entry("trend")).await;
    assert!(done(&again)["orders"][0]["next"]["secret_key"].is_string(), "{:#}", again.body);
    assert_eq!(done(&house.alert(entry("trend")).await)["replayed"], true);
    let mut tested = entry("tested");
    (tested["test_mode"], tested["not_known"]) = (json!("SUCCESS"), json!(1));
    assert!(done(&house.alert(tested).await)["notes"].is_array());
    let mut large = entry("large");
    large["legs"][0]["qty"] = json!(99_999_999);
    done(&house.alert(large).await);
    done(&house.send(house.request("POST", "/webhook/PAPER1").json(&secret(resting("waits")))).await);
    done(&house.send(house.request("POST", &format!("/webhook/PAPER1/{SECRET}")).json(&resting("waits-too"))).await);
}

/// What people send, change, cancel, send again and settle.
pub(super) async fn people(house: &House) {
    let more = json!({ "cancel_after_s": "600", "stop_loss": "1%", "trailing_type": "POINTS", "trailing_value": "5", "trailing_step": "5 points",
        "trailing_after": "2 points", "break_even": "3 points", "exit_at": "15:10", "stop_at": "engine", "idempotency_key": "one" });
    let sent = house.post("/dashboard/intent/generic", order("person", &more)).await;
    let url = done(&sent)["orders"][0]["status_url"].as_str().unwrap().to_owned();
    until(house, &url, |found| found["order"]["broker_order_id"].is_string()).await;
    done(&house.post(&format!("{url}/modify"), json!({ "price": "791.00" })).await);
    until(house, &url, |found| found["order"]["price"] == "791").await;
    done(&house.post(&format!("{url}/cancel"), json!({ "reason": "another mind" })).await);
    until(house, &url, |found| found["order"]["status"] == "FAILED").await;
    done(&house.post(&format!("{url}/resubmit"), json!({})).await);

    let basket = json!({ "policy": "HEDGE_FIRST", "orders": [order("spread", &json!({})),
        order("spread", &json!({ "symbol": "RELIANCE-EQ", "side": "SELL", "order_type": "MARKET", "price": null }))] });
    done(&house.post("/dashboard/intent/basket", basket).await);
    until(house, "/dashboard/plans", |found| found["count"].as_u64() > Some(0)).await;
    let target = order(
        "aim",
        &json!({ "execution_type": "TARGET", "target_position": "7", "side": null, "quantity": null, "order_type": "MARKET", "price": null }),
    );
    done(&house.post("/dashboard/intent/generic", target).await);
    house.until_held("aim", 7).await;
    let own = json!({ "strategy": "pair", "action": "ENTRY", "orders": [{ "exchange": "NSE", "symbol": "INFY-EQ", "side": "BUY", "quantity": 5, "product": "MIS", "order_type": "MARKET" }] });
    done(&house.post("/dashboard/intent/strategy", own).await);
    house.until_held("pair", 5).await;

    house.next_fault(CallKind::Place, Fault::LoseRequest("gone".into()));
    let lost = house.post("/dashboard/intent/generic", order("lost", &json!({}))).await;
    let url = done(&lost)["orders"][0]["status_url"].as_str().unwrap().to_owned();
    until(house, "/dashboard/attention", |found| found["items"].as_array().unwrap().iter().any(|item| item["kind"] == "order_in_doubt"))
        .await;
    until(house, "/dashboard/diagnostics/intent-verification", |found| found["data_quality"]["missing_broker_id_count"] != 0).await;
    done(&house.post(&format!("{url}/resolve"), json!({ "absent": true, "reason": "looked at by hand" })).await);
}

/// The same in OpenAlgo's words.
pub(super) async fn openalgo(house: &House) {
    let call = async |name: &str, more: Value| {
        let mut body = json!({ "apikey": KEY, "strategy": "Python", "symbol": "SBIN", "exchange": "NSE", "product": "MIS" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.send(house.request("POST", &format!("/api/v1/{name}")).json(&body)).await
    };
    let at = |price: &str| json!({ "action": "BUY", "pricetype": "LIMIT", "quantity": "10", "price": price });
    let placed = call("placeorder", at("790")).await;
    let id = done(&placed)["orderid"].clone();
    let mut changed = at("791");
    changed["orderid"] = id.clone();
    done(&call("modifyorder", changed.clone()).await);
    until(house, &format!("/dashboard/orders/{}", id.as_str().unwrap()), |found| found["order"]["price"] == "791").await;
    done(&call("modifyorder", changed).await);
    done(&call("orderstatus", json!({ "orderid": id })).await);
    done(&call("cancelorder", json!({ "orderid": id })).await);
    until(house, &format!("/dashboard/orders/{}", id.as_str().unwrap()), |found| found["order"]["status"] == "FAILED").await;
    done(&call("placesmartorder", json!({ "action": "BUY", "pricetype": "MARKET", "quantity": "5", "position_size": "5" })).await);
    house.until_held("Python", 5).await;
    let market = |quantity: &str| json!({ "symbol": "SBIN", "exchange": "NSE", "product": "MIS", "action": "BUY", "pricetype": "MARKET", "quantity": quantity });
    done(&call("basketorder", json!({ "orders": [market("5"), market("0")] })).await);
    done(&call("splitorder", json!({ "action": "BUY", "pricetype": "MARKET", "quantity": "7", "splitsize": 4 })).await);
    house.until_held("Python", 17).await;
    // Each part is beyond a limit, and says so.
    call("splitorder", json!({ "action": "BUY", "pricetype": "MARKET", "quantity": "99999999", "splitsize": 50_000_000 })).await;
    done(&call("placeorder", at("780")).await);
    done(&call("cancelallorder", json!({})).await);
    for name in ["openposition", "orderbook", "tradebook", "positionbook", "holdings", "funds", "quotes", "ping"] {
        done(&call(name, json!({})).await);
    }
    done(&call("search", json!({ "query": "NIFTY" })).await);
    done(&call("search", json!({ "query": "SBIN" })).await);
    done(&call("closeposition", json!({})).await);
    done(&call("closeposition", json!({ "strategy": "holds-nothing" })).await);
    assert_eq!(call("orderstatus", json!({ "orderid": "17" })).await.status, 404);
}
