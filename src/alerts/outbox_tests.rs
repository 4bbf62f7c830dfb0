use super::super::tests::alert;
use super::*;

fn rules() -> Rules {
    Rules {
        from: Level::Info,
        quiet: None,
        fold: TimeDelta::seconds(60),
        escalate: Some(TimeDelta::minutes(15)),
        is_escalation: false,
        first_pause: TimeDelta::seconds(1),
    }
}

fn start() -> DateTime<Utc> {
    alert("A", "").at
}

fn of(level: Level, text: &str) -> Alert {
    Alert { level, seq: Some(1), ..alert("X", text) }
}

fn page(seq: u64) -> (Option<ClientId>, Alarm) {
    let alarm = Alarm {
        seq,
        event: "ALARM_IN_DOUBT".into(),
        level: Level::Page,
        text: format!("page {seq}").into(),
        command_id: None,
        at: start(),
        last_at: start(),
        count: 1,
    };
    (ClientId::parse("LIVE1").ok(), alarm)
}

/// Sends everything that is due; the texts.
fn drain(outbox: &mut Outbox, now: DateTime<Utc>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(message) = outbox.next(now) {
        texts.push(message.alert.text.clone());
        outbox.sent(message.count);
    }
    texts
}

#[test]
fn a_channel_takes_from_its_level_up_and_an_escalation_channel_nothing_of_its_own() {
    for (rules, expected) in [
        (rules(), vec!["info", "warn", "page"]),
        (Rules { from: Level::Warn, ..rules() }, vec!["warn", "page"]),
        (Rules { from: Level::Page, ..rules() }, vec!["page"]),
        (Rules { is_escalation: true, ..rules() }, vec![]),
    ] {
        let mut outbox = Outbox::default();
        for (level, text) in [(Level::Info, "info"), (Level::Warn, "warn"), (Level::Page, "page")] {
            outbox.take(&rules, of(level, text), start());
        }
        assert_eq!(drain(&mut outbox, start()), expected);
    }
}

#[test]
fn quiet_hours_hold_back_all_but_pages_and_end_with_a_sum() {
    // Quiet until 08:46 in India; the alerts are of 08:45.
    let rules = Rules { quiet: Quiet::parse("22:00-08:46"), ..rules() };
    let mut outbox = Outbox::default();
    outbox.take(&rules, of(Level::Info, "a fill"), start());
    outbox.take(&rules, of(Level::Warn, "a warning"), start());
    outbox.take(&rules, of(Level::Page, "a page"), start());
    outbox.look(&rules, start());
    assert_eq!((drain(&mut outbox, start()), outbox.held_back()), (vec!["a page".to_owned()], 2));
    let kept = serde_json::to_string(&outbox).unwrap();
    let mut outbox: Outbox = serde_json::from_str(&kept).unwrap();
    let morning = start() + TimeDelta::minutes(1);
    outbox.look(&rules, morning);
    let message = outbox.next(morning).unwrap();
    assert_eq!((message.alert.level, message.alert.event.as_str()), (Level::Warn, "QUIET HOURS"));
    assert_eq!(message.alert.text, "since 20 Nov 08:45 IST, while it was quiet: X 2");
    outbox.sent(message.count);
    outbox.look(&rules, morning);
    assert!(outbox.next(morning).is_none() && outbox.held_back() == 0);
}

#[test]
fn what_is_read_late_is_a_count_and_pages_always_go() {
    let now = start() + TimeDelta::hours(3);
    let mut outbox = Outbox::default();
    for (level, text) in [(Level::Info, "one"), (Level::Page, "page"), (Level::Info, "two"), (Level::Warn, "three")] {
        outbox.take(&rules(), of(level, text), now);
    }
    outbox.look(&rules(), now);
    let told = drain(&mut outbox, now);
    assert_eq!(told, ["page", "since 20 Nov 08:45 IST, not sent one by one (the journal has them): X 3"]);
}

#[test]
fn many_that_wait_are_one_message_of_one_kind_in_order() {
    let mut outbox = Outbox::default();
    for n in 0..30 {
        outbox.take(&rules(), of(Level::Info, &format!("info {n}")), start());
    }
    outbox.take(&rules(), of(Level::Page, "page"), start());
    let first = outbox.next(start()).unwrap();
    assert_eq!((first.count, first.alert.event.as_str()), (20, "20 ALERTS"));
    assert!(first.alert.text.starts_with("20 Nov 08:45 LIVE1 X: info 0\n"), "{}", first.alert.text);
    outbox.sent(first.count);
    let second = outbox.next(start()).unwrap();
    assert_eq!((second.count, second.alert.level), (10, Level::Info), "the page is not among them");
    outbox.sent(second.count);
    assert_eq!(outbox.next(start()).unwrap().alert.text, "page");
}

#[test]
fn a_try_that_failed_is_made_again_after_a_pause_that_doubles_and_loses_nothing() {
    let mut outbox = Outbox::default();
    outbox.take(&rules(), of(Level::Page, "page"), start());
    let mut now = start();
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert!(outbox.next(now).is_some());
        assert!(!outbox.failed(&rules(), 1, false, now));
        assert!(outbox.next(now + TimeDelta::seconds(pause - 1)).is_none(), "{pause}");
        now += TimeDelta::seconds(pause);
    }
    assert_eq!(drain(&mut outbox, now), ["page"]);
    // A clock that was set back by a day is no pause of a day.
    outbox.take(&rules(), of(Level::Page, "another"), now);
    outbox.failed(&rules(), 1, false, now);
    assert!(outbox.next(now - TimeDelta::days(1)).is_some());
}

#[test]
fn what_the_other_side_does_not_want_holds_up_nothing_for_ever() {
    let mut outbox = Outbox::default();
    outbox.take(&rules(), of(Level::Info, "unwanted"), start());
    outbox.take(&rules(), of(Level::Page, "page"), start());
    assert!(!outbox.failed(&rules(), 1, true, start()) && !outbox.failed(&rules(), 1, true, start()));
    assert!(outbox.failed(&rules(), 1, true, start()), "given up");
    assert_eq!(drain(&mut outbox, start()), ["page"]);
}

#[test]
fn a_first_start_tells_the_open_pages_and_no_history() {
    let mut outbox = Outbox::default();
    let (client, _) = page(1);
    let warning = Alarm { level: Level::Warn, ..page(3).1 };
    outbox.begin(&[(client.clone(), 40), (None, 7)], &[page(2), (client.clone(), warning), page(41)]);
    assert_eq!((outbox.cursor(client.as_ref()), outbox.cursor(None)), (40, 7));
    assert_eq!(drain(&mut outbox, start()), ["page 2 (open since 20 Nov 08:45 IST)"], "row 41 comes from the journal");
    outbox.escalate(&rules(), &[page(2)], start() + TimeDelta::hours(1));
    assert!(outbox.next(start() + TimeDelta::hours(1)).is_none(), "it was said just now");
}

#[test]
fn a_restored_journal_that_is_shorter_is_read_from_its_end() {
    let mut outbox = Outbox::default();
    let (client, _) = page(1);
    outbox.begin(&[(client.clone(), 40), (None, 7)], &[]);
    outbox.fit(&[(client.clone(), 25)]);
    assert_eq!((outbox.cursor(client.as_ref()), outbox.cursor(None)), (25, 0));
    outbox.fit(&[(client.clone(), 90), (None, 9)]);
    assert_eq!((outbox.cursor(client.as_ref()), outbox.cursor(None)), (25, 0), "what is longer is read on");
}

#[test]
fn a_page_that_nobody_acknowledges_is_said_again_and_then_goes_up() {
    let (mut own, mut up) = (Outbox::default(), Outbox::default());
    let upper = Rules { is_escalation: true, ..rules() };
    let mut told = Vec::new();
    for minute in 0..120 {
        let now = start() + TimeDelta::minutes(minute);
        for (name, outbox, rules) in [("own", &mut own, rules()), ("up", &mut up, upper)] {
            outbox.escalate(&rules, &[page(5)], now);
            told.extend(drain(outbox, now).into_iter().map(|text| (minute, name, text)));
            *outbox = serde_json::from_str(&serde_json::to_string(outbox).unwrap()).unwrap();
        }
    }
    let seen: Vec<(i64, &str)> = told.iter().map(|(minute, name, _)| (*minute, *name)).collect();
    assert_eq!(seen, [(15, "own"), (30, "up")], "once each, also over restarts");
    assert!(told[0].2.contains("nobody has acknowledged it"), "{told:?}");
}

#[test]
fn an_acknowledgement_stops_it_and_a_page_raised_anew_begins_anew() {
    let mut outbox = Outbox::default();
    let now = start() + TimeDelta::minutes(20);
    outbox.escalate(&rules(), &[], now);
    assert!(outbox.next(now).is_none(), "acknowledged before its time");
    outbox.escalate(&rules(), &[page(5)], now);
    assert_eq!(drain(&mut outbox, now).len(), 1);
    outbox.escalate(&rules(), &[], now);
    let (client, anew) = page(9);
    outbox.escalate(&rules(), &[(client, Alarm { at: now, ..anew })], now + TimeDelta::minutes(14));
    assert!(outbox.next(now + TimeDelta::minutes(14)).is_none());
    outbox.escalate(&Rules { escalate: None, ..rules() }, &[page(7)], now);
    assert!(outbox.next(now).is_none(), "off");
}

proptest::proptest! {
    /// A journal of pages and infos, read in pieces, with sends that fail and a restart from the file at any moment: every page
    /// arrives, none twice, in the order of the journal.
    #[test]
    fn prop_pages_arrive_once_and_in_order(
        levels in proptest::collection::vec(proptest::bool::weighted(0.4), 1..150),
        fates in proptest::collection::vec((proptest::bool::ANY, proptest::bool::weighted(0.2), 0i64..200), 1..400),
    ) {
        let client = ClientId::parse("LIVE1").ok();
        let (mut outbox, mut now, mut got) = (Outbox::default(), start(), Vec::new());
        outbox.begin(&[], &[]);
        let mut fates = fates.into_iter().chain(std::iter::repeat((true, false, 400)));
        for _ in 0..2_000 {
            // Reads as far as there is room.
            while outbox.has_room() {
                let seq = outbox.cursor(client.as_ref()) + 1;
                let Some(is_page) = levels.get(usize::try_from(seq).unwrap() - 1) else { break };
                let level = if *is_page { Level::Page } else { Level::Info };
                outbox.take(&rules(), Alert { seq: Some(seq), ..of(level, &format!("<{seq}>")) }, now);
                outbox.passed(client.as_ref(), seq);
            }
            outbox.look(&rules(), now);
            let (arrives, restarts, wait) = fates.next().unwrap();
            if restarts {
                outbox = serde_json::from_str(&serde_json::to_string(&outbox).unwrap()).unwrap();
            }
            if let Some(message) = outbox.next(now) {
                if arrives {
                    let numbers = message.alert.text.split('<').skip(1).filter_map(|rest| rest.split('>').next()?.parse::<usize>().ok());
                    got.extend(numbers.filter(|seq| levels[seq - 1]));
                    outbox.sent(message.count);
                } else {
                    outbox.failed(&rules(), message.count, false, now);
                }
            }
            now += TimeDelta::seconds(wait);
        }
        let pages: Vec<usize> = levels.iter().enumerate().filter(|(_, is_page)| **is_page).map(|(at, _)| at + 1).collect();
        proptest::prop_assert_eq!(got, pages);
    }
}
