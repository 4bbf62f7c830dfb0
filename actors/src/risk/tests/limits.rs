//! Limits of units, orders and lists.

use super::*;

#[test]
fn max_quantity_takes_its_limit_and_refuses_one_more() {
    let case = |quantity| Case::of(order(1).asks(quantity)).with(|case| case.account.limits.max_order_value = rupees(1_000_000));
    case(99).passes();
    case(100).passes();
    case(101).refused(Tag::RiskLimitsExceeded, &["risk.max_quantity: 101 (limit: 100)"]);
}

#[test]
fn max_open_orders_counts_the_order_itself_and_those_before_it() {
    let others = |count: u64| (1..=count).map(|number| order(number).by("other").of("INFY-EQ")).collect::<Vec<_>>();
    Case::among(order(10), &others(1), &[]).passes();
    Case::among(order(10), &others(2), &[]).passes();
    Case::among(order(10), &others(3), &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders: 4 (limit: 3)"]);
    Case::among(order(10), &others(9), &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders"]);
    let later: Vec<_> = (11..=13).map(order).collect();
    Case::among(order(10), &later, &[]).passes();
    let later_but_sent: Vec<_> = (11..=13).map(|number| order(number).sent()).collect();
    Case::among(order(10), &later_but_sent, &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders: 4"]);
    let mocks: Vec<_> = others(9).into_iter().map(Build::test).collect();
    Case::among(order(10), &mocks, &[]).passes();
    let ended: Vec<_> = others(9).into_iter().map(|order| order.ended(Status::Executed, None)).collect();
    Case::among(order(10), &ended, &[]).passes();
}

#[test]
fn of_many_concurrent_orders_exactly_the_limit_passes() {
    let all: Vec<_> = (1..=8).map(|number| order(number).by(&format!("s{number}"))).collect();
    let passed: Vec<u64> = all
        .iter()
        .filter(|order| matches!(Case::among((*order).clone(), &all, &[]).judge(Phase::Open), Judgement::Clear { .. }))
        .map(|order| order.number)
        .collect();
    assert_eq!(passed, [1, 2, 3]);
}

#[test]
fn a_sale_is_measured_like_a_purchase() {
    for side in [Side::Buy, Side::Sell] {
        let case = |quantity| Case::of(order(1).asks(quantity).side(side)).with(|case| case.account.limits.max_position = 50);
        case(50).passes();
        case(51).refused(Tag::RiskLimitsExceeded, &["risk.max_position: 51 NSE:SBIN-EQ at the worst (limit: 50)"]);
        case(101).refused(Tag::RiskLimitsExceeded, &["risk.max_quantity: 101", "risk.max_order_value: 101 x 800 = 80800"]);
    }
}

#[test]
fn open_value_underlying_and_trades_are_bounded() {
    let others = || vec![order(1).by("a").asks(10).sent(), order(2).by("b").asks(10).sent()];
    let case = |change: fn(&mut crate::settings::Limits)| {
        Case::among(order(10).asks(10), &others(), &[]).with(|case| change(&mut case.account.limits))
    };
    case(|limits| limits.max_open_value = rupees(24_000)).passes();
    case(|limits| limits.max_open_value = rupees(23_999))
        .refused(Tag::RiskLimitsExceeded, &["risk.max_open_value: 24000 rupees (limit: 23999 rupees)"]);
    case(|limits| limits.max_position_underlying = 30).passes();
    case(|limits| limits.max_position_underlying = 29)
        .refused(Tag::RiskLimitsExceeded, &["risk.max_position_underlying: 30 units of SBIN at the worst (limit: 29)"]);
    case(|limits| limits.trades_per_day = 3).passes();
    case(|limits| limits.trades_per_day = 2).refused(Tag::RiskLimitsExceeded, &["risk.trades_per_day: 3 (limit: 2)"]);
}

fn option_case(side: Side, held: i64, limit: i64) -> Case {
    let key = InstrumentKey::new(Exchange::Nfo, "NIFTY26D0124000CE");
    let mut me = order(1).of(&key.symbol).side(side).asks(75);
    (me.ask.exchange, me.ask.price) = (Some(Exchange::Nfo), Some(price("100")));
    let holding = crate::order::HoldingKey { instrument: key.clone(), product: Product::Nrml };
    Case::among(me, &[], &[("other", holding, held)]).with(|case| {
        let expiry = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let kind = crate::order::Kind::Option { expiry, strike: price("24000"), right: crate::order::Right::Call };
        case.found = Instrument { kind, lot: crate::testkit::builders::units(75), underlying: "NIFTY".into(), ..share() };
        case.instrument = key;
        case.account.limits.max_short_option_lots = limit;
    })
}

#[test]
fn short_options_are_bounded_in_lots_and_bought_ones_are_not() {
    option_case(Side::Sell, 0, 1).passes();
    option_case(Side::Sell, 0, 0)
        .refused(Tag::RiskLimitsExceeded, &["risk.max_short_option_lots: 1 lots of short options at the worst (limit: 0)"]);
    option_case(Side::Buy, 0, 0).passes();
}

#[test]
fn too_many_orders_in_a_minute_stop_entries() {
    let others = |second| {
        let created_at = at(second);
        (1..=3).map(|number| OrderRecord { created_at, ..exit(number).ended(Status::Executed, None) }).collect::<Vec<_>>()
    };
    let case = |second, limit| Case::among(order(4), &others(second), &[]).with(|case| case.account.limits.messages_per_minute = limit);
    case(-59, 4).passes();
    case(-59, 3).refused(Tag::RiskLimitsExceeded, &["risk.messages: more than 3 orders, changes and cancels in a minute, of which 0 were"]);
    case(-60, 3).passes();
}

#[test]
fn changes_and_cancels_are_messages_too() {
    let moved = |second| OrderRecord {
        modifications: 2,
        cancel_wanted: Some(Tag::CancelledByUser),
        created_at: at(-600),
        updated_at: at(second),
        ..order(1).by("other").of("INFY-EQ").working("1")
    };
    let case = |second, limit| {
        let recent = OrderRecord { created_at: at(-10), ..exit(2).ended(Status::Executed, None) };
        Case::among(order(3), &[moved(second), recent], &[]).with(|case| case.account.limits.messages_per_minute = limit)
    };
    // Two changes, a cancel, an order, and this one.
    case(-59, 5).passes();
    case(-59, 4)
        .refused(Tag::RiskLimitsExceeded, &["risk.messages: more than 4 orders, changes and cancels", "3 were changes and cancels"]);
    case(-59, 2).refused(Tag::RiskLimitsExceeded, &["risk.messages"]);
    case(-60, 2).passes();
}

#[test]
fn a_change_of_a_working_order_is_a_message_beside_all_orders() {
    let case = |limit| {
        let me = OrderRecord { created_at: at(-600), ..order(1).working("1") };
        let others: Vec<_> =
            (2..=3).map(|number| OrderRecord { created_at: at(-5), ..exit(number).ended(Status::Executed, None) }).collect();
        Case::among(me, &others, &[]).with(|case| case.account.limits.messages_per_minute = limit)
    };
    case(3).passes();
    case(2).refused(Tag::RiskLimitsExceeded, &["risk.messages: more than 2"]);
}

#[test]
fn what_is_banned_or_not_on_the_list_is_refused() {
    let case = |allow: &[&str], ban: &[&str]| {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Case::of(order(1)).with(|case| (case.account.limits.allow, case.account.limits.ban) = (words(allow), words(ban)))
    };
    for word in ["NSE:SBIN-EQ", "sbin-eq", "SBIN", "SB*", "nse:*"] {
        case(&[word], &[]).passes();
        case(&[], &[word]).refused(Tag::RiskLimitsExceeded, &["risk.listed: NSE:SBIN-EQ is banned by"]);
    }
    case(&["INFY", "BSE:*"], &[]).refused(Tag::RiskLimitsExceeded, &["risk.listed: NSE:SBIN-EQ is not among what is allowed"]);
    case(&["SBIN"], &["SBIN"]).refused(Tag::RiskLimitsExceeded, &["banned"]);
    case(&[], &["INFY"]).passes();
}

fn routed(mut order: OrderRecord, change: impl FnOnce(&mut crate::order::Routed)) -> OrderRecord {
    let mut terms = crate::order::Routed { route: "tv".into(), version: 1, adds: 0, trades_per_day: None, approval: false };
    change(&mut terms);
    order.ask.route = Some(std::sync::Arc::new(terms));
    order
}

#[test]
fn a_route_bounds_its_trades_of_one_day() {
    let two = |number| routed(order(number).by(&format!("s{number}")), |terms| terms.trades_per_day = Some(2));
    let mut yesterday = two(1).ended(Status::Executed, None);
    yesterday.created_at = at(0) - Duration::days(1);
    let refused = two(2).ended(Status::Failed, Some(Tag::KillSwitch));
    let mut cancelled = two(3).sent().ended(Status::Failed, Some(Tag::BrokerCancelled));
    cancelled.sent_at = Some(at(0));
    Case::among(two(5), &[yesterday.clone(), refused.clone(), cancelled.clone()], &[]).passes();
    let words = ["route tv has traded 2 times today", "2 trades of route tv"];
    Case::among(two(5), &[yesterday, refused, cancelled, two(4).working("B4")], &[]).refused(Tag::RiskLimitsExceeded, &words);
    Case::among(two(5), &[two(6).working("B6"), two(7).working("B7")], &[]).passes();
    Case::among(order(5), &[two(3).working("B3"), two(4).working("B4")], &[]).passes();
}

#[test]
fn a_route_may_want_a_persons_yes_where_the_account_wants_none() {
    let asks = routed(order(1), |terms| terms.approval = true);
    assert!(matches!(Case::of(asks.clone()).judge(Phase::Open), Judgement::Ask { .. }), "on paper");
    let live = |case: &mut Case| case.standing = under(crate::arming::ArmMode::Live);
    assert!(matches!(Case::of(asks.clone()).with(live).judge(Phase::Open), Judgement::Ask { .. }));
    let disarmed = |case: &mut Case| case.standing = under(crate::arming::ArmMode::Disarmed);
    Case::of(asks).with(disarmed).refused(Tag::NotArmed, &["LIVE-DISARMED"]);
    let mut leaves = routed(exit(2), |terms| terms.approval = true);
    leaves.number = 2;
    let held = Case::among(leaves, &[], &[("trend", sbin_in(Product::Mis), 10)]);
    assert!(matches!(held.judge(Phase::Open), Judgement::Clear { .. }), "an exit asks nobody");
}
