//! `/dashboard/exit-rules`: how positions are left by rule. Seen with their distance in points and in money, set, changed
//! and switched off by a person; and the "go on" for an exit that its cost cap has stopped.

use std::sync::Arc;

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use ordergate_actors::exits::{Combined, ExitRule, Hours, Ladder, Lives, Terms, Tick, lives, slot};
use ordergate_actors::order::{
    Amount, ClientId, CommandId, Exchange, ExitAt, ExitExtras, ExitTimes, Holding, HoldingKey, OrderRecord, Points, Price, Product, Source,
    StopAt, Strategy, Trailing, TrailingType, money,
};
use ordergate_actors::persistence::{Book, Keep, Level, Outcome, Slot, Topic};
use ordergate_actors::watcher::ladder_slot;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, age_ms, who};
use crate::web::body::{text, typed};
use crate::web::problem::Problem;
use crate::web::said::Said;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// Which position, or, without a symbol, which strategy as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Named {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Strategy,
    #[serde(alias = "tradingsymbol")]
    symbol: Option<String>,
    exchange: Option<Exchange>,
    #[serde(alias = "product_type")]
    product: Option<Product>,
}

/// A rule as a person sets it: what is not said is not part of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    client_id: Option<String>,
    #[serde(alias = "strategy_name")]
    strategy: Strategy,
    #[serde(alias = "tradingsymbol")]
    symbol: Option<String>,
    exchange: Option<Exchange>,
    #[serde(alias = "product_type")]
    product: Option<Product>,
    #[serde(default, deserialize_with = "text")]
    stop_loss: Option<String>,
    #[serde(default, deserialize_with = "text")]
    target: Option<String>,
    trailing_type: Option<TrailingType>,
    #[serde(default, deserialize_with = "text")]
    trailing_value: Option<String>,
    #[serde(default, deserialize_with = "text")]
    trailing_step: Option<String>,
    #[serde(default, deserialize_with = "text")]
    trailing_after: Option<String>,
    #[serde(default, deserialize_with = "text")]
    break_even: Option<String>,
    #[serde(default, deserialize_with = "text")]
    exit_at: Option<String>,
    /// Where its stop lives; not said: where the account's settings say.
    stop_at: Option<StopAt>,
    /// Rupees that all positions of the strategy together may lose; without a symbol.
    #[serde(default, deserialize_with = "text")]
    combined_stop: Option<String>,
    /// Rupees that they shall win together; without a symbol.
    #[serde(default, deserialize_with = "text")]
    combined_target: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoOnBody {
    command_id: CommandId,
    /// Why; not said: the word itself is enough, in a hurry.
    #[serde(default, deserialize_with = "text")]
    reason: Option<String>,
}

/// An exit that its cost cap has stopped, and of which a person was told.
#[derive(Debug, Clone)]
pub(super) struct NotFlat {
    pub order: Arc<OrderRecord>,
    pub text: String,
    /// How often a person let it go on before.
    pub granted: u32,
}

/// Every rule of every account.
pub(in crate::web) async fn list(asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let clients = state.accounts(asked.client_id.as_deref())?;
    let accounts: Vec<Value> = clients
        .iter()
        .map(|client| {
            let rules: Vec<Value> = of_account(&state, client).into_iter().map(|(_, rule)| rule).collect();
            json!({ "client_id": client, "rules": rules, "combined": combined(&state, client) })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "accounts": accounts, "as_of": state.now() })))
}

/// The rules of an account, by position, as people see them.
pub(super) fn of_account(state: &WebState, client_id: &ClientId) -> Vec<(HoldingKey, Value)> {
    let standard = standard(state, client_id);
    let rules = state.engine.read(client_id, |book| {
        let kept = book.kept_of(Topic::ExitRule).filter(|(slot, _)| !slot.key.starts_with("*|"));
        let rules = kept.filter_map(|(_, kept)| kept.read::<ExitRule>().ok());
        rules.map(|rule| (book.held(&rule.strategy, &rule.holding), lives(&rule, rule.stop_at(standard), book), rule)).collect::<Vec<_>>()
    });
    let rules = rules.unwrap_or_default().into_iter();
    rules.map(|(held, lives, rule)| (rule.holding.clone(), shown(state, client_id, &held, (&rule, lives.as_ref())))).collect()
}

/// Where the account's stops live whose rules do not say.
fn standard(state: &WebState, client_id: &ClientId) -> StopAt {
    state.engine.desk(client_id).map_or(StopAt::Engine, |desk| desk.settings.exits.stop_at)
}

/// One rule, with where its stop lives by the book of now.
fn shown_now(state: &WebState, client_id: &ClientId, held: &Holding, rule: &ExitRule) -> Value {
    let standard = standard(state, client_id);
    let lives = state.engine.read(client_id, |book| lives(rule, rule.stop_at(standard), book)).flatten();
    shown(state, client_id, held, (rule, lives.as_ref()))
}

/// What rests at the broker.
fn at_rest(lives: &Lives) -> Option<Value> {
    let order = lives.order.as_ref()?;
    let price = |price: Option<Price>| price.map(|price| price.to_string());
    Some(json!({
        "command_id": order.command_id,
        "broker_order_id": order.broker_order_id,
        "trigger": price(order.ask.trigger_price),
        "limit": price(order.ask.price),
        "covers": lives.covers,
        "status": order.status,
        "is_being_cancelled": order.cancel_wanted.is_some(),
    }))
}

fn shown(state: &WebState, client_id: &ClientId, held: &Holding, (rule, lives): (&ExitRule, Option<&Lives>)) -> Value {
    let quote = state.engine.desk(client_id).ok().and_then(|desk| state.engine.line().newest_quote(desk, &rule.holding.instrument));
    let last = quote.map(|quote| quote.last.value());
    let point = state.engine.line().point(client_id, &rule.holding.instrument);
    // How far the price has to go, and what the position would have made then.
    let distance = |level: Option<Decimal>| {
        let level = level?;
        let points = last.map(|last| (rule.gain(level) - rule.gain(last)).normalize().to_string());
        let gained = Points(rule.gain(level).saturating_mul(Decimal::from(held.net.abs())));
        let money = point.map(|point| gained.rupees(point).0.normalize().to_string());
        Some(json!({ "price": level.to_string(), "points_away": points, "rupees_then": money }))
    };
    let mut shown = json!({
        "strategy": rule.strategy,
        "exchange": rule.holding.instrument.exchange,
        "symbol": rule.holding.instrument.symbol,
        "product": rule.holding.product,
        "position": rule.position,
        "net": held.net,
        "fill": rule.fill.to_string(),
        "is_on": rule.is_on,
        "stop_at": rule.stop_at(standard(state, client_id)),
        "lives": lives.map_or(StopAt::Engine, |lives| lives.at),
        "lives_because": lives.and_then(|lives| lives.because.as_deref()),
        "resting": lives.and_then(at_rest),
        "stop": distance(rule.stop),
        "first_stop": rule.first_stop.map(|stop| stop.to_string()),
        "target": distance(rule.target),
        "best_price": rule.best.to_string(),
        "asked": rule.terms,
        "fired": rule.fired,
        "order": rule.order,
        "set_by": rule.who,
        "quote": quote.map(|quote| json!({ "last": quote.last.to_string(), "age_ms": age_ms(state.now(), quote.at) })),
    });
    if let Some((fields, seen)) = shown.as_object_mut().zip(rule.by_hand) {
        fields.insert("by_hand".to_owned(), json!(seen));
    }
    shown
}

fn combined(state: &WebState, client_id: &ClientId) -> Vec<Combined> {
    let rules = state.engine.read(client_id, |book| {
        let kept = book.kept_of(Topic::ExitRule).filter(|(slot, _)| slot.key.starts_with("*|"));
        kept.filter_map(|(_, kept)| kept.read::<Combined>().ok()).collect()
    });
    rules.unwrap_or_default()
}

/// Exits that rest, and of which a person was told that they are not flat.
pub(super) fn not_flat(book: &Book) -> impl Iterator<Item = NotFlat> {
    book.kept_of(Topic::Ladder).filter_map(|(slot, kept)| {
        let ladder = kept.read::<Ladder>().ok().filter(|ladder| ladder.is_paged)?;
        let order = slot.key.parse().ok().and_then(|id: CommandId| book.order(id).cloned()).filter(|order| !order.status.is_terminal())?;
        let text = format!(
            "{} {}: {} of {} units rest at {} after {} steps; the cost is counted from {}",
            order.ask.strategy,
            order.ask.symbol,
            order.unfilled(),
            order.quantity(),
            order.ask.price.map_or_else(|| "the market".to_owned(), |price| price.to_string()),
            ladder.steps,
            ladder.trigger
        );
        Some(NotFlat { order, text, granted: ladder.granted })
    })
}

fn wrong(field: &str, detail: impl std::fmt::Display) -> Problem {
    Problem::bad_request("bad_exit_rule", format!("{field}: {detail}"), "correct the field named in the detail")
}

impl SetBody {
    fn terms(&self) -> Result<Terms, Problem> {
        let at = |field: &str, text: &Option<String>| -> Result<Option<ExitAt>, Problem> {
            text.as_deref().map(|text| text.parse().map_err(|error| wrong(field, error))).transpose()
        };
        let distance = |field: &str, text: &Option<String>| {
            let at = at(field, text)?;
            if at.is_some_and(|at| at.price().is_some()) { Err(wrong(field, "must be a distance, 12 points or 1.5%")) } else { Ok(at) }
        };
        let value = self
            .trailing_value
            .as_deref()
            .map(|text| money::decimal("trailing_value", text).map_err(|error| wrong("trailing_value", error)));
        let trailing = match (self.trailing_type, value.transpose()?) {
            (Some(kind), Some(value)) if value > Decimal::ZERO && (kind != TrailingType::Percent || value < Decimal::ONE_HUNDRED) => {
                Some(Trailing { kind, value })
            }
            (None, None) => None,
            _ => return Err(wrong("trailing_value", "trailing_type and a trailing_value above 0 go together")),
        };
        let times = self.exit_at.as_deref().map(|text| text.parse::<ExitTimes>().map_err(|error| wrong("exit_at", error)));
        let exits = ExitExtras {
            trailing_step: distance("trailing_step", &self.trailing_step)?,
            trailing_after: distance("trailing_after", &self.trailing_after)?,
            break_even: distance("break_even", &self.break_even)?,
            times: times.transpose()?.unwrap_or_default(),
            stop_at: self.stop_at,
        };
        let terms = Terms { stop_loss: at("stop_loss", &self.stop_loss)?, target: at("target", &self.target)?, trailing, exits };
        if (trailing.is_some() || exits.break_even.is_some()) && terms.stop_loss.is_none() {
            return Err(wrong("stop_loss", "a stop that moves must begin somewhere"));
        }
        if self.stop_at.is_some() && terms.stop_loss.is_none() {
            return Err(wrong("stop_at", "says where a stop lives, and there is no stop_loss"));
        }
        Ok(terms)
    }
}

/// The position that is meant; what it holds.
fn position(state: &WebState, client_id: &ClientId, named: &Named) -> Result<(HoldingKey, Holding), Problem> {
    let fits = |key: &HoldingKey| {
        named.symbol.as_deref().is_none_or(|symbol| *symbol == *key.instrument.symbol)
            && named.exchange.is_none_or(|exchange| exchange == key.instrument.exchange)
            && named.product.is_none_or(|product| product == key.product)
    };
    let held = state.engine.read(client_id, |book| {
        book.holdings_of(&named.strategy).filter(|(key, _)| fits(key)).map(|(key, held)| (key.clone(), *held)).collect::<Vec<_>>()
    });
    let mut held = held.unwrap_or_default();
    match (held.pop(), held.pop()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            Err(Problem::not_found("no_position", format!("{} holds nothing there", named.strategy), "see GET /dashboard/positions"))
        }
        (Some(_), Some(_)) => {
            Err(Problem::bad_request("ambiguous", "several positions fit", "name the symbol, the exchange and the product"))
        }
    }
}

/// Sets the rule of a position, or changes it: the new one stands instead of the old.
pub(in crate::web) async fn set(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<SetBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let who = who(&request);
    if body.combined_stop.is_some() || body.combined_target.is_some() {
        return set_combined(&state, client_id, &body, who).await;
    }
    let terms = body.terms()?;
    if terms == Terms::default() {
        return Err(wrong("stop_loss", "nothing is said; to switch a rule off send DELETE"));
    }
    let named = Named {
        client_id: None,
        strategy: body.strategy.clone(),
        symbol: body.symbol.clone(),
        exchange: body.exchange,
        product: body.product,
    };
    let (key, held) = position(&state, &client_id, &named)?;
    let instrument = state.engine.line().instruments.find(&key.instrument);
    let Some(instrument) = instrument else { return Err(wrong("symbol", "it is not in today's instrument master")) };
    let off_tick =
        [terms.stop_loss, terms.target].into_iter().flatten().filter_map(ExitAt::price).find(|price| !price.is_on_tick(instrument.tick));
    if let Some(price) = off_tick {
        return Err(wrong("stop_loss", format!("{price} is no multiple of the tick {}", instrument.tick)));
    }
    let rule = ExitRule::new(body.strategy.clone(), key.clone(), &held, terms, instrument.tick.value(), who.clone(), state.now());
    let Some(mut rule) = rule else { return Err(wrong("stop_loss", "the distances give no price from the fill")) };
    if let Some(why) = rule.overtakes() {
        return Err(wrong("trailing_step", why));
    }
    let slot = slot(&body.strategy, &key);
    let read = |book: &Book| {
        let standing = book.kept(&slot).cloned();
        // One that stands for an earlier position leaves nothing to this one.
        let before = standing.as_ref().and_then(|kept| kept.read::<ExitRule>().ok()).filter(|before| before.is_for(&held));
        if let Some(before) = &before {
            may_be_changed(before, &rule, book)?;
            rule = ExitRule { order: before.order, ..rule.clone().after(before) }.with_moved_stop_of(before);
        }
        rule = rule.clone().with_all_counted(book);
        Ok::<_, Problem>(standing)
    };
    let standing = state.engine.read(&client_id, read).transpose()?.flatten();
    // What would fire this moment was meant otherwise.
    if let Some(why) = rule.time_up(&Hours::always(), TimeDelta::zero(), state.now()) {
        return Err(wrong("exit_at", format!("it would leave at once, {why}; to leave now send an exit")));
    }
    let quote = state.engine.desk(&client_id).ok().and_then(|desk| state.engine.line().newest_quote(desk, &key.instrument));
    if let Some(quote) = quote {
        let tick = Tick::from(&quote);
        if rule.clone().look(Some(&tick), &Tick { at: state.now(), ..tick }).fires.is_some() {
            return Err(wrong("stop_loss", format!("it would fire at once, the price is {}; to leave now send an exit", quote.last)));
        }
    }
    let reason = format!("set by {who}: {} {}", rule.words(), ordergate_actors::order::clean(body.reason.trim(), 300));
    let keep = keep(&client_id, slot, standing.map_or(0, |kept| kept.seq), Said::info("EXIT_RULE_SET", reason), &who);
    applied(&state, Keep { command_id: rule.order, ..keep }.with(&rule)).await?;
    Ok(HttpResponse::Ok().json(json!({ "done": "the rule stands", "rule": shown_now(&state, &client_id, &held, &rule) })))
}

/// What is under way is not changed: neither an exit that must be flat soon, nor the limit of a target that has fired.
fn may_be_changed(before: &ExitRule, next: &ExitRule, book: &Book) -> Result<(), Problem> {
    if before.is_leaving() {
        let detail = "it has fired, and its exit is under way, or is sent again until the position is left";
        let action = "nothing: see the order; to keep the position switch the rule off (DELETE), cancel the order, and set the rule anew";
        return Err(Problem::conflict("already_firing", detail, action));
    }
    let resting = before.open_exit(book).filter(|_| before.target != next.target);
    resting.map_or(Ok(()), |order| {
        let at = order.ask.price.map_or_else(String::new, |price| format!(" at {price}"));
        let detail = format!("its target has fired: order {} rests{at}, and another target would not move it", order.command_id);
        Err(Problem::conflict(
            "already_firing",
            detail,
            "change the limit of that order, or cancel it and set the target when it has ended",
        ))
    })
}

async fn set_combined(state: &WebState, client_id: ClientId, body: &SetBody, who: String) -> Answer {
    let rupees = |field: &'static str, text: &Option<String>| -> Result<Option<Amount>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let value = money::decimal(field, text).map_err(|error| wrong(field, error))?;
        if value > Decimal::ZERO { Ok(Some(Amount(value))) } else { Err(wrong(field, "must be above 0, in rupees")) }
    };
    if body.symbol.is_some() || body.terms()? != Terms::default() {
        return Err(wrong("combined_stop", "it is about the strategy as a whole: leave the symbol and the other exits out"));
    }
    let rule = Combined {
        strategy: body.strategy.clone(),
        stop: rupees("combined_stop", &body.combined_stop)?,
        target: rupees("combined_target", &body.combined_target)?,
        fired_at: None,
        who: who.clone(),
    };
    let slot = Combined::slot(&body.strategy);
    let standing = state.engine.read(&client_id, |book| book.kept(&slot).map_or(0, |kept| kept.seq)).unwrap_or(0);
    let reason = format!("combined exit of {} set by {who}", body.strategy);
    applied(state, keep(&client_id, slot, standing, Said::info("EXIT_RULE_SET", reason), &who).with(&rule)).await?;
    Ok(HttpResponse::Ok().json(json!({ "done": "the rule stands", "rule": rule })))
}

/// Switches the rule of a position off, or, without a symbol, the combined one of a strategy.
pub(in crate::web) async fn off(request: HttpRequest, named: Parameters<Named>, state: Data<WebState>) -> Answer {
    let client_id = state.account(named.client_id.as_deref())?;
    let who = who(&request);
    let missing = || Problem::not_found("no_exit_rule", "there is no such rule", "see GET /dashboard/exit-rules");
    if named.symbol.is_none() {
        let slot = Combined::slot(&named.strategy);
        let seq = state.engine.read(&client_id, |book| book.kept(&slot).map(|kept| kept.seq)).flatten().ok_or_else(missing)?;
        let reason = format!("combined exit of {} switched off by {who}", named.strategy);
        applied(&state, Ok(keep(&client_id, slot, seq, Said::info("EXIT_RULE_OFF", reason), &who))).await?;
        return Ok(HttpResponse::Ok().json(json!({ "done": "the rule is off" })));
    }
    let (key, held) = position(&state, &client_id, &named)?;
    let slot = slot(&named.strategy, &key);
    let kept = state.engine.read(&client_id, |book| book.kept(&slot).cloned()).flatten().ok_or_else(missing)?;
    let rule: ExitRule = kept.read().map_err(|error| Problem::conflict("unreadable_rule", error.to_string(), "set the rule anew"))?;
    let combined = Combined::slot(&named.strategy);
    let (is_left, is_sent) = state
        .engine
        .read(&client_id, |book| {
            let combined = book.kept(&combined).and_then(|kept| kept.read::<Combined>().ok());
            let mut open = book.open_in(&key.instrument).filter(|order| order.ask.strategy == named.strategy);
            let is_sent = |order: &Arc<OrderRecord>| order.is_exit() && order.source == Source::System;
            (combined.is_some_and(|combined| combined.fired_at.is_some()), open.any(is_sent))
        })
        .unwrap_or_default();
    let had_fired = rule.is_leaving();
    let rule = rule.switched_off(who.clone(), is_left);
    let reason = format!("switched off by {who}: nothing but a person leaves {} {key} now", named.strategy);
    let said = Said { event: "EXIT_RULE_OFF", level: Level::Warn, reason };
    let keep = Keep { command_id: rule.order, ..keep(&client_id, slot, kept.seq, said, &who) };
    applied(&state, keep.with(&rule)).await?;
    let seen = shown_now(&state, &client_id, &held, &rule);
    let under_way = match &seen["resting"] {
        _ if rule.is_leaving() => {
            Some("the combined exit of the strategy has fired, and leaves the position all the same: switch that off too")
        }
        _ if is_sent => Some("an exit that was sent goes on, and no other follows it; cancel it to keep the position"),
        Value::Null if had_fired => Some("it had fired: no other exit is sent"),
        Value::Null => None,
        _ => Some("its stop at the broker is being cancelled, and acts until that is proven: see `resting`"),
    };
    Ok(HttpResponse::Ok().json(json!({
        "done": "the rule is off: the engine does not protect the position any more",
        "note": under_way,
        "rule": seen,
    })))
}

/// Lets an exit go on beyond its cost cap: as far again as it has gone.
pub(in crate::web) async fn go_on(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<GoOnBody>(payload, request.headers(), &state.settings).await?;
    grant(&state, body.command_id, None, &who(&request), body.reason.as_deref()).await?;
    Ok(HttpResponse::Accepted().json(json!({ "done": "the exit goes on, as far again beyond its cap", "command_id": body.command_id })))
}

/// The word to go on, for one exit; with `granted` only where it was given that often before.
///
/// # Errors
/// The exit waits for no word, or for another.
pub(super) async fn grant(
    state: &WebState,
    command_id: CommandId,
    granted: Option<u32>,
    who: &str,
    reason: Option<&str>,
) -> Result<(), Problem> {
    let slot = ladder_slot(command_id);
    let found = state.engine.line().desks().find_map(|desk| {
        let kept = state.engine.read(&desk.client_id, |book| book.kept(&slot).cloned()).flatten()?;
        Some((desk.client_id.clone(), kept))
    });
    let Some((client_id, kept)) = found else {
        return Err(Problem::not_found("not_on_the_ladder", "no exit of that id waits for a word", "see GET /dashboard/attention"));
    };
    let ladder: Ladder =
        kept.read().map_err(|error| Problem::conflict("unreadable_ladder", error.to_string(), "change the order's limit"))?;
    if !ladder.is_paged || granted.is_some_and(|granted| granted != ladder.granted) {
        return Err(Problem::conflict("not_halted", "the exit goes on by itself", "nothing"));
    }
    let next = Ladder { granted: ladder.granted.saturating_add(1), is_paged: false, stepped_at: state.now(), ..ladder };
    let why = ordergate_actors::order::clean(reason.unwrap_or_default().trim(), 300);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let keep = keep(&client_id, slot, kept.seq, Said::info("EXIT_GO_ON", format!("\"go on\" by {who}{why}")), who);
    applied(state, Keep { command_id: Some(command_id), ..keep }.with(&next)).await
}

fn keep(client_id: &ClientId, slot: Slot, basis: u64, said: Said, who: &str) -> Keep {
    Keep {
        client_id: Some(client_id.clone()),
        slot,
        value: None,
        basis: Some(basis),
        event: said.event,
        level: said.level,
        reason: Arc::from(said.reason),
        who: Arc::from(who),
        command_id: None,
    }
}

async fn applied(state: &WebState, keep: Result<Keep, serde_json::Error>) -> Result<(), Problem> {
    let keep = keep.map_err(|error| Problem::bad_request("bad_exit_rule", error.to_string(), "report this"))?;
    match state.engine.keep(keep).await? {
        Outcome::Applied(_) => Ok(()),
        Outcome::NotApplied(_) => {
            Err(Problem::conflict("changed_meanwhile", "the rule has changed meanwhile", "look at it and send it again"))
        }
    }
}
