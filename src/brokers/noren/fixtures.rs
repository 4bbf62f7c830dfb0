//! Orders and rows for the tests of this folder.

use std::sync::Arc;

use chrono::DateTime;
use ordergate_actors::order::{
    BrokerTag, CommandId, Exchange, Instrument, InstrumentKey, Kind, OrderType, Price, Product, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::{BookRow, BrokerOrder};

pub(super) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(super) fn share() -> Instrument {
    Instrument {
        rupees_per_point: rust_decimal::Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ"),
        token: 2885,
        underlying: Arc::from("RELIANCE"),
        kind: Kind::Equity,
        lot: Quantity::new(1).unwrap(),
        tick: price("0.05"),
        freeze: None,
        band: None,
    }
}

pub(super) fn terms(order_type: OrderType) -> Terms {
    Terms {
        side: Side::Buy,
        quantity: Quantity::new(10).unwrap(),
        product: Product::Mis,
        order_type,
        validity: Validity::Day,
        price: order_type.has_price().then(|| price("101.5")),
        trigger_price: order_type.has_trigger().then(|| price("101")),
    }
}

pub(super) fn order(tag: &str) -> BrokerOrder {
    BrokerOrder {
        command_id: CommandId(uuid::Uuid::nil()),
        instrument: Arc::new(share()),
        terms: terms(OrderType::Limit),
        tag: BrokerTag::parse(tag).unwrap(),
        is_exit: false,
    }
}

pub(super) fn book_row(number: &str, tag: &str) -> BookRow {
    BookRow {
        tag: (!tag.is_empty()).then(|| Arc::from(tag)),
        instrument: share().key,
        at: DateTime::UNIX_EPOCH,
        ..ordergate_actors::testkit::book_row(number)
    }
}
