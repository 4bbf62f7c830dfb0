//! Through zero: out of the position with an exit of its own, then the proof that it is flat, then the order that waited.
//! Pure. A crash between the two leaves the exit on its way and the order CREATED: it goes within its time to live, or ends
//! with a tag and a page.

use serde::{Deserialize, Serialize};

use crate::order::{CommandId, HoldingKey, OrderRecord, Status, Strategy, Tag};
use crate::persistence::Book;
use crate::settings::Resends;
use crate::watcher::{Findings, Positions, exit_goes_again};

/// The most exits that one plan sends for one position: an exit may be cut to what the exchange takes in one order.
pub(super) const EXITS_MOST: usize = 20;

/// A reversal as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverse {
    /// The order that goes once the position is flat.
    pub order: CommandId,
    /// Its number.
    pub number: u64,
    /// The owner.
    pub strategy: Strategy,
    /// What is left.
    pub key: HoldingKey,
    /// Units held when it began, signed.
    pub from: i64,
    /// Units that the broker showed beside ours when it began: they are somebody else's, and no part of the proof.
    pub beside: i64,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: something is under way.
    Wait,
    /// Send an exit of all that is held; the how-manyth it is, from 0.
    Exit(usize),
    /// The order that waited will not go: end it.
    Stop(String),
    /// The plan is over; whether a person must hear it.
    End(bool, String),
}

impl Reverse {
    /// The reversal that this order needs; `shown` are the broker's positions, younger than the last fill there.
    #[must_use]
    pub fn of(order: &OrderRecord, key: HoldingKey, held: i64, book: &Book, shown: &Positions) -> Self {
        let beside = shown.net(&key).saturating_sub(book.gross(&key).net());
        Self { order: order.command_id, number: order.number, strategy: order.ask.strategy.clone(), key, from: held, beside }
    }

    /// What is to be done next, by the committed book; `resends` is which exits go again by themselves.
    #[must_use]
    pub fn next(&self, book: &Book, resends: Resends) -> Next {
        let Some(order) = book.order(self.order) else {
            return Next::End(true, format!("order {} is no longer in memory", self.order));
        };
        if order.status.is_terminal() || order.sent_at.is_some() {
            return self.ended(order, book);
        }
        let held = book.held(&self.strategy, &self.key).net;
        let is_left = held.signum() != self.from.signum();
        let is_settled = book.owed_in(&self.key.instrument).all(|owed| owed.ask.strategy != self.strategy);
        if is_left || !is_settled || self.is_leaving(book) {
            return Next::Wait;
        }
        let exits: Vec<_> = book.after(self.number).filter(|exit| self.is_mine(exit)).collect();
        let sent = exits.iter().filter(|exit| exit.parent_command_id == Some(self.order)).count();
        let came_to_nothing = |exit: &OrderRecord| exit.filled_quantity == 0 || exit.tag == Some(Tag::CancelledByUser);
        match exits.last() {
            Some(last) if last.status == Status::Failed && came_to_nothing(last) => {
                if exit_goes_again(book, last, resends) {
                    return Next::Wait;
                }
                let tag = last.tag.map_or("", Tag::as_str);
                let why = last.reason.as_deref().unwrap_or("");
                Next::Stop(format!("exit {} of {held} {} failed ({tag}): {why}", last.command_id, self.key))
            }
            _ if sent >= EXITS_MOST => Next::Stop(format!("{held} {} are left after {sent} exits", self.key)),
            _ => Next::Exit(sent),
        }
    }

    fn ended(&self, order: &OrderRecord, book: &Book) -> Next {
        let held = book.held(&self.strategy, &self.key).net;
        if order.sent_at.is_some() {
            return Next::End(false, format!("{} {} were left, and order {} went", self.from, self.key, self.order));
        }
        let is_wanted = matches!(order.tag, Some(Tag::Superseded | Tag::CancelledByUser | Tag::KillSwitch));
        let tag = order.tag.map_or("", Tag::as_str);
        let why = order.reason.as_deref().unwrap_or("");
        let text = format!(
            "{} was to leave {} {} and go the other way; it did not: order {} ended {tag} ({why}), {held} are held now",
            self.strategy, self.from, self.key, self.order
        );
        Next::End(!is_wanted, text)
    }

    /// Whether it is an exit of this position. A stop that rests at the broker is none that leaves it now.
    fn is_mine(&self, order: &OrderRecord) -> bool {
        order.is_exit()
            && !order.is_test()
            && !order.is_resting_stop()
            && order.ask.strategy == self.strategy
            && order.is_for(&self.key.instrument)
            && order.may_be_of(self.key.product)
    }

    fn is_leaving(&self, book: &Book) -> bool {
        book.open_of(&self.strategy).any(|open| self.is_mine(open))
    }
}

/// The broker's positions, if they were asked for after the last fill there was on disk: before that they say nothing of what
/// stands beside ours.
///
/// # Errors
/// What is missing.
pub(super) fn younger_than_the_fills<'a>(key: &HoldingKey, book: &Book, findings: &'a Findings) -> Result<&'a Positions, String> {
    let Some(positions) = &findings.positions else { return Err("the broker's positions were never read".to_owned()) };
    if positions.began_seq < book.last_fill_seq(key) {
        return Err(format!("the broker's positions are older than the last fill in {key}"));
    }
    Ok(positions)
}

/// Whether the position that a reversal leaves is proven flat: nothing of it held or working, and the broker's positions,
/// asked for after the last fill was on disk, show no more of it than stood beside ours before.
///
/// # Errors
/// What is missing.
pub fn is_flat(plan: &Reverse, book: &Book, findings: &Findings) -> Result<(), String> {
    let (key, side) = (&plan.key, plan.from.signum());
    let held = book.held(&plan.strategy, key).net;
    if held.signum() == side {
        return Err(format!("{held} {key} are held still"));
    }
    if plan.is_leaving(book) {
        return Err(format!("an exit of {key} is working"));
    }
    if book.open_in(&key.instrument).any(|open| open.is_resting_stop() && open.ask.strategy == plan.strategy) {
        return Err(format!("the stop of {key} still rests at the broker"));
    }
    let positions = younger_than_the_fills(key, book, findings)?;
    let shown = positions.net(key);
    let more = shown.saturating_sub(book.gross(key).net()).saturating_sub(plan.beside);
    if more.saturating_mul(side) > 0 {
        return Err(format!("the broker still shows {shown} {key}"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "reverse_tests.rs"]
mod tests;
