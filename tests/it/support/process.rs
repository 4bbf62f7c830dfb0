//! The real binary as a process of its own: started, asked, ended; and what must be true of its directory afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

/// The webhook's secret in [`command`].
pub(crate) const SECRET: &str = "process-secret-0123456789";
/// The key of the API in [`command`].
pub(crate) const KEY: &str = "process-key-0123456789";
/// How long anything may take.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The binary.
pub(crate) fn ordergate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ordergate"))
}

/// The binary on a data directory, its broker read five times a second, with nothing of this process's environment.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = ordergate();
    command
        .env_clear()
        .env("ORDERGATE__STORAGE__DIRECTORY", directory)
        .env("ORDERGATE__WEBHOOK__SECRET", SECRET)
        .env("ORDERGATE__API__KEY", KEY)
        .env("ORDERGATE__WATCHER__POLL_MS", "200")
        .env("ORDERGATE__ACCOUNT__WAITS__QUIET_PERIOD_MS", "500")
        .env("ORDERGATE__LOG__LEVEL", "warn");
    command
}

/// Runs it in a directory by the settings of its `mine.toml`, and with none of this process's environment.
pub(crate) fn by_its_settings(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = ordergate();
    command.args(arguments).args(["--config", "mine.toml"]).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORDERGATE")) {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// What a command printed, on both of its outputs.
pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command that must succeed; its words.
pub(crate) fn succeeds(mut command: Command, arguments: &[&str]) -> String {
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    words(&output)
}

/// A running engine; killed when dropped.
pub(crate) struct Process {
    child: Child,
    listens: Receiver<SocketAddr>,
    address: OnceLock<SocketAddr>,
}

impl Process {
    /// Starts `serve` on a free port, with whatever the command carries; it may end by itself before it listens.
    pub(crate) fn start(command: Command, errors: impl Into<Stdio>) -> Self {
        Self::start_at(command, "127.0.0.1:0", errors)
    }

    /// The same at this address.
    pub(crate) fn start_at(mut command: Command, listen: &str, errors: impl Into<Stdio>) -> Self {
        let mut child =
            command.arg("serve").env("ORDERGATE__SERVER__LISTEN", listen).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, listens) = channel();
        let address = |line: String| line.split("http://").nth(1)?.split_whitespace().next()?.parse().ok();
        std::thread::spawn(move || {
            for address in lines.map_while(Result::ok).filter_map(address) {
                let _nobody_asks = tell.send(address);
            }
        });
        Self { child, listens, address: OnceLock::new() }
    }

    /// The same, and waits until it says where it listens.
    pub(crate) fn serve(command: Command) -> Self {
        let process = Self::start(command, Stdio::null());
        process.address();
        process
    }

    /// Where it listens, as soon as it does.
    pub(crate) fn address(&self) -> SocketAddr {
        *self.address.get_or_init(|| self.listens.recv_timeout(LONG).expect("the engine says where it listens"))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs, and has not said where it listens.
    #[cfg(target_os = "linux")]
    pub(crate) fn waits(&mut self) -> bool {
        self.address.get().is_none() && self.listens.try_recv().is_err() && self.child.try_wait().unwrap().is_none()
    }

    /// How it ends by itself.
    #[cfg(target_os = "linux")]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        ordergate_actors::testkit::found_by_thread("it ends by itself", || self.child.try_wait().unwrap().ok_or("it still runs")).code()
    }

    /// A read of the API.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        reqwest::Client::new().get(self.url(path)).bearer_auth(KEY).send().await.ok()?.json().await.ok()
    }

    /// Waits until the engine is open, no order is under way, and the broker's book as last read has every executed one; the
    /// order book then.
    pub(crate) async fn at_rest(&self) -> Value {
        let ask = async || {
            let ready = reqwest::get(self.url("/health/ready")).await.is_ok_and(|answer| answer.status() == 200);
            let book = self.get("/dashboard/orderbook?limit=1000").await.filter(|_| ready).ok_or("it is not ready")?;
            let rows = book["system_orders"].as_array().unwrap();
            let executed = rows.iter().filter(|row| row["status"] == "EXECUTED").count();
            let is_done = rows.iter().all(|row| matches!(row["status"].as_str(), Some("EXECUTED" | "FAILED")));
            let is_known = book["broker_orders"].as_array().unwrap().len() >= executed;
            if is_done && is_known { Ok(book) } else { Err("an order is under way") }
        };
        until_found("the orders settle", ask).await
    }
}

impl Drop for Process {
    /// SIGKILL: nothing is flushed, nothing is closed.
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// An alert with a key of its own: an entry at the market, of a strategy of its own.
pub(crate) fn alert(number: usize) -> Value {
    json!({
        "secret_key": SECRET, "idempotency_key": format!("alert-{number}"), "execution_type": "ENTRY", "strategy_name": format!("s{number}"),
        "exchange": "NSE", "product_type": "MIS",
        "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1 + number % 7, "order_type": "MARKET"}],
    })
}

/// Sends it; the order that it was answered with, `None` without an answer that says it is on disk.
pub(crate) async fn send(http: &reqwest::Client, url: String, number: usize) -> Option<String> {
    let answer = http.post(url).json(&alert(number)).timeout(LONG).send().await.ok()?;
    let is_taken = answer.status() == 202;
    let body: Value = answer.json().await.ok()?;
    if is_taken { Some(body["orders"][0]["command_id"].as_str()?.to_owned()) } else { None }
}

/// What was answered is there, once; what the broker has is ours; the journal and the tables of the directory are sound.
pub(crate) fn nothing_lost_nothing_doubled(directory: &Path, book: &Value, answered: &BTreeMap<usize, String>, alerts: usize) {
    let rows = |of: &str| book[of].as_array().unwrap().clone();
    let (ours, theirs) = (rows("system_orders"), rows("broker_orders"));
    for (number, command) in answered {
        assert!(ours.iter().any(|row| row["command_id"] == **command), "alert {number} was answered with {command}, which is gone");
    }
    assert_eq!(ours.len(), alerts, "one order per key, however often it was sent: {ours:#?}");
    let with = |tag: &Value| theirs.iter().filter(|row| row["tag"] == *tag).count();
    for row in &ours {
        assert_eq!(with(&row["broker_tag"]), usize::from(row["status"] == "EXECUTED"), "{row:#}");
    }
    for row in &theirs {
        assert!(ours.iter().any(|order| order["broker_tag"] == row["tag"]), "sent without a row on disk: {row:#}");
    }
    // Alarms of what was done to it may wait for a person; no order does.
    let verified = words(&command(directory).arg("verify-orders").output().unwrap());
    assert!(verified.contains("in doubt: checking with the broker") && !verified.contains("SEE TO IT"), "{verified}");
    succeeds(command(directory), &["journal", "verify"]);
}
