//! The session calendar in the whole engine: entries outside the session are refused, exits wait. The clock is the test's.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::calendar::Told;
use ordergate_actors::AccountSettings;
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{Status, Tag};
use ordergate_actors::ports::Clock;
use serde_json::json;

use crate::support::{House, Plan, entry, quote};

/// The built-in calendar, and who is held to it.
fn plan(enforce: Enforce) -> Plan {
    let settings = ordergate::config::Calendar { enforce, directory: None };
    let calendar: Arc<Calendar> = Arc::new(ordergate::calendar::load(&settings).unwrap());
    Plan { calendar, ..Plan::default() }
}

/// Moves the wall clock; the market's quotes and the broker's books are of the new time soon after.
async fn at(house: &House, time: &str) {
    let time: DateTime<Utc> = time.parse().unwrap();
    house.clock.jump(time - house.clock.now());
    quote(&house.market, "SBIN-EQ", "800.00", "800.50");
    let is_fresh = || {
        let desk = house.engine.desk(&house.client()).unwrap();
        desk.findings.read().positions.as_ref().is_some_and(|positions| positions.at >= time)
    };
    house.until("the books are of the new time", is_fresh).await;
}

#[actix_web::test]
async fn out_of_session_an_entry_is_refused_and_an_exit_waits_for_the_next_opening() {
    // Friday 20 November 2026, 09:30 in India.
    let house = House::with(plan(Enforce::Always)).await;
    assert_eq!(house.alert(entry("a")).await.status, 202);
    house.until_held("a", 10).await;

    // 15:16: nobody knows whether SBIN has derivatives, so its continuous trading has ended.
    at(&house, "2026-11-20T09:46:00Z").await;
    let refused = house.alert(entry("b")).await;
    let order = refused.order(0);
    assert_eq!((&order["status"], &order["tag"]), (&json!("FAILED"), &json!("MARKET_CLOSED")), "{:#}", refused.body);
    let reason = order["reason"].as_str().unwrap();
    assert!(reason.contains("risk.calendar: closing auction (reference price, no orders) until Fri 20 Nov 2026 15:20 IST"), "{reason}");

    // 16:30: the exit waits, and a person is paged.
    at(&house, "2026-11-20T11:00:00Z").await;
    house.post("/dashboard/positions/exit", json!({ "strategy": "a", "symbol": "SBIN-EQ" })).await;
    house.until("the exit is there", || house.orders().iter().any(|order| order.is_exit())).await;
    at(&house, "2026-11-20T11:00:30Z").await;
    house.until("it pages", || house.engine.read(&house.client(), |book| book.alarms().count() > 0) == Some(true)).await;
    let exit = house.orders().into_iter().find(|order| order.is_exit()).unwrap();
    assert_eq!(exit.status, Status::Created, "{exit:?}");

    // Monday 09:14, the pre-open, then 09:15.
    at(&house, "2026-11-23T03:44:00Z").await;
    assert_eq!(house.orders().iter().find(|order| order.is_exit()).unwrap().status, Status::Created);
    at(&house, "2026-11-23T03:45:00Z").await;
    house.until_held("a", 0).await;
    assert_eq!(house.alert(entry("b")).await.status, 202);
    house.until_held("b", 10).await;
    house.close().await;
}

/// Whoever asks for an after-market order is told that nobody read it, and out of session nothing is sent: not now, and not when
/// the market opens.
#[actix_web::test]
async fn an_alert_after_the_market_never_becomes_an_order_of_tomorrow() {
    let house = House::with(plan(Enforce::Always)).await;
    let mut alert = entry("late");
    (alert["amo"], alert["variety"], alert["legs"][0]["amo"]) = (json!("Yes"), json!("AMO"), json!("Yes"));
    // 16:30 on Friday.
    at(&house, "2026-11-20T11:00:00Z").await;
    let refused = house.alert(alert.clone()).await;
    assert_eq!((&refused.order(0)["status"], &refused.order(0)["tag"]), (&json!("FAILED"), &json!("MARKET_CLOSED")), "{:#}", refused.body);
    assert!(refused.body["notes"].to_string().contains("not known and ignored: amo, variety, legs[0].amo"), "{:#}", refused.body);
    at(&house, "2026-11-23T03:46:00Z").await;
    assert_eq!(house.brokers[&house.client()].reached().len(), 0, "the next session has begun, and nothing went");

    // In the session it is an order like any other: its request has no word of it.
    alert["strategy_name"] = json!("now");
    assert_eq!(house.alert(alert).await.status, 202);
    house.until_held("now", 10).await;
    let command = house.orders().last().unwrap().command_id;
    let detail = house.get(&format!("/dashboard/orders/{command}")).await;
    let sent = detail.body["journal"].as_array().unwrap().iter().find(|row| row["event"] == "SENT_TO_BROKER").unwrap();
    let request = sent["inputs"]["request"].as_str().unwrap().to_ascii_lowercase();
    assert!(request.contains("sbin-eq") && !request.contains("amo"), "{request}");
    house.close().await;
}

#[actix_web::test]
async fn an_entry_that_waited_for_its_turn_beyond_the_close_is_not_sent() {
    // The slot stays with the first for longer than the second takes to be judged, however busy the machine is.
    let account = |settings: &mut AccountSettings| settings.waits.slot_deadline = std::time::Duration::from_secs(8);
    let house = House::with(Plan { account: Box::new(account), ..plan(Enforce::Always) }).await;
    // 15:14:50, ten seconds before the end. The first order's call hangs, and the second waits behind it.
    at(&house, "2026-11-20T09:44:50Z").await;
    house.next_fault(CallKind::Place, Fault::Hang);
    house.alert(entry("a")).await;
    assert_eq!(house.alert(entry("b")).await.status, 202, "it is judged in time");
    house.clock.jump(TimeDelta::seconds(20));
    let late = || house.orders()[1].clone();
    house.until("it has ended", || late().status.is_terminal()).await;
    assert_eq!((late().status, late().tag), (Status::Failed, Some(Tag::MarketClosed)), "{:?}", late());
    assert!(late().reason.as_deref().is_some_and(|reason| reason.contains("nothing was sent")), "{:?}", late());
    assert_eq!(house.brokers[&house.client()].reached().len(), 0);
    house.close().await;
}

#[actix_web::test]
async fn by_default_the_paper_market_is_open_at_midnight_and_in_a_year_without_a_calendar() {
    let house = House::with(plan(Enforce::Live)).await;
    at(&house, "2031-06-01T18:45:00Z").await;
    assert_eq!(house.alert(entry("a")).await.status, 202);
    house.until_held("a", 10).await;
    let ready = house.send(house.request("GET", "/health/ready")).await;
    assert_eq!((ready.status, &ready.body["calendar"]), (200, &json!([])), "{:#}", ready.body);
    house.close().await;
}

#[actix_web::test]
async fn a_day_without_a_calendar_is_not_ready_and_takes_no_entry() {
    let house = House::with(plan(Enforce::Always)).await;
    at(&house, "2026-12-10T06:00:00Z").await;
    let ready = house.send(house.request("GET", "/health/ready")).await;
    assert_eq!((ready.status, ready.body["calendar"].as_array().unwrap().len()), (200, 1), "a warning: {:#}", ready.body);

    at(&house, "2028-02-29T06:00:00Z").await;
    let ready = house.send(house.request("GET", "/health/ready")).await;
    assert_eq!((ready.status, &ready.body["why_not"]), (503, &json!(["calendar_missing"])), "{:#}", ready.body);
    let refused = house.alert(entry("a")).await;
    assert_eq!(refused.order(0)["tag"], "MARKET_CLOSED", "{:#}", refused.body);
    house.close().await;
}

/// An engine that runs since November says in December that the list of the next year is missing, and pages on the first day without one.
#[actix_web::test]
async fn an_engine_that_has_run_for_weeks_says_what_the_calendar_lacks_on_the_day_it_begins_to() {
    let house = House::with(plan(Enforce::Always)).await;
    let mut told = Told::default();
    let at = |day: &str| {
        let time: DateTime<Utc> = day.parse().unwrap();
        house.clock.jump(time - house.clock.now());
    };
    let count = async |told: &mut Told, text: &str| {
        told.look(house.engine.line());
        told.look(house.engine.line());
        let rows = house.events(None).await;
        rows.iter().filter(|(event, row)| event == "ALARM_CALENDAR" && text.split('…').all(|part| row.contains(part))).count()
    };
    assert_eq!(count(&mut told, "").await, 0);
    for day in ["2026-12-01T04:00:00Z", "2026-12-02T04:00:00Z", "2026-12-31T18:00:00Z"] {
        at(day);
        assert_eq!(count(&mut told, "the list of 2027 is missing…WARN").await, 1, "{day}");
    }
    at("2026-12-31T18:31:00Z");
    assert_eq!(count(&mut told, "on 2027-01-01: entries there are refused…PAGE").await, 1);
    house.close().await;
}
