//! `placeorder`, `placesmartorder`, `basketorder`, `splitorder`, `closeposition`: from OpenAlgo's buy and sell to entries, exits and
//! targets of a strategy.
//!
//! OpenAlgo's orders do not say whether they open or close. What the strategy holds and has working tells: what goes on opens or
//! adds, what goes back closes, and what goes through flat is a target. So a second order is read only when the first is on disk.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use futures_util::future::LocalBoxFuture;
use ordergate_actors::engine::exit_leg;
use ordergate_actors::ingress::naming;
use ordergate_actors::order::{CommandId, IdempotencyKey, LegDraft, MAX_LEGS, OrderType, Side, SignalDraft, SignalId, Source, Strategy};
use ordergate_actors::routes::{Direction, Facts, Format, QtyUnit, Reading, Route, plan};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::words::{Placed, message, placed, worst};
use super::{Asked, missing, text, text_of};
use crate::web::auth::body_hash;
use crate::web::chain::{self, until_on_disk};
use crate::web::formats::openalgo_reading;
use crate::web::json::Json;
use crate::web::problem::Problem;
use crate::web::routing::expected;
use crate::web::state::WebState;
use crate::web::submission::{Taken, Until, hand_over, look_up};
use crate::web::webhook::key;

/// An answer waits so long for the broker.
const WAIT: Duration = Duration::from_secs(2);
/// The next order of a call waits so long for the decision about the one before it.
const MOMENT: Duration = Duration::from_millis(200);
/// Orders of this door go one after the other, whoever sends them: two keys may trade one strategy.
const TURN: &str = "/api/v1";
/// So often a strategy may add to what it holds: the account's own limits bound it.
const ADDS: u32 = 1_000;
/// Orders of one split, as OpenAlgo has it.
const MOST_SPLITS: i64 = 100;

/// Sends one signal after the other, each read when the one before is on disk; then waits for the broker.
struct Sending<'a> {
    state: &'a Data<WebState>,
    asked: Asked,
    key: Option<IdempotencyKey>,
    /// Whether `position_size` says where to be.
    is_smart: bool,
}

/// One order of a call.
enum Sent<'a> {
    /// Its gates have decided, or nothing of it is on disk.
    Known(Result<Taken, Problem>),
    /// Its gates wait for something.
    Waits(SignalId, LocalBoxFuture<'a, Result<Taken, Problem>>),
}

impl Sending<'_> {
    fn draft(&self, place: usize, body: &Json, legs: Vec<LegDraft>) -> Result<SignalDraft, Problem> {
        let key = match (&self.key, place) {
            (None, _) => None,
            (Some(key), 0) => Some(key.clone()),
            (Some(key), place) => Some(
                IdempotencyKey::parse(&format!("{key}#{}", place + 1))
                    .map_err(|error| Problem::bad_request("bad_idempotency_key", error.to_string(), "send a shorter key"))?,
            ),
        };
        Ok(SignalDraft {
            client_id: self.asked.client_id.clone(),
            signal_id: SignalId(self.state.engine.line().ids.next()),
            source: Source::Strategy,
            user: self.asked.caller.name.clone(),
            idempotency_key: key,
            body_hash: body_hash(&body.canonical()),
            // A program that sends the same order twice means it; a key makes it a replay.
            replay_window_ms: 0,
            received_at: self.state.now(),
            signal_time: None,
            legs,
        })
    }

    /// Registers each order by itself, in this order, and answers them as they stand when the broker has answered, or the time is up.
    async fn one_by_one(&self, bodies: &[Json], strategy: &str) -> Vec<Result<Taken, Problem>> {
        let deadline = Instant::now() + WAIT;
        let Ok(turn) = timeout_at(deadline, self.state.turns.wait(&self.asked.client_id, TURN)).await else {
            let busy = || Problem::unavailable("busy", "orders before this one are still being written down; nothing was sent");
            return bodies.iter().map(|_| Err(busy())).collect();
        };
        let mut sent = Vec::with_capacity(bodies.len());
        for (place, body) in bodies.iter().enumerate() {
            sent.push(self.send(place, body, strategy, deadline).await);
        }
        drop(turn);
        let mut taken = Vec::with_capacity(sent.len());
        for one in sent {
            taken.push(match one {
                Sent::Known(known) => known,
                Sent::Waits(signal_id, deciding) => match timeout_at(deadline, deciding).await {
                    Ok(known) => known,
                    // On disk, and its gates still wait for something: that is no failure.
                    Err(_) => look_up(self.state, self.asked.client_id.clone(), signal_id).await,
                },
            });
        }
        let waits = taken
            .iter_mut()
            .flatten()
            .map(|taken| taken.settle(self.state, Until::Broker, deadline.saturating_duration_since(Instant::now())));
        futures_util::future::join_all(waits).await;
        taken
    }

    /// Sends one order, and waits until the next of the strategy can be read against it: until it is on disk, and a moment for its
    /// decision, because a position that is wanted replaces one that the line has not worked out yet.
    async fn send(&self, place: usize, body: &Json, strategy: &str, deadline: Instant) -> Sent<'_> {
        let made = self.leg(strategy, body).and_then(|leg| self.draft(place, body, vec![leg]));
        let handed = match made.and_then(|draft| hand_over(self.state, draft)) {
            Ok(handed) => handed,
            Err(problem) => return Sent::Known(Err(problem)),
        };
        let signal_id = handed.signal_id();
        match until_on_disk(self.state, &self.asked.client_id, handed).await {
            chain::Sent::Known(known) => Sent::Known(known),
            chain::Sent::Waits(mut deciding) => match timeout_at(deadline.min(Instant::now() + MOMENT), &mut deciding).await {
                Ok(known) => Sent::Known(known),
                Err(_) => Sent::Waits(signal_id, deciding),
            },
        }
    }

    /// One order's leg.
    fn leg(&self, strategy: &str, body: &Json) -> Result<LegDraft, Problem> {
        let owner = owner(strategy)?;
        let mut reading = openalgo_reading(body);
        if reading.position.is_some() && !self.is_smart {
            return Err(bad("position_size belongs to placesmartorder".to_owned()));
        }
        let now = self.state.now();
        let line = self.state.engine.line();
        // Read as one that could close: then a name that depends on the day means what is held.
        let first = plan::draft(&reading, &route(&owner, Direction::Both), 0);
        let found = |leg: &LegDraft| naming::name(line, &self.asked.client_id, leg, now).instrument;
        let held_of =
            |leg: &LegDraft| found(leg).map_or(0, |one| expected(self.state, &self.asked.client_id, &owner, &one.key, plan::product(leg)));
        if reading.position.is_none() && reading.size.is_none_or(|size| size <= Decimal::ZERO) {
            return Err(bad("quantity must be a whole number above 0".to_owned()));
        }
        let direction = match (reading.position, reading.action) {
            (Some(_), _) => Direction::Both,
            (None, None) => return Err(bad("action is neither BUY nor SELL".to_owned())),
            (None, Some(side)) => way(&mut reading, side, held_of(&first)),
        };
        let route = route(&owner, direction);
        let draft = plan::draft(&reading, &route, 0);
        let instrument = found(&draft);
        let facts = Facts { instrument: instrument.as_deref(), price: None, held: held_of(&draft), stopped: None, now };
        let mut leg = plan::settle(draft, &reading, &route, &facts).leg;
        if instrument.is_none() {
            // It is refused for its name alone, and not for a target that needs the instrument.
            leg.target_position = reading.position.map(|units| units.to_string());
        }
        if leg.execution_type.as_deref() == Some("EXIT") {
            return Ok(leg);
        }
        // OpenAlgo's clients send these beside the order; here they belong to what it opens.
        let trail = amount(body, "trailing_sl")?;
        Ok(LegDraft {
            stop_loss: amount(body, "stoploss")?,
            target: amount(body, "target")?,
            trailing_type: trail.is_some().then(|| "ABSOLUTE".to_owned()),
            trailing_value: trail,
            ..leg
        })
    }
}

fn bad(detail: String) -> Problem {
    Problem::bad_request("bad_request", detail, "see docs/openalgo.md")
}

fn owner(strategy: &str) -> Result<Strategy, Problem> {
    Strategy::parse(strategy).map_err(|error| bad(format!("strategy must be {}", error.rule)))
}

/// The terms under which the orders of a call go: the strategy's own, and nothing of a person's routes.
fn route(owner: &Strategy, direction: Direction) -> Route {
    Route { qty_unit: Some(QtyUnit::Units), adds: ADDS, max_orders: 1, ..Route::plain("openalgo", owner.clone(), direction) }
}

/// A number that is sent beside an order; nothing is 0 in OpenAlgo's bodies.
fn amount(body: &Json, name: &str) -> Result<Option<String>, Problem> {
    Ok(text_of(body, name)?.filter(|text| !text.trim().parse::<Decimal>().is_ok_and(|number| number.is_zero())))
}

/// Which way the order goes for a strategy that holds so much. What opens, adds or goes through flat is a position that is wanted; an
/// order with a trigger can only be an entry or an exit.
fn way(reading: &mut Reading, side: Side, held: i64) -> Direction {
    let of = |side| if side == Side::Buy { Direction::Long } else { Direction::Short };
    let size = reading.size.unwrap_or_default();
    let own = Side::of_net(held).filter(|own| *own != side && size <= Decimal::from(held.abs()));
    let has_trigger = reading.order_type.as_deref().and_then(|text| OrderType::parse(text.trim())).is_some_and(OrderType::has_trigger);
    match own {
        Some(own) => of(own),
        None if has_trigger => of(side),
        None => {
            reading.position = Some(Decimal::from(held) + Decimal::from(side.sign()) * size);
            reading.format = Format::OpenalgoSmartOrder;
            Direction::Both
        }
    }
}

/// Runs to its end, whoever waits for it: what was begun is not left half read.
async fn to_the_end<T: 'static>(work: impl Future<Output = T> + 'static) -> Result<T, Problem> {
    actix_web::rt::spawn(work).await.map_err(|_| lost())
}

fn lost() -> Problem {
    Problem::unavailable("answer_lost", "the answer was lost; look at the order book before sending again")
}

fn idempotency(headers: &HeaderMap, body: &Json) -> Result<Option<IdempotencyKey>, Problem> {
    key(headers, text_of(body, "idempotency_key")?.as_deref())
}

/// What became of a call's one order. One that is on disk and cannot be read just now is pending.
fn placed_of(taken: &Taken) -> Option<Placed> {
    let unread = || {
        let message = Some("on disk; its record could not be read just now".to_owned());
        taken.unread().first().map(|id| Placed { status: "success", orderid: *id, order_status: "pending", message })
    };
    taken.orders.first().map(|order| placed(order)).or_else(unread)
}

/// `placeorder` and `placesmartorder`.
pub(super) async fn place(state: &Data<WebState>, request: &HttpRequest, asked: Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    asked.check(&strategy)?;
    let (key, body) = (idempotency(request.headers(), &asked.body)?, asked.body.clone());
    let is_smart = request.match_info().as_str().contains("placesmartorder");
    if is_smart && body.get("position_size").is_none() {
        return Err(missing("position_size"));
    }
    let state = state.clone();
    let taken = to_the_end(async move {
        let sending = Sending { state: &state, asked, key, is_smart };
        sending.one_by_one(std::slice::from_ref(&body), &strategy).await.pop()
    });
    let taken = taken.await?.unwrap_or_else(|| Err(lost()))?;
    text(&placed_of(&taken).ok_or_else(lost)?)
}

/// What became of one of several.
#[derive(Debug, Serialize)]
struct One {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_num: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orderid: Option<CommandId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

fn one(taken: &Result<Taken, Problem>) -> One {
    let nothing = One { status: "error", order_num: None, symbol: None, quantity: None, orderid: None, order_status: None, message: None };
    match taken.as_ref().map(placed_of) {
        Ok(Some(placed)) => {
            let (orderid, order_status) = (Some(placed.orderid), Some(placed.order_status));
            One { status: placed.status, orderid, order_status, message: placed.message, ..nothing }
        }
        Ok(None) => One { message: Some(lost().detail().to_owned()), ..nothing },
        Err(problem) => One { message: Some(problem.detail().to_owned()), ..nothing },
    }
}

#[derive(Debug, Serialize)]
struct Several {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    results: Vec<One>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_quantity: Option<i64>,
}

fn several(results: Vec<One>, split: Option<(i64, i64)>) -> Result<String, Problem> {
    // A basket of which one failed is no success.
    let message = failures(&results);
    let status = if message.is_none() { "success" } else { "error" };
    text(&Several { status, message, results, split_size: split.map(|(size, _)| size), total_quantity: split.map(|(_, total)| total) })
}

/// Which orders failed and which are on their way, in one sentence: OpenAlgo's client shows nothing else of an error.
fn failures(results: &[One]) -> Option<String> {
    let (well, failed): (Vec<&One>, Vec<&One>) = results.iter().partition(|one| one.status == "success");
    if failed.is_empty() {
        return None;
    }
    let called = |one: &One| match (&one.symbol, one.order_num) {
        (Some(symbol), _) => symbol.clone(),
        (None, number) => format!("order {}", number.unwrap_or_default()),
    };
    let why = |one: &&One| format!("{}: {}", called(one), one.message.as_deref().unwrap_or("refused"));
    let id = |one: &&One| format!("{} {}", called(one), one.orderid.map(|id| id.to_string()).unwrap_or_default());
    let words = failed.iter().map(why).collect::<Vec<_>>().join("; ");
    let sent = if well.is_empty() {
        "none of them was sent".to_owned()
    } else {
        format!("taken: {}", well.iter().map(id).collect::<Vec<_>>().join(", "))
    };
    Some(format!("{} of {} orders failed ({words}); {sent}", failed.len(), results.len()))
}

/// `basketorder`: what is bought goes before what is sold.
pub(super) async fn basket(state: &Data<WebState>, request: &HttpRequest, asked: Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    asked.check(&strategy)?;
    let key = idempotency(request.headers(), &asked.body)?;
    let Some(Json::List(orders)) = asked.body.get("orders").cloned() else { return Err(missing("orders")) };
    if orders.is_empty() || orders.len() > MAX_LEGS {
        return Err(Problem::bad_request("bad_request", format!("orders has {} rows", orders.len()), format!("send 1 to {MAX_LEGS}")));
    }
    // Whatever is not certainly a purchase goes last: a sale must not go before what covers it.
    let is_purchase = |order: &Json| text_of(order, "action").ok().flatten().and_then(|action| Side::parse(&action)) == Some(Side::Buy);
    let mut places: Vec<usize> = (0..orders.len()).collect();
    places.sort_by_key(|place| !orders.get(*place).is_some_and(is_purchase));
    let sorted: Vec<Json> = places.iter().filter_map(|place| orders.get(*place).cloned()).collect();
    let state = state.clone();
    let taken =
        to_the_end(async move { Sending { state: &state, asked, key, is_smart: false }.one_by_one(&sorted, &strategy).await }).await?;
    let mut results: Vec<(usize, One)> = places.into_iter().zip(taken.iter().map(one)).collect();
    results.sort_by_key(|(place, _)| *place);
    let named =
        |(place, one): (usize, One)| One { symbol: orders.get(place).and_then(|order| text_of(order, "symbol").ok().flatten()), ..one };
    several(results.into_iter().map(named).collect(), None)
}

/// `splitorder`: one order after the other, of `splitsize` units each.
pub(super) async fn split(state: &Data<WebState>, request: &HttpRequest, asked: Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    asked.check(&strategy)?;
    let key = idempotency(request.headers(), &asked.body)?;
    let units = |name: &str| {
        let number = asked.needed(name)?.trim().parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Problem::bad_request("bad_request", format!("{name} is no whole number above 0"), "see docs/openalgo.md"))
    };
    let (total, size) = (units("quantity")?, units("splitsize")?);
    let count = total.div_euclid(size) + i64::from(total.rem_euclid(size) > 0);
    if count > MOST_SPLITS {
        return Err(Problem::bad_request(
            "bad_request",
            format!("it would be {count} orders"),
            format!("at most {MOST_SPLITS}: send a larger splitsize"),
        ));
    }
    let sizes: Vec<i64> = (0..count).map(|place| size.min(total - place * size)).collect();
    let body = asked.body.clone().without("splitsize");
    let bodies: Vec<Json> = sizes.iter().map(|size| with_quantity(&body, *size)).collect();
    let state = state.clone();
    let taken =
        to_the_end(async move { Sending { state: &state, asked, key, is_smart: false }.one_by_one(&bodies, &strategy).await }).await?;
    let numbered = taken.iter().zip(&sizes).enumerate();
    let results = numbered.map(|(place, (taken, size))| One { order_num: Some(place + 1), quantity: Some(size.to_string()), ..one(taken) });
    several(results.collect(), Some((size, total)))
}

fn with_quantity(body: &Json, units: i64) -> Json {
    match body.clone() {
        Json::Object(mut fields) => {
            fields.insert("quantity".to_owned(), Json::Number(units.to_string()));
            Json::Object(fields)
        }
        other => other,
    }
}

/// `closeposition`: everything that the strategy holds or is entering, and nothing of another.
pub(super) async fn close(state: &Data<WebState>, request: &HttpRequest, asked: Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    asked.check(&strategy)?;
    let key = idempotency(request.headers(), &asked.body)?;
    let owner = owner(&strategy)?;
    let legs: Vec<LegDraft> = state
        .engine
        .read(&asked.client_id, |book| {
            let own = book.to_leave().into_iter().filter(|(strategy, _)| *strategy == owner);
            own.map(|(_, key)| exit_leg(&owner, &key, None)).collect()
        })
        .unwrap_or_default();
    if legs.is_empty() {
        let message = format!("{strategy} holds nothing and enters nothing; nothing was sent");
        return Ok(json!({ "status": "success", "message": message, "orders": [] }).to_string());
    }
    if legs.len() > MAX_LEGS {
        return Err(Problem::bad_request(
            "bad_request",
            format!("{strategy} is in {} positions", legs.len()),
            "close them with POST /dashboard/positions/exit-all",
        ));
    }
    let state = state.clone();
    let taken = to_the_end(async move {
        let deadline = Instant::now() + WAIT;
        let body = asked.body.clone();
        let sending = Sending { state: &state, asked, key, is_smart: false };
        let handed = hand_over(&state, sending.draft(0, &body, legs)?)?;
        let signal_id = handed.signal_id();
        let mut taken = match timeout_at(deadline, handed.decided(&state)).await {
            Ok(decided) => decided?,
            Err(_) => look_up(&state, sending.asked.client_id.clone(), signal_id).await?,
        };
        taken.settle(&state, Until::Broker, deadline.saturating_duration_since(Instant::now())).await;
        Ok::<_, Problem>(taken)
    });
    let taken = taken.await??;
    let ids: Vec<CommandId> = taken.orders.iter().map(|order| order.command_id).chain(taken.unread().iter().copied()).collect();
    let words: Vec<String> = taken.orders.iter().filter_map(|order| message(order)).collect();
    let said = if words.is_empty() {
        format!("{} exits are on their way; the order book tells when they have filled", ids.len())
    } else {
        words.join("; ")
    };
    Ok(json!({ "status": worst(&taken.orders), "message": said, "orders": ids }).to_string())
}
