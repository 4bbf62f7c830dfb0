//! What fills bring to the rule of a position: the rule of its first order, what more of that order moves, and what an order that
//! adds leaves of it. Pure, and read from the book: a message that is lost, a write that is refused and a crash between two commits
//! leave nothing behind that the next look does not find.
//!
//! *Invariant:* an order that adds to a position never moves its stop away from the market.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::rule::{ExitRule, Stood, Terms};
use crate::order::{ExitExtras, Holding, HoldingKey, OrderRecord, Side, Strategy};
use crate::persistence::Book;

/// What has filled, and is not in the rule of its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// An order that carries a rule: the first of the position, or one that adds.
    Order(Arc<OrderRecord>),
    /// More of the order that the rule came with.
    More(Arc<OrderRecord>),
}

/// The next thing that the rule of a position lacks; after it there may be another. `None`: nothing.
#[must_use]
pub fn brought(strategy: &Strategy, key: &HoldingKey, rule: Option<&ExitRule>, book: &Book) -> Option<Brought> {
    let held = book.held(strategy, key);
    let rule = rule.filter(|rule| rule.is_for(&held));
    // What must be flat soon is on its way out, with what came in since. A target may rest for long: what came in beside it needs its
    // stop.
    if rule.is_some_and(ExitRule::is_leaving) {
        return None;
    }
    let own = rule.and_then(|rule| book.order(rule.order?));
    if let Some((_, order)) = rule.zip(own).filter(|(rule, order)| lacks_of(rule, order)) {
        return Some(Brought::More(Arc::clone(order)));
    }
    let is_later = |order: &OrderRecord| match (rule, own) {
        (None, _) => true,
        (Some(_), Some(own)) => order.number > own.number,
        // A person set it, or its order is forgotten.
        (Some(rule), None) => order.created_at > rule.set_at,
    };
    // In the order in which they were asked for, each upon the one before.
    let later = since(strategy, held, book).take_while(|order| is_later(order));
    later.filter(|order| carries(order, key, held)).last().map(|order| Brought::Order(Arc::clone(order)))
}

/// The newest order of the position that has filled and carries a rule.
#[must_use]
pub fn carrier<'a>(strategy: &'a Strategy, key: &HoldingKey, book: &'a Book) -> Option<&'a Arc<OrderRecord>> {
    let held = book.held(strategy, key);
    since(strategy, held, book).find(|order| carries(order, key, held))
}

/// The orders of a strategy since a position of it was opened, newest first.
fn since<'a>(strategy: &'a Strategy, held: Holding, book: &'a Book) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
    book.newest_of(strategy).take_while(move |order| held.opened_at.is_some_and(|opened| order.created_at >= opened))
}

/// Whether an order has filled, is one of what is held, and carries a rule.
fn carries(order: &OrderRecord, key: &HoldingKey, held: Holding) -> bool {
    order.traded_quantity > 0
        && order.ask.side == Side::of_net(held.net)
        && !order.is_exit()
        && !order.is_test()
        && held.opened_at.is_some_and(|opened| order.signal_time.min(order.created_at) >= opened)
        && Terms::of(order).is_some()
        && order.holding().as_ref() == Some(key)
}

/// Whether more of its order has traded than it was measured with.
fn lacks_of(rule: &ExitRule, order: &OrderRecord) -> bool {
    let may_trade_yet = !order.status.is_terminal() || order.filled_quantity > order.traded_quantity;
    rule.counted.map_or(may_trade_yet, |counted| order.traded_quantity > counted)
}

impl ExitRule {
    /// What the rule before it of the same position leaves to it: since when that is held, and the exit of a target under way, which
    /// must go on being known as what it is.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let Self { held_since, fired, attempt, rearmed_at, .. } = *before;
        Self { held_since, fired, attempt, rearmed_at, ..self }
    }

    /// The rule that an order brings which adds to a position that has one. What the order does not speak of stays as it was; the stop
    /// is the tighter of both, and where a person has put it, or has switched the rule off, that stands until the person sets it again.
    #[must_use]
    pub fn added_to(self, before: &Self) -> Self {
        let stood = before.stop.map(|stop| Stood { stop, first: before.first_stop });
        let terms = self.terms.over(&before.terms);
        let mut next = Self { terms, stood, is_on: before.is_on, set_at: before.set_at, by_hand: before.by_hand, ..self.after(before) };
        next.place();
        if before.by_hand.is_some() {
            (next.stop, next.first_stop) = (before.stop, before.first_stop);
        }
        next
    }

    /// Measured from another fill price: more of its order came in, of which so many units have traded. A stop that has moved goes
    /// no way back.
    #[must_use]
    pub fn rebased(&self, fill: Decimal, counted: i64) -> Self {
        let mut next = Self { fill, counted: Some(counted), ..self.clone() };
        next.place();
        let has_moved = self.stop != self.begins_at() && next.tighter(self.stop, next.stop) == self.stop;
        if has_moved || self.by_hand.is_some() {
            (next.stop, next.first_stop) = (self.stop, self.first_stop);
        }
        next.best = if self.best == self.fill { fill } else { self.best };
        next
    }
}

impl Terms {
    /// These, and of the others what these do not speak of. A stop comes with how it moves and where it lives.
    fn over(self, before: &Self) -> Self {
        let (stop, how) = if self.stop_loss.is_some() { (&self, self.exits) } else { (before, before.exits) };
        let times = if self.exits.times.is_empty() { before.exits.times } else { self.exits.times };
        Self {
            stop_loss: stop.stop_loss,
            target: self.target.or(before.target),
            trailing: stop.trailing,
            exits: ExitExtras { times, ..how },
        }
    }
}

#[cfg(test)]
#[path = "brought_tests.rs"]
mod tests;
