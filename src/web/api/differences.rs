//! `POST /dashboard/differences/adopt` and `/ignore`: what a person says about a difference between our books and the broker's.

use std::sync::Arc;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, Exchange, HoldingKey, InstrumentKey, Price, Product, Quantity, Side, Strategy};
use ordergate_actors::persistence::{Adopted, Book, Keep, Level};
use ordergate_actors::pnl::differences::slot;
use ordergate_actors::pnl::{ContractKept, Difference, Ignored, differences};
use ordergate_actors::risk::{Asked, close_before};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, who};
use crate::web::body::{said, text, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdoptBody {
    client_id: Option<String>,
    exchange: Exchange,
    #[serde(alias = "tradingsymbol")]
    symbol: String,
    #[serde(alias = "product_type")]
    product: Product,
    /// The difference that the person saw: if it is another one by now, nothing is done.
    difference: Option<i64>,
    #[serde(alias = "strategy_name")]
    strategy: Strategy,
    #[serde(alias = "qty")]
    quantity: Option<Quantity>,
    #[serde(default, deserialize_with = "text")]
    price: Option<String>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreBody {
    client_id: Option<String>,
    exchange: Exchange,
    #[serde(alias = "tradingsymbol")]
    symbol: String,
    #[serde(alias = "product_type")]
    product: Product,
    difference: Option<i64>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// Every difference of an account; `None` before the broker's positions were read.
pub(super) fn of_account(state: &WebState, client_id: &ClientId) -> Option<Vec<Difference>> {
    let findings = state.engine.desk(client_id).ok()?.findings.read().clone();
    state.engine.read(client_id, |book| differences(book, &findings, state.now())).flatten()
}

/// A difference, as people read it.
pub(super) fn shown(found: &Difference) -> Value {
    json!({
        "exchange": found.key.instrument.exchange,
        "symbol": found.key.instrument.symbol,
        "product": found.key.product,
        "ours": found.ours,
        "broker": found.at_broker,
        "difference": found.units(),
        "parts": found.parts,
        "price": found.price().map(|price| price.to_string()),
        "settles_by_itself": found.is_settling(),
        "ignored": found.ignored,
    })
}

/// The difference that is meant, if it still is the one that was seen.
fn named(state: &WebState, client_id: &ClientId, key: &HoldingKey, seen: Option<i64>) -> Result<Difference, Problem> {
    let found = of_account(state, client_id).ok_or_else(|| {
        Problem::conflict(
            "positions_unknown",
            "the broker's positions were not read yet",
            "wait until GET /dashboard/positions shows read_at",
        )
    })?;
    let found = found.into_iter().find(|found| found.key == *key).ok_or_else(|| {
        Problem::not_found("no_difference", format!("the two books agree on {key}"), "see GET /dashboard/positions for what differs")
    })?;
    if seen.is_some_and(|seen| seen != found.units()) {
        let detail = format!("the difference in {key} is {} by now", found.units());
        return Err(
            Problem::conflict("difference_changed", detail, "look again, and send the difference that you mean").with("now", shown(&found))
        );
    }
    Ok(found)
}

fn key(exchange: Exchange, symbol: &str, product: Product) -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(exchange, symbol.trim()), product }
}

/// A strategy takes the difference over, or a part of it, at a price that is stated. Nothing is sent to the broker.
pub(in crate::web) async fn adopt(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<AdoptBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let key = key(body.exchange, &body.symbol, body.product);
    let found = named(&state, &client_id, &key, body.difference)?;
    if found.is_settling() {
        let detail = format!("trades of our own orders in {key} are on their way: what is left after them is not known");
        return Err(Problem::conflict("difference_settling", detail, "wait for the next read of the books").with("now", shown(&found)));
    }
    let (quantity, side) = taken(&found, body.quantity)?;
    let price = price(&state, &client_id, &found, body.price.as_deref())?;
    know_its_point(&state, &client_id, &key.instrument, &who(&request)).await?;
    let net_before = state.engine.read(&client_id, |book| book.held(&body.strategy, &key).net).unwrap_or(0);
    let who = who(&request);
    let evidence: Vec<&str> = found.parts.iter().flat_map(|part| part.evidence.iter().map(String::as_str)).collect();
    let reason = format!("{}: {side} {quantity} {key} at {price} taken over by {} ({})", body.reason, body.strategy, evidence.join("; "));
    let adopted = Adopted {
        client_id: client_id.clone(),
        strategy: body.strategy.clone(),
        key: key.clone(),
        side,
        quantity,
        price,
        net_before,
        who: Arc::from(who.as_str()),
        reason: Arc::from(reason),
    };
    if !state.engine.adopt(adopted).await?.is_applied() {
        let detail = format!("{} held something else in {key} when it was written", body.strategy);
        return Err(Problem::conflict("difference_changed", detail, "look again"));
    }
    tracing::warn!(event = "difference_adopted", %client_id, %key, strategy = %body.strategy, %quantity, %price, who, reason = body.reason, "taken over");
    Ok(HttpResponse::Ok().json(json!({
        "done": "taken over into our record; nothing was sent to the broker",
        "client_id": client_id,
        "strategy": body.strategy,
        "exchange": key.instrument.exchange,
        "symbol": key.instrument.symbol,
        "product": key.product,
        "side": side,
        "quantity": quantity,
        "price": price.to_string(),
        "net": net_before + side.sign() * quantity.value(),
        "who": who,
    })))
}

/// What is taken over is worth rupees from then on: what a point of it is worth is written down before, as the master says, or
/// the broker's own row where no master has it.
pub(super) async fn know_its_point(state: &WebState, client_id: &ClientId, instrument: &InstrumentKey, who: &str) -> Result<(), Problem> {
    if instrument.exchange.rupees_per_point().is_some() {
        return Ok(());
    }
    let unknown = || {
        Problem::conflict(
            "point_unknown",
            format!("what a point of {instrument} is worth is not known: no master has it, and the broker's row does not tell"),
            "wait for a master that has it, or close it at the broker",
        )
    };
    let by_broker = {
        let findings = state.engine.desk(client_id)?.findings.read();
        let row = findings.positions.as_ref().and_then(|all| all.rows().iter().find(|row| row.holding.instrument == *instrument));
        row.and_then(|row| row.per_point)
    };
    let found = state.engine.line().instruments.find(instrument);
    let decide = |book: &Book| -> Result<Option<(ContractKept, u64)>, Problem> {
        match &found {
            Some(found) => Ok(ContractKept::before_an_order(book, found)),
            None if book.point(instrument).is_some() => Ok(None),
            None => {
                let rupees_per_point = Some(by_broker.ok_or_else(unknown)?);
                let contract = ContractKept { instrument: instrument.clone(), rupees_per_point, broker_says: None };
                Ok(Some((contract, book.kept(&ContractKept::slot(instrument)).map_or(0, |kept| kept.seq))))
            }
        }
    };
    let Some((contract, basis)) = state.engine.read(client_id, decide).transpose()?.flatten() else { return Ok(()) };
    let point = contract.rupees_per_point.unwrap_or_default();
    let why = format!("a point of {instrument} is worth {point} rupees a unit: a position in it is taken over");
    let keep = contract.keep(client_id, basis, ("CONTRACT_KNOWN", Level::Info), (who, why)).ok_or_else(unknown)?;
    // Whoever was faster wrote what it is.
    let _answer = state.engine.keep(keep).await?;
    Ok(())
}

/// How much of a difference is taken over, and on which side it is.
pub(super) fn taken(found: &Difference, asked: Option<Quantity>) -> Result<(Quantity, Side), Problem> {
    let units = found.units();
    let most = Quantity::new(units.abs()).zip(Side::of_net(units));
    let too_much = || {
        Problem::bad_request(
            "too_much",
            format!("the difference in {} is {units}", found.key),
            "send a quantity of at most that, or none for all of it",
        )
    };
    let (most, side) = most.ok_or_else(too_much)?;
    let quantity = asked.unwrap_or(most);
    if quantity > most { Err(too_much()) } else { Ok((quantity, side)) }
}

/// The stated price: the person's, or that of the orders which made the difference; what was carried into the day counts from the close
/// of the day before.
fn price(state: &WebState, client_id: &ClientId, found: &Difference, asked: Option<&str>) -> Result<Price, Problem> {
    match asked {
        Some(text) => {
            Price::parse(text.trim()).map_err(|error| Problem::bad_request("bad_price", error.to_string(), "send a price in rupees"))
        }
        None => found.price_from(close_of_carried(state, client_id, found)).ok_or_else(|| {
            let detail = format!("what the units in {} were traded at is not known", found.key);
            Problem::bad_request("price_missing", detail, "send the price from which they shall count")
        }),
    }
}

/// The close of the day before, if the broker's row carries units into the day on the side of the difference.
pub(super) fn close_of_carried(state: &WebState, client_id: &ClientId, found: &Difference) -> Option<Price> {
    if carried(state, client_id, &found.key)?.signum() != found.units().signum() {
        return None;
    }
    let line = state.engine.line();
    let desk = state.engine.desk(client_id).ok()?;
    let asked = Asked::at(line.clock.now(), &line.calendar, desk.broker.capabilities().is_live);
    close_before(&found.key.instrument, &*line.quotes, asked)
}

/// Units that the broker's row carries from earlier days; `None`: none, or there is no row.
pub(super) fn carried(state: &WebState, client_id: &ClientId, key: &HoldingKey) -> Option<i64> {
    let findings = state.engine.desk(client_id).ok()?.findings.read();
    let row = findings.positions.as_ref()?.rows().iter().find(|row| row.holding == *key)?;
    row.carried.map(|carried| carried.net).filter(|net| *net != 0)
}

/// A difference is left alone until it changes.
pub(in crate::web) async fn ignore(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<IgnoreBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let key = key(body.exchange, &body.symbol, body.product);
    let found = named(&state, &client_id, &key, body.difference)?;
    let who = who(&request);
    let said = Ignored { units: found.units(), who: Arc::from(who.as_str()), reason: Arc::from(body.reason.as_str()), at: state.now() };
    let reason = format!("the difference of {} in {key} is left alone: {}", found.units(), body.reason);
    let keep = Keep::new(slot(&key), "DIFFERENCE_IGNORED", who.as_str(), reason).of(&client_id);
    let keep = keep.with(&said).map_err(|error| Problem::bad_request("bad_reason", error.to_string(), "send another reason"))?;
    if !state.engine.keep(keep).await?.is_applied() {
        return Err(Problem::unavailable("not_written", "the verdict could not be written"));
    }
    let now = of_account(&state, &client_id).and_then(|all| all.into_iter().find(|now| now.key == key));
    Ok(HttpResponse::Ok().json(json!({
        "done": "left alone until it changes",
        "client_id": client_id,
        "difference": now.as_ref().map(shown),
        "who": who,
    })))
}
