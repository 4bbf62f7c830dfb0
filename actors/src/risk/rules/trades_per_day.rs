//! Entries sent in a trading day, this one included.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.trades_per_day;
    let count = x.projected.trades_today;
    Checked::new("risk.trades_per_day", Tag::RiskLimitsExceeded, count <= limit, count, limit)
}
