//! The domain: what an order is and what may happen to it. Pure values and functions.
//!
//! *Invariant:* nothing here reads a clock, draws a random number, or does I/O.

pub mod basket;
pub mod calendar;
pub mod day;
pub mod draft;
pub mod event;
pub mod exit_at;
pub mod fact;
mod fields;
mod fit;
pub mod holding;
pub mod ids;
mod in_order;
pub mod instrument;
pub mod lifecycle;
pub mod money;
mod pricing;
pub mod record;
pub mod remedy;
pub mod routed;
pub mod tag;
mod untold;
pub mod validate;
pub mod words;

pub use day::{EXCHANGES_CLOSED, EXCHANGES_OPEN, exchanges_have_opened, ist, session_date, trading_date};
pub use draft::{LegDraft, MAX_LEGS, MAX_ORDERS, SignalDraft, again_key, clean};
pub use exit_at::{ExitAt, ExitExtras, ExitTimes};
pub use fact::{
    Answered, BookState, CallAnswer, ChangeCall, Fill, GateVerdict, Heard, OrderFact, Priced, Resolution, Shown, Terms, ended_terms,
    recorded_type,
};
pub use holding::Holding;
pub use ids::{BadId, BasketId, BrokerOrderId, BrokerTag, ClientId, CommandId, IdempotencyKey, SignalId, Strategy, TradeId};
pub(crate) use in_order::InOrder;
pub use instrument::{HoldingKey, Instrument, InstrumentKey, Kind, Right};
pub use lifecycle::{NotApplied, Transition};
pub use money::{Amount, BadNumber, EndPrice, Points, Price, Quantity, worked_out};
pub use pricing::Pricing;
pub use record::{Ask, Asked, Given, OrderRecord, Trailing};
pub use remedy::{REMEDIES, remedy};
pub use routed::{Blocked, Routed};
pub use tag::Tag;
pub use words::{Exchange, Intent, OrderType, Policy, Product, Side, Source, Status, StopAt, TestMode, TrailingType, Validity};
