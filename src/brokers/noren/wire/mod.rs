//! The Noren wire format as values and functions: what goes out, and what may be concluded from what comes back.
//!
//! ```text
//! BrokerOrder, Modification ─▶ request ─▶ jData text ─▶ (transport) ─▶ status + body
//!                                                                         │
//!        outcome (writes) ◀── class ◀── reply (object or list) ◀──────────┤
//!        order_row, trade_row, position_row, limits, … ◀── scalar ◀───────┘
//! frames: the same for the websocket
//! ```
//!
//! *Invariant:* no clock, no I/O, no float; no input makes a parser panic; what is secret shows in no `Debug` and no
//! redacted text.

pub mod chain;
pub mod class;
pub mod encode;
pub mod frames;
pub mod history;
pub mod holding_row;
pub mod holdings;
pub mod kept;
pub mod limits;
pub mod margin;
pub mod order_row;
pub mod outcome;
pub mod position_row;
pub mod quote;
pub mod redact;
pub mod reject;
pub mod reply;
pub mod request;
pub mod scalar;
pub mod search;
pub mod security;
pub mod session;
pub mod status;
pub mod time;
pub mod trade_row;

#[cfg(test)]
mod tests;

pub use class::{ErrorClass, RejectPrefix};
pub use encode::{Ampersand, Body, EncodeError};
pub use kept::Kept;
pub use outcome::{Answer, Delivery};
pub use reject::RejectClass;
pub use reply::{Garbled, ListReply, NotOk, ObjectReply};
pub use request::{Account, Encoder};
pub use scalar::{FieldError, Fields};
