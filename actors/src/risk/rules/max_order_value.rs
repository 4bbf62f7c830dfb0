//! Rupees of one order: a bought limit at its limit, anything else at its own price or at the touch, whichever is more,
//! for a sale below the market trades at the market. Without a fresh quote a market entry has no known value and is
//! refused.

use super::{Checked, Inputs};
use crate::order::{Price, Side, Tag};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let limit = x.account.limits.max_order_value;
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
        (Some(Side::Buy), Some(limit)) => Some(limit),
        (_, limit) => limit.or(ask.trigger_price).max(touch()),
    };
    match price {
        Some(price) => {
            let value = price.times(x.order.quantity());
            Checked::new(
                "risk.max_order_value",
                Tag::RiskLimitsExceeded,
                value <= limit,
                format!("{} x {price} = {value} rupees", x.order.quantity()),
                format!("{limit} rupees"),
            )
        }
        None => Checked::new(
            "risk.max_order_value",
            Tag::RiskLimitsExceeded,
            false,
            "no fresh quote for a market order",
            format!("{limit} rupees"),
        ),
    }
}
