//! What is listed of an underlying: its days of expiry and the contracts of one of them. For people who choose.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument};
use serde::Serialize;

use super::index::Group;
use super::spelling::At;
use super::table::InstrumentTable;

/// One day on which contracts of an underlying end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Expiry {
    /// The last trading day.
    pub expiry: NaiveDate,
    /// Where.
    pub exchange: Exchange,
    /// Futures that end then.
    pub futures: usize,
    /// Options that end then.
    pub options: usize,
}

impl InstrumentTable {
    /// The days from today on when contracts of this underlying end, the nearest first; of one exchange (and of the contracts
    /// that charts show under its name) if one is named.
    #[must_use]
    pub fn expiries_of(&self, exchange: Option<Exchange>, underlying: &str, today: NaiveDate) -> Vec<Expiry> {
        let mut found: Vec<Expiry> = Vec::new();
        for (exchange, id) in self.listed(exchange, underlying) {
            let (futures, options) = (self.group(id, exchange, Group::Future), self.group(id, exchange, Group::Option));
            let mut days = self.expiries(futures, today.num_days_from_ce());
            days.extend(self.expiries(options, today.num_days_from_ce()));
            days.sort_unstable();
            days.dedup();
            found.extend(days.into_iter().filter_map(|day| {
                let expiry = NaiveDate::from_num_days_from_ce_opt(day)?;
                Some(Expiry { expiry, exchange, futures: self.expiring(futures, day).len(), options: self.expiring(options, day).len() })
            }));
        }
        found.sort();
        found
    }

    /// The contracts of this underlying that end on that day: futures, then options by strike, the call before the put.
    #[must_use]
    pub fn contracts_of(&self, exchange: Option<Exchange>, underlying: &str, expiry: NaiveDate) -> Vec<Arc<Instrument>> {
        let listed = self.listed(exchange, underlying).into_iter();
        let rows = listed.flat_map(|(exchange, id)| [Group::Future, Group::Option].map(|group| self.group(id, exchange, group)));
        let ending = rows.flat_map(|rows| self.expiring(rows, expiry.num_days_from_ce()).iter().copied());
        ending.filter_map(|at| self.at(at)).collect()
    }

    fn listed(&self, exchange: Option<Exchange>, underlying: &str) -> Vec<(Exchange, u32)> {
        let exchanges = exchange.map_or(At::Anywhere, At::Exchange).exchanges();
        let named = self.underlyings_named(underlying);
        exchanges.into_iter().flat_map(|exchange| named.iter().map(move |id| (exchange, *id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;

    #[test]
    fn the_days_of_an_underlying_and_what_ends_on_them() {
        let today: NaiveDate = "2026-11-20".parse().unwrap();
        let table = InstrumentTable::new(sample(today).unwrap());
        let days = table.expiries_of(None, "nifty", today);
        let shown: Vec<String> =
            days.iter().map(|day| format!("{} {} {} {}", day.expiry, day.exchange, day.futures, day.options)).collect();
        assert_eq!(shown, ["2026-11-24 NFO 1 42", "2026-12-01 NFO 0 42", "2026-12-29 NFO 1 0"]);
        assert_eq!(table.expiries_of(Some(Exchange::Nse), "NIFTY", today), days, "charts show them at NSE");
        assert_eq!(table.expiries_of(Some(Exchange::Bse), "NIFTY", today), []);
        assert_eq!(table.expiries_of(None, "NIFTY", "2026-12-02".parse().unwrap()).len(), 1);
        let ending = table.contracts_of(None, "NIFTY", today + chrono::Days::new(4));
        let names: Vec<&str> = ending.iter().take(3).map(|row| &*row.key.symbol).collect();
        assert_eq!((ending.len(), names), (43, vec!["NIFTY24NOV26F", "NIFTY24NOV26C25200", "NIFTY24NOV26P25200"]));
        assert!(table.contracts_of(None, "NOTHING", today).is_empty());
    }
}
