//! Where the time of an order goes, by the times of its own journal rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::store::ReadStore;
use ordergate_actors::order::{ClientId, CommandId};

use super::stats::at;

/// From one event to the next.
const STAGES: [(&str, &str, &str); 3] = [
    ("registered to sent", "INTENT_CREATED", "SENT_TO_BROKER"),
    ("sent to the broker's number", "SENT_TO_BROKER", "BROKER_CONFIRMED"),
    ("the broker's number to the first fill", "BROKER_CONFIRMED", "FILL"),
];

/// Prints percentiles of each stage over the whole journal.
pub(crate) fn print(data: &Path) {
    let store = ReadStore::open(data).unwrap();
    let mut seen: BTreeMap<CommandId, BTreeMap<String, DateTime<Utc>>> = BTreeMap::new();
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for row in store.journal(Some(&ClientId::parse("PAPER1").unwrap()), 0, u64::MAX) {
        let row = row.unwrap();
        let Some(command) = row.command_id else { continue };
        let events = seen.entry(command).or_default();
        if events.contains_key(&*row.event) {
            continue;
        }
        events.insert(row.event.to_string(), row.at);
        for (stage, from, to) in STAGES {
            let since = events.get(from).filter(|_| to == &*row.event);
            if let Some(time) = since.and_then(|since| row.at.signed_duration_since(*since).to_std().ok()) {
                times.entry(stage).or_default().push(time);
            }
        }
    }
    for (stage, _, _) in STAGES {
        let times = times.get(stage).map_or(&[][..], Vec::as_slice);
        let ms = |percentile| at(times, percentile) / 1e3;
        println!("{stage:<40} p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms ({})", ms(50.0), ms(99.0), ms(100.0), times.len());
    }
    println!();
}
