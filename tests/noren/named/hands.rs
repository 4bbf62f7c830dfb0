//! What a person changes in the broker's own terminal, in an order of ours.

use std::sync::Arc;

use ordergate::simulator::noren_server::HandChange;
use ordergate_actors::exits::{ExitRule, slot};
use ordergate_actors::order::{LegDraft, OrderRecord, OrderType, Price, Status};
use ordergate_actors::persistence::{Cargo, Keep, Level, Posted, Unit};
use ordergate_actors::ports::Clock as _;
use serde_json::json;

use super::stop;
use crate::checks::{Excuse, at_rest};
use crate::house::{House, Plan, SBIN, client, entry, resting_entry, secs};

async fn rests(house: &House) {
    at_rest(house, Excuse { by_hand: true, ..Excuse::default() }).await.unwrap();
}

fn change(house: &House, order: &OrderRecord, fields: &serde_json::Value) {
    let norenordno = order.broker_order_id.as_ref().unwrap().to_string();
    house.sim().change_by_hand(&HandChange { norenordno, fields: fields.as_object().unwrap().clone() }).unwrap();
}

fn price(text: &str) -> Option<Price> {
    Price::parse(text).ok()
}

fn alarms(house: &House) -> Vec<(u32, String)> {
    let named = house.alarms().into_iter().filter(|alarm| &*alarm.event == "ALARM_TERMS_CHANGED");
    named.map(|alarm| (alarm.count, alarm.text.to_string())).collect()
}

#[tokio::test]
async fn a_limit_changed_by_hand_is_noticed_once_and_is_the_record() {
    let house = House::open().await;
    let command = house.submit(resting_entry()).await;
    let ours = house.until_order("it works", command, |order| order.broker_order_id.is_some()).await;
    change(&house, &ours, &json!({ "prc": "801.35" }));
    let row = house.until_order("it is seen", command, |order| order.ask.price == price("801.35")).await;
    assert!(row.by_hand.is_some() && row.status == Status::SentToBroker, "{row:?}");
    house.until_alarm("ALARM_TERMS_CHANGED").await;
    rests(&house).await;
    assert_eq!(alarms(&house).iter().map(|(count, _)| *count).collect::<Vec<_>>(), [1]);
    let was = ours.ask.price.unwrap();
    assert!(alarms(&house)[0].1.contains(&format!("LIMIT {was} became LIMIT 801.35")), "{:?}", alarms(&house));
    let journal = house.journal(command).await;
    let seen: Vec<_> = journal.iter().filter(|row| &*row.event == "TERMS_CHANGED_BY_HAND").collect();
    assert_eq!(seen.len(), 1, "{journal:#?}");
    // Nothing was sent because of it.
    assert!(house.sim().log().iter().all(|row| row.route != "ModifyOrder"));
}

fn rule(house: &House, order: &OrderRecord) -> (ExitRule, u64) {
    let slot = slot(&order.ask.strategy, &order.holding().unwrap());
    let kept = house.engine().read(&client(), |book| book.kept(&slot).cloned()).flatten().unwrap();
    (kept.read().unwrap(), kept.seq)
}

/// A stop that trails rests at the broker; a person puts it elsewhere; it stays there, whatever the price does, until the rule
/// is set again.
#[tokio::test]
async fn a_trail_leaves_a_stop_alone_that_a_person_moved_at_the_broker() {
    let plan = Plan { account: Arc::new(|account| account.exits.resting.move_every = secs(1)), ..Plan::default() };
    let house = House::with(plan).await;
    let text = |text: &str| Some(text.to_owned());
    let leg = LegDraft {
        stop_loss: text("10 points"),
        trailing_type: text("ABSOLUTE"),
        trailing_value: text("10"),
        stop_at: text("broker"),
        ..entry()
    };
    let bought = house.submit(leg).await;
    house.until_order("it fills", bought, |order| order.status == Status::Executed).await;
    house.until("the stop rests", || stop(&house).is_some_and(|stop| stop.broker_order_id.is_some())).await;
    let first = stop(&house).unwrap();
    house.price(SBIN, "855.00", "855.10");
    house.until("it trails", || stop(&house).is_some_and(|stop| stop.ask.trigger_price > first.ask.trigger_price)).await;
    house.until("that is settled", || stop(&house).is_some_and(|stop| stop.pending.is_none())).await;
    change(&house, &stop(&house).unwrap(), &json!({ "trgprc": "835.00", "prc": "833.00" }));
    house.until("it is seen", || stop(&house).is_some_and(|stop| stop.ask.trigger_price == price("835"))).await;
    house.until("the rule heeds it", || rule(&house, &first).0.stop == price("835").map(Price::value)).await;
    // The market goes on, and the stop does not follow.
    let changes = || house.sim().log().iter().filter(|row| row.route == "ModifyOrder").count();
    let before = changes();
    house.price(SBIN, "870.00", "870.10");
    let desk = house.engine().desk(&client()).unwrap();
    let key = first.instrument().unwrap();
    let bid = || house.engine().line().newest_quote(desk, &key).and_then(|quote| quote.bid);
    house.until("the price is seen", || bid() == price("870")).await;
    rests(&house).await;
    let rested = stop(&house).unwrap();
    assert_eq!(
        (rested.ask.trigger_price, rested.ask.price, rested.ask.order_type),
        (price("835"), price("833"), Some(OrderType::StopLimit))
    );
    assert_eq!((changes(), alarms(&house).len()), (before, 1), "{}", house.told());
    // A person sets the rule again: it moves by itself from then on.
    let (heeded, seq) = rule(&house, &first);
    let again = ExitRule { by_hand: None, set_at: house.clock.now(), stop: price("850").map(Price::value), ..heeded };
    let keep = Keep {
        client_id: Some(client()),
        slot: again.slot(),
        value: None,
        basis: Some(seq),
        event: "EXIT_RULE_SET",
        level: Level::Info,
        reason: Arc::from("set by a test"),
        who: Arc::from("a test"),
        command_id: None,
    };
    let unit = Unit::Keep(keep.with(&again).unwrap());
    house.engine().line().post(vec![Posted { unit, cargo: Cargo::None }]);
    house.until("it is moved", || stop(&house).is_some_and(|stop| stop.ask.trigger_price >= price("850"))).await;
    house.until("by us", || stop(&house).is_some_and(|stop| stop.by_hand.is_none())).await;
    // And it closes the position: nothing of this was without protection.
    house.price(SBIN, "840.00", "840.10");
    house.until("it is flat", || (house.held(SBIN), house.sim().net("NSE", SBIN)) == (0, 0)).await;
    rests(&house).await;
    assert_eq!(alarms(&house).len(), 1);
}
