//! The order's row: what was asked for, where it is, and what the broker said. Written only by the ledger.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exit_at::{ExitAt, ExitExtras};
use super::fact::{Priced, Shown, Terms, ended_terms};
use super::ids::{BasketId, BrokerOrderId, BrokerTag, ClientId, CommandId, SignalId, Strategy};
use super::instrument::{HoldingKey, InstrumentKey};
use super::money::{Points, Price, Quantity};
use super::routed::Routed;
use super::tag::Tag;
use super::words::{Exchange, Intent, OrderType, Product, Side, Source, Status, TestMode, TrailingType, Validity};

/// What an order asks for. A refused order keeps what could be read of it; an accepted one has every field that
/// its type needs (an exit's side, quantity and product are settled by risk).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The owner of the position.
    pub strategy: Strategy,
    /// ENTRY, EXIT, ADJUST or TARGET. A TARGET becomes one of the others once it is aimed.
    pub intent: Option<Intent>,
    /// Exchange segment.
    pub exchange: Option<Exchange>,
    /// Trading symbol; empty when none was sent.
    pub symbol: Arc<str>,
    /// BUY or SELL.
    pub side: Option<Side>,
    /// Units.
    pub quantity: Option<Quantity>,
    /// MIS, NRML or CNC.
    pub product: Option<Product>,
    /// MARKET, LIMIT, SL or SLM.
    pub order_type: Option<OrderType>,
    /// DAY or IOC.
    pub validity: Validity,
    /// Limit price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Trigger price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_price: Option<Price>,
    /// The price that the sender of the signal saw: its limit or trigger, or what it said with a market order. Fills are
    /// held against it; nothing is sent at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_price: Option<Price>,
    /// Stop of the position that this opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<ExitAt>,
    /// Target of the position that this opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ExitAt>,
    /// How the stop trails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing: Option<Trailing>,
    /// What else it says about leaving that position.
    #[serde(default, skip_serializing_if = "ExitExtras::is_empty")]
    pub exits: ExitExtras,
    /// A mock result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_mode: Option<TestMode>,
    /// The units that a TARGET wants its strategy to hold: positive long, negative short, 0 flat. It stays when the order
    /// was aimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_position: Option<i64>,
    /// What has not filled so many seconds after it was sent is cancelled; `None` keeps it. Entries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_after_s: Option<u32>,
    /// The terms of the route that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<Routed>>,
}

impl Ask {
    /// Whether it can only take out of a position: an EXIT, or a TARGET that wants to be flat.
    #[must_use]
    pub fn is_exit(&self) -> bool {
        self.intent == Some(Intent::Exit) || (self.intent == Some(Intent::Target) && self.target_position == Some(0))
    }

    /// The side of the order as far as it is known: its own, or that of the position which it wants.
    #[must_use]
    pub fn leaning(&self) -> Option<Side> {
        self.side.or_else(|| self.target_position.and_then(Side::of_net))
    }
}

/// How a stop follows the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailing {
    /// In what unit.
    pub kind: TrailingType,
    /// By how much.
    pub value: Decimal,
}

impl Trailing {
    /// Why it would carry the stop past the price, if it would: in points, it moves it by more than the step of the price that it moves
    /// for. `from`: the fill, or what is expected of it; without that a step in percent is not judged.
    #[must_use]
    pub fn overtakes(&self, step: Option<ExitAt>, from: Option<Decimal>) -> Option<String> {
        let step = step.filter(|_| self.kind == TrailingType::Points)?;
        let points = match step {
            ExitAt::Points(points) => points,
            ExitAt::Percent(_) | ExitAt::Price(_) => step.distance(from?)?,
        };
        (self.value > points).then(|| format!("the stop would move {} for every {step} of the price and overtake it", self.value))
    }
}

/// A change that was asked of the broker, and that no book has overtaken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The terms that it asks for.
    pub terms: Terms,
    /// The broker said that it took it. Without that it may come into force at any time, or never.
    pub is_taken: bool,
}

/// One order of ours, as committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// The account.
    pub client_id: ClientId,
    /// The order.
    pub command_id: CommandId,
    /// The order's number in its account, gapless from 1. Earlier means registered earlier.
    pub number: u64,
    /// The signal that asked for it.
    pub signal_id: SignalId,
    /// Which of the signal's orders it is, from 0.
    pub leg: u16,
    /// The orders judged together with it.
    pub basket_id: BasketId,
    /// The order that this one repeats or replaces.
    pub parent_command_id: Option<CommandId>,
    /// The kind of source.
    pub source: Source,
    /// Which secret, key, strategy or person.
    pub user: Arc<str>,
    /// What it asks for.
    pub ask: Ask,
    /// Where it is.
    pub status: Status,
    /// Why it is there, as a code.
    pub tag: Option<Tag>,
    /// Why it is there, with the numbers.
    pub reason: Option<Arc<str>>,
    /// What the order's free text at the broker says.
    pub broker_tag: BrokerTag,
    /// The broker's number; `None` until the broker answers or its books tell.
    pub broker_order_id: Option<BrokerOrderId>,
    /// Units filled, by the broker's book or the sum of its trades, whichever is more.
    pub filled_quantity: i64,
    /// Average price of the fills, rounded to four decimals.
    pub average_price: Option<Decimal>,
    /// Units in the trades that we recorded for it.
    pub traded_quantity: i64,
    /// The sum of those trades: prices times units.
    pub traded_value: Points,
    /// Set once somebody wants it gone; durable, so that it is cancelled the moment it can be.
    pub cancel_wanted: Option<Tag>,
    /// Changes that were asked of the broker, whatever became of them.
    pub modifications: u32,
    /// The total of a change that makes it larger, from the moment at which its intention is on disk until its answer is.
    pub reach: Option<Quantity>,
    /// The highest order number that was known at the broker when it was sent: its own, if it has one, is above.
    pub high_water: Option<BrokerOrderId>,
    /// A change that the broker took or may have taken, until its book shows it: an "Ok" only acknowledges.
    pub pending: Option<Terms>,
    /// Changes of ours that are, or may come, in force at the broker beside the terms of the record: what its book shows of them
    /// nobody changed by hand. First asked first.
    pub asked: Vec<Asked>,
    /// When it was seen that somebody had changed type, limit or trigger at the broker, while those terms stand.
    pub by_hand: Option<DateTime<Utc>>,
    /// When the signal was made: what its age is measured from.
    pub signal_time: DateTime<Utc>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When SENT_TO_BROKER was committed.
    pub sent_at: Option<DateTime<Utc>>,
    /// The journal row of its last change.
    pub seq: u64,
}

/// What a new order is given when it is registered; all else of its row begins empty.
#[derive(Debug, Clone)]
pub struct Given {
    /// The account.
    pub client_id: ClientId,
    /// The order.
    pub command_id: CommandId,
    /// Its number in the account.
    pub number: u64,
    /// The signal that asks for it.
    pub signal_id: SignalId,
    /// Which of the signal's orders it is, from 0.
    pub leg: u16,
    /// The orders judged together with it.
    pub basket_id: BasketId,
    /// The order that this one repeats or replaces.
    pub parent_command_id: Option<CommandId>,
    /// The kind of source.
    pub source: Source,
    /// Which secret, key, strategy or person.
    pub user: Arc<str>,
    /// What it asks for.
    pub ask: Ask,
    /// What its free text at the broker is to say.
    pub broker_tag: BrokerTag,
    /// When the signal was made.
    pub signal_time: DateTime<Utc>,
}

impl OrderRecord {
    /// The row of a new order, registered at that time by that journal row.
    #[must_use]
    pub fn created(given: Given, at: DateTime<Utc>, seq: u64) -> Self {
        let Given {
            client_id,
            command_id,
            number,
            signal_id,
            leg,
            basket_id,
            parent_command_id,
            source,
            user,
            ask,
            broker_tag,
            signal_time,
        } = given;
        Self {
            client_id,
            command_id,
            number,
            signal_id,
            leg,
            basket_id,
            parent_command_id,
            source,
            user,
            ask,
            status: Status::Created,
            tag: None,
            reason: None,
            broker_tag,
            broker_order_id: None,
            filled_quantity: 0,
            average_price: None,
            traded_quantity: 0,
            traded_value: Points::ZERO,
            cancel_wanted: None,
            modifications: 0,
            reach: None,
            high_water: None,
            pending: None,
            asked: Vec::new(),
            by_hand: None,
            signal_time,
            created_at: at,
            updated_at: at,
            sent_at: None,
            seq,
        }
    }

    /// The instrument, when the exchange was readable.
    #[must_use]
    pub fn instrument(&self) -> Option<InstrumentKey> {
        self.ask.exchange.map(|exchange| InstrumentKey { exchange, symbol: Arc::clone(&self.ask.symbol) })
    }

    /// What a fill of this order is held in.
    #[must_use]
    pub fn holding(&self) -> Option<HoldingKey> {
        Some(HoldingKey { instrument: self.instrument()?, product: self.ask.product? })
    }

    /// Whether it is for the instrument.
    #[must_use]
    pub fn is_for(&self, key: &InstrumentKey) -> bool {
        self.ask.exchange == Some(key.exchange) && *self.ask.symbol == *key.symbol
    }

    /// Whether it closes a position.
    #[must_use]
    pub fn is_exit(&self) -> bool {
        self.ask.is_exit()
    }

    /// Whether it is a TARGET of which nobody has worked out yet what is to be sent for it.
    #[must_use]
    pub fn is_unaimed(&self) -> bool {
        self.ask.intent == Some(Intent::Target)
    }

    /// Whether it is the stop that an exit rule rests at the broker. Not any more once it was changed into a limit: then it
    /// is an exit as any other.
    #[must_use]
    pub fn is_resting_stop(&self) -> bool {
        let becomes_a_limit = self.pending.as_ref().is_some_and(|terms| !terms.order_type.has_trigger());
        self.is_shown_as_stop() && !becomes_a_limit
    }

    /// Whether it is the stop that an exit rule rests at the broker, by what the broker has shown last. One that is being changed
    /// into a limit may still be one: the change may have been lost.
    #[must_use]
    pub fn is_shown_as_stop(&self) -> bool {
        self.source == Source::Stop && self.working_type().is_some_and(OrderType::has_trigger)
    }

    /// Whether it never reaches the broker and moves no position.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.ask.test_mode.is_some()
    }

    /// Units asked for, 0 while an exit's size is not settled.
    #[must_use]
    pub fn quantity(&self) -> i64 {
        self.ask.quantity.map_or(0, Quantity::value)
    }

    /// Whether it came as a market order and went out as a limit, because its broker takes no other.
    #[must_use]
    pub fn is_protected_market(&self) -> bool {
        self.ask.order_type.is_some_and(|asked| !asked.has_price()) && self.sent_at.is_some() && self.ask.price.is_some()
    }

    /// The order's terms, as a row of the broker's book would tell them.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown {
            quantity: self.quantity(),
            price: self.ask.price.map(Price::value),
            trigger_price: self.ask.trigger_price.map(Price::value),
            order_type: self.ask.order_type,
        }
    }

    /// The type, the limit and the trigger with which it ended, by the row that says so. One that was never changed has its own.
    #[must_use]
    pub fn ended_as(&self, shown: &Shown) -> Priced {
        let own = (self.ask.order_type, self.ask.price, self.ask.trigger_price);
        if self.modifications > 0 { ended_terms(own, shown) } else { own }
    }

    /// The type with which it works at the broker: a market order that went out as a limit works as one.
    #[must_use]
    pub fn working_type(&self) -> Option<OrderType> {
        match self.ask.order_type {
            Some(OrderType::Market) if self.is_protected_market() => Some(OrderType::Limit),
            Some(OrderType::StopMarket) if self.is_protected_market() => Some(OrderType::StopLimit),
            asked => asked,
        }
    }

    /// The most units that it may be for: while a change is under way or not settled, the largest of its quantities.
    #[must_use]
    pub fn quantity_most(&self) -> i64 {
        let pending = self.pending.as_ref().map_or(0, |terms| terms.quantity.value());
        pending.max(self.reach.map_or(0, Quantity::value)).max(self.quantity())
    }

    /// Units that may still fill.
    #[must_use]
    pub fn unfilled(&self) -> i64 {
        (self.quantity_most() - self.filled_quantity).max(0)
    }

    /// Units that it claims of a position of so many, as an exit: all of them while its size is not settled.
    #[must_use]
    pub fn claims(&self, held: i64) -> i64 {
        if self.quantity() == 0 { held } else { self.unfilled() }
    }

    /// Units that have filled and that no trade tells of yet: nothing is taken out of a holding, or put into it, before one does.
    #[must_use]
    pub fn untraded(&self) -> i64 {
        self.filled_quantity.saturating_sub(self.traded_quantity)
    }

    /// Whether it may be for a position of that product: one whose product is not settled may be for any.
    #[must_use]
    pub fn may_be_of(&self, product: Product) -> bool {
        self.ask.product.is_none_or(|own| own == product)
    }

    /// Whether it is known to work at the broker: there, under its number.
    #[must_use]
    pub fn works(&self) -> bool {
        self.status.is_at_broker() && self.broker_order_id.is_some() && !self.is_in_doubt()
    }

    /// Whether the call that its intention announces is still to be made. Settled, or looked for, by another way, a call could
    /// be a second one.
    #[must_use]
    pub fn awaits_its_call(&self) -> bool {
        self.status == Status::SentToBroker && self.broker_order_id.is_none() && !self.is_in_doubt()
    }

    /// Whether a call went out, or may have gone out, without the broker's number being known.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.tag == Some(Tag::SendUnconfirmed) && self.status.is_at_broker()
    }
}
