//! Bodies of every shape.

use ordergate_actors::order::Status;
use serde_json::{Value, json};

use super::shares;
use crate::support::House;

/// Bodies of every format with any text, number, list or nothing in any field.
fn bodies() -> Vec<Value> {
    use proptest::prelude::{Just, Strategy as _, any, prop_oneof};
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let keys = [
        "ticker",
        "exchange",
        "action",
        "contracts",
        "market_position",
        "market_position_size",
        "prev_market_position",
        "prev_market_position_size",
        "timenow",
        "time",
        "price",
        "symbol",
        "quantity",
        "position_size",
        "product",
        "pricetype",
        "apikey",
        "stocks",
        "trigger_prices",
        "scan_name",
        "legs",
        "seq",
        "repeat",
        "test_mode",
        "order_type",
    ];
    let leg = || {
        let field = prop_oneof![
            Just(json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1, "order_type": "LIMIT", "price": "790.00" })),
            Just(json!({ "tradingsymbol": "NONE", "direction": "SELL", "qty": 1, "order_type": "MARKET" })),
            Just(json!({ "tradingsymbol": "INFY-EQ", "direction": "BUY", "qty": {}, "order_type": "MARKET" })),
            Just(json!({ "tradingsymbol": "RELIANCE-EQ", "direction": "SELL", "qty": 2, "order_type": "LIMIT", "price": "810.00" })),
        ];
        proptest::collection::vec(field, 0..4).prop_map(Value::from)
    };
    let value = prop_oneof![
        Just(json!("SBIN")),
        Just(json!("NSE")),
        Just(json!("buy")),
        Just(json!("sell")),
        Just(json!("long")),
        Just(json!("flat")),
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!(true)),
        Just(json!("SBIN,INFY,NONE")),
        Just(json!("{{ticker}}")),
        Just(json!("MIS")),
        Just(json!("ENTRY")),
        (-50i64..500).prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(|text| json!(text)),
        leg(),
    ];
    let fields = proptest::collection::vec((0..keys.len(), value), 1..9);
    let body = (fields, leg(), any::<bool>()).prop_map(move |(fields, legs, is_native)| {
        let mut body = json!({ "ticker": "SBIN", "exchange": "NSE" });
        if is_native {
            body = json!({ "execution_type": "ENTRY", "exchange": "NSE", "product_type": "MIS", "legs": legs });
        }
        for (key, value) in fields {
            body[keys[key]] = value;
        }
        body
    });
    let mut runner = TestRunner::deterministic();
    (0..150).map(|_| body.new_tree(&mut runner).unwrap().current()).collect()
}

#[actix_web::test]
async fn no_body_of_any_shape_breaks_anything_or_leaves_a_half_basket() {
    let house = House::open().await;
    let mut route = shares("both");
    route["size"] = json!("1 units");
    house.put_route(route).await;
    for (at, mut body) in bodies().into_iter().enumerate() {
        body["strategy_name"] = json!(format!("s{at}"));
        let sent = body.to_string();
        let reply = house.alert(body).await;
        assert!(reply.status < 500, "{sent}: {:#}", reply.body);
        assert!(reply.status == 202 || reply.body["code"].is_string(), "{sent}: {:#}", reply.body);
    }
    let mut baskets: std::collections::BTreeMap<_, Vec<_>> = std::collections::BTreeMap::new();
    for order in house.orders().into_iter().filter(|order| !order.is_exit()) {
        let is_refused = order.status == Status::Failed && order.sent_at.is_none() && order.broker_order_id.is_none();
        baskets.entry(order.basket_id).or_default().push((is_refused, order));
    }
    assert!(baskets.values().any(|legs| legs.len() > 1), "the bodies hold baskets");
    for legs in baskets.values() {
        let refused = legs.iter().filter(|(is_refused, _)| *is_refused).count();
        assert!(refused == 0 || refused == legs.len(), "half a basket: {legs:#?}");
    }
    house.close().await;
}
