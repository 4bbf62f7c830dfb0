//! The day's result in rupees: the worse of two books, the broker's position rows and our own fills. Delivery holdings
//! count in neither. A figure that is not known is said, and never taken for nothing lost. Pure.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveTime, Utc};

use crate::order::{Amount, InstrumentKey, Price, Product, ist, trading_date};
use crate::persistence::Book;
use crate::pnl::Day;
use crate::ports::{PositionRow, Quote, Quotes};

/// What one book says of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// So many rupees.
    Known(Amount),
    /// Nothing, for this reason.
    Unknown(Arc<str>),
}

impl Figure {
    /// The rupees; `None`: not known.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        match self {
            Self::Known(amount) => Some(*amount),
            Self::Unknown(_) => None,
        }
    }

    fn unknown(why: impl Into<Arc<str>>) -> Self {
        Self::Unknown(why.into())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(amount) => write!(f, "say {amount}"),
            Self::Unknown(why) => write!(f, "do not tell: {why}"),
        }
    }
}

/// Realised and unrealised rupees of the day as the broker's own position rows show them, delivery holdings aside.
#[must_use]
pub fn broker_pnl(rows: &[PositionRow]) -> Amount {
    rows.iter().filter(|row| row.holding.product != Product::Cnc).fold(Amount::ZERO, |sum, row| sum.plus(row.realised).plus(row.unrealised))
}

/// The price at which so many units are worth something now: the last trade, but not a worse one than the touch at which they
/// could be closed. One odd trade far from the touch is no loss.
fn mark(net: i64, quote: &Quote) -> Price {
    match (net > 0, quote.bid, quote.ask) {
        (true, Some(bid), _) => quote.last.max(bid),
        (false, _, Some(ask)) => quote.last.min(ask),
        _ => quote.last,
    }
}

/// The gross result of the day by our own fills, at the newest quotes, delivery holdings aside. Not known while something
/// that is held has no price, or was carried into the day and the market tells no close of the day before, or left without
/// a price.
#[must_use]
pub fn own_pnl(day: &Day, quotes: &dyn Quotes) -> Figure {
    let missing = |what: &str, key: &InstrumentKey| Figure::unknown(format!("{what} {key}"));
    // Many strategies hold the same.
    let mut quoted: HashMap<&InstrumentKey, Option<Quote>> = HashMap::new();
    let mut sum = Amount::ZERO;
    for (_, key, line) in day.lines().filter(|(_, key, _)| key.product != Product::Cnc) {
        let instrument = &key.instrument;
        if line.left != 0 {
            return Figure::unknown(format!("{} units of {instrument} were closed elsewhere, at a price that nobody told", line.left));
        }
        let close = if line.carried.net == 0 { None } else { quotes.previous_close(instrument) };
        if line.carried.net != 0 && close.is_none() {
            return missing("no close of the day before for", instrument);
        }
        let net = line.held.net;
        let quote = if net == 0 { None } else { *quoted.entry(instrument).or_insert_with(|| quotes.quote(instrument)) };
        let last = quote.map(|quote| mark(net, &quote));
        match line.worth(last, close).gross() {
            Some(gross) => sum = sum.plus(gross),
            None => return missing("no price of", instrument),
        }
    }
    Figure::Known(sum)
}

/// The day's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayResult {
    /// By the broker's positions.
    pub broker: Figure,
    /// By our own fills.
    pub fills: Figure,
    /// Whether what is shown is of today: outside the hours of the exchanges it may be of the day before, unless something
    /// of ours was traded today.
    pub is_of_today: bool,
}

/// The words for the broker's book.
const BROKER: &str = "the broker's positions";
/// The words for our own.
const FILLS: &str = "our own fills";

impl DayResult {
    /// It was not worked out: nobody looks at it.
    pub(super) fn not_asked() -> Self {
        let unknown = || Figure::unknown("it was not asked for");
        Self { broker: unknown(), fills: unknown(), is_of_today: true }
    }

    /// The result at that time. `broker`: `None` if the positions were never read.
    #[must_use]
    pub fn of(broker: Option<Amount>, fills: Figure, book: &Book, now: DateTime<Utc>) -> Self {
        let time = now.with_timezone(&ist()).time();
        let (from, until) = (NaiveTime::from_hms_opt(9, 0, 0), NaiveTime::from_hms_opt(23, 55, 0));
        let is_in_hours = from.is_some_and(|from| time >= from) && until.is_some_and(|until| time < until);
        let broker = broker.map_or_else(|| Figure::unknown("they were never read"), Figure::Known);
        Self { broker, fills, is_of_today: is_in_hours || book.traded_on() == Some(trading_date(now)) }
    }

    /// The result that counts: the worse of those that are known; `None`: neither is.
    #[must_use]
    pub fn pnl(&self) -> Option<Amount> {
        if !self.is_of_today {
            return Some(Amount::ZERO);
        }
        self.broker.amount().into_iter().chain(self.fills.amount()).min()
    }

    /// Which book decides.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match (self.broker.amount(), self.fills.amount()) {
            _ if !self.is_of_today => "nothing of today yet",
            (None, None) => "nothing: neither book tells",
            (Some(broker), Some(fills)) if broker == fills => "the broker's positions and our own fills",
            (Some(broker), Some(fills)) if fills < broker => FILLS,
            (None, Some(_)) => FILLS,
            (Some(_), _) => BROKER,
        }
    }
}

impl fmt::Display for DayResult {
    /// Both figures, and which of them decides.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source();
        match self.pnl() {
            None => write!(f, "not known: {BROKER} {}, {FILLS} {}", self.broker, self.fills),
            Some(pnl) if source == FILLS => write!(f, "{pnl} rupees by {FILLS}, {BROKER} {}", self.broker),
            Some(pnl) if source == BROKER => write!(f, "{pnl} rupees by {BROKER}, {FILLS} {}", self.fills),
            Some(pnl) => write!(f, "{pnl} rupees by {source}"),
        }
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
