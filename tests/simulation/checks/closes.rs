//! INV-6 where it counts: not when an exit is called, but when it trades.

use std::collections::BTreeSet;

use ordergate::store::ReadStore;
use ordergate_actors::order::{CommandId, HoldingKey, OrderRecord, Strategy};

use super::AtBroker;
use crate::truth::{self, Traded};
use crate::witness::{Called, Calls};
use crate::world::TOOK_IT;

/// No trade of an exit of ours has taken what was held through flat, or away from it: neither what the account held, nor, where nobody else
/// has traded, what its strategy did. It answers for what it could know of when it was called: not for what others traded since, and not for
/// entries of ours on its side that filled since.
pub(crate) fn none_turned(store: &ReadStore, at: &AtBroker<'_>, calls: &Calls) -> Result<(), String> {
    let orders = truth::orders_of(store, &at.client)?;
    let trades = truth::traded(&at.exchange, at.others, &orders);
    let shared = truth::shared(&trades);
    let calls = calls.lock();
    for (nth, trade) in trades.iter().enumerate() {
        let Some(exit) = trade.order.filter(|order| order.is_exit()) else { continue };
        let called = calls.get(&exit.command_id).copied().unwrap_or_default();
        let walk = Walk { store, before: &trades[..nth], trade, exit, called };
        walk.leaves(None)?;
        if !shared.contains(&trade.key) {
            walk.leaves(Some(&exit.ask.strategy))?;
        }
    }
    Ok(())
}

/// One trade of an exit, and those before it.
struct Walk<'a> {
    store: &'a ReadStore,
    before: &'a [Traded<'a>],
    trade: &'a Traded<'a>,
    exit: &'a OrderRecord,
    called: Called,
}

impl Walk<'_> {
    /// It closes what the strategy has, or the account as a whole.
    fn leaves(&self, whose: Option<&Strategy>) -> Result<(), String> {
        let Traded { key, side, units, at, .. } = self.trade;
        let there = || self.before.iter().filter(|before| before.key == *key && (whose.is_none() || before.strategy() == whose));
        let net: i64 = there().map(Traded::signed).sum();
        let room = (-net * side.sign()).max(0);
        if *units <= room {
            return Ok(());
        }
        // Who was told that an order of ours is none, which works all the same, counts none of it.
        let told = self.told_refused(key)?;
        if told.contains(&self.exit.command_id) {
            return Ok(());
        }
        let same_side = there().filter(|before| before.side == *side);
        let unknown: i64 = same_side.filter(|before| self.came_since(before, &told)).map(|before| before.units).sum();
        if *units <= room + unknown {
            return Ok(());
        }
        let (who, command) = (whose.map_or_else(|| "the account".to_owned(), Strategy::to_string), self.exit.command_id);
        let at = at.format("%H:%M:%S%.3f");
        Err(format!("INV-6: {units} of exit {command} traded at {at} where {who} held {net} {key}, and {unknown} on its side were news"))
    }

    /// Whether the exit could not count that trade when it was called.
    fn came_since(&self, before: &Traded<'_>, told: &BTreeSet<CommandId>) -> bool {
        match before.order {
            Some(order) if told.contains(&order.command_id) => true,
            Some(order) => !order.is_exit() && self.called.at.is_none_or(|called| before.at >= called),
            None => {
                let of_others = self.before.iter().filter(|other| other.order.is_none() && other.key == before.key);
                of_others.take_while(|other| !std::ptr::eq(*other, before)).count() >= self.called.known
            }
        }
    }

    /// The orders there which the broker said that it had refused.
    fn told_refused(&self, key: &HoldingKey) -> Result<BTreeSet<CommandId>, String> {
        let mut told = BTreeSet::new();
        for order in self.before.iter().chain([self.trade]).filter(|trade| trade.key == *key).filter_map(|trade| trade.order) {
            let journal = self.store.order_journal(&order.client_id, order.command_id).map_err(|error| error.to_string())?;
            if journal.iter().any(|row| row.reason.as_deref().is_some_and(|why| why.contains(TOOK_IT))) {
                told.insert(order.command_id);
            }
        }
        Ok(told)
    }
}
