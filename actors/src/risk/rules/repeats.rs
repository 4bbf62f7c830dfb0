//! A strategy that enters the same again and again, or to and fro, or whose orders the broker keeps rejecting, is halted
//! until a person has looked.

use super::{Checked, Inputs};
use crate::order::Tag;
use crate::risk::halt::storm;

/// The name of the rule: RiskActor halts the strategy of an order that it refuses.
pub(in crate::risk) const GATE: &str = "risk.repeats";

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let says = |passed, input: String| {
        let seconds = x.limits.repeats_window.as_secs();
        let limit = format!("{} entries alike and {} rejections in {seconds} s", x.limits.repeats, x.limits.rejections);
        Checked::new(GATE, Tag::RiskLimitsExceeded, passed, input, limit)
    };
    if let Some(halt) = x.halt.filter(|halt| halt.stands()) {
        return says(false, format!("{} is halted since {}: {}; re-arm it", halt.strategy, halt.at, halt.reason));
    }
    // A change of a working order is a person's.
    let is_change = x.order.sent_at.is_some();
    let since = x.halt.and_then(|halt| halt.rearmed.as_ref()).map(|rearmed| rearmed.at);
    match storm(x.order, x.book, x.limits, since, x.now).filter(|_| !is_change) {
        Some(reason) => says(false, reason),
        None => says(true, "no repetition".to_owned()),
    }
}
