//! GuardBook: the pure core. Strategy → instrument → side → quantity, as committed: holdings from fills, and
//! reservations from rows. An earlier-registered order that has not ended *is* the reservation, so nothing volatile is
//! needed and two concurrent entries of one strategy have exactly one winner.

use std::sync::Arc;

use super::adds::{self, Adding};
use crate::order::{
    BookState, CommandId, GateVerdict, HoldingKey, InOrder, InstrumentKey, Intent, OrderRecord, Product, Quantity, Side, Strategy, Tag,
    Terms, trading_date,
};
use crate::persistence::Book;
use crate::pnl::differences::units_elsewhere;
use crate::ports::BookRow;
use crate::watcher::{Findings, Positions, Told};

/// An order that risk has cleared, as the guard looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The row.
    pub order: &'a OrderRecord,
    /// Its settled terms.
    pub terms: &'a Terms,
}

/// What the guard says about one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Why, as a code.
    pub tag: Tag,
    /// Why, with the names and numbers.
    pub reason: String,
    /// Whether only a holding is in the way: the broker's newest positions may know better.
    pub by_holding: bool,
}

/// The account as the guard sees it.
#[derive(Debug, Clone, Copy)]
pub struct GuardBook<'a> {
    book: &'a Book,
    /// The broker's positions, when they are young enough to correct a holding.
    truth: Option<&'a Findings>,
}

impl<'a> GuardBook<'a> {
    /// The committed account.
    #[must_use]
    pub fn new(book: &'a Book) -> Self {
        Self { book, truth: None }
    }

    /// The same, with holdings bounded by the broker's newest positions: the retry with updated state.
    #[must_use]
    pub fn corrected_by(book: &'a Book, truth: &'a Findings) -> Self {
        Self { book, truth: Some(truth) }
    }

    /// What a strategy holds, bounded by the broker's net where that is known to be newer. What its books only lack frees nothing
    /// ([`told`]).
    fn held(&self, key: &HoldingKey, net: i64) -> i64 {
        let Some(truth) = self.truth else { return net };
        let (Some(positions), Some(at_broker)) = (&truth.positions, truth.net(key)) else { return net };
        if positions.began_seq < self.book.last_fill_seq(key) || told(self.book, truth, positions, key) != Told::Yes {
            return net;
        }
        if at_broker.signum() == net.signum() { net.signum() * net.abs().min(at_broker.abs()) } else { 0 }
    }

    /// Whether a strategy holds anything (`has_strategy` of the seeds), and what.
    #[must_use]
    pub fn has_strategy(&self, strategy: &Strategy) -> Option<(HoldingKey, i64)> {
        self.book.holdings_of(strategy).map(|(key, held)| (key.clone(), self.held(key, held.net))).find(|(_, net)| *net != 0)
    }

    /// The orders of the same strategy that stand before this one: registered earlier, or at the broker already, and
    /// not of its basket.
    fn earlier<'b>(&'b self, me: &'b OrderRecord) -> impl Iterator<Item = &'b OrderRecord> {
        self.book.open_of(&me.ask.strategy).map(|order| &**order).filter(move |order| stands_before(order, me))
    }

    /// Judges one order. Exits pass: their size is bounded by risk.
    #[must_use]
    pub fn judge(&self, me: Candidate<'_>, instrument: &InstrumentKey, basket: &[Candidate<'_>]) -> Option<Block> {
        let order = me.order;
        match order.ask.intent {
            Some(Intent::Exit) => None,
            _ if sells_delivery(me.terms) => Some(Block {
                tag: Tag::ExecutionGuardBlocked,
                reason: format!(
                    "a sale of {} {instrument} for delivery would sell shares that {} does not hold: CNC is sold by an EXIT, or by an ADJUST of what is held",
                    me.terms.quantity, order.ask.strategy
                ),
                by_holding: false,
            }),
            // A target has counted what its strategy holds and has working: that is no collision.
            _ if order.ask.target_position.is_some() => {
                self.conflicting_quantity(me, instrument, basket).or_else(|| self.cross_strategy(me, instrument))
            }
            Some(Intent::Adjust) => self.conflicting_quantity(me, instrument, basket).or_else(|| self.cross_strategy(me, instrument)),
            _ => {
                let stands = match adds::judge(self.book, order, me.terms, instrument, |other| stands_before(other, order)) {
                    Adding::Yes => None,
                    Adding::Never(block) => Some(block),
                    Adding::No => {
                        self.strategy_holds(order).or_else(|| self.duplicate(order, instrument)).or_else(|| self.strategy_enters(order))
                    }
                };
                stands.or_else(|| self.conflicting_quantity(me, instrument, basket)).or_else(|| self.cross_strategy(me, instrument))
            }
        }
    }

    /// Judges a change of a working order: its own row and what it filled are no rivals of it.
    #[must_use]
    pub fn judge_change(&self, me: Candidate<'_>, instrument: &InstrumentKey) -> Option<Block> {
        if me.order.is_exit() {
            return None;
        }
        let adjusts = me.order.ask.intent == Some(Intent::Adjust);
        let conflict = if adjusts { self.conflicting_quantity(me, instrument, &[]) } else { None };
        conflict.or_else(|| self.cross_strategy(me, instrument))
    }

    /// What the other entries of the order's own basket have traded there: after a restart one leg may have filled
    /// before the next one goes.
    fn traded_by_basket(&self, order: &OrderRecord, key: &HoldingKey) -> i64 {
        let legs = self.book.siblings(order).filter(|leg| !leg.is_exit() && leg.holding().as_ref() == Some(key));
        legs.filter_map(|leg| Some(leg.ask.side?.sign() * leg.traded_quantity)).sum()
    }

    fn strategy_holds(&self, order: &OrderRecord) -> Option<Block> {
        let strategy = &order.ask.strategy;
        let mut held = self.book.holdings_of(strategy).filter(|(key, held)| held.net != self.traded_by_basket(order, key));
        let found = held.find_map(|(key, held)| {
            let net = self.held(key, held.net);
            (net != 0).then(|| (key.clone(), net))
        });
        let Some((key, net)) = found else { return self.strategy_filled(order) };
        let reason = format!("{} holds {net} {key} already; exit it first, or send ADJUST", order.ask.strategy);
        Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: true })
    }

    /// An entry that has filled, and whose trades are not recorded yet, is a position already.
    fn strategy_filled(&self, order: &OrderRecord) -> Option<Block> {
        let strategy = &order.ask.strategy;
        let filled = self.book.owed_of(strategy).find(|owed| !owed.is_exit() && owed.basket_id != order.basket_id)?;
        let reason = format!(
            "{strategy} holds {} {} already (order {} has filled); exit it first, or send ADJUST",
            filled.filled_quantity, filled.ask.symbol, filled.command_id
        );
        Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false })
    }

    fn duplicate(&self, order: &OrderRecord, instrument: &InstrumentKey) -> Option<Block> {
        let open = self.earlier(order).find(|open| open.is_for(instrument))?;
        let reason = format!("{} has order {} ({}) open in {instrument}", order.ask.strategy, open.command_id, open.status);
        Some(Block { tag: Tag::DuplicateOrderBlocked, reason, by_holding: false })
    }

    fn strategy_enters(&self, order: &OrderRecord) -> Option<Block> {
        let open = self.earlier(order).find(|open| !open.is_exit())?;
        let reason =
            format!("{} is entering {} already with order {} ({})", order.ask.strategy, open.ask.symbol, open.command_id, open.status);
        Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false })
    }

    /// Another entry of the order's basket in the same instrument and product: it is judged with it, or, where a plan lets the
    /// legs go one after the other, it went before or has yet to go.
    fn twin(&self, me: Candidate<'_>, instrument: &InstrumentKey, basket: &[Candidate<'_>]) -> Option<(Side, Quantity)> {
        let is_twin = |other: &OrderRecord| {
            other.command_id != me.order.command_id && !other.is_exit() && !other.is_test() && other.is_for(instrument)
        };
        let beside =
            basket.iter().filter(|other| is_twin(other.order)).map(|other| (other.terms.side, other.terms.quantity, other.terms.product));
        let stands = |leg: &OrderRecord| !leg.status.is_terminal() || leg.filled_quantity > 0;
        let legs = self.book.siblings(me.order).filter(|leg| is_twin(leg) && stands(leg));
        let told = legs.filter_map(|leg| Some((leg.ask.side?, leg.ask.quantity?, leg.ask.product?)));
        beside.chain(told).find(|(.., product)| *product == me.terms.product).map(|(side, quantity, _)| (side, quantity))
    }

    /// Quantities that contradict each other: two legs of a basket in one instrument and product, or an adjustment that
    /// would turn the position around (that is an exit and an entry).
    fn conflicting_quantity(&self, me: Candidate<'_>, instrument: &InstrumentKey, basket: &[Candidate<'_>]) -> Option<Block> {
        if let Some((side, quantity)) = self.twin(me, instrument, basket) {
            let reason = format!(
                "conflicting quantities: this basket asks for {} {} and {side} {quantity} of {instrument}; send one order for the sum",
                me.terms.side, me.terms.quantity
            );
            return Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false });
        }
        if me.order.ask.intent != Some(Intent::Adjust) {
            return None;
        }
        if me.order.ask.target_position.is_none() && self.has_strategy(&me.order.ask.strategy).is_none() {
            let reason = format!("{} holds nothing that could be adjusted; send ENTRY", me.order.ask.strategy);
            return Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false });
        }
        let key = HoldingKey { instrument: instrument.clone(), product: me.terms.product };
        let net = self.held(&key, self.book.held(&me.order.ask.strategy, &key).net);
        let reduces = Side::of_net(net).is_some_and(|side| side != me.terms.side);
        let working: i64 = self
            .earlier(me.order)
            .filter(|open| open.is_for(instrument) && open.may_be_of(me.terms.product))
            .filter(|open| open.ask.side == Some(me.terms.side) || (reduces && open.is_exit() && open.ask.side.is_none()))
            // An exit whose size is not settled yet may close all of it.
            .map(|open| if open.is_exit() { open.claims(net.abs()) } else { open.unfilled() })
            .fold(0, i64::saturating_add);
        let owed: i64 = self
            .book
            .owed_of(&me.order.ask.strategy)
            .filter(|owed| owed.is_for(instrument) && owed.ask.side == Some(me.terms.side))
            .map(|owed| owed.untraded())
            .sum();
        let working = working.saturating_add(owed);
        let after = me.terms.quantity.value().saturating_add(working);
        (reduces && after > net.abs()).then(|| Block {
            tag: Tag::ExecutionGuardBlocked,
            reason: format!("conflicting quantities: {} holds {net} {key}, and {} {} (with {working} working) would turn it around; send EXIT, then ENTRY", me.order.ask.strategy, me.terms.side, me.terms.quantity),
            by_holding: false,
        })
    }

    /// Two strategies on opposite sides of one instrument undo each other at the broker, which nets them.
    fn cross_strategy(&self, me: Candidate<'_>, instrument: &InstrumentKey) -> Option<Block> {
        let strategy = &me.order.ask.strategy;
        let opposite = me.terms.side.opposite();
        let held = crate::order::Product::ALL.iter().find_map(|product| {
            let key = HoldingKey { instrument: instrument.clone(), product: *product };
            let gross = self.book.gross(&key);
            let own = self.book.held(strategy, &key).net;
            let others = match opposite {
                Side::Buy => gross.long - own.max(0),
                Side::Sell => -(gross.short - (-own).max(0)),
            };
            let others = self.held(&key, others);
            (others != 0).then_some((key, others))
        });
        if let Some((key, others)) = held {
            let reason = format!("another strategy holds {others} {key}; a {} here would undo it at the broker", me.terms.side);
            return Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: true });
        }
        let filled =
            self.book.owed_in(instrument).find(|owed| owed.ask.strategy != *strategy && !owed.is_exit() && owed.ask.side == Some(opposite));
        if let Some(filled) = filled {
            let reason =
                format!("strategy {} has just filled a {opposite} in {instrument} (order {})", filled.ask.strategy, filled.command_id);
            return Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false });
        }
        if self.book.entering(instrument, opposite) == 0 {
            return None;
        }
        let open = self.book.open_in(instrument).find(|open| {
            open.ask.strategy != *strategy && !open.is_exit() && open.ask.side == Some(opposite) && stands_before(open, me.order)
        })?;
        let reason = format!("strategy {} has a {opposite} open in {instrument} (order {})", open.ask.strategy, open.command_id);
        Some(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false })
    }
}

/// A stop that rests at the broker only takes out of a position: it stands before nothing.
fn stands_before(other: &OrderRecord, me: &OrderRecord) -> bool {
    !other.is_resting_stop()
        && other.command_id != me.command_id
        && other.basket_id != me.basket_id
        && !other.is_test()
        && (other.number < me.number || other.status.is_at_broker())
}

/// The record of the guard's verdict.
#[must_use]
pub fn verdict(block: Option<&Block>) -> GateVerdict {
    GateVerdict {
        gate: "guard".into(),
        passed: block.is_none(),
        input: block.map_or_else(|| "no collision".to_owned(), |block| block.reason.clone()),
        limit: "strategy flat, no open order for the symbol, no contradiction, nobody on the other side".to_owned(),
    }
}

/// A holding that the broker shows to be smaller than our fills say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// In what.
    pub key: HoldingKey,
    /// What our fills say, over all strategies.
    pub ours: i64,
    /// What the broker says.
    pub at_broker: i64,
    /// Orders of ours that work at the broker there.
    pub rest: Vec<Arc<OrderRecord>>,
    /// Whether its book says so.
    pub told: Told,
}

/// Whether an order that is no exit sells for delivery. There is no short position in delivery: the broker would take the shares
/// that the owner of the account has for himself.
fn sells_delivery(terms: &Terms) -> bool {
    terms.product == Product::Cnc && terms.side == Side::Sell
}

/// Whether all that an order may have filled is known once the broker's order book shows it: it works under its number. What was
/// never sent has filled nothing.
pub(crate) fn is_told_of(order: &OrderRecord) -> bool {
    order.works() || order.sent_at.is_none()
}

/// Where the broker holds less than we do, on positions that include all of our fills, with no trade of ours outstanding there and
/// no order of ours of which it is not known whether the broker has it (`reconcile_with_broker` of the seeds). More at the broker
/// than here is somebody else's, and is left alone. Delivery leaves the position book when it settles: what was sold of it shows in
/// positions and holdings of one day together.
#[must_use]
pub fn reconcile_with_broker(book: &Book, findings: &Findings) -> Vec<Shrunk> {
    let Some(positions) = &findings.positions else { return Vec::new() };
    // What is missing first: nearly nothing is, and a thousand positions are read in the middle of orders.
    let mut sums = InOrder::new(positions.sums());
    let missing = book.held_keys().filter_map(|(key, gross)| {
        let shown = sums.get(key).map_or(0, |sum| sum.net);
        let (ours, at_broker) = (gross.net(), findings.net_beside(key, shown)?);
        let is_missing = at_broker.signum() != ours.signum() || at_broker.abs() < ours.abs();
        (ours != 0 && is_missing).then_some((key, ours, at_broker))
    });
    let is_settled = |key: &HoldingKey| {
        positions.began_seq >= book.last_fill_seq(key)
            && book.open_in(&key.instrument).all(|order| is_told_of(order))
            && book.owed_in(&key.instrument).next().is_none()
    };
    let shrunk = missing.filter(|(key, ..)| is_settled(key)).map(|(key, ours, at_broker)| {
        let rest = book.open_in(&key.instrument).filter(|order| order.sent_at.is_some()).map(Arc::clone).collect();
        Shrunk { key: key.clone(), ours, at_broker, rest, told: told(book, findings, positions, key) }
    });
    shrunk.collect()
}

/// What the broker's books tell of something that our strategies hold: its positions and, for delivery, its holdings and the sales of
/// the day. Shares that are not settled, pledged or blocked are in no book for a time: only a sale proves that they are gone.
pub(crate) fn told(book: &Book, findings: &Findings, positions: &Positions, key: &HoldingKey) -> Told {
    if key.product != Product::Cnc {
        return positions.told(key, book);
    }
    let missing = findings.net(key).map_or(0, |at_broker| book.gross(key).net().saturating_sub(at_broker));
    let is_sold = missing <= 0 || sold_untaken(book, findings, positions, key) >= missing;
    if is_sold { Told::Yes } else { Told::LacksDelivery }
}

/// Units that others have sold, less those that they have bought, today, by the order book, and that our strategies have not given up for
/// it yet.
pub(crate) fn sold_untaken(book: &Book, findings: &Findings, positions: &Positions, key: &HoldingKey) -> i64 {
    let today = trading_date(positions.at);
    book.newest_day().corrected(today, key).saturating_sub(units_elsewhere(findings, key, today))
}

/// Whether the order book shows each of the orders that work there as we know it: none of them has filled what is missing, if
/// that book is newer than the positions.
#[must_use]
pub fn shows_the_rest(shrunk: &Shrunk, findings: &Findings) -> bool {
    shows_as_known(shrunk.rest.iter().map(|order| &**order), findings)
}

/// Whether the order book shows each of these orders as we know it: open, and for no more filled.
pub(crate) fn shows_as_known<'a>(mut orders: impl Iterator<Item = &'a OrderRecord>, findings: &Findings) -> bool {
    let rows = findings.orders.as_ref().map(|orders| &orders.rows);
    let shows = |order: &OrderRecord, row: &BookRow| {
        order.broker_order_id.as_ref() == Some(&row.broker_order_id) && row.state == BookState::Open && row.filled == order.filled_quantity
    };
    orders.all(|order| rows.is_some_and(|rows| rows.iter().any(|row| shows(order, row))))
}

/// The exits of a strategy, and the adjustments that reduce, that have nothing to close any more: filled, they would open a position.
/// `book` is the one of before.
#[must_use]
pub fn exits_of_nothing(book: &Book, strategy: &Strategy, key: &HoldingKey) -> Vec<CommandId> {
    let is_its_own = |order: &OrderRecord| order.ask.strategy == *strategy && order.may_be_of(key.product) && !order.is_test();
    let closing = book.open_in(&key.instrument).filter(|order| book.closes(order, key));
    let exits = closing.filter(|order| is_its_own(order) && order.cancel_wanted.is_none());
    exits.map(|order| order.command_id).collect()
}

/// Which strategies give up how many units so that the holdings match the broker again: the largest first, by name
/// where they are equal.
#[must_use]
pub fn reductions(book: &Book, shrunk: &Shrunk) -> Vec<(Strategy, i64)> {
    let side = shrunk.ours.signum();
    let at_broker = if shrunk.at_broker.signum() == side { shrunk.at_broker.abs() } else { 0 };
    let mut missing = shrunk.ours.abs() - at_broker;
    let mut holders: Vec<(Strategy, i64)> = book
        .holdings()
        .filter(|(_, key, held)| **key == shrunk.key && held.net.signum() == side)
        .map(|(strategy, _, held)| (strategy.clone(), held.net.abs()))
        .collect();
    holders.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    holders
        .into_iter()
        .map_while(|(strategy, held)| {
            let units = held.min(missing);
            missing -= units;
            (units > 0).then_some((strategy, units))
        })
        .collect()
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
