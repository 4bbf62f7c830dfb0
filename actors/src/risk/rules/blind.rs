//! Without fresh positions from the broker nobody knows the exposure: entries stop, exits go on.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = Duration::from_std(x.account.waits.blind_after).unwrap_or(Duration::MAX);
    let limit_words = format!("at most {} ms old", limit.num_milliseconds());
    match &x.findings.positions {
        None => Checked::new("risk.blind", Tag::RiskLimitsExceeded, false, "the broker's positions were never read", limit_words),
        Some(positions) => {
            let age = x.now.signed_duration_since(positions.at);
            Checked::new(
                "risk.blind",
                Tag::RiskLimitsExceeded,
                age <= limit,
                format!("the broker's positions are {} ms old", age.num_milliseconds()),
                limit_words,
            )
        }
    }
}
