//! The order of tests: one builder, and every test says only how its own differs.
#![allow(clippy::unwrap_used, reason = "for tests: the values are constants")]

use std::sync::Arc;

use uuid::Uuid;

use super::morning;
use crate::order::{
    Ask, BasketId, BrokerTag, ClientId, CommandId, Exchange, Given, Intent, OrderRecord, OrderType, Price, Product, Quantity, Side,
    SignalId, Source, Strategy, Validity,
};

/// ENTRY BUY 10 SBIN-EQ MIS LIMIT 800 of "trend", CREATED in the morning, a basket of its own.
#[must_use]
pub fn order(number: u64) -> OrderRecord {
    let given = Given {
        client_id: ClientId::parse("PAPER1").unwrap(),
        command_id: CommandId(Uuid::from_u128(u128::from(number))),
        number,
        signal_id: SignalId(Uuid::from_u128(u128::from(number))),
        leg: 0,
        basket_id: BasketId(Uuid::from_u128(u128::from(number))),
        parent_command_id: None,
        source: Source::Webhook,
        user: Arc::from("test"),
        ask: Ask {
            strategy: Strategy::parse("trend").unwrap(),
            intent: Some(Intent::Entry),
            exchange: Some(Exchange::Nse),
            symbol: Arc::from("SBIN-EQ"),
            side: Some(Side::Buy),
            quantity: Quantity::new(10),
            product: Some(Product::Mis),
            order_type: Some(OrderType::Limit),
            validity: Validity::Day,
            price: Price::parse("800").ok(),
            trigger_price: None,
            seen_price: None,
            stop_loss: None,
            target: None,
            trailing: None,
            exits: Default::default(),
            test_mode: None,
            target_position: None,
            cancel_after_s: None,
            route: None,
        },
        broker_tag: BrokerTag::parse(&format!("OGA1B2{number:07}")).unwrap(),
        signal_time: morning(),
    };
    OrderRecord::created(given, morning(), 1)
}
