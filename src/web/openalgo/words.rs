//! OpenAlgo's words and shapes. Its numbers are JSON numbers; here they are the exact digits, never through a float.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{
    ClientId, CommandId, Exchange, Instrument, InstrumentKey, Kind, OrderRecord, OrderType, Right, Side, Status, Tag, ist,
};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::web::state::WebState;

/// A decimal as a JSON number, digit by digit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exact(pub Decimal);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.normalize().to_string()).map_err(serde::ser::Error::custom)?;
        digits.serialize(serializer)
    }
}

/// An answer with data.
#[derive(Debug, Serialize)]
pub(super) struct Said<T> {
    pub data: T,
    pub status: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Pong {
    pub broker: String,
    pub message: &'static str,
}

/// What became of one order.
#[derive(Debug, Serialize)]
pub(super) struct Placed {
    pub status: &'static str,
    pub orderid: CommandId,
    pub order_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An order as OpenAlgo's books show it.
#[derive(Debug, Serialize)]
pub(super) struct OrderLine {
    pub action: Option<&'static str>,
    pub average_price: Exact,
    pub exchange: Option<&'static str>,
    pub filled_quantity: i64,
    pub order_status: &'static str,
    pub orderid: CommandId,
    pub price: Exact,
    pub pricetype: Option<&'static str>,
    pub product: Option<&'static str>,
    pub quantity: i64,
    pub strategy: String,
    pub symbol: String,
    pub timestamp: String,
    pub trigger_price: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What OpenAlgo calls the state of an order.
pub(super) fn order_status(order: &OrderRecord) -> &'static str {
    match (order.status, order.tag) {
        (Status::Executed, _) => "complete",
        (Status::Partial, _) => "open",
        (Status::SentToBroker, _) if order.broker_order_id.is_some() => "open",
        (Status::SentToBroker | Status::Created, _) => "pending",
        (Status::Failed, Some(Tag::CancelledByUser | Tag::Superseded | Tag::AtTarget | Tag::SquareOffOver | Tag::ExcessOver)) => {
            "cancelled"
        }
        // What never left was refused, whatever ended it.
        (Status::Failed, _) if order.sent_at.is_none() => "rejected",
        (
            Status::Failed,
            Some(
                Tag::BrokerCancelled
                | Tag::BrokerExpired
                | Tag::MarketTimeout
                | Tag::FillTimeout
                | Tag::Replaced
                | Tag::KillSwitch
                | Tag::CombinedExit,
            ),
        ) => "cancelled",
        (Status::Failed, _) => "rejected",
    }
}

/// Whether an order was refused or rejected: its sender must hear an error. One that is where it should be already is none, and
/// neither is one whose quantity the next order has taken over.
fn is_error(order: &OrderRecord) -> bool {
    order.status == Status::Failed && !matches!(order.tag, Some(Tag::AtTarget | Tag::Superseded))
}

/// Why an order ended without all of it, for people.
pub(super) fn message(order: &OrderRecord) -> Option<String> {
    let tag = order.tag?;
    Some(order.reason.as_deref().map_or_else(|| tag.words().to_owned(), |reason| format!("{}: {reason}", tag.words())))
}

/// What became of an order that was just sent.
pub(super) fn placed(order: &OrderRecord) -> Placed {
    let status = if is_error(order) { "error" } else { "success" };
    Placed { status, orderid: order.command_id, order_status: order_status(order), message: message(order) }
}

/// An order's line.
pub(super) fn line(state: &WebState, order: &OrderRecord) -> OrderLine {
    let ask = &order.ask;
    let price = |price: Option<ordergate_actors::order::Price>| Exact(price.map_or(Decimal::ZERO, |price| price.value()));
    OrderLine {
        action: ask.side.map(Into::into),
        average_price: Exact(order.average_price.unwrap_or_default()),
        exchange: ask.exchange.map(Into::into),
        filled_quantity: order.filled_quantity,
        order_status: order_status(order),
        orderid: order.command_id,
        price: price(ask.price),
        pricetype: ask.order_type.map(price_type),
        product: ask.product.map(Into::into),
        quantity: order.quantity(),
        strategy: ask.strategy.to_string(),
        symbol: order.instrument().map_or_else(|| ask.symbol.to_string(), |key| symbol(state, &key)),
        timestamp: timestamp(order.updated_at),
        trigger_price: price(ask.trigger_price),
        message: message(order),
    }
}

/// OpenAlgo's word for an order type.
pub(super) fn price_type(kind: OrderType) -> &'static str {
    match kind {
        OrderType::Market => "MARKET",
        OrderType::Limit => "LIMIT",
        OrderType::StopLimit => "SL",
        OrderType::StopMarket => "SL-M",
    }
}

/// Its buy or sell.
pub(super) fn action(net: i64) -> &'static str {
    Side::of_net(net).map_or("", Into::into)
}

/// Indian time as its books write it.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.with_timezone(&ist()).format("%d-%b-%Y %H:%M:%S").to_string()
}

/// How OpenAlgo spells an instrument: `SBIN`, `BANKNIFTY24APR24FUT`, `NIFTY28MAR2420800CE`. One that today's masters do not know
/// is called as it is here.
pub(super) fn symbol(state: &WebState, key: &InstrumentKey) -> String {
    state.engine.line().instruments.find(key).map_or_else(|| key.symbol.to_string(), |found| spelled(&found))
}

/// The same of a known instrument.
pub(super) fn spelled(instrument: &Instrument) -> String {
    let day = |expiry: &NaiveDate| expiry.format("%d%b%y").to_string().to_uppercase();
    let under = &instrument.underlying;
    match &instrument.kind {
        // A share of another series than the usual one keeps its series: SBIN-BE is not SBIN.
        Kind::Equity => match instrument.key.exchange {
            Exchange::Nse => instrument.key.symbol.strip_suffix("-EQ").unwrap_or(&instrument.key.symbol).to_owned(),
            _ => instrument.key.symbol.to_string(),
        },
        Kind::Index => under.to_string(),
        Kind::Future { expiry } => format!("{under}{}FUT", day(expiry)),
        Kind::Option { expiry, strike, right } => {
            let right = match right {
                Right::Call => "CE",
                Right::Put => "PE",
            };
            format!("{under}{}{}{right}", day(expiry), strike.value().normalize())
        }
    }
}

/// The broker of an account, by name.
pub(super) fn broker(state: &WebState, client_id: &ClientId) -> String {
    state.engine.desk(client_id).map_or_else(|_| String::new(), |desk| desk.broker.capabilities().name.to_owned())
}

/// An order's message and the others' in one sentence, for calls that answer about several.
pub(super) fn worst(orders: &[Arc<OrderRecord>]) -> &'static str {
    if orders.iter().any(|order| is_error(order)) { "error" } else { "success" }
}
