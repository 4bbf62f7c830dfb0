//! What stops trading and what gives it back, over real HTTP: levels of the kill, the freeze of the exits, what is forgotten by hand.

use std::time::Duration;

use ordergate_actors::Waits;
use serde_json::{Value, json};

use crate::support::{House, Plan, Reply, entry};

/// An entry of `k` that fills at once.
fn filling() -> Value {
    json!({ "client_id": "PAPER1", "strategy_name": "k", "execution_type": "ENTRY", "exchange": "NSE", "tradingsymbol": "SBIN-EQ",
        "direction": "BUY", "qty": "10", "product_type": "I", "order_type": "MKT" })
}

/// Two accounts; in the first a strategy `k` holds ten of SBIN.
async fn held() -> House {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    assert_eq!(house.post("/dashboard/intent/generic", filling()).await.body["status"], "ACCEPTED");
    house.until_held("k", 10).await;
    house
}

/// A level of `k` in the first account, or with `more` of something else.
async fn kill(house: &House, level: u8, more: Value) -> Reply {
    let mut body = json!({ "client_id": "PAPER1", "strategy": "k", "level": level, "reason": "drill" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.post("/dashboard/kill", body).await
}

#[actix_web::test]
async fn a_kill_of_all_accounts_blocks_entries_in_each_until_it_is_lifted_there() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let killed = house.post("/dashboard/kill", json!({ "level": 1, "reason": "drill" })).await;
    assert_eq!((killed.status, killed.body["accounts"].as_array().unwrap().len()), (200, 2), "{:#}", killed.body);
    assert!(killed.body["accounts"].as_array().unwrap().iter().all(|account| account["level"] == 1));
    assert_eq!(house.post("/dashboard/intent/generic", filling()).await.order(0)["tag"], "KILL_SWITCH");
    let waiting = house.get("/dashboard/attention").await;
    assert_eq!(waiting.body["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "kill_level").count(), 2);
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 0, "reason": "over" })).await;
    assert_eq!(house.post("/dashboard/intent/generic", filling()).await.body["status"], "ACCEPTED");
    house.until_held("k", 10).await;
    house.post("/dashboard/kill", json!({ "client_id": "NOBODY", "level": 1, "reason": "x" })).await.is_problem(404, "no_such_account");
    house.close().await;
}

#[actix_web::test]
async fn a_strategy_that_is_stopped_says_by_whom_and_the_attention_list_lifts_only_what_it_showed() {
    let house = held().await;
    let strategy = kill(&house, 1, json!({})).await;
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
    kill(&house, 2, json!({ "reason": "worse" })).await;
    let lifted = house.post(again["path"].as_str().unwrap(), again["body"].clone()).await;
    assert_eq!(lifted.status, 409, "{:#}", lifted.body);
    assert_eq!(kill(&house, 1, json!({ "from": 2, "reason": "as it was" })).await.status, 200);
    let audit = house.get("/dashboard/audit?client_id=PAPER1").await;
    let is_kill = |row: &&Value| row["what"] == "kill level 1 or more for strategy k";
    let row = audit.body["rows"].as_array().unwrap().iter().find(is_kill).unwrap();
    assert_eq!((&row["event"], &row["who"], &row["reason"]), (&json!("CONTROL"), &json!("asha from 127.0.0.1"), &json!("drill")));
    house.close().await;
}

/// Neither level is left behind.
#[actix_web::test]
async fn a_name_that_nobody_has_stops_nobody_and_is_told_with_those_that_there_are() {
    let house = held().await;
    for level in [0, 1, 3] {
        let wrong = kill(&house, level, json!({ "strategy": "kk" })).await;
        wrong.is_problem(404, "no_such_strategy");
        assert!(wrong.body["detail"].as_str().unwrap().contains("\"kk\"") && wrong.body["strategies"] == json!(["k"]), "{:#}", wrong.body);
    }
    kill(&house, 1, json!({ "client_id": "PAPER2" })).await.is_problem(404, "no_such_strategy");
    let of_any = json!({ "strategy": "k", "level": 1, "reason": "drill" });
    assert_eq!(house.post("/dashboard/kill", of_any).await.status, 200, "one has it");
    let risk = house.get("/dashboard/risk?client_id=PAPER1").await;
    assert_eq!(risk.body["accounts"][0]["strategies"], json!(["k"]));
    let overview = house.get("/dashboard/overview").await;
    assert_eq!(overview.body["accounts"][0]["strategies_stopped"].as_object().unwrap().len(), 1, "{:#}", overview.body);
    house.close().await;
}

/// From there it goes by naming what is taken down, or by arming again.
#[actix_web::test]
async fn a_stop_takes_no_higher_one_down() {
    let house = held().await;
    for strategy in [json!(null), json!("k")] {
        let of = async |level: u8| kill(&house, level, json!({ "strategy": strategy })).await;
        let from = async |from: u8, level: u8| kill(&house, level, json!({ "strategy": strategy, "from": from })).await;
        let stands = |answer: &Reply| match strategy.as_str() {
            Some(name) => answer.body["accounts"][0]["strategies"][name].as_u64().unwrap_or(0),
            None => answer.body["accounts"][0]["level"].as_u64().unwrap(),
        };
        assert_eq!(stands(&of(2).await), 2);
        let lower = of(1).await;
        assert_eq!((lower.status, stands(&lower)), (200, 2), "{:#}", lower.body);
        assert!(lower.body["done"].as_str().unwrap().ends_with("level 2 stood already, and stays"), "{:#}", lower.body);
        // Whatever was looked at before, a stop counts.
        let stop = from(0, 1).await;
        assert_eq!((stop.status, stands(&stop)), (200, 2), "{:#}", stop.body);
        let other = from(1, 0).await;
        other.is_problem(409, "changed_meanwhile");
        assert_eq!(stands(&other), 2, "{:#}", other.body);
        assert_eq!(stands(&from(2, 1).await), 1);
        assert_eq!(stands(&from(1, 0).await), 0);
    }
    house.close().await;
}

async fn freeze(house: &House, open: Value) -> Reply {
    house.post("/dashboard/freeze", json!({ "client_id": "PAPER1", "frozen": true, "open_positions": open, "reason": "drill" })).await
}

#[actix_web::test]
async fn a_freeze_needs_the_number_of_open_positions_pages_and_is_lifted_without_it() {
    let house = held().await;
    let wrong = freeze(&house, json!(7)).await;
    wrong.is_problem(409, "wrong_number");
    assert_eq!(wrong.body["open_positions"], 1);
    freeze(&house, Value::Null).await.is_problem(409, "wrong_number");
    let frozen = freeze(&house, json!(1)).await;
    assert_eq!((frozen.status, &frozen.body["freeze"]["who"]), (200, &json!("asha from 127.0.0.1")), "{:#}", frozen.body);
    let is_open = || house.engine.read(&house.client(), |book| book.alarms().any(|alarm| &*alarm.event == "ALARM_EXITS_FROZEN"));
    house.until("the freeze pages", || is_open() == Some(true)).await;
    let thaw = house.post("/dashboard/freeze", json!({ "client_id": "PAPER1", "frozen": false, "reason": "over" })).await;
    assert_eq!((thaw.status, &thaw.body["applied"], &thaw.body["freeze"]), (200, &json!(true), &Value::Null));
    house.close().await;
}

#[actix_web::test]
async fn a_kill_beside_a_freeze_leaves_the_freeze_its_own_words() {
    let house = held().await;
    let frozen = freeze(&house, json!(1)).await;
    kill(&house, 1, json!({ "strategy": null, "reason": "news" })).await;
    let overview = house.get("/dashboard/overview?client_id=PAPER1").await;
    let account = &overview.body["accounts"][0];
    let said = [&account["is_frozen"], &account["freeze"]["reason"], &account["freeze"]["since"], &account["kill_reason"]];
    assert_eq!(said, [&json!(true), &json!("drill"), &frozen.body["freeze"]["since"], &json!("news")], "{account:#}");
    let attention = house.get("/dashboard/attention?client_id=PAPER1").await;
    let texts: Vec<&str> = attention.body["items"].as_array().unwrap().iter().filter_map(|item| item["text"].as_str()).collect();
    for words in ["exits are frozen, by asha from 127.0.0.1: drill", "kill level 1 is set, by asha from 127.0.0.1: news"] {
        assert!(texts.contains(&words), "{texts:#?}");
    }
    house.close().await;
}

/// What the broker still has is not taken out of the record by a call that says no number: it would have no owner and no stop.
#[actix_web::test]
async fn a_force_clear_takes_out_what_is_gone_and_leaves_what_is_there() {
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

/// Holdings are read seldom, and those of the day before say nothing of today: until both books are of one day nobody knows what is
/// there, and a call without a number takes nothing out.
#[actix_web::test]
async fn a_force_clear_without_a_number_is_refused_while_what_the_broker_has_is_not_known() {
    // So seldom that no read of the holdings falls into the test.
    let account = |settings: &mut ordergate_actors::AccountSettings| settings.waits = Waits::standard(Duration::from_millis(500));
    let house = House::with(Plan { account: Box::new(account), ..Plan::default() }).await;
    let mut shares = entry("k");
    shares["product_type"] = json!("CNC");
    house.alert(shares).await;
    house.until_held("k", 10).await;
    let desk = house.engine.line().desks().next().unwrap();
    house.until("the books are read", || desk.findings.read().positions.is_some() && desk.findings.read().holdings.is_some()).await;
    desk.findings.write().holdings = None;
    let clear = |more: Value| {
        let mut body = json!({ "strategy": "k", "symbol": "SBIN-EQ", "product": "CNC", "reason": "sold by phone" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/dashboard/guard/force-clear", body)
    };
    let unknown = clear(json!({})).await;
    unknown.is_problem(409, "positions_unknown");
    assert_eq!(unknown.body["held"], 10);
    assert!(unknown.body["remedy"].as_str().unwrap().contains("send quantity"), "{:#}", unknown.body);
    house.until_held("k", 10).await;
    assert_eq!(clear(json!({ "quantity": 10 })).await.body["cleared"], 1, "a person has said the number");
    house.until_held("k", 0).await;
    house.close().await;
}
