//! A route may bound how many entries it makes in one day (India). What was refused before it left does not count.

use super::{Checked, Inputs};
use crate::guard::counts_as_trade;
use crate::order::{Tag, trading_date};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let says = |passed, input: String, limit: String| Checked::new("risk.route_trades", Tag::RiskLimitsExceeded, passed, input, limit);
    let Some((route, most)) = x.order.ask.route.as_deref().and_then(|route| Some((&route.route, route.trades_per_day?))) else {
        return says(true, "no route bounds it".to_owned(), "the route's trades in one day".to_owned());
    };
    if x.order.is_test() {
        return says(true, "a test: it is no trade".to_owned(), format!("{most} trades of route {route} in one day"));
    }
    let today = trading_date(x.now);
    let made = x
        .book
        .newest()
        .take_while(|order| trading_date(order.created_at) >= today)
        .filter(|order| order.ask.route.as_deref().is_some_and(|other| other.route == *route))
        .filter(|order| order.number < x.order.number && order.basket_id != x.order.basket_id && counts_as_trade(order))
        .count();
    let passed = u32::try_from(made).is_ok_and(|made| made < most);
    says(passed, format!("route {route} has traded {made} times today"), format!("{most} trades of route {route} in one day"))
}
