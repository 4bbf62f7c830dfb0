//! Units of one order, whichever side it is on.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_quantity;
    let quantity = x.order.quantity().abs();
    Checked::new("risk.max_quantity", Tag::RiskLimitsExceeded, quantity <= limit, quantity, limit)
}
