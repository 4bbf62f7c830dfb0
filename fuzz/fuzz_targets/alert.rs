//! The body of an alert, from bytes to the orders that it asks for.
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
    let Ok(Read::Orders(alert)) = formats::read(&json, chrono::DateTime::UNIX_EPOCH) else { return };
    let bounds = validate::Bounds { max_notional: Amount(Decimal::from(1_000_000)) };
    for leg in &alert.legs {
        for violation in validate::read(leg, None, &bounds).violations {
            assert!(!violation.to_string().chars().any(char::is_control), "{violation}");
        }
    }
});
