//! When entries may go at all.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::*;

#[test]
fn an_entry_within_every_limit_goes_on_with_the_verdict_of_every_rule() {
    let (terms, gates) = Case::of(order(1)).passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product, terms.price), (Side::Buy, 10, Product::Mis, Some(price("800"))));
    let names: Vec<&str> = gates.iter().map(|gate| gate.gate.as_ref()).collect();
    assert_eq!(
        names,
        [
            "risk.basket",
            "risk.kill",
            "risk.armed",
            "risk.stale_signal",
            "risk.clock",
            "risk.session",
            "risk.calendar",
            "risk.master",
            "risk.quantity_unit",
            "risk.blind",
            "risk.disk",
            "risk.listed",
            "risk.intraday_cutoff",
            "risk.loss_days",
            "risk.daily_loss",
            "risk.max_quantity",
            "risk.max_order_value",
            "risk.price_collar",
            "risk.max_open_orders",
            "risk.max_open_value",
            "risk.max_position",
            "risk.max_position_underlying",
            "risk.max_short_option_lots",
            "risk.margin",
            "risk.trades_per_day",
            "risk.route_trades",
            "risk.messages",
            "risk.repeats",
            "risk.self_trade",
            "risk.in_doubt"
        ]
    );
    assert!(gates.iter().all(|gate| gate.passed && !gate.input.is_empty() && !gate.limit.is_empty()));
}

#[test]
fn every_gate_that_refuses_for_a_limit_says_what_to_do() {
    // These refuse by a tag of their own, which says it.
    let tagged =
        ["risk.kill", "risk.armed", "risk.stale_signal", "risk.session", "risk.calendar", "risk.intraday_cutoff", "risk.self_trade"];
    let (_, gates) = Case::of(order(1)).passes();
    let mut gates: Vec<&str> = gates.iter().map(|gate| gate.gate.as_ref()).filter(|gate| !tagged.contains(gate)).collect();
    gates.sort_unstable();
    let told: Vec<&str> = crate::order::REMEDIES.iter().map(|(gate, _)| *gate).collect();
    assert_eq!(gates, told);
    let refused = |reason: &str| crate::order::OrderRecord { tag: Some(Tag::RiskLimitsExceeded), reason: Some(reason.into()), ..order(1) };
    let says = |reason: &str| crate::order::remedy(&refused(reason)).unwrap();
    assert!(says("risk.master: the instruments of NSE are of 2026-11-19 (limit: of 2026-11-20)").contains("instruments fetch"));
    assert!(says("risk.max_quantity: 10 (limit: 5); risk.blind: never read (limit: 10 ms)").contains("smaller order"));
    assert_eq!(says("the broker takes no such order"), Tag::RiskLimitsExceeded.remedy());
}

#[test]
fn positions_older_than_the_limit_stop_entries() {
    let case = |milliseconds| {
        Case::of(order(1)).with(|case| case.findings.positions.as_mut().unwrap().at = at(0) - Duration::milliseconds(milliseconds))
    };
    case(14_999).passes();
    case(15_000).passes();
    case(15_001).refused(Tag::RiskLimitsExceeded, &["risk.blind: the broker's positions are 15001 ms old (limit: at most 15000 ms old)"]);
    Case::of(order(1)).with(|case| case.findings.positions = None).refused(Tag::RiskLimitsExceeded, &["were never read", "15000 ms"]);
}

#[test]
fn an_entry_lives_by_its_time_to_live() {
    let case = |age: Duration| Case::of(order(1)).with(|case| case.order.signal_time = case.now - age);
    case(seconds(29)).passes();
    case(seconds(30)).passes();
    case(Duration::milliseconds(30_001)).refused(Tag::StaleSignal, &["risk.stale_signal: 30.001 s old (limit: at most 30.000 s)"]);
    case(seconds(-5)).passes();
    case(Duration::milliseconds(-5_001)).refused(Tag::StaleSignal, &["made 5.001 s in the future", "at most 5.000 s ahead"]);
}

#[test]
fn no_entry_without_a_session_a_true_clock_room_on_the_disk_or_with_a_latch() {
    Case::of(order(1))
        .with(|case| case.findings.session = Some(Session::NotReady("token expired".into())))
        .refused(Tag::BrokerNotLoggedIn, &["risk.session: token expired (limit: proven by a read)"]);
    Case::of(order(1)).with(|case| case.findings.session = None).refused(Tag::BrokerNotLoggedIn, &["not proven yet"]);
    Case::of(order(1))
        .with(|case| case.clock_behind = Some(at(7)))
        .refused(Tag::RiskLimitsExceeded, &["risk.clock", "not behind the newest journal row of"]);
    Case::of(order(1))
        .with(|case| case.clock_set_back = Some(Duration::minutes(60)))
        .refused(Tag::RiskLimitsExceeded, &["risk.clock: the machine's clock was set back and stands 3600.000 s behind"]);
    for (ms, is_fine) in [(2_000, true), (-2_000, true), (40_000, false), (-40_000, false)] {
        let case = Case::of(order(1)).with(|case| case.clock_skew = Some(Duration::milliseconds(ms)));
        if is_fine {
            case.passes();
        } else {
            case.refused(
                Tag::RiskLimitsExceeded,
                &[&format!("risk.clock: the broker's clock is {ms} ms from ours (limit: at most 2000 ms")],
            );
        }
    }
    Case::of(order(1))
        .with(|case| case.low_disk = Some(999))
        .refused(Tag::RiskLimitsExceeded, &["risk.disk: 999 bytes free (limit: at least 1000 bytes free)"]);
    Case::of(order(1)).with(|case| case.latched = Some("level 1")).refused(Tag::KillSwitch, &["risk.kill: level 1 (limit: armed)"]);
}

/// Two in the morning in India is still the day before in UTC: the day is India's.
#[test]
fn a_master_that_is_not_of_today_stops_entries() {
    let case = |as_of: &str, now: &str| {
        Case::of(order(1)).with(|case| {
            case.now = now.parse().unwrap();
            case.order.signal_time = case.now;
            case.findings.positions.as_mut().unwrap().at = case.now;
            case.master = Some(as_of.parse().unwrap());
            case.market.phase = SessionPhase::Continuous { closes_at: case.now + seconds(3_600) };
        })
    };
    case("2026-11-20", "2026-11-20T04:00:00Z").passes();
    case("2026-11-20", "2026-11-20T18:29:59Z").passes();
    case("2026-11-21", "2026-11-20T04:00:00Z").passes();
    case("2026-11-20", "2026-11-20T18:30:00Z")
        .refused(Tag::RiskLimitsExceeded, &["risk.master: the instruments of NSE are of 2026-11-20 (limit: of 2026-11-21)"]);
    case("2026-11-19", "2026-11-20T04:00:00Z").refused(Tag::RiskLimitsExceeded, &["are of 2026-11-19 (limit: of 2026-11-20)"]);
    // Rows without a day are a sample: for practice, not for real money.
    let undated = |is_live| case("2026-11-20", "2026-11-20T04:00:00Z").with(|case| (case.master, case.is_live) = (None, is_live));
    undated(false).passes();
    undated(true).refused(Tag::RiskLimitsExceeded, &["risk.master: undated (limit: of 2026-11-20)"]);
}

#[test]
fn real_money_needs_a_settled_quantity_unit_on_mcx_and_cds() {
    let case = |exchange| {
        Case::of(order(1)).with(|case| {
            case.instrument = InstrumentKey::new(exchange, "CRUDEOILM19AUG26");
            case.found.lot = crate::testkit::builders::units(10);
            case.is_live = true;
            case.quote = Some(touch(Some("800"), Some("800"), "800"));
            case.master = Some(crate::order::trading_date(case.now));
        })
    };
    for exchange in [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo] {
        case(exchange).passes();
    }
    case(Exchange::Mcx).with(|case| case.is_live = false).passes();
    case(Exchange::Mcx)
        .refused(Tag::RiskLimitsExceeded, &["risk.quantity_unit", "MCX is not settled", "`ordergate conformance`", "quantity_unit.mcx"]);
    case(Exchange::Cds).refused(Tag::RiskLimitsExceeded, &["CDS is not settled", "quantity_unit.cds"]);
    // Where a lot is one unit, there is nothing to settle.
    case(Exchange::Cds).with(|case| case.found.lot = crate::testkit::builders::units(1)).passes();
    let settled = |unit| {
        move |case: &mut Case| {
            case.account.quantity_units.mcx = Some(unit);
        }
    };
    case(Exchange::Mcx).with(settled(QuantityUnit::Lots)).passes();
    case(Exchange::Mcx).with(settled(QuantityUnit::Units)).passes();
    case(Exchange::Cds).with(settled(QuantityUnit::Units)).refused(Tag::RiskLimitsExceeded, &["CDS is not settled"]);
}

/// A contract of which a point is worth a thousand rupees is valued by that, with real money and without.
#[test]
fn a_contract_is_held_against_limits_by_what_its_points_are_worth() {
    let dollars = InstrumentKey::new(Exchange::Cds, "USDINR27NOV26F");
    let asks = |value: i64| {
        let mut order = order(1);
        (order.ask.exchange, order.ask.symbol) = (Some(Exchange::Cds), Arc::clone(&dollars.symbol));
        Case::of(order).with(|case| {
            case.instrument = dollars.clone();
            case.found.rupees_per_point = Decimal::ONE_THOUSAND;
            case.is_live = true;
            case.quote = Some(touch(Some("800"), Some("800"), "800"));
            case.master = Some(crate::order::trading_date(case.now));
            (case.account.limits.max_order_value, case.account.limits.max_open_value) = (rupees(value), rupees(value));
            case.findings.funds = None;
        })
    };
    asks(8_000_000).passes();
    let words =
        ["risk.max_order_value: 10 x 800 x 1000 rupees a point = 8000000 rupees (limit: 7999999 rupees)", "risk.max_open_value: 8000000"];
    asks(7_999_999).refused(Tag::RiskLimitsExceeded, &words);
    asks(7_999_999).with(|case| case.is_live = false).refused(Tag::RiskLimitsExceeded, &words);
}

/// The state of a contract, as committed.
fn contract(case: &mut Case, point: Option<i64>, broker_says: Option<i64>) {
    let kept = crate::pnl::ContractKept {
        instrument: case.instrument.clone(),
        rupees_per_point: point.map(Decimal::from),
        broker_says: broker_says.map(Decimal::from),
    };
    let key = case.instrument.to_string();
    keep(case, crate::persistence::Topic::Contract, &key, &kept);
}

#[test]
fn what_two_say_otherwise_of_a_contract_keeps_real_money_out_and_lets_exits_go() {
    let dollars = InstrumentKey::new(Exchange::Cds, "USDINR27NOV26F");
    let held = crate::order::HoldingKey { instrument: dollars.clone(), product: crate::order::Product::Mis };
    let case = |order: OrderRecord, held: &[(&str, crate::order::HoldingKey, i64)]| {
        let mut order = order;
        (order.ask.exchange, order.ask.symbol) = (Some(Exchange::Cds), Arc::clone(&dollars.symbol));
        Case::among(order, &[], held).with(|case| {
            case.instrument = dollars.clone();
            case.found.key = dollars.clone();
            case.is_live = true;
            case.quote = Some(touch(Some("800"), Some("800"), "800"));
            case.master = Some(crate::order::trading_date(case.now));
        })
    };
    case(order(1), &[]).with(|case| contract(case, Some(1), None)).passes();
    let contradicted = |case: &mut Case| contract(case, Some(1), Some(1_000));
    case(order(1), &[])
        .with(contradicted)
        .refused(Tag::RiskLimitsExceeded, &["1 rupees a unit by the master, and 1000 by the broker's own rows"]);
    case(order(1), &[]).with(contradicted).with(|case| case.is_live = false).passes();
    let holds = [("trend", held, 10)];
    case(crate::testkit::builders::exit(1), &holds).with(contradicted).passes();
    // A master that says another worth while something is held makes nonsense of its rupees; nobody is held to a worth of old.
    let another = |case: &mut Case| contract(case, Some(10), None);
    case(order(1), &holds)
        .with(another)
        .refused(Tag::RiskLimitsExceeded, &["was 10 rupees a unit when it was traded, and is 1 in today's master"]);
    case(order(1), &[]).with(another).passes();
}

#[test]
fn an_entry_waits_for_nothing_but_is_refused_while_the_symbol_is_in_doubt() {
    let words = ["risk.in_doubt", "is being looked for at the broker", "no order of NSE:SBIN-EQ in doubt"];
    Case::among(order(2), &[order(1).by("other").doubted()], &[]).refused(Tag::RiskLimitsExceeded, &words);
    Case::among(order(2), &[order(1).by("other").of("INFY-EQ").doubted()], &[]).passes();
}

#[test]
fn the_entries_of_a_basket_fall_together() {
    let mut refused = order(1).basket(50, 0).ended(Status::Failed, Some(Tag::KillSwitch));
    refused.reason = Some("level 1".into());
    let second = order(2).of("INFY-EQ").basket(50, 1);
    Case::among(second.clone(), std::slice::from_ref(&refused), &[])
        .refused(Tag::KillSwitch, &["leg 1 of this basket was refused: level 1"]);
    let mut rejected = refused.clone();
    rejected.sent_at = Some(at(1));
    Case::among(second.clone(), &[rejected], &[]).passes();
    Case::among(second, &[order(1).ended(Status::Failed, Some(Tag::KillSwitch))], &[]).passes();
}

#[test]
fn every_refusal_is_named_and_the_first_gives_the_tag() {
    Case::of(order(1).asks(500))
        .with(|case| case.latched = Some("level 2"))
        .refused(Tag::KillSwitch, &["risk.kill: level 2", "; risk.max_quantity: 500 (limit: 100)", "; risk.max_order_value: 500 x 800"]);
}

#[test]
fn while_the_books_are_read_everything_waits_but_a_stale_entry_ends_at_once() {
    assert!(matches!(Case::of(order(1)).judge(Phase::Recovering), Judgement::Wait { .. }));
    let stale = Case::of(order(1)).with(|case| case.now = at(31));
    match stale.judge(Phase::Recovering) {
        Judgement::Refuse { tag, reason, gates } => {
            assert_eq!((tag, gates.len()), (Tag::StaleSignal, 1));
            assert!(reason.contains("31.000 s old"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let old_exit = Case::among(exit(1), &[], &held).with(|case| case.order.signal_time = at(-600));
    assert!(matches!(old_exit.judge(Phase::Recovering), Judgement::Wait { .. }), "an exit waits, whatever its age");
    let latched = Case::of(order(1)).with(|case| case.latched = Some("level 1"));
    assert!(matches!(latched.judge(Phase::Recovering), Judgement::Wait { .. }));
}

#[test]
fn an_order_that_is_not_whole_is_refused_and_not_guessed() {
    let lacks: [fn(&mut OrderRecord); 3] =
        [|order| order.ask.side = None, |order| order.ask.product = None, |order| order.ask.order_type = None];
    for change in lacks {
        let mut order = order(1);
        change(&mut order);
        Case::of(order).refused(Tag::ValidationFailed, &["must be given"]);
    }
    let mut untyped = exit(1);
    untyped.ask.order_type = None;
    let judged = Case::among(untyped, &[], &[("trend", sbin_in(Product::Mis), 10)]).judge(Phase::Open);
    assert!(matches!(judged, Judgement::Refuse { tag: Tag::ValidationFailed, .. }), "{judged:?}");
}

#[test]
fn the_doubt_of_the_order_itself_is_not_in_its_way() {
    let me = order(1).doubted();
    assert_eq!(me.command_id, command(1));
    Case::of(me).passes();
}

#[test]
fn an_entry_outside_the_session_of_its_instrument_is_refused() {
    let reference = SessionPhase::ClosingAuction { step: AuctionStep::Reference, until: at(60) };
    let auction = SessionPhase::ClosingAuction { step: AuctionStep::LimitAndMarket, until: at(60) };
    let in_phase = |phase: SessionPhase| {
        Case::of(order(1)).with(|case| {
            case.market = Market { phase, is_held: true };
            case.account.limits.intraday_cutoff = std::time::Duration::ZERO;
        })
    };
    let words = ["risk.calendar: closed (Holi), opens Wed 4 Mar 2026 09:15 IST (limit: in continuous trading)"];
    in_phase(closed()).refused(Tag::MarketClosed, &words);
    in_phase(SessionPhase::Unknown(Missing::Day)).refused(Tag::MarketClosed, &["no calendar covers this day"]);
    in_phase(SessionPhase::PreOpen { step: AuctionStep::LimitAndMarket, until: at(60) }).refused(Tag::MarketClosed, &["pre-open"]);
    in_phase(reference).refused(Tag::MarketClosed, &["closing auction (reference price, no orders)"]);
    in_phase(auction).refused(Tag::MarketClosed, &["closing auction (limit and market orders)"]);
    in_phase(SessionPhase::PostClose { until: at(60) }).refused(Tag::MarketClosed, &["post-close"]);
    in_phase(SessionPhase::Continuous { closes_at: at(1) }).passes();
}

#[test]
fn an_account_that_is_not_held_to_the_calendar_trades_at_any_time_and_its_record_says_so() {
    for phase in [closed(), SessionPhase::Unknown(Missing::Day)] {
        let (_, gates) = Case::of(order(1)).with(|case| case.market = Market { phase, is_held: false }).passes();
        let gate = gates.iter().find(|gate| gate.gate == "risk.calendar").unwrap();
        assert_eq!(gate.limit, "not held to the calendar (calendar.enforce)");
    }
}

#[test]
fn in_approve_only_what_passes_everything_else_is_put_before_a_person() {
    use crate::arming::ArmMode;
    let approve = |case: &mut Case| case.standing = under(ArmMode::Approve);
    assert!(matches!(Case::of(order(1)).with(approve).judge(Phase::Open), Judgement::Ask { .. }));
    Case::of(order(1)).with(approve).with(|case| case.latched = Some("kill level 1")).refused(Tag::KillSwitch, &["kill level 1"]);
}

#[test]
fn an_entry_that_could_meet_an_exit_of_ours_is_refused() {
    let rests = |side, text: &str| {
        let mut other = order(1).by("other").intent(crate::order::Intent::Exit).side(side).working("1");
        other.ask.price = Some(price(text));
        other
    };
    let case = |me: OrderRecord, other: OrderRecord| {
        Case::among(me, &[other], &[]).with(|case| case.quote = Some(touch(Some("800"), Some("800"), "800")))
    };
    case(order(2), rests(Side::Sell, "800")).refused(Tag::SelfTrade, &["risk.self_trade: order", "of other would meet it: 10 at 800"]);
    case(order(2), rests(Side::Sell, "800.05")).passes();
    case(order(2).side(Side::Sell), rests(Side::Buy, "800")).refused(Tag::SelfTrade, &["risk.self_trade"]);
    case(order(2).side(Side::Sell), rests(Side::Buy, "799.95")).passes();
    case(order(2).market(), rests(Side::Sell, "900")).refused(Tag::SelfTrade, &["risk.self_trade"]);
    case(order(2), rests(Side::Buy, "800")).passes();
    case(order(2), order(1).by("other").side(Side::Sell).working("1")).passes();
    case(order(2), rests(Side::Sell, "800").test()).passes();
    case(order(2), rests(Side::Sell, "800").ended(Status::Executed, None)).passes();
    let mut stop = rests(Side::Sell, "780");
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopLimit), Some(price("785")));
    case(order(2), stop).passes();
}

#[test]
fn no_intraday_entry_shortly_before_the_session_ends() {
    let case = |product, left_s: i64| {
        Case::of(order(1).product(product)).with(|case| case.market.phase = SessionPhase::Continuous { closes_at: at(left_s) })
    };
    case(Product::Mis, 15 * 60 + 1).passes();
    case(Product::Mis, 15 * 60).refused(Tag::MarketClosed, &["risk.intraday_cutoff: intraday, the session ends"]);
    case(Product::Cnc, 60).passes();
    case(Product::Mis, 60).with(|case| case.market.is_held = false).passes();
}
