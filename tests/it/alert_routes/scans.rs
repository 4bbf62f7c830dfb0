//! Alerts of scanners: a list of shares, each of them once a day.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use crate::support::{House, Plan};

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
    house.next_fault(CallKind::Place, Fault::Late(std::time::Duration::from_secs(5)));
    let reply = house.alert(scan("In", "SBIN,INFY,RELIANCE", "10:05 am")).await;
    assert_eq!((reply.status, reply.body["orders"].as_array().unwrap().len()), (202, 1), "{:#}", reply.body);
    let notes = reply.body["notes"].to_string();
    assert!(notes.contains("INFY: not taken, ") && notes.contains("RELIANCE: not taken, "), "{notes}");
    assert!(house.is_in_the_journal("ALARM_ALERT_CAPPED").await);
    house.until_ended().await;
    // Its permit comes back a moment after its end.
    let send = async || {
        let rest = house.settled(scan("In", "INFY", "10:06 am")).await;
        if rest.status == 429 { Err(format!("{:#}", rest.body)) } else { Ok(rest) }
    };
    let rest = until_found("there is a permit", send).await;
    // It is an order of its own; that one strategy may hold one share at a time is for the guard to say.
    assert_eq!((&rest.body["replayed"], &rest.order(0)["symbol"]), (&json!(false), &json!("INFY-EQ")), "{:#}", rest.body);
    house.close().await;
}
