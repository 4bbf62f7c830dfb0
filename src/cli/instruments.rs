//! `ordergate instruments`: what an alert may name today; fetching the broker's masters; which one a name means.

use std::collections::BTreeSet;

use clap::{Args as ClapArgs, Subcommand};
use ordergate_actors::order::{Exchange, Instrument, Kind, Price, trading_date};
use ordergate_actors::ports::{Clock, Instruments as _, Purpose, Spelling};
use ordergate_actors::supervision::EXIT_REFUSED;

use super::print::Page;
use super::{EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::config::{Config, InstrumentSource};
use crate::instruments::master::plan::master_day;
use crate::instruments::master::{Downloader, EquityTick, FetchError, Fetched, store};
use crate::instruments::{InstrumentTable, Masters, sample};

/// Rows that cannot be read are listed up to here.
const BAD_ROWS_SHOWN: usize = 5;

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Words that the symbol or the underlying contains; also CE, PE, FUT, or a date of expiry (2026-11-24)
    search: Vec<String>,
    /// Only of this exchange
    #[arg(long, value_parser = exchange)]
    exchange: Option<Exchange>,
    /// So many rows at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch today's masters into the data directory; they need no sign-in
    Fetch {
        /// Where from (default: instruments.url)
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// Whose, for example NSE,NFO (default: instruments.exchanges)
        #[arg(long, value_delimiter = ',', value_parser = exchange)]
        exchanges: Vec<Exchange>,
    },
    /// The one instrument that is meant by RELIANCE, NIFTY1!, NIFTY260929C25000, "NIFTY weekly ATM+1 CE"…
    Resolve {
        /// What a chart, a tool or you call it
        name: Vec<String>,
        /// The exchange that stands beside it
        #[arg(long, value_parser = exchange)]
        at: Option<Exchange>,
        /// The price of the underlying, rupees; needed for ATM
        #[arg(long, value_parser = price)]
        spot: Option<Price>,
    },
}

fn exchange(text: &str) -> Result<Exchange, String> {
    Exchange::parse(text.trim()).ok_or_else(|| format!("is not one of {}", Exchange::choices()))
}

fn price(text: &str) -> Result<Price, String> {
    Price::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<i32> {
    match &args.command {
        Some(Command::Fetch { from, exchanges }) => fetch(config, from.as_deref(), exchanges),
        Some(Command::Resolve { name, at, spot }) => resolve(config, &name.join(" "), *at, *spot),
        None => search(config, args),
    }
}

/// The table that the engine would start with, and its name for people.
pub(super) fn table(config: &Config) -> anyhow::Result<(InstrumentTable, String)> {
    let today = trading_date(SystemClock.now());
    if config.instruments.source == InstrumentSource::Sample {
        return Ok((InstrumentTable::new(sample(today)?), "the sample (instruments.source = sample)".to_owned()));
    }
    let directory = store::directory(&config.storage.directory);
    let loaded = store::load(&directory, &config.instruments.exchanges, config.instruments.equity_tick)?;
    for passed_over in &loaded.passed_over {
        eprintln!("passed over {passed_over}");
    }
    let days: BTreeSet<String> = loaded.table.days().map(|(exchange, day)| format!("{exchange} of {day}")).collect();
    let name = match loaded.table.as_of() {
        None => format!("no master in {}; run `ordergate instruments fetch`", directory.display()),
        Some(day) if day < today => format!("the masters {}: NOT OF TODAY, entries are refused", join(&days)),
        Some(_) => format!("the masters {}", join(&days)),
    };
    Ok((loaded.table, name))
}

fn join(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn search(config: &Config, args: &Args) -> anyhow::Result<i32> {
    let (table, name) = table(config)?;
    let text = args.search.join(" ");
    let (count, found) = table.search_in(args.exchange, &text, args.limit);
    let mut page = Page::new();
    if count == 0 {
        let within = args.exchange.map_or_else(String::new, |exchange| format!(" on {exchange}"));
        page.line(format!("no symbol{within} contains {text:?}"));
        let near: Vec<String> = table.nearest(args.exchange, &text, 3).iter().map(ToString::to_string).collect();
        if !near.is_empty() && !text.is_empty() {
            page.line(format!("the likest names are {}", near.join(", ")));
        }
        page.line(format!("searched: {} instruments, {name}", table.len())).show()?;
        return Ok(EXIT_ATTENTION);
    }
    page.table(HEADER, found.iter().map(|instrument| row(instrument)));
    let shown = if found.len() < count { format!("the first {} of {count}", found.len()) } else { count.to_string() };
    page.line(format!("{shown} found among {} instruments; {name}", table.len())).show()?;
    Ok(EXIT_OK)
}

fn resolve(config: &Config, words: &str, exchange: Option<Exchange>, spot: Option<Price>) -> anyhow::Result<i32> {
    let mut page = Page::new();
    let (table, name) = table(config)?;
    let masters = Masters::new(table).rolled(config.instruments.rolls.clone());
    let exchange = exchange.map(Exchange::as_str);
    let spelling = Spelling { exchange, symbol: words.trim(), purpose: Purpose::Open, today: trading_date(SystemClock.now()) };
    match masters.resolve(&spelling, &|_| spot) {
        Ok(read) => {
            page.table(HEADER, [row(&read.instrument)]).line(format!("read by {}; {name}", read.words)).show()?;
            Ok(EXIT_OK)
        }
        Err(trouble) => {
            page.line(trouble.to_string()).line(format!("looked up in {name}")).show()?;
            Ok(EXIT_ATTENTION)
        }
    }
}

fn fetch(config: &Config, from: Option<&str>, exchanges: &[Exchange]) -> anyhow::Result<i32> {
    let settings = &config.instruments;
    let exchanges = if exchanges.is_empty() { &settings.exchanges } else { exchanges };
    let directory = store::directory(&config.storage.directory);
    let downloader = match Downloader::new(from.unwrap_or(&settings.url), directory.clone(), settings.equity_tick) {
        Ok(downloader) => downloader,
        Err(error) => {
            eprintln!("ordergate: {error}");
            return Ok(EXIT_REFUSED);
        }
    };
    let now = SystemClock.now();
    let day = master_day(now, settings.refresh_ist);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut page = Page::new();
    let mut is_whole = true;
    for exchange in exchanges {
        match runtime.block_on(downloader.fetch(*exchange, day)) {
            Ok(fetched) => say(&mut page, &fetched, settings.equity_tick),
            Err(error) => {
                is_whole = false;
                failed(&mut page, *exchange, &error);
            }
        }
    }
    page.line(format!("stored as of {day} in {}", directory.display()));
    if day < trading_date(now) {
        page.line(format!(
            "it is before {} IST, so they count as of the day before (instruments.refresh_ist)",
            settings.refresh_ist.format("%H:%M")
        ));
    }
    if settings.source == InstrumentSource::Sample {
        page.line("instruments.source is \"sample\": say \"noren\" to trade by these files");
    }
    page.show()?;
    Ok(if is_whole { EXIT_OK } else { EXIT_ATTENTION })
}

fn say(page: &mut Page, fetched: &Fetched, tick: EquityTick) {
    let Fetched { exchange, rows, blank, skipped, bad, bad_count, .. } = fetched;
    let unit = if matches!(exchange, Exchange::Nse | Exchange::Bse) { format!(", ticks read as {tick}") } else { String::new() };
    page.line(format!("{exchange}: {rows} instruments ({blank} blank rows, {skipped} not traded, {bad_count} not readable{unit})"));
    for row in bad.iter().take(BAD_ROWS_SHOWN) {
        page.line(format!("  line {}: {}", row.line, row.cause));
    }
    if *bad_count > BAD_ROWS_SHOWN {
        page.line(format!("  and {} more", bad_count - BAD_ROWS_SHOWN));
    }
}

fn failed(page: &mut Page, exchange: Exchange, error: &FetchError) {
    page.line(format!("{exchange}: not fetched, what is stored stays: {error}"));
}

const HEADER: &[&str] = &["exchange", "symbol", "kind", "expiry", "lot", "tick", "freeze", "token"];

fn row(instrument: &Instrument) -> Vec<String> {
    let (kind, expiry) = match &instrument.kind {
        Kind::Equity => ("share", None),
        Kind::Index => ("index (not traded)", None),
        Kind::Future { expiry } => ("future", Some(expiry)),
        Kind::Option { expiry, .. } => ("option", Some(expiry)),
    };
    vec![
        instrument.key.exchange.to_string(),
        instrument.key.symbol.to_string(),
        kind.to_owned(),
        expiry.map(ToString::to_string).unwrap_or_default(),
        instrument.lot.to_string(),
        instrument.tick.to_string(),
        instrument.freeze.map(|freeze| freeze.to_string()).unwrap_or_default(),
        instrument.token.to_string(),
    ]
}
