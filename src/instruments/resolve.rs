//! From whatever somebody calls an instrument to the one that is meant, and by which rule. Pure: the table, the day, the
//! prices and the positions come in. Never a choice between two.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Right, clean};
use ordergate_actors::ports::{Closable, Purpose, ReadAs, Rule, Spelling, Spot, Unresolved, Why};

use super::index::{Group, is_same_name, own_name};
use super::selector::{Centre, Contract, Expiry, Selector, Strike, Unresolved as NoContract};
use super::spelling::{self, At};
use super::table::InstrumentTable;

/// Letters of a reason.
const LONGEST: usize = 600;
/// Names that a refusal calls near.
const NEAR: usize = 3;

/// How many days before its last one a future gives way to the next, where a chart's continuous name is read (`NIFTY1!`).
/// None: it is the first month up to and including its last day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rolls(BTreeMap<Exchange, u64>);

impl Rolls {
    /// Calendar days, per exchange; 0 where it is not named.
    #[must_use]
    pub fn new(days: impl IntoIterator<Item = (Exchange, u64)>) -> Self {
        Self(days.into_iter().collect())
    }

    /// The days of that exchange.
    #[must_use]
    pub fn days(&self, exchange: Exchange) -> u64 {
        self.0.get(&exchange).copied().unwrap_or(0)
    }
}

/// What a spelling is read against.
pub(super) struct Resolver<'a> {
    pub(super) table: &'a InstrumentTable,
    pub(super) rolls: &'a Rolls,
    /// The row of what is held, also when the table of today has it no longer.
    pub(super) row: &'a dyn Fn(&InstrumentKey) -> Option<Arc<Instrument>>,
}

/// What a text may mean, whatever the table says.
struct Meaning<'a> {
    at: At,
    name: &'a str,
    contract: Option<(Selector, Rule)>,
}

impl Meaning<'_> {
    /// Whether it can mean this instrument. What is relative to today (month, week, strike at the money) counts for nothing: a
    /// position is what it is.
    fn fits(&self, instrument: &Instrument) -> bool {
        let Some((selector, _)) = &self.contract else { return self.fits_name(instrument) };
        let exchange = instrument.key.exchange;
        selector.exchange.is_none_or(|named| At::Exchange(named).has(exchange))
            && is_same_name(own_name(&selector.underlying), &instrument.underlying)
            && fits_contract(selector, &instrument.kind)
    }

    fn fits_name(&self, instrument: &Instrument) -> bool {
        let symbol = &instrument.key.symbol;
        let is_share = || {
            instrument.kind == Kind::Equity
                && (is_same_name(self.name, &instrument.underlying) || is_same_name(self.name, without_series(symbol)))
        };
        self.at.has(instrument.key.exchange) && (symbol.eq_ignore_ascii_case(self.name) || is_share())
    }
}

/// Whether a contract is of the wanted kind, and of the day and strike that are named as such.
fn fits_contract(selector: &Selector, kind: &Kind) -> bool {
    let is_day = |day: NaiveDate| match selector.expiry {
        Expiry::On(wanted) => wanted == day,
        Expiry::InMonth(year, month) => (day.year(), day.month()) == (year, month),
        Expiry::Rank(_) | Expiry::Weekly(_) | Expiry::Monthly(_) | Expiry::Continuous(_) => true,
    };
    match (selector.contract, kind) {
        (Contract::Future, Kind::Future { expiry }) => is_day(*expiry),
        (Contract::Option { strike: wanted, right: side }, Kind::Option { expiry, strike, right }) => {
            side == *right && is_day(*expiry) && (matches!(wanted, Strike::Atm(_)) || wanted == Strike::At(*strike))
        }
        _ => false,
    }
}

fn without_series(symbol: &str) -> &str {
    symbol.rsplit_once('-').map_or(symbol, |(name, _)| name)
}

fn trouble(why: Why, text: impl Into<String>, near: Vec<InstrumentKey>) -> Unresolved {
    // What a stranger calls an instrument ends up in reasons, logs and pages.
    Unresolved { why, text: clean(&text.into(), LONGEST), near }
}

impl Resolver<'_> {
    /// The one instrument that the spelling means.
    ///
    /// # Errors
    /// It means none or several; says why, with the nearest names.
    pub(super) fn read(&self, spelling: &Spelling<'_>, spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        let spelling::Read { at, name, contract } =
            spelling::read(spelling.exchange, spelling.symbol).map_err(|why| trouble(Why::Unknown, why, Vec::new()))?;
        let meaning = Meaning { at, name, contract };
        if let At::Exchange(exchange) = at
            && let Some(instrument) = self.own_symbol(exchange, name)
        {
            return Ok(by(instrument, Rule::BrokerSymbol, "the broker's own symbol"));
        }
        match spelling.purpose {
            Purpose::Open => self.open(&meaning, spelling.today, spot),
            Purpose::Change(closable) => match self.held(&meaning, closable) {
                Err(nothing) if nothing.why == Why::NothingHeld => self.open(&meaning, spelling.today, spot),
                found => found,
            },
            Purpose::Close(closable) => match self.held(&meaning, closable) {
                // A name that nobody knows is another trouble than a position that nobody holds.
                Err(nothing) if nothing.why == Why::NothingHeld && meaning.contract.is_none() => {
                    self.name(&meaning, spelling.today).and(Err(nothing))
                }
                found => found,
            },
        }
    }

    /// The instrument of that very symbol, as it is written or in capitals.
    fn own_symbol(&self, exchange: Exchange, symbol: &str) -> Option<Arc<Instrument>> {
        self.table.named(exchange, symbol).or_else(|| self.table.named(exchange, &symbol.to_ascii_uppercase()))
    }

    /// What the strategy holds of that underlying and kind; where it holds nothing of it, what it is about to hold.
    fn held(&self, meaning: &Meaning<'_>, closable: Closable<'_>) -> Result<ReadAs, Unresolved> {
        let fitting =
            |keys: &[InstrumentKey]| -> Vec<Arc<Instrument>> { keys.iter().filter_map(self.row).filter(|row| meaning.fits(row)).collect() };
        let mut found = fitting(closable.held);
        let mut words = "what the strategy holds of it";
        if found.is_empty() {
            found = fitting(closable.entering);
            words = "what the strategy's open entry is for";
        }
        match found.as_slice() {
            [one] => Ok(by(Arc::clone(one), Rule::Held, words)),
            [] => {
                // Without its row nobody can tell what a held instrument is.
                let untold: Vec<InstrumentKey> = closable.held.iter().filter(|key| (self.row)(key).is_none()).cloned().collect();
                if untold.is_empty() {
                    return Err(trouble(
                        Why::NothingHeld,
                        format!("the strategy holds nothing that {} could mean", meaning.wish()),
                        Vec::new(),
                    ));
                }
                let text =
                    format!("what is held is in no instrument master, so that {} cannot be told; name it by its symbol", meaning.wish());
                Err(trouble(Why::Ambiguous, text, untold))
            }
            several => {
                let text = format!("the strategy holds several that {} could mean; name one by its symbol", meaning.wish());
                Err(trouble(Why::Ambiguous, text, several.iter().map(|row| row.key.clone()).collect()))
            }
        }
    }

    fn open(&self, meaning: &Meaning<'_>, today: NaiveDate, spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        if meaning.contract.is_none() {
            return self.name(meaning, today);
        }
        let own: Vec<Arc<Instrument>> =
            meaning.at.exchanges().into_iter().filter_map(|exchange| self.own_symbol(exchange, meaning.name)).collect();
        match (own.as_slice(), &meaning.contract) {
            ([one], _) => Ok(by(Arc::clone(one), Rule::BrokerSymbol, "the broker's own symbol")),
            ([], Some((selector, rule))) => self.contract(selector, *rule, today, spot),
            (several, _) => Err(ambiguous(meaning.name, several)),
        }
    }

    fn contract(&self, selector: &Selector, rule: Rule, today: NaiveDate, spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        match selector.resolve(self.table, &Centre::Quoted(spot), today, self.rolls) {
            Ok(settled) => {
                let words = self.words(selector, rule, &settled.instrument, settled.spot.as_ref());
                Ok(by(settled.instrument, rule, words))
            }
            Err(why) => Err(self.no_contract(selector, &why, today)),
        }
    }

    fn words(&self, selector: &Selector, rule: Rule, found: &Instrument, spot: Option<&(InstrumentKey, Price)>) -> String {
        let expiry = found.kind.expiry().map(|day| day.to_string()).unwrap_or_default();
        match (rule, selector.expiry) {
            (Rule::Continuous, Expiry::Continuous(month)) => {
                let days = self.rolls.days(found.key.exchange);
                format!("the future of month {month}, last day {expiry}, rolled {days} days before it")
            }
            (Rule::MonthOfFuture, _) => format!("the future of its month, last day {expiry}"),
            (Rule::Selector, _) => {
                let at = spot.map_or_else(String::new, |(key, price)| format!(", at the money {price} of {key}"));
                format!("the wish {selector}, last day {expiry}{at}")
            }
            _ => format!("the contract of {} with the last day {expiry}", found.underlying),
        }
    }

    fn no_contract(&self, selector: &Selector, why: &NoContract, today: NaiveDate) -> Unresolved {
        let kind = match why {
            NoContract::Exchanges { .. } => Why::Ambiguous,
            NoContract::NotOne { candidates, .. } if candidates.len() > 1 => Why::Ambiguous,
            NoContract::NoSpot { .. } => Why::NoPrice,
            NoContract::Underlying { .. } | NoContract::Expiry { .. } | NoContract::Strike { .. } | NoContract::NotOne { .. } => {
                Why::Unknown
            }
        };
        let near = match why {
            NoContract::Underlying { near, .. } => {
                let mut exchanges = selector.exchange.map_or(At::Anywhere, At::Exchange).exchanges();
                exchanges.retain(|exchange| !matches!(exchange, Exchange::Nse | Exchange::Bse));
                // They were looked for already.
                let known = self.table.underlyings_named(&selector.underlying);
                let likest = near.iter().flat_map(|name| self.table.underlyings_named(name));
                self.first_keys(known.into_iter().chain(likest), &exchanges, today)
            }
            NoContract::Exchanges { exchanges, .. } => {
                let on = |exchange: &Exchange| Selector { exchange: Some(*exchange), ..selector.clone() }.nearest(self.table, today);
                exchanges.iter().filter_map(|exchange| on(exchange).into_iter().next()).collect()
            }
            NoContract::NotOne { candidates, .. } if candidates.len() > 1 => Vec::new(),
            NoContract::NoSpot { .. } => Vec::new(),
            NoContract::Expiry { .. } | NoContract::Strike { .. } | NoContract::NotOne { .. } => selector.nearest(self.table, today),
        };
        trouble(kind, why.to_string(), near)
    }

    /// What a plain name means: a symbol of the broker's, a share, an index.
    fn name(&self, meaning: &Meaning<'_>, today: NaiveDate) -> Result<ReadAs, Unresolved> {
        let (at, name) = (meaning.at, meaning.name);
        let mut found: Vec<ReadAs> = Vec::new();
        if let At::Indices(exchange) = at {
            found.extend(self.index(Some(exchange), name));
        } else {
            for exchange in at.exchanges() {
                match self.own_symbol(exchange, name) {
                    Some(own) => found.push(by(own, Rule::BrokerSymbol, "the broker's own symbol")),
                    None => found.extend(self.share(exchange, name)),
                }
            }
            if found.is_empty() {
                let exchange = if let At::Exchange(exchange) = at { Some(exchange) } else { None };
                found.extend(self.index(exchange, name));
            }
        }
        match found.as_slice() {
            [_] => found.pop().ok_or_else(|| trouble(Why::Unknown, name, Vec::new())),
            [] => {
                let beside = match at {
                    At::Anywhere => String::new(),
                    At::Exchange(exchange) => format!(" of {exchange}"),
                    At::Indices(exchange) => format!(" among the indices of {exchange}"),
                };
                Err(trouble(
                    Why::Unknown,
                    format!("{name} is not in today's instrument master{beside}"),
                    self.near(name, &at.exchanges(), today),
                ))
            }
            several => {
                let rows: Vec<Arc<Instrument>> = several.iter().map(|read| Arc::clone(&read.instrument)).collect();
                Err(ambiguous(name, &rows))
            }
        }
    }

    fn share(&self, exchange: Exchange, name: &str) -> Vec<ReadAs> {
        let named = self.table.underlyings_named(name);
        let rows = named.into_iter().filter_map(|underlying| self.table.share(underlying, exchange));
        let read = rows.filter_map(|(at, series)| {
            let share = self.table.at(at)?;
            let words =
                if series.is_empty() { format!("the share of {exchange}") } else { format!("the share of {exchange}, series {series}") };
            Some(by(share, Rule::Share, words))
        });
        read.collect()
    }

    fn index(&self, exchange: Option<Exchange>, name: &str) -> Vec<ReadAs> {
        let rows = self.table.indices_named(exchange, name);
        rows.into_iter().filter_map(|at| self.table.at(at)).map(|row| by(row, Rule::Index, "the index of that name")).collect()
    }

    /// The names most like an unknown one: of the likest underlyings the share, the first future, or the index.
    fn near(&self, name: &str, exchanges: &[Exchange], today: NaiveDate) -> Vec<InstrumentKey> {
        let likest = self.table.likest_underlyings(own_name(name), NEAR * 4);
        let known = self.table.underlyings_named(name);
        self.first_keys(known.into_iter().chain(likest), exchanges, today)
    }

    /// The first three of what these underlyings have there, each once.
    fn first_keys(&self, underlyings: impl Iterator<Item = u32>, exchanges: &[Exchange], today: NaiveDate) -> Vec<InstrumentKey> {
        let mut keys: Vec<InstrumentKey> = Vec::new();
        for underlying in underlyings {
            let row = exchanges.iter().find_map(|exchange| self.first_of(underlying, *exchange, today));
            if let Some(key) = row.filter(|key| !keys.contains(key)) {
                keys.push(key);
            }
            if keys.len() == NEAR {
                break;
            }
        }
        keys
    }

    fn first_of(&self, underlying: u32, exchange: Exchange, today: NaiveDate) -> Option<InstrumentKey> {
        let table = self.table;
        let future = || {
            let rows = table.group(underlying, exchange, Group::Future);
            let day = *table.expiries(rows, today.num_days_from_ce()).first()?;
            table.expiring(rows, day).first().copied()
        };
        let share = table.share(underlying, exchange).map(|(at, _)| at);
        let at = share.or_else(future).or_else(|| table.group(underlying, exchange, Group::Index).first().copied())?;
        table.at(at).map(|row| row.key.clone())
    }
}

impl Meaning<'_> {
    fn wish(&self) -> String {
        match &self.contract {
            Some((selector, _)) => match selector.contract {
                Contract::Future => format!("a future of {}", selector.underlying),
                Contract::Option { right: Right::Call, .. } => format!("a call of {}", selector.underlying),
                Contract::Option { right: Right::Put, .. } => format!("a put of {}", selector.underlying),
            },
            None => self.name.to_owned(),
        }
    }
}

fn by(instrument: Arc<Instrument>, rule: Rule, words: impl Into<String>) -> ReadAs {
    ReadAs { instrument, rule, words: words.into() }
}

fn ambiguous(name: &str, several: &[Arc<Instrument>]) -> Unresolved {
    let keys = several.iter().take(NEAR).map(|row| row.key.clone()).collect();
    trouble(Why::Ambiguous, format!("{name} is the name of several instruments; name the exchange"), keys)
}

#[cfg(test)]
mod tests;
