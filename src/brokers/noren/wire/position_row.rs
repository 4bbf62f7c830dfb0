//! What the account holds: a row of the position book (Noren protocol reference, section 4.6).

use ordergate_actors::order::{Amount, HoldingKey};
use ordergate_actors::ports::{Carried, PositionRow};
use rust_decimal::Decimal;

use super::order_row::{instrument, product};
use super::scalar::{FieldError, Fields};

/// Reads a row. Squared-off rows stay in the book with a net of 0.
///
/// # Errors
/// [`FieldError`] when the instrument, the product or the net quantity cannot be read, or when an open position tells
/// neither its profit nor what it is made of.
pub fn read(fields: &Fields) -> Result<PositionRow, FieldError> {
    let net = fields.integer("netqty")?.ok_or(FieldError::Missing { field: "netqty" })?;
    let average_price = if net == 0 { None } else { fields.non_zero("netavgprc")? };
    Ok(PositionRow {
        holding: HoldingKey { instrument: instrument(fields)?, product: product(fields)? },
        net,
        average_price,
        // Absent when nothing was closed today.
        realised: Amount(fields.decimal("rpnl")?.unwrap_or_default()),
        unrealised: Amount(unrealised(fields, net, average_price)?),
        per_point: per_point(fields)?,
        carried: carried(fields, average_price)?,
    })
}

/// What of it was carried into the day. While nothing was traded in it today, the average price of all of it is what the broker
/// counts from, by its formula for `urmtom`.
fn carried(fields: &Fields, average_price: Option<Decimal>) -> Result<Option<Carried>, FieldError> {
    let units = |name| Ok::<i64, FieldError>(fields.integer(name)?.unwrap_or_default());
    let net = units("cfbuyqty")?.saturating_sub(units("cfsellqty")?);
    if net == 0 {
        return Ok(None);
    }
    let is_untouched = units("daybuyqty")? == 0 && units("daysellqty")? == 0;
    let told = fields.non_zero(if net > 0 { "cfbuyavgprc" } else { "cfsellavgprc" })?;
    Ok(Some(Carried { net, from: average_price.filter(|_| is_untouched).or(told) }))
}

/// What a point of one unit of its quantity is worth: `mult` times `prcftr`, if both are told.
///
/// # Errors
/// [`FieldError`] when one of them is no number.
pub fn per_point(fields: &Fields) -> Result<Option<Decimal>, FieldError> {
    let (multiplier, price_factor) = (fields.non_zero("mult")?, fields.non_zero("prcftr")?);
    Ok(multiplier.zip(price_factor).and_then(|(multiplier, price_factor)| multiplier.checked_mul(price_factor)).map(|it| it.normalize()))
}

/// The broker's figure, or what it is by its own formula: net times the way of the price, in the contract's units.
fn unrealised(fields: &Fields, net: i64, average: Option<Decimal>) -> Result<Decimal, FieldError> {
    if let Some(told) = fields.decimal("urmtom")? {
        return Ok(told);
    }
    if net == 0 {
        return Ok(Decimal::ZERO);
    }
    let missing = FieldError::Missing { field: "urmtom" };
    let (Some(last), Some(average)) = (fields.decimal("lp")?, average) else { return Err(missing) };
    // Where contracts have their own, none is taken for it.
    let point = per_point(fields)?.or(instrument(fields)?.exchange.rupees_per_point());
    let value = last.checked_sub(average).and_then(|way| way.checked_mul(Decimal::from(net)));
    value.zip(point).and_then(|(value, point)| value.checked_mul(point)).ok_or(missing)
}
