//! The account's money (Noren protocol reference, section 4.7). The formula is the broker's habit, not its word: every
//! figure that counted is kept, so that a person can check it.

use rust_decimal::Decimal;

use super::scalar::{FieldError, Fields};

/// What adds to the money that can be used. `payout` comes with its own sign.
const ADDS: &[&str] = &["cash", "payin", "payout", "daycash", "unclearedcash", "brkcollamt", "collateral", "aux_brkcollamt"];

/// The reply of `Limits`, rupees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Cash at the start of the day.
    pub cash: Decimal,
    /// Margin in use.
    pub used: Decimal,
    /// What is left for new orders, collateral included.
    pub available: Decimal,
    /// What is left without collateral: option buying needs real cash.
    pub available_cash: Decimal,
    /// The figures of the formula that the reply had, by their names.
    pub counted: Vec<(&'static str, Decimal)>,
}

/// Reads the reply.
///
/// # Errors
/// [`FieldError`] when `cash` is missing, a figure is no number, or the sum is too large.
pub fn read(fields: &Fields) -> Result<Limits, FieldError> {
    let cash = fields.decimal("cash")?.ok_or(FieldError::Missing { field: "cash" })?;
    let mut counted = Vec::new();
    for name in ADDS {
        counted.extend(fields.decimal(name)?.map(|value| (*name, value)));
    }
    let used = fields.decimal("marginused")?;
    let total = |sum: fn(&str) -> bool| {
        counted.iter().filter(|(name, _)| sum(name)).try_fold(-used.unwrap_or_default(), |total, (_, value)| total.checked_add(*value))
    };
    let too_large = || FieldError::wrong("cash", &cash.to_string(), "part of a sum that can be held");
    let available = total(|_| true).ok_or_else(too_large)?;
    let available_cash = total(|name| !name.contains("coll")).ok_or_else(too_large)?;
    counted.extend(used.map(|used| ("marginused", used)));
    Ok(Limits { cash, used: used.unwrap_or_default(), available, available_cash, counted })
}
