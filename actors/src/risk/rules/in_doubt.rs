//! While an order of this symbol is in doubt at the broker, nobody knows the position in it: further entries wait for
//! the answer.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let doubt = x.book.doubts_in(x.instrument).find(|order| order.command_id != x.order.command_id);
    let input = doubt.map_or_else(|| "none".to_owned(), |order| format!("order {} is being looked for at the broker", order.command_id));
    Checked::new("risk.in_doubt", Tag::RiskLimitsExceeded, doubt.is_none(), input, format!("no order of {} in doubt", x.instrument))
}
