//! One call too many.

use std::sync::Arc;
use std::time::Duration;

use ordergate::brokers::connection::Connection as _;
use ordergate::simulator::noren_server::{Fault, FaultRule};
use ordergate_actors::order::{LegDraft, Status, Tag};
use ordergate_actors::ports::{BudgetChange, Clock as _};

use super::rests;
use crate::house::{House, LONG, Plan, client, entry, exit, pass, secs};

#[tokio::test]
async fn an_entry_that_was_one_too_many_in_its_second_fails_in_the_brokers_words() {
    let house = House::open().await;
    house.fault(FaultRule::next("PlaceOrder", Fault::RateSecond));
    let command = house.submit(entry()).await;
    let row = house.until_order("it ends", command, |order| order.status.is_terminal()).await;
    assert_eq!((row.status, row.tag, house.accepted(command)), (Status::Failed, Some(Tag::RateLimited), 0));
    assert!(row.reason.as_deref().is_some_and(|reason| reason.contains("second")), "{:?}", row.reason);
    // The window passes, and the next one goes.
    let next = house.submit(entry()).await;
    house.until_order("the next one fills", next, |order| order.status == Status::Executed).await;
    rests(&house).await;
}

#[tokio::test]
async fn an_exit_that_was_one_too_many_is_not_forgotten() {
    let house = House::open().await;
    let held = house.submit(entry()).await;
    house.until_order("it fills", held, |order| order.status == Status::Executed).await;
    rests(&house).await;
    house.fault(FaultRule::next("PlaceOrder", Fault::RateSecond));
    let out = house.submit(exit()).await;
    house.until_order("it is refused", out, |order| order.status.is_terminal()).await;
    assert_eq!(house.accepted(out), 0);
    // The call was refused, not the order: it goes again as a new one, and the position is closed.
    house.until("it is closed", || house.held("SBIN-EQ") == 0).await;
    rests(&house).await;
}

#[tokio::test]
async fn a_minute_that_is_full_holds_every_call_until_it_has_passed() {
    let house = House::open().await;
    house.fault(FaultRule::next("OrderBook", Fault::RateMinute));
    house.until("the minute is full", || house.sim().log().iter().any(|row| row.status == 400)).await;
    // No read that was under way takes longer.
    pass(secs(100)).await;
    let calls = house.sim().log().len();
    let command = house.submit_soon(LegDraft { ..entry() }).await;
    pass(secs(30)).await;
    assert_eq!(house.sim().log().len(), calls, "nothing goes out");
    assert_eq!(house.order(command).sent_at, None, "no row for a call that may not go");
    house.a_minute_passes();
    house.until("it was decided", || house.order(command).status.is_terminal()).await;
    assert!(house.accepted(command) <= 1);
    let jumped = house.clock.now() - chrono::Duration::seconds(5);
    let positions_at = || house.engine().desk(&client()).unwrap().findings.read().positions.as_ref().map(|positions| positions.at);
    house.until("the positions are read again", || positions_at().is_some_and(|at| at > jumped)).await;
    let next = house.submit(LegDraft { strategy: Some("n".into()), ..entry() }).await;
    house.until_order("the next one fills", next, |order| order.status == Status::Executed).await;
    rests(&house).await;
}

#[tokio::test]
async fn with_its_own_budget_a_burst_never_breaks_the_brokers_limit() {
    let counted = Plan {
        sim: Box::new(|sim| (sim.per_second, sim.per_minute) = (10, 120)),
        account: Arc::new(|account| account.budget = BudgetChange::default()),
        ..Plan::default()
    };
    let house = House::with(counted).await;
    let mut commands = Vec::new();
    for strategy in ["a", "b", "c", "d", "e", "f"] {
        commands.push(house.submit_soon(LegDraft { strategy: Some(strategy.into()), ..entry() }).await);
    }
    for command in commands {
        house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    }
    let breach = house.sim().log().into_iter().find(|row| row.done.contains("exceeds Limit"));
    assert_eq!(breach, None);
    rests(&house).await;
}

#[tokio::test]
async fn a_session_that_was_missing_for_a_minute_has_used_up_nothing() {
    // A read that a busy machine gives up is one that went out.
    let counted = Plan {
        noren: Arc::new(|noren| (noren.timeouts.book, noren.timeouts.read) = (LONG, LONG)),
        account: Arc::new(|account| (account.budget, account.waits.read_deadline) = (BudgetChange::default(), LONG)),
        ..Plan::default()
    };
    let mut house = House::with(counted).await;
    house.kill();
    house.sim().expire_sessions();
    // The login waits for a person, and the books are asked for all the time.
    house.fault(FaultRule::always("QuickAuth", Fault::Reject { text: "Invalid Input : Invalid OTP".into(), status: 200 }));
    house.start();
    let a_second_passes = async |real: Duration| {
        let second = chrono::Duration::seconds(1);
        house.clock.jump(second);
        house.sim().advance_time(second);
        pass(real).await;
    };
    // A quarter of a minute, second by second, at the pace at which reads may go.
    for _ in 0..15 {
        a_second_passes(secs(5)).await;
    }
    house.sim().clear_faults();
    house.broker().login().await.unwrap();
    // Sooner than the rest of the minute, of which some passes by itself too.
    let mut seconds = 0;
    while !house.is_open() {
        assert!(seconds < 33, "{:?}\n{}", house.engine().desk(&client()).unwrap().budget.lock().usage(house.clock.now()), house.told());
        seconds += 1;
        a_second_passes(secs(15)).await;
    }
    let command = house.submit(entry()).await;
    house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    rests(&house).await;
}
