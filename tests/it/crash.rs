//! The real binary, killed with SIGKILL in the middle of a burst, and started again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ordergate_actors::order::trading_date;
use serde_json::{Value, json};

use crate::support::process::Process;

const SECRET: &str = "crash-secret-0123456789";
const KEY: &str = "crash-key-0123456789";
const ALERTS: usize = 200;

struct Engine(Process);

impl Engine {
    fn start(directory: &Path) -> Self {
        Self(Process::serve(command(directory)))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.address)
    }

    /// SIGKILL: nothing is flushed, nothing is closed.
    fn kill(self) {
        drop(self.0);
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
    command
        .env("ORDERGATE__STORAGE__DIRECTORY", directory)
        .env("ORDERGATE__WEBHOOK__SECRET", SECRET)
        .env("ORDERGATE__API__KEY", KEY)
        .env("ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_ORDERS", "1000")
        .env("ORDERGATE__WATCHER__POLL_MS", "200")
        .env("ORDERGATE__ACCOUNT__WAITS__QUIET_PERIOD_MS", "500")
        .env("ORDERGATE__LOG__LEVEL", "warn");
    command
}

fn alert(number: usize) -> Value {
    json!({
        "secret_key": SECRET, "idempotency_key": format!("burst-{number}"), "execution_type": "ENTRY", "strategy_name": format!("s{number}"),
        "exchange": "NSE", "product_type": "MIS",
        "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1 + number % 7, "order_type": "MARKET"}],
    })
}

/// Sends every alert at once; answers which were answered with which order, and kills the engine after `kill_after`.
async fn burst(engine: Engine, kill_after: usize) -> BTreeMap<usize, String> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(ALERTS).build().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let url = engine.url("/webhook");
    let tasks: Vec<_> = (0..ALERTS)
        .map(|number| {
            let (http, url, answered) = (http.clone(), url.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let answer = http.post(url).json(&alert(number)).send().await.ok()?;
                if answer.status() != 202 {
                    return None;
                }
                let body: Value = answer.json().await.ok()?;
                answered.fetch_add(1, Ordering::SeqCst);
                Some((number, body["orders"][0]["command_id"].as_str()?.to_owned()))
            })
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    while answered.load(Ordering::SeqCst) < kill_after && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    engine.kill();
    let mut orders = BTreeMap::new();
    for task in tasks {
        orders.extend(task.await.unwrap());
    }
    orders
}

async fn get(http: &reqwest::Client, url: String) -> Option<Value> {
    http.get(url).bearer_auth(KEY).send().await.ok()?.json().await.ok()
}

/// Polls the order book until nothing is on its way any more.
async fn at_rest(engine: &Engine) -> Value {
    let http = reqwest::Client::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ready = http.get(engine.url("/health/ready")).send().await.is_ok_and(|answer| answer.status() == 200);
        if ready && let Some(book) = get(&http, engine.url("/dashboard/orderbook?limit=1000")).await {
            let rows = book["system_orders"].as_array().unwrap();
            let executed = rows.iter().filter(|row| row["status"] == "EXECUTED").count();
            let is_done = rows.iter().all(|row| matches!(row["status"].as_str(), Some("EXECUTED" | "FAILED")));
            // The broker's side is as of its last read.
            if is_done && book["broker_orders"].as_array().unwrap().len() >= executed {
                return book;
            }
        }
        assert!(Instant::now() < deadline, "the orders did not settle");
        tokio::task::yield_now().await;
    }
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_200_alerts_nothing_is_lost_and_nothing_doubled() {
    for kill_after in [1, 40, 120] {
        let directory = tempfile::tempdir().unwrap();
        let answered = burst(Engine::start(directory.path()), kill_after).await;
        assert!(answered.len() >= kill_after);

        let engine = Engine::start(directory.path());
        // Who got no answer sends again, under the same key.
        let http = reqwest::Client::new();
        for number in (0..ALERTS).filter(|number| !answered.contains_key(number)) {
            let answer = http.post(engine.url("/webhook")).json(&alert(number)).send().await.unwrap();
            assert_eq!(answer.status(), 202);
        }
        let book = at_rest(&engine).await;
        let ours = book["system_orders"].as_array().unwrap();
        let theirs = book["broker_orders"].as_array().unwrap();

        let by_id: BTreeMap<&str, &Value> = ours.iter().map(|row| (row["command_id"].as_str().unwrap(), row)).collect();
        for (number, command) in &answered {
            assert!(by_id.contains_key(command.as_str()), "alert {number} was answered with {command}, which is gone");
        }
        assert_eq!(ours.len(), ALERTS, "one order per key, however often it was sent");
        let mut tags: BTreeMap<&str, u32> = BTreeMap::new();
        for row in theirs {
            *tags.entry(row["tag"].as_str().unwrap()).or_default() += 1;
        }
        for row in ours {
            let at_broker = tags.get(row["broker_tag"].as_str().unwrap()).copied().unwrap_or(0);
            let is_executed = row["status"] == "EXECUTED";
            assert_eq!(at_broker, u32::from(is_executed), "order {row}");
        }
        succeeds(directory.path(), &["verify-orders"]);
        succeeds(directory.path(), &["journal", "verify"]);
        // What was decided in both processes is decided the same way again.
        let as_of: chrono::DateTime<chrono::Utc> = book["as_of"].as_str().unwrap().parse().unwrap();
        let words = succeeds(directory.path(), &["replay", "--day", &trading_date(as_of).to_string()]);
        assert!(words.contains("every one is the same byte for byte") || words.contains("no decision was taken that day"), "{words}");
        engine.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_the_same_directory_refuses_and_names_the_holder() {
    let directory = tempfile::tempdir().unwrap();
    let first = Engine::start(directory.path());
    let second = command(directory.path()).arg("serve").env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(78));
    let words = String::from_utf8_lossy(&second.stderr);
    assert!(words.contains(&first.0.id().to_string()), "does not name the holder: {words}");
    first.kill();
    // The lock dies with its holder.
    Engine::start(directory.path()).kill();
}
