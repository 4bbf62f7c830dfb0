//! Reads one master. A row that cannot be read is noted with its line and its cause and stops nothing; a file as a
//! whole is refused when it cannot be what it says.

mod row;
#[cfg(test)]
mod tests;
mod tick;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use csv::ByteRecord;
use ordergate_actors::order::{Exchange, Instrument, Price};

use super::Facts;
use super::header::{Columns, is_cash};

pub use tick::EquityTick;

/// Rows that cannot be read are kept up to here; all are counted.
const BAD_ROWS_KEPT: usize = 200;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong, with the value.
    pub cause: String,
}

/// What a file said.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Of which exchange.
    pub exchange: Exchange,
    /// What can be traded, in the file's order, and indices.
    pub rows: Vec<Instrument>,
    /// Placeholder rows without a symbol.
    pub blank: usize,
    /// Rows of things that ordergate does not trade: spot rates, auctions, other exchanges.
    pub skipped: usize,
    /// The first rows that cannot be read.
    pub bad: Vec<BadRow>,
    /// How many cannot be read.
    pub bad_count: usize,
}

/// Why a whole file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is empty.
    #[error("the file is empty")]
    Empty,
    /// Its first line does not name its columns.
    #[error("the header has no column {missing}: {header:?}; is it a master of this exchange?")]
    Header {
        /// The column.
        missing: &'static str,
        /// The header as it came.
        header: String,
    },
    /// It ends in the middle of a row.
    #[error("the file ends in the middle of line {line}: it was cut off")]
    Truncated {
        /// The last line.
        line: u64,
    },
    /// Its price steps are not in the unit that the settings say.
    #[error("{bad} of {all} price steps make no sense in {unit}; set instruments.equity_tick_unit = \"{other}\" if the broker changed it")]
    Tick {
        /// How many are outside.
        bad: usize,
        /// Of how many.
        all: usize,
        /// The unit in the settings.
        unit: EquityTick,
        /// The other one.
        other: EquityTick,
    },
    /// Nothing in it can be traded.
    #[error("no row of it can be used; {bad} cannot be read{}", first.as_ref().map(|row| format!(", the first is line {}: {}", row.line, row.cause)).unwrap_or_default())]
    NoRows {
        /// Rows that cannot be read.
        bad: usize,
        /// The first of them.
        first: Option<BadRow>,
    },
    /// More than a tenth of it cannot be read.
    #[error("{bad} rows cannot be read beside {rows} that can; the first is line {}: {}", first.line, first.cause)]
    TooManyBad {
        /// Rows that cannot be read.
        bad: usize,
        /// Rows that can.
        rows: usize,
        /// The first that cannot.
        first: BadRow,
    },
    /// It has less than half of the rows that it had before.
    #[error("{rows} rows, and {before} in the master before it: it is not whole")]
    TooFew {
        /// Rows of this file.
        rows: usize,
        /// Rows of the one before.
        before: usize,
    },
}

/// Reads the text of one exchange's master.
///
/// # Errors
/// [`Refused`] when the header is unknown, the file was cut off, or its price steps are in another unit.
pub fn parse(bytes: &[u8], exchange: Exchange, tick: EquityTick, facts: &Facts) -> Result<Parsed, Refused> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).quoting(false).from_reader(bytes);
    let mut record = ByteRecord::new();
    // Reading from memory fails in no other way than at the end.
    if !reader.read_byte_record(&mut record).unwrap_or(false) {
        return Err(Refused::Empty);
    }
    let columns = Columns::of(&record, exchange)?;
    let mut file = File::new(exchange, facts);
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let line = record.position().map_or(0, csv::Position::line);
        let is_last = reader.is_done() || reader.position().byte() >= bytes.len() as u64;
        if is_last && !bytes.ends_with(b"\n") && record.len() < columns.width {
            return Err(Refused::Truncated { line });
        }
        match row::read(&record, &columns, exchange, facts) {
            Ok(row::Read::Blank) => file.blank += 1,
            Ok(row::Read::Skipped) => file.skipped += 1,
            Ok(row::Read::Row(read)) => file.take(line, *read),
            Err(cause) => file.bad(line, cause),
        }
    }
    if is_cash(exchange) {
        file.settle_ticks(tick)?;
    }
    Ok(file.done())
}

/// Whether the file can be a whole day's master, seen beside the one before it.
///
/// # Errors
/// [`Refused`] when it has no rows, more than a tenth of it cannot be read, or it has shrunk by more than half.
pub fn plausible(parsed: &Parsed, before: Option<usize>) -> Result<(), Refused> {
    let (rows, bad) = (parsed.rows.len(), parsed.bad_count);
    match parsed.bad.first() {
        first if rows == 0 => return Err(Refused::NoRows { bad, first: first.cloned() }),
        Some(first) if bad > rows / 10 => return Err(Refused::TooManyBad { bad, rows, first: first.clone() }),
        _ => {}
    }
    match before {
        Some(before) if rows < before / 2 => Err(Refused::TooFew { rows, before }),
        _ => Ok(()),
    }
}

/// One file while it is read.
struct File<'a> {
    exchange: Exchange,
    facts: &'a Facts,
    rows: Vec<Instrument>,
    lines: Vec<u64>,
    tokens: HashMap<u32, u64>,
    symbols: HashSet<Arc<str>>,
    underlyings: HashMap<String, Arc<str>>,
    blank: usize,
    skipped: usize,
    bad: Vec<BadRow>,
    bad_count: usize,
}

impl<'a> File<'a> {
    fn new(exchange: Exchange, facts: &'a Facts) -> Self {
        Self {
            exchange,
            facts,
            rows: Vec::new(),
            lines: Vec::new(),
            tokens: HashMap::new(),
            symbols: HashSet::new(),
            underlyings: HashMap::new(),
            blank: 0,
            skipped: 0,
            bad: Vec::new(),
            bad_count: 0,
        }
    }

    fn bad(&mut self, line: u64, cause: String) {
        self.bad_count += 1;
        if self.bad.len() < BAD_ROWS_KEPT {
            self.bad.push(BadRow { line, cause });
        }
    }

    fn take(&mut self, line: u64, read: row::Fields<'_>) {
        if let Some(first) = self.tokens.get(&read.token) {
            let cause = format!("the token {} is that of line {first} too", read.token);
            return self.bad(line, cause);
        }
        if self.symbols.contains(read.symbol) {
            return self.bad(line, format!("the symbol {} stands twice", read.symbol));
        }
        let name = self.facts.index(self.exchange, read.token).unwrap_or(read.underlying);
        let underlying = match self.underlyings.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = Arc::from(name);
                self.underlyings.insert(name.to_owned(), Arc::clone(&new));
                new
            }
        };
        let row = read.instrument(self.exchange, underlying);
        self.tokens.insert(row.token, line);
        self.symbols.insert(Arc::clone(&row.key.symbol));
        self.rows.push(row);
        self.lines.push(line);
    }

    /// Puts the price steps of shares into rupees.
    fn settle_ticks(&mut self, unit: EquityTick) -> Result<(), Refused> {
        let steps = self.rows.iter().filter(|row| row.is_tradable()).map(|row| row.tick.value());
        tick::check(steps, unit)?;
        let lines = std::mem::take(&mut self.lines);
        for (mut row, line) in std::mem::take(&mut self.rows).into_iter().zip(lines) {
            if !row.is_tradable() {
                self.rows.push(row);
                continue;
            }
            match Price::new(unit.in_rupees(row.tick.value())).filter(|step| tick::is_step(step.value())) {
                Some(step) => {
                    row.tick = step;
                    self.rows.push(row);
                }
                None => self.bad(line, format!("TickSize = {} is no price step in {unit}", row.tick)),
            }
        }
        Ok(())
    }

    fn done(self) -> Parsed {
        let Self { exchange, rows, blank, skipped, mut bad, bad_count, .. } = self;
        bad.sort_by_key(|row| row.line);
        Parsed { exchange, rows, blank, skipped, bad, bad_count }
    }
}
