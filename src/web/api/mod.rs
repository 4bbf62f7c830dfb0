//! The JSON API of the dashboard. Reads come from the committed view; what people do goes through the engine's own
//! doors, under the name of their key.

pub(super) mod acts;
pub(super) mod alarms;
pub(super) mod alert_routes;
pub(super) mod alerts;
pub(super) mod approvals;
pub(super) mod arming;
pub(super) mod attention;
pub(super) mod audit;
pub(super) mod broker;
pub(super) mod connect;
pub(super) mod controls;
pub(super) mod diagnostics;
pub(super) mod differences;
pub(super) mod exit_rules;
pub(super) mod exits;
pub(super) mod explain;
pub(super) mod exports;
pub(super) mod foreign;
pub(super) mod intents;
pub(super) mod margin;
pub(super) mod market;
pub(super) mod money;
pub(super) mod order;
pub(super) mod orderbook;
pub(super) mod overview;
pub(super) mod plans;
pub(super) mod pnl;
pub(super) mod positions;
pub(super) mod risk;
pub(super) mod schedule;
pub(super) mod session;
pub(super) mod settings;
pub(super) mod strategies;
pub(super) mod symbols;
pub(super) mod told_prices;
pub(super) mod verdicts;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, CommandId, LegDraft, OrderRecord};
use serde::Deserialize;

use super::body::text;
use super::door::{Caller, scope};
use super::problem::Problem;
use super::state::WebState;

pub(super) type Answer = Result<HttpResponse, Problem>;

/// Who asks, and from where: what the journal says of a person's act.
fn who(request: &HttpRequest) -> String {
    request.extensions().get::<Caller>().map_or_else(|| "?".to_owned(), Caller::words)
}

/// Who asks, by name: whose orders they are.
fn user(request: &HttpRequest) -> String {
    request.extensions().get::<Caller>().map_or_else(|| "?".to_owned(), |caller| caller.name.clone())
}

/// The order that the address names, whichever account it is of.
async fn named_order(state: &WebState, request: &HttpRequest) -> Result<Arc<OrderRecord>, Problem> {
    let missing = || Problem::not_found("no_such_order", "there is no such order", "take the command_id from the order book");
    let command_id: CommandId = request.match_info().get("command_id").and_then(|text| text.parse().ok()).ok_or_else(missing)?;
    for desk in state.engine.line().desks() {
        if let Some(order) = state.engine.order(&desk.client_id, command_id).await? {
            return allowed(request, order);
        }
    }
    Err(missing())
}

/// Whether the request's key may see the order, or act on it.
fn allowed(request: &HttpRequest, order: Arc<OrderRecord>) -> Result<Arc<OrderRecord>, Problem> {
    let scope = scope(request);
    let strategy = Some(order.ask.strategy.as_str());
    let may = if request.method() == Method::GET { scope.sees(&order.client_id) } else { scope.trades(&order.client_id, strategy) };
    if may { Ok(order) } else { Err(Problem::not_for_this_key(&user(request))) }
}

/// The account that a request names, or the only one that its key may see.
///
/// # Errors
/// 404 for an unknown account, 400 when none is named and the key may see several.
fn account(state: &WebState, request: &HttpRequest, named: Option<&str>) -> Result<ClientId, Problem> {
    let scope = scope(request);
    // One that is named and not its own is refused by who asks for more than its name.
    state.account_among(named, |client_id| named.is_some() || scope.sees(client_id))
}

/// The accounts that a request names, or all that its key may see.
pub(super) fn accounts(state: &WebState, request: &HttpRequest, named: Option<&str>) -> Result<Vec<ClientId>, Problem> {
    let scope = scope(request);
    let mut accounts = state.accounts(named)?;
    accounts.retain(|client_id| scope.sees(client_id));
    if accounts.is_empty() { Err(Problem::not_for_this_key(&user(request))) } else { Ok(accounts) }
}

/// A read that can be of one account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfAccount {
    /// Which; absent: all of them.
    client_id: Option<String>,
}

/// Seconds from then to now, with milliseconds as a text-free number.
fn age_ms(now: DateTime<Utc>, then: DateTime<Utc>) -> i64 {
    now.signed_duration_since(then).num_milliseconds().max(0)
}

/// An order as the API takes it: the engine's fields, and the seeds' names for them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OrderBody {
    #[serde(alias = "strategy_name", deserialize_with = "text")]
    strategy: Option<String>,
    #[serde(deserialize_with = "text")]
    execution_type: Option<String>,
    #[serde(deserialize_with = "text")]
    exchange: Option<String>,
    #[serde(alias = "tradingsymbol", deserialize_with = "text")]
    symbol: Option<String>,
    #[serde(alias = "direction", deserialize_with = "text")]
    side: Option<String>,
    #[serde(alias = "qty", deserialize_with = "text")]
    quantity: Option<String>,
    #[serde(alias = "product_type", deserialize_with = "text")]
    product: Option<String>,
    #[serde(deserialize_with = "text")]
    order_type: Option<String>,
    #[serde(deserialize_with = "text")]
    validity: Option<String>,
    #[serde(deserialize_with = "text")]
    price: Option<String>,
    #[serde(alias = "trigger_value", deserialize_with = "text")]
    trigger_price: Option<String>,
    #[serde(alias = "stoploss", deserialize_with = "text")]
    stop_loss: Option<String>,
    #[serde(deserialize_with = "text")]
    target: Option<String>,
    #[serde(deserialize_with = "text")]
    trailing_type: Option<String>,
    #[serde(deserialize_with = "text")]
    trailing_value: Option<String>,
    #[serde(deserialize_with = "text")]
    trailing_step: Option<String>,
    #[serde(deserialize_with = "text")]
    trailing_after: Option<String>,
    #[serde(deserialize_with = "text")]
    break_even: Option<String>,
    #[serde(deserialize_with = "text")]
    exit_at: Option<String>,
    #[serde(deserialize_with = "text")]
    stop_at: Option<String>,
    #[serde(deserialize_with = "text")]
    test_mode: Option<String>,
    #[serde(deserialize_with = "text")]
    target_position: Option<String>,
    #[serde(deserialize_with = "text")]
    cancel_after_s: Option<String>,
}

impl OrderBody {
    fn into_leg(self) -> LegDraft {
        self.over(LegDraft::default())
    }

    /// The draft with every field that is given here replaced.
    fn over(self, leg: LegDraft) -> LegDraft {
        LegDraft {
            strategy: self.strategy.or(leg.strategy),
            execution_type: self.execution_type.or(leg.execution_type),
            exchange: self.exchange.or(leg.exchange),
            symbol: self.symbol.or(leg.symbol),
            side: self.side.or(leg.side),
            quantity: self.quantity.or(leg.quantity),
            product: self.product.or(leg.product),
            order_type: self.order_type.or(leg.order_type),
            validity: self.validity.or(leg.validity),
            price: self.price.or(leg.price),
            trigger_price: self.trigger_price.or(leg.trigger_price),
            stop_loss: self.stop_loss.or(leg.stop_loss),
            target: self.target.or(leg.target),
            trailing_type: self.trailing_type.or(leg.trailing_type),
            trailing_value: self.trailing_value.or(leg.trailing_value),
            trailing_step: self.trailing_step.or(leg.trailing_step),
            trailing_after: self.trailing_after.or(leg.trailing_after),
            break_even: self.break_even.or(leg.break_even),
            exit_at: self.exit_at.or(leg.exit_at),
            stop_at: self.stop_at.or(leg.stop_at),
            test_mode: self.test_mode.or(leg.test_mode),
            target_position: self.target_position.or(leg.target_position),
            cancel_after_s: self.cancel_after_s.or(leg.cancel_after_s),
            policy: leg.policy,
            parent: leg.parent,
            route: leg.route,
            blocked: leg.blocked,
            unreadable: leg.unreadable,
        }
    }
}
