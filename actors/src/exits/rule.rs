//! The rule of one position: what it is, how it comes to be, and how it changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::{
    CommandId, ExitAt, ExitExtras, ExitTimes, Holding, HoldingKey, OrderRecord, Price, Side, SignalId, StopAt, Strategy, Trailing,
};
use crate::persistence::{Slot, Topic};

/// Why a position is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// Its stop was reached.
    Stop,
    /// Its stop was reached, which had trailed or moved to break-even.
    Trail,
    /// Its target was reached.
    Target,
    /// Its time is up.
    Time,
    /// The strategy's positions together lost or won what they may.
    Combined,
}

impl Cause {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Stop, Self::Trail, Self::Target, Self::Time, Self::Combined];

    /// Whether the position must be flat soon at a price that the market pays; a target is a limit and is never chased.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self != Self::Target
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Trail => "trailing stop",
            Self::Target => "target",
            Self::Time => "time exit",
            Self::Combined => "combined exit",
        })
    }
}

/// That a rule has fired: an exit is on its way, under this signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fired {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: DateTime<Utc>,
    /// The market's price then, rupees; `None`: there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price: Option<Decimal>,
    /// The signal of its exit.
    pub signal: SignalId,
}

/// What a rule shall be, in a person's or an order's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// The stop.
    pub stop_loss: Option<ExitAt>,
    /// The target.
    pub target: Option<ExitAt>,
    /// How the stop trails.
    pub trailing: Option<Trailing>,
    /// What else.
    pub exits: ExitExtras,
}

impl Terms {
    /// What an order carries; `None`: nothing.
    #[must_use]
    pub fn of(order: &OrderRecord) -> Option<Self> {
        let ask = &order.ask;
        let terms = Self { stop_loss: ask.stop_loss, target: ask.target, trailing: ask.trailing, exits: ask.exits };
        (terms != Self::default()).then_some(terms)
    }
}

/// How one position is left. Prices are rupees, on the tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitRule {
    /// The owner.
    pub strategy: Strategy,
    /// The position.
    pub holding: HoldingKey,
    /// `Buy` for a long position, `Sell` for a short one.
    pub position: Side,
    /// What distances are measured from: the average price of the fills.
    pub fill: Decimal,
    /// When the position was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was set, by an order or a person.
    pub set_at: DateTime<Utc>,
    /// Since when the position is held, for its times. What opened it may have rested for long: one that came with an order is held since
    /// its first fill. Nothing that changes the rule of a position begins it anew.
    pub held_since: DateTime<Utc>,
    /// As asked for.
    pub terms: Terms,
    /// The smallest price step of the instrument.
    pub tick: Decimal,
    /// Where the stop began.
    pub first_stop: Option<Decimal>,
    /// Where the stop stands.
    pub stop: Option<Decimal>,
    /// Where the target stands.
    pub target: Option<Decimal>,
    /// The best price seen: what the stop trails from.
    pub best: Decimal,
    /// Whether it acts; a rule that a person switched off stays, so that nothing attaches it anew.
    pub is_on: bool,
    /// When it was seen that somebody had changed its stop at the broker: since then the stop stands where that person put it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by_hand: Option<DateTime<Utc>>,
    /// The order that it came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<CommandId>,
    /// Who set it last.
    pub who: String,
    /// The exit under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fired: Option<Fired>,
    /// Exits that came to nothing before.
    #[serde(default)]
    pub attempt: u32,
    /// When its target stood again after such a one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rearmed_at: Option<DateTime<Utc>>,
    /// Units of its order that had traded when it was last measured; `None`: written before this was counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counted: Option<i64>,
    /// The other orders of the position that are in it, each with the units of it that had traded when it was last measured; `None`:
    /// written before these were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub others: Option<BTreeMap<CommandId, i64>>,
    /// Where the stop stood when an order added to the position: however much more comes in, it never goes behind that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stood: Option<Stood>,
}

/// A stop that an order which added to the position has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stood {
    /// Where it stood.
    pub stop: Decimal,
    /// Where it had begun.
    pub first: Option<Decimal>,
}

/// A target that stood so long without firing begins anew: what came to nothing before tells nothing of the market any more.
const CALM: Duration = Duration::minutes(10);

/// The name of the rule of a position.
#[must_use]
pub fn slot(strategy: &Strategy, holding: &HoldingKey) -> Slot {
    Slot::new(Topic::ExitRule, Arc::from(format!("{}|{}|{strategy}", holding.instrument, holding.product)))
}

impl ExitRule {
    /// A rule with these terms for what is held. `None`: nothing is held, or the terms give no price.
    #[must_use]
    pub fn new(
        strategy: Strategy,
        holding: HoldingKey,
        held: &Holding,
        terms: Terms,
        tick: Decimal,
        who: String,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let (position, fill) = (Side::of_net(held.net)?, held.average()?);
        let mut rule = Self {
            strategy,
            holding,
            position,
            fill,
            opened_at: held.opened_at.unwrap_or(now),
            set_at: now,
            held_since: held.opened_at.unwrap_or(now),
            terms,
            tick,
            first_stop: None,
            stop: None,
            target: None,
            best: fill,
            is_on: true,
            by_hand: None,
            order: None,
            who,
            fired: None,
            attempt: 0,
            rearmed_at: None,
            counted: None,
            others: Some(BTreeMap::new()),
            stood: None,
        };
        rule.place();
        let is_whole = rule.stop.is_some() == terms.stop_loss.is_some() && rule.target.is_some() == terms.target.is_some();
        is_whole.then_some(rule)
    }

    /// The rule that a filled order brings, which first filled at `filled_at`. `None`: it carries none, it closes, or it does not stand for
    /// what is held.
    #[must_use]
    pub fn from_order(order: &OrderRecord, held: &Holding, tick: Decimal, filled_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Self> {
        let terms = Terms::of(order)?;
        if order.is_exit() || order.is_test() || order.ask.side != Side::of_net(held.net) {
            return None;
        }
        let rule = Self::new(order.ask.strategy.clone(), order.holding()?, held, terms, tick, order.user.to_string(), now)?;
        let counted = Some(order.traded_quantity);
        Some(Self { order: Some(order.command_id), counted, held_since: rule.opened_at.max(filled_at.min(now)), ..rule })
    }

    /// With the stop of the rule before it of the same position, where both move it by the same terms: whoever changes a target puts no
    /// stop back that has trailed, whatever has come in since without a word about exits. One that somebody put elsewhere at the broker,
    /// and one that was switched off, begin anew.
    #[must_use]
    pub fn with_moved_stop_of(self, before: &Self) -> Self {
        let moves = |rule: &Self| {
            let Terms { stop_loss, trailing, exits, .. } = rule.terms;
            (stop_loss, trailing, exits.trailing_step, exits.trailing_after, exits.break_even)
        };
        if !before.is_on || before.by_hand.is_some() || moves(&self) != moves(before) {
            return self;
        }
        if self.fill != before.fill {
            // Measured from another average, as after an addition: the best price is counted from that.
            let mut next = Self { stood: before.stop.map(|stop| Stood { stop, first: before.first_stop }), ..self };
            next.place();
            return next;
        }
        Self { stop: before.stop, first_stop: before.first_stop, stood: before.stood, best: before.best, ..self }
    }

    /// Whether an exit is under way that must be flat soon: nothing changes the rule any more.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.fired.is_some_and(|fired| fired.cause.is_urgent())
    }

    /// Puts stop and target where the terms say, measured from the fill; the stop never behind one that an addition has found.
    pub(super) fn place(&mut self) {
        let on_tick = |price: Option<Decimal>| {
            let price = price.and_then(|price| self.on_tick(price));
            price.filter(|price| *price > Decimal::ZERO)
        };
        let stop = self.terms.stop_loss.and_then(|at| on_tick(at.below(self.fill, self.position)));
        let target = self.terms.target.and_then(|at| on_tick(at.above(self.fill, self.position)));
        self.target = target;
        self.first_stop = self.tighter(stop, self.stood.and_then(|stood| stood.first));
        self.stop = self.begins_at();
    }

    /// Where its stop stands as long as nothing has moved it.
    pub(super) fn begins_at(&self) -> Option<Decimal> {
        self.tighter(self.first_stop, self.stood.map(|stood| stood.stop))
    }

    /// The stop of two that is reached first.
    pub(super) fn tighter(&self, one: Option<Decimal>, other: Option<Decimal>) -> Option<Decimal> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if self.is_as_good(one, other) { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    /// On the tick: a stop nearer to the fill, a target farther from it.
    pub(super) fn on_tick(&self, price: Decimal) -> Option<Decimal> {
        let steps = price.checked_div(self.tick)?;
        let steps = match self.position {
            Side::Buy => steps.ceil(),
            Side::Sell => steps.floor(),
        };
        steps.checked_mul(self.tick).map(|price| price.normalize())
    }

    /// Why its trail would carry the stop past the price, if it would. It moves by the step then, and no more.
    #[must_use]
    pub fn overtakes(&self) -> Option<String> {
        self.terms.trailing?.overtakes(self.terms.exits.trailing_step, Some(self.fill))
    }

    /// Where its stop shall live; `standard` where it does not say.
    #[must_use]
    pub fn stop_at(&self, standard: StopAt) -> StopAt {
        self.terms.exits.stop_at.unwrap_or(standard)
    }

    /// The side that closes the position.
    #[must_use]
    pub fn exit_side(&self) -> Side {
        self.position.opposite()
    }

    /// Rupees per unit that the position has gained at that price; negative for a loss.
    #[must_use]
    pub fn gain(&self, price: Decimal) -> Decimal {
        let move_ = price.checked_sub(self.fill).unwrap_or(Decimal::ZERO);
        match self.position {
            Side::Buy => move_,
            Side::Sell => -move_,
        }
    }

    /// Whether that price is as good for the position as the other, or better.
    #[must_use]
    pub fn is_as_good(&self, price: Decimal, other: Decimal) -> bool {
        match self.position {
            Side::Buy => price >= other,
            Side::Sell => price <= other,
        }
    }

    /// Whether the position that it was made for is the one that is held: on its side, and opened by the same signal. What was closed
    /// and opened again between two looks is another. The tables keep a time to the microsecond.
    #[must_use]
    pub fn is_for(&self, held: &Holding) -> bool {
        let is_same = |opened: DateTime<Utc>| opened.signed_duration_since(self.opened_at).abs() < Duration::milliseconds(1);
        Side::of_net(held.net) == Some(self.position) && held.opened_at.is_none_or(is_same)
    }

    /// The exits that came to nothing before, for one that fires now. Those of a target slow it down only for a while, and never the
    /// exit of another cause.
    #[must_use]
    pub fn attempts_before(&self, cause: Cause, now: DateTime<Utc>) -> u32 {
        let is_recent = self.rearmed_at.is_some_and(|at| now.signed_duration_since(at) < CALM);
        if is_recent && cause == Cause::Target { self.attempt } else { 0 }
    }

    /// The name of its state.
    #[must_use]
    pub fn slot(&self) -> Slot {
        slot(&self.strategy, &self.holding)
    }

    /// The key of its exit: whoever sends it, and however often, it is one signal.
    #[must_use]
    pub fn exit_key(&self) -> Option<String> {
        self.fired.as_ref().map(|fired| format!("exit-rule:{}", fired.signal))
    }

    /// The key of an exit beside those that are open, after the order with that number.
    #[must_use]
    pub fn key_beside(&self, after: u64) -> Option<String> {
        self.exit_key().map(|key| format!("{key}:{after}"))
    }

    /// Whether what somebody changed in its stop at the broker stands: a person who sets the rule again takes it back.
    #[must_use]
    pub fn yields_to(&self, order: &OrderRecord) -> bool {
        order.by_hand.is_some_and(|seen| seen > self.set_at)
    }

    /// The rule with its stop where somebody has put it at the broker. `None`: it is there already, or nobody did.
    #[must_use]
    pub fn heeding(&self, order: &OrderRecord) -> Option<Self> {
        if self.is_leaving() || !self.yields_to(order) || self.by_hand == order.by_hand {
            return None;
        }
        let put = order.ask.trigger_price.map(Price::value).filter(|_| order.is_shown_as_stop());
        let (stop, first_stop) = put.map_or((self.stop, self.first_stop), |put| (Some(put), Some(put)));
        Some(Self { stop, first_stop, by_hand: order.by_hand, ..self.clone() })
    }

    /// Takes the tighter stop and the better price of a rule that was ahead of what is on disk. Of one that an addition has found, only
    /// the stop: the best price is counted from the new average. Of one that is measured anew, because more of its order came in, nothing
    /// that no price has moved: it only stands where the average was.
    pub fn catch_up(&mut self, ahead: &Self) {
        let is_same = self.order == ahead.order && self.terms == ahead.terms;
        let is_measured_anew = is_same && self.fill != ahead.fill;
        let is_added_to = self.stood.is_some() && self.set_at == ahead.set_at && self.opened_at == ahead.opened_at;
        // A stop that somebody put further away at the broker is not tightened again.
        if self.by_hand != ahead.by_hand || self.position != ahead.position || !(is_same || is_added_to) {
            return;
        }
        if let (Some(stop), Some(tighter)) = (self.stop, ahead.stop)
            && self.is_as_good(tighter, stop)
            && (!is_measured_anew || ahead.stop != ahead.begins_at())
        {
            self.stop = Some(tighter);
        }
        if is_same && self.is_as_good(ahead.best, self.best) && (!is_measured_anew || ahead.best != ahead.fill) {
            self.best = ahead.best;
        }
    }

    /// In a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.stop.map(|stop| format!("stop {stop}")));
        parts.extend(self.target.map(|target| format!("target {target}")));
        parts.extend(self.terms.trailing.map(|trailing| format!("trailing {} {}", trailing.kind, trailing.value)));
        parts.extend(self.terms.exits.break_even.map(|after| format!("break-even after {after}")));
        parts.extend(Some(self.terms.exits.times).filter(|times: &ExitTimes| !times.is_empty()).map(|times| format!("out at {times}")));
        parts.extend(self.terms.exits.stop_at.map(|place| format!("stop at the {place}")));
        let words = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        format!("{} {}: {words}, from {}", self.strategy, self.holding, self.fill)
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
