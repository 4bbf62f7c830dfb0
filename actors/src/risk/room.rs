//! What the broker has for an exit, whatever its positions have missed of our newest fills.
//!
//! A read that began at a journal row shows every trade that was recorded up to it. One that was recorded later may be in it or
//! not, and no order of them is relied on: for the side of the position, each that closes counts as not shown and each that adds
//! as shown. What is left is the least that the broker can hold. Trades that nobody has told us of yet are of exits under way,
//! which claim their units as a whole, or of entries, which may fill after any read as well.
//! What others have traded on the closing side since the positions were asked for counts as not shown too, and what they are about to
//! trade there claims its units as an exit of ours does.

use super::exit::ExitSize;
use super::read_age::ReadAge;
use crate::guard::{sold_untaken, told};
use crate::order::{HoldingKey, OrderRecord, Product, Side, Source, Tag};
use crate::persistence::Book;
use crate::ports::Quote;
use crate::watcher::{Findings, Other, Positions, Told};

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
    /// Units beside these that are left to orders of others, and to which of them, if any are.
    pub(super) theirs: Option<(i64, String)>,
    /// What the broker showed, in words.
    pub(super) shown: String,
}

/// Units of the broker's net that neither an exit of ours nor an order of others that is about to trade claims. `Err`: what becomes of the
/// exit instead.
pub(super) fn broker_room(
    claim: &Claim<'_>,
    book: &Book,
    findings: &Findings,
    read: ReadAge,
    quote: Option<&Quote>,
) -> Result<Room, ExitSize> {
    let Claim { order, key, side: long_or_short, own_room, most, .. } = *claim;
    let Some(positions) = &findings.positions else {
        return Err(ExitSize::Wait("the broker's positions were not read yet".to_owned()));
    };
    if read.is_old && read.may_wait {
        return Err(ExitSize::Wait("the broker's positions are of before the session, or old: they are read first".to_owned()));
    }
    let claims = book.exiting(order, None, key);
    let others: Vec<Other<'_>> = claimed_by_others(order, key, long_or_short.opposite(), findings, quote).collect();
    let theirs = units_of(&others);
    // The engine's own exits (kill, risk) go on the last proof; a signal waits for one that includes our last fill, unless the
    // least that the broker can hold is enough without it.
    let is_stale = positions.began_seq < book.last_fill_seq(key);
    if is_stale && order.source != Source::System {
        return match least(key, long_or_short, book, findings) {
            Some(least) if most <= least.saturating_sub(claims).saturating_sub(theirs) => {
                let shown = format!(
                    "the broker has at least {least} whatever its positions lack of our newest fills, other exits there claim {claims}"
                );
                Ok(Room { units: own_room, theirs: None, shown })
            }
            _ => Err(ExitSize::Wait(format!("the broker's positions are older than our last fill in {key}"))),
        };
    }
    // Delivery leaves the position book when it settles: until the holdings of today are read, only our own fills bound
    // the exit there, and the broker checks for itself what may be sold.
    let Some(broker_net) = findings.net(key) else {
        let shown = "what the broker holds for delivery was not read today".to_owned();
        return Ok(Room { units: own_room, theirs: None, shown });
    };
    let shown = broker_net.saturating_mul(long_or_short.sign());
    let broker_held = if is_stale { since_then((key, long_or_short), shown, book, positions, read.may_wait) } else { shown };
    let gone = findings.elsewhere.closed(key, long_or_short.opposite());
    let found = Found { broker_net, broker_held, gone, claims, is_stale };
    let units = found.left().saturating_sub(theirs);
    // Nobody sends the rest of a signal's exit: it waits for positions that show what was closed, unless what is left is enough for it.
    if gone > 0 && most > units && order.source != Source::System {
        return Err(ExitSize::Wait(gone_elsewhere(gone, broker_net, key)));
    }
    if units > 0 {
        let theirs_first = others.first().map(|first| (theirs, first.to_string()));
        return Ok(Room { units, theirs: theirs_first, shown: found.words(key, &others) });
    }
    Err(nothing_left(claim, &found, &others, book, findings, positions))
}

/// What the broker's positions come to for an exit.
struct Found {
    /// What they show.
    broker_net: i64,
    /// What the broker has now, on the side of the position.
    broker_held: i64,
    /// What somebody has closed of it since.
    gone: i64,
    /// What other exits of ours claim of it.
    claims: i64,
    /// They are older than our last fill there.
    is_stale: bool,
}

impl Found {
    /// What exits of ours leave.
    fn left(&self) -> i64 {
        self.broker_held.saturating_sub(self.gone).saturating_sub(self.claims)
    }

    /// For the record.
    fn words(&self, key: &HoldingKey, others: &[Other<'_>]) -> String {
        let Self { broker_net, broker_held, gone, is_stale, .. } = *self;
        let shown = match key.product {
            Product::Cnc => format!("the broker has {broker_net}, shares of earlier days included"),
            _ => format!("the broker shows {broker_net}"),
        };
        let age =
            if is_stale { format!(" (before our last fill there; {broker_held} by that and what we filled since)") } else { String::new() };
        let since = if gone > 0 { format!(", somebody has closed {gone} since") } else { String::new() };
        let theirs = others.first().map_or_else(String::new, |first| format!(", {} are left to {first}", units_of(others)));
        shown + &age + &since + &theirs
    }
}

/// What becomes of an exit for which the broker has nothing.
fn nothing_left(
    claim: &Claim<'_>,
    found: &Found,
    others: &[Other<'_>],
    book: &Book,
    findings: &Findings,
    positions: &Positions,
) -> ExitSize {
    let Claim { order, key, net, side: long_or_short, .. } = *claim;
    let Found { broker_net, broker_held, gone, claims, is_stale } = *found;
    if gone > 0 {
        return ExitSize::Wait(gone_elsewhere(gone, broker_net, key));
    }
    if is_stale {
        return ExitSize::Wait(format!(
            "the broker showed {broker_net} in {key} before our last fill there, which leaves nothing of it: it is read again"
        ));
    }
    if let Some(first) = others.first().filter(|_| found.left() > 0) {
        return left_to(first, order, key);
    }
    // What the broker shows less than we hold may be what exits under way have filled and we have not heard of yet: then
    // they are counted twice here, and the next read tells.
    let unheard = book.gross(key).net().saturating_sub(broker_net).saturating_mul(long_or_short.sign());
    let under_way = || ExitSize::Wait(format!("the broker shows {broker_net} in {key} while other exits there are under way"));
    // Shares that are there are what these exits claim, or there would be room. Of delivery an end here is for good.
    if key.product == Product::Cnc && broker_held > 0 {
        return under_way();
    }
    let explained = claims.saturating_add(sold_untaken(book, findings, positions, key));
    let lack = match told(book, findings, positions, key) {
        Told::Yes => None,
        Told::LacksToday => Some("which changed today: they are read again"),
        Told::LacksCarried => Some("which is carried from an earlier day, and that proves no end of it: they are read again"),
        Told::LacksDelivery if claims > 0 && unheard <= explained => return under_way(),
        Told::LacksDelivery => return no_shares(order, net, key),
    };
    if let Some(lack) = lack {
        return ExitSize::Wait(format!("the broker's positions have no row for {key}, {lack}"));
    }
    let may_be_counted_twice = broker_held > 0 && unheard > 0 && unheard <= claims;
    if may_be_counted_twice && order.source != Source::System {
        return under_way();
    }
    let reason = format!(
        "{} holds {net}, but the broker shows {broker_net} in {key}, and other exits claim the rest: an exit here would open a position",
        order.ask.strategy
    );
    // Closed elsewhere is nothing to exit. But where the books agree, other strategies hold the other side: the
    // position is real, it cannot be closed like this, and a person must hear of it.
    let is_offset = book.gross(key).net() == broker_net;
    ExitSize::Refuse(if is_offset { Tag::RiskLimitsExceeded } else { Tag::NoPosition }, reason)
}

/// Shares that no book of the broker has and of which no sale of today tells. It does not wait for them: it would sell what somebody buys
/// there for himself. A person must hear of it, and does of the engine's own by their rule.
fn no_shares(order: &OrderRecord, net: i64, key: &HoldingKey) -> ExitSize {
    let is_of_a_rule = matches!(order.source, Source::System | Source::Stop);
    let tag = if is_of_a_rule { Tag::NoPosition } else { Tag::RiskLimitsExceeded };
    let reason = format!(
        "{} holds {net} {key}, the broker's positions and holdings have none of it, and no sale of today tells where they went: they are not settled yet, pledged, or were sold on an earlier day",
        order.ask.strategy
    );
    ExitSize::Refuse(tag, reason)
}

/// The orders of others that leave nothing to an exit of what they are for: those that are about to trade and, to a stop that would rest
/// at the broker, their stops.
pub(super) fn claimed_by_others<'a>(
    order: &OrderRecord,
    key: &'a HoldingKey,
    closing: Side,
    findings: &'a Findings,
    quote: Option<&'a Quote>,
) -> impl Iterator<Item = Other<'a>> {
    let rests = order.source == Source::Stop;
    findings.others_closing(key, closing).filter(move |other| other.trades_at_once(quote) || (rests && other.is_stop()))
}

/// The units that they may trade together.
pub(super) fn units_of(others: &[Other<'_>]) -> i64 {
    others.iter().fold(0, |sum, other| sum.saturating_add(other.units))
}

/// All that an exit is for is about to be closed by somebody else. A stop that was to rest is the engine's to watch meanwhile.
fn left_to(first: &Other<'_>, order: &OrderRecord, key: &HoldingKey) -> ExitSize {
    let theirs = format!("{first} is about to close the {key}");
    if order.source == Source::Stop {
        return ExitSize::Refuse(Tag::DuplicateOrderBlocked, format!("{theirs}, or is a stop of it"));
    }
    ExitSize::Wait(format!("{theirs}: both would turn it around. Cancel it at the broker if this exit is to go instead"))
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
        .map(|order| order.untraded())
        .sum();
    let elsewhere = findings.elsewhere.closed(key, closing);
    Some(shown.saturating_mul(held.sign()).saturating_sub(closed).saturating_sub(owed).saturating_sub(elsewhere))
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
