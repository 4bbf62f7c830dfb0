//! What the broker says of one instrument (Noren protocol reference, section 5.1, `GetSecurityInfo`).

use ordergate_actors::order::{InstrumentKey, Price, Quantity};

use super::order_row::instrument;
use super::quote::price;
use super::scalar::{FieldError, Fields};
use super::search::token;

/// The reply of `GetSecurityInfo`. What is absent there is `None` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// The name.
    pub key: InstrumentKey,
    /// The exchange's number.
    pub token: u32,
    /// The largest quantity of one order.
    pub freeze: Option<Quantity>,
    /// Units in a lot.
    pub lot: Option<Quantity>,
    /// The smallest price step.
    pub tick: Option<Price>,
    /// The lowest and the highest price that the exchange takes today.
    pub band: Option<(Price, Price)>,
}

/// Reads the reply.
///
/// # Errors
/// [`FieldError`] when the instrument is missing or a figure is no number.
pub fn read(fields: &Fields) -> Result<Security, FieldError> {
    Ok(Security {
        key: instrument(fields)?,
        token: token(fields)?,
        freeze: fields.integer("frzqty")?.and_then(Quantity::new),
        lot: fields.integer("ls")?.and_then(Quantity::new),
        tick: price(fields, "ti")?,
        band: price(fields, "lc")?.zip(price(fields, "uc")?),
    })
}
