//! Rupees of one order: a bought limit at its limit, anything else at its own price or at the touch, whichever is more,
//! for a sale below the market trades at the market. Without a fresh quote a market entry has no known value: it is refused,
//! or waits for a quote where one can be asked for. There a stop-market entry needs one too: its trigger may lie far from
//! where it trades.

use super::{Checked, Inputs, Unquoted};
use crate::order::{Price, Side, Tag, worked_out};

/// Whether the order goes out as a limit whose price only a fresh quote gives, and there is none.
pub(in crate::risk) fn lacks_quote(x: &Inputs<'_>) -> bool {
    let has_no_limit = x.order.ask.price.is_none() && x.order.ask.order_type.is_some_and(|asked| !asked.has_price());
    x.unquoted != Unquoted::Refuse && has_no_limit && x.quote.is_none()
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.limits.max_order_value;
    let touch = || {
        let quote = x.quote?;
        let far = match x.order.ask.side? {
            Side::Buy => quote.ask,
            Side::Sell => quote.bid,
        };
        Some(far.unwrap_or(quote.last))
    };
    let ask = &x.order.ask;
    let price: Option<Price> = match (ask.side, ask.price) {
        _ if lacks_quote(x) => None,
        (Some(Side::Buy), Some(limit)) => Some(limit),
        (_, limit) => limit.or(ask.trigger_price).max(touch()),
    };
    let (passed, input) = match (price, x.point()) {
        (Some(price), Some(point)) => {
            let quantity = x.order.quantity();
            (price.times(quantity).rupees(point) <= limit, worked_out(quantity, price, point))
        }
        (Some(_), None) => (false, format!("what a point of {} is worth is not known: no master has it", x.instrument)),
        (None, _) => {
            let cause = if let Unquoted::Missing(cause) = x.unquoted { format!(": {cause}") } else { String::new() };
            (false, format!("no fresh quote for a market order{cause}"))
        }
    };
    Checked::new("risk.max_order_value", Tag::RiskLimitsExceeded, passed, input, format!("{limit} rupees"))
}
