//! From a wish to one instrument. Pure: the table, the spot price and the day come in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Price, Right};
use ordergate_actors::ports::Spot;

use super::{Contract, Expiry, Selector, Strike};
use crate::instruments::index::Group;
use crate::instruments::packed::{Sort, fixed, price};
use crate::instruments::spelling::At;
use crate::instruments::{InstrumentTable, Rolls};

/// Monthly expiries are 28 days apart or more, less a few when a holiday moves one.
const FEWEST_DAYS_OF_A_MONTH: i64 = 20;
/// Names that an error lists.
const NAMED: usize = 5;
/// Contracts that an error calls near.
const NEAR: usize = 3;
/// Names that are kept beside an unknown one: some of them have no contracts where they are wanted.
const LIKEST: usize = 12;

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
    #[error("{strike} needs the price of {underlying}, and {}", if asked.is_empty() { "none is known".to_owned() } else { format!("there is no fresh quote of {}", list(asked)) })]
    NoSpot {
        /// The wish.
        strike: Strike,
        /// The underlying.
        underlying: String,
        /// Whose quotes were looked for.
        asked: Vec<InstrumentKey>,
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
    let shown = near.get(..NEAR).unwrap_or(near);
    if shown.is_empty() { String::new() } else { format!("; the likest names are {}", list(shown)) }
}

/// The price that `ATM` is relative to.
pub enum Centre<'a> {
    /// A person said it, or nobody did.
    Said(Option<Price>),
    /// It is asked for.
    Quoted(&'a Spot<'a>),
}

impl fmt::Debug for Centre<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(price) => f.debug_tuple("Said").field(price).finish(),
            Self::Quoted(_) => f.write_str("Quoted"),
        }
    }
}

/// The instrument that was meant, and the price that it was found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The instrument.
    pub instrument: Arc<Instrument>,
    /// Whose price was at the money, if it was needed and asked for.
    pub spot: Option<(InstrumentKey, Price)>,
}

/// The contracts of one underlying, of one group, at one exchange.
#[derive(Clone, Copy)]
struct Contracts<'a> {
    underlying: u32,
    exchange: Exchange,
    rows: &'a [u32],
}

fn days(numbers: Vec<i32>) -> Vec<NaiveDate> {
    numbers.into_iter().filter_map(NaiveDate::from_num_days_from_ce_opt).collect()
}

/// The monthly ones of these expiries. Futures of an underlying expire once a month, so in a month that has a future it
/// is that day, listed or not; in later months, and without futures, the last of the month that is listed.
fn monthly(table: &InstrumentTable, contracts: Contracts<'_>, known: &[NaiveDate], today: NaiveDate) -> Vec<NaiveDate> {
    let futures = table.group(contracts.underlying, contracts.exchange, Group::Future);
    let futures = days(table.expiries(futures, today.num_days_from_ce()));
    let by_month: BTreeMap<(i32, u32), NaiveDate> = known.iter().chain(&futures).map(|day| ((day.year(), day.month()), *day)).collect();
    by_month.into_values().collect()
}

impl Selector {
    /// The one instrument that is meant. `today` is the trading day: a contract counts up to and including its last day. Of
    /// two strikes as near to the price of the underlying the lower is at the money.
    ///
    /// # Errors
    /// [`Unresolved`] names what does not exist, or all that could be meant.
    pub fn resolve(&self, table: &InstrumentTable, centre: &Centre<'_>, today: NaiveDate, rolls: &Rolls) -> Result<Settled, Unresolved> {
        let contracts = self.contracts(table, today)?;
        let expiry = self.expiry_among(table, contracts, today, rolls)?;
        let rows = table.expiring(contracts.rows, expiry.num_days_from_ce());
        let (rows, spot, wish) = match self.contract {
            Contract::Future => (rows.to_vec(), None, format!("{} {expiry} FUT", self.underlying)),
            Contract::Option { strike, right } => {
                let (strike, spot) = self.strike_among(table, contracts, rows, strike, (centre, expiry))?;
                let sort = if right == Right::Call { Sort::Call } else { Sort::Put };
                let letters = if right == Right::Call { "CE" } else { "PE" };
                let is_it = |at: &&u32| table.rows.get(**at as usize).is_some_and(|row| row.sort == sort && row.strike == fixed(strike));
                let rows = rows.iter().filter(is_it).copied().collect();
                (rows, spot, format!("{} {expiry} {strike} {letters}", self.underlying))
            }
        };
        let found: Vec<Arc<Instrument>> = rows.iter().filter_map(|at| table.at(*at)).collect();
        match found.as_slice() {
            [one] => Ok(Settled { instrument: Arc::clone(one), spot }),
            others => Err(Unresolved::NotOne { wish, candidates: others.iter().map(|row| row.key.clone()).collect() }),
        }
    }

    /// Every contract of the wanted group that has not expired, all of one exchange.
    fn contracts<'a>(&self, table: &'a InstrumentTable, today: NaiveDate) -> Result<Contracts<'a>, Unresolved> {
        let group = if self.contract == Contract::Future { Group::Future } else { Group::Option };
        let place = self.exchange.map_or(At::Anywhere, At::Exchange);
        let named = table.underlyings_named(&self.underlying);
        let is_alive = |rows: &[u32]| {
            let last = rows.last().and_then(|at| table.rows.get(*at as usize));
            last.is_some_and(|row| row.expiry >= today.num_days_from_ce())
        };
        let found: Vec<Contracts<'a>> = place
            .exchanges()
            .into_iter()
            .flat_map(|exchange| named.iter().map(move |underlying| (exchange, *underlying)))
            .map(|(exchange, underlying)| Contracts { underlying, exchange, rows: table.group(underlying, exchange, group) })
            .filter(|contracts| is_alive(contracts.rows))
            .collect();
        match found.as_slice() {
            [] => Err(Unresolved::Underlying {
                underlying: self.underlying.clone(),
                near: if named.is_empty() { table.nearest_underlyings(&self.underlying, LIKEST) } else { Vec::new() },
            }),
            [one] => Ok(*one),
            several => Err(Unresolved::Exchanges {
                underlying: self.underlying.clone(),
                exchanges: several.iter().map(|contracts| contracts.exchange).collect(),
            }),
        }
    }

    fn expiry_among(
        &self,
        table: &InstrumentTable,
        contracts: Contracts<'_>,
        today: NaiveDate,
        rolls: &Rolls,
    ) -> Result<NaiveDate, Unresolved> {
        let known = days(table.expiries(contracts.rows, today.num_days_from_ce()));
        let months = monthly(table, contracts, &known, today);
        let has_weeks = known.iter().zip(known.iter().skip(1)).any(|(one, next)| (*next - *one).num_days() < FEWEST_DAYS_OF_A_MONTH);
        let listed = |day: &&NaiveDate| known.contains(day);
        let not_listed = "no contract of that month's expiry is listed";
        let (found, why) = match self.expiry {
            Expiry::Rank(rank) => (known.get(rank), "there are not so many"),
            Expiry::Monthly(count) => (months.get(count).filter(listed), not_listed),
            Expiry::Continuous(month) => {
                let from = today.checked_add_days(Days::new(rolls.days(contracts.exchange))).unwrap_or(today);
                let mut ahead = months.iter().filter(|day| **day >= from);
                (month.checked_sub(1).and_then(|month| ahead.nth(month)).filter(listed), "there are not so many months")
            }
            Expiry::InMonth(year, month) => {
                (months.iter().find(|day| (day.year(), day.month()) == (year, month)).filter(listed), not_listed)
            }
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

    fn strike_among(
        &self,
        table: &InstrumentTable,
        contracts: Contracts<'_>,
        rows: &[u32],
        wish: Strike,
        (centre, expiry): (&Centre<'_>, NaiveDate),
    ) -> Result<(Price, Option<(InstrumentKey, Price)>), Unresolved> {
        // Strikes of calls and puts together, so that a call and a put of the same words have the same strike.
        let mut strikes: Vec<u64> = rows.iter().filter_map(|at| table.rows.get(*at as usize)).map(|row| row.strike).collect();
        strikes.dedup();
        let (centre, spot) = match (wish, centre) {
            (Strike::At(strike), _) => (fixed(strike), None),
            (Strike::Atm(_), Centre::Said(Some(price))) => (fixed(*price), None),
            (Strike::Atm(_), Centre::Said(None)) => {
                return Err(Unresolved::NoSpot { strike: wish, underlying: self.underlying.clone(), asked: Vec::new() });
            }
            (Strike::Atm(_), Centre::Quoted(spot)) => {
                let asked = priced_by(table, contracts, expiry);
                let found = asked.iter().find_map(|key| spot(key).map(|price| (key.clone(), price)));
                let missing = || Unresolved::NoSpot { strike: wish, underlying: self.underlying.clone(), asked };
                let (key, price) = found.ok_or_else(missing)?;
                (fixed(price), Some((key, price)))
            }
        };
        let nearest = (0..strikes.len()).min_by_key(|at| strikes.get(*at).map_or(u64::MAX, |strike| strike.abs_diff(centre))).unwrap_or(0);
        let wanted = match wish {
            Strike::At(_) => strikes.get(nearest).filter(|strike| **strike == centre),
            Strike::Atm(offset) => {
                isize::try_from(offset).ok().and_then(|offset| nearest.checked_add_signed(offset)).and_then(|at| strikes.get(at))
            }
        };
        if let Some(found) = wanted.and_then(|strike| price(*strike)) {
            return Ok((found, spot));
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

    /// The contracts most like the one that was looked for, at most three.
    pub(in crate::instruments) fn nearest(&self, table: &InstrumentTable, today: NaiveDate) -> Vec<InstrumentKey> {
        let Ok(contracts) = self.contracts(table, today) else { return Vec::new() };
        let wanted = match self.expiry {
            Expiry::On(day) => day.num_days_from_ce(),
            Expiry::InMonth(year, month) => NaiveDate::from_ymd_opt(year, month, 28).unwrap_or(today).num_days_from_ce(),
            _ => today.num_days_from_ce(),
        };
        let strike = match self.contract {
            Contract::Option { strike: Strike::At(strike), .. } => fixed(strike),
            _ => 0,
        };
        let is_of_its_sort = |sort: Sort| match self.contract {
            Contract::Future => true,
            Contract::Option { right: Right::Call, .. } => sort == Sort::Call,
            Contract::Option { right: Right::Put, .. } => sort == Sort::Put,
        };
        let mut near: Vec<(u32, u64, u32)> = Vec::new();
        for at in contracts.rows {
            let Some(row) = table.rows.get(*at as usize).filter(|row| row.expiry >= today.num_days_from_ce() && is_of_its_sort(row.sort))
            else {
                continue;
            };
            near.push((row.expiry.abs_diff(wanted), row.strike.abs_diff(strike), *at));
            if near.len() > NEAR {
                near.sort_unstable();
                near.truncate(NEAR);
            }
        }
        near.sort_unstable();
        near.into_iter().filter_map(|(.., at)| table.at(at)).map(|row| row.key.clone()).collect()
    }
}

/// Whose price is that of the underlying, the best first: the index or the share, then the future that ends with the option
/// or next after it.
fn priced_by(table: &InstrumentTable, contracts: Contracts<'_>, expiry: NaiveDate) -> Vec<InstrumentKey> {
    let cash = [Exchange::Nse, Exchange::Bse].into_iter().flat_map(|exchange| {
        let index = table.group(contracts.underlying, exchange, Group::Index).iter().copied();
        index.chain(table.share(contracts.underlying, exchange).map(|(at, _)| at))
    });
    let futures = table.group(contracts.underlying, contracts.exchange, Group::Future);
    let expires = |at: &&u32| table.rows.get(**at as usize).is_some_and(|row| row.expiry >= expiry.num_days_from_ce());
    let rows = cash.chain(futures.iter().find(expires).copied());
    rows.filter_map(|at| table.at(at)).map(|row| row.key.clone()).collect()
}
