//! A burst of quotes on the account's socket while orders go their way. The quotes come from a socket in this process,
//! the orders go to the simulated broker. They are what the adapter asks for: depth, with five levels of each side, of every
//! instrument of the sample by turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use ordergate::clock::SystemClock;
use ordergate::instruments::sample;
use ordergate_actors::order::trading_date;
use ordergate_actors::ports::Clock as _;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::broker::Simulator;
use super::client::{self, Client};
use super::server::Server;
use super::stats::{Sample, count, verdict};

const WANTED: f64 = 20_000.0;
/// Frames of one step, and the steps of a second: a tenth more than is wanted.
const STEP: u64 = 110;
const STEPS: Duration = Duration::from_millis(5);
/// Turns with and without quotes.
const TURNS: usize = 4;

/// What the source does, and what came of it.
#[derive(Debug, Default)]
struct Source {
    streams: AtomicBool,
    /// What the engine has subscribed, `NSE` and `2885` each.
    scrips: Mutex<Vec<(String, String)>>,
    /// Frames sent so far.
    sent: AtomicU64,
    /// Frames of a burst, and how long until the engine had read the last of them.
    bursts: Mutex<Vec<(u64, Duration)>>,
}

pub(crate) fn run(orders: usize) {
    let source = Arc::new(Source::default());
    let address = serve(Arc::clone(&source));
    let simulator = Simulator::start();
    let server = Server::on(Arc::new(tempfile::tempdir().unwrap()), &simulator.account(Some(&format!("ws://{address}/NorenWSTP/"))));
    let mut client = Client::connect(server.address());
    client.warm_up_to_the_broker(100);
    subscribe_all(&server, &source);
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        quiet.push(client.run(orders / TURNS, Some("until=broker")));
        source.streams.store(true, Ordering::Relaxed);
        busy.push(client.run(orders / TURNS, Some("until=broker")));
        source.streams.store(false, Ordering::Relaxed);
        let ended = Instant::now();
        while source.bursts.lock().len() < busy.len() {
            assert!(ended.elapsed() < Duration::from_secs(10), "the engine did not read the quotes");
            client::wait(Duration::from_millis(5));
        }
    }
    let (quiet, busy) = (Sample::pooled(&quiet), Sample::pooled(&busy));
    let bursts = source.bursts.lock();
    let frames: u64 = bursts.iter().map(|(frames, _)| frames).sum();
    let took: Duration = bursts.iter().map(|(_, took)| *took).sum();
    println!("depth of {} instruments by turns, {} bytes a frame", source.scrips.lock().len(), depth("df", "NSE", "2885", 0).len());
    println!(
        "{frames} quote frames in {:.1} s; full line p50 {:.0} us and p99 {:.0} us without them, p50 {:.0} us and p99 {:.0} us beside them",
        took.as_secs_f64(),
        quiet.order_us(50.0),
        quiet.order_us(99.0),
        busy.order_us(50.0),
        busy.order_us(99.0)
    );
    verdict("quote frames per second, read by the engine", count(usize::try_from(frames).unwrap()) / took.as_secs_f64(), ">=", WANTED);
    verdict("full line p99 beside the quotes against its quiet p99", busy.order_us(99.0) / quiet.order_us(99.0), "<=", 1.5);
}

/// Who asks for a quote subscribes it: from then on its quotes are on the board.
fn subscribe_all(server: &Server, source: &Source) {
    let rows = sample(trading_date(SystemClock.now())).unwrap();
    let asked = Instant::now();
    while source.scrips.lock().len() < rows.len() {
        for row in &rows {
            let symbol = row.key.symbol.replace('&', "%26").replace(' ', "%20");
            let _none_yet = server.get(&format!("/dashboard/quotes?exchange={}&symbol={symbol}", row.key.exchange));
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "the engine subscribed {} of {}", source.scrips.lock().len(), rows.len());
        client::wait(Duration::from_millis(100));
    }
}

/// A socket that takes any login and sends quotes while it shall.
fn serve(source: Arc<Source>) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                // It ends with the engine.
                let _ended = connection(stream, &source).await;
            }
        });
    });
    address
}

async fn connection(stream: TcpStream, source: &Source) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
    let mut steps = tokio::time::interval(STEPS);
    let mut burst: Option<(Instant, u64)> = None;
    let mut is_read = None;
    loop {
        tokio::select! {
            message = socket.next() => match message?.ok()? {
                Message::Text(text) => answer(&mut socket, source, text.as_str()).await?,
                // It answers what was sent after the last quote: the engine has read them all.
                Message::Pong(_) => {
                    let (began, frames): (Instant, u64) = is_read.take()?;
                    source.bursts.lock().push((frames, began.elapsed()));
                }
                _ => {}
            },
            _ = steps.tick() => {
                if source.streams.load(Ordering::Relaxed) {
                    let (_, frames) = burst.get_or_insert_with(|| (Instant::now(), 0));
                    for _ in 0..STEP {
                        let number = source.sent.fetch_add(1, Ordering::Relaxed);
                        let frame = source.next(number)?;
                        socket.feed(Message::Text(frame)).await.ok()?;
                        *frames += 1;
                    }
                    socket.flush().await.ok()?;
                } else if let Some(done) = burst.take() {
                    is_read = Some(done);
                    socket.send(Message::Ping(Vec::new().into())).await.ok()?;
                }
            }
        }
    }
}

impl Source {
    /// The next change of the next instrument.
    fn next(&self, number: u64) -> Option<Utf8Bytes> {
        let scrips = self.scrips.lock();
        let turn = number.checked_rem(u64::try_from(scrips.len()).ok()?)?;
        let (exchange, token) = scrips.get(usize::try_from(turn).ok()?)?;
        Some(depth("df", exchange, token, number))
    }

    /// Notes what is subscribed; an instrument is subscribed once.
    fn subscribed(&self, exchange: &str, token: &str) {
        let mut scrips = self.scrips.lock();
        let scrip = (exchange.to_owned(), token.to_owned());
        if !scrips.contains(&scrip) {
            scrips.push(scrip);
        }
    }
}

async fn answer(socket: &mut WebSocketStream<TcpStream>, source: &Source, text: &str) -> Option<()> {
    let told: serde_json::Value = serde_json::from_str(text).ok()?;
    let reply = match told["t"].as_str()? {
        "c" => r#"{"t":"ck","uid":"FA00001","s":"OK"}"#.to_owned(),
        "o" => r#"{"t":"ok"}"#.to_owned(),
        "h" => r#"{"t":"hk"}"#.to_owned(),
        "d" => {
            for scrip in told["k"].as_str()?.split('#') {
                let (exchange, token) = scrip.split_once('|')?;
                socket.send(Message::Text(depth("dk", exchange, token, 0))).await.ok()?;
                source.subscribed(exchange, token);
            }
            return Some(());
        }
        _ => return Some(()),
    };
    socket.send(Message::text(reply)).await.ok()
}

/// A price and five levels of each side: the first frame of a subscription, or a change. The touch moves all the time.
fn depth(kind: &str, exchange: &str, token: &str, number: u64) -> Utf8Bytes {
    use std::fmt::Write as _;
    let paise = number % 100;
    let mut text = format!(
        r#"{{"t":"{kind}","e":"{exchange}","tk":"{token}","lp":"1400.{paise:02}","pc":"0.31","v":"{number}","ft":"1795149000","ltt":"10:19:59","ltq":"65","tbq":"90000","tsq":"88000","uc":"1540.00","lc":"1260.00""#
    );
    for level in 1..=5_u64 {
        let (bid, ask, units) = (1_400 - level, 1_400 + level, level * 125);
        let _infallible = write!(
            text,
            r#","bp{level}":"{bid}.{paise:02}","bq{level}":"{units}","bo{level}":"{level}","sp{level}":"{ask}.{paise:02}","sq{level}":"{units}","so{level}":"{level}""#
        );
    }
    text.push('}');
    Utf8Bytes::from(text)
}
