//! The intent log: what it says, and that the journal makes it again to the byte.

use std::path::Path;

use ordergate::intent_log::{IntentLog, path, rebuild};
use ordergate::status_log::StatusLog;
use ordergate_actors::order::{BookState, Side};
use ordergate_actors::persistence::{Event, Listener};
use serde_json::{Value, json};

use crate::book::{Book, a_day};

fn lines(logs: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path(logs)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A directory, its logs, and a day written with the log listening.
fn day_with_log() -> (tempfile::TempDir, std::path::PathBuf, Book) {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    // The log opens the database, so that must be there first.
    Book::open(directory.path(), Vec::new()).close();
    let (log, thread) = IntentLog::start(&logs, directory.path()).unwrap();
    let mut book = Book::open(directory.path(), vec![Box::new(log), Box::new(StatusLog::default())]);
    a_day(&mut book);
    let seen = std::sync::Arc::clone(&book.seen);
    book.close();
    thread.join();
    let mut again = Book::open_with_seed(directory.path(), Vec::new(), 2);
    again.seen = seen;
    (directory, logs, again)
}

#[test]
fn every_step_has_a_line_with_the_seeds_stages_and_the_rows_of_the_ledger() {
    let (_directory, logs, book) = day_with_log();
    let lines = lines(&logs);
    let stages = |command: &Value| -> Vec<String> {
        lines.iter().filter(|line| line["command_id"] == *command).map(|line| line["stage"].as_str().unwrap().to_owned()).collect()
    };
    let first = &lines[0]["command_id"];
    assert_eq!(stages(first), ["INTENT_CREATED", "SENT_TO_BROKER", "BROKER_CONFIRMED", "DB_WRITE", "ERROR", "EXECUTED"]);
    // Every line agrees with the order's row after the same journal row.
    let events = book.seen.lock().clone();
    let mut compared = 0;
    for event in events.iter() {
        let Some(record) = &event.record else { continue };
        let line = lines.iter().find(|line| line["seq"] == json!(event.row.seq)).unwrap();
        assert_eq!(line["status"], json!(record.status), "{line}");
        assert_eq!(line["symbol"], json!(record.ask.symbol), "{line}");
        // A refused order keeps what could be read of it, and so does the line.
        assert_eq!(line["side"], json!(record.ask.side), "{line}");
        assert_eq!(line["quantity"], json!(record.ask.quantity), "{line}");
        assert_eq!(line["order_type"], json!(record.ask.order_type), "{line}");
        assert_eq!(line["broker_order_id"], json!(record.broker_order_id), "{line}");
        assert_eq!(line["filled_qty"], json!(record.filled_quantity), "{line}");
        assert_eq!(line["avg_price"], json!(record.average_price), "{line}");
        assert_eq!(line["tag"], json!(record.tag), "{line}");
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
    assert_eq!(book.records().len(), compared);
}

#[test]
fn a_rebuild_is_the_same_to_the_byte() {
    let (directory, logs, book) = day_with_log();
    book.close();
    let live = std::fs::read(path(&logs)).unwrap();
    std::fs::remove_file(path(&logs)).unwrap();
    let count = rebuild(&logs, directory.path()).unwrap();
    let rebuilt = std::fs::read(path(&logs)).unwrap();
    assert_eq!(String::from_utf8_lossy(&rebuilt), String::from_utf8_lossy(&live));
    assert_eq!(rebuilt.iter().filter(|byte| **byte == b'\n').count() as u64, count);
}

#[test]
fn a_start_writes_what_an_earlier_process_left_out_and_cuts_a_torn_line() {
    let (directory, logs, mut book) = day_with_log();
    let before = std::fs::read(path(&logs)).unwrap();
    // Nobody listens: these rows are in the journal only.
    let missed = book.create("SBIN-EQ", Some(Side::Buy), None);
    book.send(missed, 10);
    book.close();
    // And a crash has torn the last line.
    std::fs::write(path(&logs), &before[..before.len() - 20]).unwrap();

    let (log, thread) = IntentLog::start(&logs, directory.path()).unwrap();
    let mut book = Book::open_with_seed(directory.path(), vec![Box::new(log)], 3);
    book.accept(missed, "B9");
    book.book(missed, "B9", BookState::Complete, 10, Some("99"));
    book.close();
    thread.join();

    let live = std::fs::read(path(&logs)).unwrap();
    rebuild(&logs, directory.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&live), String::from_utf8_lossy(&std::fs::read(path(&logs)).unwrap()));
    let last = lines(&logs).pop().unwrap();
    assert_eq!((&last["stage"], &last["symbol"], &last["avg_price"]), (&json!("EXECUTED"), &json!("SBIN-EQ"), &json!("99")));
}

/// The logs stand elsewhere than the data, and a backup of an earlier hour is put in the place of that.
#[test]
fn the_log_of_another_journal_stands_aside_and_a_new_one_lacks_nothing() {
    let (_old, logs, book) = day_with_log();
    book.close();
    let before = std::fs::read(path(&logs)).unwrap();
    let restored = tempfile::tempdir().unwrap();
    let mut book = Book::open(restored.path(), Vec::new());
    let early = book.create("INFY-EQ", Some(Side::Buy), None);
    book.close();
    let (log, thread) = IntentLog::start(&logs, restored.path()).unwrap();
    let mut book = Book::open_with_seed(restored.path(), vec![Box::new(log)], 3);
    book.send(early, 10);
    book.close();
    thread.join();
    let live = std::fs::read(path(&logs)).unwrap();
    let stages: Vec<Value> = lines(&logs).into_iter().map(|line| line["stage"].clone()).collect();
    assert!(stages.contains(&json!("INTENT_CREATED")) && stages.contains(&json!("SENT_TO_BROKER")), "{stages:?}");
    assert_eq!(std::fs::read(path(&logs).with_added_extension("1")).unwrap(), before, "nothing of the old one is lost");
    rebuild(&logs, restored.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&live), String::from_utf8_lossy(&std::fs::read(path(&logs)).unwrap()));
}

/// A channel that was full now and then: two of three rows never reach the thread.
struct Lossy(IntentLog, usize);

impl Listener for Lossy {
    fn committed(&mut self, events: &[Event]) {
        for event in events {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                self.0.committed(std::slice::from_ref(event));
            }
        }
    }
}

#[test]
fn rows_that_were_dropped_are_read_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    Book::open(directory.path(), Vec::new()).close();
    let (log, thread) = IntentLog::start(&logs, directory.path()).unwrap();
    let mut book = Book::open(directory.path(), vec![Box::new(Lossy(log, 0))]);
    a_day(&mut book);
    let rows = book.seen.lock().len();
    book.close();
    thread.join();
    let (live, reached) = (std::fs::read_to_string(path(&logs)).unwrap(), lines(&logs).last().unwrap()["seq"].as_u64().unwrap());
    assert!(reached as usize + 3 > rows, "{reached} of {rows}");
    rebuild(&logs, directory.path()).unwrap();
    let whole = std::fs::read_to_string(path(&logs)).unwrap();
    assert!(whole.starts_with(&live) && live.lines().count() > 15, "{live}");
}
