//! The tables as the engine sees them: today's in force, a new day's swapped in while it runs, and what was learned of
//! single instruments since.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Price, Quantity, trading_date};
use ordergate_actors::ports::Instruments;
use parking_lot::RwLock;

use super::InstrumentTable;

/// Whether what can be traded is known for today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is of today, or never ages.
    Fresh,
    /// It is of an earlier day: entries are refused.
    Stale {
        /// The day of the oldest of its exchanges.
        as_of: NaiveDate,
    },
    /// There is no master of this exchange at all.
    Missing {
        /// The exchange.
        exchange: Exchange,
    },
}

/// What an instrument's row does not say, and a quote or the broker's security info does.
#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    freeze: Option<Quantity>,
    band: Option<(Price, Price)>,
}

/// The instruments in force: the engine's [`Instruments`] port.
#[derive(Debug, Default)]
pub struct Masters {
    table: RwLock<Arc<InstrumentTable>>,
    learned: RwLock<HashMap<InstrumentKey, Learned>>,
    wanted: Vec<Exchange>,
}

impl Masters {
    /// Starts with this table; no exchange is missed.
    #[must_use]
    pub fn new(table: InstrumentTable) -> Self {
        Self::of([], table)
    }

    /// Starts with this table; these exchanges must be in it to be fresh.
    #[must_use]
    pub fn of(wanted: impl IntoIterator<Item = Exchange>, table: InstrumentTable) -> Self {
        Self { table: RwLock::new(Arc::new(table)), learned: RwLock::default(), wanted: wanted.into_iter().collect() }
    }

    /// The table in force. It stays whole for whoever holds it, also after a swap.
    #[must_use]
    pub fn table(&self) -> Arc<InstrumentTable> {
        Arc::clone(&self.table.read())
    }

    /// Puts another table in force. What was learned of single instruments held for its day and is forgotten.
    pub fn swap(&self, table: InstrumentTable) {
        let table = Arc::new(table);
        let old = std::mem::replace(&mut *self.table.write(), table);
        self.learned.write().clear();
        // The old one is taken apart outside the locks.
        drop(old);
    }

    /// Notes the freeze quantity (units) and the day's price band (rupees) of one instrument. `None` leaves what is known.
    pub fn enrich(&self, key: &InstrumentKey, freeze: Option<Quantity>, band: Option<(Price, Price)>) {
        let mut learned = self.learned.write();
        let entry = learned.entry(key.clone()).or_default();
        entry.freeze = freeze.or(entry.freeze);
        entry.band = band.or(entry.band);
    }

    /// The instrument with this number at the exchange.
    #[must_use]
    pub fn by_token(&self, exchange: Exchange, token: u32) -> Option<Arc<Instrument>> {
        let found = self.table().by_token(exchange, token)?;
        Some(self.with_learned(found))
    }

    /// Whether it is all of the trading day of that time. The worst exchange counts.
    #[must_use]
    pub fn freshness(&self, now: DateTime<Utc>) -> Freshness {
        let table = self.table();
        let missing = self.wanted.iter().find(|exchange| Instruments::as_of(&*table, **exchange).is_none());
        match (missing, table.as_of()) {
            (Some(exchange), _) => Freshness::Missing { exchange: *exchange },
            (None, Some(as_of)) if as_of < trading_date(now) => Freshness::Stale { as_of },
            (None, _) => Freshness::Fresh,
        }
    }

    fn with_learned(&self, row: Arc<Instrument>) -> Arc<Instrument> {
        let Some(learned) = self.learned.read().get(&row.key).copied() else { return row };
        let mut row = Arc::unwrap_or_clone(row);
        row.freeze = learned.freeze.or(row.freeze);
        row.band = learned.band.or(row.band);
        Arc::new(row)
    }
}

impl Instruments for Masters {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        let found = self.table().find(key)?;
        Some(self.with_learned(found))
    }

    fn as_of(&self, exchange: Exchange) -> Option<NaiveDate> {
        Instruments::as_of(&**self.table.read(), exchange)
    }

    fn has_derivatives(&self, underlying: &str) -> Option<bool> {
        self.table.read().has_derivatives(underlying)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn table(nse: &str, nfo: &str) -> InstrumentTable {
        InstrumentTable::dated([(Exchange::Nse, day(nse)), (Exchange::Nfo, day(nfo))], sample(day("2026-11-20")).unwrap())
    }

    #[test]
    fn it_is_as_fresh_as_its_oldest_exchange() {
        let now: DateTime<Utc> = "2026-11-20T03:30:00Z".parse().unwrap();
        assert_eq!(Masters::new(table("2026-11-20", "2026-11-20")).freshness(now), Freshness::Fresh);
        assert_eq!(Masters::new(table("2026-11-20", "2026-11-19")).freshness(now), Freshness::Stale { as_of: day("2026-11-19") });
        let missing = Masters::of([Exchange::Nse, Exchange::Mcx], table("2026-11-20", "2026-11-20"));
        assert_eq!(missing.freshness(now), Freshness::Missing { exchange: Exchange::Mcx });
        assert_eq!(Masters::new(InstrumentTable::new(sample(day("2020-01-01")).unwrap())).freshness(now), Freshness::Fresh);
        assert_eq!(Masters::of([Exchange::Nse], InstrumentTable::default()).freshness(now), Freshness::Missing { exchange: Exchange::Nse });
    }

    #[test]
    fn what_was_learned_is_seen_until_the_next_day() {
        let masters = Masters::new(table("2026-11-20", "2026-11-20"));
        let key = InstrumentKey::new(Exchange::Nse, "SBIN-EQ");
        let (freeze, band) = (Quantity::new(500), Some((Price::parse("800").unwrap(), Price::parse("900").unwrap())));
        let before = masters.find(&key).unwrap();
        masters.enrich(&key, freeze, None);
        masters.enrich(&key, None, band);
        let learned = masters.find(&key).unwrap();
        assert_eq!((learned.freeze, learned.band), (freeze, band));
        assert_eq!(masters.by_token(Exchange::Nse, learned.token), Some(learned));
        let kept = masters.table();
        masters.swap(table("2026-11-23", "2026-11-23"));
        assert_eq!(masters.find(&key).unwrap(), before);
        assert_eq!((kept.as_of(), Instruments::as_of(&masters, Exchange::Nfo)), (Some(day("2026-11-20")), Some(day("2026-11-23"))));
    }
}
