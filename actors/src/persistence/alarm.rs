//! The names of alarms that are raised or asked for in more than one place. They stand on disk: none of them ever changes.

/// Whether an order is at the broker is not known.
pub const IN_DOUBT: &str = "ALARM_IN_DOUBT";
/// Two orders at the broker are one of ours.
pub const DOUBLE_ORDER: &str = "ALARM_DOUBLE_ORDER";
/// What covers a short is sold before it.
pub const EXIT_UNCOVERS: &str = "ALARM_EXIT_UNCOVERS";
/// The margin at the broker fell short.
pub const MARGIN_SHORT: &str = "ALARM_MARGIN_SHORT";
/// A position is over its limit.
pub const POSITION_OVER_LIMIT: &str = "ALARM_POSITION_OVER_LIMIT";
