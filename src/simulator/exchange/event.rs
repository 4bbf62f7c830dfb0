//! What can be asked of the exchange, and what happens at it. The events are the whole truth: a book is the sum of its
//! events, so a list of them rebuilds it exactly.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{
    BookState, BrokerOrderId, Exchange, Fill, HoldingKey, InstrumentKey, Points, Price, Quantity, Terms, TradeId,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::reject::Reject;

/// An order as it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// What to trade.
    pub instrument: InstrumentKey,
    /// How.
    pub terms: Terms,
    /// Free text that is shown beside it; whose order it is.
    pub tag: Option<Arc<str>>,
}

/// What a request leads to: events first (they happen, whatever the answer is), then the answer. A cancel that comes
/// after the market crossed the order has both: the trades, and a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happens, in order.
    pub events: Vec<Event>,
    /// The number of the order, or why not.
    pub answer: Result<BrokerOrderId, Reject>,
}

impl Decision {
    pub(super) fn refused(why: Reject) -> Self {
        Self { events: Vec::new(), answer: Err(why) }
    }
}

/// The part of an order that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: BrokerOrderId,
    /// What it trades.
    pub instrument: InstrumentKey,
    /// How, as it is now.
    pub terms: Terms,
    /// Its free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Arc<str>>,
    /// Last trading day of the instrument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<NaiveDate>,
    /// Rupees that a unit gains when its price rises by one; 0 where it is not listed: that never trades.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub per_point: Decimal,
}

fn one() -> Decimal {
    Decimal::ONE
}

fn is_one(per_point: &Decimal) -> bool {
    *per_point == Decimal::ONE
}

/// One thing that happened at the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A day begins: what was open expires, what had ended goes, positions are carried.
    Rolled {
        /// The day.
        date: NaiveDate,
        /// When it was noticed.
        at: DateTime<Utc>,
    },
    /// An order is in the book.
    Accepted {
        /// The order.
        #[serde(flatten)]
        entry: Entry,
        /// When.
        at: DateTime<Utc>,
    },
    /// An order got a number and was refused after that.
    Refused {
        /// The order.
        #[serde(flatten)]
        entry: Entry,
        /// Why.
        reason: Arc<str>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The market reached the trigger: the order works now.
    Triggered {
        /// The order.
        id: BrokerOrderId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A trade.
    Traded {
        /// The order.
        id: BrokerOrderId,
        /// The trade's number.
        trade_id: TradeId,
        /// Units.
        quantity: Quantity,
        /// Price.
        price: Price,
        /// The version of the displayed book that it was taken from.
        version: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// The order was changed.
    Modified {
        /// The order.
        id: BrokerOrderId,
        /// As it is now; the quantity is the total.
        terms: Terms,
        /// Whether it works; `false`: it waits for its trigger.
        triggered: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// What was left of it is gone.
    Cancelled {
        /// The order.
        id: BrokerOrderId,
        /// Why, if nobody asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Arc<str>>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Start of a shortened history: what the days before it left.
    Base {
        /// The day that it begins.
        date: NaiveDate,
        /// The highest order number given.
        last_order: u64,
        /// The highest trade number given.
        last_trade: u64,
    },
    /// A position of the days before.
    Carried {
        /// What is held.
        holding: HoldingKey,
        /// Units.
        net: i64,
        /// What was paid or received for them: prices times units.
        cost: Points,
        /// Last trading day of the instrument.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expiry: Option<NaiveDate>,
        /// Rupees that a unit gains when its price rises by one.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        per_point: Decimal,
    },
    /// An order that ended when the day began.
    Kept {
        /// The order.
        #[serde(flatten)]
        entry: Entry,
        /// How it ended.
        state: BookState,
        /// Whether it ever worked.
        triggered: bool,
        /// Units filled.
        filled: i64,
        /// Prices times units of those.
        value: Points,
        /// Why.
        reason: Option<Arc<str>>,
        /// When it came.
        entered_at: DateTime<Utc>,
        /// When it ended.
        at: DateTime<Utc>,
    },
    /// A trade of such an order.
    KeptTrade {
        /// The trade.
        fill: Fill,
        /// Where.
        exchange: Exchange,
    },
}

impl Event {
    /// The order that it is about.
    #[must_use]
    pub fn order(&self) -> Option<&BrokerOrderId> {
        match self {
            Self::Accepted { entry, .. } | Self::Refused { entry, .. } | Self::Kept { entry, .. } => Some(&entry.id),
            Self::Triggered { id, .. } | Self::Traded { id, .. } | Self::Modified { id, .. } | Self::Cancelled { id, .. } => Some(id),
            Self::KeptTrade { fill, .. } => Some(&fill.broker_order_id),
            Self::Rolled { .. } | Self::Base { .. } | Self::Carried { .. } => None,
        }
    }
}
