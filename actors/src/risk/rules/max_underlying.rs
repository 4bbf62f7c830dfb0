//! Units of everything of one underlying, long and short added, if everything that may still fill fills.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_position_underlying;
    let (passed, input) = match &x.projected.underlying {
        Some(underlying) => {
            let units = x.projected.underlying_units;
            (x.projected.adds == 0 || units <= limit, format!("{units} units of {underlying} at the worst"))
        }
        None => (false, format!("{} is not in today's instrument master", x.instrument)),
    };
    Checked::new("risk.max_position_underlying", Tag::RiskLimitsExceeded, passed, input, limit)
}
