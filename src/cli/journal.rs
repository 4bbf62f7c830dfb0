//! `ordergate journal ...`: the journal checked, exported and followed.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Subcommand, ValueEnum};
use ordergate_actors::order::{ClientId, clean, ist};
use ordergate_actors::persistence::chain::{row_hash, stored_time};
use ordergate_actors::ports::{Clock, JournalRow};
use serde::Serialize;

use super::accept::Accept;
use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::hex::hex;
use crate::sheet;
use crate::store::{DirectoryLock, Holder, LockError, ReadStore, VerifyFrom};

/// How often `tail -f` looks.
const FOLLOW: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every chain from its first row, its anchors, and the orders against it
    Verify {
        /// Also make every table anew from the journal and compare it column by column (about 1 KB of memory an order), and check every
        /// page of the file
        #[arg(long)]
        full: bool,
    },
    /// Write rows to the standard output; the chains' heads go to the standard error
    Export {
        /// From this day (IST) or time (RFC 3339) on
        #[arg(long, value_name = "WHEN", value_parser = start_of)]
        from: Option<DateTime<Utc>>,
        /// Up to and with this day (IST), or before this time (RFC 3339)
        #[arg(long, value_name = "WHEN", value_parser = end_of)]
        to: Option<DateTime<Utc>>,
        /// How a row looks
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
    },
    /// The newest rows
    Tail {
        /// How many of each account
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u64,
        /// Go on with rows as they are written
        #[arg(short, long)]
        follow: bool,
    },
    /// Go on with tables that are not what the journal makes, after you have looked (not while the engine runs)
    Accept(Accept),
    /// Write logs/intent_tracking.log anew from the journal (not while the engine runs)
    RebuildIntentLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object per line
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<i32> {
    match command {
        Command::Verify { full } => {
            verify(&ReadStore::open(&config.storage.directory)?, if *full { VerifyFrom::Full } else { VerifyFrom::Start })
        }
        Command::Export { from, to, format } => export(&ReadStore::open(&config.storage.directory)?, (*from, *to), *format),
        Command::Tail { lines, follow } => tail(&ReadStore::open(&config.storage.directory)?, *lines, *follow),
        Command::Accept(wish) => super::accept::run(config, wish),
        Command::RebuildIntentLog => rebuild(config),
    }
}

fn chain_name(chain: Option<&ClientId>) -> &str {
    chain.map_or("(process)", ClientId::as_str)
}

fn verify(store: &ReadStore, from: VerifyFrom) -> anyhow::Result<i32> {
    let reports = store.verify(from)?;
    let mut page = Page::new();
    let rows = reports.iter().map(|report| {
        let verdict = if report.is_sound() { "sound" } else { "BROKEN" };
        vec![
            chain_name(report.chain.as_ref()).to_owned(),
            report.rows.to_string(),
            report.head_seq.to_string(),
            report.head_hash.clone(),
            verdict.to_owned(),
        ]
    });
    page.table(&["chain", "rows", "head", "hash of the row before the next", ""], rows);
    for report in &reports {
        let name = chain_name(report.chain.as_ref());
        if let Some((seq, why)) = &report.first_broken {
            page.line(format!("{name} is broken at row {seq}: {why}"));
        }
        for difference in &report.differences {
            page.line(format!("{name}: {difference}"));
        }
        if report.may_differ_elsewhere() {
            page.line(format!("{name}: there may be more: {} are named, and never more than that", report.differences.len()));
        }
    }
    let damage = if from == VerifyFrom::Full { store.damage()? } else { Vec::new() };
    for line in &damage {
        page.line(format!("the file is damaged: {line}"));
    }
    let is_sound = damage.is_empty() && reports.iter().all(|report| report.is_sound());
    page.line(match (is_sound, from) {
        (true, VerifyFrom::Full) => "every chain is whole, and every table is what it makes",
        (true, _) => "every chain is whole, and the orders agree with it",
        (false, _) => "keep the files as they are, and restore a backup beside them to compare",
    });
    page.show()?;
    Ok(if is_sound { EXIT_OK } else { EXIT_ATTENTION })
}

/// A row as it is exported. Its hash is over the stored bytes, so `journal verify` checks those, not these.
#[derive(Debug, Serialize)]
struct Exported<'a> {
    client_id: Option<&'a ClientId>,
    seq: u64,
    prev_hash: String,
    at: String,
    event: &'a str,
    command_id: Option<String>,
    signal_id: Option<String>,
    from: Option<&'static str>,
    to: Option<&'static str>,
    tag: Option<&'static str>,
    reason: Option<&'a str>,
    who: &'a str,
    inputs: serde_json::Value,
}

fn exported(row: &JournalRow) -> Exported<'_> {
    Exported {
        client_id: row.client_id.as_ref(),
        seq: row.seq,
        prev_hash: hex(&row.prev_hash),
        at: stored_time(row.at),
        event: &row.event,
        command_id: row.command_id.map(|id| id.to_string()),
        signal_id: row.signal_id.map(|id| id.to_string()),
        from: row.from.map(|status| status.as_str()),
        to: row.to.map(|status| status.as_str()),
        tag: row.tag.map(|tag| tag.as_str()),
        reason: row.reason.as_deref(),
        who: &row.who,
        inputs: serde_json::from_str(&row.inputs).unwrap_or_else(|_| row.inputs.as_ref().into()),
    }
}

fn export(store: &ReadStore, (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>), format: Format) -> anyhow::Result<i32> {
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Csv {
        writeln!(out, "{}", sheet::JOURNAL)?;
    }
    let mut heads = Vec::new();
    for head in store.heads()? {
        let mut rows = 0_u64;
        for row in store.journal(head.client_id.as_ref(), 0, head.seq) {
            let row = row?;
            if from.is_some_and(|from| row.at < from) || to.is_some_and(|to| row.at >= to) {
                continue;
            }
            match format {
                Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&exported(&row))?)?,
                Format::Csv => writeln!(out, "{}", sheet::journal(&row))?,
            }
            rows += 1;
        }
        heads.push(format!("{}: {rows} rows; head {} {}", chain_name(head.client_id.as_ref()), head.seq, hex(&row_hash(&head))));
    }
    out.flush()?;
    heads.iter().for_each(|head| eprintln!("{head}"));
    Ok(EXIT_OK)
}

fn tail(store: &ReadStore, lines: u64, follow: bool) -> anyhow::Result<i32> {
    let mut marks: std::collections::BTreeMap<Option<ClientId>, u64> =
        store.heads()?.into_iter().map(|head| (head.client_id, head.seq.saturating_sub(lines))).collect();
    loop {
        let mut rows = Vec::new();
        for head in store.heads()? {
            let mark = marks.entry(head.client_id.clone()).or_default();
            for row in store.journal(head.client_id.as_ref(), *mark, head.seq) {
                rows.push(row?);
            }
            *mark = head.seq;
        }
        rows.sort_by_key(|row| row.at);
        let mut page = Page::new();
        for row in &rows {
            page.line(tail_line(row));
        }
        page.show()?;
        if !follow {
            return Ok(EXIT_OK);
        }
        let _ = crossbeam_channel::never::<()>().recv_timeout(FOLLOW);
    }
}

fn tail_line(row: &JournalRow) -> String {
    let order = row.command_id.map(|id| format!(" {id}")).unwrap_or_default();
    let moved = row.to.map(|to| format!(" {} -> {to}", row.from.map_or("", |from| from.as_str()))).unwrap_or_default();
    let tag = row.tag.map(|tag| format!(" [{tag}]")).unwrap_or_default();
    let reason = row.reason.as_deref().map(|reason| format!(": {}", clean(reason, 300))).unwrap_or_default();
    format!(
        "{} {} #{} {}{order}{moved}{tag} by {}{reason}",
        stored_time(row.at),
        chain_name(row.client_id.as_ref()),
        row.seq,
        row.event,
        row.who
    )
}

fn rebuild(config: &Config) -> anyhow::Result<i32> {
    let mut page = Page::new();
    let _lock = match DirectoryLock::acquire(&config.storage.directory, Holder::Command("journal rebuild-intent-log"), SystemClock.now()) {
        Ok(lock) => lock,
        Err(LockError::Held { holder, .. }) => {
            page.line(format!("an engine is running ({holder}) and writes the log itself; stop it first")).show()?;
            return Ok(EXIT_ATTENTION);
        }
        Err(busy @ LockError::Busy { .. }) => {
            page.line(busy.to_string()).show()?;
            return Ok(EXIT_ATTENTION);
        }
        Err(other) => return Err(crate::store::OpenError::from(other).into()),
    };
    let lines = crate::intent_log::rebuild(&config.log.directory, &config.storage.directory)?;
    page.line(format!("{lines} lines written to {}", crate::intent_log::path(&config.log.directory).display())).show()?;
    Ok(EXIT_OK)
}

fn start_of(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text, TimeDelta::zero())
}

fn end_of(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text, TimeDelta::days(1))
}

/// A time, or a day in India with so much added.
fn moment(text: &str, after_day: TimeDelta) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let day: NaiveDate = text.parse().map_err(|_| "give a day (2026-11-20) or a time (2026-11-20T09:15:00+05:30)".to_owned())?;
    let midnight = day.and_time(NaiveTime::MIN).and_local_timezone(ist()).single();
    midnight.map(|midnight| midnight.to_utc() + after_day).ok_or_else(|| "that day has no midnight".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_indian_and_whole() {
        assert_eq!(start_of("2026-11-20").unwrap().to_rfc3339(), "2026-11-19T18:30:00+00:00");
        assert_eq!(end_of("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T18:30:00+00:00");
        assert_eq!(end_of("2026-11-20T09:15:00+05:30").unwrap().to_rfc3339(), "2026-11-20T03:45:00+00:00");
        assert!(start_of("yesterday").is_err());
    }
}
