//! The real binary on a disk that fails: input/output errors, no room, read-only; while it runs and while it starts. The disk is
//! the preload shim `tests/disk/shim.c`, which `cc` compiles here (SQLite needs a C compiler anyway).
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SECRET: &str = "disk-secret-0123456789";
const KEY: &str = "disk-key-0123456789";
/// How long anything may take.
const LONG: Duration = Duration::from_secs(60);

/// The shim, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_kept, path) = SHIM.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disk/shim.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let made = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&path, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (directory, path)
    });
    path
}

/// A data directory on a disk that fails when it is told to.
struct House {
    directory: tempfile::TempDir,
    generation: u32,
}

/// One process.
struct Engine {
    child: Child,
    said: Receiver<String>,
    address: OnceLock<String>,
}

impl House {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), generation: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
        command
            .env("ORDERGATE__STORAGE__DIRECTORY", self.path("data"))
            .env("ORDERGATE__STORAGE__MIN_FREE_MB", "0")
            .env("ORDERGATE__STORAGE__BALLAST_MB", "0")
            .env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:0")
            .env("ORDERGATE__WEBHOOK__SECRET", SECRET)
            .env("ORDERGATE__API__KEY", KEY)
            .env("ORDERGATE__ENGINE__SAFE_MODE_STARTS", "1000")
            .env("ORDERGATE__WATCHER__POLL_MS", "200")
            .env("ORDERGATE__ACCOUNT__WAITS__QUIET_PERIOD_MS", "500")
            .env("ORDERGATE__LOG__LEVEL", "warn")
            .env("SHIM_CONTROL", self.path("control"));
        command
    }

    /// Starts the engine on this disk; it may end by itself.
    fn start(&self) -> Engine {
        let errors = File::options().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = self.command();
        command.arg("serve").env("LD_PRELOAD", shim()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, said) = channel();
        let address = |line: &str| Some(line.split("http://").nth(1)?.split_whitespace().next()?.to_owned());
        std::thread::spawn(move || {
            for address in lines.by_ref().map_while(Result::ok).filter_map(|line| address(&line)) {
                let _nobody_asks = tell.send(address);
            }
        });
        Engine { child, said, address: OnceLock::new() }
    }

    /// Waits until the processes have said this on their standard error, after what they had said before.
    fn until_said(&self, before: usize, words: &[&str]) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            let said = self.said()[before..].to_lowercase();
            if words.iter().any(|word| said.contains(word)) {
                return said;
            }
            assert!(Instant::now() < deadline, "none of {words:?} in {said}");
            std::thread::yield_now();
        }
    }

    /// From the next call on the disk of these files fails: `calls` as in the shim, from the so-manieth on, so many (0: all).
    fn fails(&mut self, error: &str, calls: &str, from: u32, count: u32, path: &str) {
        self.generation += 1;
        let line = format!("{error} {calls} {from} {count} {path} {}\n", self.generation);
        // In one step: half a line must not be read.
        std::fs::write(self.path("control.new"), line).unwrap();
        std::fs::rename(self.path("control.new"), self.path("control")).unwrap();
    }

    fn heals(&self) {
        std::fs::remove_file(self.path("control")).unwrap();
    }

    fn hits(&self) -> usize {
        std::fs::read_to_string(self.path("control.hits")).unwrap_or_default().lines().count()
    }

    /// What the processes said on their standard error, all of them.
    fn said(&self) -> String {
        std::fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {words}");
        words
    }
}

impl Engine {
    fn url(&self, path: &str) -> String {
        let address = self.address.get_or_init(|| self.said.recv_timeout(LONG).expect("it listens"));
        format!("http://{address}{path}")
    }

    /// How it ended, if it does.
    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("it still runs");
    }

    async fn get(&self, path: &str) -> Option<Value> {
        reqwest::Client::new().get(self.url(path)).bearer_auth(KEY).send().await.ok()?.json().await.ok()
    }

    /// Waits until the engine is open, no order is under way, and the broker's book as last read has every executed one.
    async fn at_rest(&self) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let ready = reqwest::get(self.url("/health/ready")).await.is_ok_and(|answer| answer.status() == 200);
            if ready && let Some(book) = self.get("/dashboard/orderbook?limit=1000").await {
                let rows = book["system_orders"].as_array().unwrap();
                let executed = rows.iter().filter(|row| row["status"] == "EXECUTED").count();
                let is_done = rows.iter().all(|row| matches!(row["status"].as_str(), Some("EXECUTED" | "FAILED")));
                if is_done && book["broker_orders"].as_array().unwrap().len() >= executed {
                    return book;
                }
            }
            assert!(Instant::now() < deadline, "the orders did not settle");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn entry(number: u32) -> Value {
    json!({
        "secret_key": SECRET, "idempotency_key": format!("alert-{number}"), "execution_type": "ENTRY", "strategy_name": format!("s{number}"),
        "exchange": "NSE", "product_type": "MIS",
        "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1 + number % 7, "order_type": "MARKET"}],
    })
}

/// The order that an alert was answered with; `None` without an answer that says it is on disk.
async fn send(engine: &Engine, alert: Value) -> Option<String> {
    let answer = reqwest::Client::new().post(engine.url("/webhook")).json(&alert).timeout(LONG).send().await.ok()?;
    let is_taken = matches!(answer.status().as_u16(), 200 | 202);
    let body: Value = answer.json().await.ok()?;
    if is_taken { Some(body["orders"][0]["command_id"].as_str()?.to_owned()) } else { None }
}

/// All at once; who was answered, with what.
async fn burst(engine: &Engine, numbers: std::ops::Range<u32>) -> BTreeMap<u32, String> {
    let sent = numbers.map(async |number| Some((number, send(engine, entry(number)).await?)));
    futures_util::future::join_all(sent).await.into_iter().flatten().collect()
}

/// What was answered is there, once; what the broker has is ours; the journal and the tables are sound.
fn nothing_lost_nothing_doubled(house: &House, book: &Value, answered: &BTreeMap<u32, String>, alerts: usize) {
    let rows = |of: &str| book[of].as_array().unwrap().clone();
    let (ours, theirs) = (rows("system_orders"), rows("broker_orders"));
    for (number, command) in answered {
        assert!(ours.iter().any(|row| row["command_id"] == **command), "alert {number} was answered with {command}, which is gone");
    }
    assert_eq!(ours.len(), alerts, "one order per alert, however often it was sent: {ours:#?}");
    let with = |tag: &Value| theirs.iter().filter(|row| row["tag"] == *tag).count();
    for row in &ours {
        assert_eq!(with(&row["broker_tag"]), usize::from(row["status"] == "EXECUTED"), "{row:#}");
    }
    for row in &theirs {
        assert!(ours.iter().any(|order| order["broker_tag"] == row["tag"]), "sent without a row on disk: {row:#}");
    }
    house.succeeds(&["verify-orders"]);
    house.succeeds(&["journal", "verify"]);
}

/// Whatever the disk says and wherever it says it: the process ends as one that starts again, a start on the bad disk waits and says
/// what is wrong, and on the healed one it finds everything.
#[tokio::test]
async fn a_disk_that_fails_under_the_journal_ends_the_process_and_nothing_acknowledged_is_lost() {
    let faults = [
        ("EIO", "w", 1, 0, "disk I/O error"),
        ("EIO", "w", 6, 1, "disk I/O error"),
        ("EIO", "s", 1, 0, "disk I/O error"),
        ("EIO", "s", 3, 1, "disk I/O error"),
        ("ENOSPC", "wt", 2, 0, "full"),
        ("EROFS", "wto", 1, 0, "disk I/O error"),
    ];
    for (error, calls, from, count, words) in faults {
        let mut house = House::new();
        let engine = house.start();
        let mut answered = burst(&engine, 0..5).await;
        assert_eq!(answered.len(), 5);
        engine.at_rest().await;

        house.fails(error, calls, from, count, "/data/orders.db");
        answered.extend(burst(&engine, 5..30).await);
        let mut engine = engine;
        assert_eq!(engine.ended(), Some(70), "{error} {calls}: {}", house.said());
        assert!(house.hits() > 0, "{error} {calls}: nothing failed, so nothing was shown");
        let said = house.said();
        assert!(said.contains("the journal could not be written") && said.contains(words), "{error} {calls}: {said}");
        drop(engine);

        // The supervisor starts it again, and the disk is no better.
        let mut engine = house.start();
        if count == 0 {
            let waits = house.until_said(said.len(), &["ordergate cannot start yet"]);
            assert!(["i/o error", "disk is full", "readonly"].iter().any(|cause| waits.contains(cause)), "{waits}");
            assert!(engine.said.try_recv().is_err() && engine.child.try_wait().unwrap().is_none(), "it waits, and takes nothing");
        }
        house.heals();
        for number in (5..30).filter(|number| !answered.contains_key(number)).collect::<Vec<_>>() {
            answered.insert(number, send(&engine, entry(number)).await.expect("the disk is well again"));
        }
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house, &book, &answered, 30);
    }
}

/// Killed while the disk fails: what recovery finds is the same.
#[tokio::test]
async fn killed_on_a_disk_that_fails_nothing_acknowledged_is_lost() {
    for from in [1, 4, 9] {
        let mut house = House::new();
        let engine = house.start();
        engine.at_rest().await;
        // It may have ended by itself before it is killed, or not.
        house.fails("EIO", "ws", from, 0, "/data/orders.db");
        let mut answered = burst(&engine, 0..20).await;
        drop(engine);
        house.heals();
        let engine = house.start();
        for number in (0..20).filter(|number| !answered.contains_key(number)).collect::<Vec<_>>() {
            answered.insert(number, send(&engine, entry(number)).await.expect("the disk is well again"));
        }
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house, &book, &answered, 20);
    }
}

/// The disk of the logs fails: nobody trades less for it, it is said, and the log of the intents lacks nothing once the disk is
/// well again, in the same process.
#[tokio::test]
async fn a_disk_that_fails_under_the_logs_stops_no_order_and_the_intent_log_catches_up() {
    let mut house = House::new();
    let engine = house.start();
    let mut answered = burst(&engine, 0..3).await;
    house.fails("ENOSPC", "wt", 1, 0, "/data/logs/");
    answered.extend(burst(&engine, 3..8).await);
    let book = engine.at_rest().await;
    assert!(house.hits() > 0 && book["system_orders"].as_array().unwrap().iter().all(|row| row["status"] == "EXECUTED"), "{book:#}");
    house.heals();
    answered.insert(8, send(&engine, entry(8)).await.unwrap());
    let book = engine.at_rest().await;
    let deadline = Instant::now() + LONG;
    let lacks = || {
        let log = std::fs::read_to_string(house.path("data/logs/intent_tracking.log")).unwrap_or_default();
        let has = |command: &&String| log.lines().any(|line| line.contains(command.as_str()) && line.contains("EXECUTED"));
        answered.values().filter(|command| !has(command)).count()
    };
    while lacks() > 0 {
        assert!(Instant::now() < deadline, "{} orders are not in the log", lacks());
        std::thread::yield_now();
    }
    drop(engine);
    nothing_lost_nothing_doubled(&house, &book, &answered, 9);
}
