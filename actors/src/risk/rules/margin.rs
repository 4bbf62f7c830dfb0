//! The money at the broker: the capital reserve stays untouched, and what an order takes is not more than what is left. What
//! must be paid in full (a bought option, a delivery) is known. What margin anything else takes is an estimate, which refuses
//! only where the settings say so: it knows nothing of hedges, and is many times what a spread takes. Where it does not refuse,
//! the reserve binds an entry once it is used, and the record says that by the estimate this one uses it. Figures that are
//! missing or old prove nothing, and that is what the record says.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::order::{Amount, Tag};

/// Figures older than this are not fresh: two looks must fit in.
const FRESH: Duration = Duration::seconds(120);

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let reserve = x.limits.capital_reserve;
    let limit = format!("{reserve} rupees left untouched");
    let says = |passed, input: String| Checked::new("risk.margin", Tag::RiskLimitsExceeded, passed, input, &limit);
    let own = match &x.needs.own {
        Some((amount, basis)) => format!("this order takes {amount} {basis}"),
        None => "what this order takes is not known: it has no price, or its contract no known worth of a point".to_owned(),
    };
    let Some((funds, at)) = &x.findings.funds else {
        return says(true, format!("the broker's figures are not known; {own}"));
    };
    let age = x.now.signed_duration_since(*at);
    if age > FRESH {
        return says(true, format!("the broker's figures are {} s old: they prove nothing; {own}", age.num_seconds()));
    }
    let available = funds.available;
    if let Some(said) = x.day.disbelieved.as_ref().filter(|_| available < Amount::ZERO) {
        return says(
            true,
            format!("the broker shows {available} rupees, and {} says that this is wrong; {own}; the broker decides", said.who),
        );
    }
    let since =
        if x.needs.since > Amount::ZERO { format!(", entries since the broker told take {} more", x.needs.since) } else { String::new() };
    let input = format!("{available} rupees available at the broker, {own}{since}");
    let (amount, is_estimate) = x.needs.own.map_or((Amount::ZERO, false), |(amount, basis)| (amount, basis.is_estimate()));
    let counts = !is_estimate || x.limits.margin_refuses.holds(x.is_live);
    let needs = if counts && amount > Amount::ZERO { amount.plus(x.needs.since) } else { Amount::ZERO };
    let left = available.plus(needs.negated());
    let after = available.plus(amount.plus(x.needs.since).negated());
    let input = if counts {
        input
    } else if reserve > Amount::ZERO && after < reserve {
        format!("{input}: that would leave {after}; the broker decides")
    } else {
        format!("{input}; the broker decides")
    };
    says(left >= reserve && available > Amount::ZERO, input)
}
