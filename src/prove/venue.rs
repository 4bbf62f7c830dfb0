//! The broker's side of a run, and its own book: what really happened.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use ordergate_actors::order::{BookState, trading_date};
use ordergate_actors::ports::Clock as _;
use rust_decimal::Decimal;
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

/// Units by symbol and product; what is flat is not there.
pub(super) type Nets = BTreeMap<(String, String), i64>;

/// What the broker has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) orders: Vec<Theirs>,
    /// What is held there; `None`: it is not told while the engine runs.
    pub(super) nets: Option<Nets>,
    /// Placings that it took, by their free text.
    pub(super) accepted: BTreeMap<String, u64>,
}

/// An order as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Theirs {
    pub(super) number: String,
    /// The free text that it came with.
    pub(super) tag: String,
    pub(super) state: BookState,
    pub(super) quantity: i64,
    /// Its limit, if it has one.
    pub(super) price: Option<Decimal>,
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

    /// What it has, whatever it shows to those who ask over the protocol. `None`: it can only be read when the engine is dead.
    pub(super) async fn truth(&self) -> anyhow::Result<Option<Truth>> {
        let Self::Simulated { .. } = self else { return Ok(None) };
        let state = self.ask(reqwest::Method::GET, "state", None).await?;
        let rows = |what: &str| state[what].as_array().ok_or_else(|| anyhow!("the simulated broker tells no {what}"));
        let orders = rows("orders")?.iter().map(of_the_simulator).collect::<anyhow::Result<Vec<_>>>()?;
        let accepted = serde_json::from_value(state["accepted"].clone()).context("what the simulated broker took")?;
        let mut nets = Nets::new();
        for row in rows("positions")? {
            let product = match row["prd"].as_str() {
                Some("I") => "MIS",
                Some("M") => "NRML",
                Some("C") => "CNC",
                other => bail!("the simulated broker holds something as {other:?}"),
            };
            let symbol = row["tsym"].as_str().unwrap_or_default().to_owned();
            let net = row["net"].as_i64().context("a position of the simulated broker has no units")?;
            hold(&mut nets, symbol, product, net);
        }
        Ok(Some(Truth { orders, nets: Some(nets), accepted }))
    }

    /// The same when the engine is dead.
    pub(super) async fn last_truth(&self) -> anyhow::Result<Truth> {
        match (self.truth().await?, self) {
            (Some(truth), _) => Ok(truth),
            (None, Self::Paper { directory }) => of_the_file(directory),
            (None, Self::Simulated { .. }) => bail!("the simulated broker tells no book"),
        }
    }
}

/// So many units more.
pub(super) fn hold(nets: &mut Nets, symbol: String, product: &str, units: i64) {
    let key = (symbol, product.to_owned());
    let net = nets.remove(&key).unwrap_or(0) + units;
    if net != 0 {
        nets.insert(key, net);
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
    let quantity = row["qty"].as_i64().unwrap_or_default();
    let price = row["prc"].as_str().and_then(|text| text.parse().ok()).filter(|price: &Decimal| !price.is_zero());
    Ok(Theirs { number: text("norenordno"), tag: text("remarks"), state, quantity, price, filled, signed })
}

fn of_the_file(directory: &Path) -> anyhow::Result<Truth> {
    let clock = Arc::new(SystemClock);
    let rows = sample(trading_date(clock.now())).map_err(|error| anyhow!("the instrument sample: {error}"))?;
    let table = Arc::new(InstrumentTable::new(rows));
    let listed: Vec<_> = table.iter().collect();
    let market = Arc::new(SyntheticMarket::new(1, listed.iter().map(AsRef::as_ref)));
    let broker = PaperBroker::open(&PaperSettings::new(directory), table, market, clock)?;
    let exchange = broker.exchange();
    let mut truth = Truth::default();
    for row in exchange.orders() {
        let tag = row.tag.as_deref().unwrap_or_default().to_owned();
        *truth.accepted.entry(tag.clone()).or_default() += 1;
        truth.orders.push(Theirs {
            number: row.broker_order_id.to_string(),
            tag,
            state: row.state,
            quantity: row.quantity,
            price: row.price,
            filled: row.filled,
            signed: row.filled * row.side.sign(),
        });
    }
    let nets = truth.nets.get_or_insert_default();
    for (key, position) in exchange.position_details() {
        hold(nets, key.instrument.symbol.to_string(), key.product.as_str(), position.holding.net);
    }
    Ok(truth)
}
