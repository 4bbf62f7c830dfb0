//! Load at a constant rate, whatever the engine answers: open loop. Each alert is due at a moment of a timetable, and its time
//! counts from there, so that an engine that stands still is not asked less (no coordinated omission). A release binary with the
//! paper broker, over real HTTP.
//!
//! `cargo bench --bench load` (about a minute): quiet, then three times what it can take, then quiet again. The account has the
//! permits that it has without any setting, and the sender more connections than that: what is too much must be refused.
//! `cargo bench --bench load -- --soak [--minutes 30] [--rate 50]`: so many minutes at that rate; what must stay flat is printed
//! each minute.
//!
//! Orders are market orders: a strategy enters, and leaves with its next alert. In the overload there are so many strategies that
//! none leaves: an exit waits for the broker's positions, which is no time of the engine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

mod connection;
mod open_loop;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/server.rs"]
mod server;
mod soak;
mod stages;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/stats.rs"]
mod stats;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use open_loop::{Load, Told};
use server::Server;
use stages::Stages;
use stats::{at, count, verdict};

/// Alerts a second at which the engine has nothing to do.
const QUIET: u32 = 20;
/// Permits of an account that says nothing else (`config/default.toml`), and how many of them are kept for exits.
const PERMITS: [(&str, u32); 2] = [("ORDERGATE__ACCOUNT__PERMITS", 512), ("ORDERGATE__ACCOUNT__PERMITS_FOR_EXITS", 64)];
/// Strategies of the overload, and of a soak: what is kept of them is not what a soak looks for.
const STRATEGIES: [usize; 2] = [1 << 19, 4_096];
/// Twice as many alerts can be under way as there are permits.
const MANY: usize = 1_024;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(place + 1)?.parse::<u32>().expect("a whole number"))
    };
    if arguments.iter().any(|argument| argument == "--soak") {
        soak::run(number("--minutes").unwrap_or(30), number("--rate").unwrap_or(50));
    } else {
        overload();
    }
}

/// Connections for a rate that the engine can take: none of them is idle for so long that the engine closes it.
fn few(rate: u32) -> usize {
    usize::try_from(rate * 2).unwrap().min(128)
}

/// Quiet, overload, quiet again.
fn overload() {
    let files = usage::files_most();
    assert!(files >= 2 * MANY, "at most {files} files may be open; raise it to {} (ulimit -n)", 2 * MANY);
    let permits = PERMITS.map(|(name, permits)| (name, permits.to_string()));
    let server = Server::with(Arc::new(tempfile::tempdir().unwrap()), "", &permits);
    let load = Load::of(server.address(), STRATEGIES[0]);
    load.run(QUIET, Duration::from_secs(2), few(QUIET));
    let quiet = load.run(QUIET, Duration::from_secs(15), few(QUIET));
    let capacity = load.capacity(Duration::from_secs(5));
    let _drained = server.drain();
    println!("quiet: {QUIET}/s, accept {}; capacity {capacity}/s", words(&quiet));
    let over = load.run(3 * capacity, Duration::from_secs(10), MANY);
    let after = load.run(QUIET, Duration::from_secs(10), few(QUIET));
    let drained = server.drain();
    println!(
        "at 3 x capacity: {} sent in {:.1} s, {} accepted, {} answered 429, {} late or failed; accept {}",
        over.sent(),
        over.wall.as_secs_f64(),
        over.accepted.len(),
        over.refused,
        over.failed,
        words(&over)
    );
    println!("quiet again at once: accept {}; drained {} ms later", words(&after), drained.as_millis());
    println!("all of it: {}\n", Stages::default().read(&server.data()));
    let p99 = |told: &Told| at(&told.times(), 99.0);
    let bound = Duration::from_secs_f64(3.0 * p99(&quiet) / 1e6);
    verdict("sent a second against the capacity", count(over.sent()) / over.wall.as_secs_f64() / f64::from(capacity), ">=", 2.9);
    verdict(
        "accepted a second in it against the capacity",
        count(over.accepted.len()) / over.wall.as_secs_f64() / f64::from(capacity),
        ">=",
        0.5,
    );
    verdict("answered 429, share of what was sent", count(over.refused) / count(over.sent()), ">=", 0.01);
    verdict("429 without Retry-After", count(over.unsaid), "<=", 0.0);
    verdict("requests without an answer", count(quiet.failed + over.failed + after.failed), "<=", 0.0);
    verdict("p99 of the accepted against quiet", p99(&over) / p99(&quiet), "<=", 3.0);
    verdict("p99 quiet again against quiet", p99(&after) / p99(&quiet), "<=", 1.5);
    verdict("recovered after (s): from then on none took 3 x the quiet p99", after.slow_until(bound).as_secs_f64(), "<=", 1.0);
}

fn words(told: &Told) -> String {
    let (times, ms) = (told.times(), |time: f64| time / 1e3);
    let [p50, p99, p999, most] = [50.0, 99.0, 99.9, 100.0].map(|percentile| ms(at(&times, percentile)));
    format!("p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, most {most:.2} ms")
}
