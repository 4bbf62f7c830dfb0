//! The masters on disk: `masters/2026-11-20/NFO.txt`, a directory per day. The newest file of each exchange that reads
//! is the one in force.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey};

use super::{EquityTick, Facts, Parsed, parse, plausible};
use crate::files::{Mode, write_whole};
use crate::instruments::{FreezeTable, InstrumentTable};

/// Where the masters of this data directory are.
#[must_use]
pub fn directory(data: &Path) -> PathBuf {
    data.join("masters")
}

fn file(directory: &Path, day: NaiveDate, exchange: Exchange) -> PathBuf {
    directory.join(day.to_string()).join(format!("{exchange}.txt"))
}

/// The days that have a directory, the newest first.
fn days(directory: &Path) -> io::Result<Vec<NaiveDate>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut days = Vec::new();
    for entry in entries {
        if let Some(day) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            days.push(day);
        }
    }
    days.sort_unstable_by(|a: &NaiveDate, b| b.cmp(a));
    Ok(days)
}

/// The day of the newest file of each of these exchanges that has one.
///
/// # Errors
/// The directory cannot be read.
pub fn newest(directory: &Path, exchanges: &[Exchange]) -> io::Result<BTreeMap<Exchange, NaiveDate>> {
    let days = days(directory)?;
    let of = |exchange: &Exchange| days.iter().find(|day| file(directory, **day, *exchange).is_file());
    Ok(exchanges.iter().filter_map(|exchange| Some((*exchange, *of(exchange)?))).collect())
}

/// Puts a file in place whole, or leaves what is there.
///
/// # Errors
/// It cannot be written.
pub fn write(directory: &Path, day: NaiveDate, exchange: Exchange, text: &[u8]) -> io::Result<()> {
    let path = file(directory, day, exchange);
    std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
    write_whole(&path, text, Mode::Shared)
}

/// Removes the files older than `keep_days` before this day, but never the newest of an exchange. Answers how many.
///
/// # Errors
/// The directory cannot be read, or a file in it cannot be removed.
pub fn remove_old(directory: &Path, day: NaiveDate, keep_days: u64) -> io::Result<usize> {
    let newest = newest(directory, Exchange::ALL)?;
    let oldest = day.checked_sub_days(Days::new(keep_days)).unwrap_or(day);
    let mut removed = 0;
    for old in days(directory)?.into_iter().filter(|old| *old < oldest) {
        for exchange in Exchange::ALL {
            let path = file(directory, old, *exchange);
            if newest.get(exchange) != Some(&old) && path.is_file() {
                std::fs::remove_file(&path)?;
                removed += 1;
            }
        }
        // It stays while something is in it: a newest file, or what somebody else put there.
        let _ = std::fs::remove_dir(directory.join(old.to_string()));
    }
    Ok(removed)
}

/// What is stored, read.
#[derive(Debug)]
pub struct Loaded {
    /// The table of all exchanges.
    pub table: InstrumentTable,
    /// What of each exchange, without its rows.
    pub read: Vec<(NaiveDate, Parsed)>,
    /// Files that were passed over, and why.
    pub passed_over: Vec<String>,
}

/// The facts beside the masters do not read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory cannot be read.
    #[error("the masters in {directory}: {error}")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The freeze quantities.
    #[error(transparent)]
    Freeze(#[from] crate::instruments::BadFreeze),
    /// The indices.
    #[error(transparent)]
    Facts(#[from] super::BadFacts),
}

/// Reads the newest usable file of each exchange into one table. Exchanges without one are not in it.
///
/// # Errors
/// [`LoadError`] when the directory or the built-in facts do not read; a bad file is passed over for an older one.
pub fn load(directory: &Path, exchanges: &[Exchange], tick: EquityTick) -> Result<Loaded, LoadError> {
    let (facts, freeze) = (Facts::built_in()?, FreezeTable::built_in()?);
    let days = days(directory).map_err(|error| LoadError::Directory { directory: directory.to_owned(), error })?;
    let (mut read, mut passed_over, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for exchange in exchanges {
        for day in &days {
            let path = file(directory, *day, *exchange);
            if !path.is_file() {
                continue;
            }
            match read_one(&path, *exchange, tick, &facts) {
                Ok(mut parsed) => {
                    facts.complete(*exchange, &mut parsed.rows);
                    parsed.rows.iter_mut().for_each(|row| freeze.apply(row, *day));
                    rows.append(&mut parsed.rows);
                    read.push((*day, parsed));
                    break;
                }
                Err(cause) => passed_over.push(format!("{}: {cause}", path.display())),
            }
        }
    }
    let dated: Vec<_> = read.iter().map(|(day, parsed)| (parsed.exchange, *day)).collect();
    Ok(Loaded { table: InstrumentTable::dated(dated, rows), read, passed_over })
}

/// The rows of these instruments from the newest stored master that has them; what none has is left out.
///
/// # Errors
/// [`LoadError`], as [`load`].
pub fn older_rows(directory: &Path, wanted: &BTreeSet<InstrumentKey>, tick: EquityTick) -> Result<Vec<Instrument>, LoadError> {
    let (facts, freeze) = (Facts::built_in()?, FreezeTable::built_in()?);
    let days = days(directory).map_err(|error| LoadError::Directory { directory: directory.to_owned(), error })?;
    let (mut missing, mut found) = (wanted.clone(), Vec::new());
    for (day, exchange) in days.iter().flat_map(|day| Exchange::ALL.iter().map(move |exchange| (*day, *exchange))) {
        let path = file(directory, day, exchange);
        if !missing.iter().any(|key| key.exchange == exchange) || !path.is_file() {
            continue;
        }
        let Ok(mut parsed) = read_one(&path, exchange, tick, &facts) else { continue };
        facts.complete(exchange, &mut parsed.rows);
        for mut row in parsed.rows.into_iter().filter(|row| missing.remove(&row.key)) {
            freeze.apply(&mut row, day);
            found.push(row);
        }
    }
    Ok(found)
}

fn read_one(path: &Path, exchange: Exchange, tick: EquityTick, facts: &Facts) -> Result<Parsed, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let parsed = parse(&bytes, exchange, tick, facts).map_err(|refused| refused.to_string())?;
    plausible(&parsed, None).map_err(|refused| refused.to_string())?;
    Ok(parsed)
}

/// How many rows the newest usable master of the exchange before this day has.
pub(super) fn rows_before(directory: &Path, exchange: Exchange, day: NaiveDate, tick: EquityTick, facts: &Facts) -> Option<usize> {
    let earlier = days(directory).ok()?.into_iter().filter(|earlier| *earlier < day);
    earlier
        .map(|earlier| file(directory, earlier, exchange))
        .find_map(|path| read_one(&path, exchange, tick, facts).ok())
        .map(|parsed| parsed.rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordergate_actors::ports::Instruments;

    const NFO: &[u8] = b"Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n\
        NFO,52168,65,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.1,\n";
    const NSE: &[u8] = b"Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,\nNSE,3045,1,SBIN,SBIN-EQ,EQ,5,\n";
    const BOTH: [Exchange; 2] = [Exchange::Nse, Exchange::Nfo];

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_file_that_reads_is_in_force_with_its_day_its_indices_and_its_freeze() {
        let here = tempfile::tempdir().unwrap();
        write(here.path(), day("2026-11-19"), Exchange::Nfo, NFO).unwrap();
        write(here.path(), day("2026-11-20"), Exchange::Nfo, b"<html>").unwrap();
        write(here.path(), day("2026-11-20"), Exchange::Nse, NSE).unwrap();
        std::fs::create_dir(here.path().join("notes")).unwrap();
        let loaded = load(here.path(), &BOTH, EquityTick::Paise).unwrap();
        assert!(loaded.passed_over.len() == 1 && loaded.passed_over[0].contains("the header has no column"), "{:?}", loaded.passed_over);
        let days: Vec<_> = loaded.table.days().collect();
        assert_eq!(days, [(Exchange::Nse, day("2026-11-20")), (Exchange::Nfo, day("2026-11-19"))]);
        let future = loaded.table.find(&InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F")).unwrap();
        assert_eq!(future.max_quantity(), Some(1755));
        assert_eq!(&*loaded.table.by_token(Exchange::Nse, 26000).unwrap().underlying, "NIFTY");
        assert_eq!(newest(here.path(), &BOTH).unwrap()[&Exchange::Nfo], day("2026-11-20"));
    }

    #[test]
    fn what_todays_file_lacks_is_found_in_the_newest_that_has_it() {
        let here = tempfile::tempdir().unwrap();
        let with_lot = |lot: &str| String::from_utf8(NFO.to_vec()).unwrap().replace(",65,", &format!(",{lot},"));
        write(here.path(), day("2026-11-17"), Exchange::Nfo, with_lot("50").as_bytes()).unwrap();
        write(here.path(), day("2026-11-18"), Exchange::Nfo, NFO).unwrap();
        let other = with_lot("75").replace("NIFTY24NOV26F", "NIFTY29DEC26F");
        write(here.path(), day("2026-11-20"), Exchange::Nfo, other.as_bytes()).unwrap();
        let wanted = ["NIFTY24NOV26F", "NOSUCH"].map(|symbol| InstrumentKey::new(Exchange::Nfo, symbol));
        let rows = older_rows(here.path(), &BTreeSet::from(wanted), EquityTick::Paise).unwrap();
        assert_eq!(rows.iter().map(|row| (&*row.key.symbol, row.lot.value())).collect::<Vec<_>>(), [("NIFTY24NOV26F", 65)]);
    }

    #[test]
    fn nothing_stored_is_an_empty_table() {
        let here = tempfile::tempdir().unwrap();
        let loaded = load(&here.path().join("masters"), &BOTH, EquityTick::Paise).unwrap();
        assert!(loaded.table.is_empty() && loaded.read.is_empty() && loaded.passed_over.is_empty());
    }

    #[test]
    fn old_days_go_but_the_newest_of_an_exchange_stays() {
        let here = tempfile::tempdir().unwrap();
        for (of, exchange) in [("2026-11-01", Exchange::Nse), ("2026-11-01", Exchange::Nfo), ("2026-11-10", Exchange::Nse)] {
            write(here.path(), day(of), exchange, NSE).unwrap();
        }
        write(here.path(), day("2026-11-20"), Exchange::Nse, NSE).unwrap();
        assert_eq!(remove_old(here.path(), day("2026-11-20"), 10).unwrap(), 1);
        assert_eq!(remove_old(here.path(), day("2026-11-20"), 9).unwrap(), 1);
        assert_eq!(days(here.path()).unwrap(), [day("2026-11-20"), day("2026-11-01")]);
        assert!(file(here.path(), day("2026-11-01"), Exchange::Nfo).is_file());
    }
}
