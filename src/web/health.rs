//! `GET /health/live`, `/health/ready`, `/metrics`: ages and numbers, not flags.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::arming::Mode;
use ordergate_actors::order::calendar::Severity;
use ordergate_actors::order::{Exchange, Status, trading_date};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::Session;
use ordergate_actors::risk::is_master_fresh;
use ordergate_actors::{Desk, Phase};
use serde_json::{Value, json};

use super::state::WebState;

/// The process answers.
pub(super) async fn live(state: Data<WebState>) -> HttpResponse {
    let is_halted = state.engine.line().halt.is_halted();
    let code = if is_halted { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let now = state.now();
    HttpResponse::build(code).json(json!({
        "status": if is_halted { "ENDING" } else { "LIVE" },
        "started_at": state.started_at,
        "uptime_ms": now.signed_duration_since(state.started_at).num_milliseconds(),
    }))
}

/// Whether the line works, and if not, why not; and beside it what refuses entries although it works. Names no account and no path: anybody
/// may ask. What a person or a limit has stopped is not "not ready": nothing is to be started anew for it.
pub(super) async fn ready(state: Data<WebState>) -> HttpResponse {
    let now = state.now();
    let line = state.engine.line();
    let (why_not, accounts) = why_not(&state, now);
    let calendar = crate::calendar::concerns(line, trading_date(now));
    let code = if why_not.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).json(json!({
        "status": if why_not.is_empty() { "READY" } else { "NOT_READY" },
        "why_not": why_not,
        "entries_refused": entries_refused(&state, now),
        "journal_open": state.is_journal_open(),
        "free_bytes": line.view.free_space(),
        "min_free_bytes": line.settings.min_free_bytes,
        "clock_behind_until": line.clock_is_behind(now),
        "actor_restarts": line.budget.total(),
        "calendar": calendar.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "accounts": accounts,
        "as_of": now,
    }))
}

/// Why the line does not work, and each account as people see it here.
pub(super) fn why_not(state: &WebState, now: DateTime<Utc>) -> (Vec<String>, Vec<Value>) {
    let line = state.engine.line();
    let mut why_not = Vec::new();
    if !state.is_journal_open() {
        why_not.push("journal_closed".to_owned());
    }
    if line.view.writing().lasts() >= state.settings.stalled {
        why_not.push("journal_stalled".to_owned());
    }
    if line.disk_is_low().is_some() {
        why_not.push("disk_low".to_owned());
    }
    if line.clock_is_behind(now).is_some() {
        why_not.push("clock_behind_journal".to_owned());
    }
    if line.clock_was_set_back().is_some() {
        why_not.push("clock_set_back".to_owned());
    }
    let calendar = crate::calendar::concerns(line, trading_date(now));
    if calendar.iter().any(|concern| concern.severity == Severity::Error) {
        why_not.push("calendar_missing".to_owned());
    }
    let accounts = line.desks().enumerate().map(|(index, desk)| desk_ready(desk, index, now, &mut why_not)).collect();
    (why_not, accounts)
}

/// What refuses every entry of an account, or of an exchange, while the line works: a level, a freeze, the halt of the day, arming, masters.
pub(super) fn entries_refused(state: &WebState, now: DateTime<Utc>) -> Vec<String> {
    let line = state.engine.line();
    let mut refused = Vec::new();
    for (index, desk) in line.desks().enumerate() {
        let stops = line.view.read(&desk.client_id, |book| {
            let control = book.control();
            [(control.level > KillLevel::None, "kill_level"), (control.is_frozen(), "exits_frozen"), (control.day.is_some(), "day_is_over")]
        });
        let is_disarmed = desk.standing(now).mode == Mode::LiveDisarmed;
        let checks = stops.into_iter().flatten().chain([(is_disarmed, "not_armed")]);
        refused.extend(checks.filter(|(is_so, _)| *is_so).map(|(_, word)| format!("accounts[{index}].{word}")));
    }
    let is_old = |exchange: &Exchange| line.instruments.as_of(*exchange).is_some_and(|of| !is_master_fresh(Some(of), now));
    refused.extend(Exchange::ALL.iter().filter(|exchange| is_old(exchange)).map(|exchange| format!("{exchange}.master_is_old")));
    refused
}

fn desk_ready(desk: &Desk, index: usize, now: DateTime<Utc>, why_not: &mut Vec<String>) -> Value {
    let findings = desk.findings.read().clone();
    let age = |at: Option<DateTime<Utc>>| at.map(|at| now.signed_duration_since(at).num_milliseconds());
    let positions_age = age(findings.positions.as_ref().map(|positions| positions.at));
    let blind_after = i64::try_from(desk.settings.waits.blind_after.as_millis()).unwrap_or(i64::MAX);
    let is_blind = positions_age.is_none_or(|age| age > blind_after);
    let has_session = findings.session == Some(Session::Ready);
    let phase = desk.phase();
    let checks = [(phase != Phase::Open, "phase"), (!has_session, "no_session"), (is_blind, "positions_too_old")];
    why_not.extend(checks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| format!("accounts[{index}].{word}")));
    json!({
        "phase": phase,
        "session": has_session,
        "positions_age_ms": positions_age,
        "orders_age_ms": age(findings.orders.as_ref().map(|orders| orders.at)),
        "trades_age_ms": age(findings.trades_at),
        "trouble": !findings.trouble.is_empty(),
    })
}

/// Prometheus text. Gauges are set as it is rendered.
pub(super) async fn metrics(_: HttpRequest, state: Data<WebState>) -> HttpResponse {
    gauges(&state);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body((state.prometheus)())
}

fn gauges(state: &WebState) {
    let now = state.now();
    let line = state.engine.line();
    let seconds = |at: DateTime<Utc>| now.signed_duration_since(at).as_seconds_f64();
    metrics::gauge!("ordergate_uptime_seconds").set(seconds(state.started_at));
    metrics::gauge!("ordergate_journal_open").set(f64::from(u8::from(state.is_journal_open())));
    metrics::gauge!("ordergate_actor_restarts").set(line.budget.total() as f64);
    if let Some(free) = line.view.free_space() {
        metrics::gauge!("ordergate_free_bytes").set(free as f64);
    }
    for desk in line.desks() {
        let label = || ("client_id", desk.client_id.to_string());
        metrics::gauge!("ordergate_permits_used", &[label()]).set(desk.admission.used() as f64);
        metrics::gauge!("ordergate_permits", &[label()]).set(desk.admission.capacity() as f64);
        metrics::gauge!("ordergate_broker_calls", &[label()]).set(desk.calls.lock().running() as f64);
        metrics::gauge!("ordergate_phase", &[label()]).set(f64::from(desk.phase() as u8));
        let counted = line.view.read(&desk.client_id, |book| {
            let waiting = book.open_orders().filter(|order| order.status == Status::Created).map(|order| order.created_at).min();
            (book.open_count(), book.doubts().count(), waiting, book.alarms().count(), book.seq(), u8::from(book.control().account_level()))
        });
        if let Some((open, doubts, waiting, alarms, seq, level)) = counted {
            metrics::gauge!("ordergate_open_orders", &[label()]).set(open as f64);
            metrics::gauge!("ordergate_orders_in_doubt", &[label()]).set(doubts as f64);
            metrics::gauge!("ordergate_oldest_created_seconds", &[label()]).set(waiting.map_or(0.0, seconds));
            metrics::gauge!("ordergate_alarms_standing", &[label()]).set(alarms as f64);
            metrics::gauge!("ordergate_journal_seq", &[label()]).set(seq as f64);
            metrics::gauge!("ordergate_kill_level", &[label()]).set(f64::from(level));
        }
        let (positions, orders, foreign) = {
            let findings = desk.findings.read();
            (findings.positions.as_ref().map(|read| read.at), findings.orders.as_ref().map(|read| read.at), findings.foreign.len())
        };
        metrics::gauge!("ordergate_foreign_orders", &[label()]).set(foreign as f64);
        for (book, at) in [("positions", positions), ("orders", orders)] {
            if let Some(at) = at {
                metrics::gauge!("ordergate_book_age_seconds", "client_id" => desk.client_id.to_string(), "book" => book).set(seconds(at));
            }
        }
    }
}
