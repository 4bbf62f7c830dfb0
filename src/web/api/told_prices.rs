//! `GET` and `POST /dashboard/told-prices`: what left at a price that nobody told, and the price that a person tells of it.
//!
//! What was closed elsewhere, and what ended with its contract or with its day, has realised something that no trade of ours shows. A
//! person reads it from the contract note. It changes what a day came to, and nothing else: no quantity, no order, no exit.

use std::sync::Arc;

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::{ClientId, EndPrice, Holding, Points};
use ordergate_actors::persistence::Telling;
use ordergate_actors::pnl::{DayChange, Move, PointValues};
use ordergate_actors::ports::{Query, Rows};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pnl::money;
use super::{Answer, OfAccount, accounts, who};
use crate::web::body::{said, text, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct TellBody {
    client_id: Option<String>,
    /// The journal row by which it left.
    row: u64,
    #[serde(default, deserialize_with = "text")]
    price: Option<String>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// What left without a price, of each account: first what nobody has told one of.
pub(in crate::web) async fn list(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let mut shown_of = Vec::new();
    for client_id in accounts(&state, &request, asked.client_id.as_deref())? {
        let found = changes(&state, Query::LeftUnpriced(client_id.clone())).await?;
        let untold = found.iter().filter(|change| change.what.told().is_none()).count();
        let points = points(&state, &client_id);
        let left: Vec<Value> = found.iter().map(|change| shown(change, &points)).collect();
        shown_of.push(json!({ "client_id": client_id, "untold": untold, "left": left }));
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": shown_of, "as_of": state.now() })))
}

/// A person tells the price of one of them; the second time it takes the place of the first.
pub(in crate::web) async fn tell(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<TellBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let price = EndPrice::parse(body.price.as_deref().unwrap_or_default().trim()).map_err(|error| {
        Problem::bad_request("bad_price", error.to_string(), "send the price of one unit in rupees; 0 for what ended worthless")
    })?;
    let before = left(&state, &client_id, body.row).await?;
    let who = who(&request);
    let told_before = before.what.told().map(|told| told.price);
    let (units, _) = before.gone();
    let instead = told_before.map_or_else(String::new, |price| format!(", not at {price}"));
    let reason = format!("{}: {units} {} of {} left at {price}{instead}", body.reason, before.key, before.strategy);
    let telling =
        Telling { client_id: client_id.clone(), row: body.row, price, who: Arc::from(who.as_str()), reason: Arc::from(reason.as_str()) };
    // The same again says nothing new, and leaves no row.
    let is_news = state.engine.tell(telling).await?.is_applied();
    let now = left(&state, &client_id, body.row).await?;
    if now.what.told().map(|told| told.price) != Some(price) {
        return Err(Problem::unavailable("not_written", "the price could not be written, or another was told at the same time"));
    }
    if is_news {
        tracing::warn!(event = "price_told", %client_id, row = body.row, %price, who, reason, "the price of what left was told");
    }
    Ok(HttpResponse::Ok().json(json!({
        "done": "written down; no quantity was changed, and nothing was sent to the broker",
        "client_id": client_id,
        "is_news": is_news,
        "price_before": told_before.map(|price| price.to_string()),
        "left": shown(&now, &points(&state, &client_id)),
        "who": who,
    })))
}

async fn changes(state: &WebState, query: Query) -> Result<Vec<DayChange>, Problem> {
    match state.engine.query(query).await? {
        Rows::Changes(changes) => Ok(changes),
        Rows::Orders(_) | Rows::Journal(_) | Rows::Fills(_) => Ok(Vec::new()),
    }
}

/// What left by that journal row, and may be told a price of.
async fn left(state: &WebState, client_id: &ClientId, row: u64) -> Result<DayChange, Problem> {
    let priced = |what: &str| {
        let detail = format!("row {row} of {client_id} is {what}: it has a price, and nobody needs to tell one");
        Problem::conflict("priced_already", detail, "GET /dashboard/told-prices shows what has none")
    };
    match changes(state, Query::Correction(client_id.clone(), row)).await?.pop() {
        Some(change) if change.takes_a_price() => Ok(change),
        Some(_) => Err(priced("a change whose price the broker's books or a person told with it")),
        None if is_trade(state, client_id, row).await? => Err(priced("a trade")),
        None => Err(Problem::not_found(
            "nothing_left",
            format!("by row {row} of {client_id} nothing left without a price"),
            "GET /dashboard/told-prices shows what did, and its row",
        )),
    }
}

async fn is_trade(state: &WebState, client_id: &ClientId, row: u64) -> Result<bool, Problem> {
    let Some(after) = row.checked_sub(1) else { return Ok(false) };
    let found = state.engine.query(Query::JournalAfter(Some(client_id.clone()), after, 1)).await?;
    Ok(
        matches!(found, Rows::Journal(rows) if rows.first().is_some_and(|found| found.seq == row && &*found.event == ordergate_actors::order::event::FILL)),
    )
}

/// What a point of each contract is worth.
fn points(state: &WebState, client_id: &ClientId) -> PointValues {
    state.engine.read(client_id, |book| book.points().clone()).unwrap_or_default()
}

/// What left, as people read it. What it realised is not known where it is not known what a point is worth.
fn shown(change: &DayChange, points: &PointValues) -> Value {
    let (units, cost) = change.gone();
    let average = Holding { net: units, cost, realised: Points::ZERO, opened_at: None }.average();
    let told = change.what.told();
    let realised = told.zip(points.of(&change.key.instrument)).map(|(told, point)| told.price.realised(units, cost).rupees(point));
    json!({
        "row": change.seq,
        "day": change.counts_on(),
        "recorded_on": change.day,
        "ended": matches!(change.what, Move::Settled { .. }),
        "strategy": change.strategy,
        "exchange": change.key.instrument.exchange,
        "symbol": change.key.instrument.symbol,
        "product": change.key.product,
        "units": units,
        "average_price": average.map(|price| price.to_string()),
        "price": told.map(|told| told.price.to_string()),
        "told_in": told.map(|told| told.seq),
        "realised": realised.map(money),
    })
}
