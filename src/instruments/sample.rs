//! The sample: a few shares, one index with its futures and options, dated from a day that the caller names.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity, Right};
use rust_decimal::Decimal;
use serde::Deserialize;

const FACTS: &str = include_str!("../../config/instruments/sample.toml");

/// The sample's facts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSample {
    /// The file does not read.
    #[error("config/instruments/sample.toml: {0}")]
    File(#[from] config::ConfigError),
    /// The file reads, but a row of it makes no instrument.
    #[error("config/instruments/sample.toml: {0}")]
    Row(String),
}

#[derive(Debug, Deserialize)]
struct Facts {
    cash_tick: Vec<CashTick>,
    share: Vec<Share>,
    index: Vec<Index>,
}

#[derive(Debug, Deserialize)]
struct CashTick {
    below: Price,
    tick: Price,
}

#[derive(Debug, Deserialize)]
struct Share {
    symbol: String,
    underlying: String,
    token: u32,
    level: Price,
}

#[derive(Debug, Deserialize)]
struct Index {
    symbol: String,
    token: u32,
    level: Price,
    index_tick: Price,
    lot: Quantity,
    tick: Price,
    freeze: Quantity,
    strikes_each_side: u32,
    strike_step: Price,
}

fn facts() -> Result<Facts, BadSample> {
    Ok(crate::built_in::read(FACTS)?)
}

/// Where the synthetic market of each underlying of the sample moves around.
///
/// # Errors
/// [`BadSample`] when the embedded file does not read.
pub fn levels() -> Result<BTreeMap<Arc<str>, Price>, BadSample> {
    let facts = facts()?;
    let shares = facts.share.iter().map(|share| (Arc::from(share.underlying.as_str()), share.level));
    let indices = facts.index.iter().map(|index| (Arc::from(index.symbol.as_str()), index.level));
    Ok(shares.chain(indices).collect())
}

/// The sample as it is on that day: this and the next monthly future, two weekly expiries of options. A contract is in
/// it up to and including its last day. Expiries are plain Tuesdays: holidays are not looked at.
///
/// # Errors
/// [`BadSample`] when the embedded file does not read.
pub fn sample(today: NaiveDate) -> Result<Vec<Instrument>, BadSample> {
    let facts = facts()?;
    let mut rows = Vec::new();
    for share in &facts.share {
        rows.push(equity(share, &facts.cash_tick)?);
    }
    for index in &facts.index {
        rows.push(index_row(index));
        for expiry in monthly_expiries(today) {
            rows.push(future(index, expiry));
        }
        for expiry in weekly_expiries(today) {
            rows.extend(options(index, expiry)?);
        }
    }
    Ok(rows)
}

fn equity(share: &Share, ticks: &[CashTick]) -> Result<Instrument, BadSample> {
    let bad = |what: &str| BadSample::Row(format!("{}: {what}", share.symbol));
    let tick = ticks.iter().find(|row| share.level < row.below).map(|row| row.tick).ok_or_else(|| bad("no tick for its level"))?;
    let lot = Quantity::new(1).ok_or_else(|| bad("no lot"))?;
    Ok(Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nse, &share.symbol),
        token: share.token,
        underlying: Arc::from(share.underlying.as_str()),
        kind: Kind::Equity,
        lot,
        tick,
        freeze: None,
        band: band(share.level, tick),
    })
}

fn index_row(index: &Index) -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nse, &index.symbol),
        token: index.token,
        underlying: Arc::from(index.symbol.as_str()),
        kind: Kind::Index,
        lot: index.lot,
        tick: index.index_tick,
        freeze: None,
        band: None,
    }
}

fn future(index: &Index, expiry: NaiveDate) -> Instrument {
    let symbol = format!("{}{}F", index.symbol, dated(expiry));
    derivative(index, &symbol, token(expiry, 999), Kind::Future { expiry }, band(index.level, index.tick))
}

fn options(index: &Index, expiry: NaiveDate) -> Result<Vec<Instrument>, BadSample> {
    let each = i64::from(index.strikes_each_side);
    let mut rows = Vec::new();
    for (place, offset) in (0u32..).zip(-each..=each) {
        let strike = Price::new(index.level.value() + index.strike_step.value() * Decimal::from(offset))
            .ok_or_else(|| BadSample::Row(format!("{}: strike {offset} is no price", index.symbol)))?;
        for (right, letter, odd) in [(Right::Call, 'C', 0), (Right::Put, 'P', 1)] {
            let symbol = format!("{}{}{letter}{strike}", index.symbol, dated(expiry));
            rows.push(derivative(index, &symbol, token(expiry, place * 2 + odd), Kind::Option { expiry, strike, right }, None));
        }
    }
    Ok(rows)
}

fn derivative(index: &Index, symbol: &str, token: u32, kind: Kind, band: Option<(Price, Price)>) -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nfo, symbol),
        token,
        underlying: Arc::from(index.symbol.as_str()),
        kind,
        lot: index.lot,
        tick: index.tick,
        freeze: Some(index.freeze),
        band,
    }
}

/// `24NOV26`
fn dated(expiry: NaiveDate) -> String {
    expiry.format("%d%b%y").to_string().to_ascii_uppercase()
}

/// The same number for the same contract on every day of its life.
fn token(expiry: NaiveDate, place: u32) -> u32 {
    expiry.num_days_from_ce().unsigned_abs() * 1_000 + place
}

/// Ten per cent to either side of the level.
fn band(level: Price, tick: Price) -> Option<(Price, Price)> {
    let at = |tenths: i64| {
        let raw = level.value() * Decimal::new(tenths, 1);
        Price::new((raw / tick.value()).floor() * tick.value())
    };
    Some((at(9)?, at(11)?))
}

fn weekly_expiries(today: NaiveDate) -> Vec<NaiveDate> {
    tuesdays(today).take(2).collect()
}

fn monthly_expiries(today: NaiveDate) -> Vec<NaiveDate> {
    tuesdays(today).filter(|day| day.checked_add_days(Days::new(7)).is_none_or(|next| next.month() != day.month())).take(2).collect()
}

/// The Tuesdays from that day on, over the next four months.
fn tuesdays(from: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let end = from.checked_add_months(Months::new(4)).unwrap_or(from);
    from.iter_days().take_while(move |day| *day <= end).filter(|day| day.weekday() == Weekday::Tue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeSet;

    fn symbols(today: &str) -> Vec<String> {
        sample(today.parse().unwrap()).unwrap().iter().map(|row| row.key.to_string()).collect()
    }

    #[test]
    fn holds_shares_index_futures_and_two_option_expiries() {
        let rows = sample("2026-11-20".parse().unwrap()).unwrap();
        assert_eq!(rows.len(), 4 + 1 + 2 + 2 * 21 * 2);
        let symbols = symbols("2026-11-20");
        for name in
            ["NSE:M&M-EQ", "NSE:NIFTY", "NFO:NIFTY24NOV26F", "NFO:NIFTY29DEC26F", "NFO:NIFTY24NOV26C25700", "NFO:NIFTY01DEC26P26200"]
        {
            assert!(symbols.iter().any(|symbol| symbol == name), "{name} is missing in {symbols:?}");
        }
    }

    #[test]
    fn a_contract_is_there_on_its_last_day_and_gone_on_the_next() {
        assert!(symbols("2026-11-24").contains(&"NFO:NIFTY24NOV26F".to_owned()));
        assert!(!symbols("2026-11-25").contains(&"NFO:NIFTY24NOV26F".to_owned()));
        assert!(symbols("2026-11-25").contains(&"NFO:NIFTY26JAN27F".to_owned()));
    }

    #[test]
    fn ticks_follow_the_price() {
        let rows = sample("2026-11-20".parse().unwrap()).unwrap();
        let tick = |name: &str| rows.iter().find(|row| &*row.key.symbol == name).unwrap().tick.to_string();
        assert_eq!((tick("SBIN-EQ"), tick("M&M-EQ"), tick("NIFTY24NOV26F")), ("0.05".into(), "0.1".into(), "0.05".into()));
    }

    proptest! {
        #[test]
        fn prop_no_day_is_without_a_sample(day in 0u64..40_000) {
            let today = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap().checked_add_days(Days::new(day)).unwrap();
            let rows = sample(today).unwrap();
            prop_assert_eq!(rows.len(), 91);
            let names: BTreeSet<_> = rows.iter().map(|row| row.key.clone()).collect();
            let tokens: BTreeSet<_> = rows.iter().map(|row| (row.key.exchange, row.token)).collect();
            prop_assert_eq!((names.len(), tokens.len()), (91, 91));
            for row in &rows {
                if let Kind::Future { expiry } | Kind::Option { expiry, .. } = row.kind {
                    prop_assert!(expiry >= today && expiry.weekday() == Weekday::Tue);
                }
                if let Some((low, high)) = row.band {
                    prop_assert!(low.is_on_tick(row.tick) && high.is_on_tick(row.tick) && low < high);
                }
            }
        }
    }
}
