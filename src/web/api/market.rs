//! `GET /dashboard/quotes` and `/dashboard/option-chain`: prices that are at hand. To ask is to subscribe, at a broker that pushes
//! quotes: what is null now is there a moment later.

use std::collections::BTreeMap;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::Desk;
use ordergate_actors::ingress::naming;
use ordergate_actors::order::{ClientId, Exchange, Instrument, InstrumentKey, Kind, LegDraft, Price, Right, clean, trading_date};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, accounts, age_ms};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Strikes on each side of the money, unless the reader says.
const STRIKES: usize = 10;
const MOST_STRIKES: usize = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Wanted {
    symbol: String,
    exchange: Option<String>,
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Chain {
    underlying: String,
    exchange: Option<Exchange>,
    expiry: Option<NaiveDate>,
    strikes: Option<usize>,
    client_id: Option<String>,
}

/// The account whose market is asked: any that the reader may see, unless one is named.
fn client(state: &WebState, request: &HttpRequest, named: Option<&str>) -> Result<ClientId, Problem> {
    accounts(state, request, named)?.into_iter().next().ok_or_else(Problem::no_account)
}

/// The newest quote of one instrument.
pub(in crate::web) async fn quotes(request: HttpRequest, asked: Parameters<Wanted>, state: Data<WebState>) -> Answer {
    let client_id = client(&state, &request, asked.client_id.as_deref())?;
    let leg = LegDraft {
        symbol: Some(asked.symbol.clone()),
        exchange: asked.exchange.clone(),
        execution_type: Some("ENTRY".to_owned()),
        ..LegDraft::default()
    };
    let named = naming::name(state.engine.line(), &client_id, &leg, state.now());
    let why =
        named.trouble.as_ref().map_or_else(|| format!("{} is no name of an instrument", clean(&asked.symbol, 60)), ToString::to_string);
    let found = named.instrument.ok_or_else(|| Problem::not_found("unknown_symbol", why, "look it up with symbols/search"))?;
    let desk = state.engine.desk(&client_id)?;
    let now = state.now();
    Ok(HttpResponse::Ok().json(json!({
        "exchange": found.key.exchange,
        "symbol": found.key.symbol,
        "quote": quote(&state, desk, &found.key, now),
        "previous_close": text(state.engine.line().quotes.previous_close(&found.key)),
        "as_of": now,
    })))
}

fn text(price: Option<Price>) -> Option<String> {
    price.map(|price| price.to_string())
}

/// The newest quote, with its age; null where there is none.
pub(super) fn quote(state: &WebState, desk: &Desk, key: &InstrumentKey, now: DateTime<Utc>) -> Value {
    state.engine.line().newest_quote(desk, key).map_or(Value::Null, |quote| {
        json!({ "last": quote.last.to_string(), "bid": text(quote.bid), "ask": text(quote.ask), "at": quote.at, "age_ms": age_ms(now, quote.at) })
    })
}

/// Calls and puts of one day around the money.
pub(in crate::web) async fn option_chain(request: HttpRequest, asked: Parameters<Chain>, state: Data<WebState>) -> Answer {
    let each_side = asked.strikes.unwrap_or(STRIKES);
    if each_side > MOST_STRIKES {
        return Err(Problem::bad_request("bad_limit", format!("strikes is {each_side}"), format!("send strikes from 0 to {MOST_STRIKES}")));
    }
    let client_id = client(&state, &request, asked.client_id.as_deref())?;
    let now = state.now();
    let table = (state.tables)();
    let expiries = table.expiries_of(asked.exchange, &asked.underlying, trading_date(now));
    let mut options: BTreeMap<Price, BTreeMap<&'static str, std::sync::Arc<Instrument>>> = BTreeMap::new();
    let of_day = |day: NaiveDate| table.contracts_of(asked.exchange, &asked.underlying, day);
    // The nearest day that has options: a month may have a future only.
    let nearest = || expiries.iter().find(|one| one.options > 0).map(|one| one.expiry);
    let expiry = asked.expiry.or_else(nearest);
    for row in expiry.map(of_day).unwrap_or_default() {
        if let Kind::Option { strike, right, .. } = &row.kind {
            let side = if *right == Right::Call { "call" } else { "put" };
            options.entry(*strike).or_default().insert(side, std::sync::Arc::clone(&row));
        }
    }
    let Some(expiry) = expiry.filter(|_| !options.is_empty()) else {
        let when = asked.expiry.map_or_else(String::new, |day| format!(" that end on {day}"));
        let detail = format!("there are no options of {}{when}", clean(&asked.underlying, 40));
        return Err(Problem::not_found("no_contracts", detail, "see symbols/search and symbols/expiries"));
    };
    let atm = at_the_money(&state, &client_id, &asked, expiry, now);
    let strikes: Vec<Price> = options.keys().copied().collect();
    // Without a price of the underlying the middle of what is listed is shown, and nothing is called at the money.
    let middle = atm.and_then(|atm| strikes.binary_search(&atm).ok()).unwrap_or(strikes.len() / 2);
    let from = middle.saturating_sub(each_side);
    let desk = state.engine.desk(&client_id)?;
    let shown = |option: Option<&std::sync::Arc<Instrument>>| {
        option.map(|row| json!({ "exchange": row.key.exchange, "symbol": row.key.symbol, "lot": row.lot, "rupees_per_point": row.rupees_per_point.normalize().to_string(), "tick": row.tick.to_string(), "quote": quote(&state, desk, &row.key, now) }))
    };
    let rows: Vec<Value> = options
        .iter()
        .skip(from)
        .take(middle.saturating_add(each_side).saturating_add(1).saturating_sub(from))
        .map(|(strike, sides)| {
            json!({ "strike": strike.to_string(), "is_atm": atm == Some(*strike), "call": shown(sides.get("call")), "put": shown(sides.get("put")) })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "underlying": asked.underlying,
        "expiry": expiry,
        "expiries": expiries.iter().filter(|one| one.options > 0).map(|one| one.expiry).collect::<Vec<_>>(),
        "atm": text(atm),
        "strikes": options.len(),
        "rows": rows,
        "as_of": now,
    })))
}

/// The strike at the money, read as an alert's wish for it would be; `None` without a fresh price of the underlying.
fn at_the_money(state: &WebState, client_id: &ClientId, asked: &Chain, expiry: NaiveDate, now: DateTime<Utc>) -> Option<Price> {
    let leg = LegDraft {
        symbol: Some(format!("{} {expiry} ATM CE", asked.underlying.trim())),
        exchange: asked.exchange.map(|exchange| exchange.to_string()),
        execution_type: Some("ENTRY".to_owned()),
        ..LegDraft::default()
    };
    match naming::name(state.engine.line(), client_id, &leg, now).instrument?.kind {
        Kind::Option { strike, .. } => Some(strike),
        Kind::Equity | Kind::Index | Kind::Future { .. } => None,
    }
}
