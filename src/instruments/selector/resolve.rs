//! From a wish to one instrument. Pure: the table, the spot price and the day come in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Price, Right};

use super::{Contract, Expiry, Selector, Strike};
use crate::instruments::InstrumentTable;
use crate::instruments::packed::{Packed, Sort, fixed, price};

/// Monthly expiries are 28 days apart or more, less a few when a holiday moves one.
const FEWEST_DAYS_OF_A_MONTH: i64 = 20;
/// Names that an error lists.
const NAMED: usize = 5;

/// Why a wish is no single instrument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Nobody trades contracts of that name.
    #[error("there are no contracts of {underlying}{}", did_you_mean(near))]
    Underlying {
        /// The name.
        underlying: String,
        /// The likest names.
        near: Vec<Arc<str>>,
    },
    /// Several exchanges have contracts of it.
    #[error("{underlying} is traded on several exchanges: name one ({})", choices(exchanges, &format!(":{underlying}")))]
    Exchanges {
        /// The underlying.
        underlying: String,
        /// Where it is traded.
        exchanges: Vec<Exchange>,
    },
    /// No such expiry.
    #[error("{underlying} has no expiry {expiry}: {why}; it has {}", list(known))]
    Expiry {
        /// The underlying.
        underlying: String,
        /// The wish.
        expiry: Expiry,
        /// What is wrong with it.
        why: &'static str,
        /// The expiries from today on, the nearest first.
        known: Vec<NaiveDate>,
    },
    /// A relative strike without the price that it is relative to.
    #[error("{strike} needs the price of {underlying}, and none is known")]
    NoSpot {
        /// The wish.
        strike: Strike,
        /// The underlying.
        underlying: String,
    },
    /// No such strike.
    #[error("{underlying} {expiry} has no strike {strike}; its strikes go from {low} to {high}, near it are {}", list(near))]
    Strike {
        /// The underlying.
        underlying: String,
        /// The expiry.
        expiry: NaiveDate,
        /// The wish.
        strike: Strike,
        /// The lowest.
        low: Price,
        /// The highest.
        high: Price,
        /// The nearest ones.
        near: Vec<Price>,
    },
    /// More than one instrument is meant, or none is listed.
    #[error("{wish} is {}", if candidates.is_empty() { "not listed".to_owned() } else { format!("not one instrument: {}", list(candidates)) })]
    NotOne {
        /// The wish, settled as far as it could be.
        wish: String,
        /// What is meant.
        candidates: Vec<InstrumentKey>,
    },
}

fn list<T: ToString>(items: &[T]) -> String {
    let shown: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if items.len() > NAMED { ", …" } else { "" };
    if shown.is_empty() { "none".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}

fn choices(exchanges: &[Exchange], after: &str) -> String {
    exchanges.iter().map(|exchange| format!("{exchange}{after}")).collect::<Vec<_>>().join(" or ")
}

fn did_you_mean(near: &[Arc<str>]) -> String {
    if near.is_empty() { String::new() } else { format!("; the likest names are {}", list(near)) }
}

/// Each day once, in order.
fn days(numbers: impl Iterator<Item = i32>) -> Vec<NaiveDate> {
    let numbers: BTreeSet<i32> = numbers.collect();
    numbers.into_iter().filter_map(NaiveDate::from_num_days_from_ce_opt).collect()
}

/// The monthly ones of these expiries. Futures of an underlying expire once a month, so in a month that has a future it
/// is that day, listed or not; in later months, and without futures, the last of the month that is listed.
fn monthly(table: &InstrumentTable, rows: &[(u32, &Packed)], known: &[NaiveDate], today: NaiveDate) -> Vec<NaiveDate> {
    let month = |day: &NaiveDate| (day.year(), day.month());
    let is_own = |row: &Packed| rows.first().is_some_and(|(_, own)| (own.exchange, own.underlying) == (row.exchange, row.underlying));
    let futures = days(
        table
            .places()
            .filter(|(_, row)| row.sort == Sort::Future && row.expiry >= today.num_days_from_ce() && is_own(row))
            .map(|(_, row)| row.expiry),
    );
    let by_month: BTreeMap<(i32, u32), NaiveDate> = known.iter().chain(&futures).map(|day| (month(day), *day)).collect();
    by_month.into_values().collect()
}

impl Selector {
    /// The one instrument that is meant. `spot` is the price of the underlying, in rupees; only `ATM` needs it. `today`
    /// is the trading day: a contract counts up to and including its last day. Of two strikes as near to the spot price
    /// the lower is at the money.
    ///
    /// # Errors
    /// [`Unresolved`] names what does not exist, or all that could be meant.
    pub fn resolve(&self, table: &InstrumentTable, spot: Option<Price>, today: NaiveDate) -> Result<Arc<Instrument>, Unresolved> {
        let rows = self.contracts(table, today)?;
        let expiry = self.expiry_among(table, &rows, today)?;
        let rows: Vec<(u32, &Packed)> = rows.into_iter().filter(|(_, row)| row.expiry == expiry.num_days_from_ce()).collect();
        let (rows, wish) = match self.contract {
            Contract::Future => (rows, format!("{} {expiry} FUT", self.underlying)),
            Contract::Option { strike, right } => {
                let strike = self.strike_among(&rows, strike, spot, expiry)?;
                let sort = if right == Right::Call { Sort::Call } else { Sort::Put };
                let letters = if right == Right::Call { "CE" } else { "PE" };
                let rows = rows.into_iter().filter(|(_, row)| row.sort == sort && row.strike == fixed(strike)).collect();
                (rows, format!("{} {expiry} {strike} {letters}", self.underlying))
            }
        };
        let found: Vec<Arc<Instrument>> = rows.iter().filter_map(|(at, _)| table.at(*at)).collect();
        match found.as_slice() {
            [one] => Ok(Arc::clone(one)),
            others => Err(Unresolved::NotOne { wish, candidates: others.iter().map(|row| row.key.clone()).collect() }),
        }
    }

    /// Every contract of the wanted sort that has not expired, all of one exchange.
    fn contracts<'a>(&self, table: &'a InstrumentTable, today: NaiveDate) -> Result<Vec<(u32, &'a Packed)>, Unresolved> {
        let today = today.num_days_from_ce();
        let is_wanted = |row: &Packed| match self.contract {
            Contract::Future => row.sort == Sort::Future,
            Contract::Option { .. } => matches!(row.sort, Sort::Call | Sort::Put),
        };
        let named = table.underlyings.iter().position(|name| name.eq_ignore_ascii_case(&self.underlying));
        let rows: Vec<(u32, &Packed)> = table
            .places()
            .filter(|(_, row)| Some(row.underlying as usize) == named && is_wanted(row) && row.expiry >= today)
            .filter(|(_, row)| self.exchange.is_none_or(|exchange| exchange == row.exchange))
            .collect();
        let exchanges: BTreeSet<Exchange> = rows.iter().map(|(_, row)| row.exchange).collect();
        match exchanges.len() {
            0 => Err(Unresolved::Underlying {
                underlying: self.underlying.clone(),
                near: if named.is_some() { Vec::new() } else { table.nearest_underlyings(&self.underlying, 3) },
            }),
            1 => Ok(rows),
            _ => Err(Unresolved::Exchanges { underlying: self.underlying.clone(), exchanges: exchanges.into_iter().collect() }),
        }
    }

    fn expiry_among(&self, table: &InstrumentTable, rows: &[(u32, &Packed)], today: NaiveDate) -> Result<NaiveDate, Unresolved> {
        let known = days(rows.iter().map(|(_, row)| row.expiry));
        let months = monthly(table, rows, &known, today);
        let has_weeks = known.iter().zip(known.iter().skip(1)).any(|(one, next)| (*next - *one).num_days() < FEWEST_DAYS_OF_A_MONTH);
        let (found, why) = match self.expiry {
            Expiry::Rank(rank) => (known.get(rank), "there are not so many"),
            Expiry::Monthly(count) => (months.get(count).filter(|day| known.contains(day)), "no contract of that month's expiry is listed"),
            // Of an underlying without weeks the nearest expiry may be weeks away, and nobody asked for that.
            Expiry::Weekly(_) if !has_weeks => (None, "it expires once a month; say monthly"),
            Expiry::Weekly(count) => (known.get(count), "there are not so many"),
            Expiry::On(day) => (known.iter().find(|known| **known == day), "nothing expires then, or it has expired"),
        };
        found.copied().ok_or_else(|| Unresolved::Expiry {
            underlying: self.underlying.clone(),
            expiry: self.expiry,
            why,
            known: known.clone(),
        })
    }

    fn strike_among(&self, rows: &[(u32, &Packed)], wish: Strike, spot: Option<Price>, expiry: NaiveDate) -> Result<Price, Unresolved> {
        // Strikes of calls and puts together, so that a call and a put of the same words have the same strike.
        let strikes: BTreeSet<u64> = rows.iter().map(|(_, row)| row.strike).collect();
        let strikes: Vec<u64> = strikes.into_iter().collect();
        let centre = match (wish, spot) {
            (Strike::At(strike), _) => fixed(strike),
            (Strike::Atm(_), Some(spot)) => fixed(spot),
            (Strike::Atm(_), None) => return Err(Unresolved::NoSpot { strike: wish, underlying: self.underlying.clone() }),
        };
        let nearest = (0..strikes.len()).min_by_key(|at| strikes.get(*at).map_or(u64::MAX, |strike| strike.abs_diff(centre))).unwrap_or(0);
        let wanted = match wish {
            Strike::At(_) => strikes.get(nearest).filter(|strike| **strike == centre),
            Strike::Atm(offset) => {
                isize::try_from(offset).ok().and_then(|offset| nearest.checked_add_signed(offset)).and_then(|at| strikes.get(at))
            }
        };
        if let Some(found) = wanted.and_then(|strike| price(*strike)) {
            return Ok(found);
        }
        let prices: Vec<Price> = strikes.iter().filter_map(|strike| price(*strike)).collect();
        let near: Vec<Price> = prices.iter().skip(nearest.saturating_sub(1)).take(3).copied().collect();
        match (prices.first(), prices.last()) {
            (Some(low), Some(high)) => {
                Err(Unresolved::Strike { underlying: self.underlying.clone(), expiry, strike: wish, low: *low, high: *high, near })
            }
            _ => Err(Unresolved::NotOne { wish: self.to_string(), candidates: Vec::new() }),
        }
    }
}
