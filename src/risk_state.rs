//! The risk state file: where an account stands today, for people and their scripts. Never read back as truth.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ordergate_actors::Line;
use ordergate_actors::order::{Amount, ClientId, trading_date};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::risk::daily_pnl;
use serde::Serialize;

use crate::files::{Mode, write_whole};

/// Writes one account's file.
#[derive(Debug)]
pub struct RiskStateFile {
    path: PathBuf,
    client_id: ClientId,
    max_loss: Amount,
    day: Option<Day>,
    written: Option<(NaiveDate, Option<Amount>)>,
}

/// What is remembered of a day.
#[derive(Debug, Clone, Copy)]
struct Day {
    date: NaiveDate,
    highest_profit: Amount,
    daily_loss_hit: bool,
}

#[derive(Debug, Serialize)]
struct Content<'a> {
    client_id: &'a ClientId,
    date: NaiveDate,
    /// `null` while the positions are not known.
    daily_pnl: Option<Amount>,
    /// Negative, as the seeds write it: entries stop at this result.
    max_loss: Amount,
    highest_profit: Amount,
    daily_loss_hit: bool,
    updated_at: String,
}

/// Where an account's file is.
#[must_use]
pub fn path(directory: &Path, client_id: &ClientId) -> PathBuf {
    directory.join(format!("risk_state.{client_id}.json"))
}

impl RiskStateFile {
    /// The file of an account with this daily loss limit (a positive number).
    #[must_use]
    pub fn new(directory: &Path, client_id: ClientId, daily_loss: Amount) -> Self {
        Self { path: path(directory, &client_id), client_id, max_loss: daily_loss.negated(), day: None, written: None }
    }

    /// Writes where the account stands, if that is news. `None`: the positions are not known.
    ///
    /// # Errors
    /// The file cannot be written; the one before it stays.
    pub fn update(&mut self, now: DateTime<Utc>, daily_pnl: Option<Amount>) -> io::Result<()> {
        let date = trading_date(now);
        let fresh = Day { date, highest_profit: Amount::ZERO, daily_loss_hit: false };
        let mut day = self.day.filter(|day| day.date == date).unwrap_or(fresh);
        if let Some(pnl) = daily_pnl {
            day.highest_profit = day.highest_profit.max(pnl);
            day.daily_loss_hit |= pnl <= self.max_loss;
        }
        self.day = Some(day);
        if self.written == Some((date, daily_pnl)) {
            return Ok(());
        }
        let content = Content {
            client_id: &self.client_id,
            date,
            daily_pnl,
            max_loss: self.max_loss,
            highest_profit: day.highest_profit,
            daily_loss_hit: day.daily_loss_hit,
            updated_at: stored_time(now),
        };
        let mut text = serde_json::to_string_pretty(&content)?;
        text.push('\n');
        write_whole(&self.path, text.as_bytes(), Mode::Shared)?;
        self.written = Some((date, daily_pnl));
        Ok(())
    }
}

/// Keeps the files of all accounts up to date; its drop ends that.
#[derive(Debug)]
pub struct RiskStateThread {
    _stop: Sender<()>,
}

/// Starts a thread that writes each account's file as often as the broker's positions are read.
///
/// # Errors
/// There is no thread.
pub fn start(line: Arc<Line>, directory: &Path, every: Duration) -> io::Result<RiskStateThread> {
    let (stop, stopped) = bounded::<()>(0);
    let mut files: Vec<_> = line
        .desks()
        .map(|desk| {
            let file = RiskStateFile::new(directory, desk.client_id.clone(), desk.settings.limits.daily_loss);
            (Arc::clone(desk), file, false)
        })
        .collect();
    let keep = move || {
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            for (desk, file, is_failing) in &mut files {
                let pnl = desk.findings.read().positions.as_ref().map(|positions| daily_pnl(&positions.rows));
                let written = file.update(line.clock.now(), pnl);
                // Said once, not every second.
                if let (Err(cause), false) = (&written, *is_failing) {
                    tracing::warn!(event = "risk_state_failed", client_id = %desk.client_id, %cause, "the risk state file cannot be written");
                }
                *is_failing = written.is_err();
            }
        }
    };
    std::thread::Builder::new().name("risk-state".to_owned()).spawn(keep)?;
    Ok(RiskStateThread { _stop: stop })
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_day_is_kept_and_the_next_one_starts_anew() {
        let directory = tempfile::tempdir().unwrap();
        let client = ClientId::parse("PAPER1").unwrap();
        let mut file = RiskStateFile::new(directory.path(), client.clone(), Amount(Decimal::from(500)));
        let read = || -> Value { serde_json::from_slice(&std::fs::read(path(directory.path(), &client)).unwrap()).unwrap() };
        let rupees = |rupees: i64| Some(Amount(Decimal::from(rupees)));
        let morning: DateTime<Utc> = "2026-11-20T04:00:00Z".parse().unwrap();

        file.update(morning, rupees(120)).unwrap();
        file.update(morning, rupees(-500)).unwrap();
        file.update(morning, rupees(-20)).unwrap();
        let seen = read();
        assert_eq!(seen["highest_profit"], json!("120"));
        assert_eq!(seen["daily_loss_hit"], json!(true), "once hit, hit for the day");
        assert_eq!((&seen["daily_pnl"], &seen["max_loss"], &seen["date"]), (&json!("-20"), &json!("-500"), &json!("2026-11-20")));
        file.update(morning, None).unwrap();
        assert_eq!(read()["daily_pnl"], Value::Null, "unknown is not zero");

        file.update(morning + chrono::Duration::days(1), rupees(0)).unwrap();
        assert_eq!((&read()["highest_profit"], &read()["daily_loss_hit"]), (&json!("0"), &json!(false)));
    }

    #[test]
    fn what_is_no_news_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let client = ClientId::parse("PAPER1").unwrap();
        let mut file = RiskStateFile::new(directory.path(), client.clone(), Amount(Decimal::from(500)));
        let now: DateTime<Utc> = "2026-11-20T04:00:00Z".parse().unwrap();
        file.update(now, None).unwrap();
        std::fs::remove_file(path(directory.path(), &client)).unwrap();
        file.update(now + chrono::Duration::seconds(1), None).unwrap();
        assert!(!path(directory.path(), &client).exists());
    }
}
