//! `ordergate instruments [SEARCH]`: the symbols that an alert may name today.

use ordergate_actors::order::{Instrument, Kind, trading_date};
use ordergate_actors::ports::Clock;

use super::print::Page;
use super::{EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::instruments::{InstrumentTable, sample};

pub(super) fn run(search: &str) -> anyhow::Result<i32> {
    let table = InstrumentTable::new(sample(trading_date(SystemClock.now()))?);
    let found = table.search(search, table.len());
    let mut page = Page::new();
    if found.is_empty() {
        page.line(format!("no symbol contains {search:?}")).show()?;
        return Ok(EXIT_ATTENTION);
    }
    page.table(&["exchange", "symbol", "kind", "expiry", "lot", "tick", "freeze"], found.iter().map(|instrument| row(instrument)));
    page.line(format!("{} of {} instruments", found.len(), table.len())).show()?;
    Ok(EXIT_OK)
}

fn row(instrument: &Instrument) -> Vec<String> {
    let (kind, expiry) = match &instrument.kind {
        Kind::Equity => ("share", None),
        Kind::Index => ("index (not traded)", None),
        Kind::Future { expiry } => ("future", Some(expiry)),
        Kind::Option { expiry, .. } => ("option", Some(expiry)),
    };
    vec![
        instrument.key.exchange.to_string(),
        instrument.key.symbol.to_string(),
        kind.to_owned(),
        expiry.map(ToString::to_string).unwrap_or_default(),
        instrument.lot.to_string(),
        instrument.tick.to_string(),
        instrument.freeze.map(|freeze| freeze.to_string()).unwrap_or_default(),
    ]
}
