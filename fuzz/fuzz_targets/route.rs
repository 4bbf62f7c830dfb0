//! A stored route on the first line, and an alert that it takes: down to the leg and its key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::instruments::sample;
use ordergate::web::formats::{self, Read};
use ordergate::web::json::{Bounds, Json};
use ordergate_actors::order::{Amount, Instrument, Price, validate};
use ordergate_actors::routes::{Facts, Route, identity, plan, route::choose};
use rust_decimal::Decimal;
use std::sync::OnceLock;

static ROWS: OnceLock<Vec<Instrument>> = OnceLock::new();

fuzz_target!(|text: &str| {
    let Some((route, alert)) = text.split_once('\n') else { return };
    let Ok(route) = serde_json::from_str::<Route>(route) else { return };
    let Ok(json) = Json::parse(alert, Bounds { depth: 16, keys: 500 }) else { return };
    let now = chrono::DateTime::UNIX_EPOCH;
    let Ok(Read::Readings(readings)) = formats::read(&json, now) else { return };
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).expect("a day");
    let rows = ROWS.get_or_init(|| sample(day).expect("the built-in sample reads"));
    let bounds = validate::Bounds { max_notional: Amount(Decimal::from(1_000_000)) };
    let routes = [(route, 1)];
    for reading in &readings {
        let Ok((route, version)) = choose(&routes, "tv", reading) else { continue };
        let _ = identity::derived("tv", reading);
        // A share, and a contract in lots.
        for instrument in [rows.first(), rows.last()].into_iter().flatten() {
            for held in [0, 75, -75, i64::MAX] {
                let facts = Facts { instrument: Some(instrument), price: Price::parse("812").ok(), held, stopped: None, now };
                let planned = plan::settle(plan::draft(reading, route, *version), reading, route, &facts);
                let _ = validate::read(&planned.leg, Some(instrument), &bounds);
            }
        }
    }
});
