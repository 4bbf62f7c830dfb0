//! How much an exit may close. An exit never opens or flips a position, per exchange, symbol and product (INV-6): it is
//! bounded by what the strategy holds, by the broker's own net, and by what other exits have claimed of both.

use super::read_age::ReadAge;
use super::room::{Claim, Room, at_broker, broker_room, claimed_by_others, units_of};
use crate::exits::rests_at_its_target;
use crate::order::{CommandId, Holding, HoldingKey, InstrumentKey, OrderRecord, Product, Quantity, Side, Source, Tag};
use crate::persistence::Book;
use crate::ports::Quote;
use crate::watcher::Findings;

/// What an exit becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitSize {
    /// Close so much.
    Close {
        /// The side that closes.
        side: Side,
        /// The product of the position.
        product: Product,
        /// Units.
        quantity: Quantity,
        /// Units that it was for and leaves: the exchange takes no more in one order.
        left: i64,
        /// Units that it was for beside these, and to which order of somebody else's they are left, in words.
        theirs: Option<String>,
        /// Said when it is not what was asked for.
        note: Option<String>,
        /// What it was measured against, for the record.
        measure: String,
    },
    /// It closes nothing.
    Refuse(Tag, String),
    /// What it may close is not certain yet: wait for what the reason names.
    Wait(String),
    /// It came before the entry that it is for was in the position: these are cancelled first, and what they fill is closed.
    Overtakes(Vec<CommandId>, String),
}

/// What the size of an exit follows from.
#[derive(Debug, Clone, Copy)]
pub struct ExitCase<'a> {
    /// The exit.
    pub order: &'a OrderRecord,
    /// What it leaves.
    pub instrument: &'a InstrumentKey,
    /// The committed book.
    pub book: &'a Book,
    /// The broker's side.
    pub findings: &'a Findings,
    /// The most units that the exchange takes in one order.
    pub largest: Option<i64>,
    /// How far the positions are of now.
    pub read: ReadAge,
    /// The market, if a fresh quote tells: what somebody else's order is about to trade at.
    pub quote: Option<&'a Quote>,
}

impl<'a> ExitCase<'a> {
    /// The case of an exit that the exchange takes whole, while no quote is known.
    #[cfg(test)]
    pub(crate) fn seen(
        order: &'a OrderRecord,
        instrument: &'a InstrumentKey,
        book: &'a Book,
        findings: &'a Findings,
        read: ReadAge,
    ) -> Self {
        Self { order, instrument, book, findings, largest: None, read, quote: None }
    }
}

/// Settles an exit's side, product and quantity.
#[must_use]
pub fn size(case: &ExitCase<'_>) -> ExitSize {
    settled(case).unwrap_or_else(|other| other)
}

/// The steps in their order; the first that has something against it says what becomes of it instead.
fn settled(case: &ExitCase<'_>) -> Result<ExitSize, ExitSize> {
    waits_for_the_truth(case)?;
    let position = its_position(case)?;
    waits_for_its_turn(case)?;
    let own = own_room(case, &position)?;
    let asked = case.order.ask.quantity.map(Quantity::value);
    let most = asked.unwrap_or(own.units).min(own.units);
    let most = case.largest.map_or(most, |largest| most.min(largest));
    let (key, net) = (&position.key, position.net);
    let claim = Claim { order: case.order, key, net, side: position.side, own_room: own.units, most };
    let room = broker_room(&claim, case.book, case.findings, case.read, case.quote)?;
    closes(case, &position, &own, &room)
}

/// The position that an exit is for.
struct Position {
    key: HoldingKey,
    /// What its strategy holds there, signed.
    net: i64,
    /// Long or short.
    side: Side,
}

/// What its strategy leaves to an exit.
struct OwnRoom {
    /// Units that no other exit of the strategy claims.
    units: i64,
    /// Units that they claim.
    claims: i64,
}

/// A fill that is not recorded yet, or an entry that may be live, is a position that may have to be closed: the exit waits for the truth
/// instead of being told that there is nothing. The engine's own do not.
fn waits_for_the_truth(case: &ExitCase<'_>) -> Result<(), ExitSize> {
    let ExitCase { order, instrument, book, .. } = *case;
    let strategy = &order.ask.strategy;
    let unsettled = book
        .owed_in(instrument)
        .chain(book.doubts_in(instrument).filter(|other| !other.is_exit()))
        .find(|other| other.ask.strategy == *strategy && other.command_id != order.command_id);
    match unsettled.filter(|_| order.source != Source::System) {
        Some(other) => Err(ExitSize::Wait(format!("what order {} of {strategy} filled is not settled yet", other.command_id))),
        None => Ok(()),
    }
}

/// The position, if there is one and the exit is on the side that closes it.
fn its_position(case: &ExitCase<'_>) -> Result<Position, ExitSize> {
    let ExitCase { order, instrument, book, .. } = *case;
    let strategy = &order.ask.strategy;
    let (key, held) = position(order, instrument, book).map_err(|(tag, reason)| match tag {
        Tag::NoPosition => overtakes(order, instrument, book).unwrap_or(ExitSize::Refuse(tag, reason)),
        _ => ExitSize::Refuse(tag, reason),
    })?;
    let Some(long_or_short) = Side::of_net(held.net) else {
        return Err(ExitSize::Refuse(Tag::NoPosition, format!("{strategy} holds nothing in {key}")));
    };
    let side = long_or_short.opposite();
    if order.ask.side.is_some_and(|asked| asked != side) {
        return Err(ExitSize::Refuse(
            Tag::NoPosition,
            format!("{strategy} holds {} {key}: a {} would add to it, only a {side} closes it", held.net, side.opposite()),
        ));
    }
    Ok(Position { key, net: held.net, side: long_or_short })
}

/// The orders that one wish to leave all became are sized one after the other.
fn waits_for_its_turn(case: &ExitCase<'_>) -> Result<(), ExitSize> {
    match case.book.sized_before(case.order) {
        Some(first) => {
            Err(ExitSize::Wait(format!("order {} of its signal is sized first, and it is for what that leaves", first.command_id)))
        }
        None => Ok(()),
    }
}

/// What other exits of its strategy leave to it, once a stop that rests has made way and a target is taken back.
fn own_room(case: &ExitCase<'_>, position: &Position) -> Result<OwnRoom, ExitSize> {
    let ExitCase { order, book, .. } = *case;
    let (Position { key, net, .. }, strategy) = (position, &order.ask.strategy);
    // The engine's own exits do not wait for a fill to be recorded, but what an exit has filled is closed already.
    let closed = book.owed_by_exits(Some(strategy), key);
    let claims = book.exiting(order, Some(strategy), key);
    let units = net.abs().saturating_sub(claims);
    if units <= 0 && closed > 0 {
        return Err(ExitSize::Wait(format!("what exits of {strategy} filled in {key} is not settled yet")));
    }
    // A stop that rests at the broker is made smaller, or is proven dead, before anything else closes what it claims.
    let makes_way = if order.source == Source::Stop { 0 } else { book.makes_way(order, strategy, key) };
    let wanted = order.ask.quantity.map_or(i64::MAX, Quantity::value).min(units.max(0).saturating_add(makes_way));
    if makes_way > 0 && units < wanted {
        return Err(ExitSize::Wait(format!("the stop of {strategy} in {key} that rests at the broker makes way first")));
    }
    if let Some(first) = target_first(order, key, book, units) {
        return Err(first);
    }
    if units > 0 {
        return Ok(OwnRoom { units, claims });
    }
    Err(if book.is_for_the_rest(order) {
        ExitSize::Refuse(Tag::NoPosition, format!("the orders before it of its signal are for all of the {net} {key}"))
    } else {
        ExitSize::Refuse(Tag::DuplicateOrderBlocked, format!("open exits cover all of the {net} {key} that {strategy} holds"))
    })
}

/// The exit as it goes: no larger than either room, and than the exchange takes.
fn closes(case: &ExitCase<'_>, position: &Position, own: &OwnRoom, broker: &Room) -> Result<ExitSize, ExitSize> {
    let (Position { key, net, side: long_or_short }, asked) = (position, case.order.ask.quantity.map(Quantity::value));
    let room = own.units.min(broker.units);
    let wanted = asked.unwrap_or(room).min(room);
    let sent = case.largest.map_or(wanted, |largest| wanted.min(largest));
    let Some(quantity) = Quantity::new(sent) else {
        return Err(ExitSize::Refuse(Tag::NoPosition, format!("nothing left to close in {key}")));
    };
    let note = asked
        .filter(|asked| *asked > quantity.value())
        .map(|asked| format!("asked to close {asked}, holds {}: capped to {quantity}", net.abs()));
    let is_last = !case.book.sized_after(case.order);
    let left = if is_last { wanted - sent } else { 0 };
    let theirs = broker.theirs.as_ref().filter(|_| is_last).and_then(|(units, first)| {
        let alone = asked.unwrap_or(i64::MAX).min(own.units).min(broker.units.saturating_add(*units));
        (alone > wanted).then(|| format!("{} {key} are left to {first}, which is about to close them", alone - wanted))
    });
    let note = match (note, case.largest) {
        (_, Some(largest)) if left > 0 => {
            Some(format!("to close {wanted}, but the exchange freezes orders above {largest}: sent {sent}, send another exit for the rest"))
        }
        (note, _) => theirs.clone().or(note),
    };
    let measure = format!("{} holds {net}, open exits claim {}, {}", case.order.ask.strategy, own.claims, broker.shown);
    Ok(ExitSize::Close { side: long_or_short.opposite(), product: key.product, quantity, left, theirs, note, measure })
}

/// The largest total that a working exit may be changed to: what it has filled, and what it may still close while every other
/// exit of the position, registered or sent, is counted. While the broker's positions are older than our last fill there, the
/// least that the broker can hold counts, and what it is for already stays. Only a stop that rests grows: a stop of somebody else's leaves
/// nothing to it.
#[must_use]
pub fn largest_total(order: &OrderRecord, book: &Book, findings: &Findings) -> i64 {
    // The change that is asked for here, and may be on disk as `reach`, is no reason for itself.
    let now = order.quantity().max(order.pending.as_ref().map_or(0, |terms| terms.quantity.value()));
    let Some(key) = order.holding() else { return now };
    let net = book.held(&order.ask.strategy, &key).net;
    let Some(held) = Side::of_net(net).filter(|held| Some(held.opposite()) == order.ask.side) else { return now };
    let Some((at_broker, is_stale)) = at_broker(&key, held, book, findings) else { return now };
    // Every other exit stands before it, also one that was registered later.
    let last = OrderRecord { number: u64::MAX, ..order.clone() };
    let own = net.abs().saturating_sub(book.exiting(&last, Some(&order.ask.strategy), &key));
    let others: Vec<_> = claimed_by_others(order, &key, held.opposite(), findings, None).collect();
    let all = at_broker.saturating_sub(book.exiting(&last, None, &key)).saturating_sub(units_of(&others));
    let most = order.filled_quantity.saturating_add(own.min(all).max(0));
    if is_stale { most.max(now) } else { most }
}

/// If the resting limit of a target claims the units that this exit needs, asks for that limit to be cancelled first. Only for signals
/// and people: the engine's own exits arrange that themselves. `room`: units that no exit claims.
fn target_first(order: &OrderRecord, key: &HoldingKey, book: &Book, room: i64) -> Option<ExitSize> {
    if matches!(order.source, Source::System | Source::Stop) || order.ask.quantity.is_some_and(|asked| asked.value() <= room) {
        return None;
    }
    let claims = |other: &OrderRecord| other.ask.strategy == order.ask.strategy && other.holding().as_ref() == Some(key);
    let targets: Vec<_> = book.open_exits_in(&key.instrument).filter(|other| claims(other) && rests_at_its_target(other, book)).collect();
    let first = targets.first()?;
    let reason = format!("order {} rests at the target of {} in {key} and is taken back first", first.command_id, order.ask.strategy);
    let standing: Vec<CommandId> = targets.iter().filter(|other| other.cancel_wanted.is_none()).map(|other| other.command_id).collect();
    Some(if standing.is_empty() { ExitSize::Wait(reason) } else { ExitSize::Overtakes(standing, reason) })
}

/// A signal to leave what its strategy has not entered yet: what is on its way is taken back. `None`: nothing is.
fn overtakes(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> Option<ExitSize> {
    let entries = overtaken(order, instrument, book, None);
    let reason = enters(entries.first()?, instrument);
    let standing: Vec<CommandId> = entries.iter().filter(|other| other.cancel_wanted.is_none()).map(|other| other.command_id).collect();
    Some(if standing.is_empty() { ExitSize::Wait(reason) } else { ExitSize::Overtakes(standing, reason) })
}

/// Why an exit waits for an entry.
pub(super) fn enters(entry: &OrderRecord, instrument: &InstrumentKey) -> String {
    format!("order {} of {} enters {instrument} and has not ended", entry.command_id, entry.ask.strategy)
}

/// Earlier entries of the strategy that are on their way or rest: they could fill after this exit, and then nobody would close them.
/// Empty for the engine's own exits, which are of positions that exist. `adding`: only entries on this side.
pub(super) fn overtaken<'a>(
    order: &OrderRecord,
    instrument: &'a InstrumentKey,
    book: &'a Book,
    adding: Option<Side>,
) -> Vec<&'a OrderRecord> {
    if matches!(order.source, Source::System | Source::Stop) || order.is_test() {
        return Vec::new();
    }
    let is_of_it = |other: &OrderRecord| {
        let differ = order.ask.product.zip(other.ask.product).is_some_and(|(mine, its)| mine != its);
        let same_side = order.ask.side.is_some() && order.ask.side == other.ask.side;
        let adds = adding.is_none_or(|side| other.ask.side == Some(side));
        !other.is_exit() && !other.is_test() && !differ && !same_side && adds && other.ask.strategy == order.ask.strategy
    };
    // The legs of one basket are one wish: its exits do not undo its entries. What the same sender made before it made the entry,
    // and came late, is not meant for it; two senders have two clocks, and to stay flat is the lesser harm.
    let is_one_sender = |other: &OrderRecord| other.source == order.source && other.user == order.user;
    let is_late = |other: &OrderRecord| is_one_sender(other) && order.signal_time < other.signal_time;
    let earlier = |other: &OrderRecord| other.number < order.number && other.basket_id != order.basket_id && !is_late(other);
    // What a plan leaves for the order that waits for it is no wish against that order.
    let ancestors = ancestors(order, book);
    let is_for_it = |other: &OrderRecord| ancestors.contains(&other.command_id);
    let entries = book.open_in(instrument).map(|other| &**other);
    entries.filter(|other| earlier(other) && is_of_it(other) && !is_for_it(other)).collect()
}

/// The order that this one is sent for, the one which that was sent for, and so on.
fn ancestors(order: &OrderRecord, book: &Book) -> Vec<CommandId> {
    let parent = |child: &CommandId| book.order(*child).and_then(|child| child.parent_command_id);
    std::iter::successors(order.parent_command_id, parent).collect()
}

/// The position that the exit is for.
fn position(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> Result<(HoldingKey, Holding), (Tag, String)> {
    let mut held = book.holdings_of(&order.ask.strategy).filter(|(key, _)| key.instrument == *instrument && order.may_be_of(key.product));
    let Some((key, holding)) = held.next() else {
        let product = order.ask.product.map_or_else(String::new, |product| format!(" {product}"));
        return Err((Tag::NoPosition, format!("{} holds nothing in {instrument}{product}", order.ask.strategy)));
    };
    if held.next().is_some() {
        return Err((
            Tag::ValidationFailed,
            format!("product_type: {} holds {instrument} in more than one product; name the one to close", order.ask.strategy),
        ));
    }
    Ok((key.clone(), *holding))
}

#[cfg(test)]
#[path = "exit_tests.rs"]
mod tests;
