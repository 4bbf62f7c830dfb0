//! What is held beyond a limit of what may be held: units of an instrument, units of an underlying, lots of short options. However it
//! came about: a limit that was made tighter, a fill that nobody expected, a position that was taken over. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::LimitName;
use super::projected::lots;
use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Product, Source, Strategy};
use crate::persistence::Book;
use crate::ports::Instruments;
use crate::settings::Limits;

/// Whom the exits of an excess are from. No other order of the engine's has this name.
pub(super) const SENDER: &str = "risk: position over its limit";

/// Whether it was sent for an excess, or repeats one that was.
pub(super) fn is_of_excess(order: &OrderRecord) -> bool {
    order.source == Source::System && &*order.user == SENDER
}

/// What a limit is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// [`Limits::max_position`].
    Instrument(InstrumentKey),
    /// [`Limits::max_position_underlying`].
    Underlying(Arc<str>),
    /// [`Limits::max_short_option_lots`].
    ShortOptions,
}

impl Of {
    fn limit(&self) -> LimitName {
        match self {
            Self::Instrument(_) => LimitName::MaxPosition,
            Self::Underlying(_) => LimitName::MaxPositionUnderlying,
            Self::ShortOptions => LimitName::MaxShortOptionLots,
        }
    }

    /// Whether the part counts for it.
    fn has(&self, part: &Part) -> bool {
        match self {
            Self::Instrument(key) => part.counts && part.key.instrument == *key,
            Self::Underlying(name) => part.counts && part.underlying.as_ref() == Some(name),
            Self::ShortOptions => part.is_short && part.is_option,
        }
    }

    /// How much of the limit so many units of a part take.
    fn measure(&self, units: i64, part: &Part) -> i64 {
        if *self == Self::ShortOptions { lots(units, part.lot) } else { units }
    }

    /// So many units of a part are too many of it: whole lots, and rather one too many than one too few.
    fn whole(&self, too_many: i64, part: &Part) -> i64 {
        let whole = if *self == Self::ShortOptions { too_many } else { lots(too_many, part.lot) };
        whole.saturating_mul(part.lot)
    }

    /// How much of it is over its limit when the exits that count have filled, and how much those close.
    fn too_many(&self, held: i64, most: i64, parts: &[Part]) -> (i64, i64) {
        let measured = |part: &Part| self.measure(part.held, part) - self.measure(part.free, part);
        let closing = parts.iter().filter(|part| self.has(part)).map(measured).fold(0, i64::saturating_add);
        (held.saturating_sub(closing).saturating_sub(most), closing)
    }
}

/// A part of what is held that is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) strategy: Strategy,
    pub(super) key: HoldingKey,
    /// Units to close.
    pub(super) units: i64,
}

/// What is over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) of: Of,
    /// What is held, all strategies and products together: units, or lots of short options.
    pub(super) held: i64,
    /// The limit.
    pub(super) most: i64,
    /// What exits that are open already close of it. A stop that rests at the broker is none: it may never fire.
    pub(super) closing: i64,
    /// What is to be closed beside that; `None`: nothing.
    pub(super) close: Option<Close>,
}

impl Excess {
    /// In words: what is held, and the limit.
    pub(super) fn words(&self) -> String {
        let limit = format!("the limit is {} ({})", self.most, self.of.limit());
        match &self.of {
            Of::Instrument(key) => format!("{} units are held in {key}, {limit}", self.held),
            Of::Underlying(name) => format!("{} units are held of {name}, long and short added, {limit}", self.held),
            Of::ShortOptions => format!("{} lots of options are short, {limit}", self.held),
        }
    }
}

/// What one strategy holds in an instrument and product.
struct Part {
    strategy: Strategy,
    key: HoldingKey,
    is_short: bool,
    is_option: bool,
    /// Whether it is on the larger side of its instrument, which is the one that is limited.
    counts: bool,
    underlying: Option<Arc<str>>,
    lot: i64,
    held: i64,
    /// Units that no exit closes yet.
    free: i64,
}

impl Part {
    /// `counts`: whether an open exit is taken off what is held.
    fn all(book: &Book, instruments: &dyn Instruments, counts: &dyn Fn(&OrderRecord) -> bool) -> Vec<Self> {
        let part = |(strategy, key, holding): (&Strategy, &HoldingKey, &crate::order::Holding)| {
            let instrument = &key.instrument;
            let exposure = book.exposure(instrument)?;
            let contract = exposure.contract(instrument, instruments);
            let held = holding.net.abs();
            let is_short = holding.net < 0;
            Some(Self {
                strategy: strategy.clone(),
                key: key.clone(),
                is_short,
                is_option: contract.is_some_and(|contract| contract.option_lot.is_some()),
                counts: is_short == (exposure.short > exposure.long),
                underlying: contract.map(|contract| Arc::clone(&contract.underlying)),
                lot: instruments.find(instrument).map_or(1, |found| found.lot.value()).max(1),
                held,
                free: held - closing(book, strategy, key, held, counts),
            })
        };
        book.holdings().filter(|(_, _, holding)| holding.net != 0).filter_map(part).collect()
    }
}

/// Units of a holding that exits which count close, or that any have closed without a recorded trade.
fn closing(book: &Book, strategy: &Strategy, key: &HoldingKey, held: i64, counts: &dyn Fn(&OrderRecord) -> bool) -> i64 {
    book.open_exits_in(&key.instrument)
        .filter(|order| order.ask.strategy == *strategy && !order.is_test() && !order.is_resting_stop() && counts(order))
        .filter(|order| order.may_be_of(key.product))
        .map(|order| order.claims(held))
        .fold(book.owed_by_exits(Some(strategy), key), i64::saturating_add)
        .min(held)
}

/// Whether an exit of an excess that was not sent yet is still wanted: something that has its holding is over its limit by as many units as
/// it is for. What other exits of excesses are for is taken off. What others want to close is not: that may never fill.
pub(super) fn is_wanted(order: &OrderRecord, book: &Book, limits: &Limits, instruments: &dyn Instruments) -> bool {
    let Some(key) = order.holding() else { return true };
    let parts = Part::all(book, instruments, &|other| is_of_excess(other) && other.command_id != order.command_id);
    let Some(part) = parts.iter().find(|part| part.strategy == order.ask.strategy && part.key == key) else { return false };
    over(book, limits, instruments).into_iter().any(|(of, held, most)| {
        let (too_many, _) = of.too_many(held, most, &parts);
        of.has(part) && too_many > 0 && of.whole(too_many, part) >= order.claims(part.held)
    })
}

/// What is over its limit, delivery holdings counted but left alone. Of an instrument its largest holding is closed, and so of what is more
/// than one instrument; but there what is short goes first: that uncovers nothing.
pub(super) fn excesses(book: &Book, limits: &Limits, instruments: &dyn Instruments) -> Vec<Excess> {
    let over = over(book, limits, instruments);
    if over.is_empty() {
        return Vec::new();
    }
    let mut parts = Part::all(book, instruments, &|_| true);
    over.into_iter().filter_map(|(of, held, most)| excess(of, held, most, &mut parts)).collect()
}

/// What is over its limit: how much of it is held, and the limit.
fn over(book: &Book, limits: &Limits, instruments: &dyn Instruments) -> Vec<(Of, i64, i64)> {
    let mut over = Vec::new();
    let mut underlyings: HashMap<&Arc<str>, i64> = HashMap::new();
    let mut short_lots = 0_i64;
    for (key, exposure) in book.exposures() {
        let held = exposure.long.max(exposure.short);
        if held > limits.max_position {
            over.push((Of::Instrument(key.clone()), held, limits.max_position));
        }
        let Some(contract) = exposure.contract(key, instruments).filter(|_| held > 0) else { continue };
        let of_it = underlyings.entry(&contract.underlying).or_default();
        *of_it = of_it.saturating_add(held);
        short_lots = short_lots.saturating_add(contract.option_lot.map_or(0, |lot| lots(exposure.short, lot)));
    }
    let most = limits.max_position_underlying;
    // Sorted are only those that are over it: nearly none is.
    let mut beyond: Vec<(&Arc<str>, i64)> = underlyings.into_iter().filter(|(_, held)| *held > most).collect();
    beyond.sort();
    over.extend(beyond.into_iter().map(|(name, held)| (Of::Underlying(Arc::clone(name)), held, most)));
    if short_lots > limits.max_short_option_lots {
        over.push((Of::ShortOptions, short_lots, limits.max_short_option_lots));
    }
    over
}

/// Picks the holding to reduce for one limit that is exceeded, and books the reduction in `parts`. `None`: only shares held for delivery
/// are over the limit, and these are left alone.
fn excess(of: Of, held: i64, most: i64, parts: &mut [Part]) -> Option<Excess> {
    let (too_many, closing) = of.too_many(held, most, parts);
    let may_close = |part: &&mut Part| of.has(part) && part.free > 0 && part.key.product != Product::Cnc;
    let largest = parts.iter_mut().filter(|_| too_many > 0).filter(may_close).max_by_key(|part| (part.is_short, part.free));
    let close = largest.map(|part| {
        let units = of.whole(too_many, part).min(part.free);
        part.free -= units;
        Close { strategy: part.strategy.clone(), key: part.key.clone(), units }
    });
    (close.is_some() || closing > 0).then_some(Excess { of, held, most, closing, close })
}

#[cfg(test)]
#[path = "excess_tests.rs"]
mod tests;
