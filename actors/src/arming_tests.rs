use chrono::TimeDelta;
use proptest::prelude::{Strategy as _, any, prop, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;
use crate::persistence::{ControlChange, KillLevel, Latch};
use crate::testkit::builders::{Build, at, exit, order};

fn basis(words: &[(&str, &str)]) -> Basis {
    Basis { version: "1".into(), settings: words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect() }
}

fn armed(mode: ArmMode, from: i64, seconds: i64) -> Arming {
    Arming {
        mode,
        until: Some(at(0) + TimeDelta::seconds(from + seconds)),
        basis: Basis::default(),
        who: "asha".into(),
        reason: "open".into(),
        at: Some(at(0) + TimeDelta::seconds(from)),
        ..Arming::default()
    }
}

fn after(seconds: i64) -> DateTime<Utc> {
    at(0) + TimeDelta::seconds(seconds)
}

#[test]
fn paper_needs_nothing_and_live_starts_disarmed() {
    assert_eq!(standing(false, &Arming::default(), &Basis::default(), at(0)).mode, Mode::Paper);
    let fresh = standing(true, &Arming::default(), &Basis::default(), at(0));
    assert_eq!((fresh.mode, fresh.why.as_str()), (Mode::LiveDisarmed, "it was never armed"));
}

#[test]
fn an_arming_ends_by_its_time_and_not_a_moment_later() {
    let arming = armed(ArmMode::Live, 0, 60);
    let mode = |seconds| standing(true, &arming, &Basis::default(), after(seconds)).mode;
    assert_eq!((mode(0), mode(59), mode(60), mode(-1)), (Mode::Live, Mode::Live, Mode::LiveDisarmed, Mode::LiveDisarmed));
    let endless = Arming { until: None, ..arming };
    assert_eq!(standing(true, &endless, &Basis::default(), at(0)).mode, Mode::LiveDisarmed, "no arming is without an end");
}

#[test]
fn a_changed_setting_or_version_disarms_and_is_named() {
    let arming = Arming { basis: basis(&[("limits.daily_loss", "50000"), ("gone", "1")]), ..armed(ArmMode::Live, 0, 60) };
    let now = basis(&[("limits.daily_loss", "90000"), ("new", "2")]);
    let found = standing(true, &arming, &now, at(0));
    assert_eq!(found.mode, Mode::LiveDisarmed);
    assert!(found.why.contains("limits.daily_loss"), "{}", found.why);
    let shown: Vec<_> = now.differences(&arming.basis).into_iter().map(|one| (one.key, one.old, one.new)).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        shown,
        [
            ("gone".to_owned(), text("1"), None),
            ("limits.daily_loss".to_owned(), text("50000"), text("90000")),
            ("new".to_owned(), None, text("2"))
        ]
    );
    let newer = Basis { version: "2".into(), ..arming.basis.clone() };
    assert_eq!(standing(true, &arming, &newer, at(0)).mode, Mode::LiveDisarmed);
}

/// An arming that expects nothing.
fn arm(arming: Arming) -> ControlChange {
    ControlChange::Arm { arming: Box::new(arming), expected: None }
}

#[test]
fn an_arming_that_was_decided_before_a_disarming_changes_nothing() {
    let live = armed(ArmMode::Live, 0, 60);
    let under_way = ControlChange::Arm { arming: Box::new(armed(ArmMode::Live, 2, 60)), expected: Some(Box::new(live.clone())) };
    let control = Control::default().after(&arm(live), "asha", "open", at(0));
    assert!(!control.refuses(&under_way));
    let off = control.after(&arm(armed(ArmMode::Disarmed, 1, 0)), "ben", "stop", after(1));
    assert!(off.refuses(&under_way));
    assert_eq!(off.after(&under_way, "asha", "open", after(2)), off);
}

#[test]
fn a_yes_counts_once_in_time_and_from_then_on_the_price_ages() {
    let entry = order(1);
    let ask = ControlChange::AskApproval { basket: entry.basket_id, until: after(60) };
    let approve = ControlChange::Approve { basket: entry.basket_id };
    let asked = Control::default().after(&ask, "RiskActor", "", after(5));
    assert_eq!(yes(&Control::default(), entry.basket_id, after(5)), Yes::NotAsked);
    assert_eq!(Control::default().after(&approve, "asha", "", after(6)).approvals.len(), 0, "nobody asked");
    assert_eq!(yes(&asked, entry.basket_id, after(60)), Yes::Waiting(after(60)));
    assert_eq!(yes(&asked, entry.basket_id, after(61)), Yes::TooLate(after(60)));
    assert_eq!(yes(&asked.after(&approve, "asha", "", after(61)), entry.basket_id, after(61)), Yes::TooLate(after(60)));
    let given = asked.after(&approve, "asha", "looked", after(40));
    assert_eq!(yes(&given, entry.basket_id, after(70)), Yes::Given(after(40)));
    assert_eq!(price_time(&given, &entry), after(40));
    assert_eq!(given.after(&approve, "ben", "", after(45)), given, "the second yes changes nothing");
    assert_eq!(given.after(&ask, "RiskActor", "", after(50)), given, "it is asked once");
}

#[test]
fn a_yes_leaves_who_set_the_kill_level_alone() {
    let killed = Control::default().after(&ControlChange::Account(KillLevel::StopEntries), "ben", "news", at(0));
    let next = killed.after(&arm(armed(ArmMode::Live, 0, 60)), "asha", "open", after(1));
    assert_eq!((next.who.as_str(), next.level), ("ben", KillLevel::StopEntries));
}

#[test]
fn the_last_look_lets_exits_go_and_holds_an_entry_without_its_yes() {
    let disarmed = standing(true, &Arming::default(), &Basis::default(), at(0));
    let approve = standing(true, &armed(ArmMode::Approve, 0, 600), &Basis::default(), at(0));
    let control = Control::default();
    assert_eq!(forbids(&disarmed, &control, &exit(1), at(0)), None);
    assert!(forbids(&disarmed, &control, &order(1), at(0)).is_some());
    assert!(forbids(&approve, &control, &order(1), at(0)).is_some());
    assert!(forbids(&approve, &control, &order(1).market(), at(0)).is_some());
}

#[test]
fn the_committed_form_reads_back_and_older_rows_read_as_disarmed() {
    let control = Control::default().after(&arm(armed(ArmMode::Approve, 0, 60)), "asha", "open", at(0));
    let ask = ControlChange::AskApproval { basket: order(1).basket_id, until: after(60) };
    let control = control.after(&ask, "RiskActor", "", after(1));
    let text = serde_json::to_string(&control).unwrap();
    assert_eq!(serde_json::from_str::<Control>(&text).unwrap(), control);
    let old: Control = serde_json::from_str(r#"{"level":1,"at":null}"#).unwrap();
    assert_eq!(old.arming, Arming::default());
}

/// What may happen to an account.
#[derive(Debug, Clone)]
enum Act {
    Look,
    Ask(ArmMode, i64),
    Commit,
    Restart,
    Wait(i64),
    Upgrade,
}

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    let mode = prop_oneof![proptest::strategy::Just(ArmMode::Disarmed), proptest::strategy::Just(ArmMode::Live)];
    prop_oneof![
        3 => proptest::strategy::Just(Act::Look),
        4 => (mode, 1..100_i64).prop_map(|(mode, seconds)| Act::Ask(mode, seconds)),
        4 => any::<bool>().prop_map(|_| Act::Commit),
        1 => any::<bool>().prop_map(|_| Act::Restart),
        3 => (1..50_i64).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(|_| Act::Upgrade),
    ]
}

proptest! {
    /// Whatever the order of asking, committing, waiting, restarting and upgrading: an entry passes only under an arming that
    /// is committed, not over, given for this version, decided upon what stood when it was committed, and not followed by a
    /// wish to disarm.
    #[test]
    fn no_interleaving_lets_an_entry_pass_while_disarmed(acts in prop::collection::vec(act(), 0..60)) {
        let (mut control, mut seconds, mut version) = (Control::default(), 0_i64, 1_u32);
        let mut latch = Latch::new(&control);
        let mut queue = std::collections::VecDeque::new();
        // The model: the newest committed arming as (live?, until, version).
        let mut committed: Option<(bool, i64, u32)> = None;
        // What the person who arms has looked at, and how many armings had been committed by then.
        let (mut seen, mut looked_at, mut count, mut serial) = (control.arming.clone(), 0_u32, 0_u32, 0_u32);
        let entry = order(1);
        for act in acts {
            match act {
                Act::Look => (seen, looked_at) = (control.arming.clone(), count),
                Act::Ask(mode, length) => {
                    let basis = Basis { version: version.to_string(), ..Basis::default() };
                    serial += 1;
                    // Each is another, also in one and the same second.
                    let arming = Arming { basis, from: serial.to_string(), ..armed(mode, seconds, length) };
                    // An arming looks first, as a person does; a disarming just comes.
                    let expected = (mode == ArmMode::Live).then(|| Box::new(seen.clone()));
                    let change = ControlChange::Arm { arming: Box::new(arming), expected };
                    latch.raise(&change);
                    queue.push_back((change, mode == ArmMode::Live, seconds + length, version, looked_at));
                }
                Act::Commit => if let Some((change, is_live, until, given_for, looked_at)) = queue.pop_front() {
                    // The ledger writes no row, and nobody hears of a commit, for what the controls refuse.
                    let is_refused = control.refuses(&change);
                    prop_assert_eq!(is_refused, is_live && looked_at != count);
                    if !is_refused {
                        control = control.after(&change, "asha", "", after(seconds));
                        latch.committed(&change, &control);
                        committed = Some((is_live, until, given_for));
                        count += 1;
                    }
                },
                Act::Restart => {
                    queue.clear();
                    latch = Latch::new(&control);
                }
                Act::Wait(more) => seconds += more,
                Act::Upgrade => {
                    version += 1;
                    queue.clear();
                    latch = Latch::new(&control);
                }
            }
            let basis = Basis { version: version.to_string(), ..Basis::default() };
            let now = latch.with_arming(|arming| standing(true, arming, &basis, after(seconds)));
            let passes = forbids(&now, &control, &entry, after(seconds)).is_none();
            let may = committed.is_some_and(|(is_live, until, given_for)| is_live && seconds < until && given_for == version);
            let wants_off = queue.iter().any(|(_, is_live, ..)| !is_live);
            prop_assert_eq!(passes, may && !wants_off);
            prop_assert!(forbids(&now, &control, &exit(2), after(seconds)).is_none());
        }
    }
}
