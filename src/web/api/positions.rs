//! `GET /dashboard/positions`: the two books side by side, what our strategies hold and what the broker shows, with every
//! difference taken apart.

use std::collections::BTreeMap;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::Desk;
use ordergate_actors::order::{ClientId, HoldingKey, Product};
use ordergate_actors::pnl::{Day, Difference};
use ordergate_actors::ports::{Capabilities, PositionRow, Quote};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pnl::{self, money, of_line};
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

/// By key: everything that is held here or was traded today, and every key that the broker shows.
fn by_key(state: &WebState, client_id: &ClientId, rows: &[PositionRow], day: &Day, now: DateTime<Utc>) -> BTreeMap<HoldingKey, Held> {
    let mut keys: BTreeMap<HoldingKey, Held> = rows.iter().map(|row| (row.holding.clone(), Held::default())).collect();
    let opened = state.engine.read(client_id, |book| {
        book.holdings()
            .map(|(strategy, key, held)| ((strategy.clone(), key.clone()), (held.opened_at, held.realised)))
            .collect::<BTreeMap<_, _>>()
    });
    for (strategy, key, line) in day.lines() {
        let since_flat = opened.as_ref().and_then(|opened| opened.get(&(strategy.clone(), key.clone())));
        let realised = since_flat.zip(line.point()).map(|((_, realised), point)| money(realised.rupees(point)));
        let held = keys.entry(key.clone()).or_default();
        held.net += line.held.net;
        let mut shown = of_line(state, client_id, day, (key, line), now);
        if let Some(shown) = shown.as_object_mut() {
            for name in ["exchange", "symbol", "product"] {
                shown.remove(name);
            }
            shown.insert("strategy".to_owned(), json!(strategy));
            shown.insert("opened_at".to_owned(), json!(since_flat.and_then(|(opened_at, _)| *opened_at)));
            shown.insert("realised_since_flat".to_owned(), json!(realised));
        }
        held.strategies.push(shown);
    }
    keys
}

/// One account's positions.
pub(in crate::web) fn account(state: &WebState, client_id: &ClientId) -> Option<Value> {
    let desk = state.engine.desk(client_id).ok()?;
    let (found, delivered) = {
        let findings = desk.findings.read();
        (findings.positions.clone(), findings.holdings.clone())
    };
    let rows: &[PositionRow] = found.as_ref().map_or(&[], |found| found.rows());
    let rules = super::exit_rules::of_account(state, client_id);
    let is_synthetic = is_synthetic(desk.broker.capabilities(), state.site.has_live_quotes);
    let now = state.now();
    let day = pnl::today(state, client_id, now)?;
    let differences = super::differences::of_account(state, client_id);
    let difference = |key: &HoldingKey| differences.as_ref().and_then(|all| all.iter().find(|found| found.key == *key));
    let positions: Vec<Value> = by_key(state, client_id, rows, &day, now)
        .into_iter()
        .map(|(key, Held { net, strategies })| {
            let row = rows.iter().find(|row| row.holding == key);
            let at_broker = found.as_ref().map(|found| found.net(&key));
            let quote = state.engine.line().quotes.quote(&key.instrument);
            json!({
                "exchange": key.instrument.exchange,
                "symbol": key.instrument.symbol,
                "product": key.product,
                "strategies": strategies,
                "exit_rules": rules.iter().filter(|(holding, _)| *holding == key).map(|(_, rule)| rule).collect::<Vec<_>>(),
                "ours": net,
                "broker": at_broker,
                "delivered": delivered.as_ref().filter(|_| key.product == Product::Cnc).map(|held| held.quantity(&key.instrument)),
                "difference": differences.as_ref().map(|_| difference(&key).map_or(0, Difference::units)),
                "broker_average_price": row.and_then(|row| row.average_price).map(|price| price.to_string()),
                "realised": row.map(|row| row.realised.to_string()),
                "unrealised": row.map(|row| row.unrealised.to_string()),
                "quote": quote.map(|quote| priced(&quote, is_synthetic, age_ms(now, quote.at))),
            })
        })
        .collect();
    let costs = pnl::costs(state, client_id, &day, None);
    let read_at = found.as_ref().map(|found| found.at);
    Some(json!({
        "client_id": client_id,
        "broker": desk.broker.capabilities().name,
        "prices": if is_synthetic { "SYNTHETIC" } else { "BROKER" },
        "read_at": read_at,
        "age_ms": read_at.map(|at| age_ms(now, at)),
        "is_stale": is_stale(desk, read_at, now),
        "delivered_read_at": delivered.as_ref().map(|held| held.at),
        "date": day.date(),
        "result": pnl::result(&pnl::total(state, &day, None), &costs, now),
        "positions": positions,
        "differences": differences.as_ref().map(|all| all.iter().map(super::differences::shown).collect::<Vec<_>>()),
    }))
}

/// Whether the broker's positions are too old for entries: what they showed is told as of then, not as of now.
pub(super) fn is_stale(desk: &Desk, read_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let blind_after = i64::try_from(desk.settings.waits.blind_after.as_millis()).unwrap_or(i64::MAX);
    read_at.is_none_or(|at| age_ms(now, at) > blind_after)
}

/// Whether the account's prices are nobody's. Those of a real broker are real, and so are those that a paper account takes
/// from one; those of a simulated broker are not.
pub(super) fn is_synthetic(broker: &Capabilities, has_live_quotes: bool) -> bool {
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
            takes_ioc: Vec::new(),
            max_modifications: None,
            budget: None,
        };
        assert!(is_synthetic(&broker("paper", false), false) && !is_synthetic(&broker("paper", false), true));
        assert!(is_synthetic(&broker("noren", false), true), "a simulated broker fills against its own market");
        assert!(!is_synthetic(&broker("noren", true), false));
    }
}
