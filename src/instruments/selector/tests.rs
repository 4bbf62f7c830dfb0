use super::*;
use crate::instruments::{InstrumentTable, Rolls};
use ordergate_actors::order::{Instrument, InstrumentKey, Kind, Quantity};
use proptest::prelude::*;
use std::sync::Arc;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn row(exchange: Exchange, underlying: &str, symbol: &str, token: u32, kind: Kind) -> Instrument {
    Instrument {
        rupees_per_point: rust_decimal::Decimal::ONE,
        key: InstrumentKey::new(exchange, symbol),
        token,
        underlying: Arc::from(underlying),
        kind,
        lot: Quantity::new(65).unwrap(),
        tick: Price::parse("0.05").unwrap(),
        freeze: None,
        band: None,
    }
}

/// `underlying` with these strikes, calls and puts, on each of these days.
fn options(exchange: Exchange, underlying: &str, days: &[&str], strikes: &[&str], rows: &mut Vec<Instrument>) {
    for expiry in days {
        for strike in strikes {
            for (right, letter) in [(Right::Call, "C"), (Right::Put, "P")] {
                let kind = Kind::Option { expiry: day(expiry), strike: Price::parse(strike).unwrap(), right };
                let symbol = format!("{underlying}-{expiry}-{letter}{strike}");
                rows.push(row(exchange, underlying, &symbol, u32::try_from(rows.len()).unwrap(), kind));
            }
        }
    }
}

fn futures(exchange: Exchange, underlying: &str, days: &[&str], rows: &mut Vec<Instrument>) {
    for expiry in days {
        let kind = Kind::Future { expiry: day(expiry) };
        rows.push(row(exchange, underlying, &format!("{underlying}-{expiry}-F"), u32::try_from(rows.len()).unwrap(), kind));
    }
}

fn table() -> InstrumentTable {
    let mut rows = Vec::new();
    let weeks = ["2026-11-17", "2026-11-23", "2026-12-01", "2026-12-08", "2026-12-29"];
    options(Exchange::Nfo, "NIFTY", &weeks, &["25600", "25650", "25700", "25750", "25800"], &mut rows);
    options(Exchange::Nfo, "BANKNIFTY", &["2026-11-23", "2026-12-29"], &["58000", "58100"], &mut rows);
    options(Exchange::Nfo, "WIPRO", &["2026-11-23"], &["307.5", "310", "312.5", "315", "320"], &mut rows);
    futures(Exchange::Nfo, "NIFTY", &["2026-11-23", "2026-12-29", "2027-01-25"], &mut rows);
    futures(Exchange::Mcx, "GOLD", &["2026-12-04"], &mut rows);
    futures(Exchange::Cds, "GOLD", &["2026-12-04"], &mut rows);
    InstrumentTable::new(rows)
}

fn named(words: &str, table: &InstrumentTable, today: &str) -> Result<Arc<Instrument>, Unresolved> {
    let selector: Selector = words.parse().unwrap();
    selector.resolve(table, &Centre::Said(None), day(today), &Rolls::default()).map(|settled| settled.instrument)
}

fn resolve(text: &str, spot: &str, today: &str) -> String {
    let spot = (!spot.is_empty()).then(|| Price::parse(spot).unwrap());
    match text.parse::<Selector>() {
        Err(error) => error.to_string(),
        Ok(selector) => match selector.resolve(&table(), &Centre::Said(spot), day(today), &Rolls::default()) {
            Ok(found) => found.instrument.key.symbol.to_string(),
            Err(error) => error.to_string(),
        },
    }
}

#[test]
fn expiries_by_rank_week_month_and_date() {
    for (words, found) in [
        ("NIFTY near ATM CE", "NIFTY-2026-11-23-C25700"),
        ("nifty 0 atm ce", "NIFTY-2026-11-23-C25700"),
        ("NIFTY next ATM PE", "NIFTY-2026-12-01-P25700"),
        ("NIFTY far ATM PE", "NIFTY-2026-12-08-P25700"),
        ("NIFTY weekly ATM+1 CE", "NIFTY-2026-11-23-C25750"),
        ("NIFTY weekly+1 ATM-2 CE", "NIFTY-2026-12-01-C25600"),
        ("NIFTY monthly ATM CE", "NIFTY-2026-11-23-C25700"),
        ("NIFTY monthly+1 ATM CE", "NIFTY-2026-12-29-C25700"),
        ("NIFTY 2026-12-08 25650 PE", "NIFTY-2026-12-08-P25650"),
        ("NIFTY 08DEC26 25650.00 PE", "NIFTY-2026-12-08-P25650"),
        ("BANKNIFTY monthly ATM CE", "BANKNIFTY-2026-11-23-C58000"),
        ("NIFTY near FUT", "NIFTY-2026-11-23-F"),
        ("NIFTY monthly+2 FUT", "NIFTY-2027-01-25-F"),
        ("MCX:GOLD near FUT", "GOLD-2026-12-04-F"),
    ] {
        let spot = if words.starts_with("BANK") { "58020" } else { "25712.35" };
        assert_eq!(resolve(words, spot, "2026-11-20"), found, "{words}");
    }
}

/// The expiry that a holiday moved to Monday the 23rd is good until its evening; from the 24th on the next one counts.
#[test]
fn an_expired_contract_is_never_found() {
    for (today, weekly, monthly, future) in [
        ("2026-11-17", "2026-11-17", "2026-11-23", "2026-11-23"),
        ("2026-11-18", "2026-11-23", "2026-11-23", "2026-11-23"),
        ("2026-11-23", "2026-11-23", "2026-11-23", "2026-11-23"),
        ("2026-11-24", "2026-12-01", "2026-12-29", "2026-12-29"),
    ] {
        assert_eq!(resolve("NIFTY weekly ATM CE", "25700", today), format!("NIFTY-{weekly}-C25700"), "{today}");
        assert_eq!(resolve("NIFTY monthly ATM CE", "25700", today), format!("NIFTY-{monthly}-C25700"), "{today}");
        assert_eq!(resolve("NIFTY near FUT", "", today), format!("NIFTY-{future}-F"), "{today}");
    }
    assert_eq!(
        resolve("NIFTY 2026-11-23 25700 CE", "", "2026-11-24"),
        "NIFTY has no expiry 2026-11-23: nothing expires then, or it has expired; it has 2026-12-01, 2026-12-08, 2026-12-29"
    );
    assert_eq!(resolve("WIPRO near ATM CE", "310", "2026-11-24"), "there are no contracts of WIPRO");
}

#[test]
fn strikes_are_those_of_the_rows_also_fractions_and_uneven_steps() {
    for (words, spot, found) in [
        ("WIPRO near ATM CE", "311.2", "WIPRO-2026-11-23-C310"),
        ("WIPRO near ATM CE", "311.25", "WIPRO-2026-11-23-C310"),
        ("WIPRO near ATM CE", "311.3", "WIPRO-2026-11-23-C312.5"),
        ("WIPRO near ATM+2 PE", "311.3", "WIPRO-2026-11-23-P320"),
        ("WIPRO near ATM-1 PE", "9000", "WIPRO-2026-11-23-P315"),
        ("WIPRO near 312.50 PE", "", "WIPRO-2026-11-23-P312.5"),
    ] {
        assert_eq!(resolve(words, spot, "2026-11-20"), found, "{words} at {spot}");
    }
    assert_eq!(
        resolve("WIPRO near ATM+3 PE", "311.3", "2026-11-20"),
        "WIPRO 2026-11-23 has no strike ATM+3; its strikes go from 307.5 to 320, near it are 310, 312.5, 315"
    );
    assert!(resolve("WIPRO near 312 PE", "", "2026-11-20").contains("has no strike 312; its strikes go from 307.5 to 320"));
    assert_eq!(resolve("WIPRO near ATM PE", "", "2026-11-20"), "ATM needs the price of WIPRO, and none is known");
}

/// A list that ends before the month does has no monthly expiry yet; weeks may lie in two months.
#[test]
fn the_futures_say_which_expiry_is_the_monthly_one() {
    let mut rows = Vec::new();
    options(Exchange::Nfo, "X", &["2026-11-24", "2026-12-01", "2026-12-08", "2027-03-23", "2027-03-30"], &["100"], &mut rows);
    futures(Exchange::Nfo, "X", &["2026-11-24", "2026-12-29"], &mut rows);
    let table = InstrumentTable::new(rows);
    let resolve = |words: &str, today| named(words, &table, today).map(|row| row.key.symbol.to_string());
    assert_eq!(resolve("X monthly 100 CE", "2026-11-20").unwrap(), "X-2026-11-24-C100");
    assert_eq!(resolve("X monthly+2 100 CE", "2026-11-20").unwrap(), "X-2027-03-30-C100");
    for (words, today) in [("X monthly+1 100 CE", "2026-11-20"), ("X monthly 100 CE", "2026-12-02")] {
        assert!(resolve(words, today).unwrap_err().to_string().contains("no contract of that month's expiry is listed"));
    }
    assert_eq!(resolve("X monthly 100 CE", "2026-11-24").unwrap(), "X-2026-11-24-C100");
    assert_eq!(resolve("X weekly+1 100 CE", "2026-11-20").unwrap(), "X-2026-12-01-C100");
    assert!(resolve("X weekly FUT", "2026-11-20").unwrap_err().to_string().contains("it expires once a month"));
}

#[test]
fn what_is_not_one_instrument_is_said_with_the_names() {
    assert_eq!(resolve("GOLD near FUT", "", "2026-11-20"), "GOLD is traded on several exchanges: name one (MCX:GOLD or CDS:GOLD)");
    assert!(resolve("NIFTI near FUT", "", "2026-11-20").starts_with("there are no contracts of NIFTI; the likest names are NIFTY"));
    assert_eq!(
        resolve("BANKNIFTY weekly ATM CE", "58000", "2026-11-20"),
        "BANKNIFTY has no expiry weekly: it expires once a month; say monthly; it has 2026-11-23, 2026-12-29"
    );
    assert!(resolve("NIFTY 9 ATM CE", "25700", "2026-11-20").contains("NIFTY has no expiry 9: there are not so many"));
    let mut rows = Vec::new();
    futures(Exchange::Nfo, "X", &["2026-11-23"], &mut rows);
    rows.push(Instrument { key: InstrumentKey::new(Exchange::Nfo, "X-MINI"), ..rows[0].clone() });
    let error = named("X near FUT", &InstrumentTable::new(rows), "2026-11-20").unwrap_err();
    assert_eq!(error.to_string(), "X 2026-11-23 FUT is not one instrument: NFO:X-2026-11-23-F, NFO:X-MINI");
    let mut rows = Vec::new();
    options(Exchange::Nfo, "X", &["2026-11-23"], &["100"], &mut rows);
    rows.truncate(1);
    let error = named("X near 100 PE", &InstrumentTable::new(rows), "2026-11-20").unwrap_err();
    assert_eq!(error.to_string(), "X 2026-11-23 100 PE is not listed");
}

#[test]
fn words_that_are_no_selector_are_named() {
    for (text, rule) in [
        ("", "and has 0"),
        ("NIFTY weekly", "and has 2"),
        ("NIFTY weekly ATM CE now", "and has 5"),
        ("NIFTY weekly ATM", "its last word \"ATM\" is not CE, PE or FUT"),
        ("NIFTY weekly CE", "an option needs a strike before CE"),
        ("NIFTY weekly ATM FUT", "a future has no strike, and it names \"ATM\""),
        ("NIFTY weekly ATM1 CE", "the strike \"ATM1\" is not"),
        ("NIFTY weekly ATM+x CE", "the strike \"ATM+X\" is not"),
        ("NIFTY weekly -5 CE", "the strike \"-5\" is not"),
        ("NIFTY yearly ATM CE", "the expiry \"YEARLY\" is not"),
        ("NIFTY weekly1 ATM CE", "the expiry \"WEEKLY1\" is not"),
        ("NIFTY 2026-02-30 FUT", "the expiry \"2026-02-30\" is not"),
        ("NYSE:GOLD near FUT", "\"NYSE\" is not an exchange"),
        ("MCX: near FUT", "the underlying is missing"),
    ] {
        let error = text.parse::<Selector>().unwrap_err().to_string();
        assert!(error.contains(rule), "{rule:?} is not in {error:?}");
    }
}

proptest! {
    #[test]
    fn prop_a_selector_reads_as_it_is_shown(
        exchange in proptest::option::of(proptest::sample::select(Exchange::ALL.to_vec())),
        underlying in "[A-Z&-]{1,12}",
        expiry in prop_oneof![
            (0_usize..100).prop_map(Expiry::Rank), (0_usize..=255).prop_map(Expiry::Weekly), (0_usize..=255).prop_map(Expiry::Monthly),
            (1_usize..=9).prop_map(Expiry::Continuous), (1_i32..9_999, 1_u32..=12).prop_map(|(year, month)| Expiry::InMonth(year, month)),
            (0_u64..20_000).prop_map(|n| Expiry::On(NaiveDate::default() + chrono::Days::new(n))),
        ],
        contract in prop_oneof![
            Just(Contract::Future),
            (-1_000_i32..=1_000).prop_map(|n| Contract::Option { strike: Strike::Atm(n), right: Right::Put }),
            (1_i64..9_999_999).prop_map(|n| Contract::Option {
                strike: Strike::At(Price::new(rust_decimal::Decimal::new(n, 2)).unwrap()),
                right: Right::Call,
            }),
        ],
    ) {
        let selector = Selector { exchange, underlying, expiry, contract };
        prop_assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
    }

    #[test]
    fn prop_no_text_panics(text in ".{0,40}") {
        let _ = text.parse::<Selector>();
    }
}
