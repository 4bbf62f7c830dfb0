use ordergate_actors::arming::Mode;
use ordergate_actors::order::Amount;
use rust_decimal::Decimal;

use super::*;

fn fine() -> Inputs {
    let rupees = |value: i64| Amount(Decimal::from(value));
    Inputs {
        needs_arming: true,
        session: Ok("limits read".into()),
        clock_skew_ms: Some(-2_000),
        max_clock_skew: Duration::from_secs(2),
        address: "10.0.0.1".parse().ok(),
        address_refusal: None,
        registered: "10.0.0.1".parse().ok(),
        masters: vec![(Exchange::Nse, Some(Duration::from_secs(3_600)))],
        max_master_age: Duration::from_secs(86_400),
        limits: Limits { max_quantity: 1, max_order_value: rupees(1), max_open_orders: 1, daily_loss: rupees(1), ..Limits::standard() },
        funds: Some(Ok(Funds { cash: rupees(5), margin_used: rupees(1), available: rupees(4) })),
        is_full: false,
        stream_age: Some(Duration::from_secs(3)),
        stream_down: None,
        disk: (Some(1_000_000_000), 1_000_000),
        calendar: Today { open: vec![Exchange::Nse], is_held: true, ..Today::default() },
        version: "1".into(),
        journal: None,
        has_alerts: true,
        kill_level: 0,
        is_frozen: false,
        standing: Standing { mode: Mode::LiveDisarmed, why: "it was never armed".into(), until: None },
    }
}

fn closed(is_held: bool) -> Today {
    Today { closed: vec![(Exchange::Nse, "the weekend".into())], is_held, ..Today::default() }
}

#[test]
fn the_limits_name_the_position_and_none_of_them_is_nothing() {
    let limits = |most| {
        let report = judge(&Inputs { limits: Limits { max_position: most, ..fine().limits }, ..fine() });
        report.checks.into_iter().find(|check| check.name == "limits").unwrap()
    };
    assert_eq!((limits(200).verdict, limits(0).verdict), (Verdict::Ok, Verdict::Fail));
    assert!(limits(200).text.contains("position 200 units"), "{}", limits(200).text);
}

#[test]
fn a_fine_account_is_go_although_it_is_not_armed_yet() {
    let report = judge(&fine());
    assert_eq!(report.overall, Overall::Go, "{report:#?}");
    assert!(report.checks.iter().all(|check| check.verdict == Verdict::Ok), "{report:#?}");
}

#[test]
fn each_failure_alone_is_no_go_and_is_named() {
    type Break = fn(&mut Inputs);
    let cases: [(&str, Break); 16] = [
        ("session", |x| x.session = Err("expired".into())),
        ("clock", |x| x.clock_skew_ms = Some(2_001)),
        ("clock", |x| x.clock_skew_ms = Some(i64::MIN)),
        ("address", |x| x.address = "10.0.0.2".parse().ok()),
        ("address", |x| x.address_refusal = Some("Rejected : ALGO_CHK: Invalid IP".into())),
        ("master", |x| x.masters.push((Exchange::Nfo, Some(Duration::from_secs(86_401))))),
        ("master", |x| x.masters.push((Exchange::Nfo, None))),
        ("limits", |x| x.limits.daily_loss = Amount::ZERO),
        ("funds", |x| x.funds = Some(Err("no answer".into()))),
        ("stream", |x| (x.stream_age, x.stream_down) = (None, Some((MAX_STREAM_DOWN, "refused".into())))),
        ("disk", |x| x.disk = (Some(1), 2)),
        ("calendar", |x| x.calendar = closed(true)),
        ("calendar", |x| x.calendar = Today { unknown: vec![Exchange::Nse], is_held: true, ..Today::default() }),
        ("kill", |x| x.kill_level = 1),
        ("journal", |x| x.journal = Some("row 7".into())),
        ("kill", |x| x.is_frozen = true),
    ];
    for (name, spoil) in cases {
        let mut inputs = fine();
        spoil(&mut inputs);
        let report = judge(&inputs);
        assert_eq!(report.overall, Overall::NoGo, "{name}");
        assert_eq!(report.failed().map(|check| check.name).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn what_is_not_known_stops_nothing_and_is_said() {
    let unknown = Inputs {
        clock_skew_ms: None,
        address: None,
        registered: None,
        funds: Some(Err("too many calls".into())),
        is_full: true,
        calendar: Today { unknown: vec![Exchange::Nse], ..Today::default() },
        disk: (None, 1),
        has_alerts: false,
        ..fine()
    };
    let report = judge(&unknown);
    assert_eq!(report.overall, Overall::Go);
    let of = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).map(|check| check.name).collect::<Vec<_>>();
    assert_eq!(of(Verdict::Unknown), ["clock", "address", "funds", "disk", "calendar"]);
    assert_eq!(of(Verdict::Warn), ["alerts"]);
}

#[test]
fn a_registered_address_that_no_order_of_today_has_shown_is_a_warning() {
    let report = judge(&Inputs { address: None, ..fine() });
    let check = report.checks.iter().find(|check| check.name == "address").unwrap();
    assert_eq!((report.overall, check.verdict), (Overall::Go, Verdict::Warn));
    assert!(check.text.contains("10.0.0.1") && check.text.contains("look before the open"), "{}", check.text);
}

#[test]
fn a_stream_that_has_just_broken_or_has_no_session_stops_nothing() {
    let told = |inputs: Inputs| {
        let report = judge(&inputs);
        report.checks.into_iter().find(|check| check.name == "stream").map(|check| (check.verdict, check.text)).unwrap()
    };
    let down = |seconds| (None, Some((Duration::from_secs(seconds), "the broker refuses its login".to_owned())));
    let of = |(stream_age, stream_down), session| told(Inputs { stream_age, stream_down, session, ..fine() });
    let (verdict, text) = of(down(59), Ok("in".to_owned()));
    assert!(verdict == Verdict::Unknown && text.contains("refuses its login"), "{text}");
    assert_eq!(of(down(3_600), Err("expired".to_owned())).0, Verdict::Unknown, "the session is what fails");
    assert_eq!(of((None, None), Ok("in".to_owned())).0, Verdict::Unknown);
    let (_, text) = of(down(3_600), Ok("in".to_owned()));
    assert!(text.contains("3600 s") && text.contains("socket_url"), "{text}");
    assert_eq!(told(Inputs { funds: None, needs_arming: false, stream_age: None, ..fine() }), (Verdict::Ok, "paper".to_owned()));
}

#[test]
fn a_closed_day_stops_only_whom_the_calendar_holds_and_what_it_lacks_is_a_warning() {
    let told = |calendar: Today| {
        let report = judge(&Inputs { calendar, ..fine() });
        let check = report.checks.iter().find(|check| check.name == "calendar").unwrap();
        (check.verdict, check.text.clone())
    };
    assert_eq!(told(closed(false)).0, Verdict::Unknown);
    assert!(told(closed(true)).1.contains("NSE does not trade today (the weekend)"));
    let ends = Today { open: vec![Exchange::Nse], is_held: true, concerns: vec!["the list of 2027 is missing".into()], ..Today::default() };
    assert_eq!(told(ends), (Verdict::Warn, "today trades: NSE; the list of 2027 is missing".into()));
}

#[test]
fn the_sample_never_ages_and_is_a_warning_where_real_money_moves() {
    let verdict = |needs_arming| {
        let report = judge(&Inputs { masters: vec![], needs_arming, ..fine() });
        (report.overall, report.checks.into_iter().find(|check| check.name == "master").map(|check| check.verdict))
    };
    assert_eq!(verdict(true), (Overall::Go, Some(Verdict::Warn)));
    assert_eq!(verdict(false), (Overall::Go, Some(Verdict::Ok)));
}
