//! One day of a falling market, over real HTTP: an alert brings stop, target and trail; the stop moves, fires and leaves; the day's
//! loss closes the rest and ends the entries; and the record of each order tells the story.

use ordergate_actors::order::{Amount, CommandId, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use crate::exit_rules::{guarded, thin, until_rule};
use crate::support::{House, Plan, Reply, entry, quote};

/// The record of an order, once that has been written of it.
async fn until_told(house: &House, order: CommandId, event: &str) -> Reply {
    let look = async || {
        let detail = house.get(&format!("/dashboard/orders/{order}")).await;
        if events(&detail).contains(&event) { Ok(detail) } else { Err(format!("{:?}", events(&detail))) }
    };
    until_found(event, look).await
}

fn events(detail: &Reply) -> Vec<&str> {
    detail.body["journal"].as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap()).collect()
}

/// Whether these events are in the record, in this order.
fn tells_in_order(detail: &Reply, story: &[&str]) {
    let told = events(detail);
    let mut rest = told.iter();
    for event in story {
        assert!(rest.any(|told| told == event), "{event} of {story:?} in {told:?}");
    }
}

fn of(symbol: &str, strategy: &str, quantity: u32) -> Value {
    let mut alert = entry(strategy);
    alert["legs"][0]["tradingsymbol"] = json!(symbol);
    alert["legs"][0]["qty"] = json!(quantity);
    alert
}

fn command(reply: &Reply) -> CommandId {
    assert_eq!(reply.status, 202, "{:#}", reply.body);
    reply.order(0)["command_id"].as_str().unwrap().parse().unwrap()
}

#[actix_web::test]
async fn the_stop_moves_fires_and_reprices_until_flat_then_the_days_loss_closes_the_rest() {
    let account = |settings: &mut ordergate_actors::settings::AccountSettings| settings.limits.daily_loss = Amount(1_000.into());
    let house = House::with(Plan { account: Box::new(account), ..Plan::default() }).await;
    quote(&house.market, "SBIN-EQ", "860.00", "860.50");
    quote(&house.market, "INFY-EQ", "1500.00", "1500.50");
    let opened = command(&house.alert(guarded("trend")).await);
    house.until_held("trend", 10).await;
    let seen = until_rule(&house, "the rule stands from the first fill", |rule| rule["stop"]["price"] == "850.5").await;
    assert_eq!((&seen["target"]["price"], &seen["position"], &seen["lives"]), (&json!("903.55"), &json!("BUY"), &json!("engine")));
    assert_eq!((&seen["stop"]["points_away"], &seen["stop"]["rupees_then"]), (&json!("-9.5"), &json!("-100")));
    let left_alone = command(&house.alert(of("INFY-EQ", "slow", 40)).await);
    house.until_held("slow", 40).await;

    quote(&house.market, "SBIN-EQ", "880.00", "880.50");
    until_rule(&house, "the stop has trailed", |rule| rule["stop"]["price"] == "874").await;
    let positions = house.get("/dashboard/positions").await;
    let held = positions.body["accounts"][0]["positions"].as_array().unwrap().iter().find(|row| row["symbol"] == "SBIN-EQ").unwrap();
    assert_eq!(held["exit_rules"][0]["stop"]["price"], "874");

    // It falls, and shows less and less: the exit is repriced after it.
    thin(&house, "873.50", "874.00", 4);
    house.until_held("trend", 6).await;
    thin(&house, "871.00", "871.50", 5);
    house.until_held("trend", 1).await;
    quote(&house.market, "SBIN-EQ", "869.00", "869.50");
    house.until_held("trend", 0).await;
    until_rule(&house, "the rule ends with the position", Value::is_null).await;
    let orders = house.orders();
    assert_eq!(orders.len(), 3, "two entries and one exit");
    let exit = orders.iter().find(|order| order.is_exit()).unwrap().clone();
    assert_eq!((exit.source.as_str(), &*exit.user, exit.filled_quantity), ("SYSTEM", "trailing stop of trend", 10));
    let entry_story = until_told(&house, opened, "EXIT_RULE_FIRED").await;
    tells_in_order(&entry_story, &["INTENT_CREATED", "SENT_TO_BROKER", "FILL", "EXIT_RULE_SET", "EXIT_RULE_MOVED", "EXIT_RULE_FIRED"]);
    // The rule ends with the fill, its ladder with the next look.
    let exit_story = until_told(&house, exit.command_id, "EXIT_STEPS_ENDED").await;
    tells_in_order(&exit_story, &["INTENT_CREATED", "SENT_TO_BROKER", "EXIT_STEP", "MODIFY_SENT", "FILL", "EXIT_STEPS_ENDED"]);

    // The other falls too, and nobody has set it a stop: the day's loss is its stop.
    quote(&house.market, "INFY-EQ", "1470.00", "1470.50");
    house.until("the day is over", || house.engine.read(&house.client(), |book| book.control().day.is_some()).unwrap()).await;
    house.until_held("slow", 0).await;
    house.until_ended().await;
    let level = house.engine.read(&house.client(), |book| book.control().day.as_ref().map(|day| day.level)).unwrap();
    assert_eq!(level, Some(KillLevel::SquareOff));
    let squared_off = house.orders().into_iter().find(|order| order.is_exit() && order.ask.strategy.as_str() == "slow").unwrap();
    assert_eq!((squared_off.status, squared_off.filled_quantity), (Status::Executed, 40));
    let told = house.get(&format!("/dashboard/orders/{left_alone}")).await;
    tells_in_order(&told, &["INTENT_CREATED", "SENT_TO_BROKER", "FILL"]);

    let refused = house.alert(entry("next")).await;
    assert_eq!(refused.order(0)["tag"], Tag::RiskLimitsExceeded.as_str(), "{:#}", refused.body);
    let next = refused.order(0)["command_id"].as_str().unwrap().parse().unwrap();
    let record = until_told(&house, next, "REFUSED").await;
    let reason = record.body["order"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("risk.daily_loss: the day stands at -1") && reason.contains("above -1000"), "{reason}");
    assert_eq!(house.orders().len(), 5, "nothing is sent after it");
    house.close().await;
}
