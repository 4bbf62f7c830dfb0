//! What is held for delivery (Noren protocol reference, section 4.9).

use ordergate_actors::order::InstrumentKey;
use rust_decimal::Decimal;

use super::order_row::{count, instrument};
use super::scalar::{FieldError, Fields};

/// One share of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its names, one for each exchange that lists it.
    pub listings: Vec<InstrumentKey>,
    /// Units that count for its value.
    pub quantity: i64,
    /// Units that can be sold today.
    pub saleable: i64,
    /// Average price paid, if told.
    pub average_price: Option<Decimal>,
}

/// Reads a row.
///
/// # Errors
/// [`FieldError`] when no listing can be read, or a quantity is no whole number.
pub fn read(fields: &Fields) -> Result<Delivery, FieldError> {
    let listings: Vec<InstrumentKey> = fields.objects("exch_tsym").iter().filter_map(|row| instrument(row).ok()).collect();
    if listings.is_empty() {
        return Err(FieldError::Missing { field: "exch_tsym" });
    }
    let units = |name| Ok::<_, FieldError>(count(fields, name)?.unwrap_or(0));
    let common = [units("btstqty")?, units("holdqty")?, units("unplgdqty")?, units("benqty")?];
    let (non_poa, depository, used) = (units("npoadqty")?, units("dpqty")?, units("usedqty")?);
    let owned = sum(&common).saturating_sub(used);
    Ok(Delivery {
        listings,
        quantity: sum(&[owned, units("brkcolqty")?, non_poa.max(depository)]),
        saleable: sum(&[owned, depository]),
        average_price: fields.non_zero("upldprc")?,
    })
}

fn sum(parts: &[i64]) -> i64 {
    parts.iter().fold(0, |total, part| total.saturating_add(*part))
}
