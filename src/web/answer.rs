//! An order as people and programs see it: decimals as texts, codes with their words, and where to look next.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{BasketId, BrokerOrderId, ClientId, CommandId, OrderRecord, SignalId, Status, StopAt, Tag, TestMode};
use serde::Serialize;
use serde_json::{Value, json};

use super::state::WebState;

/// One order of ours.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OrderRow {
    pub client_id: ClientId,
    pub command_id: CommandId,
    pub number: u64,
    pub signal_id: SignalId,
    pub leg: u16,
    pub basket_id: BasketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_command_id: Option<CommandId>,
    pub source: &'static str,
    pub user: String,
    pub strategy: String,
    pub execution_type: Option<&'static str>,
    pub exchange: Option<&'static str>,
    pub symbol: String,
    pub side: Option<&'static str>,
    pub quantity: Option<i64>,
    pub filled_quantity: i64,
    pub average_price: Option<String>,
    pub product: Option<&'static str>,
    pub order_type: Option<&'static str>,
    pub validity: &'static str,
    pub price: Option<String>,
    pub trigger_price: Option<String>,
    pub stop_loss: Option<String>,
    pub target: Option<String>,
    pub trailing_type: Option<&'static str>,
    pub trailing_value: Option<String>,
    pub test_mode: Option<TestMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_position: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_after_s: Option<u32>,
    pub status: Status,
    pub tag: Option<Tag>,
    pub reason: Option<String>,
    pub words: &'static str,
    pub remedy: Option<&'static str>,
    pub broker_tag: String,
    pub broker_order_id: Option<BrokerOrderId>,
    pub cancel_wanted: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by_hand_at: Option<DateTime<Utc>>,
    pub signal_time: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub status_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Value>,
}

impl From<&OrderRecord> for OrderRow {
    fn from(order: &OrderRecord) -> Self {
        let ask = &order.ask;
        Self {
            client_id: order.client_id.clone(),
            command_id: order.command_id,
            number: order.number,
            signal_id: order.signal_id,
            leg: order.leg,
            basket_id: order.basket_id,
            parent_command_id: order.parent_command_id,
            source: order.source.as_str(),
            user: order.user.to_string(),
            strategy: ask.strategy.to_string(),
            execution_type: ask.intent.map(Into::into),
            exchange: ask.exchange.map(Into::into),
            symbol: ask.symbol.to_string(),
            side: ask.side.map(Into::into),
            quantity: ask.quantity.map(|quantity| quantity.value()),
            filled_quantity: order.filled_quantity,
            average_price: text(order.average_price),
            product: ask.product.map(Into::into),
            order_type: ask.order_type.map(Into::into),
            validity: ask.validity.as_str(),
            price: text(ask.price),
            trigger_price: text(ask.trigger_price),
            stop_loss: text(ask.stop_loss),
            target: text(ask.target),
            trailing_type: ask.trailing.map(|trailing| trailing.kind.as_str()),
            trailing_value: text(ask.trailing.map(|trailing| trailing.value)),
            test_mode: ask.test_mode,
            target_position: ask.target_position,
            cancel_after_s: ask.cancel_after_s,
            status: order.status,
            tag: order.tag,
            reason: text(order.reason.as_deref()),
            words: words(order),
            remedy: ordergate_actors::order::remedy(order),
            broker_tag: order.broker_tag.to_string(),
            broker_order_id: order.broker_order_id.clone(),
            cancel_wanted: order.cancel_wanted,
            changed_by_hand_at: order.by_hand,
            signal_time: order.signal_time,
            created_at: order.created_at,
            updated_at: order.updated_at,
            sent_at: order.sent_at,
            status_url: status_url(order.command_id),
            notes: notes(order),
            next: None,
        }
    }
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// Where an order's record is.
pub(super) fn status_url(command_id: CommandId) -> String {
    format!("/dashboard/orders/{command_id}")
}

/// What a page says instead of a bare status.
fn words(order: &OrderRecord) -> &'static str {
    match (order.tag, order.status) {
        (Some(tag), _) => tag.words(),
        (None, _) if order.cancel_wanted.is_some() && !order.status.is_terminal() => "being cancelled",
        (None, Status::Created) => "written down, nothing sent yet",
        (None, Status::SentToBroker) if order.broker_order_id.is_none() => "being sent to the broker",
        (None, Status::SentToBroker) => "working at the broker",
        (None, Status::Partial) => "partly filled, the rest is working",
        (None, Status::Executed) => "filled",
        (None, Status::Failed) => "ended",
    }
}

fn notes(order: &OrderRecord) -> Vec<String> {
    let ask = &order.ask;
    let stop = ask.stop_loss.map(|_| match ask.exits.stop_at {
        Some(StopAt::Broker) => {
            "stop_loss rests at the broker once it is placed there; until then, and while it cannot, the engine watches it"
        }
        Some(StopAt::Engine) => "stop_loss stands from the first fill, in the engine",
        None => "stop_loss stands from the first fill; where it lives GET /dashboard/exit-rules says",
    });
    let others = [("target", ask.target.is_some()), ("trailing", ask.trailing.is_some())].into_iter().filter(|(_, is_there)| *is_there);
    stop.map(str::to_owned)
        .into_iter()
        .chain(others.map(|(field, _)| format!("{field} stands from the first fill, in the engine")))
        .collect()
}

impl OrderRow {
    /// The row for whoever sent the order: with the exit to send next, when the guard refused it because the strategy
    /// holds already.
    pub(super) fn for_sender(state: &WebState, order: &OrderRecord, needs_secret: bool) -> Self {
        Self { next: next(state, order, needs_secret), ..Self::from(order) }
    }
}

/// An alert's body that closes what the strategy holds, ready to be sent.
fn next(state: &WebState, order: &OrderRecord, needs_secret: bool) -> Option<Value> {
    if order.tag != Some(Tag::ExecutionGuardBlocked) || order.status != Status::Failed {
        return None;
    }
    let strategy = &order.ask.strategy;
    let legs: Vec<Value> = state.engine.read(&order.client_id, |book| {
        book.holdings_of(strategy)
            .map(|(key, _)| {
                json!({
                    "tradingsymbol": key.instrument.symbol,
                    "exchange": key.instrument.exchange,
                    "product_type": key.product,
                    "order_type": "MARKET",
                })
            })
            .collect()
    })?;
    if legs.is_empty() {
        return None;
    }
    let mut body = json!({ "execution_type": "EXIT", "strategy_name": strategy, "legs": legs });
    if let (true, Some(fields)) = (needs_secret, body.as_object_mut()) {
        fields.insert("secret_key".to_owned(), json!("<your secret>"));
    }
    Some(body)
}

/// What became of a signal as a whole.
pub(super) fn verdict(orders: &[OrderRow]) -> &'static str {
    // A target that is reached already is no refusal.
    let has_failed = |order: &&OrderRow| order.status == Status::Failed && order.tag != Some(Tag::AtTarget);
    let failed = orders.iter().filter(has_failed).count();
    match failed {
        0 => "ACCEPTED",
        _ if failed == orders.len() => "BLOCKED",
        _ => "PARTIALLY_ACCEPTED",
    }
}
