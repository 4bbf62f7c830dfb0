//! `POST /dashboard/positions/exit` and `/exit-all`: closing what strategies hold, at the market. What an entry may bring yet is closed
//! too: its exit waits for the fills, or takes the entry back.

use std::collections::BTreeSet;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::engine::exit_leg;
use ordergate_actors::order::{
    ClientId, Exchange, HoldingKey, IdempotencyKey, InstrumentKey, LegDraft, MAX_LEGS, Product, Quantity, Source, Status, Strategy, Tag,
    trading_date,
};
use ordergate_actors::persistence::Book;
use ordergate_actors::ports::{Closable, Purpose, Spelling, Why};
use serde::Deserialize;
use serde_json::{Value, json};

use super::intents::Asking;
use super::{Answer, account, accounts, strategies, user};
use crate::web::auth::body_hash;
use crate::web::body::typed;
use crate::web::door::scope;
use crate::web::problem::Problem;
use crate::web::state::WebState;
use crate::web::webhook::key;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExitBody {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Option<Strategy>,
    #[serde(alias = "tradingsymbol")]
    symbol: String,
    exchange: Option<Exchange>,
    #[serde(alias = "product_type")]
    product: Option<Product>,
    #[serde(alias = "qty")]
    quantity: Option<Quantity>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExitAllBody {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Option<Strategy>,
    idempotency_key: Option<String>,
}

/// Which positions.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub strategy: Option<Strategy>,
    pub symbol: Option<String>,
    pub exchange: Option<Exchange>,
    pub product: Option<Product>,
    pub quantity: Option<Quantity>,
}

impl Filter {
    /// This filter for a symbol; for a name that is none, for the one of what is held that it means, or is entered.
    pub(super) fn of_symbol(
        self,
        state: &WebState,
        client_id: &ClientId,
        symbol: String,
        exchange: Option<Exchange>,
    ) -> Result<Self, Problem> {
        let exact = Self { symbol: Some(symbol.clone()), exchange, ..self.clone() };
        if !exact.eligible(state, client_id).is_empty() {
            return Ok(exact);
        }
        let instruments = |found: Vec<(Strategy, HoldingKey)>| -> Vec<InstrumentKey> {
            let found: BTreeSet<InstrumentKey> = found.into_iter().map(|(_, key)| key.instrument).collect();
            found.into_iter().collect()
        };
        let any = Self { quantity: None, ..self.clone() };
        let (held, entering) = (instruments(any.held(state, client_id)), instruments(any.eligible(state, client_id)));
        let purpose = Purpose::Close(Closable { held: &held, entering: &entering });
        let spelling =
            Spelling { exchange: exchange.map(Exchange::as_str), symbol: symbol.trim(), purpose, today: trading_date(state.now()) };
        match state.engine.line().instruments.resolve(&spelling, &|_| None) {
            Ok(read) => {
                let key = &read.instrument.key;
                Ok(Self { symbol: Some(key.symbol.to_string()), exchange: Some(key.exchange), ..self })
            }
            Err(trouble) if trouble.why == Why::Ambiguous => {
                let remedy = "name one by its symbol, or name the strategy and the exchange";
                Err(Problem::bad_request("ambiguous", trouble.to_string(), remedy).with("holdings", json!(trouble.near)))
            }
            Err(_) => Ok(exact),
        }
    }

    fn fits(&self, strategy: &Strategy, key: &HoldingKey) -> bool {
        self.strategy.as_ref().is_none_or(|wanted| wanted == strategy)
            && self.symbol.as_deref().is_none_or(|wanted| *wanted == *key.instrument.symbol)
            && self.exchange.is_none_or(|wanted| wanted == key.instrument.exchange)
            && self.product.is_none_or(|wanted| wanted == key.product)
    }

    /// What is held and fits.
    pub(super) fn held(&self, state: &WebState, client_id: &ClientId) -> Vec<(Strategy, HoldingKey)> {
        let held = state.engine.read(client_id, |book| {
            let fitting = book.holdings().filter(|(strategy, key, _)| self.fits(strategy, key));
            fitting.map(|(strategy, key, _)| (strategy.clone(), key.clone())).collect()
        });
        held.unwrap_or_default()
    }

    /// What there is to leave and fits: what is held, and what entries may bring yet. A quantity is of what is held, where that is
    /// anything.
    pub(super) fn eligible(&self, state: &WebState, client_id: &ClientId) -> Vec<(Strategy, HoldingKey)> {
        let held = self.held(state, client_id);
        if self.quantity.is_some() && !held.is_empty() {
            return held;
        }
        let all = state.engine.read(client_id, Book::to_leave).unwrap_or_default();
        all.into_iter().filter(|(strategy, key)| self.fits(strategy, key)).collect()
    }
}

/// Exits one symbol.
pub(in crate::web) async fn exit(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, sent) = typed::<ExitBody>(payload, request.headers(), &state.settings).await?;
    let client_id = account(&state, &request, body.client_id.as_deref())?;
    // Before anything is looked up: what is held there is not told to a key of another account.
    let scope = scope(&request);
    scope.must_reach(&client_id, body.strategy.as_ref(), &user(&request))?;
    if let Some(strategy) = &body.strategy {
        strategies::must_be_known(&state, std::slice::from_ref(&client_id), strategy).await?;
    }
    let named = Filter { strategy: body.strategy, symbol: None, exchange: None, product: body.product, quantity: body.quantity };
    let filter = named.of_symbol(&state, &client_id, body.symbol, body.exchange)?;
    let asking = Asking {
        client_id,
        source: Source::Dashboard,
        user: user(&request),
        key: key(request.headers(), body.idempotency_key.as_deref())?,
        body_hash: body_hash(&sent.canonical()),
        scope,
    };
    if filter.quantity.is_some() {
        let eligible = filter.eligible(&state, &asking.client_id);
        if eligible.len() > 1 {
            let which: Vec<Value> = eligible.iter().map(|(strategy, key)| json!({ "strategy": strategy, "holding": key })).collect();
            return Err(Problem::bad_request(
                "ambiguous",
                format!("{} positions fit, and a quantity can only be of one", eligible.len()),
                "name the strategy, the exchange and the product, or leave the quantity out",
            )
            .with("holdings", json!(which)));
        }
    }
    send(&state, &filter, vec![asking]).await
}

/// Exits everything: of a strategy, of an account, of all accounts.
pub(in crate::web) async fn exit_all(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, sent) = typed::<ExitAllBody>(payload, request.headers(), &state.settings).await?;
    let filter = Filter { strategy: body.strategy, ..Filter::default() };
    let key = key(request.headers(), body.idempotency_key.as_deref())?;
    let clients = accounts(&state, &request, body.client_id.as_deref())?;
    if let Some(strategy) = &filter.strategy {
        let scope = scope(&request);
        clients.iter().try_for_each(|client| scope.must_reach(client, Some(strategy), &user(&request)))?;
        strategies::must_be_known(&state, &clients, strategy).await?;
    }
    let asking = clients
        .into_iter()
        .map(|client_id| Asking {
            client_id,
            source: Source::Dashboard,
            user: user(&request),
            key: key.clone(),
            body_hash: body_hash(&sent.canonical()),
            scope: scope(&request),
        })
        .collect();
    send(&state, &filter, asking).await
}

/// Sends an exit for every position that fits.
pub(super) async fn send(state: &WebState, filter: &Filter, asking: Vec<Asking>) -> Answer {
    Ok(match sent(state, filter, asking).await? {
        Some(body) => HttpResponse::Accepted().json(body),
        None => HttpResponse::Ok().json(json!({
            "status": "NO_POSITION",
            "done": "nothing: there are no eligible positions, and no entry that could become one",
            "orders": [],
        })),
    })
}

/// The same, as many to a signal as one may have; `None`: nothing fits.
///
/// # Errors
/// Nothing is on disk.
pub(super) async fn sent(state: &WebState, filter: &Filter, asking: Vec<Asking>) -> Result<Option<Value>, Problem> {
    let mut signals = Vec::new();
    let mut orders = 0;
    for asking in asking {
        let mut eligible = filter.eligible(state, &asking.client_id);
        // What was sold goes first, in whichever signal: what was bought may cover it.
        let sold =
            |book: &Book| eligible.iter().filter(|(strategy, key)| book.held(strategy, key).net < 0).cloned().collect::<BTreeSet<_>>();
        let sold = state.engine.read(&asking.client_id, sold).unwrap_or_default();
        eligible.sort_by_key(|position| !sold.contains(position));
        let legs: Vec<LegDraft> = eligible.iter().map(|(strategy, key)| exit_leg(strategy, key, filter.quantity)).collect();
        orders += legs.len();
        for (index, chunk) in legs.chunks(MAX_LEGS).enumerate() {
            let asking = Asking { key: chunk_key(asking.key.as_ref(), index)?, ..asking.clone() };
            let of = json!(asking.client_id);
            let taken = asking.send(state, chunk.to_vec()).await;
            signals.push(taken.map(|taken| taken.body(state, false)).map_err(|problem| problem.with("client_id", of)));
        }
    }
    if orders == 0 {
        tracing::info!(
            event = "exit_without_eligible_positions",
            strategy = filter.strategy.as_ref().map(tracing::field::display),
            symbol = filter.symbol,
            "EXIT: no eligible positions after filtering"
        );
        return Ok(None);
    }
    if signals.len() == 1
        && let Some(only) = signals.pop()
    {
        return only.map(Some);
    }
    Ok(Some(together(signals)))
}

/// Several signals in one answer. One that was not taken does not hide the others: its problem stands among them.
fn together(signals: Vec<Result<Value, Problem>>) -> Value {
    let is_refused = signals.iter().any(Result::is_err);
    let signals: Vec<Value> = signals.into_iter().map(|signal| signal.unwrap_or_else(|problem| problem.body())).collect();
    let orders: Vec<&Value> = signals.iter().filter_map(|signal| signal.get("orders")).filter_map(Value::as_array).flatten().collect();
    // A target that is reached already is no refusal.
    let has_failed = |order: &&&Value| order["status"] == json!(Status::Failed) && order["tag"] != json!(Tag::AtTarget);
    let failed = orders.iter().filter(has_failed).count();
    let status = match failed {
        0 if !is_refused => "ACCEPTED",
        _ if failed == orders.len() => "BLOCKED",
        _ => "PARTIALLY_ACCEPTED",
    };
    json!({ "status": status, "orders": orders, "signals": signals })
}

fn chunk_key(key: Option<&IdempotencyKey>, index: usize) -> Result<Option<IdempotencyKey>, Problem> {
    match (key, index) {
        (None, _) => Ok(None),
        (Some(key), 0) => Ok(Some(key.clone())),
        (Some(key), index) => IdempotencyKey::parse(&format!("{key}#{}", index + 1))
            .map(Some)
            .map_err(|error| Problem::bad_request("bad_idempotency_key", error.to_string(), "send a shorter key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(orders: &[(&str, Option<&str>)]) -> Result<Value, Problem> {
        let orders: Vec<Value> = orders.iter().map(|(status, tag)| json!({ "status": status, "tag": tag })).collect();
        Ok(json!({ "orders": orders }))
    }

    #[test]
    fn several_signals_are_refused_only_where_something_was() {
        let of = |signals: Vec<Result<Value, Problem>>| together(signals)["status"].clone();
        let reached = signal(&[("FAILED", Some("AT_TARGET"))]);
        assert_eq!(of(vec![signal(&[("CREATED", None)]), reached]), "ACCEPTED", "a target that is reached already is no refusal");
        let refused = || signal(&[("FAILED", Some("EXITS_FROZEN"))]);
        assert_eq!(of(vec![signal(&[("CREATED", None)]), refused()]), "PARTIALLY_ACCEPTED");
        assert_eq!(of(vec![refused(), refused()]), "BLOCKED");
        assert_eq!(of(vec![signal(&[("CREATED", None)]), Err(Problem::journal_closed())]), "PARTIALLY_ACCEPTED");
        assert_eq!(of(vec![Err(Problem::journal_closed()), Err(Problem::journal_closed())]), "BLOCKED");
    }
}
