//! A second, read-only look at the database: for commands that run beside the engine or without it, and for its own exports.
//!
//! *Invariant:* nothing here writes, takes a lock that the writer waits for, or checkpoints.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{ClientId, CommandId, Fill, OrderRecord};
use ordergate_actors::persistence::Alarm;
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::pnl::DayChange;
use ordergate_actors::ports::{JournalRow, Loaded, StoreError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Params};

use super::backup::BackupError;
use super::meta::{self, Binding};
use super::open;
use super::options::{OpenError, database};
use super::pages::{JournalRows, OrderRows};
use super::projections::Scratch;
use super::schema::{self, Schema};
use super::sqlite::failed;
use super::verify::{self, ChainReport, VerifyFrom};
use super::{SimulatedDisk, backup, load, query, rows, write};

/// How many orders there are, and from when to when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Orders.
    pub orders: u64,
    /// When the first was made.
    pub oldest: Option<String>,
    /// When the last was made.
    pub newest: Option<String>,
}

/// An order that lacks what it should have by now.
#[derive(Debug, Clone)]
pub struct Incomplete {
    /// The order.
    pub order: OrderRecord,
    /// The names of the columns; never none.
    pub missing: Vec<&'static str>,
}

impl Incomplete {
    /// What the order lacks; `None`: it lacks nothing.
    #[must_use]
    pub fn of(order: OrderRecord) -> Option<Self> {
        let missing = missing(&order);
        (!missing.is_empty()).then_some(Self { order, missing })
    }
}

/// A read-only connection.
#[derive(Debug)]
pub struct ReadStore {
    pub(super) db: Connection,
    scratch: Scratch,
}

impl ReadStore {
    /// Opens the database of a data directory, whether an engine runs on it or not.
    ///
    /// # Errors
    /// There is none, or not one that this version knows.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(open::FILE);
        std::fs::metadata(&path).map_err(|cause| OpenError::Directory { path: path.clone(), cause })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::on(Connection::open_with_flags(&path, flags).map_err(database("opening the file"))?)
    }

    /// Looks at a simulation's disk.
    ///
    /// # Errors
    /// Nothing was written there yet.
    #[doc(hidden)]
    pub fn simulated(disk: &SimulatedDisk) -> Result<Self, OpenError> {
        Self::on(disk.connect()?)
    }

    fn on(db: Connection) -> Result<Self, OpenError> {
        let step = "reading the file";
        open::keep_statements(&db).map_err(database(step))?;
        db.busy_timeout(std::time::Duration::from_secs(2)).map_err(database(step))?;
        db.pragma_update(None, "query_only", true).map_err(database(step))?;
        // The last connection to close would otherwise fold the log in.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(database(step))?;
        match schema::of(&db) {
            Ok(Schema::Current) => Ok(Self { db, scratch: Scratch::default() }),
            Ok(Schema::Older(found)) => Err(OpenError::OlderSchema { found }),
            Ok(Schema::Newer(found)) => Err(OpenError::NewerSchema { found }),
            Ok(Schema::Other(found)) => Err(OpenError::OtherSchema { found }),
            Err(cause) if cause.to_string().contains("no such table") => Err(OpenError::Foreign),
            Err(cause) => Err(open::damage_or(step)(cause)),
        }
    }

    /// What the directory is bound to.
    ///
    /// # Errors
    /// The disk failed.
    pub fn binding(&self) -> Result<Option<Binding>, StoreError> {
        let text = meta::get(&self.db, "binding").map_err(failed("binding"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn orders(&self, rest: &str, with: impl Params) -> Result<Vec<OrderRecord>, StoreError> {
        let sql = format!("SELECT {} FROM orders {rest}", rows::ORDER);
        query::all(&self.db, &sql, with, rows::order).map_err(failed("reading orders"))
    }

    /// The orders that go by this name: command, signal, basket, parent command, broker's number or broker tag.
    ///
    /// # Errors
    /// The disk failed.
    pub fn find(&self, id: &str) -> Result<Vec<OrderRecord>, StoreError> {
        let name = id.trim().to_owned();
        let uuid = name.to_ascii_lowercase();
        self.orders(
            "WHERE command_id = ?2 OR signal_id = ?2 OR basket_id = ?2 OR parent_command_id = ?2 OR broker_order_id = ?1 OR broker_tag = ?1
             ORDER BY id",
            [name, uuid],
        )
    }

    /// The newest orders, newest first: as many as are asked for, or all that there are.
    ///
    /// # Errors
    /// The disk failed.
    pub fn last(&self, count: u32) -> Result<Vec<OrderRecord>, StoreError> {
        self.orders("WHERE id IN (SELECT id FROM orders ORDER BY id DESC LIMIT ?1) ORDER BY id DESC", [count])
    }

    /// The newest orders that ended FAILED, newest first: as many as are asked for, or all that there are.
    ///
    /// # Errors
    /// The disk failed.
    pub fn last_failed(&self, count: u32) -> Result<Vec<OrderRecord>, StoreError> {
        self.orders("WHERE id IN (SELECT id FROM orders WHERE status = 'FAILED' ORDER BY id DESC LIMIT ?1) ORDER BY id DESC", [count])
    }

    /// Every order.
    #[must_use]
    pub fn every(&self) -> OrderRows<'_> {
        OrderRows::new(&self.db, "", "TRUE", None)
    }

    /// Every order that has not ended.
    #[must_use]
    pub fn open_orders(&self) -> OrderRows<'_> {
        self.open_ones("TRUE", None)
    }

    /// Orders still CREATED that were made before this time.
    #[must_use]
    pub fn created_before(&self, time: DateTime<Utc>) -> OrderRows<'_> {
        self.open_ones("status = 'CREATED' AND created_at < ?2", Some(time))
    }

    /// Orders at the broker that last changed before this time.
    #[must_use]
    pub fn sent_not_updated_since(&self, time: DateTime<Utc>) -> OrderRows<'_> {
        self.open_ones("status IN ('SENT_TO_BROKER', 'PARTIAL') AND updated_at < ?2", Some(time))
    }

    fn open_ones(&self, which: &str, time: Option<DateTime<Utc>>) -> OrderRows<'_> {
        let which = format!("status IN ('CREATED', 'SENT_TO_BROKER', 'PARTIAL') AND {which}");
        OrderRows::new(&self.db, "INDEXED BY orders_open", &which, time.map(stored_time))
    }

    /// Orders that lack what their status says they must have.
    pub fn incomplete(&self) -> impl Iterator<Item = Result<Incomplete, StoreError>> {
        let found = OrderRows::new(
            &self.db,
            "",
            "(status IN ('PARTIAL', 'EXECUTED') AND broker_order_id IS NULL AND test_mode IS NULL)
                OR (status IN ('SENT_TO_BROKER', 'PARTIAL', 'EXECUTED') AND sent_at IS NULL AND test_mode IS NULL)
                OR (filled_quantity > 0 AND average_price IS NULL)
                OR (status = 'FAILED' AND tag IS NULL)
                OR (status <> 'FAILED' AND (exchange IS NULL OR symbol = '' OR execution_type IS NULL OR order_type IS NULL))
                OR (status IN ('SENT_TO_BROKER', 'PARTIAL', 'EXECUTED') AND (side IS NULL OR quantity IS NULL OR product IS NULL))",
            None,
        );
        found.filter_map(|order| order.map(Incomplete::of).transpose())
    }

    fn counts(&self, sql: &str) -> Result<Vec<(String, u64)>, StoreError> {
        query::all(&self.db, sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))).map_err(failed("counting"))
    }

    /// How many orders are in each status.
    ///
    /// # Errors
    /// The disk failed.
    pub fn count_by_status(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.counts("SELECT status, COUNT(*) FROM orders GROUP BY status ORDER BY status")
    }

    /// How many orders came from each kind of source.
    ///
    /// # Errors
    /// The disk failed.
    pub fn count_by_source(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.counts("SELECT source, COUNT(*) FROM orders GROUP BY source ORDER BY source")
    }

    /// How many orders there are, and from when to when.
    ///
    /// # Errors
    /// The disk failed.
    pub fn span(&self) -> Result<Span, StoreError> {
        let read =
            |row: &rusqlite::Row<'_>| Ok(Span { orders: row.get::<_, i64>(0)?.unsigned_abs(), oldest: row.get(1)?, newest: row.get(2)? });
        self.db.query_row("SELECT COUNT(*), MIN(created_at), MAX(created_at) FROM orders", [], read).map_err(failed("counting"))
    }

    /// An order's trades, oldest first.
    ///
    /// # Errors
    /// The disk failed.
    pub fn fills(&self, client: &ClientId, command: CommandId) -> Result<Vec<Fill>, StoreError> {
        query::fills(&self.db, client, command).map_err(failed("reading fills"))
    }

    /// An order's journal, oldest first.
    ///
    /// # Errors
    /// The disk failed.
    pub fn order_journal(&self, client: &ClientId, command: CommandId) -> Result<Vec<JournalRow>, StoreError> {
        query::whole_order_journal(&self.db, client, command).map_err(failed("reading the journal"))
    }

    /// The last row of each chain.
    ///
    /// # Errors
    /// The disk failed.
    pub fn heads(&self) -> Result<Vec<JournalRow>, StoreError> {
        load::heads(&self.db).map_err(failed("reading the chains' heads"))
    }

    /// A chain's rows after one number and up to another, oldest first. Read a page at a time: rows that are written
    /// meanwhile appear at the end, and the engine's log is never held back.
    #[must_use]
    pub fn journal(&self, client: Option<&ClientId>, after: u64, up_to: u64) -> JournalRows<'_> {
        JournalRows::new(&self.db, write::chain(client), after, up_to)
    }

    /// One page of a chain: at most so many of its rows after one number and up to another, oldest first, each with its
    /// number. A row that is there and cannot be read is `None`, and ends the page.
    ///
    /// # Errors
    /// The disk failed.
    pub fn journal_page(
        &self,
        client: Option<&ClientId>,
        after: u64,
        up_to: u64,
        most: usize,
    ) -> Result<Vec<(u64, Option<JournalRow>)>, StoreError> {
        let mut page: Vec<(u64, Option<JournalRow>)> = Vec::new();
        let mut rows = self.journal(client, after, up_to);
        while page.len() < most {
            match rows.next_row() {
                None => break,
                Some(Ok(row)) => page.push((row.seq, Some(row))),
                Some(Err(cause)) if rows::is_unreadable(&cause) => {
                    // The numbers of a chain have no gap.
                    let number = page.last().map_or(after, |(seq, _)| *seq).saturating_add(1);
                    page.push((number, None));
                    break;
                }
                Some(Err(cause)) => return Err(failed("reading the journal")(cause)),
            }
        }
        Ok(page)
    }

    /// What a restart would start from.
    ///
    /// # Errors
    /// The disk failed, or holds what this version cannot read.
    #[doc(hidden)]
    pub fn load(&self) -> Result<Loaded, StoreError> {
        load::load(&self.db, "")
    }

    /// What a restart would make the day of.
    ///
    /// # Errors
    /// The disk failed.
    #[doc(hidden)]
    pub fn loaded_day(&self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        load::day(&self.db, client, from).map_err(failed("load: the day"))
    }

    /// One order, as its row stands.
    ///
    /// # Errors
    /// The disk failed.
    pub fn order(&self, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError> {
        query::order(&self.db, client, command).map_err(failed("reading an order"))
    }

    /// The open alarms of every chain, as their rows stand.
    ///
    /// # Errors
    /// The disk failed.
    pub fn alarms(&self) -> Result<Vec<(Option<ClientId>, Alarm)>, StoreError> {
        let sql = format!("SELECT {} FROM alarms ORDER BY at, client_id, id", rows::ALARM);
        query::all(&self.db, &sql, [], rows::alarm).map_err(failed("reading alarms"))
    }

    /// Verifies every chain.
    ///
    /// # Errors
    /// The disk failed; a broken chain is no error but a report.
    pub fn verify(&self, from: VerifyFrom) -> Result<Vec<ChainReport>, StoreError> {
        verify::chains(&self.db, &self.scratch, from)
    }

    /// Checks every page of the file; what is wrong with it, or nothing. Takes seconds on a large file.
    ///
    /// # Errors
    /// The disk failed.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        let found: Vec<String> = query::all(&self.db, "PRAGMA quick_check", [], |row| row.get(0)).map_err(failed("checking the file"))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Copies the database as of now into one new file. The copy has no tag prefix: whoever restores it draws a new
    /// one, so that the orders of the two are told apart at the broker. `spare` bytes stay free where it goes.
    ///
    /// # Errors
    /// The file exists already or cannot be made, there is too little room, or the disk failed; nothing of it is left then.
    pub fn backup(&self, to: &Path, spare: u64) -> Result<(), BackupError> {
        backup::to_file(&self.db, to, spare)
    }
}

/// The columns that an order lacks.
fn missing(order: &OrderRecord) -> Vec<&'static str> {
    use ordergate_actors::order::Status;
    let sent = matches!(order.status, Status::SentToBroker | Status::Partial | Status::Executed);
    let real = order.ask.test_mode.is_none();
    let live = order.status != Status::Failed;
    let checks = [
        ("broker_order_id", sent && real && order.status != Status::SentToBroker && order.broker_order_id.is_none()),
        ("sent_at", sent && real && order.sent_at.is_none()),
        ("average_price", order.filled_quantity > 0 && order.average_price.is_none()),
        ("tag", !live && order.tag.is_none()),
        ("exchange", live && order.ask.exchange.is_none()),
        ("symbol", live && order.ask.symbol.is_empty()),
        ("execution_type", live && order.ask.intent.is_none()),
        ("order_type", live && order.ask.order_type.is_none()),
        ("side", sent && order.ask.side.is_none()),
        ("quantity", sent && order.ask.quantity.is_none()),
        ("product", sent && order.ask.product.is_none()),
    ];
    checks.into_iter().filter_map(|(column, is_missing)| is_missing.then_some(column)).collect()
}
