//! What can be traded, as a table: found by name, walked in order, searched by a part of the name.

mod sample;

use std::collections::HashMap;
use std::sync::Arc;

use ordergate_actors::order::{Instrument, InstrumentKey};
use ordergate_actors::ports::Instruments;

pub use sample::{BadSample, levels, sample};

/// The instrument master of one day.
#[derive(Debug, Clone, Default)]
pub struct InstrumentTable {
    rows: Vec<Arc<Instrument>>,
    by_key: HashMap<InstrumentKey, usize>,
}

impl InstrumentTable {
    /// Takes the rows in their order. The first row of a name counts, later ones are dropped.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = Instrument>) -> Self {
        let mut table = Self::default();
        for row in rows {
            let next = table.rows.len();
            let mut is_new = false;
            table.by_key.entry(row.key.clone()).or_insert_with(|| {
                is_new = true;
                next
            });
            if is_new {
                table.rows.push(Arc::new(row));
            }
        }
        table
    }

    /// The rows, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Instrument>> {
        self.rows.iter()
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

    /// The first `limit` rows whose symbol contains every word of the text, in any case.
    #[must_use]
    pub fn search(&self, text: &str, limit: usize) -> Vec<Arc<Instrument>> {
        let text = text.to_ascii_uppercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        self.rows
            .iter()
            .filter(|row| {
                let symbol = row.key.symbol.to_ascii_uppercase();
                words.iter().all(|word| symbol.contains(word))
            })
            .take(limit)
            .cloned()
            .collect()
    }
}

impl Instruments for InstrumentTable {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.by_key.get(key).and_then(|at| self.rows.get(*at)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordergate_actors::order::Exchange;

    fn table() -> InstrumentTable {
        InstrumentTable::new(sample("2026-11-20".parse().unwrap()).unwrap())
    }

    #[test]
    fn finds_by_exchange_and_symbol() {
        let table = table();
        assert!(table.find(&InstrumentKey::new(Exchange::Nse, "M&M-EQ")).is_some());
        assert!(table.find(&InstrumentKey::new(Exchange::Bse, "M&M-EQ")).is_none());
        assert!(table.find(&InstrumentKey::new(Exchange::Nse, "m&m-eq")).is_none());
    }

    #[test]
    fn searches_every_word_in_any_case_and_in_order() {
        let table = table();
        let found: Vec<_> = table.search("nifty 24nov26c 257", 50).iter().map(|row| row.key.symbol.to_string()).collect();
        assert_eq!(found, ["NIFTY24NOV26C25700", "NIFTY24NOV26C25750"]);
        assert_eq!(table.search("NIFTY", 3).len(), 3);
        assert!(table.search("ZZZ", 3).is_empty());
    }

    #[test]
    fn the_first_row_of_a_name_counts() {
        let rows = sample("2026-11-20".parse().unwrap()).unwrap();
        let twice = InstrumentTable::new(rows.clone().into_iter().chain(rows.clone()));
        assert_eq!(twice.len(), rows.len());
        assert!(twice.iter().map(AsRef::as_ref).eq(rows.iter()));
    }
}
