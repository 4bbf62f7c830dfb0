//! Units of everything of one underlying, long and short added, if everything that may still fill fills.

use super::{Checked, Inputs, of_others};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_position_underlying;
    let (passed, input) = match &x.projected.underlying {
        Some(underlying) => {
            let units = x.projected.underlying_units;
            let input = format!("{units} units of {underlying} at the worst{}", of_others(x.projected.underlying_elsewhere));
            (x.projected.adds == 0 || units <= limit, input)
        }
        None => (false, format!("{} is not in today's instrument master", x.instrument)),
    };
    Checked::new("risk.max_position_underlying", Tag::RiskLimitsExceeded, passed, input, limit)
}
