//! A stranger who holds as many connections as the machine gives him: the engine's own files stay the engine's. A small limit of open
//! files makes it cheap.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ordergate_actors::testkit::{found_by_thread, until_found};
use serde_json::{Value, json};

use crate::support::process::{KEY, LONG, Process, SECRET, ordergate};

/// Files that the engine may have open; the stranger holds more than all of them.
const FILES: u32 = 256;
const HELD: usize = 400;
/// A whole request, which a reader of half a head does not time any more, and the first byte of another.
const HALF_OPEN: [&[u8]; 2] = [b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nG", b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: "];

/// The simulated broker as a process, so that killing it closes every connection to it.
struct Broker {
    child: Child,
    address: SocketAddr,
}

impl Broker {
    fn start(directory: &Path, address: SocketAddr) -> Self {
        let mut command = ordergate();
        command.env_clear().args(["simulate-broker", "--per-second", "0", "--per-minute", "0", "--listen", &address.to_string()]);
        command.arg("--state").arg(directory.join("broker.jsonl")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        found_by_thread("the broker listens", || TcpStream::connect(address).map(drop));
        Self { child, address }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn settings(directory: &Path, broker: SocketAddr) -> String {
    format!(
        "[server]\nworkers = 2\n[storage]\ndirectory = \"{}\"\nballast_mb = 0\nmin_free_mb = 0\n[webhook]\nsecret = \"{SECRET}\"\n\
         [api]\nkey = \"{KEY}\"\n[log]\nlevel = \"warn\"\n[account.waits]\nquiet_period_ms = 500\n[account.limits]\nmax_order_value = 10000000\n\
         [instruments]\nsource = \"sample\"\n[[accounts]]\nname = \"A\"\nbroker = \"noren\"\n[accounts.noren]\nsimulator = true\n\
         host = \"http://{broker}\"\nsocket_url = \"ws://{broker}/NorenWSTP/\"\nrest_prefix = \"/NorenWClientTP/\"\nauth = \"quickauth\"\n\
         uid = \"FA00001\"\nvendor_code = \"FA00001_U\"\npassword = \"sim-password\"\ntotp_secret = \"JBSWY3DPEHPK3PXP\"\napi_key = \"sim-key\"\n\
         login_at = \"00:00\"\ncodes_once = false\nvisibility_bound_ms = 1000\nreconnect_first_ms = 100\nreconnect_last_ms = 500\n\
         login_again_first_ms = 200\nlogin_again_last_ms = 500\nevictions = 1000\n",
        directory.join("data").display()
    )
}

/// The engine, with so few files.
fn engine(directory: &Path, broker: SocketAddr) -> Process {
    std::fs::write(directory.join("mine.toml"), settings(directory, broker)).unwrap();
    let mut command = Command::new("/bin/sh");
    command.env_clear().current_dir(directory).args(["-c", &format!("ulimit -n {FILES}; exec \"$0\" \"$@\"")]);
    command.arg(ordergate().get_program()).args(["--config", "mine.toml"]);
    Process::serve(command)
}

/// Holds connections until it is dropped, and opens new ones when they are closed.
struct Stranger {
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stranger {
    #[expect(clippy::disallowed_methods, reason = "the stranger's own pace on a thread of his own; no test waits by it")]
    fn at(address: SocketAddr) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let holds = move || {
            let mut held = std::collections::VecDeque::new();
            while !until.load(Ordering::Relaxed) {
                if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                    // Whatever becomes of it: the next one is on its way.
                    let _sent = stream.write_all(HALF_OPEN[held.len() % HALF_OPEN.len()]);
                    held.push_back(stream);
                }
                if held.len() > HELD {
                    held.pop_front();
                }
                // At first as fast as he can; then a hundred a second.
                std::thread::sleep(Duration::from_millis(if held.len() < HELD { 1 } else { 10 }));
            }
        };
        Self { ends, thread: Some(std::thread::spawn(holds)) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// One request on a connection of its own, as a person's or a sender's first one is.
async fn ask(process: &Process, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Value), String> {
    let request =
        reqwest::Client::new().request(method.parse().unwrap(), process.url(path)).bearer_auth(KEY).timeout(Duration::from_secs(10));
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

async fn order_is(process: &Process, kind: &str, status: &str) {
    until_found(&format!("the {kind} is {status}"), async || {
        let (_, book) = ask(process, "GET", "/dashboard/orderbook", None).await?;
        let rows = book["system_orders"].as_array().cloned().unwrap_or_default();
        let is_so = rows.iter().any(|row| row["execution_type"] == kind && row["status"] == status);
        if is_so { Ok(()) } else { Err(format!("{book:#}")) }
    })
    .await;
}

fn alert(kind: &str, leg: Value) -> Option<Value> {
    let mut alert = json!({ "secret_key": SECRET, "execution_type": kind, "strategy_name": "s", "exchange": "NSE", "legs": [leg] });
    alert["product_type"] = json!("MIS");
    Some(alert)
}

#[actix_web::test]
async fn a_stranger_who_holds_every_connection_stops_neither_a_kill_nor_an_exit() {
    let directory = tempfile::tempdir().unwrap();
    // Of its own port, for the next start.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = Broker::start(directory.path(), free);
    let process = engine(directory.path(), broker.address);
    until_found("it takes orders", async || match ask(&process, "GET", "/health/ready", None).await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let leg = json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "MARKET" });
    let taken = ask(&process, "POST", "/webhook", alert("ENTRY", leg)).await.unwrap();
    assert_eq!(taken.0, 202, "{taken:?}");
    order_is(&process, "ENTRY", "EXECUTED").await;

    let stranger = Stranger::at(process.address());
    until_found("the port is full", async || {
        let (_, metrics) = ask(&process, "GET", "/metrics", None).await?;
        let let_go = metrics.as_str().unwrap_or_default().lines().find_map(|line| line.strip_prefix("ordergate_connections_let_go_total "));
        let_go.and_then(|count| count.parse::<f64>().ok()).filter(|count| *count > 0.0).map(drop).ok_or(format!("{let_go:?}"))
    })
    .await;
    // The broker closes every connection to it: each has to be opened anew.
    drop(broker);
    let _broker = Broker::start(directory.path(), free);
    let kill = json!({ "client_id": "A", "level": 1, "reason": "while the port is full" });
    let killed = until_found("the kill is answered", async || ask(&process, "POST", "/dashboard/kill", Some(kill.clone())).await).await;
    assert_eq!(killed.0, 200, "{killed:?}");
    let leg = json!({ "tradingsymbol": "SBIN-EQ", "order_type": "MARKET" });
    let taken = until_found("the exit is taken", async || ask(&process, "POST", "/webhook", alert("EXIT", leg.clone())).await).await;
    assert_eq!(taken.0, 202, "{taken:?}");
    order_is(&process, "EXIT", "EXECUTED").await;
    until_found("people hear of it", async || {
        let (_, needs) = ask(&process, "GET", "/dashboard/attention", None).await?;
        if needs.to_string().contains("ALARM_PORT_CROWDED") { Ok(()) } else { Err(format!("{needs:#}")) }
    })
    .await;
    drop(stranger);
}

/// Sends a request and its answer's reader never comes back: what is not read fills the buffers of both sides.
#[test]
fn a_reader_who_does_not_read_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = crate::support::process::command(directory.path());
    command.env("ORDERGATE__SERVER__BODY_DEADLINE_MS", "1000");
    let process = Process::serve(command);
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let asks = b"GET /dashboard/web/app.css HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16);
    found_by_thread("it is let go", || match stream.write(&asks) {
        Err(cause) if !matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Ok(()),
        other => Err(format!("it is held: {other:?}")),
    });
}

/// The server times the first head alone.
#[test]
fn a_sender_that_dribbles_its_second_head_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = crate::support::process::command(directory.path());
    command.env("ORDERGATE__SERVER__BODY_DEADLINE_MS", "1000");
    let process = Process::serve(command);
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_ne!(stream.read(&mut [0; 4_096]).unwrap(), 0);
    stream.write_all(b"GET /health/li").unwrap();
    // Either the server ends it, or this read does, and then it was held open.
    match stream.read(&mut [0; 4_096]) {
        Ok(0) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("it was held open: {other:?}"),
    }
}
