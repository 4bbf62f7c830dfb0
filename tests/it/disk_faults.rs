//! The real binary on a disk that fails: input/output errors, no room, read-only; while it runs and while it starts. The disk is
//! the preload shim `tests/disk/shim.c`, which `cc` compiles here (SQLite needs a C compiler anyway).
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use crate::support::process::{LONG, Process, command, nothing_lost_nothing_doubled, send};

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

impl House {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), generation: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the engine on this disk; it may end by itself.
    fn start(&self) -> Process {
        let errors = File::options().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = command(&self.path("data"));
        command
            .env("ORDERGATE__STORAGE__MIN_FREE_MB", "0")
            .env("ORDERGATE__STORAGE__BALLAST_MB", "0")
            .env("ORDERGATE__ENGINE__SAFE_MODE_STARTS", "1000")
            .env("SHIM_CONTROL", self.path("control"))
            .env("LD_PRELOAD", shim());
        Process::start(command, errors)
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
}

/// All at once; who was answered, with what.
async fn burst(engine: &Process, numbers: impl IntoIterator<Item = usize>) -> BTreeMap<usize, String> {
    let (http, url) = (reqwest::Client::new(), engine.url("/webhook"));
    let sent = numbers.into_iter().map(async |number| Some((number, send(&http, url.clone(), number).await?)));
    futures_util::future::join_all(sent).await.into_iter().flatten().collect()
}

/// Those that had no answer, once more, one after the other: the disk is well again.
async fn again(engine: &Process, answered: &mut BTreeMap<usize, String>, alerts: usize) {
    for number in (0..alerts).filter(|number| !answered.contains_key(number)).collect::<Vec<_>>() {
        let order = burst(engine, [number]).await;
        assert_eq!(order.len(), 1, "alert {number} is taken");
        answered.extend(order);
    }
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
            assert!(engine.waits(), "it waits, and takes nothing");
        }
        house.heals();
        again(&engine, &mut answered, 30).await;
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 30);
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
        again(&engine, &mut answered, 20).await;
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 20);
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
    again(&engine, &mut answered, 9).await;
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
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 9);
}
