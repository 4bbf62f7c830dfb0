//! The day's result in rupees: the worse of two books, the broker's position rows and our own fills. Delivery holdings
//! count in neither. A figure that is not known is said, and never taken for nothing lost. Pure.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::order::calendar::{Calendar, ist_words};
use crate::order::{Amount, EXCHANGES_CLOSED, EXCHANGES_OPEN, HoldingKey, InstrumentKey, Price, Product, ist, session_date, trading_date};
use crate::persistence::Book;
use crate::pnl::Pool;
use crate::pnl::pool::told;
use crate::ports::{PositionRow, Quote, Quotes};
use crate::settings::AccountSettings;

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

/// Realised and unrealised rupees of the day as the broker's own position rows show them, delivery holdings aside. Of what was
/// carried into the day a row counts from what it cost, or from wherever the broker does: what it had made by the close of the
/// day before is no result of today, and is taken out. Not known without that close. `beside`: what is not among the rows.
#[must_use]
pub fn broker_pnl(rows: &[PositionRow], beside: Amount, quotes: &dyn Quotes, asked: Asked) -> Figure {
    let mut sum = beside;
    for row in rows.iter().filter(|row| row.holding.product != Product::Cnc) {
        match before_today(row, quotes, asked) {
            Ok(before) => sum = sum.plus(row.realised).plus(row.unrealised).plus(before.negated()),
            Err(missing) => return Figure::unknown(format!("{missing} {}", row.holding.instrument)),
        }
    }
    Figure::Known(sum)
}

/// What the units that a row carried into the day had made by then, of what it counts for them; `Err`: what is missing to tell.
fn before_today(row: &PositionRow, quotes: &dyn Quotes, asked: Asked) -> Result<Amount, &'static str> {
    let Some(carried) = row.carried.filter(|carried| carried.net != 0) else { return Ok(Amount::ZERO) };
    let instrument = &row.holding.instrument;
    let close = close_before(instrument, quotes, asked).ok_or("no close of the day before for")?;
    let from = carried.from.ok_or("the broker does not tell from what price it counts what was carried of")?;
    let point = row.per_point.or(instrument.exchange.rupees_per_point()).ok_or("nobody knows what a point is worth of")?;
    let way = close.value().checked_sub(from).and_then(|way| way.checked_mul(Decimal::from(carried.net)));
    let rupees = way.and_then(|points| points.checked_mul(point)).ok_or("no number is large enough for what was carried of")?;
    Ok(Amount(rupees))
}

/// The price at which units are worth something now: the last trade, but none outside of the touch. One odd trade far from it is
/// neither a loss nor a gain.
fn mark(quote: &Quote) -> Price {
    let not_below = quote.bid.map_or(quote.last, |bid| quote.last.max(bid));
    quote.ask.map_or(not_below, |ask| not_below.min(ask))
}

/// The close of the day before, from which what was carried into the day counts; `None`: the market does not tell.
#[must_use]
pub fn close_before(key: &InstrumentKey, quotes: &dyn Quotes, asked: Asked) -> Option<Price> {
    previous_close(key, quotes.quote(key).as_ref(), quotes, asked)
}

fn previous_close(key: &InstrumentKey, newest: Option<&Quote>, quotes: &dyn Quotes, asked: Asked) -> Option<Price> {
    let of_an_earlier_day = newest.filter(|quote| asked.date_of(quote.at) < asked.today());
    of_an_earlier_day.map(|quote| quote.last).or_else(|| quotes.previous_close(key))
}

/// The gross result of the day by our own fills, at the newest quotes, delivery holdings aside. Not known while something
/// that is held has no price, or was carried into the day and the market tells no close of the day before, or left without
/// a price. A quote of an earlier day is the close of the day before: nothing has traded since.
#[must_use]
pub fn own_pnl<'a>(pools: impl IntoIterator<Item = (&'a HoldingKey, Pool)>, quotes: &dyn Quotes, asked: Asked) -> Figure {
    let missing = |what: &str, key: &InstrumentKey| Figure::unknown(format!("{what} {key}"));
    let mut sum = Amount::ZERO;
    for (key, pool) in pools.into_iter().filter(|(key, _)| key.product != Product::Cnc) {
        let instrument = &key.instrument;
        if pool.left != 0 {
            return Figure::unknown(format!("{} units of {instrument} were closed elsewhere, at a price that nobody told", pool.left));
        }
        let is_needed = !(pool.held.is_flat() && pool.carried.is_flat());
        let quote = if is_needed { quotes.quote(instrument) } else { None };
        let close = if pool.carried.is_flat() { None } else { previous_close(instrument, quote.as_ref(), quotes, asked) };
        if !pool.carried.is_flat() && close.is_none() {
            return missing("no close of the day before for", instrument);
        }
        if !pool.held.is_flat() && quote.as_ref().is_some_and(|quote| asked.is_muted(quote.at)) {
            return missing("the broker's positions are too old, and so is the newest price of", instrument);
        }
        match pool.gross(quote.map(|quote| mark(&quote)), close) {
            Some(gross) => sum = sum.plus(gross),
            None if pool.point.is_none() => return missing("nobody knows what a point is worth of", instrument),
            None => return missing("no price of", instrument),
        }
    }
    Figure::Known(told(sum))
}

/// When the day's result is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The time.
    pub now: DateTime<Utc>,
    /// What the exchanges do on its date.
    pub day: DayOf,
    /// How old what it is told by may be while markets trade; `None`: of any age.
    pub sight: Option<Sight>,
}

/// How old positions and prices may be to tell the result of a day that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The broker's positions.
    pub positions: TimeDelta,
    /// Quotes, where the positions are older than that: while these tell, a price that stands still is one.
    pub quotes: TimeDelta,
}

impl Sight {
    /// As an account is set up.
    #[must_use]
    pub fn of(settings: &AccountSettings) -> Self {
        let age = |age| TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        Self { positions: age(settings.waits.blind_after), quotes: age(settings.exits.muted_after) }
    }
}

/// What the exchanges do on a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOf {
    /// The calendar does not hold the account: its market is always open.
    Always,
    /// Some exchange has a session, or whether one has is not known.
    Sessions,
    /// None has.
    Rest,
}

impl Asked {
    /// Asked for an account at that time; `is_live`: it trades real money.
    #[must_use]
    pub fn at(now: DateTime<Utc>, calendar: &Calendar, is_live: bool) -> Self {
        let today = trading_date(now);
        let day = match () {
            () if !calendar.holds(is_live) => DayOf::Always,
            () if calendar.rests(today) => DayOf::Rest,
            () => DayOf::Sessions,
        };
        Self { now, day, sight: None }
    }

    /// The same, by what is no older than the account has it.
    #[must_use]
    pub fn within(self, settings: &AccountSettings) -> Self {
        Self { sight: Some(Sight::of(settings)), ..self }
    }

    /// The same where the positions tell: quotes may be of any age.
    pub(super) fn beside(self, positions_at: Option<DateTime<Utc>>) -> Self {
        let tell = positions_at.is_some_and(|at| !self.is_too_old(at));
        Self { sight: self.sight.filter(|_| !tell), ..self }
    }

    /// Whether positions of that time tell nothing of now.
    fn is_too_old(self, at: DateTime<Utc>) -> bool {
        let is_beyond = |sight: Sight| self.now.signed_duration_since(at) > sight.positions;
        (self.day == DayOf::Always || self.is_in_hours()) && self.sight.is_some_and(is_beyond)
    }

    /// Whether a quote of that time does.
    fn is_muted(self, at: DateTime<Utc>) -> bool {
        let is_beyond = |sight: Sight| self.now.signed_duration_since(at) > sight.quotes;
        (self.day == DayOf::Always || self.is_in_hours()) && self.sight.is_some_and(is_beyond)
    }

    fn today(self) -> NaiveDate {
        trading_date(self.now)
    }

    /// Whether the exchanges are at it, or were on this day.
    fn is_in_hours(self) -> bool {
        let time = self.now.with_timezone(&ist()).time();
        self.day != DayOf::Rest && time >= EXCHANGES_OPEN && time < EXCHANGES_CLOSED
    }

    /// Whether what the broker showed at that time is of this day: before the exchanges open it shows the day before.
    fn is_shown_of_today(self, at: DateTime<Utc>) -> bool {
        self.date_of(at) == self.today()
    }

    /// The day of which a market tells at that time.
    fn date_of(self, at: DateTime<Utc>) -> NaiveDate {
        if self.day == DayOf::Always { trading_date(at) } else { session_date(at) }
    }
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

    /// The result. `broker`: what its positions came to, and when they were read; `None` if they never were.
    #[must_use]
    pub fn of(broker: Option<(DateTime<Utc>, Figure)>, fills: Figure, book: &Book, asked: Asked) -> Self {
        let broker = match broker {
            None => Figure::unknown("they were never read"),
            Some((at, _)) if asked.is_too_old(at) => Figure::unknown(format!("they were last read at {}, too long ago", ist_words(at))),
            Some((at, figure)) if asked.is_shown_of_today(at) => figure,
            Some((at, _)) => Figure::unknown(format!("they were last read on {}, before the day began", ist_words(at))),
        };
        Self { broker, fills, is_of_today: asked.is_in_hours() || book.traded_on() == Some(asked.today()) }
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
