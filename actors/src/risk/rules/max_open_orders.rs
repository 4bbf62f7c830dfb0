//! Orders of the account that have not ended, this one included. Those registered earlier count, and those at the broker.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_open_orders;
    let open = x.book.open_count();
    if open <= limit {
        // The order itself is among them, so all of them together are within the limit: no need to walk them.
        return Checked::new("risk.max_open_orders", Tag::RiskLimitsExceeded, true, format!("at most {open}"), limit);
    }
    let counted = x
        .book
        .open_orders()
        .filter(|order| order.command_id != x.order.command_id && !order.is_test())
        .filter(|order| order.number < x.order.number || order.status.is_at_broker())
        .take(limit)
        .count()
        + 1;
    Checked::new("risk.max_open_orders", Tag::RiskLimitsExceeded, counted <= limit, counted, limit)
}
