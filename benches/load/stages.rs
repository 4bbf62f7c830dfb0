//! Where the time of an order goes, by the times of its own journal rows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::store::ReadStore;
use ordergate_actors::order::{ClientId, CommandId};

use super::stats::at;

/// From one event to the next.
const STAGES: [(&str, &str, &str); 3] = [
    ("registered to sent", "INTENT_CREATED", "SENT_TO_BROKER"),
    ("sent to number", "SENT_TO_BROKER", "BROKER_CONFIRMED"),
    ("number to first fill", "BROKER_CONFIRMED", "FILL"),
];

/// How long each stage took.
#[derive(Debug, Default)]
pub(crate) struct Times(pub(crate) [Vec<Duration>; STAGES.len()]);

impl Times {
    pub(crate) fn add(&mut self, more: Self) {
        for (all, more) in self.0.iter_mut().zip(more.0) {
            all.extend(more);
        }
    }

    /// Each stage's name and its 99th percentile, microseconds.
    pub(crate) fn slowest(&self) -> impl Iterator<Item = (&'static str, f64)> {
        STAGES.iter().zip(&self.0).map(|((name, ..), times)| (*name, at(times, 99.0)))
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, ((name, ..), times)) in STAGES.iter().zip(&self.0).enumerate() {
            let (ms, between) = (|percentile| at(times, percentile) / 1e3, if place == 0 { "" } else { "; " });
            write!(f, "{between}{name} p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", ms(50.0), ms(99.0), ms(100.0))?;
        }
        Ok(())
    }
}

/// Follows the journal: each row is read once.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    after: u64,
    under_way: BTreeMap<CommandId, BTreeMap<String, DateTime<Utc>>>,
}

impl Stages {
    /// What has come since the last time.
    pub(crate) fn read(&mut self, data: &Path) -> Times {
        let store = ReadStore::open(data).unwrap();
        let mut times = Times::default();
        for row in store.journal(Some(&ClientId::parse("PAPER1").unwrap()), self.after, u64::MAX) {
            let row = row.unwrap();
            self.after = row.seq;
            let Some(command) = row.command_id else { continue };
            let events = self.under_way.entry(command).or_default();
            if events.contains_key(&*row.event) {
                continue;
            }
            events.insert(row.event.to_string(), row.at);
            for ((_, from, to), times) in STAGES.iter().zip(&mut times.0) {
                let since = events.get(*from).filter(|_| *to == &*row.event);
                times.extend(since.and_then(|since| row.at.signed_duration_since(*since).to_std().ok()));
            }
            if matches!(&*row.event, "FILL" | "REFUSED") {
                self.under_way.remove(&command);
            }
        }
        times
    }
}
