//! What there is to leave: what is held, and what may be held before long.

use std::collections::BTreeSet;

use super::Book;
use crate::order::{HoldingKey, Strategy};

impl Book {
    /// The positions that entries may bring yet, by strategy: of an order that waits, rests or is in doubt, and of one that has filled
    /// while its trades are outstanding. A test brings nothing.
    pub fn coming(&self) -> impl Iterator<Item = (&Strategy, HoldingKey)> {
        self.open_orders()
            .chain(self.owed())
            .filter(|order| !order.is_exit() && !order.is_test())
            .filter_map(|order| Some((&order.ask.strategy, order.holding()?)))
    }

    /// Everything that an exit of everything has to leave, each once: what is held, and what entries may bring yet. An exit of what
    /// is not held yet waits for its fills, or takes its entry back first.
    #[must_use]
    pub fn to_leave(&self) -> BTreeSet<(Strategy, HoldingKey)> {
        let held = self.holdings().map(|(strategy, key, _)| (strategy.clone(), key.clone()));
        held.chain(self.coming().map(|(strategy, key)| (strategy.clone(), key))).collect()
    }
}
