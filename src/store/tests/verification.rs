//! A chain that was tampered with is noticed, wherever it was touched.

use ordergate_actors::order::{BookState, Side};
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::ports::{JournalRow, Store, Write};
use ordergate_actors::testkit::ManualClock;

use crate::store::fixtures::desk::{Desk, fact, page, sends, shows};
use crate::store::fixtures::{client, journal_after, now, order, round};
use crate::store::{AcceptError, ChainReport, JournalRows, SqliteStore, VerifyFrom, accept};

/// Orders that were each created, sent and executed: three rows an order.
fn anchored(orders: u64) -> (SqliteStore, Vec<JournalRow>) {
    let mut desk = Desk::new();
    for number in 1..=orders {
        let signal = desk.signal(&[number], |_| ());
        let broker_id = format!("B{number}");
        desk.round(vec![signal, sends(number, Side::Buy, 10), fact(number, shows(&broker_id, BookState::Complete, 10))]);
    }
    let store = SqliteStore::simulated(&desk.close(), now()).unwrap();
    let rows = JournalRows::new(store.connection(), client().as_str(), 0, u64::MAX).collect::<Result<_, _>>().unwrap();
    (store, rows)
}

fn verify(store: &SqliteStore, from: VerifyFrom) -> ChainReport {
    let mut reports = store.verify(from).unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn after(sql: &str) -> (ChainReport, ChainReport) {
    let (store, _) = anchored(4);
    store.connection().execute_batch(sql).unwrap();
    (verify(&store, VerifyFrom::Start), verify(&store, VerifyFrom::LastAnchor))
}

#[test]
fn an_untouched_chain_verifies_from_the_start_and_from_its_anchor() {
    let (mut store, rows) = anchored(400);
    let whole = verify(&store, VerifyFrom::Start);
    assert!(whole.is_sound(), "{whole:?}");
    assert_eq!((whole.rows, whole.head_seq, whole.chain), (1_200, 1_200, Some(client())));
    let head = rows.last().unwrap();
    assert_eq!(whole.head_hash, row_hash(head).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let more = journal_after(Some(head), &order(400), None);
    let more = JournalRow { to: None, ..more };
    round(&mut store, &[Write::Journal(std::sync::Arc::new(more.clone()))]);
    let tail = verify(&store, VerifyFrom::LastAnchor);
    assert!(tail.is_sound(), "{tail:?}");
    assert_eq!((tail.rows, tail.head_seq), (2, 1_201));
    assert_eq!(store.load().unwrap().heads, [more]);
}

#[test]
fn a_changed_row_is_found() {
    let (whole, _) = after("UPDATE journal SET reason = 'another' WHERE seq = 5");
    assert_eq!(whole.first_broken.unwrap().0, 6);
    let (_, tail) = after("UPDATE journal SET inputs = inputs || ' ' WHERE seq = 12");
    assert_eq!(tail.first_broken.unwrap().0, 12);
}

#[test]
fn another_spelling_of_the_same_value_is_a_change_too() {
    for change in
        ["at = '2026-11-20T04:00:00Z'", "to_status = 'sent_to_broker'", "command_id = '{' || command_id || '}'", "prev_hash = x'00'"]
    {
        let (whole, _) = after(&format!("UPDATE journal SET {change} WHERE seq = 5"));
        let (seq, why) = whole.first_broken.unwrap_or_else(|| panic!("{change} went unnoticed"));
        assert!(seq == 5 || seq == 6, "{change}: {seq} {why}");
    }
}

#[test]
fn a_deleted_row_is_found() {
    let (whole, _) = after("DELETE FROM journal WHERE seq = 5");
    let (seq, why) = whole.first_broken.unwrap();
    assert!(seq == 5 && why.contains("missing"), "{why}");
    let (whole, _) = after("DELETE FROM journal WHERE seq = 1");
    assert_eq!(whole.first_broken.unwrap().0, 1);
}

#[test]
fn two_swapped_rows_are_found() {
    let (whole, _) = after(
        "UPDATE journal SET seq = -5 WHERE seq = 5; UPDATE journal SET seq = 5 WHERE seq = 6; UPDATE journal SET seq = 6 WHERE seq = -5",
    );
    assert_eq!(whole.first_broken.unwrap().0, 5);
}

#[test]
fn a_tail_cut_off_before_an_anchor_is_found() {
    let (whole, tail) = after("DELETE FROM journal WHERE seq > 10");
    for report in [whole, tail] {
        let (_, why) = report.first_broken.unwrap();
        assert!(why.contains("12") && why.contains("missing"), "{why}");
    }
    let (whole, _) = after("DELETE FROM journal");
    assert!(whole.first_broken.is_some());
}

/// Behind the last anchor, and where the anchors are gone too, the tables tell what is missing.
#[test]
fn rows_that_the_tables_were_made_of_are_missed() {
    for change in ["DELETE FROM anchors; DELETE FROM journal WHERE seq > 10", "DELETE FROM anchors; DELETE FROM journal"] {
        let (whole, tail) = after(change);
        for report in [whole, tail] {
            let (_, why) = report.first_broken.unwrap_or_else(|| panic!("{change}"));
            assert!(why.contains("of which the tables were made"), "{change}: {why}");
        }
    }
}

#[test]
fn a_rewritten_chain_contradicts_its_anchor() {
    let (whole, tail) = after("UPDATE anchors SET hash = zeroblob(32)");
    assert_eq!(whole.first_broken.unwrap().0, 12);
    assert_eq!(tail.first_broken.unwrap().0, 12);
}

#[test]
fn an_order_that_differs_from_its_journal_is_named() {
    let (whole, _) = after("UPDATE orders SET status = 'FAILED' WHERE number = 2");
    assert!(whole.first_broken.is_none() && !whole.is_sound());
    assert_eq!(whole.differences.len(), 1);
    let difference = &whole.differences[0];
    assert_eq!((difference.row.as_str(), difference.column.as_str()), (order(2).command_id.to_string().as_str(), "status"));
    assert_eq!((difference.in_table.as_str(), difference.in_journal.as_str()), ("FAILED", "EXECUTED"));
}

/// How many anchors there are, and the last row that one wrote down.
fn anchors(store: &SqliteStore) -> (i64, i64) {
    let sql = "SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM anchors";
    store.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn a_long_chain_is_anchored_at_each_ten_thousand_rows_and_not_anew_by_each_process() {
    let mut desk = Desk::new();
    desk.round((0..10_000).map(|number| page(None, &format!("page {number}"))).collect());
    assert_eq!(anchors(&desk.store()), (1, 10_000));
    let mut next = Desk::on(desk.crash());
    next.round(vec![page(None, "one more")]);
    assert_eq!(anchors(&next.store()), (1, 10_000), "the process before has anchored it");
}

#[test]
fn a_long_chain_that_did_not_verify_is_not_anchored_over() {
    let mut desk = Desk::new();
    desk.round((0..9_999).map(|number| page(None, &format!("page {number}"))).collect());
    let mut next = Desk::on(desk.crash());
    next.unsound();
    next.round(vec![page(None, "row 10,000")]);
    assert_eq!(anchors(&next.store()), (0, 0));
    assert_eq!(anchors(&SqliteStore::simulated(&next.close(), now()).unwrap()), (0, 0), "at the end neither");
}

#[test]
fn a_person_accepts_what_differs_and_the_next_start_is_sound() {
    let mut desk = Desk::new();
    let signal = desk.signal(&[1], |_| ());
    desk.round(vec![signal, sends(1, Side::Buy, 10)]);
    let disk = desk.crash();
    let open = || SqliteStore::simulated(&disk, now()).unwrap();
    let accepts = || accept(open(), ManualClock::at(now()), Some(&client()), "asha", "looked at the broker's book");
    assert!(matches!(accepts(), Err(AcceptError::Sound(_))), "nothing differs");
    open().connection().execute_batch("UPDATE orders SET status = 'FAILED' WHERE number = 1").unwrap();
    assert!(!verify(&open(), VerifyFrom::LastAnchor).is_sound());

    let accepted = accepts().unwrap();
    assert!(accepted.len() == 1 && accepted[0].contains("FAILED"), "{accepted:?}");
    let mut store = open();
    assert!(verify(&store, VerifyFrom::LastAnchor).is_sound());
    assert!(!verify(&store, VerifyFrom::Full).is_sound(), "it is not forgotten");
    let row = store.load().unwrap().heads.remove(0);
    assert_eq!((&*row.event, &*row.who, row.reason.as_deref()), ("JOURNAL_ACCEPTED", "asha", Some("looked at the broker's book")));
    assert_eq!(anchors(&store), (1, i64::try_from(row.seq).unwrap()));
}

#[test]
fn a_changed_row_cannot_be_accepted() {
    let (store, _) = anchored(2);
    store.connection().execute_batch("UPDATE journal SET reason = 'another' WHERE seq = 6").unwrap();
    let refused = accept(store, ManualClock::at(now()), Some(&client()), "asha", "never mind");
    assert!(matches!(refused, Err(AcceptError::Broken { seq: 6, .. })), "{refused:?}");
}

#[test]
fn more_differences_than_are_named_are_said_to_be_there() {
    let mut desk = Desk::new();
    for number in 1..=120 {
        let signal = desk.signal(&[number], |_| ());
        desk.round(vec![signal, sends(number, Side::Buy, 10)]);
    }
    let disk = desk.crash();
    let open = || SqliteStore::simulated(&disk, now()).unwrap();
    let change =
        |up_to: u32| open().connection().execute_batch(&format!("UPDATE orders SET status = 'FAILED' WHERE number <= {up_to}")).unwrap();
    change(99);
    for from in [VerifyFrom::Start, VerifyFrom::LastAnchor, VerifyFrom::Full] {
        let report = verify(&open(), from);
        assert_eq!((report.differences.len(), report.may_differ_elsewhere()), (99, false), "{from:?}");
    }
    change(120);
    for from in [VerifyFrom::Start, VerifyFrom::LastAnchor, VerifyFrom::Full] {
        let report = verify(&open(), from);
        assert_eq!((report.differences.len(), report.may_differ_elsewhere()), (100, true), "{from:?}");
    }
    let accepted = accept(open(), ManualClock::at(now()), Some(&client()), "asha", "looked at the broker's book").unwrap();
    assert_eq!((accepted.len(), accepted[100].as_str()), (101, "and perhaps more: as many are named as ever are"));
}
