//! The world of the model at one moment: what is on disk, what the process remembers, what is on the wire, and what the broker has.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::order::{BookState, BrokerOrderId, Exchange, Fill, OrderFact, OrderRecord, Status, Tag, TradeId};
use crate::persistence::Book;
use crate::ports::{BookRow, TradeRow};
use crate::testkit::builders::{at, book_of, book_row, broker_id, order, price, units};
use crate::watcher::{Patience, Search};

/// Orders of the model.
pub(super) const ORDERS: usize = 2;
/// Begins every tag of ours.
pub(super) const PREFIX: &str = "A1B2";
/// Seconds. A request that nobody waits for any more reaches the broker before one has passed, or never: what the quiet period is
/// for.
pub(super) const QUIET: i64 = 1;

/// Where an order is in the process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Its token goes down the line; the row is CREATED.
    Token,
    /// Its intention is on disk, and BrokerActor has the word of it.
    Ready,
    /// Its call has the write slot.
    Calling,
    /// Its call took too long for the slot, and runs on.
    Late,
    /// The process has nothing of it.
    Gone,
}

impl Lane {
    /// Whether a call runs.
    pub(super) fn is_running(self) -> bool {
        matches!(self, Self::Calling | Self::Late)
    }
}

/// Between the engine and the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Message {
    /// A place call, and whether its answer is waited for.
    Request { order: usize, is_waited_for: bool },
    /// The broker's answer: a number, or a clear no.
    Reply { order: usize, number: Option<usize> },
}

impl Message {
    pub(super) fn order(self) -> usize {
        match self {
            Self::Request { order, .. } | Self::Reply { order, .. } => order,
        }
    }
}

/// An order at the broker; its number there is its place, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Placed {
    pub(super) order: usize,
    pub(super) is_filled: bool,
}

/// The books as a read found them; its answer is on its way.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) rows: Vec<Placed>,
    pub(super) began_seq: u64,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    /// The process dies.
    pub(super) crashes: u8,
    /// A request or a reply is lost, late or doubled; a message of the stream comes beside its turn.
    pub(super) wire: u8,
    /// A book is stale, or empty and says that it is whole.
    pub(super) lies: u8,
}

/// See the head of this file.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// On disk.
    pub(super) rows: [OrderRecord; ORDERS],
    pub(super) seq: u64,
    /// Lost with the process: the lanes, facts that are posted and not committed, the read under way, the search, and whether the
    /// books were proven since the start.
    pub(super) lanes: [Lane; ORDERS],
    pub(super) posted: VecDeque<(usize, OrderFact)>,
    pub(super) reading: Option<Reading>,
    pub(super) search: Search,
    pub(super) is_recovering: bool,
    /// Seconds, and until when their passing makes a difference.
    pub(super) now: i64,
    pub(super) quiet_until: i64,
    /// The world: messages, the broker's orders, and those before the last change there.
    pub(super) wire: Vec<Message>,
    pub(super) broker: Vec<Placed>,
    pub(super) before: Vec<Placed>,
    pub(super) left: Faults,
}

impl State {
    /// Both orders are on disk as CREATED, and go down the line.
    pub(super) fn start(left: Faults) -> Self {
        Self {
            rows: [order(1), order(2)],
            seq: 2,
            lanes: [Lane::Token; ORDERS],
            posted: VecDeque::new(),
            reading: None,
            search: Search::default(),
            is_recovering: false,
            now: 0,
            quiet_until: 0,
            wire: Vec::new(),
            broker: Vec::new(),
            before: Vec::new(),
            left,
        }
    }

    /// The committed rows as the rules see them.
    pub(super) fn book(&self) -> Book {
        book_of(self.rows.iter().cloned(), &[])
    }

    /// Everything that a rule could tell two states apart by. Left out are texts, and moments as such: what counts of them is how
    /// long ago they were, up to the quiet period, and whether a row is newer than the read under way.
    pub(super) fn key(&self, patience: Patience) -> Key {
        let quiet = patience.quiet.num_seconds();
        let looked = |missing: &crate::watcher::search::Missing| {
            let since = at(self.now).signed_duration_since(missing.quiet_since).num_seconds().min(quiet);
            (since, missing.order_books.min(patience.books), missing.trade_books.min(patience.books))
        };
        let mut wire = self.wire.clone();
        wire.sort_unstable();
        Key {
            rows: self.rows.each_ref().map(|row| {
                (row.status, row.tag, row.sent_at.is_some(), row.broker_order_id.clone(), row.filled_quantity, row.traded_quantity)
            }),
            lanes: self.lanes,
            posted: self.posted.iter().map(|(order, fact)| (*order, told(fact))).collect(),
            reading: self.reading.as_ref().map(|reading| {
                let is_newer = self.rows.each_ref().map(|row| row.seq > reading.began_seq);
                (reading.rows.clone(), is_newer)
            }),
            looked: self.rows.each_ref().map(|row| self.search.missing.get(&row.command_id).map(looked)),
            is_recovering: self.is_recovering,
            quiet_left: (self.quiet_until - self.now).max(0),
            wire,
            broker: self.broker.clone(),
            // Only a book that lies shows it.
            before: if self.left.lies > 0 { self.before.clone() } else { Vec::new() },
            left: self.left,
        }
    }
}

type Told = (&'static str, Option<BrokerOrderId>, bool);
type RowKey = (Status, Option<Tag>, bool, Option<BrokerOrderId>, i64, i64);
type ReadingKey = (Vec<Placed>, [bool; ORDERS]);

/// See [`State::key`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    rows: [RowKey; ORDERS],
    lanes: [Lane; ORDERS],
    posted: Vec<(usize, Told)>,
    reading: Option<ReadingKey>,
    looked: [Option<(i64, u32, u32)>; ORDERS],
    is_recovering: bool,
    quiet_left: i64,
    wire: Vec<Message>,
    broker: Vec<Placed>,
    before: Vec<Placed>,
    left: Faults,
}

/// What a fact says, without its words: its name, the broker's number, and whether it says that the order has filled.
fn told(fact: &OrderFact) -> Told {
    let (id, is_filled) = match fact {
        OrderFact::Accepted { broker_order_id } => (Some(broker_order_id.clone()), false),
        OrderFact::Book { broker_order_id, state, .. } => (Some(broker_order_id.clone()), *state == BookState::Complete),
        OrderFact::Fill(fill) => (Some(fill.broker_order_id.clone()), true),
        _ => (None, false),
    };
    (fact.event(), id, is_filled)
}

/// The broker's number of the order at that place.
pub(super) fn number(place: usize) -> BrokerOrderId {
    broker_id(&(place + 1).to_string())
}

/// The order book that shows these.
pub(super) fn order_rows(placed: &[Placed], of: &[OrderRecord; ORDERS]) -> Vec<Arc<BookRow>> {
    placed.iter().enumerate().map(|(place, placed)| Arc::new(order_row(place, *placed, of))).collect()
}

/// One row of it.
pub(super) fn order_row(place: usize, placed: Placed, of: &[OrderRecord; ORDERS]) -> BookRow {
    let quantity = of[placed.order].quantity();
    BookRow {
        tag: Some(Arc::from(of[placed.order].broker_tag.as_str())),
        quantity,
        filled: if placed.is_filled { quantity } else { 0 },
        average_price: placed.is_filled.then(|| price("800").value()),
        price: Some(price("800").value()),
        state: if placed.is_filled { BookState::Complete } else { BookState::Open },
        ..book_row(number(place).as_str())
    }
}

/// The trade book that shows these.
pub(super) fn trade_rows(placed: &[Placed]) -> Vec<Arc<TradeRow>> {
    let filled = placed.iter().enumerate().filter(|(_, placed)| placed.is_filled);
    filled.map(|(place, _)| Arc::new(TradeRow { fill: fill(place), exchange: Exchange::Nse })).collect()
}

/// An order fills whole, in one trade.
pub(super) fn fill(place: usize) -> Fill {
    Fill {
        trade_id: TradeId::parse(&(place + 1).to_string()).unwrap(),
        broker_order_id: number(place),
        quantity: units(10),
        price: price("800"),
        at: at(0),
    }
}
