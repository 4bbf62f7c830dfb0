//! How much an exit may close. An exit never opens or flips a position, per exchange, symbol and product (INV-6): it is
//! bounded by what the strategy holds, by the broker's own net, and by what other exits have claimed of both.

use crate::order::{Holding, HoldingKey, InstrumentKey, OrderRecord, Product, Quantity, Side, Source, Tag};
use crate::persistence::Book;
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
        /// Said when it is not what was asked for.
        note: Option<String>,
        /// What it was measured against, for the record.
        measure: String,
    },
    /// It closes nothing.
    Refuse(Tag, String),
    /// The broker's positions are older than our last fill here: wait for a newer read.
    Wait(String),
}

/// Settles an exit's side, product and quantity. `largest` is the most units that the exchange takes in one order.
#[must_use]
pub fn size(order: &OrderRecord, instrument: &InstrumentKey, book: &Book, findings: &Findings, largest: Option<i64>) -> ExitSize {
    // A fill that is not recorded yet, or an entry that may be live, is a position that may have to be closed: the exit
    // waits for the truth instead of being told that there is nothing.
    let strategy = &order.ask.strategy;
    let unsettled = book
        .owed_in(instrument)
        .chain(book.doubts_in(instrument).filter(|other| !other.is_exit()))
        .find(|other| other.ask.strategy == *strategy && other.command_id != order.command_id);
    if let Some(other) = unsettled.filter(|_| order.source != Source::System) {
        return ExitSize::Wait(format!("what order {} of {strategy} filled is not settled yet", other.command_id));
    }
    let (key, held) = match position(order, instrument, book) {
        Ok(found) => found,
        Err((tag, reason)) => return ExitSize::Refuse(tag, reason),
    };
    let Some(long_or_short) = Side::of_net(held.net) else {
        return ExitSize::Refuse(Tag::NoPosition, format!("{} holds nothing in {key}", order.ask.strategy));
    };
    let side = long_or_short.opposite();
    if order.ask.side.is_some_and(|asked| asked != side) {
        return ExitSize::Refuse(
            Tag::NoPosition,
            format!("{strategy} holds {} {key}: a {} would add to it, only a {side} closes it", held.net, side.opposite()),
        );
    }
    // The engine's own exits do not wait for a fill to be recorded, but what an exit has filled is closed already.
    let closed: i64 = book
        .owed_in(instrument)
        .filter(|other| other.is_exit() && other.ask.strategy == *strategy && other.ask.product == Some(key.product))
        .map(|other| other.filled_quantity - other.traded_quantity)
        .sum();
    let own_claims = book.exiting(order, Some(strategy), &key);
    let own_room = held.net.abs().saturating_sub(own_claims);
    if own_room <= 0 && closed > 0 {
        return ExitSize::Wait(format!("what exits of {strategy} filled in {key} is not settled yet"));
    }
    // A stop that rests at the broker is made smaller, or is proven dead, before anything else closes what it claims.
    let makes_way = if order.source == Source::Stop { 0 } else { book.makes_way(order, strategy, &key) };
    let wanted = order.ask.quantity.map_or(i64::MAX, Quantity::value).min(own_room.max(0).saturating_add(makes_way));
    if makes_way > 0 && own_room < wanted {
        return ExitSize::Wait(format!("the stop of {strategy} in {key} that rests at the broker makes way first"));
    }
    if own_room <= 0 {
        return ExitSize::Refuse(
            Tag::DuplicateOrderBlocked,
            format!("open exits cover all of the {} {key} that {strategy} holds", held.net),
        );
    }
    let Some(positions) = &findings.positions else {
        return ExitSize::Wait("the broker's positions were not read yet".to_owned());
    };
    // The engine's own exits (kill, risk) go on the last proof; a signal waits for one that includes our last fill.
    let is_stale = positions.began_seq < book.last_fill_seq(&key);
    if is_stale && order.source != Source::System {
        return ExitSize::Wait(format!("the broker's positions are older than our last fill in {key}"));
    }
    // Delivery leaves the position book when it settles: until the holdings of today are read, only our own fills bound
    // the exit there, and the broker checks for itself what may be sold.
    let known = findings.net(&key);
    let broker_net = known.unwrap_or_else(|| positions.net(&key));
    let broker_held = broker_net.saturating_mul(long_or_short.sign());
    let claims = if known.is_some() { book.exiting(order, None, &key) } else { 0 };
    let broker_room = if known.is_some() { broker_held.saturating_sub(claims) } else { own_room };
    if broker_room <= 0 && !positions.tells_of(&key, book) {
        return ExitSize::Wait(format!("the broker's positions have no row for {key}, which was traded today: they are read again"));
    }
    // What the broker shows less than we hold may be what exits under way have filled and we have not heard of yet: then
    // they are counted twice here, and the next read tells.
    let unheard = book.gross(&key).net().saturating_sub(broker_net).saturating_mul(long_or_short.sign());
    let may_be_counted_twice = broker_held > 0 && unheard > 0 && unheard <= claims;
    if broker_room <= 0 && may_be_counted_twice && order.source != Source::System {
        return ExitSize::Wait(format!("the broker shows {broker_net} in {key} while other exits there are under way"));
    }
    if broker_room <= 0 {
        let reason = format!(
            "{strategy} holds {}, but the broker shows {broker_net} in {key}, and other exits claim the rest: an exit here would open a position",
            held.net
        );
        // Closed elsewhere is nothing to exit. But where the books agree, other strategies hold the other side: the
        // position is real, it cannot be closed like this, and a person must hear of it.
        let is_offset = book.gross(&key).net() == broker_net;
        return ExitSize::Refuse(if is_offset { Tag::RiskLimitsExceeded } else { Tag::NoPosition }, reason);
    }
    let asked = order.ask.quantity.map(Quantity::value);
    let room = own_room.min(broker_room);
    let wanted = asked.unwrap_or(room).min(room);
    let sent = largest.map_or(wanted, |largest| wanted.min(largest));
    let Some(quantity) = Quantity::new(sent) else {
        return ExitSize::Refuse(Tag::NoPosition, format!("nothing left to close in {key}"));
    };
    let note = asked
        .filter(|asked| *asked > quantity.value())
        .map(|asked| format!("asked to close {asked}, holds {}: capped to {quantity}", held.net.abs()));
    let note = match (note, largest) {
        (_, Some(largest)) if sent < wanted => {
            Some(format!("to close {wanted}, but the exchange freezes orders above {largest}: sent {sent}, send another exit for the rest"))
        }
        (note, _) => note,
    };
    let shown = match (key.product, known) {
        (Product::Cnc, Some(net)) => format!("the broker has {net}, shares of earlier days included"),
        (_, Some(net)) => format!("the broker shows {net}"),
        (_, None) => "what the broker holds for delivery was not read today".to_owned(),
    };
    let measure = format!("{strategy} holds {}, open exits claim {own_claims}, {shown}", held.net);
    ExitSize::Close { side, product: key.product, quantity, note, measure }
}

/// The largest total that a working exit may be changed to: what it has filled, and what it may still close while every other
/// exit of the position, registered or sent, is counted. Nothing more than it is for already while the broker's positions are
/// older than our last fill there.
#[must_use]
pub fn largest_total(order: &OrderRecord, book: &Book, findings: &Findings) -> i64 {
    // The change that is asked for here, and may be on disk as `reach`, is no reason for itself.
    let now = order.quantity().max(order.pending.as_ref().map_or(0, |terms| terms.quantity.value()));
    let Some((key, positions)) = order.holding().zip(findings.positions.as_ref()) else { return now };
    let held = book.held(&order.ask.strategy, &key).net;
    let is_closing = Side::of_net(held).map(Side::opposite) == order.ask.side;
    let Some(at_broker) = findings.net(&key).filter(|_| is_closing && positions.began_seq >= book.last_fill_seq(&key)) else { return now };
    // Every other exit stands before it, also one that was registered later.
    let last = OrderRecord { number: u64::MAX, ..order.clone() };
    let own = held.abs().saturating_sub(book.exiting(&last, Some(&order.ask.strategy), &key));
    let all = at_broker.saturating_mul(held.signum()).saturating_sub(book.exiting(&last, None, &key));
    order.filled_quantity.saturating_add(own.min(all).max(0))
}

/// The position that the exit is for.
fn position(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> Result<(HoldingKey, Holding), (Tag, String)> {
    let mut held = book
        .holdings_of(&order.ask.strategy)
        .filter(|(key, _)| key.instrument == *instrument && order.ask.product.is_none_or(|product| product == key.product));
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
