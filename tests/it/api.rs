//! The dashboard API over real HTTP: every shape, every refusal.

use std::sync::Arc;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{OrderType, Price, Product, Quantity, Side, Status, Terms, Validity};
use ordergate_actors::ports::BookRow;
use serde_json::{Value, json};

use crate::support::{House, Plan, entry, has, quote, resting};

fn order(strategy: &str) -> Value {
    json!({ "strategy": strategy, "execution_type": "ENTRY", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "BUY", "quantity": 10,
        "product": "MIS", "order_type": "LIMIT", "price": 790.50 })
}

fn market(strategy: &str, symbol: &str) -> Value {
    json!({ "strategy_name": strategy, "execution_type": "ENTRY", "exchange": "NSE", "tradingsymbol": symbol, "direction": "BUY", "qty": "10",
        "product_type": "I", "order_type": "MKT" })
}

#[actix_web::test]
async fn an_order_by_hand_its_record_and_the_order_book() {
    let house = House::open().await;
    let taken = house.post("/dashboard/intent/generic", order("hand")).await;
    assert_eq!((taken.status, &taken.body["status"]), (202, &json!("ACCEPTED")), "{:#}", taken.body);
    let row = taken.order(0);
    assert_eq!((&row["source"], &row["user"], &row["price"]), (&json!("DASHBOARD"), &json!("asha"), &json!("790.5")));
    house
        .until("the broker shows it", || {
            house.engine.line().desks().next().unwrap().findings.read().orders.as_ref().is_some_and(|orders| !orders.rows.is_empty())
        })
        .await;

    let detail = house.get(row["status_url"].as_str().unwrap()).await;
    assert_eq!(detail.status, 200);
    has(&detail.body, &["order", "fills", "journal", "gates", "next_actions", "words", "remedy", "as_of"]);
    assert_eq!(detail.body["words"], "working at the broker");
    let gates = detail.body["gates"].as_array().unwrap();
    assert!(gates.len() > 5, "{gates:#?}");
    for gate in gates {
        has(gate, &["gate", "input", "limit", "verdict", "at"]);
    }
    let events: Vec<&str> = detail.body["journal"].as_array().unwrap().iter().filter_map(|row| row["event"].as_str()).collect();
    assert!(events.contains(&"SENT_TO_BROKER") && events.contains(&"BROKER_CONFIRMED"), "{events:?}");
    let actions: Vec<&str> = detail.body["next_actions"].as_array().unwrap().iter().filter_map(|act| act["label"].as_str()).collect();
    assert_eq!(actions, ["cancel", "change"]);

    let book = house.get("/dashboard/orderbook?limit=5").await;
    has(&book.body, &["system_orders", "broker_orders", "as_of"]);
    assert_eq!(book.body["system_orders"].as_array().unwrap().len(), 1);
    let broker = &book.body["broker_orders"][0];
    has(broker, &["broker_order_id", "age_ms", "state", "quantity"]);
    assert_eq!(broker["foreign"], false);

    for bad in ["limit=0", "limit=5000", "limit=x", "nonsense=1"] {
        assert_eq!(house.get(&format!("/dashboard/orderbook?{bad}")).await.status, 400, "{bad}");
    }
    house.get("/dashboard/orderbook?client_id=NOBODY").await.is_problem(404, "no_such_account");
    house.get("/dashboard/orders/not-an-id").await.is_problem(404, "no_such_order");
    house.get("/dashboard/orders/00000000-0000-0000-0000-000000000009").await.is_problem(404, "no_such_order");
    house.close().await;
}

#[actix_web::test]
async fn the_order_book_turns_its_pages_without_gaps() {
    let house = House::open().await;
    for number in 0..7 {
        house.post("/dashboard/intent/generic", order(&format!("s{number}"))).await;
    }
    let (mut seen, mut next) = (Vec::new(), Value::Null);
    loop {
        let path = next
            .as_u64()
            .map_or_else(|| "/dashboard/orderbook?limit=3".to_owned(), |at| format!("/dashboard/orderbook?limit=3&before={at}"));
        let page = house.get(&path).await;
        seen.extend(page.body["system_orders"].as_array().unwrap().iter().filter_map(|row| row["number"].as_u64()));
        next = page.body["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    house.close().await;
}

#[actix_web::test]
async fn bodies_are_strict_and_say_what_is_wrong() {
    let house = House::open().await;
    for (path, body) in [
        ("/dashboard/intent/generic", json!({ "symbole": "SBIN-EQ" })),
        ("/dashboard/intent/generic", json!({ "quantity": {} })),
        ("/dashboard/intent/basket", json!({})),
        ("/dashboard/intent/strategy", json!({ "strategy": "a", "action": "DANCE" })),
        ("/dashboard/kill", json!({ "level": 1 })),
        ("/dashboard/kill", json!({ "level": 1, "reason": "  " })),
        ("/dashboard/kill", json!({ "level": 4, "reason": "x" })),
        ("/dashboard/freeze", json!({ "frozen": true, "reason": "x" })),
        ("/dashboard/guard/force-clear", json!({ "strategy": "a" })),
        ("/dashboard/positions/exit", json!({ "symbol": "SBIN-EQ", "quantity": 0 })),
        ("/dashboard/positions/exit-all", json!({ "everything": true })),
    ] {
        let reply = house.post(path, body.clone()).await;
        reply.is_problem(400, "bad_request");
        assert!(reply.body["detail"].as_str().unwrap().len() > 10, "{path} {body}");
    }
    house.post("/dashboard/intent/basket", json!({ "orders": [] })).await.is_problem(400, "no_orders");
    let many = json!({ "orders": vec![order("a"); 101] });
    let wide = |web: &mut ordergate::web::WebSettings| web.body_limit = 1024 * 1024;
    house.close().await;
    let house = House::with(Plan { web: Box::new(wide), ..Plan::default() }).await;
    house.post("/dashboard/intent/basket", many).await.is_problem(400, "too_many_legs");
    house.post("/dashboard/intent/strategy", json!({ "strategy": "a", "action": "ENTRY" })).await.is_problem(400, "no_orders");
    let force = json!({ "strategy": "a", "action": "FORCE_EXIT", "orders": [order("a")] });
    house.post("/dashboard/intent/strategy", force).await.is_problem(400, "orders_not_wanted");
    let contradiction = json!({ "strategy": "b", "action": "ENTRY", "orders": [order("a")] });
    house.post("/dashboard/intent/strategy", contradiction).await.is_problem(400, "contradiction");
    house.close().await;
}

#[actix_web::test]
async fn a_strategy_enters_by_name_and_force_exits_everything() {
    let house = House::open().await;
    let mut leg = market("trend", "SBIN-EQ");
    leg.as_object_mut().unwrap().remove("execution_type");
    let entered = house.post("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "ENTRY", "orders": [leg] })).await;
    assert_eq!((&entered.body["status"], &entered.order(0)["source"]), (&json!("ACCEPTED"), &json!("STRATEGY")), "{:#}", entered.body);
    house.until_held("trend", 10).await;

    let positions = house.get("/dashboard/positions").await;
    let account = &positions.body["accounts"][0];
    assert_eq!(account["prices"], "SYNTHETIC");
    let row = &account["positions"][0];
    assert_eq!((&row["symbol"], &row["ours"]), (&json!("SBIN-EQ"), &json!(10)));
    assert_eq!(row["strategies"][0]["strategy"], "trend");
    assert_eq!(row["quote"]["source"], "SYNTHETIC");
    has(row, &["broker", "difference", "realised", "unrealised"]);

    let exit = house.post("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "FORCE_EXIT" })).await;
    assert_eq!((exit.status, &exit.body["status"]), (202, &json!("ACCEPTED")), "{:#}", exit.body);
    house.until_held("trend", 0).await;
    let nothing = house.post("/dashboard/intent/strategy", json!({ "strategy": "trend", "action": "FORCE_EXIT" })).await;
    assert_eq!((nothing.status, &nothing.body["status"]), (200, &json!("NO_POSITION")));
    house.close().await;
}

#[actix_web::test]
async fn positions_are_exited_by_symbol_in_part_and_altogether() {
    let house = House::open().await;
    let basket = json!({ "orders": [market("a", "SBIN-EQ"), market("a", "INFY-EQ")] });
    assert_eq!(house.post("/dashboard/intent/basket", basket).await.body["status"], "ACCEPTED");
    house.post("/dashboard/intent/generic", market("b", "SBIN-EQ")).await;
    house.until_held("a", 20).await;
    house.until_held("b", 10).await;

    let part = json!({ "symbol": "SBIN-EQ", "quantity": 4 });
    house.post("/dashboard/positions/exit", part).await.is_problem(400, "ambiguous");
    let part = house.post("/dashboard/positions/exit", json!({ "strategy": "a", "symbol": "SBIN-EQ", "quantity": 4 })).await;
    assert_eq!(part.status, 202, "{:#}", part.body);
    house.until_held("a", 16).await;
    let none = house.post("/dashboard/positions/exit", json!({ "symbol": "RELIANCE-EQ" })).await;
    assert_eq!((none.status, &none.body["status"], &none.body["orders"]), (200, &json!("NO_POSITION"), &json!([])));
    // A name that nobody has is no strategy that holds nothing.
    for (path, body) in [
        ("/dashboard/positions/exit", json!({ "strategy": "bb", "symbol": "SBIN-EQ" })),
        ("/dashboard/positions/exit-all", json!({ "strategy": "bb" })),
        ("/dashboard/guard/force-clear", json!({ "strategy": "bb", "symbol": "SBIN-EQ", "reason": "drill" })),
    ] {
        let wrong = house.post(path, body).await;
        wrong.is_problem(404, "no_such_strategy");
        assert_eq!(wrong.body["strategies"], json!(["a", "b"]), "{path}: {:#}", wrong.body);
    }
    let all = house.post("/dashboard/positions/exit-all", json!({})).await;
    assert_eq!(all.body["orders"].as_array().unwrap().len(), 3, "{:#}", all.body);
    house.until_held("a", 0).await;
    house.until_held("b", 0).await;
    house.close().await;
}

#[actix_web::test]
async fn an_order_is_changed_and_cancelled() {
    let house = House::open().await;
    let taken = house.post("/dashboard/intent/generic", order("c")).await;
    let url = taken.order(0)["status_url"].as_str().unwrap().to_owned();
    house.until("it works", || house.orders()[0].broker_order_id.is_some()).await;
    house.post(&format!("{url}/modify"), json!({})).await.is_problem(400, "nothing_to_change");
    house.post(&format!("{url}/modify"), json!({ "price": "abc" })).await.is_problem(400, "bad_request");
    house.post(&format!("{url}/modify"), json!({ "trigger_price": 700 })).await.is_problem(409, "change_refused");
    let changed = house.post(&format!("{url}/modify"), json!({ "quantity": 20, "price": "791.00" })).await;
    assert_eq!(changed.status, 202, "{:#}", changed.body);
    house.until("it is changed", || house.orders()[0].quantity() == 20).await;

    house.post(&format!("{url}/resubmit"), json!({})).await.is_problem(409, "not_failed");
    house.post(&format!("{url}/resolve"), json!({ "absent": true, "reason": "I looked" })).await.is_problem(409, "not_in_doubt");
    let cancelled = house.post(&format!("{url}/cancel"), json!({ "reason": "changed my mind" })).await;
    assert_eq!((cancelled.status, cancelled.body["done"].is_string()), (200, true));
    house.until_status(0, Status::Failed).await;
    assert_eq!(house.orders()[0].tag.map(|tag| tag.as_str()), Some("CANCELLED_BY_USER"));
    house.post(&format!("{url}/cancel"), json!({})).await.is_problem(409, "not_cancellable");
    let missing = house.post("/dashboard/orders/00000000-0000-0000-0000-000000000009/cancel", json!({})).await;
    missing.is_problem(404, "no_such_order");
    house.close().await;
}

#[actix_web::test]
async fn what_somebody_changed_at_the_broker_stands_on_the_orders_own_page() {
    let house = House::open().await;
    let placed = house.post("/dashboard/intent/generic", order("a")).await;
    let url = placed.order(0)["status_url"].as_str().unwrap().to_owned();
    house.until("it works", || house.orders()[0].broker_order_id.is_some()).await;
    let id = house.orders()[0].broker_order_id.clone().unwrap();
    let broker = house.brokers[&house.client()].inner();
    let terms = broker.exchange().order(&id).unwrap().terms.clone();
    let terms = Terms { price: Some(Price::parse("788.05").unwrap()), ..terms };
    broker.modify_foreign(&id, &terms).unwrap().unwrap();
    house.until("it is believed", || house.orders()[0].by_hand.is_some()).await;
    let detail = house.get(&url).await;
    let (shown, journal) = (&detail.body["order"], detail.body["journal"].as_array().unwrap());
    let row = journal.iter().find(|row| row["event"] == "TERMS_CHANGED_BY_HAND").unwrap();
    assert_eq!((&shown["price"], &shown["status"]), (&json!("788.05"), &json!("SENT_TO_BROKER")));
    // The journal has microseconds.
    let to_the_microsecond = |at: &Value| at.as_str().unwrap()[.."2026-11-20T04:30:05.188088".len()].to_owned();
    assert_eq!(to_the_microsecond(&shown["changed_by_hand_at"]), to_the_microsecond(&row["at"]));
    assert_eq!((&row["inputs"]["was"]["price"], &row["inputs"]["now"]["price"]), (&json!("790.5"), &json!("788.05")));
    assert_eq!(row["reason"], "changed at the broker by hand: LIMIT 790.5 became LIMIT 788.05");
    let attention = house.get("/dashboard/attention").await.body.to_string();
    assert!(attention.contains("ALARM_TERMS_CHANGED") && attention.contains("LIMIT 790.5 became LIMIT 788.05"), "{attention}");
    house.close().await;
}

#[actix_web::test]
async fn a_doubt_waits_for_a_person_who_resolves_it_and_sends_again() {
    let house = House::open().await;
    house.next_fault(CallKind::Place, Fault::LoseRequest("gone".into()));
    let taken = house.post("/dashboard/intent/generic", order("d")).await;
    let url = taken.order(0)["status_url"].as_str().unwrap().to_owned();
    house.until("it is in doubt", || house.orders()[0].is_in_doubt()).await;

    let waiting = house.get("/dashboard/attention").await;
    let item = waiting.body["items"].as_array().unwrap().iter().find(|item| item["kind"] == "order_in_doubt").unwrap();
    has(item, &["client_id", "text", "age_ms", "command_id", "actions"]);
    assert!(item["actions"].as_array().unwrap().iter().any(|act| act["path"] == format!("{url}/resolve")), "{item:#}");
    let report = house.get("/dashboard/diagnostics/intent-verification").await;
    assert_eq!(report.body["data_quality"]["missing_broker_id_count"], 1);

    house.post(&format!("{url}/resolve"), json!({ "absent": true })).await.is_problem(400, "bad_request");
    house.post(&format!("{url}/resolve"), json!({ "reason": "I looked" })).await.is_problem(400, "which_verdict");
    for both in
        [json!({ "absent": true, "traded": true, "reason": "I looked" }), json!({ "absent": true, "price": "1", "reason": "I looked" })]
    {
        house.post(&format!("{url}/resolve"), both).await.is_problem(400, "which_verdict");
    }
    let untold = house.post(&format!("{url}/resolve"), json!({ "traded": true, "reason": "I looked" })).await;
    untold.is_problem(409, "not_in_doubt");
    let number = "26112099999901";
    let other = BookRow { side: Side::Sell, quantity: 75, ..ordergate_actors::testkit::book_row(number) };
    house.brokers[&house.client()].show_foreign(other);
    let desk = Arc::clone(house.engine.desk(&house.client()).unwrap());
    house.until("it is read", || !desk.findings.read().foreign.is_empty()).await;
    let wrong = house.post(&format!("{url}/resolve"), json!({ "broker_order_id": number, "reason": "I looked" })).await;
    wrong.is_problem(409, "not_that_order");
    assert!(house.orders()[0].is_in_doubt());
    let resolved = house.post(&format!("{url}/resolve"), json!({ "absent": true, "reason": "I looked" })).await;
    assert_eq!((resolved.status, &resolved.body["order"]["tag"]), (200, &json!("NOT_AT_BROKER")), "{:#}", resolved.body);

    let again = house.post(&format!("{url}/resubmit"), json!({ "changes": { "price": "790.00" } })).await;
    assert_eq!((again.status, &again.order(0)["parent_command_id"]), (202, &taken.order(0)["command_id"]), "{:#}", again.body);
    assert_eq!(again.order(0)["price"], "790");
    let twice = house.post(&format!("{url}/resubmit"), json!({ "changes": { "price": "790.00" } })).await;
    assert_eq!((&twice.body["replayed"], house.orders().len()), (&json!(true), 2));
    house.post(&format!("{url}/resubmit"), json!({})).await.is_problem(409, "idempotency_conflict");
    house.close().await;
}

#[actix_web::test]
async fn a_foreign_order_is_shown_and_marked() {
    let house = House::open().await;
    let instrument = house
        .engine
        .line()
        .instruments
        .find(&ordergate_actors::order::InstrumentKey::new(ordergate_actors::order::Exchange::Nse, "SBIN-EQ"))
        .unwrap();
    let terms = Terms {
        side: Side::Buy,
        quantity: Quantity::new(1).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Some(Price::parse("790").unwrap()),
        trigger_price: None,
    };
    let foreign = NewOrder { instrument: instrument.key.clone(), terms, tag: None };
    house.brokers[&house.client()].inner().place_foreign(&foreign).unwrap().unwrap();
    house.until("it is seen", || !house.engine.line().desks().next().unwrap().findings.read().foreign.is_empty()).await;
    let book = house.get("/dashboard/orderbook").await;
    assert_eq!(book.body["broker_orders"][0]["foreign"], true);
    let waiting = house.get("/dashboard/attention").await;
    assert!(waiting.body["items"].as_array().unwrap().iter().any(|item| item["kind"] == "foreign_order"), "{:#}", waiting.body);
    house.close().await;
}

#[actix_web::test]
async fn diagnostics_have_the_seeds_shapes() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.alert(resting("b")).await;
    let mut bad = entry("c");
    bad["legs"][0]["qty"] = json!(0);
    bad["execution_type"] = json!("");
    house.alert(bad).await;
    house.until_held("a", 10).await;
    let orders = house.get("/dashboard/diagnostics/orders").await.body;
    assert_eq!(orders["summary"]["total_orders"], 3);
    assert_eq!(
        (&orders["summary"]["status_breakdown"]["FAILED"], &orders["summary"]["source_breakdown"]["WEBHOOK"]),
        (&json!(1), &json!(3))
    );
    for (list, count) in [("failed_orders", 1), ("pending_orders", 1), ("executed_orders", 1)] {
        assert_eq!(orders[list]["count"], count, "{list}");
        has(&orders[list]["details"][0], &["command_id", "status", "symbol"]);
    }
    let intents = house.get("/dashboard/diagnostics/intent-verification").await.body;
    assert_eq!((&intents["intent_pipeline"]["total_intents"], &intents["intent_pipeline"]["sent_to_broker"]), (&json!(3), &json!(2)));
    assert_eq!(intents["intent_pipeline"]["by_execution_type"], json!({ "ENTRY": 2, "MISSING": 1 }));
    assert_eq!(intents["data_quality"]["incomplete_orders"][0]["issues"], json!(["missing_execution_type"]));
    assert_eq!(intents["recent_activity"].as_array().unwrap().len(), 3);
    house.close().await;
}

#[actix_web::test]
async fn health_tells_why_not() {
    let house = House::open().await;
    quote(&house.market, "SBIN-EQ", "801.00", "801.50");
    let live = house.send(house.request("GET", "/health/live")).await;
    assert_eq!((live.status, &live.body["status"]), (200, &json!("LIVE")));
    house.until("positions were read", || house.engine.line().desks().next().unwrap().findings.read().positions.is_some()).await;
    let ready = house.send(house.request("GET", "/health/ready")).await;
    assert_eq!((ready.status, &ready.body["why_not"]), (200, &json!([])), "{:#}", ready.body);
    assert_eq!(ready.body["entries_refused"], json!([]));
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 1, "reason": "drill" })).await;
    let stopped = house.send(house.request("GET", "/health/ready")).await;
    // Whoever starts processes anew by it does not do so because a person has stopped the entries.
    assert_eq!((stopped.status, &stopped.body["entries_refused"]), (200, &json!(["accounts[0].kill_level"])), "{:#}", stopped.body);
    has(&ready.body["accounts"][0], &["phase", "session", "positions_age_ms", "orders_age_ms"]);
    house.state.journal_open.store(false, std::sync::atomic::Ordering::Release);
    let not = house.send(house.request("GET", "/health/ready")).await;
    assert_eq!((not.status, &not.body["why_not"]), (503, &json!(["journal_closed"])));
    let metrics = house.get("/metrics").await;
    assert_eq!((metrics.status, metrics.body), (200, json!("ordergate_up 1\n")));
    house.close().await;
}
