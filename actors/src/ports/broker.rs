//! The broker, as the engine sees it. BrokerActor is the only caller.
//!
//! Answers are typed by what may be concluded from them: a refusal is not a time-out, an empty reply is not an empty
//! book. Every call returns a future that owns what it needs and runs beside the actor.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use super::budget::Budget;
use super::market::Quote;
use crate::order::{
    Amount, BookState, BrokerOrderId, BrokerTag, CommandId, Exchange, Fill, HoldingKey, Instrument, InstrumentKey, OrderType, Product,
    Shown, Side, Terms,
};
use crate::persistence::Level;

/// A call to the broker, under way.
pub type Call<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What a broker can do. The engine reads this row and never special-cases a broker elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The broker's name for people.
    pub name: &'static str,
    /// Whether real money moves.
    pub is_live: bool,
    /// How many characters of our tag survive in its order book; 0: none.
    pub tag_length: usize,
    /// Whether orders can be modified in place.
    pub can_modify: bool,
    /// Whether it pushes order updates.
    pub has_stream: bool,
    /// Orders whose SENT_TO_BROKER is committed ahead of the write slot.
    pub send_ahead: usize,
    /// How long an accepted order may stay invisible in its books (assumption BV of the design).
    pub visibility_bound: Duration,
    /// How often the books are read, unless the account says otherwise.
    pub poll: Duration,
    /// Whether it takes market orders. If not, they go out as limits through the touch, and need a fresh quote.
    pub takes_market_orders: bool,
    /// The exchanges at which it takes IOC orders of programs; elsewhere they are refused here.
    pub takes_ioc: Vec<Exchange>,
    /// How often one order may be changed; `None`: as often as one likes.
    pub max_modifications: Option<u32>,
    /// How many calls it takes; `None`: as many as one likes.
    pub budget: Option<Budget>,
}

/// An order, whole, for [`Broker::prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerOrder {
    /// Our order.
    pub command_id: CommandId,
    /// What to trade.
    pub instrument: Arc<Instrument>,
    /// How.
    pub terms: Terms,
    /// The free text that finds it again.
    pub tag: BrokerTag,
    /// Whether it closes a position.
    pub is_exit: bool,
}

/// What will go out, exactly. `request` is the text that is committed before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The order, as the broker takes it (a market order may have become a protected limit).
    pub order: BrokerOrder,
    /// The request, without secrets.
    pub request: String,
}

/// Why an order cannot be put into a request for this broker. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, with the numbers.
    pub reason: String,
}

/// Which count a broker says is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RateWindow {
    /// Calls of the current second.
    Second,
    /// Calls of the current minute.
    Minute,
    /// It does not say which.
    Unsaid,
}

/// What became of a place call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceOutcome {
    /// The broker gave it a number.
    Accepted(BrokerOrderId),
    /// The broker said no, clearly.
    Rejected(String),
    /// The broker said no, clearly, because too many calls came: it took none of it.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// The broker said no, clearly, because the session has ended: it took none of it.
    NoSession(String),
    /// Nothing left this machine.
    NotSent(String),
    /// Anything else. The order may be live.
    Unconfirmed(String),
}

/// What became of a cancel or modify call. Its effect is followed in the book, whatever this says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The broker took it.
    Accepted,
    /// The broker said no, clearly.
    Rejected(String),
    /// The broker said no, clearly, because too many calls came.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// Nothing left this machine.
    NotSent(String),
    /// Anything else.
    Unconfirmed(String),
}

/// What to change in a working order. The quantity is the new total, filled units included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modification {
    /// The order at the broker.
    pub broker_order_id: BrokerOrderId,
    /// The free text of the order, for a broker whose change may take it away if it is not named again.
    pub tag: Option<BrokerTag>,
    /// What it is for.
    pub instrument: Arc<Instrument>,
    /// The order as it shall be.
    pub terms: Terms,
}

/// A change that will go out, exactly. `request` is the text that is committed before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedChange {
    /// The change, as the broker takes it.
    pub change: Modification,
    /// The request, without secrets.
    pub request: String,
}

/// What one read of a book proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot<T> {
    /// The broker's own complete answer, and the rows of it that could not be read.
    Authoritative(Vec<T>, Vec<Unreadable>),
    /// No answer that proves anything.
    Unknown(String),
    /// No answer, because too many calls came.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoQuote {
    /// Too many calls came: asked for again when the window has ended.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// Anything else, in words.
    None(String),
}

/// Money at the broker, rupees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Funds {
    /// Cash at the start of the day.
    pub cash: Amount,
    /// Margin in use.
    pub margin_used: Amount,
    /// What new orders may use, by the broker's figures.
    pub available: Amount,
}

/// Why the account's money is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFunds {
    /// This broker does not tell.
    NotTold,
    /// Too many calls came.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// Anything else, in words.
    Unknown(String),
}

/// What a broker says that an order would take of the account's money, rupees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderMargin {
    /// By itself.
    pub order: Amount,
    /// In use at the account with it.
    pub used: Amount,
    /// The words of its risk system, shortened.
    pub words: Option<String>,
}

/// Why that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMargin {
    /// This broker does not tell.
    NotTold,
    /// It was not asked: the books come first, and it is asked for so much now and then only.
    NotAsked,
    /// Too many calls came.
    RateLimited {
        /// Which count is full.
        window: RateWindow,
        /// The broker's words.
        text: String,
    },
    /// Anything else, in words.
    Unknown(String),
}

/// What an adapter did beside the calls that it was asked for, since it was last asked. Such calls count in the same
/// budget, and what the broker said to them holds for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// Calls that it made by itself: logins, proofs, an order's history, the funds.
    pub calls: u32,
    /// When each call was asked for that never left after all, because there is no session or no connection: it does not
    /// count.
    pub unmade: Vec<DateTime<Utc>>,
    /// That the broker has no room for more, if it said so to one whose answer has no place for it.
    pub limited: Option<(RateWindow, String)>,
}

/// A row that could not be read. It stands as an alarm and stops nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The row, shortened.
    pub raw: String,
    /// What is wrong with it.
    pub cause: String,
    /// It is for a product or an exchange that ordergate never sends: it cannot be ours, and the rest of the book is whole.
    pub is_foreign: bool,
    /// Nothing but the size of a lot is missing. If nothing of ours is in that instrument, the rest of the book is whole.
    #[serde(skip)]
    pub unlisted: Option<Unlisted>,
    /// What it tells all the same.
    #[serde(skip)]
    pub glimpse: Box<Glimpse>,
}

/// What a row that could not be read tells all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// What it is of, for people: contract, product, quantity, state.
    pub words: String,
    /// The number of its order, where it is one's.
    pub broker_order_id: Option<BrokerOrderId>,
    /// Whether something is open: a position that is not zero, an order that works. `None`: it does not tell.
    pub is_open: Option<bool>,
    /// The contract, where nothing but the size of its lot is missing, whosever the row is.
    pub unlisted: Option<InstrumentKey>,
}

/// A row whose quantities are told in lots of an instrument that no master has: how many units they are is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// The instrument.
    pub instrument: InstrumentKey,
    /// What a position came to today, rupees, as its row says; nothing for other rows.
    pub result: Amount,
}

/// One row of the broker's order book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookRow {
    /// The broker's number.
    pub broker_order_id: BrokerOrderId,
    /// The free text that came back, as it came.
    pub tag: Option<Arc<str>>,
    /// The instrument.
    pub instrument: InstrumentKey,
    /// BUY or SELL.
    pub side: Side,
    /// The product.
    pub product: Product,
    /// Total quantity.
    pub quantity: i64,
    /// Units filled.
    pub filled: i64,
    /// Their average price.
    pub average_price: Option<Decimal>,
    /// Limit price, if it has one.
    pub price: Option<Decimal>,
    /// Trigger price, if it has one and the broker tells it.
    pub trigger_price: Option<Decimal>,
    /// Its type there, if the broker tells one that is known here. A market order may be a limit there.
    pub order_type: Option<OrderType>,
    /// Its state.
    pub state: BookState,
    /// The broker's words for a refusal or a cancel.
    pub reason: Option<Arc<str>>,
    /// When it last changed, by the broker's clock.
    pub at: DateTime<Utc>,
    /// What else the row of an order of ours told when that ended, without secrets: for audit, nothing follows from it.
    #[serde(skip)]
    pub besides: Option<Arc<str>>,
}

impl BookRow {
    /// The terms that it tells.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown { quantity: self.quantity, price: self.price, trigger_price: self.trigger_price, order_type: self.order_type }
    }
}

/// One row of the broker's trade book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TradeRow {
    /// The trade.
    pub fill: Fill,
    /// The exchange.
    pub exchange: Exchange,
}

/// One row of the broker's position book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PositionRow {
    /// What is held.
    pub holding: HoldingKey,
    /// Units: positive long, negative short, 0 closed today.
    pub net: i64,
    /// Average price of the open part.
    pub average_price: Option<Decimal>,
    /// Profit of what was closed today, rupees.
    pub realised: Amount,
    /// Profit of what is open, rupees, at the broker's last price.
    pub unrealised: Amount,
    /// Rupees that a unit gains when its price rises by one, as the broker's row says; `None`: it says nothing of it.
    pub per_point: Option<Decimal>,
    /// What of it the day began with; `None`: nothing.
    pub carried: Option<Carried>,
}

/// What a position row carries from earlier days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Units: positive long, negative short.
    pub net: i64,
    /// The price from which the row's results count them: what they cost, or a close of an earlier day; `None`: it does not tell.
    pub from: Option<Decimal>,
}

/// Shares that the account holds for delivery from earlier days: they are in no row of the position book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// Where they can be sold; the same shares are listed at several exchanges.
    pub listings: Vec<InstrumentKey>,
    /// Units that could be sold when the day began. What was sold of them today is in the position book, as a short.
    pub quantity: i64,
    /// What they cost on average, if the broker tells.
    pub average_price: Option<Decimal>,
}

/// Whether orders can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// Proven by a read.
    Ready,
    /// Not logged in; a person may be needed.
    NotReady(String),
    /// Not logged in on purpose, while nothing needs it; no person is needed.
    Resting(String),
}

/// A pushed update: a hint that is applied at once, never the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// Something that a person should hear of; the same text is said once.
    Notice {
        /// How loudly.
        level: Level,
        /// The alarm (`ALARM_…`).
        event: &'static str,
        /// What happened, and what to do.
        text: String,
    },
    /// An order changed.
    Order(Box<BookRow>),
    /// A trade happened.
    Trade(Box<TradeRow>),
    /// The stream broke and came back: nothing is replayed, read the books.
    Reconnected,
}

/// A broker account.
pub trait Broker: Send + Sync + fmt::Debug + 'static {
    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Puts the order into the exact request that will go out. Pure: no clock, no I/O.
    ///
    /// # Errors
    /// [`Refusal`] when this broker cannot take such an order (a market order without a fresh quote, say).
    fn prepare(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal>;

    /// Sends it, once. No retry, no redirect.
    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome>;

    /// Asks for the order to be cancelled.
    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome>;

    /// Puts the change into the exact request that will go out. Pure: no clock, no I/O.
    ///
    /// # Errors
    /// [`Refusal`] when this broker cannot take such a change.
    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal>;

    /// Asks for the order to be changed, once.
    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome>;

    /// Proves the session by a read. A refusal for too many calls proves it too: a broker counts calls of those it knows.
    fn session(&self) -> Call<Session>;

    /// How far its clock is ahead of ours, as its newest answers tell; `None`: it does not tell.
    fn clock_skew(&self) -> Option<TimeDelta> {
        None
    }

    /// All orders of today.
    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>>;

    /// All trades of today.
    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>>;

    /// All positions.
    fn positions(&self) -> Call<Snapshot<PositionRow>>;

    /// Shares held for delivery from earlier days.
    fn holdings(&self) -> Call<Snapshot<DeliveryRow>>;

    /// The instrument's quote, asked for now; why there is none otherwise.
    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>>;

    /// Whether it tells the account's money at all.
    fn tells_funds(&self) -> bool {
        false
    }

    /// The account's money.
    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        Box::pin(std::future::ready(Err(NoFunds::NotTold)))
    }

    /// Whether it tells what an order would take at all.
    fn tells_margin(&self) -> bool {
        false
    }

    /// What an order would take, if it were sent now. Nothing is sent.
    fn order_margin(&self, _order: BrokerOrder) -> Call<Result<OrderMargin, NoMargin>> {
        Box::pin(std::future::ready(Err(NoMargin::NotTold)))
    }

    /// What was done beside the calls that were asked for, since this was last asked. BrokerActor asks in every turn and
    /// spends it in its budget.
    fn aside(&self) -> Aside {
        Aside::default()
    }

    /// Whether orders are open or in doubt, or something is held: then a session is worth having at any hour. Told with
    /// every poll; until it is told an adapter takes it to be so.
    fn in_use(&self, _is_in_use: bool) {}

    /// The pushed updates; taken once.
    fn stream(&self) -> Option<tokio::sync::mpsc::Receiver<StreamEvent>>;
}
