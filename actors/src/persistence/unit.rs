//! What actors post to the ledger: facts, never states. One unit is written whole or not at all.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::control::{Control, ControlChange};
use super::kept::{Keep, KeepOver, KeptChange};
use super::registered::Registered;
use super::ticket::{Answer, Permit, Ticket};
use crate::broker::CallKind;
use crate::order::{
    Ask, BasketId, ClientId, CommandId, EndPrice, HoldingKey, IdempotencyKey, OrderFact, OrderRecord, Price, Quantity, Side, SignalId,
    Source, Strategy, Tag,
};
use crate::ports::{JournalRow, Naming};

/// One thing to write down.
#[derive(Debug)]
pub enum Unit {
    /// A signal and all of its orders.
    Register(Box<Registration>),
    /// A fact about one order.
    Order(OrderUnit),
    /// A kill level, a freeze, a strategy halt.
    Control {
        /// The account.
        client_id: ClientId,
        /// What changes.
        change: ControlChange,
        /// Who.
        who: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// The broker shows fewer units than our fills: what a strategy holds is reduced to match. With [`Earlier`] units that ended with
    /// an earlier day of their own.
    Reduce {
        /// The account.
        client_id: ClientId,
        /// The owner.
        strategy: Strategy,
        /// In what.
        key: HoldingKey,
        /// Units to take out.
        units: i64,
        /// At which price they left, if the broker tells one.
        price: Option<Price>,
        /// That they left on an earlier day, if so.
        earlier: Option<Earlier>,
        /// What shows it.
        reason: Arc<str>,
    },
    /// A contract has expired, and with it what a strategy held in it. Refused until its day is over in India.
    Settle {
        /// The account.
        client_id: ClientId,
        /// The owner.
        strategy: Strategy,
        /// In what.
        key: HoldingKey,
        /// The contract's last day, India.
        expiry: NaiveDate,
        /// What shows it.
        reason: Arc<str>,
    },
    /// A strategy takes units over that the broker shows and none of our fills brought.
    Adopt(Adopted),
    /// A person tells the price at which units left that had none.
    Tell(Telling),
    /// CREATED orders of one basket whose tickets were lost ask for new tokens.
    Reissue {
        /// The account.
        client_id: ClientId,
        /// The orders.
        commands: Vec<CommandId>,
    },
    /// A person has seen an alarm: it is open no longer.
    Acknowledge {
        /// The account; `None` for an alarm of the process.
        client_id: Option<ClientId>,
        /// The journal row that raised it.
        alarm: u64,
        /// Who.
        who: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// A small state beside the orders.
    Keep(Keep),
    /// The same, whatever stands.
    KeepOver(KeepOver),
    /// A journal row that changes no order: an alarm, a bad signal.
    Note(Note),
}

/// The event of units that ended with their contract.
pub(super) const SETTLED: &str = "HOLDING_SETTLED";

/// The event of units that a strategy took over.
pub(super) const ADOPTED: &str = "HOLDING_ADOPTED";

/// The event of a price that a person tells.
pub(super) const PRICE_TOLD: &str = "PRICE_TOLD";

/// Units that left on an earlier day than the one on which that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// The day, India: before that of the commit.
    pub on: NaiveDate,
    /// What the strategy held when this was decided: when it holds something else at the commit, nothing changes and the
    /// answer is `NotApplied`.
    pub net_before: i64,
}

/// The price at which units left, told by a person. It changes what a day came to, and nothing else: no quantity, no order.
#[derive(Debug, Clone)]
pub struct Telling {
    /// The account.
    pub client_id: ClientId,
    /// The journal row by which they left.
    pub row: u64,
    /// Rupees per unit.
    pub price: EndPrice,
    /// Who tells it.
    pub who: Arc<str>,
    /// From where it is known.
    pub reason: Arc<str>,
}

/// Units that a strategy takes over from elsewhere, at a price that is stated. On the side of what it holds they add to it,
/// on the other they close it at that price.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// The account.
    pub client_id: ClientId,
    /// The new owner.
    pub strategy: Strategy,
    /// In what.
    pub key: HoldingKey,
    /// The side that brought them.
    pub side: Side,
    /// How many.
    pub quantity: Quantity,
    /// Rupees per unit.
    pub price: Price,
    /// What the strategy held when this was decided: when it holds something else at the commit, nothing changes and the
    /// answer is `NotApplied`.
    pub net_before: i64,
    /// Who took them.
    pub who: Arc<str>,
    /// Why, with what showed them.
    pub reason: Arc<str>,
}

/// A fact about one order.
#[derive(Debug)]
pub struct OrderUnit {
    /// The account.
    pub client_id: ClientId,
    /// The order.
    pub command_id: CommandId,
    /// What happened.
    pub fact: OrderFact,
    /// Who says so.
    pub who: Arc<str>,
}

/// A signal on its way into the journal.
#[derive(Debug)]
pub struct Registration {
    /// The account.
    pub client_id: ClientId,
    /// The signal.
    pub signal_id: SignalId,
    /// Its basket.
    pub basket_id: BasketId,
    /// The kind of source.
    pub source: Source,
    /// Which one.
    pub user: Arc<str>,
    /// The sender's own key.
    pub key: Option<IdempotencyKey>,
    /// The body's hash.
    pub body_hash: [u8; 32],
    /// How long an identical body without a key counts as the same signal, milliseconds.
    pub replay_window_ms: u64,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// What its age is measured from.
    pub signal_time: DateTime<Utc>,
    /// Its orders, in the order in which they go down the line.
    pub legs: Vec<NewOrder>,
    /// The exit rule that made it, written down with it: fired, and its exit is there.
    pub fired: Option<KeepOver>,
    /// What its basket still has to do, written down with it.
    pub plan: Option<Keep>,
}

/// One order of a registration.
#[derive(Debug)]
pub struct NewOrder {
    /// Its name.
    pub command_id: CommandId,
    /// Which leg of the signal it is.
    pub leg: u16,
    /// What could be read of it.
    pub ask: Ask,
    /// Set when it is refused as it is registered.
    pub refused: Option<(Tag, String)>,
    /// The leg as it was sent, as JSON text.
    pub sent: String,
    /// How its instrument was read, where it was not sent under its own name.
    pub naming: Option<Naming>,
    /// The order that it repeats or replaces.
    pub parent: Option<CommandId>,
    /// Its right to be in the line.
    pub permit: Permit,
}

/// How loud an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// For the record.
    Info,
    /// Somebody should look today.
    Warn,
    /// Somebody must look now.
    Page,
}

impl Level {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Page => "PAGE",
        }
    }

    /// Reads what [`Level::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Info, Self::Warn, Self::Page].into_iter().find(|level| level.as_str() == text)
    }
}

/// A journal row that changes no order.
#[derive(Debug, Clone)]
pub struct Note {
    /// The account; `None` for the process.
    pub client_id: Option<ClientId>,
    /// Stable name (`ALARM_FOREIGN_TAG`).
    pub event: &'static str,
    /// How loud.
    pub level: Level,
    /// What, with the numbers.
    pub text: String,
    /// The order, if it is about one.
    pub command_id: Option<CommandId>,
    /// Who says so.
    pub who: Arc<str>,
    /// More, as JSON text; `{}` for nothing.
    pub inputs: String,
}

/// What comes back with the commit, and to whom.
#[derive(Debug)]
pub enum Cargo {
    /// Nobody waits.
    None,
    /// A registration: its caller.
    Caller(oneshot::Sender<Result<Answer, NotRegistered>>),
    /// The broker's answer or a refusal: ends the ticket.
    Ticket(Ticket),
    /// A send intention: BrokerActor may call when it is on disk.
    Send,
    /// A cancel or modify call: BrokerActor may call when it is on disk.
    Call(CallKind),
    /// A control: whoever asked for it.
    Done(oneshot::Sender<Outcome>),
}

/// Why a signal left no new rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// The same key came with another body.
    #[error("idempotency key {key:?} was used before with another body (signal {signal_id})")]
    Conflict {
        /// The key.
        key: String,
        /// The signal that has it.
        signal_id: SignalId,
    },
    /// The journal is not open, or the process is stopping.
    #[error("not registered: {0}")]
    Closed(String),
}

/// What a unit did.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Committed. The order's row after it, if it is about one.
    Applied(Option<Arc<OrderRecord>>),
    /// The fact no longer fits, says nothing new, or was seen before. The row as it stands.
    NotApplied(Option<Arc<OrderRecord>>),
}

impl Outcome {
    /// The row, either way.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<OrderRecord>> {
        match self {
            Self::Applied(record) | Self::NotApplied(record) => record.as_ref(),
        }
    }

    /// Whether it did anything.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }
}

/// A unit with what must come back.
#[derive(Debug)]
pub struct Posted {
    /// What to write.
    pub unit: Unit,
    /// Who hears of it.
    pub cargo: Cargo,
}

impl Posted {
    /// Whether somebody waits for its commit: whoever asked, or an order that goes on with it.
    pub(super) fn is_awaited(&self) -> bool {
        match &self.cargo {
            Cargo::None => false,
            // The broker's answer: its order has gone, and its sender was told.
            Cargo::Ticket(ticket) => ticket.is_awaited(),
            Cargo::Caller(_) | Cargo::Send | Cargo::Call(_) | Cargo::Done(_) => true,
        }
    }

    /// Whether it may be dropped when there is no room: a fact that comes again with the next poll of the broker's books,
    /// or a note (it is in the log too).
    #[must_use]
    pub fn comes_again(&self) -> bool {
        let is_of_the_books = matches!(&self.unit, Unit::Order(unit) if matches!(unit.fact, OrderFact::Book { .. } | OrderFact::Fill(_) | OrderFact::Absent { .. }));
        (is_of_the_books || matches!(&self.unit, Unit::Note(_))) && matches!(self.cargo, Cargo::None)
    }
}

/// What the commit hands back, in commit order.
#[derive(Debug)]
pub enum Ack {
    /// New orders, to be driven down the line, by basket.
    Registered(ClientId, Vec<Registered>),
    /// The send intention of an order.
    SendCommitted(ClientId, CommandId, Outcome),
    /// The call intention of an order.
    CallCommitted(ClientId, CommandId, CallKind, Outcome),
}

/// One committed journal row with the order's row after it: what listeners see.
#[derive(Debug, Clone)]
pub struct Event {
    /// The journal row.
    pub row: Arc<JournalRow>,
    /// The order's row after it.
    pub record: Option<Arc<OrderRecord>>,
    /// How loud, for notes.
    pub level: Level,
    /// The change of the controls, if it was one.
    pub control: Option<Arc<(ControlChange, Control)>>,
    /// The change of a state beside the orders, if it was one.
    pub kept: Option<Arc<KeptChange>>,
}

/// Told of every commit, after it, on the writer's thread: must not block.
pub trait Listener: Send {
    /// The events of one commit, in order.
    fn committed(&mut self, events: &[Event]);
}
