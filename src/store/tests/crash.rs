//! What is left when a process ends without saying goodbye.

use std::path::Path;

use ordergate_actors::ports::{Store, Verdict};

use crate::store::fixtures::{client, insert, now, order, round};
use crate::store::{SimulatedDisk, SqliteStore};

/// The files as a crash leaves them: copied while the store is open, without its lock.
fn crashed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in ["orders.db", "orders.db-wal"] {
        std::fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    to
}

#[test]
fn a_commit_survives_and_an_open_round_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert_eq!(round(&mut store, &[insert(order(1))]), Verdict::Done);
    store.begin().unwrap();
    assert_eq!(store.unit(&[insert(order(2))]).unwrap(), Verdict::Done);
    let image = crashed(directory.path());
    let mut after = SqliteStore::in_directory(image.path(), now()).unwrap();
    assert!(after.order(&client(), order(1).command_id).unwrap().is_some());
    assert!(after.order(&client(), order(2).command_id).unwrap().is_none());
}

#[test]
fn a_simulated_disk_keeps_what_was_committed() {
    let disk = SimulatedDisk::new("SIM1").unwrap();
    let mut store = SqliteStore::simulated(&disk, now()).unwrap();
    round(&mut store, &[insert(order(1))]);
    store.begin().unwrap();
    store.unit(&[insert(order(2))]).unwrap();
    drop(store);
    let mut store = SqliteStore::simulated(&disk, now()).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.tag_prefix, "SIM1");
    assert_eq!(loaded.accounts[0].orders, [order(1)]);
    round(&mut store, &[insert(order(2))]);
    let other = SimulatedDisk::new("SIM2").unwrap();
    assert!(SqliteStore::simulated(&other, now()).unwrap().load().unwrap().accounts.is_empty());
}

#[test]
fn a_full_disk_halts_and_what_was_committed_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    round(&mut store, &[insert(order(1))]);
    let pages: i64 = store.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    store.begin().unwrap();
    let failure = (2..500).find_map(|number| store.unit(&[insert(order(number))]).err()).unwrap();
    assert!(failure.to_string().contains("free some space"), "{failure}");
    assert!(store.commit().is_err() && store.begin().is_err());
    drop(store);
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert_eq!(store.load().unwrap().accounts[0].orders, [order(1)]);
}

#[test]
fn the_log_is_folded_in_at_the_watermark_and_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let options = crate::store::Options { checkpoint_pages: 50, ballast_bytes: 0, ..crate::store::Options::at(now()) };
    let mut store = SqliteStore::open(directory.path(), options).unwrap();
    for number in 1..=300 {
        round(&mut store, &[insert(order(number))]);
    }
    let log = std::fs::metadata(directory.path().join("orders.db-wal")).unwrap().len();
    assert!(log < 120 * 4_120, "the log grew to {log} bytes");
    store.idle().unwrap();
    store.close().unwrap();
    assert_eq!(std::fs::metadata(directory.path().join("orders.db-wal")).map_or(0, |found| found.len()), 0);
}

#[test]
fn a_reader_that_stays_does_not_make_every_round_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let options = crate::store::Options { checkpoint_pages: 20, ballast_bytes: 0, ..crate::store::Options::at(now()) };
    let mut store = SqliteStore::open(directory.path(), options).unwrap();
    round(&mut store, &[insert(order(1))]);
    let reader = rusqlite::Connection::open(directory.path().join("orders.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen: i64 = reader.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get(0)).unwrap();
    for number in 2..=100 {
        round(&mut store, &[insert(order(number))]);
    }
    let still: i64 = reader.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get(0)).unwrap();
    assert_eq!((seen, still), (1, 1));
    assert_eq!(store.load().unwrap().accounts[0].last_number, 100);
}

/// Somebody reads while the journal is closed: that is no fault, the log stays, and the next start has all of it.
#[test]
fn a_reader_at_the_end_keeps_the_log_and_the_next_start_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    round(&mut store, &[insert(order(1))]);
    let reader = rusqlite::Connection::open(directory.path().join("orders.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen: i64 = reader.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get(0)).unwrap();
    round(&mut store, &[insert(order(2))]);
    store.close().unwrap();
    assert!(std::fs::metadata(directory.path().join("orders.db-wal")).unwrap().len() > 0);
    drop(store);
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert_eq!((seen, store.load().unwrap().accounts[0].last_number), (1, 2));
}
