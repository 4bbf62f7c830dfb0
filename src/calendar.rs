//! Where the session calendar comes from: the files that are built in, and those of a directory of the user.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use ordergate_actors::Line;
use ordergate_actors::order::calendar::{BadCalendar, Calendar, Concern, File, Severity};
use ordergate_actors::order::trading_date;
use ordergate_actors::persistence::Level;

use crate::built_in::{self, Named, Unreadable};
use crate::config;

/// What is built in.
const BUILT_IN: [(&str, &str); 2] =
    [("2026.toml", include_str!("../config/calendar/2026.toml")), ("2027.toml", include_str!("../config/calendar/2027.toml"))];

/// How often is looked whether a day has begun.
const LOOK: Duration = Duration::from_secs(60);

/// The calendar cannot be used. Starting again changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// A file or the directory cannot be read.
    #[error("{path}: {cause}; correct calendar.directory")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What is in the files is wrong.
    #[error(transparent)]
    Bad(#[from] BadCalendar),
}

/// The calendar in force.
///
/// # Errors
/// [`CalendarError`]: a file cannot be read, or everything that is wrong in the files.
pub fn load(settings: &config::Calendar) -> Result<Calendar, CalendarError> {
    Ok(Calendar::parse(&files(settings.directory.as_deref())?)?.enforced(settings.enforce))
}

/// The files in force, by name: those of the directory take the place of those that are built in.
///
/// # Errors
/// A file or the directory cannot be read.
pub fn files(directory: Option<&Path>) -> Result<Vec<File>, CalendarError> {
    let files = built_in::files(&BUILT_IN, directory).map_err(|Unreadable { path, cause }| CalendarError::Unreadable { path, cause })?;
    Ok(files.into_iter().map(|Named { name, text }| File { name, text }).collect())
}

/// What a person should do about the calendar of a running engine; empty if no account is held to it.
#[must_use]
pub fn concerns(line: &Line, today: NaiveDate) -> Vec<Concern> {
    let is_anybody_held = line.desks().any(|desk| line.calendar.holds(desk.broker.capabilities().is_live));
    if is_anybody_held { line.calendar.concerns(today) } else { Vec::new() }
}

/// What was last said of what the calendar lacks.
#[derive(Debug, Default)]
pub struct Told(Option<(NaiveDate, BTreeSet<String>)>);

impl Told {
    /// Says once a day what was not said the day before.
    pub fn look(&mut self, line: &Line) {
        let today = trading_date(line.clock.now());
        if self.0.as_ref().is_some_and(|(day, _)| *day == today) {
            return;
        }
        let concerns = concerns(line, today);
        let said = self.0.take().map(|(_, said)| said).unwrap_or_default();
        for concern in concerns.iter().filter(|concern| !said.contains(&concern.text)) {
            let level = match concern.severity {
                Severity::Error => Level::Page,
                Severity::Warn => Level::Warn,
            };
            line.alarm(None, "ALARM_CALENDAR", level, None, concern.text.clone());
        }
        self.0 = Some((today, concerns.into_iter().map(|concern| concern.text).collect()));
    }
}

/// Says what the calendar lacks, at the start and whenever a day begins, for as long as it is polled.
pub(crate) async fn keep_told(line: Arc<Line>) {
    let mut told = Told::default();
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        told.look(&line);
    }
}

#[cfg(test)]
mod tests;
