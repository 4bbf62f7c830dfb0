use std::sync::Arc;

use super::*;
use crate::order::Instrument;
use crate::order::calendar::File;
use crate::testkit::ListedInstruments;
use crate::testkit::builders::{future, share};

fn calendar() -> Calendar {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    Calendar::parse(&[
        file("2026.toml", include_str!("../../../config/calendar/2026.toml")),
        file("2027.toml", include_str!("../../../config/calendar/2027.toml")),
    ])
    .unwrap_or_else(|bad| panic!("{bad}"))
}

/// Whether a session is missed with that held; the time is India's.
fn missed(held: &[InstrumentKey], day: &str, time: &str) -> bool {
    let calendar = calendar();
    let now: DateTime<Utc> = format!("{day}T{time}+05:30").parse().unwrap();
    let rows: [Instrument; 2] = [future(), share()];
    let instruments = ListedInstruments(rows.map(|row| (row.key.clone(), Arc::new(row))).into());
    is_missed(&Look { calendar: &calendar, lead: TimeDelta::minutes(30), now }, &instruments, &held.iter().cloned().collect())
}

/// The Nifty's future and a share: from Friday's close to half an hour before Monday's open nobody is woken.
#[test]
fn what_is_held_wants_a_session_in_its_market_and_half_an_hour_before() {
    for held in [future().key, share().key] {
        let missed = |day: &str, time: &str| missed(std::slice::from_ref(&held), day, time);
        assert!(missed("2026-11-20", "15:25:00"), "{held}");
        for (day, time) in [
            ("2026-11-20", "16:01:00"),
            ("2026-11-20", "23:00:00"),
            ("2026-11-21", "03:00:00"),
            ("2026-11-21", "10:00:00"),
            ("2026-11-22", "12:00:00"),
            ("2026-11-23", "03:00:30"),
            ("2026-11-23", "08:44:59"),
        ] {
            assert!(!missed(day, time), "{held} {day} {time}");
        }
        assert!(missed("2026-11-23", "08:45:00") && missed("2026-11-23", "09:05:00") && missed("2026-11-23", "11:00:00"), "{held}");
    }
}

#[test]
fn a_holiday_wants_none_and_the_day_after_it_does() {
    let held = [future().key];
    assert!(!missed(&held, "2026-11-24", "03:00:00") && !missed(&held, "2026-11-24", "10:00:00"), "Gurpurb");
    assert!(!missed(&held, "2026-11-25", "08:44:59") && missed(&held, "2026-11-25", "08:45:00"));
}

#[test]
fn a_flat_account_wants_one_while_any_exchange_is_at_it() {
    assert!(missed(&[], "2026-11-20", "20:00:00"), "commodities");
    for (day, time) in [
        ("2026-11-20", "23:58:00"),
        ("2026-11-21", "03:00:00"),
        ("2026-11-22", "10:00:00"),
        ("2026-11-23", "03:00:00"),
        ("2026-11-23", "08:10:00"),
    ] {
        assert!(!missed(&[], day, time), "{day} {time}");
    }
    assert!(missed(&[], "2026-11-23", "08:45:00"));
}

#[test]
fn what_is_not_known_is_taken_for_a_day_like_any_other() {
    let unlisted = [InstrumentKey::new(Exchange::Nfo, "BANKNIFTY26NOVFUT")];
    assert!(missed(&unlisted, "2026-11-23", "08:45:00"), "not in the master: its exchange tells");
    assert!(!missed(&unlisted, "2026-11-23", "03:00:00"));
    // No calendar covers it.
    let held = [share().key];
    assert!(!missed(&held, "2031-06-02", "08:29:59") && missed(&held, "2031-06-02", "08:30:00"));
    assert!(missed(&held, "2031-06-02", "23:54:59") && !missed(&held, "2031-06-02", "23:55:00"));
}
