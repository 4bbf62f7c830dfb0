//! Of any day and any text: phases part the day, the next opening is the first one, nothing panics.

use std::sync::LazyLock;

use chrono::{Days, Duration, NaiveDate, NaiveTime};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::super::{Cycle, SessionPhase, Step};
use super::{Calendar, Class, Exchange, calendar, date, moment};

static CALENDAR: LazyLock<Calendar> = LazyLock::new(calendar);

/// Every segment with every class that it has.
fn market() -> impl Strategy<Value = (Exchange, Class)> {
    let cash = [Exchange::Nse, Exchange::Bse].into_iter().flat_map(|at| [(at, Class::Share), (at, Class::AuctionShare)]);
    let derivatives = [Exchange::Nfo, Exchange::Bfo, Exchange::Cds, Exchange::Mcx]
        .into_iter()
        .flat_map(|at| [(at, Class::Future), (at, Class::NearFuture), (at, Class::Option)]);
    let agri = [(Exchange::Mcx, Class::Agri), (Exchange::Mcx, Class::LinkedAgri)];
    select(cash.chain(derivatives).chain(agri).collect::<Vec<_>>())
}

/// Any day of 2026.
fn day() -> impl Strategy<Value = NaiveDate> {
    (0u64..365).prop_map(|days| date("2026-01-01") + Days::new(days))
}

proptest! {
    // Each case walks minutes of days.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn prop_the_next_opening_is_ahead_open_and_the_first((segment, class) in market(), day in day(), second in 0i64..86_400) {
        let at = moment(day, NaiveTime::MIN) + Duration::seconds(second);
        let SessionPhase::Closed { next_open, .. } = CALENDAR.phase(segment, class, at) else { return Ok(()) };
        let Some(next) = next_open else {
            // Only where an unknown day comes before any opening.
            let is_unknown = day.iter_days().take(10).any(|day| CALENDAR.windows(segment, class, day).is_err());
            prop_assert!(is_unknown, "{} {:?} {}", segment, class, at);
            return Ok(());
        };
        prop_assert!(next > at);
        let is_open = |at| matches!(CALENDAR.phase(segment, class, at), SessionPhase::Continuous { .. });
        prop_assert!(is_open(next), "{} {:?} {} -> {}", segment, class, at, next);
        prop_assert!(!is_open(next - Duration::seconds(1)));
        // Nothing opens in between: a minute is the grain of the files.
        let minutes = (next - at).num_minutes();
        prop_assert!((1..minutes).all(|minute| !is_open(at + Duration::minutes(minute))));
    }

    #[test]
    fn prop_the_phases_part_the_day_without_gap_or_overlap((segment, class) in market(), day in day()) {
        let start = moment(day, NaiveTime::MIN);
        let Ok(windows) = CALENDAR.windows(segment, class, day) else { return Ok(()) };
        prop_assert!(windows.windows(2).all(|pair| pair[0].until <= pair[1].from && pair[0].step != pair[1].step));
        for minute in 0..1_440 {
            let at = start + Duration::minutes(minute);
            let time = NaiveTime::MIN + Duration::minutes(minute);
            let inside: Vec<_> = windows.iter().filter(|window| window.from <= time && time < window.until).collect();
            prop_assert!(inside.len() <= 1);
            let ends = |until: NaiveTime| moment(day, until);
            match (CALENDAR.phase(segment, class, at), inside.first()) {
                (SessionPhase::Closed { .. }, None) => {}
                (SessionPhase::Continuous { closes_at }, Some(window)) => {
                    prop_assert!(window.step == Step::Continuous && closes_at == ends(window.until));
                }
                (SessionPhase::PreOpen { step, until }, Some(window)) => {
                    prop_assert!(window.step == Step::PreOpen(step) && until == ends(window.until));
                }
                (SessionPhase::ClosingAuction { step, until }, Some(window)) => {
                    prop_assert!(window.step == Step::ClosingAuction(step) && until == ends(window.until));
                }
                (SessionPhase::PostClose { until }, Some(window)) => {
                    prop_assert!(window.step == Step::PostClose && until == ends(window.until));
                }
                (phase, window) => prop_assert!(false, "{} {:?} {}: {:?} in {:?}", segment, class, at, phase, window),
            }
        }
    }
}

proptest! {
    #[test]
    fn prop_a_trading_day_has_hours_and_the_next_one_skips_none(segment in select(Exchange::ALL), day in day()) {
        let Some(next) = CALENDAR.next_trading_day(segment, day) else {
            prop_assert!(day >= date("2026-12-31"));
            return Ok(());
        };
        prop_assert!(next > day);
        prop_assert_eq!(CALENDAR.is_trading_day(segment, next), Some(true));
        prop_assert!(day.iter_days().skip(1).take_while(|day| *day < next).all(|day| CALENDAR.is_trading_day(segment, day) == Some(false)));
    }

    #[test]
    fn prop_an_expiry_is_a_full_day_and_never_after_its_weekday(day in day(), weekly in any::<bool>(), at_bse in any::<bool>()) {
        let (segment, name) = if at_bse { (Exchange::Bfo, "SENSEX") } else { (Exchange::Nfo, "NIFTY") };
        let cycle = if weekly { Cycle::Weekly } else { Cycle::Monthly };
        let Ok(expiry) = CALENDAR.expiry(segment, name, cycle, day) else {
            // The weekday lies in another year.
            prop_assert!(day > date("2026-12-27") || day < date("2026-01-05"));
            return Ok(());
        };
        prop_assert_eq!(CALENDAR.day(segment, expiry).is_full(), Some(true));
        if !weekly {
            prop_assert_eq!(expiry.format("%Y-%m").to_string(), day.format("%Y-%m").to_string());
        }
        if let Ok(next) = CALENDAR.next_expiry(segment, name, cycle, day) {
            prop_assert!(next >= day);
            prop_assert!(day.iter_days().take_while(|day| *day < next).all(|day| CALENDAR.expiry(segment, name, cycle, day) != Ok(day)));
        }
    }

    #[test]
    fn prop_any_text_is_read_or_refused_and_never_panics(text in ".{0,200}") {
        let _any = Calendar::parse(&[super::File { name: "any.toml".to_owned(), text }]);
    }
}
