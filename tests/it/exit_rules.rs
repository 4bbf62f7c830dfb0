//! A position that leaves by itself, over real HTTP: what people set, change and switch off, and what the market does then.

use ordergate::simulator::market::Level;
use ordergate_actors::exits::ExitRule;
use ordergate_actors::order::{Exchange, InstrumentKey, Price};
use ordergate_actors::persistence::{Book, Topic};
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use crate::support::{House, KEY, entry, quote};

/// The bid of SBIN-EQ shows so many units only.
pub(crate) fn thin(house: &House, bid: &str, ask: &str, units: i64) {
    let price = |text| Price::parse(text).unwrap();
    let level = |price, quantity| vec![Level { price, quantity }];
    let key = InstrumentKey::new(Exchange::Nse, "SBIN-EQ");
    house.market.set_depth(&key, level(price(bid), units), level(price(ask), 1_000), price(bid));
}

pub(crate) fn guarded(strategy: &str) -> Value {
    let mut alert = entry(strategy);
    let leg = &mut alert["legs"][0];
    leg["stop_loss"] = json!("10 points");
    leg["target"] = json!("5%");
    leg["trailing_type"] = json!("ABSOLUTE");
    leg["trailing_value"] = json!(6);
    alert
}

async fn rule(house: &House) -> Value {
    house.get("/dashboard/exit-rules").await.body["accounts"][0]["rules"][0].clone()
}

pub(crate) async fn until_rule(house: &House, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async || {
        let rule = rule(house).await;
        if is_so(&rule) { Ok(rule) } else { Err(format!("{rule:#}")) }
    };
    until_found(what, look).await
}

/// "After 30 minutes" counts from the first fill, whoever moves the stop meanwhile.
#[actix_web::test]
async fn a_person_who_changes_a_rule_begins_no_time_exit_anew() {
    let house = House::open().await;
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    let mut alert = guarded("trend");
    alert["legs"][0]["exit_at"] = json!("30 minutes");
    house.alert(alert).await;
    house.until_held("trend", 10).await;
    until_rule(&house, "the rule stands", |rule| rule["stop"]["price"] == "850.5").await;
    let kept = || {
        let rule = |book: &Book| book.kept_of(Topic::ExitRule).find_map(|(_, kept)| kept.read::<ExitRule>().ok());
        house.engine.read(&house.client(), rule).flatten().unwrap()
    };
    let before = kept();
    let body = json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": "845", "exit_at": "30 minutes" });
    let changed = house.post("/dashboard/exit-rules", body).await;
    assert_eq!(changed.status, 200, "{:#}", changed.body);
    let after = kept();
    assert!(after.set_at > before.set_at && after.stop != before.stop);
    assert_eq!((after.held_since, after.order), (before.held_since, before.order));
    house.close().await;
}

#[actix_web::test]
async fn a_person_sets_changes_and_switches_off() {
    let house = House::open().await;
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    let set = async |body: Value| house.post("/dashboard/exit-rules", body).await;
    let of_sbin = |field: &str, value: &str| json!({ "strategy": "trend", "symbol": "SBIN-EQ", field: value });

    set(json!({ "strategy": "trend", "symbol": "INFY-EQ", "stop_loss": "850" })).await.is_problem(404, "no_position");
    set(json!({ "strategy": "trend", "symbol": "SBIN-EQ" })).await.is_problem(400, "bad_exit_rule");
    set(of_sbin("stop_loss", "850.01")).await.is_problem(400, "bad_exit_rule");
    set(of_sbin("trailing_step", "850")).await.is_problem(400, "bad_exit_rule");
    for step in ["2 points", "0.2%"] {
        let trail = json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": "850", "trailing_type": "POINTS", "trailing_value": "5",
                            "trailing_step": step });
        let overtakes = set(trail).await;
        overtakes.is_problem(400, "bad_exit_rule");
        assert!(overtakes.body["detail"].as_str().unwrap().contains("overtake it"), "{:#}", overtakes.body);
    }
    let at_once = set(of_sbin("stop_loss", "865")).await;
    at_once.is_problem(400, "bad_exit_rule");
    assert!(at_once.body["detail"].as_str().unwrap().contains("would fire at once"));

    let stands = set(json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": "1%", "exit_at": "15:10", "reason": "sleep" })).await;
    assert_eq!((stands.status, &stands.body["rule"]["stop"]["price"]), (200, &json!("851.9")), "{:#}", stands.body);
    let changed = set(of_sbin("stop_loss", "845")).await;
    assert_eq!(
        (changed.status, &changed.body["rule"]["stop"]["price"], &changed.body["rule"]["set_by"]),
        (200, &json!("845"), &json!("asha from 127.0.0.1"))
    );
    assert_eq!(rule(&house).await["stop"]["price"], "845");
    house.alert(entry("beside")).await;
    house.until_held("beside", 10).await;
    assert_eq!(set(json!({ "strategy": "beside", "symbol": "SBIN-EQ", "stop_loss": "845" })).await.status, 200);

    let off = house.send(house.request("DELETE", "/dashboard/exit-rules?strategy=trend&symbol=SBIN-EQ").bearer_auth(KEY)).await;
    assert_eq!((off.status, &off.body["rule"]["is_on"]), (200, &json!(false)), "{:#}", off.body);
    quote(&house.market, "SBIN-EQ", "840.00", "840.50");
    house.until_held("beside", 0).await;
    let left: Vec<_> = house.orders().into_iter().filter(|order| order.is_exit()).map(|order| order.ask.strategy.to_string()).collect();
    assert_eq!(left, ["beside"], "off is off, where one that is on has fired");
    let missing = house.send(house.request("DELETE", "/dashboard/exit-rules?strategy=trend").bearer_auth(KEY)).await;
    missing.is_problem(404, "no_exit_rule");

    let together = set(json!({ "strategy": "trend", "combined_target": "5000" })).await;
    assert_eq!(together.status, 200, "{:#}", together.body);
    assert_eq!(house.get("/dashboard/exit-rules").await.body["accounts"][0]["combined"][0]["target"], "5000");
    house.close().await;
}

/// The limit of a target that has fired rests where it was: another target is refused while it does, and says which order it is.
#[actix_web::test]
async fn a_target_that_has_fired_is_not_changed_beside_its_resting_limit() {
    let house = House::open().await;
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    house.alert(guarded("trend")).await;
    house.until_held("trend", 10).await;
    until_rule(&house, "the rule stands", |rule| rule["stop"]["price"] == "850.5").await;
    // At 903.55, of which nobody buys more than four.
    thin(&house, "903.55", "904.00", 4);
    house.until_held("trend", 6).await;
    quote(&house.market, "SBIN-EQ", "902.00", "902.50");
    let set = async |target: &str, stop: &str| {
        let body = json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": stop, "target": target });
        house.post("/dashboard/exit-rules", body).await
    };
    let resting = house.orders().into_iter().find(|order| order.is_exit()).unwrap();
    let refused = set("920", "890").await;
    refused.is_problem(409, "already_firing");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(&resting.command_id.to_string()) && detail.contains("903.55"), "{detail}");
    let moved = set("903.55", "890").await;
    assert_eq!((moved.status, &moved.body["rule"]["stop"]["price"]), (200, &json!("890")), "{:#}", moved.body);
    let off = house.send(house.request("DELETE", "/dashboard/exit-rules?strategy=trend&symbol=SBIN-EQ").bearer_auth(KEY)).await;
    assert!(off.body["note"].as_str().unwrap().contains("no other follows it"), "{:#}", off.body);
    house.close().await;
}

#[actix_web::test]
async fn a_stop_at_the_broker_is_shown_where_it_lives_moved_by_a_person_and_cancelled_when_switched_off() {
    let house = House::open().await;
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    let mut alert = entry("trend");
    alert["legs"][0]["stop_at"] = json!("broker");
    let refused = house.alert(alert.clone()).await;
    assert!(refused.order(0)["reason"].as_str().unwrap().contains("stop_at: says where a stop lives"), "{:#}", refused.body);
    alert["legs"][0]["stop_loss"] = json!("10 points");
    let told = house.post("/dashboard/explain", alert.clone()).await;
    assert_eq!(told.body["legs"][0]["stop_lives"], "broker", "{:#}", told.body);
    let reply = house.alert(alert).await;
    assert!(reply.order(0)["notes"][0].as_str().unwrap().starts_with("stop_loss rests at the broker"), "{:#}", reply.body);
    house.until_held("trend", 10).await;
    let rests = until_rule(&house, "it rests at the broker", |rule| rule["lives"] == "broker").await;
    let resting = &rests["resting"];
    assert_eq!((&rests["stop_at"], &resting["trigger"], &resting["covers"]), (&json!("broker"), &json!("850.5"), &json!(10)), "{rests:#}");
    assert!(rests["lives_because"].is_null() && resting["broker_order_id"].is_string());

    let set = json!({ "strategy": "trend", "symbol": "SBIN-EQ", "stop_loss": "845", "stop_at": "broker" });
    assert_eq!(house.post("/dashboard/exit-rules", set).await.status, 200);
    until_rule(&house, "the order was moved", |rule| rule["resting"]["trigger"] == "845" && rule["lives_because"].is_null()).await;
    let stops = || house.orders().into_iter().filter(|order| order.source.as_str() == "STOP").collect::<Vec<_>>();
    assert_eq!((stops().len(), stops()[0].modifications), (1, 1), "the same order");

    let off = house.send(house.request("DELETE", "/dashboard/exit-rules?strategy=trend&symbol=SBIN-EQ").bearer_auth(KEY)).await;
    assert!(off.body["note"].as_str().unwrap().contains("acts until that is proven"), "{:#}", off.body);
    let gone = until_rule(&house, "its end is proven", |rule| rule["lives"] == "engine" && rule["resting"].is_null()).await;
    assert_eq!(gone["lives_because"], "the rule is switched off");
    assert_eq!(stops()[0].tag.map(|tag| tag.as_str()), Some("REPLACED"));
    house.close().await;
}

#[actix_web::test]
async fn an_exit_beyond_its_cost_cap_waits_on_the_attention_list_for_the_word_to_go_on() {
    let house = House::open().await;
    let found = stopped_at_its_cap(&house).await;
    let action = found["actions"].as_array().unwrap().iter().find(|action| action["label"] == "go on").unwrap().clone();
    assert_eq!(action["path"], "/dashboard/exit-rules/go-on");
    let stranger = json!({ "command_id": "00000000-0000-0000-0000-000000000001", "reason": "no" });
    house.post("/dashboard/exit-rules/go-on", stranger).await.is_problem(404, "not_on_the_ladder");
    // As it is offered: in a hurry nobody has a reason to write.
    let answer = house.post("/dashboard/exit-rules/go-on", action["body"].clone()).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    house.until_held("trend", 0).await;
    house.until_ended().await;
    assert!(not_flat(&house).await.is_none());
    let journal = house.events(Some(&house.client())).await;
    assert!(journal.iter().any(|(event, text)| event == "EXIT_GO_ON" && text.contains("by asha from 127.0.0.1\")")), "{journal:?}");
    house.close().await;
}

async fn not_flat(house: &House) -> Option<Value> {
    let attention = house.get("/dashboard/attention").await;
    attention.body["items"].as_array().unwrap().iter().find(|item| item["kind"] == "not_flat").cloned()
}

/// An exit of `trend` that its cost cap has stopped, 7 of 10 left; as it stands on the list.
pub(crate) async fn stopped_at_its_cap(house: &House) -> Value {
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    house.alert(guarded("trend")).await;
    house.until_held("trend", 10).await;
    until_rule(house, "the rule stands", |rule| !rule.is_null()).await;
    thin(house, "849.50", "850.00", 3);
    house.until_held("trend", 7).await;
    quote(&house.market, "SBIN-EQ", "830.00", "830.50");
    until_found("it is on the list", async || not_flat(house).await.ok_or("")).await
}
