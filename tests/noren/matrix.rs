//! Every fault of the menu, for an entry and for an exit, before, during and after its call. After it healed the world comes
//! to rest, and then the truth is the broker's.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{CommandId, LegDraft, OrderRecord, Price, Status};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, LONG, client, entry, exit, leg, pass, resting_entry, resting_exit, secs, sim_ms};
use crate::menu::{Meets, Row, always, answers, books, calls, changes, links};

/// Cases that run beside each other.
const AT_ONCE: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    Entry,
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    During,
    After,
}

impl Leg {
    fn at_once(self) -> LegDraft {
        if self == Self::Entry { entry() } else { exit() }
    }

    fn resting(self) -> LegDraft {
        if self == Self::Entry { resting_entry() } else { resting_exit() }
    }
}

/// The moments at which a fault makes sense.
fn moments(meets: &Meets) -> &'static [When] {
    match meets {
        Meets::Placing(_) => &[When::Before, When::During],
        Meets::Change(_) | Meets::Changing(_) => &[When::After],
        Meets::Call(_) | Meets::Reads(..) | Meets::Act(_) => &[When::Before, When::During, When::After],
    }
}

/// What an exit closes. On a busy machine a call can be given up before it was made: then once more.
pub(crate) async fn prepare(house: &House, leg: Leg) -> Result<(), String> {
    while leg == Leg::Exit && house.held("SBIN-EQ") == 0 {
        house.submit(entry()).await;
        at_rest(house, Excuse::default()).await.map_err(|why| format!("before the fault: {why}"))?;
    }
    Ok(())
}

/// Plays one case from an open account to rest.
async fn play(row: &Row, leg: Leg, when: When) -> Result<(), String> {
    let mut house = House::open().await;
    prepare(&house, leg).await?;
    match &row.meets {
        Meets::Call(fault) | Meets::Placing(fault) | Meets::Change(fault) => one_call(&house, fault, leg, when).await,
        Meets::Changing(fault) => one_change(&house, fault, leg).await,
        Meets::Reads(places, fault) => while_it_lasts(&house, &always(places, fault), leg, when).await,
        Meets::Act(act) => around(&house, *act, leg, when).await,
    }
    house.heal().await;
    if row.fills_the_minute {
        house.a_minute_passes();
    }
    at_rest(&house, row.excuse).await?;
    house.kill();
    journal_sound(&house)
}

/// The fault meets one call: another order's before ours, ours, or the cancel of ours.
async fn one_call(house: &House, fault: &Fault, leg: Leg, when: When) {
    match when {
        When::Before => {
            house.fault(FaultRule::next("PlaceOrder", fault.clone()));
            let other = LegDraft { strategy: Some("b".into()), symbol: Some("INFY-EQ".into()), ..other() };
            house.submit(other).await;
            house.submit(leg.at_once()).await;
        }
        When::During => {
            house.fault(FaultRule::next("PlaceOrder", fault.clone()));
            house.submit(leg.at_once()).await;
        }
        When::After => {
            let command = at_broker(house, leg).await;
            house.fault(FaultRule::next("CancelOrder", fault.clone()));
            house.engine().cancel(&client(), command, "tests", "").await.unwrap();
            house.until("the cancel was called", || house.sim().log().iter().any(|row| row.route == "CancelOrder")).await;
        }
    }
    pass(secs(10)).await;
}

/// The fault meets the change of an order's price, which goes on resting there.
async fn one_change(house: &House, fault: &Fault, leg: Leg) {
    let command_id = at_broker(house, leg).await;
    house.fault(FaultRule::next("ModifyOrder", fault.clone()));
    let price = Price::parse(if leg == Leg::Entry { "848.50" } else { "852.50" }).ok();
    let is_called = || house.sim().log().iter().any(|row| row.route == "ModifyOrder");
    let deadline = tokio::time::Instant::now() + LONG;
    // On a busy machine a change is refused while a read is late, or given up before it was called: then once more.
    while !is_called() {
        assert!(tokio::time::Instant::now() < deadline, "no change was called\n{}", house.told());
        let change =
            Change { client_id: client(), command_id, quantity: None, price, trigger_price: None, order_type: None, who: "tests".into() };
        if house.engine().modify(change).await.unwrap() == ChangeAnswer::Asked {
            let given_up = tokio::time::Instant::now() + secs(50);
            while !is_called() && tokio::time::Instant::now() < given_up {
                pass(secs(1)).await;
            }
        }
        pass(secs(1)).await;
    }
    pass(secs(10)).await;
}

fn other() -> LegDraft {
    leg("ENTRY", "BUY", 1, "1501.00")
}

/// An order that rests at the broker under a known number.
pub(crate) async fn at_broker(house: &House, leg: Leg) -> CommandId {
    loop {
        let command = house.submit(leg.resting()).await;
        let named = |order: &OrderRecord| order.broker_order_id.is_some() || order.status.is_terminal();
        // As above: what never left is sent again.
        if !house.until_order("it has its number", command, named).await.status.is_terminal() {
            house.until("it works", || house.sim().orders().iter().any(|row| row["status"] == "OPEN")).await;
            return command;
        }
    }
}

/// The price comes to the order that rests.
fn reach(house: &House, leg: Leg) {
    match leg {
        Leg::Entry => house.price("SBIN-EQ", "848.00", "848.10"),
        Leg::Exit => house.price("SBIN-EQ", "853.00", "853.10"),
    }
}

/// The fault lasts for a while. Around the call the answer is lost too, so that only books and messages can tell.
async fn while_it_lasts(house: &House, rules: &[FaultRule], leg: Leg, when: When) {
    match when {
        When::Before => {
            rules.iter().for_each(|rule| house.fault(rule.clone()));
            pass(secs(5)).await;
            house.submit_soon(leg.at_once()).await;
        }
        When::During => {
            house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
            rules.iter().for_each(|rule| house.fault(rule.clone()));
            house.submit_soon(leg.at_once()).await;
        }
        When::After => {
            at_broker(house, leg).await;
            rules.iter().for_each(|rule| house.fault(rule.clone()));
            reach(house, leg);
        }
    }
    pass(secs(15)).await;
}

/// Something happens while all else is well.
async fn around(house: &House, act: fn(&House), leg: Leg, when: When) {
    match when {
        When::Before => {
            act(house);
            house.submit_soon(leg.at_once()).await;
        }
        When::During => {
            house.fault(FaultRule::next("PlaceOrder", Fault::Slow { ms: sim_ms(6) }));
            let command = house.submit_soon(leg.at_once()).await;
            house
                .until("the broker has it, or it is refused", || {
                    house.accepted(command) == 1 || house.order(command).status == Status::Failed
                })
                .await;
            act(house);
        }
        When::After => {
            at_broker(house, leg).await;
            act(house);
            reach(house, leg);
        }
    }
    pass(secs(5)).await;
}

/// Plays every case of the rows, and tells of all that fail.
async fn all(rows: Vec<Row>) {
    let mut cases = Vec::new();
    for row in &rows {
        for leg in [Leg::Entry, Leg::Exit] {
            cases.extend(moments(&row.meets).iter().map(|when| (row, leg, *when)));
        }
    }
    let named = cases.into_iter().map(|(row, leg, when)| (format!("{} / {leg:?} / {when:?}", row.name), play(row, leg, when)));
    run(named).await;
}

/// Runs cases beside each other. With `NOREN_CASE` in the environment only those whose name contains it.
pub(crate) async fn run(cases: impl Iterator<Item = (String, impl Future<Output = Result<(), String>>)>) {
    let only = std::env::var("NOREN_CASE").unwrap_or_default();
    let played: Vec<Option<String>> = stream::iter(cases.filter(|(name, _)| name.contains(&only)))
        .map(|(name, case)| async move {
            let why = match AssertUnwindSafe(case).catch_unwind().await {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(panic) => panic.downcast::<String>().map_or_else(|_| "a panic".to_owned(), |text| *text),
            };
            Some(format!("== {name}: {why}"))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let count = played.len();
    let failed: Vec<String> = played.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn whatever_the_answer_to_an_order_call_is() {
    all(answers()).await;
}

#[tokio::test]
async fn whatever_an_order_call_meets() {
    all(calls()).await;
}

#[tokio::test]
async fn whatever_a_change_meets() {
    all(changes()).await;
}

#[tokio::test]
async fn whatever_the_books_say() {
    all(books()).await;
}

#[tokio::test]
async fn whatever_happens_to_the_session_the_socket_and_the_account() {
    all(links()).await;
}

/// Both at once: what the order call meets, while the books or the link fail.
async fn play_two(call: &Row, place: &Row, leg: Leg) -> Result<(), String> {
    let mut house = House::open().await;
    prepare(&house, leg).await?;
    match &call.meets {
        Meets::Call(fault) | Meets::Placing(fault) => house.fault(FaultRule::next("PlaceOrder", fault.clone())),
        Meets::Change(_) | Meets::Changing(_) | Meets::Reads(..) | Meets::Act(_) => {}
    }
    if let Meets::Reads(places, fault) = &place.meets {
        always(places, fault).into_iter().for_each(|rule| house.fault(rule));
    }
    house.submit_soon(leg.at_once()).await;
    pass(secs(15)).await;
    house.heal().await;
    at_rest(&house, call.excuse).await?;
    house.kill();
    journal_sound(&house)
}

#[tokio::test]
#[ignore = "some minutes: cargo test -p ordergate --test noren -- --ignored"]
async fn whatever_two_faults_come_together() {
    let made: Vec<Row> =
        answers().into_iter().chain(calls()).filter(|row| !matches!(row.meets, Meets::Change(_)) && !row.fills_the_minute).collect();
    let around: Vec<Row> = books().into_iter().chain(links()).filter(|row| matches!(row.meets, Meets::Reads(..))).collect();
    let mut cases = Vec::new();
    for call in &made {
        for place in &around {
            cases.extend([Leg::Entry, Leg::Exit].map(|leg| (call, place, leg)));
        }
    }
    let named =
        cases.into_iter().map(|(call, place, leg)| (format!("{} + {} / {leg:?}", call.name, place.name), play_two(call, place, leg)));
    run(named).await;
}
