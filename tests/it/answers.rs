//! What the API's description says of answers, against those of houses that had a day, of one that had none, and of one that is armed:
//! every read is called in each, and what people and programs do is done.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::readiness::Site;
use ordergate::schedule::Scheduled;
use ordergate::simulator::market::Level as Depth;
use ordergate::web::ROUTES;
use ordergate_actors::order::{Amount, ClientId, Exchange, InstrumentKey, Price, Side, Strategy};
use ordergate_actors::persistence::{Keep, Level, Slot, Topic, Unit};
use ordergate_actors::ports::{Clock, Funds, OrderMargin};
use ordergate_actors::risk::Halt;
use ordergate_actors::testkit::{ManualClock, morning, until_found};
use serde_json::{Value, json};

use crate::alerts::{Server, end, start};
use crate::arming::{arm, begun, callback, one_waiting, signing_in};
use crate::pnl::{elsewhere, with_charges};
use crate::support::{House, KEY, Plan, Reply, SECRET, entry, quote, resting, secret};

/// Not called here, and why.
const ELSEWHERE: [&str; 4] = [
    // It never ends: `live` reads it.
    "GET /dashboard/events",
    // They lead to another address: `pages` and `arming` say where.
    "GET /",
    "GET /dashboard",
    "GET /broker/login/{client_id}",
];

/// What is done in each house beside the reads, and those reads that want something of it.
const ALERTS: &[&str] = &["POST /webhook", "POST /webhook/{client_id}", "POST /webhook/{client_id}/{token}"];
const PEOPLE: &[&str] = &[
    "POST /dashboard/intent/generic",
    "POST /dashboard/intent/basket",
    "POST /dashboard/intent/strategy",
    "POST /dashboard/orders/{command_id}/modify",
    "POST /dashboard/orders/{command_id}/cancel",
    "POST /dashboard/orders/{command_id}/resubmit",
    "POST /dashboard/orders/{command_id}/resolve",
];
const EXITS: &[&str] = &[
    "POST /dashboard/exit-rules",
    "DELETE /dashboard/exit-rules",
    "POST /dashboard/exit-rules/go-on",
    "POST /dashboard/positions/exit",
    "POST /dashboard/positions/exit-all",
];
const CHARTS: &[&str] = &[
    "PUT /dashboard/routes",
    "DELETE /dashboard/routes",
    "GET /dashboard/connect/message",
    "POST /dashboard/connect/read",
    "POST /dashboard/connect/test",
    "POST /dashboard/explain",
    "POST /dashboard/sources/forgive",
];
const OPENALGO: &[&str] = &[
    "POST /api/v1/placeorder",
    "POST /api/v1/placesmartorder",
    "POST /api/v1/modifyorder",
    "POST /api/v1/cancelorder",
    "POST /api/v1/cancelallorder",
    "POST /api/v1/closeposition",
    "POST /api/v1/basketorder",
    "POST /api/v1/splitorder",
    "POST /api/v1/orderstatus",
    "POST /api/v1/openposition",
    "POST /api/v1/orderbook",
    "POST /api/v1/tradebook",
    "POST /api/v1/positionbook",
    "POST /api/v1/holdings",
    "POST /api/v1/funds",
    "POST /api/v1/quotes",
    "POST /api/v1/search",
    "POST /api/v1/ping",
];
const DIFFERENCES: &[&str] = &["POST /dashboard/differences/adopt", "POST /dashboard/differences/ignore", "POST /dashboard/told-prices"];
const CONTROLS: &[&str] = &[
    "POST /dashboard/kill",
    "POST /dashboard/freeze",
    "POST /dashboard/guard/force-clear",
    "POST /dashboard/risk/override",
    "POST /dashboard/risk/rearm",
    "POST /dashboard/alarms/{id}/ack",
    "POST /dashboard/alerts/test",
    "POST /dashboard/readiness/dismiss",
];
const SESSIONS: &[&str] =
    &["POST /dashboard/session", "GET /dashboard/session", "DELETE /dashboard/session", "DELETE /dashboard/sessions/{id}"];
const ARMED: &[&str] = &[
    "GET /broker/callback/{client_id}",
    "POST /dashboard/broker/login",
    "POST /dashboard/broker/code",
    "POST /dashboard/arm",
    "POST /dashboard/approvals/{command_id}",
];
const ALL: [&[&str]; 9] = [ALERTS, PEOPLE, EXITS, CHARTS, OPENALGO, DIFFERENCES, CONTROLS, SESSIONS, ARMED];

fn names() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| format!("{} {}", route.method, route.path))
}

/// The reads that every house with a day answers.
fn reads_of_a_day() -> impl Iterator<Item = String> {
    names().filter(|name| name.starts_with("GET ") && !ELSEWHERE.contains(&name.as_str()) && !ALL.concat().contains(&name.as_str()))
}

/// Fails unless the house has done each of these.
#[track_caller]
fn has_done(house: &House, wanted: impl Iterator<Item = String>) {
    let answers = house.met().answers;
    let undone: Vec<String> = wanted.filter(|name| !answers.iter().any(|(route, status)| route == name && *status < 400)).collect();
    assert!(undone.is_empty(), "nothing was done by {undone:?}");
}

#[test]
fn every_route_is_called_in_one_of_these_houses() {
    let called = ALL.concat();
    let uncalled: Vec<String> = names()
        .filter(|name| !name.starts_with("GET ") && !called.contains(&name.as_str()))
        .chain(called.iter().filter(|called| !names().any(|name| name == **called)).map(|name| format!("{name} is no route")))
        .collect();
    assert!(uncalled.is_empty(), "{uncalled:?}");
}

#[track_caller]
fn done(reply: &Reply) -> &Value {
    assert!(reply.status < 300, "{}: {:#}", reply.status, reply.body);
    &reply.body
}

/// Asks until it is so.
async fn until(house: &House, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async || {
        let reply = house.get(path).await;
        if reply.status == 200 && is_so(&reply.body) { Ok(reply.body) } else { Err(format!("{:#}", reply.body)) }
    };
    until_found(path, look).await
}

/// The address of a route's read, with what it needs.
fn address(house: &House, path: &str) -> String {
    let first =
        house.orders().first().map_or_else(|| "00000000-0000-0000-0000-000000000001".to_owned(), |order| order.command_id.to_string());
    match path {
        "/dashboard/orders/{command_id}" => format!("/dashboard/orders/{first}"),
        "/dashboard/web/{name}" => "/dashboard/web/app.css".to_owned(),
        "/dashboard/quotes" => format!("{path}?symbol=SBIN-EQ&exchange=NSE"),
        "/dashboard/option-chain" | "/dashboard/symbols/expiries" | "/dashboard/symbols/contracts" => {
            format!("{path}?underlying=NIFTY&exchange=NFO")
        }
        "/dashboard/symbols/search" => format!("{path}?q=NIFTY&limit=20"),
        "/dashboard/symbols/resolve" => format!("{path}?symbol=NIFTY1!&exchange=NSE"),
        "/dashboard/connect/message" => format!("{path}?route=chart&sender=tradingview"),
        _ => path.to_owned(),
    }
}

/// Every read; what is not done is as described, too.
async fn reads(house: &House) {
    let skipped = |path: &str| ELSEWHERE.contains(&format!("GET {path}").as_str()) || path == "/broker/callback/{client_id}";
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !skipped(route.path)) {
        house.get(&address(house, route.path)).await;
    }
}

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
async fn alerts(house: &House) {
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
async fn people(house: &House) {
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

/// Rules of exits, an exit beyond its cost cap, and exits by hand.
async fn exits(house: &House) {
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
    assert_eq!(done(&house.post("/dashboard/positions/exit", exit("nobody")).await)["status"], "NO_POSITION");
    done(&house.post("/dashboard/positions/exit", exit("aim")).await);
    house.until_held("aim", 0).await;
    done(&house.post("/dashboard/positions/exit-all", json!({ "strategy": "pair" })).await);
    house.until_held("pair", 0).await;
}

/// What the broker shows beside us, and what a person says of it.
async fn differences(house: &House) {
    elsewhere(house, Side::Buy, 5, Some("robo-7"));
    let differs = |units: i64| {
        until(house, "/dashboard/positions", move |found| {
            let all = found["accounts"][0]["differences"].as_array().unwrap();
            all.iter().any(|one| one["difference"] == units && one["settles_by_itself"] == false)
        })
    };
    differs(5).await;
    done(&house.get("/dashboard/attention").await);
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
    done(&house.post("/dashboard/guard/force-clear", json!({ "strategy": "leaves", "reason": "sold by hand" })).await);
    house.until_held("leaves", 0).await;
    let row = done(&house.get("/dashboard/told-prices").await)["accounts"][0]["left"][0]["row"].clone();
    let told = json!({ "row": row, "price": "790.25", "reason": "the contract note" });
    done(&house.post("/dashboard/told-prices", told).await);
    done(&house.get("/dashboard/told-prices").await);
}

/// Levels, limits, halts and alarms.
async fn controls(house: &House) {
    let kill = |more: Value| {
        let mut body = json!({ "level": 1, "reason": "a drill" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/dashboard/kill", body)
    };
    done(&house.alert(entry("cleared")).await);
    house.until_held("cleared", 10).await;
    done(&kill(json!({ "strategy": "cleared" })).await);
    done(&kill(json!({})).await);
    let freeze = |open: Value, frozen: bool| {
        house.post("/dashboard/freeze", json!({ "client_id": "PAPER1", "frozen": frozen, "open_positions": open, "reason": "a drill" }))
    };
    let open = freeze(json!(9_999), true).await.body["open_positions"].clone();
    done(&freeze(open, true).await);
    reads(house).await;
    done(&freeze(json!(null), false).await);
    done(&kill(json!({ "level": 0 })).await);

    let cleared =
        house.post("/dashboard/guard/force-clear", json!({ "strategy": "cleared", "symbol": "SBIN-EQ", "reason": "a drill" })).await;
    assert_eq!(done(&cleared)["cleared"], 1);
    let set = |more: Value| {
        let mut body = json!({ "limit": "trades_per_day", "reason": "a drill" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/dashboard/risk/override", body)
    };
    done(&set(json!({ "value": "2000000", "minutes": 60 })).await);
    halt(house).await;
    done(&house.get("/dashboard/risk").await);
    done(&house.post("/dashboard/risk/rearm", json!({ "strategy": "halted", "reason": "a drill" })).await);
    done(&set(json!({ "end": true })).await);

    for client in [Some(house.client()), None] {
        house.engine.line().alarm(client.as_ref(), "ALARM_IN_DOUBT", Level::Page, None, "a drill".to_owned());
    }
    let is_alarm = |item: &Value| item["more"]["alarm_id"].is_string();
    let list =
        until(house, "/dashboard/attention", |found| found["items"].as_array().unwrap().iter().filter(|item| is_alarm(item)).count() > 1)
            .await;
    let id = list["items"].as_array().unwrap().iter().find(|item| is_alarm(item)).unwrap()["more"]["alarm_id"].as_str().unwrap();
    done(&house.post(&format!("/dashboard/alarms/{id}/ack"), json!({ "reason": "seen" })).await);
    done(&house.post("/dashboard/alerts/test", json!({})).await);
    done(&house.post("/dashboard/readiness/dismiss", json!({ "reason": "seen" })).await);
}

/// A strategy that stands halted.
async fn halt(house: &House) {
    let halt =
        Halt { strategy: Strategy::parse("halted").unwrap(), reason: "it lost too often".to_owned(), at: house.clock.now(), rearmed: None };
    let keep = Keep {
        client_id: Some(house.client()),
        slot: Slot::new(Topic::Halt, "halted"),
        value: None,
        basis: None,
        event: "ALARM_STRATEGY_HALTED",
        level: Level::Warn,
        reason: Arc::from("a drill"),
        who: Arc::from("a test"),
        command_id: None,
    };
    house.engine.line().post_unit(Unit::Keep(keep.with(&halt).unwrap()));
    until(house, "/dashboard/risk", |found| found["accounts"][0]["halted"][0]["strategy"] == "halted").await;
}

/// From a chart to an order.
async fn charts(house: &House) {
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
    done(&house.post("/dashboard/connect/test", json!({ "sample": told(6) })).await);
    done(&house.post("/dashboard/explain", told(7)).await);
    let mut native = entry("explained");
    (native["legs"][0]["stop_loss"], native["legs"][0]["trailing_type"], native["legs"][0]["trailing_value"]) =
        (json!("1%"), json!("POINTS"), json!(5));
    done(&house.post("/dashboard/explain", native.clone()).await);
    let rupees = |number: i64| Amount(rust_decimal::Decimal::from(number));
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

/// Who is logged in.
async fn sessions(house: &House) {
    let log_in = async || {
        let reply = house.send(house.request("POST", "/dashboard/session").json(&json!({ "key": KEY }))).await;
        done(&reply);
        reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let (first, second) = (log_in().await, log_in().await);
    let by = |method: &str, path: &str, cookie: &str| {
        house.send(house.request(method, path).header("cookie", cookie).header("origin", format!("http://{}", house.address)))
    };
    done(&by("GET", "/dashboard/session", &first).await);
    let all = by("GET", "/dashboard/sessions", &first).await;
    let other = done(&all)["sessions"].as_array().unwrap().iter().find(|row| row["is_this"] == false).unwrap()["id"].as_str().unwrap();
    done(&by("DELETE", &format!("/dashboard/sessions/{other}"), &first).await);
    done(&by("DELETE", "/dashboard/session", &first).await);
    assert_eq!(by("GET", "/dashboard/session", &second).await.status, 401);
    done(&house.send(house.request("DELETE", "/dashboard/session").bearer_auth(KEY)).await);
}

/// The same in OpenAlgo's words.
async fn openalgo(house: &House) {
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

/// Prices of an underlying and of an option, so that a chain has a middle.
async fn options(house: &House) {
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

/// A house with channels, charges, a schedule and money, in which a day goes by.
async fn with_a_day(calls: &[&str], day: impl AsyncFnOnce(&House)) {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let alerting = start(here.path(), &format!("[alerts]\nwebhook_url = {:?}\nquiet = \"22:00-07:00\"\n", server.url("/hook")), &clock);
    let Plan { site, .. } = with_charges(Some("zero"));
    let site = Site { alerts: Some(alerting.clone()), directory: here.path().to_owned(), ..Arc::into_inner(site).unwrap() };
    let scheduled = Scheduled {
        name: "morning".to_owned(),
        client_id: ClientId::parse("PAPER1").unwrap(),
        at: NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        grace: Duration::from_secs(600),
        exchange: Exchange::Nse,
        alert: entry("morning").to_string(),
    };
    let web = Box::new(move |web: &mut ordergate::web::WebSettings| web.schedule = vec![scheduled]);
    let house = House::with(Plan { alerts: Some(alerting.clone()), site: Arc::new(site), web, ..Plan::default() }).await.described();
    ordergate::web::scheduled::look(&house.state, &house.state.settings.schedule[0]).await;
    let rupees = Amount(rust_decimal::Decimal::from(1_000_000_000));
    house.brokers[&house.client()].show_funds(Funds { cash: rupees, margin_used: Amount::ZERO, available: rupees });
    until(&house, "/dashboard/funds", |found| found["accounts"][0]["funds"].is_object()).await;
    until(&house, "/dashboard/holdings", |found| found["accounts"][0]["holdings"].is_array()).await;
    day(&house).await;
    reads(&house).await;
    has_done(&house, calls.iter().map(|name| (*name).to_owned()).chain(reads_of_a_day()));
    end(&alerting).await;
    house.close().await;
}

#[actix_web::test]
async fn alerts_are_answered_as_described() {
    with_a_day(ALERTS, async |house| alerts(house).await).await;
}

#[actix_web::test]
async fn what_people_send_is_answered_as_described() {
    with_a_day(PEOPLE, async |house| people(house).await).await;
}

#[actix_web::test]
async fn rules_and_exits_are_answered_as_described() {
    with_a_day(EXITS, async |house| exits(house).await).await;
}

#[actix_web::test]
async fn charts_and_what_they_would_become_are_answered_as_described() {
    with_a_day(CHARTS, async |house| charts(house).await).await;
}

#[actix_web::test]
async fn openalgos_calls_are_answered_as_described() {
    with_a_day(OPENALGO, async |house| openalgo(house).await).await;
}

#[actix_web::test]
async fn a_chain_is_answered_as_described() {
    with_a_day(&[], async |house| options(house).await).await;
}

#[actix_web::test]
async fn differences_are_answered_as_described() {
    with_a_day(DIFFERENCES, async |house| differences(house).await).await;
}

#[actix_web::test]
async fn controls_are_answered_as_described() {
    with_a_day(CONTROLS, async |house| controls(house).await).await;
}

#[actix_web::test]
async fn sessions_are_answered_as_described() {
    with_a_day(SESSIONS, async |house| sessions(house).await).await;
}

/// An account that must be armed, at a broker where a person signs in.
#[actix_web::test]
async fn an_account_that_is_armed_answers_as_described() {
    let house = signing_in().await.described();
    reads(&house).await;
    let state = begun(&house).await;
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200);
    done(&house.post("/dashboard/broker/code", json!({ "code": "the-code" })).await);
    done(&arm(&house, "APPROVE").await);
    house.alert(entry("asks")).await;
    let waiting = one_waiting(&house).await;
    reads(&house).await;
    let yes = json!({ "decision": "approve", "reason": "looked at the chart" });
    done(&house.post(&format!("/dashboard/approvals/{}", waiting["command_id"].as_str().unwrap()), yes).await);
    house.until_held("asks", 10).await;
    reads(&house).await;
    has_done(&house, ARMED.iter().map(|name| (*name).to_owned()));
    house.close().await;
}

/// Two accounts, that are left together.
#[actix_web::test]
async fn two_accounts_answer_as_described() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await.described();
    for path in ["/webhook/PAPER1", "/webhook/PAPER2"] {
        done(&house.send(house.request("POST", path).json(&secret(entry("both")))).await);
    }
    // Where no order of ours stands in its way, within the day's band.
    quote(&house.market, "INFY-EQ", "1500.00", "1500.50");
    let mut at_broker = entry("stopped");
    let leg = &mut at_broker["legs"][0];
    (leg["tradingsymbol"], leg["stop_loss"], leg["stop_at"]) = (json!("INFY-EQ"), json!("10 points"), json!("broker"));
    done(&house.send(house.request("POST", "/webhook/PAPER1").json(&secret(at_broker))).await);
    until(&house, "/dashboard/exit-rules", |found| found["accounts"][0]["rules"][0]["resting"]["broker_order_id"].is_string()).await;
    until(&house, "/dashboard/positions", |found| {
        found["accounts"].as_array().unwrap().iter().all(|account| account["positions"][0]["ours"] == 10)
    })
    .await;
    let gone = house.post("/dashboard/positions/exit-all", json!({})).await;
    assert_eq!(done(&gone)["signals"].as_array().map(Vec::len), Some(2), "{:#}", gone.body);
    reads(&house).await;
    house.close().await;
}

#[actix_web::test]
async fn a_house_without_a_day_answers_as_described() {
    let house = House::open().await.described();
    reads(&house).await;
    let met = house.met();
    assert!(met.answers.contains(&("GET /dashboard/orderbook".to_owned(), 200)), "{:?}", met.answers);
    assert!(met.answers.contains(&("GET /dashboard/orders/{command_id}".to_owned(), 404)), "{:?}", met.answers);
    house.close().await;
}
