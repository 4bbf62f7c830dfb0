//! The instrument table with 200,000 rows: search beside a plain linear scan of the same symbols, reading a master
//! beside splitting its text, and what a row takes. `cargo bench --bench instruments`.

#![expect(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use ordergate::instruments::InstrumentTable;
use ordergate::instruments::master::{EquityTick, Facts, parse, render};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity, Right};
use ordergate_actors::ports::Instruments;

const ROWS: u32 = 200_000;
const ROUNDS: usize = 200;

/// Options of 200 underlyings: five expiries, 100 strikes, calls and puts.
fn rows() -> Vec<Instrument> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let row = |number: u32| {
        let (underlying, rest) = (number / 1_000, number % 1_000);
        let (expiry, strike, odd) = (first + Days::new(u64::from(rest / 200) * 7), 20_000 + rest % 200 / 2 * 50, rest % 2);
        let (right, letter) = if odd == 0 { (Right::Call, 'C') } else { (Right::Put, 'P') };
        let name = if underlying == 17 { "NIFTY".to_owned() } else { format!("STOCK{underlying:03}") };
        Instrument {
            key: InstrumentKey::new(
                Exchange::Nfo,
                &format!("{name}{}{letter}{strike}", expiry.format("%d%b%y").to_string().to_uppercase()),
            ),
            token: number,
            underlying: Arc::from(name),
            kind: Kind::Option { expiry, strike: Price::parse(&strike.to_string()).unwrap(), right },
            lot: Quantity::new(65).unwrap(),
            tick: Price::parse("0.05").unwrap(),
            freeze: None,
            band: None,
        }
    };
    (0..ROWS).map(row).collect()
}

/// The median and the 99th percentile of that many runs.
fn measure(rounds: usize, mut run: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[rounds / 2], times[rounds * 99 / 100])
}

fn show(what: &str, (p50, p99): (Duration, Duration), beside: Duration) {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{what:<44} p50 {:>8.3} ms  p99 {:>8.3} ms  {:>6.2} x the baseline", millis(p50), millis(p99), millis(p50) / millis(beside));
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rows = rows();
    let facts = Facts::built_in().unwrap();
    let text = render(Exchange::Nfo, &rows, EquityTick::Paise, &facts);
    let symbols: Vec<String> = rows.iter().map(|row| row.key.symbol.to_string()).collect();
    let table = InstrumentTable::new(rows);
    println!("{ROWS} rows; the table takes {} bytes a row", table.heap_bytes() / table.len());
    println!("\nsearch; the baseline is a plain scan of the same symbols for the same words");
    for words in ["NIFTY", "NIFTY 24NOV26 C22", "NIFTY24NOV26C22500", "STOCK", "7", "NOTHING"] {
        let parts: Vec<&str> = words.split_whitespace().collect();
        let plain = measure(ROUNDS / 4, || {
            black_box(symbols.iter().filter(|symbol| parts.iter().all(|part| symbol.contains(part))).take(usize::MAX).count());
        });
        show(words, measure(ROUNDS, || drop(black_box(table.search(words, 50)))), plain.0);
    }
    let unknown = measure(ROUNDS, || drop(black_box(table.nearest(None, "NIFTY24NOV26C22505", 3))));
    let key = InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26C22500");
    let find = measure(ROUNDS, || drop(black_box(table.find(&key))));
    println!("nearest three names p50 {:?}, find by name p50 {:?}", unknown.0, find.0);
    println!("\nreading; the baseline is splitting the text into lines and fields");
    let split = measure(5, || {
        black_box(text.lines().map(|line| line.split(',').map(str::len).sum::<usize>()).sum::<usize>());
    });
    show("parse", measure(5, || drop(black_box(parse(text.as_bytes(), Exchange::Nfo, EquityTick::Paise, &facts)))), split.0);
    let parsed = parse(text.as_bytes(), Exchange::Nfo, EquityTick::Paise, &facts).unwrap();
    show("table of the rows", measure(5, || drop(black_box(InstrumentTable::new(parsed.rows.clone())))), split.0);
}
