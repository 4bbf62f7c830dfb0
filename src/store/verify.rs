//! Whether the journal is what was written: gapless, linked by hashes, in agreement with its anchors, and with the
//! orders that were projected from it.
//!
//! Rows are read a thousand at a time, so that a long verification beside a running engine holds no snapshot.
//! What a chain cannot tell: rows cut off, or changed, after the last anchor at its very end.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use ordergate_actors::order::{ClientId, CommandId, Status};
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::ports::{JournalRow, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use super::pages::JournalRows;
use super::sqlite::failed;
use super::{load, rows};

/// The most orders named in a report.
const NAMED: usize = 100;

/// Where a verification starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyFrom {
    /// The first row of each chain.
    Start,
    /// The last anchor of each chain: what a restart can afford.
    LastAnchor,
}

/// What was found in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The account; `None`: the chain of events without one.
    pub chain: Option<ClientId>,
    /// Rows read.
    pub rows: u64,
    /// The last row that follows from the ones before it.
    pub head_seq: u64,
    /// Its hash, in hexadecimal.
    pub head_hash: String,
    /// The first row that does not, and why.
    pub first_broken: Option<(u64, String)>,
    /// Orders whose status is not the one that the journal says; at most 100 are named.
    pub mismatched: Vec<(CommandId, String)>,
}

impl ChainReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.first_broken.is_none() && self.mismatched.is_empty()
    }
}

/// Hexadecimal, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn chains(db: &Connection, from: VerifyFrom) -> Result<Vec<ChainReport>, StoreError> {
    let mut names = BTreeSet::new();
    for table in ["journal", "anchors"] {
        names.extend(load::clients_of(db, table).map_err(failed("verify: chains"))?);
    }
    names.iter().map(|chain| verify(db, chain, from).map_err(failed("verify"))).collect()
}

/// The walk along one chain.
struct Walk {
    /// The last row that was found sound.
    seq: u64,
    hash: [u8; 32],
    rows: u64,
    anchors: HashMap<u64, [u8; 32]>,
    last_status: HashMap<CommandId, Status>,
}

impl Walk {
    fn step(&mut self, row: &JournalRow) -> Result<(), (u64, String)> {
        let wanted = self.seq + 1;
        if row.seq != wanted {
            return Err((wanted, format!("the row is missing; the next one is {}", row.seq)));
        }
        if row.prev_hash != self.hash {
            return Err((row.seq, format!("it does not follow from row {}: one of the two was changed", self.seq)));
        }
        self.take(row)
    }

    /// Counts the row in, whatever it should follow from.
    fn take(&mut self, row: &JournalRow) -> Result<(), (u64, String)> {
        let hash = row_hash(row);
        if self.anchors.remove(&row.seq).is_some_and(|anchor| anchor != hash) {
            return Err((row.seq, "its hash is not the one that the anchor wrote down".to_owned()));
        }
        (self.seq, self.hash) = (row.seq, hash);
        self.rows += 1;
        if let (Some(command), Some(to)) = (row.command_id, row.to) {
            self.last_status.insert(command, to);
        }
        Ok(())
    }
}

fn verify(db: &Connection, chain: &str, from: VerifyFrom) -> rusqlite::Result<ChainReport> {
    let anchors = anchors(db, chain)?;
    let start = match from {
        VerifyFrom::Start => 0,
        VerifyFrom::LastAnchor => anchors.keys().max().copied().unwrap_or(0),
    };
    let mut walk = Walk { seq: start.saturating_sub(1), hash: [0; 32], rows: 0, anchors, last_status: HashMap::new() };
    walk.anchors.retain(|seq, _| *seq >= start);
    let mut first_broken = None;
    let mut found = JournalRows::new(db, chain, walk.seq, u64::MAX);
    while let Some(row) = found.next_row() {
        let checked = match row {
            Err(cause) if rows::is_unreadable(&cause) => Err((walk.seq + 1, format!("it cannot be read: {cause}"))),
            Err(cause) => return Err(cause),
            Ok(row) if walk.rows == 0 && start > 0 && row.seq == start => walk.take(&row),
            Ok(row) => walk.step(&row),
        };
        if let Err(broken) = checked {
            first_broken = Some(broken);
            break;
        }
    }
    if first_broken.is_none() {
        let cut_off = walk.anchors.keys().min().copied();
        first_broken = cut_off.map(|seq| (walk.seq + 1, format!("the rows up to {seq}, which an anchor wrote down, are missing")));
    }
    let mismatched = mismatches(db, chain, &walk.last_status)?;
    Ok(ChainReport {
        chain: ClientId::parse(chain).ok(),
        rows: walk.rows,
        head_seq: walk.seq,
        head_hash: hex(&walk.hash),
        first_broken,
        mismatched,
    })
}

fn anchors(db: &Connection, chain: &str) -> rusqlite::Result<HashMap<u64, [u8; 32]>> {
    db.prepare("SELECT seq, hash FROM anchors WHERE client_id = ?1")?
        .query_map([chain], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?
        .collect()
}

/// The orders that differ from the rows just read. A difference is looked at again in one statement, because the engine
/// may have moved on in between.
fn mismatches(db: &Connection, chain: &str, last: &HashMap<CommandId, Status>) -> rusqlite::Result<Vec<(CommandId, String)>> {
    let mut projected = db.prepare("SELECT status FROM orders WHERE client_id = ?1 AND command_id = ?2")?;
    let mut both = db.prepare(
        "SELECT (SELECT status FROM orders WHERE client_id = ?1 AND command_id = ?2),
                (SELECT to_status FROM journal INDEXED BY journal_of_order
                 WHERE command_id = ?2 AND client_id = ?1 AND to_status IS NOT NULL ORDER BY seq DESC LIMIT 1)",
    )?;
    let mut found = Vec::new();
    for (command, status) in last {
        let key = params![chain, command.to_string()];
        let now: Option<String> = projected.query_row(key, |row| row.get(0)).optional()?;
        if now.as_deref() == Some(status.as_str()) {
            continue;
        }
        let (order, journal): (Option<String>, Option<String>) = both.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        if order != journal {
            let word = |status: Option<String>| status.unwrap_or_else(|| "nothing".to_owned());
            found.push((*command, format!("the order says {}, the journal {}", word(order), word(journal))));
        }
    }
    found.sort();
    found.truncate(NAMED);
    Ok(found)
}
