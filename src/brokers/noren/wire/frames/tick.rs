//! Price frames. The first of a subscription is whole, the others hold only what changed: what is absent is unchanged,
//! and a zero takes no price back (Noren protocol reference, section 6.3).

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Price, trading_date};
use ordergate_actors::ports::Quote;

use super::super::order_row::{count, exchange};
use super::super::quote::{middle, optional_price, price};
use super::super::scalar::{FieldError, Fields};
use super::super::time;
use super::Scrip;

/// One price frame; `None` is "unchanged" in an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The instrument.
    pub scrip: Scrip,
    /// Whether it is the whole state and not a change.
    pub is_whole: bool,
    /// Last traded price.
    pub last: Option<Price>,
    /// The best buyer; `Some(None)` when the frame says that there is none.
    pub bid: Option<Option<Price>>,
    /// The best seller; `Some(None)` when the frame says that there is none.
    pub ask: Option<Option<Price>>,
    /// Units at the best buyer.
    pub bid_quantity: Option<i64>,
    /// Units at the best seller.
    pub ask_quantity: Option<i64>,
    /// The lowest price of the day; frames of the touchline have none.
    pub lowest: Option<Price>,
    /// The highest price of the day; frames of the touchline have none.
    pub highest: Option<Price>,
    /// The close of the trading day before.
    pub previous_close: Option<Price>,
    /// When, by the feed's clock.
    pub at: Option<DateTime<Utc>>,
}

impl Tick {
    /// The quote after this frame. `before` is the quote so far, and `read_at` stands in for a frame without a time.
    /// `None` until a last price is known, or a two-sided book: where nothing was traded yet the close of before stands for it, or
    /// the middle of the book. The day's band goes with no whole frame of the touchline: it has no fields for it.
    #[must_use]
    pub fn merge(&self, before: Option<Quote>, read_at: DateTime<Utc>) -> Option<Quote> {
        let at = self.at.unwrap_or(read_at);
        let known = known_band(before, at);
        let lowest = self.lowest.or(known.map(|(lowest, _)| lowest));
        let band = lowest.zip(self.highest.or(known.map(|(_, highest)| highest))).filter(|(lowest, highest)| lowest <= highest);
        let before = before.filter(|_| !self.is_whole);
        let bid = self.bid.unwrap_or_else(|| before.and_then(|quote| quote.bid));
        let ask = self.ask.unwrap_or_else(|| before.and_then(|quote| quote.ask));
        let last =
            self.last.or(before.map(|quote| quote.last)).or_else(|| middle(bid, ask).map(|middle| self.close_within(band, middle)))?;
        Some(Quote { bid, ask, last, band, at, seen_at: read_at })
    }

    /// The close of before, if today's band admits it.
    fn close_within(&self, band: Option<(Price, Price)>, otherwise: Price) -> Price {
        let is_inside = |price: &Price| band.is_none_or(|(lowest, highest)| (lowest..=highest).contains(price));
        self.previous_close.filter(is_inside).unwrap_or(otherwise)
    }
}

/// Reads the frame.
///
/// # Errors
/// [`FieldError`] when the instrument is missing, or its price or its touch is no price.
pub(super) fn read(fields: &Fields, is_whole: bool) -> Result<Tick, FieldError> {
    Ok(Tick {
        scrip: scrip(fields)?,
        is_whole,
        last: price(fields, "lp")?,
        bid: touch(fields, "bp1")?,
        ask: touch(fields, "sp1")?,
        bid_quantity: count(fields, "bq1")?,
        ask_quantity: count(fields, "sq1")?,
        lowest: optional_price(fields, "lc"),
        highest: optional_price(fields, "uc"),
        previous_close: optional_price(fields, "c"),
        at: time::first(fields, &["ft"]),
    })
}

/// The band that was known, on the day that it is of.
pub(in crate::brokers::noren) fn known_band(before: Option<Quote>, at: DateTime<Utc>) -> Option<(Price, Price)> {
    before.filter(|quote| trading_date(quote.at) == trading_date(at))?.band
}

/// A side of the book can empty, so a zero there is news.
fn touch(fields: &Fields, name: &'static str) -> Result<Option<Option<Price>>, FieldError> {
    if fields.text(name).is_none() { Ok(None) } else { price(fields, name).map(Some) }
}

fn scrip(fields: &Fields) -> Result<Scrip, FieldError> {
    let (exchange, token) = (exchange(fields, "e")?, fields.require("tk")?);
    let token = token.parse().map_err(|_| FieldError::wrong("tk", &token, "a token number"))?;
    Ok(Scrip { exchange, token })
}
