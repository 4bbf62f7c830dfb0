//! The request as text: the same order gives the same text, to the byte.

use ordergate_actors::order::{BrokerOrderId, Exchange, OrderType, Price, Product, Quantity, Side, Validity};
use ordergate_actors::ports::{BrokerOrder, Modification};
use serde::Serialize;

#[derive(Serialize)]
struct Request<'a> {
    exchange: Exchange,
    symbol: &'a str,
    side: Side,
    quantity: Quantity,
    product: Product,
    order_type: OrderType,
    validity: Validity,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_price: Option<Price>,
    tag: &'a str,
}

pub(super) fn place(order: &BrokerOrder) -> Result<String, serde_json::Error> {
    let terms = &order.terms;
    serde_json::to_string(&Request {
        exchange: order.instrument.key.exchange,
        symbol: &order.instrument.key.symbol,
        side: terms.side,
        quantity: terms.quantity,
        product: terms.product,
        order_type: terms.order_type,
        validity: terms.validity,
        price: terms.price,
        trigger_price: terms.trigger_price,
        tag: order.tag.as_str(),
    })
}

#[derive(Serialize)]
struct Change<'a> {
    broker_order_id: &'a BrokerOrderId,
    quantity: Quantity,
    order_type: OrderType,
    validity: Validity,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_price: Option<Price>,
}

pub(super) fn change(change: &Modification) -> Result<String, serde_json::Error> {
    let terms = &change.terms;
    serde_json::to_string(&Change {
        broker_order_id: &change.broker_order_id,
        quantity: terms.quantity,
        order_type: terms.order_type,
        validity: terms.validity,
        price: terms.price,
        trigger_price: terms.trigger_price,
    })
}
