//! What the masters do not say of indices: data, in `config/instruments/indices.toml`.

use std::sync::Arc;

use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity};
use rust_decimal::Decimal;
use serde::Deserialize;

const FACTS: &str = include_str!("../../../config/instruments/indices.toml");
/// The price step of an index, rupees. Nobody trades it; a row must have one.
const INDEX_TICK: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// The file of indices does not read.
#[derive(Debug, thiserror::Error)]
#[error("config/instruments/indices.toml: {0}")]
pub struct BadFacts(#[from] config::ConfigError);

/// Indices by number, and underlyings by the masters' names for them.
#[derive(Debug, Clone, Deserialize)]
pub struct Facts {
    index: Vec<Index>,
    alias: Vec<Alias>,
    called: Vec<Called>,
}

/// What charts and tools call an underlying.
#[derive(Debug, Clone, Deserialize)]
struct Called {
    name: String,
    underlying: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Index {
    exchange: Exchange,
    token: u32,
    symbol: String,
    underlying: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Alias {
    exchange: Exchange,
    symbol: String,
    underlying: String,
}

impl Facts {
    /// The facts that are built in.
    ///
    /// # Errors
    /// [`BadFacts`] when the embedded file does not read.
    pub fn built_in() -> Result<Self, BadFacts> {
        Ok(crate::built_in::read(FACTS)?)
    }

    /// The underlying that the index with this number is.
    pub(super) fn index(&self, exchange: Exchange, token: u32) -> Option<&str> {
        self.index.iter().find(|row| row.exchange == exchange && row.token == token).map(|row| row.underlying.as_str())
    }

    /// Whether this is the name of an index that has contracts.
    pub(super) fn is_index(&self, underlying: &str) -> bool {
        self.index.iter().any(|row| row.underlying == underlying) || self.alias.iter().any(|row| row.underlying == underlying)
    }

    /// The underlying's own name.
    pub(super) fn underlying<'a>(&'a self, exchange: Exchange, symbol: &'a str) -> &'a str {
        self.alias.iter().find(|row| row.exchange == exchange && row.symbol == symbol).map_or(symbol, |row| row.underlying.as_str())
    }

    /// What charts and other tools call some underlyings, and their own names.
    pub(in crate::instruments) fn called(self) -> Vec<(String, String)> {
        self.called.into_iter().map(|row| (row.name, row.underlying)).collect()
    }

    /// Adds the indices of this exchange that the rows lack.
    pub fn complete(&self, exchange: Exchange, rows: &mut Vec<Instrument>) {
        for index in self.index.iter().filter(|index| index.exchange == exchange) {
            let key = InstrumentKey::new(exchange, &index.symbol);
            let (Some(tick), Some(lot)) = (Price::new(INDEX_TICK), Quantity::new(1)) else { continue };
            if rows.iter().any(|row| row.token == index.token || row.key == key) {
                continue;
            }
            let underlying = Arc::from(index.underlying.as_str());
            rows.push(Instrument {
                rupees_per_point: Decimal::ONE,
                key,
                token: index.token,
                underlying,
                kind: Kind::Index,
                lot,
                tick,
                freeze: None,
                band: None,
            });
        }
    }
}
