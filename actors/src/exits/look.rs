//! A look at a rule with one tick of the market: does it fire, does its stop move?
//!
//! A last price alone is believed only when something supports it: for firing, the touch on the side on which the exit
//! would trade, or the tick before; for trailing, the touch around it, or the tick before. So one odd print does nothing.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::rule::{Cause, ExitRule};
use crate::order::{ExitAt, Side, TrailingType};
use crate::ports::Quote;

/// What the market showed at one moment, rupees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Last traded price.
    pub last: Decimal,
    /// Best price to sell at.
    pub bid: Option<Decimal>,
    /// Best price to buy at.
    pub ask: Option<Decimal>,
    /// When it was true.
    pub at: DateTime<Utc>,
}

impl From<&Quote> for Tick {
    fn from(quote: &Quote) -> Self {
        Self { last: quote.last.value(), bid: quote.bid.map(|p| p.value()), ask: quote.ask.map(|p| p.value()), at: quote.at }
    }
}

impl Tick {
    /// The best price on the side at which an exit of that side would trade.
    #[must_use]
    pub fn against(&self, exit: Side) -> Option<Decimal> {
        match exit {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }

    /// The touch is there, and the last price lies within it.
    fn is_within_touch(&self) -> bool {
        self.bid.zip(self.ask).is_some_and(|(bid, ask)| bid <= self.last && self.last <= ask)
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// It fires.
    pub fires: Option<Cause>,
    /// Its stop has moved.
    pub is_moved: bool,
}

impl ExitRule {
    /// Looks at a tick that is newer than `before`. Stop first, then target, then the trail: a tick that reaches the stop
    /// does not move it.
    #[must_use]
    pub fn look(&mut self, before: Option<&Tick>, tick: &Tick) -> Looked {
        if !self.is_on || self.fired.is_some_and(|fired| fired.cause.is_urgent()) {
            return Looked::default();
        }
        if self.stop.is_some_and(|stop| self.is_reached(stop, before, tick)) {
            let cause = if self.stop == self.first_stop { Cause::Stop } else { Cause::Trail };
            return Looked { fires: Some(cause), is_moved: false };
        }
        let is_won = |target: Decimal, tick: &Tick| self.is_as_good(tick.last, target);
        let pays = |target: Decimal| tick.against(self.exit_side()).is_some_and(|touch| self.is_as_good(touch, target));
        let hit = self.target.filter(|target| is_won(*target, tick) && (pays(*target) || before.is_some_and(|tick| is_won(*target, tick))));
        if hit.is_some() && self.fired.is_none() {
            return Looked { fires: Some(Cause::Target), is_moved: false };
        }
        Looked { fires: None, is_moved: self.trail(before, tick) }
    }

    /// Whether the market is at the stop or beyond, believably.
    fn is_reached(&self, stop: Decimal, before: Option<&Tick>, tick: &Tick) -> bool {
        let is_beyond = |price: Decimal| self.is_as_good(stop, price);
        let touch = tick.against(self.exit_side()).is_some_and(is_beyond);
        let traded = is_beyond(tick.last) && (touch || before.is_some_and(|tick| is_beyond(tick.last)));
        // No trade, and yet the whole book stands beyond it, twice.
        traded || (self.is_through(stop, tick) && before.is_some_and(|tick| self.is_through(stop, tick)))
    }

    /// Both sides of the book are at the stop or beyond.
    fn is_through(&self, stop: Decimal, tick: &Tick) -> bool {
        let is_beyond = |price: Decimal| self.is_as_good(stop, price);
        tick.bid.is_some_and(is_beyond) && tick.ask.is_some_and(is_beyond)
    }

    /// Looks again at a tick after which no other came for a while: a book that still stands through the stop is no odd one,
    /// though nobody quotes it a second time.
    #[must_use]
    pub fn look_at_standing(&self, tick: &Tick) -> Looked {
        let may_fire = self.is_on && !self.fired.is_some_and(|fired| fired.cause.is_urgent());
        let fires = self.stop.filter(|stop| may_fire && self.is_through(*stop, tick));
        let cause = if self.stop == self.first_stop { Cause::Stop } else { Cause::Trail };
        Looked { fires: fires.map(|_| cause), is_moved: false }
    }

    /// Takes a better price and moves the stop after it; whether the stop has moved.
    fn trail(&mut self, before: Option<&Tick>, tick: &Tick) -> bool {
        let worse = |a: Decimal, b: Decimal| if self.is_as_good(a, b) { b } else { a };
        let believed = if tick.is_within_touch() { Some(tick.last) } else { before.map(|before| worse(before.last, tick.last)) };
        let Some(price) = believed.filter(|price| !self.is_as_good(self.best, *price)) else { return false };
        self.best = price;
        // Where a person put it at the broker, it stays.
        let Some(stop) = self.stop.filter(|_| self.by_hand.is_none()) else { return false };
        // Break-even is no step of the trail, and never waits for one.
        let wanted = [self.trailed(stop), self.at_break_even()].into_iter().flatten();
        let Some(next) = wanted.filter(|next| !self.is_as_good(stop, *next)).reduce(|a, b| if self.is_as_good(a, b) { a } else { b })
        else {
            return false;
        };
        self.stop = Some(next);
        true
    }

    fn at_break_even(&self) -> Option<Decimal> {
        let after = self.terms.exits.break_even?.distance(self.fill)?;
        // Rounding may not put it beyond the price that earned it.
        if self.gain(self.best) < after { None } else { self.short_of_best(self.fill) }
    }

    /// Where the trail wants the stop.
    fn trailed(&self, stop: Decimal) -> Option<Decimal> {
        let trailing = self.terms.trailing?;
        let distance = |at: Option<ExitAt>| at.map(|at| at.distance(self.fill));
        let gained = self.gain(self.best);
        let after = distance(self.terms.exits.trailing_after).unwrap_or(Some(Decimal::ZERO))?;
        if gained < after || gained <= Decimal::ZERO {
            return None;
        }
        let from = |price: Decimal, by: Decimal| match self.position {
            Side::Buy => price.checked_sub(by),
            Side::Sell => price.checked_add(by),
        };
        let step = distance(self.terms.exits.trailing_step);
        let wanted = match trailing.kind {
            // Step by step from where it began: for each full step of the price the stop moves by the value, and never by more than that.
            TrailingType::Points => {
                let step = step.unwrap_or(Some(trailing.value))?;
                let steps = gained.checked_div(step)?.floor();
                from(self.first_stop?, -steps.checked_mul(trailing.value.min(step))?)?
            }
            TrailingType::Percent => from(self.best, self.best.checked_mul(trailing.value)?.checked_div(Decimal::ONE_HUNDRED)?)?,
            TrailingType::Absolute => from(self.best, trailing.value)?,
        };
        let wanted = self.short_of_best(wanted)?;
        // In steps, where a step was asked for.
        let is_far_enough = trailing.kind == TrailingType::Points || step.flatten().is_none_or(|step| (wanted - stop).abs() >= step);
        is_far_enough.then_some(wanted)
    }

    /// On the tick, and never at the best price or beyond it: a stop there would fire by itself.
    fn short_of_best(&self, price: Decimal) -> Option<Decimal> {
        let nearest = match self.position {
            Side::Buy => self.best.checked_sub(self.tick)?,
            Side::Sell => self.best.checked_add(self.tick)?,
        };
        let price = self.on_tick(price)?;
        Some(if self.is_as_good(price, nearest) { self.off_tick(nearest)? } else { price })
    }

    /// On the tick, away from the market.
    fn off_tick(&self, price: Decimal) -> Option<Decimal> {
        let steps = price.checked_div(self.tick)?;
        let steps = match self.position {
            Side::Buy => steps.floor(),
            Side::Sell => steps.ceil(),
        };
        steps.checked_mul(self.tick).map(|price| price.normalize())
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
