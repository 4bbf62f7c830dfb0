//! `ordergate conformance`: what a broker adapter must do, tried on one account, without the engine.
//!
//! ```text
//! Plan ─▶ gather (asks the broker, judges nothing) ─▶ Facts ─▶ cases, questions (judge, ask nothing) ─▶ Report
//! ```
//!
//! *Invariant:* no order leaves for a live broker unless the plan says so; what this run sent is cancelled at its end and
//! proven to be by the order book, or the report says loudly what is left.

mod bench;
mod cases;
mod facts;
mod gather;
mod pace;
mod questions;
mod record;
mod units;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::Limits;
use ordergate_actors::order::{ClientId, Exchange, InstrumentKey};
use ordergate_actors::ports::{Broker as _, Budget, BudgetChange, Clock, Instruments};
use ordergate_actors::settings::QuantityUnit;
use parking_lot::Mutex;
use serde::Serialize;

pub use record::{NotRecorded, file, write};
pub use units::confirmed;

use crate::brokers::noren::{Io, NorenBroker, NorenSettings};
use crate::instruments::master::EquityTick;
use crate::version;
use bench::Bench;
use pace::Pace;

/// What is tried, and with what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The account.
    pub account: ClientId,
    /// Its broker; the directory is the account's own.
    pub settings: NorenSettings,
    /// Its limits: no order of the run is larger.
    pub limits: Limits,
    /// How its budget differs from its broker's.
    pub budget: BudgetChange,
    /// The data directory.
    pub data: PathBuf,
    /// What the cases are tried with.
    pub symbol: InstrumentKey,
    /// Whether orders may go out; `Err` says what that needs.
    pub orders: Result<(), String>,
    /// Whether a second login may be tried; `Err` says what that needs.
    pub second_login: Result<(), String>,
    /// Where the masters are; `Err` says what fetching them needs.
    pub masters: Result<MasterSource, String>,
    /// The most that the clocks may differ.
    pub max_skew: Duration,
    /// What can be traded.
    pub instruments: Arc<dyn Instruments>,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

/// Where the masters are.
#[derive(Debug, Clone)]
pub struct MasterSource {
    /// `<url>/NSE_symbols.txt.zip`.
    pub url: String,
    /// Of which exchanges.
    pub exchanges: Vec<Exchange>,
    /// The unit of the price steps of shares.
    pub tick: EquityTick,
}

/// What a case needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Reads.
    ReadOnly,
    /// One smallest order.
    SmallOrder,
    /// A simulator.
    Simulator,
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it must be.
    Passed,
    /// Not as it must be.
    Failed,
    /// The broker does not have it, or it was not tried.
    NotTried,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotTried => "not tried",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The case.
    pub name: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What became of it.
    pub verdict: Verdict,
    /// What was seen, or what it needs.
    pub seen: String,
}

/// One open question of the protocol, and what this run says to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Its number in section 12 of the Noren protocol reference.
    pub number: u8,
    /// The question.
    pub question: &'static str,
    /// The answer, or "not tried: needs …".
    pub answer: String,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The account.
    pub account: ClientId,
    /// What it was tried with.
    pub symbol: InstrumentKey,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// The build that ran.
    pub version: &'static str,
    /// Whether real money moves there.
    pub is_live: bool,
    /// Whether orders were tried.
    pub with_orders: bool,
    /// What a quantity was found to count, where brokers differ.
    #[serde(skip)]
    pub unit: Option<(Exchange, QuantityUnit)>,
    /// The table.
    pub lines: Vec<Line>,
    /// The open questions.
    pub questions: Vec<Answer>,
    /// What a person must look at now: fills, and orders that are not proven to have ended.
    pub alarms: Vec<String>,
}

impl Report {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.lines.iter().any(|line| line.verdict == Verdict::Failed)
    }

    /// How many lines came to that.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// Why a run does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// The client or its thread.
    #[error("the account's connection cannot be built: {0}")]
    Broker(#[from] crate::brokers::noren::HttpError),
    /// The thread of the connection.
    #[error("the account's connection has no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The account's budget.
    #[error("the account's budget does not fit together: {0}")]
    Budget(String),
}

/// Tries everything that the plan allows. Nobody else may trade with the account meanwhile.
///
/// # Errors
/// [`Unready`]; nothing was asked of the broker then.
pub async fn run(plan: &Plan) -> Result<Report, Unready> {
    let io = Io::start()?;
    let broker = NorenBroker::start(plan.settings.clone(), Arc::clone(&plan.instruments), Arc::clone(&plan.clock), io)?;
    let budget = Budget::changed(broker.capabilities().budget, plan.budget).map_err(Unready::Budget)?;
    let probe = broker.probe();
    let bench = Bench {
        frames: tokio::sync::Mutex::new(probe.frames()),
        updates: tokio::sync::Mutex::new(broker.stream()),
        probe,
        broker,
        instruments: Arc::clone(&plan.instruments),
        limits: plan.limits.clone(),
        clock: Arc::clone(&plan.clock),
        pace: Pace::new(budget, Arc::clone(&plan.clock)),
        heard: Mutex::default(),
        ours: Mutex::default(),
        run: run_name(plan.clock.now()),
    };
    let facts = gather::all(plan, &bench).await;
    Ok(Report {
        account: plan.account.clone(),
        symbol: plan.symbol.clone(),
        at: plan.clock.now(),
        version: version::of_this_build(),
        is_live: plan.settings.is_live,
        with_orders: plan.orders.is_ok() && facts.small.is_ok(),
        unit: facts.unit.as_ref().ok().and_then(|unit| Some((unit.exchange, unit.settled()?))),
        lines: cases::lines(&facts),
        questions: questions::answers(&facts),
        alarms: cases::alarms(&facts),
    })
}

/// `CF` and seven characters of the time: no tag of an engine begins so, and no two runs of an account are alike.
fn run_name(now: DateTime<Utc>) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rest = u64::try_from(now.timestamp_millis() / 100).unwrap_or_default();
    let mut name = [b'0'; 7];
    for place in name.iter_mut().rev() {
        let digit = usize::try_from(rest % 36).unwrap_or_default();
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 36;
    }
    format!("CF{}", String::from_utf8_lossy(&name))
}
