//! Rupees of all open orders that open or change a position, this one included.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_open_value;
    let value = x.projected.open_value;
    Checked::new("risk.max_open_value", Tag::RiskLimitsExceeded, value <= limit, format!("{value} rupees"), format!("{limit} rupees"))
}
