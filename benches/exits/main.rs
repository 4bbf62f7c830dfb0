//! From a quote to the exit order handed to the broker: 500 watched positions get 20,000 quotes a second, and every few
//! milliseconds one of 500 others reaches its stop. Beside it one commit of a raw ledger, of the same run.
//!
//! `cargo bench --bench exits` (about half a minute). `-- --short` fires fifty stops.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_arithmetic,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

#[path = "../order_path/client.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod client;
#[path = "../order_path/raw.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod raw;
#[path = "../order_path/server.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod server;
#[path = "../order_path/stats.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod stats;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stats::{Sample, at, verdict};
use world::{FIRED, QUOTES_PER_SECOND, WATCHED, World};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let stops = if arguments.iter().any(|argument| argument == "--short") { 50 } else { FIRED };
    raw::learn();
    println!("exits: {WATCHED} watched positions, {QUOTES_PER_SECOND} quotes/s, {stops} stops\n");
    let before = raw::closed_loop(1, 1_000);
    let times = run(stops);
    let raw = Sample::pooled(&[before, raw::closed_loop(1, 1_000)]);
    let (commit, p50, p99) = (raw.commit_us(99.0), at(&times, 50.0), at(&times, 99.0));
    println!("one raw commit p50 {:.0} us, p99 {commit:.0} us; quote to order p50 {p50:.0} us, p99 {p99:.0} us", raw.commit_us(50.0));
    verdict("quote to order handed over, p99 (us), against 3 commits + 300 us", p99, "<=", 3.0f64.mul_add(commit, 300.0));
}

/// Fires so many stops, one after the other, under the load of all quotes; how long each took.
fn run(stops: usize) -> Vec<Duration> {
    let world = Arc::new(World::new());
    let engine = Arc::clone(&world);
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let running = engine.start();
            engine.enter(&running).await;
            std::future::pending::<()>().await;
        });
    });
    world.wait_until("every position is watched", |world| world.is_ready());
    let is_over = AtomicBool::new(false);
    let mut times = Vec::with_capacity(stops);
    let (quotes, time) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&world, &is_over));
        for place in 0..stops {
            std::thread::park_timeout(Duration::from_millis(5));
            let quoted = world.crash(place);
            world.wait_until("its exit is placed", |world| world.placed_at(place).is_some());
            times.push(world.placed_at(place).unwrap().duration_since(quoted));
        }
        is_over.store(true, Ordering::SeqCst);
        load.join().unwrap()
    });
    println!("{:.0} quotes/s came in", f64::from(quotes) / time.as_secs_f64());
    times
}

/// Quotes at their rate until it is over, in ticks of a millisecond, as a stream's frames come; how many there were.
fn load(world: &World, is_over: &AtomicBool) -> (u32, Duration) {
    let (start, mut number) = (Instant::now(), 0u32);
    while !is_over.load(Ordering::SeqCst) {
        for _ in 0..QUOTES_PER_SECOND / 1_000 {
            world.calm(number);
            number = number.wrapping_add(1);
        }
        let due = Duration::from_millis(u64::from(number / (QUOTES_PER_SECOND / 1_000)));
        std::thread::park_timeout(due.saturating_sub(start.elapsed()));
    }
    (number, start.elapsed())
}
