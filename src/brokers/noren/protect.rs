//! A market order becomes a limit through the touch, because the exchanges take no market orders from programs
//! (Noren protocol reference, section 8).
//!
//! *Invariant:* the limit is on the tick, inside the day's band and the price protection of the class, and never on the
//! passive side of its reference. A band that the market itself trades outside of is stale or wrong: an entry is refused,
//! an exit passes it over, because a limit that does not reach the touch would rest while the position stays open. Pure:
//! whether the quote is fresh is judged by who passes it.

use ordergate_actors::order::{Instrument, Kind, OrderType, Price, Side, Terms};
use ordergate_actors::ports::{Quote, Refusal};
use rust_decimal::Decimal;

/// How far through the touch a protected limit goes, per class and price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffers {
    /// Shares and futures.
    pub shares_and_futures: Slabs,
    /// Options.
    pub options: Slabs,
    /// Price protection of futures.
    pub future_protection: Protection,
    /// Price protection of options.
    pub option_protection: Protection,
}

/// Percentages by price: the first row whose upper price is above the reference counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slabs {
    below: Vec<(Decimal, Decimal)>,
    above: Decimal,
}

/// The farthest that an order may be from the reference: a percentage of it, and at least so many rupees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Percent of the reference.
    pub percent: Decimal,
    /// Rupees.
    pub least: Decimal,
}

impl Slabs {
    /// Reads `100: 2, 500: 1, above: 0.5`: below 100 rupees 2 %, below 500 1 %, above it 0.5 %. Prices rise; percentages
    /// are above 0 and below 50.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut below: Vec<(Decimal, Decimal)> = Vec::new();
        let mut above = None;
        for row in text.split(',') {
            let (price, percent) = row.split_once(':')?;
            let percent = percent_of(percent)?;
            if above.is_some() {
                return None;
            }
            if price.trim().eq_ignore_ascii_case("above") {
                above = Some(percent);
            } else {
                let price = Price::parse(price.trim()).ok()?.value();
                if below.last().is_some_and(|(last, _)| *last >= price) {
                    return None;
                }
                below.push((price, percent));
            }
        }
        Some(Self { below, above: above? })
    }

    /// No buffer at all.
    #[must_use]
    pub fn none() -> Self {
        Self { below: Vec::new(), above: Decimal::ZERO }
    }

    fn percent(&self, price: Decimal) -> Decimal {
        self.below.iter().find(|(upper, _)| price < *upper).map_or(self.above, |(_, percent)| *percent)
    }
}

impl Protection {
    /// Reads `40 min 20`: 40 %, and at least 20 rupees.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (percent, least) = text.split_once("min")?;
        let percent = Price::parse(percent.trim()).ok()?.value();
        (percent < Decimal::ONE_HUNDRED).then_some(())?;
        Some(Self { percent, least: Price::parse(least.trim()).ok()?.value() })
    }

    fn width(self, reference: Decimal) -> Decimal {
        share(reference, self.percent).max(self.least)
    }
}

fn percent_of(text: &str) -> Option<Decimal> {
    let percent = Price::parse(text.trim()).ok()?.value();
    (percent < Decimal::from(50)).then_some(percent)
}

/// So many percent of a value.
fn share(value: Decimal, percent: Decimal) -> Decimal {
    value.checked_mul(percent).and_then(|product| product.checked_div(Decimal::ONE_HUNDRED)).unwrap_or(Decimal::MAX)
}

/// How careful to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Nothing goes out without a two-sided quote and a limit that reaches the touch.
    Entry,
    /// A position must be closed: the last known price will do.
    Exit,
}

/// What goes out instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// The terms.
    pub terms: Terms,
    /// What a person should know of how the price came about.
    pub note: Option<String>,
}

/// The terms as they go out: MARKET becomes LIMIT, SLM becomes SL, anything else stays as it is. The band of the quote counts
/// before that of the instrument master.
///
/// # Errors
/// [`Refusal`] when no price can be justified.
pub fn protect(terms: &Terms, instrument: &Instrument, quote: Option<&Quote>, care: Care, buffers: &Buffers) -> Result<Protected, Refusal> {
    let band = quote.and_then(|quote| quote.band).or(instrument.band);
    let (order_type, reference, touch) = match terms.order_type {
        OrderType::Limit | OrderType::StopLimit => return Ok(Protected { terms: terms.clone(), note: None }),
        OrderType::StopMarket => {
            let trigger = terms.trigger_price.ok_or_else(|| refusal(instrument, "has no trigger price"))?;
            (OrderType::StopLimit, trigger, None)
        }
        OrderType::Market => {
            let (reference, touch) = reference(terms.side, instrument, quote, care, band)?;
            (OrderType::Limit, reference, touch)
        }
    };
    let centre = match (terms.order_type, quote) {
        (OrderType::Market, Some(quote)) => centre(reference, quote, instrument, care, band).value(),
        _ => reference.value(),
    };
    let disproved = band.filter(|(lowest, highest)| order_type == OrderType::Limit && !(*lowest..=*highest).contains(&reference));
    let note = disproved.map(|(lowest, highest)| {
        format!("the market is at {reference}, outside the band {lowest} to {highest} that is known for today: the band is stale or wrong")
    });
    if let Some(note) = note.as_ref().filter(|_| care == Care::Entry) {
        return Err(refusal(instrument, note));
    }
    let band = band.filter(|_| disproved.is_none());
    let price = limit(terms.side, instrument, band, (reference.value(), centre), buffers)
        .ok_or_else(|| refusal(instrument, &format!("no price on the tick inside its bands near {reference}")))?;
    let misses = |touch: Price| match terms.side {
        Side::Buy => price < touch,
        Side::Sell => price > touch,
    };
    // The exchange would refuse it in words that do not say why.
    if let Some((lowest, highest)) = band.filter(|_| order_type == OrderType::StopLimit && misses(reference)) {
        return Err(refusal(instrument, &format!("its trigger {reference} is outside today's band {lowest} to {highest}")));
    }
    if let Some(touch) = touch.filter(|touch| care == Care::Entry && misses(*touch)) {
        return Err(refusal(instrument, &format!("the touch {touch} is outside the prices that the exchange takes (up to {price})")));
    }
    let note = note.map(|note| format!("{note}; the exit goes through it at {price}"));
    Ok(Protected { terms: Terms { order_type, price: Some(price), ..terms.clone() }, note })
}

fn refusal(instrument: &Instrument, why: &str) -> Refusal {
    Refusal { reason: format!("{}: a market order cannot be protected: {why}", instrument.key) }
}

/// Where the price starts from, and the touch that it must reach if there is one.
fn reference(
    side: Side,
    instrument: &Instrument,
    quote: Option<&Quote>,
    care: Care,
    band: Option<(Price, Price)>,
) -> Result<(Price, Option<Price>), Refusal> {
    let Some(quote) = quote else {
        return Err(refusal(instrument, "there is no fresh quote"));
    };
    let touch = match side {
        Side::Buy => quote.ask,
        Side::Sell => quote.bid,
    };
    let is_two_sided = matches!((quote.bid, quote.ask), (Some(bid), Some(ask)) if bid <= ask);
    match (care, touch) {
        (_, Some(touch)) if is_two_sided => Ok((touch, Some(touch))),
        (Care::Entry, _) => Err(refusal(instrument, "its quote is not two-sided")),
        (Care::Exit, Some(touch)) => Ok((touch, Some(touch))),
        (Care::Exit, None) if is_believed(quote.last, instrument, band) => Ok((quote.last, None)),
        (Care::Exit, None) => Err(refusal(instrument, &format!("its last price {} looks like the underlying's", quote.last))),
    }
}

/// What the width of the price protection is measured from. The last trade may lie far from a book that has moved on, so
/// a two-sided book counts before it. An exit is measured from its touch. An entry must find something near its touch:
/// the other side of the book, or the last trade.
fn centre(reference: Price, quote: &Quote, instrument: &Instrument, care: Care, band: Option<(Price, Price)>) -> Price {
    let last = is_believed(quote.last, instrument, band).then_some(quote.last);
    let distance = |price: &Price| (price.value() - reference.value()).abs();
    match (quote.bid, quote.ask) {
        (Some(bid), Some(ask)) if bid <= ask => match care {
            Care::Exit => reference,
            Care::Entry => {
                let other = if reference == bid { ask } else { bid };
                last.into_iter().chain([other]).min_by_key(distance).unwrap_or(reference)
            }
        },
        _ => last.unwrap_or(reference),
    }
}

/// Quotes of options were seen with the price of the underlying as their last price (Noren protocol reference, section
/// 5.1). A premium beyond the band, or of half the strike and more, is taken for that.
pub(super) fn is_believed(last: Price, instrument: &Instrument, band: Option<(Price, Price)>) -> bool {
    match (&instrument.kind, band) {
        (Kind::Option { .. }, Some((lowest, highest))) => (lowest..=highest).contains(&last),
        (Kind::Option { strike, .. }, None) => last.value().checked_add(last.value()).is_some_and(|double| double < strike.value()),
        _ => true,
    }
}

/// The reference plus or minus the buffer, to the tick in the aggressive direction, inside all bands. The width of the
/// price protection is measured from the centre.
fn limit(
    side: Side,
    instrument: &Instrument,
    band: Option<(Price, Price)>,
    (reference, centre): (Decimal, Decimal),
    buffers: &Buffers,
) -> Option<Price> {
    let is_option = matches!(instrument.kind, Kind::Option { .. });
    let slabs = if is_option { &buffers.options } else { &buffers.shares_and_futures };
    let protection = match instrument.kind {
        Kind::Option { .. } => Some(buffers.option_protection),
        Kind::Future { .. } => Some(buffers.future_protection),
        Kind::Equity | Kind::Index => None,
    };
    let buffer = share(reference, slabs.percent(reference));
    let tick = instrument.tick.value();
    let width = protection.map(|protection| protection.width(centre));
    let value = match side {
        Side::Buy => {
            let wanted = on_tick(reference.checked_add(buffer)?, tick, Rounding::Up)?;
            let bounds = [width.and_then(|width| centre.checked_add(width)), band.map(|(_, highest)| highest.value())];
            bounds.into_iter().flatten().try_fold(wanted, |price, bound| Some(price.min(on_tick(bound, tick, Rounding::Down)?)))?
        }
        Side::Sell => {
            let wanted = on_tick(reference.checked_sub(buffer)?, tick, Rounding::Down)?.max(tick);
            let bounds = [width.and_then(|width| centre.checked_sub(width)), band.map(|(lowest, _)| lowest.value())];
            bounds.into_iter().flatten().try_fold(wanted, |price, bound| Some(price.max(on_tick(bound, tick, Rounding::Up)?)))?
        }
    };
    Price::new(value)
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

fn on_tick(value: Decimal, tick: Decimal, rounding: Rounding) -> Option<Decimal> {
    let steps = value.checked_div(tick)?;
    let steps = match rounding {
        Rounding::Up => steps.ceil(),
        Rounding::Down => steps.floor(),
    };
    steps.checked_mul(tick)
}
