//! One fill: a row of the trade book, or the fill that a frame of the stream carries (Noren protocol reference,
//! sections 4.5 and 6.4).

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Fill, Price, Quantity, TradeId};
use ordergate_actors::ports::TradeRow;

use super::order_row::{exchange, order_number};
use super::scalar::{FieldError, Fields, decimal, integer};
use super::time;

/// Reads a fill. `read_at` stands in for a time that the row does not tell.
///
/// # Errors
/// [`FieldError`] when the trade has no number, or its order, quantity or price cannot be read: without a number it
/// could be counted twice.
pub fn read(fields: &Fields, read_at: DateTime<Utc>) -> Result<TradeRow, FieldError> {
    let number = fields.require("flid")?;
    let trade_id = TradeId::parse(&number).map_err(|_| FieldError::wrong("flid", &number, "a trade number"))?;
    let fill = Fill {
        trade_id,
        broker_order_id: order_number(fields)?,
        quantity: quantity(fields)?,
        price: price(fields)?,
        at: time::first(fields, &["fltm", "filltm", "exch_tm", "norentm", "tm"]).unwrap_or(read_at),
    };
    Ok(TradeRow { fill, exchange: exchange(fields, "exch")? })
}

/// `flqty`, never `fillshares`: the latter may be cumulative.
fn quantity(fields: &Fields) -> Result<Quantity, FieldError> {
    let text = fields.require("flqty")?;
    Quantity::new(integer("flqty", &text)?).ok_or_else(|| FieldError::wrong("flqty", &text, "a quantity above zero"))
}

fn price(fields: &Fields) -> Result<Price, FieldError> {
    let text = fields.require("flprc")?;
    Price::new(decimal("flprc", &text)?).ok_or_else(|| FieldError::wrong("flprc", &text, "a price above zero"))
}
