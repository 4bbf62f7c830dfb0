//! `ordergate conformance`: what a broker adapter must do, tried on one account while no engine runs.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;

use clap::Args;
use ordergate_actors::order::{ClientId, Exchange, InstrumentKey};
use ordergate_actors::ports::Clock;
use ordergate_actors::supervision::EXIT_REFUSED;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK, instruments};
use crate::brokers::noren::NorenSettings;
use crate::clock::SystemClock;
use crate::config::{Account, InstrumentSource};
use crate::conformance::{MasterSource, NotRecorded, Plan, Report, Verdict, run as tried, write};
use crate::files::private_directory;
use crate::store::{DirectoryLock, Holder};

/// Characters of a cell before it goes on below.
const WIDTH: usize = 90;

#[derive(Debug, Args)]
pub(super) struct Conformance {
    /// The account; may be left out if there is one at a real broker or its simulator
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Send smallest orders far from the market, also to a live broker, and cancel them
    #[arg(long)]
    live_small_order: bool,
    /// Log in a second time, to see what that does to the first; on a simulator always
    #[arg(long)]
    second_login: bool,
    /// What the cases are tried with
    #[arg(long, value_name = "EXCHANGE:SYMBOL", default_value = "NSE:SBIN-EQ", value_parser = symbol)]
    symbol: InstrumentKey,
}

fn symbol(text: &str) -> Result<InstrumentKey, String> {
    let wrong = || format!("must be an exchange ({}) and a symbol, for example NSE:SBIN-EQ", Exchange::choices());
    let (exchange, symbol) = text.trim().split_once(':').filter(|(_, symbol)| !symbol.trim().is_empty()).ok_or_else(wrong)?;
    Ok(InstrumentKey::new(Exchange::parse(exchange).ok_or_else(wrong)?, symbol.trim()))
}

pub(super) fn run(config: &Config, args: &Conformance) -> anyhow::Result<i32> {
    let (account, settings) = match chosen(config, args.account.as_deref()) {
        Ok(chosen) => chosen,
        Err(cause) => return refused(&cause),
    };
    let data = &config.storage.directory;
    std::fs::create_dir_all(data)?;
    // Two that use one account would each take the other's orders for somebody else's, and its session away.
    let lock = match DirectoryLock::acquire(data, Holder::Command("conformance"), SystemClock.now()) {
        Ok(lock) => lock,
        Err(held) => return refused(&held.to_string()),
    };
    let is_live = settings.is_live;
    if is_live && args.live_small_order && !is_typed(&account.client_id, &args.symbol)? {
        return refused("nothing was tried: the name was not typed");
    }
    let plan = plan(config, account, settings, args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(tried(&plan))?;
    let recorded = write(data, &report)?;
    drop(lock);
    show(&report, recorded.err())?;
    Ok(if report.passed() { EXIT_OK } else { EXIT_ATTENTION })
}

fn refused(words: &str) -> anyhow::Result<i32> {
    eprintln!("ordergate: {words}");
    Ok(EXIT_REFUSED)
}

/// The account, and its broker's settings.
fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<(&'a Account, &'a NorenSettings), String> {
    let known = || config.accounts.iter().map(|account| account.client_id.to_string()).collect::<Vec<_>>().join(", ");
    let with_broker = |account: &'a Account| account.noren.as_deref().map(|noren| (account, noren));
    let Some(name) = name else {
        let mut all = config.accounts.iter().filter_map(with_broker);
        return match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("no account has a broker to try (accounts: {}); see config/shoonya.toml", known())),
            (Some(_), Some(_)) => Err(format!("--account is needed: there are {}", known())),
        };
    };
    let wanted = ClientId::parse(name).map_err(|cause| format!("--account: {cause}"))?;
    let account = config.accounts.iter().find(|account| account.client_id == wanted);
    let account = account.ok_or_else(|| format!("there is no account {wanted}; there are {}", known()))?;
    with_broker(account).ok_or_else(|| format!("{wanted} is a paper account: there is no broker to try"))
}

fn plan(config: &Config, account: &Account, settings: &NorenSettings, args: &Conformance) -> anyhow::Result<Plan> {
    let data = config.storage.directory.clone();
    let directory = data.join("noren").join(account.client_id.as_str());
    private_directory(&directory)?;
    let (table, _) = instruments::table(config)?;
    let is_live = settings.is_live;
    let needs = |is_allowed: bool, flag: &str| if is_allowed { Ok(()) } else { Err(format!("needs {flag}")) };
    let url = match (config.instruments.source, is_live) {
        (InstrumentSource::Noren, _) => Ok(config.instruments.url.clone()),
        // A simulator has the masters beside it.
        (InstrumentSource::Sample, false) => Ok(settings.host.clone()),
        (InstrumentSource::Sample, true) => Err("needs instruments.source = \"noren\"".to_owned()),
    };
    let exchanges = config.instruments.exchanges.clone();
    Ok(Plan {
        account: account.client_id.clone(),
        settings: NorenSettings { directory, ..settings.clone() },
        limits: account.settings.limits.clone(),
        budget: account.settings.budget,
        data,
        symbol: args.symbol.clone(),
        orders: needs(args.live_small_order || !is_live, "--live-small-order"),
        second_login: needs(args.second_login || !is_live, "--second-login"),
        masters: url.map(|url| MasterSource { url, exchanges, tick: config.instruments.equity_tick }),
        max_skew: config.readiness.max_clock_skew,
        instruments: Arc::new(table),
        clock: Arc::new(SystemClock),
    })
}

fn is_typed(account: &ClientId, symbol: &InstrumentKey) -> anyhow::Result<bool> {
    let mut page = Page::new();
    page.line(format!("Real orders will go out for {symbol} and NSE:M&M-EQ: one lot each, far below the market, cancelled at once."));
    page.line("No engine and no other program may use the account meanwhile.");
    page.line(format!("Type the account's name ({account}) to go on:")).show()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == account.as_str())
}

/// The table, the open questions, and what a person must look at, which comes last and cannot be missed.
fn show(report: &Report, not_recorded: Option<NotRecorded>) -> anyhow::Result<()> {
    let mut page = Page::new();
    page.line(format!("{} with {}, ordergate {}", report.account, report.symbol, report.version));
    let rows = report.lines.iter().flat_map(|line| wrapped([line.name, line.verdict.words()], &line.seen));
    page.table(&["case", "", "seen"], rows);
    page.heading("Open questions of the protocol");
    let rows = report.questions.iter().flat_map(|one| wrapped([&one.number.to_string(), one.question], &one.answer));
    page.table(&["", "question", "answer"], rows);
    let count = |verdict| report.count(verdict);
    let (passed, failed, rest) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::NotTried));
    page.heading(format!("{passed} passed, {failed} failed, {rest} not tried or unsupported"));
    if not_recorded == Some(NotRecorded::WithoutOrders) {
        page.line("no order was tried: what an arming shows stays as it was; run it with --live-small-order");
    }
    for alarm in &report.alarms {
        let bar = if io::stdout().is_terminal() { "\u{7}!!!" } else { "!!!" };
        page.line(format!("{bar} {alarm}"));
    }
    page.show()?;
    Ok(())
}

/// A row whose long last cell goes on in rows below: nothing that was seen is cut off.
fn wrapped(first: [&str; 2], text: &str) -> Vec<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let [name, verdict] = first.map(str::to_owned);
    let mut first = Some((name, verdict));
    let row = |line| {
        let (name, verdict) = first.take().unwrap_or_default();
        vec![name, verdict, line]
    };
    lines.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cell_goes_on_below_and_loses_no_word() {
        let text = "word ".repeat(60);
        let rows = wrapped(["a", "b"], text.trim());
        assert!(rows.len() > 2 && rows[0][0] == "a" && rows[1][..2] == ["", ""]);
        assert!(rows.iter().all(|row| row[2].chars().count() <= WIDTH));
        assert_eq!(rows.iter().map(|row| row[2].clone()).collect::<Vec<_>>().join(" "), text.trim());
        assert_eq!(wrapped(["a", "b"], ""), [["a", "b", ""]]);
    }

    #[test]
    fn a_symbol_has_its_exchange() {
        assert_eq!(symbol("nse:M&M-EQ").unwrap().to_string(), "NSE:M&M-EQ");
        for wrong in ["SBIN-EQ", "NSE:", "XYZ:A", ""] {
            assert!(symbol(wrong).is_err(), "{wrong:?}");
        }
    }
}
