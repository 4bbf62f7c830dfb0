//! What is charged for a contract that today's master lists no more, by what is kept of it: its exchange and its trading symbol.
//!
//! Symbols are no names to look a contract up by (an underlying may end in digits). Whether one spells a future or an option is another
//! question, and which commodity it is of stands at its beginning. What cannot be told is not guessed.

use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::calendar::{Calendar, Facts};
use ordergate_actors::order::{Exchange, InstrumentKey, Kind as Contract};
use ordergate_actors::pnl::charges::Kind;

use super::selector::{Contract as Wanted, Expiry, Strike};
use super::spelling;

/// The kind that charges tell apart, on that day.
#[must_use]
pub fn kind_of(key: &InstrumentKey, calendar: &Calendar, date: NaiveDate) -> Option<Kind> {
    match (key.exchange, contract(key)) {
        (Exchange::Nse | Exchange::Bse, _) => Some(Kind::Share),
        (_, Some(facts)) => Some(Kind::from(calendar.class(&facts, date))),
        // In the exchanges' own style the day may be in letters that nothing here reads: the end says enough.
        (Exchange::Nfo | Exchange::Bfo | Exchange::Cds, None) => by_its_end(&key.symbol),
        // Whether it is an agricultural one its end does not say.
        (Exchange::Mcx, None) => None,
    }
}

/// The contract, where its day is spelled out.
fn contract(key: &InstrumentKey) -> Option<Facts> {
    let (selector, _) = spelling::read(Some(key.exchange.as_str()), &key.symbol).ok()?.contract?;
    let Expiry::On(expiry) = selector.expiry else { return None };
    let kind = match selector.contract {
        Wanted::Future => Contract::Future { expiry },
        Wanted::Option { strike: Strike::At(strike), right } => Contract::Option { expiry, strike, right },
        Wanted::Option { .. } => return None,
    };
    Some(Facts { segment: key.exchange, kind, underlying: Arc::from(selector.underlying), has_derivatives: None })
}

fn by_its_end(symbol: &str) -> Option<Kind> {
    let strike = ["CE", "PE"].iter().find_map(|right| symbol.strip_suffix(right));
    if strike.is_some_and(|rest| rest.ends_with(|last: char| last.is_ascii_digit())) {
        return Some(Kind::Option);
    }
    symbol.strip_suffix("FUT").filter(|rest| !rest.is_empty()).map(|_| Kind::Future)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;

    fn date() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    fn calendar() -> Calendar {
        Calendar::parse(&crate::calendar::files(None).unwrap()).unwrap()
    }

    #[test]
    fn what_a_name_spells_is_what_the_master_says_of_it() {
        let calendar = calendar();
        let rows = sample(date()).unwrap();
        for row in &rows {
            let by_master = Kind::from(calendar.class(&Facts::of(row, Some(true)), date()));
            assert_eq!(kind_of(&row.key, &calendar, date()), Some(by_master), "{}", row.key);
        }
        assert!(rows.len() > 50, "futures and options are among them");
    }

    #[test]
    fn every_way_of_spelling_a_contract_is_read_and_nothing_is_guessed() {
        let calendar = calendar();
        for (exchange, symbol, expected) in [
            (Exchange::Nse, "M&M-EQ", Some(Kind::Share)),
            (Exchange::Bse, "RELIANCE", Some(Kind::Share)),
            (Exchange::Nfo, "NIFTY24NOV26F", Some(Kind::Future)),
            (Exchange::Nfo, "NIFTYNXT5030DEC25P98000", Some(Kind::Option)),
            (Exchange::Nfo, "BANKNIFTY24APR24FUT", Some(Kind::Future)),
            (Exchange::Bfo, "SENSEX2591181200CE", Some(Kind::Option)),
            (Exchange::Bfo, "SENSEX26SEP91000PE", Some(Kind::Option)),
            (Exchange::Bfo, "SENSEX26NOVFUT", Some(Kind::Future)),
            (Exchange::Cds, "USDINR27NOV26F", Some(Kind::Future)),
            (Exchange::Mcx, "CRUDEOILM19NOV26", Some(Kind::Future)),
            (Exchange::Mcx, "CRUDEOIL17NOV26C5400", Some(Kind::Option)),
            (Exchange::Mcx, "MENTHAOIL30NOV26", Some(Kind::Agri)),
            (Exchange::Mcx, "SOMETHINGFUT", None),
            (Exchange::Nfo, "RELIANCE", None),
            (Exchange::Nfo, "CE", None),
            (Exchange::Nfo, "FUT", None),
        ] {
            assert_eq!(kind_of(&InstrumentKey::new(exchange, symbol), &calendar, date()), expected, "{exchange} {symbol}");
        }
    }
}
