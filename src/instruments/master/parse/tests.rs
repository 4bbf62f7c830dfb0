use proptest::prelude::*;

use super::*;
use crate::instruments::master::render;
use ordergate_actors::order::{InstrumentKey, Kind, Quantity, Right};

const NFO: &str = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n";
const NSE: &str = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,\n";

fn facts() -> Facts {
    Facts::built_in().unwrap()
}

fn read(exchange: Exchange, text: &str) -> Parsed {
    parse(text.as_bytes(), exchange, EquityTick::Paise, &facts()).unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// `NFO 150737 ZYDUSLIFE30DEC25P1480 ZYDUSLIFE 900 0.05 2025-12-30 PE 1480`
fn shown(row: &Instrument) -> String {
    let kind = match &row.kind {
        Kind::Equity => "share".to_owned(),
        Kind::Index => "index".to_owned(),
        Kind::Future { expiry } => format!("{expiry} FUT"),
        Kind::Option { expiry, strike, right } => format!("{expiry} {} {strike}", if *right == Right::Call { "CE" } else { "PE" }),
    };
    format!("{} {} {} {} {} {} {kind}", row.key.exchange, row.token, row.key.symbol, row.underlying, row.lot, row.tick)
}

fn all(parsed: &Parsed) -> Vec<String> {
    assert_eq!(parsed.bad, [], "every row reads");
    parsed.rows.iter().map(shown).collect()
}

#[test]
fn the_rows_of_a_real_file_of_derivatives() {
    let text = format!(
        "{NFO}NFO,,,,,,,,,,\nNFO,150737,900,ZYDUSLIFE,ZYDUSLIFE30DEC25P1480,30-DEC-2025,OPTSTK,PE,1480,0.05,\n\
         NFO,52168,75,NIFTY,NIFTY28OCT25F,28-OCT-2025,FUTIDX,XX,-0.01,0.1,\n\n\
         NFO,150431,3000,WIPRO,WIPRO25NOV25P312.5,25-NOV-2025,OPTSTK,PE,312.5,0.05,\n\
         NFO,52446,200,M&M,M&M28OCT25F,28-OCT-2025,FUTSTK,XX,-0.01,0.1,\n"
    );
    let parsed = read(Exchange::Nfo, &text);
    assert_eq!(
        all(&parsed),
        [
            "NFO 150737 ZYDUSLIFE30DEC25P1480 ZYDUSLIFE 900 0.05 2025-12-30 PE 1480",
            "NFO 52168 NIFTY28OCT25F NIFTY 75 0.1 2025-10-28 FUT",
            "NFO 150431 WIPRO25NOV25P312.5 WIPRO 3000 0.05 2025-11-25 PE 312.5",
            "NFO 52446 M&M28OCT25F M&M 200 0.1 2025-10-28 FUT",
        ]
    );
    assert_eq!(parsed.blank, 1);
}

#[test]
fn bfo_names_its_underlyings_otherwise_and_mcx_and_cds_have_more_columns() {
    let bfo = format!("{NFO}BFO,864321,20,BSXOPT,SENSEX26SEP91000PE,24-SEP-2026,OPTIDX,PE,91000,0.05,\n");
    assert_eq!(all(&read(Exchange::Bfo, &bfo)), ["BFO 864321 SENSEX26SEP91000PE SENSEX 20 0.05 2026-09-24 PE 91000"]);
    let mcx = "Exchange,Token,LotSize,GNGD,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n\
               MCX,447552,10,1,CRUDEOILM,CRUDEOILM19AUG26,19-AUG-2026,FUTCOM,XX,0,1,\n\
               MCX,448000,1250,1,NATURALGAS,NATURALGAS24OCT25P305,24-Oct-2025,OPTFUT,PE,305.00,0.05,\n\
               NCX,9,1,1,JEERA,JEERA20AUG26,20-AUG-2026,FUTCOM,XX,0,1,\n";
    let parsed = read(Exchange::Mcx, mcx);
    assert_eq!(
        all(&parsed),
        [
            "MCX 447552 CRUDEOILM19AUG26 CRUDEOILM 10 1 2026-08-19 FUT",
            "MCX 448000 NATURALGAS24OCT25P305 NATURALGAS 1250 0.05 2025-10-24 PE 305"
        ]
    );
    assert_eq!(parsed.skipped, 1, "the row of NCX");
    let cds = "Exchange,Token,LotSize,Precision,Multiplier,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize\n\
               CDS,1,1,4,1000,USDINR,USDINR,,UNDCUR,XX,,0.0025\n\
               CDS,9321,1,4,1000,USDINR,USDINR25NOV26C76.25,25-NOV-2026,OPTCUR,CE,76.25,0.0025\n";
    let parsed = read(Exchange::Cds, cds);
    assert_eq!(all(&parsed), ["CDS 9321 USDINR25NOV26C76.25 USDINR 1 0.0025 2026-11-25 CE 76.25"]);
    assert_eq!(parsed.skipped, 1, "the spot rate");
    assert_eq!(parsed.rows[0].rupees_per_point.to_string(), "1000", "a point of a lot of 1000 dollars");
    let gold = mcx.replace("MCX,447552,10,1,", "MCX,447552,10,0.1,").replace("MCX,448000,1250,1,", "MCX,448000,1250,-,");
    let parsed = read(Exchange::Mcx, &gold);
    assert_eq!((parsed.rows.len(), parsed.rows[0].rupees_per_point.to_string()), (1, "0.1".to_owned()));
    assert!(parsed.bad[0].cause.contains("GNGD"), "what cannot be valued is not listed: {:?}", parsed.bad);
}

#[test]
fn shares_have_their_ticks_in_paise_and_indices_their_known_names() {
    let text = format!(
        "{NSE}NSE,2031,1,M&M,M&M-EQ,EQ,10,\nNSE,3045,1,SBIN,SBIN-EQ,EQ,5,\nNSE,26000,0,Nifty 50,Nifty 50,INDEX,0,\n\
         NSE,26099,1,Nifty IT,NIFTY IT,UNDIND,,\nNSE,26009,1,Nifty Bank,Nifty Bank,EQ,5,\n"
    );
    assert_eq!(
        all(&read(Exchange::Nse, &text)),
        [
            "NSE 2031 M&M-EQ M&M 1 0.1 share",
            "NSE 3045 SBIN-EQ SBIN 1 0.05 share",
            "NSE 26000 Nifty 50 NIFTY 1 0.05 index",
            "NSE 26099 NIFTY IT Nifty IT 1 0.05 index",
            "NSE 26009 Nifty Bank BANKNIFTY 1 5 index",
        ]
    );
    let rupees = parse(format!("{NSE}NSE,3045,1,SBIN,SBIN-EQ,EQ,0.05,\n").as_bytes(), Exchange::Nse, EquityTick::Rupees, &facts()).unwrap();
    assert_eq!(all(&rupees), ["NSE 3045 SBIN-EQ SBIN 1 0.05 share"]);
}

#[test]
fn a_file_of_shares_whose_ticks_speak_against_the_unit_is_refused() {
    let file = |ticks: [&str; 2]| {
        let rows = (0..40).map(|n| format!("NSE,{n},1,S{n},S{n}-EQ,EQ,{},\n", ticks[n % 2]));
        std::iter::once(NSE.to_owned()).chain(rows).collect::<String>()
    };
    let with = |ticks, unit| parse(file(ticks).as_bytes(), Exchange::Nse, unit, &facts());
    assert_eq!(with(["5", "10"], EquityTick::Paise).unwrap().rows.len(), 40);
    assert_eq!(with(["0.05", "5"], EquityTick::Rupees).unwrap().rows.len(), 40);
    let in_rupees = with(["0.05", "0.1"], EquityTick::Paise).unwrap_err();
    assert_eq!(
        in_rupees.to_string(),
        "40 of 40 price steps make no sense in paise; set instruments.equity_tick_unit = \"rupees\" if the broker changed it"
    );
    assert!(matches!(with(["5", "10"], EquityTick::Rupees), Err(Refused::Tick { bad: 40, all: 40, .. })));
    let odd = with(["5", "20000"], EquityTick::Paise).unwrap();
    assert_eq!((odd.rows.len(), odd.bad_count), (20, 20), "two hundred rupees is no price step");
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_stops_nothing() {
    let rows = [
        ("NFO,x,75,NIFTY,A,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "Token = \"x\" is not a whole number"),
        ("NFO,1,0,NIFTY,B,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "LotSize: \"0\" is not a quantity"),
        ("NFO,2,75,NIFTY,C,31-FEB-2025,FUTIDX,XX,-0.01,0.1,", "Expiry = \"31-FEB-2025\" is not a date"),
        ("NFO,3,75,NIFTY,D,28-OCT-2025,OPTIDX,XE,100,0.1,", "OptionType = \"XE\" is not CE, PE or XX"),
        ("NFO,4,75,NIFTY,E,28-OCT-2025,OPTIDX,CE,-0.01,0.1,", "StrikePrice: \"-0.01\" is not a price"),
        ("NFO,5,75,NIFTY,F,28-OCT-2025,OPTIDX,XX,25000,0.1,", "neither a future nor an option"),
        ("NFO,6,75,NIFTY,G,28-OCT-2025,FUTIDX,XX,-0.01,0,", "TickSize: \"0\" is not a price"),
        ("NSE,7,75,NIFTY,H,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "Exchange = \"NSE\" in the file of NFO"),
        ("NFO,8,75,A,B,I,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "12 fields where the header has 11"),
        ("NFO,9,75,NIFTY,J,28-OCT-2025,FUTIDX", "7 fields where the header has 11"),
        ("NFO,52168,75,NIFTY,K,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "the token 52168 is that of line 2 too"),
        ("NFO,10,75,NIFTY,GOOD,28-OCT-2025,FUTIDX,XX,-0.01,0.1,", "the symbol GOOD stands twice"),
    ];
    let bad: String = rows.iter().map(|(row, _)| format!("{row}\n")).collect();
    let good = "NFO,52168,75,NIFTY,GOOD,28-OCT-2025,FUTIDX,XX,-0.01,0.1,\n";
    let last = "NFO,77,75,NIFTY,LAST,28-OCT-2025,FUTIDX,XX,-0.01,0.1,\n";
    let parsed = read(Exchange::Nfo, &format!("{NFO}{good}{bad}{last}"));
    assert_eq!(parsed.rows.iter().map(|row| &*row.key.symbol).collect::<Vec<_>>(), ["GOOD", "LAST"]);
    assert_eq!((parsed.bad.len(), parsed.bad_count), (rows.len(), rows.len()));
    for ((line, (_, cause)), bad) in (3..).zip(rows).zip(&parsed.bad) {
        assert_eq!(bad.line, line);
        assert!(bad.cause.contains(cause), "{cause:?} is not in {:?}", bad.cause);
    }
}

#[test]
fn a_file_that_cannot_be_whole_is_refused() {
    let read = |text: &str| parse(text.as_bytes(), Exchange::Nfo, EquityTick::Paise, &facts());
    assert_eq!(read("").unwrap_err(), Refused::Empty);
    assert!(matches!(read(NSE), Err(Refused::Header { missing: "Expiry", .. })));
    assert!(read("<html>502</html>\n").unwrap_err().to_string().contains("the header has no column"));
    let row = "NFO,1,75,NIFTY,A,28-OCT-2025,FUTIDX,XX,-0.01,0.1,\n";
    for cut in ["NFO,2,75,NIFTY,B,28-OCT-2025,FUTIDX,XX,-0.01,0.", "NFO,2"] {
        assert_eq!(read(&format!("{NFO}{row}{cut}")).unwrap_err(), Refused::Truncated { line: 3 }, "{cut}");
    }
    assert_eq!(read(&format!("{NFO}{}", row.trim_end())).unwrap().rows.len(), 1, "the last line may lack its end");
    let none = plausible(&read(&format!("{NFO}NFO,x,75,NIFTY,A,28-OCT-2025,FUTIDX,XX,-0.01,0.1,\n")).unwrap(), None).unwrap_err();
    assert!(none.to_string().contains("1 cannot be read, the first is line 2: Token"), "{none}");
    let mut parsed = read(&format!("{NFO}{row}")).unwrap();
    assert_eq!((plausible(&parsed, None), plausible(&parsed, Some(2))), (Ok(()), Ok(())));
    assert_eq!(plausible(&parsed, Some(4)), Err(Refused::TooFew { rows: 1, before: 4 }));
    (parsed.bad_count, parsed.bad) = (1, vec![BadRow { line: 9, cause: "no".into() }]);
    assert!(plausible(&parsed, None).unwrap_err().to_string().contains("1 rows cannot be read beside 1 that can; the first is line 9: no"));
}

fn a_price() -> impl Strategy<Value = Price> {
    (1_i64..50_000_000).prop_map(|hundredths| Price::new(rust_decimal::Decimal::new(hundredths, 2)).unwrap())
}

fn a_row(exchange: Exchange, number: u32) -> impl Strategy<Value = Instrument> {
    let expiry = (0_u64..20_000).prop_map(|day| chrono::NaiveDate::default() + chrono::Days::new(day));
    let kind = if is_cash(exchange) {
        prop_oneof![4 => Just(Kind::Equity), 1 => Just(Kind::Index)].boxed()
    } else {
        let right = prop_oneof![Just(Right::Call), Just(Right::Put)];
        let option = (expiry.clone(), a_price(), right).prop_map(|(expiry, strike, right)| Kind::Option { expiry, strike, right });
        prop_oneof![expiry.prop_map(|expiry| Kind::Future { expiry }), option].boxed()
    };
    (kind, "[A-Z&-]{1,10}", 1_i64..5_000, prop_oneof![Just("0.01"), Just("0.05"), Just("0.1"), Just("1"), Just("5")]).prop_map(
        move |(kind, underlying, lot, tick)| Instrument {
            rupees_per_point: exchange.rupees_per_point().unwrap_or_else(|| rust_decimal::Decimal::new(lot, 1)),
            key: InstrumentKey::new(exchange, &format!("{underlying}{number}")),
            token: 1_000_000 + number,
            underlying: Arc::from(underlying),
            kind,
            lot: Quantity::new(lot).unwrap(),
            tick: price(tick),
            freeze: None,
            band: None,
        },
    )
}

fn some_rows() -> impl Strategy<Value = (Exchange, Vec<Instrument>)> {
    proptest::sample::select(Exchange::ALL.to_vec()).prop_flat_map(|exchange| {
        (0_usize..30).prop_flat_map(move |count| {
            let rows: Vec<_> = (0..).take(count).map(|number| a_row(exchange, number)).collect();
            (Just(exchange), rows)
        })
    })
}

proptest! {
    #[test]
    fn prop_what_is_rendered_is_read((exchange, rows) in some_rows()) {
        let text = render(exchange, &rows, EquityTick::Paise, &facts());
        let parsed = parse(text.as_bytes(), exchange, EquityTick::Paise, &facts()).unwrap();
        prop_assert_eq!(parsed.bad, vec![]);
        prop_assert_eq!(parsed.rows, rows);
    }

    #[test]
    fn prop_no_bytes_panic(head in 0_usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..400), exchange in proptest::sample::select(Exchange::ALL.to_vec())) {
        let start = ["", NFO, NSE][head];
        let _ = parse(&[start.as_bytes(), &bytes].concat(), exchange, EquityTick::Paise, &facts());
    }

    #[test]
    fn prop_fields_of_any_text_make_a_row_or_a_cause(fields in proptest::collection::vec("[A-Z0-9.,-]{0,12}", 9)) {
        let parsed = read(Exchange::Nfo, &format!("{NFO}NFO,{},\n", fields.join(",")));
        prop_assert_eq!(parsed.rows.len() + parsed.bad_count + parsed.blank + parsed.skipped, 1);
    }
}
