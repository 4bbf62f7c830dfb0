//! `-- --dashboard`: what 200 pages cost the order path, and what a page waits for the order book of a full day meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::{Client, market_orders, wait};
use super::server::Server;
use super::stats::{Sample, at, verdict};

/// Pages that follow the live stream.
const READERS: usize = 200;
/// 50 orders a second.
const PACE: Duration = Duration::from_millis(20);
/// How often a page asks for the order book.
const ASKS: Duration = Duration::from_millis(100);

/// A day of so many filled orders; then so many at 50 a second, without pages and with them, by turns.
pub(crate) fn run(day: usize, paced: usize) {
    let server = Server::on(Arc::new(tempfile::tempdir().unwrap()), "[live]\nreaders = 256\n");
    let _filled = market_orders(server.address(), 32, day);
    let _drained = server.drain();
    let mut client = Client::connect(server.address());
    client.warm_up_to_the_broker(50);
    let (mut alone, mut watched, mut books, mut told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // By turns, because a host drifts.
    for _ in 0..2 {
        alone.push(client.run_paced(paced, PACE));
        let (orders, asked, bytes) = with_pages(&server, &mut client, paced);
        watched.push(orders);
        books.extend(asked);
        told.extend(bytes);
    }
    let (alone, watched) = (Sample::pooled(&alone), Sample::pooled(&watched));
    println!(
        "{day} orders today, 50 orders/s: full line p50 {:.0} us, p99 {:.0} us alone; p50 {:.0} us, p99 {:.0} us with {READERS} pages",
        alone.order_us(50.0),
        alone.order_us(99.0),
        watched.order_us(50.0),
        watched.order_us(99.0)
    );
    println!(
        "order book asked {} times: p50 {:.1} ms; each page was told {} bytes at least",
        books.len(),
        at(&books, 50.0) / 1e3,
        told.iter().min().unwrap()
    );
    verdict("order book of the day, p99 (ms)", at(&books, 99.0) / 1e3, "<=", 20.0);
    verdict("full line p99 with pages against without", watched.order_us(99.0) / alone.order_us(99.0), "<=", 1.2);
}

/// The orders' times, the order book's, and what each page was told.
fn with_pages(server: &Server, client: &mut Client, orders: usize) -> (Sample, Vec<Duration>, Vec<usize>) {
    let (address, is_over) = (server.address(), AtomicBool::new(false));
    let streams: Vec<TcpStream> = (0..READERS).map(|_| ask(address, "/dashboard/events")).collect();
    std::thread::scope(|scope| {
        let is_over = &is_over;
        let pages: Vec<_> = streams.into_iter().map(|stream| scope.spawn(move || follow(stream, is_over))).collect();
        let book = scope.spawn(move || {
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                let mut text = String::new();
                ask(address, "/dashboard/orderbook").read_to_string(&mut text).unwrap();
                times.push(start.elapsed());
                assert!(
                    text.starts_with("HTTP/1.1 200") && text.contains("\"system_orders\""),
                    "{}",
                    text.lines().next().unwrap_or_default()
                );
                wait(ASKS);
            }
            times
        });
        let sample = client.run_paced(orders, PACE);
        is_over.store(true, Ordering::Relaxed);
        let told: Vec<usize> = pages.into_iter().map(|page| page.join().unwrap()).collect();
        assert!(told.iter().all(|bytes| *bytes > 1_000), "every page heard of the orders: {told:?}");
        (sample, book.join().unwrap(), told)
    })
}

fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench-key-0123456789\r\nConnection: close\r\n\r\n")
        .unwrap();
    stream
}

/// Reads what a page is told until it is over; answers how much that was.
fn follow(mut stream: TcpStream, is_over: &AtomicBool) -> usize {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut buffer, mut bytes) = (vec![0; 16 * 1024], 0);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("a page that reads was dropped"),
            Ok(more) => bytes += more,
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(cause) => panic!("{cause}"),
        }
        if is_over.load(Ordering::Relaxed) {
            return bytes;
        }
    }
}
