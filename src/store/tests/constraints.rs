//! Every uniqueness, tested on a file that was closed and opened again.

use std::sync::Arc;

use ordergate_actors::order::OrderRecord;
use ordergate_actors::ports::{Anchor, SignalRow, Store, Verdict, Write};
use rusqlite::Connection;

use crate::store::SqliteStore;
use crate::store::fixtures::{client, day, fill, insert, journal_after, now, order, round, sent, signal, update};

/// A directory with one of everything, opened for the second time.
fn reopened() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    day(&mut store, 1);
    let order = order(1);
    let writes = [
        Write::Signal(Arc::new(signal(1, "k:one"))),
        fill(&order, "T1"),
        Write::Anchor(Anchor { client_id: Some(client()), seq: 3, hash: [9; 32], at: now() }),
    ];
    assert_eq!(round(&mut store, &writes), Verdict::Done);
    store.close().unwrap();
    drop(store);
    let store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    (directory, store)
}

#[test]
fn the_second_of_everything_is_refused_and_the_rest_of_the_round_survives() {
    let (_directory, mut store) = reopened();
    let first = sent(1, "B1");
    let like = |change: fn(&mut OrderRecord, &OrderRecord)| {
        let mut twin = order(50);
        change(&mut twin, &sent(1, "B1"));
        insert(twin)
    };
    let refused = [
        ("signals", Write::Signal(Arc::new(signal(2, "k:one")))),
        ("signals", Write::Signal(Arc::new(signal(1, "k:two")))),
        ("orders", like(|twin, first| twin.command_id = first.command_id)),
        ("orders.number", like(|twin, first| twin.number = first.number)),
        ("orders", like(|twin, first| (twin.signal_id, twin.leg) = (first.signal_id, first.leg))),
        ("orders.broker_tag", like(|twin, first| twin.broker_tag = first.broker_tag.clone())),
        ("orders", like(|twin, first| (twin.sent_at, twin.broker_order_id) = (first.sent_at, first.broker_order_id.clone()))),
        ("fills", fill(&first, "T1")),
        ("fills", fill(&order(99), "T2")),
        ("journal", Write::Journal(Arc::new(journal_after(None, &first, None)))),
        ("anchors", Write::Anchor(Anchor { client_id: Some(client()), seq: 3, hash: [8; 32], at: now() })),
    ];
    store.begin().unwrap();
    for (i, (table, write)) in refused.iter().enumerate() {
        let bystander = insert(order(100 + i as u64));
        // The row before the refused one goes with it; the unit before it stays.
        assert_eq!(store.unit(&[bystander]).unwrap(), Verdict::Done);
        let verdict = store.unit(&[insert(order(200 + i as u64)), write.clone()]).unwrap();
        assert_eq!(verdict, Verdict::Refused(table), "case {i}");
    }
    store.commit().unwrap();
    for i in 0..refused.len() as u64 {
        assert!(store.order(&client(), order(100 + i).command_id).unwrap().is_some());
        assert!(store.order(&client(), order(200 + i).command_id).unwrap().is_none());
    }
}

/// Whether anything was in the round before or not: a refusal takes back its own unit, and what follows is one commit still.
#[test]
fn a_refusal_at_the_head_of_a_round_leaves_nothing_and_the_round_goes_on() {
    let (_directory, mut store) = reopened();
    let number = |number: u64| order(number).command_id;
    store.begin().unwrap();
    for of in [200, 201] {
        let taken = Write::Signal(Arc::new(signal(of, "k:one")));
        assert_eq!(store.unit(&[insert(order(of)), taken]).unwrap(), Verdict::Refused("signals"));
    }
    assert_eq!(store.unit(&[insert(order(100))]).unwrap(), Verdict::Done);
    let again = store.unit(&[insert(order(202)), insert(order(100))]).unwrap();
    assert_eq!(again, Verdict::Refused("orders.broker_tag"), "behind a unit that stays it is taken back alone");
    assert_eq!(store.unit(&[insert(order(101))]).unwrap(), Verdict::Done);
    store.commit().unwrap();
    for (of, is_there) in [(200, false), (201, false), (202, false), (100, true), (101, true)] {
        assert_eq!(store.order(&client(), number(of)).unwrap().is_some(), is_there, "{of}");
    }
    // The next round knows nothing of this one.
    assert_eq!(round(&mut store, &[insert(order(203)), insert(order(101))]), Verdict::Refused("orders.broker_tag"));
    assert!(store.order(&client(), number(203)).unwrap().is_none() && store.order(&client(), number(101)).unwrap().is_some());
}

/// What is refused first and is followed by nothing leaves a round that commits nothing.
#[test]
fn a_round_of_refusals_alone_commits() {
    let (_directory, mut store) = reopened();
    assert_eq!(round(&mut store, &[insert(order(1))]), Verdict::Refused("orders.broker_tag"));
    assert_eq!(round(&mut store, &[insert(order(2))]), Verdict::Done);
}

#[test]
fn what_only_looks_alike_is_taken() {
    let (_directory, mut store) = reopened();
    let mut other_account = order(1);
    other_account.client_id = ordergate_actors::order::ClientId::parse("PAPER2").unwrap();
    let mut other_leg = order(2);
    (other_leg.signal_id, other_leg.leg) = (order(1).signal_id, 1);
    let mut other_day = sent(3, "B1");
    other_day.sent_at = Some(now() + chrono::Duration::days(1));
    let same_anchor = Write::Anchor(Anchor { client_id: Some(client()), seq: 3, hash: [9; 32], at: now() });
    let writes = [insert(other_account), insert(other_leg), insert(other_day), same_anchor];
    assert_eq!(round(&mut store, &writes), Verdict::Done);
}

#[test]
fn a_key_is_known_for_its_own_account_only() {
    let (_directory, mut store) = reopened();
    let other = ordergate_actors::order::ClientId::parse("PAPER2").unwrap();
    assert!(store.signal_by_key(&client(), "k:one").unwrap().is_some());
    assert_eq!(store.signal_by_key(&other, "k:one").unwrap(), None);
    assert_eq!(store.newest_signal_with_prefix(&other, "k:").unwrap(), None);
    let theirs = SignalRow { client_id: other.clone(), ..signal(9, "k:one") };
    assert_eq!(round(&mut store, &[Write::Signal(Arc::new(theirs.clone()))]), Verdict::Done);
    assert_eq!(store.signal_by_key(&other, "k:one").unwrap(), Some(theirs));
    assert_eq!(store.signal_by_key(&client(), "k:one").unwrap(), Some(signal(1, "k:one")));
}

#[test]
fn an_update_that_takes_anothers_broker_number_is_refused_alone() {
    let (_directory, mut store) = reopened();
    assert_eq!(round(&mut store, &[insert(order(2))]), Verdict::Done);
    assert_eq!(round(&mut store, &[update(sent(2, "B1"))]), Verdict::Refused("orders"));
    assert_eq!(store.order(&client(), order(2).command_id).unwrap(), Some(order(2)));
}

#[test]
fn an_update_of_an_order_that_is_not_there_halts() {
    let (_directory, mut store) = reopened();
    store.begin().unwrap();
    assert!(store.unit(&[update(order(77))]).is_err());
    assert!(store.commit().unwrap_err().to_string().contains("halted"));
}

#[test]
fn a_unit_outside_a_round_is_an_error() {
    let (_directory, mut store) = reopened();
    assert!(store.unit(&[insert(order(5))]).is_err());
}

#[test]
fn the_keys_of_two_signals_sort_by_time_within_a_body() {
    let (_directory, mut store) = reopened();
    let body = "b:".to_owned() + &"ab".repeat(32) + ":";
    for (number, micros) in [(10, 5), (11, 30), (12, 200)] {
        let row = signal(number, &format!("{body}{micros:020}"));
        assert_eq!(round(&mut store, &[Write::Signal(Arc::new(row))]), Verdict::Done);
    }
    let newest = store.newest_signal_with_prefix(&client(), &body).unwrap().unwrap();
    assert_eq!(newest.signal_id, order(12).signal_id);
    assert_eq!(store.newest_signal_with_prefix(&client(), "b:00").unwrap(), None);
    assert_eq!(store.newest_signal_with_prefix(&client(), "").unwrap().unwrap().idempotency_key, "k:one");
    assert_eq!(store.signal_by_key(&client(), "k:one").unwrap(), Some(signal(1, "k:one")));
}

/// Another program that waits for the lock of the database does not get it in the middle of a round: the round would end there.
#[test]
fn a_refusal_at_the_head_of_a_round_does_not_give_the_lock_away() {
    let (directory, mut store) = reopened();
    let other = Connection::open(directory.path().join("orders.db")).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    let reader = Connection::open(directory.path().join("orders.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let orders = "SELECT COUNT(*) FROM orders";
    let seen: i64 = reader.query_row(orders, [], |row| row.get(0)).unwrap();

    store.begin().unwrap();
    // It stands in this transaction and in no other: between ROLLBACK and BEGIN the lock would be free.
    store.connection().execute("INSERT INTO meta (key, value) VALUES ('of_this_round', '1')", []).unwrap();
    for of in 200..203 {
        let taken = Write::Signal(Arc::new(signal(of, "k:one")));
        assert_eq!(store.unit(&[insert(order(of)), taken]).unwrap(), Verdict::Refused("signals"));
        assert!(other.execute_batch("BEGIN IMMEDIATE").is_err(), "the lock is the round's");
    }
    assert_eq!(store.unit(&[insert(order(100))]).unwrap(), Verdict::Done);
    store.commit().unwrap();
    let stands = "SELECT COUNT(*) FROM meta WHERE key = 'of_this_round'";
    assert_eq!(store.connection().query_row(stands, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "the round was begun anew");
    other.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
    assert!(store.order(&client(), order(100).command_id).unwrap().is_some());
    assert_eq!(reader.query_row(orders, [], |row| row.get::<_, i64>(0)).unwrap(), seen, "a reader saw none of it");
}
