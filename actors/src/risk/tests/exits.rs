//! Exits are never refused for a limit.

use super::*;

#[test]
fn an_exit_is_never_refused_for_a_limit() {
    let mut large = exit(9).asks(1_000);
    (large.signal_time, large.created_at) = (at(-50), at(-50));
    let others: Vec<_> = (1..=8).map(|number| order(number).by("other").doubted()).collect();
    let case = Case::among(large, &others, &[("trend", sbin_in(Product::Mis), 1_000)]).with(|case| {
        shows_lost(&mut case.findings, 1_000_000, at(-3_600));
        (case.low_disk, case.clock_behind, case.clock_set_back) = (Some(0), Some(at(900)), Some(seconds(900)));
        (case.master, case.is_live) = (NaiveDate::from_ymd_opt(2020, 1, 1), true);
        case.instrument = sbin();
    });
    let (terms, gates) = case.passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product), (Side::Sell, 1_000, Product::Mis));
    let names: Vec<&str> = gates.iter().map(|gate| gate.gate.as_ref()).collect();
    assert_eq!(names, ["risk.kill", "risk.stale_signal", "risk.exit_size", "risk.self_trade"]);
}

#[test]
fn an_exit_waits_for_a_session_instead_of_being_refused() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let case = Case::among(exit(1), &[], &held).with(|case| case.findings.session = Some(Session::NotReady("logged out".into())));
    let Judgement::Wait { reason } = case.judge(Phase::Open) else { panic!("an exit must wait") };
    assert_eq!(reason, "no broker session: logged out");
}

#[test]
fn an_exit_is_refused_when_frozen_or_older_than_its_position() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    Case::among(exit(1), &[], &held).with(|case| case.latched = Some("exits are frozen")).refused(Tag::KillSwitch, &["exits are frozen"]);
    let made = |second| Case::among(exit(1), &[], &held).with(|case| case.order.signal_time = at(second));
    made(-60).passes();
    made(-61).refused(Tag::StaleSignal, &["made at", "not before the position was opened at"]);
    for source in [Source::System, Source::Stop] {
        made(-61).with(|case| case.order.source = source).passes();
    }
    made(6).passes();
    made(5).passes();
}

#[test]
fn exits_go_before_entries_do() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    assert!(matches!(Case::among(exit(1), &[], &held).judge(Phase::ExitsOnly), Judgement::Clear { .. }));
    assert!(matches!(Case::of(order(1)).judge(Phase::ExitsOnly), Judgement::Wait { .. }));
}

#[test]
fn an_exit_waits_for_positions_that_were_never_read_or_lack_our_last_fill() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let never = Case::among(exit(1), &[], &held).with(|case| case.findings.positions = None);
    assert!(matches!(never.judge(Phase::Open), Judgement::Wait { .. }));
    let old = Case::among(exit(1), &[], &held).with(|case| case.findings.positions.as_mut().unwrap().began_seq = SEQ - 1);
    assert!(matches!(old.judge(Phase::Open), Judgement::Wait { .. }));
    old.with(|case| case.order.source = Source::System).passes();
}

#[test]
fn a_mock_exit_needs_no_position() {
    let (terms, _) = Case::of(exit(1).test()).passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product), (Side::Sell, 1, Product::Mis));
}

#[test]
fn an_exit_out_of_session_waits_and_is_not_refused() {
    let holdings = [("trend", sbin_in(Product::Mis), 10)];
    let in_phase = |phase: SessionPhase, is_held| {
        let case = Case::among(exit(2), &[], &holdings).with(|case| case.market = Market { phase, is_held });
        case.judge(Phase::Open)
    };
    let waits = |phase| matches!(in_phase(phase, true), Judgement::Wait { reason } if reason.starts_with("the market takes no orders: "));
    assert!(waits(closed()));
    assert!(waits(SessionPhase::PreOpen { step: AuctionStep::LimitAndMarket, until: at(60) }));
    assert!(waits(SessionPhase::ClosingAuction { step: AuctionStep::Reference, until: at(60) }));
    assert!(waits(SessionPhase::PostClose { until: at(60) }), "its price is the close, and an order with another one is burnt there");
    for phase in [
        SessionPhase::Continuous { closes_at: at(60) },
        SessionPhase::ClosingAuction { step: AuctionStep::LimitOnly, until: at(60) },
        // A position must be closed: what the calendar does not know is left to the broker's answer.
        SessionPhase::Unknown(Missing::Day),
    ] {
        assert!(matches!(in_phase(phase.clone(), true), Judgement::Clear { .. }), "{phase}");
    }
    assert!(matches!(in_phase(closed(), false), Judgement::Clear { .. }));
}

#[test]
fn a_disarmed_account_refuses_entries_and_lets_exits_and_tests_go() {
    use crate::arming::ArmMode;
    let disarmed = |case: &mut Case| case.standing = under(ArmMode::Disarmed);
    Case::of(order(1)).with(disarmed).refused(Tag::NotArmed, &["risk.armed", "LIVE-DISARMED"]);
    let mut adjust = order(1);
    adjust.ask.intent = Some(Intent::Adjust);
    Case::of(adjust).with(disarmed).refused(Tag::NotArmed, &["risk.armed"]);
    let mut test = order(1);
    test.ask.test_mode = Some(crate::order::TestMode::Success);
    Case::of(test).with(disarmed).passes();
    Case::of(order(1)).with(|case| case.standing = under(ArmMode::Live)).passes();
    let held = Case::among(exit(2), &[], &[("trend", sbin_in(Product::Mis), 10)]).with(disarmed);
    assert!(!matches!(held.judge(Phase::Open), Judgement::Refuse { tag: Tag::NotArmed, .. }), "an exit is never refused for it");
}

#[test]
fn an_exit_clears_its_way_first_and_is_never_refused_for_it() {
    let holdings = [("trend", sbin_in(Product::Mis), 10)];
    let case = |other: OrderRecord| Case::among(exit(2), &[other], &holdings);
    let buys = || order(1).by("other").working("1");
    match case(buys()).judge(Phase::Open) {
        Judgement::MakeWay { orders, .. } => assert_eq!(orders, [command(1)]),
        other => panic!("wanted its way cleared, got {other:?}"),
    }
    case(buys().ended(Status::Failed, Some(Tag::SelfTrade))).passes();
    case(buys().side(Side::Sell)).passes();
    case(order(1).by("other").doubted()).passes();
    let old = case(buys()).with(|case| case.order.created_at = at(-6)).judge(Phase::Open);
    assert!(matches!(old, Judgement::MakeWay { .. }), "nobody has asked for the cancel yet: {old:?}");
    let late = |entry: OrderRecord| case(entry).with(|case| waited_since(case, 1, -6));
    let (_, gates) = late(OrderRecord { cancel_wanted: Some(Tag::SelfTrade), ..buys() }).passes();
    assert!(gates.iter().any(|gate| gate.gate == "risk.self_trade" && gate.input.contains("waited long enough")), "{gates:?}");
    assert!(matches!(late(buys()).judge(Phase::Open), Judgement::MakeWay { .. }), "its cancel is not on disk");
    let mut target = exit(2);
    (target.ask.order_type, target.ask.price) = (Some(OrderType::Limit), Some(price("900")));
    Case::among(target, &[buys()], &holdings).passes();
}

/// An exit was held up by this order since then.
fn waited_since(case: &mut Case, entry: u64, second: i64) {
    let Case { in_the_way, book, .. } = case;
    in_the_way.note(&[command(entry)], book, at(second));
}

#[test]
fn an_exit_of_all_takes_back_what_still_adds_to_its_position_and_does_not_wait_for_it_for_ever() {
    let holdings = [("trend", sbin_in(Product::Mis), 1)];
    let entry = || order(1).side(Side::Buy).product(Product::Mis).asks(10).working("B1").filled(1, 1);
    // The exit came at 0, and found the entry in its way then.
    let judged = |me: OrderRecord, entry: OrderRecord, second: i64| {
        let case = Case::among(OrderRecord { created_at: at(0), ..me }, &[entry], &holdings);
        case.with(|case| case.now = at(second)).with(|case| waited_since(case, 1, 0)).judge(Phase::Open)
    };
    let goes = |judged: Judgement| matches!(judged, Judgement::Clear { terms, .. } if terms.quantity.value() == 1);
    // Its limit meets no entry: what adds to the position is taken back for its own sake.
    let leaves = || {
        let mut order = exit(2);
        (order.ask.order_type, order.ask.price) = (Some(OrderType::Limit), Some(price("810")));
        order
    };
    let takes_back = |judged: Judgement| matches!(judged, Judgement::Step(crate::plan::Aim::Clear(orders, _)) if orders == [command(1)]);
    assert!(takes_back(judged(leaves(), entry(), 0)));
    assert!(takes_back(judged(leaves(), entry(), 60)), "whatever else has held the exit up: its cancel is asked for");
    let wanted = || OrderRecord { cancel_wanted: Some(Tag::Superseded), ..entry() };
    assert!(matches!(judged(leaves(), wanted(), 5), Judgement::MakeWay { reason, .. } if reason.contains("has not ended")));
    assert!(goes(judged(leaves(), wanted(), 6)), "long enough");
    let first_look = Case::among(leaves(), &[wanted()], &holdings).with(|case| case.now = at(60));
    assert!(matches!(first_look.judge(Phase::Open), Judgement::MakeWay { .. }), "it counts from when it was found in the way");
    assert!(goes(judged(leaves().asks(1), entry(), 0)), "a part that is asked for leaves the rest alone");
    assert!(goes(judged(leaves(), entry().by("other"), 0)), "so does the exit of another strategy");
    assert!(goes(judged(OrderRecord { source: Source::System, ..leaves() }, entry(), 0)), "the engine's own goes at once");
}
