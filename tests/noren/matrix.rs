//! Every fault of the menu, for an entry and for an exit, before, during and after its call. After it healed the world comes
//! to rest, and then the truth is the broker's.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{CommandId, LegDraft, OrderRecord, Price, Status, Tag};
use ordergate_actors::persistence::{Alarm, Level};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, LONG, client, entry, exit, leg, pass, resting_entry, resting_exit, secs, sim_ms};
use crate::menu::{HISTORY, Meets, Row, SOCKET, always, answers, books, calls, changes, links, logins};

/// Cases that run beside each other.
const AT_ONCE: usize = 6;
/// How often a case is played until its fault meets something.
const TRIES: usize = 5;
/// The quiet, the broker's bound, and some books after them: an order that is nowhere for so long is absent.
const UNTIL_ABSENT: Duration = secs(60);

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
        Meets::Call(_) | Meets::Reads(..) | Meets::Logins(..) | Meets::Act(_) => &[When::Before, When::During, When::After],
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

/// Plays one case. A case proves nothing whose fault met nothing, as when a busy machine gives a call up before it is made: once more.
pub(crate) async fn until_met(play_once: impl AsyncFn() -> Result<bool, String>) -> Result<(), String> {
    for _ in 0..TRIES {
        if play_once().await? {
            return Ok(());
        }
    }
    Err(format!("in {TRIES} tries its fault was never met"))
}

/// Plays one case from an open account to rest; whether its fault was met.
async fn play_once(row: &Row, leg: Leg, when: When) -> Result<bool, String> {
    let mut house = House::in_a_hurry().await;
    prepare(&house, leg).await?;
    match &row.meets {
        Meets::Call(fault) | Meets::Placing(fault) | Meets::Change(fault) => one_call(&house, fault, leg, when).await,
        Meets::Changing(fault) => one_change(&house, fault, leg).await,
        Meets::Reads(places, fault) => while_it_lasts(&house, places, fault, leg, when).await,
        Meets::Logins(place, fault) => {
            let rule = FaultRule::always(place, fault.clone());
            around(&house, |house| (house.fault(rule.clone()), house.sim().expire_sessions()).1, leg, when).await;
            // A session is proven now and then only.
            let asked = tokio::time::Instant::now() + secs(150);
            while house.sim().faults_met(place) == 0 && tokio::time::Instant::now() < asked {
                pass(secs(1)).await;
            }
            pass(secs(15)).await;
        }
        Meets::Act(act) => around(&house, act, leg, when).await,
    }
    house.heal().await;
    if row.fills_the_minute {
        house.a_minute_passes();
    }
    at_rest(&house, row.excuse).await?;
    let is_met = is_met(&house, &row.meets, when);
    if matches!(row.meets, Meets::Changing(_)) {
        changed_again(&house, leg).await?;
    }
    if leg == Leg::Exit && row.excuse == Excuse::default() {
        leaves(&house).await?;
    }
    house.kill();
    journal_sound(&house)?;
    Ok(is_met)
}

/// Whether the fault met what it is for.
fn is_met(house: &House, meets: &Meets, when: When) -> bool {
    let has_met = |place: &str| house.sim().faults_met(place) > 0;
    match meets {
        Meets::Call(_) | Meets::Placing(_) | Meets::Change(_) => has_met(if when == When::After { "CancelOrder" } else { "PlaceOrder" }),
        Meets::Changing(_) => has_met("ModifyOrder"),
        // A socket says nothing while nothing changes, and after one call too many the next ones wait.
        Meets::Reads(places, Fault::RateSecond | Fault::RateMinute | Fault::RatePage) => places.iter().any(|place| has_met(place)),
        Meets::Reads(places, _) if *places == SOCKET => places.iter().any(|place| has_met(place)),
        // A history is read only of an order that is missing.
        Meets::Reads(places, _) => places.iter().all(|place| has_met(place) || (places.len() > 1 && HISTORY.contains(place))),
        Meets::Logins(place, _) => has_met(place),
        Meets::Act(_) => true,
    }
}

/// After all that an order can still be changed, and the change counts.
async fn changed_again(house: &House, leg: Leg) -> Result<(), String> {
    let is_open = |order: &OrderRecord| !order.status.is_terminal();
    let Some(open) = house.orders().into_iter().find(|order| is_open(order)) else { return Ok(()) };
    change(house, open.command_id, if leg == Leg::Entry { "848.00" } else { "852.80" }).await;
    at_rest(house, Excuse::default()).await?;
    let order = house.order(open.command_id);
    let wanted = Price::parse(if leg == Leg::Entry { "848.00" } else { "852.80" }).ok();
    if order.ask.price != wanted { Err(format!("a change after it did nothing: {order:?}")) } else { Ok(()) }
}

/// Whoever sent an exit that the books lack sends the next one, and has been paged for that: the engine leaves what it holds open.
fn is_told(house: &House) -> Result<(), String> {
    let alarms = house.alarms();
    let is_paged = |order: &OrderRecord| {
        let is_it = |alarm: &Alarm| &*alarm.event == "ALARM_EXIT_FAILED" && alarm.command_id == Some(order.command_id);
        alarms.iter().any(|alarm| is_it(alarm) && alarm.level == Level::Page)
    };
    let orders = house.orders();
    let untold = orders.iter().find(|order| order.is_exit() && order.tag == Some(Tag::NotAtBroker) && !is_paged(order));
    untold.map_or(Ok(()), |order| Err(format!("nobody was paged that exit {} closes nothing\n{}", order.command_id, house.told())))
}

/// After all that the position can be left: what rests there fills, and an exit closes what is still held.
pub(crate) async fn leaves(house: &House) -> Result<(), String> {
    reach(house, Leg::Exit);
    at_rest(house, Excuse::default()).await?;
    if house.held("SBIN-EQ") != 0 {
        is_told(house)?;
    }
    let deadline = tokio::time::Instant::now() + LONG;
    while house.held("SBIN-EQ") != 0 {
        if tokio::time::Instant::now() > deadline {
            return Err(format!("the position cannot be left\n{}", house.told()));
        }
        house.submit(exit()).await;
        at_rest(house, Excuse::default()).await?;
    }
    match house.sim().net("NSE", "SBIN-EQ") {
        0 => Ok(()),
        net => Err(format!("nothing is held here, and {net} there\n{}", house.told())),
    }
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
    change(house, command_id, if leg == Leg::Entry { "848.50" } else { "852.50" }).await;
    pass(secs(10)).await;
}

/// Changes the price of an order; the call is made when this returns.
async fn change(house: &House, command_id: CommandId, price: &str) {
    let price = Price::parse(price).ok();
    let calls = || house.sim().log().iter().filter(|row| row.route == "ModifyOrder").count();
    let before = calls();
    let is_called = || calls() > before;
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

/// The fault lasts for a while. Around the call the answer is lost too, so that only books and messages can tell; and where books
/// fail, the messages with it, for longer than it takes to count an order as absent.
async fn while_it_lasts(house: &House, places: &[&str], fault: &Fault, leg: Leg, when: When) {
    let is_of_books = places.iter().any(|place| place.ends_with("Book") || HISTORY.contains(place));
    let begins = || {
        always(places, fault).into_iter().for_each(|rule| house.fault(rule));
        if places == HISTORY {
            // It is read of an order that a whole book does not show.
            house.fault(FaultRule { count: 6, ..FaultRule::next("OrderBook", Fault::LyingEmpty) });
        }
        if places == SOCKET {
            house.sim().kill_sockets();
        }
    };
    match when {
        When::Before => {
            begins();
            pass(secs(5)).await;
            house.submit_soon(leg.at_once()).await;
        }
        When::During => {
            // A number is what a history is asked by.
            if places != HISTORY {
                house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
            }
            // Without a message, and with nothing in any book, nobody can know that there is an order.
            if is_of_books && !(places.len() > 2 && *fault == Fault::LyingEmpty) {
                house.fault(FaultRule::always("om", Fault::StreamLost));
            }
            begins();
            house.submit_soon(leg.at_once()).await;
        }
        When::After => {
            at_broker(house, leg).await;
            begins();
            // A fill that a message tells would leave nothing to ask a history of.
            let asked = tokio::time::Instant::now() + secs(30);
            while places == HISTORY && house.sim().faults_met(HISTORY[0]) == 0 && tokio::time::Instant::now() < asked {
                pass(secs(1)).await;
            }
            reach(house, leg);
        }
    }
    // One book is read after the other: where each takes its time, all of them take longer.
    let is_long = when != When::Before || matches!(fault, Fault::Slow { .. });
    pass(if is_of_books && is_long { UNTIL_ABSENT } else { secs(15) }).await;
}

/// Something happens while all else is well.
async fn around(house: &House, act: impl Fn(&House), leg: Leg, when: When) {
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
    let named = cases.into_iter().map(|(row, leg, when)| {
        let name = format!("{} / {leg:?} / {when:?}", row.name);
        (name, until_met(async move || play_once(row, leg, when).await))
    });
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
async fn whatever_the_login_meets_after_a_session_ended() {
    all(logins()).await;
}

#[tokio::test]
async fn whatever_happens_to_the_session_the_socket_and_the_account() {
    all(links()).await;
}

/// Both at once: what the order call meets, while the books or the link fail.
async fn play_two(call: &Row, place: &Row, leg: Leg) -> Result<(), String> {
    let mut house = House::in_a_hurry().await;
    prepare(&house, leg).await?;
    match &call.meets {
        Meets::Call(fault) | Meets::Placing(fault) => house.fault(FaultRule::next("PlaceOrder", fault.clone())),
        Meets::Change(_) | Meets::Changing(_) | Meets::Reads(..) | Meets::Logins(..) | Meets::Act(_) => {}
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
