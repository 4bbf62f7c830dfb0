//! What an order or a basket would cost (Noren protocol reference, section 4.8).

use rust_decimal::Decimal;

use super::redact;
use super::scalar::{FieldError, Fields};

/// The reply of `GetOrderMargin`, rupees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderMargin {
    /// What the order needs.
    pub order: Option<Decimal>,
    /// In use with the order.
    pub used: Decimal,
    /// In use before it.
    pub used_before: Option<Decimal>,
    /// Cash.
    pub cash: Option<Decimal>,
    /// The risk system's words (`remarks`, which is no tag here).
    pub verdict: Option<String>,
}

/// The reply of `GetBasketMargin`, rupees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasketMargin {
    /// The sum over the legs.
    pub gross: Decimal,
    /// After the benefit of hedged legs.
    pub net: Option<Decimal>,
    /// The risk system's words.
    pub verdict: Option<String>,
}

/// Reads the reply of `GetOrderMargin`.
///
/// # Errors
/// [`FieldError`] when `marginused` is missing or a figure is no number.
pub fn order(fields: &Fields) -> Result<OrderMargin, FieldError> {
    Ok(OrderMargin {
        order: fields.decimal("ordermargin")?,
        used: used(fields)?,
        used_before: fields.decimal("marginusedprev")?,
        cash: fields.decimal("cash")?,
        verdict: verdict(fields),
    })
}

/// Reads the reply of `GetBasketMargin`.
///
/// # Errors
/// [`FieldError`] when `marginused` is missing or a figure is no number.
pub fn basket(fields: &Fields) -> Result<BasketMargin, FieldError> {
    Ok(BasketMargin { gross: used(fields)?, net: fields.decimal("marginusedtrade")?, verdict: verdict(fields) })
}

fn used(fields: &Fields) -> Result<Decimal, FieldError> {
    fields.decimal("marginused")?.ok_or(FieldError::Missing { field: "marginused" })
}

fn verdict(fields: &Fields) -> Option<String> {
    fields.text("remarks").map(|words| redact::snippet(&words, 200))
}
