use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::machine::{Busy, Machine, Standing, Step, end_of_token, rests_until};
use crate::brokers::noren::settings::{AuthFlow, Backoff};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-20T04:30:00Z")
}

fn end() -> DateTime<Utc> {
    at("2026-11-20T21:30:00Z")
}

fn machine(flow: AuthFlow) -> Machine {
    let backoff = Backoff { first: Duration::from_secs(5), last: Duration::from_secs(60) };
    Machine::new(flow, backoff, 3, TimeDelta::minutes(15))
}

fn token() -> SecretString {
    SecretString::from("t")
}

#[test]
fn a_token_ends_at_three_in_the_morning_or_earlier_if_told() {
    let cases = [
        ("2026-11-20T04:30:00Z", None, "2026-11-20T21:30:00Z"),
        ("2026-11-20T21:29:59Z", None, "2026-11-20T21:30:00Z"),
        ("2026-11-20T21:30:00Z", None, "2026-11-21T21:30:00Z"),
        ("2026-11-20T04:30:00Z", Some("2026-11-20T10:00:00Z"), "2026-11-20T10:00:00Z"),
        ("2026-11-20T04:30:00Z", Some("2026-12-20T10:00:00Z"), "2026-11-20T21:30:00Z"),
    ];
    for (now, told, ends) in cases {
        assert_eq!(end_of_token(at(now), told.map(at)), at(ends), "{now} {told:?}");
    }
}

#[test]
fn a_kept_token_is_tried_with_a_read_and_a_read_that_proves_nothing_is_repeated() {
    let mut machine = machine(AuthFlow::QuickAuth);
    machine.kept(token(), end());
    assert_eq!(machine.next(now(), 0), Step::Prove);
    assert!(machine.proven(now()).is_none());
    machine.begin(Busy::Login);
    assert_eq!(machine.next(now(), 0), Step::Wait, "one step at a time");
    machine.failed(now(), "no network".into());
    let again = now() + TimeDelta::seconds(5);
    assert_eq!(machine.next(now(), 0), Step::WaitUntil(again));
    assert_eq!(machine.next(again, 0), Step::Prove);
    machine.begin(Busy::Login);
    machine.proved(1);
    assert_eq!(machine.next(again, 0), Step::WaitUntil(end()));
    assert_eq!(machine.standing(again), Standing::Ready);
}

/// What proves a token goes on every few seconds through an outage; logins, which may lock an account, grow rarer.
#[test]
fn a_proof_waits_seconds_and_a_login_longer_unless_something_is_held() {
    let waits = |machine: &mut Machine, step, times: usize| {
        let mut now = now();
        let each = (0..times).map(|_| {
            machine.begin(step);
            machine.failed(now, "502".into());
            let Step::WaitUntil(until) = machine.next(now, 0) else { panic!("it waits") };
            let wait = (until - now).num_seconds();
            now = until;
            wait
        });
        each.collect::<Vec<_>>()
    };
    let backoff = Backoff { first: Duration::from_secs(5), last: Duration::from_secs(300) };
    let fresh = || Machine::new(AuthFlow::QuickAuth, backoff, 3, TimeDelta::minutes(15));
    let mut kept = fresh();
    kept.kept(token(), end());
    assert_eq!(waits(&mut kept, Busy::Proof, 5), [5, 10, 10, 10, 10]);
    assert_eq!(waits(&mut fresh(), Busy::Login, 5), [5, 10, 20, 30, 30], "an exit may wait for it");
    let mut idle = fresh();
    idle.in_use(false);
    assert_eq!(waits(&mut idle, Busy::Login, 8), [5, 10, 20, 40, 80, 160, 300, 300]);
    // A day begins: what was put off at night is not waited for.
    let newest = now() + TimeDelta::seconds(5 + 10 + 20 + 40 + 80 + 160 + 300);
    idle.in_use(true);
    assert_eq!(idle.next(newest, 0), Step::WaitUntil(newest + TimeDelta::seconds(30)));
}

/// One page of a gateway says nothing of a token that the broker has not called dead.
#[test]
fn a_gateway_is_believed_only_when_it_goes_on_refusing_the_token() {
    for flow in [AuthFlow::OAuth, AuthFlow::QuickAuth] {
        let mut machine = machine(flow);
        let held = machine.logged_in(token(), end());
        let away = |machine: &mut Machine, second: i64| {
            machine.begin(Busy::Proof);
            machine.turned_away(held.number, now() + TimeDelta::seconds(second), "HTTP 401".into())
        };
        assert_eq!([0, 5, 15, 25].map(|second| away(&mut machine, second)), [None; 4], "not for half a minute");
        assert!(machine.proven(now()).is_some(), "and it goes on being used");
        // Anything else in between begins anew.
        machine.begin(Busy::Proof);
        machine.failed(now() + TimeDelta::seconds(30), "HTTP 403".into());
        assert_eq!([35, 45, 64].map(|second| away(&mut machine, second)), [None; 3]);
        assert_eq!(away(&mut machine, 65), Some(now() + TimeDelta::seconds(35)));
        assert!(machine.token(now()).is_none());
        let later = now() + TimeDelta::seconds(65);
        match flow {
            AuthFlow::OAuth | AuthFlow::Flattrade => assert_eq!(machine.standing(later), Standing::NeedsPerson),
            AuthFlow::QuickAuth => assert_eq!(machine.next(later, 0), Step::Login, "at once"),
        }
    }
    // It is nobody's eviction, however often it happens.
    let mut machine = machine(AuthFlow::QuickAuth);
    for round in 0..5 {
        let held = machine.logged_in(token(), end());
        for second in [0, 20, 40] {
            machine.begin(Busy::Proof);
            machine.turned_away(held.number, now() + TimeDelta::seconds(60 * round + second), "HTTP 401".into());
        }
        assert_eq!(machine.next(now() + TimeDelta::seconds(60 * round + 40), 0), Step::Login, "round {round}");
    }
}

#[test]
fn no_login_runs_beside_an_order_call() {
    let machine = machine(AuthFlow::QuickAuth);
    assert_eq!(machine.next(now(), 1), Step::Wait);
    assert_eq!(machine.next(now(), 0), Step::Login);
}

#[test]
fn what_was_refused_is_not_said_again_until_a_person_asks() {
    let mut machine = machine(AuthFlow::QuickAuth);
    machine.begin(Busy::Login);
    machine.refused("Invalid OTP".into());
    assert_eq!(machine.next(now() + TimeDelta::days(1), 0), Step::Wait);
    assert_eq!(machine.standing(now()), Standing::Stopped("Invalid OTP".into()));
    machine.asked();
    assert_eq!(machine.next(now(), 0), Step::Login);
}

#[test]
fn oauth_waits_for_a_person() {
    let mut machine = machine(AuthFlow::OAuth);
    assert_eq!((machine.next(now(), 0), machine.standing(now())), (Step::Wait, Standing::NeedsPerson));
    machine.begin(Busy::Login);
    machine.logged_in(token(), end());
    assert_eq!(machine.standing(now()), Standing::Ready);
    assert_eq!(machine.standing(end()), Standing::NeedsPerson, "the end is known ahead");
    assert!(machine.token(end()).is_none());
}

#[test]
fn words_about_an_old_token_do_not_touch_the_new_one() {
    let mut machine = machine(AuthFlow::QuickAuth);
    let first = machine.logged_in(token(), end());
    assert!(machine.dead(first.number, now()));
    let second = machine.logged_in(token(), end());
    assert!(!machine.dead(first.number, now()));
    machine.suspect(first.number);
    assert_eq!(machine.proven(now()).unwrap().number, second.number);
    machine.suspect(second.number);
    assert_eq!(machine.next(now(), 5), Step::Prove, "a read is safe beside order calls");
    machine.begin(Busy::Proof);
    assert!(machine.proven(now()).is_some() && !machine.is_logging_in(), "orders go on meanwhile");
    machine.proved(second.number);
    assert_eq!(machine.next(now(), 5), Step::WaitUntil(end()));
}

#[test]
fn two_programs_do_not_log_each_other_out_for_ever() {
    let mut machine = machine(AuthFlow::QuickAuth);
    for minute in [0, 20, 25, 30] {
        let now = now() + TimeDelta::minutes(minute);
        assert_eq!(machine.next(now, 0), Step::Login, "minute {minute}");
        machine.begin(Busy::Login);
        let token = machine.logged_in(token(), end());
        machine.dead(token.number, now);
    }
    assert!(matches!(machine.standing(now()), Standing::Stopped(words) if words.contains("another program")));
    assert_eq!(machine.next(now() + TimeDelta::hours(2), 0), Step::Wait);
}

#[test]
fn a_token_that_dies_at_its_end_was_not_evicted() {
    let mut machine = machine(AuthFlow::QuickAuth);
    for _ in 0..5 {
        let token = machine.logged_in(token(), end());
        assert!(!machine.dead(token.number, end()));
    }
    assert_eq!(machine.next(end(), 0), Step::Login);
}

#[test]
fn between_three_and_the_hour_of_the_login_it_may_rest() {
    let eight = NaiveTime::from_hms_opt(8, 0, 0).unwrap();
    let until = Some(at("2026-11-20T02:30:00Z"));
    for (time, expected) in [
        ("2026-11-19T21:29:59Z", None),
        ("2026-11-19T21:30:00Z", until),
        ("2026-11-20T02:29:59Z", until),
        ("2026-11-20T02:30:00Z", None),
        ("2026-11-20T12:00:00Z", None),
    ] {
        assert_eq!(rests_until(at(time), eight), expected, "{time}");
    }
    assert_eq!(rests_until(at("2026-11-19T22:00:00Z"), NaiveTime::MIN), None, "an hour before three puts nothing off");
}

#[test]
fn logins_of_one_token_day_are_counted() {
    let mut machine = machine(AuthFlow::QuickAuth);
    let next = end() + TimeDelta::days(1);
    assert_eq!([end(), end(), next].map(|end| machine.logins_today(end)), [1, 2, 1]);
}
