//! The log of calls, for assertions. Secrets are not in it.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::route::Route;

/// How many calls are remembered.
const KEPT: usize = 100_000;
/// Fields that nobody may read.
const SECRET: [&str; 13] = [
    "pwd",
    "factor2",
    "appkey",
    "jKey",
    "susertoken",
    "accesstoken",
    "checksum",
    "code",
    "refresh_token",
    "access_token",
    "api_key",
    "api_secret",
    "request_code",
];

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRow {
    /// Its number among all calls, from 1.
    pub n: u64,
    /// Its number among the calls of its route, from 1.
    pub of_route: u64,
    /// Simulated time of its arrival.
    pub at: DateTime<Utc>,
    /// The route.
    pub route: &'static str,
    /// `remarks`, if it had any.
    pub tag: Option<String>,
    /// The fields of the body, secrets blotted out.
    pub fields: Map<String, Value>,
    /// What was done: `accepted <number>`, `answered`, `refused: <text>`.
    pub done: String,
    /// The faults that met it.
    pub faults: Vec<Value>,
    /// HTTP status of the answer; 0 when there was none.
    pub status: u16,
    /// The beginning of the answer, or what came instead.
    pub answer: String,
}

/// The newest calls, and counts of all.
#[derive(Debug, Default)]
pub(super) struct Log {
    rows: VecDeque<LogRow>,
    total: u64,
    by_route: BTreeMap<Route, u64>,
    /// Placings that were accepted, by their remarks.
    pub(super) accepted: BTreeMap<String, u64>,
}

impl Log {
    /// Counts an arrival: its number among all, and of its route.
    pub(super) fn arrive(&mut self, route: Route) -> (u64, u64) {
        self.total += 1;
        let of_route = self.by_route.entry(route).or_default();
        *of_route += 1;
        (self.total, *of_route)
    }

    pub(super) fn add(&mut self, row: LogRow) {
        if self.rows.len() == KEPT {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    pub(super) fn rows(&self) -> Vec<LogRow> {
        self.rows.iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.by_route.iter().map(|(route, count)| (route.as_str(), *count)).collect()
    }
}

/// The fields without their secrets.
pub(super) fn redacted(fields: &Map<String, Value>) -> Map<String, Value> {
    let hide = |name: &String, value: &Value| if SECRET.contains(&name.as_str()) { "***".into() } else { value.clone() };
    fields.iter().map(|(name, value)| (name.clone(), hide(name, value))).collect()
}

/// The beginning of an answer without its tokens.
pub(super) fn summary(answer: &Value) -> String {
    let shown = match answer {
        Value::Object(fields) => Value::Object(redacted(fields)),
        other => other.clone(),
    };
    shown.to_string().chars().take(400).collect()
}
