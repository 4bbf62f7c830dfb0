//! The body of an alert, from bytes to the orders that it asks for, or to what a route is chosen by.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::web::formats::{self, Read};
use ordergate::web::json::{Bounds, Json};
use ordergate_actors::order::{Amount, validate};
use rust_decimal::Decimal;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let bounds = Bounds { depth: 16, keys: 500 };
    let Ok(json) = Json::parse(text, bounds) else { return };
    let canonical = json.canonical();
    let again = Json::parse(&canonical, bounds).map(|json| json.canonical());
    assert_eq!(again, Ok(canonical), "what is written for its hash reads as itself");
    let is_plain = |words: &str| !words.chars().any(char::is_control);
    match formats::read(&json, chrono::DateTime::UNIX_EPOCH) {
        Ok(Read::Orders(alert)) => {
            let bounds = validate::Bounds { max_notional: Amount(Decimal::from(1_000_000)) };
            for leg in &alert.legs {
                for violation in validate::read(leg, None, &bounds).violations {
                    assert!(is_plain(&violation.to_string()), "{violation}");
                }
            }
        }
        Ok(Read::Readings(readings)) => {
            let mut wrong = readings.iter().flat_map(|reading| &reading.wrong);
            assert!(wrong.all(|words| is_plain(words)), "{readings:?}");
        }
        Err(refusal) => assert!(!refusal.code().is_empty()),
    }
});
