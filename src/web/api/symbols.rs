//! `GET /dashboard/symbols/…`: what can be traded today, and which instrument a name means. Reads of memory, no side effect.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use ordergate_actors::ingress::naming::{self, Named};
use ordergate_actors::order::{Exchange, Instrument, Intent, Kind, LegDraft, trading_date};
use ordergate_actors::ports::{Rule, Why};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, account, accounts, user};
use crate::web::door::scope;
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Rows of one answer, unless fewer are asked for.
const MOST: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Search {
    q: String,
    exchange: Option<Exchange>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Of {
    underlying: String,
    exchange: Option<Exchange>,
    expiry: Option<NaiveDate>,
}

/// A name, and what an order of it would say beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Wanted {
    #[serde(alias = "name", alias = "tradingsymbol")]
    symbol: String,
    exchange: Option<String>,
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Option<String>,
    execution_type: Option<Intent>,
    #[serde(alias = "direction")]
    side: Option<String>,
    #[serde(alias = "product_type")]
    product: Option<String>,
}

/// Words in symbols and underlyings, the likeliest first.
pub(in crate::web) async fn search(asked: Parameters<Search>, state: Data<WebState>) -> Answer {
    let limit = asked.limit.unwrap_or(50);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request("bad_limit", format!("limit is {limit}"), format!("send a limit from 1 to {MOST}")));
    }
    let (count, found) = (state.tables)().search_in(asked.exchange, &asked.q, limit);
    let rows: Vec<Value> = found.iter().map(|row| shown(row)).collect();
    Ok(HttpResponse::Ok().json(json!({ "count": count, "instruments": rows, "as_of": state.now() })))
}

/// The days on which contracts of an underlying end.
pub(in crate::web) async fn expiries(asked: Parameters<Of>, state: Data<WebState>) -> Answer {
    let expiries = (state.tables)().expiries_of(asked.exchange, &asked.underlying, trading_date(state.now()));
    if expiries.is_empty() {
        return Err(no_contracts(&state, &asked));
    }
    Ok(HttpResponse::Ok().json(json!({ "underlying": asked.underlying, "expiries": expiries, "as_of": state.now() })))
}

/// The contracts of an underlying that end on a day; without a day, on the nearest.
pub(in crate::web) async fn contracts(asked: Parameters<Of>, state: Data<WebState>) -> Answer {
    let table = (state.tables)();
    let nearest = || table.expiries_of(asked.exchange, &asked.underlying, trading_date(state.now())).first().map(|day| day.expiry);
    let Some(expiry) = asked.expiry.or_else(nearest) else { return Err(no_contracts(&state, &asked)) };
    let contracts = table.contracts_of(asked.exchange, &asked.underlying, expiry);
    if contracts.is_empty() {
        return Err(no_contracts(&state, &asked));
    }
    let rows: Vec<Value> = contracts.iter().map(|row| shown(row)).collect();
    Ok(HttpResponse::Ok().json(json!({ "underlying": asked.underlying, "expiry": expiry, "contracts": rows, "as_of": state.now() })))
}

fn no_contracts(state: &WebState, asked: &Of) -> Problem {
    let near: BTreeSet<String> = (state.tables)().nearest_underlyings(&asked.underlying, 3).iter().map(ToString::to_string).collect();
    let when = asked.expiry.map_or_else(String::new, |day| format!(" that end on {day}"));
    let detail = format!("there are no contracts of {}{when}", ordergate_actors::order::clean(&asked.underlying, 40));
    Problem::not_found("no_contracts", detail, "see symbols/search and symbols/expiries").with("near", json!(near))
}

/// The one instrument that a name means, read as an order of it would be.
pub(in crate::web) async fn resolve(request: HttpRequest, asked: Parameters<Wanted>, state: Data<WebState>) -> Answer {
    let asked = asked.into_inner();
    let intent = asked.execution_type.unwrap_or(Intent::Entry);
    let leg = LegDraft {
        symbol: Some(asked.symbol),
        exchange: asked.exchange,
        strategy: asked.strategy,
        execution_type: Some(intent.to_string()),
        side: asked.side,
        product: asked.product,
        ..LegDraft::default()
    };
    // Names mean the same in every account; positions do not.
    let client_id = match (intent, asked.client_id) {
        (Intent::Entry, None) => accounts(&state, &request, None)?.into_iter().next().ok_or_else(Problem::no_account)?,
        (_, named) => account(&state, &request, named.as_deref())?,
    };
    if !scope(&request).sees(&client_id) {
        return Err(Problem::not_for_this_key(&user(&request)));
    }
    let named = naming::name(state.engine.line(), &client_id, &leg, state.now());
    answer(&state, &named)
}

fn answer(state: &WebState, named: &Named<'_>) -> Answer {
    if let Some(instrument) = &named.instrument {
        let (rule, by) = match &named.naming {
            Some(naming) => (naming.rule, naming.by.as_str()),
            None => (Rule::BrokerSymbol, "the broker's own symbol"),
        };
        let read = named.naming.as_ref().map(ToString::to_string);
        let body = json!({ "instrument": shown(instrument), "rule": rule, "by": by, "read": read, "as_of": state.now() });
        return Ok(HttpResponse::Ok().json(body));
    }
    let Some(trouble) = &named.trouble else {
        return Err(Problem::bad_request("no_symbol", "symbol is empty, too long, or holds a placeholder", "send the name to look up"));
    };
    let code = match trouble.why {
        Why::Unknown => "unknown_symbol",
        Why::Ambiguous => "ambiguous_symbol",
        Why::NoPrice => "no_price",
        Why::NothingHeld => "no_position",
    };
    let remedy = "name the exchange, take one of the names in `near`, or look it up with symbols/search";
    let near: Vec<Value> = trouble.near.iter().map(|key| json!({ "exchange": key.exchange, "symbol": key.symbol })).collect();
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, trouble.to_string(), remedy).with("near", json!(near)))
}

/// An instrument; prices as texts.
fn shown(row: &Instrument) -> Value {
    let (kind, expiry, strike, right) = match &row.kind {
        Kind::Equity => ("EQUITY", None, None, None),
        Kind::Index => ("INDEX", None, None, None),
        Kind::Future { expiry } => ("FUTURE", Some(*expiry), None, None),
        Kind::Option { expiry, strike, right } => ("OPTION", Some(*expiry), Some(strike.to_string()), Some(*right)),
    };
    json!({
        "exchange": row.key.exchange,
        "symbol": row.key.symbol,
        "underlying": row.underlying,
        "kind": kind,
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "lot": row.lot,
        "rupees_per_point": row.rupees_per_point.normalize().to_string(),
        "tick": row.tick.to_string(),
        "freeze": row.freeze,
        "token": row.token,
        "is_tradable": row.is_tradable(),
    })
}
