//! Either side is killed in the middle, and comes back.

use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{CommandId, OrderRecord, Status};

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, Plan, entry, pass, resting_entry, secs, sim_ms};
use crate::matrix::{Leg, leaves, prepare};
use crate::parts::of;

const MANY: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// What was answered is there, whatever happened.
fn all_there(house: &House, commands: &[CommandId]) {
    let orders = house.orders();
    for command in commands {
        assert!(orders.iter().any(|order| order.command_id == *command), "INV-3: {command} is gone");
    }
}

#[tokio::test]
async fn the_broker_is_killed_in_the_middle_of_a_burst_and_started_again() {
    for before in [1, 3] {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("broker.state");
        let mut house = House::with(Plan { sim: Box::new(move |sim| sim.state = Some(path.clone())), ..Plan::default() }).await;
        let mut commands = Vec::new();
        for (place, strategy) in MANY.into_iter().enumerate() {
            if place == before {
                house.until("some are there", || house.sim().orders().len() >= before).await;
                // The next one is taken, and its answer never leaves.
                house.fault(FaultRule::next("PlaceOrder", Fault::Slow { ms: sim_ms(10) }));
            }
            commands.push(house.submit_soon(of(strategy, entry())).await);
        }
        house.until("one is under way", || house.sim().orders().len() > before).await;
        house.kill_simulator();
        pass(secs(5)).await;
        house.start_simulator();
        at_rest(&house, Excuse::default()).await.unwrap();
        all_there(&house, &commands);
        let next = house.submit(of("z", entry())).await;
        house.until_order("the next one fills", next, |order| order.status == Status::Executed).await;
        at_rest(&house, Excuse::default()).await.unwrap();
    }
}

#[tokio::test]
async fn the_engine_is_killed_in_the_middle_of_a_call_and_started_again() {
    let calls = [
        Fault::Slow { ms: sim_ms(8) },
        Fault::Late { ms: sim_ms(8) },
        Fault::Accept { then: Symptom::Timeout },
        Fault::Refuse { then: Symptom::Timeout },
        Fault::Invisible { ms: sim_ms(20), stream: false },
    ];
    for fault in calls {
        let mut house = House::in_a_hurry().await;
        // As everywhere in a hurry: what was given up before it was called is sent again.
        let resting = loop {
            let sent = house.submit(of("r", resting_entry())).await;
            let named = |order: &OrderRecord| order.broker_order_id.is_some() || order.status.is_terminal();
            if !house.until_order("one rests", sent, named).await.status.is_terminal() {
                break sent;
            }
        };
        let calls = |house: &House| house.sim().log().iter().filter(|row| row.route == "PlaceOrder").count();
        let before = calls(&house);
        house.fault(FaultRule::next("PlaceOrder", fault.clone()));
        let mut commands = vec![resting];
        for strategy in MANY {
            commands.push(house.submit_soon(of(strategy, entry())).await);
        }
        // A call that is done late is logged late: its row is enough.
        house.until("one is under way", || calls(&house) > before || house.order(commands[1]).sent_at.is_some()).await;
        house.kill();
        journal_sound(&house).unwrap();
        // Meanwhile the one that rests fills.
        house.price("SBIN-EQ", "848.00", "848.10");
        house.start();
        house.until_open().await;
        at_rest(&house, Excuse::default()).await.unwrap_or_else(|why| panic!("{fault:?}: {why}"));
        all_there(&house, &commands);
        assert_eq!(house.order(resting).status, Status::Executed);
        house.kill();
        journal_sound(&house).unwrap();
    }
}

/// What closes the position is closed once, whatever became of the call.
#[tokio::test]
async fn the_engine_is_killed_in_the_middle_of_an_exit_and_started_again() {
    let calls = [
        ("PlaceOrder", Fault::Slow { ms: sim_ms(8) }),
        ("PlaceOrder", Fault::Late { ms: sim_ms(8) }),
        ("PlaceOrder", Fault::Accept { then: Symptom::Timeout }),
        ("PlaceOrder", Fault::Refuse { then: Symptom::Timeout }),
        ("PlaceOrder", Fault::Invisible { ms: sim_ms(20), stream: false }),
        // And while what tells of it lies.
        ("PositionBook", Fault::LyingEmpty),
        ("OrderBook", Fault::Refuse { then: Symptom::BadGateway }),
        ("TradeBook", Fault::Stale { ms: sim_ms(15) }),
    ];
    for (route, fault) in calls {
        let mut house = House::in_a_hurry().await;
        prepare(&house, Leg::Exit).await.unwrap();
        let is_call = route == "PlaceOrder";
        house.fault(if is_call { FaultRule::next(route, fault.clone()) } else { FaultRule::always(route, fault.clone()) });
        let out = house.submit_soon(crate::house::exit()).await;
        house
            .until("its call is under way, or it is given up", || {
                house.order(out).sent_at.is_some() || house.order(out).status.is_terminal()
            })
            .await;
        house.kill();
        journal_sound(&house).unwrap();
        house.start();
        pass(secs(20)).await;
        house.heal().await;
        house.until_open().await;
        at_rest(&house, Excuse::default()).await.unwrap_or_else(|why| panic!("{route} {fault:?}: {why}"));
        all_there(&house, &[out]);
        leaves(&house).await.unwrap_or_else(|why| panic!("{route} {fault:?}: {why}"));
        house.kill();
        journal_sound(&house).unwrap();
    }
}

#[tokio::test]
async fn both_are_killed_while_an_exit_is_under_way() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("broker.state");
    let plan = Plan { sim: Box::new(move |sim| sim.state = Some(path.clone())), ..Plan::default() };
    let mut house = House::with(plan).await;
    let held = house.submit(entry()).await;
    house.until_order("it fills", held, |order| order.status == Status::Executed).await;
    at_rest(&house, Excuse::default()).await.unwrap();
    house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Timeout }));
    let out = house.submit_soon(crate::house::exit()).await;
    // Filled there, and nothing of it known here: the simulator keeps its orders over a kill, and not the prices set in it.
    let is_filled = |row: &serde_json::Value| row["trantype"] == "S" && row["status"] == "COMPLETE";
    house.until("the broker has filled it", || house.accepted(out) == 1 && house.sim().orders().iter().any(is_filled)).await;
    house.kill();
    house.kill_simulator();
    house.start_simulator();
    house.start();
    house.until_open().await;
    let row = house.until_order("it is found", out, |order| order.status == Status::Executed).await;
    assert_eq!(row.filled_quantity, 10);
    at_rest(&house, Excuse::default()).await.unwrap();
    assert_eq!((house.held("SBIN-EQ"), house.sim().net("NSE", "SBIN-EQ")), (0, 0));
}
