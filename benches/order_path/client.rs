//! Alerts over HTTP/1.1 keep-alive connections, one thread each connection group: as little of its own as can be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::stats::Sample;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    accounts: Vec<String>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(address, vec!["PAPER1".to_owned()])
    }

    /// For these accounts by turns.
    pub(crate) fn of(address: SocketAddr, accounts: Vec<String>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, buffer: vec![0; 16 * 1024], accounts }
    }

    pub(crate) fn warm_up(&mut self, orders: usize) {
        let _warm = self.run(orders, None);
    }

    /// So many orders that the broker has: the first finds everything cold.
    pub(crate) fn warm_up_to_the_broker(&mut self, orders: usize) {
        let _warm = self.run(orders, Some("until=broker"));
    }

    /// So many orders, one after the other.
    pub(crate) fn run(&mut self, orders: usize, until: Option<&str>) -> Sample {
        let start = Instant::now();
        let times = (0..orders).map(|_| self.order(until, false)).collect();
        Sample { orders: times, commits: Vec::new(), wall: start.elapsed() }
    }

    pub(crate) fn run_paced(&mut self, orders: usize, pause: Duration) -> Sample {
        let start = Instant::now();
        let times = (0..orders)
            .map(|_| {
                wait(pause);
                self.order(Some("until=broker"), false)
            })
            .collect();
        Sample { orders: times, commits: Vec::new(), wall: start.elapsed() }
    }

    /// One alert of a strategy of its own; resting far from the market, or at the market.
    fn order(&mut self, until: Option<&str>, at_market: bool) -> Duration {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let price = if at_market { r#""order_type":"MARKET""# } else { r#""order_type":"LIMIT","price":"1290""# };
        let body = format!(
            r#"{{"secret_key":"bench-secret-0123456789","idempotency_key":"alert-{number}","execution_type":"ENTRY","strategy_name":"s{number}","exchange":"NSE","product_type":"MIS","legs":[{{"tradingsymbol":"RELIANCE-EQ","direction":"BUY","qty":1,{price}}}]}}"#
        );
        let prefer = until.map_or_else(String::new, |until| format!("Prefer: wait=10, {until}\r\n"));
        let account = &self.accounts[number % self.accounts.len()];
        let request = format!(
            "POST /webhook/{account} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{prefer}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let start = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let answer = self.answer();
        let time = start.elapsed();
        if at_market && answer.starts_with("HTTP/1.1 429") {
            // Accepted faster than sent: the engine says so, and a sender comes again.
            wait(Duration::from_millis(20));
            return self.order(until, at_market);
        }
        assert!(answer.starts_with("HTTP/1.1 202") && answer.contains("\"ACCEPTED\""), "{answer}");
        time
    }

    fn answer(&mut self) -> String {
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..]).unwrap();
            assert!(more > 0, "the engine closed the connection");
            read += more;
            let text = String::from_utf8_lossy(&self.buffer[..read]);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
                if length.is_some_and(|length| body.len() >= length) {
                    return text.into_owned();
                }
            }
        }
    }
}

/// So many connections, each in a closed loop: the next order goes when the one before has the broker's number on disk.
pub(crate) fn concurrent(address: SocketAddr, clients: usize, orders: usize) -> Sample {
    run(address, clients, orders, Some("until=broker"), false)
}

/// Market orders, accepted and filled.
pub(crate) fn market_orders(address: SocketAddr, clients: usize, orders: usize) -> Sample {
    run(address, clients, orders, None, true)
}

fn run(address: SocketAddr, clients: usize, orders: usize, until: Option<&'static str>, at_market: bool) -> Sample {
    let left = AtomicUsize::new(orders);
    let start = Instant::now();
    let runs: Vec<Vec<Duration>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    let mut times = Vec::new();
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                        times.push(client.order(until, at_market));
                    }
                    times
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    Sample { orders: runs.concat(), commits: Vec::new(), wall: start.elapsed() }
}

/// Idle, as a market is between two alerts.
#[expect(clippy::disallowed_methods, reason = "a benchmark's own pace")]
pub(crate) fn wait(pause: Duration) {
    std::thread::sleep(pause);
}
