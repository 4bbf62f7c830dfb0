//! The dashboard API over real HTTP: every shape, every refusal.

use std::sync::Arc;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{OrderType, Price, Product, Quantity, Side, Status, Terms, Validity};
use ordergate_actors::ports::BookRow;
use serde_json::{Value, json};

use crate::support::{House, Plan, Reply, entry, quote, resting};

fn order(strategy: &str) -> Value {
    json!({ "strategy": strategy, "execution_type": "ENTRY", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "BUY", "quantity": 10,
        "product": "MIS", "order_type": "LIMIT", "price": 790.50 })
}

fn market(strategy: &str, symbol: &str) -> Value {
    json!({ "strategy_name": strategy, "execution_type": "ENTRY", "exchange": "NSE", "tradingsymbol": symbol, "direction": "BUY", "qty": "10",
        "product_type": "I", "order_type": "MKT" })
}

fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is missing in {value:#}");
    }
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
async fn kill_and_freeze() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let killed = house.post("/dashboard/kill", json!({ "level": 1, "reason": "drill" })).await;
    assert_eq!((killed.status, killed.body["accounts"].as_array().unwrap().len()), (200, 2), "{:#}", killed.body);
    assert!(killed.body["accounts"].as_array().unwrap().iter().all(|account| account["level"] == 1));
    let mut blocked = order("k");
    blocked["client_id"] = json!("PAPER1");
    assert_eq!(house.post("/dashboard/intent/generic", blocked.clone()).await.order(0)["tag"], "KILL_SWITCH");
    let waiting = house.get("/dashboard/attention").await;
    assert_eq!(waiting.body["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "kill_level").count(), 2);
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 0, "reason": "over" })).await;
    let mut filling = market("k", "SBIN-EQ");
    filling["client_id"] = json!("PAPER1");
    assert_eq!(house.post("/dashboard/intent/generic", filling).await.body["status"], "ACCEPTED");
    house.until_held("k", 10).await;
    let strategy = house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "strategy": "k", "level": 1, "reason": "drill" })).await;
    assert_eq!(strategy.body["accounts"][0]["strategies"]["k"], 1, "{:#}", strategy.body);
    let overview = house.get("/dashboard/overview").await;
    let stop = &overview.body["accounts"][0]["strategies_stopped"]["k"];
    assert_eq!((&stop["level"], &stop["who"], &stop["reason"]), (&json!(1), &json!("asha from 127.0.0.1"), &json!("drill")), "{stop:#}");
    let attention = house.get("/dashboard/attention").await;
    let says = |item: &Value| item["text"] == "kill level 1 is set for k, by asha from 127.0.0.1: drill";
    let item = attention.body["items"].as_array().unwrap().iter().find(|item| says(item)).unwrap_or_else(|| panic!("{:#}", attention.body));
    // Raised while the person reads: what was not shown is not lifted.
    let again = &item["actions"][0];
    assert_eq!((&again["body"]["from"], &again["body"]["level"]), (&json!(1), &json!(0)), "{again:#}");
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "strategy": "k", "level": 2, "reason": "worse" })).await;
    let lifted = house.post(again["path"].as_str().unwrap(), again["body"].clone()).await;
    assert_eq!(lifted.status, 409, "{:#}", lifted.body);
    let back = json!({ "client_id": "PAPER1", "strategy": "k", "from": 2, "level": 1, "reason": "as it was" });
    assert_eq!(house.post("/dashboard/kill", back).await.status, 200);
    let audit = house.get("/dashboard/audit?client_id=PAPER1").await;
    let is_kill = |row: &&Value| row["what"] == "kill level 1 or more for strategy k";
    let row = audit.body["rows"].as_array().unwrap().iter().find(is_kill).unwrap();
    assert_eq!((&row["event"], &row["who"], &row["reason"]), (&json!("CONTROL"), &json!("asha from 127.0.0.1"), &json!("drill")));
    // A name that nobody has stops nobody, and says so: neither level is left behind.
    for level in [0, 1, 3] {
        let wrong =
            house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "strategy": "kk", "level": level, "reason": "drill" })).await;
        wrong.is_problem(404, "no_such_strategy");
        assert!(wrong.body["detail"].as_str().unwrap().contains("\"kk\"") && wrong.body["strategies"] == json!(["k"]), "{:#}", wrong.body);
    }
    // A stop takes no higher one down; from there it goes by naming what is taken down, or by arming again.
    let kill = async |body: Value| house.post("/dashboard/kill", body).await;
    for strategy in [json!(null), json!("k")] {
        let of = |level: u8| json!({ "client_id": "PAPER1", "strategy": strategy, "level": level, "reason": "drill" });
        let from =
            |from: u8, level: u8| json!({ "client_id": "PAPER1", "strategy": strategy, "level": level, "from": from, "reason": "drill" });
        let stands = |answer: &Reply| match strategy.as_str() {
            Some(name) => answer.body["accounts"][0]["strategies"][name].as_u64().unwrap_or(0),
            None => answer.body["accounts"][0]["level"].as_u64().unwrap(),
        };
        assert_eq!(stands(&kill(of(2)).await), 2);
        let lower = kill(of(1)).await;
        assert_eq!((lower.status, stands(&lower)), (200, 2), "{:#}", lower.body);
        assert!(lower.body["done"].as_str().unwrap().ends_with("level 2 stood already, and stays"), "{:#}", lower.body);
        // Whatever was looked at before, a stop counts.
        let stop = kill(from(0, 1)).await;
        assert_eq!((stop.status, stands(&stop)), (200, 2), "{:#}", stop.body);
        let other = kill(from(1, 0)).await;
        other.is_problem(409, "changed_meanwhile");
        assert_eq!(stands(&other), 2, "{:#}", other.body);
        assert_eq!(stands(&kill(from(2, 1)).await), 1);
        assert_eq!(stands(&kill(from(1, 0)).await), 0);
    }
    kill(json!({ "client_id": "PAPER1", "strategy": "k", "level": 1, "reason": "drill" })).await;
    let of = |client_id: &str| json!({ "client_id": client_id, "strategy": "k", "level": 1, "reason": "drill" });
    house.post("/dashboard/kill", of("PAPER2")).await.is_problem(404, "no_such_strategy");
    assert_eq!(house.post("/dashboard/kill", json!({ "strategy": "k", "level": 1, "reason": "drill" })).await.status, 200, "one has it");
    let risk = house.get("/dashboard/risk?client_id=PAPER1").await;
    assert_eq!(risk.body["accounts"][0]["strategies"], json!(["k"]));
    let overview = house.get("/dashboard/overview").await;
    assert_eq!(overview.body["accounts"][0]["strategies_stopped"].as_object().unwrap().len(), 1, "{:#}", overview.body);
    house.post("/dashboard/kill", json!({ "client_id": "NOBODY", "level": 1, "reason": "x" })).await.is_problem(404, "no_such_account");

    let freeze = |open: Value| {
        house.post("/dashboard/freeze", json!({ "client_id": "PAPER1", "frozen": true, "open_positions": open, "reason": "drill" }))
    };
    let wrong = freeze(json!(7)).await;
    wrong.is_problem(409, "wrong_number");
    assert_eq!(wrong.body["open_positions"], 1);
    freeze(Value::Null).await.is_problem(409, "wrong_number");
    let frozen = freeze(json!(1)).await;
    assert_eq!((frozen.status, &frozen.body["freeze"]["who"]), (200, &json!("asha from 127.0.0.1")), "{:#}", frozen.body);
    // A kill beside it, by another word, leaves the freeze its own.
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 1, "reason": "news" })).await;
    let overview = house.get("/dashboard/overview?client_id=PAPER1").await;
    let account = &overview.body["accounts"][0];
    let said = [&account["is_frozen"], &account["freeze"]["reason"], &account["freeze"]["since"], &account["kill_reason"]];
    assert_eq!(said, [&json!(true), &json!("drill"), &frozen.body["freeze"]["since"], &json!("news")], "{account:#}");
    let attention = house.get("/dashboard/attention?client_id=PAPER1").await;
    let texts: Vec<&str> = attention.body["items"].as_array().unwrap().iter().filter_map(|item| item["text"].as_str()).collect();
    for words in ["exits are frozen, by asha from 127.0.0.1: drill", "kill level 1 is set, by asha from 127.0.0.1: news"] {
        assert!(texts.contains(&words), "{texts:#?}");
    }
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 0, "reason": "over" })).await;
    house
        .until("the freeze pages", || {
            house.engine.read(&house.client(), |book| book.alarms().any(|alarm| &*alarm.event == "ALARM_EXITS_FROZEN")) == Some(true)
        })
        .await;
    let thaw = house.post("/dashboard/freeze", json!({ "client_id": "PAPER1", "frozen": false, "reason": "over" })).await;
    assert_eq!((thaw.status, &thaw.body["applied"], &thaw.body["freeze"]), (200, &json!(true), &Value::Null));

    house.close().await;
}

/// What the broker still has is not taken out of the record by a call that says no number: it would have no owner and no stop.
#[actix_web::test]
async fn force_clear_takes_out_what_is_gone_and_leaves_what_is_there() {
    let house = House::open().await;
    house.alert(entry("k")).await;
    house.until_held("k", 10).await;
    let shown = || {
        let desk = house.engine.line().desks().next().unwrap();
        desk.findings.read().positions.as_ref().is_some_and(|positions| positions.rows().iter().any(|row| row.net == 10))
    };
    house.until("the broker shows them", shown).await;
    let clear = |more: Value| {
        let mut body = json!({ "client_id": "PAPER1", "strategy": "k", "reason": "closed by phone" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/dashboard/guard/force-clear", body)
    };
    clear(json!({})).await.is_problem(400, "bad_request");
    clear(json!({ "symbol": "SBIN-EQ", "all": true })).await.is_problem(400, "bad_request");
    clear(json!({ "all": true, "quantity": 1 })).await.is_problem(400, "bad_request");
    assert_eq!(clear(json!({ "symbol": "INFY-EQ" })).await.body["cleared"], 0);
    assert_eq!(clear(json!({ "symbol": "SBIN-EQ", "product": "CNC" })).await.body["cleared"], 0, "another product of it");
    let there = clear(json!({ "symbol": "SBIN-EQ" })).await;
    there.is_problem(409, "still_at_broker");
    assert_eq!((&there.body["at_broker"], &there.body["held"]), (&json!(10), &json!(10)), "{:#}", there.body);
    clear(json!({ "symbol": "SBIN-EQ", "quantity": 11 })).await.is_problem(400, "too_much");
    assert_eq!(clear(json!({ "symbol": "SBIN-EQ", "product": "MIS", "quantity": 4 })).await.body["cleared"], 1);
    house.until_held("k", 6).await;
    assert_eq!(clear(json!({ "all": true })).await.body["cleared"], 1);
    house.until_held("k", 0).await;
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
