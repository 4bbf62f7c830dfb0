//! Alerts of charts and tools, over real HTTP: what a route makes of them.

mod adding;
mod bodies;
mod positions;
mod refused;
mod scans;

use chrono::Timelike;
use ordergate_actors::order::{InstrumentKey, Price, Product, ist};
use ordergate_actors::ports::{Clock, Query, Rows};
use serde_json::{Value, json};

use crate::support::{House, KEY, Plan, Reply, secret};

/// A route of shares, in the alert's own units.
fn shares(direction: &str) -> Value {
    json!({ "name": "tv", "strategy": "trend", "direction": direction, "product": "MIS", "order_type": "MARKET" })
}

impl House {
    /// Writes a route, as a person does.
    async fn put_route(&self, route: Value) -> Reply {
        let body = json!({ "reason": "for the test", "route": route });
        self.send(self.request("PUT", "/dashboard/routes").bearer_auth(KEY).json(&body)).await
    }

    /// Now, as TradingView writes it, and so many seconds earlier.
    fn timenow(&self, seconds_ago: i64) -> String {
        (self.clock.now() - chrono::Duration::seconds(seconds_ago)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// An alert whose order is followed to its end.
    async fn settled(&self, alert: Value) -> Reply {
        self.send(self.request("POST", "/webhook").header("Prefer", "wait=10").json(&secret(alert))).await
    }

    /// A plain TradingView alert of so many shares of SBIN.
    fn plain(&self, action: &str, contracts: i64, order_id: &str) -> Value {
        json!({
            "ticker": "SBIN", "exchange": "NSE", "action": action, "contracts": contracts.to_string(), "order_id": order_id,
            "timenow": self.timenow(0),
        })
    }

    async fn is_in_the_journal(&self, event: &str) -> bool {
        self.events(Some(&self.client())).await.iter().any(|(name, _)| name == event)
    }
}

#[track_caller]
fn is_refused(reply: &Reply, words: &str) {
    assert_eq!((reply.status, &reply.body["status"]), (202, &json!("BLOCKED")), "{:#}", reply.body);
    let reason = reply.order(0)["reason"].as_str().unwrap();
    assert!(reason.contains(words), "{reason}");
}

/// The future of the sample that is traded now, with a quote.
fn nifty(house: &House) -> InstrumentKey {
    let rows = ordergate::instruments::sample(ordergate_actors::order::trading_date(house.clock.now())).unwrap();
    let futures = rows.into_iter().filter(|row| matches!(row.kind, ordergate_actors::order::Kind::Future { .. }));
    let key = futures.min_by_key(|row| format!("{:?}", row.kind)).unwrap().key;
    let price = |text| Price::parse(text).unwrap();
    house.market.set(&key, price("24000.00"), price("24000.50"), price("24000.00"));
    key
}

#[actix_web::test]
async fn a_message_becomes_an_order_under_its_route_and_none_without_one() {
    let house = House::open().await;
    let alone = house.alert(house.plain("buy", 10, "Long")).await;
    alone.is_problem(400, "no_route");
    assert!(alone.body["detail"].as_str().unwrap().contains("NSE:SBIN"), "{:#}", alone.body);
    assert!(house.is_in_the_journal("SIGNAL_REFUSED").await);

    assert_eq!(house.put_route(shares("long")).await.status, 200);
    let reply = house.settled(house.plain("buy", 10, "Long")).await;
    assert_eq!((reply.status, &reply.body["route"], &reply.body["status"]), (202, &json!("tv"), &json!("ACCEPTED")), "{:#}", reply.body);
    let order = reply.order(0);
    assert_eq!((&order["status"], &order["symbol"], &order["strategy"]), (&json!("EXECUTED"), &json!("SBIN-EQ"), &json!("trend")));
    house.until_held("trend", 10).await;
    house.close().await;
}

#[actix_web::test]
async fn what_neither_the_alert_nor_its_route_says_is_named() {
    let house = House::open().await;
    house.put_route(json!({ "name": "bare", "strategy": "trend", "direction": "long" })).await;
    let reply = house.alert(json!({ "ticker": "SBIN", "exchange": "NSE", "timenow": house.timenow(0) })).await;
    is_refused(&reply, "action is missing");
    let reply = house.alert(json!({ "ticker": "SBIN", "exchange": "NSE", "action": "buy", "timenow": house.timenow(0) })).await;
    for words in ["qty is missing", "product_type: missing", "order_type: missing"] {
        is_refused(&reply, words);
    }
    let unfilled = json!({ "ticker": "SBIN", "exchange": "NSE", "action": "{{strategy.order.action}}", "contracts": 1 });
    is_refused(&house.alert(unfilled).await, "action is the unresolved placeholder");
    house.close().await;
}

#[actix_web::test]
async fn seventy_five_at_a_lot_of_sixty_five_is_refused_with_both_neighbours() {
    let house = House::open().await;
    nifty(&house);
    let mut route = shares("long");
    route["qty_unit"] = json!("units");
    house.put_route(route.clone()).await;
    let alert = |contracts: i64| json!({ "ticker": "NIFTY1!", "exchange": "NSE", "action": "buy", "contracts": contracts, "timenow": house.timenow(0) });
    is_refused(&house.alert(alert(75)).await, "lot 65; 65 or 130");
    route["qty_unit"] = json!("lots");
    house.put_route(route).await;
    let reply = house.settled(alert(2)).await;
    assert_eq!((&reply.order(0)["status"], &reply.order(0)["quantity"]), (&json!("EXECUTED"), &json!(130)), "{:#}", reply.body);
    house.close().await;
}

#[actix_web::test]
async fn timenow_ages_a_signal_and_the_time_of_its_bar_does_not() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    let mut old = house.plain("buy", 1, "Long");
    old["timenow"] = json!(house.timenow(120));
    let reply = house.alert(old).await;
    assert_eq!(reply.order(0)["tag"], "STALE_SIGNAL", "{:#}", reply.body);
    // Of a 15-minute bar.
    let mut fresh = house.plain("buy", 1, "Long");
    fresh["time"] = json!(house.timenow(900));
    fresh["interval"] = json!("15");
    assert_eq!(house.settled(fresh).await.order(0)["status"], "EXECUTED");
    house.close().await;
}

#[actix_web::test]
async fn openalgos_template_ends_flat() {
    let house = House::open().await;
    house.put_route(json!({ "name": "oa", "strategy": "trend", "direction": "long" })).await;
    let alert = |action: &str, label: &str| {
        json!({
            "apikey": "of-openalgo", "strategy": label, "symbol": "SBIN", "action": action, "exchange": "NSE", "pricetype": "MARKET",
            "product": "MIS", "quantity": "10",
        })
    };
    let send = |body: Value| {
        let path = format!("/webhook/PAPER1/{}", crate::support::SECRET);
        let request = house.request("POST", &path).header("Prefer", "wait=10").json(&body);
        house.send(request)
    };
    let entry = send(alert("BUY", "Long")).await;
    assert_eq!((&entry.order(0)["status"], &entry.order(0)["strategy"]), (&json!("EXECUTED"), &json!("trend")), "{:#}", entry.body);
    house.until_held("trend", 10).await;
    let exit = send(alert("SELL", "Close entry(s) order Long")).await;
    assert_eq!((&exit.order(0)["status"], &exit.order(0)["execution_type"]), (&json!("EXECUTED"), &json!("EXIT")), "{:#}", exit.body);
    house.until_held("trend", 0).await;
    house.close().await;
}

#[actix_web::test]
async fn an_intraday_exit_never_touches_a_carried_position() {
    let house = House::open().await;
    let future = nifty(&house);
    let carried = json!({
        "execution_type": "ENTRY", "strategy_name": "trend", "exchange": "NFO", "product_type": "NRML",
        "legs": [{ "tradingsymbol": &*future.symbol, "direction": "BUY", "qty": 65, "order_type": "MARKET" }],
    });
    assert_eq!(house.settled(carried).await.order(0)["status"], "EXECUTED");
    house.until_held("trend", 65).await;
    let mut route = shares("long");
    route["qty_unit"] = json!("lots");
    house.put_route(route).await;
    let exit = json!({ "ticker": "NIFTY1!", "exchange": "NSE", "action": "sell", "contracts": 1, "timenow": house.timenow(0) });
    let reply = house.settled(exit).await;
    assert_eq!((&reply.order(0)["status"], &reply.order(0)["tag"]), (&json!("FAILED"), &json!("NO_POSITION")), "{:#}", reply.body);
    let carried = house.engine.read(&house.client(), |book| {
        book.holdings().filter(|(_, key, _)| key.product == Product::Nrml).map(|(_, _, held)| held.net).sum::<i64>()
    });
    assert_eq!(carried, Some(65));
    house.close().await;
}

#[actix_web::test]
async fn a_gap_in_a_sources_numbers_is_told_and_may_stop_its_entries() {
    let house = House::open().await;
    let mut route = shares("long");
    route["on_gap"] = json!("block");
    house.put_route(route).await;
    let numbered = |action: &str, seq: u64| {
        let mut alert = house.plain(action, 10, "x");
        alert["seq"] = json!(seq);
        alert
    };
    assert_eq!(house.settled(numbered("buy", 1)).await.order(0)["status"], "EXECUTED");
    house.until_held("trend", 10).await;
    let exit = house.settled(numbered("sell", 4)).await;
    assert_eq!(exit.order(0)["status"], "EXECUTED", "exits go: {:#}", exit.body);
    assert!(exit.body["notes"].to_string().contains("numbers 2 to 3"), "{:#}", exit.body);
    assert!(house.is_in_the_journal("ALARM_SEQUENCE").await);
    house.until_held("trend", 0).await;
    is_refused(&house.alert(numbered("buy", 5)).await, "alerts 2 to 3 are missing");
    let shown = house.get("/dashboard/routes").await;
    assert_eq!(shown.body["sources"][0]["missing"], json!([[2, 3]]), "{:#}", shown.body);
    let forgiven = house.post("/dashboard/sources/forgive", json!({ "source": "tests", "reason": "seen" })).await;
    assert_eq!(forgiven.status, 200, "{:#}", forgiven.body);
    assert_eq!(house.settled(numbered("buy", 6)).await.order(0)["status"], "EXECUTED");
    house.close().await;
}

#[actix_web::test]
async fn routes_are_versions_in_the_journal() {
    let house = House::open().await;
    let first = house.put_route(shares("long")).await;
    let version = first.body["route"]["version"].as_u64().unwrap();
    let row = house.engine.query(Query::JournalAfter(Some(house.client()), version - 1, 1)).await.unwrap();
    let Rows::Journal(row) = row else { panic!("{row:?}") };
    assert_eq!((&*row[0].event, row[0].seq), ("ROUTE_CHANGED", version), "a version is the row that wrote it");
    assert_eq!(first.body["changed"], "it is new");
    let second = house.put_route(shares("both")).await;
    assert!(second.body["route"]["version"].as_u64().unwrap() > version);
    assert_eq!(second.body["changed"], "direction: long -> both");
    let events = house.events(Some(&house.client())).await;
    let changed: Vec<_> = events.iter().filter(|(event, _)| event == "ROUTE_CHANGED").collect();
    assert!(changed.len() == 2 && changed[1].1.contains("direction: long -> both"), "{changed:?}");
    // Decided upon a version that does not stand any more.
    let body = json!({ "reason": "late", "version": version, "route": shares("short") });
    house.send(house.request("PUT", "/dashboard/routes").bearer_auth(KEY).json(&body)).await.is_problem(409, "changed_meanwhile");
    let mut bad = shares("long");
    bad["target"] = json!("5%");
    house.put_route(bad).await.is_problem(400, "bad_route");
    let mut unknown = shares("long");
    unknown["source"] = json!("nobody");
    house.put_route(unknown).await.is_problem(400, "no_such_source");

    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let routes = house.get("/dashboard/routes").await;
    assert_eq!((&routes.body["count"], &routes.body["routes"][0]["direction"]), (&json!(1), &json!("both")), "{:#}", routes.body);
    let gone = json!({ "name": "tv", "reason": "done" });
    let removed = house.send(house.request("DELETE", "/dashboard/routes").bearer_auth(KEY).json(&gone)).await;
    assert_eq!(removed.status, 200, "{:#}", removed.body);
    assert_eq!(house.get("/dashboard/routes").await.body["count"], 0);
    house.close().await;
}

#[actix_web::test]
async fn a_route_has_a_window_a_bound_of_trades_and_may_want_a_yes() {
    let house = House::open().await;
    let now = house.clock.now().with_timezone(&ist()).time().with_second(0).unwrap();
    let mut route = shares("long");
    route["entries_until"] = json!((now - chrono::Duration::minutes(1)).format("%H:%M:%S").to_string());
    house.put_route(route.clone()).await;
    is_refused(&house.alert(house.plain("buy", 10, "a")).await, "takes entries from the open to");
    route.as_object_mut().unwrap().remove("entries_until");
    route["trades_per_day"] = json!(1);
    house.put_route(route.clone()).await;
    assert_eq!(house.settled(house.plain("buy", 10, "b")).await.order(0)["status"], "EXECUTED");
    house.until_held("trend", 10).await;
    assert_eq!(house.settled(house.plain("sell", 10, "c")).await.order(0)["status"], "EXECUTED");
    house.until_held("trend", 0).await;
    is_refused(&house.alert(house.plain("buy", 10, "d")).await, "route tv has traded 1 times today");

    let mut asks = shares("long");
    (asks["name"], asks["strategy"], asks["ticker"]) = (json!("asks"), json!("asks"), json!("INFY"));
    asks["approval"] = json!(true);
    house.put_route(asks).await;
    let mut alert = house.plain("buy", 10, "e");
    alert["ticker"] = json!("INFY");
    house.alert(alert).await;
    let is_asked = || house.engine.read(&house.client(), |book| !book.control().approvals.is_empty()) == Some(true);
    house.until("a person is asked", is_asked).await;
    let approvals = house.get("/dashboard/approvals").await;
    assert_eq!(approvals.body["count"], 1, "{:#}", approvals.body);
    let command = approvals.body["approvals"][0]["command_id"].as_str().unwrap().to_owned();
    house.post(&format!("/dashboard/approvals/{command}"), json!({ "decision": "approve", "reason": "yes" })).await;
    house.until_held("asks", 10).await;
    house.close().await;
}

#[actix_web::test]
async fn connect_says_what_to_copy_what_it_becomes_and_tests_it() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    let overview = house.get("/dashboard/connect").await;
    assert_eq!((overview.status, &overview.body["routes"][0]["name"]), (200, &json!("tv")));
    let message = house.get("/dashboard/connect/message?route=tv&sender=tradingview_plain&symbol=NSE:SBIN").await;
    let recipe = &message.body["recipe"];
    assert!(recipe["url"].as_str().unwrap().ends_with("/webhook/PAPER1/{secret}"), "{recipe:#}");
    assert!(!message.body.to_string().contains(crate::support::SECRET), "the secret never comes over the API");

    let before = house.events(None).await.len() + house.events(Some(&house.client())).await.len();
    let read = house.post("/dashboard/connect/read", json!({ "sample": recipe["sample"] })).await;
    let becomes = &read.body["alerts"][0]["becomes"];
    assert_eq!((&becomes["instrument"], &becomes["order"]["execution_type"]), (&json!("NSE:SBIN-EQ"), &json!("ENTRY")), "{:#}", read.body);
    let explained = &becomes["explained"];
    assert!(explained["gates"].as_array().is_some_and(|gates| gates.iter().all(|gate| gate["passed"] == true)), "{explained:#}");
    assert!(explained["request"].to_string().contains("SBIN-EQ"), "the exact request: {explained:#}");
    let lost = house.post("/dashboard/connect/read", json!({ "sample": { "ticker": "{{ticker}}", "action": "buy" } })).await;
    assert!(lost.body["alerts"][0]["reading"]["wrong"].to_string().contains("placeholder"), "{:#}", lost.body);
    assert_eq!(house.events(None).await.len() + house.events(Some(&house.client())).await.len(), before, "reading writes nothing");
    assert!(house.orders().is_empty());

    let test = house.post("/dashboard/connect/test", json!({ "sample": recipe["sample"] })).await;
    assert_eq!((test.status, &test.order(0)["tag"]), (202, &json!("TEST_MODE")), "{:#}", test.body);
    assert!(house.orders().iter().all(|order| order.is_test()));
    house.close().await;
}
