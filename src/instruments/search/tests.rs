use super::*;
use crate::instruments::sample;
use ordergate_actors::order::{Kind, Price, Quantity, Right};
use ordergate_actors::ports::Instruments;

fn table() -> InstrumentTable {
    InstrumentTable::new(sample("2026-11-20".parse().unwrap()).unwrap())
}

fn names(found: &[Arc<Instrument>]) -> Vec<String> {
    found.iter().map(|row| row.key.symbol.to_string()).collect()
}

/// 200,000 options of 400 underlyings: `U017` has 10 expiries and 25 strikes, calls and puts.
fn large() -> InstrumentTable {
    let (lot, tick) = (Quantity::new(50).unwrap(), Price::parse("0.05").unwrap());
    let first = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let rows = (0_u32..200_000).map(move |number| {
        let (underlying, rest) = (number / 500, number % 500);
        let (week, strike, odd) = (rest / 50, 1_000 + rest % 50 / 2 * 50, rest % 2);
        let expiry = first + chrono::Days::new(u64::from(week) * 7);
        let (right, letter) = if odd == 0 { (Right::Call, 'C') } else { (Right::Put, 'P') };
        let name = format!("U{underlying:03}");
        Instrument {
            rupees_per_point: rust_decimal::Decimal::ONE,
            key: InstrumentKey::new(
                Exchange::Nfo,
                &format!("{name}{}{letter}{strike}", expiry.format("%d%b%y").to_string().to_uppercase()),
            ),
            token: number,
            underlying: Arc::from(name),
            kind: Kind::Option { expiry, strike: Price::parse(&strike.to_string()).unwrap(), right },
            lot,
            tick,
            freeze: None,
            band: None,
        }
    });
    InstrumentTable::new(rows)
}

#[test]
fn every_word_must_be_there_in_any_case() {
    let table = table();
    assert_eq!(names(&table.search("nifty 24nov26c 257", 50)), ["NIFTY24NOV26C25700", "NIFTY24NOV26C25750"]);
    assert_eq!(table.search("NIFTY", 3).len(), 3);
    assert!(table.search("ZZZ", 3).is_empty());
    assert_eq!(names(&table.search("nifty ce 2026-11-24 25700", 5)), ["NIFTY24NOV26C25700"]);
    assert_eq!(names(&table.search("nifty fut", 5)), ["NIFTY24NOV26F", "NIFTY29DEC26F"]);
    assert_eq!(table.search("", 1_000).len(), table.len());
    let (count, found) = table.search_in(Some(Exchange::Nse), "n", 2);
    assert_eq!((count, found.len()), (4, 2), "RELIANCE, SBIN, INFY and NIFTY have an n");
}

#[test]
fn the_exact_name_comes_first_then_its_contracts_the_nearest_expiry_before_later_ones() {
    let table = table();
    assert_eq!(names(&table.search("nifty29dec26f", 1)), ["NIFTY29DEC26F"]);
    let found = names(&table.search("nifty", 1_000));
    assert_eq!(found[..2], ["NIFTY", "NIFTY24NOV26F"]);
    let of = |name: &str| found.iter().position(|other| other == name).unwrap();
    assert!(of("NIFTY24NOV26P26200") < of("NIFTY01DEC26C25200") && of("NIFTY01DEC26P26200") < of("NIFTY29DEC26F"));
    let mut rows = sample("2026-11-20".parse().unwrap()).unwrap();
    let mut bees = rows[0].clone();
    (bees.key, bees.token, bees.underlying) = (InstrumentKey::new(Exchange::Nse, "NIFTYBEES-EQ"), 9, Arc::from("NIFTYBEES"));
    rows.insert(0, bees);
    let found = names(&InstrumentTable::new(rows).search("nifty", 1_000));
    assert_eq!(found.last().map(String::as_str), Some("NIFTYBEES-EQ"), "what is of the underlying comes before what only begins like it");
}

#[test]
fn two_hundred_thousand_rows_are_searched_rightly_and_kept_in_little_room() {
    let table = large();
    assert_eq!(table.len(), 200_000);
    let plain = |words: &[&str]| table.iter().filter(|row| words.iter().all(|word| row.key.symbol.contains(word))).count();
    for words in [&["U017"][..], &["U017", "C1100"], &["01DEC26", "P2000"], &["7"], &["NOV26C10", "39"], &["U399", "26P"], &["C11500"]] {
        let (count, found) = table.search_in(None, &words.join(" "), 20);
        assert_eq!(count, plain(words), "{words:?}");
        assert_eq!(found.len(), count.min(20));
        assert!(found.iter().all(|row| words.iter().all(|word| row.key.symbol.contains(word))));
    }
    let last = table.iter().last().unwrap();
    assert_eq!(table.find(&last.key), Some(Arc::clone(&last)));
    assert_eq!(table.by_token(Exchange::Nfo, 199_999), Some(last));
    let per_row = table.heap_bytes() / table.len();
    assert!(per_row < 100, "{per_row} bytes a row");
}

#[test]
fn the_nearest_names_are_those_with_the_fewest_changes() {
    let near = |symbol: &str| table().nearest(Some(Exchange::Nfo), symbol, 3).iter().map(|key| key.symbol.to_string()).collect::<Vec<_>>();
    assert_eq!(near("NIFTY24NOV26C25705")[0], "NIFTY24NOV26C25700");
    assert_eq!(near("nifty24nov26fut")[0], "NIFTY24NOV26F");
    assert_eq!(near("x").len(), 3);
    assert_eq!(table().nearest(None, "RELIANCE", 1)[0].to_string(), "NSE:RELIANCE-EQ");
    assert_eq!(table().nearest(Some(Exchange::Mcx), "RELIANCE", 3), []);
    assert_eq!(table().nearest_underlyings("RELIANSE", 1), [Arc::from("RELIANCE")]);
    let large = large();
    assert!(large.nearest(None, "U01724NOV26C1101", 3).iter().any(|key| &*key.symbol == "U01724NOV26C1100"));
}

#[test]
fn distance_counts_changes() {
    for (a, b, wanted) in [("", "", 0), ("A", "", 1), ("KITTEN", "SITTING", 3), ("SAME", "SAME", 0), ("AB", "BA", 2)] {
        assert_eq!((distance(a, b), distance(b, a)), (wanted, wanted), "{a} {b}");
    }
}
