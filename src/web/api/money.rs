//! `GET /dashboard/accounts`, `/funds`, `/holdings`, `/tradebook`: what the account is, has, and traded today.

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, InstrumentKey, trading_date};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, accounts, age_ms};
use crate::store::Trade;
use crate::web::answer::status_url;
use crate::web::problem::Problem;
use crate::web::state::WebState;
use crate::web::today;

/// Trades that one answer tells; `exports/fills.csv` has all of them, whatever their number.
const SHOWN: usize = 2_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// The accounts that the reader may see.
pub(in crate::web) async fn list(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let mut rows = Vec::new();
    for client_id in accounts(&state, &request, asked.client_id.as_deref())? {
        let desk = state.engine.desk(&client_id)?;
        let broker = desk.broker.capabilities();
        let session = desk.findings.read().session.clone();
        rows.push(json!({
            "client_id": client_id,
            "broker": broker.name,
            "is_live": broker.is_live,
            "phase": desk.phase(),
            "standing": desk.standing(state.now()),
            "is_session_ready": session.map(|session| session == ordergate_actors::ports::Session::Ready),
            "open_orders": state.engine.read(&client_id, |book| book.open_count()),
        }));
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": rows, "as_of": state.now() })))
}

/// The account's money, as the broker told it last; null where it does not tell.
pub(in crate::web) async fn funds(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let now = state.now();
    let mut rows = Vec::new();
    for client_id in accounts(&state, &request, asked.client_id.as_deref())? {
        let desk = state.engine.desk(&client_id)?;
        let funds = desk.findings.read().funds.clone();
        rows.push(json!({
            "client_id": client_id,
            "funds": funds.as_ref().map(|(funds, _)| funds),
            "read_at": funds.as_ref().map(|(_, at)| at),
            "age_ms": funds.as_ref().map(|(_, at)| age_ms(now, *at)),
        }));
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": rows, "as_of": now })))
}

/// Shares held for delivery, with what they are worth where there is a quote.
pub(in crate::web) async fn holdings(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let mut rows = Vec::new();
    for client_id in accounts(&state, &request, asked.client_id.as_deref())? {
        rows.push(held(&state, &client_id)?);
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": rows, "as_of": state.now() })))
}

fn held(state: &WebState, client_id: &ClientId) -> Result<Value, Problem> {
    let desk = state.engine.desk(client_id)?;
    let delivered = desk.findings.read().holdings.clone();
    let rows = delivered.as_ref().map(|delivered| {
        let shown = delivered.rows.iter().map(|row| {
            let quote = row.listings.first().and_then(|key| state.engine.line().newest_quote(desk, key));
            let units = Decimal::from(row.quantity);
            let value = quote.as_ref().and_then(|quote| quote.last.value().checked_mul(units));
            let cost = row.average_price.and_then(|price| price.checked_mul(units));
            json!({
                "listings": row.listings,
                "quantity": row.quantity,
                "average_price": row.average_price.map(|price| price.to_string()),
                "last": quote.as_ref().map(|quote| quote.last.to_string()),
                "value": value.map(|value| value.to_string()),
                "unrealised": value.zip(cost).and_then(|(value, cost)| value.checked_sub(cost)).map(|gain| gain.to_string()),
            })
        });
        shown.collect::<Vec<Value>>()
    });
    let read_at = delivered.as_ref().map(|delivered| delivered.at);
    Ok(json!({ "client_id": client_id, "holdings": rows, "read_at": read_at, "age_ms": read_at.map(|at| age_ms(state.now(), at)) }))
}

/// Today's trades of our orders, the newest first.
pub(in crate::web) async fn trade_book(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let day = trading_date(state.now());
    let mut trades = Vec::new();
    for client_id in accounts(&state, &request, asked.client_id.as_deref())? {
        trades.extend(today::trades(&state, &client_id, day).await?.into_iter().map(|trade| (client_id.clone(), trade)));
    }
    trades.sort_by_key(|(_, trade)| std::cmp::Reverse(trade.fill.at));
    let rows: Vec<Value> = trades.iter().take(SHOWN).map(|(client_id, trade)| traded(&state, client_id, trade)).collect();
    Ok(HttpResponse::Ok().json(json!({
        "trades": rows, "total": trades.len(), "is_whole": trades.len() <= SHOWN, "as_of": state.now(),
    })))
}

fn traded(state: &WebState, client_id: &ClientId, trade: &Trade) -> Value {
    let fill = &trade.fill;
    let point = state.engine.line().point(client_id, &InstrumentKey::new(trade.exchange, &trade.symbol));
    let value = point.map(|point| fill.price.times(fill.quantity.value()).rupees(point));
    json!({
        "client_id": client_id,
        "command_id": trade.command_id,
        "trade_id": fill.trade_id,
        "broker_order_id": fill.broker_order_id,
        "strategy": trade.strategy,
        "exchange": trade.exchange,
        "symbol": trade.symbol,
        "product": trade.product,
        "side": trade.side,
        "quantity": fill.quantity,
        "price": fill.price.to_string(),
        "value": value.map(|value| value.to_string()),
        "at": fill.at,
        "status_url": status_url(trade.command_id),
    })
}
