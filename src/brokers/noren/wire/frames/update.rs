//! Order frames. They come for every order of the account, sometimes before the reply to the order itself, and the first
//! of an order can be sparse (Noren protocol reference, section 6.4). They are hints; the book is the truth.

use chrono::{DateTime, Utc};
use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::ports::TradeRow;

use super::super::order_row::{self, OrderRow, order_number};
use super::super::scalar::{FieldError, Fields};
use super::super::trade_row;

/// An `om` frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    /// The order.
    pub broker_order_id: BrokerOrderId,
    /// How much of the order the frame tells.
    pub shape: Shape,
    /// The fill that it reports, or why that cannot be read. `None` when it reports none.
    pub trade: Option<Result<TradeRow, FieldError>>,
}

/// How much of an order a frame tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Enough for a row.
    Whole(Box<OrderRow>),
    /// Too little for a row: the order exists, the rest comes later or from the book.
    Sparse {
        /// The field that a row would need.
        lacks: &'static str,
    },
}

/// Reads the frame.
///
/// # Errors
/// [`FieldError`] when there is no order number, or a field that is there cannot be read.
pub(super) fn read(fields: &Fields, read_at: DateTime<Utc>) -> Result<OrderUpdate, FieldError> {
    let broker_order_id = order_number(fields)?;
    let shape = match order_row::read(fields, read_at) {
        Ok(row) => Shape::Whole(Box::new(row)),
        Err(FieldError::Missing { field }) => Shape::Sparse { lacks: field },
        Err(error) => return Err(error),
    };
    let is_fill = fields.text("reporttype").is_some_and(|report| report.eq_ignore_ascii_case("Fill"));
    let trade = is_fill.then(|| trade_row::read(fields, read_at));
    Ok(OrderUpdate { broker_order_id, shape, trade })
}
