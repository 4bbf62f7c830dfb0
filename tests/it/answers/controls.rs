//! What stops and loosens: levels, the freeze, limits, halts and alarms.

use std::sync::Arc;

use ordergate_actors::order::{Strategy, trading_date};
use ordergate_actors::persistence::{ControlChange, HaltCause, Keep, KillLevel, Level, Slot, Topic, Unit};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::Halt;
use serde_json::{Value, json};

use super::house::{done, reads, until};
use crate::support::{House, entry};

/// Levels, limits, halts and alarms.
pub(super) async fn controls(house: &House) {
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

    let clear = json!({ "strategy": "cleared", "symbol": "SBIN-EQ", "quantity": 10, "reason": "a drill" });
    let cleared = house.post("/dashboard/guard/force-clear", clear).await;
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
    // What was force-cleared is at the broker still, and nobody's here.
    done(&kill(json!({ "level": 3, "foreign": true })).await);
    done(&kill(json!({ "level": 0 })).await);
    let over = ControlChange::HaltDay(trading_date(house.clock.now()), KillLevel::StopEntries, HaltCause::Loss);
    house.engine.control(&house.client(), over, "RiskActor", "the day's loss").await.unwrap();
    // The look that finds the halt writes down what it was for.
    until(house, "/dashboard/risk", |found| found["accounts"][0]["day"]["hit"].is_object()).await;
    until(house, "/dashboard/overview", |found| found["accounts"][0]["halt_of_the_day"].is_object()).await;
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
