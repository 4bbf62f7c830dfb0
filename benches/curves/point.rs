//! One size of one curve, and what an order costs there.

use std::time::{Duration, Instant};

use super::client::{Client, wait};
use super::server::Server;
use super::stats::{Sample, count};

/// How often each is looked at, by turns.
const TURNS: usize = 4;
/// Orders of each look. Few: they are orders of the day too.
const ORDERS: usize = 100;
/// How long each look lets the engine alone.
const IDLE: Duration = Duration::from_millis(500);

/// An engine that has grown to one size.
pub(crate) struct Point {
    size: usize,
    server: Server,
    accounts: Vec<String>,
    looks: Vec<Sample>,
    /// The processor's time for all orders of the looks.
    busy: Duration,
    /// The same while nothing came, and how long that was.
    idle: (Duration, Duration),
}

impl Point {
    pub(crate) fn new(size: usize, server: Server, accounts: Vec<String>) -> Self {
        Self { size, server, accounts, looks: Vec::new(), busy: Duration::ZERO, idle: (Duration::ZERO, Duration::ZERO) }
    }

    /// A connection of its own: the engine closes one that is idle for as long as it takes to look at the others.
    fn client(&self) -> Client {
        Client::of(self.server.address(), self.accounts.clone())
    }

    fn look(&mut self) {
        let (before, began) = (self.cpu(), Instant::now());
        wait(IDLE);
        let between = self.cpu();
        self.idle = (self.idle.0 + between.saturating_sub(before), self.idle.1 + began.elapsed());
        self.looks.push(self.client().run(ORDERS, Some("until=broker")));
        self.busy += self.cpu().saturating_sub(between);
    }

    /// The processor's time of all threads of the engine.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.server.process())).unwrap();
        let of_task = |task: std::fs::DirEntry| {
            // It may end meanwhile.
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).map_or(Duration::ZERO, Duration::from_nanos)
        };
        tasks.map(|task| of_task(task.unwrap())).sum()
    }

    /// Microseconds: the median, the 99th percentile, the processor's time for each order; and the processor's share while idle,
    /// percent.
    fn figures(&self) -> ([f64; 3], f64) {
        let all = Sample::pooled(&self.looks);
        let busy = self.busy.as_secs_f64() * 1e6 / count(all.orders.len());
        ([all.order_us(50.0), all.order_us(99.0), busy], self.idle.0.as_secs_f64() * 100.0 / self.idle.1.as_secs_f64())
    }
}

/// Looks at them by turns, and prints each beside the first.
pub(crate) fn measure(what: &str, mut points: Vec<Point>) {
    for point in &mut points {
        // The first finds everything cold.
        point.client().warm_up_to_the_broker(50);
    }
    for _ in 0..TURNS {
        points.iter_mut().for_each(Point::look);
    }
    println!("{what:>15}   p50 us   p99 us   CPU us an order   idle CPU %     p50 x   p99 x   CPU x");
    let smallest = points.first().map(|point| point.figures().0).unwrap_or_default();
    for point in &points {
        let ([p50, p99, busy], idle) = point.figures();
        println!(
            "{:>15} {p50:>8.0} {p99:>8.0} {busy:>17.0} {idle:>12.1} {:>9.2} {:>7.2} {:>7.2}",
            point.size,
            p50 / smallest[0],
            p99 / smallest[1],
            busy / smallest[2]
        );
    }
    println!();
}
