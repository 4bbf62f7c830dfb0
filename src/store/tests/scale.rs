//! How fast and how large. Ignored: `cargo test --release -p ordergate --lib store::tests::scale -- --ignored --nocapture`

use std::sync::Arc;
use std::time::Instant;

use ordergate_actors::order::Status;
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::ports::{Anchor, JournalRow, Store, Write};

use crate::store::fixtures::{executed, insert, journal_after, now, order, round, sent, update};
use crate::store::{Options, SqliteStore, VerifyFrom};

const ORDERS: u64 = 1_000_000;
const OPEN: u64 = 1_000;
const BATCH: usize = 512;

/// Writes whole lives of orders, `batch` transitions to a round.
fn live(store: &mut SqliteStore, first: u64, last: u64, batch: usize, head: &mut Option<JournalRow>) {
    let mut in_round = 0;
    for number in first..=last {
        let id = format!("B{number}");
        let steps: &[_] = if number % (ORDERS / OPEN) == 0 {
            &[(None, order(number)), (Some(Status::Created), sent(number, &id))]
        } else {
            &[(None, order(number)), (Some(Status::Created), sent(number, &id)), (Some(Status::SentToBroker), executed(number, &id))]
        };
        for (from, step) in steps {
            if in_round == 0 {
                store.begin().unwrap();
            }
            let row = Arc::new(journal_after(head.as_ref(), step, *from));
            let write = if from.is_none() { insert(step.clone()) } else { update(step.clone()) };
            store.unit(&[write, Write::Journal(Arc::clone(&row))]).unwrap();
            *head = Some((*row).clone());
            in_round += 1;
            if in_round == batch {
                store.commit().unwrap();
                in_round = 0;
            }
        }
    }
    if in_round > 0 {
        store.commit().unwrap();
    }
}

#[test]
#[ignore = "a measurement: run it in release mode"]
fn transitions_per_second() {
    for (batch, orders) in [(1, 3_000), (8, 10_000), (64, 30_000), (512, 60_000)] {
        let directory = tempfile::tempdir_in(".").unwrap();
        let mut store = SqliteStore::open(directory.path(), Options { ballast_bytes: 0, ..Options::at(now()) }).unwrap();
        let mut head = None;
        let begun = Instant::now();
        live(&mut store, 1, orders, batch, &mut head);
        let rows = head.map_or(0, |row| row.seq);
        let each = begun.elapsed() / u32::try_from(rows).unwrap();
        println!("{batch:>4} transitions a commit: {:>7} a second, {each:?} each", 1_000_000_000 / each.as_nanos());
    }
}

#[test]
#[ignore = "a measurement: run it in release mode"]
fn a_million_orders() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let begun = Instant::now();
    live(&mut store, 1, ORDERS, BATCH, &mut None);
    let took = |what: &str, since: Instant| println!("{what}: {:?}", since.elapsed());
    took("written", begun);
    drop(store);
    println!("file: {} MiB", std::fs::metadata(directory.path().join("orders.db")).unwrap().len() / 1024 / 1024);
    let begun = Instant::now();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    took("opened after an unclean end", begun);
    let begun = Instant::now();
    let loaded = store.load().unwrap();
    took("loaded", begun);
    assert_eq!(loaded.accounts[0].orders.len() as u64, 10_000 + OPEN - 10);
    let begun = Instant::now();
    store.close().unwrap();
    drop(store);
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    took("closed and opened after a clean end", begun);
    let head = loaded.heads[0].clone();
    let anchor = Anchor { client_id: head.client_id.clone(), seq: head.seq, hash: row_hash(&head), at: now() };
    round(&mut store, &[Write::Anchor(anchor)]);
    let begun = Instant::now();
    // These rows were not made by the ledger: only their chain is to be measured.
    assert_eq!(store.verify(VerifyFrom::LastAnchor).unwrap()[0].first_broken, None);
    took("verified from the last anchor", begun);
    let begun = Instant::now();
    let reports = store.verify(VerifyFrom::Start).unwrap();
    took("verified whole", begun);
    assert!(reports[0].is_sound());
}

#[test]
#[ignore = "a measurement: run it in release mode"]
fn how_long_a_simulated_disk_takes_to_open_twice() {
    let begun = Instant::now();
    for _ in 0..200 {
        let disk = crate::store::SimulatedDisk::new("SIM1").unwrap();
        drop(SqliteStore::simulated(&disk, now()).unwrap());
        drop(SqliteStore::simulated(&disk, now()).unwrap());
    }
    println!("a simulated disk, opened twice: {:?}", begun.elapsed() / 200);
}
