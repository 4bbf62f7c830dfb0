//! `ordergate simulate-broker`: a broker on this machine that speaks the Noren protocol and moves no money.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, NaiveTime, Utc};
use clap::Args;

use super::EXIT_OK;
use super::print::Page;
use crate::files::private_directory;
use crate::simulator::noren_server::{Settings, Simulator, TestUser, TimeSettings, read_faults};

/// The directory of the books that are kept without being told where.
const STATE: &str = "data-simulated-broker";

/// The settings that differ from one run to the next.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen, on this machine only; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Seed of the market
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A file with faults (TOML or JSON; see docs/simulator.md)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// A file that keeps orders, trades and sessions over a restart; left out: ./data-simulated-broker/PORT.jsonl, unless the port is
    /// free to choose or the time is given
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Keep nothing: a restart begins with empty books
    #[arg(long, conflicts_with = "state")]
    forget: bool,
    /// Begin at this time, for example 2026-11-20T09:30:00+05:30
    #[arg(long, value_name = "TIME")]
    time: Option<DateTime<Utc>>,
    /// Simulated milliseconds in a real second; 0 stands still until /sim/time moves it
    #[arg(long, default_value_t = 1_000)]
    speed: u32,
    /// Calls in one calendar second; 0: no limit
    #[arg(long, value_name = "CALLS")]
    per_second: Option<u32>,
    /// Calls in one calendar minute; 0: no limit
    #[arg(long, value_name = "CALLS")]
    per_minute: Option<u32>,
    /// From when on (IST) new intraday orders are refused, for example 15:15
    #[arg(long, value_name = "HH:MM", value_parser = clock_time)]
    square_off: Option<NaiveTime>,
    /// A one-time code is taken once only
    #[arg(long)]
    codes_once: bool,
    /// Where the sign-in page sends the browser
    #[arg(long, value_name = "URL")]
    redirect: Option<String>,
}

fn clock_time(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| format!("{text:?} is no time of day, for example 15:15"))
}

/// Where the books are kept when nobody says where: of each port its own, so that two of them never write into one file. With a time of
/// its own it is a drill of one run, and a free port is another one each time.
fn usual_state(listen: SocketAddr, has_time: bool) -> Option<PathBuf> {
    (listen.port() != 0 && !has_time).then(|| PathBuf::from(STATE).join(format!("{}.jsonl", listen.port())))
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<i32> {
    let faults = match &arguments.faults {
        Some(path) => read_faults(path).map_err(|why| anyhow!("{why}"))?,
        None => Vec::new(),
    };
    let mut user = TestUser::default();
    if let Some(redirect) = arguments.redirect {
        user.redirect_url = redirect;
    }
    let usual = Settings::default();
    let state = match arguments.state {
        _ if arguments.forget => None,
        Some(named) => Some(named),
        None => usual_state(arguments.listen, arguments.time.is_some()),
    };
    if let Some(directory) = state.as_ref().filter(|path| path.starts_with(STATE)).and_then(|path| path.parent()) {
        private_directory(directory).with_context(|| format!("the directory {}", directory.display()))?;
    }
    let settings = Settings {
        listen: arguments.listen,
        per_second: arguments.per_second.unwrap_or(usual.per_second),
        per_minute: arguments.per_minute.unwrap_or(usual.per_minute),
        seed: arguments.seed,
        faults,
        state: state.clone(),
        time: TimeSettings { start: arguments.time, speed: arguments.speed },
        square_off: arguments.square_off,
        codes_once: arguments.codes_once,
        user: user.clone(),
        ..usual
    };
    let simulator = Simulator::start(settings)?;
    announce(&simulator, &user, state.as_deref())?;
    actix_web::rt::System::new().block_on(wait_for_the_end()).context("waiting for a signal")?;
    simulator.stop();
    Ok(EXIT_OK)
}

fn announce(simulator: &Simulator, user: &TestUser, state: Option<&Path>) -> anyhow::Result<()> {
    let (http, socket) = (simulator.url(), simulator.socket_url());
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = [
        row("REST", format!("{http}/NorenWClientAPI/ and {http}/NorenWClientTP/")),
        row("sockets", format!("{socket}/NorenWSAPI/ and {socket}/NorenWSTP/")),
        row("masters", format!("{http}/NSE_symbols.txt.zip and BSE, NFO, BFO, MCX, CDS")),
        row("sign-in", format!("{http}/NorenWClientAPI/authorize?client_id={}", user.vendor)),
        row("control", format!("{http}/sim/ (see docs/simulator.md)")),
        row("user", user.uid.clone()),
        row("password", user.password.clone()),
        row("API key", user.api_key.clone()),
        row("vendor, client id", user.vendor.clone()),
        row("client secret", user.client_secret.clone()),
        row("TOTP seed", user.totp_seed.clone()),
    ];
    let mut page = Page::new();
    page.line(format!("The simulated broker listens on {}. No money moves here.", simulator.address));
    page.table(&["what", "where or value"], rows);
    page.line(match state {
        Some(path) => {
            format!("Its books are kept in {}: killed and started again it goes on. Move the file away to begin anew.", path.display())
        }
        None => "Its books are kept nowhere: started again it begins anew.".to_owned(),
    });
    page.line("It stops with Ctrl-C.").show()?;
    Ok(())
}

/// Ctrl-C, or a request to end from the system.
async fn wait_for_the_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = ended.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_books_are_kept_by_port_unless_that_would_mix_them() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(usual_state(at("127.0.0.1:9090"), false), Some(PathBuf::from("data-simulated-broker/9090.jsonl")));
        assert_eq!((usual_state(at("127.0.0.1:0"), false), usual_state(at("127.0.0.1:9090"), true)), (None, None));
    }

    #[test]
    fn a_time_of_day_reads() {
        assert_eq!(clock_time("15:15").unwrap().to_string(), "15:15:00");
        assert!(clock_time("25:00").is_err());
    }
}
