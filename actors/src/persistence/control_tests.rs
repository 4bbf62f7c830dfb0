use super::*;

#[test]
fn what_stops_a_strategy_says_by_whom_and_why_whatever_else_is_changed() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let (trend, other) = (Strategy::parse("trend").unwrap(), Strategy::parse("other").unwrap());
    let stop = |strategy: &Strategy, level| ControlChange::Strategy(strategy.clone(), level);
    let killed = Control::default().after(&ControlChange::Account(KillLevel::StopEntries), "asha", "news", at);
    let both = killed.after(&stop(&trend, KillLevel::SquareOff), "telegram:7", "it runs away", at);
    let both = both.after(&stop(&other, KillLevel::StopEntries), "ben", "a look", at);
    assert_eq!((both.who.as_str(), both.reason.as_str()), ("asha", "news"), "the account's own");
    assert_eq!((both.strategies[&trend].who.as_str(), both.strategies[&other].who.as_str()), ("telegram:7", "ben"));
    assert_eq!((both.why_for(&trend), both.why_for(&other)), ("it runs away", "news"), "of the level that holds");
    let again = both.after(&stop(&trend, KillLevel::None), "ben", "it is calm", at);
    assert_eq!((again.level_for(&trend), again.strategies.len()), (KillLevel::StopEntries, 1));
}

#[test]
fn a_freeze_says_by_whom_and_why_and_a_kill_beside_it_keeps_its_own_words() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let later = at + chrono::TimeDelta::minutes(5);
    let killed = Control::default().after(&ControlChange::Account(KillLevel::StopEntries), "asha", "news", at);
    let frozen = killed.after(&ControlChange::Freeze(true), "ben", "the gateway doubles exits", later);
    let freeze = Freeze { who: "ben".to_owned(), reason: "the gateway doubles exits".to_owned(), since: later };
    assert_eq!((frozen.freeze.as_ref(), frozen.is_frozen()), (Some(&freeze), true));
    assert_eq!((frozen.who.as_str(), frozen.reason.as_str(), frozen.at), ("asha", "news", Some(at)), "the kill's own");
    let again = frozen.after(&ControlChange::Freeze(true), "asha", "me too", later + chrono::TimeDelta::minutes(1));
    assert_eq!(again, frozen, "it stands since then, and by whom it was");
    let rearmed = frozen.after(&ControlChange::Account(KillLevel::None), "asha", "it is over", later);
    assert_eq!((rearmed.freeze.as_ref(), rearmed.reason.as_str()), (Some(&freeze), "it is over"));
    let thawed = frozen.after(&ControlChange::Freeze(false), "ben", "mended", later);
    assert_eq!(thawed, killed, "a thaw leaves the kill as it was");
    let text = serde_json::to_string(&frozen).unwrap();
    assert_eq!(serde_json::from_str::<Control>(&text).unwrap(), frozen);
}

#[test]
fn the_halt_of_a_day_is_no_kill_of_a_person_and_ends_alone() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let (today, tomorrow) = (NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(), NaiveDate::from_ymd_opt(2026, 11, 23).unwrap());
    let halt = ControlChange::HaltDay(today, KillLevel::SquareOff, HaltCause::Loss);
    let killed = Control::default().after(&ControlChange::Account(KillLevel::StopEntries), "asha", "news", at);
    let halted = killed.after(&halt, "RiskActor", "the day's loss", at);
    let trend = Strategy::parse("trend").unwrap();
    assert_eq!((halted.account_level(), halted.why_for(&trend)), (KillLevel::SquareOff, "the day's loss"));
    let weaker = halted.after(&ControlChange::HaltDay(today, KillLevel::StopEntries, HaltCause::Margin), "RiskActor", "margin", at);
    assert_eq!(weaker.account_level(), KillLevel::SquareOff, "never lowered within its day");
    assert_eq!(halted.after(&ControlChange::EndDay(tomorrow), "RiskActor", "", at), halted, "of another day");
    let ended = halted.after(&ControlChange::EndDay(today), "RiskActor", "", at);
    assert_eq!((ended.account_level(), ended.who.as_str()), (KillLevel::StopEntries, "asha"), "a person's kill stays");
    assert_eq!(halted.after(&ControlChange::Account(KillLevel::None), "asha", "", at).account_level(), KillLevel::SquareOff);
    assert_eq!((halted.level_on(&trend, today), halted.level_on(&trend, tomorrow)), (KillLevel::SquareOff, KillLevel::StopEntries));
    let stopped = halted.after(&ControlChange::Strategy(trend.clone(), KillLevel::CancelEntries), "asha", "", at);
    assert_eq!(stopped.level_on(&trend, tomorrow), KillLevel::CancelEntries, "what a person has set stays");
}

/// Rows of before the cause was kept are read, and those of a loss are written as they were.
#[test]
fn a_halt_keeps_what_it_is_for_and_that_of_a_loss_is_written_as_before() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let halted = |cause| Control::default().after(&ControlChange::HaltDay(today, KillLevel::SquareOff, cause), "RiskActor", "-5", at).day;
    let old = r#"{"date":"2026-11-20","level":3,"reason":"-5","at":"2026-11-20T05:00:00Z"}"#;
    assert_eq!(serde_json::to_string(&halted(HaltCause::Loss).unwrap()).unwrap(), old);
    assert_eq!(serde_json::from_str::<DayHalt>(old).ok(), halted(HaltCause::Loss));
    let short = serde_json::to_string(&halted(HaltCause::Margin).unwrap()).unwrap();
    assert!(short.ends_with(r#""cause":"MARGIN"}"#), "{short}");
    assert_eq!(serde_json::from_str::<DayHalt>(&short).ok(), halted(HaltCause::Margin));
}

#[test]
fn raising_never_lowers() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let later = at + chrono::TimeDelta::seconds(5);
    let trend = Strategy::parse("trend").unwrap();
    let levels = [KillLevel::StopEntries, KillLevel::CancelEntries, KillLevel::SquareOff];
    for strategy in [None, Some(trend.clone())] {
        for case in 0..9 {
            let (stands, asked) = (levels[case / 3], levels[case % 3]);
            let raise = |control: &Control, level, who: &str, reason: &str, at| {
                control.after(&ControlChange::level(strategy.clone(), None, level), who, reason, at)
            };
            let before = raise(&Control::default(), stands, "asha", "a fat finger", at);
            let after = raise(&before, asked, "ben", "by hand", later);
            let said = match &strategy {
                Some(strategy) => (
                    after.strategies[strategy].who.as_str(),
                    after.strategies[strategy].reason.as_str(),
                    Some(after.strategies[strategy].at),
                ),
                None => (after.who.as_str(), after.reason.as_str(), after.at),
            };
            assert_eq!(after.level_of(strategy.as_ref()), stands.max(asked));
            let expected = if asked > stands { ("ben", "by hand", Some(later)) } else { ("asha", "a fat finger", Some(at)) };
            assert_eq!(said, expected, "{strategy:?}: {asked:?} is asked for where {stands:?} stands");
        }
    }
}

#[test]
fn a_level_is_taken_down_only_from_where_the_person_saw_it() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let trend = Strategy::parse("trend").unwrap();
    let levels = [KillLevel::None, KillLevel::StopEntries, KillLevel::CancelEntries, KillLevel::SquareOff];
    for strategy in [None, Some(trend.clone())] {
        for case in 0..64 {
            let (stands, from, to) = (levels[case / 16], levels[case / 4 % 4], levels[case % 4]);
            if to > from {
                continue;
            }
            let set = strategy.clone().map_or(ControlChange::Account(stands), |strategy| ControlChange::Strategy(strategy, stands));
            let before = Control::default().after(&set, "asha", "", at);
            let lower = ControlChange::Lower { strategy: strategy.clone(), from, to };
            assert_eq!(before.refuses(&lower), stands != from);
            let after = before.after(&lower, "ben", "", at);
            let expected = if stands == from { to } else { stands };
            assert_eq!(after.level_of(strategy.as_ref()), expected, "{strategy:?} {stands:?} {from:?} {to:?}");
            // Whether it counts is not known before its commit: until then it holds nothing, and lets nothing go.
            let latch = crate::persistence::Latch::new(&before);
            let held = latch.forbids(&trend, false);
            latch.raise(&lower);
            assert_eq!((latch.forbids(&trend, false), held.is_some()), (held, stands > KillLevel::None));
        }
    }
}

/// Whatever somebody looked at before: a stop counts, at once, and never takes anything down.
#[test]
fn a_stop_is_raised_from_whatever_level_was_looked_at() {
    let at: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
    let trend = Strategy::parse("trend").unwrap();
    let levels = [KillLevel::None, KillLevel::StopEntries, KillLevel::CancelEntries, KillLevel::SquareOff];
    for strategy in [None, Some(trend.clone())] {
        for case in 0..64 {
            let (stands, from, to) = (levels[case / 16], levels[case / 4 % 4], levels[case % 4]);
            let change = ControlChange::level(strategy.clone(), Some(from), to);
            if to < from || to == KillLevel::None {
                assert_eq!(change, ControlChange::Lower { strategy: strategy.clone(), from, to });
                continue;
            }
            let set = strategy.clone().map_or(ControlChange::Account(stands), |strategy| ControlChange::Strategy(strategy, stands));
            let before = Control::default().after(&set, "asha", "", at);
            assert!(!before.refuses(&change), "{stands:?} {from:?} {to:?}");
            assert_eq!(before.after(&change, "ben", "", at).level_of(strategy.as_ref()), stands.max(to));
            let latch = crate::persistence::Latch::new(&before);
            latch.raise(&change);
            assert!(latch.forbids(&trend, false).is_some(), "{stands:?} {from:?} {to:?}");
        }
        let armed = ControlChange::level(strategy.clone(), None, KillLevel::None);
        assert_eq!(armed, strategy.map_or(ControlChange::Account(KillLevel::None), |name| ControlChange::Strategy(name, KillLevel::None)));
    }
}
