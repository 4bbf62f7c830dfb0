//! The three ways the protocol writes a time; all are Indian wall time without a zone, or epoch seconds (Noren protocol
//! reference, section 7.4).

use chrono::{DateTime, Datelike, NaiveDateTime, TimeZone, Utc};
use ordergate_actors::order::ist;

use super::scalar::Fields;

/// `HH:MM:SS dd-mm-YYYY`: `request_time`, `norentm`.
const CLOCK_FIRST: &str = "%H:%M:%S %d-%m-%Y";
/// `dd-mm-YYYY HH:MM:SS`: `exch_tm`, `fltm`.
const DATE_FIRST: &str = "%d-%m-%Y %H:%M:%S";

/// Reads any of the three. `None` for anything else, and for the 1980 default of an order that the exchange never saw.
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let at = match text.parse::<i64>() {
        Ok(seconds) => Utc.timestamp_opt(seconds, 0).single()?,
        Err(_) => {
            let wall = NaiveDateTime::parse_from_str(text, CLOCK_FIRST).or_else(|_| NaiveDateTime::parse_from_str(text, DATE_FIRST));
            ist().from_local_datetime(&wall.ok()?).single()?.with_timezone(&Utc)
        }
    };
    // Noren is younger than 2000, and a year of five digits is no time either.
    (2000..3000).contains(&at.year()).then_some(at)
}

/// The first of the fields that holds a time.
#[must_use]
pub fn first(fields: &Fields, names: &[&str]) -> Option<DateTime<Utc>> {
    names.iter().find_map(|name| fields.text(name).and_then(|text| parse(&text)))
}
