//! Orders of the account in any minute, exits and refusals counted: a loop that sends orders is slowed down before it costs
//! money. Numbers have no gaps, so one look tells how many came.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.messages_per_minute;
    let back = u64::try_from(limit).unwrap_or(u64::MAX);
    let earlier = x.order.number.checked_sub(back).and_then(|number| x.book.order_by_number(number));
    let since = x.now.checked_sub_signed(Duration::minutes(1));
    let is_too_many = earlier.zip(since).is_some_and(|(order, since)| order.created_at > since);
    let input = if is_too_many { format!("more than {limit} orders in a minute") } else { "fewer in the last minute".to_owned() };
    Checked::new("risk.messages", Tag::RiskLimitsExceeded, !is_too_many, input, format!("{limit} orders in a minute"))
}
