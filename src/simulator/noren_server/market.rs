//! The market behind the simulated broker: what was set by hand stands in front of what is drawn from the seed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Instrument, InstrumentKey, Price};
use parking_lot::RwLock;

use super::listing::{Listing, levels};
use super::settings::Prices;
use crate::simulator::market::{Depth, Level, Market, ScriptedMarket, SyntheticMarket};

/// Both markets as one.
#[derive(Debug)]
pub(super) struct SimMarket {
    synthetic: Option<SyntheticMarket>,
    scripted: ScriptedMarket,
    /// When what was set by hand was set.
    changed: RwLock<BTreeMap<InstrumentKey, DateTime<Utc>>>,
}

impl SimMarket {
    pub(super) fn new(seed: u64, prices: Prices, listing: &Listing) -> Self {
        let synthetic = (prices == Prices::Synthetic).then(|| {
            let drawn = SyntheticMarket::new(seed, listing.rows().iter().map(AsRef::as_ref));
            levels().into_iter().fold(drawn, |market, (name, level)| market.with_level(name, level))
        });
        Self { synthetic, scripted: ScriptedMarket::new(), changed: RwLock::default() }
    }

    pub(super) fn set(&self, key: &InstrumentKey, (bids, asks): (Vec<Level>, Vec<Level>), last: Price, now: DateTime<Utc>) {
        self.scripted.set_depth(key, bids, asks, last);
        self.changed.write().insert(key.clone(), now);
    }

    /// When it last changed: what is drawn moves all the time, what was set stands still.
    pub(super) fn changed_at(&self, key: &InstrumentKey, now: DateTime<Utc>) -> DateTime<Utc> {
        self.changed.read().get(key).copied().unwrap_or(now)
    }

    /// Forgets what was set.
    pub(super) fn release(&self, key: &InstrumentKey) {
        self.scripted.hide(key);
        self.changed.write().remove(key);
    }
}

impl Market for SimMarket {
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth> {
        self.scripted.depth(instrument, now).or_else(|| self.synthetic.as_ref()?.depth(instrument, now))
    }
}
