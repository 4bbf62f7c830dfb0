//! `GET /dashboard/positions`: what our strategies hold, beside what the broker shows.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query as Parameters};
use ordergate_actors::order::{ClientId, HoldingKey};
use ordergate_actors::persistence::{Book, Gross};
use ordergate_actors::ports::{PositionRow, Quote};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, age_ms};
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// Every account's positions.
pub(in crate::web) async fn positions(asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let clients = state.accounts(asked.client_id.as_deref())?;
    let accounts: Vec<Value> = clients.iter().filter_map(|client| account(&state, client)).collect();
    Ok(HttpResponse::Ok().json(json!({ "accounts": accounts, "as_of": state.now() })))
}

/// What is held under one key, by strategy.
struct Held {
    key: HoldingKey,
    gross: Gross,
    strategies: Vec<Value>,
}

fn held(book: &Book, at_broker: BTreeSet<HoldingKey>) -> Vec<Held> {
    let mut keys = at_broker;
    keys.extend(book.held_keys().map(|(key, _)| key.clone()));
    keys.into_iter()
        .map(|key| {
            let strategies = book
                .holdings()
                .filter(|(_, other, _)| **other == key)
                .map(|(strategy, _, held)| {
                    json!({
                        "strategy": strategy,
                        "net": held.net,
                        "average_price": held.average().map(|price| price.to_string()),
                        "realised": held.realised.to_string(),
                        "opened_at": held.opened_at,
                    })
                })
                .collect();
            Held { gross: book.gross(&key), key, strategies }
        })
        .collect()
}

fn account(state: &WebState, client_id: &ClientId) -> Option<Value> {
    let desk = state.engine.desk(client_id).ok()?;
    let found = desk.findings.read().positions.clone();
    let rows: &[PositionRow] = found.as_ref().map_or(&[], |found| &found.rows);
    let held = state.engine.read(client_id, |book| held(book, rows.iter().map(|row| row.holding.clone()).collect()))?;
    let is_synthetic = !desk.broker.capabilities().is_live;
    let now = state.now();
    let positions: Vec<Value> = held
        .into_iter()
        .map(|Held { key, gross, strategies }| {
            let row = rows.iter().find(|row| row.holding == key);
            let at_broker = found.as_ref().map(|found| found.net(&key));
            json!({
                "exchange": key.instrument.exchange,
                "symbol": key.instrument.symbol,
                "product": key.product,
                "strategies": strategies,
                "ours": gross.net(),
                "broker": at_broker,
                "difference": at_broker.map(|net| net - gross.net()),
                "broker_average_price": row.and_then(|row| row.average_price).map(|price| price.to_string()),
                "realised": row.map(|row| row.realised.to_string()),
                "unrealised": row.map(|row| row.unrealised.to_string()),
                "quote": state.engine.line().quotes.quote(&key.instrument).map(|quote| priced(&quote, is_synthetic, age_ms(now, quote.at))),
            })
        })
        .collect();
    Some(json!({
        "client_id": client_id,
        "broker": desk.broker.capabilities().name,
        "prices": if is_synthetic { "SYNTHETIC" } else { "BROKER" },
        "read_at": found.as_ref().map(|found| found.at),
        "age_ms": found.as_ref().map(|found| age_ms(now, found.at)),
        "positions": positions,
    }))
}

fn priced(quote: &Quote, is_synthetic: bool, age_ms: i64) -> Value {
    json!({
        "last": quote.last.to_string(),
        "bid": quote.bid.map(|price| price.to_string()),
        "ask": quote.ask.map(|price| price.to_string()),
        "at": quote.at,
        "age_ms": age_ms,
        "source": if is_synthetic { "SYNTHETIC" } else { "BROKER" },
    })
}
