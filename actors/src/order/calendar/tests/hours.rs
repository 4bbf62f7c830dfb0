//! When what trades on a day, and in which phase a moment lies.

use chrono::{DateTime, Utc};

use super::super::{AuctionStep, Class, Facts, Missing, SessionPhase, Why};
use super::{Calendar, Exchange, calendar, date, future, is_open, ist, option, share, with, words};

const OLD_PRE_OPEN: [&str; 4] = [
    "09:00-09:07 pre-open (limit and market orders)",
    "09:07-09:08 pre-open (limit orders only, may end at any moment)",
    "09:08-09:12 pre-open (matching, no orders)",
    "09:12-09:15 pre-open (buffer, no orders)",
];
const NEW_PRE_OPEN: [&str; 5] = [
    "09:00-09:05 pre-open (limit and market orders)",
    "09:05-09:08 pre-open (limit orders only)",
    "09:08-09:10 pre-open (limit orders only, may end at any moment)",
    "09:10-09:12 pre-open (matching, no orders)",
    "09:12-09:15 pre-open (buffer, no orders)",
];
const AUCTION: [&str; 7] = [
    "09:15-15:15 continuous",
    "15:15-15:20 closing auction (reference price, no orders)",
    "15:20-15:25 closing auction (limit and market orders)",
    "15:25-15:28 closing auction (limit orders only)",
    "15:28-15:30 closing auction (limit orders only, may end at any moment)",
    "15:30-15:35 closing auction (matching, no orders)",
    "15:50-16:00 post-close",
];
const NO_AUCTION: [&str; 2] = ["09:15-15:30 continuous", "15:50-16:00 post-close"];

#[track_caller]
fn hours_of(segments: &[Exchange], class: Class, day: &str, parts: &[&[&str]]) {
    let calendar = calendar();
    for segment in segments {
        assert_eq!(words(&calendar, *segment, class, day), parts.concat(), "{segment} {class:?} {day}");
    }
}

#[test]
fn shares_by_date() {
    let cash = [Exchange::Nse, Exchange::Bse];
    for class in [Class::Share, Class::AuctionShare] {
        for day in ["2026-01-02", "2026-02-01", "2026-07-31"] {
            hours_of(&cash, class, day, &[&OLD_PRE_OPEN, &["09:15-15:30 continuous", "15:40-16:00 post-close"]]);
        }
    }
    for day in ["2026-08-03", "2026-09-04"] {
        hours_of(&cash, Class::AuctionShare, day, &[&OLD_PRE_OPEN, &AUCTION]);
        hours_of(&cash, Class::Share, day, &[&OLD_PRE_OPEN, &NO_AUCTION]);
    }
    for day in ["2026-09-07", "2026-12-31"] {
        hours_of(&cash, Class::AuctionShare, day, &[&NEW_PRE_OPEN, &AUCTION]);
        hours_of(&cash, Class::Share, day, &[&NEW_PRE_OPEN, &NO_AUCTION]);
    }
}

#[test]
fn equity_derivatives_by_date() {
    let derivatives = [Exchange::Nfo, Exchange::Bfo];
    for class in [Class::Future, Class::Option] {
        hours_of(&derivatives, class, "2026-07-31", &[&["09:15-15:30 continuous"]]);
        hours_of(&derivatives, class, "2026-08-03", &[&["09:15-15:40 continuous"]]);
    }
    hours_of(&derivatives, Class::NearFuture, "2026-07-31", &[&OLD_PRE_OPEN, &["09:15-15:30 continuous"]]);
    hours_of(&derivatives, Class::NearFuture, "2026-08-03", &[&OLD_PRE_OPEN, &["09:15-15:40 continuous"]]);
    hours_of(&derivatives, Class::NearFuture, "2026-09-07", &[&NEW_PRE_OPEN, &["09:15-15:40 continuous"]]);
}

#[test]
fn futures_have_a_pre_open_since_8_december_2025() {
    let december = "[[covers]]\nsegments = [\"NFO\"]\nfrom = \"2025-12-01\"\nuntil = \"2025-12-31\"\nsource = \"test\"\n";
    let calendar = with(december).unwrap();
    assert_eq!(words(&calendar, Exchange::Nfo, Class::NearFuture, "2025-12-05"), ["09:15-15:30 continuous"]);
    assert_eq!(words(&calendar, Exchange::Nfo, Class::NearFuture, "2025-12-08")[..4], OLD_PRE_OPEN);
    assert_eq!(words(&calendar, Exchange::Nfo, Class::Option, "2025-12-08"), ["09:15-15:30 continuous"]);
}

#[test]
fn currency_and_commodities_by_date() {
    hours_of(&[Exchange::Cds], Class::Future, "2026-11-20", &[&["09:00-17:00 continuous"]]);
    for (day, close) in
        [("2026-03-06", "23:55"), ("2026-03-09", "23:30"), ("2026-10-30", "23:30"), ("2026-11-02", "23:55"), ("2026-12-31", "23:55")]
    {
        for class in [Class::Future, Class::Option] {
            hours_of(&[Exchange::Mcx], class, day, &[&[&*format!("09:00-{close} continuous")]]);
        }
    }
    hours_of(&[Exchange::Mcx], Class::Future, "2026-11-24", &[&["17:00-23:55 continuous"]]);
    hours_of(&[Exchange::Mcx], Class::Future, "2026-06-26", &[&["17:00-23:30 continuous"]]);
    hours_of(&[Exchange::Mcx], Class::Future, "2026-01-01", &[&["09:00-17:00 continuous"]]);
    hours_of(&[Exchange::Mcx], Class::Future, "2026-10-02", &[]);
    hours_of(&[Exchange::Mcx], Class::LinkedAgri, "2026-11-24", &[&["17:00-21:00 continuous"]]);
    hours_of(&[Exchange::Mcx], Class::Agri, "2026-11-24", &[]);
}

#[test]
fn the_hours_of_2027_follow_daylight_saving_once_the_list_is_there() {
    let year = "[[covers]]\nsegments = [\"MCX\"]\nfrom = \"2027-01-01\"\nuntil = \"2027-12-31\"\nsource = \"test\"\n";
    let calendar = with(year).unwrap();
    for (day, close) in [("2027-03-12", "23:55"), ("2027-03-15", "23:30"), ("2027-11-05", "23:30"), ("2027-11-08", "23:55")] {
        assert_eq!(words(&calendar, Exchange::Mcx, Class::Future, day), [format!("09:00-{close} continuous")], "{day}");
    }
}

/// Moment by moment through a day with a closing auction.
#[test]
fn a_share_with_derivatives_walks_through_its_day() {
    let (calendar, reliance) = (calendar(), share(Exchange::Nse, "RELIANCE", Some(true)));
    let at = |clock: &str| calendar.session(&reliance, ist(&format!("2026-11-20 {clock}")));
    let until = |clock: &str| ist(&format!("2026-11-20 {clock}"));
    let monday = SessionPhase::Closed { why: Why::Hours, next_open: Some(ist("2026-11-23 09:15")) };
    assert_eq!(at("08:59"), SessionPhase::Closed { why: Why::Hours, next_open: Some(until("09:15")) });
    assert_eq!(at("09:00"), SessionPhase::PreOpen { step: AuctionStep::LimitAndMarket, until: until("09:05") });
    assert_eq!(at("09:14"), SessionPhase::PreOpen { step: AuctionStep::Buffer, until: until("09:15") });
    assert_eq!(at("09:15"), SessionPhase::Continuous { closes_at: until("15:15") });
    assert_eq!(at("15:14"), SessionPhase::Continuous { closes_at: until("15:15") });
    assert_eq!(at("15:15"), SessionPhase::ClosingAuction { step: AuctionStep::Reference, until: until("15:20") });
    assert_eq!(at("15:24"), SessionPhase::ClosingAuction { step: AuctionStep::LimitAndMarket, until: until("15:25") });
    assert_eq!(at("15:29"), SessionPhase::ClosingAuction { step: AuctionStep::LimitOnlyEnding, until: until("15:30") });
    assert_eq!(at("15:34"), SessionPhase::ClosingAuction { step: AuctionStep::Matching, until: until("15:35") });
    assert_eq!(at("15:35"), monday);
    assert_eq!(at("15:50"), SessionPhase::PostClose { until: until("16:00") });
    assert_eq!(at("16:00"), monday);
    let holiday = calendar.session(&reliance, ist("2026-11-24 11:00"));
    assert_eq!(holiday.to_string(), "closed (Prakash Gurpurb Sri Guru Nanak Dev), opens Wed 25 Nov 2026 09:15 IST");
    assert_eq!(calendar.session(&reliance, ist("2026-12-31 16:00")), SessionPhase::Closed { why: Why::Hours, next_open: None });
}

#[test]
fn unknown_is_neither_open_nor_closed() {
    let (calendar, reliance) = (calendar(), share(Exchange::Nse, "RELIANCE", Some(true)));
    assert_eq!(calendar.session(&reliance, ist("2027-01-04 11:00")), SessionPhase::Unknown(Missing::Day));
    assert_eq!(calendar.session(&reliance, ist("2026-11-08 18:30")), SessionPhase::Unknown(Missing::Times));
    let odd = share(Exchange::Mcx, "GOLD", None);
    assert_eq!(calendar.session(&odd, ist("2026-11-20 11:00")), SessionPhase::Unknown(Missing::Hours));
    assert_eq!(calendar.closes_at(&reliance, date("2027-01-04")), None);
}

/// What shall not stay overnight must be left on a day that no file covers too, and before the last window of a day with two.
#[test]
fn the_trading_times_of_a_day_and_those_of_any_day_where_none_is_covered() {
    let times = |calendar: &Calendar, facts: &Facts, day: &str| {
        let clock = |at: DateTime<Utc>| at.with_timezone(&crate::order::ist()).format("%H:%M").to_string();
        calendar
            .trading_times(facts, date(day))
            .into_iter()
            .map(|times| format!("{}-{}", clock(times.start), clock(times.end)))
            .collect::<Vec<_>>()
    };
    let (calendar, reliance) = (calendar(), share(Exchange::Nse, "RELIANCE", Some(true)));
    for (day, wanted) in [
        ("2026-11-20", vec!["09:15-15:15"]),
        ("2026-11-21", vec![]),
        ("2026-11-24", vec![]),
        // The hours of a special session are not known, and they are not those of any day.
        ("2026-11-08", vec![]),
        ("2027-01-04", vec!["09:15-15:15"]),
        ("2027-01-26", vec![]),
        ("2027-01-02", vec![]),
    ] {
        assert_eq!(times(&calendar, &reliance, day), wanted, "{day}");
    }
    assert!(times(&calendar, &share(Exchange::Mcx, "GOLD", None), "2026-11-20").is_empty(), "no hours are known");
    let drill = "[[special]]\non = \"Sat 2026-11-21\"\nname = \"Drill\"\nsegments = [\"EQUITY\"]\nwindows = [\"09:15-10:00 CONTINUOUS\", \"11:30-12:30 CONTINUOUS\"]\nsource = \"s\"\n";
    assert_eq!(times(&with(drill).unwrap(), &reliance, "2026-11-21"), ["09:15-10:00", "11:30-12:30"]);
    assert_eq!(times(&Calendar::always_open(), &reliance, "2026-11-21"), ["00:00-00:00"]);
}

#[test]
fn days_of_trading_until_another_day() {
    let calendar = calendar();
    // Tuesday the 24th is a holiday of the exchange.
    for (from, to, days) in [
        ("2026-11-20", "2026-11-23", 1),
        ("2026-11-21", "2026-11-23", 1),
        ("2026-11-20", "2026-11-25", 2),
        ("2026-11-20", "2026-11-20", 0),
        ("2026-11-20", "2026-11-19", 0),
        ("2026-12-31", "2027-01-05", 3),
    ] {
        assert_eq!(calendar.days_until(Exchange::Nfo, date(from), date(to)), days, "{from} {to}");
    }
}

#[test]
fn times_of_a_special_session_may_be_added_in_a_file_of_ones_own() {
    let own = "[[special]]\non = \"Sun 2026-11-08\"\nname = \"Muhurat\"\nsegments = [\"EQUITY\"]\nwindows = [\"18:00-19:00 CONTINUOUS\"]\nsource = \"s\"\n";
    let calendar = with(own).unwrap();
    let reliance = share(Exchange::Nse, "RELIANCE", Some(true));
    assert!(is_open(&calendar.session(&reliance, ist("2026-11-08 18:00"))));
    assert_eq!(calendar.closes_at(&reliance, date("2026-11-08")), Some(ist("2026-11-08 19:00")));
    let saturday = calendar.session(&reliance, ist("2026-11-07 12:00"));
    assert_eq!(saturday, SessionPhase::Closed { why: Why::Weekend, next_open: Some(ist("2026-11-08 18:00")) });
}

#[test]
fn who_is_in_the_closing_auction() {
    let calendar = calendar();
    let closes = |facts: &Facts| calendar.closes_at(facts, date("2026-08-03")).unwrap();
    let table = [
        (share(Exchange::Nse, "RELIANCE", Some(true)), "15:15"),
        (share(Exchange::Nse, "SMALLCAP", Some(false)), "15:30"),
        // Nobody can look it up: the earlier of the two.
        (share(Exchange::Nse, "RELIANCE", None), "15:15"),
        (share(Exchange::Bse, "RELIANCE", Some(true)), "15:15"),
        // The two that the BSE leaves out, there only.
        (share(Exchange::Bse, "BSE", Some(true)), "15:30"),
        (share(Exchange::Bse, "CDSL", Some(true)), "15:30"),
        (share(Exchange::Nse, "BSE", Some(true)), "15:15"),
        (share(Exchange::Nse, "CDSL", Some(true)), "15:15"),
        (future(Exchange::Nfo, "RELIANCE", "2026-08-25"), "15:40"),
        (option(Exchange::Bfo, "SENSEX", "2026-08-06"), "15:40"),
        (future(Exchange::Cds, "USDINR", "2026-08-27"), "17:00"),
        (future(Exchange::Mcx, "CRUDEOIL", "2026-08-19"), "23:30"),
        (future(Exchange::Mcx, "MENTHAOIL", "2026-08-31"), "17:00"),
        (future(Exchange::Mcx, "COTTONCNDY", "2026-08-31"), "21:00"),
    ];
    for (facts, clock) in table {
        assert_eq!(closes(&facts), ist(&format!("2026-08-03 {clock}")), "{facts:?}");
    }
    let listed = "[[closing_auction]]\nsegments = [\"NSE\"]\nwith = [\"SMALLCAP\"]\nsource = \"s\"\n";
    let closes = with(listed).unwrap().closes_at(&share(Exchange::Nse, "SMALLCAP", Some(false)), date("2026-08-03"));
    assert_eq!(closes, Some(ist("2026-08-03 15:15")));
}

/// The current month has a pre-open, and the next one in the five trading days before the expiry.
#[test]
fn futures_of_the_near_month_have_a_pre_open() {
    let calendar = calendar();
    let is_near = |expiry: &str, day: &str| calendar.class(&future(Exchange::Nfo, "NIFTY", expiry), date(day)) == Class::NearFuture;
    // October's contracts expire on Tue 27 Oct. The five trading days before its end: 21, 22, 23, 26, 27 (20 is a holiday).
    for (day, october, november, december) in [
        ("2026-10-01", true, false, false),
        ("2026-10-19", true, false, false),
        ("2026-10-21", true, true, false),
        ("2026-10-27", true, true, false),
        ("2026-10-28", false, true, false),
        // November's last Tuesday is a holiday: they expire on Mon 23 Nov.
        ("2026-11-16", false, true, false),
        ("2026-11-17", false, true, true),
        ("2026-11-23", false, true, true),
        ("2026-11-25", false, false, true),
    ] {
        let found = (is_near("2026-10-27", day), is_near("2026-11-23", day), is_near("2026-12-29", day));
        assert_eq!(found, (october, november, december), "{day}");
    }
    // After December's expiry the next one is in the unknown: no pre-open is claimed.
    assert!(!is_near("2027-01-25", "2026-12-30"));
    assert_eq!(calendar.class(&option(Exchange::Nfo, "NIFTY", "2026-10-27"), date("2026-10-27")), Class::Option);
}

#[test]
fn entries_go_in_continuous_trading_and_exits_wherever_waiting_is_worse() {
    let (calendar, reliance) = (calendar(), share(Exchange::Nse, "RELIANCE", Some(true)));
    for (clock, entry, exit) in [
        ("08:00", false, false),
        ("09:01", false, false),
        ("09:11", false, false),
        ("09:15", true, true),
        ("15:14", true, true),
        ("15:17", false, false),
        ("15:22", false, true),
        ("15:26", false, true),
        ("15:29", false, true),
        ("15:32", false, false),
        ("15:40", false, false),
        ("15:55", false, false),
        ("16:00", false, false),
    ] {
        let phase = calendar.session(&reliance, ist(&format!("2026-11-20 {clock}")));
        assert_eq!((phase.takes_entries(), phase.takes_exits()), (entry, exit), "{clock}: {phase}");
    }
    let unknown = SessionPhase::Unknown(Missing::Day);
    assert_eq!((unknown.takes_entries(), unknown.takes_exits()), (false, true));
}

#[test]
fn the_calendar_of_tests_is_open_at_midnight_and_in_any_year() {
    let calendar = Calendar::always_open();
    let reliance = share(Exchange::Nse, "RELIANCE", None);
    for at in ["2026-11-22 00:00", "2026-12-25 23:59", "2031-06-01 03:00"] {
        let phase = calendar.session(&reliance, ist(at));
        assert!(matches!(phase, SessionPhase::Continuous { closes_at } if closes_at > ist(at)), "{at}: {phase}");
    }
    assert_eq!(calendar.next_trading_day(Exchange::Nse, date("2026-12-24")), Some(date("2026-12-25")));
    assert!(!calendar.holds(true) && calendar.concerns(date("2031-01-01")).is_empty());
}
