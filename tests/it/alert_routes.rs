//! Alerts of charts and tools, over real HTTP: what a route makes of them.

use std::sync::Arc;
use std::time::Duration;

use chrono::Timelike;
use ordergate::access::Ranges;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::web::WebSettings;
use ordergate_actors::order::{InstrumentKey, Price, Product, Status, ist};
use ordergate_actors::ports::{Clock, Query, Rows};
use serde_json::{Value, json};

use crate::support::held::{Hold, held_by};
use crate::support::{House, KEY, Plan, Reply, entry, secret};

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

impl House {
    /// The open alarms of that name: how loud each is, what it says, and how often it was said.
    async fn alarms_of(&self, event: &str) -> Vec<(String, String, i64)> {
        let items = self.get("/dashboard/attention").await.body["items"].as_array().unwrap().clone();
        let of_it = items.iter().filter(|item| item["more"]["event"] == event);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        of_it.map(|item| (text(&item["more"]["level"]), text(&item["text"]), item["more"]["count"].as_i64().unwrap())).collect()
    }

    /// Waits until these are among them: an alarm is written after the answer.
    async fn until_alarms(&self, event: &str, wanted: &[(String, String, i64)]) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let found = self.alarms_of(event).await;
            if wanted.iter().all(|alarm| found.contains(alarm)) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{wanted:#?} are not among {found:#?}");
            actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[actix_web::test]
async fn of_a_single_alert_that_no_route_takes_a_person_hears() {
    let house = House::open().await;
    for contracts in [10, 20] {
        house.alert(house.plain("buy", contracts, "Long")).await.is_problem(400, "no_route");
    }
    house.alert(json!({ "what": "is this" })).await.is_problem(400, "unknown_shape");
    let said = |level: &str, text: &str, count: i64| (level.to_owned(), text.to_owned(), count);
    let expected = [
        said("WARN", "alerts of tests are not taken: no route of PAPER1 takes this alert", 2),
        said("WARN", "alerts of tests are not taken: unknown_shape, see SIGNAL_REFUSED in the journal", 1),
    ];
    house.until_alarms("ALARM_ALERT_REFUSED", &expected).await;

    assert_eq!(house.put_route(shares("long")).await.status, 200);
    house.settled(house.plain("buy", 10, "Long")).await;
    house.until_held("trend", 10).await;
    let second = json!({ "name": "other", "strategy": "other", "direction": "long", "product": "MIS", "order_type": "MARKET" });
    let written = house.put_route(second).await;
    let words = "written, but tv takes the same alerts as closely: they are refused until one has a condition more";
    assert_eq!((written.status, written.body["done"].as_str()), (200, Some(words)), "{:#}", written.body);
    house.alert(house.plain("sell", 10, "Close")).await.is_problem(400, "two_routes");
    let paged = said("PAGE", "alerts of tests are not taken: NSE:SBIN: routes other and tv of PAPER1 take this alert equally well", 1);
    house.until_alarms("ALARM_ALERT_REFUSED", &[paged]).await;

    // Without any route: what it names is held.
    for name in ["tv", "other"] {
        let body = json!({ "name": name, "reason": "for the test" });
        assert_eq!(house.send(house.request("DELETE", "/dashboard/routes").bearer_auth(KEY).json(&body)).await.status, 200);
    }
    house.alert(house.plain("sell", 10, "Close")).await.is_problem(400, "no_route");
    let paged = said("PAGE", "alerts of tests are not taken: NSE:SBIN: no route of PAPER1 takes this alert", 1);
    house.until_alarms("ALARM_ALERT_REFUSED", &[paged]).await;
    house.close().await;
}

/// The secret is right, and the alert is not let in: an exit may be lost.
#[actix_web::test]
async fn of_an_alert_that_is_refused_at_the_door_each_account_of_its_source_hears() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let of = |path: &'static str, strategy: &str| house.request("POST", path).json(&secret(entry(strategy)));
    assert_eq!(house.send(of("/webhook/PAPER1", "trend")).await.status, 202);
    house.until_held("trend", 10).await;
    house.send(of("/webhook", "trend")).await.is_problem(400, "which_account");
    let said = |level: &str, code: &str| {
        (level.to_owned(), format!("alerts of tests are not taken: {code}, see SIGNAL_REFUSED in the journal"), 1)
    };
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("PAGE", "which_account"), said("WARN", "which_account")]).await;
    house.send(of("/webhook/PAPER3", "trend")).await.is_problem(404, "no_such_account");
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("PAGE", "no_such_account"), said("WARN", "no_such_account")]).await;
    house.close().await;

    let elsewhere = |web: &mut WebSettings| web.sources[0].addresses = Ranges::parse("203.0.113.0/24").unwrap();
    let house = House::with(Plan { web: Box::new(elsewhere), ..Plan::default() }).await;
    house.alert(entry("trend")).await.is_problem(403, "not_from_here");
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("WARN", "not_from_here")]).await;
    house.close().await;
}

/// An exit behind a disk that hangs is not refused: who closes it by hand sells twice.
#[actix_web::test]
async fn of_an_exit_whose_answer_was_lost_nobody_is_told_that_it_was_not_taken() {
    let hold = Arc::new(Hold::default());
    let (store, held) = held_by(&hold);
    let short = |web: &mut WebSettings| {
        (web.decision_deadline, web.lookup_deadline) = (Duration::from_millis(300), Duration::from_millis(200));
    };
    let house = House::with(Plan { store, web: Box::new(short), ..Plan::default() }).await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    hold.before_a_signal();
    let mut exit = entry("trend");
    (exit["execution_type"], exit["legs"][0]["direction"]) = (json!("EXIT"), json!("SELL"));
    house.alert(exit).await.is_problem(503, "answer_lost");
    assert!(hold.is_reached());
    drop(held);
    house.until_held("trend", 0).await;
    let words = "whether an alert of tests for SBIN-EQ was taken is not known, its orders may go yet: look at the order book before you do anything";
    house.until_alarms("ALARM_ALERT_UNKNOWN", &[("PAGE".to_owned(), words.to_owned(), 1)]).await;
    assert_eq!(house.alarms_of("ALARM_ALERT_REFUSED").await, [], "it was taken");
    house.close().await;
}

#[actix_web::test]
async fn an_exit_of_an_alert_that_is_not_valid_pages_while_its_position_is_held() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    house.settled(house.plain("buy", 10, "Long")).await;
    house.until_held("trend", 10).await;
    let exit = json!({
        "execution_type": "EXIT", "strategy_name": "trend", "exchange": "NSE",
        "legs": [{ "tradingsymbol": "SBIN-EQ", "direction": "SELL", "qty": "ten", "product_type": "MIS", "order_type": "MARKET" }],
    });
    let refused = house.alert(exit.clone()).await;
    assert_eq!(refused.order(0)["tag"], "VALIDATION_FAILED", "{:#}", refused.body);
    let paged = house.alarms_of("ALARM_EXIT_FAILED").await;
    assert_eq!(paged.len(), 1, "{paged:#?}");
    assert!(paged[0].0 == "PAGE" && paged[0].1.contains("trend is not valid, and closes nothing: "), "{paged:#?}");
    assert!(paged[0].1.ends_with("; it holds 10 of NSE:SBIN-EQ MIS"), "{paged:#?}");
    let mut other = exit;
    other["strategy_name"] = json!("nobody");
    house.alert(other).await;
    assert_eq!(house.alarms_of("ALARM_EXIT_FAILED").await.len(), 1, "nothing is held");
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

/// Three entries that add up, and two exits of a half each, all within one second.
async fn pyramid(house: &House, alerts: Vec<Value>) {
    for alert in &alerts {
        let reply = house.alert(alert.clone()).await;
        assert_eq!((&reply.body["status"], &reply.body["replayed"]), (&json!("ACCEPTED"), &json!(false)), "{:#}", reply.body);
    }
    house
        .until("the five orders have ended", || {
            let orders = house.orders();
            orders.len() == 5 && orders.iter().all(|order| order.status == Status::Executed)
        })
        .await;
    house.until_held("trend", 0).await;
    for alert in alerts {
        let again = house.alert(alert).await;
        assert_eq!(again.body["replayed"], true, "{:#}", again.body);
    }
    assert_eq!(house.orders().len(), 5);
    assert!(house.is_in_the_journal("SIGNAL_REPLAYED").await);
    let attention = house.get("/dashboard/attention").await.body.to_string();
    assert!(attention.contains("SIGNAL_REPLAYED"), "the sender never reads our answer: {attention}");
}

#[actix_web::test]
async fn a_pyramid_and_two_half_exits_within_a_second_without_keys() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    let steps = [("buy", 10, "L1"), ("buy", 10, "L2"), ("buy", 10, "L3"), ("sell", 15, "X1"), ("sell", 15, "X2")];
    pyramid(&house, steps.map(|(action, contracts, id)| house.plain(action, contracts, id)).to_vec()).await;
    house.close().await;
}

#[actix_web::test]
async fn a_pyramid_and_two_half_exits_within_a_second_with_keys() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    let steps = [("buy", 10), ("buy", 10), ("buy", 10), ("sell", 15), ("sell", 15)];
    let keyed = |(place, (action, contracts)): (usize, (&str, i64))| {
        let mut alert = house.plain(action, contracts, "same");
        alert["idempotency_key"] = json!(format!("bar-1-{place}"));
        alert
    };
    pyramid(&house, steps.into_iter().enumerate().map(keyed).collect()).await;
    house.close().await;
}

#[actix_web::test]
async fn the_fourth_entry_of_a_pyramid_of_three_is_refused() {
    let house = House::open().await;
    let mut route = shares("long");
    route["adds"] = json!(2);
    house.put_route(route).await;
    for (at, id) in ["L1", "L2", "L3"].into_iter().enumerate() {
        assert_eq!(house.settled(house.plain("buy", 10, id)).await.order(0)["status"], "EXECUTED");
        house.until_held("trend", 10 * (i64::try_from(at).unwrap() + 1)).await;
    }
    is_refused(&house.alert(house.plain("buy", 10, "L4")).await, "may add 2 times");
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
async fn a_scan_makes_one_order_of_each_share_and_day_and_no_more_than_its_route_takes() {
    let house = House::open().await;
    house
        .put_route(json!({
            "name": "scan", "strategy": "scan", "direction": "long", "product": "MIS", "order_type": "MARKET", "action": "BUY",
            "size": "5 units", "max_orders": 2, "adds": 100, "alert_strategy": "Breakouts",
        }))
        .await;
    let scan = |stocks: &str, at: &str| json!({ "stocks": stocks, "trigger_prices": "1,2,3", "triggered_at": at, "scan_name": "Breakouts", "alert_name": "a" });
    let first = house.settled(scan("SBIN", "10:30 am")).await;
    assert_eq!(first.order(0)["status"], "EXECUTED", "{:#}", first.body);
    let again = house.settled(scan("SBIN", "10:31 am")).await;
    assert_eq!(again.body["replayed"], true, "the same share and day: {:#}", again.body);
    let list = house.settled(scan("SBIN,INFY,RELIANCE", "10:32 am")).await;
    assert_eq!(list.body["orders"].as_array().unwrap().len(), 2, "{:#}", list.body);
    assert!(list.body["notes"].to_string().contains("RELIANCE: not taken, route scan takes 2"), "{:#}", list.body);
    assert!(house.is_in_the_journal("ALARM_ALERT_CAPPED").await);
    house.close().await;
}

/// The route of a scan of ChartInk's, which says no side.
fn scan_route(name: &str, action: &str) -> Value {
    json!({
        "name": name, "strategy": "scan", "direction": "long", "product": "MIS", "order_type": "MARKET", "action": action,
        "size": "5 units", "max_orders": 3, "adds": 100, "alert_strategy": name,
    })
}

fn scan(name: &str, stocks: &str, at: &str) -> Value {
    json!({ "stocks": stocks, "trigger_prices": "1,2,3", "triggered_at": at, "scan_name": name, "alert_name": "a" })
}

#[actix_web::test]
async fn an_exit_scan_that_closed_nothing_or_an_entry_scan_that_was_refused_does_not_use_its_day_up() {
    let house = House::open().await;
    house.put_route(scan_route("In", "BUY")).await;
    house.put_route(scan_route("Out", "SELL")).await;
    let nothing = house.settled(scan("Out", "SBIN", "10:05 am")).await;
    assert_eq!(nothing.order(0)["tag"], "NO_POSITION", "{:#}", nothing.body);
    house.post("/dashboard/kill", json!({ "level": 1, "reason": "a test" })).await;
    let refused = house.settled(scan("In", "SBIN", "10:30 am")).await;
    assert_eq!(refused.order(0)["tag"], "KILL_SWITCH", "{:#}", refused.body);
    house.post("/dashboard/kill", json!({ "level": 0, "reason": "a test" })).await;

    let entered = house.settled(scan("In", "SBIN", "11:00 am")).await;
    assert_eq!((&entered.body["replayed"], &entered.order(0)["status"]), (&json!(false), &json!("EXECUTED")), "{:#}", entered.body);
    house.until_held("scan", 5).await;
    assert_eq!(house.settled(scan("In", "SBIN", "11:01 am")).await.body["replayed"], true, "it was taken today");
    let left = house.settled(scan("Out", "SBIN", "2:00 pm")).await;
    assert_eq!((&left.body["replayed"], &left.order(0)["status"]), (&json!(false), &json!("EXECUTED")), "{:#}", left.body);
    house.until_held("scan", 0).await;
    house.until_ended().await;
    assert_eq!(house.settled(scan("Out", "SBIN", "2:01 pm")).await.body["replayed"], true, "nothing was opened since");

    // What is entered by another way on the same day is left by the scan too.
    house.alert(crate::support::entry("scan")).await;
    house.until_held("scan", 10).await;
    house.until_ended().await;
    let left = house.settled(scan("Out", "SBIN", "3:00 pm")).await;
    assert_eq!((&left.body["replayed"], &left.order(0)["status"]), (&json!(false), &json!("EXECUTED")), "{:#}", left.body);
    house.until_held("scan", 0).await;
    house.close().await;
}

/// Its sender hears of those that were taken, and would not send the others again: a person must hear of them.
#[actix_web::test]
async fn a_list_of_which_the_line_takes_a_part_tells_of_the_rest() {
    let house = House::with(Plan { permits: 2, ..Plan::default() }).await;
    house.put_route(scan_route("In", "BUY")).await;
    house.next_fault(CallKind::Place, Fault::Late(std::time::Duration::from_millis(500)));
    let reply = house.alert(scan("In", "SBIN,INFY,RELIANCE", "10:05 am")).await;
    assert_eq!((reply.status, reply.body["orders"].as_array().unwrap().len()), (202, 1), "{:#}", reply.body);
    let notes = reply.body["notes"].to_string();
    assert!(notes.contains("INFY: not taken, ") && notes.contains("RELIANCE: not taken, "), "{notes}");
    assert!(house.is_in_the_journal("ALARM_ALERT_CAPPED").await);
    house.until_ended().await;
    // Its permit comes back a moment after its end.
    let deadline = std::time::Instant::now() + crate::support::process::LONG;
    let rest = loop {
        let rest = house.settled(scan("In", "INFY", "10:06 am")).await;
        if rest.status != 429 || std::time::Instant::now() > deadline {
            break rest;
        }
    };
    // It is an order of its own; that one strategy may hold one share at a time is for the guard to say.
    assert_eq!((&rest.body["replayed"], &rest.order(0)["symbol"]), (&json!(false), &json!("INFY-EQ")), "{:#}", rest.body);
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

#[actix_web::test]
async fn an_alert_that_is_sent_on_with_repeat_is_meant_again() {
    let house = House::open().await;
    let mut alert = crate::support::entry("again");
    alert["repeat"] = json!(true);
    for held in [10, 20] {
        let reply = house.settled(alert.clone()).await;
        assert_eq!((&reply.body["replayed"], &reply.order(0)["status"]), (&json!(false), &json!("EXECUTED")), "{:#}", reply.body);
        house.until_held("again", held).await;
    }
    // The same words with the time they were made are one alert, whenever they come.
    let mut dated = crate::support::entry("dated");
    dated["signal_time"] = json!(house.timenow(0));
    house.settled(dated.clone()).await;
    assert_eq!(house.settled(dated).await.body["replayed"], true);
    house.close().await;
}

/// A TradingView strategy's alert: from one position to another, in shares of SBIN.
fn step(house: &House, before: i64, after: i64, order_id: &str) -> Value {
    let word = |position: i64| ["short", "flat", "long"][usize::try_from(position.signum() + 1).unwrap()];
    json!({
        "ticker": "SBIN", "exchange": "NSE", "action": if after >= before { "buy" } else { "sell" },
        "contracts": (after - before).abs().to_string(), "price": "800", "order_id": order_id,
        "market_position": word(after), "market_position_size": after.abs().to_string(),
        "prev_market_position": word(before), "prev_market_position_size": before.abs().to_string(),
        "timenow": house.timenow(0), "time": house.timenow(900), "interval": "15",
    })
}

/// Sends the alert, and waits until the strategy holds what it says.
async fn reach(house: &House, before: i64, after: i64) -> Reply {
    let reply = house.alert(step(house, before, after, "x")).await;
    assert_eq!(reply.status, 202, "{:#}", reply.body);
    house.until_held("trend", after).await;
    reply
}

fn was_missed(reply: &Reply) -> bool {
    reply.body["notes"].to_string().contains("an alert was missed")
}

#[actix_web::test]
async fn a_position_alert_is_a_target_and_a_reversal_is_one_alert_of_twice_the_size() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    assert!(!was_missed(&reach(&house, 0, 10).await));
    assert!(!was_missed(&reach(&house, 10, -10).await), "twenty are sold, ten of them to close");
    assert!(!was_missed(&reach(&house, -10, 0).await));
    house.until_ended().await;
    let again = house.alert(step(&house, 0, 0, "late exit")).await;
    assert_eq!(again.order(0)["tag"], "AT_TARGET", "0 while flat is nothing to do: {:#}", again.body);
    house.close().await;
}

#[actix_web::test]
async fn an_alert_that_was_lost_is_told_and_the_next_one_heals_it() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    reach(&house, 0, 10).await;
    // The alert from 10 to 20 is lost.
    let healed = reach(&house, 20, 30).await;
    assert!(was_missed(&healed), "{:#}", healed.body);
    assert!(house.is_in_the_journal("ALARM_ALERT_MISSED").await);
    assert!(!was_missed(&reach(&house, 30, 0).await));
    house.close().await;
}

#[actix_web::test]
async fn two_alerts_of_one_bar_in_reverse_order_with_a_restart_between_them() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    reach(&house, 0, 10).await;
    house.until_ended().await;
    // Closed, and a short opened, in one second: the second comes first.
    let (first, second) = (step(&house, 10, 0, "close"), step(&house, 0, -10, "open"));
    let told = house.alert(second).await;
    assert!(was_missed(&told), "{:#}", told.body);
    house.until_held("trend", -10).await;
    house.until_ended().await;

    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let late = house.alert(first).await;
    assert_eq!(late.order(0)["tag"], "SUPERSEDED", "{:#}", late.body);
    assert!(house.is_in_the_journal("ALARM_ALERT_LATE").await);
    let held = house.engine.read(&house.client(), |book| book.holdings().map(|(_, _, held)| held.net).sum::<i64>());
    assert_eq!(held, Some(-10), "what it wanted is the past");
    house.close().await;
}

/// A replay has no orders of its own to wait for. Were each to hold the place of its source for the time in which an order must be on
/// disk, those behind twenty of them would not be there within the patience of this test.
#[actix_web::test]
async fn replays_hold_up_nobody_behind_them() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    let alert = step(&house, 0, 10, "Long");
    house.alert(alert.clone()).await;
    house.until_held("trend", 10).await;
    house.until_ended().await;
    let replays = futures_util::future::join_all((0..20).map(|_| house.alert(alert.clone())));
    let flat = async {
        house.alert(step(&house, 10, 0, "flat")).await;
    };
    let left = house.until_held("trend", 0);
    let ((replies, ()), ()) = futures_util::future::join(futures_util::future::join(replays, flat), left).await;
    assert!(replies.iter().all(|reply| reply.body["replayed"] == true), "{replies:#?}");
    assert_eq!(house.orders().len(), 2);
    house.close().await;
}

#[actix_web::test]
async fn an_alert_with_a_wrong_clock_is_refused_and_makes_no_later_one_old() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    // Indian time under the letter of another zone: half a day's trading in the future.
    let mut wrong = step(&house, 0, 10, "x");
    wrong["timenow"] = json!(house.timenow(-19_800));
    let told = house.alert(wrong).await;
    assert_eq!(told.order(0)["tag"], "STALE_SIGNAL", "{:#}", told.body);
    reach(&house, 0, 10).await;
    reach(&house, 10, 0).await;
    house.close().await;
}

#[actix_web::test]
async fn a_resent_position_alert_is_a_replay_and_breaks_no_chain() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    let alert = step(&house, 0, 10, "Long");
    house.alert(alert.clone()).await;
    house.until_held("trend", 10).await;
    let again = house.alert(alert).await;
    assert_eq!((&again.body["replayed"], was_missed(&again)), (&json!(true), false), "{:#}", again.body);
    assert!(!house.is_in_the_journal("ALARM_ALERT_MISSED").await);
    assert_eq!(house.orders().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_pyramid_of_positions_within_a_second() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    for (before, after) in [(0, 10), (10, 20), (20, 30), (30, 15), (15, 0)] {
        let reply = reach(&house, before, after).await;
        assert!(!was_missed(&reply), "{:#}", reply.body);
    }
    house.close().await;
}

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
