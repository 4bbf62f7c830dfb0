//! Baskets with a policy: which leg may go when, and what becomes of the others when one fails. Pure, from the rows.
//!
//! Unknown is not failed: a leg in doubt, or whose trades are outstanding, is waited for, and nothing is concluded from it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::reverse::EXITS_MOST;
use crate::order::basket::COVER_FIRST;
use crate::order::{CommandId, OrderRecord, Policy, Side, Status, Tag};
use crate::persistence::Book;
use crate::settings::Resends;
use crate::watcher::{Findings, exit_goes_again};

/// A basket's policy as it is kept, under the basket's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasketPlan {
    /// What was asked for.
    pub policy: Policy,
    /// One of its orders: the others are beside it.
    pub member: CommandId,
}

/// What the plan says of one entry that every gate lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is its turn.
    Go,
    /// Not yet.
    Wait(String),
    /// Never: a leg before it did not come to its end.
    Never(String),
}

/// What a basket's plan does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Cancel this leg.
    Cancel(CommandId, String),
    /// Close so many units that this leg has opened; the how-manyth exit of the leg it is, from 0.
    Unwind {
        /// The leg.
        leg: CommandId,
        /// Units.
        units: i64,
        /// From 0.
        count: usize,
        /// Why.
        reason: String,
        /// The short that it leaves alone, if it is a sale that has waited for it in vain: a person must hear it.
        uncovers: Option<String>,
    },
    /// The plan is over; whether a person must hear it.
    End(bool, String),
}

/// Whether it is an entry's turn. `me` is one of the basket's entries; its exits go by themselves.
#[must_use]
pub fn turn(policy: Policy, me: &OrderRecord, book: &Book, findings: &Findings) -> Turn {
    let legs: Vec<&OrderRecord> = book.siblings(me).map(|leg| &**leg).collect();
    let before: Vec<&OrderRecord> = match policy {
        Policy::BestEffort => return Turn::Go,
        Policy::AllOrUnwind => {
            let failed = legs.iter().find(|leg| has_failed(leg));
            return failed.map_or(Turn::Go, |leg| Turn::Never(words(leg)));
        }
        Policy::ExitThenEnter => return after_exits(me, &legs, book, findings),
        Policy::HedgeFirst if me.ask.side == Some(Side::Buy) => return Turn::Go,
        Policy::HedgeFirst => legs.into_iter().filter(|leg| !leg.is_exit() && leg.ask.side == Some(Side::Buy)).collect(),
        Policy::WaitForFill => legs.into_iter().filter(|leg| !leg.is_exit() && leg.number < me.number).collect(),
    };
    if let Some(leg) = before.iter().find(|leg| has_failed(leg)) {
        return Turn::Never(words(leg));
    }
    let waits = before.iter().find(|leg| leg.status != Status::Executed && leg.tag != Some(Tag::AtTarget));
    waits.map_or(Turn::Go, |leg| Turn::Wait(format!("leg {} of this basket is filled first", leg.leg + 1)))
}

/// Entries that wait for the basket's exits, and for the proof that the broker's positions show them.
fn after_exits(me: &OrderRecord, legs: &[&OrderRecord], book: &Book, findings: &Findings) -> Turn {
    let exits: Vec<&&OrderRecord> = legs.iter().filter(|leg| leg.is_exit() && !leg.is_test()).collect();
    for exit in &exits {
        let is_flat_already = matches!(exit.tag, Some(Tag::NoPosition | Tag::AtTarget));
        if exit.status == Status::Failed && !is_flat_already {
            return Turn::Never(words(exit));
        }
        if !exit.status.is_terminal() || exit.filled_quantity > exit.traded_quantity {
            return Turn::Wait(format!("leg {} of this basket, an exit, comes first", exit.leg + 1));
        }
        let Some(key) = exit.holding() else { continue };
        // The stop of what is still held rests on; that of what was left must be gone.
        let is_held = book.held(&me.ask.strategy, &key).net != 0;
        let leaves = |open: &OrderRecord| open.is_exit() && !open.is_test() && !(is_held && open.is_resting_stop());
        let is_working = book.open_in(&key.instrument).any(|open| leaves(open) && open.ask.strategy == me.ask.strategy);
        let is_shown = findings.positions.as_ref().is_some_and(|positions| positions.began_seq >= book.last_fill_seq(&key));
        if is_working || !is_shown {
            return Turn::Wait(format!("the broker's positions do not show yet that {key} was left"));
        }
    }
    Turn::Go
}

/// An entry that ended without all of it. What nobody had to do for it has not failed.
fn has_failed(leg: &OrderRecord) -> bool {
    !leg.is_exit() && leg.status == Status::Failed && !matches!(leg.tag, Some(Tag::AtTarget | Tag::TestMode))
}

fn words(leg: &OrderRecord) -> String {
    let tag = leg.tag.map_or("", Tag::as_str);
    format!("leg {} of this basket ended {tag}, {} of {} filled", leg.leg + 1, leg.filled_quantity, leg.quantity())
}

impl BasketPlan {
    /// What is to be done next; nothing while all that can be done is to wait. `resends`: which exits go again by themselves.
    #[must_use]
    pub fn next(&self, book: &Book, resends: Resends, now: DateTime<Utc>) -> Vec<Move> {
        let Some(member) = book.order(self.member) else {
            return vec![Move::End(true, format!("order {} of the basket is no longer in memory", self.member))];
        };
        let legs: Vec<&Arc<OrderRecord>> = std::iter::once(member).chain(book.siblings(member)).collect();
        let mut entries: Vec<&OrderRecord> = legs.iter().filter(|leg| !leg.is_exit()).map(|leg| &***leg).collect();
        entries.sort_by_key(|leg| leg.number);
        let failed = entries.iter().find(|leg| has_failed(leg)).map(|leg| words(leg));
        if let Some(why) = failed.as_ref().filter(|_| self.policy == Policy::AllOrUnwind) {
            let cancels = cancels(&entries, why);
            if !cancels.is_empty() {
                return cancels;
            }
        }
        let is_settled = |leg: &OrderRecord| leg.status.is_terminal() && leg.filled_quantity <= leg.traded_quantity;
        if !legs.iter().all(|leg| is_settled(leg)) {
            return Vec::new();
        }
        match failed {
            None => vec![Move::End(false, format!("{}: every leg came to its end", self.policy))],
            Some(why) if self.policy == Policy::AllOrUnwind => unwind(&entries, &why, book, (resends, now)),
            Some(why) => {
                let held: i64 = entries.iter().map(|leg| leg.filled_quantity).sum();
                let is_page = held > 0 && self.policy != Policy::BestEffort;
                vec![Move::End(is_page, format!("{}: {why}; {held} units of its entries have filled and are kept", self.policy))]
            }
        }
    }
}

/// The legs that are open still are not wanted any more. One in doubt too: it is cancelled the moment it can be.
fn cancels(entries: &[&OrderRecord], why: &str) -> Vec<Move> {
    let open = entries.iter().filter(|leg| !leg.status.is_terminal() && leg.cancel_wanted.is_none());
    open.map(|leg| Move::Cancel(leg.command_id, format!("{why}: all or none of it"))).collect()
}

/// Exits for exactly what the legs have opened, one after the other for each of them. What was sold is bought back before what was
/// bought is sold: no short stands alone. What covers a short that does not come back by itself is kept.
fn unwind(entries: &[&OrderRecord], why: &str, book: &Book, (resends, now): (Resends, DateTime<Utc>)) -> Vec<Move> {
    let opened = entries.iter().filter(|leg| leg.filled_quantity > 0 && !leg.is_test()).map(|leg| (*leg, left_of(leg, book, resends)));
    let (shorts, longs): (Vec<_>, Vec<_>) = opened.partition(|(leg, _)| leg.ask.side == Some(Side::Sell));
    let cover = Cover::of(&shorts, now);
    let (mut moves, mut is_waiting, mut stuck) = (Vec::new(), false, Vec::new());
    for (leg, left) in shorts.into_iter().chain(longs) {
        let is_long = leg.ask.side != Some(Side::Sell);
        match (left, &cover) {
            (Left::Nothing, _) => {}
            (Left::UnderWay(_), _) => is_waiting = true,
            (Left::Stuck(reason), _) => stuck.push(reason),
            (Left::Units(..), Cover::Comes) if is_long => is_waiting = true,
            (Left::Units(units, _), Cover::Stuck) if is_long => {
                stuck.push(format!("{units} of leg {} are kept, because they may cover it", leg.leg + 1));
            }
            (Left::Units(units, count), cover) => {
                let uncovers = match cover {
                    Cover::Late(short) if is_long => Some(short.clone()),
                    _ => None,
                };
                let reason = format!("{why}: leg {} is taken back", leg.leg + 1);
                moves.push(Move::Unwind { leg: leg.command_id, units, count, reason, uncovers });
            }
        }
    }
    if !moves.is_empty() || is_waiting {
        return moves;
    }
    if stuck.is_empty() {
        return vec![Move::End(false, format!("{why}; what the other legs had opened was taken back"))];
    }
    vec![Move::End(true, format!("{why}; NOT FLAT: {}", stuck.join("; ")))]
}

/// How the shorts of a basket stand that is taken back: what was bought with them may cover them.
enum Cover {
    /// Nothing is short.
    None,
    /// They are about to be bought back.
    Comes,
    /// The exit of one was last heard of too long ago: its symbol.
    Late(String),
    /// One is not bought back by itself.
    Stuck,
}

impl Cover {
    fn of(shorts: &[(&OrderRecord, Left)], now: DateTime<Utc>) -> Self {
        let is_late = |at: &DateTime<Utc>| now.signed_duration_since(*at) >= COVER_FIRST;
        let mut cover = Self::None;
        for (leg, left) in shorts {
            match left {
                Left::Units(..) => return Self::Comes,
                Left::UnderWay(at) if !is_late(at) => return Self::Comes,
                Left::UnderWay(_) if !matches!(cover, Self::Stuck) => cover = Self::Late(leg.ask.symbol.to_string()),
                Left::Stuck(_) => cover = Self::Stuck,
                Left::UnderWay(_) | Left::Nothing => {}
            }
        }
        cover
    }
}

enum Left {
    Nothing,
    /// When its exits were last heard of.
    UnderWay(DateTime<Utc>),
    Units(i64, usize),
    Stuck(String),
}

/// What is still open of what a leg filled, by its exits: those are its children, and what was sent again for them.
fn left_of(leg: &OrderRecord, book: &Book, resends: Resends) -> Left {
    let mut names = vec![leg.command_id];
    let mut exits: Vec<&Arc<OrderRecord>> = Vec::new();
    for order in book.after(leg.number).filter(|order| order.is_exit()) {
        if order.parent_command_id.is_some_and(|parent| names.contains(&parent)) {
            names.push(order.command_id);
            exits.push(order);
        }
    }
    let closed: i64 = exits.iter().map(|exit| exit.filled_quantity).sum();
    let left = leg.filled_quantity - closed;
    let heard_at = exits.iter().map(|exit| exit.updated_at).max().unwrap_or(leg.updated_at);
    if exits.iter().any(|exit| !exit.status.is_terminal() || exit.filled_quantity > exit.traded_quantity) {
        return Left::UnderWay(heard_at);
    }
    let sent = exits.iter().filter(|exit| exit.parent_command_id == Some(leg.command_id)).count();
    match exits.last() {
        _ if left <= 0 => Left::Nothing,
        // Somebody else has closed it.
        Some(last) if last.tag == Some(Tag::NoPosition) => Left::Nothing,
        Some(last) if last.status == Status::Failed && last.filled_quantity == 0 => {
            if exit_goes_again(book, last, resends) {
                return Left::UnderWay(heard_at);
            }
            let tag = last.tag.map_or("", Tag::as_str);
            Left::Stuck(format!("{left} of leg {} are held, exit {} ended {tag}", leg.leg + 1, last.command_id))
        }
        _ if sent >= EXITS_MOST => Left::Stuck(format!("{left} of leg {} are held after {sent} exits", leg.leg + 1)),
        _ => Left::Units(left, sent),
    }
}

#[cfg(test)]
#[path = "basket_tests.rs"]
mod tests;
