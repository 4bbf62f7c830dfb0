//! Rupees of one order: at its own price, or (a market order) at the touch that it would pay. Without a fresh quote a
//! market entry has no known value and is refused.

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
    let own = x.order.ask.price.or(x.order.ask.trigger_price);
    // A sell below the market is paid the market's price, not its own.
    let price: Option<Price> = match x.order.ask.side {
        Some(Side::Sell) => own.max(touch()),
        _ => own.or_else(touch),
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
