//! On MCX and CDS a contract says what a point of its price is worth, and brokers differ in what a quantity counts: units or
//! lots. What rupees come to hangs on the first, and the size of an order on the second: nobody may guess either.

use super::{Checked, Inputs};
use crate::order::{Exchange, Tag};
use crate::pnl::ContractKept;

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
    let Some(point) = x.point() else {
        return checked(false, format!("what a point of {} is worth is not known: no master has it", x.instrument), "known");
    };
    if let Some((found, kept)) = x.found.and_then(|found| Some((found, ContractKept::speaks_against(x.book, found)?))) {
        let said = format!(
            "a point of {} was {kept} rupees a unit when it was traded, and is {} in today's master",
            x.instrument, found.rupees_per_point
        );
        return checked(false, said, "one worth, as long as anything of it is held, open, or was traded today");
    }
    if let Some(told) = ContractKept::contradicted(x.book, x.instrument).filter(|_| x.is_live) {
        let said = format!("a point of {} is {point} rupees a unit by the master, and {told} by the broker's own rows", x.instrument);
        return checked(false, said, "the same by both: see ALARM_POINT_VALUE in the runbook");
    }
    let worth = format!("a point is {} rupees a unit", point.normalize());
    let is_one_unit = x.found.is_some_and(|found| found.lot.value() == 1);
    match unit {
        Some(unit) => checked(true, format!("{exchange} counts {unit} on this account; {worth}"), "known"),
        None if is_one_unit => checked(true, format!("a lot of {} is one unit, so that both are the same; {worth}", x.instrument), "known"),
        None if !x.is_live => {
            checked(true, format!("{exchange} counts units, no real money moves; {worth}"), "known where real money moves")
        }
        None => checked(
            false,
            format!("what a quantity counts on {exchange} is not settled for this account"),
            &format!("known: run `ordergate conformance` with this account and set its {key} to what it reports"),
        ),
    }
}
