//! What is listed at the simulated broker: the sample, and a few rows of the exchanges that it lacks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity, Right};
use ordergate_actors::ports::Instruments;
use parking_lot::RwLock;
use rust_decimal::Decimal;

use crate::instruments::{BadSample, InstrumentTable, sample};

/// The instruments of the day, found by name and by token. The day can change.
#[derive(Debug)]
pub(super) struct Listing {
    day: RwLock<Day>,
}

#[derive(Debug)]
struct Day {
    date: NaiveDate,
    table: InstrumentTable,
    by_token: HashMap<(Exchange, u32), InstrumentKey>,
}

impl Day {
    fn new(date: NaiveDate) -> Result<Self, BadSample> {
        let table = InstrumentTable::new(sample(date)?.into_iter().chain(others(date)));
        let by_token = table.iter().map(|row| ((row.key.exchange, row.token), row.key.clone())).collect();
        Ok(Self { date, table, by_token })
    }
}

impl Listing {
    /// The listing of that day. A contract is in it up to its last day.
    pub(super) fn new(today: NaiveDate) -> Result<Self, BadSample> {
        Ok(Self { day: RwLock::new(Day::new(today)?) })
    }

    /// Lists what there is on that day, if it is another than before.
    pub(super) fn turn_to(&self, today: NaiveDate) {
        if self.day.read().date != today
            && let Ok(day) = Day::new(today)
        {
            *self.day.write() = day;
        }
    }

    pub(super) fn rows(&self) -> Vec<Arc<Instrument>> {
        self.day.read().table.iter().collect()
    }

    pub(super) fn by_token(&self, exchange: Exchange, token: u32) -> Option<Arc<Instrument>> {
        let day = self.day.read();
        day.table.find(day.by_token.get(&(exchange, token))?)
    }

    pub(super) fn search(&self, text: &str, limit: usize) -> Vec<Arc<Instrument>> {
        self.day.read().table.search(text, limit)
    }

    /// The quoted row that an instrument's price follows.
    pub(super) fn underlying(&self, of: &Instrument) -> Option<Arc<Instrument>> {
        let day = self.day.read();
        day.table.iter().find(|row| row.underlying == of.underlying && matches!(row.kind, Kind::Index | Kind::Equity))
    }
}

impl Instruments for Listing {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.day.read().table.find(key)
    }

    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

/// Where the synthetic market moves the underlyings that the sample does not have.
pub(super) fn levels() -> BTreeMap<&'static str, Price> {
    [("SENSEX", 84_500), ("CRUDEOILM", 5_400), ("GOLDM", 75_000), ("USDINR", 88)]
        .into_iter()
        .filter_map(|(name, level)| Some((name, Price::new(Decimal::from(level))?)))
        .collect()
}

/// What the master file calls the kind.
pub(super) fn instrument_name(row: &Instrument) -> &'static str {
    let is_index = row.key.exchange == Exchange::Nfo || row.key.exchange == Exchange::Bfo;
    match (&row.kind, row.key.exchange) {
        (Kind::Equity, _) => "EQ",
        (Kind::Index, _) => "INDEX",
        (Kind::Future { .. }, Exchange::Mcx) => "FUTCOM",
        (Kind::Option { .. }, Exchange::Mcx) => "OPTFUT",
        (Kind::Future { .. }, Exchange::Cds) => "FUTCUR",
        (Kind::Option { .. }, Exchange::Cds) => "OPTCUR",
        (Kind::Future { .. }, _) if is_index => "FUTIDX",
        (Kind::Option { .. }, _) if is_index => "OPTIDX",
        (Kind::Future { .. }, _) => "FUTSTK",
        (Kind::Option { .. }, _) => "OPTSTK",
    }
}

/// The master file's `Symbol`: BSE names the underlyings of its derivatives otherwise.
pub(super) fn symbol_name(row: &Instrument) -> String {
    match (row.key.exchange, &*row.underlying) {
        (Exchange::Bfo, "SENSEX") => "BSXOPT".to_owned(),
        (_, name) => name.to_owned(),
    }
}

/// Decimals of its prices.
pub(super) fn precision(exchange: Exchange) -> u32 {
    if exchange == Exchange::Cds { 4 } else { 2 }
}

/// The two numbers whose product is what a point of a unit is worth in rupees (`mult`, `prcftr`): the first one is whole.
pub(super) fn point_factors(row: &Instrument) -> (Decimal, Decimal) {
    if row.rupees_per_point.fract().is_zero() { (row.rupees_per_point, Decimal::ONE) } else { (Decimal::ONE, row.rupees_per_point) }
}

/// `24-NOV-2026`
pub(super) fn expiry_text(date: NaiveDate) -> String {
    date.format("%d-%b-%Y").to_string().to_ascii_uppercase()
}

fn others(today: NaiveDate) -> Vec<Instrument> {
    let mut rows = vec![
        row(Exchange::Bse, "RELIANCE", 500_325, "RELIANCE", Kind::Equity, (1, Decimal::new(5, 2))),
        row(Exchange::Bse, "SBIN", 500_112, "SBIN", Kind::Equity, (1, Decimal::new(5, 2))),
        row(Exchange::Bse, "SENSEX", 1, "SENSEX", Kind::Index, (20, Decimal::new(1, 2))),
    ];
    let thursdays = today.iter_days().filter(|day| day.weekday() == Weekday::Thu).take(2);
    for expiry in thursdays {
        rows.extend(sensex_options(expiry));
    }
    for expiry in monthly(today, 19) {
        let symbol = format!("CRUDEOILM{}", dated(expiry));
        rows.push(row(Exchange::Mcx, &symbol, dated_token(expiry, 700), "CRUDEOILM", Kind::Future { expiry }, (10, Decimal::ONE)));
    }
    for expiry in monthly(today, 5) {
        // Quoted by ten grams, traded by the gram: a point of a unit is a tenth of a rupee.
        let symbol = format!("GOLDM{}", dated(expiry));
        let gold = row(Exchange::Mcx, &symbol, dated_token(expiry, 710), "GOLDM", Kind::Future { expiry }, (100, Decimal::ONE));
        rows.push(gold.map(|gold| Instrument { rupees_per_point: Decimal::new(1, 1), ..gold }));
    }
    for expiry in monthly(today, 27) {
        let symbol = format!("USDINR{}F", dated(expiry));
        let dollars = row(Exchange::Cds, &symbol, dated_token(expiry, 800), "USDINR", Kind::Future { expiry }, (1, Decimal::new(25, 4)));
        rows.push(dollars.map(|dollars| Instrument { rupees_per_point: Decimal::ONE_THOUSAND, ..dollars }));
    }
    rows.into_iter().flatten().collect()
}

fn sensex_options(expiry: NaiveDate) -> Vec<Option<Instrument>> {
    let month = match expiry.month() {
        10 => "O".to_owned(),
        11 => "N".to_owned(),
        12 => "D".to_owned(),
        month => month.to_string(),
    };
    let year = expiry.year().rem_euclid(100);
    let mut rows = Vec::new();
    for place in 0_u32..9 {
        let strike = 84_100 + place * 100;
        for (right, letters, odd) in [(Right::Call, "CE", 0), (Right::Put, "PE", 1)] {
            let symbol = format!("SENSEX{year:02}{month}{:02}{strike}{letters}", expiry.day());
            let kind = Price::new(Decimal::from(strike)).map(|strike| Kind::Option { expiry, strike, right });
            let token = dated_token(expiry, 300 + place * 2 + odd);
            rows.push(kind.and_then(|kind| {
                let made = row(Exchange::Bfo, &symbol, token, "SENSEX", kind, (20, Decimal::new(5, 2)))?;
                Some(Instrument { freeze: Quantity::new(1_000), ..made })
            }));
        }
    }
    rows
}

fn row(exchange: Exchange, symbol: &str, token: u32, underlying: &str, kind: Kind, (lot, tick): (i64, Decimal)) -> Option<Instrument> {
    Some(Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(exchange, symbol),
        token,
        underlying: Arc::from(underlying),
        kind,
        lot: Quantity::new(lot)?,
        tick: Price::new(tick)?,
        freeze: None,
        band: None,
    })
}

/// That day of this and the next months, two of them, none in the past.
fn monthly(today: NaiveDate, day: u32) -> impl Iterator<Item = NaiveDate> {
    (0..4)
        .filter_map(move |months| {
            today.with_day(1)?.checked_add_months(Months::new(months))?.checked_add_days(Days::new(u64::from(day) - 1))
        })
        .filter(move |date| *date >= today)
        .take(2)
}

fn dated(expiry: NaiveDate) -> String {
    expiry.format("%d%b%y").to_string().to_ascii_uppercase()
}

fn dated_token(expiry: NaiveDate, place: u32) -> u32 {
    expiry.num_days_from_ce().unsigned_abs() * 1_000 + place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exchange_has_rows_and_every_token_is_one_of_its_exchange() {
        let listing = Listing::new("2026-11-20".parse().unwrap()).unwrap();
        for exchange in [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo, Exchange::Mcx, Exchange::Cds] {
            assert!(listing.rows().iter().any(|row| row.key.exchange == exchange), "{exchange}");
        }
        for row in listing.rows().iter() {
            assert_eq!(listing.by_token(row.key.exchange, row.token).unwrap().key, row.key);
        }
        let names: Vec<String> = listing.rows().iter().map(|row| row.key.to_string()).collect();
        for name in ["BFO:SENSEX26N2684500CE", "MCX:CRUDEOILM19DEC26", "CDS:USDINR27NOV26F", "BSE:RELIANCE"] {
            assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
        }
    }
}
