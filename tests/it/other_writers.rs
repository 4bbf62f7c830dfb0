//! The real binary on a data directory at which somebody else is: a lock file that was removed, files that were put in place of its own,
//! a program that writes the database, one that holds its lock.
#![cfg(target_os = "linux")]

use std::time::Instant;

use ordergate_actors::testkit::until;
use rusqlite::{Connection, OpenFlags};

use crate::alerts::Server;
use crate::disk_faults::{House, burst};
use crate::support::process::{LONG, nothing_lost_nothing_doubled, send};

/// What somebody does to the files of an engine that runs.
#[derive(Debug, Clone, Copy)]
enum Done {
    Removed(&'static str),
    Replaced(&'static str),
}

/// The engine ends, says what is gone, and pages; the next one starts on what is there, and nothing that was answered is lost.
#[actix_web::test]
async fn an_engine_whose_own_files_are_others_ends_and_says_so() {
    let all = [Done::Removed("engine.lock"), Done::Replaced("engine.lock"), Done::Removed("orders.db-wal")];
    for done in all {
        let (house, phone) = (House::new(), Server::open());
        let webhook = phone.url("/page");
        let mut engine = house.start_with(&[("ALERTS__WEBHOOK_URL", webhook.as_str())]);
        let answered = burst(&engine, 0..3).await;
        assert_eq!(answered.len(), 3);
        engine.at_rest().await;
        let name = match done {
            Done::Removed(name) => {
                std::fs::remove_file(house.path("data").join(name)).unwrap();
                name
            }
            Done::Replaced(name) => {
                std::fs::write(house.path("other"), "pid 1, started long ago").unwrap();
                std::fs::rename(house.path("other"), house.path("data").join(name)).unwrap();
                name
            }
        };
        let code = tokio::task::spawn_blocking(move || engine.ended()).await.unwrap();
        let said = house.said();
        assert_eq!(code, Some(70), "{done:?}: {said}");
        assert!(said.contains(&format!("{name} in ")) && said.contains("while this engine runs"), "{done:?}: {said}");
        until("it is paged", || phone.texts().iter().any(|text| text.contains("while this engine runs"))).await;

        let engine = house.start_with(&[]);
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 3);
    }
}

/// Who else is at the directory when the log is removed.
#[derive(Debug, Clone, Copy)]
enum Beside {
    /// A program that begins to read at once, and so makes a log anew.
    NewReader,
    /// Nobody, but the lock and the index went with it: somebody has "cleaned up".
    Cleaned,
    /// A program that has read an older state for a while, and goes on.
    OldReader,
    /// Somebody who has put a lock of his own there.
    OtherLock,
}

fn reading(house: &House) -> Connection {
    Connection::open_with_flags(house.path("data/orders.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn orders(reader: &Connection) -> rusqlite::Result<i64> {
    reader.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get(0))
}

/// Whatever was answered is in what the next start opens, or the page says that it is not.
#[actix_web::test]
async fn a_log_that_is_removed_is_not_lost_whoever_else_is_there() {
    for beside in [Beside::NewReader, Beside::Cleaned, Beside::OldReader, Beside::OtherLock] {
        let (house, phone) = (House::new(), Server::open());
        let webhook = phone.url("/page");
        let mut engine = house.start_with(&[("ALERTS__WEBHOOK_URL", webhook.as_str())]);
        let mut answered = burst(&engine, 0..1).await;
        engine.at_rest().await;
        let mut reader = matches!(beside, Beside::OldReader).then(|| reading(&house));
        if let Some(old) = &reader {
            old.execute_batch("BEGIN").unwrap();
            assert_eq!(orders(old).unwrap(), 1);
        }
        answered.extend(burst(&engine, 1..4).await);
        assert_eq!(answered.len(), 4);
        engine.at_rest().await;

        let remove = |name: &str| std::fs::remove_file(house.path("data").join(name)).unwrap();
        remove("orders.db-wal");
        let words = match beside {
            Beside::NewReader => {
                let new = reading(&house);
                let _fails = orders(&new);
                assert_eq!(std::fs::metadata(house.path("data/orders.db-wal")).unwrap().len(), 0, "it has made one");
                reader = Some(new);
                "it was folded into orders.db before the end, and nothing that was acknowledged is lost"
            }
            Beside::Cleaned => {
                remove("orders.db-shm");
                remove("engine.lock");
                "it was folded into orders.db before the end, and nothing that was acknowledged is lost"
            }
            Beside::OldReader => "a copy of it was put back: nothing that was acknowledged is lost",
            Beside::OtherLock => {
                std::fs::write(house.path("other"), "pid 1, started long ago").unwrap();
                std::fs::rename(house.path("other"), house.path("data/engine.lock")).unwrap();
                "it was not folded into orders.db before the end (another engine may write it)"
            }
        };
        let code = tokio::task::spawn_blocking(move || engine.ended()).await.unwrap();
        let said = house.said();
        assert_eq!(code, Some(70), "{beside:?}: {said}");
        assert!(said.contains("orders.db-wal in ") && said.contains(words), "{beside:?}: {said}");
        until("it is paged", || phone.texts().iter().any(|text| text.contains(words))).await;
        if matches!(beside, Beside::OtherLock) {
            assert!(!said.contains("is lost"), "{said}");
            continue;
        }
        // Whoever reads goes on reading.
        let engine = house.start_with(&[]);
        let book = engine.at_rest().await;
        drop(engine);
        nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 4);
        drop(reader);
    }
}

/// Another database was put in the place of its own.
#[tokio::test]
async fn an_engine_whose_database_was_replaced_ends() {
    let house = House::new();
    let mut engine = house.start_with(&[]);
    burst(&engine, 0..1).await;
    engine.at_rest().await;
    std::fs::copy(house.path("data/orders.db"), house.path("copy")).unwrap();
    std::fs::rename(house.path("copy"), house.path("data/orders.db")).unwrap();
    assert_eq!(engine.ended(), Some(70), "{}", house.said());
    assert!(house.said().contains("orders.db in ") && house.said().contains("was replaced by another file"), "{}", house.said());
    // Its own went with the name, and its log is not left for the other one, over whose pages a start would write it.
    assert!(house.said().contains("was folded into the orders.db that this engine had"), "{}", house.said());
    assert_eq!(std::fs::metadata(house.path("data/orders.db-wal")).map_or(0, |log| log.len()), 0);
}

/// Whoever writes the journal beside the engine takes numbers that only the engine gives: nothing that it knows may be true any more.
#[tokio::test]
async fn an_engine_that_finds_rows_of_another_writer_ends_and_does_not_answer() {
    let house = House::new();
    let mut engine = house.start_with(&[]);
    burst(&engine, 0..1).await;
    engine.at_rest().await;
    let foreign = Connection::open(house.path("data/orders.db")).unwrap();
    let columns = "prev_hash, at, event, command_id, signal_id, from_status, to_status, tag, reason, who, inputs";
    let rows = format!(
        "INSERT INTO journal (client_id, seq, {columns}) SELECT client_id, max(seq) + 1, {columns} FROM journal GROUP BY client_id"
    );
    assert!(foreign.execute(&rows, []).unwrap() > 0);
    let answered = burst(&engine, 1..2).await;
    assert!(answered.is_empty(), "nothing that is not on disk is answered: {answered:?}");
    assert_eq!(engine.ended(), Some(70), "{}", house.said());
    assert!(house.said().contains("another program writes this database"), "{}", house.said());
}

/// A program that holds the lock of the database for a while ends nothing; one that keeps it does. Either is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_another_program_is_waited_for_and_named() {
    let house = House::new();
    // Its answer waits for as long as the lock is held.
    let patient = ("SERVER__DECISION_DEADLINE_MS", "60000");
    let engine = house.start_with(&[("STORAGE__STALLED_MS", "300"), ("STORAGE__HUNG_MS", "3600000"), patient]);
    let mut answered = burst(&engine, 0..1).await;
    engine.at_rest().await;
    let foreign = Connection::open(house.path("data/orders.db")).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let url = engine.url("/webhook");
    let held = tokio::spawn(async move { send(&reqwest::Client::new(), url, 1).await });
    house.until_said(0, &["another program holds the lock of orders.db"]);
    foreign.execute_batch("COMMIT").unwrap();
    answered.extend(held.await.unwrap().map(|order| (1, order)));
    assert_eq!(answered.len(), 2, "{}", house.said());
    let deadline = Instant::now() + LONG;
    loop {
        let attention = engine.get("/dashboard/attention").await.unwrap_or_default().to_string();
        if attention.contains("another program held the lock of orders.db") {
            break;
        }
        assert!(Instant::now() < deadline, "{attention}");
    }
    let book = engine.at_rest().await;
    drop(engine);
    nothing_lost_nothing_doubled(&house.path("data"), &book, &answered, 2);

    let said = house.said().len();
    let mut engine = house.start_with(&[("STORAGE__STALLED_MS", "300"), ("STORAGE__HUNG_MS", "10000")]);
    engine.at_rest().await;
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(burst(&engine, 2..3).await.is_empty(), "nothing that is not on disk is answered");
    assert_eq!(engine.ended(), Some(70), "{}", house.said());
    assert!(house.said()[said..].contains("another program holds the lock of orders.db"), "{}", house.said());
}
