//! `POST /dashboard/kill`, `/freeze`, `/guard/force-clear`: the controls, by a person, with a reason.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::join_all;
use ordergate_actors::EngineError;
use ordergate_actors::broker::Reading;
use ordergate_actors::order::{ClientId, HoldingKey, OrderRecord, Product, Quantity, Strategy};
use ordergate_actors::persistence::{ControlChange, KillLevel, Level, Outcome};
use ordergate_actors::watcher::LeftOver;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, foreign, strategies, who};
use crate::web::body::{said, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KillBody {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Option<Strategy>,
    level: KillLevel,
    /// The level that the person looked at. With it a lower one is set, if that one still stands.
    from: Option<KillLevel>,
    /// With level 3 of an account: what was opened elsewhere is squared off too.
    #[serde(default)]
    foreign: bool,
    #[serde(deserialize_with = "said")]
    reason: String,
}

impl KillBody {
    fn change(&self) -> ControlChange {
        ControlChange::level(self.strategy.clone(), self.from, self.level)
    }

    /// Whether it takes a stop down. A stop may be for all accounts at once; letting entries go again is for one that somebody looked at.
    fn lowers(&self) -> bool {
        self.level == KillLevel::None || self.from.is_some_and(|from| from > self.level)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeBody {
    client_id: String,
    frozen: bool,
    open_positions: Option<usize>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceClearBody {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Strategy,
    symbol: Option<String>,
    #[serde(alias = "product_type")]
    product: Option<Product>,
    #[serde(alias = "qty")]
    quantity: Option<Quantity>,
    /// Without a symbol: all that the strategy holds.
    #[serde(default)]
    all: bool,
    #[serde(deserialize_with = "said")]
    reason: String,
}

fn says(level: KillLevel) -> &'static str {
    match level {
        KillLevel::None => "armed again",
        KillLevel::StopEntries => "entries are stopped",
        KillLevel::CancelEntries => "entries are stopped, working entries are being cancelled",
        KillLevel::SquareOff => "entries are stopped, working entries are being cancelled, positions are being squared off",
    }
}

/// Sets a kill level: of a strategy, of an account, or, where it stops, of all accounts at once.
pub(in crate::web) async fn kill(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<KillBody>(payload, request.headers(), &state.settings).await?;
    let named = body.client_id.as_deref();
    let clients = if body.lowers() { vec![state.account(named)?] } else { state.accounts(named)? };
    if let Some(strategy) = &body.strategy {
        strategies::must_be_known(&state, &clients, strategy).await?;
    }
    if body.foreign && (body.level != KillLevel::SquareOff || body.strategy.is_some()) {
        let detail = "`foreign` goes with level 3 of an account: only a square-off closes what was opened elsewhere";
        return Err(Problem::bad_request("bad_request", detail, "leave it out, or send level 3 without a strategy"));
    }
    let who = who(&request);
    let mut accounts = set(&state, &clients, &body.change(), &who, &body.reason).await?;
    // The stop comes first, whatever becomes of the rest.
    let foreign = if body.foreign { foreign::take_over(&state, &clients, &who, &body.reason).await } else { Vec::new() };
    if !foreign.is_empty() {
        // Asked for anew, so that what was taken over is closed at once, and not with the next try.
        accounts = set(&state, &clients, &body.change(), &who, &body.reason).await?;
    }
    if let Some(from) = body.from {
        must_have_stood(&accounts, from)?;
    }
    tracing::warn!(
        event = "kill",
        level = u8::from(body.level),
        strategy = body.strategy.as_ref().map(tracing::field::display),
        who,
        reason = body.reason,
        "{}",
        says(body.level)
    );
    let done = match standing_above(&accounts, &body) {
        Some(level) => format!("{}; level {level} stood already, and stays", says(body.level)),
        None => says(body.level).to_owned(),
    };
    Ok(HttpResponse::Ok().json(json!({ "done": done, "strategy": body.strategy, "who": who, "accounts": accounts, "foreign": foreign })))
}

/// The highest level that stands where a lower one was asked for.
fn standing_above(accounts: &[Value], body: &KillBody) -> Option<u64> {
    let level = |account: &Value| match &body.strategy {
        Some(strategy) => account["strategies"][strategy.as_str()].as_u64(),
        None => account["level"].as_u64(),
    };
    accounts.iter().filter_map(level).max().filter(|level| *level > u64::from(u8::from(body.level)))
}

/// That the level that a person looked at was the one that stood, in every account.
fn must_have_stood(accounts: &[Value], from: KillLevel) -> Result<(), Problem> {
    let others: Vec<String> =
        accounts.iter().filter(|account| account["is_refused"] == true).map(|account| account["client_id"].to_string()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let detail = format!("level {} stands no more in {}: nothing was changed there", u8::from(from), others.join(", "));
    Err(Problem::conflict("changed_meanwhile", detail, "look at what stands now, and send it again").with("accounts", json!(accounts)))
}

/// Sets a level for these accounts at once, and shows what stands in each.
///
/// # Errors
/// It holds in memory, and is not on disk for every account.
pub(super) async fn set(
    state: &WebState,
    clients: &[ClientId],
    change: &ControlChange,
    who: &str,
    reason: &str,
) -> Result<Vec<Value>, Problem> {
    // Polled together, so that every latch is raised before anything waits for the disk.
    let asked = clients.iter().map(|client| {
        let commit = state.engine.control(client, change.clone(), who, reason);
        tokio::time::timeout(state.settings.decision_deadline, commit)
    });
    let results = join_all(asked).await.into_iter().map(|result| result.unwrap_or(Err(EngineError::AnswerLost)));
    let mut is_whole = true;
    let accounts: Vec<Value> = clients
        .iter()
        .zip(results)
        .map(|(client, result)| {
            is_whole &= result.is_ok();
            let committed = state.engine.read(client, |book| book.control().clone());
            json!({
                "client_id": client,
                "level": committed.as_ref().map(|control| control.level),
                "strategies": committed.as_ref().map(|control| control.strategies.iter().map(|(name, stop)| (name, stop.level)).collect::<BTreeMap<_, _>>()),
                "exits_at_broker": left_at_broker(state, client),
                "is_refused": matches!(result, Ok(Outcome::NotApplied(_))),
                "error": result.err().map(|error| error.to_string()),
            })
        })
        .collect();
    if !is_whole {
        tracing::error!(event = "kill_not_confirmed", who, reason, "a kill level is latched, and not on disk for every account");
        return Err(Problem::unavailable(
            "kill_not_confirmed",
            "the level is latched in memory, but not every account confirmed it on disk",
        )
        .with("accounts", json!(accounts)));
    }
    Ok(accounts)
}

/// The exits of square-offs that nobody wants any more, and that the broker has: they stay there until somebody cancels them.
fn left_at_broker(state: &WebState, client_id: &ClientId) -> Vec<Value> {
    let left = state.engine.read(client_id, |book| LeftOver::of(book, state.now())).unwrap_or_default();
    let shown = |order: &OrderRecord| {
        json!({
            "command_id": order.command_id,
            "strategy": order.ask.strategy,
            "symbol": order.ask.symbol,
            "side": order.ask.side,
            "unfilled": order.unfilled(),
            "broker_order_id": order.broker_order_id,
        })
    };
    left.at_broker.iter().map(|order| shown(order)).collect()
}

/// How many positions are open, here or at the broker.
pub(super) fn open_positions(state: &WebState, client_id: &ClientId) -> usize {
    let mut keys: BTreeSet<HoldingKey> =
        state.engine.read(client_id, |book| book.held_keys().map(|(key, _)| key.clone()).collect()).unwrap_or_default();
    if let Ok(desk) = state.engine.desk(client_id)
        && let Some(positions) = &desk.findings.read().positions
    {
        keys.extend(positions.rows().iter().filter(|row| row.net != 0).map(|row| row.holding.clone()));
    }
    keys.len()
}

/// Freezes exits, or thaws them. Freezing wants the number of open positions typed back.
pub(in crate::web) async fn freeze(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<FreezeBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(Some(&body.client_id))?;
    let open = open_positions(&state, &client_id);
    if body.frozen && body.open_positions != Some(open) {
        let detail = format!("{open} positions are open, and freezing leaves every one of them without an exit");
        return Err(Problem::conflict("wrong_number", detail, format!("send open_positions: {open} if that is what you want"))
            .with("open_positions", json!(open)));
    }
    let who = who(&request);
    let outcome = state.engine.control(&client_id, ControlChange::Freeze(body.frozen), &who, &body.reason).await?;
    if body.frozen {
        let text = format!("{who} froze exits with {open} positions open: {}", body.reason);
        state.engine.line().alarm(Some(&client_id), "ALARM_EXITS_FROZEN", Level::Page, None, text);
    }
    let words = if body.frozen { "exits are frozen: nothing closes a position until you thaw them" } else { "exits go again" };
    let freeze = state.engine.read(&client_id, |book| book.control().freeze.clone()).flatten();
    Ok(HttpResponse::Ok().json(json!({
        "done": words, "applied": outcome.is_applied(), "client_id": client_id, "open_positions": open, "who": who, "freeze": freeze,
    })))
}

/// Takes what a strategy holds out of our record: so many units of one holding, or all of it. Nothing is sent.
pub(in crate::web) async fn force_clear(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<ForceClearBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    strategies::must_be_known(&state, std::slice::from_ref(&client_id), &body.strategy).await?;
    if body.symbol.is_some() == body.all {
        let detail = "it does not say what is cleared: one symbol, or all that the strategy holds";
        return Err(Problem::bad_request("bad_request", detail, "send a symbol; or, without one, all as true"));
    }
    let part = match &body.symbol {
        Some(symbol) => cleared_part(&state, &client_id, &body, symbol)?,
        None if body.product.is_some() || body.quantity.is_some() => {
            return Err(Problem::bad_request("bad_request", "a product and a quantity go with a symbol", "send the symbol too"));
        }
        None => Cleared::All,
    };
    let who = who(&request);
    let reason = format!("force-cleared by {who}: {}", body.reason);
    let cleared = match part {
        Cleared::Nothing => 0,
        Cleared::All => state.engine.force_clear(&client_id, body.strategy.clone(), None, reason).await?,
        Cleared::Part(key, units) => state.engine.force_clear(&client_id, body.strategy.clone(), Some((key, units)), reason).await?,
    };
    let words =
        if cleared == 0 { "nothing: the strategy holds nothing there" } else { "taken out of our record; nothing was sent to the broker" };
    let answer =
        json!({ "done": words, "cleared": cleared, "client_id": client_id, "strategy": body.strategy, "symbol": body.symbol, "who": who });
    Ok(HttpResponse::build(StatusCode::OK).json(answer))
}

/// What is taken out of the record.
enum Cleared {
    Nothing,
    All,
    Part(HoldingKey, Quantity),
}

/// The one holding that is meant, and how much of it. What the broker has, or may have, is not taken out unless a person says the number:
/// it would be left there without a stop and without an owner.
fn cleared_part(state: &WebState, client_id: &ClientId, body: &ForceClearBody, symbol: &str) -> Result<Cleared, Problem> {
    let is_meant = |key: &HoldingKey| *key.instrument.symbol == *symbol && body.product.is_none_or(|product| product == key.product);
    let held: Vec<(HoldingKey, i64)> = state
        .engine
        .read(client_id, |book| {
            book.holdings_of(&body.strategy).filter(|(key, _)| is_meant(key)).map(|(key, held)| (key.clone(), held.net)).collect()
        })
        .unwrap_or_default();
    let (key, net) = match held.as_slice() {
        [] => return Ok(Cleared::Nothing),
        [(key, net)] => (key.clone(), *net),
        several => {
            let keys: Vec<String> = several.iter().map(|(key, net)| format!("{net} {key}")).collect();
            let detail = format!("{} holds {} there", body.strategy, keys.join(" and "));
            return Err(Problem::bad_request("which_product", detail, "send the product"));
        }
    };
    let too_much = || {
        let detail = format!("{} holds {net} in {key}", body.strategy);
        Problem::bad_request("too_much", detail, "send a quantity of at most that, or none for all of it")
    };
    let most = Quantity::new(net.abs()).ok_or_else(too_much)?;
    if body.quantity.is_some_and(|quantity| quantity > most) {
        return Err(too_much());
    }
    if let Some(quantity) = body.quantity {
        return Ok(Cleared::Part(key, quantity));
    }
    let findings = state.engine.desk(client_id)?.findings.read().clone();
    match findings.net(&key) {
        None => {
            let trouble = [Reading::Positions, Reading::Holdings].into_iter().find_map(|book| findings.trouble.get(&book));
            let why = trouble.map_or("its newest books are not read yet, or are of different days", String::as_str);
            let detail = format!("{} holds {net} in {key}, and what the broker has of it is not known: {why}", body.strategy);
            let remedy = "look in the broker's app and send quantity: the units that are gone; or send it again when the books are read";
            Err(Problem::conflict("positions_unknown", detail, remedy).with("held", json!(net)))
        }
        Some(shown) if shown.signum() != net.signum() => Ok(Cleared::Part(key, most)),
        Some(shown) => {
            let detail = format!(
                "the broker shows {shown} in {key}, and {} holds {net}: cleared without a number, what is there has no owner and no stop",
                body.strategy
            );
            let remedy = "send quantity: the units that are gone; or take the difference over (POST /dashboard/differences/adopt)";
            Err(Problem::conflict("still_at_broker", detail, remedy).with("at_broker", json!(shown)).with("held", json!(net)))
        }
    }
}
