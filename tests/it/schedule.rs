//! Stored alerts: fired once, told of, and never twice over a restart.

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use ordergate::schedule::{Scheduled, Step, Told};
use ordergate::web::scheduled::look;
use ordergate_actors::order::{ClientId, Exchange, SignalId, trading_date};
use ordergate_actors::persistence::{Keep, Level, Slot, Topic, Unit};
use ordergate_actors::ports::Clock;
use serde_json::{Value, json};

use crate::support::{House, Plan};

const ALERT: &str = r#"{"execution_type":"ENTRY","strategy_name":"morning","exchange":"NSE","product_type":"MIS",
    "legs":[{"tradingsymbol":"SBIN","direction":"BUY","qty":10,"order_type":"MARKET"}]}"#;

/// The first house of a test opens at 10:00 India time, one after it at 11:00.
fn at(hour: u32, minute: u32, grace_s: u64) -> Vec<Scheduled> {
    vec![Scheduled {
        name: "morning".to_owned(),
        client_id: ClientId::parse("PAPER1").unwrap(),
        at: NaiveTime::from_hms_opt(hour, minute, 0).unwrap(),
        grace: Duration::from_secs(grace_s),
        exchange: Exchange::Nse,
        alert: ALERT.to_owned(),
    }]
}

async fn house(schedule: Vec<Scheduled>, after: Option<tempfile::TempDir>) -> House {
    House::with(Plan { web: Box::new(move |web| web.schedule = schedule), after, ..Plan::default() }).await
}

fn told(house: &House) -> Option<Told> {
    let slot = Slot::new(Topic::Schedule, "morning");
    house.engine.read(&house.client(), |book| book.kept(&slot).map(|kept| kept.read().unwrap())).unwrap()
}

/// One look of the shell, and what is told then.
async fn looked(house: &House) -> Step {
    look(&house.state, &house.state.settings.schedule[0]).await;
    told(house).unwrap().step
}

/// As a process leaves it that ended in the middle of sending.
fn leave_firing(house: &House, signal_id: SignalId) {
    let told = Told { day: trading_date(Clock::now(&*house.clock)), step: Step::Firing { signal_id } };
    let keep = Keep {
        client_id: Some(house.client()),
        slot: Slot::new(Topic::Schedule, "morning"),
        value: None,
        basis: None,
        event: "SCHEDULE_FIRES",
        level: Level::Info,
        reason: Arc::from("a test"),
        who: Arc::from("a test"),
        command_id: None,
    };
    house.engine.line().post_unit(Unit::Keep(keep.with(&told).unwrap()));
}

#[actix_web::test]
async fn a_stored_alert_fires_once_whoever_looks_and_is_told() {
    let house = house(at(10, 0, 600), None).await;
    futures_util::future::join(looked(&house), looked(&house)).await;
    let Step::Ran { outcome, .. } = looked(&house).await else { panic!("{:?}", told(&house)) };
    assert_eq!(outcome, "1 orders");
    house.until_held("morning", 10).await;
    assert_eq!(house.orders().len(), 1, "looked at by two at once, and again");
    assert_eq!((&*house.orders()[0].user, &*house.orders()[0].ask.symbol), ("schedule:morning", "SBIN-EQ"));

    let shown = house.get("/dashboard/schedule").await;
    let row = &shown.body["schedule"][0];
    assert_eq!((row["last"]["step"].as_str(), row["last"]["day"].as_str()), (Some("RAN"), Some("2026-11-20")), "{row:#}");
    assert_eq!((row["next_ist"].as_str(), row["alert"].as_str()), (Some("2026-11-21 10:00:00"), Some(ALERT)));
    house.close().await;
}

#[actix_web::test]
async fn a_start_after_the_grace_tells_that_it_did_not_run_and_sends_nothing() {
    let before = house(at(10, 30, 60), None).await;
    let house = house(at(10, 30, 60), Some(before.close().await)).await;
    let Step::DidNotRun { because } = looked(&house).await else { panic!("{:?}", told(&house)) };
    assert!(because.starts_with("ordergate did not run then: it is 18") && because.ends_with(" s late, and may be 60 s"), "{because}");
    assert!(house.orders().is_empty());
    let attention = house.get("/dashboard/attention").await;
    let items: Vec<&str> = attention.body["items"].as_array().unwrap().iter().filter_map(|item| item["text"].as_str()).collect();
    assert!(items.iter().any(|text| text.contains("the stored alert morning did not run for 2026-11-20 because")), "{items:#?}");
    house.close().await;
}

#[actix_web::test]
async fn a_start_within_the_grace_fires_late() {
    let before = house(at(10, 59, 600), None).await;
    let house = house(at(10, 59, 600), Some(before.close().await)).await;
    assert!(matches!(looked(&house).await, Step::Ran { .. }));
    house.until_held("morning", 10).await;
    house.close().await;
}

#[actix_web::test]
async fn what_was_about_to_be_sent_is_found_out_and_never_sent_twice() {
    // Nothing of it is on disk, and there is time: it is sent under the name that was written down.
    let house = house(at(10, 0, 600), None).await;
    let signal_id = SignalId(house.engine.line().ids.next());
    leave_firing(&house, signal_id);
    house.until("it is written down", || told(&house).is_some()).await;
    assert!(matches!(looked(&house).await, Step::Ran { signal_id: sent, .. } if sent == signal_id));
    house.until_held("morning", 10).await;
    assert_eq!(house.orders()[0].signal_id, signal_id);

    // Its orders are on disk: nothing more is sent, however late it is.
    leave_firing(&house, signal_id);
    house.until("it is written down", || matches!(told(&house), Some(Told { step: Step::Firing { .. }, .. }))).await;
    house.clock.jump(TimeDelta::hours(2));
    assert!(matches!(looked(&house).await, Step::Ran { .. }));
    assert_eq!(house.orders().len(), 1);

    // Nothing of it is on disk, and the time is over.
    leave_firing(&house, SignalId(house.engine.line().ids.next()));
    house.until("it is written down", || matches!(told(&house), Some(Told { step: Step::Firing { .. }, .. }))).await;
    let Step::DidNotRun { because } = looked(&house).await else { panic!("{:?}", told(&house)) };
    assert!(because.contains("nothing of it is on disk"), "{because}");
    assert_eq!(house.orders().len(), 1);
    let events: Vec<String> = house.events(Some(&house.client())).await.into_iter().map(|(event, _)| event).collect();
    assert!(events.iter().any(|event| event == "SCHEDULE_DID_NOT_RUN") && events.iter().any(|event| event == "SCHEDULE_RAN"));
    house.close().await;
}

#[actix_web::test]
async fn a_refusal_is_told_as_what_became_of_it() {
    let house = house(at(10, 0, 600), None).await;
    house.post("/dashboard/kill", json!({ "level": 1, "reason": "a test" })).await;
    let Step::Ran { outcome, .. } = looked(&house).await else { panic!("{:?}", told(&house)) };
    assert!(outcome.starts_with("1 orders, of which 1 refused: "), "{outcome}");
    let shown: Value = house.get("/dashboard/schedule").await.body;
    assert_eq!(shown["schedule"][0]["last"]["outcome"], outcome);
    house.close().await;
}

/// For an exit that was not sent a position may be open.
#[actix_web::test]
async fn a_stored_exit_that_did_not_run_pages() {
    let flat = || {
        let alert = r#"{"execution_type":"EXIT","strategy_name":"morning","exchange":"NSE","legs":[{"tradingsymbol":"SBIN","order_type":"MARKET"}]}"#;
        at(10, 30, 60).into_iter().map(|scheduled| Scheduled { alert: alert.to_owned(), ..scheduled }).collect::<Vec<_>>()
    };
    let before = house(flat(), None).await;
    let house = house(flat(), Some(before.close().await)).await;
    assert!(matches!(looked(&house).await, Step::DidNotRun { .. }));
    let paged = house
        .engine
        .read(&house.client(), |book| book.alarms().any(|alarm| &*alarm.event == "SCHEDULE_DID_NOT_RUN" && alarm.level == Level::Page));
    assert_eq!(paged, Some(true));
    house.close().await;
}
