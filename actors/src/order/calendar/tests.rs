//! The real files of `config/calendar`, date by date and window by window. Fixed dates only.

mod concerns;
mod days;
mod expiries;
mod hours;
mod parsing;
mod properties;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Calendar, Class, Facts, File, SessionPhase, hours::moment, read::time};
use crate::order::instrument::{Kind, Right};
use crate::order::money::Price;
use crate::order::words::Exchange;

fn files() -> Vec<File> {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    vec![
        file("2026.toml", include_str!("../../../../config/calendar/2026.toml")),
        file("2027.toml", include_str!("../../../../config/calendar/2027.toml")),
    ]
}

fn calendar() -> Calendar {
    Calendar::parse(&files()).unwrap_or_else(|bad| panic!("{bad}"))
}

/// The built-in calendar with a file of a person beside it.
fn with(text: &str) -> Result<Calendar, super::BadCalendar> {
    let mut files = files();
    files.push(File { name: "own.toml".to_owned(), text: text.to_owned() });
    Calendar::parse(&files)
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// `2026-08-03 15:20`, Indian time.
fn ist(text: &str) -> DateTime<Utc> {
    let (day, clock) = text.split_once(' ').unwrap();
    moment(date(day), time(clock).unwrap())
}

fn share(segment: Exchange, name: &str, has_derivatives: Option<bool>) -> Facts {
    Facts { segment, kind: Kind::Equity, underlying: name.into(), has_derivatives }
}

fn future(segment: Exchange, name: &str, expiry: &str) -> Facts {
    Facts { segment, kind: Kind::Future { expiry: date(expiry) }, underlying: name.into(), has_derivatives: None }
}

fn option(segment: Exchange, name: &str, expiry: &str) -> Facts {
    let kind = Kind::Option { expiry: date(expiry), strike: Price::parse("100").unwrap(), right: Right::Call };
    Facts { segment, kind, underlying: name.into(), has_derivatives: None }
}

/// The day's windows in words: `09:15-15:30 continuous`.
fn words(calendar: &Calendar, segment: Exchange, class: Class, day: &str) -> Vec<String> {
    let windows = calendar.windows(segment, class, date(day)).unwrap_or_else(|missing| panic!("{day}: {missing}"));
    windows.iter().map(|window| format!("{}-{} {}", window.from.format("%H:%M"), window.until.format("%H:%M"), window.step)).collect()
}

fn is_open(phase: &SessionPhase) -> bool {
    matches!(phase, SessionPhase::Continuous { .. })
}
