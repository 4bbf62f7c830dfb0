//! Alarms outlive the process, are seen by a person once, and what they are about stands for as long as it is so.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::Status;
use ordergate_actors::persistence::Level;
use serde_json::{Value, json};

use crate::support::{House, Plan, entry};

async fn items(house: &House, kind: &str) -> Vec<Value> {
    let list = house.get("/dashboard/attention").await;
    list.body["items"].as_array().unwrap().iter().filter(|item| item["kind"] == kind).cloned().collect()
}

#[actix_web::test]
async fn an_alarm_stands_after_a_restart_until_a_person_has_seen_it() {
    let house = House::open().await;
    let client = house.client();
    for _ in 0..3 {
        house.engine.line().alarm(Some(&client), "ALARM_IN_DOUBT", Level::Page, None, "look at it".to_owned());
    }
    house.engine.line().alarm(None, "ALARM_SAFE_MODE", Level::Warn, None, "of the process".to_owned());
    house.until("both stand", || house.engine.line().view.process_alarms().len() == 1).await;
    let directory = house.close().await;

    let house = House::with(Plan { after: Some(directory), ..Plan::default() }).await;
    let standing = items(&house, "alarm").await;
    assert_eq!(standing.len(), 2, "{standing:#?}");
    let page = standing.iter().find(|item| item["more"]["event"] == "ALARM_IN_DOUBT").unwrap();
    assert_eq!((&page["more"]["count"], &page["more"]["level"], &page["client_id"]), (&json!(3), &json!("PAGE"), &json!("PAPER1")));
    assert!(page["age_ms"].as_i64().unwrap() > 3_000_000, "its age goes on: {page:#}");
    let path = page["actions"][0]["path"].as_str().unwrap().to_owned();

    house.send(house.request("POST", &path).bearer_auth("wrong").json(&json!({ "reason": "x" }))).await.is_problem(401, "unauthorized");
    house.post(&path, json!({})).await.is_problem(400, "bad_request");
    let seen = house.post(&path, json!({ "reason": "asked the broker" })).await;
    assert_eq!((seen.status, &seen.body["who"]), (200, &json!("asha from 127.0.0.1")), "{:#}", seen.body);
    house.post(&path, json!({ "reason": "again" })).await.is_problem(404, "no_such_alarm");
    for nobody in ["/dashboard/alarms/x/ack", "/dashboard/alarms/99999@PAPER1/ack", "/dashboard/alarms/99999/ack"] {
        house.post(nobody, json!({ "reason": "x" })).await.is_problem(404, "no_such_alarm");
    }
    house.post("/dashboard/alarms/1@NOBODY/ack", json!({ "reason": "x" })).await.is_problem(404, "no_such_account");
    let left = items(&house, "alarm").await;
    assert_eq!(left.len(), 1);
    assert!(left[0]["client_id"].is_null());
    let path = left[0]["actions"][0]["path"].as_str().unwrap().to_owned();
    assert_eq!(house.post(&path, json!({ "reason": "seen" })).await.status, 200);
    let events = house.events(Some(&client)).await;
    assert!(events.iter().any(|(event, _)| event == "ACKNOWLEDGED"), "{events:?}");
    house.close().await;
}

#[actix_web::test]
async fn an_alarm_says_when_its_cause_is_over_and_stands_until_it_is_acknowledged() {
    let house = House::open().await;
    let client = house.client();
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    let order = house.orders()[0].command_id;
    for (event, order) in [("ALARM_IN_DOUBT", Some(order)), ("ALARM_IN_DOUBT", None), ("ALARM_NO_SESSION", None), ("ALARM_NOT_FLAT", None)]
    {
        house.engine.line().alarm(Some(&client), event, Level::Page, order, format!("look: {event} {order:?}"));
    }
    house.until("they stand", || house.engine.read(&client, |book| book.alarms().count()) == Some(4)).await;
    let over =
        |alarms: &[Value]| alarms.iter().map(|item| (item["more"]["event"].clone(), item["more"]["over"].clone())).collect::<Vec<_>>();
    let words = |text: &str| json!(text);
    assert_eq!(
        over(&items(&house, "alarm").await),
        [
            (words("ALARM_IN_DOUBT"), words("the order is no longer in doubt")),
            (words("ALARM_IN_DOUBT"), json!(null)),
            (words("ALARM_NO_SESSION"), words("the broker session is proven again")),
            (words("ALARM_NOT_FLAT"), json!(null)),
        ]
    );
    house.close().await;
}

#[actix_web::test]
async fn a_position_whose_exit_failed_stands_on_the_list_also_when_its_alarm_was_seen() {
    let house = House::open().await;
    assert_eq!(house.alert(entry("a")).await.status, 202);
    house.until_held("a", 10).await;
    house.next_fault(CallKind::Place, Fault::Refuse("margin".to_owned()));
    house.post("/dashboard/positions/exit", json!({ "strategy": "a", "symbol": "SBIN-EQ" })).await;
    house.until("it failed", || house.orders().iter().any(|order| order.is_exit() && order.status == Status::Failed)).await;
    house.until("it pages", || house.engine.read(&house.client(), |book| book.alarms().count()) == Some(1)).await;
    let alarm = &items(&house, "alarm").await[0];
    let path = alarm["actions"][0]["path"].as_str().unwrap().to_owned();
    // What failed in the last seconds of a process is said once more by the next: whether it was said is not kept.
    house.clock.jump(chrono::TimeDelta::seconds(11));
    assert_eq!(house.post(&path, json!({ "reason": "seen" })).await.status, 200);
    let directory = house.close().await;

    let house = House::with(Plan { after: Some(directory), ..Plan::default() }).await;
    assert_eq!(items(&house, "alarm").await.len(), 0);
    let failed = items(&house, "exit_failed").await;
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0]["text"].as_str().unwrap().contains("margin"), "{failed:#?}");
    let action = failed[0]["actions"].as_array().unwrap().iter().find(|action| action["label"] == "exit it again").unwrap();
    let again = house.post(action["path"].as_str().unwrap(), action["body"].clone()).await;
    assert_eq!(again.status, 202, "{:#}", again.body);
    house.until_held("a", 0).await;
    assert_eq!(items(&house, "exit_failed").await.len(), 0);
    house.close().await;
}

#[actix_web::test]
async fn an_exit_that_meets_a_key_of_somebody_else_pages() {
    let house = House::open().await;
    let mut first = entry("a");
    first["idempotency_key"] = json!("mine");
    assert_eq!(house.alert(first).await.status, 202);
    house.until_held("a", 10).await;
    assert_eq!(items(&house, "alarm").await.len(), 0);
    let mut taken = entry("b");
    taken["idempotency_key"] = json!("mine");
    house.alert(taken.clone()).await.is_problem(409, "idempotency_conflict");
    let paged = |items: &[Value]| items.iter().any(|item| item["more"]["event"] == "ALARM_EXIT_CONFLICT");
    assert!(!paged(&items(&house, "alarm").await), "an entry does not page");
    taken["execution_type"] = json!("EXIT");
    taken["strategy_name"] = json!("a");
    taken["legs"][0]["direction"] = json!("SELL");
    house.alert(taken).await.is_problem(409, "idempotency_conflict");
    house
        .until("it pages", || {
            house.engine.read(&house.client(), |book| book.alarms().any(|alarm| &*alarm.event == "ALARM_EXIT_CONFLICT")) == Some(true)
        })
        .await;
    assert!(paged(&items(&house, "alarm").await));
    house.close().await;
}
