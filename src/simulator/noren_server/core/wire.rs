//! How values look on the wire: everything a string, three time formats (Noren protocol reference, sections 1.5 and 7.4).

use chrono::{DateTime, Utc};
use ordergate_actors::order::ist;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// `HH:MM:SS dd-mm-YYYY`: `request_time`, `norentm`.
pub(super) fn request_time(at: DateTime<Utc>) -> String {
    at.with_timezone(&ist()).format("%H:%M:%S %d-%m-%Y").to_string()
}

/// `dd-mm-YYYY HH:MM:SS`: `exch_tm`, `fltm`.
pub(super) fn exchange_time(at: DateTime<Utc>) -> String {
    at.with_timezone(&ist()).format("%d-%m-%Y %H:%M:%S").to_string()
}

/// Seconds since 1970: `ordenttm`, `tm`, `ft`.
pub(super) fn epoch(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}

/// A decimal with exactly so many places.
pub(super) fn fixed(value: Decimal, places: u32) -> String {
    let mut rounded = value.round_dp(places);
    rounded.rescale(places);
    if rounded.is_zero() {
        rounded.set_sign_positive(true);
    }
    rounded.to_string()
}

pub(super) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An object under construction. Values become strings; what is absent is left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A reply that says `Ok` at that time.
    pub(super) fn ok(at: DateTime<Utc>) -> Self {
        Self::new().with("request_time", request_time(at)).with("stat", "Ok")
    }

    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), Value::String(value.to_string()));
        self
    }

    pub(super) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn json(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(super) fn and(mut self, other: Fields) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }

    pub(super) fn map(self) -> Map<String, Value> {
        self.0
    }

    pub(super) fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// A reply of the broker's that refuses: `stat` is `Not_Ok`, with its text.
pub(super) fn not_ok(at: DateTime<Utc>, text: &str) -> Value {
    Fields::new().with("stat", "Not_Ok").with("request_time", request_time(at)).with("emsg", text).value()
}

/// Nothing to show (Noren protocol reference, section 4.1).
pub(super) const NO_DATA: &str = "Error Occurred : 5 \"no data\"";
/// A field that does not read.
pub(super) const INVALID_INPUT: &str = "Error Occurred : 2 \"invalid input\"";
/// A token that is not known (two blanks, as seen live).
pub(super) const SESSION_EXPIRED: &str = "Session Expired :  Invalid Session Key";
/// A body whose JSON does not read.
pub(super) const NOT_JSON: &str = "Invalid Input : jData is not valid json object";
/// A body without `jData=`.
pub(super) const NO_BODY: &str = "Invalid Input :  jData is Missing.";
/// An empty text where a number belongs.
pub(super) const EMPTY_NUMBER: &str = "Invalid Input : basic_string::at: __n (which is 0) >= this->size() (which is 0)";
/// The broker's inside did not answer.
pub(super) const SERVER_TIMEOUT: &str = "Server Timeout :  ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_look_as_in_the_reference() {
        let at = "2026-08-12T04:44:05Z".parse().unwrap();
        assert_eq!(request_time(at), "10:14:05 12-08-2026");
        assert_eq!(exchange_time(at), "12-08-2026 10:14:05");
        assert_eq!(epoch(at), "1786509845");
        assert_eq!(fixed(Decimal::new(1014, 1), 2), "101.40");
        assert_eq!(fixed(Decimal::new(-1, 4), 2), "0.00");
        assert_eq!(not_ok(at, NO_DATA)["emsg"], "Error Occurred : 5 \"no data\"");
    }
}
