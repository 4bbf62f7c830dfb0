//! The account's money (Noren protocol reference, section 4.7). The formula is the broker's habit, not its word: every
//! figure that counted is kept, so that a person can check it.

use rust_decimal::Decimal;

use super::scalar::{FieldError, Fields};

/// What adds to the money that can be used. `payout` comes with its own sign.
const ADDS: &[&str] = &["cash", "payin", "payout", "daycash", "unclearedcash", "brkcollamt", "collateral", "aux_brkcollamt"];
/// Collateral under names that no document explains: parts of what is added, or more of it. No order may use it; but an account that is
/// short only without it is not said to be short.
const MAY_ADD: &[&str] = &["cash_coll", "mf_cash_coll", "mf_coll"];

/// The reply of `Limits`, rupees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Cash at the start of the day.
    pub cash: Decimal,
    /// Margin in use.
    pub used: Decimal,
    /// What is left for new orders, collateral included. Below nothing only where it is so with every collateral that the reply has.
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
    let added = counted.len();
    for name in MAY_ADD {
        counted.extend(fields.decimal(name)?.map(|value| (*name, value)));
    }
    let used = fields.decimal("marginused")?;
    let total = |sum: fn(&str) -> bool| {
        counted
            .iter()
            .take(added)
            .filter(|(name, _)| sum(name))
            .try_fold(-used.unwrap_or_default(), |total, (_, value)| total.checked_add(*value))
    };
    let too_large = || FieldError::wrong("cash", &cash.to_string(), "part of a sum that can be held");
    let without = total(|_| true).ok_or_else(too_large)?;
    let beside = counted.iter().skip(added).try_fold(Decimal::ZERO, |sum, (_, value)| sum.checked_add(*value)).ok_or_else(too_large)?;
    let at_most = without.checked_add(beside.max(Decimal::ZERO)).ok_or_else(too_large)?;
    let available = if without < Decimal::ZERO { at_most.min(Decimal::ZERO) } else { without };
    let available_cash = total(|name| !name.contains("coll")).ok_or_else(too_large)?;
    counted.extend(used.map(|used| ("marginused", used)));
    Ok(Limits { cash, used: used.unwrap_or_default(), available, available_cash, counted })
}
