//! What a person can do about a refusal of risk: of each gate its own, because few of them are about the size of the order.

use super::{OrderRecord, Tag};

/// Of every gate that refuses by [`Tag::RiskLimitsExceeded`]: its stable name, and what to do.
pub const REMEDIES: &[(&str, &str)] = &[
    ("risk.basket", "see the leg named in the reason; send the basket again when its cause is gone"),
    ("risk.blind", "look whether the broker answers (ordergate status); send it again when its positions are read again"),
    ("risk.clock", "set the machine's clock right; if it was set back, start the engine again too"),
    ("risk.daily_loss", "nothing today: entries go again on the next trading day, or after a person has changed the day's limit"),
    ("risk.disk", "make room on the disk of the data directory, then send it again"),
    ("risk.in_doubt", "wait until the order named in the reason is found at the broker, or resolve it by hand; then send it again"),
    ("risk.listed", "trade another instrument, or change the list that the reason names"),
    ("risk.loss_days", "wait until the day named in the reason"),
    ("risk.margin", "bring money to the broker, close something, or send a smaller order"),
    ("risk.master", "wait until the day's instrument master is fetched (ordergate instruments fetch), then send it again"),
    ("risk.max_open_orders", "wait until an open order has ended, or cancel one; or change the limit"),
    ("risk.max_open_value", "wait until an open entry has ended, or cancel one; or change the limit"),
    ("risk.max_order_value", "send a smaller order, or change the limit; without a fresh quote, wait for one or send a price"),
    ("risk.max_position", "send a smaller order or reduce the position, or change the limit"),
    ("risk.max_position_underlying", "send a smaller order or reduce what is held of the underlying, or change the limit"),
    ("risk.max_quantity", "send a smaller order, or change the limit"),
    ("risk.max_short_option_lots", "buy short options back or send a smaller order, or change the limit"),
    ("risk.messages", "wait a minute, look for a loop in what sends, and send it again"),
    ("risk.price_collar", "send a price nearer to the market, or wait for a fresh quote; or change the limit"),
    (
        "risk.quantity_unit",
        "run ordergate conformance with this account and set its quantity_unit; where two worths of a point differ, see ALARM_POINT_VALUE",
    ),
    ("risk.repeats", "find out why it repeats, then re-arm the strategy (POST /dashboard/risk/rearm)"),
    ("risk.route_trades", "nothing today: the route has had its entries; or change its trades_per_day"),
    ("risk.trades_per_day", "nothing today: the account has had its entries; or change the limit"),
];

/// The gate that a reason begins with: `risk.master: … (limit: …)`.
fn gate_of(reason: &str) -> Option<&str> {
    reason.split_once(": ").map(|(gate, _)| gate).filter(|gate| gate.starts_with("risk."))
}

/// What a person can do about how the order stands: what the first gate that refused it says, or what its tag says. `None`:
/// it has no tag.
#[must_use]
pub fn remedy(order: &OrderRecord) -> Option<&'static str> {
    let tag = order.tag?;
    let gate = order.reason.as_deref().filter(|_| tag == Tag::RiskLimitsExceeded).and_then(gate_of);
    let own = gate.and_then(|gate| REMEDIES.iter().find(|(name, _)| *name == gate));
    Some(own.map_or_else(|| tag.remedy(), |(_, words)| *words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_that_a_reason_begins_with_is_read() {
        assert_eq!(gate_of("risk.master: the instruments of NSE are of 2026-11-26 (limit: of 2026-11-27)"), Some("risk.master"));
        assert_eq!(gate_of("leg 2 of this basket was refused: risk.blind: never read"), None);
        assert_eq!(gate_of("risk.master"), None);
    }

    #[test]
    fn the_table_is_sorted_and_names_nobody_twice() {
        assert!(REMEDIES.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
