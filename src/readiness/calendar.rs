//! Whether a day trades, by a small file of the data directory: `calendar/<year>.toml`, with the lists `closed` and
//! `open` (dates as text). A weekend is closed unless it is among `open`. Without the file nothing is known.

use std::path::Path;

use chrono::{Datelike, NaiveDate, Weekday};
use serde::Deserialize;

/// What is known of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calendar {
    /// It trades.
    Trades,
    /// It does not, and why.
    Closed(String),
    /// There is no calendar, and why.
    Unknown(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    closed: Vec<NaiveDate>,
    #[serde(default)]
    open: Vec<NaiveDate>,
}

impl Calendar {
    /// Reads what the directory's calendar says of the day.
    #[must_use]
    pub fn of(directory: &Path, day: NaiveDate) -> Self {
        let path = directory.join("calendar").join(format!("{}.toml", day.year()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Self::Unknown(format!("there is no calendar for {}", day.year()));
            }
            Err(cause) => return Self::Unknown(format!("{} cannot be read: {cause}", path.display())),
        };
        let parsed = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize::<File>);
        match parsed {
            Ok(file) => file.judge(day),
            Err(cause) => Self::Unknown(format!("{} is not a calendar: {cause}", path.display())),
        }
    }

    /// Whether a report is wanted on this day: not on one that is known to be closed.
    #[must_use]
    pub fn may_trade(&self) -> bool {
        !matches!(self, Self::Closed(_))
    }
}

impl File {
    fn judge(&self, day: NaiveDate) -> Calendar {
        if self.open.contains(&day) {
            return Calendar::Trades;
        }
        if self.closed.contains(&day) {
            return Calendar::Closed("a holiday".to_owned());
        }
        match day.weekday() {
            Weekday::Sat | Weekday::Sun => Calendar::Closed("the weekend".to_owned()),
            _ => Calendar::Trades,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_holidays_weekends_and_the_sunday_that_trades() {
        let directory = tempfile::tempdir().unwrap();
        let day = |text: &str| Calendar::of(directory.path(), text.parse().unwrap());
        assert!(matches!(day("2026-11-20"), Calendar::Unknown(_)) && day("2026-11-21").may_trade());
        std::fs::create_dir(directory.path().join("calendar")).unwrap();
        let file = directory.path().join("calendar/2026.toml");
        std::fs::write(&file, "closed = [\"2026-11-24\"]\nopen = [\"2026-11-08\"]\n").unwrap();
        assert_eq!(day("2026-11-20"), Calendar::Trades);
        assert_eq!(day("2026-11-24"), Calendar::Closed("a holiday".into()));
        assert_eq!(day("2026-11-21"), Calendar::Closed("the weekend".into()));
        assert_eq!(day("2026-11-08"), Calendar::Trades);
        std::fs::write(&file, "closed = 7").unwrap();
        assert!(matches!(day("2026-11-20"), Calendar::Unknown(_)));
    }
}
