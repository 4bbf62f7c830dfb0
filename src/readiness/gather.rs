//! The shell of the report: asks the connection, the engine and the disk, and judges nothing.

use std::path::Path;

use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::Control;
use ordergate_actors::ports::Session;
use ordergate_actors::{Desk, Engine, EngineError};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::judge::Inputs;
use super::site::Site;
use crate::brokers::connection::ConnectionReport;

/// The alarm of a start that found the journal broken.
const BROKEN: &str = "ALARM_JOURNAL_BROKEN";

/// What a command left behind about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Whether it passed.
    pub passed: bool,
    /// When it ran.
    #[serde(default)]
    pub at: Option<chrono::DateTime<chrono::Utc>>,
    /// What it said.
    #[serde(default)]
    pub text: String,
}

/// What a command left behind, in words for people: passed, failed, or never run.
#[must_use]
pub fn recorded(directory: &Path, file: &str) -> String {
    let read = std::fs::read(directory.join(file)).ok().and_then(|bytes| serde_json::from_slice::<Recorded>(&bytes).ok());
    read.map_or_else(
        || "never run".to_owned(),
        |found| {
            let words = if found.passed { "passed" } else { "FAILED" };
            found.at.map_or_else(|| words.to_owned(), |at| format!("{words} at {}", at.format("%Y-%m-%d %H:%M UTC")))
        },
    )
}

/// Gathers what the report of one account looks at; with the connection's own report, if there is one.
///
/// # Errors
/// There is no such account.
pub async fn gather(engine: &Engine, site: &Site, client_id: &ClientId) -> Result<(Inputs, Option<ConnectionReport>), EngineError> {
    let connected = match site.connections.get(client_id) {
        Some(connection) => Some(connection.report().await),
        None => None,
    };
    let desk = engine.desk(client_id)?;
    let line = engine.line();
    let now = line.clock.now();
    let (control, journal) = engine
        .read(client_id, |book| {
            let broken = book.alarms().find(|alarm| &*alarm.event == BROKEN).map(|alarm| alarm.text.to_string());
            (book.control().clone(), broken)
        })
        .unwrap_or((Control::default(), Some("there is no book of the account".to_owned())));
    let inputs = Inputs {
        needs_arming: desk.needs_arming(),
        session: connected.as_ref().map_or_else(|| session_of(desk), |report| report.session.clone()),
        clock_skew_ms: connected.as_ref().and_then(|report| report.clock_skew_ms),
        max_clock_skew: site.readiness.max_clock_skew,
        address: connected.as_ref().and_then(|report| report.address),
        registered: site.registered.get(client_id).copied(),
        master_age: None,
        max_master_age: site.readiness.max_master_age,
        limits: desk.settings.limits.clone(),
        funds: connected.as_ref().map(|report| report.funds.clone()),
        disk: (line.view.free_space(), line.settings.min_free_bytes),
        calendar: Calendar::of(&site.directory, trading_date(now)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        journal,
        has_alerts: site.alerts.is_some(),
        kill_level: u8::from(control.level),
        is_frozen: control.is_frozen,
        standing: desk.standing(now),
    };
    Ok((inputs, connected))
}

/// What the engine last heard of the session.
fn session_of(desk: &Desk) -> Result<String, String> {
    match &desk.findings.read().session {
        Some(Session::Ready) => Ok("proven by a read of the engine".to_owned()),
        Some(Session::NotReady(cause) | Session::Resting(cause)) => Err(cause.clone()),
        None => Err("it was not read yet".to_owned()),
    }
}
