//! `ordergate calendar`: the sessions of a day, of a segment or of one instrument; and what the calendar lacks.

use anyhow::bail;
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args as ClapArgs, Subcommand};
use ordergate_actors::order::calendar::{Calendar, Class, Day, Facts, Severity, Why, Window, ist_words};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, trading_date};
use ordergate_actors::ports::{Clock, Instruments};

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK, instruments};
use crate::clock::SystemClock;

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The day (default: today in India)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<NaiveDate>,
    /// Only what this instrument has: RELIANCE-EQ, or NSE:RELIANCE-EQ
    #[arg(long)]
    symbol: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether the calendar is complete for the weeks to come
    Check {
        /// As of this day (default: today in India)
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<NaiveDate>,
    },
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<i32> {
    let calendar = crate::calendar::load(&config.calendar)?;
    let now = SystemClock.now();
    let day = |said: Option<NaiveDate>| said.unwrap_or_else(|| trading_date(now));
    match (&args.command, &args.symbol) {
        (Some(Command::Check { date }), _) => check(config, &calendar, day(*date)),
        (None, None) => sessions(&calendar, day(args.date)),
        (None, Some(symbol)) => one(config, &calendar, symbol, day(args.date), now),
    }
}

fn check(config: &Config, calendar: &Calendar, today: NaiveDate) -> anyhow::Result<i32> {
    let mut page = Page::new();
    for file in crate::calendar::files(config.calendar.directory.as_deref())? {
        page.line(format!("read: {}", file.name));
    }
    let held = config.accounts.iter().filter(|account| calendar.holds(account.broker.is_live()));
    let held: Vec<&str> = held.map(|account| account.client_id.as_str()).collect();
    let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
    page.line(format!("accounts held to it (calendar.enforce): {held}"));
    let concerns = calendar.concerns(today);
    for concern in &concerns {
        page.line(concern.to_string());
    }
    if concerns.is_empty() {
        page.line(format!("the calendar is complete for the weeks from {today} on"));
    }
    page.show()?;
    Ok(if concerns.is_empty() { EXIT_OK } else { EXIT_ATTENTION })
}

fn sessions(calendar: &Calendar, date: NaiveDate) -> anyhow::Result<i32> {
    let mut page = Page::new();
    page.line(format!("{} (Indian time)", date.format("%A, %-d %B %Y")));
    let rows = Exchange::ALL.iter().flat_map(|segment| segment_rows(calendar, *segment, date));
    page.table(&["segment", "day", "class", "sessions"], rows);
    let errors: Vec<_> = calendar.concerns(date).into_iter().filter(|concern| concern.severity == Severity::Error).collect();
    for concern in &errors {
        page.line(concern.to_string());
    }
    page.show()?;
    Ok(if errors.is_empty() { EXIT_OK } else { EXIT_ATTENTION })
}

/// A row for each window of each class that has hours on the day, or one for the day.
fn segment_rows(calendar: &Calendar, segment: Exchange, date: NaiveDate) -> Vec<Vec<String>> {
    let day = day_words(&calendar.day(segment, date));
    let row = |class: &str, words: String| vec![segment.to_string(), day.clone(), class.to_owned(), words];
    let windows = |class: Class| calendar.windows(segment, class, date).unwrap_or_default();
    let rows: Vec<_> =
        Class::ALL.iter().flat_map(|(class, name)| windows(*class).into_iter().map(|window| row(name, window_words(&window)))).collect();
    if rows.is_empty() { vec![row("", String::new())] } else { rows }
}

fn one(config: &Config, calendar: &Calendar, symbol: &str, date: NaiveDate, now: DateTime<Utc>) -> anyhow::Result<i32> {
    let (table, name) = instruments::table(config)?;
    let found: Vec<_> = match symbol.split_once(':') {
        Some((exchange, symbol)) => {
            Exchange::parse(exchange).and_then(|at| table.find(&InstrumentKey::new(at, symbol))).into_iter().collect()
        }
        None => Exchange::ALL.iter().filter_map(|at| table.find(&InstrumentKey::new(*at, symbol))).collect(),
    };
    if found.is_empty() {
        bail!("{symbol} is not in {name}; `ordergate instruments {symbol}` searches");
    }
    let mut page = Page::new();
    for instrument in &found {
        describe(&mut page, calendar, instrument, &table, date, now);
    }
    page.show()?;
    Ok(EXIT_OK)
}

fn describe(page: &mut Page, calendar: &Calendar, instrument: &Instrument, table: &dyn Instruments, date: NaiveDate, now: DateTime<Utc>) {
    let facts = Facts::of(instrument, table.has_derivatives(&instrument.underlying));
    let class = calendar.class(&facts, date);
    page.heading(format!("{} on {} (Indian time): {}", instrument.key, date.format("%a %-d %b %Y"), class.as_str()));
    if class == Class::AuctionShare && facts.has_derivatives.is_none() {
        page.line("the instruments do not say whether it has derivatives: taken as a share of the closing auction, which closes earlier");
    }
    page.line(format!("day: {}", day_words(&calendar.day(facts.segment, date))));
    match calendar.windows(facts.segment, class, date) {
        Ok(windows) => {
            for window in &windows {
                page.line(window_words(window));
            }
        }
        Err(missing) => {
            page.line(format!("unknown: {missing}"));
        }
    }
    if let Some(closes_at) = calendar.closes_at(&facts, date) {
        page.line(format!("continuous trading ends {}", ist_words(closes_at)));
    }
    if date == trading_date(now) {
        page.line(format!("now: {}", calendar.session(&facts, now)));
    }
}

fn day_words(day: &Day) -> String {
    match day {
        Day::Full => "open".to_owned(),
        Day::MorningOnly(name) => format!("evening closed: {name}"),
        Day::EveningOnly(name) => format!("morning closed: {name}"),
        Day::Special { name, .. } => format!("special session: {name}"),
        Day::NotAnnounced(name) => format!("special session, times not known: {name}"),
        Day::Closed(Why::Holiday(name)) => format!("closed: {name}"),
        Day::Closed(_) => "closed: week-end".to_owned(),
        Day::Unknown => "UNKNOWN: no calendar".to_owned(),
    }
}

/// `09:15-15:30 continuous`
fn window_words(window: &Window) -> String {
    format!("{}-{} {}", window.from.format("%H:%M"), window.until.format("%H:%M"), window.step)
}
