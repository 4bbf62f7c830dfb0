//! What takes more than one step: positions that are to be reached, reversals, baskets with a policy. Pure.
//!
//! A plan is a kept state ([`Topic::Plan`]); what it does next is worked out from it and the committed book, so a restart in
//! the middle goes on where the disk stands. RiskActor holds orders back for it, WatcherActor takes its steps. Each step is an
//! order or a cancel of its own, down the same line.

mod adjust;
mod basket;
mod rest;
mod reverse;
mod standing;
mod target;

use serde::{Deserialize, Serialize};

pub use adjust::reduction;
pub use basket::{BasketPlan, Move, Turn, turn};
pub use rest::{Overdue, overdue};
pub use reverse::{Next, Reverse, is_flat};
pub use standing::{PlanKind, Standing, standings};
pub use target::{Aim, Shot, aim, only_reduces};

use crate::order::{BasketId, ClientId, CommandId, Policy};
use crate::persistence::{Book, Keep, Level, Slot, Topic, Unit};

/// A plan as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Plan {
    /// Out of a position, and then into its opposite.
    Reverse(Reverse),
    /// A basket with a policy.
    Basket(BasketPlan),
}

impl Plan {
    /// The plan of an order that turns its strategy's position around.
    #[must_use]
    pub fn slot_of(order: CommandId) -> Slot {
        Slot::new(Topic::Plan, order.to_string())
    }

    /// The reversal that the order waits for, if any.
    #[must_use]
    pub fn reversal(book: &Book, order: CommandId) -> Option<Reverse> {
        match book.kept(&Self::slot_of(order))?.read().ok()? {
            Self::Reverse(reverse) => Some(reverse),
            Self::Basket(_) => None,
        }
    }

    /// The plan of a basket.
    #[must_use]
    pub fn slot_of_basket(basket: BasketId) -> Slot {
        Slot::new(Topic::Plan, basket.to_string())
    }

    /// The policy that a basket goes by, if it has one.
    #[must_use]
    pub fn policy(book: &Book, basket: BasketId) -> Option<Policy> {
        match book.kept(&Self::slot_of_basket(basket))?.read().ok()? {
            Self::Basket(plan) => Some(plan.policy),
            Self::Reverse(_) => None,
        }
    }

    /// Every plan of the account with its name and the journal row that wrote it. What another version wrote is left alone.
    #[must_use]
    pub fn all(book: &Book) -> Vec<(Slot, u64, Self)> {
        let kept = book.kept_of(Topic::Plan);
        kept.filter_map(|(slot, kept)| Some((slot.clone(), kept.seq, kept.read().ok()?))).collect()
    }

    /// The row that writes it down, where none stands yet. `None` only for a plan that is no JSON; every plan is text and numbers.
    #[must_use]
    pub fn begin(&self, client_id: &ClientId, slot: Slot, order: CommandId, who: &str, reason: String) -> Option<Keep> {
        Keep::new(slot, "PLAN_BEGUN", who, reason).of(client_id).upon(0).about(order).with(self).ok()
    }

    /// The row that ends it: a page if a person must hear how.
    #[must_use]
    pub fn end(client_id: &ClientId, (slot, seq): (Slot, u64), order: CommandId, who: &str, (is_page, reason): (bool, String)) -> Unit {
        let (event, level) = if is_page { ("ALARM_PLAN_STOPPED", Level::Page) } else { ("PLAN_ENDED", Level::Info) };
        Unit::Keep(Keep::new(slot, event, who, reason).of(client_id).upon(seq).loud(level).about(order))
    }
}
