//! Load at a constant rate, whatever the engine answers: open loop. Each alert is due at a moment of a timetable, and its time
//! counts from there, so that an engine that stands still is not asked less (no coordinated omission). A release binary with the
//! paper broker, over real HTTP.
//!
//! `cargo bench --bench load` (about a minute): quiet, then three times what it can take, then quiet again.
//! `cargo bench --bench load -- --soak 30 [--rate 50]`: so many minutes at that rate; what must stay flat is printed each minute.
//!
//! Orders are market orders: a strategy enters, and leaves with its next alert.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_arithmetic,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

mod open_loop;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/server.rs"]
mod server;
mod stages;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/stats.rs"]
mod stats;
mod usage;

use std::time::{Duration, Instant};

use open_loop::{Load, Told};
use server::Server;
use stats::{at, count, verdict};
use usage::Usage;

/// Alerts a second at which the engine has nothing to do.
const QUIET: u32 = 20;
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(place + 1)?.parse::<u32>().expect("a whole number"))
    };
    match number("--soak") {
        Some(minutes) => soak(minutes, number("--rate").unwrap_or(50)),
        None => overload(),
    }
}

/// Quiet, overload, quiet again.
fn overload() {
    let server = Server::start();
    let load = Load::on(server.address());
    load.run(QUIET, Duration::from_secs(2));
    let quiet = load.run(QUIET, Duration::from_secs(10));
    let capacity = load.capacity(Duration::from_secs(5));
    println!("quiet: {QUIET}/s, accept {}; capacity {capacity}/s", words(&quiet));
    let over = load.run(3 * capacity, Duration::from_secs(10));
    println!(
        "at 3 x capacity: {} accepted, {} answered 429, {} late or failed; accept {}",
        over.accepted.len(),
        over.refused,
        over.failed,
        words(&over)
    );
    let after = load.run(QUIET, Duration::from_secs(5));
    let drained = server.drain();
    println!("quiet again at once: accept {}; drained {} ms later\n", words(&after), drained.as_millis());
    stages::print(&server.data());
    verdict("answered 429 at 3 x capacity", count(over.refused), ">=", 1.0);
    verdict("requests without an answer", count(over.failed), "<=", 0.0);
    verdict("p99 of the accepted at 3 x capacity against 3 x quiet (us)", at(&over.accepted, 99.0), "<=", 3.0 * at(&quiet.accepted, 99.0));
    verdict("p99 quiet again against 1.5 x quiet (us)", at(&after.accepted, 99.0), "<=", 1.5 * at(&quiet.accepted, 99.0));
}

/// The same load for long: what the process holds must not grow with it.
fn soak(minutes: u32, rate: u32) {
    let server = Server::start();
    let load = Load::on(server.address());
    let began = Instant::now();
    let (mut all, mut warm) = (Told::default(), None);
    for minute in 1..=minutes {
        let told = load.run(rate, Duration::from_secs(60));
        let usage = Usage::of(server.process(), &server.data());
        println!("{minute:>4} min: {usage}; accept {}", words(&told));
        all.add(told);
        // The newest orders are kept in memory: what grows until they are there is no leak.
        if warm.is_none() && minute * 4 >= minutes {
            warm = Some(usage);
        }
    }
    let (Some(warm), last) = (warm, Usage::of(server.process(), &server.data())) else { return };
    println!("\n{} accepted in {} s, {} answered 429, {} failed\n", all.accepted.len(), began.elapsed().as_secs(), all.refused, all.failed);
    stages::print(&server.data());
    verdict("resident MB at the end against 1.2 x a quarter in", last.resident_mb, "<=", 1.2 * warm.resident_mb);
    verdict("open files at the end against a quarter in", count(last.files), "<=", count(warm.files + 4));
    verdict("write-ahead log, MB", last.log_mb, "<=", 64.0);
    verdict("requests without an answer", count(all.failed), "<=", 0.0);
}

fn words(told: &Told) -> String {
    let ms = |percentile| at(&told.accepted, percentile) / 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms", ms(50.0), ms(99.0), ms(99.9), ms(100.0))
}
