//! The options of one expiry around a strike (Noren protocol reference, section 5.1, `GetOptionChain`).

use ordergate_actors::order::{Price, Right};

use super::quote::price;
use super::scalar::{FieldError, Fields};
use super::search::{Hit, hit};

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// Its name and number.
    pub hit: Hit,
    /// Its strike.
    pub strike: Price,
    /// Call or put.
    pub right: Right,
}

/// The options, and how many rows could not be read.
///
/// # Errors
/// [`FieldError`] when the reply has no list.
pub fn read(fields: &Fields) -> Result<(Vec<Contract>, usize), FieldError> {
    let all = fields.elements("values").ok_or(FieldError::Missing { field: "values" })?;
    let contracts: Vec<Contract> = fields.objects("values").iter().filter_map(|row| contract(row).ok()).collect();
    let unreadable = all.len().saturating_sub(contracts.len());
    Ok((contracts, unreadable))
}

fn contract(fields: &Fields) -> Result<Contract, FieldError> {
    let strike = price(fields, "strprc")?.ok_or(FieldError::Missing { field: "strprc" })?;
    let text = fields.require("optt")?;
    let right = match text.to_uppercase().as_str() {
        "CE" | "C" => Right::Call,
        "PE" | "P" => Right::Put,
        _ => return Err(FieldError::wrong("optt", &text, "CE or PE")),
    };
    Ok(Contract { hit: hit(fields)?, strike, right })
}
