//! A copy that is not made leaves nothing, and takes no room that orders need.

use std::fs::File;
use std::time::{Duration, SystemTime};

use crate::store::fixtures::now;
use crate::store::{BackupError, ReadStore, SqliteStore};

#[test]
fn a_copy_without_room_is_not_made_and_leaves_nothing() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let store = ReadStore::open(directory.path()).unwrap();
    let to = target.path().join("orders.db");
    let refused = store.backup(&to, u64::MAX / 2).unwrap_err();
    assert!(matches!(refused, BackupError::NoRoom { size, .. } if size > 0) && refused.may_heal(), "{refused}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "{refused}");
    store.backup(&to, 0).unwrap();
}

#[test]
fn what_a_killed_copy_left_is_removed_by_a_later_one_and_nothing_else_is() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let made = |name: &str, at: SystemTime| File::create(target.path().join(name)).unwrap().set_modified(at).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    made("orders-1.db.partial", long_ago);
    made("orders-1.db.partial-journal", long_ago);
    made("orders-2.db", long_ago);
    made("letter.txt.partial", long_ago);
    // Another copy that is being made.
    File::create(target.path().join("orders-3.db.partial")).unwrap();
    ReadStore::open(directory.path()).unwrap().backup(&target.path().join("orders-4.db"), 0).unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["letter.txt.partial", "orders-2.db", "orders-3.db.partial", "orders-4.db"]);
}
