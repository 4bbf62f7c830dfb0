//! Units of the instrument, on the side to which the order adds, if everything that may still fill fills. An order that
//! adds to nothing passes, whatever is held.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_position;
    let units = x.projected.position;
    let input = format!("{units} {} at the worst", x.instrument);
    Checked::new("risk.max_position", Tag::RiskLimitsExceeded, x.projected.adds == 0 || units <= limit, input, limit)
}
