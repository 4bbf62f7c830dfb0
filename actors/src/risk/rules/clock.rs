//! A clock that stands behind the journal makes every age a guess, and one that was set back may be right now or have been
//! right before: entries stop.

use super::stale::seconds;
use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    if let Some(behind) = x.clock_set_back {
        let input = format!("the machine's clock was set back and stands {} behind", seconds(behind));
        return Checked::new("risk.clock", Tag::RiskLimitsExceeded, false, input, "as it flowed; start again if it is right now");
    }
    let limit = x
        .clock_behind
        .map_or_else(|| "not behind the journal".to_owned(), |newest| format!("not behind the newest journal row of {newest}"));
    Checked::new("risk.clock", Tag::RiskLimitsExceeded, x.clock_behind.is_none(), x.now, limit)
}
