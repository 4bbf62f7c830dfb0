//! The instrument table with 200,000 rows: search beside a plain linear scan of the same symbols, which instrument a name
//! means, reading a master beside splitting its text, and what a row takes. `cargo bench --bench instruments`, with `-- names`
//! for the names alone.

#![expect(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

#[path = "order_path/stats.rs"]
#[expect(dead_code, reason = "the other benches need more of it")]
mod stats;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use ordergate::instruments::InstrumentTable;
use ordergate::instruments::master::{EquityTick, Facts, parse, render};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity, Right};
use ordergate_actors::ports::{Closable, Instruments, Purpose, Spelling};
use stats::verdict;

const ROWS: u32 = 200_000;
const ROUNDS: usize = 200;
/// A search over all rows takes no longer, at its 99th percentile.
const SEARCH_WITHIN: Duration = Duration::from_millis(5);

/// Options of 200 underlyings: five expiries, 100 strikes, calls and puts.
fn rows() -> Vec<Instrument> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let row = |number: u32| {
        let (underlying, rest) = (number / 1_000, number % 1_000);
        let (expiry, strike, odd) = (first + Days::new(u64::from(rest / 200) * 7), 20_000 + rest % 200 / 2 * 50, rest % 2);
        let (right, letter) = if odd == 0 { (Right::Call, 'C') } else { (Right::Put, 'P') };
        let name = if underlying == 17 { "NIFTY".to_owned() } else { format!("STOCK{underlying:03}") };
        Instrument {
            rupees_per_point: rust_decimal::Decimal::ONE,
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

/// The same with what names are read against beside options: futures, an index, shares of two exchanges.
fn with_shares(mut rows: Vec<Instrument>) -> Vec<Instrument> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let like = |exchange, symbol: &str, underlying: &str, kind, row: &Instrument, token| Instrument {
        key: InstrumentKey::new(exchange, symbol),
        underlying: Arc::from(underlying),
        kind,
        token,
        ..row.clone()
    };
    let mut more = Vec::new();
    let mut add = |exchange, symbol: String, underlying: &str, kind| {
        let token = ROWS + u32::try_from(more.len()).unwrap();
        more.push(like(exchange, &symbol, underlying, kind, &rows[0], token));
    };
    for number in 0..200 {
        let name = if number == 17 { "NIFTY".to_owned() } else { format!("STOCK{number:03}") };
        for expiry in [first, first + Days::new(35), first + Days::new(63)] {
            add(Exchange::Nfo, format!("{name}{}F", expiry.format("%d%b%y").to_string().to_uppercase()), &name, Kind::Future { expiry });
        }
        let own = if number == 17 {
            (Exchange::Nse, "Nifty 50".to_owned(), Kind::Index)
        } else {
            (Exchange::Nse, format!("{name}-EQ"), Kind::Equity)
        };
        add(own.0, own.1, &name, own.2);
    }
    for number in 0..7_000 {
        let name = format!("B{}&CO", number * 7_919 % 100_003);
        add(
            if number % 3 == 0 { Exchange::Nse } else { Exchange::Bse },
            if number % 3 == 0 { format!("{name}-EQ") } else { name.clone() },
            &name,
            Kind::Equity,
        );
    }
    rows.extend(more);
    rows
}

/// Which instrument each kind of name means, and how long that takes; those that mean none are refused with three names.
fn names(table: &InstrumentTable) {
    let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let spot = |_: &InstrumentKey| Price::parse("21512.35").ok();
    let held: Vec<InstrumentKey> = ["NIFTY24NOV26F", "NIFTY24NOV26C21500", "STOCK100-EQ"]
        .iter()
        .map(|symbol| InstrumentKey::new(if symbol.ends_with("EQ") { Exchange::Nse } else { Exchange::Nfo }, symbol))
        .collect();
    let close = Purpose::Close(Closable { held: &held, entering: &[] });
    let mut worst = Duration::ZERO;
    println!("\nwhich instrument a name means ({} rows)", table.len());
    for (exchange, symbol, purpose) in [
        (Some("NFO"), "NIFTY24NOV26C22500", Purpose::Open),
        (None, "NIFTY24NOV26C22500", Purpose::Open),
        (Some("NSE"), "STOCK100", Purpose::Open),
        (Some("NSE"), "B7919_CO", Purpose::Open),
        (Some("NSE"), "NIFTY1!", Purpose::Open),
        (None, "NSE_DLY:STOCK199_DLY", Purpose::Open),
        (Some("NSE"), "NIFTYZ2026", Purpose::Open),
        (Some("NSE"), "NIFTY261124C22500", Purpose::Open),
        (Some("NFO"), "STOCK10024NOV2622500PE", Purpose::Open),
        (Some("NSE_INDEX"), "NIFTY", Purpose::Open),
        (None, "NIFTY weekly ATM+1 CE", Purpose::Open),
        (None, "STOCK199 monthly ATM-2 PE", Purpose::Open),
        (None, "NIFTY1!", close),
        (None, "NIFTY weekly ATM CE", close),
        (Some("NSE"), "STOCK100", close),
        (Some("NSE"), "STOK100", Purpose::Open),
        (None, "NIFTI1!", Purpose::Open),
        (None, "NIFTY261124C22505", Purpose::Open),
        (None, "NIFTY250925C22500", Purpose::Open),
        (None, "no such name at all", Purpose::Open),
    ] {
        let wish = Spelling { exchange, symbol, purpose, today };
        let (p50, p99) = measure(20 * ROUNDS, || drop(black_box(table.resolve(&wish, &spot))));
        worst = worst.max(p99);
        let meant = table
            .resolve(&wish, &spot)
            .map_or_else(|trouble| format!("{:?}", trouble.why), |read| format!("{} {:?}", read.instrument.key, read.rule));
        println!("{symbol:<28} p50 {:>7.1} us  p99 {:>7.1} us  {meant}", p50.as_secs_f64() * 1e6, p99.as_secs_f64() * 1e6);
    }
    println!("the slowest p99: {:.1} us", worst.as_secs_f64() * 1e6);
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
    if std::env::args().any(|argument| argument == "names") {
        return names(&InstrumentTable::new(with_shares(rows)));
    }
    let facts = Facts::built_in().unwrap();
    let text = render(Exchange::Nfo, &rows, EquityTick::Paise, &facts);
    let symbols: Vec<String> = rows.iter().map(|row| row.key.symbol.to_string()).collect();
    let table = InstrumentTable::new(rows);
    println!("{ROWS} rows; the table takes {} bytes a row", table.heap_bytes() / table.len());
    println!("\nsearch; the baseline is a plain scan of the same symbols for the same words");
    let mut worst = Duration::ZERO;
    for words in ["NIFTY", "NIFTY 24NOV26 C22", "NIFTY24NOV26C22500", "STOCK", "7", "NOTHING"] {
        let parts: Vec<&str> = words.split_whitespace().collect();
        let plain = measure(ROUNDS / 4, || {
            black_box(symbols.iter().filter(|symbol| parts.iter().all(|part| symbol.contains(part))).take(usize::MAX).count());
        });
        let took = measure(ROUNDS, || drop(black_box(table.search(words, 50))));
        show(words, took, plain.0);
        worst = worst.max(took.1);
    }
    verdict("the slowest search, p99 (ms)", worst.as_secs_f64() * 1e3, "<=", SEARCH_WITHIN.as_secs_f64() * 1e3);
    let unknown = measure(ROUNDS, || drop(black_box(table.nearest(None, "NIFTY24NOV26C22505", 3))));
    let key = InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26C22500");
    let find = measure(ROUNDS, || drop(black_box(table.find(&key))));
    println!("nearest three names p50 {:?}, find by name p50 {:?}", unknown.0, find.0);
    names(&InstrumentTable::new(with_shares(table.iter().map(|row| (*row).clone()).collect())));
    println!("\nreading; the baseline is splitting the text into lines and fields");
    let split = measure(5, || {
        black_box(text.lines().map(|line| line.split(',').map(str::len).sum::<usize>()).sum::<usize>());
    });
    show("parse", measure(5, || drop(black_box(parse(text.as_bytes(), Exchange::Nfo, EquityTick::Paise, &facts)))), split.0);
    let parsed = parse(text.as_bytes(), Exchange::Nfo, EquityTick::Paise, &facts).unwrap();
    show("table of the rows", measure(5, || drop(black_box(InstrumentTable::new(parsed.rows.clone())))), split.0);
}
