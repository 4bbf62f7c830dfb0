//! No intraday entry shortly before the session of its instrument ends: the broker squares such positions off at its own
//! price and for a fee. The end is the calendar's, so a share with a closing auction stops earlier.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::calendar::SessionPhase;
use crate::order::calendar::ist_words;
use crate::order::{Exchange, Product, Tag};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let span = if x.instrument.exchange == Exchange::Mcx { x.limits.intraday_cutoff_mcx } else { x.limits.intraday_cutoff };
    let span = Duration::from_std(span).unwrap_or(Duration::MAX);
    let says = |passed, input: String| {
        Checked::new(
            "risk.intraday_cutoff",
            Tag::MarketClosed,
            passed,
            input,
            format!("{} min before the session ends", span.num_minutes()),
        )
    };
    let product = x.order.ask.product;
    match x.market.phase {
        SessionPhase::Continuous { closes_at } if x.market.is_held && product == Some(Product::Mis) => {
            let from = closes_at.checked_sub_signed(span);
            says(from.is_none_or(|from| x.now < from), format!("intraday, the session ends {}", ist_words(closes_at)))
        }
        _ => says(true, product.map_or_else(String::new, |product| format!("{product}, no cut-off now"))),
    }
}
