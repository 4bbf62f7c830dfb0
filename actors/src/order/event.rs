//! The names of the journal rows that move an order. They stand on disk: none of them ever changes.

/// The order was registered.
pub const CREATED: &str = "INTENT_CREATED";
/// A gate refused the order before anything was sent.
pub const REFUSED: &str = "REFUSED";
/// What is to be sent for the order was worked out.
pub const AIMED: &str = "AIMED";
/// The order is about to be sent.
pub const SENT_TO_BROKER: &str = "SENT_TO_BROKER";
/// Nothing of the order left this machine.
pub const NOT_SENT: &str = "NOT_SENT";
/// The broker gave the order a number.
pub const BROKER_CONFIRMED: &str = "BROKER_CONFIRMED";
/// The broker rejected the order.
pub const BROKER_REJECTED: &str = "BROKER_REJECTED";
/// No clear answer to the order came.
pub const SEND_UNCONFIRMED: &str = "SEND_UNCONFIRMED";
/// A row of the broker's book, by which the order has not ended.
pub const BROKER_BOOK: &str = "BROKER_BOOK";
/// A row of the broker's book, by which the order has filled.
pub const EXECUTED: &str = "EXECUTED";
/// A row of the broker's book, by which the order has ended otherwise.
pub const FAILED: &str = "FAILED";
/// A trade of the order.
pub const FILL: &str = "FILL";
/// The order is proven absent from the broker's books.
pub const NOT_AT_BROKER: &str = "NOT_AT_BROKER";
/// The broker's books do not show the order's number.
pub const NOT_IN_BOOKS: &str = "NOT_IN_BOOKS";
/// The day that the order was sent for is over.
pub const LAPSED: &str = "LAPSED";
/// Somebody wants the order gone.
pub const CANCEL_WANTED: &str = "CANCEL_WANTED";
/// A cancel is about to go out.
pub const CANCEL_SENT: &str = "CANCEL_SENT";
/// A change is about to go out.
pub const MODIFY_SENT: &str = "MODIFY_SENT";
/// What came back of a cancel.
pub const CANCEL_REPLIED: &str = "CANCEL_REPLIED";
/// What came back of a change.
pub const MODIFY_REPLIED: &str = "MODIFY_REPLIED";
/// A change of ours came into force.
pub const TERMS_SHOWN: &str = "TERMS_SHOWN";
/// Somebody changed the order at the broker.
pub const TERMS_CHANGED_BY_HAND: &str = "TERMS_CHANGED_BY_HAND";
/// A fault of ours happened while the order was handled.
pub const ENGINE_FAULT: &str = "ENGINE_FAULT";
/// A mock order came to its end.
pub const TEST_ENDED: &str = "TEST_ENDED";
/// A person settled the order.
pub const RESOLVED: &str = "RESOLVED";
