//! Freeze quantities of index contracts, by underlying and date: data, in `config/instruments/freeze.toml`.

use chrono::NaiveDate;
use ordergate_actors::order::{Exchange, Instrument, Kind, Quantity};
use serde::Deserialize;

const FACTS: &str = include_str!("../../config/instruments/freeze.toml");

/// The file of freeze quantities does not read.
#[derive(Debug, thiserror::Error)]
#[error("config/instruments/freeze.toml: {0}")]
pub struct BadFreeze(#[from] config::ConfigError);

/// Which freeze quantity holds from when.
#[derive(Debug, Clone, Deserialize)]
pub struct FreezeTable {
    freeze: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
struct Row {
    exchange: Exchange,
    underlying: String,
    from: NaiveDate,
    quantity: Quantity,
}

impl FreezeTable {
    /// The table that is built in.
    ///
    /// # Errors
    /// [`BadFreeze`] when the embedded file does not read.
    pub fn built_in() -> Result<Self, BadFreeze> {
        Ok(crate::built_in::read(FACTS)?)
    }

    /// The largest quantity of one order in the contracts of this underlying on that day, if one is known.
    #[must_use]
    pub fn of(&self, exchange: Exchange, underlying: &str, day: NaiveDate) -> Option<Quantity> {
        let known = self.freeze.iter().filter(|row| row.exchange == exchange && row.underlying == underlying && row.from <= day);
        known.max_by_key(|row| row.from).map(|row| row.quantity)
    }

    /// Sets it in a row that has none of its own and is a future or an option.
    pub fn apply(&self, row: &mut Instrument, day: NaiveDate) {
        if row.freeze.is_none() && matches!(row.kind, Kind::Future { .. } | Kind::Option { .. }) {
            row.freeze = self.of(row.key.exchange, &row.underlying, day);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_row_that_is_in_force_counts() {
        let mut table = FreezeTable::built_in().unwrap();
        let row = |from: &str, quantity| Row {
            exchange: Exchange::Nfo,
            underlying: "NIFTY".into(),
            from: day(from),
            quantity: Quantity::new(quantity).unwrap(),
        };
        table.freeze.insert(0, row("2026-12-01", 1500));
        table.freeze.push(row("2026-01-01", 2000));
        let of = |on: &str| table.of(Exchange::Nfo, "NIFTY", day(on)).map(Quantity::value);
        assert_eq!((of("2025-12-31"), of("2026-08-02"), of("2026-08-03")), (None, Some(2000), Some(1800)));
        assert_eq!((of("2026-11-30"), of("2026-12-01")), (Some(1800), Some(1500)));
        assert_eq!(table.of(Exchange::Bfo, "NIFTY", day("2026-11-20")), None);
    }

    #[test]
    fn the_largest_order_is_whole_lots_within_it() {
        let table = FreezeTable::built_in().unwrap();
        let mut rows = sample(day("2026-11-20")).unwrap();
        for row in &mut rows {
            row.freeze = None;
            table.apply(row, day("2026-11-20"));
        }
        let of = |symbol: &str| rows.iter().find(|row| &*row.key.symbol == symbol).unwrap().max_quantity();
        assert_eq!(of("NIFTY24NOV26F"), Some(1755));
        assert_eq!((of("NIFTY"), of("SBIN-EQ")), (None, None), "neither an index nor a share is frozen by it");
        rows[5].freeze = Quantity::new(900);
        table.apply(&mut rows[5], day("2026-11-20"));
        assert_eq!(rows[5].freeze, Quantity::new(900), "what the broker said stands");
    }
}
