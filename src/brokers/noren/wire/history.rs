//! The events of one order, newest first (Noren protocol reference, section 4.4).

use chrono::{DateTime, Utc};
use ordergate_actors::order::BrokerOrderId;

use super::order_row::{self, OrderRow};
use super::scalar::{FieldError, Fields};

/// Reads the rows of `SingleOrdHist`; the first is what the order is now.
///
/// # Errors
/// [`FieldError`] when the newest row cannot be read, or belongs to another order. Older rows that cannot be read are
/// left out.
pub fn read(rows: &[Fields], id: &BrokerOrderId, read_at: DateTime<Utc>) -> Result<Vec<OrderRow>, FieldError> {
    let mut events = Vec::with_capacity(rows.len());
    for (place, fields) in rows.iter().enumerate() {
        match order_row::read(fields, read_at).and_then(|row| of_order(row, id)) {
            Ok(row) => events.push(row),
            Err(error) if place == 0 => return Err(error),
            Err(_) => {}
        }
    }
    Ok(events)
}

fn of_order(row: OrderRow, id: &BrokerOrderId) -> Result<OrderRow, FieldError> {
    if row.row.broker_order_id == *id {
        return Ok(row);
    }
    Err(FieldError::wrong("norenordno", row.row.broker_order_id.as_str(), "the order that was asked for"))
}
