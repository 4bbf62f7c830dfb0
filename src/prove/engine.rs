//! The engine's side of a run: the process, and what is said to it over its own surfaces.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use ordergate_actors::order::{BookState, OrderRecord, Price, Quantity, Side};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::child::{Child, Children};
use super::house::{House, Place};
use super::venue::{Nets, Theirs, hold};
use crate::drill::Step;
use crate::store::ReadStore;

/// How long an answer may take: the engine may be stopped while it is asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a start may take until entries go.
const OPENS: Duration = Duration::from_secs(60);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// An order as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ours {
    pub(super) command_id: String,
    pub(super) source: String,
    pub(super) parent_command_id: Option<String>,
    pub(super) strategy: String,
    pub(super) status: String,
    pub(super) tag: Option<String>,
    pub(super) broker_tag: String,
    pub(super) broker_order_id: Option<String>,
    pub(super) quantity: Option<i64>,
    pub(super) price: Option<Decimal>,
    pub(super) filled_quantity: i64,
    pub(super) cancel_wanted: Option<String>,
    pub(super) test_mode: Option<String>,
}

/// What the engine has: on its pages, or on its disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    pub(super) orders: Vec<Ours>,
    pub(super) nets: Nets,
}

impl Own {
    /// What a dead engine has left on its disk.
    pub(super) fn on_disk(directory: &Path) -> anyhow::Result<Self> {
        let store = ReadStore::open(directory)?;
        let orders = store.every().map(|order| order.map(|order| Ours::of(&order))).collect::<Result<Vec<_>, _>>()?;
        let mut nets = Nets::new();
        for (_, key, held) in store.load()?.accounts.iter().flat_map(|head| &head.holdings) {
            hold(&mut nets, key.instrument.symbol.to_string(), key.product.as_str(), held.net);
        }
        Ok(Self { orders, nets })
    }
}

impl Ours {
    fn of(order: &OrderRecord) -> Self {
        Self {
            command_id: order.command_id.to_string(),
            source: order.source.as_str().to_owned(),
            parent_command_id: order.parent_command_id.map(|parent| parent.to_string()),
            strategy: order.ask.strategy.to_string(),
            status: order.status.as_str().to_owned(),
            tag: order.tag.map(|tag| tag.to_string()),
            broker_tag: order.broker_tag.to_string(),
            broker_order_id: order.broker_order_id.as_ref().map(ToString::to_string),
            quantity: order.ask.quantity.map(Quantity::value),
            price: order.ask.price.map(Price::value),
            filled_quantity: order.filled_quantity,
            cancel_wanted: order.cancel_wanted.map(|tag| tag.to_string()),
            test_mode: order.ask.test_mode.map(|mode| mode.as_str().to_owned()),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "EXECUTED" | "FAILED")
    }

    /// Whether nobody knows yet what became of its call.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.has_ended() && self.tag.as_deref() == Some("SEND_UNCONFIRMED")
    }

    /// Whether it works at the broker, and we know under which number.
    pub(super) fn works(&self) -> bool {
        !self.has_ended() && self.broker_order_id.is_some() && !self.is_in_doubt()
    }
}

/// A row of the broker's book as the engine read it.
#[derive(Debug, Deserialize)]
struct Shown {
    broker_order_id: String,
    tag: Option<String>,
    state: BookState,
    quantity: i64,
    price: Option<Decimal>,
    filled: i64,
    side: Side,
}

impl Shown {
    fn row(self) -> Theirs {
        let Self { broker_order_id: number, tag, state, quantity, price, filled, side } = self;
        Theirs { number, tag: tag.unwrap_or_default(), state, quantity, price, filled, signed: filled * side.sign() }
    }
}

/// An alert, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Alert {
    /// Its key, for ever.
    pub(super) key: String,
    /// The alert without secret and key.
    pub(super) body: Value,
    /// The orders that it was answered with, if it was.
    pub(super) answered: Option<Vec<String>>,
    /// What it was answered with when it was sent once more.
    pub(super) repeated: Vec<Vec<String>>,
}

impl Alert {
    pub(super) fn new(key: &str, strategy: &str, kind: &str, leg: Value) -> Self {
        let body = json!({ "execution_type": kind, "strategy_name": strategy, "exchange": "NSE", "product_type": "MIS", "legs": [leg] });
        Self { key: key.to_owned(), body, answered: None, repeated: Vec::new() }
    }
}

impl Alert {
    /// Whose it is.
    pub(super) fn strategy(&self) -> &str {
        self.body["strategy_name"].as_str().unwrap_or_default()
    }

    /// How many orders it asks for.
    pub(super) fn legs(&self) -> usize {
        self.body["legs"].as_array().map_or(0, Vec::len)
    }

    /// Whether what it enters has a stop.
    pub(super) fn has_stop(&self) -> bool {
        self.body["legs"].as_array().is_some_and(|legs| legs.iter().any(|leg| !leg["stop_loss"].is_null()))
    }
}

/// A running engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) process: Child,
    http: reqwest::Client,
    secret: String,
    key: String,
}

impl Engine {
    /// Starts it on the directory, to be stopped at that step.
    pub(super) fn start(place: &Place, children: &Children, house: &House, settings: &Path, stop_at: Option<Step>) -> anyhow::Result<Self> {
        let arguments = [OsStr::new("--config"), settings.as_os_str(), OsStr::new("serve")];
        let drill = stop_at.map(|step| ("ORDERGATE__DRILL__STOP_AT", step.name()));
        let process = children.start(&place.binary, &arguments, drill.as_slice(), &house.directory.join("engine.stderr"))?;
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { process, http, secret: place.secret.clone(), key: place.key.clone() })
    }

    async fn url(&self, path: &str) -> anyhow::Result<String> {
        let address: SocketAddr = self.process.address().await?;
        Ok(format!("http://{address}{path}"))
    }

    /// Whether entries go.
    pub(super) async fn is_open(&self) -> bool {
        let Ok(url) = self.url("/health/ready").await else { return false };
        self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until entries go.
    pub(super) async fn opens(&self) -> anyhow::Result<()> {
        let address = self.process.address().await?;
        let deadline = Instant::now() + OPENS;
        while !self.is_open().await {
            if Instant::now() > deadline {
                bail!("the engine at {address} did not open within {} s", OPENS.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Sends an alert and leaves: the answer comes, or does not.
    pub(super) async fn post(&self, alert: &Alert) -> anyhow::Result<tokio::task::JoinHandle<Option<Vec<String>>>> {
        let mut body = alert.body.clone();
        body["secret_key"] = json!(self.secret);
        body["idempotency_key"] = json!(alert.key);
        let request = self.http.post(self.url("/webhook").await?).json(&body);
        Ok(tokio::spawn(async move {
            // A refusal is an answer too: it names its order.
            let body: Value = request.send().await.ok()?.json().await.ok()?;
            let orders = body["orders"].as_array()?;
            Some(orders.iter().filter_map(|order| Some(order["command_id"].as_str()?.to_owned())).collect())
        }))
    }

    /// Sends an alert, and again while it is not answered, as a sender does.
    pub(super) async fn deliver(&self, alert: &Alert) -> anyhow::Result<Vec<String>> {
        let deadline = Instant::now() + OPENS;
        while Instant::now() < deadline {
            if let Ok(Some(orders)) = self.post(alert).await?.await {
                return Ok(orders);
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("the alert {} was not taken within {} s", alert.key, OPENS.as_secs())
    }

    /// Asks for something and leaves, for example a cancel.
    pub(super) async fn act(&self, path: &str, body: Value) -> anyhow::Result<tokio::task::JoinHandle<bool>> {
        let request = self.http.post(self.url(path).await?).bearer_auth(&self.key).json(&body);
        Ok(tokio::spawn(async move { request.send().await.is_ok_and(|answer| answer.status().is_success()) }))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(self.url(path).await?).bearer_auth(&self.key).send().await.with_context(|| path.to_owned())?;
        if !answer.status().is_success() {
            bail!("{path} was answered {}", answer.status());
        }
        Ok(answer.json().await?)
    }

    /// The orders in the engine's order book.
    pub(super) async fn orders(&self) -> anyhow::Result<Vec<Ours>> {
        self.books().await.map(|(ours, _)| ours)
    }

    /// Its orders, and those of the broker as it read them last.
    pub(super) async fn books(&self) -> anyhow::Result<(Vec<Ours>, Vec<Theirs>)> {
        let mut ours: Vec<Ours> = Vec::new();
        let mut path = "/dashboard/orderbook?limit=1000".to_owned();
        loop {
            let mut book = self.get(&path).await?;
            ours.extend(serde_json::from_value::<Vec<Ours>>(book["system_orders"].take())?);
            if let Some(next) = book["next"].as_u64() {
                path = format!("/dashboard/orderbook?limit=1000&before={next}");
                continue;
            }
            let shown: Vec<Shown> = serde_json::from_value(book["broker_orders"].take())?;
            // What is not shown was not compared.
            if book["broker_total"].as_u64() != u64::try_from(shown.len()).ok() {
                bail!("the broker's book has {} rows, and {} are shown", book["broker_total"], shown.len());
            }
            return Ok((ours, shown.into_iter().map(Shown::row).collect()));
        }
    }

    /// What it holds, and the strategies that hold something for which no exit rule stands.
    pub(super) async fn positions(&self) -> anyhow::Result<(Nets, Vec<String>)> {
        let answer = self.get("/dashboard/positions").await?;
        let (mut nets, mut bare) = (Nets::new(), Vec::new());
        for row in answer["accounts"][0]["positions"].as_array().context("no positions are told")? {
            let units = row["ours"].as_i64().context("a position has no units")?;
            hold(&mut nets, row["symbol"].as_str().unwrap_or_default().to_owned(), row["product"].as_str().unwrap_or_default(), units);
            let rules = || row["exit_rules"].as_array().into_iter().flatten();
            for line in row["strategies"].as_array().into_iter().flatten().filter(|line| line["net"].as_i64() != Some(0)) {
                if !rules().any(|rule| rule["strategy"] == line["strategy"]) {
                    bare.push(line["strategy"].as_str().unwrap_or_default().to_owned());
                }
            }
        }
        Ok((nets, bare))
    }

    /// Whether an exit rule stands.
    pub(super) async fn has_rule(&self) -> anyhow::Result<bool> {
        let rules = self.get("/dashboard/exit-rules").await?;
        Ok(rules["accounts"][0]["rules"].as_array().is_some_and(|rules| !rules.is_empty()))
    }

    /// Waits for an order that is like that.
    pub(super) async fn until_order(&self, what: &str, is_so: impl Fn(&Ours) -> bool) -> anyhow::Result<Ours> {
        let deadline = Instant::now() + OPENS;
        while Instant::now() < deadline {
            if let Some(found) = self.orders().await?.into_iter().find(&is_so) {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(anyhow!("no order came that {what}"))
    }
}
