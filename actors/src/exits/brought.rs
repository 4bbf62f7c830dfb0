//! What fills bring to the rule of a position: the rule of its first order, what more of that order moves, and what an order that
//! adds leaves of it. Pure, and read from the book: a message that is lost, a write that is refused and a crash between two commits
//! leave nothing behind that the next look does not find.
//!
//! *Invariant:* an order that adds to a position never moves its stop away from the market.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::rule::{ExitRule, Stood, Terms};
use crate::order::{CommandId, ExitExtras, Holding, HoldingKey, OrderRecord, Side, Strategy};
use crate::persistence::Book;

/// What has filled, and is not in the rule of its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// An order that carries a rule: the first of the position, or one that adds.
    Order(Arc<OrderRecord>),
    /// More of an order that is in the rule.
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
    if let Some(order) = rule.and_then(|rule| more_of(rule, book)) {
        return Some(Brought::More(Arc::clone(order)));
    }
    let own = rule.and_then(|rule| book.order(rule.order?));
    let is_later = |order: &OrderRecord| match (rule, own) {
        (None, _) => true,
        (Some(_), Some(own)) => order.number > own.number,
        // A person set it, or its order is forgotten.
        (Some(rule), None) => order.created_at > rule.set_at,
    };
    let asked_since = since(strategy, held, book).take_while(|order| is_later(order));
    // What was asked for before may fill after it, and then it belongs to the position as well.
    let are_counted = rule.is_none_or(|rule| rule.others.is_some());
    let filled_since = filled_into(strategy, key, book).filter(|_| are_counted);
    let lacks = |order: &OrderRecord| carries(order, key, held) && !rule.is_some_and(|rule| rule.has_counted(order.command_id));
    // In the order in which they were asked for, each upon the one before.
    let next = asked_since.chain(filled_since).filter(|order| lacks(order)).min_by_key(|order| order.number);
    next.map(|order| Brought::Order(Arc::clone(order)))
}

/// The orders of a strategy asked for since a position of it was opened, newest first.
fn since<'a>(strategy: &'a Strategy, held: Holding, book: &'a Book) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
    let opened = held.opened_at;
    let asked = book.newest_of(strategy).take_while(move |order| opened.is_some_and(|opened| order.created_at >= opened));
    asked.filter(move |order| opened.is_some_and(|opened| order.signal_time >= opened))
}

/// The orders that have traded today into what is held, whenever they were asked for.
fn filled_into<'a>(strategy: &Strategy, key: &HoldingKey, book: &'a Book) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
    book.openings(strategy, key).iter().filter_map(|opening| book.order_by_number(opening.order))
}

/// Whether an order has filled, is of the side and the product of what is held, and carries a rule.
fn carries(order: &OrderRecord, key: &HoldingKey, held: Holding) -> bool {
    order.traded_quantity > 0
        && order.ask.side == Side::of_net(held.net)
        && !order.is_exit()
        && !order.is_test()
        && Terms::of(order).is_some()
        && order.holding().as_ref() == Some(key)
}

/// An order of the rule of which more has traded than it was measured with.
fn more_of<'a>(rule: &ExitRule, book: &'a Book) -> Option<&'a Arc<OrderRecord>> {
    let own = rule.order.map(|order| (order, rule.counted));
    let others = rule.others.iter().flatten().map(|(order, counted)| (*order, Some(*counted)));
    own.into_iter().chain(others).find_map(|(order, counted)| book.order(order).filter(|order| lacks_of(order, counted)))
}

fn lacks_of(order: &OrderRecord, counted: Option<i64>) -> bool {
    let may_trade_yet = !order.status.is_terminal() || order.filled_quantity > order.traded_quantity;
    counted.map_or(may_trade_yet, |counted| order.traded_quantity > counted)
}

impl ExitRule {
    /// This rule, with what it inherits from the one that it replaces: since when the position is held, and which exit of a target has been
    /// sent, so that this exit is still known as what it is.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let Self { held_since, fired, attempt, rearmed_at, .. } = *before;
        Self { held_since, fired, attempt, rearmed_at, ..self }
    }

    /// With everything that has filled until now counted as in it: only what comes later changes what was said.
    #[must_use]
    pub fn with_all_counted(self, book: &Book) -> Self {
        let (strategy, key) = (&self.strategy, &self.holding);
        let held = book.held(strategy, key);
        let filled = since(strategy, held, book).chain(filled_into(strategy, key, book));
        let filled: Vec<&Arc<OrderRecord>> = filled.filter(|order| carries(order, key, held)).collect();
        let mut others: BTreeMap<CommandId, i64> = filled.iter().map(|order| (order.command_id, order.traded_quantity)).collect();
        let newest = filled.iter().max_by_key(|order| order.number).map(|order| order.command_id);
        let (order, counted) = match newest {
            Some(order) => (Some(order), others.remove(&order)),
            None => (self.order, self.counted),
        };
        Self { order, counted, others: Some(others), ..self }
    }

    /// Whether it was measured with that order.
    fn has_counted(&self, order: CommandId) -> bool {
        self.order == Some(order) || self.others.as_ref().is_some_and(|others| others.contains_key(&order))
    }

    /// The rule that an order brings which adds to a position that has one. What the order does not speak of stays as it was; the stop
    /// is the tighter of both, and where a person has put it, or has switched the rule off, that stands until the person sets it again.
    #[must_use]
    pub fn added_to(self, before: &Self) -> Self {
        let stood = before.stop.map(|stop| Stood { stop, first: before.first_stop });
        let terms = self.terms.over(&before.terms);
        let mut others = before.others.clone();
        if let Some((others, order)) = others.as_mut().zip(before.order) {
            others.insert(order, before.counted.unwrap_or(0));
        }
        let (is_on, set_at, by_hand) = (before.is_on, before.set_at, before.by_hand);
        let mut next = Self { terms, stood, others, is_on, set_at, by_hand, ..self.after(before) };
        next.place();
        if before.by_hand.is_some() {
            (next.stop, next.first_stop) = (before.stop, before.first_stop);
        }
        next
    }

    /// Measured from another fill price: more of that order of it came in. A stop that has moved goes no way back.
    #[must_use]
    pub fn rebased(&self, fill: Decimal, order: &OrderRecord) -> Self {
        let mut next = Self { fill, ..self.clone() };
        if self.order == Some(order.command_id) {
            next.counted = Some(order.traded_quantity);
        } else {
            next.others.get_or_insert_default().insert(order.command_id, order.traded_quantity);
        }
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
    /// These terms; where they say nothing, the previous ones. A stop comes together with how it moves and where it lives.
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
