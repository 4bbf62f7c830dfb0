//! The order path, measured from outside: a release binary with the paper broker, driven over real HTTP from this
//! process, beside a raw baseline of the same run. Prints a table of ratios.
//!
//! `cargo bench --bench order_path` (about two minutes). `-- --short` takes a fifth of the samples. `-- --million` measures
//! beside a database of a million orders instead (a hundred thousand with `--short`), `-- --dashboard` with 200 pages that follow
//! and ask for the order book of 10,000 orders.
//!
//! Baseline R: one writer thread, the same SQL and the same rows (recorded from the real ledger, with the gates' verdicts
//! as the engine recorded them), group commit, a closed loop of C orders; no HTTP, no actors, no checks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

mod client;
mod dashboard;
mod million;
mod raw;
mod server;
mod stats;

use std::time::Duration;

use client::Client;
use server::Server;
use stats::{Sample, verdict};

struct Plan {
    latency_orders: usize,
    throughput_orders: usize,
    paced_orders: usize,
    memory_orders: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let short = arguments.iter().any(|argument| argument == "--short");
    let part = if short { 5 } else { 1 };
    let plan = Plan {
        latency_orders: 2_000 / part,
        throughput_orders: 12_000 / part,
        paced_orders: 60 / part,
        memory_orders: 100_000 / if short { 10 } else { 1 },
    };
    raw::learn();
    if arguments.iter().any(|argument| argument == "--million") {
        million::run(if short { 100_000 } else { 1_000_000 }, 12_000 / part);
        return;
    }
    if arguments.iter().any(|argument| argument == "--dashboard") {
        dashboard::run(10_000, 1_000 / part);
        return;
    }
    println!("order path: medians of one run; host figures drift, read the ratios\n");
    latency(&plan);
    paced(&plan);
    let at_64 = throughput(&plan, 64);
    let at_256 = throughput(&plan, 256);
    verdict("at 256 clients, orders/s against 64 clients", at_256 / at_64, ">=", 1.0);
    memory(&plan);
}

fn latency(plan: &Plan) {
    let raw_one = raw::closed_loop(1, plan.latency_orders);
    let server = Server::start();
    let mut client = Client::connect(server.address());
    client.warm_up(200);
    let accept = client.run(plan.latency_orders, None);
    let full = client.run(plan.latency_orders, Some("until=broker"));
    let raw_again = raw::closed_loop(1, plan.latency_orders);
    let raw = Sample::pooled(&[raw_one, raw_again]);
    let (commit, chain) = (raw.commit_us(50.0), raw.order_us(50.0));
    println!(
        "C=1: R commit p50 {commit:.0} us, R three commits p50 {chain:.0} us; accept p50 {:.0} us, full line p50 {:.0} us",
        accept.order_us(50.0),
        full.order_us(50.0)
    );
    verdict("accept p50 (us) against 1.5 R commits + 150 us", accept.order_us(50.0), "<=", 1.5 * commit + 150.0);
    verdict("full line p50 (us) against 1.3 x three R commits + 250 us", full.order_us(50.0), "<=", 1.3 * chain + 250.0);
    let spread = |sample: &Sample| sample.order_us(99.0) / sample.order_us(50.0);
    verdict("full line p99/p50 against 1.5 x R's own", spread(&full), "<=", 1.5 * spread(&raw));
    println!();
}

fn paced(plan: &Plan) {
    let pause = Duration::from_millis(200);
    let raw = raw::paced(plan.paced_orders, pause);
    let server = Server::start();
    let mut client = Client::connect(server.address());
    client.warm_up(20);
    let full = client.run_paced(plan.paced_orders, pause);
    println!("5 orders/s: bare chain p50 {:.0} us, full line p50 {:.0} us", raw.order_us(50.0), full.order_us(50.0));
    verdict("paced full line p50 against the bare chain", full.order_us(50.0) / raw.order_us(50.0), "<=", 1.3);
    println!();
}

fn throughput(plan: &Plan, clients: usize) -> f64 {
    let raw_before = raw::closed_loop(clients, plan.throughput_orders);
    let server = Server::start();
    let run = client::concurrent(server.address(), clients, plan.throughput_orders);
    let raw_after = raw::closed_loop(clients, plan.throughput_orders);
    let raw = Sample::pooled(&[raw_before, raw_after]);
    println!(
        "C={clients}: R {:.0} orders/s (p50 {:.1} ms, p99 {:.1} ms); engine {:.0} orders/s; full line p50 {:.1} ms, p99 {:.1} ms",
        raw.per_second(),
        raw.order_us(50.0) / 1e3,
        raw.order_us(99.0) / 1e3,
        run.per_second(),
        run.order_us(50.0) / 1e3,
        run.order_us(99.0) / 1e3
    );
    verdict(&format!("orders/s through three commits at C={clients}, share of R"), run.per_second() / raw.per_second(), ">=", 0.5);
    let spread = |sample: &Sample| sample.order_us(99.0) / sample.order_us(50.0);
    verdict(&format!("p99/p50 at C={clients} against 1.5 x R's own"), spread(&run), "<=", 1.5 * spread(&raw));
    println!();
    run.per_second()
}

/// A day of market orders, all filled: what stays in memory.
fn memory(plan: &Plan) {
    let server = Server::start();
    let before = server.resident_mb();
    let run = client::market_orders(server.address(), 32, plan.memory_orders);
    let _drained = server.drain();
    let after = server.resident_mb();
    println!(
        "memory: {before:.0} MB at the start, {after:.0} MB after {} filled orders ({:.0} orders/s)",
        plan.memory_orders,
        run.per_second()
    );
    verdict("resident MB after the day's orders", after, "<=", 64.0);
}
