//! The recorded shapes of the Noren protocol reference, their variants, and properties of every parser.

mod classes;
mod frames;
mod outcomes;
mod props;
mod replies;
mod requests;
mod rows;
mod scalars;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{
    BrokerTag, CommandId, Exchange, Instrument, InstrumentKey, Kind, OrderType, Price, Product, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::BrokerOrder;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::scalar::Fields;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// When the tests read: not a time that any sample tells.
fn read_at() -> DateTime<Utc> {
    utc("2026-08-12T12:00:00Z")
}

fn fields(json: &str) -> Fields {
    Fields::parse(json).unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// The sample with one field replaced, added, or (for `None`) left out.
fn with(json: &str, name: &str, value: Option<&str>) -> String {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    object.remove(name);
    if let Some(value) = value {
        object.insert(name.to_owned(), serde_json::from_str(value).unwrap());
    }
    serde_json::to_string(&object).unwrap()
}

fn instrument(exchange: Exchange, symbol: &str) -> Arc<Instrument> {
    Arc::new(Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(exchange, symbol),
        token: 43_210,
        underlying: Arc::from("NIFTY"),
        kind: Kind::Equity,
        lot: Quantity::new(1).unwrap(),
        tick: price("0.05"),
        freeze: None,
        band: None,
    })
}

fn terms(order_type: OrderType) -> Terms {
    Terms {
        side: Side::Buy,
        quantity: Quantity::new(65).unwrap(),
        product: Product::Nrml,
        order_type,
        validity: Validity::Day,
        price: Some(price("101.5")),
        trigger_price: Some(price("90")),
    }
}

fn order(order_type: OrderType, exchange: Exchange, symbol: &str) -> BrokerOrder {
    BrokerOrder {
        command_id: CommandId(Uuid::from_u128(1)),
        instrument: instrument(exchange, symbol),
        terms: terms(order_type),
        tag: BrokerTag::parse("X7K20001231").unwrap(),
        is_exit: false,
    }
}
