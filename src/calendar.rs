//! Where the session calendar comes from: the files that are built in, and those of a directory of the user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use ordergate_actors::Line;
use ordergate_actors::order::calendar::{BadCalendar, Calendar, Concern, File};
use ordergate_actors::persistence::Level;

use crate::config;

/// What is built in.
const BUILT_IN: [(&str, &str); 2] =
    [("2026.toml", include_str!("../config/calendar/2026.toml")), ("2027.toml", include_str!("../config/calendar/2027.toml"))];

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
    let built_in = |(name, text): &(&str, &str)| ((*name).to_owned(), File { name: format!("built-in {name}"), text: (*text).to_owned() });
    let mut files: BTreeMap<String, File> = BUILT_IN.iter().map(built_in).collect();
    if let Some(directory) = directory {
        let unreadable = |path: &Path, cause| CalendarError::Unreadable { path: path.to_owned(), cause };
        for entry in std::fs::read_dir(directory).map_err(|cause| unreadable(directory, cause))? {
            let path = entry.map_err(|cause| unreadable(directory, cause))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, File { name: path.display().to_string(), text });
        }
    }
    Ok(files.into_values().collect())
}

/// What a person should do about the calendar of a running engine; empty if no account is held to it.
#[must_use]
pub fn concerns(line: &Line, today: NaiveDate) -> Vec<Concern> {
    let is_anybody_held = line.desks().any(|desk| line.calendar.holds(desk.broker.capabilities().is_live));
    if is_anybody_held { line.calendar.concerns(today) } else { Vec::new() }
}

/// Says at the start what the calendar lacks.
pub(crate) fn tell(line: &Line, today: NaiveDate) {
    for concern in concerns(line, today) {
        line.alarm(None, "ALARM_CALENDAR", Level::Warn, None, concern.text);
    }
}

#[cfg(test)]
mod tests;
