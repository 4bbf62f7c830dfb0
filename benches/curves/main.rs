//! How the cost of an order grows: with the orders of the day, with the accounts, with the open positions. For each size an engine
//! of its own (a release binary with the paper broker, over real HTTP); the engines of one curve are measured by turns, because the
//! host drifts, and each row is printed as a ratio to the smallest.
//!
//! `cargo bench --bench curves` (about two minutes). `-- --million` adds a day of 1,000,000 orders, which takes ten minutes more.
//! `-- orders`, `-- accounts`, `-- positions`: that curve alone.
//!
//! Measured is a resting order, from its alert to the broker's number on disk, one at a time; and the processor's time that the
//! engine takes for it with all that goes on beside it (reading the books, following quotes). What the engine takes while nothing
//! comes stands in a column of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/client.rs"]
mod client;
#[path = "../load/connection.rs"]
mod connection;
#[expect(dead_code, reason = "shared with the bench of load")]
#[path = "../load/open_loop.rs"]
mod open_loop;
mod point;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/server.rs"]
mod server;
#[expect(dead_code, reason = "shared with the bench of the order path")]
#[path = "../order_path/stats.rs"]
mod stats;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::wait;
use connection::Connection;
use open_loop::Load;
use ordergate::clock::SystemClock;
use ordergate::instruments::sample;
use ordergate::store::ReadStore;
use ordergate_actors::order::{Exchange, Instrument, Kind, trading_date};
use ordergate_actors::ports::Clock;
use point::{Point, measure};
use server::Server;

/// Alerts under way while a day is made: its exits wait for the broker's positions, and that shall not make it long.
const UNDER_WAY: usize = 1_024;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("--test") {
        return;
    }
    let curves: [(&str, &dyn Fn()); 3] = [("orders", &|| orders(has("--million"))), ("accounts", &accounts), ("positions", &positions)];
    let is_one_named = curves.iter().any(|(name, _)| has(name));
    for (_, run) in curves.iter().filter(|(name, _)| !is_one_named || has(name)) {
        run();
    }
}

/// A day of so many orders, each entered and left again.
fn orders(with_million: bool) {
    // Strategies, so many that each leaves as often as it enters.
    let days = [(1_000, 500), (10_000, 1_000), (100_000, 2_000), (1_000_000, 2_000)];
    let points = days[..if with_million { 4 } else { 3 }].iter().map(|(orders, strategies)| {
        let server = Server::start();
        trade(&Load::of(server.address(), *strategies), *orders, UNDER_WAY.min(*strategies));
        let _drained = server.drain();
        Point::new(*orders, server, vec!["PAPER1".to_owned()])
    });
    measure("orders today", points.collect());
}

/// So many alerts, as fast as they are accepted.
fn trade(load: &Load, alerts: usize, under_way: usize) {
    let mut left = alerts;
    while left > 0 {
        // All of them are due at once.
        let told = load.run(1_000_000, Duration::from_micros(u64::try_from(left).unwrap()), under_way);
        assert_eq!(told.failed, 0, "every alert is answered");
        left -= told.accepted.len();
    }
}

/// So many accounts, each with a broker of its own; orders go to them by turns.
fn accounts() {
    let points = [1, 10, 50].map(|count| {
        let names: Vec<String> = (1..=count).map(|number| format!("PAPER{number}")).collect();
        let rows: String = names.iter().map(|name| format!("[[accounts]]\nname = \"{name}\"\n")).collect();
        let permits = [("ORDERGATE__ACCOUNT__PERMITS", "512".to_owned())];
        Point::new(count, Server::with(Arc::new(tempfile::tempdir().unwrap()), &rows, &permits), names)
    });
    measure("accounts", points.into());
}

/// So many strategies hold something, in every instrument and product of the sample by turns.
fn positions() {
    let rows = sample(trading_date(SystemClock.now())).unwrap();
    let traded: Vec<&Instrument> = rows.iter().filter(|row| !matches!(row.kind, Kind::Index)).collect();
    let points = [1, 100, 1_000].map(|count| {
        let server = Server::start();
        let mut connection = Connection::to(server.address());
        for (number, row) in (0..count).zip(traded.iter().cycle()) {
            let (symbol, exchange, quantity) = (&row.key.symbol, row.key.exchange, row.lot.value());
            let is_overnight = exchange == Exchange::Nfo && number / traded.len() % 2 == 1;
            let product = if is_overnight { "NRML" } else { "MIS" };
            let answer = connection.send(&format!(
                r#"{{"secret_key":"bench-secret-0123456789","idempotency_key":"hold-{number}","execution_type":"ENTRY","strategy_name":"hold{number}","exchange":"{exchange}","product_type":"{product}","legs":[{{"tradingsymbol":"{symbol}","direction":"BUY","qty":{quantity},"order_type":"MARKET"}}]}}"#
            ));
            assert!(answer.is_some_and(|answer| answer.status == 202), "{symbol}: {answer:?}");
        }
        filled(&server, count);
        Point::new(count, server, vec!["PAPER1".to_owned()])
    });
    measure("open positions", points.into());
}

/// Waits until so many orders have filled, and none has ended otherwise.
fn filled(server: &Server, count: usize) {
    let (store, began) = (ReadStore::open(&server.data()).unwrap(), Instant::now());
    let all = [("EXECUTED".to_owned(), u64::try_from(count).unwrap())];
    while store.count_by_status().unwrap() != all {
        assert!(began.elapsed() < Duration::from_secs(60), "every position is open: {:?}", store.count_by_status());
        wait(Duration::from_millis(20));
    }
}
