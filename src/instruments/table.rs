//! The instrument master of one day as a table: lean, because a day has 200,000 rows. A row is made into an
//! [`Instrument`] when somebody asks for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price};
use ordergate_actors::ports::{Instruments, ReadAs, Spelling, Spot, Unresolved};
use rust_decimal::Decimal;

use super::index::Index;
use super::packed::Packed;
use super::resolve::{Resolver, Rolls};
use super::search;

/// The instrument master of one day.
#[derive(Debug, Clone, Default)]
pub struct InstrumentTable {
    pub(super) rows: Vec<Packed>,
    /// All symbols, one after the other.
    text: String,
    pub(super) underlyings: Vec<Arc<str>>,
    /// What search looks at first.
    pub(super) signatures: Vec<u64>,
    by_symbol: Vec<u32>,
    by_token: Vec<u32>,
    pub(super) index: Index,
    /// The few rows whose price band is known.
    bands: HashMap<u32, (Price, Price)>,
    /// The rows of contracts whose point is not one rupee a unit, and what it is.
    points: HashMap<u32, Decimal>,
    days: BTreeMap<Exchange, NaiveDate>,
    /// Underlyings of futures and options, if those of shares are among them.
    with_derivatives: Option<HashSet<Arc<str>>>,
}

impl InstrumentTable {
    /// Takes the rows in their order, undated: they never age. The first row of a name counts, later ones are dropped.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = Instrument>) -> Self {
        Self::dated([], rows)
    }

    /// As [`InstrumentTable::new`], with the trading day of each exchange's rows.
    #[must_use]
    pub fn dated(days: impl IntoIterator<Item = (Exchange, NaiveDate)>, rows: impl IntoIterator<Item = Instrument>) -> Self {
        let mut table = Self { days: days.into_iter().collect(), ..Self::default() };
        let mut known: HashSet<InstrumentKey> = HashSet::new();
        let mut places: HashMap<Arc<str>, u32> = HashMap::new();
        let (mut shares, mut derivatives): (HashSet<Arc<str>>, HashSet<Arc<str>>) = Default::default();
        for row in rows {
            if known.insert(row.key.clone()) {
                table.push(&row, &mut places);
                match row.kind {
                    Kind::Equity => drop(shares.insert(row.underlying)),
                    Kind::Future { .. } | Kind::Option { .. } => drop(derivatives.insert(row.underlying)),
                    Kind::Index => {}
                }
            }
        }
        // Without the derivatives of one single share, their master is not among the rows: they tell nothing.
        table.with_derivatives = (!shares.is_disjoint(&derivatives)).then_some(derivatives);
        table.rows.shrink_to_fit();
        table.signatures.shrink_to_fit();
        table.text.shrink_to_fit();
        table.index();
        table
    }

    fn push(&mut self, row: &Instrument, places: &mut HashMap<Arc<str>, u32>) {
        // The store of a day is a few megabytes; what lies beyond 32 bits cannot be addressed and is left out.
        let (Ok(next), Ok(symbol_at)) = (u32::try_from(self.rows.len()), u32::try_from(self.text.len())) else { return };
        let underlying = *places.entry(Arc::clone(&row.underlying)).or_insert_with(|| {
            self.underlyings.push(Arc::clone(&row.underlying));
            // Never more underlyings than rows.
            u32::try_from(self.underlyings.len() - 1).unwrap_or(u32::MAX)
        });
        self.text.push_str(&row.key.symbol);
        self.signatures.push(search::signature(&row.key.symbol));
        self.rows.push(Packed::of(row, symbol_at, underlying));
        if let Some(band) = row.band {
            self.bands.insert(next, band);
        }
        if row.rupees_per_point != Decimal::ONE {
            self.points.insert(next, row.rupees_per_point);
        }
    }

    fn index(&mut self) {
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let mut by_symbol: Vec<u32> = (0..count).collect();
        by_symbol.sort_unstable_by(|a, b| self.name(*a).cmp(&self.name(*b)));
        let mut by_token: Vec<u32> = (0..count).collect();
        // Of two rows with one token the first counts.
        by_token.sort_by_key(|at| self.number(*at));
        (self.by_symbol, self.by_token) = (by_symbol, by_token);
        self.index = self.indexed();
    }

    fn name(&self, at: u32) -> Option<(Exchange, &str)> {
        self.rows.get(at as usize).map(|row| (row.exchange, self.symbol(at)))
    }

    fn number(&self, at: u32) -> Option<(Exchange, u32)> {
        self.rows.get(at as usize).map(|row| (row.exchange, row.token))
    }

    /// The symbol of the row.
    pub(super) fn symbol(&self, at: u32) -> &str {
        let start = self.rows.get(at as usize).map_or(0, |row| row.symbol_at as usize);
        let end = self.rows.get(at as usize + 1).map_or(self.text.len(), |next| next.symbol_at as usize);
        self.text.get(start..end).unwrap_or("")
    }

    /// The rows with their places.
    pub(super) fn places(&self) -> impl Iterator<Item = (u32, &Packed)> {
        (0..).zip(&self.rows)
    }

    /// The row as an instrument.
    pub(super) fn at(&self, at: u32) -> Option<Arc<Instrument>> {
        let row = self.rows.get(at as usize)?;
        Some(Arc::new(Instrument {
            rupees_per_point: self.points.get(&at).copied().unwrap_or(Decimal::ONE),
            key: InstrumentKey::new(row.exchange, self.symbol(at)),
            token: row.token,
            underlying: Arc::clone(self.underlyings.get(row.underlying as usize)?),
            kind: row.kind()?,
            lot: row.lot()?,
            tick: row.tick()?,
            freeze: row.freeze(),
            band: self.bands.get(&at).copied(),
        }))
    }

    /// The instrument with this number at the exchange. A number is unique only within its exchange.
    #[must_use]
    pub fn by_token(&self, exchange: Exchange, token: u32) -> Option<Arc<Instrument>> {
        let first = self.by_token.partition_point(|at| self.number(*at) < Some((exchange, token)));
        let at = *self.by_token.get(first)?;
        (self.number(at) == Some((exchange, token))).then(|| self.at(at)).flatten()
    }

    /// The rows, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Instrument>> {
        self.places().filter_map(|(at, _)| self.at(at))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The trading day of the oldest of its exchanges; `None` for rows that do not age.
    #[must_use]
    pub fn as_of(&self) -> Option<NaiveDate> {
        self.days.values().min().copied()
    }

    /// The trading day of each exchange that is in it.
    pub fn days(&self) -> impl Iterator<Item = (Exchange, NaiveDate)> {
        self.days.iter().map(|(exchange, day)| (*exchange, *day))
    }

    /// What it holds on the heap, in bytes, without the allocator's own share.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A text of its own has two counters before it, and its pointer here has a length.
        let underlyings: usize = self.underlyings.iter().map(|name| name.len() + 16 + size_of::<Arc<str>>()).sum();
        self.rows.capacity() * size_of::<Packed>()
            + self.text.capacity()
            + self.signatures.capacity() * size_of::<u64>()
            + (self.by_symbol.capacity() + self.by_token.capacity()) * size_of::<u32>()
            + self.index.heap_bytes()
            + underlyings
            + self.bands.capacity() * (size_of::<(u32, (Price, Price))>() + 1)
    }
}

impl InstrumentTable {
    /// The instrument of that name at that exchange.
    pub(super) fn named(&self, exchange: Exchange, symbol: &str) -> Option<Arc<Instrument>> {
        let wanted = Some((exchange, symbol));
        let place = self.by_symbol.binary_search_by(|at| self.name(*at).cmp(&wanted)).ok()?;
        self.at(*self.by_symbol.get(place)?)
    }
}

impl Instruments for InstrumentTable {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.named(key.exchange, &key.symbol)
    }

    fn as_of(&self, exchange: Exchange) -> Option<NaiveDate> {
        self.days.get(&exchange).copied()
    }

    fn has_derivatives(&self, underlying: &str) -> Option<bool> {
        self.with_derivatives.as_ref().map(|names| names.contains(underlying))
    }

    fn resolve(&self, spelling: &Spelling<'_>, spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        Resolver { table: self, rolls: &Rolls::default(), row: &|key| Instruments::find(self, key) }.read(spelling, spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;

    /// Each with a worth of its own.
    fn rows() -> Vec<Instrument> {
        let rows = sample("2026-11-20".parse().unwrap()).unwrap();
        let worth = |place: usize, row| Instrument { rupees_per_point: Decimal::new(i64::try_from(place).unwrap() + 1, 1), ..row };
        rows.into_iter().enumerate().map(|(place, row)| worth(place, row)).collect()
    }

    #[test]
    fn finds_by_exchange_and_symbol() {
        let table = InstrumentTable::new(rows());
        assert!(table.find(&InstrumentKey::new(Exchange::Nse, "M&M-EQ")).is_some());
        assert!(table.find(&InstrumentKey::new(Exchange::Bse, "M&M-EQ")).is_none());
        assert!(table.find(&InstrumentKey::new(Exchange::Nse, "m&m-eq")).is_none());
    }

    #[test]
    fn every_row_comes_back_as_it_went_in_by_name_and_by_token() {
        let rows = rows();
        let table = InstrumentTable::new(rows.clone());
        assert!(table.iter().map(|row| (*row).clone()).eq(rows.iter().cloned()));
        for row in &rows {
            assert_eq!(table.find(&row.key).as_deref(), Some(row));
            assert_eq!(table.by_token(row.key.exchange, row.token).as_deref(), Some(row));
        }
        assert!(table.by_token(Exchange::Bse, rows[0].token).is_none(), "a token means nothing in another exchange");
        assert!(table.by_token(Exchange::Nse, 1).is_none());
    }

    #[test]
    fn the_first_row_of_a_name_and_of_a_token_counts() {
        let rows = rows();
        let twice = InstrumentTable::new(rows.clone().into_iter().chain(rows.clone()));
        assert_eq!(twice.len(), rows.len());
        let mut other = rows[0].clone();
        other.key = InstrumentKey::new(Exchange::Nse, "OTHER-EQ");
        let table = InstrumentTable::new([rows[0].clone(), other]);
        assert_eq!(table.by_token(Exchange::Nse, rows[0].token).unwrap().key, rows[0].key);
    }

    #[test]
    fn each_exchange_has_its_own_day_and_the_oldest_is_the_tables() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let table = InstrumentTable::dated([(Exchange::Nse, day("2026-11-20")), (Exchange::Nfo, day("2026-11-19"))], rows());
        assert_eq!(table.as_of(), Some(day("2026-11-19")));
        assert_eq!(Instruments::as_of(&table, Exchange::Nse), Some(day("2026-11-20")));
        assert_eq!(Instruments::as_of(&table, Exchange::Mcx), None);
        assert_eq!(InstrumentTable::new(rows()).as_of(), None);
    }
}
