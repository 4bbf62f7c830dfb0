//! What of a holding is claimed by exits: nothing may close it a second time (INV-6).

use super::Book;
use crate::order::{HoldingKey, Intent, OrderRecord, Side, Strategy};

impl Book {
    /// Units that other exits of a holding (and adjustments that reduce it) claim: those at the broker, unconfirmed ones included, and those registered
    /// before `me`. One whose size is not settled claims what was asked, at the most all that its own strategy holds
    /// there: another strategy's exit must not be refused because of it.
    #[must_use]
    pub fn exiting(&self, me: &OrderRecord, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.open_in(&key.instrument)
            .filter(|order| order.command_id != me.command_id && !order.is_test() && self.closes(order, key))
            .filter(|order| order.ask.product.is_none_or(|product| product == key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| {
                let asked = if order.quantity() == 0 { i64::MAX } else { order.unfilled() };
                if order.status.is_at_broker() { asked } else { asked.min(self.held(&order.ask.strategy, key).net.abs()) }
            })
            .fold(self.owed_by_exits(strategy, key), i64::saturating_add)
    }

    /// Units of those that [`Book::exiting`] counts which are claimed by a stop that rests at the broker: it makes way for
    /// any other exit of its position.
    #[must_use]
    pub fn makes_way(&self, me: &OrderRecord, strategy: &Strategy, key: &HoldingKey) -> i64 {
        self.open_exits_in(&key.instrument)
            .filter(|order| order.is_resting_stop() && order.command_id != me.command_id && order.ask.strategy == *strategy)
            .filter(|order| order.ask.product.is_none_or(|product| product == key.product))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| order.unfilled())
            .fold(0, i64::saturating_add)
    }

    /// When one exit was split into several orders without a size: the previous one of them, which must be sized first. Each is sized for
    /// what those before it leave.
    #[must_use]
    pub fn sized_before<'a>(&'a self, me: &'a OrderRecord) -> Option<&'a OrderRecord> {
        let is_before = |other: &&OrderRecord| other.number < me.number && has_no_size(other) && leaves_the_same(other, me);
        self.siblings(me).map(|other| &**other).filter(|_| has_no_size(me)).find(is_before)
    }

    /// Whether a later order of its signal is for what this one leaves of the position.
    #[must_use]
    pub fn sized_after(&self, me: &OrderRecord) -> bool {
        self.siblings(me).any(|other| other.number > me.number && has_no_size(other) && leaves_the_same(other, me))
    }

    /// Whether it is for what earlier orders of its signal leave of the position.
    #[must_use]
    pub fn is_for_the_rest(&self, me: &OrderRecord) -> bool {
        has_no_size(me) && self.siblings(me).any(|other| other.number < me.number && leaves_the_same(other, me))
    }

    /// Whether a fill of the order takes out of what its strategy holds: an exit, or an adjustment on the closing side.
    #[must_use]
    pub fn closes(&self, order: &OrderRecord, key: &HoldingKey) -> bool {
        let reduces = || Side::of_net(self.held(&order.ask.strategy, key).net).map(Side::opposite) == order.ask.side;
        order.is_exit() || (order.ask.intent == Some(Intent::Adjust) && order.ask.side.is_some() && reduces())
    }

    /// Units that exits have filled at the broker and that are not taken out of the holding yet: their trades are
    /// outstanding. Nothing may close them a second time.
    #[must_use]
    pub fn owed_by_exits(&self, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.owed_in(&key.instrument)
            .filter(|order| self.closes(order, key) && order.ask.product == Some(key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .map(|order| order.filled_quantity - order.traded_quantity)
            .fold(0, i64::saturating_add)
    }
}

/// Whether an exit waits to be sized.
fn has_no_size(order: &OrderRecord) -> bool {
    order.is_exit() && !order.is_test() && order.ask.quantity.is_none() && !order.status.is_terminal()
}

/// Whether two orders of one signal leave the same position.
fn leaves_the_same(one: &OrderRecord, other: &OrderRecord) -> bool {
    let differ = one.ask.product.zip(other.ask.product).is_some_and(|(its, mine)| its != mine);
    one.is_exit() && other.is_exit() && !differ && one.ask.strategy == other.ask.strategy && one.instrument() == other.instrument()
}
