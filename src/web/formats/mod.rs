//! From an alert's JSON to what it asks for. One file a format; which one it is, is told by the shape.
//!
//! The native format names its orders itself. The others say what their sender can say, and a route says the rest
//! ([`ordergate_actors::routes`]).

mod chartink;
mod fields;
mod native;
mod openalgo;
mod tradingview;

use chrono::{DateTime, Utc};
use ordergate_actors::order::LegDraft;
use ordergate_actors::routes::Reading;

use super::json::Json;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Orders that the alert names itself.
    Orders(Alert),
    /// What it says of one instrument, or of several that go each for itself: a route makes orders of it.
    Readings(Vec<Reading>),
}

/// What an alert of the native format asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The format's name.
    pub format: &'static str,
    /// The orders, in the sender's order.
    pub legs: Vec<LegDraft>,
    /// The sender's own key.
    pub idempotency_key: Option<String>,
    /// When the sender says it was made.
    pub signal_time: Option<DateTime<Utc>>,
    /// The sender's count of its alerts.
    pub seq: Option<u64>,
    /// The sender means it again: it is no replay of an identical one, and it may add to what is held.
    pub repeat: bool,
    /// Fields that this format does not know; told to the sender, otherwise ignored.
    pub ignored: Vec<String>,
}

/// Why an alert leaves no order row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is of no known shape.
    #[error("unknown shape: {0}")]
    UnknownShape(&'static str),
    /// It asks for more orders than one signal may.
    #[error("{0} legs; one signal may have at most {max}", max = ordergate_actors::order::MAX_LEGS)]
    TooManyLegs(usize),
}

impl Refusal {
    /// The stable code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownShape(_) => "unknown_shape",
            Self::TooManyLegs(_) => "too_many_legs",
        }
    }
}

/// Reads an alert that names its orders itself: one that is stored has no route.
///
/// # Errors
/// [`Refusal`].
pub fn orders(body: &Json) -> Result<Alert, Refusal> {
    match body {
        Json::Object(fields) if fields.contains_key("legs") => native::read(body),
        Json::Object(_) => Err(Refusal::UnknownShape("there is no \"legs\"")),
        _ => Err(Refusal::UnknownShape("the body is no object")),
    }
}

/// Reads an order in OpenAlgo's words.
pub(super) fn openalgo_reading(body: &Json) -> Reading {
    openalgo::read(body)
}

/// Reads an alert, whatever its format. `received_at` dates what says no day.
///
/// # Errors
/// [`Refusal`].
pub fn read(body: &Json, received_at: DateTime<Utc>) -> Result<Read, Refusal> {
    let Json::Object(fields) = body else { return Err(Refusal::UnknownShape("the body is no object")) };
    let has = |key: &str| fields.contains_key(key);
    if has("legs") {
        return native::read(body).map(Read::Orders);
    }
    if has("stocks") {
        return chartink::read(body, received_at).map(Read::Readings);
    }
    if openalgo::is_one(body) {
        return Ok(Read::Readings(vec![openalgo::read(body)]));
    }
    if has("ticker") || has("action") || has("market_position") {
        return Ok(Read::Readings(vec![tradingview::read(body)]));
    }
    Err(Refusal::UnknownShape("there is no \"legs\" (ordergate), \"ticker\" (TradingView), \"apikey\" (OpenAlgo) or \"stocks\" (ChartInk)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::json::Bounds;
    use proptest::prelude::{any, prop_assert, proptest};

    pub(super) fn json(text: &str) -> Json {
        Json::parse(text, Bounds { depth: 16, keys: 4_000 }).unwrap()
    }

    pub(super) fn now() -> DateTime<Utc> {
        ordergate_actors::testkit::morning()
    }

    /// The one reading of an alert that is none of the native format.
    pub(super) fn one(text: &str) -> Reading {
        match read(&json(text), now()).unwrap() {
            Read::Readings(mut readings) if readings.len() == 1 => readings.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_shape_tells_the_format() {
        for (text, format) in [
            (r#"{"ticker":"SBIN","action":"buy"}"#, "tradingview"),
            (r#"{"action":"buy","symbol":"SBIN"}"#, "tradingview"),
            (r#"{"ticker":"SBIN","market_position":"flat"}"#, "tradingview_strategy"),
            (r#"{"apikey":"k","symbol":"SBIN"}"#, "openalgo_order"),
            (r#"{"apikey":"k","symbol":"SBIN","position_size":"5"}"#, "openalgo_smart_order"),
            (r#"{"stocks":"SBIN"}"#, "chartink"),
        ] {
            assert_eq!(one(text).format.as_str(), format, "{text}");
        }
        assert!(matches!(read(&json(r#"{"legs":[{}],"ticker":"x","stocks":"y"}"#), now()), Ok(Read::Orders(_))));
    }

    proptest! {
        /// No field of any format holds anything that makes its reading panic, or that people must not read.
        #[test]
        fn prop_any_text_in_any_field(text in any::<String>(), key in 0usize..14, shape in 0usize..3) {
            let keys = ["ticker", "exchange", "action", "contracts", "market_position", "market_position_size", "prev_market_position",
                "timenow", "time", "seq", "repeat", "position_size", "quantity", "idempotency_key"];
            let mut body = match shape {
                0 => serde_json::json!({"ticker": "SBIN"}),
                1 => serde_json::json!({"apikey": "k"}),
                _ => serde_json::json!({"stocks": text}),
            };
            body[keys[key]] = serde_json::json!(text);
            if let Ok(Read::Readings(readings)) = read(&json(&body.to_string()), now()) {
                for words in readings.iter().flat_map(|reading| &reading.wrong) {
                    prop_assert!(!words.chars().any(char::is_control), "{}", words);
                }
            }
        }
    }
}
