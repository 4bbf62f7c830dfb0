//! What can be traded, read once in a process: it is the same for every seed. How it moves is drawn from the seed.

use std::sync::{Arc, OnceLock};

use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::market::SyntheticMarket;
use ordergate_actors::testkit::morning;

pub(super) fn instruments() -> Arc<InstrumentTable> {
    static LISTED: OnceLock<Arc<InstrumentTable>> = OnceLock::new();
    let read = || Arc::new(InstrumentTable::new(sample(morning().date_naive()).unwrap()));
    Arc::clone(LISTED.get_or_init(read))
}

pub(super) fn of(seed: u64) -> SyntheticMarket {
    static FIRST: OnceLock<SyntheticMarket> = OnceLock::new();
    let make = || {
        let listed: Vec<_> = instruments().iter().collect();
        SyntheticMarket::new(0, listed.iter().map(AsRef::as_ref))
    };
    FIRST.get_or_init(make).clone().reseeded(seed)
}
