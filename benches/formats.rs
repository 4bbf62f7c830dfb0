//! What reading an alert costs: each format from its bytes to its readings, and on to the leg under a route, beside the
//! native format of one leg. `cargo bench --bench formats`.

#![expect(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ordergate::web::formats::{self, Read};
use ordergate::web::json::{Bounds, Json};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity};
use ordergate_actors::routes::{Facts, Route, identity, plan, route::choose};

const ROUNDS: usize = 20_000;
const BOUNDS: Bounds = Bounds { depth: 16, keys: 4_000 };

const NATIVE: &str = r#"{"execution_type":"ENTRY","strategy_name":"trend","exchange":"NSE","product_type":"I","signal_time":"2026-11-20T05:00:07Z","legs":[{"tradingsymbol":"SBIN-EQ","direction":"BUY","qty":10,"order_type":"LIMIT","price":812.50}]}"#;
const STRATEGY: &str = r#"{"ticker":"SBIN","exchange":"NSE","action":"buy","contracts":"10","price":"812.5","order_id":"Long","market_position":"long","market_position_size":"10","prev_market_position":"flat","prev_market_position_size":"0","timenow":"2026-11-20T05:00:07Z","time":"2026-11-20T04:45:00Z","interval":"15"}"#;
const PLAIN: &str =
    r#"{"ticker":"SBIN","exchange":"NSE","action":"buy","contracts":"10","price":"812.5","timenow":"2026-11-20T05:00:07Z"}"#;
const OPENALGO: &str = r#"{"apikey":"k","strategy":"Long","symbol":"SBIN","action":"BUY","exchange":"NSE","pricetype":"MARKET","product":"MIS","quantity":"10","position_size":"10"}"#;
const CHARTINK: &str = r#"{"stocks":"SBIN","trigger_prices":"812.5","triggered_at":"10:30 am","scan_name":"Breakouts","alert_name":"a"}"#;

/// The median and the 99th percentile, microseconds.
fn measure(mut run: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    (micros(times[ROUNDS / 2]), micros(times[ROUNDS * 99 / 100]))
}

fn read(text: &str, now: DateTime<Utc>) -> Read {
    formats::read(&Json::parse(text, BOUNDS).unwrap(), now).unwrap()
}

fn share() -> Instrument {
    Instrument {
        rupees_per_point: rust_decimal::Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"),
        token: 1,
        underlying: Arc::from("SBIN"),
        kind: Kind::Equity,
        lot: Quantity::new(1).unwrap(),
        tick: Price::parse("0.05").unwrap(),
        freeze: None,
        band: None,
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let now: DateTime<Utc> = "2026-11-20T05:00:08Z".parse().unwrap();
    let kept = r#"{"name":"tv","strategy":"trend","direction":"both","product":"MIS","order_type":"MARKET","size":"10 units"}"#;
    let instrument = share();
    let facts = Facts { instrument: Some(&instrument), price: Price::parse("812").ok(), held: 0, stopped: None, now };
    let native = measure(|| drop(black_box(read(NATIVE, now))));
    println!("native, one leg: p50 {:.2} us, p99 {:.2} us", native.0, native.1);
    for (name, text) in [("tradingview strategy", STRATEGY), ("tradingview plain", PLAIN), ("openalgo", OPENALGO), ("chartink", CHARTINK)] {
        let read_only = measure(|| drop(black_box(read(text, now))));
        let to_leg = measure(|| {
            let Read::Readings(readings) = read(text, now) else { return };
            let routes: Vec<(Route, u64)> = vec![(serde_json::from_str(kept).unwrap(), 1)];
            let (route, version) = choose(&routes, "tv", &readings[0]).unwrap();
            let draft = plan::draft(&readings[0], route, *version);
            black_box((plan::settle(draft, &readings[0], route, &facts), identity::derived("tv", &readings[0])));
        });
        println!(
            "{name:<22} read p50 {:>6.2} us p99 {:>6.2} us ({:+.2} us beside native); with route, leg and key p50 {:>6.2} us p99 {:>6.2} us",
            read_only.0,
            read_only.1,
            read_only.0 - native.0,
            to_leg.0,
            to_leg.1
        );
    }
}
