//! The real binary on a disk that fails: input/output errors, no room, read-only; while it runs and while it starts. The disk is
//! the preload shim `tests/disk/shim.c`, which `cc` compiles here (SQLite needs a C compiler anyway).
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono::Timelike as _;
use ordergate::clock::SystemClock;
use ordergate::store::{DirectoryLock, Holder};
use ordergate_actors::order::ist;
use ordergate_actors::ports::Clock as _;
use ordergate_actors::testkit::{found_by_thread, morning, until, until_found};

use crate::alerts::Server;
use crate::support::process::{Process, command, nothing_lost_nothing_doubled, send};

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
pub(crate) struct House {
    directory: tempfile::TempDir,
    generation: u32,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), generation: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the engine on this disk; it may end by itself.
    fn start(&self) -> Process {
        self.start_with(&[])
    }

    /// The same with these settings as well.
    pub(crate) fn start_with(&self, settings: &[(&str, &str)]) -> Process {
        self.start_at("127.0.0.1:0", settings)
    }

    /// The same at this address.
    fn start_at(&self, listen: &str, settings: &[(&str, &str)]) -> Process {
        let errors = File::options().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = command(&self.path("data"));
        command
            .env("ORDERGATE__STORAGE__MIN_FREE_MB", "0")
            .env("ORDERGATE__STORAGE__BALLAST_MB", "0")
            .env("ORDERGATE__ENGINE__SAFE_MODE_STARTS", "1000")
            .env("SHIM_CONTROL", self.path("control"))
            .env("SHIM_CLOCK", self.path("clock"))
            .env("LD_PRELOAD", shim());
        for (name, value) in settings {
            command.env(format!("ORDERGATE__{name}"), value);
        }
        Process::start_at(command, listen, errors)
    }

    /// Waits until the processes have said this on their standard error, after what they had said before.
    pub(crate) fn until_said(&self, before: usize, words: &[&str]) -> String {
        found_by_thread("they say it", || {
            let said = self.said()[before..].to_lowercase();
            if words.iter().any(|word| said.contains(word)) { Ok(said) } else { Err(format!("none of {words:?} in {said}")) }
        })
    }

    /// From the next call on the disk of these files fails: `calls` as in the shim, from the so-manieth on, so many (0: all).
    fn fails(&mut self, error: &str, calls: &str, from: u32, count: u32, path: &str) {
        self.generation += 1;
        let line = format!("{error} {calls} {from} {count} {path} {}\n", self.generation);
        // In one step: half a line must not be read.
        std::fs::write(self.path("control.new"), line).unwrap();
        std::fs::rename(self.path("control.new"), self.path("control")).unwrap();
    }

    /// The machine's clock steps to so many seconds beside the right time, for what runs and for what is started.
    fn clock_is_off_by(&self, seconds: i64) {
        std::fs::write(self.path("clock.new"), seconds.to_string()).unwrap();
        std::fs::rename(self.path("clock.new"), self.path("clock")).unwrap();
    }

    fn heals(&self) {
        std::fs::remove_file(self.path("control")).unwrap();
    }

    fn hits(&self) -> usize {
        std::fs::read_to_string(self.path("control.hits")).unwrap_or_default().lines().count()
    }

    /// What the processes said on their standard error, all of them.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.path("errors")).unwrap_or_default()
    }
}

/// All at once; who was answered, with what.
pub(crate) async fn burst(engine: &Process, numbers: impl IntoIterator<Item = usize>) -> BTreeMap<usize, String> {
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

        // What failed once is over: the shim would count anew in the next process.
        if count != 0 {
            house.heals();
        }
        // The supervisor starts it again, and the disk is no better.
        let mut engine = house.start();
        if count == 0 {
            let waits = house.until_said(said.len(), &["ordergate cannot start yet"]);
            assert!(["i/o error", "disk is full", "readonly"].iter().any(|cause| waits.contains(cause)), "{waits}");
            assert!(engine.waits(), "it waits, and takes nothing");
            house.heals();
        }
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

/// So many seconds the newest noon in India is beside now: no midnight is near it.
fn newest_noon() -> i64 {
    let wall = SystemClock.now().with_timezone(&ist()).num_seconds_from_midnight();
    -(i64::from(wall) - 12 * 3_600).rem_euclid(24 * 3_600)
}

/// The machine's clock steps while the engine runs, which is killed then; the next one starts by the wrong clock. Whatever the engine
/// takes by it, nothing is lost and nothing doubled.
#[tokio::test]
async fn a_clock_that_steps_around_a_kill_loses_nothing_and_doubles_nothing() {
    for step in [-3_600, 600] {
        let house = House::new();
        // On another day the broker's book is another one.
        let right = newest_noon();
        house.clock_is_off_by(right);
        let engine = house.start();
        let mut answered = burst(&engine, 0..5).await;
        assert_eq!(answered.len(), 5);
        house.clock_is_off_by(right + step);
        answered.extend(burst(&engine, 5..10).await);
        drop(engine);
        let engine = house.start();
        answered.extend(burst(&engine, 10..15).await);
        drop(engine);
        // Right again, but never behind what is on disk already.
        house.clock_is_off_by(right + step.max(0));
        let engine = house.start();
        again(&engine, &mut answered, 15).await;
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 15);
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
    let lacks = || {
        let log = std::fs::read_to_string(house.path("data/logs/intent_tracking.log")).unwrap_or_default();
        let has = |command: &&String| log.lines().any(|line| line.contains(command.as_str()) && line.contains("EXECUTED"));
        answered.values().filter(|command| !has(command)).count()
    };
    let is_whole = async || match lacks() {
        0 => Ok(()),
        lacks => Err(format!("{lacks} orders are not in it")),
    };
    until_found("the log of the intents is whole", is_whole).await;
    drop(engine);
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 9);
}

/// Why it is not ready.
async fn why_not(engine: &Process) -> Vec<String> {
    let Some(ready) = engine.get("/health/ready").await else { return Vec::new() };
    ready["why_not"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Waits until the list of what needs a person names this alarm; the list.
async fn until_attention(engine: &Process, alarm: &str) -> String {
    let ask = async || {
        let attention = engine.get("/dashboard/attention").await.unwrap_or_default().to_string();
        if attention.contains(alarm) { Ok(attention) } else { Err(attention) }
    };
    until_found(alarm, ask).await
}

/// A disk that answers nothing at all, under everything in the data directory, the outbox of the alerts too: it is said, paged, and
/// ends the process; a start on it is paged as well, and goes on by itself.
#[actix_web::test]
async fn a_disk_that_hangs_is_paged_without_it_and_ends_the_process() {
    let (mut house, phone) = (House::new(), Server::open());
    let webhook = phone.url("/page");
    let settings = [("STORAGE__STALLED_MS", "300"), ("STORAGE__HUNG_MS", "12000"), ("ALERTS__WEBHOOK_URL", webhook.as_str())];
    let engine = house.start_with(&settings);
    let mut answered = burst(&engine, 0..3).await;
    engine.at_rest().await;
    house.fails("HANG", "wsto", 1, 0, "/data/");
    let url = engine.url("/webhook");
    let held = actix_web::rt::spawn(async move { send(&reqwest::Client::new(), url, 3).await });
    until("it is paged", || phone.texts().iter().any(|text| text.contains("has not finished a write"))).await;
    let mut engine = engine;
    let code = tokio::task::spawn_blocking(move || engine.ended()).await.unwrap();
    assert_eq!(code, Some(70), "{}", house.said());
    assert!(
        house.said().contains("the journal could not be written: the disk of the data directory has not finished a write"),
        "{}",
        house.said()
    );
    held.abort();

    house.fails("HANG", "wst", 1, 0, "/data/orders.db");
    let engine = house.start_with(&settings);
    until("the start that waits is paged", || phone.texts().iter().any(|text| text.contains("is not open after"))).await;
    house.heals();
    again(&engine, &mut answered, 4).await;
    let book = engine.at_rest().await;
    drop(engine);
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 4);
}

/// One that comes back in time is written down, and nothing ends.
#[tokio::test]
async fn a_disk_that_hangs_for_a_while_is_written_down_when_it_goes_on() {
    let mut house = House::new();
    let engine = house.start_with(&[("STORAGE__STALLED_MS", "300"), ("STORAGE__HUNG_MS", "3600000")]);
    let mut answered = burst(&engine, 0..1).await;
    engine.at_rest().await;
    house.fails("HANG", "s", 1, 0, "/data/orders.db");
    let url = engine.url("/webhook");
    let held = tokio::spawn(async move { send(&reqwest::Client::new(), url, 1).await });
    let is_stalled = async || {
        let why = why_not(&engine).await;
        if why.contains(&"journal_stalled".to_owned()) { Ok(()) } else { Err(format!("{why:?}")) }
    };
    until_found("the journal is said to be stalled", is_stalled).await;
    house.until_said(0, &["has not finished a write"]);
    house.heals();
    answered.extend(held.await.unwrap().map(|order| (1, order)));
    again(&engine, &mut answered, 2).await;
    until_attention(&engine, "ALARM_JOURNAL_STALLED").await;
    let book = engine.at_rest().await;
    drop(engine);
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 2);
}

/// A full disk at a start: the ballast is what there is, and it is given up.
#[tokio::test]
async fn a_start_on_a_full_disk_gives_up_the_ballast() {
    let mut house = House::new();
    let ballast = [("STORAGE__BALLAST_MB", "1")];
    let engine = house.start_with(&ballast);
    let answered = burst(&engine, 0..3).await;
    engine.at_rest().await;
    drop(engine);
    assert!(house.path("data/ballast").exists());
    house.fails("FULL", "w", 1, 0, "/data/");
    let engine = house.start_with(&ballast);
    let book = engine.at_rest().await;
    assert!(house.hits() > 0 && !house.path("data/ballast").exists(), "{}", house.said());
    drop(engine);
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 3);
}

/// The history of the starts cannot be written: exits go on, and entries wait for a person.
#[tokio::test]
async fn a_start_that_cannot_be_written_down_is_no_reason_not_to_start() {
    let mut house = House::new();
    house.fails("ENOSPC", "w", 1, 0, "/data/starts.json");
    let engine = house.start();
    let attention = until_attention(&engine, "ALARM_SAFE_MODE").await;
    assert!(attention.contains("this start is not written down"), "{attention}");
}

/// One of our own commands, or another program, is at it for a while: the start waits, says for whom, and goes on.
#[tokio::test]
async fn a_start_waits_for_a_command_and_for_its_port() {
    let house = House::new();
    std::fs::create_dir_all(house.path("data")).unwrap();
    let lock = DirectoryLock::acquire(&house.path("data"), Holder::Command("squareoff"), morning()).unwrap();
    let mut engine = house.start();
    let said = house.until_said(0, &["ordergate cannot start yet"]);
    assert!(said.contains("ordergate squareoff, started") && engine.waits(), "{said}");
    drop(lock);
    engine.address();
    drop(engine);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = house.said().len();
    let mut engine = house.start_at(&taken.local_addr().unwrap().to_string(), &[]);
    let words = house.until_said(said, &["ordergate cannot start yet"]);
    assert!(words.contains("is another program using the port?") && engine.waits(), "{words}");
    drop(taken);
    engine.address();
}
