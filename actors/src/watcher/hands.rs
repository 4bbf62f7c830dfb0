//! What somebody changes at the broker in an order of ours: its type, its limit, its trigger. Pure.
//!
//! A book may lag behind its broker, by `visibility_bound` at most, and shows an earlier pricing of ours then. So a difference
//! is believed at rest only: when the order's record has stood still for that long and the quiet period, and a book that was
//! asked for after that shows the same once more. From its first sign on it is a suspicion: meanwhile nothing moves the order by
//! itself.
//!
//! *Invariant:* no change of ours, in whatever order its answer, its row and its message come, is taken for somebody's hand
//! within those bounds; and a change that stands is noticed once.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::news::news;
use super::owner::{Owner, owner};
use crate::order::{BookState, CommandId, OrderFact, OrderRecord, Pricing};
use crate::persistence::Book;
use crate::ports::BookRow;

/// The differences that are shown and not believed yet.
#[derive(Debug, Default)]
pub struct Hands {
    seen: BTreeMap<CommandId, Seen>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    now: Pricing,
    /// When the first book came that showed it at rest.
    since: Option<DateTime<Utc>>,
}

/// What a row of an order that works shows against its record: `None` where there is nothing, or something else is news first.
fn difference(order: &OrderRecord, row: &BookRow, tick: Decimal) -> Option<Pricing> {
    let is_its_own = order.broker_order_id.as_ref() == Some(&row.broker_order_id) && row.state == BookState::Open;
    if !is_its_own || !order.status.is_at_broker() || order.is_in_doubt() || news(order, row).is_some() {
        return None;
    }
    Pricing::from(order).changed_by(order.working_type(), &row.shown(), tick)
}

/// Whether a change that we asked for explains what the row shows. One without a limit of its own explains nothing.
fn is_ours(order: &OrderRecord, row: &BookRow, tick: Decimal) -> bool {
    let asked = order.asked.iter().map(|asked| &asked.terms).chain(&order.pending).filter(|terms| terms.order_type.has_price());
    let mut shows = asked.map(|terms| Pricing::from(terms).changed_by(Some(terms.order_type), &row.shown(), tick).is_none());
    shows.any(|is_shown| is_shown)
}

impl Hands {
    /// Takes the rows of a whole order book that are of working orders. `at`: when it came; `quiet`: how long a book may lag.
    pub fn read<'a>(
        &mut self,
        book: &Book,
        rows: impl Iterator<Item = (CommandId, &'a BookRow)>,
        tick: impl Fn(&OrderRecord) -> Decimal,
        (began_seq, at): (u64, DateTime<Utc>),
        quiet: Duration,
    ) -> Vec<(CommandId, OrderFact)> {
        self.seen.retain(|command, _| book.order(*command).is_some_and(|order| !order.status.is_terminal()));
        let mut facts = Vec::new();
        for (command, row) in rows {
            let Some(order) = book.order(command) else { continue };
            // It may be from before what is recorded now: the next one tells.
            let is_newer = began_seq >= order.seq;
            let tick = tick(order);
            let Some(now) = difference(order, row, tick) else {
                if is_newer && news(order, row).is_none() {
                    self.seen.remove(&command);
                }
                continue;
            };
            let seen = self.seen.entry(command).or_insert(Seen { now, since: None });
            if seen.now != now {
                *seen = Seen { now, since: None };
            }
            if !is_newer {
                continue;
            }
            let is_at_rest = |at: DateTime<Utc>| at.signed_duration_since(order.updated_at) >= quiet;
            if seen.since.is_some_and(is_at_rest) {
                let by_hand = !is_ours(order, row, tick);
                facts.push((command, OrderFact::TermsShown { was: Pricing::from(&**order), now, basis: order.seq, by_hand }));
            } else {
                seen.since = Some(at).filter(|at| is_at_rest(*at));
            }
        }
        facts
    }

    /// A row on its own, from the stream: it proves nothing, and is looked into at once. Answers whether it is a new suspicion.
    pub fn hint(&mut self, book: &Book, row: &BookRow, tag_prefix: &str, tick: impl Fn(&OrderRecord) -> Decimal) -> bool {
        let Owner::Ours(order) = owner(book, row, tag_prefix) else { return false };
        let tick = tick(order);
        let Some(now) = difference(order, row, tick).filter(|_| !is_ours(order, row, tick)) else { return false };
        let is_new = self.seen.get(&order.command_id).is_none_or(|seen| seen.now != now);
        if is_new {
            self.seen.insert(order.command_id, Seen { now, since: None });
        }
        is_new
    }

    /// Whether somebody may have changed the order.
    #[must_use]
    pub fn suspects(&self, command: CommandId) -> bool {
        self.seen.contains_key(&command)
    }
}

#[cfg(test)]
#[path = "hands_tests.rs"]
mod tests;
