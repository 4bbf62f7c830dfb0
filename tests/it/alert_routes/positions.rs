//! Alerts that say what a strategy holds before and after them: a chain in which a lost one is seen.

use serde_json::{Value, json};

use super::shares;
use crate::support::{House, Plan, Reply};

/// A TradingView strategy's alert: from one position to another, in shares of SBIN.
fn step(house: &House, before: i64, after: i64, order_id: &str) -> Value {
    let word = |position: i64| ["short", "flat", "long"][usize::try_from(position.signum() + 1).unwrap()];
    json!({
        "ticker": "SBIN", "exchange": "NSE", "action": if after >= before { "buy" } else { "sell" },
        "contracts": (after - before).abs().to_string(), "price": "800", "order_id": order_id,
        "market_position": word(after), "market_position_size": after.abs().to_string(),
        "prev_market_position": word(before), "prev_market_position_size": before.abs().to_string(),
        "timenow": house.timenow(0), "time": house.timenow(900), "interval": "15",
    })
}

/// Sends the alert, and waits until the strategy holds what it says.
async fn reach(house: &House, before: i64, after: i64) -> Reply {
    let reply = house.alert(step(house, before, after, "x")).await;
    assert_eq!(reply.status, 202, "{:#}", reply.body);
    house.until_held("trend", after).await;
    reply
}

fn was_missed(reply: &Reply) -> bool {
    reply.body["notes"].to_string().contains("an alert was missed")
}

#[actix_web::test]
async fn a_position_alert_is_a_target_and_a_reversal_is_one_alert_of_twice_the_size() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    assert!(!was_missed(&reach(&house, 0, 10).await));
    assert!(!was_missed(&reach(&house, 10, -10).await), "twenty are sold, ten of them to close");
    assert!(!was_missed(&reach(&house, -10, 0).await));
    house.until_ended().await;
    let again = house.alert(step(&house, 0, 0, "late exit")).await;
    assert_eq!(again.order(0)["tag"], "AT_TARGET", "0 while flat is nothing to do: {:#}", again.body);
    house.close().await;
}

#[actix_web::test]
async fn an_alert_that_was_lost_is_told_and_the_next_one_heals_it() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    reach(&house, 0, 10).await;
    // The alert from 10 to 20 is lost.
    let healed = reach(&house, 20, 30).await;
    assert!(was_missed(&healed), "{:#}", healed.body);
    assert!(house.is_in_the_journal("ALARM_ALERT_MISSED").await);
    assert!(!was_missed(&reach(&house, 30, 0).await));
    house.close().await;
}

#[actix_web::test]
async fn two_alerts_of_one_bar_in_reverse_order_with_a_restart_between_them() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    reach(&house, 0, 10).await;
    house.until_ended().await;
    // Closed, and a short opened, in one second: the second comes first.
    let (first, second) = (step(&house, 10, 0, "close"), step(&house, 0, -10, "open"));
    let told = house.alert(second).await;
    assert!(was_missed(&told), "{:#}", told.body);
    house.until_held("trend", -10).await;
    house.until_ended().await;

    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let late = house.alert(first).await;
    assert_eq!(late.order(0)["tag"], "SUPERSEDED", "{:#}", late.body);
    assert!(house.is_in_the_journal("ALARM_ALERT_LATE").await);
    let held = house.engine.read(&house.client(), |book| book.holdings().map(|(_, _, held)| held.net).sum::<i64>());
    assert_eq!(held, Some(-10), "what it wanted is the past");
    house.close().await;
}

/// A replay has no orders of its own to wait for. Were each to hold the place of its source for the time in which an order must be on
/// disk, those behind sixty of them would not be there within the patience of this test.
#[actix_web::test]
async fn replays_hold_up_nobody_behind_them() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    let alert = step(&house, 0, 10, "Long");
    house.alert(alert.clone()).await;
    house.until_held("trend", 10).await;
    house.until_ended().await;
    let replays = futures_util::future::join_all((0..60).map(|_| house.alert(alert.clone())));
    let flat = async {
        house.alert(step(&house, 10, 0, "flat")).await;
    };
    let left = house.until_held("trend", 0);
    let ((replies, ()), ()) = futures_util::future::join(futures_util::future::join(replays, flat), left).await;
    assert!(replies.iter().all(|reply| reply.body["replayed"] == true), "{replies:#?}");
    assert_eq!(house.orders().len(), 2);
    house.close().await;
}

#[actix_web::test]
async fn an_alert_with_a_wrong_clock_is_refused_and_makes_no_later_one_old() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    // Indian time under the letter of another zone: half a day's trading in the future.
    let mut wrong = step(&house, 0, 10, "x");
    wrong["timenow"] = json!(house.timenow(-19_800));
    let told = house.alert(wrong).await;
    assert_eq!(told.order(0)["tag"], "STALE_SIGNAL", "{:#}", told.body);
    reach(&house, 0, 10).await;
    reach(&house, 10, 0).await;
    house.close().await;
}

#[actix_web::test]
async fn a_resent_position_alert_is_a_replay_and_breaks_no_chain() {
    let house = House::open().await;
    house.put_route(shares("both")).await;
    let alert = step(&house, 0, 10, "Long");
    house.alert(alert.clone()).await;
    house.until_held("trend", 10).await;
    let again = house.alert(alert).await;
    assert_eq!((&again.body["replayed"], was_missed(&again)), (&json!(true), false), "{:#}", again.body);
    assert!(!house.is_in_the_journal("ALARM_ALERT_MISSED").await);
    assert_eq!(house.orders().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_pyramid_of_positions_within_a_second() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    for (before, after) in [(0, 10), (10, 20), (20, 30), (30, 15), (15, 0)] {
        let reply = reach(&house, before, after).await;
        assert!(!was_missed(&reply), "{:#}", reply.body);
    }
    house.close().await;
}
