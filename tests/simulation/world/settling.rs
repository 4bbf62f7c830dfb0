//! When the faults are over: the world comes to rest, with a person's help where only a person can tell.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::exits::Ladder;
use ordergate_actors::order::{ClientId, InstrumentKey, OrderRecord, Resolution, Status, Strategy, trading_date};
use ordergate_actors::persistence::{Book, Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::pnl::differences::{Cause, differences};
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::NotedHalt;
use ordergate_actors::{Desk, Engine, Phase};

use super::client;
use crate::beside::Others;
use crate::checks;
use crate::witness::Witness;

/// How long the world may take to settle after the last fault, virtual time.
const SETTLE: Duration = Duration::from_secs(240);

/// After so long a person looks at the broker for what is still in doubt: an order of somebody else's could be it.
const PERSON: Duration = Duration::from_secs(60);

/// Waits until nothing moves any more: open for entries, no order in the line, none in doubt, none on its way.
pub(super) async fn settle(
    engine: &Engine,
    halt: &Arc<NotedHalt>,
    others: &Others,
    witness: &Witness,
    stops_rest: &StopsRest<'_>,
) -> Result<(), String> {
    let begun = tokio::time::Instant::now();
    let deadline = begun + SETTLE;
    let mut was_still = None;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if halt.is_halted() {
            return Ok(());
        }
        if begun.elapsed() > PERSON {
            if others.are_there() {
                resolve_what_is_not_there(engine, witness).await;
            }
            for desk in engine.line().desks() {
                let on_ladders = |book: &Book| book.kept_of(Topic::Ladder).map(|(slot, _)| slot.clone()).collect::<Vec<_>>();
                for slot in engine.read(&desk.client_id, on_ladders).unwrap_or_default() {
                    go_on(engine, &desk.client_id, &slot).await;
                }
            }
        }
        let looks: Vec<Look> = engine.line().desks().map(|desk| Look::at(engine, desk, stops_rest)).collect();
        let still = looks.iter().all(Look::is_still) && !waits_for_positions(engine, engine.line().clock.now());
        // An order that was sent between two looks is not settled by either.
        let newest: Vec<_> = looks.iter().map(|look| look.newest).collect();
        if still && was_still.as_ref() == Some(&newest) {
            return Ok(());
        }
        was_still = still.then_some(newest);
        if still {
            // What was accepted last may stay out of the books for three seconds; then one more poll, and look again.
            tokio::time::sleep(Duration::from_millis(5_500)).await;
            continue;
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("not settled after {} s: {looks:?}", SETTLE.as_secs()));
        }
    }
}

/// Whether the stops that shall rest at the account's broker do.
type StopsRest<'a> = dyn Fn(&Desk, &Book) -> Result<(), String> + 'a;

/// One account, looked at once.
#[derive(Debug)]
struct Look {
    phase: Phase,
    unsettled: Vec<String>,
    /// What stands against a kill that was answered.
    forbidden: Vec<String>,
    /// What is held without its stop, or beyond it, in words.
    bare: Option<String>,
    is_counted: bool,
    tickets_out: usize,
    calls_running: usize,
    newest: (u64, Option<DateTime<Utc>>),
}

impl Look {
    fn at(engine: &Engine, desk: &Desk, stops_rest: &StopsRest<'_>) -> Self {
        let unsettled = |book: &Book| {
            book.open_orders()
                .filter(|order| order.status == Status::Created || order.broker_order_id.is_none() || order.cancel_wanted.is_some())
                .map(|order| format!("{} {} {:?} cancel {:?}", order.command_id, order.status, order.tag, order.cancel_wanted))
                .collect()
        };
        let last = |key: &InstrumentKey| engine.line().quotes.quote(key).map(|quote| quote.last.value());
        let now = engine.line().clock.now();
        let is_bare = |book: &Book| {
            checks::protected(book, now)?;
            checks::left_where_passed(book, last)?;
            stops_rest(desk, book)
        };
        let seen = engine.read(&desk.client_id, |book| Self {
            phase: desk.phase(),
            unsettled: unsettled(book),
            forbidden: forbidden(book, trading_date(now)),
            bare: is_bare(book).err(),
            is_counted: book.newest().all(|order| order.traded_quantity >= order.filled_quantity),
            tickets_out: desk.admission.used(),
            calls_running: desk.calls.lock().running(),
            newest: (book.last_number(), book.newest().map(|order| order.updated_at).max()),
        });
        seen.unwrap_or_else(|| panic!("{} has no book", desk.client_id))
    }

    fn is_still(&self) -> bool {
        self.phase == Phase::Open
            && self.unsettled.is_empty()
            && self.forbidden.is_empty()
            && self.bare.is_none()
            && self.is_counted
            && self.tickets_out == 0
            && self.calls_running == 0
    }
}

/// INV-10: the entries that work, and what is held, although the level that holds for their strategy forbids it.
fn forbidden(book: &Book, today: NaiveDate) -> Vec<String> {
    let level = |strategy: &Strategy| book.control().level_on(strategy, today);
    let entries = book.open_orders().filter(|order| !order.is_exit() && level(&order.ask.strategy) >= KillLevel::CancelEntries);
    let held = book.holdings().filter(|(strategy, _, _)| level(strategy) >= KillLevel::SquareOff);
    let held = held.map(|(strategy, key, held)| format!("{strategy} holds {} {key}", held.net));
    entries.map(|order| format!("entry {} works", order.command_id)).chain(held).collect()
}

/// A person who was called for an order in doubt looks it up at the broker, and says if it is not there. Nobody else looks: what
/// nobody was called for stays in doubt (INV-3).
async fn resolve_what_is_not_there(engine: &Engine, witness: &Witness) {
    let rows = witness.broker.inner().exchange().orders();
    let is_paged = |book: &Book, order: &OrderRecord| {
        book.alarms().any(|alarm| alarm.level == Level::Page && alarm.command_id == Some(order.command_id))
    };
    let named = |book: &Book| book.doubts().filter(|order| is_paged(book, order)).cloned().collect::<Vec<_>>();
    let doubts = engine.read(&client(), named).unwrap_or_default();
    let client = client();
    for order in doubts.iter().filter(|order| order.broker_order_id.is_none()) {
        if !rows.iter().any(|row| checks::is_ours(order, row)) {
            let said = engine.resolve(&client, order.command_id, Resolution::Absent, "simulation", "it is not in the broker's books");
            let _killed_meanwhile = tokio::time::timeout(Duration::from_secs(5), said).await;
        }
    }
}

/// A person lets an exit go on that stands at its cost cap, if it does. Other orders of its strategy may wait for its end.
pub(crate) async fn go_on(engine: &Engine, client_id: &ClientId, slot: &Slot) {
    let kept = engine.read(client_id, |book| book.kept(slot).cloned()).flatten();
    let Some((kept, ladder)) = kept.and_then(|kept| Some((kept.seq, kept.read::<Ladder>().ok()?))) else { return };
    if !ladder.is_paged {
        return;
    }
    let next = Ladder { granted: ladder.granted + 1, is_paged: false, stepped_at: engine.line().clock.now(), ..ladder };
    let keep = Keep {
        client_id: Some(client_id.clone()),
        slot: slot.clone(),
        value: None,
        basis: Some(kept),
        event: "EXIT_GO_ON",
        level: Level::Info,
        reason: Arc::from("it must be flat"),
        who: Arc::from("a person"),
        command_id: None,
    };
    let said = keep.with(&next).map(|keep| engine.keep(keep));
    let Ok(said) = said else { panic!("a ladder is written as it was read") };
    let _killed_meanwhile = tokio::time::timeout(Duration::from_secs(5), said).await;
}

/// Whether a fill was recorded after the positions were asked for: they are read again, and a broker that counts calls takes its time.
fn waits_for_positions(engine: &Engine, now: DateTime<Utc>) -> bool {
    engine.line().desks().any(|desk| {
        let found = engine.read(&desk.client_id, |book| differences(book, &desk.findings.read(), now)).flatten().unwrap_or_default();
        found.iter().any(|difference| difference.parts.iter().any(|part| part.cause == Cause::LateFill))
    })
}

/// INV-4: every difference between our holdings and the broker's positions has a cause that shows.
pub(super) fn classified(engine: &Engine, now: DateTime<Utc>) -> Result<(), String> {
    let is_odd = |cause: Cause| matches!(cause, Cause::Unknown | Cause::LateFill);
    for desk in engine.line().desks() {
        let found = engine.read(&desk.client_id, |book| differences(book, &desk.findings.read(), now)).flatten().unwrap_or_default();
        if let Some(difference) = found.iter().find(|difference| difference.parts.iter().any(|part| is_odd(part.cause))) {
            return Err(format!("INV-4: the difference {difference:?} is not classified"));
        }
    }
    Ok(())
}
