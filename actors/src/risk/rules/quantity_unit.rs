//! On MCX and CDS brokers differ in what a quantity counts: units or lots. With real money nobody may guess, so entries
//! there wait until it was settled for this account.

use rust_decimal::Decimal;

use super::{Checked, Inputs};
use crate::order::{Exchange, Tag};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let checked = |passed, input: String, limit: &str| Checked::new("risk.quantity_unit", Tag::RiskLimitsExceeded, passed, input, limit);
    let units = &x.account.quantity_units;
    let (exchange, key, unit) = match x.instrument.exchange {
        Exchange::Mcx => (Exchange::Mcx, "quantity_unit.mcx", units.mcx),
        Exchange::Cds => (Exchange::Cds, "quantity_unit.cds", units.cds),
        other @ (Exchange::Nse | Exchange::Bse | Exchange::Nfo | Exchange::Bfo) => {
            return checked(true, format!("{other} counts units"), "known");
        }
    };
    let factor = x.found.map_or(Decimal::ONE, |found| found.rupees_per_point);
    if x.is_live && factor != Decimal::ONE {
        return checked(
            false,
            format!("a point of {} is {factor} rupees a unit, and values here are price x quantity", x.instrument),
            "1 rupee a unit: other contracts are traded at the broker until their values are worked out",
        );
    }
    match unit {
        Some(unit) => checked(true, format!("{exchange} counts {unit} on this account"), "known"),
        None if !x.is_live => checked(true, format!("{exchange} counts units, no real money moves"), "known where real money moves"),
        None => checked(
            false,
            format!("what a quantity counts on {exchange} is not settled for this account"),
            &format!("known: run `ordergate conformance` with this account and set its {key} to what it reports"),
        ),
    }
}
