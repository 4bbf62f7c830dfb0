//! The timetable, and who keeps it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::connection::{Answer, Connection};

/// Connections of a closed loop that finds the capacity.
const CLOSED: usize = 128;
/// How soon those come again that were refused.
const AGAIN: Duration = Duration::from_millis(20);
/// A sender has little to remember.
const STACK: usize = 128 * 1024;

/// An alert that was answered 202.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    /// When it was due, from the beginning of the stretch.
    pub(crate) due: Duration,
    /// From the due time to the answer.
    pub(crate) took: Duration,
}

/// What a stretch of load came to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) accepted: Vec<Accepted>,
    /// Answered 429.
    pub(crate) refused: usize,
    /// Of those, so many did not say when to come again.
    pub(crate) unsaid: usize,
    /// Anything else, or nothing.
    pub(crate) failed: usize,
    /// From the first to the last answer.
    pub(crate) wall: Duration,
}

impl Told {
    pub(crate) fn add(&mut self, more: Self) {
        self.accepted.extend(more.accepted);
        self.refused += more.refused;
        self.unsaid += more.unsaid;
        self.failed += more.failed;
        self.wall += more.wall;
    }

    /// How long the accepted took.
    pub(crate) fn times(&self) -> Vec<Duration> {
        self.accepted.iter().map(|accepted| accepted.took).collect()
    }

    /// All that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.accepted.len() + self.refused + self.failed
    }

    /// Until when alerts took longer than that, from the beginning of the stretch.
    pub(crate) fn slow_until(&self, bound: Duration) -> Duration {
        let slow = self.accepted.iter().filter(|accepted| accepted.took > bound);
        slow.map(|accepted| accepted.due + accepted.took).max().unwrap_or_default()
    }

    fn take(&mut self, answer: Option<Answer>, due: Duration, took: Duration) {
        match answer {
            Some(Answer { status: 202, .. }) => self.accepted.push(Accepted { due, took }),
            Some(Answer { status: 429, says_when }) => {
                self.refused += 1;
                self.unsaid += usize::from(!says_when);
            }
            _ => self.failed += 1,
        }
    }
}

/// A sender of alerts.
#[derive(Debug)]
pub(crate) struct Load {
    address: SocketAddr,
    sent: AtomicUsize,
    is_in: Vec<AtomicBool>,
}

impl Load {
    /// The alerts of so many strategies by turns: each is in with one and out with its next.
    pub(crate) fn of(address: SocketAddr, strategies: usize) -> Self {
        Self { address, sent: AtomicUsize::new(0), is_in: (0..strategies).map(|_| AtomicBool::new(false)).collect() }
    }

    /// So many alerts a second for so long, each at its moment, over so many connections: as many can be under way, and one
    /// that waits for a connection counts from its due time all the same.
    pub(crate) fn run(&self, rate: u32, time: Duration, connections: usize) -> Told {
        let each = Duration::from_secs(1) / rate;
        let count = usize::try_from(time.as_nanos() / each.as_nanos().max(1)).unwrap();
        self.share(connections, Duration::ZERO, |start, turn| (turn < count).then(|| start + each * u32::try_from(turn).unwrap()))
    }

    /// Orders a second in a closed loop, whose senders come again a moment after they were refused: what answering them at
    /// once, and again, would cost is not the engine's capacity.
    pub(crate) fn capacity(&self, time: Duration) -> u32 {
        let told = self.share(CLOSED, AGAIN, |start, _| Some(Instant::now()).filter(|now| *now - start < time));
        u32::try_from(told.accepted.len() / usize::try_from(time.as_secs()).unwrap()).unwrap().max(1)
    }

    /// Every connection takes the next due time and keeps it, until there is none; one that is refused pauses first.
    fn share(&self, connections: usize, pause: Duration, due: impl Fn(Instant, usize) -> Option<Instant> + Sync) -> Told {
        let (next, start) = (AtomicUsize::new(0), Instant::now());
        let mut told = std::thread::scope(|scope| {
            let work = || {
                let (mut told, mut connection) = (Told::default(), Connection::to(self.address));
                while let Some(due) = due(start, next.fetch_add(1, Ordering::Relaxed)) {
                    wait(due.saturating_duration_since(Instant::now()));
                    let answer = self.send(&mut connection);
                    told.take(answer, due - start, due.elapsed());
                    if answer.is_some_and(|answer| answer.status == 429) {
                        wait(pause);
                    }
                }
                told
            };
            let threads: Vec<_> = (0..connections).map(|_| Builder::new().stack_size(STACK).spawn_scoped(scope, work).unwrap()).collect();
            threads.into_iter().fold(Told::default(), |mut all, thread| {
                all.add(thread.join().unwrap());
                all
            })
        });
        told.wall = start.elapsed();
        told
    }

    /// In, and with the next alert of the same strategy out again; one that was refused comes again.
    fn send(&self, connection: &mut Connection) -> Option<Answer> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let strategy = number % self.is_in.len();
        let is_in = &self.is_in[strategy];
        let leaves = is_in.load(Ordering::Relaxed);
        let (kind, leg) = if leaves {
            ("EXIT", r#","legs":[{"tradingsymbol":"RELIANCE-EQ","order_type":"MARKET"}]"#)
        } else {
            ("ENTRY", r#","product_type":"MIS","legs":[{"tradingsymbol":"RELIANCE-EQ","direction":"BUY","qty":1,"order_type":"MARKET"}]"#)
        };
        let answer = connection.send(&format!(
            r#"{{"secret_key":"bench-secret-0123456789","idempotency_key":"load-{number}","execution_type":"{kind}","strategy_name":"s{strategy}","exchange":"NSE"{leg}}}"#
        ));
        if answer.is_some_and(|answer| answer.status == 202) {
            is_in.store(!leaves, Ordering::Relaxed);
        }
        answer
    }
}

/// Until the next alert is due.
#[expect(clippy::disallowed_methods, reason = "a benchmark's own pace")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}
