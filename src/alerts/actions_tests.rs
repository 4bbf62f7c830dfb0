//! Of the rules for actions from a chat.

use ordergate_actors::persistence::KillLevel;
use proptest::prelude::{Just, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

use super::*;

fn begin() -> DateTime<Utc> {
    "2026-11-26T04:00:00Z".parse().unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    begin() + TimeDelta::seconds(seconds)
}

fn sent<'a>(update: i64, user: &'a str, text: &'a str, seconds: i64) -> Sent<'a> {
    Sent { update, chat: "42", user: Some(user), text, at: at(seconds) }
}

fn every(action: Action) -> Wish {
    Wish { action, whose: Whose::Every }
}

fn kill(level: KillLevel) -> Wish {
    every(Action::Kill { level, reason: String::new() })
}

fn cancel() -> Wish {
    every(Action::Cancel(None))
}

#[test]
fn a_code_has_six_digits_and_each_is_as_likely_as_any_other() {
    assert_eq!(Code::of(7).unwrap().digits(), "000007");
    assert_eq!(Code::of(4_293_999_999).unwrap().digits(), "999999");
    assert_eq!((Code::of(4_294_000_000), Code::of(u32::MAX)), (None, None));
    assert_eq!(format!("{:?}", Code::of(7)), "Some([code])");
}

/// Asks for an action under a code.
fn ask(gate: &mut Gate, known: &Known, sent: &Sent<'_>, wish: Wish, code: u32, seconds: i64) -> Known {
    gate.wait(sent, Waiting { wish, code: Code::of(code), asked_at: at(seconds) });
    Gate::asked(known, sent, at(seconds))
}

#[test]
fn a_code_does_one_thing_once_for_its_own_person_within_a_minute() {
    let mut gate = Gate::new(["7".to_owned(), "8".to_owned()]);
    let known = ask(&mut gate, &Known::default(), &sent(1, "7", "/kill 3", 0), kill(KillLevel::SquareOff), 482_193, 0);
    let code = |seconds| sent(2, "8", "/confirm 482193", seconds);
    assert!(matches!(gate.confirm(&known, &code(1), Proof::Given("482193"), at(1)), Confirmed::Nothing(_)), "somebody else's");
    let elsewhere = Sent { chat: "43", ..sent(2, "7", "", 1) };
    assert!(matches!(gate.confirm(&known, &elsewhere, Proof::Given("482193"), at(1)), Confirmed::Nothing(_)), "in another chat");
    let own = sent(3, "7", "/confirm 482193", 2);
    let Confirmed::Do(under_way, after) = gate.confirm(&known, &own, Proof::Given("482193"), at(59)) else { panic!("it is good") };
    assert_eq!((&under_way.wish, under_way.who()), (&kill(KillLevel::SquareOff), "telegram:7".to_owned()));
    assert_eq!((under_way.chat.as_str(), under_way.at), ("42", at(59)));
    assert_eq!(after.under_way, [(3, under_way)].into(), "until its outcome is on disk");
    assert_eq!(Gate::asked(&after, &sent(9, "7", "", 60), at(60)).under_way, after.under_way, "whatever comes meanwhile");
    assert!(after.ended(3).under_way.is_empty() && after.ended(3).handled == after.handled);
    assert_eq!(gate.hear(&after, &own, at(59)), Heard::Replayed, "the same message");
    assert_eq!(Gate::new(["7".to_owned()]).hear(&after, &own, at(60)), Heard::Replayed, "over a restart too");
    assert!(matches!(gate.confirm(&after, &sent(4, "7", "", 59), Proof::Given("482193"), at(59)), Confirmed::Nothing(_)), "used");

    for (seconds, is_good) in [(59, true), (60, false), (-1, false)] {
        let known = ask(&mut gate, &Known::default(), &sent(5, "7", "/ack all", 0), every(Action::Acknowledge(None)), 1, 0);
        let confirmed = gate.confirm(&known, &sent(6, "7", "", 0), Proof::Given("000001"), at(seconds));
        assert_eq!(matches!(confirmed, Confirmed::Do(..)), is_good, "{seconds}");
    }
}

#[test]
fn a_new_request_takes_the_place_of_the_one_before() {
    let mut gate = Gate::new(["7".to_owned()]);
    let known = ask(&mut gate, &Known::default(), &sent(1, "7", "", 0), kill(KillLevel::SquareOff), 1, 0);
    let known = ask(&mut gate, &known, &sent(2, "7", "", 1), cancel(), 2, 1);
    let Confirmed::Wrong(2, known) = gate.confirm(&known, &sent(3, "7", "", 2), Proof::Given("000001"), at(2)) else { panic!("old code") };
    let confirmed = gate.confirm(&known, &sent(4, "7", "", 3), Proof::Given("000002"), at(3));
    assert!(matches!(confirmed, Confirmed::Do(under_way, _) if under_way.wish == cancel()));
}

#[test]
fn three_wrong_codes_shut_everything_for_a_quarter_of_an_hour() {
    let mut gate = Gate::new(["7".to_owned(), "8".to_owned()]);
    let mut known = ask(&mut gate, &Known::default(), &sent(1, "7", "", 0), cancel(), 1, 0);
    known = ask(&mut gate, &known, &sent(2, "8", "", 0), cancel(), 2, 0);
    for (update, left) in [(3, 2), (4, 1)] {
        let Confirmed::Wrong(is_left, next) = gate.confirm(&known, &sent(update, "7", "", 1), Proof::Given("999999"), at(1)) else {
            panic!()
        };
        assert_eq!(is_left, left);
        known = next;
    }
    let Confirmed::Shut(until, shut) = gate.confirm(&known, &sent(5, "8", "", 2), Proof::Given("999999"), at(2)) else { panic!("shut") };
    assert_eq!(until, at(2) + SHUT_FOR);
    // A restart does not open it.
    for gate in [gate.clone(), Gate::new(["7".to_owned()])] {
        assert_eq!(gate.hear(&shut, &sent(6, "7", "/kill 1", 3), at(3)), Heard::Shut(until));
        assert!(!gate.is_waiting(&sent(6, "8", "", 3), at(3)), "what waited is forgotten");
        let asked = Wish { whose: Whose::Unsaid, ..kill(KillLevel::StopEntries) };
        assert_eq!(gate.hear(&shut, &sent(6, "7", "/kill 1", 903), until), Heard::Said(Said::Ask(asked)));
    }
    // Two wrong ones are forgotten as long after.
    let mut gate = Gate::new(["7".to_owned()]);
    let late = ask(&mut gate, &known, &sent(7, "7", "", 1_000), cancel(), 3, 1_000);
    assert!(matches!(gate.confirm(&late, &sent(8, "7", "", 1_001), Proof::Given("999999"), at(1_001)), Confirmed::Wrong(2, _)));
}

#[test]
fn with_an_authenticator_no_code_of_ours_counts_and_strangers_are_nobody() {
    let mut gate = Gate::new(["7".to_owned()]);
    let waiting = || Waiting { wish: cancel(), code: None, asked_at: at(0) };
    for (proof, is_done) in [(Proof::Checked(true), true), (Proof::Checked(false), false), (Proof::Given("000000"), false)] {
        gate.wait(&sent(1, "7", "", 0), waiting());
        assert_eq!(matches!(gate.confirm(&Known::default(), &sent(2, "7", "", 1), proof, at(1)), Confirmed::Do(..)), is_done, "{proof:?}");
    }
    let nobody = Sent { user: None, ..sent(3, "", "/kill 3", 0) };
    assert_eq!(gate.hear(&Known::default(), &nobody, at(0)), Heard::Stranger);
    assert_eq!(gate.hear(&Known::default(), &sent(3, "9", "/kill 3", 0), at(0)), Heard::Stranger);
    assert_eq!(gate.hear(&Known::default(), &sent(3, "9", "/status", 0), at(0)), Heard::NoAction);
}

#[test]
fn what_is_remembered_is_bounded_in_time_and_number_and_reads_back() {
    let mut known = Known::default();
    for update in 0..1_000 {
        known = Gate::asked(&known, &sent(update, "7", "", update), at(update));
    }
    assert_eq!((known.handled.len(), known.handled.keys().next()), (256, Some(&744)));
    known = Gate::asked(&known, &sent(5_000, "7", "", 5_000), at(5_000));
    assert_eq!(known.handled.len(), 1);
    let text = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known);
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A person asks for one of the actions.
    Ask { user: usize, action: usize },
    /// A person sends a code: of one that was drawn, counted from the newest, or a wrong one.
    Confirm { user: usize, back: Option<usize> },
    /// A message comes again.
    Again(usize),
    /// The process starts anew.
    Restart,
    /// Time goes by.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, 0..3_usize).prop_map(|(user, action)| Step::Ask { user, action }),
        6 => (0..2_usize, proptest::option::weighted(0.8, 0..3_usize)).prop_map(|(user, back)| Step::Confirm { user, back }),
        2 => (0..12_usize).prop_map(Step::Again),
        1 => Just(Step::Restart),
        2 => (1..70_i64).prop_map(Step::Wait),
    ]
}

const USERS: [&str; 2] = ["7", "8"];

proptest! {
    /// Whatever is asked, guessed, sent again and forgotten in between: what is done was asked for by that person within the minute
    /// before, with that code, and is done once; and nothing is done while it is shut.
    #[test]
    fn prop_what_is_done_was_asked_for_by_the_same_person_and_is_done_once(steps in prop::collection::vec(step(), 1..60)) {
        let actions = [kill(KillLevel::SquareOff), cancel(), every(Action::Exit(What::All))];
        let texts = ["/kill 3", "/cancel all", "/exit all"];
        let mut gate = Gate::new(USERS.map(str::to_owned));
        let (mut known, mut now, mut update) = (Known::default(), 0_i64, 0_i64);
        // Each request: its user, action, code and time, and whether it was done.
        let mut asked: Vec<(usize, Wish, u32, i64, bool)> = Vec::new();
        let mut messages: Vec<(i64, usize, String, i64)> = Vec::new();
        for step in steps {
            now += 1;
            let message = match step {
                Step::Restart => { gate = Gate::new(USERS.map(str::to_owned)); continue }
                Step::Wait(seconds) => { now += seconds; continue }
                Step::Again(back) => match messages.iter().rev().nth(back) { Some(old) => old.clone(), None => continue },
                Step::Ask { user, action } => { update += 1; (update, user, texts[action].to_owned(), now) }
                Step::Confirm { user, back } => {
                    let code = back.and_then(|back| asked.iter().rev().nth(back)).map_or(999_999, |one| one.2);
                    update += 1;
                    (update, user, format!("/confirm {code:06}"), now)
                }
            };
            messages.push(message.clone());
            let (number, user, text, written) = message;
            let sent = Sent { update: number, chat: "42", user: Some(USERS[user]), text: &text, at: at(written) };
            match gate.hear(&known, &sent, at(now)) {
                Heard::Said(Said::Ask(wish)) => {
                    // Codes as they are drawn: each is another.
                    let code = u32::try_from(asked.len()).unwrap();
                    let wish = Wish { whose: Whose::Every, ..wish };
                    known = ask(&mut gate, &known, &sent, wish.clone(), code, now);
                    asked.push((user, wish, code, now, false));
                }
                Heard::Said(Said::Confirm(digits)) => match gate.confirm(&known, &sent, Proof::Given(&digits), at(now)) {
                    Confirmed::Do(under_way, next) => {
                        prop_assert!(known.shut_until.is_none_or(|until| until <= at(now)), "while it is shut");
                        prop_assert_eq!(next.under_way.get(&number), Some(&under_way), "on disk until its outcome is");
                        let action = under_way.wish;
                        prop_assert!(actions.contains(&action));
                        let code: u32 = digits.parse().unwrap();
                        let one = asked.iter_mut().find(|one| one.2 == code).expect("the code was drawn");
                        prop_assert_eq!((one.0, &one.1, one.4), (user, &action, false), "its own person, its own action, once");
                        prop_assert!(now - one.3 < 60);
                        one.4 = true;
                        known = next.ended(number);
                    }
                    Confirmed::Nothing(next) | Confirmed::Wrong(_, next) | Confirmed::Shut(_, next) => known = next,
                },
                Heard::Replayed | Heard::Shut(_) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
