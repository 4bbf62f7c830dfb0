//! The table by what a contract is: underlying, exchange, group, expiry, strike. Names are compared without regard to case
//! and to what charts cannot write: `M_M` is `M&M`, `BAJAJ_AUTO` is `BAJAJ-AUTO`.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, LazyLock};

use ordergate_actors::order::Exchange;

use super::master::Facts;
use super::packed::{Packed, Sort};
use super::search::{common_start, distance, signature};
use super::table::InstrumentTable;

/// Underlyings that are compared letter by letter with an unknown name.
const COMPARED: usize = 16;

/// What charts and other tools call some underlyings; data, in `config/instruments/indices.toml`.
static CALLED: LazyLock<Vec<(String, String)>> = LazyLock::new(|| Facts::built_in().map(|facts| facts.called()).unwrap_or_default());

/// Rows that are looked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Index,
    Share,
    Future,
    Option,
}

impl Group {
    pub(super) fn of(sort: Sort) -> Self {
        match sort {
            Sort::Index => Self::Index,
            Sort::Equity => Self::Share,
            Sort::Future => Self::Future,
            Sort::Call | Sort::Put => Self::Option,
        }
    }
}

/// Places in the table, sorted for the questions that names ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Underlyings by folded name.
    names: Vec<u32>,
    signatures: Vec<u64>,
    /// Rows by underlying, exchange, group, expiry and strike.
    contracts: Vec<u32>,
    /// Where among those the rows of each underlying begin, and where the last ones end.
    begins: Vec<u32>,
    /// The rows of indices.
    indices: Vec<u32>,
}

impl Index {
    pub(super) fn heap_bytes(&self) -> usize {
        (self.names.capacity() + self.contracts.capacity() + self.begins.capacity() + self.indices.capacity()) * size_of::<u32>()
            + self.signatures.capacity() * size_of::<u64>()
    }
}

/// The name's letters as they are compared.
pub(super) fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|letter| if matches!(letter, b'&' | b'-' | b' ') { b'_' } else { letter.to_ascii_uppercase() })
}

/// Whether two names are one.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    one.len() == other.len() && folded(one).eq(folded(other))
}

/// The underlying's own name, for one that charts call otherwise.
pub(super) fn own_name(name: &str) -> &str {
    CALLED.iter().find(|(called, _)| is_same_name(called, name)).map_or(name, |(_, underlying)| underlying.as_str())
}

type Place = (u32, Exchange, Group, i32, u64);

fn place(row: &Packed) -> Place {
    (row.underlying, row.exchange, Group::of(row.sort), row.expiry, row.strike)
}

impl InstrumentTable {
    /// The index of the rows as they are.
    pub(super) fn indexed(&self) -> Index {
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let mut contracts: Vec<u32> = (0..count).collect();
        contracts.sort_by_key(|at| self.rows.get(*at as usize).map(place));
        let indices = self.places().filter(|(_, row)| row.sort == Sort::Index).map(|(at, _)| at).collect();
        let mut names: Vec<u32> = (0..u32::try_from(self.underlyings.len()).unwrap_or(u32::MAX)).collect();
        names.sort_by(|one, other| folded(self.underlying(*one)).cmp(folded(self.underlying(*other))));
        let underlying = |at: &u32| self.rows.get(*at as usize).map_or(u32::MAX, |row| row.underlying);
        let begins = (0..=u32::try_from(self.underlyings.len()).unwrap_or(u32::MAX))
            .map(|id| u32::try_from(contracts.partition_point(|at| underlying(at) < id)).unwrap_or(u32::MAX))
            .collect();
        Index { names, contracts, begins, indices, signatures: self.underlyings.iter().map(|name| signature(name)).collect() }
    }

    pub(super) fn underlying(&self, id: u32) -> &str {
        self.underlyings.get(id as usize).map_or("", |name| &**name)
    }

    /// The underlyings of that name: those whose letters are the same, and if there is none, those that a chart writes so.
    pub(super) fn underlyings_named(&self, name: &str) -> Vec<u32> {
        let names = &self.index.names;
        let name = own_name(name);
        let against = |id: &u32| folded(self.underlying(*id)).cmp(folded(name));
        let first = names.partition_point(|id| against(id) == Ordering::Less);
        let same: Vec<u32> = names.iter().skip(first).take_while(|id| against(id) == Ordering::Equal).copied().collect();
        let exact: Vec<u32> = same.iter().copied().filter(|id| self.underlying(*id).eq_ignore_ascii_case(name)).collect();
        if exact.is_empty() { same } else { exact }
    }

    /// All rows of an underlying, by exchange, group, expiry and strike.
    fn contracts_on(&self, underlying: u32) -> &[u32] {
        let begin = |id: u32| self.index.begins.get(id as usize).map(|at| *at as usize);
        let range = begin(underlying).zip(underlying.checked_add(1).and_then(begin));
        range.and_then(|(from, to)| self.index.contracts.get(from..to)).unwrap_or_default()
    }

    /// The rows of an underlying in one group at one exchange, by expiry and strike.
    pub(super) fn group(&self, underlying: u32, exchange: Exchange, group: Group) -> &[u32] {
        self.between(
            self.contracts_on(underlying),
            (underlying, exchange, group, i32::MIN, 0),
            (underlying, exchange, group, i32::MAX, u64::MAX),
        )
    }

    /// Those of a group that expire on that day.
    pub(super) fn expiring<'a>(&self, group: &'a [u32], expiry: i32) -> &'a [u32] {
        let Some(row) = group.first().and_then(|at| self.rows.get(*at as usize)) else { return &[] };
        let (underlying, exchange, sort, ..) = place(row);
        self.between(group, (underlying, exchange, sort, expiry, 0), (underlying, exchange, sort, expiry, u64::MAX))
    }

    fn between<'a>(&self, rows: &'a [u32], from: Place, to: Place) -> &'a [u32] {
        let of = |at: &u32| self.rows.get(*at as usize).map(place);
        let first = rows.partition_point(|at| of(at) < Some(from));
        let rest = rows.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|at| of(at) <= Some(to))).unwrap_or_default()
    }

    /// The days on which rows of a group expire, from that day on. Each day is found by a jump over its rows.
    pub(super) fn expiries(&self, group: &[u32], from: i32) -> Vec<i32> {
        let expiry = |at: &u32| self.rows.get(*at as usize).map_or(i32::MAX, |row| row.expiry);
        let mut days = Vec::new();
        let mut rest = group.get(group.partition_point(|at| expiry(at) < from)..).unwrap_or_default();
        while let Some(day) = rest.first().map(expiry) {
            days.push(day);
            rest = rest.get(rest.partition_point(|at| expiry(at) <= day)..).unwrap_or_default();
        }
        days
    }

    /// The share of an underlying at an exchange, and its series. At the NSE a share trades in `EQ`, or in `BE` where it may
    /// not be traded within the day; other series must be named. The BSE has no series in its symbols.
    pub(super) fn share(&self, underlying: u32, exchange: Exchange) -> Option<(u32, &'static str)> {
        let rows = self.group(underlying, exchange, Group::Share);
        match exchange {
            Exchange::Nse => ["EQ", "BE"].into_iter().find_map(|series| {
                let is_it = |at: &&u32| self.symbol(**at).rsplit_once('-').is_some_and(|(_, own)| own == series);
                rows.iter().find(is_it).map(|at| (*at, series))
            }),
            Exchange::Bse => match rows {
                [only] => Some((*only, "")),
                several => several.iter().find(|at| is_same_name(self.symbol(**at), self.underlying(underlying))).map(|at| (*at, "")),
            },
            Exchange::Nfo | Exchange::Bfo | Exchange::Mcx | Exchange::Cds => None,
        }
    }

    /// The index rows of that name, by symbol or by what their contracts are found by.
    pub(super) fn indices_named(&self, exchange: Option<Exchange>, name: &str) -> Vec<u32> {
        let name = own_name(name);
        let is_it = |at: &&u32| {
            let row = self.rows.get(**at as usize);
            row.is_some_and(|row| {
                exchange.is_none_or(|exchange| exchange == row.exchange)
                    && (is_same_name(self.symbol(**at), name) || is_same_name(self.underlying(row.underlying), name))
            })
        };
        self.index.indices.iter().filter(is_it).copied().collect()
    }

    /// The underlyings whose signatures have the fewest bits that differ, in no order. All bits are counted first, and then whole
    /// blocks are passed over: both are loops without a branch for each name.
    fn alike(&self, wanted: u64) -> BinaryHeap<(u32, u32)> {
        let unlike: Vec<u32> = self.index.signatures.iter().map(|signature| (signature ^ wanted).count_ones()).collect();
        let mut likest: BinaryHeap<(u32, u32)> = BinaryHeap::with_capacity(COMPARED);
        for (block, first) in unlike.chunks(COMPARED).zip((0u32..).step_by(COMPARED)) {
            let best = block.iter().copied().min();
            if likest.len() == COMPARED && likest.peek().is_some_and(|(worst, _)| best >= Some(*worst)) {
                continue;
            }
            for unlike in block.iter().copied().zip(first..) {
                if likest.len() < COMPARED {
                    likest.push(unlike);
                } else if let Some(mut worst) = likest.peek_mut().filter(|worst| unlike < **worst) {
                    // Of equal ones the first stay.
                    *worst = unlike;
                }
            }
        }
        likest
    }

    /// The underlyings most like this name, the likest first.
    pub(super) fn likest_underlyings(&self, name: &str, count: usize) -> Vec<u32> {
        let likest = self.alike(signature(name));
        let upper = name.to_ascii_uppercase();
        let mut near: Vec<(usize, Reverse<usize>, u32)> = likest
            .into_iter()
            .map(|(_, id)| {
                let other = self.underlying(id).to_ascii_uppercase();
                (distance(&upper, &other), Reverse(common_start(&upper, &other)), id)
            })
            .collect();
        near.sort_unstable();
        near.into_iter().take(count).map(|(.., id)| id).collect()
    }

    /// The underlyings most like this name, the likest first, by name.
    #[must_use]
    pub fn nearest_underlyings(&self, name: &str, count: usize) -> Vec<Arc<str>> {
        self.likest_underlyings(name, count).into_iter().filter_map(|id| self.underlyings.get(id as usize).map(Arc::clone)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_charts_cannot_write_is_the_same_name() {
        assert!(is_same_name("M_M", "M&M") && is_same_name("bajaj_auto", "BAJAJ-AUTO") && is_same_name("Nifty 50", "NIFTY_50"));
        assert!(!is_same_name("MM", "M&M") && !is_same_name("M&M", "M&MFIN"));
        assert_eq!((own_name("bsx"), own_name("NIFTY")), ("SENSEX", "NIFTY"));
    }
}
