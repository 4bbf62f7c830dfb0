//! Lots of options that the account may be short: what they can lose is not bounded by what they brought in. An order that
//! sells no option passes.

use super::{Checked, Inputs, of_others};
use crate::order::{Kind, Side, Tag};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_short_option_lots;
    let is_option = x.found.is_some_and(|found| matches!(found.kind, Kind::Option { .. }));
    let sells = x.order.ask.side == Some(Side::Sell);
    let lots = x.projected.short_option_lots;
    let input = format!("{lots} lots of short options at the worst{}", of_others(x.projected.short_lots_elsewhere));
    Checked::new(
        "risk.max_short_option_lots",
        Tag::RiskLimitsExceeded,
        !(is_option && sells && x.projected.adds > 0) || lots <= limit,
        input,
        limit,
    )
}
