//! The day's result as the broker's own position rows show it, delivery holdings aside.

use super::{Checked, Inputs};
use crate::order::{Amount, Product, Tag};
use crate::ports::PositionRow;

/// Realised and unrealised rupees of the day.
#[must_use]
pub fn pnl(rows: &[PositionRow]) -> Amount {
    rows.iter().filter(|row| row.holding.product != Product::Cnc).fold(Amount::ZERO, |sum, row| sum.plus(row.realised).plus(row.unrealised))
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.account.limits.daily_loss;
    let pnl = x.findings.positions.as_ref().map_or(Amount::ZERO, |positions| pnl(&positions.rows));
    Checked::new(
        "risk.daily_loss",
        Tag::RiskLimitsExceeded,
        pnl > limit.negated(),
        format!("the day stands at {pnl} rupees"),
        format!("above -{limit} rupees"),
    )
}
