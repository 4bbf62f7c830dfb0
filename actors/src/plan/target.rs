//! What a TARGET comes to: the one order that leads from what its strategy holds and has working to the position that it
//! names. Pure.
//!
//! Everything that may still fill counts as filled, so that the same target twice never overshoots. What works in the wrong
//! direction is out of the way before anything is sent. Nothing is sent on a guess: while an order is in doubt, or its trades
//! are outstanding, the target waits.

use super::reverse::{Reverse, is_flat, younger_than_the_fills};
use crate::exits::rests_at_its_target;
use crate::order::{CommandId, HoldingKey, InstrumentKey, Intent, OrderRecord, OrderType, Product, Quantity, Side, Source, Tag};
use crate::persistence::Book;
use crate::watcher::Findings;

/// The order that leads to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// ENTRY from flat, ADJUST to add, EXIT to take out.
    pub intent: Intent,
    /// BUY or SELL.
    pub side: Side,
    /// Units.
    pub quantity: Quantity,
    /// MIS, NRML or CNC.
    pub product: Product,
    /// Units that are left after it, and no other order is for: more than the exchange takes in one order.
    pub left: i64,
    /// From which numbers.
    pub reason: String,
}

/// What is to be done for a target now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// The order itself becomes this.
    Go(Shot),
    /// It ends here: nothing is to do, or not by this order.
    End(Tag, String),
    /// Nothing yet.
    Wait(String),
    /// Nothing yet, and not by itself: an exit that a person placed by hand works the other way. It stays, and people are told.
    Yield(String),
    /// Orders of the same strategy work the other way: they are cancelled first.
    Clear(Vec<CommandId>, String),
    /// The position is left first, and the order waits for the proof that it is flat.
    Reverse(Reverse, String),
}

/// One order of the strategy that may still fill here.
struct Working<'a> {
    order: &'a OrderRecord,
    /// What it would add to the position.
    adds: i64,
}

impl Working<'_> {
    /// Whether it is sent, and nobody has asked for its end: it fills, or rests.
    fn is_decided(&self) -> bool {
        self.order.status.is_at_broker() && self.order.cancel_wanted.is_none()
    }
}

/// Works it out. `reversal` is the plan that the order waits for, if it has one; `largest` is the most units that the exchange takes in one
/// order.
#[must_use]
pub fn aim(
    order: &OrderRecord,
    instrument: &InstrumentKey,
    book: &Book,
    findings: &Findings,
    reversal: Option<&Reverse>,
    largest: Option<i64>,
) -> Aim {
    let Some(target) = order.ask.target_position else {
        return Aim::End(Tag::ValidationFailed, "target_position must be given".to_owned());
    };
    if let Some(newer) = newer_signal(order, instrument, book) {
        return Aim::End(Tag::Superseded, format!("order {} is newer and speaks of the same position", newer.command_id));
    }
    let strategy = &order.ask.strategy;
    let key = match key(order, instrument, book) {
        Ok(Some(key)) => key,
        Ok(None) => return Aim::End(Tag::AtTarget, format!("{strategy} holds nothing in {instrument} and has nothing working there")),
        Err(reason) => return Aim::End(Tag::ValidationFailed, reason),
    };
    let held = book.held(strategy, &key).net;
    if order.is_test() {
        return mock(order, &key, target, held);
    }
    if let Some(owed) = book.owed_in(instrument).find(|owed| owed.ask.strategy == *strategy) {
        return Aim::Wait(format!("what order {} of {strategy} filled is not settled yet", owed.command_id));
    }
    let working = match working(order, &key, book) {
        Ok(working) => working,
        Err(reason) => return Aim::Wait(reason),
    };
    let projected = working.iter().map(|open| open.adds).fold(held, i64::saturating_add);
    let Some(want) = Side::of_net(target.saturating_sub(projected)) else {
        return there(strategy.as_str(), &key, held, target, &working);
    };
    if let Some(aim) = out_of_the_way(order, &working, want, book) {
        return aim;
    }
    if let Some(open) = working.iter().find(|open| !open.is_decided() || open.order.is_in_doubt()) {
        return Aim::Wait(format!("order {} of {strategy} there is not settled yet", open.order.command_id));
    }
    let numbers = format!("{strategy} holds {held} {key}, {} are working, the target is {target}", projected - held);
    let shot = |intent| {
        let units: i64 = target.abs_diff(projected).try_into().unwrap_or(i64::MAX);
        let most = largest.filter(|largest| units > *largest);
        // What opens goes whole or not at all, as an ENTRY does; what closes goes as far as it may.
        if let Some(most) = most.filter(|_| intent != Intent::Exit) {
            return Aim::End(Tag::ValidationFailed, format!("{numbers}: the exchange freezes orders above {most}, name a nearer target"));
        }
        let Some(quantity) = Quantity::new(most.unwrap_or(units)) else {
            return Aim::End(Tag::RiskLimitsExceeded, format!("{numbers}: more than one order can be for"));
        };
        let left = if is_followed(order, book) { 0 } else { units - quantity.value() };
        let reason = most.map_or_else(|| numbers.clone(), |most| format!("{numbers}; the exchange freezes orders above {most}"));
        Aim::Go(Shot { intent, side: want, quantity, product: key.product, left, reason })
    };
    if held.signum() != -want.sign() {
        if let Some(reason) = reversal.and_then(|reversal| is_flat(reversal, book, findings).err()) {
            return Aim::Wait(reason);
        }
        return shot(if projected == 0 { Intent::Entry } else { Intent::Adjust });
    }
    if target == 0 || target.signum() == held.signum() {
        return shot(Intent::Exit);
    }
    if reversal.is_some() || projected == 0 {
        return Aim::Wait(format!("{held} {key} are being left first"));
    }
    let shown = match younger_than_the_fills(&key, book, findings) {
        Ok(shown) => shown,
        Err(reason) => return Aim::Wait(reason),
    };
    let reverse = Reverse::of(order, key, held, book, shown);
    Aim::Reverse(reverse, format!("{numbers}: out of {held} first, and then to {target}"))
}

/// Whether a TARGET only takes out of what its strategy holds: like an exit, it has no time to live.
#[must_use]
pub fn only_reduces(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> bool {
    let Some((target, product)) = order.ask.target_position.zip(order.ask.product) else { return order.is_exit() };
    let held = book.held(&order.ask.strategy, &HoldingKey { instrument: instrument.clone(), product }).net;
    order.is_exit() || (target.signum() == held.signum() && target.abs() < held.abs())
}

/// A later signal for the same position: what it says is what is wanted now. The engine's own exits say nothing of that.
fn newer_signal<'a>(order: &OrderRecord, instrument: &InstrumentKey, book: &'a Book) -> Option<&'a OrderRecord> {
    let speaks = |later: &&std::sync::Arc<OrderRecord>| {
        (later.is_exit() || later.ask.target_position.is_some())
            && later.ask.strategy == order.ask.strategy
            && later.is_for(instrument)
            && later.ask.product.zip(order.ask.product).is_none_or(|(theirs, mine)| theirs == mine)
            && later.basket_id != order.basket_id
            && !matches!(later.source, Source::System | Source::Stop)
            && later.parent_command_id.is_none()
            && later.is_test() == order.is_test()
            && later.tag != Some(Tag::ValidationFailed)
    };
    book.after(order.number).find(speaks).map(|order| &**order)
}

/// The position that is meant. A TARGET of 0 may leave the product to what is held, or works.
fn key(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> Result<Option<HoldingKey>, String> {
    let strategy = &order.ask.strategy;
    let of = |product| HoldingKey { instrument: instrument.clone(), product };
    if let Some(product) = order.ask.product {
        return Ok(Some(of(product)));
    }
    let held = book.holdings_of(strategy).filter(|(key, _)| key.instrument == *instrument).map(|(key, _)| key.product);
    let working = book.open_of(strategy).filter(|open| open.command_id != order.command_id && open.is_for(instrument));
    let mut products: Vec<Product> = held.chain(working.filter_map(|open| open.ask.product)).collect();
    products.sort_unstable();
    products.dedup();
    match products.as_slice() {
        [] => Ok(None),
        [product] => Ok(Some(of(*product))),
        _ => Err(format!("product_type: {strategy} is in {instrument} in more than one product; name the one that shall be flat")),
    }
}

/// Whether another order of its signal is for the same target, and is aimed after it.
fn is_followed(order: &OrderRecord, book: &Book) -> bool {
    book.siblings(order).any(|other| {
        other.number > order.number
            && other.is_unaimed()
            && !other.status.is_terminal()
            && other.ask.strategy == order.ask.strategy
            && other.instrument() == order.instrument()
            && other.ask.target_position == order.ask.target_position
    })
}

/// The strategy's other orders there: those at the broker, and those that stand before this one.
fn working<'a>(order: &'a OrderRecord, key: &HoldingKey, book: &'a Book) -> Result<Vec<Working<'a>>, String> {
    let mut found = Vec::new();
    for open in book.open_of(&order.ask.strategy) {
        let is_other_product = open.ask.product.is_some_and(|product| product != key.product);
        // A stop that rests waits for a price, and makes way.
        let is_none = open.is_test() || open.is_resting_stop();
        if open.command_id == order.command_id || is_none || !open.is_for(&key.instrument) || is_other_product {
            continue;
        }
        // A later one waits for this one, but for an exit.
        let waits_for_me = !open.status.is_at_broker() && open.number > order.number;
        if waits_for_me && (!open.is_exit() || open.is_unaimed()) {
            continue;
        }
        // What it is for is not known yet: an exit without a size, a target that nobody has aimed.
        let (Some(side), Some(_)) = (open.ask.side, open.ask.quantity) else {
            return Err(format!("order {} of {} there is not decided yet", open.command_id, order.ask.strategy));
        };
        found.push(Working { order: open, adds: side.sign() * open.unfilled() });
    }
    Ok(found)
}

fn there(strategy: &str, key: &HoldingKey, held: i64, target: i64, working: &[Working<'_>]) -> Aim {
    if let Some(open) = working.iter().find(|open| !open.is_decided()) {
        return Aim::Wait(format!("order {} of {strategy} there is not settled yet", open.order.command_id));
    }
    let words = match working.first() {
        None => format!("{strategy} holds {held} {key}, and that is the target"),
        Some(open) => format!("{strategy} holds {held} {key}, and order {} works for the rest to {target}", open.order.command_id),
    };
    Aim::End(Tag::AtTarget, words)
}

/// Whether it is an exit that rests at its limit for a signal that came before, or for a rule's target: the newest signal says what is
/// wanted now, and a limit may rest all day. The engine's other exits, and those that wait for a trigger, protect, and are left to end.
fn is_overtaken(order: &OrderRecord, book: &Book) -> bool {
    if rests_at_its_target(order, book) {
        return true;
    }
    order.is_exit()
        && order.ask.order_type == Some(OrderType::Limit)
        && !matches!(order.source, Source::System | Source::Stop)
        && order.status.is_at_broker()
        && !order.is_in_doubt()
}

/// Whether it is an exit of a person's own hand, and no person sends the target: an alert takes nobody's order down. What the
/// same hand says later is newer, as with any signal.
fn is_by_hand(order: &OrderRecord, target: &OrderRecord) -> bool {
    order.is_exit() && order.source == Source::Dashboard && target.source != Source::Dashboard
}

/// What moves away from the target: entries are cancelled, and exits that an earlier signal rests; others are left to end.
fn out_of_the_way(target: &OrderRecord, working: &[Working<'_>], want: Side, book: &Book) -> Option<Aim> {
    let against: Vec<&OrderRecord> = working.iter().filter(|open| open.adds.signum() == -want.sign()).map(|open| open.order).collect();
    let first = against.first()?;
    let stands = |order: &&&OrderRecord| order.cancel_wanted.is_none();
    let gives_way = |order: &&&OrderRecord| !order.is_exit() || (is_overtaken(order, book) && !is_by_hand(order, target));
    let orders: Vec<CommandId> = against.iter().filter(stands).filter(gives_way).map(|order| order.command_id).collect();
    let reason = format!("order {} works the other way", first.command_id);
    if !orders.is_empty() {
        return Some(Aim::Clear(orders, reason));
    }
    Some(match against.iter().filter(stands).find(|order| is_by_hand(order, target)) {
        Some(order) => Aim::Yield(format!(
            "order {}, an exit that {} placed by hand{}, works the other way and stays: cancel it, or let it fill",
            order.command_id,
            order.user,
            order.ask.price.map_or_else(String::new, |price| format!(" and that rests at {price}"))
        )),
        None => Aim::Wait(reason),
    })
}

/// A mock order moves nothing: it goes the straight way.
fn mock(order: &OrderRecord, key: &HoldingKey, target: i64, held: i64) -> Aim {
    let strategy = &order.ask.strategy;
    let far = target.saturating_sub(held);
    let Some((side, quantity)) = Side::of_net(far).zip(Quantity::new(far.abs())) else {
        return there(strategy.as_str(), key, held, target, &[]);
    };
    let reason = format!("a mock: {strategy} holds {held} {key}, the target is {target}");
    let intent = if held.signum() == -side.sign() { Intent::Exit } else { Intent::Entry };
    Aim::Go(Shot { intent, side, quantity, product: key.product, left: 0, reason })
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
