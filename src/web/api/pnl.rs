//! `GET /dashboard/pnl`: what the day came to, by strategy and instrument: results from fills, charges one by one, statistics.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query as Parameters};
use chrono::{DateTime, Utc};
use ordergate_actors::order::{Amount, ClientId, HoldingKey, Strategy, trading_date};
use ordergate_actors::pnl::charges::Costs;
use ordergate_actors::pnl::{Day, Line, Statistics, Sums, Total};
use rust_decimal::RoundingStrategy;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, age_ms};
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
}

/// Every account's day.
pub(in crate::web) async fn pnl(asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let clients = state.accounts(asked.client_id.as_deref())?;
    let now = state.now();
    let accounts: Vec<Value> = clients.iter().filter_map(|client| account(&state, client, now)).collect();
    Ok(HttpResponse::Ok().json(json!({ "accounts": accounts, "as_of": now })))
}

/// The account's day, as committed.
pub(super) fn today(state: &WebState, client_id: &ClientId, now: DateTime<Utc>) -> Option<Day> {
    state.engine.read(client_id, |book| book.day(trading_date(now)).into_owned())
}

/// One account's day.
pub(in crate::web) fn account(state: &WebState, client_id: &ClientId, now: DateTime<Utc>) -> Option<Value> {
    let day = today(state, client_id, now)?;
    let strategies: Vec<Value> = day.strategies().into_iter().map(|strategy| of_strategy(state, client_id, &day, strategy, now)).collect();
    let costs = costs(state, client_id, &day, None);
    Some(json!({
        "client_id": client_id,
        "date": day.date(),
        "result": result(&total(state, &day, None), &costs, now),
        "charges": charges(&costs),
        "charges_plan": state.site.charges.plan(client_id),
        "statistics": statistics(&day.statistics(None)),
        "strategies": strategies,
    }))
}

fn of_strategy(state: &WebState, client_id: &ClientId, day: &Day, strategy: &Strategy, now: DateTime<Utc>) -> Value {
    let costs = costs(state, client_id, day, Some(strategy));
    let instruments: Vec<Value> = day.lines_of(strategy).map(|(key, line)| of_line(state, client_id, day, (key, line), now)).collect();
    json!({
        "strategy": strategy,
        "result": result(&total(state, day, Some(strategy)), &costs, now),
        "charges": charges(&costs),
        "statistics": statistics(&day.statistics(Some(strategy))),
        "instruments": instruments,
    })
}

/// One strategy's line, as people read it.
pub(super) fn of_line(state: &WebState, client_id: &ClientId, day: &Day, (key, line): (&HoldingKey, &Line), now: DateTime<Utc>) -> Value {
    let quotes = &state.engine.line().quotes;
    let quote = quotes.quote(&key.instrument);
    let worth = line.worth(quote.map(|quote| quote.last), quotes.previous_close(&key.instrument));
    let costs = state.site.charges.sum(state.engine.line(), client_id, day.date(), std::iter::once((key, line)));
    let gross = worth.gross().filter(|_| line.left == 0);
    json!({
        "exchange": key.instrument.exchange,
        "symbol": key.instrument.symbol,
        "product": key.product,
        "net": line.held.net,
        "average_price": line.held.average().map(|price| price.to_string()),
        "carried": { "net": line.carried.net, "average_price": line.carried.average().map(|price| price.to_string()) },
        "carried_marked_from": worth.marked_from,
        "realised": money(worth.realised),
        "unrealised": worth.unrealised.map(money),
        "before_today": money(worth.before_today),
        "gross": gross.map(money),
        "charges": charges(&costs),
        "net_result": net(gross, &costs).map(money),
        "bought": valued(line, line.bought),
        "sold": valued(line, line.sold),
        "orders": line.executed.count(),
        "closed_elsewhere": line.left,
        "last_price": quote.map(|quote| quote.last.to_string()),
        "quote_at": quote.map(|quote| quote.at),
        "quote_age_ms": quote.map(|quote| age_ms(now, quote.at)),
    })
}

/// What the day's lines come to at the newest quotes: of one strategy, or of the account.
pub(super) fn total(state: &WebState, day: &Day, of: Option<&Strategy>) -> Total {
    day.total(of, &*state.engine.line().quotes)
}

/// What they are charged.
pub(super) fn costs(state: &WebState, client_id: &ClientId, day: &Day, of: Option<&Strategy>) -> Costs {
    let lines = day.lines().filter(|(strategy, ..)| of.is_none_or(|wanted| wanted == *strategy)).map(|(_, key, line)| (key, line));
    state.site.charges.sum(state.engine.line(), client_id, day.date(), lines)
}

fn net(gross: Option<Amount>, costs: &Costs) -> Option<Amount> {
    Some(gross?.plus(costs.total()?.negated()))
}

/// Gross and net. What is not known is null, and what it lacks is named: what left without a price may have brought anything.
pub(super) fn result(total: &Total, costs: &Costs, now: DateTime<Utc>) -> Value {
    let gross = total.gross().filter(|_| total.left == 0);
    json!({
        "realised": money(total.realised),
        "unrealised": total.unpriced.is_empty().then(|| money(total.unrealised)),
        "before_today": money(total.before_today),
        "gross": gross.map(money),
        "gross_as_far_as_known": money(total.known()),
        "charges": costs.total().map(money),
        "net": net(gross, costs).map(money),
        "without_a_price": total.unpriced.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "closed_elsewhere": total.left,
        "oldest_quote_age_ms": total.oldest_quote.map(|at| age_ms(now, at)),
    })
}

/// Charges one by one.
pub(super) fn charges(costs: &Costs) -> Value {
    let each: Map<String, Value> = costs.each().map(|charged| (word(charged.charge), json!(charged.rupees.to_string()))).collect();
    json!({
        "total": costs.total().map(money),
        "as_far_as_known": money(costs.known()),
        "each": each,
        "without_a_rate": costs.unknown().map(word).collect::<Vec<_>>(),
        "not_in_the_master": costs.unclassed().map(ToString::to_string).collect::<Vec<_>>(),
        "brokerage_is_at_most": costs.is_at_most(),
    })
}

fn word(charge: ordergate_actors::pnl::charges::Charge) -> String {
    json!(charge).as_str().unwrap_or_default().to_owned()
}

fn statistics(of: &Statistics) -> Value {
    json!({
        "trades": of.trades(),
        "wins": of.trips.wins,
        "losses": of.trips.losses,
        "even": of.trips.even,
        "unknown": of.trips.unknown,
        "average_win": of.average_win().map(|rupees| money(Amount(rupees))),
        "average_loss": of.average_loss().map(|rupees| money(Amount(rupees))),
        "bought": sums(of.bought),
        "sold": sums(of.sold),
        "orders": of.orders,
        "slippage": {
            "units": of.slippage.quantity,
            "rupees": money(of.slippage.cost),
            "per_unit": of.slippage_per_unit().map(|rupees| rupees.to_string()),
        },
        "realised_high_water": money(of.curve.high_water),
        "realised_drawdown": money(of.curve.drawdown),
    })
}

fn sums(of: Sums) -> Value {
    json!({ "trades": of.trades, "quantity": of.quantity, "value": money(of.value) })
}

/// The same of one line: while nobody knows what a point of its contract is worth, its rupees are null.
fn valued(line: &Line, of: Sums) -> Value {
    let mut shown = sums(of);
    if line.point().is_none() {
        shown["value"] = Value::Null;
    }
    shown
}

/// Rupees and paise.
pub(super) fn money(amount: Amount) -> String {
    let mut rupees = amount.0.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    rupees.rescale(2);
    // There is no debt of nothing.
    if rupees.is_zero() { "0.00".to_owned() } else { rupees.to_string() }
}
