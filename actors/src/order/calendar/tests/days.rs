//! Which days trade, by segment: holidays, weekends, special sessions, and what is not known.

use chrono::NaiveDate;

use super::super::{Day, Why};
use super::{Exchange, calendar, date};

const EQUITY: [Exchange; 4] = [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo];

/// Weekday holidays of shares and their derivatives, and whether commodities are closed all day too.
const HOLIDAYS: [(&str, &str, bool); 16] = [
    ("2026-01-15", "Thu", false),
    ("2026-01-26", "Mon", true),
    ("2026-03-03", "Tue", false),
    ("2026-03-26", "Thu", false),
    ("2026-03-31", "Tue", false),
    ("2026-04-03", "Fri", true),
    ("2026-04-14", "Tue", false),
    ("2026-05-01", "Fri", false),
    ("2026-05-28", "Thu", false),
    ("2026-06-26", "Fri", false),
    ("2026-09-14", "Mon", false),
    ("2026-10-02", "Fri", true),
    ("2026-10-20", "Tue", false),
    ("2026-11-10", "Tue", false),
    ("2026-11-24", "Tue", false),
    ("2026-12-25", "Fri", true),
];

#[test]
fn every_holiday_of_2026_is_closed_and_its_name_is_known() {
    let calendar = calendar();
    for (day, weekday, is_whole) in HOLIDAYS {
        let day = date(day);
        assert_eq!(day.format("%a").to_string(), weekday);
        for segment in EQUITY.into_iter().chain([Exchange::Cds]) {
            assert_eq!(calendar.is_trading_day(segment, day), Some(false), "{segment} {day}");
            assert!(matches!(calendar.day(segment, day), Day::Closed(Why::Holiday(name)) if name.len() > 3), "{segment} {day}");
        }
        let commodities = calendar.day(Exchange::Mcx, day);
        assert_eq!(matches!(commodities, Day::Closed(_)), is_whole, "{day}: {commodities:?}");
        assert_eq!(matches!(commodities, Day::EveningOnly(_)), !is_whole, "{day}: {commodities:?}");
    }
}

#[test]
fn no_other_weekday_of_2026_is_closed() {
    let calendar = calendar();
    let days = || date("2026-01-01").iter_days().take_while(|day| *day <= date("2026-12-31"));
    let is_weekend = |day: &NaiveDate| ["Sat", "Sun"].contains(&day.format("%a").to_string().as_str());
    let closed = |segment| -> Vec<String> {
        let holidays = days().filter(|day| matches!(calendar.day(segment, *day), Day::Closed(Why::Holiday(_))));
        holidays.filter(|day| !is_weekend(day)).map(|day| day.to_string()).collect()
    };
    for segment in EQUITY {
        assert_eq!(closed(segment), HOLIDAYS.map(|(day, ..)| day), "{segment}");
    }
    assert_eq!(closed(Exchange::Cds).len(), 20);
    assert_eq!(closed(Exchange::Mcx).len(), 4);
    for segment in Exchange::ALL {
        assert!(days().all(|day| calendar.is_trading_day(*segment, day).is_some()), "{segment}: the whole year is known");
    }
}

#[test]
fn currency_is_closed_on_four_days_more() {
    let calendar = calendar();
    for day in ["2026-02-19", "2026-03-19", "2026-04-01", "2026-08-26"] {
        assert_eq!(calendar.is_trading_day(Exchange::Cds, date(day)), Some(false), "{day}");
        assert_eq!(calendar.day(Exchange::Nse, date(day)), Day::Full, "{day}");
        assert_eq!(calendar.day(Exchange::Mcx, date(day)), Day::Full, "{day}");
    }
}

#[test]
fn holidays_on_weekends_have_a_name_too() {
    let calendar = calendar();
    for day in ["2026-02-15", "2026-03-21", "2026-08-15"] {
        assert!(matches!(calendar.day(Exchange::Nse, date(day)), Day::Closed(Why::Holiday(_))), "{day}");
    }
    assert_eq!(calendar.day(Exchange::Nse, date("2026-02-14")), Day::Closed(Why::Weekend));
}

#[test]
fn the_budget_sunday_is_a_full_day_of_shares_and_derivatives() {
    let calendar = calendar();
    for segment in EQUITY {
        assert!(matches!(calendar.day(segment, date("2026-02-01")), Day::Special { is_full: true, .. }), "{segment}");
        assert_eq!(calendar.next_trading_day(segment, date("2026-01-30")), Some(date("2026-02-01")), "{segment}");
    }
    assert_eq!(calendar.day(Exchange::Cds, date("2026-02-01")), Day::Closed(Why::Weekend));
    assert_eq!(calendar.next_trading_day(Exchange::Cds, date("2026-01-30")), Some(date("2026-02-02")));
}

#[test]
fn the_muhurat_sunday_is_a_trading_day_without_known_times() {
    let calendar = calendar();
    assert!(matches!(calendar.day(Exchange::Nfo, date("2026-11-08")), Day::NotAnnounced(_)));
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-11-08")), Some(true));
    assert!(matches!(calendar.day(Exchange::Mcx, date("2026-11-08")), Day::Closed(Why::Holiday(_))));
}

#[test]
fn new_years_day_closes_the_evening_of_commodities_only() {
    let calendar = calendar();
    assert!(matches!(calendar.day(Exchange::Mcx, date("2026-01-01")), Day::MorningOnly(_)));
    assert_eq!(calendar.day(Exchange::Nse, date("2026-01-01")), Day::Full);
}

#[test]
fn trading_days_step_over_holidays_and_stop_at_the_unknown() {
    let calendar = calendar();
    let next = |day: &str| calendar.next_trading_day(Exchange::Nse, date(day)).map(|day| day.to_string());
    assert_eq!(next("2026-04-02").as_deref(), Some("2026-04-06"), "Good Friday and a week-end");
    assert_eq!(next("2026-11-23").as_deref(), Some("2026-11-25"));
    assert_eq!(next("2026-12-31"), None, "2027 is not known");
    assert_eq!(calendar.next_trading_day(Exchange::Mcx, date("2026-11-23")), Some(date("2026-11-24")), "the evening counts");
    assert_eq!(calendar.previous_full_day(Exchange::Mcx, date("2026-11-25")), Some(date("2026-11-23")), "the evening is no full day");
    assert_eq!(calendar.previous_full_day(Exchange::Nse, date("2026-01-01")), None, "2025 is not known");
}

#[test]
fn a_day_outside_the_lists_is_unknown_and_a_known_holiday_is_closed() {
    let calendar = calendar();
    for day in ["2025-12-31", "2027-01-01", "2027-01-02", "2028-06-01"] {
        for segment in Exchange::ALL {
            assert_eq!(calendar.day(*segment, date(day)), Day::Unknown, "{segment} {day}");
            assert_eq!(calendar.is_trading_day(*segment, date(day)), None, "{segment} {day}");
        }
    }
    for day in ["2027-01-26", "2027-03-26", "2027-08-15", "2027-10-02", "2027-12-25"] {
        assert_eq!(calendar.is_trading_day(Exchange::Nse, date(day)), Some(false), "{day}");
    }
}
