//! The unit of the price steps in the files of shares. NSE and BSE appear to say paise there and rupees in all other
//! files (Noren protocol reference, section 5.2, uncertain). A wrong guess would be a factor of a hundred, so the steps
//! themselves are looked at.

use std::fmt;

use rust_decimal::Decimal;

use super::Refused;

/// Below so many rows nothing can be concluded from their steps.
const ENOUGH: usize = 20;

/// What `TickSize` counts in a file of shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EquityTick {
    /// 5 is five paise.
    #[default]
    Paise,
    /// 0.05 is five paise.
    Rupees,
}

impl EquityTick {
    /// Reads `paise` or `rupees`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Paise, Self::Rupees].into_iter().find(|unit| text.trim().eq_ignore_ascii_case(&unit.to_string()))
    }

    pub(super) fn in_rupees(self, step: Decimal) -> Decimal {
        match self {
            Self::Paise => step.checked_div(Decimal::ONE_HUNDRED).unwrap_or(step),
            Self::Rupees => step,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Paise => Self::Rupees,
            Self::Rupees => Self::Paise,
        }
    }
}

impl fmt::Display for EquityTick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paise => "paise",
            Self::Rupees => "rupees",
        })
    }
}

/// Whether shares can have this price step, in rupees: a quarter of a paisa (bonds) to a hundred rupees.
pub(super) fn is_step(rupees: Decimal) -> bool {
    rupees >= Decimal::new(25, 4) && rupees <= Decimal::ONE_HUNDRED
}

/// Refuses the unit when the steps speak against it. Read as paise, most steps of a day must be a paisa or more: a file
/// in rupees has none such. Read as rupees, a tenth of them must be below one rupee: a file in paise has none such.
pub(super) fn check(steps: impl Iterator<Item = Decimal>, unit: EquityTick) -> Result<(), Refused> {
    let steps: Vec<Decimal> = steps.collect();
    let (all, below_one) = (steps.len(), steps.iter().filter(|step| **step < Decimal::ONE).count());
    let bad = match unit {
        EquityTick::Paise => below_one,
        EquityTick::Rupees => all - below_one,
    };
    let is_wrong = match unit {
        EquityTick::Paise => bad * 2 > all,
        EquityTick::Rupees => below_one * 10 < all,
    };
    if all >= ENOUGH && is_wrong { Err(Refused::Tick { bad, all, unit, other: unit.other() }) } else { Ok(()) }
}
