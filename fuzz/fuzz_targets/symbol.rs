//! What somebody calls an instrument: an exchange on the first line if there are two, and a name.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ordergate::instruments::selector::Selector;
use ordergate::instruments::{InstrumentTable, sample};
use ordergate_actors::order::{InstrumentKey, Price};
use ordergate_actors::ports::{Closable, Instruments, Purpose, Rule, Spelling};

static TABLE: OnceLock<(InstrumentTable, Vec<InstrumentKey>)> = OnceLock::new();

fuzz_target!(|text: &str| {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).expect("a day");
    let (table, held) = TABLE.get_or_init(|| {
        let rows = sample(today).expect("the built-in sample reads");
        let held = rows.iter().step_by(7).map(|row| row.key.clone()).collect();
        (InstrumentTable::new(rows), held)
    });
    let (exchange, symbol) = text.split_once('\n').map_or((None, text), |(exchange, symbol)| (Some(exchange), symbol));
    let spot = |_: &InstrumentKey| Price::parse("25010.5").ok();
    let closable = Closable { held, entering: &[] };
    for purpose in [Purpose::Open, Purpose::Close(closable), Purpose::Change(closable)] {
        let read = table.resolve(&Spelling { exchange, symbol, purpose, today }, &spot);
        match (read, purpose) {
            // The broker's own symbol means itself, held or not: that there is nothing to close is for risk to say.
            (Ok(read), Purpose::Close(_)) => {
                let is_own = read.rule == Rule::BrokerSymbol;
                assert!(is_own || held.contains(&read.instrument.key), "closes {}, which is not held", read.instrument.key);
            }
            (Ok(read), _) => assert_eq!(table.find(&read.instrument.key).as_deref(), Some(&*read.instrument)),
            (Err(unresolved), _) => assert!(!unresolved.to_string().is_empty()),
        }
    }
    let _ = (symbol.parse::<Selector>(), table.search(symbol, 10), table.nearest(None, symbol, 3));
});
