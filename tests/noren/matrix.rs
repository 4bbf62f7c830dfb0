//! Every fault of the menu, for an entry and for an exit, before, during and after its call. After it healed the world comes
//! to rest, and then the truth is the broker's.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{CommandId, LegDraft, Status};

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, client, entry, exit, leg, pass, resting_entry, resting_exit, secs, sim_ms};
use crate::menu::{Meets, Row, always, answers, books, calls, links};

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
        Meets::Change(_) => &[When::After],
        Meets::Call(_) | Meets::Reads(..) | Meets::Act(_) => &[When::Before, When::During, When::After],
    }
}

/// Plays one case from an open account to rest.
async fn play(row: &Row, leg: Leg, when: When) -> Result<(), String> {
    let mut house = House::open().await;
    if leg == Leg::Exit {
        house.submit(entry()).await;
        at_rest(&house, Excuse::default()).await.map_err(|why| format!("before the fault: {why}"))?;
    }
    match &row.meets {
        Meets::Call(fault) | Meets::Placing(fault) | Meets::Change(fault) => one_call(&house, fault, leg, when).await,
        Meets::Reads(places, fault) => while_it_lasts(&house, &always(places, fault), leg, when).await,
        Meets::Act(act) => around(&house, *act, leg, when).await,
    }
    house.heal().await;
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

fn other() -> LegDraft {
    leg("ENTRY", "BUY", 1, "1501.00")
}

/// An order that rests at the broker under a known number.
async fn at_broker(house: &House, leg: Leg) -> CommandId {
    let command = house.submit(leg.resting()).await;
    house.until_order("it has its number", command, |order| order.broker_order_id.is_some()).await;
    house.until("it works", || house.sim().orders().iter().any(|row| row["status"] == "OPEN")).await;
    command
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
    let only = std::env::var("NOREN_CASE").unwrap_or_default();
    let mut cases = Vec::new();
    for row in &rows {
        for leg in [Leg::Entry, Leg::Exit] {
            cases.extend(moments(&row.meets).iter().map(|when| (row, leg, *when)));
        }
    }
    cases.retain(|(row, leg, when)| format!("{} / {leg:?} / {when:?}", row.name).contains(&only));
    let count = cases.len();
    let played: Vec<Option<String>> = stream::iter(cases)
        .map(|(row, leg, when)| async move {
            let played = AssertUnwindSafe(play(row, leg, when)).catch_unwind().await;
            let why = match played {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(panic) => panic.downcast::<String>().map_or_else(|_| "a panic".to_owned(), |text| *text),
            };
            Some(format!("== {} / {leg:?} / {when:?}: {why}", row.name))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
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
async fn whatever_the_books_say() {
    all(books()).await;
}

#[tokio::test]
async fn whatever_happens_to_the_session_the_socket_and_the_account() {
    all(links()).await;
}
