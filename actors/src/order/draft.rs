//! What a source sent, before anybody believed it: every field is text and may be missing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::exit_at::ExitAt;
use super::ids::{BadId, ClientId, CommandId, IdempotencyKey, SignalId};
use super::money::{Price, Quantity, decimal};
use super::record::OrderRecord;
use super::routed::{Blocked, Routed};
use super::words::{Intent, Source};

/// The most orders that one signal may ask for.
pub const MAX_LEGS: usize = 100;
/// The most orders that the legs of one signal become: exits beyond the exchange's freeze quantity go out as several.
pub const MAX_ORDERS: usize = 1_000;

/// One signal as it arrived: who, when, and the orders that it asks for.
#[derive(Debug, Clone)]
pub struct SignalDraft {
    /// The account that it is for; already known to exist.
    pub client_id: ClientId,
    /// Drawn by the receiver, so that it can look the signal up even when its answer was lost.
    pub signal_id: SignalId,
    /// The kind of source.
    pub source: Source,
    /// Which secret, key or strategy sent it; shown to people.
    pub user: String,
    /// The sender's own key, if any.
    pub idempotency_key: Option<IdempotencyKey>,
    /// SHA-256 of the body, after the secret was taken out.
    pub body_hash: [u8; 32],
    /// Identical bodies without a key within this many milliseconds are one signal; 0 turns that off.
    pub replay_window_ms: u64,
    /// When we received it.
    pub received_at: DateTime<Utc>,
    /// When the sender says it was made; ages the signal.
    pub signal_time: Option<DateTime<Utc>>,
    /// The orders, in the sender's order; 1 to [`MAX_LEGS`].
    pub legs: Vec<LegDraft>,
}

/// One order as it was asked for. What most do not say is left out where it is written down: with the row of a new order it
/// fits into one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegDraft {
    /// The owner of the position.
    pub strategy: Option<String>,
    /// ENTRY, EXIT, ADJUST or TARGET.
    pub execution_type: Option<String>,
    /// Exchange segment.
    pub exchange: Option<String>,
    /// Trading symbol.
    pub symbol: Option<String>,
    /// BUY or SELL. An exit may leave it out: it closes.
    pub side: Option<String>,
    /// Units. An exit may leave it out: all that the strategy holds.
    pub quantity: Option<String>,
    /// MIS, NRML or CNC. An exit may leave it out: the product of the position.
    pub product: Option<String>,
    /// MARKET, LIMIT, SL or SLM.
    pub order_type: Option<String>,
    /// DAY or IOC; DAY when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// Limit price; for a market order the price the sender saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Trigger of SL and SLM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_price: Option<String>,
    /// Stop for the position that this entry opens: a price, `12 points` or `1.5%` from the fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<String>,
    /// Target for the position that this entry opens; forms as for the stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// POINTS, PERCENT or ABSOLUTE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_type: Option<String>,
    /// How far the stop trails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_value: Option<String>,
    /// The favourable move for each step of the trailing stop: `5 points` or `0.5%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_step: Option<String>,
    /// The favourable move after which the stop begins to trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_after: Option<String>,
    /// The favourable move after which the stop moves to the fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_even: Option<String>,
    /// When the position is left whatever its price: `15:10`, `30 minutes`, `EOD`, `EXPIRY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_at: Option<String>,
    /// Where the stop lives: `engine` or `broker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
    /// SUCCESS or FAILURE: a mock result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_mode: Option<String>,
    /// Of a TARGET: the units that the strategy shall hold, signed (`-75` is short, `0` is flat). It takes the place of
    /// side and quantity, and of the product too where it is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_position: Option<String>,
    /// Seconds after which what has not filled is cancelled; absent, it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_after_s: Option<String>,
    /// How the legs of its signal depend on each other; the same for all of them. Absent: they stand and fall together at the
    /// gates, and go by themselves from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The order that this one repeats or replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CommandId>,
    /// The terms of the route that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Routed>,
    /// Why it is refused although its fields may read well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// What the format could not read at all, one sentence a field: refuses the leg, so that a row is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

impl LegDraft {
    /// Whether it can only take out of a position: an EXIT, or a TARGET of 0.
    #[must_use]
    pub fn only_closes(&self) -> bool {
        let intent = self.execution_type.as_deref().and_then(|text| Intent::parse(text.trim()));
        let is_flat = || self.target_position.as_deref().and_then(|text| signed_units(text.trim())) == Some(0);
        intent == Some(Intent::Exit) || (intent == Some(Intent::Target) && is_flat())
    }

    /// An order once more, as a new one that is linked to it: what it asked for, less what it filled.
    #[must_use]
    pub fn again(order: &OrderRecord) -> Self {
        let ask = &order.ask;
        let text = |price: Option<Price>| price.map(|price| price.to_string());
        let exit_at = |at: Option<ExitAt>| at.map(|at| at.to_string());
        let rest = if order.filled_quantity > 0 { Quantity::new(order.unfilled()) } else { ask.quantity };
        // The position that was wanted is wanted still, wherever the strategy stands by now. An exit goes again as it was sized.
        let target = ask.target_position.filter(|_| ask.intent != Some(Intent::Exit));
        let sized = |text: Option<String>| text.filter(|_| target.is_none());
        Self {
            strategy: Some(ask.strategy.to_string()),
            execution_type: target.map(|_| Intent::Target).or(ask.intent).map(|word| word.to_string()),
            exchange: ask.exchange.map(|word| word.to_string()),
            symbol: (!ask.symbol.is_empty()).then(|| ask.symbol.to_string()),
            side: sized(ask.side.map(|word| word.to_string())),
            quantity: sized(rest.map(|quantity| quantity.to_string())),
            product: ask.product.map(|word| word.to_string()),
            order_type: ask.order_type.map(|word| word.to_string()),
            validity: Some(ask.validity.to_string()),
            price: text(if ask.order_type.is_some_and(|kind| !kind.has_price()) { ask.seen_price } else { ask.price }),
            trigger_price: text(ask.trigger_price),
            stop_loss: exit_at(ask.stop_loss),
            target: exit_at(ask.target),
            trailing_type: ask.trailing.map(|trailing| trailing.kind.to_string()),
            trailing_value: ask.trailing.map(|trailing| trailing.value.to_string()),
            trailing_step: exit_at(ask.exits.trailing_step),
            trailing_after: exit_at(ask.exits.trailing_after),
            break_even: exit_at(ask.exits.break_even),
            exit_at: (!ask.exits.times.is_empty()).then(|| ask.exits.times.to_string()),
            stop_at: ask.exits.stop_at.map(|word| word.to_string()),
            test_mode: ask.test_mode.map(|word| word.to_string()),
            target_position: target.map(|units| units.to_string()),
            cancel_after_s: ask.cancel_after_s.map(|seconds| seconds.to_string()),
            policy: None,
            parent: Some(order.command_id),
            route: ask.route.as_deref().cloned(),
            blocked: None,
            unreadable: Vec::new(),
        }
    }
}

/// Reads signed units: `75`, `-75`, `+75`, `0`, `-75.0`. `None`: it is no whole number within the bounds of a quantity.
#[must_use]
pub fn signed_units(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if decimal("target_position", digits).is_ok_and(|number| number.is_zero()) {
        return Some(0);
    }
    Quantity::parse(digits).ok().map(|units| sign * units.value())
}

/// The key under which an order is sent again: by whomever, it is sent again once.
///
/// # Errors
/// Never for an id of ours; a key has its rules.
pub fn again_key(order: CommandId) -> Result<IdempotencyKey, BadId> {
    IdempotencyKey::parse(&format!("resubmit:{order}"))
}

/// Text fit for a row, a log line and a page: unsafe characters become `?`, at most `max` characters.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

/// Control characters, and those that reorder or hide text: nothing that people read may hold them.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
