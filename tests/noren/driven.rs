//! An exit as most leave: a market order that went out as a protected limit, rests, and is driven on by the ladder. What can go wrong
//! with a change meets a step of it.

use ordergate::simulator::noren_server::{FaultRule, PriceSetting};
use ordergate_actors::order::{LegDraft, OrderRecord, Price, Status};
use rust_decimal::Decimal;

use crate::checks::{at_rest, journal_sound};
use crate::house::{House, SBIN, exit, pass, secs};
use crate::matrix::{Leg, prepare, run, until_met};
use crate::menu::{Meets, Row, changes};

/// Where buyers stand at each of its steps, how many they take, and what is left of ten. At first, three at the touch.
const STEPS: [(&str, i64, i64); 2] = [("840.00", 4, 3), ("836.00", 100, 0)];

/// So many buyers stand there, and nobody below.
fn buyers(house: &House, bid: &str, units: i64) {
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    let (exch, tsym, asks) = ("NSE".to_owned(), SBIN.to_owned(), vec![(number("850.10"), 1_000)]);
    let bids = vec![(number(bid), units)];
    house.sim().set_price(&PriceSetting { exch, tsym, bids, asks, ..PriceSetting::default() }).unwrap();
}

fn exits(house: &House) -> Vec<OrderRecord> {
    house.orders().iter().filter(|order| order.is_exit()).map(|order| OrderRecord::clone(order)).collect()
}

/// Plays one case: the fault meets that step. Whether it did.
async fn play_once(row: &Row, step: usize) -> Result<bool, String> {
    let Meets::Changing(fault) = &row.meets else { return Err("no fault of a change".to_owned()) };
    let mut house = House::in_a_hurry().await;
    prepare(&house, Leg::Exit).await?;
    buyers(&house, "849.90", 3);
    house.submit(LegDraft { order_type: Some("MARKET".to_owned()), price: None, ..exit() }).await;
    let is_there = |left: i64| house.sim().net("NSE", SBIN) == left;
    let never_left = || exits(&house).iter().any(|exit| exit.status == Status::Failed);
    house.until("a part is out", || is_there(7) || never_left()).await;
    // On a busy machine a call is given up before it is made.
    if never_left() {
        return Ok(false);
    }
    for (at, (bid, units, left)) in STEPS.into_iter().enumerate() {
        let meets = at == step;
        if meets {
            house.fault(FaultRule::next("ModifyOrder", fault.clone()));
        }
        buyers(&house, bid, units);
        if meets {
            house.until("its fault is met", || house.sim().faults_met("ModifyOrder") > 0).await;
            pass(secs(10)).await;
            house.heal().await;
            if row.fills_the_minute {
                house.a_minute_passes();
            }
        }
        house.until("it has taken its step", || is_there(left)).await;
    }
    house.until("it is known to be flat", || house.held(SBIN) == 0).await;
    at_rest(&house, row.excuse).await?;
    one_order(&house).await?;
    house.kill();
    journal_sound(&house)?;
    Ok(true)
}

/// It was one order from the beginning to the end, and its record says of it what the broker does.
async fn one_order(house: &House) -> Result<(), String> {
    let ours = exits(house);
    let [exit] = ours.as_slice() else { return Err(format!("{} exits\n{}", ours.len(), house.told())) };
    if (house.accepted(exit.command_id), exit.status, exit.filled_quantity) != (1, Status::Executed, 10) {
        return Err(format!("it was not one order that filled: {exit:?}"));
    }
    let limit = || {
        let theirs = house.sim().orders().into_iter().find(|row| row["tag"] == exit.broker_tag.as_str())?;
        theirs["prc"].as_str().and_then(|text| Price::parse(text).ok())
    };
    // What it fills by may outrun the news of the change: the record follows when the row comes.
    house.until_order("the record has the limit of its row", exit.command_id, |order| order.ask.price == limit()).await;
    Ok(())
}

async fn all(step: usize) {
    let rows = changes();
    let cases = rows.iter().map(|row| {
        let name = format!("{} / step {}", row.name, step + 1);
        (name, until_met(async move || play_once(row, step).await))
    });
    run(cases).await;
}

#[tokio::test]
async fn whatever_the_first_step_of_a_driven_exit_meets() {
    all(0).await;
}

#[tokio::test]
async fn whatever_a_later_step_of_a_driven_exit_meets() {
    all(1).await;
}
