//! Databases that exist already: made by an earlier build of this schema, by a later one, by another one.

use ordergate_actors::order::Status;
use ordergate_actors::ports::Store;
use rusqlite::Connection;

use crate::store::fixtures::now;
use crate::store::schema::migrations;
use crate::store::{OpenError, ReadStore, SqliteStore, VerifyFrom};

/// What databases were made with. A step that stands here is never touched again, its comments neither: a change is the next
/// `V<number>__<name>.sql`, with a line of its own here.
const FROZEN: [(&str, u64); 1] = [("V1__initial", 11_548_794_043_480_483_633)];

/// A database of the first schema, as an engine on paper left it (`.dump`): an entry with its exit, one that is held under an exit rule,
/// three refusals, a kill that was lifted.
const OF_V1: &str = include_str!("v1.sql");

fn made_of(sql: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    Connection::open(directory.path().join("orders.db")).unwrap().execute_batch(sql).unwrap();
    directory
}

#[test]
fn a_step_that_has_made_databases_stays_as_it_is() {
    let known: Vec<_> = migrations().iter().map(|step| (step.to_string(), step.checksum())).collect();
    let frozen = FROZEN.map(|(name, checksum)| (name.to_owned(), checksum));
    assert_eq!(known, frozen, "a step that stands in FROZEN was changed: take that back and write the next one");
}

#[test]
fn a_database_of_the_first_schema_opens_loads_and_verifies() {
    let directory = made_of(OF_V1);
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    assert_eq!(store.damage(), None);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.tag_prefix.len(), 4);
    let head = loaded.accounts.iter().find(|head| head.client_id.as_str() == "PAPER1").unwrap();
    assert!(head.orders.iter().any(|order| order.status == Status::Executed && order.average_price.is_some()));
    assert!(head.orders.iter().any(|order| order.status == Status::Failed && order.tag.is_some()));
    assert!(!head.holdings.is_empty() && !loaded.kept.is_empty());
    let control: ordergate_actors::persistence::Control = serde_json::from_str(head.control.as_deref().unwrap()).unwrap();
    assert!(control.at.is_some());
    for report in store.verify(VerifyFrom::Full).unwrap() {
        assert!(report.is_sound() && report.rows > 0, "{report:?}");
    }
    assert!(store.day(&head.client_id, "2026-01-01".parse().unwrap()).unwrap().len() > 1);
    store.close().unwrap();
    drop(store);
    assert!(ReadStore::open(directory.path()).unwrap().load().is_ok());
}

/// Whatever made a file, what stands in it is the same afterwards.
#[test]
fn an_old_database_becomes_what_a_new_one_is() {
    let (old, new) = (made_of(OF_V1), tempfile::tempdir().unwrap());
    let [old, new] = [old, new].map(|directory| {
        let store = SqliteStore::in_directory(directory.path(), now()).unwrap();
        let sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name";
        let mut rows = store.connection().prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        rows.query_map([], row).unwrap().collect::<rusqlite::Result<Vec<(String, Option<String>)>>>().unwrap()
    });
    assert_eq!(old, new);
}

#[test]
fn older_newer_and_other_schemas_are_told_apart_and_left_as_they_are() {
    let later = "INSERT INTO refinery_schema_history VALUES (2, 'note', '2027-01-01T00:00:00Z', '1')";
    let other = "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1";
    for (change, words) in [
        (later, "the schema of a newer ordergate: V2__note is not known here"),
        (other, "made by a build whose V1__initial is another one"),
    ] {
        let directory = made_of(&format!("{OF_V1};{change}"));
        let file = || std::fs::read(directory.path().join("orders.db")).unwrap();
        let before = file();
        let refusals = [SqliteStore::in_directory(directory.path(), now()).unwrap_err(), ReadStore::open(directory.path()).unwrap_err()];
        for refusal in refusals {
            assert!(refusal.to_string().contains(words) && !refusal.may_heal(), "{refusal}");
        }
        assert!(file() == before, "{words}: the file was changed");
    }
    let directory = made_of(&format!("{OF_V1};DELETE FROM refinery_schema_history"));
    let refusal = ReadStore::open(directory.path()).unwrap_err();
    assert!(matches!(&refusal, OpenError::OlderSchema { found } if found == "nothing"), "{refusal}");
}
