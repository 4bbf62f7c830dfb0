//! What a point of a contract is worth, kept as long as anything is told of its trades: the master forgets a contract on the day
//! after its last one, and results of earlier days are asked for later.
//!
//! Where shares and their derivatives trade, a unit gains a rupee when its price rises by one. On MCX and CDS the contract says,
//! and what it says is written down before its first order leaves. *Invariant:* where that is not known, nothing is taken for
//! it: rupees that depend on it are not known either.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::{ClientId, Instrument, InstrumentKey};
use crate::persistence::{Book, Keep, Kept, Level, Slot, Topic};
use crate::ports::Instruments;

/// A contract, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractKept {
    /// Its name.
    pub instrument: InstrumentKey,
    /// Rupees that a unit gains when its price rises by one, as the master said when it was first traded; `None`: no master had
    /// it yet, and only the broker has spoken of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rupees_per_point: Option<Decimal>,
    /// What the broker's own rows say instead; `None` while they agree, or say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_says: Option<Decimal>,
}

impl ContractKept {
    /// Where it is kept.
    #[must_use]
    pub fn slot(instrument: &InstrumentKey) -> Slot {
        Slot::new(Topic::Contract, instrument.to_string())
    }

    /// Reads one; what cannot be read is not known.
    #[must_use]
    pub fn read(kept: &Kept) -> Option<Self> {
        kept.read().ok()
    }

    /// What is to be written down of a contract before an order of it leaves, and the journal row of what stands there now, 0 for
    /// none; `None`: it stands there. What was traded at one worth keeps it until nothing of it is left: see
    /// [`ContractKept::speaks_against`].
    #[must_use]
    pub fn before_an_order(book: &Book, found: &Instrument) -> Option<(Self, u64)> {
        let kept = book.kept(&Self::slot(&found.key));
        let stands = kept.and_then(Self::read);
        let is_written = stands.as_ref().is_some_and(|stands| stands.rupees_per_point == Some(found.rupees_per_point));
        if is_written || Self::speaks_against(book, found).is_some() {
            return None;
        }
        let broker_says = stands.and_then(|stands| stands.broker_says).filter(|told| *told != found.rupees_per_point);
        let contract = Self { instrument: found.key.clone(), rupees_per_point: Some(found.rupees_per_point), broker_says };
        Some((contract, kept.map_or(0, |kept| kept.seq)))
    }

    /// What a point was worth when the contract was traded, if today's master says another number while something of it is held,
    /// is open at the broker, or was traded today: two worths of one position would make nonsense of its rupees.
    #[must_use]
    pub fn speaks_against(book: &Book, found: &Instrument) -> Option<Decimal> {
        let kept = book.point(&found.key).filter(|kept| *kept != found.rupees_per_point)?;
        let is_held = book.held_keys().any(|(key, _)| key.instrument == found.key);
        let is_open = book.open_in(&found.key).any(|order| order.status.is_at_broker());
        let has_a_line = || book.newest_day().lines().any(|(_, key, _)| key.instrument == found.key);
        (is_held || is_open || has_a_line()).then_some(kept)
    }

    /// What a point is worth for an order that is not sent yet: what is kept of it, unless that is of old and today's master says
    /// another number.
    #[must_use]
    pub fn point_for(book: &Book, key: &InstrumentKey, found: Option<&Instrument>) -> Option<Decimal> {
        let by_master = found.map(|found| found.rupees_per_point);
        let kept = book.point(key);
        let is_of_old = found.is_some_and(|found| kept != by_master && Self::speaks_against(book, found).is_none());
        if is_of_old { by_master } else { kept.or(by_master) }
    }

    /// What the broker's row says of a contract, if that is news: the state to keep, what stands there, and whether it speaks
    /// against what was known.
    #[must_use]
    pub fn told(book: &Book, key: &InstrumentKey, told: Decimal, instruments: &dyn Instruments) -> Option<(Self, u64)> {
        let known = if key.exchange.rupees_per_point().is_some() { None } else { book.point_by(key, instruments) }?;
        let kept = book.kept(&Self::slot(key));
        let stands = kept.and_then(Self::read);
        let says = (told != known).then_some(told);
        if stands.as_ref().and_then(|stands| stands.broker_says) == says {
            return None;
        }
        let rupees_per_point = stands.and_then(|stands| stands.rupees_per_point).or(Some(known));
        Some((Self { instrument: key.clone(), rupees_per_point, broker_says: says }, kept.map_or(0, |kept| kept.seq)))
    }

    /// What the broker says against what is known of it.
    #[must_use]
    pub fn contradicted(book: &Book, key: &InstrumentKey) -> Option<Decimal> {
        book.kept(&Self::slot(key)).and_then(Self::read)?.broker_says
    }

    /// Writes it down, if what stands there is still what this was decided upon: the journal row `basis`, 0 for none.
    #[must_use]
    pub fn keep(
        &self,
        client_id: &ClientId,
        basis: u64,
        (event, level): (&'static str, Level),
        (who, why): (&str, String),
    ) -> Option<Keep> {
        Keep::new(Self::slot(&self.instrument), event, who, why).of(client_id).upon(basis).loud(level).with(self).ok()
    }
}

/// Rupees that a point of each contract is worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointValues(Arc<BTreeMap<InstrumentKey, Decimal>>);

impl PointValues {
    /// Of that one; `None`: not known.
    #[must_use]
    pub fn of(&self, key: &InstrumentKey) -> Option<Decimal> {
        key.exchange.rupees_per_point().or_else(|| self.0.get(key).copied())
    }

    /// With what is kept of one.
    pub(crate) fn put(&mut self, kept: ContractKept) {
        let values = Arc::make_mut(&mut self.0);
        match kept.rupees_per_point {
            Some(value) => values.insert(kept.instrument, value),
            None => values.remove(&kept.instrument),
        };
    }
}

#[cfg(test)]
impl FromIterator<(InstrumentKey, Decimal)> for PointValues {
    fn from_iter<T: IntoIterator<Item = (InstrumentKey, Decimal)>>(values: T) -> Self {
        Self(Arc::new(values.into_iter().collect()))
    }
}

#[cfg(test)]
#[path = "contracts_tests.rs"]
mod tests;
