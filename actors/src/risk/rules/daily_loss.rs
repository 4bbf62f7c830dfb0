//! The day is over when its result meets the floor: the base, raised by whole steps of the highest profit. The result is the
//! worse of what the broker's positions and our own fills say. Once met, it is over for the trading day, whatever the result does. So it is
//! after a shortfall of margin for which positions are squared off.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let floor = x.day.floor(x.limits.daily_loss);
    let says = |passed, input| Checked::new("risk.daily_loss", Tag::RiskLimitsExceeded, passed, input, format!("above {floor} rupees"));
    if let Some(short) = x.day.short.as_ref().filter(|short| short.halts()) {
        let input = format!("since {} {}", short.at, short.words);
        return Checked::new("risk.daily_loss", Tag::RiskLimitsExceeded, false, input, "enough of it, and a person who re-arms the day");
    }
    let Some(pnl) = x.result.pnl() else {
        // What nobody can tell is never taken for nothing lost.
        return says(false, format!("the day's result is {}", x.result));
    };
    match &x.day.hit {
        Some(hit) if x.day.is_hit() => says(false, format!("the day stands at {}; it was over at {} with {}", x.result, hit.at, hit.pnl)),
        _ => says(pnl > floor, format!("the day stands at {}", x.result)),
    }
}
