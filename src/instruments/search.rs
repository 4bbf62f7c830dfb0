//! Search by words, and the nearest names for one that does not exist. A row is first looked at through a signature of
//! its pairs of letters, 64 bits; only rows that can match are read.

use std::cmp::Reverse;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey};

use super::packed::{Packed, Sort};
use super::table::InstrumentTable;

/// Rows whose names are compared letter by letter with an unknown one.
const COMPARED: usize = 200;

/// One bit per pair of neighbouring letters, in any case. A text that contains another has all of its bits.
pub(super) fn signature(text: &str) -> u64 {
    let pairs = text.as_bytes().windows(2);
    pairs.fold(0, |bits, pair| match pair {
        [a, b] => {
            let mixed = (u32::from(a.to_ascii_uppercase()) * 37 + u32::from(b.to_ascii_uppercase())).wrapping_mul(0x9E37_79B1);
            bits | 1 << (mixed >> 26)
        }
        _ => bits,
    })
}

/// Whether the text contains the word, which is in upper case; in any case of the text.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some((first, rest)) = word.split_first() else { return true };
    text.len() >= word.len()
        && text.iter().enumerate().any(|(at, letter)| {
            letter.to_ascii_uppercase() == *first && text.get(at + 1..at + word.len()).is_some_and(|after| after.eq_ignore_ascii_case(rest))
        })
}

fn begins(text: &str, word: &str) -> bool {
    text.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// One word of a search, with what it could mean beside a part of the symbol.
struct Word {
    text: String,
    signature: u64,
    kind: Option<Sort>,
    expiry: Option<i32>,
    /// For each underlying, whether it has the word in it.
    underlyings: Vec<bool>,
}

impl Word {
    fn new(text: &str, table: &InstrumentTable) -> Self {
        let text = text.to_ascii_uppercase();
        let kind = match text.as_str() {
            "CE" | "CALL" => Some(Sort::Call),
            "PE" | "PUT" => Some(Sort::Put),
            "FUT" | "FUTURE" => Some(Sort::Future),
            _ => None,
        };
        let expiry = text.parse::<NaiveDate>().ok().map(|day| day.num_days_from_ce());
        let underlyings = table.underlyings.iter().map(|name| contains(name, &text)).collect();
        Self { signature: signature(&text), kind, expiry, underlyings, text }
    }

    fn is_in(&self, table: &InstrumentTable, at: u32, row: &Packed, signature: u64) -> bool {
        self.underlyings.get(row.underlying as usize).copied().unwrap_or(false)
            || (signature & self.signature == self.signature && contains(table.symbol(at), &self.text))
            || self.kind == Some(row.sort)
            || self.expiry == Some(row.expiry)
    }
}

impl InstrumentTable {
    /// The first `limit` rows that have every word, in any case: in the symbol, in the underlying, or as a kind (`CE`,
    /// `PE`, `FUT`) or a date of expiry (`2026-11-24`). The exact symbol comes first, then what is of that underlying,
    /// then what begins with the first word, then the rest; within that the nearest expiry, futures before options.
    #[must_use]
    pub fn search(&self, text: &str, limit: usize) -> Vec<Arc<Instrument>> {
        self.search_in(None, text, limit).1
    }

    /// As [`InstrumentTable::search`], in one exchange if one is named; says how many there are beside the first ones.
    #[must_use]
    pub fn search_in(&self, exchange: Option<Exchange>, text: &str, limit: usize) -> (usize, Vec<Arc<Instrument>>) {
        let words: Vec<Word> = text.split_whitespace().map(|word| Word::new(word, self)).collect();
        let whole = text.trim();
        let first = words.first().map_or("", |word| word.text.as_str());
        let own: Vec<bool> = self.underlyings.iter().map(|name| name.eq_ignore_ascii_case(first)).collect();
        let mut found: Vec<(u8, i32, bool, u32)> = Vec::new();
        for ((at, row), signature) in self.places().zip(&self.signatures) {
            if exchange.is_some_and(|exchange| exchange != row.exchange) || !words.iter().all(|word| word.is_in(self, at, row, *signature))
            {
                continue;
            }
            let symbol = self.symbol(at);
            let rank = match () {
                () if symbol.eq_ignore_ascii_case(whole) => 0,
                () if own.get(row.underlying as usize) == Some(&true) => 1,
                () if begins(symbol, first) => 2,
                () => 3,
            };
            found.push((rank, row.expiry, matches!(row.sort, Sort::Call | Sort::Put), at));
        }
        let count = found.len();
        if limit < count {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        (count, found.into_iter().filter_map(|(.., at)| self.at(at)).collect())
    }

    /// The names most like this one, the likest first: for "did you mean". In one exchange if one is named.
    #[must_use]
    pub fn nearest(&self, exchange: Option<Exchange>, symbol: &str, count: usize) -> Vec<InstrumentKey> {
        let wanted = signature(symbol);
        let unlike = |signature: &u64| (signature ^ wanted).count_ones();
        let mut likely: Vec<(u32, u32)> = self
            .places()
            .zip(&self.signatures)
            .filter(|((_, row), _)| exchange.is_none_or(|exchange| exchange == row.exchange))
            .map(|((at, _), signature)| (unlike(signature), at))
            .collect();
        if likely.len() > COMPARED {
            likely.select_nth_unstable(COMPARED);
            likely.truncate(COMPARED);
        }
        let upper = symbol.to_ascii_uppercase();
        let mut near: Vec<(usize, Reverse<usize>, u32)> = likely
            .into_iter()
            .map(|(_, at)| {
                let name = self.symbol(at).to_ascii_uppercase();
                (distance(&upper, &name), Reverse(common_start(&upper, &name)), at)
            })
            .collect();
        near.sort_unstable();
        let keys = near.into_iter().take(count).filter_map(|(.., at)| self.at(at));
        keys.map(|row| row.key.clone()).collect()
    }
}

pub(super) fn common_start(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// How many letters must be put in, taken out or changed to make one of the other.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.bytes().enumerate() {
        let (mut corner, mut left) = (line, line + 1);
        for (cell, other) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (corner + usize::from(letter != other)).min(above + 1).min(left + 1);
            corner = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
