//! A limit price may reach only so far beyond the touch, and not outside of the day's band: a slip of a digit is not sent.
//! A stop's limit is held against its trigger. Without a fresh quote nobody knows what a price means: where the settings say so
//! (with real money, unless they say otherwise) an entry is refused, or waits for a quote where one can be asked for.

use rust_decimal::Decimal;

use super::{Checked, Inputs, Unquoted};
use crate::order::{Price, Side, Tag};

/// The furthest price on the side that pays, from where it starts.
pub(in crate::risk) fn furthest(side: Side, from: Price, percent: Decimal) -> Decimal {
    let share = percent.checked_div(Decimal::ONE_HUNDRED).unwrap_or(Decimal::ZERO);
    let reach = from.value().checked_mul(share).unwrap_or(Decimal::MAX);
    match side {
        Side::Buy => from.value().saturating_add(reach),
        Side::Sell => from.value().saturating_sub(reach),
    }
}

/// Whether the entry needs a fresh quote to be held against, and there is none.
pub(in crate::risk) fn wants_quote(x: &Inputs<'_>) -> bool {
    x.quote.is_none() && !x.order.is_test() && x.limits.needs_quote.holds(x.is_live)
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let percent = x.limits.collar_percent;
    let says = |passed, input: String, limit: String| Checked::new("risk.price_collar", Tag::RiskLimitsExceeded, passed, input, limit);
    if wants_quote(x) {
        let cause = if let Unquoted::Missing(cause) = x.unquoted { format!(": {cause}") } else { String::new() };
        return says(false, format!("no fresh quote to hold it against{cause}"), "a fresh quote (limits.needs_quote)".to_owned());
    }
    let ask = &x.order.ask;
    let (Some(side), Some(price)) = (ask.side, ask.price.or(ask.trigger_price)) else {
        return says(true, "no price of its own".to_owned(), format!("{percent} % beyond the touch"));
    };
    let band = x.quote.and_then(|quote| quote.band).or(x.found.and_then(|found| found.band));
    if let Some((low, high)) = band
        && let Some(outside) = [ask.price, ask.trigger_price].into_iter().flatten().find(|price| *price < low || *price > high)
    {
        return says(false, format!("{outside}"), format!("inside the day's band of {low} to {high}"));
    }
    let touch = x.quote.map(|quote| match side {
        Side::Buy => quote.ask.unwrap_or(quote.last),
        Side::Sell => quote.bid.unwrap_or(quote.last),
    });
    let Some(from) = ask.trigger_price.or(touch) else {
        return says(true, format!("{price}, and no fresh quote to hold it against"), format!("{percent} % beyond the touch"));
    };
    let far = furthest(side, from, percent);
    let passed = match (side, ask.price) {
        (_, None) => true,
        (Side::Buy, Some(limit)) => limit.value() <= far,
        (Side::Sell, Some(limit)) => limit.value() >= far,
    };
    let beyond = if side == Side::Buy { "at most" } else { "at least" };
    says(passed, format!("{side} at {price}, from {from}"), format!("{beyond} {}: {percent} % beyond", far.normalize()))
}
