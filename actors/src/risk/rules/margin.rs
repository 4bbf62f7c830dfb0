//! The broker's own figures: the capital reserve stays untouched, and what must be paid in full (a bought option, a
//! delivery) is not more than what is left. What margin a future or an intraday order takes only the broker knows; it says
//! no by itself. Figures that are missing or old prove nothing, and that is what the record says.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::{Amount, Kind, OrderRecord, Product, Side, Tag};
use crate::persistence::own_price;

/// Figures older than this are not fresh: two looks must fit in.
const FRESH: Duration = Duration::seconds(120);

/// Whether the order is paid in full when it fills.
fn is_paid_in_full(x: &Inputs<'_>, order: &OrderRecord) -> bool {
    let is_option = x.found.is_some_and(|found| matches!(found.kind, Kind::Option { .. }));
    order.ask.side == Some(Side::Buy) && (is_option || order.ask.product == Some(Product::Cnc))
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let reserve = x.limits.capital_reserve;
    let limit = format!("{reserve} rupees left untouched");
    let says = |passed, input: String| Checked::new("risk.margin", Tag::RiskLimitsExceeded, passed, input, &limit);
    let Some((funds, at)) = &x.findings.funds else { return says(true, "the broker's figures are not known".to_owned()) };
    let age = x.now.signed_duration_since(*at);
    if age > FRESH {
        return says(true, format!("the broker's figures are {} s old: they prove nothing", age.num_seconds()));
    }
    // Entries registered since the figures were read may not be in them.
    let newer = x.book.newest().take_while(|other| other.created_at > *at);
    let since = newer.filter(|other| other.number < x.order.number && !other.status.is_terminal() && !other.is_exit() && !other.is_test());
    let taken = since.filter_map(|other| Some(own_price(other)?.times(other.unfilled()))).fold(Amount::ZERO, Amount::plus);
    let quoted = x.quote.map(|quote| quote.ask.unwrap_or(quote.last));
    let needs = match own_price(x.order).or(quoted) {
        Some(price) if is_paid_in_full(x, x.order) => price.times(x.order.unfilled()).plus(taken),
        _ => Amount::ZERO,
    };
    let left = funds.available.plus(needs.negated());
    let input = format!("{} rupees available at the broker, this order takes {needs} in full", funds.available);
    says(left >= reserve && funds.available > Amount::ZERO, input)
}
