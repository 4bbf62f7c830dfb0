//! The timetable, and who keeps it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Connections: as many alerts can be under way, and one that waits for a connection counts from its due time all the same.
const CONNECTIONS: usize = 128;
/// How long a strategy stays in, in alerts: long enough for its entry to be in the broker's positions.
const STRATEGIES: usize = 4_096;

/// What a stretch of load came to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// From the due time to the answer 202.
    pub(crate) accepted: Vec<Duration>,
    /// Answered 429.
    pub(crate) refused: usize,
    /// Anything else, or nothing.
    pub(crate) failed: usize,
}

impl Told {
    pub(crate) fn add(&mut self, more: Self) {
        self.accepted.extend(more.accepted);
        self.refused += more.refused;
        self.failed += more.failed;
    }
}

/// A sender of alerts.
#[derive(Debug)]
pub(crate) struct Load {
    address: SocketAddr,
    sent: AtomicUsize,
}

impl Load {
    pub(crate) fn on(address: SocketAddr) -> Self {
        Self { address, sent: AtomicUsize::new(0) }
    }

    /// So many alerts a second for so long, each at its moment.
    pub(crate) fn run(&self, rate: u32, time: Duration) -> Told {
        let each = Duration::from_secs(1) / rate;
        let count = usize::try_from(time.as_nanos() / each.as_nanos().max(1)).unwrap();
        let start = Instant::now();
        self.share(|next| {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            (turn < count).then(|| start + each * u32::try_from(turn).unwrap())
        })
    }

    /// Orders a second in a closed loop over all connections.
    pub(crate) fn capacity(&self, time: Duration) -> u32 {
        let start = Instant::now();
        let told = self.share(|_| Some(Instant::now()).filter(|now| *now - start < time));
        u32::try_from(told.accepted.len() / usize::try_from(time.as_secs()).unwrap()).unwrap().max(1)
    }

    /// Every connection takes the next due time and keeps it, until there is none.
    fn share(&self, due: impl Fn(&AtomicUsize) -> Option<Instant> + Sync) -> Told {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let work = || {
                let (mut told, mut connection) = (Told::default(), Connection::to(self.address));
                while let Some(due) = due(&next) {
                    wait(due.saturating_duration_since(Instant::now()));
                    match connection.send(&alert(self.sent.fetch_add(1, Ordering::Relaxed))) {
                        Some(202) => told.accepted.push(due.elapsed()),
                        Some(429) => told.refused += 1,
                        _ => told.failed += 1,
                    }
                }
                told
            };
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().fold(Told::default(), |mut all, thread| {
                all.add(thread.join().unwrap());
                all
            })
        })
    }
}

/// In, and with the next alert of the same strategy out again.
fn alert(number: usize) -> String {
    let (strategy, turn) = (number % STRATEGIES, number / STRATEGIES);
    let (kind, leg) = if turn % 2 == 0 {
        ("ENTRY", r#","product_type":"MIS","legs":[{"tradingsymbol":"RELIANCE-EQ","direction":"BUY","qty":1,"order_type":"MARKET"}]"#)
    } else {
        ("EXIT", r#","legs":[{"tradingsymbol":"RELIANCE-EQ","order_type":"MARKET"}]"#)
    };
    format!(
        r#"{{"secret_key":"bench-secret-0123456789","idempotency_key":"load-{number}","execution_type":"{kind}","strategy_name":"s{strategy}","exchange":"NSE"{leg}}}"#
    )
}

struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    fn to(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; 64 * 1024] }
    }

    /// Sends it; the status of the answer. A connection that failed is made anew by the next.
    fn send(&mut self, body: &str) -> Option<u16> {
        let answered = self.exchange(body);
        if answered.is_none() {
            self.stream = None;
        }
        answered
    }

    fn exchange(&mut self, body: &str) -> Option<u16> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut()?;
        write!(
            stream,
            "POST /webhook/PAPER1 HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut read = 0;
        loop {
            let more = stream.read(self.buffer.get_mut(read..)?).ok().filter(|more| *more > 0)?;
            read += more;
            let text = String::from_utf8_lossy(self.buffer.get(..read)?);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if length.is_some_and(|length| body.len() >= length) {
                return head.split(' ').nth(1)?.parse().ok();
            }
        }
    }
}

/// Until the next alert is due.
#[expect(clippy::disallowed_methods, reason = "a benchmark's own pace")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}
