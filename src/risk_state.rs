//! The risk state file: where an account stands today, for people and their scripts. Never read back as truth.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ordergate_actors::order::{Amount, ClientId, Product, trading_date};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::risk::{Asked, Known, RiskDay, Shortfall};
use ordergate_actors::{Desk, Limits, Line};
use serde::Serialize;

use crate::files::{Mode, write_whole};

/// Writes one account's file.
#[derive(Debug)]
pub struct RiskStateFile {
    path: PathBuf,
    client_id: ClientId,
    highest: Option<(NaiveDate, Amount)>,
    written: Option<Content>,
}

/// Where an account stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The trading day as it is kept.
    pub day: RiskDay,
    /// The limits in force.
    pub limits: Limits,
    /// The day's result; `None` while it is not known.
    pub pnl: Option<Amount>,
    /// Strategies that are halted.
    pub halted: Vec<String>,
    /// Whether squaring off after a breach is under way: something is held still.
    pub force_exit_in_progress: bool,
}

/// In the words of the seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Content {
    client_id: ClientId,
    date: NaiveDate,
    /// `null` while the positions are not known.
    daily_pnl: Option<Amount>,
    /// Negative, as the seeds write it: entries stop at this result.
    max_loss: Amount,
    /// The same with which the day began.
    base_max_loss: Amount,
    highest_profit: Amount,
    daily_loss_hit: bool,
    /// A shortfall of margin at the broker has ended the day.
    margin_short: bool,
    warning_sent: bool,
    force_exit_in_progress: bool,
    /// Days in a row, before this one, on which the loss was hit.
    failed_days: usize,
    cooldown_until: Option<NaiveDate>,
    halted_strategies: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Dated<'a> {
    #[serde(flatten)]
    content: &'a Content,
    updated_at: String,
}

/// Where an account's file is.
#[must_use]
pub fn path(directory: &Path, client_id: &ClientId) -> PathBuf {
    directory.join(format!("risk_state.{client_id}.json"))
}

impl RiskStateFile {
    /// The file of an account.
    #[must_use]
    pub fn new(directory: &Path, client_id: ClientId) -> Self {
        Self { path: path(directory, &client_id), client_id, highest: None, written: None }
    }

    /// Writes where the account stands, if that is news.
    ///
    /// # Errors
    /// The file cannot be written; the one before it stays.
    pub fn update(&mut self, now: DateTime<Utc>, standing: &Standing) -> io::Result<()> {
        let date = trading_date(now);
        // The floor has seen at least this profit; beyond it this process remembers.
        let seen = self.highest.filter(|(day, _)| *day == date).map_or(Amount::ZERO, |(_, profit)| profit);
        let highest = seen.max(standing.day.gained).max(standing.pnl.unwrap_or(Amount::ZERO));
        self.highest = Some((date, highest));
        let content = Content {
            client_id: self.client_id.clone(),
            date,
            daily_pnl: standing.pnl,
            max_loss: standing.day.floor(standing.limits.daily_loss),
            base_max_loss: standing.limits.daily_loss.negated(),
            highest_profit: highest,
            daily_loss_hit: standing.day.hit.is_some(),
            margin_short: standing.day.short.as_ref().is_some_and(Shortfall::halts),
            warning_sent: standing.day.warned_at.is_some(),
            force_exit_in_progress: standing.force_exit_in_progress,
            failed_days: standing.day.loss_days,
            cooldown_until: standing.day.cooldown_until,
            halted_strategies: standing.halted.clone(),
        };
        if self.written.as_ref() == Some(&content) {
            return Ok(());
        }
        let mut text = serde_json::to_string_pretty(&Dated { content: &content, updated_at: stored_time(now) })?;
        text.push('\n');
        write_whole(&self.path, text.as_bytes(), Mode::Shared)?;
        self.written = Some(content);
        Ok(())
    }
}

/// Where the account of a desk stands now.
fn standing(line: &Line, desk: &Desk) -> Option<Standing> {
    let now = line.clock.now();
    let asked = Asked::at(now, &line.calendar, desk.broker.capabilities().is_live).within(&desk.settings);
    let findings = desk.findings.read();
    let settings = &desk.settings.limits;
    line.view.read(&desk.client_id, |book| {
        let mut known = Known::of(book, settings, now);
        let day = known.day(settings, now);
        let is_squaring_off = book.control().day.as_ref().is_some_and(|halt| halt.level == KillLevel::SquareOff);
        let is_held = book.holdings().any(|(_, key, held)| held.net != 0 && key.product != Product::Cnc);
        Standing {
            limits: known.limits(settings, now),
            pnl: known.result(book, &findings, &*line.quotes, asked).pnl(),
            halted: known.halts().filter(|(_, halt)| halt.stands()).map(|(_, halt)| halt.strategy.to_string()).collect(),
            force_exit_in_progress: is_squaring_off && is_held,
            day,
        }
    })
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
            let file = RiskStateFile::new(directory, desk.client_id.clone());
            (Arc::clone(desk), file, false)
        })
        .collect();
    let keep = move || {
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            for (desk, file, is_failing) in &mut files {
                let Some(standing) = standing(&line, desk) else { continue };
                let written = file.update(line.clock.now(), &standing);
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

    fn rupees(rupees: i64) -> Amount {
        Amount(Decimal::from(rupees))
    }

    /// A day with a daily loss of 500 in steps of 100, as it stands after these results.
    fn after(date: NaiveDate, results: &[i64], pnl: Option<i64>) -> Standing {
        let limits = Limits { daily_loss: rupees(500), loss_step: rupees(100), ..Limits::standard() };
        let mut day = RiskDay::on(None, date, &limits);
        for result in results {
            day.see(rupees(*result), &limits, "2026-11-20T04:00:00Z".parse().unwrap());
        }
        Standing { day, limits, pnl: pnl.map(rupees), halted: vec!["scalp".to_owned()], force_exit_in_progress: false }
    }

    #[test]
    fn the_day_is_kept_and_the_next_one_starts_anew() {
        let directory = tempfile::tempdir().unwrap();
        let client = ClientId::parse("PAPER1").unwrap();
        let mut file = RiskStateFile::new(directory.path(), client.clone());
        let read = || -> Value { serde_json::from_slice(&std::fs::read(path(directory.path(), &client)).unwrap()).unwrap() };
        let morning: DateTime<Utc> = "2026-11-20T04:00:00Z".parse().unwrap();
        let date = trading_date(morning);

        file.update(morning, &after(date, &[120], Some(120))).unwrap();
        file.update(morning, &after(date, &[120, -400], Some(-20))).unwrap();
        let seen = read();
        assert_eq!(seen["highest_profit"], json!("120"));
        assert_eq!(seen["daily_loss_hit"], json!(true), "once hit, hit for the day");
        assert_eq!((&seen["daily_pnl"], &seen["max_loss"], &seen["base_max_loss"]), (&json!("-20"), &json!("-400"), &json!("-500")));
        assert_eq!((&seen["date"], &seen["failed_days"], &seen["cooldown_until"]), (&json!("2026-11-20"), &json!(0), &Value::Null));
        assert_eq!(seen["halted_strategies"], json!(["scalp"]));
        file.update(morning, &after(date, &[120, -400], None)).unwrap();
        assert_eq!(read()["daily_pnl"], Value::Null, "unknown is not zero");

        let tomorrow = morning + chrono::Duration::days(1);
        file.update(tomorrow, &after(trading_date(tomorrow), &[], Some(0))).unwrap();
        assert_eq!((&read()["highest_profit"], &read()["daily_loss_hit"]), (&json!("0"), &json!(false)));
    }

    #[test]
    fn what_is_no_news_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let client = ClientId::parse("PAPER1").unwrap();
        let mut file = RiskStateFile::new(directory.path(), client.clone());
        let now: DateTime<Utc> = "2026-11-20T04:00:00Z".parse().unwrap();
        file.update(now, &after(trading_date(now), &[], None)).unwrap();
        std::fs::remove_file(path(directory.path(), &client)).unwrap();
        file.update(now + chrono::Duration::seconds(1), &after(trading_date(now), &[], None)).unwrap();
        assert!(!path(directory.path(), &client).exists());
    }
}
