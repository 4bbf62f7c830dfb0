//! Entries of one basket stand and fall together: when one was refused, before a stop say, the others are refused too.

use super::{Checked, Inputs};
use crate::order::{Policy, Status, Tag};
use crate::plan::Plan;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    if Plan::policy(x.book, x.order.basket_id) == Some(Policy::BestEffort) {
        return Checked::new("risk.basket", Tag::RiskLimitsExceeded, true, "every leg goes by itself (BEST_EFFORT)", "none");
    }
    let refused = x.book.siblings(x.order).find(|order| {
        // One for which nothing was to do has not failed.
        let is_done = matches!(order.tag, Some(Tag::AtTarget | Tag::Superseded));
        !order.is_exit() && order.status == Status::Failed && order.sent_at.is_none() && !is_done
    });
    let tag = refused.and_then(|order| order.tag).unwrap_or(Tag::RiskLimitsExceeded);
    let input = refused.map_or_else(
        || "no leg of the basket was refused".to_owned(),
        |order| format!("leg {} of this basket was refused: {}", order.leg + 1, order.reason.as_deref().unwrap_or("")),
    );
    Checked::new("risk.basket", tag, refused.is_none(), input, "every entry of the basket stands")
}
