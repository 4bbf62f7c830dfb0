//! The rates in force, cell by cell: one charge of one segment, kind, product and side, from a day on.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::calendar::Class;
use crate::order::{Exchange, Product, Side};

/// One kind of charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Charge {
    /// What the broker takes.
    Brokerage,
    /// Securities transaction tax.
    Stt,
    /// Commodities transaction tax.
    Ctt,
    /// The exchange's transaction charge.
    Exchange,
    /// SEBI's turnover fee.
    Sebi,
    /// Stamp duty.
    Stamp,
    /// The depository participant's charge for shares that leave the account.
    Dp,
    /// Goods and services tax.
    Gst,
}

impl Charge {
    /// Whether goods and services tax is due on it.
    #[must_use]
    pub fn is_taxed(self) -> bool {
        matches!(self, Self::Brokerage | Self::Exchange | Self::Sebi | Self::Dp)
    }

    /// Decimals that a contract note shows: transaction taxes come in whole rupees.
    #[must_use]
    pub fn decimals(self) -> u32 {
        if matches!(self, Self::Stt | Self::Ctt) { 0 } else { 2 }
    }
}

/// What charges tell apart among the contracts of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A share.
    Share,
    /// A future.
    Future,
    /// An option.
    Option,
    /// A contract in an agricultural commodity.
    Agri,
}

impl From<Class> for Kind {
    fn from(class: Class) -> Self {
        match class {
            Class::Share | Class::AuctionShare => Self::Share,
            Class::Future | Class::NearFuture => Self::Future,
            Class::Option => Self::Option,
            Class::Agri | Class::LinkedAgri => Self::Agri,
        }
    }
}

/// How much is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// Percent of the traded value.
    pub(super) percent: Option<Decimal>,
    /// Rupees for each order that traded.
    pub(super) per_order: Option<Decimal>,
    /// Rupees for each instrument of a day.
    pub(super) per_scrip: Option<Decimal>,
    /// The last day.
    pub(super) until: Option<NaiveDate>,
}

/// What a rate is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) charge: Charge,
    /// Whose plan; empty: everybody's.
    pub(super) plan: Arc<str>,
    pub(super) segment: Exchange,
    pub(super) kind: Kind,
    pub(super) product: Product,
    pub(super) side: Side,
}

/// Every rate, by what it is for and since when.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    pub(super) cells: BTreeMap<Cell, BTreeMap<NaiveDate, Rate>>,
    pub(super) gst: BTreeMap<NaiveDate, Rate>,
}

fn on(dated: &BTreeMap<NaiveDate, Rate>, date: NaiveDate) -> Option<Rate> {
    let (_, rate) = dated.range(..=date).next_back()?;
    (rate.until.is_none_or(|until| date <= until)).then_some(*rate)
}

impl Rates {
    pub(super) fn rate(&self, cell: &Cell, date: NaiveDate) -> Option<Rate> {
        on(self.cells.get(cell)?, date)
    }

    /// Whether there is a rate for one of the sides of such trades on that date: then the other side is free of it.
    pub(super) fn is_known(&self, cell: &Cell, date: NaiveDate) -> bool {
        Side::ALL.iter().any(|side| self.rate(&Cell { side: *side, ..cell.clone() }, date).is_some())
    }

    /// Percent of what it is due on.
    pub(super) fn gst(&self, date: NaiveDate) -> Option<Decimal> {
        on(&self.gst, date)?.percent
    }

    /// Whether a plan of that name has rates.
    #[must_use]
    pub fn has_plan(&self, plan: &str) -> bool {
        self.cells.keys().any(|cell| *cell.plan == *plan)
    }
}
