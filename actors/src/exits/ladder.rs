//! The ladder: an urgent exit that rests as a limit is repriced through the touch, step by step, inside the exchange's
//! bands and inside a cost cap, until it is flat or a person is told what going on would cost.
//!
//! *Invariant:* a step only makes the limit more willing. No step goes beyond the cap or the band, and none is made into
//! a book that shows nobody to trade with.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::refused::Refused;
use super::settings::Rungs;
use crate::order::{CommandId, Instrument, OrderRecord, Price, Side};
use crate::persistence::{Book, Slot, Topic};
use crate::ports::Quote;

/// Where an exit stands on its ladder: a kept state, one for each exit that was repriced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The market's price when the exit was decided upon, rupees: what the cost is counted from.
    pub trigger: Decimal,
    /// The spread when its first step was asked for, rupees, if there was one.
    pub spread: Option<Decimal>,
    /// Steps made.
    pub steps: u32,
    /// When the last one was asked for; at first, when the exit was seen to rest.
    pub stepped_at: DateTime<Utc>,
    /// How often a person said "go on": each time the cap grows by itself.
    pub granted: u32,
    /// A person was told that it is not flat.
    pub is_paged: bool,
    /// It is cancelled and goes again as a new order, because it cannot be changed any more.
    #[serde(default)]
    pub is_replaced: bool,
    /// The limit from which the last step was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<Price>,
    /// How often in a row a step was asked for again because the limit stood where it had stood.
    #[serde(default)]
    pub in_vain: u32,
    /// The exit came as a market order. It is recorded as a limit order once its limit has changed.
    #[serde(default)]
    pub came_as_market: bool,
    /// The limit that a person has asked for since: there the exit is left alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_at: Option<Price>,
}

/// The name of an exit's ladder.
#[must_use]
pub fn ladder_slot(order: CommandId) -> Slot {
    Slot::new(Topic::Ladder, Arc::from(order.to_string()))
}

/// Whether an exit that came as a market order, and went out as a limit, is one still: nobody has set its limit since.
#[must_use]
pub fn is_driven(order: &OrderRecord, book: &Book) -> bool {
    let ladder = book.kept(&ladder_slot(order.command_id)).and_then(|kept| kept.read::<Ladder>().ok());
    // A change that the broker took is his too, although no book shows it yet.
    let pending = order.pending.as_ref().and_then(|terms| terms.price);
    let is_left = |ladder: Ladder| ladder.left_at.is_some() && [order.ask.price, pending].contains(&ladder.left_at);
    let came_as_market = order.is_protected_market() || (order.by_hand.is_none() && ladder.is_some_and(|ladder| ladder.came_as_market));
    came_as_market && !ladder.is_some_and(is_left)
}

/// So many askings in a row that left the limit where it was are a person's business. They are more than an exit waits for an
/// entry of ours that is in its way.
const IN_VAIN: u32 = 8;
/// From then on it is asked for so many times more slowly.
const SLOWER: i32 = 10;

impl Ladder {
    /// The ladder of an exit whose cost counts from there.
    #[must_use]
    pub fn new(trigger: Decimal, spread: Option<Decimal>, stepped_at: DateTime<Utc>) -> Self {
        Self {
            trigger,
            spread,
            steps: 0,
            stepped_at,
            granted: 0,
            is_paged: false,
            is_replaced: false,
            from: None,
            in_vain: 0,
            came_as_market: false,
            left_at: None,
        }
    }

    /// With one more step, asked for from that limit. One that changed nothing was none: the same is asked for again. Where the limit has
    /// moved, what people were told is past, and what stops it later is news.
    #[must_use]
    pub fn stepped(&self, from: Price, now: DateTime<Utc>) -> Self {
        let is_again = self.from == Some(from);
        let steps = if is_again { self.steps } else { self.steps.saturating_add(1) };
        let in_vain = if is_again { self.in_vain.saturating_add(1) } else { 0 };
        Self { steps, in_vain, from: Some(from), stepped_at: now, is_paged: self.is_paged && is_again, ..*self }
    }

    /// As the next exit takes it over when this one came to nothing: no order of it stands anywhere yet, and nobody was told of that.
    #[must_use]
    pub fn carried(&self, now: DateTime<Utc>) -> Self {
        Self { steps: self.steps, granted: self.granted, ..Self::new(self.trigger, self.spread, now) }
    }

    /// Whether step after step leaves the limit there: it will not go further by itself, whoever refuses it.
    #[must_use]
    pub fn is_stuck_at(&self, limit: Price) -> bool {
        self.in_vain >= IN_VAIN && self.from == Some(limit)
    }

    /// The time between two steps that leave that limit, where it is `every` as a rule.
    #[must_use]
    pub fn patience(&self, limit: Price, every: chrono::Duration, refused: Option<&Refused>) -> chrono::Duration {
        if self.is_stuck_at(limit) || refused.is_some_and(Refused::is_slow) {
            every.checked_mul(SLOWER).unwrap_or(chrono::Duration::MAX)
        } else {
            every
        }
    }
}

/// An exit on its ladder.
#[derive(Debug, Clone, Copy)]
pub struct Climb<'a> {
    /// The exit's side.
    pub side: Side,
    /// Its limit now; `None`: it was not sent yet.
    pub limit: Option<Price>,
    /// What it is for.
    pub instrument: &'a Instrument,
    /// The market, if a fresh quote tells.
    pub quote: Option<&'a Quote>,
    /// The prices that the broker named as those which the exchange takes, when it refused one.
    pub told: Option<(Price, Price)>,
}

/// Why an exit is not repriced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halted {
    /// No quote is fresh enough.
    NoQuote,
    /// Nobody stands on the side that it would trade with.
    OneSided,
    /// The touch is beyond the cost cap.
    Cap(Price),
    /// Its limit reaches the touch, and it rests all the same.
    Rests,
    /// It was to be repriced again and again, and its limit stands where it stood.
    Unmoved,
    /// It is to go again as a new order, and nothing proves that it is dead.
    Alive,
    /// It cannot be changed any more, and nothing takes its place: a person has switched its rule off.
    Last,
    /// The steps of all exits have used up their share of the minute's calls.
    Turn,
}

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQuote => f.write_str("there is no fresh quote"),
            Self::OneSided => f.write_str("nobody stands on the other side of the book, which is not chased into"),
            Self::Cap(price) => write!(f, "the touch is beyond the cost cap at {price}"),
            Self::Rests => f.write_str("its limit reaches the touch and it still rests"),
            Self::Alive => f.write_str("it is to go again as a new order and its cancel is not proven"),
            Self::Last => f.write_str("it cannot be changed any more, and its rule, which is switched off, sends no other in its place"),
            Self::Turn => f.write_str("the steps of all exits have used up their share of the minute's calls, and it waits for its turn"),
            Self::Unmoved => {
                f.write_str("its limit was to change several times in a row and stands where it stood: see the rows of the order")
            }
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: the time between two steps is not over.
    Wait,
    /// Change the limit to this.
    Reprice(Price),
    /// It cannot go further by itself.
    Halt(Halted),
}

/// The cap is never narrower than so many ticks: of a cheap option any percentage is less than one.
const TICKS_AT_LEAST: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

/// The farthest price that the cost cap allows, rupees. Where the book is tight the spread says nothing of how far the market may go while
/// an order is on its way: the cap in spread widths never lies nearer than the last rung, or the rungs could not act.
#[must_use]
pub fn cap(ladder: &Ladder, rungs: &Rungs, tick: Price, side: Side) -> Decimal {
    let percent = share(ladder.trigger, rungs.cap_percent);
    let spreads = rungs.cap_spreads.zip(ladder.spread.filter(|spread| *spread > Decimal::ZERO));
    let spreads = spreads.and_then(|(count, spread)| count.checked_mul(spread));
    let last_rung = share(ladder.trigger, rungs.through.last().copied().unwrap_or(Decimal::ZERO));
    let width = spreads.map_or(percent, |spreads| spreads.max(last_rung).min(percent));
    let width = width.max(tick.value().checked_mul(TICKS_AT_LEAST).unwrap_or(Decimal::MAX));
    let width = width.checked_mul(Decimal::from(ladder.granted + 1)).unwrap_or(Decimal::MAX);
    shifted(ladder.trigger, width, side)
}

/// So many rupees in the direction in which a limit of that side becomes more willing.
fn shifted(price: Decimal, by: Decimal, side: Side) -> Decimal {
    match side {
        Side::Buy => price.checked_add(by).unwrap_or(Decimal::MAX),
        Side::Sell => price.checked_sub(by).unwrap_or(Decimal::ZERO),
    }
}

fn share(value: Decimal, percent: Decimal) -> Decimal {
    value.checked_mul(percent).and_then(|product| product.checked_div(Decimal::ONE_HUNDRED)).unwrap_or(Decimal::MAX)
}

/// Whether a limit at `a` is at least as willing to trade as one at `b`.
fn is_as_willing(a: Decimal, b: Decimal, side: Side) -> bool {
    match side {
        Side::Buy => a >= b,
        Side::Sell => a <= b,
    }
}

/// The next step.
#[must_use]
pub fn plan(climb: &Climb<'_>, ladder: &Ladder, rungs: &Rungs, now: DateTime<Utc>) -> Step {
    let every = chrono::Duration::from_std(rungs.every).unwrap_or(chrono::Duration::MAX);
    let Climb { side, limit, instrument, quote, told } = *climb;
    let every = limit.map_or(every, |limit| ladder.patience(limit, every, None));
    if limit.is_some() && now.signed_duration_since(ladder.stepped_at) < every {
        return Step::Wait;
    }
    let Some(quote) = quote else { return Step::Halt(Halted::NoQuote) };
    let touch = match side {
        Side::Buy => quote.ask,
        Side::Sell => quote.bid,
    };
    let Some(touch) = touch.map(Price::value) else { return Step::Halt(Halted::OneSided) };
    let last = rungs.through.len().saturating_sub(1);
    let rung = usize::try_from(ladder.steps).unwrap_or(usize::MAX).min(last);
    let through = rungs.through.get(rung).copied().unwrap_or(Decimal::ZERO);
    let wanted = shifted(touch, share(touch, through).max(instrument.tick.value()), side);
    // A band that the market trades outside of is stale or wrong: nothing is held to it.
    let holds = |(low, high): &(Price, Price)| (low.value()..=high.value()).contains(&touch);
    let band = told.filter(holds).or(quote.band.or(instrument.band).filter(holds));
    let cap = cap(ladder, rungs, instrument.tick, side).max(instrument.tick.value());
    let halted = Halted::Cap(instrument.round_to_tick(cap, side).unwrap_or(instrument.tick));
    let edge = band.map(|(low, high)| if side == Side::Buy { high.value() } else { low.value() });
    let bound = edge.filter(|edge| is_as_willing(cap, *edge, side)).unwrap_or(cap);
    let wanted = if is_as_willing(wanted, bound, side) { bound } else { wanted };
    // Where even the cap lies on the passive side of the band the exchange takes no price that the cap allows.
    let price = instrument.round_to_tick(wanted, side).filter(|price| band.is_none_or(|(low, high)| (low..=high).contains(price)));
    let Some(price) = price else { return Step::Halt(halted) };
    match limit.map(Price::value) {
        Some(limit) if is_as_willing(limit, price.value(), side) => {
            // No price that it could have is more willing than the market asks: whether it trades there is the broker's.
            Step::Halt(if is_as_willing(limit, touch, side) { Halted::Rests } else { halted })
        }
        _ => Step::Reprice(price),
    }
}

/// The limit with which an exit begins: through the touch; where nobody stands there it is the last price, no further than the cap, and
/// climbs when somebody comes.
#[must_use]
pub fn first_limit(climb: &Climb<'_>, ladder: &Ladder, rungs: &Rungs, last: Decimal, now: DateTime<Utc>) -> Option<Price> {
    let Climb { side, instrument, quote, told, .. } = *climb;
    match plan(&Climb { limit: None, ..*climb }, ladder, rungs, now) {
        Step::Reprice(price) => Some(price),
        Step::Wait | Step::Halt(_) => {
            let cap = cap(ladder, rungs, instrument.tick, side);
            let stands = instrument.round_to_tick(if is_as_willing(cap, last, side) { last } else { cap }, side)?;
            let told = told.filter(|(low, high)| (low.value()..=high.value()).contains(&last));
            let band = told.or(quote.and_then(|quote| quote.band)).or(instrument.band);
            Some(band.map_or(stands, |(low, high)| stands.clamp(low, high.max(low))))
        }
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
