//! The shell of the report: asks the connection, the engine and the disk, and judges nothing.

use std::path::Path;
use std::time::Duration;

use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::Control;
use ordergate_actors::ports::Session;
use ordergate_actors::{Desk, Engine, EngineError, Line};
use serde::{Deserialize, Serialize};

use super::judge::Inputs;
use super::reports::Fresh;
use super::site::Site;
use super::today::{Today, master_age};
use crate::brokers::connection::{Connection, ConnectionReport};
use crate::version;

/// The alarm of a start that found the journal broken.
const BROKEN: &str = "ALARM_JOURNAL_BROKEN";

/// How long a connection may take to report. Then the account is not ready, and the others do not wait.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Of which build it is a proof, where it is one of a build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Recorded {
    /// What a command left behind; `None`: it never ran.
    #[must_use]
    pub fn read(directory: &Path, file: &str) -> Option<Self> {
        std::fs::read(directory.join(file)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }

    /// Whether it passed, and with this very build.
    #[must_use]
    pub fn proves_this_build(&self) -> bool {
        self.passed && self.version.as_deref() == Some(version::of_this_build())
    }

    /// In words for people, of what has to be proven for each build. A run without orders leaves nothing behind.
    #[must_use]
    pub fn words_for_this_build(read: Option<&Self>) -> String {
        if read.is_none() {
            return "never run with orders (--live-small-order)".to_owned();
        }
        let words = Self::words(read);
        match read {
            Some(found) if found.passed && !found.proves_this_build() => {
                let other = found.version.as_deref().unwrap_or("another build");
                format!("{words} with ordergate {other}, and this is {}", version::of_this_build())
            }
            _ => words,
        }
    }

    /// In words for people: passed, failed, or never run.
    #[must_use]
    pub fn words(read: Option<&Self>) -> String {
        read.map_or_else(
            || "never run".to_owned(),
            |found| {
                let words = if found.passed { "passed" } else { "FAILED" };
                found.at.map_or_else(|| words.to_owned(), |at| format!("{words} at {}", at.format("%Y-%m-%d %H:%M UTC")))
            },
        )
    }
}

/// Asks the connection, for so long.
pub(super) async fn ask(connection: &dyn Connection) -> ConnectionReport {
    match tokio::time::timeout(PATIENCE, connection.report()).await {
        Ok(report) => report,
        Err(_) => ConnectionReport::lost(format!("the connection did not report within {} s", PATIENCE.as_secs())),
    }
}

/// What the calendar says of today, for one account.
pub(super) fn today(line: &Line, site: &Site, desk: &Desk) -> Today {
    let is_held = line.calendar.holds(desk.broker.capabilities().is_live);
    Today::of(&line.calendar, &site.exchanges, is_held, trading_date(line.clock.now()))
}

/// Gathers what the report of one account looks at; with the connection's own report, if there is one.
///
/// # Errors
/// There is no such account.
pub async fn gather(
    engine: &Engine,
    site: &Site,
    client_id: &ClientId,
    fresh: Fresh,
) -> Result<(Inputs, Option<ConnectionReport>), EngineError> {
    let desk = engine.desk(client_id)?;
    let connected = site.report(desk, fresh).await;
    let line = engine.line();
    let now = line.clock.now();
    let (control, journal) = engine
        .read(client_id, |book| {
            let broken = book.alarms().find(|alarm| &*alarm.event == BROKEN).map(|alarm| alarm.text.to_string());
            (book.control().clone(), broken)
        })
        .unwrap_or((Control::default(), Some("there is no book of the account".to_owned())));
    let age = |exchange| line.instruments.as_of(exchange).and_then(|as_of| master_age(as_of, now));
    let inputs = Inputs {
        needs_arming: desk.needs_arming(),
        session: connected.as_ref().map_or_else(|| session_of(desk), |report| report.session.clone()),
        clock_skew_ms: connected.as_ref().and_then(|report| report.clock_skew_ms),
        max_clock_skew: site.readiness.max_clock_skew,
        address: connected.as_ref().and_then(|report| report.address),
        address_refusal: connected.as_ref().and_then(|report| report.address_refusal.clone()),
        registered: site.registered.get(client_id).copied(),
        masters: site.exchanges.iter().map(|exchange| (*exchange, age(*exchange))).collect(),
        max_master_age: site.readiness.max_master_age,
        limits: desk.settings.limits.clone(),
        funds: connected.as_ref().map(|report| report.funds.clone()),
        is_full: connected.as_ref().is_some_and(|report| report.is_full),
        stream_age: connected.as_ref().and_then(|report| report.stream_age),
        stream_down: connected.as_ref().and_then(|report| report.stream_down.clone()),
        disk: (line.view.free_space(), line.settings.min_free_bytes),
        calendar: today(line, site, desk),
        version: version::of_this_build().to_owned(),
        journal,
        has_alerts: site.alerts.is_some(),
        kill_level: u8::from(control.account_level()),
        is_frozen: control.is_frozen(),
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

#[cfg(test)]
mod tests {
    use ordergate_actors::ports::Call;

    use super::*;
    use crate::brokers::connection::LoginError;

    /// A connection that never answers.
    #[derive(Debug)]
    struct Silent;

    impl Connection for Silent {
        fn report(&self) -> Call<ConnectionReport> {
            Box::pin(std::future::pending())
        }
        fn login(&self) -> Call<Result<String, LoginError>> {
            Box::pin(std::future::pending())
        }
        fn take_code(&self, _: String) -> Call<Result<String, LoginError>> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_not_ready() {
        let report = ask(&Silent).await;
        assert_eq!(report.session, Err("the connection did not report within 10 s".to_owned()));
        assert!(report.funds.is_err());
    }
}
