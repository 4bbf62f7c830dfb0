use super::*;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-20T{text}Z").parse().unwrap()
}

fn is_due(state: Due, dismissed: Option<NaiveDate>, now: &str) -> bool {
    due(state, dismissed, true, NaiveTime::from_hms_opt(8, 45, 0).unwrap(), Duration::from_secs(600), at(now))
}

#[test]
fn the_report_goes_at_a_quarter_to_nine_in_india_and_again_until_green_or_dismissed() {
    let today = NaiveDate::from_ymd_opt(2026, 11, 20);
    assert!(!is_due(Due::default(), None, "03:14:59"));
    assert!(is_due(Due::default(), None, "03:15:00"));
    let pushed = Due { pushed_at: Some(at("03:15:00")), green_on: None };
    assert!(!is_due(pushed, None, "03:24:59") && is_due(pushed, None, "03:25:00"));
    assert!(!is_due(pushed, today, "03:25:00"), "dismissed");
    assert!(is_due(pushed, today.and_then(|day| day.pred_opt()), "03:25:00"), "dismissed yesterday");
    assert!(!is_due(Due { green_on: today, ..pushed }, None, "03:25:00"), "green");
    let yesterday = Due { pushed_at: Some(at("03:15:00") - TimeDelta::days(1)), green_on: today.and_then(|day| day.pred_opt()) };
    assert!(is_due(yesterday, None, "03:15:00"));
    assert!(!due(Due::default(), None, false, NaiveTime::MIN, Duration::from_secs(600), at("03:15:00")), "a holiday");
}

#[test]
fn a_position_without_a_session_is_said_after_a_grace_and_again() {
    let mut state = Unattended::default();
    assert!(!state.see(true, false, at("04:00:00")));
    assert!(!state.see(true, false, at("04:00:29")));
    assert!(state.see(true, false, at("04:00:30")));
    assert!(!state.see(true, false, at("04:05:00")));
    assert!(state.see(true, false, at("04:10:30")));
    assert!(!state.see(true, true, at("04:11:00")), "the session is back");
    assert!(!state.see(true, false, at("04:12:00")), "the grace begins anew");
    assert!(!state.see(false, false, at("04:20:00")), "nothing is open, or its market is closed");
}

#[test]
fn the_report_brings_the_link_until_it_is_green_or_dismissed_and_while_it_goes_often_enough() {
    let today = NaiveDate::from_ymd_opt(2026, 11, 20);
    let brings = |state: Due, dismissed: Option<NaiveDate>, now: &str| {
        brings_link(state, dismissed, true, NaiveTime::from_hms_opt(8, 45, 0).unwrap(), at(now))
    };
    assert!(brings(Due::default(), None, "03:00:00"), "it is to come");
    let pushed = Due { pushed_at: Some(at("03:15:00")), green_on: None };
    assert!(brings(pushed, None, "03:24:59") && !brings(pushed, None, "03:25:00"), "a report that goes more seldom is too late");
    assert!(!brings(Due { green_on: today, ..pushed }, None, "05:30:00"), "it was green, and is not pushed again");
    assert!(!brings(pushed, today, "03:16:00"), "dismissed");
    assert!(!brings_link(pushed, None, false, NaiveTime::MIN, at("03:16:00")), "a holiday: no report at all");
    assert!(!brings(Due::default(), None, "05:30:00"), "it should have gone and did not");
}

#[test]
fn the_message_names_what_fails_and_the_link() {
    use crate::readiness::{Check, Verdict};
    let check = |name, verdict, text: &str| Check { name, verdict, text: text.into() };
    let checks = vec![check("disk", Verdict::Ok, "fine"), check("session", Verdict::Fail, "no broker session: expired")];
    let report = Report { overall: Overall::NoGo, checks };
    assert_eq!(words(&report, Some("http://login")), "session: no broker session: expired\nlog in: http://login");
}
