//! The engine's numbers. Every wait and every limit is here, and none is a constant elsewhere.

use std::time::Duration;

use crate::arming::ArmingSettings;
use crate::order::{Amount, ClientId};

/// Settings of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// No priced order may be worth more, whatever the limits say.
    pub max_notional: Amount,
    /// Entries older than this are stale.
    pub entry_ttl: Duration,
    /// A signal may be this far in the future.
    pub future_tolerance: Duration,
    /// Actor restarts that are borne within [`Settings::restarts_window`].
    pub restarts_most: usize,
    /// See [`Settings::restarts_most`].
    pub restarts_window: Duration,
    /// Messages that a mailbox holds: the permits of all accounts, and room for control.
    pub mailbox: usize,
    /// Entries stop below so many free bytes where the journal lives.
    pub min_free_bytes: u64,
    /// How long a clean stop may take before what is left is in doubt.
    pub drain_deadline: Duration,
}

/// Settings of one account.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// The account.
    pub client_id: ClientId,
    /// Its limits.
    pub limits: Limits,
    /// Its waits.
    pub waits: Waits,
    /// Orders that it may have in the line.
    pub permits: usize,
    /// Of which so many are for exits only.
    pub permits_for_exits: usize,
    /// Whether stop, target and trailing stop may be taken from an order although nothing enforces them yet.
    pub takes_unenforced_exits: bool,
    /// Going live.
    pub arming: ArmingSettings,
}

/// What an account may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Units of one order.
    pub max_quantity: i64,
    /// Rupees of one order.
    pub max_order_value: Amount,
    /// Orders that have not ended.
    pub max_open_orders: usize,
    /// Loss of the day, rupees, as a positive number: entries stop when the broker's positions show it.
    pub daily_loss: Amount,
}

/// How long an account's desk waits for what.
#[derive(Debug, Clone)]
pub struct Waits {
    /// A call without an answer leaves the write slot to others.
    pub slot_deadline: Duration,
    /// A call without an answer is given up; its order stays in doubt.
    pub call_deadline: Duration,
    /// A read without an answer is given up.
    pub read_deadline: Duration,
    /// How often the books are read.
    pub poll: Duration,
    /// Positions older than this make the desk blind: entries stop.
    pub blind_after: Duration,
    /// A quote older than this is none.
    pub quote_max_age: Duration,
    /// Absence is concluded no earlier than this after the call, beyond the broker's visibility bound.
    pub quiet_period: Duration,
    /// Authoritative order and trade books in a row that must miss an order before it counts as absent.
    pub absent_snapshots: u32,
    /// An exit that waits longer than this pages.
    pub exit_wait_page: Duration,
    /// A wanted cancel is asked for again after this.
    pub cancel_again: Duration,
    /// An order in doubt is named to people again after this.
    pub doubt_page: Duration,
}

impl Waits {
    /// The waits of a broker that answers within a second, polled at its own cadence.
    #[must_use]
    pub fn standard(poll: Duration) -> Self {
        Self {
            slot_deadline: Duration::from_secs(2),
            call_deadline: Duration::from_secs(10),
            read_deadline: Duration::from_secs(10),
            poll,
            blind_after: Duration::from_secs(10),
            quote_max_age: Duration::from_secs(3),
            quiet_period: Duration::from_secs(5),
            absent_snapshots: 3,
            exit_wait_page: Duration::from_secs(5),
            cancel_again: Duration::from_secs(5),
            doubt_page: Duration::from_secs(30),
        }
    }
}
