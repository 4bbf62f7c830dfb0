//! The broker's side of a run, and its own book: what really happened.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use ordergate_actors::order::{BookState, trading_date};
use ordergate_actors::ports::Clock as _;
use serde_json::{Value, json};

use super::Broker;
use super::child::{Child, Children};
use super::house::{CLIENT, House, Place};
use crate::brokers::paper::{PaperBroker, PaperSettings};
use crate::clock::SystemClock;
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::market::SyntheticMarket;

/// How long the broker may take to answer a question of the proof.
const PATIENCE: Duration = Duration::from_secs(10);

/// An order as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theirs {
    pub(super) number: String,
    /// The free text that it came with.
    pub(super) tag: String,
    pub(super) state: BookState,
    pub(super) filled: i64,
    /// `BUY` is positive.
    pub(super) signed: i64,
}

/// The broker of one run.
#[derive(Debug)]
pub(super) enum Venue {
    /// A process of its own.
    Simulated { process: Child, url: String, http: reqwest::Client },
    /// Within the engine; its file is read when the engine is dead.
    Paper { directory: PathBuf },
}

impl Venue {
    /// Opens it; the prices stand still until they are moved.
    pub(super) async fn open(place: &Place, children: &Children, house: &House, seed: u64) -> anyhow::Result<Self> {
        if place.broker == Broker::Paper {
            return Ok(Self::Paper { directory: house.data.join("paper").join(CLIENT) });
        }
        let seed = seed.to_string();
        let arguments =
            ["simulate-broker", "--listen", "127.0.0.1:0", "--per-second", "0", "--per-minute", "0", "--seed", &seed].map(OsStr::new);
        let process = children.start(&place.binary, &arguments, &[], &house.directory.join("broker.stderr"))?;
        let url = format!("http://{}", process.address().await.context("the simulated broker")?);
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).build()?;
        let venue = Self::Simulated { process, url, http };
        for (symbol, bid, ask) in
            [("SBIN-EQ", "850.00", "850.10"), ("INFY-EQ", "1500.00", "1500.10"), ("RELIANCE-EQ", "1400.00", "1400.10")]
        {
            venue.price(symbol, bid, ask).await?;
        }
        Ok(venue)
    }

    /// Where it listens, if it is a process.
    pub(super) async fn address(&self) -> anyhow::Result<Option<std::net::SocketAddr>> {
        match self {
            Self::Simulated { process, .. } => process.address().await.map(Some),
            Self::Paper { .. } => Ok(None),
        }
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let Self::Simulated { url, http, .. } = self else { bail!("the paper broker has no control for {path}") };
        let request = http.request(method, format!("{url}/sim/{path}"));
        let answer = body.iter().fold(request, |request, body| request.json(body)).send().await.with_context(|| path.to_owned())?;
        if !answer.status().is_success() {
            bail!("the simulated broker answered {} to {path}", answer.status());
        }
        Ok(answer.json().await?)
    }

    /// Sets the touch of an NSE symbol.
    pub(super) async fn price(&self, symbol: &str, bid: &str, ask: &str) -> anyhow::Result<()> {
        self.ask(reqwest::Method::POST, "prices", Some(json!({ "exch": "NSE", "tsym": symbol, "bid": bid, "ask": ask }))).await.map(drop)
    }

    /// The exchange cancels that order by itself.
    pub(super) async fn strike(&self, number: &str) -> anyhow::Result<()> {
        self.ask(reqwest::Method::POST, "cancel", Some(json!({ "norenordno": number, "reason": "a proof" }))).await.map(drop)
    }

    /// A fault to come. The paper broker has none.
    pub(super) async fn fault(&self, rule: Value) -> anyhow::Result<()> {
        match self {
            Self::Simulated { .. } => self.ask(reqwest::Method::POST, "faults", Some(rule)).await.map(drop),
            Self::Paper { .. } => Ok(()),
        }
    }

    /// No fault is left.
    pub(super) async fn heal(&self) -> anyhow::Result<()> {
        match self {
            Self::Simulated { .. } => self.ask(reqwest::Method::DELETE, "faults", None).await.map(drop),
            Self::Paper { .. } => Ok(()),
        }
    }

    /// Its own book, whatever it shows to those who ask over the protocol. `None`: it can only be read when the engine is dead.
    pub(super) async fn book(&self) -> anyhow::Result<Option<Vec<Theirs>>> {
        let Self::Simulated { .. } = self else { return Ok(None) };
        let state = self.ask(reqwest::Method::GET, "state", None).await?;
        let rows = state["orders"].as_array().ok_or_else(|| anyhow!("the simulated broker tells no orders"))?;
        rows.iter().map(of_the_simulator).collect::<anyhow::Result<Vec<_>>>().map(Some)
    }

    /// Its own book when the engine is dead.
    pub(super) async fn last_book(&self) -> anyhow::Result<Vec<Theirs>> {
        match (self.book().await?, self) {
            (Some(book), _) => Ok(book),
            (None, Self::Paper { directory }) => of_the_file(directory),
            (None, Self::Simulated { .. }) => bail!("the simulated broker tells no book"),
        }
    }
}

fn of_the_simulator(row: &Value) -> anyhow::Result<Theirs> {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let state = match text("status").as_str() {
        "PENDING" | "OPEN" | "TRIGGER_PENDING" => BookState::Open,
        "COMPLETE" => BookState::Complete,
        "REJECTED" => BookState::Rejected,
        "CANCELED" => BookState::Cancelled,
        other => bail!("the simulated broker has an order that is {other:?}"),
    };
    let filled = row["fillshares"].as_i64().unwrap_or_default();
    let signed = if text("trantype") == "S" { -filled } else { filled };
    Ok(Theirs { number: text("norenordno"), tag: text("remarks"), state, filled, signed })
}

fn of_the_file(directory: &Path) -> anyhow::Result<Vec<Theirs>> {
    let clock = Arc::new(SystemClock);
    let rows = sample(trading_date(clock.now())).map_err(|error| anyhow!("the instrument sample: {error}"))?;
    let table = Arc::new(InstrumentTable::new(rows));
    let listed: Vec<_> = table.iter().collect();
    let market = Arc::new(SyntheticMarket::new(1, listed.iter().map(AsRef::as_ref)));
    let broker = PaperBroker::open(&PaperSettings::new(directory), table, market, clock)?;
    let book = broker.exchange().orders();
    Ok(book
        .into_iter()
        .map(|row| Theirs {
            number: row.broker_order_id.to_string(),
            tag: row.tag.as_deref().unwrap_or_default().to_owned(),
            state: row.state,
            filled: row.filled,
            signed: row.filled * row.side.sign(),
        })
        .collect())
}
