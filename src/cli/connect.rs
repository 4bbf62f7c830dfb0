//! `ordergate connect`: from a chart's alert to an order. It makes the route, shows what to copy where, says what a sample
//! would become, sends a test, and sends the sample itself.

mod routes;
mod samples;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::print::Page;
use super::{Config, EXIT_ATTENTION};
use crate::web::connect::Sender;

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The account; may be left out if there is one
    #[arg(long, global = true, value_name = "NAME")]
    account: Option<String>,
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// 1. Make a route, or change it: what alerts become
    Route(Box<RouteArgs>),
    /// Remove a route; what it traded stays
    Remove {
        /// Its name
        name: String,
        /// Why; it stands in the journal
        #[arg(long, default_value = "removed by hand")]
        reason: String,
    },
    /// 2. Show the address and the message to copy
    Message {
        /// The route
        name: String,
        /// Who sends
        #[arg(long, value_enum, default_value = "tradingview")]
        sender: Sender,
        /// What the chart shows, for example NSE:SBIN
        #[arg(long)]
        symbol: Option<String>,
        /// Whose secret stands in the address; left out: the common one
        #[arg(long)]
        source: Option<String>,
    },
    /// 3. Say what a message would become; nothing is written or sent
    Read(SampleArgs),
    /// 4. Send it as a test: it walks the line, leaves its record, and ends before the broker
    Test(SampleArgs),
    /// 5. Send it as the chart would: a real order of the account
    Send(SampleArgs),
}

#[derive(Debug, Args)]
struct RouteArgs {
    /// Its name
    name: String,
    /// Which way it trades: long, short or both
    #[arg(long)]
    direction: String,
    /// Who owns what it trades; left out: the route's name
    #[arg(long)]
    strategy: Option<String>,
    /// MIS, NRML or CNC; left out: the alert's
    #[arg(long)]
    product: Option<String>,
    /// MARKET or LIMIT; left out: the alert's
    #[arg(long)]
    order_type: Option<String>,
    /// What it trades, any spelling or selector; left out: what the alert names
    #[arg(long)]
    instrument: Option<String>,
    /// Takes alerts of this instrument only, as the chart calls it
    #[arg(long)]
    ticker: Option<String>,
    /// Takes alerts of this source only
    #[arg(long)]
    source: Option<String>,
    /// Takes alerts only that call their strategy or scan so
    #[arg(long)]
    alert_strategy: Option<String>,
    /// "2 lots", "130 units" or "50000 rupees"; left out: the alert's number
    #[arg(long)]
    size: Option<String>,
    /// What the alert's number counts: units or lots
    #[arg(long)]
    qty_unit: Option<String>,
    /// BUY or SELL, for alerts that do not say
    #[arg(long)]
    action: Option<String>,
    /// How often it may add to a position that it holds
    #[arg(long)]
    adds: Option<u32>,
    /// Entries only from this time of day, India (09:20)
    #[arg(long)]
    entries_from: Option<String>,
    /// Entries only before this time of day, India (14:45)
    #[arg(long)]
    entries_until: Option<String>,
    /// Entries in one day
    #[arg(long)]
    trades_per_day: Option<u32>,
    /// Stop of what it opens: a price, "12 points" or "1.5%"
    #[arg(long)]
    stop_loss: Option<String>,
    /// Target of what it opens
    #[arg(long)]
    target: Option<String>,
    /// How its stop trails: "12 points" or "1.5%"
    #[arg(long)]
    trailing: Option<String>,
    /// Where its stop lives: engine or broker; left out: as the account's settings say.
    #[arg(long)]
    stop_at: Option<String>,
    /// Each entry waits for a person's yes
    #[arg(long)]
    approval: bool,
    /// Orders of one ChartInk alert
    #[arg(long)]
    max_orders: Option<u32>,
    /// tell or block: what a gap in its source's numbers does
    #[arg(long)]
    on_gap: Option<String>,
    /// Why; it stands in the journal
    #[arg(long, default_value = "written by hand")]
    reason: String,
}

#[derive(Debug, Args)]
struct SampleArgs {
    /// A file with the message as it comes, or - for the standard input; left out: a sample of the route
    file: Option<PathBuf>,
    /// The route whose sample is taken when no file is named
    #[arg(long)]
    route: Option<String>,
    /// The kind of sender that the sample is of
    #[arg(long, value_enum, default_value = "tradingview")]
    sender: Sender,
    /// What the chart shows
    #[arg(long)]
    symbol: Option<String>,
    /// Whose alert it is; left out: the common source
    #[arg(long)]
    source: Option<String>,
}

pub(super) fn run(config: &Config, wish: &Connect) -> anyhow::Result<i32> {
    let account = wish.account.as_deref();
    let done = match &wish.step {
        None => routes::overview(config, account),
        Some(Step::Route(args)) => routes::route(config, account, args),
        Some(Step::Remove { name, reason }) => routes::remove(config, account, name, reason),
        Some(Step::Message { name, sender, symbol, source }) => {
            samples::message(config, account, name, *sender, symbol.as_deref(), source.as_deref())
        }
        Some(Step::Read(args)) => samples::read(config, account, args),
        Some(Step::Test(args)) => samples::test(config, account, args),
        Some(Step::Send(args)) => samples::send(config, account, args),
    };
    match done? {
        Ok(code) => Ok(code),
        Err(trouble) => {
            Page::new().line(trouble).show()?;
            Ok(EXIT_ATTENTION)
        }
    }
}

/// An exit code, or what is wrong in words.
type Done = anyhow::Result<Result<i32, String>>;

/// Takes the body out of an answer, or gives up with its words.
macro_rules! said {
    ($asked:expr) => {
        match $asked? {
            Ok(said) if said.is_success() => said,
            Ok(said) => return Ok(Err(said.trouble())),
            Err(words) => return Ok(Err(words)),
        }
    };
}
use said;
