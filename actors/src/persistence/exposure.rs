//! Running sums over what is open and what is held, so that no limit has to walk the book.
//!
//! *Invariant:* what an order adds when it is entered is what is taken off when it is replaced: both come from one pure
//! function of its row. Orders that only close add nothing; an order whose fate is not known counts as if it filled.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::order::{Amount, Instrument, InstrumentKey, Kind, OrderRecord, Points, Price, Side, Status, trading_date};
use crate::ports::Instruments;

/// What limits need to know of a contract. It is the same for as long as the contract lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// The underlying (`NIFTY`, `SBIN`).
    pub underlying: Arc<str>,
    /// Units in a lot, if it is an option.
    pub option_lot: Option<i64>,
    /// Of the underlying's name: most names are told apart by it, without a look at their letters.
    mark: u64,
}

impl Contract {
    /// What limits need to know of that instrument.
    #[must_use]
    pub fn of(found: &Instrument) -> Self {
        let option_lot = matches!(found.kind, Kind::Option { .. }).then(|| found.lot.value());
        let mut hasher = DefaultHasher::new();
        found.underlying.hash(&mut hasher);
        Self { underlying: Arc::clone(&found.underlying), option_lot, mark: hasher.finish() }
    }

    /// Whether both are of one underlying.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.mark == other.mark && self.underlying == other.underlying
    }
}

/// Units of one instrument, all strategies and products together.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// Sum of the long holdings.
    pub long: i64,
    /// Sum of the short holdings, as a positive number.
    pub short: i64,
    /// What open entries and adjustments may still buy, those in doubt included, and what they bought without a recorded trade.
    pub buying: i64,
    /// What open entries and adjustments may still sell, those in doubt included, and what they sold without a recorded trade.
    pub selling: i64,
    contract: OnceLock<Contract>,
}

impl Exposure {
    /// Units long at the worst: everything that may buy has bought, and nothing was sold.
    #[must_use]
    pub fn worst_long(&self) -> i64 {
        self.long.saturating_add(self.buying)
    }

    /// Units short at the worst, as a positive number.
    #[must_use]
    pub fn worst_short(&self) -> i64 {
        self.short.saturating_add(self.selling)
    }

    /// The contract, looked up once; `None` while no master has it.
    pub fn contract(&self, key: &InstrumentKey, instruments: &dyn Instruments) -> Option<&Contract> {
        if self.contract.get().is_none() {
            let _already = self.contract.set(Contract::of(&*instruments.find(key)?));
        }
        self.contract.get()
    }

    fn is_empty(&self) -> bool {
        (self.long, self.short, self.buying, self.selling) == (0, 0, 0, 0)
    }
}

/// Units by which an order may still change the position, beyond what is recorded as traded; 0 for one that only closes.
#[must_use]
pub fn outstanding(order: &OrderRecord) -> i64 {
    if order.is_exit() || order.is_test() {
        return 0;
    }
    let most = if order.status.is_terminal() { order.filled_quantity } else { order.quantity_most() };
    (most - order.traded_quantity).max(0)
}

/// The price that an order is worth by itself: its limit, or its trigger; `None`: it goes at the market.
#[must_use]
pub fn own_price(order: &OrderRecord) -> Option<Price> {
    let pending = order.pending.as_ref();
    let limit = order.ask.price.max(pending.and_then(|terms| terms.price));
    limit.or(order.ask.trigger_price.max(pending.and_then(|terms| terms.trigger_price)))
}

/// What an open order that opens or changes a position may still be for, as far as its own price tells.
fn open_points(order: &OrderRecord) -> Option<(InstrumentKey, Points)> {
    Some((order.instrument()?, own_price(order)?.times(order.unfilled())))
}

/// Open orders of one contract.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    orders: usize,
    points: Points,
}

fn is_open_entry(order: &OrderRecord) -> bool {
    !order.status.is_terminal() && !order.is_exit() && !order.is_test()
}

/// What open orders that open or change a position, and have a price of their own, may still be worth together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenValue {
    /// Rupees, as far as they are known.
    pub rupees: Amount,
    /// Orders whose rupees are not: nobody knows what a point of their contract is worth.
    pub unknown: usize,
}

/// The sums of one account.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    by_instrument: BTreeMap<InstrumentKey, Exposure>,
    /// Of the exchanges where a point is worth the same for everything.
    open_value: Amount,
    /// Of the others, by contract.
    open_elsewhere: BTreeMap<InstrumentKey, Open>,
    /// Open entries without a price of their own.
    unpriced: BTreeSet<u64>,
    /// Entries that are registered and not sent.
    unsent: BTreeSet<u64>,
    /// Entries that were sent on a day (India); the newest days only.
    sent_on: BTreeMap<NaiveDate, usize>,
    /// The newest day on which a trade of ours was recorded.
    traded_on: Option<NaiveDate>,
}

/// Days whose counts are kept.
const DAYS_KEPT: usize = 3;

impl Sums {
    /// Adds an order's row, or takes it off.
    pub(super) fn count(&mut self, order: &OrderRecord, is_entering: bool) {
        let sign = if is_entering { 1 } else { -1 };
        if let Some((key, side)) = order.instrument().zip(order.ask.side)
            && outstanding(order) > 0
        {
            let units = sign * outstanding(order);
            self.change(key, |exposure| match side {
                Side::Buy => exposure.buying += units,
                Side::Sell => exposure.selling += units,
            });
        }
        if order.traded_quantity > 0 {
            self.traded_on = self.traded_on.max(Some(trading_date(order.updated_at)));
        }
        if let Some(sent) = order.sent_at.filter(|_| !order.is_exit() && !order.is_test()) {
            let count = self.sent_on.entry(trading_date(sent)).or_default();
            *count = if is_entering { *count + 1 } else { count.saturating_sub(1) };
            while self.sent_on.len() > DAYS_KEPT {
                self.sent_on.pop_first();
            }
        }
        if !is_open_entry(order) {
            return;
        }
        let number = order.number;
        match open_points(order) {
            Some((key, points)) => self.open(key, if is_entering { points } else { points.negated() }, is_entering),
            None if is_entering => {
                self.unpriced.insert(number);
            }
            None => {
                self.unpriced.remove(&number);
            }
        }
        if order.status == Status::Created {
            if is_entering {
                self.unsent.insert(number)
            } else {
                self.unsent.remove(&number)
            };
        }
    }

    fn open(&mut self, key: InstrumentKey, points: Points, is_entering: bool) {
        if let Some(point) = key.exchange.rupees_per_point() {
            self.open_value = self.open_value.plus(points.rupees(point));
            return;
        }
        let open = self.open_elsewhere.entry(key.clone()).or_default();
        open.points = open.points.plus(points);
        open.orders = if is_entering { open.orders + 1 } else { open.orders.saturating_sub(1) };
        if open.orders == 0 {
            self.open_elsewhere.remove(&key);
        }
    }

    /// What a strategy holds there has changed.
    pub(super) fn hold(&mut self, key: &InstrumentKey, before: i64, after: i64) {
        self.change(key.clone(), |exposure| {
            exposure.long += after.max(0) - before.max(0);
            exposure.short += after.min(0).abs() - before.min(0).abs();
        });
    }

    fn change(&mut self, key: InstrumentKey, change: impl FnOnce(&mut Exposure)) {
        let exposure = self.by_instrument.entry(key.clone()).or_default();
        change(exposure);
        if exposure.is_empty() {
            self.by_instrument.remove(&key);
        }
    }

    pub(super) fn of(&self, key: &InstrumentKey) -> Option<&Exposure> {
        self.by_instrument.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&InstrumentKey, &Exposure)> {
        self.by_instrument.iter()
    }

    pub(super) fn priced(&self, point: impl Fn(&InstrumentKey) -> Option<Decimal>) -> OpenValue {
        let nothing = OpenValue { rupees: self.open_value, unknown: 0 };
        self.open_elsewhere.iter().fold(nothing, |sum, (key, open)| match point(key) {
            Some(point) => OpenValue { rupees: sum.rupees.plus(open.points.rupees(point)), ..sum },
            None => OpenValue { unknown: sum.unknown + open.orders, ..sum },
        })
    }

    pub(super) fn unpriced(&self) -> impl Iterator<Item = u64> {
        self.unpriced.iter().copied()
    }

    pub(super) fn unsent_before(&self, number: u64) -> usize {
        self.unsent.range(..number).count()
    }

    pub(super) fn unsent_after(&self, number: u64) -> impl Iterator<Item = u64> {
        self.unsent.range(number.saturating_add(1)..).copied()
    }

    pub(super) fn sent_on(&self, day: NaiveDate) -> usize {
        self.sent_on.get(&day).copied().unwrap_or(0)
    }

    pub(super) fn traded_on(&self) -> Option<NaiveDate> {
        self.traded_on
    }
}

#[cfg(test)]
#[path = "exposure_tests.rs"]
mod tests;
