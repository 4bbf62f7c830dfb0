//! What a quantity counts on MCX and CDS, as runs of this account have found it. It is kept by itself: a later run with a share says
//! nothing of it, and takes nothing back. A setting that no run confirms is a guess, wrong by the lot.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, Exchange};
use ordergate_actors::settings::{QuantityUnit, QuantityUnits};
use serde::{Deserialize, Serialize};

use crate::files::{Mode, write_whole};

/// What a run found on one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    counts: String,
    symbol: String,
    at: DateTime<Utc>,
}

type Kept = BTreeMap<String, Found>;

fn path(data: &Path, account: &ClientId) -> PathBuf {
    data.join("conformance").join(format!("{account}-units.json"))
}

fn kept(data: &Path, account: &ClientId) -> Kept {
    std::fs::read(path(data, account)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Keeps what a run found, beside what others found on another exchange.
///
/// # Errors
/// The disk.
pub(super) fn note(
    data: &Path,
    account: &ClientId,
    (exchange, counts): (Exchange, QuantityUnit),
    symbol: &str,
    at: DateTime<Utc>,
) -> io::Result<()> {
    let mut all = kept(data, account);
    all.insert(exchange.as_str().to_owned(), Found { counts: counts.to_string(), symbol: symbol.to_owned(), at });
    write_whole(&path(data, account), serde_json::to_string_pretty(&all)?.as_bytes(), Mode::Shared)
}

/// Of what the settings say, what the newest run on that exchange says too; the rest is not settled. With the reason for each that is
/// not.
#[must_use]
pub fn confirmed(data: &Path, account: &ClientId, said: QuantityUnits) -> (QuantityUnits, Vec<String>) {
    let all = kept(data, account);
    let mut why = Vec::new();
    let mut one = |exchange: Exchange, said: Option<QuantityUnit>| {
        let said = said?;
        let found = all.get(exchange.as_str());
        if found.is_some_and(|found| QuantityUnit::parse(&found.counts) == Some(said)) {
            return Some(said);
        }
        let key = exchange.as_str().to_lowercase();
        why.push(match found {
            Some(found) => format!("quantity_unit.{key} is {said}, and the conformance run with {} found {}", found.symbol, found.counts),
            None => format!("quantity_unit.{key} is {said}, and no conformance run with an instrument of {exchange} has found that"),
        });
        None
    };
    (QuantityUnits { mcx: one(Exchange::Mcx, said.mcx), cds: one(Exchange::Cds, said.cds) }, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_once_the_newest_run_there_has_found_it() {
        let here = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(here.path().join("conformance")).unwrap();
        let account = ClientId::parse("A").unwrap();
        let (units, lots) = (QuantityUnit::Units, QuantityUnit::Lots);
        let of = |mcx, cds| confirmed(here.path(), &account, QuantityUnits { mcx, cds });
        let note =
            |exchange, counts| note(here.path(), &account, (exchange, counts), "MCX:CRUDEOILM19DEC26", DateTime::UNIX_EPOCH).unwrap();
        let (settled, why) = of(Some(units), None);
        assert_eq!((settled.mcx, why.len()), (None, 1));
        assert!(why[0].contains("no conformance run with an instrument of MCX"), "{why:?}");
        note(Exchange::Mcx, lots);
        note(Exchange::Cds, units);
        let (settled, why) = of(Some(units), Some(units));
        assert_eq!((settled.mcx, settled.cds), (None, Some(units)), "{why:?}");
        assert!(why[0].contains("CRUDEOILM19DEC26 found lots"), "{why:?}");
        assert_eq!(of(Some(lots), None), (QuantityUnits { mcx: Some(lots), cds: None }, Vec::new()));
        note(Exchange::Mcx, units);
        assert_eq!(of(Some(lots), None).0.mcx, None, "the newest one counts");
        assert_eq!(of(None, None), (QuantityUnits::default(), Vec::new()), "what nobody says is not settled, and no matter");
    }
}
