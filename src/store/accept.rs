//! A person has looked at a journal whose tables are not what it makes, and goes on from here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Cargo, Ledger, Level, Note, Posted, Unit};
use ordergate_actors::ports::{Clock, StoreError};

use super::sqlite::SqliteStore;
use super::verify::VerifyFrom;

/// Why a chain was not accepted; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There are no rows.
    #[error("there is no journal of {0}")]
    NoChain(String),
    /// Every start finds it in order.
    #[error("the journal of {0} verifies; there is nothing to accept")]
    Sound(String),
    /// Rows were changed or are missing: nothing that is written behind them can prove them.
    #[error("the journal of {chain} is broken at row {seq} ({why}); restore a backup: a changed row cannot be accepted")]
    Broken {
        /// The chain.
        chain: String,
        /// The first row that does not follow.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stands behind the differences that are named.
const MORE: &str = "and perhaps more: as many are named as ever are";

/// Writes who accepted what and why as a row of the chain, and an anchor over it: later starts verify from there. The
/// chain's hashes must hold; what differs are the tables. Answers the differences that were accepted.
///
/// # Errors
/// [`AcceptError`].
pub fn accept(
    store: SqliteStore,
    clock: Arc<dyn Clock>,
    chain: Option<&ClientId>,
    who: &str,
    reason: &str,
) -> Result<Vec<String>, AcceptError> {
    let name = || chain.map_or_else(|| "the process".to_owned(), ToString::to_string);
    let reports = store.verify(VerifyFrom::LastAnchor)?;
    let report = reports.iter().find(|report| report.chain.as_ref() == chain).ok_or_else(|| AcceptError::NoChain(name()))?;
    if let Some((seq, why)) = &report.first_broken {
        return Err(AcceptError::Broken { chain: name(), seq: *seq, why: why.clone() });
    }
    if report.is_sound() {
        return Err(AcceptError::Sound(name()));
    }
    let mut differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    if report.may_differ_elsewhere() {
        differences.push(MORE.to_owned());
    }
    // The others are no business of this act: they keep the anchors that they have.
    let others: BTreeSet<Option<ClientId>> =
        reports.iter().map(|report| report.chain.clone()).filter(|other| other.as_ref() != chain).collect();
    let mut ledger = Ledger::open(Box::new(store), clock, BTreeMap::new(), Vec::new())?.ledger;
    ledger.set_unsound(others);
    let note = Note {
        client_id: chain.cloned(),
        event: "JOURNAL_ACCEPTED",
        level: Level::Info,
        text: reason.to_owned(),
        command_id: None,
        who: Arc::from(who),
        inputs: serde_json::json!({ "differences": differences }).to_string(),
    };
    ledger.round(vec![Posted { unit: Unit::Note(note), cargo: Cargo::None }])?;
    // The clean end writes the anchor.
    ledger.close()?;
    Ok(differences)
}
