//! Opening: who may, on what, and what is kept over a restart.

use std::sync::Arc;

use ordergate_actors::ports::{Begun, Store, Verdict, Write};
use refinery::{Migration, Runner};
use rusqlite::{Connection, StatementStatus};

use crate::marks::Mark;
use crate::store::fixtures::{client, insert, now, order, round, signal};
use crate::store::{Binding, OpenError, Options, ReadStore, SqliteStore, VerifyFrom};

#[test]
fn production_runs_on_wal_with_every_commit_synced() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Options { ballast_bytes: 4096, ..Options::at(now()) }).unwrap();
    let pragma = |name: &str| -> String {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0).map(|value| format!("{value:?}"));
        store.connection().pragma_query_value(None, name, read).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
    assert_eq!(pragma("temp_store"), "Integer(2)", "a unit that grows makes no file beside the data directory");
    assert!(store.free_space().is_some());
    assert!(directory.path().join("ballast").exists());
}

/// SQLite plans a statement anew whenever a value is bound that its planner would like to have known.
#[test]
fn no_statement_is_planned_anew_for_other_values() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    for newest in [1, 100, 10_000] {
        let mut statement = store.connection().prepare_cached("SELECT number FROM orders ORDER BY number DESC LIMIT ?1").unwrap();
        assert!(statement.query([newest]).unwrap().next().unwrap().is_none());
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{newest}");
    }
}

#[test]
fn a_second_engine_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let refusal = SqliteStore::in_directory(directory.path(), now()).unwrap_err().to_string();
    assert!(refusal.contains("another engine") && refusal.contains("pid"), "{refusal}");
}

#[test]
fn a_foreign_program_with_the_write_lock_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let foreign = Connection::open(directory.path().join("orders.db")).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let Begun::Locked(words) = store.begin().unwrap() else { panic!("the lock is held") };
    assert!(words.contains("database browser"), "{words}");
    // Nothing was written, so nothing is unknown.
    foreign.execute_batch("COMMIT").unwrap();
    assert_eq!(store.begin().unwrap(), Begun::Open);
    store.commit().unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    drop(store);
    let failure = SqliteStore::in_directory(directory.path(), now()).unwrap_err().to_string();
    assert!(failure.contains("database browser"), "{failure}");
}

#[test]
fn the_tag_prefix_is_drawn_once() {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteStore::in_directory(directory.path(), now()).unwrap().load().unwrap().tag_prefix;
    let prefix = open();
    assert!(prefix.len() == 4 && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{prefix}");
    assert_eq!(open(), prefix);
}

#[test]
fn a_directory_belongs_to_its_broker_accounts_and_mode() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let of = |broker: &str, accounts: &[&str], mode: &str| Binding {
        broker: broker.to_owned(),
        accounts: accounts.iter().map(|&name| name.to_owned()).collect(),
        mode: mode.to_owned(),
        traders: std::collections::BTreeMap::new(),
    };
    store.bind(&of("paper", &["A"], "paper")).unwrap();
    store.bind(&of("paper", &["A"], "paper")).unwrap();
    for other in [of("shoonya", &["A"], "paper"), of("paper", &["A"], "live"), of("paper", &["B"], "paper")] {
        assert!(matches!(store.bind(&other), Err(OpenError::BoundElsewhere { .. })), "{other}");
    }
    store.bind(&of("paper", &["B", "A"], "paper")).unwrap();
    assert!(store.bind(&of("paper", &["A"], "paper")).is_err());
    assert_eq!(ReadStore::open(directory.path()).unwrap().binding().unwrap(), Some(of("paper", &["B", "A"], "paper")));
}

#[test]
fn a_live_directory_belongs_to_its_user_at_its_host() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let of = |traders: &[(&str, &str)]| Binding {
        broker: "noren".to_owned(),
        accounts: vec!["A".to_owned()],
        mode: "LIVE".to_owned(),
        traders: traders.iter().map(|&(account, trader)| (account.to_owned(), trader.to_owned())).collect(),
    };
    // From before the users were written down: it takes the first that it sees.
    store.bind(&of(&[])).unwrap();
    store.bind(&of(&[("A", "FA1 at api.one.example")])).unwrap();
    store.bind(&of(&[("A", "FA1 at api.one.example")])).unwrap();
    for other in ["FA2 at api.one.example", "FA1 at api.two.example"] {
        let refusal = store.bind(&of(&[("A", other)])).unwrap_err().to_string();
        assert!(refusal.contains("bound to LIVE noren (A: FA1 at api.one.example)") && refusal.contains(other), "{refusal}");
    }
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE orders (id INTEGER)").unwrap();
    assert!(matches!(SqliteStore::in_directory(directory.path(), now()), Err(OpenError::Foreign)));
    assert!(matches!(ReadStore::open(directory.path()), Err(OpenError::Foreign)));
    std::fs::write(&path, "this is a letter, not a database, and long enough to have a header of a hundred bytes; it really is.").unwrap();
    let failure = SqliteStore::in_directory(directory.path(), now()).unwrap_err();
    assert!(matches!(failure, OpenError::Damaged(_)), "{failure}");
}

#[test]
fn damage_is_found_after_an_unclean_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    for number in 1..=200 {
        round(&mut store, &[insert(order(number))]);
    }
    drop(store);
    let path = directory.path().join("orders.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let failure = SqliteStore::in_directory(directory.path(), now()).unwrap_err();
    assert!(matches!(failure, OpenError::Damaged(_)), "{failure}");
}

/// Breaks the page that leads to a keyed signal, as an end in order leaves the file; answers the refusal of the read that meets it.
fn meets_damage(directory: &std::path::Path) -> String {
    let path = directory.join("orders.db");
    let mut store = SqliteStore::in_directory(directory, now()).unwrap();
    for number in 1..=400 {
        round(&mut store, &[Write::Signal(Arc::new(signal(number, &format!("k:{number}"))))]);
    }
    store.close().unwrap();
    drop(store);
    // A leaf in the middle of the index of the keys, where account and key stand side by side: what a start reads lies elsewhere. The
    // last that has them: the pages above keep what they held before they were divided.
    let mut bytes = std::fs::read(&path).unwrap();
    let page = bytes.windows(11).rposition(|found| found == b"PAPER1k:200").unwrap() / 4096 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    // After an end in order nothing is checked: the start goes well.
    let mut store = SqliteStore::in_directory(directory, now()).unwrap();
    assert!(store.load().is_ok() && store.verify(VerifyFrom::LastAnchor).is_ok());
    let refusal = store.signal_by_key(&client(), "k:200").unwrap_err().to_string();
    drop(store);
    // However the process ended, and however large the file is: nothing of it is checked by itself.
    let db = Connection::open(path).unwrap();
    db.execute("UPDATE meta SET value = '1' WHERE key = 'clean_shutdown'", []).unwrap();
    refusal
}

#[test]
fn a_damaged_page_that_a_run_met_is_looked_for_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("damaged");
    let refusal = meets_damage(directory.path());
    assert!(refusal.contains("malformed") && std::fs::read_to_string(&mark).unwrap().contains("signal_by_key"), "{refusal}");
    for _ in 0..2 {
        let failure = SqliteStore::in_directory(directory.path(), now()).unwrap_err();
        assert!(matches!(&failure, OpenError::Damaged(words) if words.contains("signal_by_key")) && !failure.may_heal(), "{failure}");
    }
    // Without the mark every start goes well, and every run ends at the first alert with a key.
    std::fs::remove_file(&mark).unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert!(store.signal_by_key(&client(), "k:200").is_err() && mark.exists());
}

#[test]
fn a_damaged_page_that_is_not_in_the_file_keeps_nobody_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    drop(SqliteStore::in_directory(directory.path(), now()).unwrap());
    Mark::Damaged.set(directory.path(), "commit: malformed").unwrap();
    drop(SqliteStore::in_directory(directory.path(), now()).unwrap());
    assert_eq!(Mark::Damaged.read(directory.path()), None, "it was looked for once");
}

#[test]
fn a_backup_that_is_opened_is_marked_and_a_new_directory_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteStore::in_directory(directory.path(), now()).map(drop);
    open().unwrap();
    open().unwrap();
    assert_eq!(Mark::Restored.read(directory.path()), None);
    let db = Connection::open(directory.path().join("orders.db")).unwrap();
    db.execute("DELETE FROM meta WHERE key = 'tag_prefix'", []).unwrap();
    // A mark that cannot be set keeps the prefix from being drawn: afterwards nobody could tell.
    std::fs::create_dir(directory.path().join("restored.partial")).unwrap();
    assert!(matches!(open(), Err(OpenError::Directory { .. })));
    std::fs::remove_dir(directory.path().join("restored.partial")).unwrap();
    open().unwrap();
    open().unwrap();
    assert!(Mark::Restored.read(directory.path()).is_some_and(|words| words.contains("backup")), "it stands until it is seen to");
}

#[test]
fn a_later_migration_runs_on_a_file_with_orders_and_an_older_program_then_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert_eq!(round(&mut store, &[insert(order(1))]), Verdict::Done);
    store.close().unwrap();
    drop(store);
    // The same version again changes nothing.
    drop(SqliteStore::in_directory(directory.path(), now()).unwrap());
    let mut db = Connection::open(directory.path().join("orders.db")).unwrap();
    let first = Migration::unapplied("V1__initial", include_str!("../migrations/V1__initial.sql")).unwrap();
    let second = Migration::unapplied("V2__note", "ALTER TABLE orders ADD COLUMN note TEXT;").unwrap();
    Runner::new(&[first, second]).run(&mut db).unwrap();
    let kept: (i64, Option<String>) = db.query_row("SELECT number, note FROM orders", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(kept, (1, None));
    drop(db);
    let failure = SqliteStore::in_directory(directory.path(), now()).unwrap_err();
    assert!(matches!(&failure, OpenError::NewerSchema { found } if found == "V2__note"), "{failure}");
    assert!(matches!(ReadStore::open(directory.path()), Err(OpenError::NewerSchema { .. })));
}
