//! What an order is worth, its price, and the money behind it.

use super::*;

#[test]
fn max_order_value_takes_its_limit_and_refuses_a_paisa_more() {
    let case = |text: &str| {
        let mut order = order(1);
        order.ask.price = Some(price(text));
        Case::of(order)
    };
    case("4999.95").passes();
    case("5000").passes();
    case("5000.05").refused(Tag::RiskLimitsExceeded, &["risk.max_order_value: 10 x 5000.05 = 50000.50 rupees (limit: 50000 rupees)"]);
}

#[test]
fn a_market_order_is_valued_at_the_touch_that_it_pays() {
    let case = |side, quote: Option<Quote>| Case::of(market(1).side(side)).with(|case| case.quote = quote);
    let wide = Some(touch(Some("4000"), Some("6000"), "4000"));
    case(Side::Sell, wide).passes();
    case(Side::Buy, wide).refused(Tag::RiskLimitsExceeded, &["10 x 6000 = 60000 rupees"]);
    case(Side::Buy, Some(touch(Some("4000"), None, "6000"))).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
    case(Side::Buy, None).refused(Tag::RiskLimitsExceeded, &["no fresh quote for a market order"]);
    let mut stop = market(1);
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopMarket), Some(price("6000")));
    Case::of(stop).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
}

/// A sale far below the market trades at the market, and a trigger that has passed fires at once.
#[test]
fn a_price_beyond_the_market_does_not_hide_what_the_order_is_worth() {
    let case = |side, kind: OrderType, quote: Option<Quote>| {
        let mut order = order(1).side(side);
        order.ask.order_type = Some(kind);
        order.ask.price = kind.has_price().then(|| price("1"));
        order.ask.trigger_price = kind.has_trigger().then(|| price("1"));
        Case::of(order).with(|case| case.quote = quote)
    };
    let quote = Some(touch(Some("6000"), Some("6001"), "6000"));
    case(Side::Sell, OrderType::Limit, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6000 = 60000 rupees"]);
    case(Side::Buy, OrderType::StopMarket, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6001"]);
    case(Side::Sell, OrderType::StopMarket, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
    case(Side::Buy, OrderType::Limit, quote).passes();
    case(Side::Sell, OrderType::Limit, None).passes();
}

fn stop_market(number: u64) -> OrderRecord {
    let mut stop = market(number);
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopMarket), Some(price("800")));
    stop
}

/// Where a quote can be asked for, a market entry that lacks nothing else waits for it.
#[test]
fn an_entry_that_lacks_only_a_quote_waits_for_one_where_one_can_be_asked_for() {
    let asks = |case: &mut Case| case.unquoted = Unquoted::Ask;
    for order in [market(1), stop_market(1)] {
        assert_eq!(Case::of(order.clone()).with(asks).judge(Phase::Open), Judgement::Quote);
        let quote = Some(touch(Some("800"), Some("801"), "800"));
        Case::of(order.clone()).with(asks).with(|case| case.quote = quote).passes();
        let gone = |case: &mut Case| case.unquoted = Unquoted::Missing("no answer within 800 ms");
        Case::of(order.clone())
            .with(gone)
            .refused(Tag::RiskLimitsExceeded, &["no fresh quote for a market order: no answer within 800 ms"]);
        Case::of(order.clone()).with(asks).with(|case| case.latched = Some("kill level 1")).refused(Tag::KillSwitch, &["kill level 1"]);
        Case::of(order).with(asks).with(|case| case.now = at(40)).refused(Tag::StaleSignal, &["old"]);
    }
    Case::of(stop_market(1)).passes();
    Case::of(order(1)).with(asks).passes();
    let held = Case::among(exit(2), &[], &[("trend", sbin_in(Product::Mis), 10)]).with(asks);
    assert!(matches!(held.judge(Phase::Open), Judgement::Clear { .. }), "an exit is not valued");
}

/// What a person sees was judged with a quote; while the person thinks none is asked for.
#[test]
fn a_basket_that_waits_for_a_yes_asks_for_no_quotes_meanwhile() {
    use crate::arming::ArmMode;
    let case = Case::of(market(1)).with(|case| (case.standing, case.unquoted) = (under(ArmMode::Approve), Unquoted::Ask));
    assert_eq!(case.judge(Phase::Open), Judgement::Quote, "before it is shown");
}

#[test]
fn a_price_far_beyond_the_touch_is_refused_and_a_patient_one_is_not() {
    let case = |side, text: &str, trigger: Option<&str>, quote: Option<Quote>| {
        let mut me = order(1).side(side).asks(1);
        me.ask.price = Some(price(text));
        if let Some(trigger) = trigger {
            (me.ask.order_type, me.ask.trigger_price) = (Some(OrderType::StopLimit), Some(price(trigger)));
        }
        Case::of(me).with(|case| (case.quote, case.account.limits.collar_percent) = (quote, 10.into()))
    };
    let seen = touch(Some("799"), Some("800"), "799.50");
    let quote = Some(seen);
    case(Side::Buy, "880", None, quote).passes();
    case(Side::Buy, "880.05", None, quote)
        .refused(Tag::RiskLimitsExceeded, &["risk.price_collar: BUY at 880.05, from 800 (limit: at most 880: 10 % beyond)"]);
    case(Side::Buy, "8", None, quote).passes();
    case(Side::Sell, "719.10", None, quote).passes();
    case(Side::Sell, "719.05", None, quote).refused(Tag::RiskLimitsExceeded, &["at least 719.1"]);
    case(Side::Sell, "8000", None, quote).passes();
    case(Side::Buy, "8000", None, None).passes();
    case(Side::Buy, "1100", Some("1000"), quote).passes();
    case(Side::Buy, "1101", Some("1000"), quote).refused(Tag::RiskLimitsExceeded, &["risk.price_collar: BUY at 1101, from 1000"]);
    let banded = Some(Quote { band: Some((price("720"), price("870"))), ..seen });
    case(Side::Buy, "870.05", None, banded).refused(Tag::RiskLimitsExceeded, &["870.05 (limit: inside the day's band of 720 to 870)"]);
    case(Side::Buy, "719.95", None, banded).refused(Tag::RiskLimitsExceeded, &["inside the day's band"]);
}

fn funds(available: i64) -> crate::ports::Funds {
    crate::ports::Funds { cash: rupees(9_000), margin_used: rupees(0), available: rupees(available) }
}

#[test]
fn what_must_be_paid_in_full_is_not_more_than_the_broker_has_left() {
    let case = |available, reserve, age: i64| {
        Case::among(order(2).product(Product::Cnc), &[], &[]).with(|case| {
            case.findings.funds = Some((funds(available), at(-age)));
            case.account.limits.capital_reserve = rupees(reserve);
        })
    };
    case(8_000, 0, 0).passes();
    case(7_999, 0, 0)
        .refused(Tag::RiskLimitsExceeded, &["risk.margin: 7999 rupees available at the broker, this order takes 8000 in full (limit"]);
    case(8_500, 501, 0).refused(Tag::RiskLimitsExceeded, &["(limit: 501 rupees left untouched)"]);
    case(1, 0, 120).refused(Tag::RiskLimitsExceeded, &["risk.margin"]);
    case(1, 0, 121).passes();
}

#[test]
fn a_margin_that_only_the_broker_knows_is_an_estimate_and_is_called_one() {
    let case = |available, is_live: bool| {
        Case::of(order(2)).with(|case| {
            case.findings.funds = Some((funds(available), at(0)));
            (case.is_live, case.master) = (is_live, Some(crate::order::trading_date(at(0))));
            case.quote = Some(touch(Some("800"), Some("800"), "800"));
        })
    };
    case(2_000, false).passes();
    let words = "risk.margin: 1999 rupees available at the broker, this order takes 2000 by estimate, 25 % of its value (limit";
    case(1_999, false).refused(Tag::RiskLimitsExceeded, &[words]);
    let refuses = |holds| move |case: &mut Case| case.account.limits.margin_refuses = holds;
    case(1_999, false).with(refuses(crate::settings::Holds::Never)).passes();
    case(1_999, true).with(refuses(crate::settings::Holds::Always)).refused(Tag::RiskLimitsExceeded, &["by estimate"]);
    let (_, gates) = case(1_999, true).passes();
    let gate = gates.iter().find(|gate| gate.gate == "risk.margin").unwrap();
    assert!(gate.input.ends_with("by estimate, 25 % of its value; the broker decides"), "{}", gate.input);
    // A reserve that a coarse estimate would use is no reason to refuse; the record has it, and the entry after it is refused.
    let reserve = |case: &mut Case| case.account.limits.capital_reserve = rupees(500);
    let (_, gates) = case(2_400, true).with(reserve).passes();
    let gate = gates.iter().find(|gate| gate.gate == "risk.margin").unwrap();
    assert!(gate.input.ends_with("of its value: that would leave 400; the broker decides"), "{}", gate.input);
    let (_, gates) = case(2_500, true).with(reserve).passes();
    assert!(gates.iter().any(|gate| gate.input.ends_with("of its value; the broker decides")), "{gates:?}");
    case(499, true).with(reserve).refused(Tag::RiskLimitsExceeded, &["risk.margin: 499 rupees available"]);
    case(2_499, true)
        .with(reserve)
        .with(refuses(crate::settings::Holds::Always))
        .refused(Tag::RiskLimitsExceeded, &["500 rupees left untouched"]);
    case(0, true).refused(Tag::RiskLimitsExceeded, &["risk.margin: 0 rupees available"]);
    case(100, true)
        .with(|case| case.account.limits.capital_reserve = rupees(101))
        .refused(Tag::RiskLimitsExceeded, &["risk.margin: 100 rupees available", "101 rupees left untouched"]);
}

#[test]
fn entries_that_came_since_the_broker_told_take_of_what_it_told() {
    let newer = |number| order(number).by("other").product(Product::Cnc).asks(1);
    let case = |others: &[OrderRecord], available| {
        let mut me = order(9).product(Product::Cnc);
        me.created_at = at(0);
        Case::among(me, others, &[]).with(|case| case.findings.funds = Some((funds(available), at(-1))))
    };
    let words = &["takes 8000 in full, entries since the broker told take 800 more"];
    case(&[newer(1)], 8_800).passes();
    case(&[newer(1)], 8_799).refused(Tag::RiskLimitsExceeded, words);
    let filled = newer(1).working("1").filled(1, 1);
    case(&[filled], 8_799).refused(Tag::RiskLimitsExceeded, words);
    let failed = newer(1).ended(Status::Failed, Some(Tag::BrokerRejected));
    case(std::slice::from_ref(&failed), 8_000).passes();
    case(&[failed, newer(2)], 8_799).refused(Tag::RiskLimitsExceeded, words);
    let old = OrderRecord { created_at: at(-2), ..newer(1) };
    case(&[old, exit(2)], 8_000).passes();
    case(&[newer(10)], 8_000).passes();
}

/// A price that nothing can be held against is not sent where real money moves, unless the settings say so.
#[test]
fn with_real_money_an_entry_needs_a_fresh_quote_whatever_its_price() {
    use crate::settings::Holds;
    let case = |order: OrderRecord, unquoted, holds| {
        Case::of(order).with(|case| {
            (case.is_live, case.master) = (true, Some(crate::order::trading_date(at(0))));
            (case.unquoted, case.account.limits.needs_quote) = (unquoted, holds);
        })
    };
    let mut stop = order(1);
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopLimit), Some(price("799")));
    for order in [order(1), stop] {
        let case = |unquoted, holds| case(order.clone(), unquoted, holds);
        case(Unquoted::Refuse, Holds::Live).refused(Tag::RiskLimitsExceeded, &["risk.price_collar: no fresh quote to hold it against ("]);
        assert_eq!(case(Unquoted::Ask, Holds::Live).judge(Phase::Open), Judgement::Quote);
        case(Unquoted::Missing("no answer"), Holds::Live).refused(Tag::RiskLimitsExceeded, &["to hold it against: no answer"]);
        case(Unquoted::Refuse, Holds::Never).passes();
        let quote = Some(touch(Some("800"), Some("800"), "800"));
        case(Unquoted::Ask, Holds::Live).with(|case| case.quote = quote).passes();
        case(Unquoted::Refuse, Holds::Live).with(|case| case.is_live = false).passes();
        case(Unquoted::Refuse, Holds::Always).with(|case| case.is_live = false).refused(Tag::RiskLimitsExceeded, &["risk.price_collar"]);
    }
    case(order(1).test(), Unquoted::Refuse, Holds::Live).passes();
    let market = case(market(1), Unquoted::Ask, Holds::Live);
    assert_eq!(market.judge(Phase::Open), Judgement::Quote, "both rules lack the same");
}
