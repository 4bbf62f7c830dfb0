//! Kill levels stop entries; a freeze stops exits too.

use super::{Checked, Inputs};
use crate::order::Tag;
use crate::persistence::KillLevel;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let control = x.book.control();
    let is_persons = control.level > KillLevel::None || control.strategies.contains_key(&x.order.ask.strategy) || control.is_frozen();
    // What the day's own limits stop is told as such.
    let tag = if control.day.is_some() && !is_persons { Tag::RiskLimitsExceeded } else { Tag::KillSwitch };
    Checked::new("risk.kill", tag, x.latched.is_none(), x.latched.unwrap_or("armed"), "armed")
}
