//! Which instruments must stay known, whatever a new master says: those that something is held or open in.

use std::collections::BTreeSet;
use std::sync::Arc;

use ordergate_actors::Line;
use ordergate_actors::order::InstrumentKey;
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{Instruments, Loaded};

use crate::config::{Config, InstrumentSource};
use crate::instruments::Masters;
use crate::instruments::master;

/// As the books stand now.
fn in_books(line: &Line) -> BTreeSet<InstrumentKey> {
    let mut needed = BTreeSet::new();
    for desk in line.desks() {
        line.view.read(&desk.client_id, |book| {
            needed.extend(book.held_keys().map(|(key, _)| key.instrument.clone()));
            needed.extend(book.open_orders().filter_map(|order| order.instrument()));
        });
    }
    needed
}

/// Has the masters keep the rows from now on, and says what was found missing at the start.
pub(super) fn keep(masters: &Masters, line: &Arc<Line>, lacking: Vec<String>) {
    // The line holds the masters: they must not hold it as well.
    let weak = Arc::downgrade(line);
    masters.keep_rows_of(move || weak.upgrade().map(|line| in_books(&line)).unwrap_or_default());
    for text in lacking {
        line.alarm(None, "ALARM_MASTER", Level::Warn, None, text);
    }
}

/// As the journal has it at the start.
fn in_store(loaded: &Loaded) -> BTreeSet<InstrumentKey> {
    let mut needed = BTreeSet::new();
    for head in &loaded.accounts {
        needed.extend(head.holdings.iter().filter(|(_, _, held)| held.net != 0).map(|(_, key, _)| key.instrument.clone()));
        needed.extend(head.orders.iter().filter(|order| !order.status.is_terminal()).filter_map(|order| order.instrument()));
    }
    needed
}

/// Finds the rows that the stored masters of today lack in older ones. Answers what a person should hear.
pub(super) fn carry(config: &Config, masters: &Masters, loaded: &Loaded) -> anyhow::Result<Vec<String>> {
    let lacking: BTreeSet<_> = in_store(loaded).into_iter().filter(|key| masters.find(key).is_none()).collect();
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let rows = match config.instruments.source {
        InstrumentSource::Sample => Vec::new(),
        InstrumentSource::Noren => {
            let directory = master::store::directory(&config.storage.directory);
            master::store::older_rows(&directory, &lacking, config.instruments.equity_tick)?
        }
    };
    masters.carry(rows.into_iter().map(Arc::new));
    let words = |key: &InstrumentKey| match masters.find(key) {
        Some(_) => format!("{key} is held and not in the newest master: exits go by its old row, entries in it are refused"),
        None => format!("{key} is held and in no stored master: its exits wait until one has it"),
    };
    Ok(lacking.iter().map(words).collect())
}
