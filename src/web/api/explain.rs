//! `POST /dashboard/explain`: paste an alert, hear what would become of it. Nothing is written, and nothing is sent.

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::Desk;
use ordergate_actors::explain::Explained;
use ordergate_actors::order::{ClientId, HoldingKey, InstrumentKey, Side, SignalDraft, SignalId, Source, trading_date};
use ordergate_actors::pnl::Line as DayLine;
use ordergate_actors::ports::Quote;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::connect::{becomes, source};
use super::{Answer, account, age_ms, margin, market, pnl, user};
use crate::web::body;
use crate::web::door::scope;
use crate::web::formats::{self, Alert, Read};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct For {
    client_id: Option<String>,
    /// Whose alert it would be, where a route decides; absent: the first source.
    source: Option<String>,
}

/// What would become of the alert in the body, if it came now, for the account that the address names.
pub(in crate::web) async fn explain(request: HttpRequest, payload: Payload, state: Data<WebState>, asked: Parameters<For>) -> Answer {
    let client_id = account(&state, &request, asked.client_id.as_deref())?;
    if !scope(&request).sees(&client_id) {
        return Err(Problem::not_for_this_key(&user(&request)));
    }
    let json = body::json(payload, request.headers(), &state.settings).await?.without("secret_key");
    let read = formats::read(&json, state.now()).map_err(|refusal| {
        Problem::bad_request(refusal.code(), refusal.to_string(), "paste the alert as its sender would send it; a secret in it is not read")
    })?;
    match read {
        Read::Orders(alert) => {
            let (legs, mut told) = explained(&state, &client_id, &alert)?;
            if let [only] = legs.as_slice()
                && let Some(takes) = margin::of_broker(&state, &client_id, only).await
            {
                told["legs"][0]["takes"] = takes;
            }
            Ok(HttpResponse::Ok().json(told))
        }
        Read::Readings(readings) => {
            let source = source(&state, &client_id, asked.source.as_deref())?;
            Ok(HttpResponse::Ok().json(becomes(&state, &client_id, source, &readings)?))
        }
    }
}

/// The same for an alert that was read already.
///
/// # Errors
/// No such account.
pub(in crate::web) fn explanation(state: &WebState, client_id: &ClientId, alert: &Alert) -> Result<Value, Problem> {
    explained(state, client_id, alert).map(|(_, told)| told)
}

/// A journal row leaves out what was not sent; an answer says it.
pub(super) fn say_what_was_not_sent(told: &mut Value, fields: &[&str]) {
    for field in fields {
        if told.get(field).is_none() {
            told[*field] = Value::Null;
        }
    }
}

/// The legs, and what is told of them.
fn explained(state: &WebState, client_id: &ClientId, alert: &Alert) -> Result<(Vec<Explained>, Value), Problem> {
    let now = state.now();
    let draft = SignalDraft {
        client_id: client_id.clone(),
        // Of no signal: nothing is looked up by it, and no name is drawn.
        signal_id: SignalId(Uuid::nil()),
        source: Source::Webhook,
        user: "explain".to_owned(),
        idempotency_key: None,
        body_hash: [0; 32],
        replay_window_ms: 0,
        received_at: now,
        signal_time: alert.signal_time,
        legs: alert.legs.clone(),
    };
    let desk = state.engine.desk(client_id)?;
    let explained = state.engine.explain(&draft)?;
    let legs: Vec<Value> = explained.iter().map(|leg| shown(state, desk, leg, now)).collect();
    let told = json!({
        "client_id": client_id,
        "format": alert.format,
        "as_of": now,
        "done": "nothing was written, and nothing was sent",
        "legs": legs,
        "funds": funds(desk, now),
        "charges_plan": state.site.charges.plan(client_id),
        "ignored": alert.ignored,
    });
    Ok((explained, told))
}

/// A leg, with the newest quote of its instrument and what it would be charged when it fills.
fn shown(state: &WebState, desk: &Desk, leg: &Explained, now: DateTime<Utc>) -> Value {
    let mut row = json!(leg);
    say_what_was_not_sent(&mut row["ask"], &["price", "trigger_price", "seen_price", "stop_loss", "target", "trailing", "test_mode"]);
    if let Some(takes) = row["takes"].as_object_mut() {
        let source = if takes["is_estimate"] == true { "estimate" } else { "rule" };
        takes.insert("source".to_owned(), json!(source));
    }
    row["value"] = json!(value(state, desk, leg));
    let key = leg.ask.exchange.map(|exchange| InstrumentKey::new(exchange, &leg.ask.symbol));
    row["quote"] = key.as_ref().map_or(Value::Null, |key| market::quote(state, desk, key, now));
    row["charges"] = key.and_then(|key| charges(state, desk, leg, key, now)).unwrap_or(Value::Null);
    row
}

/// What it comes to at its own price, in rupees; `None`: it has none, or nobody knows what a point of it is worth.
fn value(state: &WebState, desk: &Desk, leg: &Explained) -> Option<String> {
    let terms = leg.terms.as_ref()?;
    let key = InstrumentKey::new(leg.ask.exchange?, &leg.ask.symbol);
    let point = state.engine.line().point(&desk.client_id, &key)?;
    Some(pnl::money(terms.price?.times(terms.quantity.value()).rupees(point)))
}

/// What the leg would be charged if it filled whole at its limit, or at the touch where it has none.
fn charges(state: &WebState, desk: &Desk, leg: &Explained, key: InstrumentKey, now: DateTime<Utc>) -> Option<Value> {
    let (side, quantity, product) = (leg.ask.side?, leg.ask.quantity?, leg.ask.product?);
    let touch = |quote: Quote| if side == Side::Buy { quote.ask } else { quote.bid }.unwrap_or(quote.last);
    let price = leg.ask.price.or_else(|| state.engine.line().newest_quote(desk, &key).map(touch))?;
    let line = DayLine::of_one(side, quantity, price, state.engine.line().point(&desk.client_id, &key));
    let key = HoldingKey { instrument: key, product };
    let costs = state.site.charges.sum(state.engine.line(), &desk.client_id, trading_date(now), std::iter::once((&key, &line)));
    let mut told = pnl::charges(&costs);
    told["at"] = json!(price.to_string());
    Some(told)
}

/// The account's money as it was told last, and by whom; null where it was not.
fn funds(desk: &Desk, now: DateTime<Utc>) -> Value {
    let broker = desk.broker.capabilities();
    desk.findings.read().funds.as_ref().map_or(Value::Null, |(funds, at)| {
        json!({
            "available": funds.available,
            "margin_used": funds.margin_used,
            "told_by": broker.name,
            "is_live": broker.is_live,
            "read_at": at,
            "age_ms": age_ms(now, *at),
        })
    })
}
