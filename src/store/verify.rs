//! Whether the journal is what was written: gapless, linked by hashes, in agreement with its anchors; and whether the
//! tables are what it makes.
//!
//! Rows are read a thousand at a time, so that a long verification beside a running engine holds no snapshot. Only the
//! comparison with the tables does, at the end, after the last rows were read within it.
//! What a chain cannot tell: rows cut off, or changed, after the last anchor at its very end.

use std::collections::{BTreeSet, HashMap};

use ordergate_actors::order::{ClientId, CommandId, Status};
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::persistence::{Misfit, Replay};
use ordergate_actors::ports::{JournalRow, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use super::pages::JournalRows;
use super::projections::{self, Difference, Scratch};
use super::sqlite::failed;
use super::{load, rows};
use crate::hex::hex;

/// Where a verification starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyFrom {
    /// The first row of each chain. The orders' statuses are held against it.
    Start,
    /// The first row of each chain. Every projection is made anew from it and held against its table, column by column.
    Full,
    /// The last anchor of each chain: what a restart can afford. The orders that it touched since are made anew.
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
    /// Where the tables are not what the journal makes; at most 100 are named.
    pub differences: Vec<Difference>,
}

impl ChainReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.first_broken.is_none() && self.differences.is_empty()
    }

    /// Whether as many differences were found as are named: there may be more.
    #[must_use]
    pub fn may_differ_elsewhere(&self) -> bool {
        self.differences.len() >= projections::NAMED
    }
}

pub(super) fn chains(db: &Connection, scratch: &Scratch, from: VerifyFrom) -> Result<Vec<ChainReport>, StoreError> {
    let mut names = BTreeSet::new();
    // A chain whose rows are all gone is told by what was made of them.
    for table in ["journal", "anchors", "signals", "orders", "fills", "holdings", "corrections", "control", "alarms", "states"] {
        names.extend(load::clients_of(db, table).map_err(failed("verify: chains"))?);
    }
    names.iter().map(|chain| verify(db, scratch, chain, from).map_err(failed("verify"))).collect()
}

/// The walk along one chain.
struct Walk {
    /// The last row that was found sound.
    seq: u64,
    hash: [u8; 32],
    rows: u64,
    anchors: HashMap<u64, [u8; 32]>,
    last_status: HashMap<CommandId, Status>,
    /// The projections, as far as the walk has come; not made anew, or no longer, when `None`.
    replay: Option<Replay>,
    misfit: Option<Misfit>,
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
        if let Some(Err(misfit)) = self.replay.as_mut().map(|replay| replay.step(row)) {
            self.misfit = Some(misfit);
            self.replay = None;
        }
        Ok(())
    }
}

fn verify(db: &Connection, scratch: &Scratch, chain: &str, from: VerifyFrom) -> rusqlite::Result<ChainReport> {
    let anchors = anchors(db, chain)?;
    let start = match from {
        VerifyFrom::Start | VerifyFrom::Full => 0,
        VerifyFrom::LastAnchor => anchors.keys().max().copied().unwrap_or(0),
    };
    let replay = (from == VerifyFrom::Full).then(Replay::default);
    let mut walk =
        Walk { seq: start.saturating_sub(1), hash: [0; 32], rows: 0, anchors, last_status: HashMap::new(), replay, misfit: None };
    walk.anchors.retain(|seq, _| *seq >= start);
    let mut first_broken = walk_on(db, chain, &mut walk, start)?;
    // What is compared must stand still; the rows that came meanwhile are read within the same snapshot.
    let still = db.is_autocommit().then(|| db.unchecked_transaction()).transpose()?;
    if first_broken.is_none() {
        first_broken = walk_on(db, chain, &mut walk, start)?;
    }
    if first_broken.is_none() {
        let cut_off = walk.anchors.keys().min().copied();
        first_broken = cut_off.map(|seq| (walk.seq + 1, format!("the rows up to {seq}, which an anchor wrote down, are missing")));
    }
    if first_broken.is_none() {
        let made_of = newest_in_tables(db, chain)?.filter(|seq| *seq > walk.seq);
        first_broken = made_of.map(|seq| (walk.seq + 1, format!("the rows up to {seq}, of which the tables were made, are missing")));
    }
    let differences = match (&first_broken, from) {
        (_, VerifyFrom::Start) => statuses_differ(db, chain, &walk.last_status)?,
        (_, VerifyFrom::LastAnchor) => {
            projections::compare_orders(db, scratch, chain, walk.last_status.keys().copied().collect::<BTreeSet<_>>())?
        }
        // A journal that was changed proves nothing about the tables.
        (Some(_), VerifyFrom::Full) => Vec::new(),
        (None, VerifyFrom::Full) => match (walk.replay, walk.misfit) {
            (Some(replay), _) => projections::compare(db, scratch, chain, &replay.finish())?,
            (None, misfit) => misfit.iter().map(|misfit| projections::misfits(misfit.seq.to_string(), &misfit.why)).collect(),
        },
    };
    drop(still);
    Ok(ChainReport {
        chain: ClientId::parse(chain).ok(),
        rows: walk.rows,
        head_seq: walk.seq,
        head_hash: hex(&walk.hash),
        first_broken,
        differences,
    })
}

/// Walks to the chain's end; answers the first row that is wrong.
fn walk_on(db: &Connection, chain: &str, walk: &mut Walk, start: u64) -> rusqlite::Result<Option<(u64, String)>> {
    let mut found = JournalRows::new(db, chain, walk.seq, u64::MAX);
    while let Some(row) = found.next_row() {
        let checked = match row {
            Err(cause) if rows::is_unreadable(&cause) => Err((walk.seq + 1, format!("it cannot be read: {cause}"))),
            Err(cause) => return Err(cause),
            Ok(row) if walk.rows == 0 && start > 0 && row.seq == start => walk.take(&row),
            Ok(row) => walk.step(&row),
        };
        if let Err(broken) = checked {
            return Ok(Some(broken));
        }
    }
    Ok(None)
}

/// The newest journal row that the tables name, among what changed last: a start can afford it.
fn newest_in_tables(db: &Connection, chain: &str) -> rusqlite::Result<Option<u64>> {
    let newest: Option<i64> = db.query_row(
        "SELECT MAX(seq) FROM (
             SELECT MAX(seq) AS seq FROM (SELECT seq FROM orders WHERE client_id = ?1 ORDER BY number DESC LIMIT 10000)
             UNION ALL SELECT MAX(seq) FROM fills
                 WHERE client_id = ?1 AND trading_date = (SELECT MAX(trading_date) FROM fills WHERE client_id = ?1)
             UNION ALL SELECT MAX(seq) FROM corrections
                 WHERE client_id = ?1 AND trading_date = (SELECT MAX(trading_date) FROM corrections WHERE client_id = ?1)
             UNION ALL SELECT MAX(id) FROM alarms WHERE client_id = ?1
             UNION ALL SELECT MAX(seq) FROM states WHERE client_id = ?1
         )",
        [chain],
        |row| row.get(0),
    )?;
    Ok(newest.map(i64::unsigned_abs))
}

fn anchors(db: &Connection, chain: &str) -> rusqlite::Result<HashMap<u64, [u8; 32]>> {
    db.prepare_cached("SELECT seq, hash FROM anchors WHERE client_id = ?1")?
        .query_map([chain], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?
        .collect()
}

/// The orders whose status is not the one of the rows just read.
fn statuses_differ(db: &Connection, chain: &str, last: &HashMap<CommandId, Status>) -> rusqlite::Result<Vec<Difference>> {
    let mut projected = db.prepare_cached("SELECT status FROM orders WHERE client_id = ?1 AND command_id = ?2")?;
    let mut found = Vec::new();
    for (command, status) in last {
        let now: Option<String> = projected.query_row(params![chain, command.to_string()], |row| row.get(0)).optional()?;
        if now.as_deref() != Some(status.as_str()) {
            found.push(Difference {
                table: "orders",
                row: command.to_string(),
                column: "status".to_owned(),
                in_table: now.unwrap_or_else(|| "nothing".to_owned()),
                in_journal: status.to_string(),
            });
        }
    }
    found.sort();
    found.truncate(projections::NAMED);
    Ok(found)
}
