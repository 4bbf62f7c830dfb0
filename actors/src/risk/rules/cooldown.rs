//! After too many days of loss in a row the account rests until the week is over.

use super::{Checked, Inputs};
use crate::order::{Tag, trading_date};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.loss_days;
    let days = x.day.loss_days;
    let until = x.day.cooldown_until.filter(|until| trading_date(x.now) < *until && days >= limit);
    let input = match until {
        Some(until) => format!("{days} days of loss in a row: no entries before {until}"),
        None => format!("{days} days of loss in a row before today"),
    };
    Checked::new("risk.loss_days", Tag::RiskLimitsExceeded, until.is_none(), input, format!("fewer than {limit}"))
}
