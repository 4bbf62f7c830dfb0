//! Why the exchange says no.

use ordergate_actors::order::{BookState, BrokerOrderId, InstrumentKey, OrderType, Price, Product};

/// A refusal of a request. Nothing that it asked for happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Nobody trades that here.
    #[error("{0} is not in the instrument master")]
    UnknownInstrument(InstrumentKey),
    /// It is only quoted.
    #[error("{0} is not traded")]
    NotTradable(InstrumentKey),
    /// Its last day is over.
    #[error("{0} has expired")]
    InstrumentExpired(InstrumentKey),
    /// The market shows nothing for it.
    #[error("no market for {0}")]
    NoMarket(InstrumentKey),
    /// The product does not go with the instrument.
    #[error("product {1} is not possible for {0}")]
    Product(InstrumentKey, Product),
    /// Not a whole number of lots.
    #[error("Quantity {quantity} is not a multiple of lot size {lot}")]
    Lot {
        /// What was asked for.
        quantity: i64,
        /// The lot.
        lot: i64,
    },
    /// Above the freeze quantity.
    #[error("quantity {quantity} is above the freeze quantity {freeze}")]
    Freeze {
        /// What was asked for.
        quantity: i64,
        /// The largest that is taken.
        freeze: i64,
    },
    /// A price that the order type needs is missing.
    #[error("{0} needs a price")]
    PriceMissing(OrderType),
    /// A trigger that the order type needs is missing.
    #[error("{0} needs a trigger price")]
    TriggerMissing(OrderType),
    /// Not a multiple of the tick.
    #[error("{what} {price} is not a multiple of the tick {tick}")]
    Tick {
        /// `price` or `trigger price`.
        what: &'static str,
        /// What was asked for.
        price: Price,
        /// The tick.
        tick: Price,
    },
    /// Outside the day's price band.
    #[error("{what} {price} is outside the band {low} to {high}")]
    Band {
        /// `price` or `trigger price`.
        what: &'static str,
        /// What was asked for.
        price: Price,
        /// The lowest.
        low: Price,
        /// The highest.
        high: Price,
    },
    /// A stop whose limit lies on the wrong side of its trigger.
    #[error("trigger price {trigger} is beyond the limit price {price}")]
    TriggerBeyondPrice {
        /// The trigger.
        trigger: Price,
        /// The limit.
        price: Price,
    },
    /// A stop waits, an IOC order cannot.
    #[error("a stop order cannot be IOC")]
    StopIoc,
    /// No such number today.
    #[error("order {0} not found")]
    UnknownOrder(BrokerOrderId),
    /// It has ended: the race is lost, the order is as it is.
    #[error("order {id} is not open: {state:?}")]
    NotOpen {
        /// The order.
        id: BrokerOrderId,
        /// How it ended.
        state: BookState,
    },
    /// Side and product of an order never change.
    #[error("side and product of an order cannot be modified")]
    Unchangeable,
    /// Less than what is filled already.
    #[error("total quantity {quantity} is below the {filled} filled already")]
    BelowFilled {
        /// What was asked for.
        quantity: i64,
        /// What is filled.
        filled: i64,
    },
    /// The book and the event contradict each other: a fault of the exchange itself.
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

/// An event that cannot follow on the book as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the exchange's book contradicts itself: {0}")]
pub struct Impossible(pub String);
