//! Units of one order.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.account.limits.max_quantity;
    let quantity = x.order.quantity();
    Checked::new("risk.max_quantity", Tag::RiskLimitsExceeded, quantity <= limit, quantity, limit)
}
