//! The market of one instrument now (Noren protocol reference, section 5.1). Option quotes were seen with the price of
//! the underlying and an empty book, so a quote is checked before anything is priced from it.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Price};
use ordergate_actors::ports::Quote;
use rust_decimal::Decimal;

use super::order_row::{count, exchange};
use super::scalar::{FieldError, Fields};
use super::time;

/// One step of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Units there.
    pub quantity: i64,
    /// Orders there, if told.
    pub orders: Option<i64>,
}

/// The reply of `GetQuotes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// Last traded price. Before the first trade of the day: the close of before, or the middle of a two-sided book.
    pub last: Price,
    /// Buyers, best first.
    pub bids: Vec<Level>,
    /// Sellers, best first.
    pub asks: Vec<Level>,
    /// The lowest and the highest price that the exchange takes today.
    pub band: Option<(Price, Price)>,
    /// The close of the trading day before.
    pub previous_close: Option<Price>,
    /// When it was true, by the broker's clock.
    pub at: DateTime<Utc>,
}

impl Market {
    /// Whether there are buyers and sellers, and they do not cross: only then may an order be priced from it.
    #[must_use]
    pub fn is_two_sided(&self) -> bool {
        matches!((self.bids.first(), self.asks.first()), (Some(bid), Some(ask)) if bid.price <= ask.price)
    }

    /// The touch and the day's band, for the engine.
    #[must_use]
    pub fn quote(&self) -> Quote {
        let touch = |levels: &[Level]| levels.first().map(|level| level.price);
        Quote { bid: touch(&self.bids), ask: touch(&self.asks), last: self.last, band: self.band, at: self.at, seen_at: self.at }
    }
}

/// The fields of the five steps: price, quantity, orders.
const BIDS: [[&str; 3]; 5] =
    [["bp1", "bq1", "bo1"], ["bp2", "bq2", "bo2"], ["bp3", "bq3", "bo3"], ["bp4", "bq4", "bo4"], ["bp5", "bq5", "bo5"]];
const ASKS: [[&str; 3]; 5] =
    [["sp1", "sq1", "so1"], ["sp2", "sq2", "so2"], ["sp3", "sq3", "so3"], ["sp4", "sq4", "so4"], ["sp5", "sq5", "so5"]];

/// Reads the reply to a question for that instrument. `read_at` stands in for a reply without a time.
///
/// # Errors
/// [`FieldError`] when the reply is for another instrument, or when it has neither a two-sided book nor a last price within the
/// day's band (the underlying's price was sent instead).
pub fn read(fields: &Fields, asked: Exchange, token: u32, read_at: DateTime<Utc>) -> Result<Market, FieldError> {
    let answered = exchange(fields, "exch")?;
    if answered != asked {
        return Err(FieldError::wrong("exch", answered.as_str(), "the exchange that was asked for"));
    }
    let answered = fields.require("token")?;
    if answered.parse() != Ok(token) {
        return Err(FieldError::wrong("token", &answered, "the token that was asked for"));
    }
    let band = optional_price(fields, "lc").zip(optional_price(fields, "uc"));
    let previous_close = optional_price(fields, "c");
    let (bids, asks) = (levels(fields, &BIDS)?, levels(fields, &ASKS)?);
    let is_inside = |price: &Price| band.is_none_or(|(low, high)| (low..=high).contains(price));
    let touch = |levels: &[Level]| levels.first().map(|level| level.price);
    let middle = middle(touch(&bids), touch(&asks)).filter(is_inside);
    let last = match (price(fields, "lp")?, middle) {
        (Some(last), _) if is_inside(&last) => last,
        (_, Some(middle)) => previous_close.filter(is_inside).unwrap_or(middle),
        (Some(last), None) => return Err(FieldError::wrong("lp", &last.to_string(), "within the day's price band")),
        (None, None) => return Err(FieldError::Missing { field: "lp" }),
    };
    let at = time::first(fields, &["request_time"]).unwrap_or(read_at);
    Ok(Market { last, bids, asks, band, previous_close, at })
}

/// The middle of a two-sided book that does not cross: where nothing was traded yet, it is what there is.
pub(super) fn middle(bid: Option<Price>, ask: Option<Price>) -> Option<Price> {
    let (bid, ask) = bid.zip(ask).filter(|(bid, ask)| bid <= ask)?;
    Price::new(bid.value().checked_add(ask.value())?.checked_div(Decimal::TWO)?)
}

/// A price that nothing hangs on: what is no price of an instrument (`21474836.47` for "no limit") is none.
pub(super) fn optional_price(fields: &Fields, name: &'static str) -> Option<Price> {
    price(fields, name).ok().flatten()
}

/// A price; absent and zero both mean that there is none.
pub(super) fn price(fields: &Fields, name: &'static str) -> Result<Option<Price>, FieldError> {
    let value: Option<Decimal> = fields.non_zero(name)?;
    value.map(|value| Price::new(value).ok_or_else(|| FieldError::wrong(name, &value.to_string(), "a price"))).transpose()
}

/// The steps down to the first that is empty.
fn levels(fields: &Fields, names: &[[&'static str; 3]; 5]) -> Result<Vec<Level>, FieldError> {
    let mut levels = Vec::with_capacity(names.len());
    for [at, quantity, orders] in names {
        let step = (price(fields, at)?, count(fields, quantity)?.filter(|quantity| *quantity > 0));
        let (Some(price), Some(quantity)) = step else { break };
        levels.push(Level { price, quantity, orders: count(fields, orders)? });
    }
    Ok(levels)
}
