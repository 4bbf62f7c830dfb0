//! A clock that stands behind the journal makes every age a guess, one that was set back may be right now or have been right
//! before, and one that is far from the broker's takes stale prices for fresh ones: entries stop.

use chrono::TimeDelta;

use super::stale::seconds;
use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    if let Some(behind) = x.clock_set_back {
        let input = format!("the machine's clock was set back and stands {} behind", seconds(behind));
        return Checked::new("risk.clock", Tag::RiskLimitsExceeded, false, input, "as it flowed; start again if it is right now");
    }
    let most = TimeDelta::from_std(x.settings.max_clock_skew).unwrap_or(TimeDelta::MAX);
    if let Some(skew) = x.clock_skew.filter(|skew| skew.abs() > most) {
        let input = format!("the broker's clock is {} ms from ours", skew.num_milliseconds());
        let limit = format!("at most {} ms: set the machine's clock right", most.num_milliseconds());
        return Checked::new("risk.clock", Tag::RiskLimitsExceeded, false, input, limit);
    }
    let limit = x
        .clock_behind
        .map_or_else(|| "not behind the journal".to_owned(), |newest| format!("not behind the newest journal row of {newest}"));
    Checked::new("risk.clock", Tag::RiskLimitsExceeded, x.clock_behind.is_none(), x.now, limit)
}
