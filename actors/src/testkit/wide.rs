//! Limits and settings of an engine in a test: so wide that nothing but what the test is about stops an order.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::order::Amount;
use crate::settings::{Limits, Settings};

/// Limits that no test reaches by accident.
#[must_use]
pub fn wide_limits() -> Limits {
    Limits {
        max_quantity: 100_000,
        max_order_value: Amount(Decimal::from(1_000_000_000)),
        max_open_orders: 1_000,
        daily_loss: Amount(Decimal::from(100_000_000)),
        max_open_value: Amount(Decimal::from(1_000_000_000)),
        max_position: 1_000_000,
        max_position_underlying: 10_000_000,
        max_short_option_lots: 10_000,
        trades_per_day: 1_000_000,
        messages_per_minute: 10_000,
        repeats: 100_000,
        rejections: 100_000,
        ..Limits::standard()
    }
}

/// Settings of a process. An entry lives as long as ever, whatever else is quicker: a busy machine would make every signal stale.
#[must_use]
pub fn wide_settings() -> Settings {
    Settings {
        max_notional: Amount(Decimal::from(1_000_000_000)),
        entry_ttl: Duration::from_secs(30),
        future_tolerance: Duration::from_secs(5),
        max_clock_skew: Duration::from_secs(2),
        restarts_most: 5,
        restarts_window: Duration::from_secs(60),
        mailbox: 4_096,
        min_free_bytes: 0,
        lock_patience: Duration::ZERO,
        drain_deadline: Duration::from_secs(2),
    }
}
