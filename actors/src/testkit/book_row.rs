//! The row of a broker's order book of tests: one builder, and every test says only how its own differs.
#![allow(clippy::unwrap_used, reason = "for tests: the values are constants")]

use super::morning;
use crate::order::{BookState, BrokerOrderId, Exchange, InstrumentKey, Product, Side};
use crate::ports::BookRow;

/// A BUY 10 SBIN-EQ MIS with that number, open and unfilled since the morning; nobody's: it has no tag.
#[must_use]
pub fn book_row(id: &str) -> BookRow {
    BookRow {
        broker_order_id: BrokerOrderId::parse(id).unwrap(),
        tag: None,
        instrument: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"),
        side: Side::Buy,
        product: Product::Mis,
        quantity: 10,
        filled: 0,
        average_price: None,
        price: None,
        trigger_price: None,
        order_type: None,
        state: BookState::Open,
        reason: None,
        at: morning(),
        besides: None,
    }
}
