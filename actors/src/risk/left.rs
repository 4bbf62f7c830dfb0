//! What others have left of an exit that works already: its next price would trade, and what somebody else has closed is not to be closed
//! once more. Pure.
//!
//! A holding becomes smaller when what the broker shows is proven ([`Seen`](crate::guard::Seen)), and then so do its exits. That takes as long
//! as the broker's books may lag. Until then an exit is not driven into the market for more than the broker can have. Its own fill, of
//! which we have not heard, may be what is missing, and an exit cannot be made larger again: it goes on for the rest only where trades of
//! others, which our strategies have given nothing up for yet, tell of all that is missing, and an order book of after the positions shows
//! that none of ours has filled it. Where nothing tells it waits for news. All that is uncertain counts for the exit: what a position book
//! lacks of ours proves nothing.

use super::room::units_of;
use crate::guard::{shows_as_known, sold_untaken, told};
use crate::order::{HoldingKey, OrderRecord, Side};
use crate::persistence::Book;
use crate::ports::Quote;
use crate::watcher::{Findings, Other, Positions, Told};

/// What others have left of a working exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    All,
    /// So many units, those included that it has filled, and why.
    Fewer(i64, String),
    /// What is left is not known, or nothing is: it stays as it is until that is read.
    Unknown(String),
}

/// What others have left of it. `quote`: the market, if a fresh quote tells.
#[must_use]
pub fn left_by_others(order: &OrderRecord, book: &Book, findings: &Findings, quote: Option<&Quote>) -> Left {
    let Some(positions) = &findings.positions else { return Left::All };
    let Some((key, held)) = order.holding().zip(order.ask.side.map(Side::opposite)) else { return Left::All };
    let Some(at_most) = at_most(&key, held, book, findings, positions) else { return Left::All };
    let closing = held.opposite();
    let gone = findings.elsewhere.closed(&key, closing);
    let others: Vec<Other<'_>> = findings.others_closing(&key, closing).filter(|other| other.trades_at_once(quote)).collect();
    let ours = book.gross(&key).net().saturating_mul(held.sign()).saturating_sub(book.owed_by_exits(None, &key));
    let missing = ours.saturating_sub(at_most);
    if missing <= 0 && others.is_empty() {
        return Left::All;
    }
    let free = at_most.saturating_sub(units_of(&others)).saturating_sub(working_beside(order, &key, book)).max(0);
    let unfilled = order.quantity().saturating_sub(order.filled_quantity);
    if free >= unfilled {
        return Left::All;
    }
    if let Some(first) = others.first() {
        return Left::Unknown(format!("{first} is about to close the {key} that it is for"));
    }
    let traded = sold_untaken(book, findings, positions, &key).saturating_mul(held.sign());
    let shown = format!("the broker has {at_most} of the {ours} {key} that we hold: somebody has closed {missing}");
    if free > 0 && gone == 0 && traded >= missing && has_filled_nothing_untold(&key, closing, book, findings, positions) {
        return Left::Fewer(order.filled_quantity.saturating_add(free), shown);
    }
    Left::Unknown(shown + ", or its own fill is not told yet")
}

/// The most units that the broker can have on the side of a position. `None`: its books do not tell.
fn at_most(key: &HoldingKey, held: Side, book: &Book, findings: &Findings, positions: &Positions) -> Option<i64> {
    let gone = findings.elsewhere.closed(key, held.opposite());
    // A row that is missing proves no end, unless somebody is seen to have closed it.
    if gone == 0 && told(book, findings, positions, key) != Told::Yes {
        return None;
    }
    let is_stale = positions.began_seq < book.last_fill_seq(key);
    let added = if is_stale { book.moved_since(key, held, positions.began_seq)? } else { 0 };
    let shown = findings.net(key)?.saturating_mul(held.sign());
    Some(shown.saturating_add(added).saturating_sub(gone))
}

/// Whether none of our orders on the closing side has filled what the positions lack: an order book of after them shows each as we know it.
fn has_filled_nothing_untold(key: &HoldingKey, closing: Side, book: &Book, findings: &Findings, positions: &Positions) -> bool {
    let is_newer = findings.orders.as_ref().is_some_and(|orders| orders.at >= positions.at);
    let may_have_filled = |order: &&OrderRecord| {
        order.sent_at.is_some() && order.ask.side == Some(closing) && order.may_be_of(key.product) && !order.is_test()
    };
    is_newer && shows_as_known(book.open_in(&key.instrument).map(|order| &**order).filter(may_have_filled), findings)
}

/// Units that other exits of ours may still fill there.
fn working_beside(order: &OrderRecord, key: &HoldingKey, book: &Book) -> i64 {
    let beside = book.open_exits_in(&key.instrument).filter(|other| {
        other.command_id != order.command_id && other.status.is_at_broker() && !other.is_test() && other.holding().as_ref() == Some(key)
    });
    beside.filter(|other| other.ask.side == order.ask.side).fold(0, |sum: i64, other| sum.saturating_add(other.unfilled()))
}

#[cfg(test)]
#[path = "left_tests.rs"]
mod tests;
