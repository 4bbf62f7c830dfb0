//! OpenAlgo's calls over real HTTP, in the shapes that its clients send and read.

use ordergate::access::Ranges;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::web::{ApiKey, Guard, ROUTES, Rights, Scope, WebSettings};
use ordergate_actors::order::Status;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::{House, KEY, Plan, Reply};

const SCRIPT: &str = "the-key-of-a-script";

/// A house with a key that may trade and nothing else.
async fn house() -> House {
    House::with(Plan { web: Box::new(script), ..Plan::default() }).await
}

fn script(web: &mut WebSettings) {
    let scope = Scope { rights: Rights { trade: true, ..Rights::NONE }, ..Scope::default() };
    web.keys.push(ApiKey { scope, ..ApiKey::new("script", SCRIPT.into()) });
}

async fn call(house: &House, name: &str, mut body: Value) -> Reply {
    if body.get("apikey").is_none() {
        body["apikey"] = json!(SCRIPT);
    }
    house.send(house.request("POST", &format!("/api/v1/{name}")).json(&body)).await
}

fn order(action: &str, quantity: u32) -> Value {
    json!({ "strategy": "Python", "symbol": "SBIN", "action": action, "exchange": "NSE", "pricetype": "MARKET", "product": "MIS", "quantity": quantity.to_string() })
}

fn resting(strategy: &str) -> Value {
    json!({ "strategy": strategy, "symbol": "SBIN", "action": "BUY", "exchange": "NSE", "pricetype": "LIMIT", "product": "MIS", "quantity": "10",
        "price": "790", "trigger_price": "0", "disclosed_quantity": "0" })
}

#[track_caller]
fn succeeded(reply: &Reply) -> &Value {
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("success")), "{:#}", reply.body);
    &reply.body
}

#[track_caller]
fn failed(reply: &Reply, status: u16, words: &str) {
    assert_eq!((reply.status, &reply.body["status"]), (status, &json!("error")), "{:#}", reply.body);
    assert!(reply.body["message"].as_str().unwrap().contains(words), "{:#}", reply.body);
}

#[actix_web::test]
async fn an_order_is_placed_changed_cancelled_and_seen_by_its_orderid() {
    let house = house().await;
    let placed = call(&house, "placeorder", resting("Python")).await;
    let id = succeeded(&placed)["orderid"].as_str().unwrap().to_owned();
    assert_eq!(placed.body["order_status"], "open");
    // With a slash at the end, as some clients write it.
    let body = json!({ "apikey": SCRIPT, "orderid": id, "strategy": "Python" });
    let status = || house.send(house.request("POST", "/api/v1/orderstatus/").json(&body));
    let seen = status().await;
    let data = &succeeded(&seen)["data"];
    assert_eq!((&data["symbol"], &data["pricetype"], &data["quantity"]), (&json!("SBIN"), &json!("LIMIT"), &json!(10)), "{data:#}");
    assert_eq!((&data["price"], &data["order_status"], &data["orderid"]), (&json!(790), &json!("open"), &json!(id)));

    let mut changed = resting("Python");
    changed["orderid"] = json!(id);
    changed["price"] = json!("791.50");
    succeeded(&call(&house, "modifyorder", changed.clone()).await);
    house
        .until("changed", || house.orders()[0].ask.price.is_some_and(|price| price.to_string() == "791.5" || price.to_string() == "791.50"))
        .await;
    assert_eq!(status().await.body["data"]["price"], json!(791.5));
    changed["pricetype"] = json!("SL");
    failed(&call(&house, "modifyorder", changed).await, 409, "cannot become SL");

    succeeded(&call(&house, "cancelorder", json!({ "orderid": id })).await);
    house.until_status(0, Status::Failed).await;
    assert_eq!(status().await.body["data"]["order_status"], "cancelled");
    failed(&call(&house, "cancelorder", json!({ "orderid": id })).await, 200, "FAILED");
    failed(&call(&house, "cancelorder", json!({ "orderid": "nothing" })).await, 404, "no order nothing");
    let book = call(&house, "orderbook", json!({})).await;
    let data = &succeeded(&book)["data"];
    assert_eq!((data["orders"].as_array().unwrap().len(), &data["statistics"]["total_buy_orders"]), (1, &json!(1)));
    let native = house.get(&format!("/dashboard/orders/{id}")).await;
    assert_eq!((native.status, &native.body["order"]["user"]), (200, &json!("script")), "the same order, in our own words");
    house.close().await;
}

#[actix_web::test]
async fn buying_and_selling_open_add_close_and_turn() {
    let house = house().await;
    let body = json!({ "apikey": SCRIPT, "strategy": "Python", "symbol": "SBIN", "exchange": "NSE", "product": "MIS" });
    let position = || house.send(house.request("POST", "/api/v1/openposition").json(&body));
    // Opens, adds, closes in part, closes, opens the other side, turns.
    for (action, quantity, net) in [("BUY", 10, 10), ("BUY", 5, 15), ("SELL", 4, 11), ("SELL", 11, 0), ("SELL", 3, -3), ("BUY", 8, 5)] {
        succeeded(&call(&house, "placeorder", order(action, quantity)).await);
        house.until_held("Python", net).await;
        house
            .until("positions are of now", || {
                let desk = house.engine.desk(&house.client()).unwrap();
                let seen = desk.findings.read().positions.as_ref().map(|positions| positions.rows().iter().map(|row| row.net).sum::<i64>());
                seen == Some(net)
            })
            .await;
        assert_eq!(position().await.body["quantity"], json!(net.to_string()));
    }
    let book = call(&house, "positionbook", json!({})).await;
    let row = &succeeded(&book)["data"][0];
    assert_eq!(
        (&row["symbol"], &row["quantity"], &row["action"], &row["product"]),
        (&json!("SBIN"), &json!(5), &json!("BUY"), &json!("MIS")),
        "{row:#}"
    );
    let trades = call(&house, "tradebook", json!({})).await;
    let first = &succeeded(&trades)["data"][0];
    assert!(first["average_price"].is_number() && first["trade_value"].is_number(), "{first:#}");
    let closed = call(&house, "closeposition", json!({ "strategy": "Other" })).await;
    assert!(succeeded(&closed)["message"].as_str().unwrap().contains("holds nothing"), "another strategy's position stays");
    succeeded(&call(&house, "closeposition", json!({ "strategy": "Python" })).await);
    house.until_held("Python", 0).await;
    house.close().await;
}

#[actix_web::test]
async fn a_position_size_is_where_to_be_and_zero_while_flat_is_nothing() {
    let house = house().await;
    let smart = |size: i64| {
        let mut body = order("BUY", 1);
        body["position_size"] = json!(size.to_string());
        body
    };
    let flat = call(&house, "placesmartorder", smart(0)).await;
    assert!(succeeded(&flat)["message"].as_str().is_some_and(|words| !words.is_empty()), "{:#}", flat.body);
    house.until_held("Python", 0).await;
    succeeded(&call(&house, "placesmartorder", smart(20)).await);
    house.until_held("Python", 20).await;
    succeeded(&call(&house, "placesmartorder", smart(20)).await);
    succeeded(&call(&house, "placesmartorder", smart(5)).await);
    house.until_held("Python", 5).await;
    failed(&call(&house, "placesmartorder", order("BUY", 1)).await, 400, "position_size is missing");
    house.close().await;
}

#[actix_web::test]
async fn baskets_and_splits_answer_for_each_order() {
    let house = house().await;
    let row = |symbol: &str, action: &str| json!({ "symbol": symbol, "exchange": "NSE", "action": action, "quantity": "5", "pricetype": "MARKET", "product": "MIS" });
    let body = json!({ "strategy": "pairs", "orders": [row("INFY", " s "), row("RELIANCE", "buy"), row("NOSUCH", "BUY")] });
    let reply = call(&house, "basketorder", body).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("error")), "one of them failed: {:#}", reply.body);
    let results = reply.body["results"].as_array().unwrap();
    let seen: Vec<(&str, &str)> = results.iter().map(|one| (one["symbol"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
    assert_eq!(seen, [("INFY", "success"), ("RELIANCE", "success"), ("NOSUCH", "error")], "in the order in which they were asked for");
    assert_eq!(house.orders()[0].ask.symbol.to_string(), "RELIANCE-EQ", "what is bought goes first, however a sale is spelled");

    let mut split = order("BUY", 25);
    split["strategy"] = json!("big");
    split["splitsize"] = json!("10");
    let reply = call(&house, "splitorder", split.clone()).await;
    let sizes: Vec<&str> = succeeded(&reply)["results"].as_array().unwrap().iter().map(|one| one["quantity"].as_str().unwrap()).collect();
    assert_eq!((sizes, &reply.body["total_quantity"], &reply.body["split_size"]), (vec!["10", "10", "5"], &json!(25), &json!(10)));
    house.until_held("big", 25).await;
    split["splitsize"] = json!("0");
    failed(&call(&house, "splitorder", split).await, 400, "splitsize");

    for strategy in ["a", "b"] {
        succeeded(&call(&house, "placeorder", resting(strategy)).await);
    }
    let cancelled = call(&house, "cancelallorder", json!({ "strategy": "a" })).await;
    assert_eq!(succeeded(&cancelled)["canceled_orders"].as_array().map(Vec::len), Some(1));
    house.until("one of two is cancelled", || house.orders().iter().filter(|order| !order.status.is_terminal()).count() == 1).await;
    house.close().await;
}

/// A broker that does not answer is no failure of the order: it is accepted, and pending.
#[actix_web::test]
async fn an_order_without_an_answer_is_pending_and_never_an_error() {
    let house = house().await;
    house.next_fault(CallKind::Place, Fault::Hang);
    let placed = call(&house, "placeorder", order("BUY", 10)).await;
    assert_eq!(succeeded(&placed)["order_status"], "pending");
    let id = placed.body["orderid"].clone();
    let seen = call(&house, "orderstatus", json!({ "orderid": id })).await;
    succeeded(&seen);
    house.close().await;
}

#[actix_web::test]
async fn a_refusal_says_why_under_its_orderid_and_a_key_makes_a_replay() {
    let house = house().await;
    assert_eq!(house.post("/dashboard/kill", json!({ "level": 1, "reason": "drill" })).await.status, 200);
    let refused = call(&house, "placeorder", resting("Python")).await;
    failed(&refused, 200, "");
    assert_eq!((&refused.body["order_status"], refused.body["orderid"].is_string()), (&json!("rejected"), true));
    assert_eq!(house.post("/dashboard/kill", json!({ "level": 0, "reason": "over" })).await.status, 200);
    let mut keyed = resting("keyed");
    keyed["idempotency_key"] = json!("once");
    let first = call(&house, "placeorder", keyed.clone()).await;
    let again = call(&house, "placeorder", keyed).await;
    assert_eq!(succeeded(&first)["orderid"], succeeded(&again)["orderid"]);
    for (field, value, words) in [
        ("quantity", json!("0"), "quantity"),
        ("symbol", json!("NOSUCH"), "not in today's instrument master"),
        ("action", json!("HOLD"), "action"),
        ("exchange", json!("NYSE"), "exchange"),
    ] {
        let mut wrong = resting("wrong");
        wrong[field] = value;
        let reply = call(&house, "placeorder", wrong).await;
        assert!(
            reply.status < 500
                && reply.body["status"] == "error"
                && reply.body["message"].as_str().unwrap().to_lowercase().contains(&words.to_lowercase()),
            "{field}: {:#}",
            reply.body
        );
    }
    house.close().await;
}

#[actix_web::test]
async fn a_key_in_a_body_trades_and_one_that_may_control_comes_from_this_machine_only() {
    let behind = |web: &mut WebSettings| {
        script(web);
        web.trusted_proxies = Ranges::parse("127.0.0.1").unwrap();
        let reads = Scope { rights: Rights { read: true, ..Rights::NONE }, ..Scope::default() };
        web.keys.push(ApiKey { scope: reads, ..ApiKey::new("reader", "reads".into()) });
    };
    let house = House::with(Plan { web: Box::new(behind), ..Plan::default() }).await;
    for wrong in [json!("wrong"), json!(""), json!(5), Value::Null] {
        failed(&call(&house, "funds", json!({ "apikey": wrong })).await, 403, "Invalid openalgo apikey");
    }
    let from = |key: &str, name: &str, address: &str| {
        house.send(
            house.request("POST", &format!("/api/v1/{name}")).header("x-forwarded-for", address.to_owned()).json(&json!({ "apikey": key })),
        )
    };
    assert_eq!(call(&house, "ping", json!({ "apikey": KEY })).await.body["data"]["message"], "pong", "from this machine");
    failed(&from(KEY, "ping", "203.0.113.7").await, 403, "this machine only");
    succeeded(&from(SCRIPT, "ping", "203.0.113.7").await);
    succeeded(&from("reads", "orderbook", "203.0.113.7").await);
    failed(&from("reads", "cancelallorder", "203.0.113.7").await, 403, "scope trade");
    let mut leak = resting("x");
    leak["strategy"] = json!(crate::support::SECRET);
    failed(&call(&house, "placeorder", leak).await, 400, "outside of apikey");
    assert!(house.orders().is_empty());
    assert_eq!(house.send(house.request("GET", "/api/v1/placeorder")).await.status, 405);
    house.close().await;
}

#[actix_web::test]
async fn quotes_symbols_and_money_are_told_or_said_to_be_unknown() {
    let house = house().await;
    let quote = call(&house, "quotes", json!({ "symbol": "SBIN", "exchange": "NSE" })).await;
    let data = &succeeded(&quote)["data"];
    assert_eq!((&data["bid"], &data["ask"]), (&json!(800), &json!(800.5)), "{data:#}");
    failed(&call(&house, "quotes", json!({ "symbol": "NOSUCH", "exchange": "NSE" })).await, 404, "NOSUCH");
    let found = call(&house, "search", json!({ "query": "nifty ce", "exchange": "NFO" })).await;
    let row = &succeeded(&found)["data"][0];
    let symbol = row["symbol"].as_str().unwrap();
    assert!(symbol.starts_with("NIFTY") && symbol.ends_with("CE") && row["lotsize"].as_i64().unwrap() > 0, "{row:#}");
    let read = house.get(&format!("/dashboard/symbols/resolve?symbol={symbol}&exchange=NFO")).await;
    assert_eq!(read.body["instrument"]["symbol"], row["brsymbol"], "what is told is read again as the same: {:#}", read.body);
    let funds = call(&house, "funds", json!({})).await;
    assert!(funds.status == 200 || funds.body["message"].as_str().unwrap().contains("does not tell"), "{:#}", funds.body);
    let holdings = call(&house, "holdings", json!({})).await;
    assert!(holdings.status == 200 || holdings.status == 503, "{:#}", holdings.body);
    house.close().await;
}

#[actix_web::test]
async fn a_position_that_is_only_being_entered_is_closed_too() {
    let house = house().await;
    succeeded(&call(&house, "placeorder", resting("Python")).await);
    house.until("it rests", || house.orders().first().is_some_and(|order| order.broker_order_id.is_some())).await;
    let closed = call(&house, "closeposition", json!({ "strategy": "Python" })).await;
    assert_eq!(closed.body["orders"].as_array().unwrap().len(), 1, "{:#}", closed.body);
    house.until_ended().await;
    let orders = house.orders();
    let (entered, exit) = (&orders[0], &orders[1]);
    assert_eq!((entered.status, entered.filled_quantity, exit.filled_quantity), (Status::Failed, 0, 0), "{entered:#?}");
    let nothing = call(&house, "closeposition", json!({ "strategy": "Python" })).await;
    assert!(succeeded(&nothing)["message"].as_str().unwrap().contains("nothing was sent"), "{:#}", nothing.body);
    house.close().await;
}

/// What OpenAlgo's clients write into their bodies, and a name that nobody knows.
const FIELDS: [&str; 22] = [
    "strategy",
    "symbol",
    "exchange",
    "action",
    "pricetype",
    "price_type",
    "product",
    "quantity",
    "price",
    "trigger_price",
    "disclosed_quantity",
    "position_size",
    "orderid",
    "splitsize",
    "orders",
    "stoploss",
    "target",
    "trailing_sl",
    "client_id",
    "idempotency_key",
    "query",
    "x",
];

/// Any value of a field: of the right kind, of a wrong one, and lists of orders.
fn any_value() -> impl Strategy<Value = Value> {
    let words = select(vec![
        "SBIN",
        "NSE",
        "NFO",
        "BUY",
        "sell",
        "MARKET",
        "LIMIT",
        "SL",
        "SL-M",
        "MIS",
        "CNC",
        "10",
        "-5",
        "0",
        "1e3",
        "790.05",
        "NaN",
        "99999999999999999999",
        "Python",
        "",
        " ",
        "\u{0}",
        "NIFTY weekly ATM CE",
        "00000000-0000-0000-0000-000000000001",
    ]);
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (-1e12..1e12_f64).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        8 => words.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from), any_fields(inner).prop_map(Value::Object)]
    })
}

fn any_fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let fields = prop::collection::btree_map(select(FIELDS.to_vec()), value, 0..6);
    fields.prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A body that is nearly what a client sends, one that is nothing of the kind, and bytes.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let with_key = |mut fields: serde_json::Map<String, Value>| {
        fields.insert("apikey".to_owned(), json!(SCRIPT));
        Value::Object(fields).to_string().into_bytes()
    };
    let nearly = (select(vec!["BUY", "SELL"]), 1..50_u32, any_fields(any_value())).prop_map(|(action, quantity, other)| {
        let Value::Object(mut body) = order(action, quantity) else { unreachable!("an order is an object") };
        body.insert("splitsize".to_owned(), json!("20"));
        body.insert("orders".to_owned(), json!([order(action, quantity)]));
        body.extend(other);
        body
    });
    prop_oneof![
        6 => nearly.prop_map(with_key),
        3 => any_fields(any_value()).prop_map(with_key),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

/// What outsiders' programs send goes through fields that these calls read themselves: whatever it is, the answer has the calls' own
/// shape, none is a fault, and what becomes an order is one that can be sent.
#[actix_web::test]
async fn prop_no_body_makes_a_call_fail_or_an_order_that_cannot_be() {
    let house = house().await;
    let mut runner = TestRunner::deterministic();
    for route in ROUTES.iter().filter(|route| route.guard == Guard::KeyInBody) {
        for _ in 0..25 {
            let body = any_body().new_tree(&mut runner).unwrap().current();
            let said = String::from_utf8_lossy(&body).into_owned();
            let request = house.request("POST", route.path).header("Content-Type", "application/json").body(body);
            let reply = house.send(request).await;
            assert!(reply.status < 500, "{} {said}: {} {:#}", route.path, reply.status, reply.body);
            assert!(matches!(reply.body["status"].as_str(), Some("success" | "error")), "{} {said}: {:#}", route.path, reply.body);
            let message = reply.body["message"].as_str().unwrap_or_default();
            assert!(!message.chars().any(char::is_control), "{} {said}: {message:?}", route.path);
        }
    }
    for order in house.orders() {
        let clean = |text: &str| !text.chars().any(char::is_control);
        assert!(clean(order.ask.strategy.as_str()) && clean(&order.ask.symbol), "{order:?}");
        let was_sent = order.status != Status::Failed;
        assert!(!was_sent || order.ask.quantity.is_some(), "{order:?}");
    }
    let faults: Vec<_> = house.events(None).await.into_iter().filter(|(event, _)| event == "ALARM_TASK_FAULT").collect();
    assert!(faults.is_empty(), "{faults:?}");
    house.close().await;
}
