//! What somebody calls an instrument, and which one that is: the question to the master and its answer.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::order::{Instrument, InstrumentKey, Price};

/// An instrument as somebody calls it: a broker's symbol, a chart's ticker, a wish relative to today.
#[derive(Debug, Clone, Copy)]
pub struct Spelling<'a> {
    /// The exchange that stands beside the name, as sent.
    pub exchange: Option<&'a str>,
    /// The name, as sent.
    pub symbol: &'a str,
    /// What it is wanted for.
    pub purpose: Purpose<'a>,
    /// The trading day (India).
    pub today: NaiveDate,
}

/// What an instrument is wanted for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// For a new position: the name means what it means today.
    Open,
    /// To close a position: the name means what is held, never today's front month or strike at the money.
    Close(Closable<'a>),
    /// To change a position: what is held, and where nothing is, what the name means today.
    Change(Closable<'a>),
}

/// What a strategy could close.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closable<'a> {
    /// What it holds.
    pub held: &'a [InstrumentKey],
    /// What its open entries are for. They count where nothing that is held fits: such an entry may be a position before
    /// its exit is judged.
    pub entering: &'a [InstrumentKey],
}

/// The rule by which a spelling was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rule {
    /// It is the broker's own symbol.
    BrokerSymbol,
    /// It is the plain name of a share.
    Share,
    /// It is the name of an index: quoted, never traded.
    Index,
    /// It is a chart's continuous future, `NIFTY1!`.
    Continuous,
    /// It names the future of a month, `NIFTYX2026`.
    MonthOfFuture,
    /// It names a contract with its day of expiry, `NIFTY260929C25000` or `NIFTY28MAR2420800CE`.
    Contract,
    /// It is a wish relative to today, `NIFTY weekly ATM+1 CE`.
    Selector,
    /// It is what the strategy holds of that underlying and kind.
    Held,
}

/// The one instrument that a spelling means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAs {
    /// The instrument.
    pub instrument: Arc<Instrument>,
    /// By which rule.
    pub rule: Rule,
    /// The rule in words, with what it went by.
    pub words: String,
}

/// Why a spelling is no single instrument, as a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Why {
    /// Nothing is called so today.
    Unknown,
    /// Several instruments are.
    Ambiguous,
    /// It needs the price of its underlying, and there is no fresh one.
    NoPrice,
    /// It is read, and the strategy holds nothing of it.
    NothingHeld,
}

/// A spelling that is no single instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The kind of trouble.
    pub why: Why,
    /// What is wrong, in words.
    pub text: String,
    /// The nearest names, at most three; all that is meant, if that is too much.
    pub near: Vec<InstrumentKey>,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let mut names = self.near.iter();
        let Some(first) = names.next() else { return Ok(()) };
        let start = if self.why == Why::Ambiguous { "it may be" } else { "nearest are" };
        write!(f, "; {start} {first}")?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

impl std::error::Error for Unresolved {}

/// The price of an underlying now, in rupees; `None` when no fresh one is known.
pub type Spot<'a> = dyn Fn(&InstrumentKey) -> Option<Price> + 'a;

/// How an order's instrument was called, and what it was read as: kept in its journal row, so that nobody reads it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// As it was sent, with its exchange before it if there was one.
    pub sent: String,
    /// What it was read as.
    pub read: InstrumentKey,
    /// By which rule.
    pub rule: Rule,
    /// The rule in words.
    pub by: String,
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent as {}, read as {} by {}", self.sent, self.read, self.by)
    }
}
