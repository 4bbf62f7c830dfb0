//! The tables as the engine sees them: today's in force, a new day's swapped in while it runs, and the rows of an older one that
//! something is held in.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, trading_date};
use ordergate_actors::ports::{Instruments, ReadAs, Spelling, Spot, Unresolved};
use parking_lot::RwLock;

use super::InstrumentTable;
use super::resolve::{Resolver, Rolls};

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

/// A row that its exchange's table has no longer, kept because something is held or open in it.
#[derive(Debug, Clone)]
struct Carried {
    row: Arc<Instrument>,
    /// Before the day of the table, so that entries are refused.
    day: NaiveDate,
}

/// Says what is held or has open orders.
type Needs = Box<dyn Fn() -> BTreeSet<InstrumentKey> + Send + Sync>;

#[derive(Default)]
struct Needed(Option<Needs>);

impl fmt::Debug for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Needed(asked)" } else { "Needed(nothing)" })
    }
}

/// The instruments in force: the engine's [`Instruments`] port.
#[derive(Debug, Default)]
pub struct Masters {
    table: RwLock<Arc<InstrumentTable>>,
    carried: RwLock<HashMap<InstrumentKey, Carried>>,
    needed: RwLock<Needed>,
    wanted: Vec<Exchange>,
    rolls: Rolls,
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
        Self { table: RwLock::new(Arc::new(table)), wanted: wanted.into_iter().collect(), ..Self::default() }
    }

    /// Sets how many days before a future's last one continuous names (`NIFTY1!`) go over to the next.
    #[must_use]
    pub fn rolled(self, rolls: Rolls) -> Self {
        Self { rolls, ..self }
    }

    /// The table in force. It stays whole for whoever holds it, also after a swap.
    #[must_use]
    pub fn table(&self) -> Arc<InstrumentTable> {
        Arc::clone(&self.table.read())
    }

    /// From now on, what this names keeps its row when a new table lacks it.
    pub fn keep_rows_of(&self, needed: impl Fn() -> BTreeSet<InstrumentKey> + Send + Sync + 'static) {
        self.needed.write().0 = Some(Box::new(needed));
    }

    /// Puts another table in force. Rows that the new table lacks and that are needed are carried over: exits go on in them, entries
    /// are refused. Answers them.
    pub fn swap(&self, table: InstrumentTable) -> Vec<InstrumentKey> {
        let needed = self.needed.read().0.as_ref().map(|needed| needed()).unwrap_or_default();
        let before = self.table();
        let lacking = needed.into_iter().filter(|key| Instruments::find(&table, key).is_none());
        let rows: Vec<Arc<Instrument>> = lacking
            .filter_map(|key| Instruments::find(&*before, &key).or_else(|| self.carried.read().get(&key).map(|old| Arc::clone(&old.row))))
            .collect();
        let table = Arc::new(table);
        let old = {
            let mut in_force = self.table.write();
            self.put_carried(&table, rows.iter().cloned());
            std::mem::replace(&mut *in_force, table)
        };
        // The old one is taken apart outside the locks.
        drop((old, before));
        rows.iter().map(|row| row.key.clone()).collect()
    }

    /// Adds rows of older masters that the table in force lacks, as [`Masters::swap`] does.
    pub fn carry(&self, rows: impl IntoIterator<Item = Arc<Instrument>>) {
        let table = self.table();
        let lacking = rows.into_iter().filter(|row| Instruments::find(&*table, &row.key).is_none());
        self.put_carried(&table, lacking);
    }

    fn put_carried(&self, table: &InstrumentTable, rows: impl Iterator<Item = Arc<Instrument>>) {
        let before = |exchange| Instruments::as_of(table, exchange).and_then(|day| day.pred_opt()).unwrap_or(NaiveDate::MIN);
        let carried = rows.map(|row| (row.key.clone(), Carried { day: before(row.key.exchange), row })).collect();
        *self.carried.write() = carried;
    }

    /// The instrument with this number at the exchange.
    #[must_use]
    pub fn by_token(&self, exchange: Exchange, token: u32) -> Option<Arc<Instrument>> {
        let carried = || {
            let carried = self.carried.read();
            carried.values().map(|old| &old.row).find(|row| row.key.exchange == exchange && row.token == token).cloned()
        };
        self.table().by_token(exchange, token).or_else(carried)
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
}

impl Instruments for Masters {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.table().find(key).or_else(|| self.carried.read().get(key).map(|carried| Arc::clone(&carried.row)))
    }

    fn as_of(&self, exchange: Exchange) -> Option<NaiveDate> {
        Instruments::as_of(&**self.table.read(), exchange)
    }

    fn as_of_row(&self, key: &InstrumentKey) -> Option<NaiveDate> {
        let carried = self.carried.read().get(key).map(|carried| carried.day);
        carried.or_else(|| self.as_of(key.exchange))
    }

    fn has_derivatives(&self, underlying: &str) -> Option<bool> {
        self.table.read().has_derivatives(underlying)
    }

    fn resolve(&self, spelling: &Spelling<'_>, spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        let table = self.table();
        let row = |key: &InstrumentKey| Instruments::find(self, key);
        Resolver { table: &table, rolls: &self.rolls, row: &row }.read(spelling, spot)
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
    fn a_table_stays_whole_for_whoever_holds_it_over_a_swap() {
        let masters = Masters::new(table("2026-11-20", "2026-11-20"));
        let kept = masters.table();
        masters.swap(table("2026-11-23", "2026-11-23"));
        assert_eq!((kept.as_of(), Instruments::as_of(&masters, Exchange::Nfo)), (Some(day("2026-11-20")), Some(day("2026-11-23"))));
    }

    #[test]
    fn what_is_held_keeps_its_row_over_a_new_table_and_takes_no_entries() {
        let masters = Masters::new(table("2026-11-20", "2026-11-20"));
        let (held, gone) = (InstrumentKey::new(Exchange::Nse, "SBIN-EQ"), InstrumentKey::new(Exchange::Nse, "INFY-EQ"));
        let old = masters.find(&held).unwrap();
        assert!(masters.find(&gone).is_some());
        let needed = Arc::new(parking_lot::Mutex::new(BTreeSet::from([held.clone()])));
        let asked = Arc::clone(&needed);
        masters.keep_rows_of(move || asked.lock().clone());
        let without = |day: &str| {
            let rows = sample("2026-11-20".parse().unwrap()).unwrap().into_iter().filter(|row| row.key != held && row.key != gone);
            InstrumentTable::dated([(Exchange::Nse, self::day(day))], rows)
        };
        // Of the same day, and of the next: a row that is missing is never one of today.
        for day in ["2026-11-20", "2026-11-23"] {
            assert_eq!(masters.swap(without(day)), std::slice::from_ref(&held));
            assert_eq!((masters.find(&held), masters.find(&gone)), (Some(Arc::clone(&old)), None));
            assert_eq!(masters.by_token(Exchange::Nse, old.token), Some(Arc::clone(&old)));
            assert!(masters.as_of_row(&held) < masters.as_of(Exchange::Nse));
            assert_eq!(masters.as_of_row(&gone), masters.as_of(Exchange::Nse));
        }
        needed.lock().clear();
        assert_eq!(masters.swap(without("2026-11-24")), []);
        assert_eq!(masters.find(&held), None, "nothing is held in it any more");
        // At a start there is no table before this one: the row comes from an older file.
        masters.carry([Arc::clone(&old)]);
        assert_eq!((masters.find(&held), masters.as_of_row(&held)), (Some(old), Some(self::day("2026-11-23"))));
    }
}
