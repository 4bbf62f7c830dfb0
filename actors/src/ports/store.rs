//! The disk, as the ledger sees it. One owner, one connection; rows go in as they are, transitions are decided above.
//!
//! Any error from `begin` to `commit` means *unknown*: the ledger halts the process and recovery reads the truth.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::order::{
    BrokerOrderId, BrokerTag, ClientId, CommandId, Exchange, Fill, Holding, HoldingKey, OrderRecord, SignalId, Source, Status, Strategy,
    Tag,
};
use crate::persistence::{Alarm, Kept, KeptStates, Slot};
use crate::pnl::DayChange;

/// The disk failed. Nothing is known about what was being written.
#[derive(Debug, thiserror::Error)]
#[error("the store failed at {step}: {cause}")]
pub struct StoreError {
    /// Which step.
    pub step: &'static str,
    /// What the disk or the database said.
    pub cause: String,
}

/// What arrived, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalRow {
    /// The account.
    pub client_id: ClientId,
    /// Our name for it.
    pub signal_id: SignalId,
    /// Unique per account for ever. An explicit key is stored as `k:<key>`, a body without one as
    /// `b:<source>/<user>:<sha256 hex>:<received_at in microseconds, 20 digits>:<signal>`, what is taken once a day as
    /// `o:<key>:<received_at as above>:<signal>`.
    pub idempotency_key: String,
    /// SHA-256 of the body without its secret.
    pub body_hash: [u8; 32],
    /// The kind of source.
    pub source: Source,
    /// Which secret, key or strategy.
    pub user: Arc<str>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// How many orders it asked for.
    pub legs: u16,
}

/// One row of the append-only journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The account's chain; `None`: the chain of events without an account.
    pub client_id: Option<ClientId>,
    /// Gapless from 1 within the chain.
    pub seq: u64,
    /// SHA-256 of the chain's row before it; zeros for the first.
    pub prev_hash: [u8; 32],
    /// When, UTC.
    pub at: DateTime<Utc>,
    /// Stable name of what happened.
    pub event: Arc<str>,
    /// The order.
    pub command_id: Option<CommandId>,
    /// The signal.
    pub signal_id: Option<SignalId>,
    /// Status before.
    pub from: Option<Status>,
    /// Status after.
    pub to: Option<Status>,
    /// The order's tag after.
    pub tag: Option<Tag>,
    /// The numbers, in words.
    pub reason: Option<Arc<str>>,
    /// Who: an actor, a person, a source.
    pub who: Arc<str>,
    /// What was looked at, as JSON text; hashed as stored.
    pub inputs: Arc<str>,
}

/// A chain's head, written down: verification may start here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The chain.
    pub client_id: Option<ClientId>,
    /// The last row.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When.
    pub at: DateTime<Utc>,
}

/// One row to write.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new signal.
    Signal(Arc<SignalRow>),
    /// A new order.
    InsertOrder(Arc<OrderRecord>),
    /// An order's projection after a transition.
    UpdateOrder(Arc<OrderRecord>),
    /// A trade, unique by (account, trading date, exchange, broker order, trade).
    Fill {
        /// The account.
        client_id: ClientId,
        /// Our order.
        command_id: CommandId,
        /// The IST date of the trade.
        trading_date: NaiveDate,
        /// The exchange.
        exchange: Exchange,
        /// The trade.
        fill: Fill,
        /// The journal row that tells of it.
        seq: u64,
        /// What its strategy held there before it.
        before: Holding,
    },
    /// A change of what a strategy holds that was no trade of the day: taken over, closed elsewhere, told late.
    Correction {
        /// The account.
        client_id: ClientId,
        /// What changed.
        change: DayChange,
        /// When.
        at: DateTime<Utc>,
    },
    /// The price at which units left, told of a change that is there.
    Told {
        /// The account.
        client_id: ClientId,
        /// The change, with its price.
        change: DayChange,
    },
    /// What a strategy holds now; written over.
    Holding {
        /// The account.
        client_id: ClientId,
        /// The owner.
        strategy: Strategy,
        /// In what.
        key: HoldingKey,
        /// How much.
        holding: Holding,
        /// When.
        at: DateTime<Utc>,
    },
    /// A kill level or freeze; written over. The value is the engine's JSON.
    Control {
        /// The account.
        client_id: ClientId,
        /// Its value, as JSON text.
        value: Arc<str>,
        /// When.
        at: DateTime<Utc>,
    },
    /// An open alarm of a chain; written over.
    Alarm(Option<ClientId>, Alarm),
    /// An alarm that is open no longer.
    AlarmGone(Option<ClientId>, u64),
    /// A state beside the orders; written over.
    Kept(Option<ClientId>, Slot, Kept),
    /// A state that has ended.
    KeptGone(Option<ClientId>, Slot),
    /// A journal row.
    Journal(Arc<JournalRow>),
    /// A chain's head.
    Anchor(Anchor),
}

/// What became of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Written (durable after the commit).
    Done,
    /// A uniqueness constraint said no; the unit was rolled back alone. Names the table, or the column of a number that the ledger gives
    /// out itself (`orders.number`, `orders.broker_tag`).
    Refused(&'static str),
}

/// What became of the wish to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The round is open.
    Open,
    /// Another program holds the lock. Nothing was written, so nothing is unknown: it may be asked for again. Says what was found.
    Locked(String),
}

/// What a restart starts from, per account.
#[derive(Debug, Clone)]
pub struct AccountHead {
    /// The account.
    pub client_id: ClientId,
    /// Highest order number, 0 for none.
    pub last_number: u64,
    /// Every order that has not ended, and the newest 10,000.
    pub orders: Vec<OrderRecord>,
    /// What the strategies hold (net not 0).
    pub holdings: Vec<(Strategy, HoldingKey, Holding)>,
    /// The engine's control JSON.
    pub control: Option<String>,
}

/// Everything that a restart needs.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// One per account that ever wrote.
    pub accounts: Vec<AccountHead>,
    /// The last row of each chain.
    pub heads: Vec<JournalRow>,
    /// The last row of each chain that an anchor wrote down.
    pub anchors: Vec<(Option<ClientId>, u64)>,
    /// The open alarms of each chain, in order of their names.
    pub alarms: Vec<(Option<ClientId>, Vec<Alarm>)>,
    /// The states beside the orders of each chain, in order of their names.
    pub kept: Vec<(Option<ClientId>, KeptStates)>,
    /// Four letters or digits that no other data directory uses; starts our broker tags.
    pub tag_prefix: String,
    /// The time of the newest journal row.
    pub newest: Option<DateTime<Utc>>,
}

/// A read for people, answered between two commits; at most 200 rows.
#[derive(Debug, Clone)]
pub enum Query {
    /// One order.
    Order(ClientId, CommandId),
    /// The order that a row of the broker's book is about: the one that was sent on that IST date and got that number, or
    /// else the one with that tag.
    OrderAtBroker {
        /// The account.
        client_id: ClientId,
        /// The row's day.
        day: NaiveDate,
        /// The broker's number.
        broker_order_id: BrokerOrderId,
        /// The tag that came back, if it is one of ours.
        broker_tag: Option<BrokerTag>,
    },
    /// The orders of a signal, by leg.
    Signal(ClientId, SignalId),
    /// The orders of the signal that came under that idempotency key of its sender's, by leg.
    SignalOfKey(ClientId, String),
    /// The orders below a number, newest first.
    OrdersBefore(ClientId, u64, u16),
    /// An order's journal after a row of it (0: from its first), oldest first. A page: what is left comes after its last row.
    OrderJournal(ClientId, CommandId, u64),
    /// All of an order's trades, oldest first.
    Fills(ClientId, CommandId),
    /// A chain's rows after a number, oldest first.
    JournalAfter(Option<ClientId>, u64, u16),
    /// A chain's rows before a number, newest first.
    JournalBefore(Option<ClientId>, u64, u16),
    /// The change of a holding that this journal row tells of, if it was no trade of its day.
    Correction(ClientId, u64),
    /// What left without a price of its own: first what nobody has told one of, each the newest first. A page.
    LeftUnpriced(ClientId),
}

/// The rows that answer a [`Query`].
#[derive(Debug, Clone)]
pub enum Rows {
    /// Orders.
    Orders(Vec<OrderRecord>),
    /// Journal rows.
    Journal(Vec<JournalRow>),
    /// Trades.
    Fills(Vec<Fill>),
    /// Changes of holdings.
    Changes(Vec<DayChange>),
}

/// The disk.
pub trait Store: Send {
    /// Reads what a restart needs.
    ///
    /// # Errors
    /// The disk failed; the process must not start.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// What has changed in an account's holdings since that IST day began, in the order of the journal rows.
    ///
    /// # Errors
    /// The disk failed; the process must not start.
    fn day(&mut self, client: &ClientId, from: NaiveDate) -> Result<Vec<DayChange>, StoreError>;

    /// The change of a holding that this journal row tells of, if it was no trade of its day.
    ///
    /// # Errors
    /// Halt.
    fn correction(&mut self, client: &ClientId, seq: u64) -> Result<Option<DayChange>, StoreError>;

    /// Opens the round's transaction.
    ///
    /// # Errors
    /// Halt.
    fn begin(&mut self) -> Result<Begun, StoreError>;

    /// Writes one unit; of one that is refused nothing stays, and the units before it do.
    ///
    /// # Errors
    /// Halt.
    fn unit(&mut self, writes: &[Write]) -> Result<Verdict, StoreError>;

    /// Makes the round durable.
    ///
    /// # Errors
    /// Unknown whether it is durable: halt, never retry.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Called when nothing is queued: a passive checkpoint, if the log has grown past the watermark.
    ///
    /// # Errors
    /// Halt.
    fn idle(&mut self) -> Result<(), StoreError>;

    /// At the clean end: everything into the main file, but for what a reader keeps in the log, where the next start finds it.
    ///
    /// # Errors
    /// The checkpoint failed; the log holds everything still.
    fn close(&mut self) -> Result<(), StoreError>;

    /// The signal with exactly this key.
    ///
    /// # Errors
    /// Halt.
    fn signal_by_key(&mut self, client: &ClientId, key: &str) -> Result<Option<SignalRow>, StoreError>;

    /// The signal with the greatest key of this prefix.
    ///
    /// # Errors
    /// Halt.
    fn newest_signal_with_prefix(&mut self, client: &ClientId, prefix: &str) -> Result<Option<SignalRow>, StoreError>;

    /// An order that is no longer in memory.
    ///
    /// # Errors
    /// Halt.
    fn order(&mut self, client: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError>;

    /// The order with this broker number that was sent on this IST date.
    ///
    /// # Errors
    /// Halt.
    fn order_by_broker_id(&mut self, client: &ClientId, date: NaiveDate, id: &BrokerOrderId) -> Result<Option<OrderRecord>, StoreError>;

    /// The order with this tag.
    ///
    /// # Errors
    /// Halt.
    fn order_by_tag(&mut self, client: &ClientId, tag: &BrokerTag) -> Result<Option<OrderRecord>, StoreError>;

    /// A read for people.
    ///
    /// # Errors
    /// Answered to the reader; does not halt.
    fn query(&mut self, query: &Query) -> Result<Rows, StoreError>;

    /// Bytes free where the journal lives; `None` when that cannot be known.
    fn free_space(&self) -> Option<u64>;

    /// Gives up the ballast file, so that exits can still be journaled.
    fn release_ballast(&mut self);
}
