//! A burst of quotes on the account's socket while orders go their way. The quotes come from a socket in this process,
//! the orders go to the simulated broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
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
    // A market order asks for a quote, and from then on its instrument's quotes are on the board.
    let _asked = client::market_orders(server.address(), 1, 1);
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
                Message::Text(text) => answer(&mut socket, text.as_str()).await?,
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
                        socket.feed(Message::Text(quote(number))).await.ok()?;
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

async fn answer(socket: &mut WebSocketStream<TcpStream>, text: &str) -> Option<()> {
    let told: serde_json::Value = serde_json::from_str(text).ok()?;
    let reply = match told["t"].as_str()? {
        "c" => r#"{"t":"ck","uid":"FA00001","s":"OK"}"#.to_owned(),
        "o" => r#"{"t":"ok"}"#.to_owned(),
        "h" => r#"{"t":"hk"}"#.to_owned(),
        "t" => {
            let (exchange, token) = told["k"].as_str()?.split('#').next()?.split_once('|')?;
            format!(r#"{{"t":"tk","e":"{exchange}","tk":"{token}","lp":"1400.00","bp1":"1399.95","bq1":"10","sp1":"1400.05","sq1":"10"}}"#)
        }
        _ => return Some(()),
    };
    socket.send(Message::text(reply)).await.ok()
}

/// The next change of a share's price: its touch moves all the time.
fn quote(number: u64) -> Utf8Bytes {
    let paise = number % 100;
    let text = format!(
        r#"{{"t":"tf","e":"NSE","tk":"2885","lp":"1400.{paise:02}","pc":"0.31","v":"{number}","ft":"1795149000","bp1":"1399.{paise:02}","bq1":"125","sp1":"1401.{paise:02}","sq1":"340"}}"#
    );
    Utf8Bytes::from(text)
}
