//! `GET /dashboard/overview`: what stands at the top of every page. Reads of memory only, so that every open page may ask
//! for it again and again: no broker is asked.

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::order::calendar::{Class, SessionPhase, Why};
use ordergate_actors::order::{ClientId, Exchange, ist};
use ordergate_actors::persistence::Book;
use ordergate_actors::ports::Session;
use ordergate_actors::{Desk, Line};
use serde_json::{Value, json};

use super::positions::{is_stale, is_synthetic};
use super::{Answer, OfAccount, accounts, age_ms};
use crate::web::state::WebState;

/// Mode, session, ages, controls and counts of every account, and what the markets do.
pub(in crate::web) async fn overview(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    Ok(HttpResponse::Ok().json(of_accounts(&state, &clients)))
}

/// The overview of these accounts.
pub(in crate::web) fn of_accounts(state: &WebState, clients: &[ClientId]) -> Value {
    let now = state.now();
    let accounts: Vec<Value> =
        clients.iter().filter_map(|client| state.engine.desk(client).ok()).filter_map(|desk| account(state, desk, now)).collect();
    let line = state.engine.line();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": state.started_at,
        "journal_open": state.is_journal_open(),
        "free_bytes": line.view.free_space(),
        "min_free_bytes": line.settings.min_free_bytes,
        "clock_behind_until": line.clock_is_behind(now),
        "process_alarms": line.view.process_alarms().len(),
        "markets": markets(line, &state.site.exchanges, now),
        "accounts": accounts,
        "as_of": now,
    })
}

fn account(state: &WebState, desk: &Desk, now: DateTime<Utc>) -> Option<Value> {
    let findings = desk.findings.read().clone();
    let age = |at: Option<DateTime<Utc>>| at.map(|at| age_ms(now, at));
    let read_at = findings.positions.as_ref().map(|positions| positions.at);
    let line = state.engine.line();
    let capabilities = desk.broker.capabilities();
    let (session, words) = match &findings.session {
        Some(Session::Ready) => ("READY", None),
        Some(Session::Resting(why)) => ("RESTING", Some(why.clone())),
        Some(Session::NotReady(why)) => ("NOT_READY", Some(why.clone())),
        None => ("UNKNOWN", None),
    };
    // Of the prices that the result stands at: one that was only asked for moves none of it.
    let oldest_quote = |book: &Book| {
        let held = book.held_keys().map(|(key, _)| key.instrument.clone()).collect::<Vec<_>>();
        held.iter().map(|key| line.quotes.quote(key).map(|quote| age_ms(now, quote.at))).collect::<Option<Vec<_>>>()
    };
    let committed = state.engine.read(&desk.client_id, |book| {
        let control = book.control();
        let quotes = oldest_quote(book);
        json!({
            "kill_level": u8::from(control.level),
            "kill_by": control.who,
            "kill_reason": control.reason,
            "kill_at": control.at,
            "strategies_stopped": control.strategies,
            "halt_of_the_day": control.day,
            "is_frozen": control.is_frozen(),
            "freeze": control.freeze,
            "open_orders": book.open_count(),
            "in_doubt": book.doubts().count(),
            "held": book.held_keys().count(),
            // Null as soon as one of what is held has no price at all.
            "oldest_quote_age_ms": quotes.as_ref().and_then(|ages| ages.iter().max().copied()),
            "without_a_quote": quotes.is_none(),
            "alarms": book.alarms().count(),
            "journal_seq": book.seq(),
        })
    });
    let mut account = committed?;
    let more = json!({
        "client_id": desk.client_id,
        "broker": capabilities.name,
        "is_live": capabilities.is_live,
        "prices": if is_synthetic(capabilities, state.site.has_live_quotes) { "SYNTHETIC" } else { "BROKER" },
        "standing": desk.standing(now),
        "phase": desk.phase(),
        "session": session,
        "session_words": words,
        "is_held_to_calendar": line.calendar.holds(capabilities.is_live),
        "orders_age_ms": age(findings.orders.as_ref().map(|orders| orders.at)),
        "positions_age_ms": age(read_at),
        "positions_stale": is_stale(desk, read_at, now),
        "trouble": findings.trouble_words(),
    });
    if let (Some(fields), Value::Object(more)) = (account.as_object_mut(), more) {
        fields.extend(more);
    }
    Some(account)
}

/// What goes on in the markets: of each segment, for what most of its orders are in.
fn markets(line: &Line, exchanges: &[Exchange], now: DateTime<Utc>) -> Vec<Value> {
    let exchanges = if exchanges.is_empty() { &[Exchange::Nse, Exchange::Nfo][..] } else { exchanges };
    exchanges
        .iter()
        .map(|exchange| {
            let class = if matches!(exchange, Exchange::Nse | Exchange::Bse) { Class::AuctionShare } else { Class::Future };
            let phase = line.calendar.phase(*exchange, class, now);
            let (word, until, why) = match &phase {
                SessionPhase::Unknown(missing) => ("UNKNOWN", None, Some(missing.to_string())),
                SessionPhase::Closed { why, next_open } => ("CLOSED", *next_open, closed(why)),
                SessionPhase::PreOpen { until, .. } => ("PRE_OPEN", Some(*until), None),
                SessionPhase::Continuous { closes_at } => ("OPEN", Some(*closes_at), None),
                SessionPhase::ClosingAuction { until, .. } => ("CLOSING_AUCTION", Some(*until), None),
                SessionPhase::PostClose { until } => ("POST_CLOSE", Some(*until), None),
            };
            json!({
                "exchange": exchange, "phase": word, "until": until, "why": why, "words": phase.to_string(),
                "until_ist": until.map(|at| at.with_timezone(&ist()).format("%a %-d %b %H:%M").to_string()),
            })
        })
        .collect()
}

fn closed(why: &Why) -> Option<String> {
    match why {
        Why::Hours => None,
        Why::Weekend => Some("week-end".to_owned()),
        Why::Holiday(name) => Some(name.to_string()),
    }
}
