//! On which day a contract ends, also where its own day is a holiday.

use super::super::{Cycle, NoExpiry};
use super::{Exchange, calendar, date};

#[track_caller]
fn expires(segment: Exchange, name: &str, cycle: Cycle, within: &str, wanted: &str) {
    assert_eq!(calendar().expiry(segment, name, cycle, date(within)), Ok(date(wanted)), "{segment} {name} {cycle:?} {within}");
}

#[test]
fn weekly_expiries_that_fall_on_a_holiday_move_to_the_trading_day_before() {
    for (tuesday, moved) in [
        ("2026-03-03", "2026-03-02"),
        ("2026-03-31", "2026-03-30"),
        ("2026-04-14", "2026-04-13"),
        ("2026-10-20", "2026-10-19"),
        ("2026-11-10", "2026-11-09"),
        ("2026-11-24", "2026-11-23"),
        // No holiday.
        ("2026-11-17", "2026-11-17"),
    ] {
        assert_eq!(date(tuesday).format("%a").to_string(), "Tue");
        expires(Exchange::Nfo, "NIFTY", Cycle::Weekly, tuesday, moved);
    }
    for (thursday, moved) in
        [("2026-01-15", "2026-01-14"), ("2026-03-26", "2026-03-25"), ("2026-05-28", "2026-05-27"), ("2026-11-26", "2026-11-26")]
    {
        assert_eq!(date(thursday).format("%a").to_string(), "Thu");
        expires(Exchange::Bfo, "SENSEX", Cycle::Weekly, thursday, moved);
    }
}

#[test]
fn the_day_of_the_week_does_not_matter() {
    for day in ["2026-11-23", "2026-11-24", "2026-11-26", "2026-11-29"] {
        expires(Exchange::Nfo, "NIFTY", Cycle::Weekly, day, "2026-11-23");
    }
    expires(Exchange::Nfo, "NIFTY", Cycle::Weekly, "2026-11-30", "2026-12-01");
}

#[test]
fn monthly_expiries_are_the_last_tuesday_or_thursday() {
    for (month, tuesday, thursday) in [
        ("2026-01-01", "2026-01-27", "2026-01-29"),
        ("2026-02-28", "2026-02-24", "2026-02-26"),
        ("2026-03-10", "2026-03-30", "2026-03-25"),
        ("2026-05-31", "2026-05-26", "2026-05-27"),
        ("2026-11-08", "2026-11-23", "2026-11-26"),
        ("2026-12-31", "2026-12-29", "2026-12-31"),
    ] {
        for name in ["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "RELIANCE"] {
            expires(Exchange::Nfo, name, Cycle::Monthly, month, tuesday);
        }
        for name in ["SENSEX", "BANKEX"] {
            expires(Exchange::Bfo, name, Cycle::Monthly, month, thursday);
        }
    }
}

#[test]
fn the_next_expiry_is_on_the_day_or_after_it() {
    let calendar = calendar();
    let next = |cycle, from: &str| calendar.next_expiry(Exchange::Nfo, "NIFTY", cycle, date(from));
    assert_eq!(next(Cycle::Weekly, "2026-11-23"), Ok(date("2026-11-23")));
    assert_eq!(next(Cycle::Weekly, "2026-11-24"), Ok(date("2026-12-01")));
    assert_eq!(next(Cycle::Monthly, "2026-11-24"), Ok(date("2026-12-29")));
    assert!(matches!(next(Cycle::Monthly, "2026-12-30"), Err(NoExpiry::Unknown(_))), "January 2027 is not known");
}

#[test]
fn what_does_not_exist_is_told_from_what_is_not_known() {
    let calendar = calendar();
    let on = |segment, name: &str, cycle, day: &str| calendar.expiry(segment, name, cycle, date(day));
    assert_eq!(on(Exchange::Nfo, "BANKNIFTY", Cycle::Weekly, "2026-11-20"), Err(NoExpiry::NoSuchCycle));
    assert_eq!(on(Exchange::Bfo, "BANKEX", Cycle::Weekly, "2026-11-20"), Err(NoExpiry::NoSuchCycle));
    assert_eq!(on(Exchange::Nse, "RELIANCE", Cycle::Monthly, "2026-11-20"), Err(NoExpiry::NoSuchCycle));
    assert_eq!(on(Exchange::Nfo, "NIFTY", Cycle::Weekly, "2027-02-10"), Err(NoExpiry::Unknown(date("2027-02-09"))));
    // Republic Day of 2027 is known to be closed, the Monday before it is not known to be open.
    assert_eq!(on(Exchange::Nfo, "NIFTY", Cycle::Monthly, "2027-01-10"), Err(NoExpiry::Unknown(date("2027-01-26"))));
}
