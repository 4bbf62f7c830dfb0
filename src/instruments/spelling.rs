//! What a text says, before anybody looks at the master: where, and which contract or name. Charts, tools and brokers each
//! have a spelling of their own, and every one of a contract becomes a [`Selector`], so that there is one way to look it up.
//!
//! | spelling | read as |
//! |---|---|
//! | `NSE:`, `BSE:`, `NFO:`, `BFO:`, `MCX:`, `CDS:`, with `_DL` or `_DLY` | where |
//! | `NSE_INDEX`, `BSE_INDEX` (as the exchange or before the name) | an index there |
//! | `NIFTY1!`, `NIFTY2!` | the future that trades as the first, second month |
//! | `NIFTYX2026` | the future of November 2026 |
//! | `NIFTY260929C25000` | the call of 29 September 2026 |
//! | `NIFTY28MAR2420800CE`, `BANKNIFTY24APR24FUT` | the contract of that day |
//! | `NIFTY weekly ATM+1 CE` | a wish relative to today |
//! | anything else | a name |

use chrono::NaiveDate;
use ordergate_actors::order::{Exchange, Price, Right};
use ordergate_actors::ports::Rule;

use super::selector::{Contract, Expiry, Selector, Strike};

/// Where an instrument is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// On every exchange.
    Anywhere,
    /// At this one. Charts know `NSE` and `BSE` only, so these stand for their contracts too.
    Exchange(Exchange),
    /// Among the indices of this one.
    Indices(Exchange),
}

/// The months of futures as charts letter them, January first.
const MONTH_LETTERS: &str = "FGHJKMNQUVXZ";
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

impl At {
    /// Where contracts are then, and where shares are.
    pub(super) fn has(self, exchange: Exchange) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Exchange(own) => own == exchange || family(own).contains(&exchange),
            Self::Indices(_) => false,
        }
    }

    /// The exchanges, the named one first.
    pub(super) fn exchanges(self) -> Vec<Exchange> {
        match self {
            Self::Anywhere => Exchange::ALL.to_vec(),
            Self::Exchange(own) => std::iter::once(own).chain(family(own).iter().copied()).collect(),
            Self::Indices(own) => vec![own],
        }
    }

    /// Both, if they can be one place.
    fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Anywhere, place) | (place, Self::Anywhere) => Some(place),
            (one, other) if one == other => Some(one),
            (Self::Exchange(one), Self::Exchange(other)) if family(one).contains(&other) => Some(Self::Exchange(other)),
            (Self::Exchange(one), Self::Exchange(other)) if family(other).contains(&one) => Some(Self::Exchange(one)),
            (Self::Exchange(one), Self::Indices(other)) | (Self::Indices(other), Self::Exchange(one)) if one == other => {
                Some(Self::Indices(one))
            }
            _ => None,
        }
    }

    /// Reads `NSE`, `nfo`, `NSE_DLY`, `BSE_INDEX`.
    fn read(word: &str) -> Option<Self> {
        let word = without_delay(word.trim());
        if let Some(exchange) = Exchange::parse(word) {
            return Some(Self::Exchange(exchange));
        }
        match Exchange::parse(ending(word, "_INDEX")?)? {
            exchange @ (Exchange::Nse | Exchange::Bse | Exchange::Mcx) => Some(Self::Indices(exchange)),
            Exchange::Nfo | Exchange::Bfo | Exchange::Cds => None,
        }
    }
}

/// The exchanges of the contracts that charts show under the name of the cash market.
fn family(exchange: Exchange) -> &'static [Exchange] {
    match exchange {
        Exchange::Nse => &[Exchange::Nfo, Exchange::Cds],
        Exchange::Bse => &[Exchange::Bfo],
        Exchange::Nfo | Exchange::Bfo | Exchange::Mcx | Exchange::Cds => &[],
    }
}

/// The text without this ending, in any case.
fn ending<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    rest.eq_ignore_ascii_case(end).then_some(start)
}

/// Charts add this where their prices come late.
fn without_delay(text: &str) -> &str {
    ending(text, "_DLY").or_else(|| ending(text, "_DL")).filter(|rest| !rest.is_empty()).unwrap_or(text)
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read<'a> {
    /// Where.
    pub(super) at: At,
    /// The name, without its prefix.
    pub(super) name: &'a str,
    /// The contract, if it is spelled as one.
    pub(super) contract: Option<(Selector, Rule)>,
}

/// Reads an exchange and a symbol.
///
/// # Errors
/// The exchanges are none, or contradict each other, or words are meant as a wish and are none; says which.
pub(super) fn read<'a>(exchange: Option<&str>, symbol: &'a str) -> Result<Read<'a>, String> {
    let beside = match exchange {
        None => At::Anywhere,
        Some(word) => At::read(word).ok_or_else(|| unknown_exchange(word))?,
    };
    let (before, name) = match symbol.split_once(':') {
        None => (At::Anywhere, symbol),
        Some((word, rest)) => (At::read(word).ok_or_else(|| unknown_exchange(word))?, rest),
    };
    let at = beside
        .and(before)
        .ok_or_else(|| format!("{symbol} names another exchange than the {} that stands beside it", exchange.unwrap_or_default()))?;
    let name = without_delay(name.trim());
    if name.contains(':') {
        return Err(format!("{symbol} names two exchanges"));
    }
    Ok(Read { at, name, contract: contract(name, at)? })
}

fn unknown_exchange(word: &str) -> String {
    let word: String = word.chars().take(20).collect();
    format!("{word:?} is not an exchange ({}, NSE_INDEX, BSE_INDEX)", Exchange::choices())
}

fn contract(name: &str, at: At) -> Result<Option<(Selector, Rule)>, String> {
    let exchange = match at {
        At::Exchange(exchange) => Some(exchange),
        At::Anywhere => None,
        At::Indices(_) => return Ok(None),
    };
    if name.contains(char::is_whitespace) {
        return match name.parse::<Selector>() {
            Ok(selector) => Ok(Some((Selector { exchange, ..selector }, Rule::Selector))),
            Err(bad) if is_meant_as_wish(name) => Err(bad.to_string()),
            Err(_) => Ok(None),
        };
    }
    let upper = name.to_ascii_uppercase();
    let selector = |(underlying, expiry, contract): (&str, Expiry, Contract), rule| {
        (Selector { exchange, underlying: underlying.to_owned(), expiry, contract }, rule)
    };
    Ok(continuous(&upper)
        .map(|found| selector(found, Rule::Continuous))
        .or_else(|| month_of_future(&upper).map(|found| selector(found, Rule::MonthOfFuture)))
        .or_else(|| charted_option(&upper).map(|found| selector(found, Rule::Contract)))
        .or_else(|| dated(&upper).map(|found| selector(found, Rule::Contract))))
}

/// Words that end as a wish does, and not as the name of an index.
fn is_meant_as_wish(name: &str) -> bool {
    name.split_whitespace().last().is_some_and(|last| ["CE", "PE", "CALL", "PUT", "FUT"].iter().any(|word| last.eq_ignore_ascii_case(word)))
}

type Parts<'a> = (&'a str, Expiry, Contract);

/// `NIFTY1!`. One digit: an underlying may end in others (`NIFTYNXT501!`).
fn continuous(name: &str) -> Option<Parts<'_>> {
    let rest = name.strip_suffix('!')?;
    let (root, digit) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
    let month: usize = digit.parse().ok()?;
    (!root.is_empty() && month > 0).then_some((root, Expiry::Continuous(month), Contract::Future))
}

/// `NIFTYX2026`.
fn month_of_future(name: &str) -> Option<Parts<'_>> {
    let (rest, year) = name.split_at_checked(name.len().checked_sub(4)?)?;
    let letter = rest.chars().last()?;
    let month = u32::try_from(MONTH_LETTERS.find(letter)?).ok()? + 1;
    let root = rest.strip_suffix(letter)?;
    let is_year = year.starts_with("20") && year.bytes().all(|byte| byte.is_ascii_digit());
    (is_year && !root.is_empty()).then_some((root, Expiry::InMonth(year.parse().ok()?, month), Contract::Future))
}

/// `NIFTY260929C25000`: the year, month and day in two digits each, then the right and the strike.
fn charted_option(name: &str) -> Option<Parts<'_>> {
    let from = name.len() - name.bytes().rev().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (rest, strike) = name.split_at_checked(from)?;
    let right = right(rest.get(rest.len().checked_sub(1)?..)?)?;
    let rest = rest.get(..rest.len() - 1)?;
    let (root, day) = rest.split_at_checked(rest.len().checked_sub(6)?)?;
    let pair = |at: usize| two_digits(day.get(at..at + 2)?);
    let expiry = NaiveDate::from_ymd_opt(2000 + i32::try_from(pair(0)?).ok()?, pair(2)?, pair(4)?)?;
    let contract = Contract::Option { strike: Strike::At(Price::parse(strike).ok()?), right };
    (!root.is_empty()).then_some((root, Expiry::On(expiry), contract))
}

/// `NIFTY28MAR2420800CE`, `BANKNIFTY24APR24FUT`, and brokers' own ways: `NIFTY29SEP26C25000`, `CRUDEOILM19AUG26`.
fn dated(name: &str) -> Option<Parts<'_>> {
    // The day is two digits, whatever the underlying ends in.
    (1..name.len()).find_map(|at| {
        let (root, rest) = name.split_at_checked(at)?;
        let (day, year) = (two_digits(rest.get(..2)?)?, two_digits(rest.get(5..7)?)?);
        let month = MONTHS.iter().position(|month| rest.get(2..5) == Some(month))?;
        let expiry = NaiveDate::from_ymd_opt(2000 + i32::try_from(year).ok()?, u32::try_from(month).ok()? + 1, day)?;
        Some((root, Expiry::On(expiry), after_date(rest.get(7..)?)?))
    })
}

fn after_date(text: &str) -> Option<Contract> {
    if matches!(text, "" | "F" | "FUT") {
        return Some(Contract::Future);
    }
    let (right, strike) = match (ending(text, "CE"), ending(text, "PE")) {
        (Some(strike), _) => (Right::Call, strike),
        (_, Some(strike)) => (Right::Put, strike),
        (None, None) => (right(text.get(..1)?)?, text.get(1..)?),
    };
    Some(Contract::Option { strike: Strike::At(Price::parse(strike).ok()?), right })
}

fn right(letter: &str) -> Option<Right> {
    match letter {
        "C" => Some(Right::Call),
        "P" => Some(Right::Put),
        _ => None,
    }
}

fn two_digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(exchange: &str, symbol: &str) -> String {
        match read(Some(exchange).filter(|text| !text.is_empty()), symbol) {
            Err(why) => why,
            Ok(Read { at, name, contract: None }) => format!("{at:?} {name}"),
            Ok(Read { contract: Some((selector, rule)), .. }) => format!("{selector} {rule:?}"),
        }
    }

    #[test]
    fn every_spelling_of_a_contract_is_one_selector() {
        for (exchange, symbol, expected) in [
            ("", "NIFTY1!", "NIFTY 1! FUT Continuous"),
            ("NSE", "nifty2!", "NSE:NIFTY 2! FUT Continuous"),
            ("", "NSE:NIFTYNXT501!", "NSE:NIFTYNXT50 1! FUT Continuous"),
            ("", "MCX_DLY:CRUDEOIL1!", "MCX:CRUDEOIL 1! FUT Continuous"),
            ("", "NIFTY1!_DLY", "NIFTY 1! FUT Continuous"),
            ("", "NIFTYX2026", "NIFTY 2026-11 FUT MonthOfFuture"),
            ("", "NIFTY260929C25000", "NIFTY 2026-09-29 25000 CE Contract"),
            ("BSE", "BSX260924P81000.5", "BSE:BSX 2026-09-24 81000.5 PE Contract"),
            ("NFO", "NIFTY28MAR2420800CE", "NFO:NIFTY 2024-03-28 20800 CE Contract"),
            ("NFO", "VEDL25APR24292.5CE", "NFO:VEDL 2024-04-25 292.5 CE Contract"),
            ("NFO", "NIFTYNXT5024APR2460000PE", "NFO:NIFTYNXT50 2024-04-24 60000 PE Contract"),
            ("", "BANKNIFTY24APR24FUT", "BANKNIFTY 2024-04-24 FUT Contract"),
            ("", "NIFTY29SEP26C25000", "NIFTY 2026-09-29 25000 CE Contract"),
            ("", "MARICO28MAR24F", "MARICO 2024-03-28 FUT Contract"),
            ("MCX", "CRUDEOILM19AUG26", "MCX:CRUDEOILM 2026-08-19 FUT Contract"),
            ("NSE", "nifty weekly ATM+1 ce", "NSE:NIFTY weekly ATM+1 CE Selector"),
            ("", "MCX:GOLD near FUT", "MCX:GOLD near FUT Selector"),
        ] {
            assert_eq!(shown(exchange, symbol), expected, "{exchange} {symbol}");
        }
    }

    #[test]
    fn places_are_read_together_or_refused() {
        for (exchange, symbol, expected) in [
            ("", "RELIANCE", "Anywhere RELIANCE"),
            ("NSE_DLY", "RELIANCE", "Exchange(Nse) RELIANCE"),
            ("NSE", "NSE:RELIANCE", "Exchange(Nse) RELIANCE"),
            ("", "NSE_DLY:RELIANCE_DL", "Exchange(Nse) RELIANCE"),
            ("NFO", "NSE:RELIANCE", "Exchange(Nfo) RELIANCE"),
            ("NSE", "CDS:RELIANCE", "Exchange(Cds) RELIANCE"),
            ("NSE_INDEX", "Nifty 50", "Indices(Nse) Nifty 50"),
            ("", "BSE_INDEX:SENSEX", "Indices(Bse) SENSEX"),
            ("NSE", "NSE_INDEX:NIFTY1!", "Indices(Nse) NIFTY1!"),
            ("BSE", "NSE:RELIANCE", "NSE:RELIANCE names another exchange than the BSE that stands beside it"),
            ("NYSE", "IBM", "\"NYSE\" is not an exchange (NSE, BSE, NFO, BFO, MCX, CDS, NSE_INDEX, BSE_INDEX)"),
            ("", "NASDAQ:AAPL", "\"NASDAQ\" is not an exchange (NSE, BSE, NFO, BFO, MCX, CDS, NSE_INDEX, BSE_INDEX)"),
        ] {
            assert_eq!(shown(exchange, symbol), expected, "{exchange} {symbol}");
        }
        assert!(shown("", "NIFTY weeky ATM CE").contains("the expiry \"WEEKY\" is not"), "a misspelt wish is no name");
    }

    #[test]
    fn what_only_looks_like_a_contract_is_a_name() {
        for name in [
            "1!",
            "!",
            "NIFTY!",
            "NIFTY0!",
            "NIFTY261399C25000",
            "NIFTY31FEB26F",
            "26NOV26F",
            "X2026",
            "NIFTYX1926",
            "NIFTY260929C",
            "é1!",
            "_DLY",
        ] {
            let read = read(None, name).unwrap();
            assert!(read.contract.is_none() || name == "é1!", "{name}: {read:?}");
        }
    }

    proptest! {
        #[test]
        fn prop_no_text_panics(exchange in proptest::option::of(".{0,12}"), symbol in ".{0,40}") {
            let _any = read(exchange.as_deref(), &symbol);
        }

        /// Letters and digits as contracts have them, cut anywhere.
        #[test]
        fn prop_nothing_like_a_contract_panics(symbol in "[A-Z]{0,4}[0-9]{0,8}[A-Z]{0,4}[0-9.]{0,8}(CE|PE|FUT|!|é)?") {
            let _any = read(None, &symbol);
        }
    }
}
