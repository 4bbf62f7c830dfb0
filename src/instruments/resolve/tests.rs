use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Price};
use ordergate_actors::ports::{Closable, Instruments, Purpose, Rule, Spelling, Why};
use proptest::prelude::*;

use super::Rolls;
use crate::instruments::master::{EquityTick, Facts, parse};
use crate::instruments::{InstrumentTable, Masters};

/// A Friday. Tuesday the 24th is a holiday: the contracts of that week end on Monday the 23rd.
const TODAY: &str = "2026-11-20";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn key(text: &str) -> InstrumentKey {
    let (exchange, symbol) = text.split_once(':').unwrap();
    InstrumentKey::new(Exchange::parse(exchange).unwrap(), symbol)
}

fn files() -> [(Exchange, &'static str); 6] {
    [
        (Exchange::Nse, include_str!("../../../tests/fixtures/masters/NSE.txt")),
        (Exchange::Bse, include_str!("../../../tests/fixtures/masters/BSE.txt")),
        (Exchange::Nfo, include_str!("../../../tests/fixtures/masters/NFO.txt")),
        (Exchange::Bfo, include_str!("../../../tests/fixtures/masters/BFO.txt")),
        (Exchange::Mcx, include_str!("../../../tests/fixtures/masters/MCX.txt")),
        (Exchange::Cds, include_str!("../../../tests/fixtures/masters/CDS.txt")),
    ]
}

/// What the files of the day say, read as the engine reads them.
fn rows() -> Vec<Instrument> {
    let facts = Facts::built_in().unwrap();
    let read = |(exchange, text): (Exchange, &str)| {
        let parsed = parse(text.as_bytes(), exchange, EquityTick::Paise, &facts).unwrap();
        assert_eq!(parsed.bad, [], "{exchange}");
        parsed.rows
    };
    files().into_iter().flat_map(read).collect()
}

fn masters() -> Masters {
    Masters::new(InstrumentTable::new(rows()))
}

fn spot(key: &InstrumentKey) -> Option<Price> {
    let price = match &*key.symbol {
        "Nifty 50" => "25012.35",
        "Nifty Bank" => "58190",
        "SENSEX" => "81240.10",
        "RELIANCE-EQ" => "1421.05",
        "VEDL-EQ" => "291.30",
        "CRUDEOIL18DEC26" => "5431",
        "USDINR26NOV26F" => "89.1",
        _ => return None,
    };
    Some(Price::parse(price).unwrap())
}

fn read(masters: &Masters, exchange: &str, symbol: &str, purpose: Purpose<'_>, today: &str) -> String {
    let exchange = Some(exchange).filter(|text| !text.is_empty() && *text != "-");
    match masters.resolve(&Spelling { exchange, symbol, purpose, today: day(today) }, &spot) {
        Ok(read) => format!("{} {:?}", read.instrument.key, read.rule),
        Err(trouble) => format!("{:?}: {trouble}", trouble.why),
    }
}

/// exchange beside it | spelling | instrument and rule, or the start of the refusal
const SPELLINGS: &str = "
NSE | RELIANCE-EQ | NSE:RELIANCE-EQ BrokerSymbol
NSE | reliance-eq | NSE:RELIANCE-EQ BrokerSymbol
NSE | M&M-EQ | NSE:M&M-EQ BrokerSymbol
NSE | JPPOWER-BE | NSE:JPPOWER-BE BrokerSymbol
NSE | TTLBOTH-BE | NSE:TTLBOTH-BE BrokerSymbol
NSE | SMECO-SM | NSE:SMECO-SM BrokerSymbol
NSE | Nifty 50 | NSE:Nifty 50 BrokerSymbol
BSE | RELIANCE | BSE:RELIANCE BrokerSymbol
NFO | NIFTY23NOV26F | NFO:NIFTY23NOV26F BrokerSymbol
NFO | NIFTY01DEC26C25000 | NFO:NIFTY01DEC26C25000 BrokerSymbol
NFO | VEDL23NOV26P292.5 | NFO:VEDL23NOV26P292.5 BrokerSymbol
BFO | SENSEX26NOV81000PE | BFO:SENSEX26NOV81000PE BrokerSymbol
BFO | SENSEX26D0381000CE | BFO:SENSEX26D0381000CE BrokerSymbol
BFO | SENSEX26NOVFUT | BFO:SENSEX26NOVFUT BrokerSymbol
MCX | CRUDEOILM18DEC26 | MCX:CRUDEOILM18DEC26 BrokerSymbol
MCX | NATURALGAS23NOV26P305 | MCX:NATURALGAS23NOV26P305 BrokerSymbol
CDS | USDINR26NOV26C88.75 | CDS:USDINR26NOV26C88.75 BrokerSymbol
- | NIFTY23NOV26F | NFO:NIFTY23NOV26F BrokerSymbol
- | SENSEX26NOVFUT | BFO:SENSEX26NOVFUT BrokerSymbol
- | CRUDEOILM18DEC26 | MCX:CRUDEOILM18DEC26 BrokerSymbol
- | BSEONLY | BSE:BSEONLY BrokerSymbol
NSE | NIFTY23NOV26F | NFO:NIFTY23NOV26F BrokerSymbol
BSE | SENSEX26NOVFUT | BFO:SENSEX26NOVFUT BrokerSymbol
- | NFO:NIFTY23NOV26F | NFO:NIFTY23NOV26F BrokerSymbol
- | BSE:RELIANCE | BSE:RELIANCE BrokerSymbol
NSE | RELIANCE | NSE:RELIANCE-EQ Share
- | NSE:RELIANCE | NSE:RELIANCE-EQ Share
NSE | NSE:RELIANCE | NSE:RELIANCE-EQ Share
NSE | reliance | NSE:RELIANCE-EQ Share
NSE | M_M | NSE:M&M-EQ Share
NSE | M&M | NSE:M&M-EQ Share
NSE | M_MFIN | NSE:M&MFIN-EQ Share
- | NSE:M_M | NSE:M&M-EQ Share
NSE | BAJAJ_AUTO | NSE:BAJAJ-AUTO-EQ Share
NSE | BAJAJ-AUTO | NSE:BAJAJ-AUTO-EQ Share
NSE | J_KBANK | NSE:J&KBANK-EQ Share
NSE | NAM_INDIA | NSE:NAM-INDIA-EQ Share
NSE | ARE_M | NSE:ARE&M-EQ Share
NSE | JPPOWER | NSE:JPPOWER-BE Share
NSE | TTLBOTH | NSE:TTLBOTH-EQ Share
NSE | 360ONE | NSE:360ONE-EQ Share
NSE | 3MINDIA | NSE:3MINDIA-EQ Share
NSE | 20MICRONS | NSE:20MICRONS-EQ Share
NSE | NIFTYBEES | NSE:NIFTYBEES-EQ Share
- | TCS | NSE:TCS-EQ Share
- | NIFTYBEES | NSE:NIFTYBEES-EQ Share
NSE_DLY | TCS | NSE:TCS-EQ Share
NSE_DL | TCS | NSE:TCS-EQ Share
- | NSE_DLY:TCS | NSE:TCS-EQ Share
- | NSE:TCS_DLY | NSE:TCS-EQ Share
NSE | M_M_DL | NSE:M&M-EQ Share
nse | tcs | NSE:TCS-EQ Share
BSE | M_M | BSE:M&M Share
BSE_DLY | KOTAK_CO | BSE:KOTAK&CO Share
- | BSE:M_M | BSE:M&M Share
- | BSE | NSE:BSE-EQ Share
- | MCX | NSE:MCX-EQ Share
- | NIFTY1! | NFO:NIFTY23NOV26F Continuous
- | NIFTY2! | NFO:NIFTY29DEC26F Continuous
- | NIFTY3! | NFO:NIFTY25JAN27F Continuous
NSE | NIFTY1! | NFO:NIFTY23NOV26F Continuous
NFO | NIFTY1! | NFO:NIFTY23NOV26F Continuous
- | NSE:NIFTY1! | NFO:NIFTY23NOV26F Continuous
NSE_DLY | NIFTY1! | NFO:NIFTY23NOV26F Continuous
- | NSE_DLY:BANKNIFTY1! | NFO:BANKNIFTY23NOV26F Continuous
NSE | BANKNIFTY2! | NFO:BANKNIFTY29DEC26F Continuous
NSE | FINNIFTY1! | NFO:FINNIFTY23NOV26F Continuous
NSE | MIDCPNIFTY1! | NFO:MIDCPNIFTY23NOV26F Continuous
NSE | NIFTYNXT501! | NFO:NIFTYNXT5023NOV26F Continuous
NSE | RELIANCE1! | NFO:RELIANCE23NOV26F Continuous
NSE | M_M1! | NFO:M&M23NOV26F Continuous
NSE | BAJAJ_AUTO2! | NFO:BAJAJ-AUTO29DEC26F Continuous
BSE | BSX1! | BFO:SENSEX26NOVFUT Continuous
BSE | SENSEX1! | BFO:SENSEX26NOVFUT Continuous
- | BSE:BSX2! | BFO:SENSEX26DECFUT Continuous
BSE | BKX1! | BFO:BANKEX26NOVFUT Continuous
- | BANKEX1! | BFO:BANKEX26NOVFUT Continuous
MCX | CRUDEOIL1! | MCX:CRUDEOIL18DEC26 Continuous
- | MCX:CRUDEOIL2! | MCX:CRUDEOIL19JAN27 Continuous
MCX_DLY | CRUDEOILM1! | MCX:CRUDEOILM18DEC26 Continuous
- | GOLD1! | MCX:GOLD04DEC26 Continuous
- | GOLD2! | MCX:GOLD05FEB27 Continuous
- | GOLDM1! | MCX:GOLDM04DEC26 Continuous
MCX | NATURALGAS1! | MCX:NATURALGAS24NOV26 Continuous
NSE | USDINR1! | CDS:USDINR26NOV26F Continuous
CDS | USDINR2! | CDS:USDINR29DEC26F Continuous
- | nifty1! | NFO:NIFTY23NOV26F Continuous
- | NIFTYX2026 | NFO:NIFTY23NOV26F MonthOfFuture
NSE | NIFTYZ2026 | NFO:NIFTY29DEC26F MonthOfFuture
NSE | NIFTYF2027 | NFO:NIFTY25JAN27F MonthOfFuture
MCX | CRUDEOILZ2026 | MCX:CRUDEOIL18DEC26 MonthOfFuture
BSE | BSXX2026 | BFO:SENSEX26NOVFUT MonthOfFuture
NSE | USDINRZ2026 | CDS:USDINR29DEC26F MonthOfFuture
- | NIFTY261201C25000 | NFO:NIFTY01DEC26C25000 Contract
NSE | NIFTY261201C25000 | NFO:NIFTY01DEC26C25000 Contract
- | NSE:NIFTY261123P24850 | NFO:NIFTY23NOV26P24850 Contract
NSE | BANKNIFTY261123C58000 | NFO:BANKNIFTY23NOV26C58000 Contract
NSE | NIFTYNXT50261123C68100 | NFO:NIFTYNXT5023NOV26C68100 Contract
NSE | VEDL261123C292.5 | NFO:VEDL23NOV26C292.5 Contract
NSE | M_M261123P3650 | NFO:M&M23NOV26P3650 Contract
NSE | BAJAJ_AUTO261229C9100 | NFO:BAJAJ-AUTO29DEC26C9100 Contract
BSE | BSX261126C81000 | BFO:SENSEX26NOV81000CE Contract
- | BSE:BSX261203P81100 | BFO:SENSEX26D0381100PE Contract
BSE | SENSEX261126C81000 | BFO:SENSEX26NOV81000CE Contract
BSE | BKX261126P64000 | BFO:BANKEX26NOV64000PE Contract
MCX | CRUDEOIL261216C5450 | MCX:CRUDEOIL16DEC26C5450 Contract
NFO | NIFTY23NOV2625000CE | NFO:NIFTY23NOV26C25000 Contract
- | NIFTY01DEC2625000PE | NFO:NIFTY01DEC26P25000 Contract
NFO | BANKNIFTY23NOV26FUT | NFO:BANKNIFTY23NOV26F Contract
NFO | VEDL23NOV26292.5CE | NFO:VEDL23NOV26C292.5 Contract
NFO | NIFTYNXT5023NOV2668100PE | NFO:NIFTYNXT5023NOV26P68100 Contract
NFO | M&M23NOV263650CE | NFO:M&M23NOV26C3650 Contract
NFO | BAJAJ-AUTO29DEC26FUT | NFO:BAJAJ-AUTO29DEC26F Contract
BFO | SENSEX26NOV2681000CE | BFO:SENSEX26NOV81000CE Contract
BFO | SENSEX03DEC2681000PE | BFO:SENSEX26D0381000PE Contract
BFO | SENSEX26NOV26FUT | BFO:SENSEX26NOVFUT Contract
BFO | SENSEX26NOV26C81000 | BFO:SENSEX26NOV81000CE Contract
MCX | CRUDEOILM18DEC26FUT | MCX:CRUDEOILM18DEC26 Contract
MCX | CRUDEOIL16DEC265450PE | MCX:CRUDEOIL16DEC26P5450 Contract
CDS | USDINR26NOV26FUT | CDS:USDINR26NOV26F Contract
CDS | USDINR26NOV2688.75CE | CDS:USDINR26NOV26C88.75 Contract
NSE_INDEX | NIFTY | NSE:Nifty 50 Index
NSE_INDEX | BANKNIFTY | NSE:Nifty Bank Index
NSE_INDEX | FINNIFTY | NSE:Nifty Fin Service Index
NSE_INDEX | MIDCPNIFTY | NSE:NIFTY MID SELECT Index
NSE_INDEX | INDIAVIX | NSE:INDIAVIX Index
NSE_INDEX | Nifty 50 | NSE:Nifty 50 Index
BSE_INDEX | SENSEX | BSE:SENSEX Index
BSE_INDEX | BANKEX | BSE:BANKEX Index
- | NSE_INDEX:NIFTY | NSE:Nifty 50 Index
NSE | NIFTY | NSE:Nifty 50 Index
- | NIFTY | NSE:Nifty 50 Index
- | NIFTY 50 | NSE:Nifty 50 Index
NSE | CNXFINANCE | NSE:Nifty Fin Service Index
NSE | NIFTY_MID_SELECT | NSE:NIFTY MID SELECT Index
NSE | Nifty IT | NSE:Nifty IT BrokerSymbol
NSE | NIFTY IT | NSE:Nifty IT Index
- | NIFTY weekly ATM CE | NFO:NIFTY23NOV26C25000 Selector
NFO | NIFTY weekly+1 ATM+1 CE | NFO:NIFTY01DEC26C25050 Selector
NSE | nifty weekly atm-2 put | NFO:NIFTY23NOV26P24900 Selector
- | NIFTY monthly+1 ATM PE | NFO:NIFTY29DEC26P25000 Selector
- | NIFTY next 24900 CE | NFO:NIFTY01DEC26C24900 Selector
- | BANKNIFTY monthly ATM CE | NFO:BANKNIFTY23NOV26C58200 Selector
- | BANKNIFTY monthly FUT | NFO:BANKNIFTY23NOV26F Selector
- | NIFTY 2! FUT | NFO:NIFTY29DEC26F Selector
- | NIFTY 2026-12 FUT | NFO:NIFTY29DEC26F Selector
- | NIFTY 2026-12-08 25000 PE | NFO:NIFTY08DEC26P25000 Selector
- | SENSEX weekly ATM CE | BFO:SENSEX26NOV81200CE Selector
BSE | BSX next ATM+1 PE | BFO:SENSEX26D0381300PE Selector
- | RELIANCE monthly ATM CE | NFO:RELIANCE23NOV26C1420 Selector
- | VEDL monthly ATM PE | NFO:VEDL23NOV26P292.5 Selector
- | MCX:CRUDEOIL near ATM CE | MCX:CRUDEOIL16DEC26C5450 Selector
- | CRUDEOIL near FUT | MCX:CRUDEOIL18DEC26 Selector
- | M_M monthly FUT | NFO:M&M23NOV26F Selector
- | USDINR near ATM CE | CDS:USDINR26NOV26C89 Selector
- | RELIANCE | Ambiguous: RELIANCE is the name of several instruments; name the exchange; it may be NSE:RELIANCE-EQ, BSE:RELIANCE
- | M_M | Ambiguous: M_M is the name of several instruments
NSE | SMECO | Unknown: SMECO is not in today's instrument master of NSE; nearest are
NSE | RELIANC | Unknown: RELIANC is not in today's instrument master of NSE; nearest are NSE:RELIANCE-EQ
NSE | BSEONLY | Unknown: BSEONLY is not in today's instrument master of NSE
BSE | NSE:TCS | Unknown: NSE:TCS names another exchange than the BSE that stands beside it
NFO | NIFTY | Unknown: NIFTY is not in today's instrument master of NFO; nearest are NFO:NIFTY23NOV26F
- | NASDAQ:AAPL | Unknown: \"NASDAQ\" is not an exchange
- | NIFTY4! | Unknown: NIFTY has no expiry 4!: there are not so many months; it has 2026-11-23, 2026-12-29, 2027-01-25; nearest are NFO:NIFTY23NOV26F, NFO:NIFTY29DEC26F, NFO:NIFTY25JAN27F
- | NIFTI1! | Unknown: there are no contracts of NIFTI
- | NIFTYH2027 | Unknown: NIFTY has no expiry 2027-03
- | NIFTY260929C25000 | Unknown: NIFTY has no expiry 2026-09-29: nothing expires then, or it has expired
- | NIFTY261201C25025 | Unknown: NIFTY 2026-12-01 has no strike 25025; its strikes go from 24800 to 25200, near it are 24950, 25000, 25050; nearest are NFO:NIFTY01DEC26C25000, NFO:NIFTY01DEC26C25050
NFO | NIFTY28MAR2420800CE | Unknown: NIFTY has no expiry 2024-03-28
- | BANKNIFTY weekly ATM CE | Unknown: BANKNIFTY has no expiry weekly: it expires once a month; say monthly
- | FINNIFTY monthly ATM CE | NoPrice: ATM needs the price of FINNIFTY, and there is no fresh quote of NSE:Nifty Fin Service, NFO:FINNIFTY23NOV26F
- | NIFTY weekly ATM+9 CE | Unknown: NIFTY 2026-11-23 has no strike ATM+9
- | NIFTY weeky ATM CE | Unknown: \"NIFTY weeky ATM CE\" is no selector
NSE_INDEX | RELIANCE | Unknown: RELIANCE is not in today's instrument master among the indices of NSE
";

#[test]
fn every_spelling_is_one_instrument_or_is_refused_with_names() {
    let masters = masters();
    let mut count = 0;
    for line in SPELLINGS.lines().filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [exchange, symbol, expected] = parts.as_slice() else { panic!("{line}") };
        let found = read(&masters, exchange, symbol, Purpose::Open, TODAY);
        assert!(found.starts_with(expected), "{exchange} {symbol}: {found}");
        count += 1;
    }
    assert!(count >= 120, "{count} spellings");
}

#[test]
fn a_refusal_names_three_at_most_and_the_words_say_by_what_it_was_read() {
    let masters = masters();
    let wish = |symbol| Spelling { exchange: None, symbol, purpose: Purpose::Open, today: day(TODAY) };
    for unknown in ["RELIANC", "NIFTI1!", "NIFTY260929C25000", "SENSEXX", "Q", "CRUDOIL1!"] {
        let trouble = masters.resolve(&wish(unknown), &spot).unwrap_err();
        assert!((1..=3).contains(&trouble.near.len()), "{unknown}: {trouble}");
        assert!(trouble.near.iter().all(|key| masters.find(key).is_some()), "{unknown}: only names that exist");
    }
    let words = |symbol| masters.resolve(&wish(symbol), &spot).unwrap().words;
    assert_eq!(words("NIFTY1!"), "the future of month 1, last day 2026-11-23, rolled 0 days before it");
    assert_eq!(words("JPPOWER"), "the share of NSE, series BE");
    assert_eq!(words("NIFTY weekly ATM CE"), "the wish NIFTY weekly ATM CE, last day 2026-11-23, at the money 25012.35 of NSE:Nifty 50");
}

/// The first month is that of the nearest future until the evening of its last day, or so many days less as the settings say.
#[test]
fn a_continuous_name_rolls_by_the_masters_own_days() {
    let rolled = Masters::new(InstrumentTable::new(rows())).rolled(Rolls::new([(Exchange::Nfo, 3), (Exchange::Mcx, 5)]));
    for (today, symbol, plain, early) in [
        ("2026-11-19", "NIFTY1!", "NFO:NIFTY23NOV26F", "NFO:NIFTY23NOV26F"),
        ("2026-11-20", "NIFTY1!", "NFO:NIFTY23NOV26F", "NFO:NIFTY23NOV26F"),
        ("2026-11-21", "NIFTY1!", "NFO:NIFTY23NOV26F", "NFO:NIFTY29DEC26F"),
        ("2026-11-23", "NIFTY1!", "NFO:NIFTY23NOV26F", "NFO:NIFTY29DEC26F"),
        ("2026-11-23", "NIFTY2!", "NFO:NIFTY29DEC26F", "NFO:NIFTY25JAN27F"),
        ("2026-11-24", "NIFTY1!", "NFO:NIFTY29DEC26F", "NFO:NIFTY29DEC26F"),
        ("2026-12-13", "CRUDEOIL1!", "MCX:CRUDEOIL18DEC26", "MCX:CRUDEOIL18DEC26"),
        ("2026-12-14", "CRUDEOIL1!", "MCX:CRUDEOIL18DEC26", "MCX:CRUDEOIL19JAN27"),
    ] {
        assert_eq!(read(&masters(), "", symbol, Purpose::Open, today), format!("{plain} Continuous"), "{symbol} {today}");
        assert_eq!(read(&rolled, "", symbol, Purpose::Open, today), format!("{early} Continuous"), "{symbol} {today}, rolled early");
    }
}

fn close(masters: &Masters, exchange: &str, symbol: &str, held: &[&str], entering: &[&str], today: &str) -> String {
    let keys = |names: &[&str]| names.iter().map(|name| key(name)).collect::<Vec<_>>();
    let (held, entering) = (keys(held), keys(entering));
    read(masters, exchange, symbol, Purpose::Close(Closable { held: &held, entering: &entering }), today)
}

#[test]
fn an_exit_means_what_is_held() {
    let masters = masters();
    let nov = "NFO:NIFTY23NOV26F";
    let call = "NFO:NIFTY23NOV26C24900";
    for (exchange, symbol, held, expected) in [
        // The month that is held, whatever the alias means today.
        ("", "NIFTY1!", &[nov][..], "NFO:NIFTY23NOV26F Held"),
        ("", "NIFTY2!", &[nov], "NFO:NIFTY23NOV26F Held"),
        ("NSE", "NIFTY1!", &["NFO:NIFTY25JAN27F", call, "NSE:SBIN-EQ"], "NFO:NIFTY25JAN27F Held"),
        ("BSE", "BSX1!", &["BFO:SENSEX26DECFUT"], "BFO:SENSEX26DECFUT Held"),
        // The strike that is held, by its side of the chain.
        ("", "NIFTY weekly ATM CE", &[call, "NFO:NIFTY23NOV26P25000"], "NFO:NIFTY23NOV26C24900 Held"),
        ("", "NIFTY monthly+1 ATM+2 PE", &[call, "NFO:NIFTY23NOV26P25000"], "NFO:NIFTY23NOV26P25000 Held"),
        // A named day or strike is meant as it is named.
        ("", "NIFTY261123C24900", &[call, "NFO:NIFTY01DEC26C24900"], "NFO:NIFTY23NOV26C24900 Held"),
        ("", "NIFTY weekly 25000 CE", &[call, "NFO:NIFTY23NOV26C25000"], "NFO:NIFTY23NOV26C25000 Held"),
        ("NFO", "NIFTY01DEC2624900CE", &[call], "NothingHeld: the strategy holds nothing that a call of NIFTY could mean"),
        ("", "NIFTYX2026", &[nov, "NFO:NIFTY29DEC26F"], "NFO:NIFTY23NOV26F Held"),
        // Shares, also in a series that they have left.
        ("NSE", "SBIN", &["NSE:SBIN-EQ"], "NSE:SBIN-EQ Held"),
        ("NSE", "TTLBOTH", &["NSE:TTLBOTH-BE"], "NSE:TTLBOTH-BE Held"),
        ("", "RELIANCE", &["BSE:RELIANCE"], "BSE:RELIANCE Held"),
        // The broker's symbol is itself; what of it is held, the exit's own check tells.
        ("NFO", "NIFTY23NOV26F", &[], "NFO:NIFTY23NOV26F BrokerSymbol"),
        // Several, or none.
        (
            "",
            "NIFTY1!",
            &[nov, "NFO:NIFTY29DEC26F"],
            "Ambiguous: the strategy holds several that a future of NIFTY could mean; name one by its symbol; it may be NFO:NIFTY23NOV26F, NFO:NIFTY29DEC26F",
        ),
        ("", "NIFTY weekly ATM CE", &[call, "NFO:NIFTY01DEC26C25000"], "Ambiguous: the strategy holds several that a call of NIFTY"),
        ("", "RELIANCE", &["BSE:RELIANCE", "NSE:RELIANCE-EQ"], "Ambiguous: the strategy holds several"),
        ("", "NIFTY1!", &["NFO:BANKNIFTY23NOV26F", call], "NothingHeld: the strategy holds nothing that a future of NIFTY could mean"),
        ("", "BANKNIFTY weekly ATM CE", &[call], "NothingHeld"),
        ("NSE", "SBIN", &["NSE:INFY-EQ"], "NothingHeld: the strategy holds nothing that SBIN could mean"),
        ("NSE", "NOSUCH", &["NSE:INFY-EQ"], "Unknown: NOSUCH is not in today's instrument master of NSE"),
        ("NFO", "NIFTY1!", &["NFO:GONE24OCT26F"], "Ambiguous: what is held is in no instrument master"),
    ] {
        let found = close(&masters, exchange, symbol, held, &[], TODAY);
        assert!(found.starts_with(expected), "{exchange} {symbol} of {held:?}: {found}");
    }
}

#[test]
fn what_is_held_goes_before_what_is_being_entered() {
    let masters = masters();
    let (nov, dec) = ("NFO:NIFTY23NOV26F", "NFO:NIFTY29DEC26F");
    assert_eq!(close(&masters, "", "NIFTY1!", &[], &[dec], TODAY), format!("{dec} Held"));
    assert_eq!(close(&masters, "", "NIFTY1!", &[nov], &[dec], TODAY), format!("{nov} Held"));
    assert!(close(&masters, "", "NIFTY1!", &[], &[nov, dec], TODAY).starts_with("Ambiguous"));
}

/// What expired or left the master while it was held keeps its row, and is still what its name means.
#[test]
fn a_position_outlives_its_row_in_the_master() {
    let masters = masters();
    let nov = key("NFO:NIFTY23NOV26F");
    let needed = BTreeSet::from([nov.clone()]);
    masters.keep_rows_of(move || needed.clone());
    let later = rows().into_iter().filter(|row| row.key != nov);
    assert_eq!(masters.swap(InstrumentTable::new(later)), std::slice::from_ref(&nov));
    assert_eq!(close(&masters, "", "NIFTY1!", &["NFO:NIFTY23NOV26F"], &[], "2026-11-24"), "NFO:NIFTY23NOV26F Held");
    assert_eq!(read(&masters, "", "NIFTY1!", Purpose::Open, "2026-11-24"), "NFO:NIFTY29DEC26F Continuous");
}

#[test]
fn a_change_means_what_is_held_and_else_what_the_name_means_today() {
    let masters = masters();
    let held = [key("NFO:NIFTY29DEC26F")];
    let of = |held| Purpose::Change(Closable { held, entering: &[] });
    assert_eq!(read(&masters, "", "NIFTY1!", of(&held), TODAY), "NFO:NIFTY29DEC26F Held");
    assert_eq!(read(&masters, "", "NIFTY1!", of(&[]), TODAY), "NFO:NIFTY23NOV26F Continuous");
    assert_eq!(read(&masters, "", "NIFTY1!", of(&[key("NSE:SBIN-EQ")]), TODAY), "NFO:NIFTY23NOV26F Continuous");
}

/// Names as they come, near ones, and contracts that may or may not be listed.
fn any_symbol() -> impl Strategy<Value = String> {
    let roots = [
        "NIFTY",
        "BANKNIFTY",
        "NIFTYNXT50",
        "SENSEX",
        "BSX",
        "RELIANCE",
        "M_M",
        "M&M",
        "BAJAJ_AUTO",
        "CRUDEOIL",
        "GOLD",
        "USDINR",
        "VEDL",
        "é",
    ];
    let root = proptest::sample::select(roots.to_vec());
    let tail = prop_oneof![
        Just(String::new()),
        "[0-9]!",
        "[FGHJKMNQUVXZ]202[5-8]",
        "2[67](0[1-9]|1[0-2])[0-3][0-9][CP][0-9]{2,5}(\\.5)?",
        "[0-3][0-9](NOV|DEC|JAN)2[67]([0-9]{2,5}(CE|PE)|FUT|F|[CP][0-9]{2,5})?",
        " (weekly|monthly|near|next|2026-12)(\\+1)? (ATM|ATM[+-][0-9]|[0-9]{2,5}) (CE|PE)",
        "(-EQ|-BE|_DLY|_DL| 50|)",
    ];
    prop_oneof![4 => (root, tail).prop_map(|(root, tail)| format!("{root}{tail}")), 1 => ".{0,40}"]
}

fn any_exchange() -> impl Strategy<Value = Option<&'static str>> {
    proptest::sample::select(vec![
        None,
        Some("NSE"),
        Some("BSE"),
        Some("NFO"),
        Some("BFO"),
        Some("MCX"),
        Some("CDS"),
        Some("NSE_DLY"),
        Some("NSE_INDEX"),
        Some("?"),
    ])
}

proptest! {
    /// No text panics, no refusal names what does not exist, and what is read is in the master, alive, and of one reading:
    /// asked by its own symbol it is the same instrument, and a longer way of saying where changes nothing.
    #[test]
    fn prop_never_two_instruments_and_never_a_panic(exchange in any_exchange(), symbol in any_symbol()) {
        let masters = shared();
        let wish = |exchange, symbol| Spelling { exchange, symbol, purpose: Purpose::Open, today: day(TODAY) };
        match masters.resolve(&wish(exchange, &symbol), &spot) {
            Ok(read) => {
                let key = &read.instrument.key;
                prop_assert_eq!(masters.find(key), Some(Arc::clone(&read.instrument)));
                let again = masters.resolve(&wish(Some(key.exchange.as_str()), &key.symbol), &spot).unwrap();
                prop_assert_eq!((&again.instrument.key, again.rule), (key, Rule::BrokerSymbol));
                if read.rule != Rule::Index {
                    let narrower = masters.resolve(&wish(Some(key.exchange.as_str()), &symbol), &spot).map(|read| read.instrument.key.clone());
                    prop_assert_eq!(narrower.as_ref(), Ok(key), "{} beside its own exchange", symbol);
                }
            }
            Err(trouble) => {
                prop_assert!(trouble.near.len() <= 3 && trouble.near.iter().all(|key| masters.find(key).is_some()), "{}", trouble);
            }
        }
    }

    /// Whatever is held, an exit by any spelling means something that is held, or is refused; and the alias of the one future
    /// that is held closes it on every day.
    #[test]
    fn prop_an_exit_never_leaves_what_is_held(
        exchange in any_exchange(), symbol in any_symbol(), places in proptest::collection::btree_set(0_usize..400, 0..4), later in 0_u64..60,
    ) {
        let masters = shared();
        let all: Vec<Arc<Instrument>> = masters.table().iter().collect();
        let held: Vec<InstrumentKey> = places.iter().filter_map(|at| all.get(*at)).filter(|row| row.is_tradable()).map(|row| row.key.clone()).collect();
        let today = day(TODAY) + chrono::Days::new(later);
        let purpose = Purpose::Close(Closable { held: &held, entering: &[] });
        if let Ok(read) = masters.resolve(&Spelling { exchange, symbol: &symbol, purpose, today }, &|_| None) {
            prop_assert!(held.contains(&read.instrument.key) || read.rule == Rule::BrokerSymbol, "{} is not held", read.instrument.key);
        }
        for key in &held {
            let Some(row) = masters.find(key).filter(|row| matches!(row.kind, ordergate_actors::order::Kind::Future { .. })) else { continue };
            let rivals = held.iter().filter_map(|key| masters.find(key)).filter(|other| {
                other.underlying == row.underlying && matches!(other.kind, ordergate_actors::order::Kind::Future { .. })
            });
            let alias = format!("{}1!", row.underlying);
            let read = masters.resolve(&Spelling { exchange: None, symbol: &alias, purpose, today }, &|_| None);
            match rivals.count() {
                1 => prop_assert_eq!(read.map(|read| read.instrument.key.clone()).ok(), Some(key.clone())),
                _ => prop_assert_eq!(read.unwrap_err().why, Why::Ambiguous),
            }
        }
    }
}

fn shared() -> &'static Masters {
    static SHARED: std::sync::LazyLock<Masters> = std::sync::LazyLock::new(masters);
    &SHARED
}
