//! A gateway in front of the broker that is in trouble: what it answers to a read is no book. The bytes go through the reader
//! that a Noren broker's answers go through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::noren::wire::{FieldError, Fields, ListReply};
use ordergate_actors::ports::Snapshot;
use parking_lot::Mutex;

/// What comes instead of a book: the status and the body.
const ANSWERS: [(u16, &str); 4] = [
    (200, "<html><body>The service is being maintained.</body></html>"),
    (200, r#"[{"stat":"Ok","norenordno":"26112000000001","tsym":"SB"#),
    (200, ""),
    (502, "<html><head><title>502 Bad Gateway</title></head></html>"),
];

/// It outlives the engine's processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gateway(Arc<Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    until: Mutex<Option<DateTime<Utc>>>,
    answers: AtomicUsize,
}

impl Gateway {
    /// It is in trouble for so long.
    pub(crate) fn fails(&self, now: DateTime<Utc>, time: Duration) {
        *self.0.until.lock() = Some(now + TimeDelta::from_std(time).unwrap());
    }

    /// Its trouble is over.
    pub(crate) fn heals(&self) {
        *self.0.until.lock() = None;
    }

    /// What a reader makes of its answer, while it is in trouble.
    pub(crate) fn answer<T>(&self, now: DateTime<Utc>) -> Option<Snapshot<T>> {
        let is_in_trouble = self.0.until.lock().is_some_and(|until| now < until);
        is_in_trouble.then(|| {
            let (status, body) = ANSWERS[self.0.answers.fetch_add(1, Ordering::Relaxed) % ANSWERS.len()];
            let no_row = |_: &Fields| Err(FieldError::Missing { field: "norenordno" });
            ListReply::read(status, body.as_bytes()).into_snapshot(no_row)
        })
    }
}

#[test]
fn what_a_gateway_answers_proves_no_book() {
    let gateway = Gateway::default();
    let now = ordergate_actors::testkit::morning();
    gateway.fails(now, Duration::from_secs(1));
    for _ in ANSWERS {
        assert!(matches!(gateway.answer::<()>(now), Some(Snapshot::Unknown(_))));
    }
    assert_eq!(gateway.answer::<()>(now + TimeDelta::seconds(1)), None);
}
