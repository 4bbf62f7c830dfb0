//! `GET /dashboard/positions`: what our strategies hold, beside what the broker shows.

use std::collections::BTreeMap;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, Holding, HoldingKey, Strategy};
use ordergate_actors::ports::{Capabilities, PositionRow, Quote};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, accounts, age_ms};
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// Every account's positions.
pub(in crate::web) async fn positions(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let accounts: Vec<Value> = clients.iter().filter_map(|client| account(&state, client)).collect();
    Ok(HttpResponse::Ok().json(json!({ "accounts": accounts, "as_of": state.now() })))
}

/// What is held under one key, by strategy.
#[derive(Default)]
struct Held {
    net: i64,
    strategies: Vec<Value>,
}

/// By key: everything that is held here, and every key that the broker shows.
fn by_key(holdings: Vec<(Strategy, HoldingKey, Holding)>, rows: &[PositionRow]) -> BTreeMap<HoldingKey, Held> {
    let mut keys: BTreeMap<HoldingKey, Held> = rows.iter().map(|row| (row.holding.clone(), Held::default())).collect();
    for (strategy, key, holding) in holdings {
        let held = keys.entry(key).or_default();
        held.net += holding.net;
        held.strategies.push(json!({
            "strategy": strategy,
            "net": holding.net,
            "average_price": holding.average().map(|price| price.to_string()),
            "realised": holding.realised.to_string(),
            "opened_at": holding.opened_at,
        }));
    }
    keys
}

fn account(state: &WebState, client_id: &ClientId) -> Option<Value> {
    let desk = state.engine.desk(client_id).ok()?;
    let found = desk.findings.read().positions.clone();
    let rows: &[PositionRow] = found.as_ref().map_or(&[], |found| &found.rows);
    let holdings = state
        .engine
        .read(client_id, |book| book.holdings().map(|(strategy, key, held)| (strategy.clone(), key.clone(), *held)).collect::<Vec<_>>())?;
    let rules = super::exit_rules::of_account(state, client_id);
    let is_synthetic = is_synthetic(desk.broker.capabilities(), state.site.has_live_quotes);
    let now = state.now();
    let positions: Vec<Value> = by_key(holdings, rows)
        .into_iter()
        .map(|(key, Held { net, strategies })| {
            let row = rows.iter().find(|row| row.holding == key);
            let at_broker = found.as_ref().map(|found| found.net(&key));
            json!({
                "exchange": key.instrument.exchange,
                "symbol": key.instrument.symbol,
                "product": key.product,
                "strategies": strategies,
                "exit_rules": rules.iter().filter(|(holding, _)| *holding == key).map(|(_, rule)| rule).collect::<Vec<_>>(),
                "ours": net,
                "broker": at_broker,
                "difference": at_broker.map(|at_broker| at_broker - net),
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

/// Whether the account's prices are nobody's. Those of a real broker are real, and so are those that a paper account takes
/// from one; those of a simulated broker are not.
fn is_synthetic(broker: &Capabilities, has_live_quotes: bool) -> bool {
    let is_real = broker.is_live || (has_live_quotes && broker.name == "paper");
    !is_real
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_real_only_where_a_real_broker_told_them() {
        let broker = |name, is_live| Capabilities {
            name,
            is_live,
            tag_length: 15,
            can_modify: true,
            has_stream: true,
            send_ahead: 1,
            visibility_bound: std::time::Duration::ZERO,
            poll: std::time::Duration::ZERO,
            takes_market_orders: true,
            max_modifications: None,
            budget: None,
        };
        assert!(is_synthetic(&broker("paper", false), false) && !is_synthetic(&broker("paper", false), true));
        assert!(is_synthetic(&broker("noren", false), true), "a simulated broker fills against its own market");
        assert!(!is_synthetic(&broker("noren", true), false));
    }
}
