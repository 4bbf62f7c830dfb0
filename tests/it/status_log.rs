//! What the application log says of a day.

use std::io;
use std::sync::Arc;

use ordergate::status_log::StatusLog;
use ordergate_actors::order::{Side, Tag};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::book::{Book, a_day};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Buffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The lines that a ledger with the log leaves.
fn logged(work: impl FnOnce(&mut Book)) -> Vec<Value> {
    crate::support::listen_everywhere();
    let directory = tempfile::tempdir().unwrap();
    let buffer = Buffer::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(buffer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut book = Book::open(directory.path(), vec![Box::new(StatusLog::default())]);
        work(&mut book);
        book.close();
    });
    let text = String::from_utf8(buffer.0.lock().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn every_status_change_is_said_once_under_a_stable_name() {
    let mut orders = Vec::new();
    let lines = logged(|book| orders = a_day(book));
    let changes = |order: usize| -> Vec<(String, String)> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        of(&lines, "order_status_changed")
            .into_iter()
            .filter(|line| line["command_id"] == json!(orders[order].to_string()))
            .map(|line| (text(line, "from"), text(line, "to")))
            .collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    assert_eq!(changes(0), pairs(&[("CREATED", "SENT_TO_BROKER"), ("SENT_TO_BROKER", "PARTIAL"), ("PARTIAL", "EXECUTED")]));
    assert_eq!(changes(1), pairs(&[("CREATED", "FAILED")]));
    assert_eq!(changes(2), pairs(&[("CREATED", "SENT_TO_BROKER"), ("SENT_TO_BROKER", "FAILED")]));
    let accepted = of(&lines, "broker_accepted");
    assert_eq!(accepted.len(), 2);
    assert_eq!(
        (&accepted[0]["broker_order_id"], &accepted[0]["message"]),
        (&json!("B1"), &json!("broker returned order number B1 for RELIANCE-EQ"))
    );
    let queued = of(&lines, "basket_queued");
    assert_eq!((queued.len(), &queued[0]["message"]), (5, &json!("WEBHOOK INTENT | 1 order queued")));
}

#[test]
fn a_loss_breach_is_said_with_its_numbers_and_repeats_are_folded() {
    let lines = logged(|book| {
        for _ in 0..20 {
            let order = book.create("SBIN-EQ", Some(Side::Buy), None);
            book.refuse(order, Tag::RiskLimitsExceeded, "risk.daily_loss", "the day stands at -499.00 rupees", "above -15.00 rupees");
        }
    });
    let breaches = of(&lines, "max_loss_breach");
    assert_eq!(breaches.len(), 1, "the refusals themselves are said one by one, the breach once");
    assert_eq!(breaches[0]["message"], "Max loss breach detected | pnl=-499.00 | max_loss=-15.00");
    assert_eq!((&breaches[0]["pnl"], &breaches[0]["max_loss"]), (&json!("-499.00"), &json!("-15.00")));
    assert_eq!(of(&lines, "order_status_changed").len(), 20);
}

#[test]
fn an_exit_of_nothing_is_said() {
    let lines = logged(|book| {
        let order = book.create("SBIN-EQ", None, None);
        book.refuse(order, Tag::NoPosition, "risk.position", "0", "more than 0");
    });
    assert_eq!(of(&lines, "exit_without_position")[0]["message"], "EXIT without eligible positions | trend SBIN-EQ");
}
