//! What the broker has for an exit, whatever its positions have missed of our newest fills.
//!
//! A read that began at a journal row shows every trade that was recorded up to it. One that was recorded later may be in it or
//! not, and no order of them is relied on: for the side of the position, each that closes counts as not shown and each that adds
//! as shown. What is left is the least that the broker can hold. Trades that nobody has told us of yet are of exits under way,
//! which claim their units as a whole, or of entries, which may fill after any read as well.
//! What others have traded on the closing side since the positions were asked for counts as not shown too.

use super::exit::ExitSize;
use super::read_age::ReadAge;
use crate::order::{HoldingKey, OrderRecord, Product, Side, Source, Tag};
use crate::persistence::Book;
use crate::watcher::{Findings, Positions, Told};

/// An exit as its own strategy bounds it.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) order: &'a OrderRecord,
    /// What it closes.
    pub(super) key: &'a HoldingKey,
    /// What its strategy holds there, signed, and so on which side.
    pub(super) net: i64,
    pub(super) side: Side,
    /// Units that no other exit of its strategy claims.
    pub(super) own_room: i64,
    /// The most units that it would be sent for.
    pub(super) most: i64,
}

/// What the broker has for it.
#[derive(Debug)]
pub(super) struct Room {
    /// Units.
    pub(super) units: i64,
    /// What the broker showed, in words.
    pub(super) shown: String,
}

/// Units of the broker's net position that no other exit claims. `Err`: the exit waits or is refused, and why.
pub(super) fn broker_room(claim: &Claim<'_>, book: &Book, findings: &Findings, read: ReadAge) -> Result<Room, ExitSize> {
    let Claim { order, key, net, side: long_or_short, own_room, most } = *claim;
    let Some(positions) = &findings.positions else {
        return Err(ExitSize::Wait("the broker's positions were not read yet".to_owned()));
    };
    if read.is_old && read.may_wait {
        return Err(ExitSize::Wait("the broker's positions are of before the session, or old: they are read first".to_owned()));
    }
    let claims = book.exiting(order, None, key);
    // The engine's own exits (kill, risk) go on the last proof; a signal waits for one that includes our last fill, unless the
    // least that the broker can hold is enough without it.
    let is_stale = positions.began_seq < book.last_fill_seq(key);
    if is_stale && order.source != Source::System {
        return match least(key, long_or_short, book, findings) {
            Some(least) if most <= least.saturating_sub(claims) => {
                let shown = format!(
                    "the broker has at least {least} whatever its positions lack of our newest fills, other exits there claim {claims}"
                );
                Ok(Room { units: own_room, shown })
            }
            _ => Err(ExitSize::Wait(format!("the broker's positions are older than our last fill in {key}"))),
        };
    }
    // Delivery leaves the position book when it settles: until the holdings of today are read, only our own fills bound
    // the exit there, and the broker checks for itself what may be sold.
    let Some(broker_net) = findings.net(key) else {
        return Ok(Room { units: own_room, shown: "what the broker holds for delivery was not read today".to_owned() });
    };
    let shown = broker_net.saturating_mul(long_or_short.sign());
    let broker_held = if is_stale { since_then((key, long_or_short), shown, book, positions, read.may_wait) } else { shown };
    let gone = findings.elsewhere.closed(key, long_or_short.opposite());
    let units = broker_held.saturating_sub(gone).saturating_sub(claims);
    // Nobody sends the rest of a signal's exit: it waits for positions that show what was closed, unless what is left is enough for it.
    if gone > 0 && most > units && order.source != Source::System {
        return Err(ExitSize::Wait(gone_elsewhere(gone, broker_net, key)));
    }
    if units > 0 {
        let shown = match key.product {
            Product::Cnc => format!("the broker has {broker_net}, shares of earlier days included"),
            _ => format!("the broker shows {broker_net}"),
        };
        let age =
            if is_stale { format!(" (before our last fill there; {broker_held} by that and what we filled since)") } else { String::new() };
        let since = if gone > 0 { format!(", somebody has closed {gone} since") } else { String::new() };
        return Ok(Room { units, shown: shown + &age + &since });
    }
    if gone > 0 {
        return Err(ExitSize::Wait(gone_elsewhere(gone, broker_net, key)));
    }
    if is_stale {
        let why =
            format!("the broker showed {broker_net} in {key} before our last fill there, which leaves nothing of it: it is read again");
        return Err(ExitSize::Wait(why));
    }
    let lack = match positions.told(key, book) {
        Told::Yes | Told::LacksDelivery => None,
        Told::LacksToday => Some("which changed today: they are read again"),
        Told::LacksCarried => Some("which is carried from an earlier day, and that proves no end of it: they are read again"),
    };
    if let Some(lack) = lack {
        return Err(ExitSize::Wait(format!("the broker's positions have no row for {key}, {lack}")));
    }
    // What the broker shows less than we hold may be what exits under way have filled and we have not heard of yet: then
    // they are counted twice here, and the next read tells.
    let unheard = book.gross(key).net().saturating_sub(broker_net).saturating_mul(long_or_short.sign());
    let may_be_counted_twice = broker_held > 0 && unheard > 0 && unheard <= claims;
    if may_be_counted_twice && order.source != Source::System {
        return Err(ExitSize::Wait(format!("the broker shows {broker_net} in {key} while other exits there are under way")));
    }
    let reason = format!(
        "{} holds {net}, but the broker shows {broker_net} in {key}, and other exits claim the rest: an exit here would open a position",
        order.ask.strategy
    );
    // Closed elsewhere is nothing to exit. But where the books agree, other strategies hold the other side: the
    // position is real, it cannot be closed like this, and a person must hear of it.
    let is_offset = book.gross(key).net() == broker_net;
    Err(ExitSize::Refuse(if is_offset { Tag::RiskLimitsExceeded } else { Tag::NoPosition }, reason))
}

fn gone_elsewhere(gone: i64, broker_net: i64, key: &HoldingKey) -> String {
    format!("somebody has closed {gone} of the {broker_net} in {key} that the broker's positions show: they are read again")
}

/// Estimates what the broker has now on the side of a position, from positions that are older than our last fill there. Three cases:
/// (1) The positions show what our book held then, or at any time since: nobody else has traded, so the answer is what we hold.
/// (2) They do not: somebody else has traded, and which of our fills the positions include is not known. The answer is what the broker
///     has at the least, whichever they include.
/// (3) That is nothing, and no newer read comes (`may_wait` is false): the positions are taken to be as old as they can be.
/// What the broker has beyond ours is left out: it is not our strategies'.
fn since_then((key, held): (&HoldingKey, Side), shown: i64, book: &Book, positions: &Positions, may_wait: bool) -> i64 {
    let began_seq = positions.began_seq;
    let moved = |side| book.moved_since(key, side, began_seq);
    let Some((added, closed)) = moved(held).zip(moved(held.opposite())) else { return shown };
    let ours = book.gross(key).net().saturating_mul(held.sign());
    if book.was_net_since(key, shown.saturating_mul(held.sign()), began_seq, positions.shows) == Some(true) {
        return ours;
    }
    let certain = ours.min(shown.saturating_sub(closed));
    if certain > 0 || may_wait {
        return certain;
    }
    let ours_then = ours.saturating_sub(added).saturating_add(closed);
    ours.saturating_add(shown.saturating_sub(ours_then).min(0))
}

/// Units that the broker has on the side of a position: those that it shows or, when its positions are older than our last fill
/// there or what somebody closed, the least that it can hold, and whether that is so. `None`: nothing is known.
pub(super) fn at_broker(key: &HoldingKey, held: Side, book: &Book, findings: &Findings) -> Option<(i64, bool)> {
    let positions = findings.positions.as_ref()?;
    if positions.began_seq < book.last_fill_seq(key) || findings.elsewhere.closed(key, held.opposite()) > 0 {
        return Some((least(key, held, book, findings)?, true));
    }
    Some((findings.net(key)?.saturating_mul(held.sign()), false))
}

/// The least units that the broker can hold on the side of a position; `None`: that is not known.
fn least(key: &HoldingKey, held: Side, book: &Book, findings: &Findings) -> Option<i64> {
    let positions = findings.positions.as_ref()?;
    // Shares held for delivery only add to what can be sold: while they are not read, the positions alone are the least.
    let shown = findings.net(key).or_else(|| (held == Side::Buy).then(|| positions.net(key)))?;
    let closing = held.opposite();
    let closed = book.moved_since(key, closing, positions.began_seq)?;
    // What entries on that side have filled and no trade tells of yet may be lacking as well; that of exits is claimed.
    let owed: i64 = book
        .owed_in(&key.instrument)
        .filter(|order| !order.is_exit() && order.ask.side == Some(closing) && order.ask.product == Some(key.product))
        .map(|order| order.filled_quantity - order.traded_quantity)
        .sum();
    let elsewhere = findings.elsewhere.closed(key, closing);
    Some(shown.saturating_mul(held.sign()).saturating_sub(closed).saturating_sub(owed).saturating_sub(elsewhere))
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
