//! What a calendar warns of: lists that end, days and sessions that they do not cover.

use super::super::Severity;
use super::{Calendar, calendar, date};

fn said(calendar: &Calendar, day: &str) -> Vec<String> {
    calendar.concerns(date(day)).iter().map(ToString::to_string).collect()
}

#[test]
fn from_december_on_the_missing_year_is_named() {
    let calendar = calendar();
    for quiet in ["2026-01-02", "2026-07-01", "2026-10-24", "2026-11-09", "2026-11-30"] {
        assert_eq!(said(&calendar, quiet), Vec::<String>::new(), "{quiet}");
    }
    for loud in ["2026-12-01", "2026-12-15", "2026-12-31"] {
        let words = said(&calendar, loud);
        assert_eq!(words.len(), 1, "{words:?}");
        for word in ["warning: ", "NSE", "MCX", "ends before 2027-01-01", "the list of 2027 is missing", "calendar.directory"] {
            assert!(words[0].contains(word), "{word}: {words:?}");
        }
    }
}

#[test]
fn a_day_outside_the_data_is_an_error() {
    let calendar = calendar();
    for day in ["2025-12-31", "2027-01-04", "2028-02-29"] {
        let concerns = calendar.concerns(date(day));
        assert_eq!(concerns.iter().map(|concern| concern.severity).collect::<Vec<_>>(), [Severity::Error], "{day}");
        assert!(concerns[0].text.contains(&format!("on {day}: entries there are refused")), "{}", concerns[0].text);
    }
}

#[test]
fn a_special_session_without_times_is_named_two_weeks_ahead() {
    let calendar = calendar();
    for day in ["2026-10-25", "2026-11-08"] {
        let words = said(&calendar, day);
        assert!(words.len() == 1 && words[0].contains("on 2026-11-08 are missing") && words[0].contains("NSE, BSE, NFO, BFO"), "{words:?}");
    }
}

#[test]
fn a_list_of_one_segment_is_told_from_the_others() {
    let own = "[[covers]]\nsegments = [\"EQUITY\"]\nfrom = \"2027-01-01\"\nuntil = \"2027-12-31\"\nsource = \"s\"\n";
    let words = said(&super::with(own).unwrap(), "2026-12-01");
    assert!(words.len() == 1 && words[0].contains("MCX, CDS ends before 2027-01-01"), "{words:?}");
}
