//! The shell of the schedule: asks what is due, sends stored alerts as any other sender's, and writes down what became of
//! them. Each step is on disk before the next begins (see [`crate::schedule`]).

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chrono::NaiveDate;
use ordergate_actors::Phase;
use ordergate_actors::order::{IdempotencyKey, LegDraft, OrderRecord, SignalDraft, SignalId, Source, Status};
use ordergate_actors::persistence::{Cargo, Keep, Level, Posted, Slot, Topic, Unit};
use ordergate_actors::ports::{Query, Rows};
use tokio::sync::oneshot;

use super::auth::body_hash;
use super::formats;
use super::json::{Bounds, Json};
use super::said::Said;
use super::state::WebState;
use super::submission;
use crate::schedule::{Due, Scheduled, Step, Told};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What a stored alert may hold: it is a person's own.
const BOUNDS: Bounds = Bounds { depth: 16, keys: 4_000 };

/// What a stored alert asks for.
///
/// # Errors
/// It is no alert; says why.
pub fn orders_of(alert: &str) -> Result<(Vec<LegDraft>, [u8; 32]), String> {
    let json = Json::parse(alert, BOUNDS).map_err(|error| format!("is not JSON: {error}"))?;
    if json.get("secret_key").is_some() {
        return Err("holds a secret_key; a stored alert needs none, and it would be shown".to_owned());
    }
    let hash = body_hash(&json.canonical());
    formats::orders(&json).map(|alert| (alert.legs, hash)).map_err(|refusal| format!("is no alert: {refusal}"))
}

/// Fires what is due for as long as it is polled; each stored alert by itself, so that none waits for another.
pub async fn keep_schedule(state: Data<WebState>) {
    let all = state.settings.schedule.clone();
    futures_util::future::join_all(all.iter().map(|scheduled| keep_one(&state, scheduled))).await;
}

async fn keep_one(state: &WebState, scheduled: &Scheduled) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if state.is_journal_open() {
            look(state, scheduled).await;
        }
    }
}

/// What is kept of it, and the journal row that says so (0: none).
pub(super) fn told(state: &WebState, scheduled: &Scheduled) -> (Option<Told>, u64) {
    let slot = slot(scheduled);
    let kept = state.engine.read(&scheduled.client_id, |book| book.kept(&slot).map(|kept| (kept.read().ok(), kept.seq))).flatten();
    kept.unwrap_or((None, 0))
}

fn slot(scheduled: &Scheduled) -> Slot {
    Slot::new(Topic::Schedule, scheduled.name.as_str())
}

/// Whether an account takes a stored alert. One that only closes goes as an exit of any other sender does: it is on disk at once, and its
/// orders wait for what they need.
fn takes(phase: Phase, scheduled: &Scheduled) -> bool {
    phase == Phase::Open || (phase != Phase::Closing && only_closes(scheduled))
}

fn only_closes(scheduled: &Scheduled) -> bool {
    orders_of(&scheduled.alert).is_ok_and(|(legs, _)| !legs.is_empty() && legs.iter().all(LegDraft::only_closes))
}

/// One look: does what is due. Two at once do it once: each step is decided upon the state that stands.
pub async fn look(state: &WebState, scheduled: &Scheduled) {
    let line = state.engine.line();
    let takes_it = line.desk(&scheduled.client_id).is_some_and(|desk| takes(desk.phase(), scheduled));
    let (told, basis) = told(state, scheduled);
    match scheduled.due(told.as_ref(), &line.calendar, takes_it, state.now()) {
        Due::Nothing => {}
        Due::Miss(day, because) => miss(state, scheduled, day, basis, because).await,
        Due::Fire(day) => {
            let signal_id = SignalId(line.ids.next());
            let reason = format!("the stored alert {} fires for {day}", scheduled.name);
            let firing = Told { day, step: Step::Firing { signal_id } };
            // Written down first: whoever comes after a crash knows under which name it went.
            if let Some(basis) = keep(state, scheduled, &firing, basis, Said::info("SCHEDULE_FIRES", reason)).await {
                send(state, scheduled, day, signal_id, basis).await;
            }
        }
        Due::Settle { day, signal_id, is_in_time } => settle(state, scheduled, (day, signal_id, is_in_time), basis).await,
    }
}

async fn send(state: &WebState, scheduled: &Scheduled, day: NaiveDate, signal_id: SignalId, basis: u64) {
    let (legs, body_hash) = match orders_of(&scheduled.alert) {
        Ok(read) => read,
        Err(why) => return miss(state, scheduled, day, basis, format!("the stored alert {why}")).await,
    };
    let Ok(key) = IdempotencyKey::parse(&scheduled.key(day)) else {
        return miss(state, scheduled, day, basis, "its name makes no idempotency key".to_owned()).await;
    };
    let draft = SignalDraft {
        client_id: scheduled.client_id.clone(),
        signal_id,
        source: Source::Strategy,
        user: format!("schedule:{}", scheduled.name),
        idempotency_key: Some(key),
        body_hash,
        replay_window_ms: 0,
        received_at: state.now(),
        signal_time: None,
        legs,
    };
    match submission::submit(state, draft).await {
        Ok(taken) => ran(state, scheduled, day, (signal_id, &taken.orders), basis).await,
        // Overload, or an answer that was lost: the next look finds out, and tries again while there is time.
        Err(problem) => tracing::warn!(event = "schedule_not_taken", name = scheduled.name, "{problem}"),
    }
}

/// An earlier look, or an earlier process, was about to send it.
async fn settle(state: &WebState, scheduled: &Scheduled, (day, signal_id, is_in_time): (NaiveDate, SignalId, bool), basis: u64) {
    match state.engine.query(Query::Signal(scheduled.client_id.clone(), signal_id)).await {
        Ok(Rows::Orders(orders)) if !orders.is_empty() => {
            let orders: Vec<Arc<OrderRecord>> = orders.into_iter().map(Arc::new).collect();
            ran(state, scheduled, day, (signal_id, &orders), basis).await;
        }
        Ok(_) if is_in_time => send(state, scheduled, day, signal_id, basis).await,
        Ok(_) => miss(state, scheduled, day, basis, "it was about to be sent, and nothing of it is on disk".to_owned()).await,
        Err(error) => tracing::warn!(event = "schedule_not_settled", name = scheduled.name, "{error}"),
    }
}

async fn ran(state: &WebState, scheduled: &Scheduled, day: NaiveDate, (signal_id, orders): (SignalId, &[Arc<OrderRecord>]), basis: u64) {
    let refused: Vec<&Arc<OrderRecord>> = orders.iter().filter(|order| order.status == Status::Failed).collect();
    let outcome = match refused.first() {
        None => format!("{} orders", orders.len()),
        Some(first) => {
            let why = first.reason.as_deref().unwrap_or("no reason is on disk");
            format!("{} orders, of which {} refused: {why}", orders.len(), refused.len())
        }
    };
    let level = if refused.is_empty() { Level::Info } else { Level::Warn };
    let reason = format!("the stored alert {} ran for {day}: {outcome}", scheduled.name);
    let told = Told { day, step: Step::Ran { signal_id, outcome } };
    keep(state, scheduled, &told, basis, Said { event: "SCHEDULE_RAN", level, reason }).await;
}

async fn miss(state: &WebState, scheduled: &Scheduled, day: NaiveDate, basis: u64, because: String) {
    // A day without a session is no surprise. For an exit that was not sent a position may be open.
    let is_session = state.engine.line().calendar.is_trading_day(scheduled.exchange, day) != Some(false);
    let level = match (is_session, only_closes(scheduled)) {
        (false, _) => Level::Info,
        (true, false) => Level::Warn,
        (true, true) => Level::Page,
    };
    let reason = format!("the stored alert {} did not run for {day} because {because}", scheduled.name);
    let told = Told { day, step: Step::DidNotRun { because } };
    keep(state, scheduled, &told, basis, Said { event: "SCHEDULE_DID_NOT_RUN", level, reason }).await;
}

/// Writes it down; answers the row's number. `None`: another state stands there, or nothing could be written.
async fn keep(state: &WebState, scheduled: &Scheduled, told: &Told, basis: u64, said: Said) -> Option<u64> {
    let keep = Keep {
        client_id: Some(scheduled.client_id.clone()),
        slot: slot(scheduled),
        value: None,
        basis: Some(basis),
        event: said.event,
        level: said.level,
        reason: Arc::from(said.reason),
        who: Arc::from(format!("schedule:{}", scheduled.name)),
        command_id: None,
    };
    let keep = keep.with(told).ok()?;
    let (reply, answer) = oneshot::channel();
    state.engine.line().post(vec![Posted { unit: Unit::Keep(keep), cargo: Cargo::Done(reply) }]);
    let is_applied = answer.await.is_ok_and(|outcome| outcome.is_applied());
    is_applied.then(|| self::told(state, scheduled).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_closes_goes_whenever_a_webhook_would_take_it() {
        let alert = |legs: &str| Scheduled {
            name: "square-off".to_owned(),
            client_id: ordergate_actors::order::ClientId::parse("A").unwrap(),
            at: chrono::NaiveTime::MIN,
            grace: Duration::from_secs(60),
            exchange: ordergate_actors::order::Exchange::Nse,
            alert: format!(r#"{{"strategy_name":"s","exchange":"NSE","legs":[{legs}]}}"#),
        };
        let (exit, flat) = (r#"{"execution_type":"EXIT","tradingsymbol":"SBIN","order_type":"MARKET"}"#, "\"target_position\":0");
        let flat = format!(r#"{{"execution_type":"TARGET","tradingsymbol":"INFY","order_type":"MARKET",{flat}}}"#);
        let entry = r#"{"execution_type":"ENTRY","tradingsymbol":"SBIN","direction":"BUY","qty":1,"order_type":"MARKET"}"#;
        let in_all =
            |legs: &str| [Phase::Recovering, Phase::ExitsOnly, Phase::Open, Phase::Closing].map(|phase| takes(phase, &alert(legs)));
        assert_eq!(in_all(&format!("{exit},{flat}")), [true, true, true, false]);
        assert_eq!(in_all(&format!("{exit},{entry}")), [false, false, true, false], "an entry waits for the account to be open");
        assert_eq!(in_all("7"), [false, false, true, false], "what is no alert is told of when its time comes");
    }
}
