//! What BrokerActor is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use super::{CallKey, CallKind, Wish};
use crate::guard::Admitted;
use crate::order::{CommandId, InstrumentKey};
use crate::persistence::Outcome;
use crate::ports::{
    BookRow, BrokerOrder, DeliveryRow, Funds, Modification, NoFunds, NoMargin, NoQuote, OrderMargin, PositionRow, Quote, RateWindow,
    Session, Snapshot, TradeRow,
};
use crate::watcher::Began;

/// Send these. Sent by GuardActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Place {
    /// The orders of one basket, in the order in which they go.
    pub group: Vec<Admitted>,
}

/// Cancel this order at the broker. Sent by WatcherActor, for a wish that is on disk; may be repeated.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CancelOrder {
    /// The order.
    pub command_id: CommandId,
    /// Whether a kill wants it.
    pub is_kill: bool,
}

/// Change this order at the broker. Sent by GuardActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ModifyOrder {
    /// Whoever asked was told that it is asked for: its end is written down, also when this message is lost.
    pub wish: Wish,
    /// As it shall be.
    pub change: Modification,
}

/// A send intention came back from the disk. Sent by PersistenceActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SendCommitted {
    /// The order.
    pub command_id: CommandId,
    /// Whether it may be sent.
    pub outcome: Outcome,
}

/// A cancel or modify intention came back from the disk. Sent by PersistenceActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallCommitted {
    /// The order.
    pub command_id: CommandId,
    /// Which of its calls.
    pub kind: CallKind,
    /// Whether it may be called.
    pub outcome: Outcome,
}

/// Read these books, one after the other. Sent by WatcherActor.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Read(pub BTreeSet<Reading>);

/// What can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Whether orders can be sent.
    Session,
    /// The trade book: before the order book, so that an order's fills are in before it ends.
    Trades,
    /// The order book.
    Orders,
    /// The positions.
    Positions,
    /// Shares held for delivery from earlier days.
    Holdings,
    /// The account's money, of a broker that tells it.
    Funds,
}

/// What a read brought.
#[derive(Debug)]
pub enum Found {
    /// The session.
    Session(Session),
    /// The order book.
    Orders(Snapshot<Arc<BookRow>>),
    /// The trade book.
    Trades(Snapshot<Arc<TradeRow>>),
    /// The positions.
    Positions(Snapshot<PositionRow>),
    /// Shares held for delivery from earlier days.
    Holdings(Snapshot<DeliveryRow>),
    /// The account's money.
    Funds(Result<Funds, NoFunds>),
}

/// Calls ended; their answers are with the calls. Posted by their tasks.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct CallDone;

/// A call has held the slot long enough.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct SlotDeadline(pub(super) CallKey);

/// A read ended. Posted by its task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct ReadDone {
    pub(super) found: Found,
    pub(super) began: Began,
}

/// These instruments need a fresh quote, each for the order of that number. Sent by RiskActor, again with every look while it
/// waits; the answer is [`crate::risk::QuoteCame`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WantQuotes(pub Vec<(InstrumentKey, u64)>);

/// An instrument was asked for its quote, for orders that need one. Posted by the task that asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Quoted {
    pub(super) key: InstrumentKey,
    pub(super) quote: Result<Quote, NoQuote>,
}

/// What would this order take? Sent by the Engine for a person who looks. Where it may not be asked now it is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AskMargin {
    /// The order, as the broker would take it.
    pub order: BrokerOrder,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<OrderMargin, NoMargin>>,
}

/// The broker was asked what an order would take. Posted by the task that asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct MarginDone {
    pub(super) limited: Option<(RateWindow, String)>,
}
