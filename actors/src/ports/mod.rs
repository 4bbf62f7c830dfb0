//! What the engine asks of the world. Each port is a trait with one real implementation in the application and one
//! scripted in the testkit.

mod broker;
mod budget;
mod clock;
mod market;
mod spelling;
mod store;

pub use broker::{
    Aside, BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, Carried, DeliveryRow, Funds, Glimpse, Modification, NoFunds,
    NoMargin, NoQuote, OrderMargin, PlaceOutcome, PositionRow, Prepared, PreparedChange, RateWindow, Refusal, Session, Snapshot,
    StreamEvent, TradeRow, Unlisted, Unreadable,
};
pub use budget::{Budget, BudgetChange};
pub use clock::{Clock, Ids, Jump};
pub use market::{Instruments, Quote, QuoteBell, Quotes};
pub use spelling::{Closable, Naming, Purpose, ReadAs, Rule, Spelling, Spot, Unresolved, Why};
pub use store::{AccountHead, Anchor, Begun, JournalRow, Loaded, Query, Rows, SignalRow, Store, StoreError, Verdict, Write};
