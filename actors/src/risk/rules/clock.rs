//! A clock that stands behind the journal makes every age a guess: entries stop.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x
        .clock_behind
        .map_or_else(|| "not behind the journal".to_owned(), |newest| format!("not behind the newest journal row of {newest}"));
    Checked::new("risk.clock", Tag::RiskLimitsExceeded, x.clock_behind.is_none(), x.now, limit)
}
