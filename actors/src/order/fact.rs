//! What can be said of an order: facts, never states. What a fact does to the committed row is decided in
//! [`lifecycle`](super::lifecycle).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::event;
use super::ids::{BrokerOrderId, TradeId};
use super::money::{Price, Quantity};
use super::pricing::Pricing;
use super::tag::Tag;
use super::words::{Intent, OrderType, Product, Side, Validity};

/// What is sent, whole: every open question of the order is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// BUY or SELL.
    pub side: Side,
    /// Units.
    pub quantity: Quantity,
    /// MIS, NRML or CNC.
    pub product: Product,
    /// MARKET, LIMIT, SL or SLM.
    pub order_type: OrderType,
    /// DAY or IOC.
    pub validity: Validity,
    /// Limit price.
    pub price: Option<Price>,
    /// Trigger price.
    pub trigger_price: Option<Price>,
}

/// The terms of an order as far as a row of the broker's book tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Units.
    pub quantity: i64,
    /// Its limit, if it has one.
    pub price: Option<Decimal>,
    /// Its trigger, if it has one and the book tells it.
    pub trigger_price: Option<Decimal>,
    /// Its type, if the book tells one that is known here.
    pub order_type: Option<OrderType>,
}

impl Terms {
    /// Whether an order that the book shows like this works to these terms, and not any more to those before, which were of that
    /// type. A book that tells no trigger, or no type, is asked for none.
    #[must_use]
    pub fn is_shown_by(&self, before: Option<OrderType>, shown: &Shown) -> bool {
        self.quantity.value() == shown.quantity
            && self.price.is_none_or(|limit| shown.price == Some(limit.value()))
            && self.trigger_price.is_none_or(|trigger| shown.trigger_price.is_none_or(|told| told == trigger.value()))
            && self.is_kind_shown_by(before, shown)
    }

    /// Stop or none is what counts. A market order that became a limit with protection is shown as that, and what its limit is
    /// the price tells.
    fn is_kind_shown_by(&self, before: Option<OrderType>, shown: &Shown) -> bool {
        let Some(kind) = shown.order_type else { return true };
        match (self.order_type.has_trigger(), kind.has_trigger()) {
            // A stop by its name and by its trigger is one still. A name alone may lag behind.
            (false, true) => shown.trigger_price.is_none(),
            // A stop that the market has reached is shown as the limit that it became; a limit that was to become a stop is one still.
            (true, false) => before.is_some_and(OrderType::has_trigger),
            (true, true) | (false, false) => true,
        }
    }
}

/// The type that an order's record shows once it is sent, or changed, to these terms; each pair is a type and its limit. One
/// that came as a market order stays one, also where it goes out as a limit because the broker takes no other. A limit
/// that a person set by a change makes it a limit order.
#[must_use]
pub fn recorded_type(before: (Option<OrderType>, Option<Price>), sent: (OrderType, Option<Price>)) -> OrderType {
    let is_priced_by_a_person = before.1.is_some() && before.1 != sent.1;
    before.0.filter(|asked| !asked.has_price() && sent.0.has_price() && !is_priced_by_a_person).unwrap_or(sent.0)
}

/// An order's type, limit and trigger.
pub type Priced = (Option<OrderType>, Option<Price>, Option<Price>);

/// The type and the prices with which an order ended that had been changed, by the row that says so; `own` are those of its record. Where
/// the row shows the prices of the record, the record stands: a stop that was reached is shown as a limit, and was none.
#[must_use]
pub fn ended_terms(own: Priced, shown: &Shown) -> Priced {
    let (kind, price, trigger) = own;
    let (told, told_trigger) = (shown.price.and_then(Price::new), shown.trigger_price.and_then(Price::new));
    let differs = |told: Option<Price>, own: Option<Price>| told.is_some() && told != own;
    if !differs(told, price) && !differs(told_trigger, trigger) {
        return own;
    }
    let next = shown.order_type.map(|shown| recorded_type((kind, price), (shown, told)));
    let has_trigger = next.is_none_or(OrderType::has_trigger);
    (next.or(kind), told.or(price), told_trigger.or(trigger).filter(|_| has_trigger))
}

/// What one gate looked at and said; recorded for every order, passed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// Stable name of the gate (`risk.max_quantity`).
    pub gate: Cow<'static, str>,
    /// Whether the order may go on.
    pub passed: bool,
    /// What it saw.
    pub input: String,
    /// What it compared that with.
    pub limit: String,
}

/// How the broker's book describes an order of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BookState {
    /// Working, possibly partly filled; also trigger pending.
    Open,
    /// Filled whole.
    Complete,
    /// Refused by the broker or the exchange.
    Rejected,
    /// Cancelled, possibly after a partial fill.
    Cancelled,
    /// Expired, possibly after a partial fill.
    Expired,
}

/// What was heard of a change that was asked of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Heard {
    /// It was taken. That only acknowledges: the book settles it.
    Taken,
    /// Nothing clear: it may be in force.
    Unclear,
    /// It was refused, or never called: it is not in force.
    Refused,
}

/// A change, and what was heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The terms that it asks for.
    pub terms: Terms,
    /// What was heard.
    pub heard: Heard,
}

/// How the answer of a change begins that was never called.
const NOT_SENT: &str = "not sent: ";

/// Which call about an order that works at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCall {
    /// Take it back.
    Cancel,
    /// Change its terms.
    Modify,
}

/// What came of such a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAnswer {
    /// The call was never made: why.
    NotSent(String),
    /// It was made: what came back, in words.
    Called(String),
}

impl CallAnswer {
    /// Reads what [`Display`](fmt::Display) wrote: the reason of its journal row.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.strip_prefix(NOT_SENT) {
            Some(reason) => Self::NotSent(reason.to_owned()),
            None => Self::Called(text.to_owned()),
        }
    }
}

impl fmt::Display for CallAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(reason) => write!(f, "{NOT_SENT}{reason}"),
            Self::Called(words) => f.write_str(words),
        }
    }
}

/// One thing that happened to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    /// A gate refused it before anything was sent.
    Refused {
        /// Why, as a code.
        tag: Tag,
        /// Why, with the numbers.
        reason: String,
        /// What every gate said so far.
        gates: Vec<GateVerdict>,
    },
    /// What is to be sent for it was worked out from what its strategy holds and has working.
    Aimed {
        /// ENTRY, ADJUST or EXIT.
        intent: Intent,
        /// BUY or SELL.
        side: Side,
        /// Units.
        quantity: Quantity,
        /// MIS, NRML or CNC.
        product: Product,
        /// From which numbers.
        reason: String,
    },
    /// It is about to be sent, as exactly this request.
    SendIntended {
        /// The settled order.
        terms: Terms,
        /// The request, as it will go out.
        request: String,
        /// What every gate said.
        gates: Vec<GateVerdict>,
        /// What a person should hear (an exit was capped).
        note: Option<String>,
        /// The highest order number known at the broker before it.
        high_water: Option<BrokerOrderId>,
    },
    /// Nothing left this machine, and we know it.
    NotSent {
        /// Why, as a code.
        tag: Tag,
        /// Why, with the numbers.
        reason: String,
    },
    /// The broker gave it a number.
    Accepted {
        /// The number.
        broker_order_id: BrokerOrderId,
    },
    /// The broker said no.
    Rejected {
        /// [`Tag::BrokerRejected`]; [`Tag::RateLimited`] or [`Tag::BrokerNotLoggedIn`] where the call was refused and not
        /// the order.
        tag: Tag,
        /// The broker's words.
        reason: String,
    },
    /// A call went out, or may have, and no clear answer came.
    Unconfirmed {
        /// What came instead.
        cause: String,
    },
    /// A row of the broker's order book.
    Book {
        /// The broker's number.
        broker_order_id: BrokerOrderId,
        /// Its state there.
        state: BookState,
        /// Units filled so far.
        filled: i64,
        /// Average price of those.
        average_price: Option<Decimal>,
        /// The total quantity there (a modify changes it).
        quantity: i64,
        /// Its limit there, if it has one.
        price: Option<Decimal>,
        /// Its trigger there, if it has one and the book tells it.
        trigger_price: Option<Decimal>,
        /// Its type there, if the book tells one that is known here.
        order_type: Option<OrderType>,
        /// The broker's words.
        reason: Option<String>,
        /// What else the row told when the order ended, without secrets: for audit.
        besides: Option<Arc<str>>,
    },
    /// A trade of this order, seen for the first time.
    Fill(Fill),
    /// Proven absent from the broker's books.
    Absent {
        /// What proves it.
        evidence: String,
    },
    /// The broker gave it a number, and its books do not show that number.
    Unseen {
        /// What was looked at.
        evidence: String,
    },
    /// Sent for a day that is over: today's books do not show it, and what is held agrees with the fills that we know.
    Lapsed {
        /// What was looked at.
        evidence: String,
    },
    /// Somebody wants it gone.
    CancelWanted {
        /// Who or what wants it: [`Tag::is_cancel`].
        tag: Tag,
        /// Who and why.
        reason: String,
    },
    /// A cancel or modify call is about to go out, as exactly this request.
    CallIntended {
        /// Which.
        call: ChangeCall,
        /// The request.
        request: String,
        /// The terms that a modify asks for.
        terms: Option<Terms>,
    },
    /// What came back from a cancel or modify call.
    CallReplied {
        /// Which.
        call: ChangeCall,
        /// The answer.
        answer: CallAnswer,
        /// The change that a modify asked for, as far as it is known which.
        change: Option<Answered>,
    },
    /// The broker's book shows a working order with another type, limit or trigger than its record has, at rest.
    TermsShown {
        /// As the record has them.
        was: Pricing,
        /// As the book shows them.
        now: Pricing,
        /// The row of the record that was looked at: it counts for that one only.
        basis: u64,
        /// That no change of ours explains it: somebody changed the order at the broker.
        by_hand: bool,
    },
    /// A fault of ours happened while this order was being handled.
    Suspect {
        /// Where.
        cause: String,
    },
    /// A mock order came to its end.
    TestEnded {
        /// Whether SUCCESS or FAILURE was asked for.
        success: bool,
    },
    /// A person settled an order in doubt.
    Resolved {
        /// The broker's number, or proof of absence by that person.
        verdict: Resolution,
        /// Who and why.
        reason: String,
    },
}

/// One trade at the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The exchange's number.
    pub trade_id: TradeId,
    /// The broker's order number.
    pub broker_order_id: BrokerOrderId,
    /// Units.
    pub quantity: Quantity,
    /// Price.
    pub price: Price,
    /// When, by the exchange's clock.
    pub at: DateTime<Utc>,
}

/// A person's verdict on an order in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is this order at the broker.
    AtBroker(BrokerOrderId),
    /// It is not at the broker.
    Absent,
}

impl OrderFact {
    /// The stable name of the journal row that it makes.
    #[must_use]
    pub fn event(&self) -> &'static str {
        match self {
            Self::Refused { .. } => event::REFUSED,
            Self::Aimed { .. } => event::AIMED,
            Self::SendIntended { .. } => event::SENT_TO_BROKER,
            Self::NotSent { .. } => event::NOT_SENT,
            Self::Accepted { .. } => event::BROKER_CONFIRMED,
            Self::Rejected { .. } => event::BROKER_REJECTED,
            Self::Unconfirmed { .. } => event::SEND_UNCONFIRMED,
            Self::Book { .. } => event::BROKER_BOOK,
            Self::Fill(_) => event::FILL,
            Self::Absent { .. } => event::NOT_AT_BROKER,
            Self::Unseen { .. } => event::NOT_IN_BOOKS,
            Self::Lapsed { .. } => event::LAPSED,
            Self::CancelWanted { .. } => event::CANCEL_WANTED,
            Self::CallIntended { call: ChangeCall::Modify, .. } => event::MODIFY_SENT,
            Self::CallIntended { call: ChangeCall::Cancel, .. } => event::CANCEL_SENT,
            Self::CallReplied { call: ChangeCall::Modify, .. } => event::MODIFY_REPLIED,
            Self::CallReplied { call: ChangeCall::Cancel, .. } => event::CANCEL_REPLIED,
            Self::TermsShown { by_hand: true, .. } => event::TERMS_CHANGED_BY_HAND,
            Self::TermsShown { .. } => event::TERMS_SHOWN,
            Self::Suspect { .. } => event::ENGINE_FAULT,
            Self::TestEnded { .. } => event::TEST_ENDED,
            Self::Resolved { .. } => event::RESOLVED,
        }
    }
}
