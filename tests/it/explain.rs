//! An alert, explained: every gate's verdict and the exact request, and not a trace of it anywhere.

use ordergate::brokers::faulty::CallKind;
use ordergate_actors::order::Amount;
use ordergate_actors::ports::OrderMargin;
use ordergate_actors::testkit::until_found;
use rusqlite::{Connection, OpenFlags};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{House, entry, resting};

/// Every row of every table of the database, as text.
fn database(house: &House) -> String {
    let path = house.directory.path().join("orders.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tables: Vec<String> = {
        let mut names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut text = String::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<String> = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect();
            text.push_str(&format!("{table}: {}\n", cells.join(" | ")));
        }
    }
    text
}

/// What a call of the broker, a permit or a number would show.
fn traces(house: &House) -> (u64, usize, u64, u64) {
    let desk = house.engine.desk(&house.client()).unwrap();
    let placed = house.brokers[&house.client()].calls(CallKind::Place);
    let (number, seq) = house.engine.read(&house.client(), |book| (book.last_number(), book.seq())).unwrap();
    (placed, desk.admission.used(), number, seq)
}

async fn explain(house: &House, alert: Value) -> Value {
    let reply = house.post("/dashboard/explain", alert).await;
    assert_eq!(reply.status, 200, "{:#}", reply.body);
    reply.body
}

fn gate<'a>(leg: &'a Value, name: &str) -> &'a Value {
    leg["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == name).unwrap_or_else(|| panic!("no {name} in {leg:#}"))
}

/// A house that holds 10 of one strategy and has nothing under way.
async fn holding() -> House {
    let house = House::open().await;
    assert_eq!(house.alert(entry("a")).await.status, 202);
    house.until_held("a", 10).await;
    house.until("nothing is under way", || house.engine.desk(&house.client()).unwrap().admission.used() == 0).await;
    house
}

fn leg(act: &str, strategy: &str, fields: Value) -> Value {
    let mut leg = json!({ "tradingsymbol": "SBIN-EQ", "order_type": "MARKET" });
    leg.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "execution_type": act, "strategy_name": strategy, "exchange": "NSE", "product_type": "I", "legs": [leg] })
}

#[actix_web::test]
async fn an_explanation_leaves_no_trace_whatever_it_is_about() {
    let house = holding().await;
    // The engine writes the day's result by itself while prices move: such a row makes the look begin again.
    for _ in 0..10 {
        let (rows, before) = (database(&house), traces(&house));
        explain_everything(&house).await;
        if (database(&house), traces(&house)) == (rows, before) {
            return;
        }
        let seen = usize::try_from(before.3).unwrap();
        let new = house.events(Some(&house.client())).await.split_off(seen);
        assert!(!new.is_empty() && new.iter().all(|(event, _)| event == "RISK_DAY_CHANGED"), "{new:?}");
    }
    panic!("the engine wrote by itself at each of ten looks");
}

async fn explain_everything(house: &House) {
    let mut with_secret = entry("b");
    with_secret["secret_key"] = json!("whatever stands here");
    for alert in [
        entry("a"),
        with_secret,
        leg("EXIT", "a", json!({})),
        leg("ADJUST", "a", json!({ "direction": "SELL", "qty": 4 })),
        leg("TARGET", "a", json!({ "target_position": -10 })),
        leg("ENTRY", "b", json!({ "direction": "BUY", "qty": "{{qty}}" })),
    ] {
        let told = explain(house, alert).await;
        assert_eq!(told["legs"].as_array().unwrap().len(), 1, "{told:#}");
    }
    assert_eq!(house.post("/dashboard/explain", json!({ "nothing": 1 })).await.status, 400);
}

#[actix_web::test]
async fn an_entry_shows_every_gate_and_the_request_that_would_go_out() {
    let house = holding().await;
    let told = explain(&house, entry("b")).await;
    let told = &told["legs"][0];
    assert_eq!((&told["fate"], &told["terms"]["quantity"]), (&json!("WOULD_GO"), &json!(10)), "{told:#}");
    for name in ["ingress.validation", "risk.kill", "risk.max_quantity", "risk.daily_loss", "guard"] {
        assert_eq!(gate(told, name)["passed"], json!(true), "{name}");
    }
    assert!(told["value"].is_null(), "a market order has no price of its own");
    let money = &told["takes"];
    let rupees: Decimal = money["rupees"].as_str().unwrap().parse().unwrap();
    assert_eq!((rupees, &money["is_estimate"]), (Decimal::new(200_125, 2), &json!(true)), "a quarter of 10 at the ask of 800.50");
    let quote = &told["quote"];
    assert_eq!((&quote["bid"], &quote["ask"], &told["charges"]["at"]), (&json!("800"), &json!("800.5"), &json!("800.5")), "{told:#}");
    assert_eq!(told["goes_as"], told["terms"], "this broker takes market orders: nothing becomes of it");
    let request: Value = serde_json::from_str(told["request"].as_str().unwrap()).unwrap();
    // The same alert for real: what was explained is what is sent, to the byte.
    let sent = house.alert(entry("b")).await;
    house.until_held("b", 10).await;
    let command = sent.order(0)["command_id"].as_str().unwrap().to_owned();
    let record = house.get(&format!("/dashboard/orders/{command}")).await.body;
    let rows = record["journal"].as_array().unwrap();
    let row = rows.iter().find(|row| row["event"] == "SENT_TO_BROKER").unwrap();
    let real: Value = serde_json::from_str(row["inputs"]["request"].as_str().unwrap()).unwrap();
    assert_eq!(request, real);
    let names = |gates: &Value| gates.as_array().unwrap().iter().map(|gate| gate["gate"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&told["gates"])[1..], names(&row["gates"])[..], "the gates are those of the record");
}

#[actix_web::test]
async fn a_refusal_names_its_gate_and_says_nothing_of_a_request() {
    let house = holding().await;
    let cases = [
        (leg("ENTRY", "b", json!({ "direction": "BUY", "qty": 1_000_000 })), "RISK_LIMITS_EXCEEDED", "risk.max_quantity"),
        (leg("ENTRY", "b", json!({ "direction": "BUY", "qty": 0 })), "VALIDATION_FAILED", "ingress.validation"),
        (entry("a"), "EXECUTION_GUARD_BLOCKED", "guard"),
    ];
    for (alert, tag, name) in cases {
        let told = explain(&house, alert).await;
        let told = &told["legs"][0];
        assert_eq!((&told["fate"], &told["tag"], &told["request"]), (&json!("REFUSED"), &json!(tag), &Value::Null), "{told:#}");
        assert_eq!(gate(told, name)["passed"], json!(false));
    }
}

#[actix_web::test]
async fn an_exit_shows_how_much_it_would_close() {
    let house = holding().await;
    house.until("positions are read", || house.engine.desk(&house.client()).unwrap().findings.read().positions.is_some()).await;
    let closes = |told: &Value| (told["legs"][0]["terms"]["side"].clone(), told["legs"][0]["terms"]["quantity"].clone());
    let explained = async |alert: Value| {
        // Until a read of the positions is younger than the fill, an exit waits.
        let ask = async || {
            let told = explain(&house, alert.clone()).await;
            if told["legs"][0]["fate"] == json!("WOULD_WAIT") { Err(format!("{told:#}")) } else { Ok(told) }
        };
        until_found("the exit waits for nothing", ask).await
    };
    let all = explained(leg("EXIT", "a", json!({}))).await;
    assert_eq!(closes(&all), (json!("SELL"), json!(10)), "{all:#}");
    let capped = explained(leg("EXIT", "a", json!({ "qty": 25 }))).await;
    assert_eq!(closes(&capped).1, json!(10));
    assert!(capped["legs"][0]["reason"].as_str().unwrap().contains("capped to 10"), "{capped:#}");
    let part = explained(leg("TARGET", "a", json!({ "target_position": 4 }))).await;
    assert_eq!((closes(&part).1, gate(&part["legs"][0], "plan.target")["passed"].clone()), (json!(6), json!(true)));
    let there = explained(leg("TARGET", "a", json!({ "target_position": 10 }))).await;
    assert_eq!((&there["legs"][0]["fate"], &there["legs"][0]["tag"]), (&json!("NOTHING_TO_DO"), &json!("AT_TARGET")));
    let nothing = explained(leg("EXIT", "nobody", json!({}))).await;
    assert_eq!(nothing["legs"][0]["tag"], json!("NO_POSITION"));
}

#[actix_web::test]
async fn entries_of_a_basket_fall_together_unless_each_goes_by_itself() {
    let house = House::open().await;
    let mut basket = entry("b");
    basket["legs"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "tradingsymbol": "NOSUCH-EQ", "direction": "BUY", "qty": 1, "order_type": "MARKET" }));
    let told = explain(&house, basket.clone()).await;
    let fates = |told: &Value| told["legs"].as_array().unwrap().iter().map(|leg| leg["fate"].clone()).collect::<Vec<_>>();
    assert_eq!(fates(&told), [json!("REFUSED"), json!("REFUSED")]);
    basket["policy"] = json!("BEST_EFFORT");
    assert_eq!(fates(&explain(&house, basket).await), [json!("WOULD_GO"), json!("REFUSED")]);
}

#[actix_web::test]
async fn what_it_takes_is_the_brokers_figure_where_it_tells_one_and_our_estimate_otherwise() {
    let house = House::open().await;
    let broker = &house.brokers[&house.client()];
    let told = |rupees: i64| OrderMargin {
        order: Amount(Decimal::from(rupees)),
        used: Amount(Decimal::from(rupees + 7)),
        words: Some("Order Success".to_owned()),
    };
    let alert = resting("a");
    let told_first = explain(&house, alert.clone()).await["legs"][0].clone();
    let decimal = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
    assert_eq!(decimal(&told_first["value"]), decimal(&told_first["terms"]["price"]) * Decimal::from(10), "{told_first:#}");
    let estimate = told_first["takes"].clone();
    assert_eq!((&estimate["source"], &estimate["is_estimate"]), (&json!("estimate"), &json!(true)), "{estimate:#}");

    let before = traces(&house);
    broker.show_margin(told(1_234));
    let takes = until_told(&house, &alert, "1234").await;
    assert_eq!(
        (&takes["source"], &takes["is_estimate"], &takes["estimate"]),
        (&json!("broker"), &json!(false), &estimate["rupees"]),
        "{takes:#}"
    );
    assert!(takes["how"].as_str().unwrap().contains("Order Success") && takes["age_ms"].is_i64(), "{takes:#}");
    // The same order is not asked about again within the minute; after it, it is.
    broker.show_margin(told(4_321));
    assert_eq!(explain(&house, alert.clone()).await["legs"][0]["takes"]["rupees"], takes["rupees"]);
    house.clock.jump(chrono::Duration::minutes(2));
    until_told(&house, &alert, "4321").await;
    // Of several legs the broker is not asked one by one: it would know of no hedge.
    let mut basket = alert.clone();
    let mut second = basket["legs"][0].clone();
    second["tradingsymbol"] = json!("INFY-EQ");
    basket["legs"].as_array_mut().unwrap().push(second);
    let legs = explain(&house, basket).await["legs"].clone();
    assert_eq!((&legs[0]["takes"]["source"], &legs[1]["takes"]["source"]), (&json!("estimate"), &json!("estimate")), "{legs:#}");
    assert_eq!(traces(&house), before, "nothing was sent or written for it");
    house.close().await;
}

/// Asks until the broker's figure is there: the books are read before it is asked for one.
async fn until_told(house: &House, alert: &Value, rupees: &str) -> Value {
    let ask = async || {
        let takes = explain(house, alert.clone()).await["legs"][0]["takes"].clone();
        if takes["source"] == "broker" && takes["rupees"] == rupees { Ok(takes) } else { Err(format!("{takes:#}")) }
    };
    until_found("the broker's figure comes", ask).await
}
