//! A stop that rests at the broker is taken over by an urgent exit: one order, changed from SL-LMT into LMT, also where nobody
//! hears whether the change was taken.

use std::sync::Arc;

use ordergate::simulator::noren_server::{Fault, FaultRule, LogRow, Symptom};
use ordergate_actors::order::{LegDraft, OrderRecord, OrderType, Price, Status};
use serde_json::Value;

use super::{rests, stop};
use crate::house::{House, Patience, Plan, SBIN, entry, secs};

/// Why the position is left.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    /// Its time is up: the stop waits for its trigger when it is changed.
    Time,
    /// The market gapped below the stop's limit: the exchange has woken it, and nobody pays that.
    Gap,
}

/// And at the broker.
fn theirs(house: &House) -> Option<Value> {
    let ours = stop(house)?;
    house.sim().orders().into_iter().find(|row| row["tag"] == ours.broker_tag.as_str())
}

fn changes(house: &House) -> Vec<LogRow> {
    house.sim().log().into_iter().filter(|row| row.route == "ModifyOrder").collect()
}

/// Ten are held, and their stop rests.
async fn rested() -> House {
    let plan = Plan { account: Arc::new(|account| account.exits.resting.move_every = secs(5)), ..Plan::of(Patience::SOME) };
    let house = House::with(plan).await;
    let text = |text: &str| Some(text.to_owned());
    let leg = LegDraft { stop_loss: text("10 points"), stop_at: text("broker"), exit_at: text("1 minutes"), ..entry() };
    let bought = house.submit(leg).await;
    house.until_order("it fills", bought, |order| order.status == Status::Executed).await;
    house.until("the stop rests", || theirs(&house).is_some_and(|row| row["status"] == "TRIGGER_PENDING")).await;
    house.until("its number is known", || stop(&house).is_some_and(|stop| stop.broker_order_id.is_some())).await;
    assert_eq!(theirs(&house).unwrap()["prctyp"], "SL-LMT");
    house
}

async fn is_taken_over(leaves: Leaves, fault: Option<Fault>) {
    let house = rested().await;
    house.sim().clear_faults();
    if let Some(fault) = fault.clone() {
        house.fault(FaultRule::next("ModifyOrder", fault));
    }
    match leaves {
        Leaves::Time => {
            house.a_minute_passes();
            house.price(SBIN, "850.00", "850.15");
        }
        Leaves::Gap => house.price(SBIN, "830.00", "830.10"),
    }
    house.until("it is flat", || (house.held(SBIN), house.sim().net("NSE", SBIN)) == (0, 0)).await;
    let what = format!("{leaves:?} {fault:?}");
    rests(&house).await;
    // One order at the broker from the beginning to the end, and none beside it.
    let (ours, theirs) = (stop(&house).unwrap(), theirs(&house).unwrap());
    assert_eq!((house.orders().len(), house.sim().orders().len(), house.accepted(ours.command_id)), (2, 2, 1), "{what}\n{}", house.told());
    assert_eq!((&theirs["prctyp"], &theirs["status"], &theirs["fillshares"]), (&"LMT".into(), &"COMPLETE".into(), &10.into()), "{what}");
    assert_eq!((ours.status, ours.filled_quantity), (Status::Executed, 10), "{what}");
    // What it fills by may outrun the news of the change: the record follows when the row comes.
    let limit = theirs["prc"].as_str().and_then(|text| Price::parse(text).ok());
    let of = |order: &OrderRecord| (order.ask.order_type, order.ask.price, order.ask.trigger_price);
    house
        .until_order("the record says what its row does", ours.command_id, |order| of(order) == (Some(OrderType::Limit), limit, None))
        .await;
    // Each change states all terms of a limit, and no trigger: a broker answers Ok to a trigger of 0, and refuses it afterwards.
    let changes = changes(&house);
    for change in &changes {
        let said = ["norenordno", "prctyp", "qty"].map(|name| change.fields[name].as_str());
        assert_eq!(said, [theirs["norenordno"].as_str(), Some("LMT"), Some("10")], "{what}: {change:?}");
        assert!(!change.fields.contains_key("trgprc"), "{what}: {change:?}");
    }
    let taken = changes.iter().filter(|change| change.done.starts_with("change accepted")).count();
    let met = changes.iter().filter(|change| !change.faults.is_empty()).count();
    assert_eq!((taken, met), (1, usize::from(fault.is_some())), "{what}: {changes:?}");
}

#[tokio::test]
async fn a_stop_that_rests_becomes_the_limit_of_an_urgent_exit() {
    for leaves in [Leaves::Time, Leaves::Gap] {
        is_taken_over(leaves, None).await;
    }
}

/// Done, and nobody says so: the book tells, and nothing is sent beside it.
#[tokio::test]
async fn a_stop_became_a_limit_and_the_answer_was_lost() {
    for leaves in [Leaves::Time, Leaves::Gap] {
        for then in [Symptom::Drop, Symptom::Timeout, Symptom::BadGateway] {
            is_taken_over(leaves, Some(Fault::Accept { then })).await;
        }
    }
}

/// Not done, with the same look: the stop rests as it was, and is changed once the book has shown that.
#[tokio::test]
async fn a_stop_did_not_become_a_limit_and_the_answer_looks_the_same() {
    for (leaves, then) in [(Leaves::Time, Symptom::Drop), (Leaves::Gap, Symptom::BadGateway)] {
        is_taken_over(leaves, Some(Fault::Refuse { then })).await;
    }
}
