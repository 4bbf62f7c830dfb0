//! A relative wish for an instrument: `NIFTY weekly ATM+1 CE`, `NIFTY 2026-11-24 25000 PE`, `BANKNIFTY monthly FUT`,
//! `BFO:SENSEX next ATM PE`. Words, in this order and any case:
//!
//! - the underlying, with its exchange before it if it is traded in several;
//! - the expiry: `near`, `next`, `far` or a number from 0 (the rank among all expiries), `weekly`, `weekly+1`, `monthly`,
//!   `monthly+1`, `1!` or `2!` (the monthly ones as charts roll them), a month (`2026-11`) or a date (`2026-11-24`,
//!   `24NOV26`);
//! - for an option the strike: `ATM`, `ATM+2`, `ATM-1` (strikes up and down the list, whichever the right), or a price;
//! - `CE`, `PE` or `FUT`.
//!
//! The table decides what exists. Nothing is built from text, and an expired contract is never found.

mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Price, Right};

pub use resolve::{Centre, Settled, Unresolved};

/// A relative wish, read from its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The exchange, if it was named.
    pub exchange: Option<Exchange>,
    /// The underlying, in upper case.
    pub underlying: String,
    /// Which expiry.
    pub expiry: Expiry,
    /// Which contract of that expiry.
    pub contract: Contract,
}

/// Which expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The so-manieth from today on; 0 is the nearest.
    Rank(usize),
    /// As `Rank`, of an underlying that has expiries within the month.
    Weekly(usize),
    /// The so-manieth last expiry of a calendar month.
    Monthly(usize),
    /// As `Monthly`, from 1 on, and the nearest gives way so many days before its last one as the settings say.
    Continuous(usize),
    /// The last expiry of this year and month.
    InMonth(i32, u32),
    /// This day.
    On(NaiveDate),
}

/// Which contract of an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The future.
    Future,
    /// An option.
    Option {
        /// Its strike.
        strike: Strike,
        /// Call or put.
        right: Right,
    },
}

/// Which strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// So many strikes above (or, negative, below) the one nearest to the spot price.
    Atm(i32),
    /// This price.
    At(Price),
}

/// Words that are no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no selector: {rule}; for example NIFTY weekly ATM+1 CE, or BANKNIFTY monthly FUT")]
pub struct BadSelector {
    /// The words, shortened.
    pub text: String,
    /// What is wrong with which of them.
    pub rule: String,
}

impl FromStr for Selector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let bad = |rule: String| BadSelector { text: text.chars().take(80).collect(), rule };
        let words: Vec<String> = text.split_whitespace().take(6).map(str::to_ascii_uppercase).collect();
        let (underlying, expiry, strike, kind) = match words.as_slice() {
            [underlying, expiry, kind] => (underlying, expiry, None, kind),
            [underlying, expiry, strike, kind] => (underlying, expiry, Some(strike), kind),
            other => return Err(bad(format!("it needs 3 words (a future) or 4 (an option), and has {}", other.len()))),
        };
        let right = match kind.as_str() {
            "CE" | "CALL" => Some(Right::Call),
            "PE" | "PUT" => Some(Right::Put),
            "FUT" => None,
            other => return Err(bad(format!("its last word {other:?} is not CE, PE or FUT"))),
        };
        let contract = match (right, strike) {
            (None, None) => Contract::Future,
            (None, Some(strike)) => return Err(bad(format!("a future has no strike, and it names {strike:?}"))),
            (Some(_), None) => return Err(bad(format!("an option needs a strike before {kind}: ATM, ATM+1, ATM-1 or a price"))),
            (Some(right), Some(strike)) => Contract::Option { strike: read_strike(strike).map_err(bad)?, right },
        };
        let (exchange, underlying) = match underlying.split_once(':') {
            None => (None, underlying.as_str()),
            Some((exchange, rest)) => {
                let known = Exchange::parse(exchange);
                (Some(known.ok_or_else(|| bad(format!("{exchange:?} is not an exchange ({})", Exchange::choices())))?), rest)
            }
        };
        if underlying.is_empty() {
            return Err(bad("the underlying is missing".to_owned()));
        }
        Ok(Self { exchange, underlying: underlying.to_owned(), expiry: read_expiry(expiry).map_err(bad)?, contract })
    }
}

fn read_strike(word: &str) -> Result<Strike, String> {
    let wrong = || format!("the strike {word:?} is not ATM, ATM+1, ATM-1 or a price above 0");
    match word.strip_prefix("ATM") {
        Some("") => Ok(Strike::Atm(0)),
        Some(offset) if offset.starts_with(['+', '-']) => {
            offset.parse().ok().filter(|offset: &i32| offset.abs() <= 1_000).map(Strike::Atm).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
        None => Price::parse(word).map(Strike::At).map_err(|_| wrong()),
    }
}

/// `2026-11`
fn month(word: &str) -> Option<Expiry> {
    let (year, month) = word.split_once('-')?;
    let is_whole = year.len() == 4 && month.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1).filter(|_| is_whole)?;
    Some(Expiry::InMonth(first.year(), first.month()))
}

fn read_expiry(word: &str) -> Result<Expiry, String> {
    let later = |rest: &str| match rest {
        "" => Some(0),
        more => more.strip_prefix('+')?.parse::<u8>().ok().map(usize::from),
    };
    let date = |text: &str| {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .or_else(|_| NaiveDate::parse_from_str(text, "%d-%b-%Y"))
            .or_else(|_| NaiveDate::parse_from_str(text, "%d%b%y"))
    };
    let found = match word {
        "NEAR" => Some(Expiry::Rank(0)),
        "NEXT" => Some(Expiry::Rank(1)),
        "FAR" => Some(Expiry::Rank(2)),
        "1!" | "2!" | "3!" | "4!" | "5!" | "6!" | "7!" | "8!" | "9!" => word.trim_end_matches('!').parse().ok().map(Expiry::Continuous),
        _ if word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok().map(Expiry::Rank),
        _ => match (word.strip_prefix("WEEKLY"), word.strip_prefix("MONTHLY")) {
            (Some(rest), _) => later(rest).map(Expiry::Weekly),
            (_, Some(rest)) => later(rest).map(Expiry::Monthly),
            _ => date(word).ok().map(Expiry::On).or_else(|| month(word)),
        },
    };
    found.ok_or_else(|| {
        format!("the expiry {word:?} is not near, next, far, 0, 1, 2, weekly, monthly, monthly+1 or a date such as 2026-11-24")
    })
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let later = |f: &mut fmt::Formatter<'_>, word: &str, count: usize| match count {
            0 => f.write_str(word),
            more => write!(f, "{word}+{more}"),
        };
        match self {
            Self::Rank(0) => f.write_str("near"),
            Self::Rank(1) => f.write_str("next"),
            Self::Rank(2) => f.write_str("far"),
            Self::Rank(rank) => rank.fmt(f),
            Self::Weekly(count) => later(f, "weekly", *count),
            Self::Monthly(count) => later(f, "monthly", *count),
            Self::Continuous(month) => write!(f, "{month}!"),
            Self::InMonth(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::On(day) => day.fmt(f),
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atm(0) => f.write_str("ATM"),
            Self::Atm(offset) => write!(f, "ATM{offset:+}"),
            Self::At(price) => price.fmt(f),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(exchange) = self.exchange {
            write!(f, "{exchange}:")?;
        }
        write!(f, "{} {} ", self.underlying, self.expiry)?;
        match self.contract {
            Contract::Future => f.write_str("FUT"),
            Contract::Option { strike, right } => write!(f, "{strike} {}", if right == Right::Call { "CE" } else { "PE" }),
        }
    }
}
