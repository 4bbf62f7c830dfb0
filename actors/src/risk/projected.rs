//! What an account would hold and owe at the worst, this order included: every order that stands before it, and every one
//! whose fate is not known, counted as filled. Pure.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::beyond::Beyond;
use crate::order::{Amount, Instrument, InstrumentKey, Intent, OrderRecord, Price, Side, trading_date};
use crate::persistence::{Book, Contract, Exposure, OpenValue, outstanding, own_price};
use crate::pnl::ContractKept;
use crate::ports::Instruments;
use crate::watcher::Findings;

/// The worst, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projected {
    /// Units that the order itself adds; 0 if it only takes away.
    pub adds: i64,
    /// Units of the instrument on the side to which the order adds.
    pub position: i64,
    /// The underlying; `None`: no master has the instrument.
    pub underlying: Option<Arc<str>>,
    /// Units of all instruments of the underlying, long and short added.
    pub underlying_units: i64,
    /// Those of them that are held elsewhere.
    pub underlying_elsewhere: i64,
    /// Lots of options that are short, whatever the underlying.
    pub short_option_lots: i64,
    /// Those of them that were sold elsewhere.
    pub short_lots_elsewhere: i64,
    /// Rupees of all open orders that open or change a position, this one included if its value is known.
    pub open_value: Amount,
    /// Entries sent today, with those that stand before this one, and itself.
    pub trades_today: usize,
}

/// What the projection looks at.
#[allow(missing_debug_implementations, reason = "it holds a look-up")]
pub struct Scene<'a> {
    /// The order, as it is to be.
    pub order: &'a OrderRecord,
    /// What it is for.
    pub instrument: &'a InstrumentKey,
    /// The same, as today's master has it.
    pub found: Option<&'a Instrument>,
    /// The account as committed.
    pub book: &'a Book,
    /// What the broker last proved.
    pub findings: &'a Findings,
    /// The master of today.
    pub instruments: &'a dyn Instruments,
    /// The price at which an order without one of its own is valued, by instrument and side; `None`: not known.
    pub touch: &'a dyn Fn(&InstrumentKey, Side) -> Option<Price>,
    /// What an order is worth whose price is not known: it has passed the limit of one order.
    pub unknown_value: Amount,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Scene<'_> {
    /// Rupees that a unit gains when its price rises by one; `None`: not known.
    pub(super) fn point(&self, key: &InstrumentKey) -> Option<Decimal> {
        if key == self.instrument { ContractKept::point_for(self.book, key, self.found) } else { self.book.point_by(key, self.instruments) }
    }

    fn point_of(&self, order: &OrderRecord) -> Option<Decimal> {
        order.ask.exchange?.rupees_per_point().or_else(|| self.point(&order.instrument()?))
    }
}

/// Units that come off the sums, bought and sold, by instrument: of orders that do not stand before this one, and of its own
/// row. Hundreds of orders are for few instruments.
#[derive(Default)]
struct Off(Vec<(InstrumentKey, i64, i64)>);

impl Off {
    fn of(orders: &[&Arc<OrderRecord>]) -> Self {
        let mut off = Self::default();
        for order in orders {
            off.add(order, outstanding(order));
        }
        off
    }

    fn add(&mut self, order: &OrderRecord, units: i64) {
        let Some(side) = order.ask.side.filter(|_| units > 0) else { return };
        let (bought, sold) = if side == Side::Buy { (units, 0) } else { (0, units) };
        if let Some((_, buying, selling)) = self.0.iter_mut().find(|(key, ..)| order.is_for(key)) {
            (*buying, *selling) = (buying.saturating_add(bought), selling.saturating_add(sold));
        } else {
            self.0.extend(order.instrument().map(|key| (key, bought, sold)));
        }
    }

    fn units(&self, key: &InstrumentKey) -> (i64, i64) {
        self.0.iter().find(|(other, ..)| other == key).map_or((0, 0), |(_, buying, selling)| (*buying, *selling))
    }
}

/// The projection.
#[must_use]
pub fn project(x: &Scene<'_>) -> Projected {
    let own_row = x.book.order(x.order.command_id).filter(|row| !row.status.is_terminal());
    // By number, which the search in `open_value` relies on.
    let not_before: Vec<&Arc<OrderRecord>> = own_row.into_iter().chain(x.book.later(x.order.number)).collect();
    let off = Off::of(&not_before);
    let adds = adds(x);
    let side = x.order.ask.side.unwrap_or(Side::Buy);
    let own_exposure = x.book.exposure(x.instrument);
    let (long, short) = worst(own_exposure, x.instrument, &off);
    let beyond = Beyond::of(x.book, x.findings);
    let own_beyond = beyond.units(x.instrument);
    let position = match side {
        Side::Buy => (long + own_beyond.0).saturating_add(adds),
        Side::Sell => (short + own_beyond.1).saturating_add(adds),
    };
    let own = x.found.map(Contract::of);
    let mut projected = Projected {
        adds,
        position,
        underlying: own.as_ref().map(|own| Arc::clone(&own.underlying)),
        underlying_units: 0,
        underlying_elsewhere: 0,
        short_option_lots: 0,
        short_lots_elsewhere: 0,
        open_value: open_value(x, &not_before),
        trades_today: trades_today(x),
    };
    let with_adds = |(long, short): (i64, i64)| match side {
        Side::Buy => (long.saturating_add(adds), short),
        Side::Sell => (long, short.saturating_add(adds)),
    };
    // Few of many instruments are touched by this order, by those behind it or by others: they are told by where they lie, not by name.
    let touching = off.0.iter().map(|(key, ..)| key).chain(beyond.all().map(|(key, _)| key));
    let touched: Vec<&Exposure> = touching.filter_map(|key| x.book.exposure(key)).chain(own_exposure).collect();
    for (key, exposure) in x.book.exposures() {
        let is_same = |other: &&Exposure| std::ptr::eq(*other, exposure);
        let (mut units, mut elsewhere) = ((exposure.worst_long(), exposure.worst_short()), (0, 0));
        if touched.iter().any(is_same) {
            (units, elsewhere) = (worst(Some(exposure), key, &off), beyond.units(key));
        }
        if own_exposure.as_ref().is_some_and(is_same) {
            units = with_adds(units);
        }
        projected.take(own.as_ref(), exposure.contract(key, x.instruments), units, elsewhere);
    }
    if own_exposure.is_none() {
        projected.take(own.as_ref(), own.as_ref(), with_adds((0, 0)), own_beyond);
    }
    for (key, elsewhere) in beyond.all().filter(|(key, _)| *key != x.instrument && x.book.exposure(key).is_none()) {
        let contract = x.instruments.find(key).map(|found| Contract::of(&found));
        projected.take(own.as_ref(), contract.as_ref(), (0, 0), elsewhere);
    }
    projected
}

impl Projected {
    /// Adds an instrument: what we hold and may come to hold, long and short, and what is held elsewhere. `own`: that of the order.
    fn take(&mut self, own: Option<&Contract>, contract: Option<&Contract>, (long, short): (i64, i64), elsewhere: (i64, i64)) {
        let Some(contract) = contract else { return };
        let (all_long, all_short) = (long.saturating_add(elsewhere.0), short.saturating_add(elsewhere.1));
        if own.is_some_and(|own| own.is_beside(contract)) {
            let units = all_long.max(all_short);
            self.underlying_units = self.underlying_units.saturating_add(units);
            self.underlying_elsewhere = self.underlying_elsewhere.saturating_add(units - long.max(short));
        }
        if let Some(lot) = contract.option_lot.filter(|_| all_short > 0) {
            let units = lots(all_short, lot);
            self.short_option_lots = self.short_option_lots.saturating_add(units);
            self.short_lots_elsewhere = self.short_lots_elsewhere.saturating_add(units - lots(short, lot));
        }
    }
}

/// Whole lots that so many units begin, of a number that is not negative.
pub(super) fn lots(units: i64, lot: i64) -> i64 {
    units.checked_div(lot).unwrap_or(units) + i64::from(units.checked_rem(lot).unwrap_or(0) != 0)
}

/// Long and short at the worst, without what does not stand before.
fn worst(exposure: Option<&Exposure>, key: &InstrumentKey, off: &Off) -> (i64, i64) {
    let Some(exposure) = exposure else { return (0, 0) };
    let (buying, selling) = off.units(key);
    (exposure.worst_long() - buying, exposure.worst_short() - selling)
}

/// Units that the order adds on its side: an adjustment first closes what its strategy holds on the other.
fn adds(x: &Scene<'_>) -> i64 {
    if x.order.is_exit() || x.order.is_test() {
        return 0;
    }
    let asked = outstanding(x.order);
    let held = match (x.order.ask.intent, x.order.holding(), x.order.ask.side) {
        (Some(Intent::Adjust), Some(key), Some(side)) => (x.book.held(&x.order.ask.strategy, &key).net * -side.sign()).max(0),
        _ => 0,
    };
    (asked - held).max(0)
}

/// The touches that were looked up: a hundred market orders of one instrument ask for one quote.
#[derive(Default)]
struct Touches(Vec<(InstrumentKey, Side, Option<Price>)>);

impl Touches {
    fn of(&mut self, x: &Scene<'_>, order: &OrderRecord) -> Option<Price> {
        let side = order.ask.side?;
        if let Some((.., price)) = self.0.iter().find(|(key, of, _)| *of == side && order.is_for(key)) {
            return *price;
        }
        let key = order.instrument()?;
        let price = (x.touch)(&key, side);
        self.0.push((key, side, price));
        price
    }

    /// At its own price, or the touch that it would trade at; a sale below the market trades at the market.
    fn value(&mut self, x: &Scene<'_>, order: &OrderRecord) -> Option<Amount> {
        let points = own_price(order).or_else(|| self.of(x, order))?.times(order.unfilled());
        Some(points.rupees(x.point_of(order)?))
    }
}

fn open_value(x: &Scene<'_>, not_before: &[&Arc<OrderRecord>]) -> Amount {
    let stands = |order: &Arc<OrderRecord>| {
        order.number < x.order.number || not_before.binary_search_by_key(&order.number, |other| other.number).is_err()
    };
    let priced_off = not_before.iter().filter(|order| own_price(order).is_some() && !order.is_exit() && !order.is_test());
    let mut touches = Touches::default();
    let OpenValue { rupees: mut open, mut unknown } = x.book.open_value_by(|key| x.point(key));
    for order in priced_off {
        match touches.value(x, order) {
            Some(value) => open = open.plus(value.negated()),
            None => unknown = unknown.saturating_sub(1),
        }
    }
    for order in x.book.unpriced().filter(|order| stands(order)) {
        match touches.value(x, order) {
            Some(value) => open = open.plus(value),
            None => unknown += 1,
        }
    }
    open = open.plus(Amount(x.unknown_value.0.saturating_mul(unknown.into())));
    open.plus(touches.value(x, x.order).unwrap_or(Amount::ZERO))
}

fn trades_today(x: &Scene<'_>) -> usize {
    let sent = x.book.sent_on(trading_date(x.now)) + x.book.unsent_before(x.order.number);
    sent + usize::from(x.order.sent_at.is_none())
}

#[cfg(test)]
#[path = "projected_tests.rs"]
mod tests;
