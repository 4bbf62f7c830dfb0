//! A broker that is broken or hostile: whatever its answers hold, the engine lives, guesses nothing, and is right again when
//! they are.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{LegDraft, Status};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, Patience, Plan, entry, exit, pass, resting_entry, secs};

const BOOKS: &[&str] = &["OrderBook", "TradeBook", "PositionBook", "SingleOrdHist"];
const CALLS: &[&str] = &["PlaceOrder", "CancelOrder"];

/// What comes instead of an answer.
enum Bytes {
    /// The whole answer, head and all.
    Whole(Vec<u8>),
    /// A head, and then a byte now and again, for ever.
    Drip,
}

type Twist = Arc<dyn Fn(Value) -> Bytes + Send + Sync>;
/// Where it applies, by the ends of paths.
type Set = Option<(&'static [&'static str], Twist)>;

/// Stands between the engine and the simulator, and changes what the simulator answers.
#[derive(Clone)]
struct Between {
    port: u16,
    twist: Arc<Mutex<Set>>,
    client: reqwest::Client,
}

impl Between {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let between = Self { port, twist: Arc::default(), client };
        let serving = between.clone();
        tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        between
    }

    fn twist(&self, places: &'static [&'static str], twist: Twist) {
        *self.twist.lock() = Some((places, twist));
    }

    fn straight(&self) {
        *self.twist.lock() = None;
    }

    /// The simulator's port is the first part of the path: the house's address is known only when it is up.
    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some((path, body)) = request(&mut stream, &mut buffer).await {
            let (port, rest) = path.trim_start_matches('/').split_once('/').unwrap();
            let route = rest.rsplit('/').next().unwrap_or_default();
            let asked = self.client.post(format!("http://127.0.0.1:{port}/{rest}")).body(body).send().await;
            let Ok(reply) = asked else { return };
            let status = reply.status().as_u16();
            let Ok(bytes) = reply.bytes().await else { return };
            let twist = self.twist.lock().as_ref().filter(|(places, _)| places.contains(&route)).map(|(_, twist)| Arc::clone(twist));
            let made = match twist {
                Some(twist) => twist(serde_json::from_slice(&bytes).unwrap_or_default()),
                None => answer(status, "", &bytes),
            };
            match made {
                Bytes::Whole(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Bytes::Drip => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[").await;
                    while stream.write_all(b" ").await.is_ok() {
                        pass(Duration::from_millis(5)).await;
                    }
                    return;
                }
            }
        }
    }
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut part = [0; 4_096];
    loop {
        if let Some(head) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
            let path = text.split_whitespace().nth(1)?.to_owned();
            let lower = text.to_ascii_lowercase();
            let length: usize = lower.split("content-length:").nth(1)?.lines().next()?.trim().parse().ok()?;
            if buffer.len() >= head + 4 + length {
                let body = buffer[head + 4..head + 4 + length].to_vec();
                buffer.drain(..head + 4 + length);
                return Some((path, body));
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&part[..read]),
        }
    }
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Bytes {
    let mut whole = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    whole.extend_from_slice(body);
    Bytes::Whole(whole)
}

fn ok(body: impl AsRef<[u8]>) -> Bytes {
    answer(200, "", body.as_ref())
}

fn always(make: impl Fn() -> Bytes + Send + Sync + 'static) -> Twist {
    Arc::new(move |_| make())
}

/// Every row of the answer, or the answer itself, with that value in that field.
fn field(name: &'static str, value: Value) -> Twist {
    Arc::new(move |mut told| {
        match &mut told {
            Value::Array(rows) => rows.iter_mut().for_each(|row| row[name] = value.clone()),
            Value::Object(fields) => drop(fields.insert(name.to_owned(), value.clone())),
            _ => {}
        }
        ok(told.to_string())
    })
}

/// Answers that no broker gives: of any call.
fn bodies() -> Vec<(&'static str, Twist)> {
    vec![
        ("deep", always(|| ok("[".repeat(300_000)))),
        ("deep objects", always(|| ok("{\"a\":".repeat(100_000)))),
        ("a deep row", always(|| ok(format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000))))),
        ("endless rows of nothing", always(|| ok(format!("[{}]", vec!["{}"; 250_000].join(","))))),
        ("rows of nothing", always(|| ok(format!("[{}]", vec!["{}"; 2_000].join(","))))),
        ("rows that are none", always(|| ok(r#"[1,"a",null,true,[[]],{"stat":[]}]"#))),
        ("a number", always(|| ok("1e400"))),
        ("a text", always(|| ok(r#""Ok""#))),
        ("bytes", always(|| ok([0xff, 0xfe, 0, 1, 2, 0x80]))),
        ("Ok and nothing else", always(|| ok(r#"{"stat":"Ok"}"#))),
        ("Ok of the wrong type", always(|| ok(r#"{"stat":["Ok"],"norenordno":{"a":1}}"#))),
        ("said to be packed", always(|| answer(200, "Content-Encoding: gzip\r\n", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff]))),
        ("elsewhere", always(|| answer(307, "Location: http://127.0.0.1:9/else\r\n", b"{}"))),
        ("longer than said", always(|| Bytes::Whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[{}] and much more".to_vec()))),
        (
            "shorter than said",
            always(|| Bytes::Whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n[".to_vec())),
        ),
        ("no HTTP", always(|| Bytes::Whole(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()))),
        ("a long head", always(|| answer(200, &format!("X: {}\r\n", "x".repeat(2_000_000)), b"[]"))),
        ("a drip", always(|| Bytes::Drip)),
    ]
}

/// Values that no row holds.
fn values() -> Vec<(&'static str, Twist)> {
    let huge = || json!("9223372036854775807");
    let decimal = || json!("79228162514264337593543950335");
    let rows: Vec<(&'static str, &'static str, Value)> = vec![
        ("quantity beyond all", "qty", huge()),
        ("quantity below nothing", "qty", json!("-1")),
        ("quantity of an object", "qty", json!({"a": 1})),
        ("price beyond all", "prc", decimal()),
        ("price with a power", "prc", json!("1e999")),
        ("price of a truth", "prc", json!(true)),
        ("average below nothing", "avgprc", json!("-850.10")),
        ("status of nobody", "status", json!("\u{2603}")),
        ("status of a list", "status", json!([])),
        ("side of nobody", "trantype", json!("X")),
        ("a day that is none", "norentm", json!("99:99:99 99-99-9999")),
        ("a symbol without end", "tsym", json!("A".repeat(1_000_000))),
        ("remarks without end", "remarks", json!("B".repeat(1_000_000))),
        ("an exchange elsewhere", "exch", json!("MARS")),
        ("a number without end", "norenordno", json!("7".repeat(100_000))),
        ("a number with blanks", "norenordno", json!("26 11 20")),
        ("a trade beyond all", "flqty", huge()),
        ("a trade at a price beyond all", "flprc", decimal()),
        ("a trade without a number", "flid", Value::Null),
        ("a position beyond all", "netqty", json!("-9223372036854775808")),
        ("a profit beyond all", "rpnl", decimal()),
        ("a loss beyond all", "urmtom", json!("-79228162514264337593543950335")),
        ("a position at a price beyond all", "netavgprc", decimal()),
    ];
    let mut all: Vec<(&'static str, Twist)> = rows.into_iter().map(|(name, at, value)| (name, field(at, value))).collect();
    let twice: Twist = Arc::new(|told| match told {
        Value::Array(rows) => ok(Value::Array(rows.iter().chain(&rows).cloned().collect()).to_string()),
        other => ok(other.to_string()),
    });
    all.push(("every row twice", twice));
    all
}

/// One that fills, one that rests and fills meanwhile, and an exit that goes out, all of it behind a veil of such answers.
async fn play(name: &str, places: &'static [&'static str], twist: Twist, excuse: Excuse) -> Result<(), String> {
    let between = Between::start();
    let port = between.port;
    let plan = Plan {
        noren: Arc::new(move |noren| {
            let sim = noren.host.rsplit(':').next().unwrap().to_owned();
            noren.host = format!("http://127.0.0.1:{port}/{sim}");
        }),
        ..Plan::of(Patience::SHORT)
    };
    let mut house = House::with(plan).await;
    while house.held("SBIN-EQ") == 0 {
        house.submit(entry()).await;
        at_rest(&house, Excuse::default()).await.map_err(|why| format!("{name}, before: {why}"))?;
    }
    let resting = house.submit(LegDraft { strategy: Some("r".into()), ..resting_entry() }).await;
    house.until_order("it has a number", resting, |order| order.broker_order_id.is_some() || order.status.is_terminal()).await;
    between.twist(places, twist);
    pass(secs(5)).await;
    let out = house.submit_soon(exit()).await;
    house.price("SBIN-EQ", "848.90", "849.00");
    pass(secs(10)).await;
    between.straight();
    house.price("SBIN-EQ", "850.00", "850.10");
    house.heal().await;
    at_rest(&house, excuse).await.map_err(|why| format!("{name}: {why}"))?;
    let row = house.order(out);
    if row.status == Status::Executed && row.filled_quantity != 10 {
        return Err(format!("{name}: {row:?}"));
    }
    let unreadable = house.alarms().iter().filter(|alarm| &*alarm.event == "ALARM_UNREADABLE_ROW").count();
    if unreadable > 100 {
        return Err(format!("{name}: {unreadable} alarms of rows"));
    }
    house.kill();
    journal_sound(&house)
}

async fn all(cases: Vec<(&'static str, Twist)>, places: &'static [&'static str], excuse: Excuse) {
    let only = std::env::var("NOREN_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, twist) in cases.into_iter().filter(|(name, _)| name.contains(&only)) {
        failed.extend(play(name, places, twist, excuse).await.err());
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test]
async fn books_that_no_broker_has_end_nothing_and_break_nothing() {
    all(bodies(), BOOKS, Excuse::default()).await;
}

#[tokio::test]
async fn answers_that_no_broker_gives_are_doubts() {
    all(bodies(), CALLS, Excuse::default()).await;
}

#[tokio::test]
async fn values_that_no_row_holds_are_not_believed() {
    // A row that says more than was sent opens its order again, loudly, until the broker says otherwise.
    all(values(), BOOKS, Excuse { late: true, ..Excuse::default() }).await;
}

#[tokio::test]
async fn the_number_of_another_order_is_not_taken_for_ours() {
    let taken: Twist = Arc::new(|mut told| {
        if told.get("norenordno").is_some() {
            told["norenordno"] = json!("26112000000001");
        }
        ok(told.to_string())
    });
    play("another's number", CALLS, taken, Excuse::default()).await.unwrap();
}
