//! A stop that rests at the broker: one stop-limit order for what is held. Pure: what rests is read from the committed
//! book, by the order's row, and what is to be done about it follows from that, so that a restart forgets none and doubles
//! none.
//!
//! *Invariant:* of one position at most one stop rests. It never claims what another exit of the position claims: it is made
//! smaller, or its end is proven, before the other one goes. It is made larger only where no other exit claims the units. Where somebody
//! else has a stop for them none is rested; one that rests already stays where it is, so that nobody's order takes a protection away.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::rule::{Cause, ExitRule};
use super::times::Hours;
use crate::order::{Instrument, Kind, OrderRecord, Price, Quantity, Side, SignalId, Source, StopAt, Tag, trading_date};
use crate::persistence::Book;

/// Changes of one order that are left for the way out, where the broker takes only so many.
const CHANGES_LEFT: u32 = 8;
/// A change that the book does not show after this is made again: it states all terms, so twice is once.
const SETTLES_WITHIN: chrono::Duration = chrono::Duration::seconds(5);
/// What never reached the broker is placed again after this.
const SOON: chrono::Duration = chrono::Duration::seconds(5);
/// What the broker took for want of a session, or of calls, is placed again after this.
const LATER: chrono::Duration = chrono::Duration::seconds(30);

/// The numbers of resting stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestSettings {
    /// How far the limit lies beyond the trigger, percent of it.
    pub limit_percent: Decimal,
    /// The same for options.
    pub limit_percent_options: Decimal,
    /// A trail, or a position that grows, changes the order at most so often.
    pub move_every: Duration,
    /// What the broker refused or took away is placed again on the same day after this.
    pub again_after: Duration,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            limit_percent: Decimal::ONE,
            limit_percent_options: Decimal::from(5),
            move_every: Duration::from_secs(5),
            again_after: Duration::from_secs(900),
        }
    }
}

/// What a decision goes by.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The rule, as it stands now.
    pub rule: &'a ExitRule,
    /// Where its stop shall live.
    pub stop_at: StopAt,
    /// The committed book.
    pub book: &'a Book,
    /// What is traded; `None`: today's master lacks it.
    pub instrument: Option<&'a Instrument>,
    /// The lowest and highest price that the exchange takes today, if known.
    pub band: Option<(Price, Price)>,
    /// The hours of its market.
    pub hours: &'a Hours,
    /// The numbers.
    pub settings: &'a RestSettings,
    /// How often the broker takes a change of one order: `None` always, 0 never.
    pub changes: Option<u32>,
    /// Units of the position that stops of others at the broker are for: no other is rested for these, and the engine watches.
    pub stopped_by_others: i64,
    /// Whether the broker shows other prices of the stop than we know: somebody may have changed it.
    pub is_suspected: bool,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A stop as it shall rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Units, those included that have filled.
    pub quantity: Quantity,
    /// Where it wakes.
    pub trigger: Price,
    /// The worst price that it then takes.
    pub limit: Price,
}

/// What is to be done about a resting stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or nothing yet.
    Leave,
    /// Place a stop at the broker.
    Place(Stop),
    /// Change the order into this.
    Change(Arc<OrderRecord>, Stop),
    /// Change the order into a limit at the target, for so many units.
    Target(Arc<OrderRecord>, Quantity, Price),
    /// Cancel the order, and wait until it is proven to have ended.
    Cancel(Arc<OrderRecord>, String),
    /// It has begun to fill: the stop was reached.
    Reached,
}

/// Where a stop lives, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lives {
    /// Who acts on it.
    pub at: StopAt,
    /// Why it is not where it shall be, or what is left to the other; `None`: nothing is to be said.
    pub because: Option<String>,
    /// What rests at the broker, whole or in part.
    pub order: Option<Arc<OrderRecord>>,
    /// Units of the position that it covers.
    pub covers: i64,
}

/// The open orders that rules rested for this position, first registered first.
pub fn resting<'a>(rule: &'a ExitRule, book: &'a Book) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
    book.open_exits_in(&rule.holding.instrument).filter(|order| is_of(order, rule))
}

/// The signal of the stop that rests, if an exit of the rule can take it over: it works at the broker, nobody cancels it, and it
/// can be changed. `changes`: how often the broker takes a change of one order, `None` for always.
#[must_use]
pub fn to_take_over(rule: &ExitRule, book: &Book, changes: Option<u32>) -> Option<SignalId> {
    let works = |order: &OrderRecord| {
        order.status.is_at_broker() && order.broker_order_id.is_some() && !order.is_in_doubt() && order.cancel_wanted.is_none()
    };
    let mut mine = resting(rule, book);
    let first = mine.next().filter(|order| works(order) && order.is_resting_stop() && order.ask.side == Some(rule.exit_side()));
    let first = first.filter(|order| changes.is_none_or(|most| order.modifications < most));
    // An entry of ours that it could meet is out of its way first, and only a new exit waits for that.
    let is_free = book.entering(&rule.holding.instrument, rule.position) == 0;
    first.filter(|_| is_free && mine.next().is_none()).map(|order| order.signal_id)
}

/// Whether the order is, or was, a stop that the rule rested in its instrument.
#[must_use]
pub fn is_stop_of(order: &OrderRecord, rule: &ExitRule) -> bool {
    is_of(order, rule) && order.is_for(&rule.holding.instrument)
}

fn is_of(order: &OrderRecord, rule: &ExitRule) -> bool {
    order.source == Source::Stop
        && order.is_exit()
        && order.ask.strategy == rule.strategy
        && order.ask.product.is_none_or(|product| product == rule.holding.product)
}

/// Units of the position that nothing but its resting stop may close: those held, less what other exits claim, whatever their
/// state, and less what exits have filled without its trade being recorded.
fn room(rule: &ExitRule, book: &Book) -> i64 {
    let held = book.held(&rule.strategy, &rule.holding);
    if !rule.is_for(&held) {
        return 0;
    }
    let is_mine = |order: &OrderRecord| order.ask.strategy == rule.strategy && order.may_be_of(rule.holding.product) && !order.is_test();
    let key = &rule.holding.instrument;
    let others = book.open_exits_in(key).filter(|order| is_mine(order) && !is_of(order, rule));
    let claims = others.map(|order| order.claims(held.net.abs()));
    let owed = book.owed_in(key).filter(|order| order.is_exit() && is_mine(order));
    let owed = owed.map(|order| order.untraded());
    (held.net.abs() - claims.chain(owed).fold(0, i64::saturating_add)).max(0)
}

/// The next action about the stop that a rule rests at the broker: place, change, cancel, or nothing.
#[must_use]
pub fn next_rest(ground: &Ground<'_>) -> Rest {
    let Ground { rule, book, .. } = *ground;
    if book.control().is_frozen() {
        return Rest::Leave;
    }
    let mine: Vec<&Arc<OrderRecord>> = resting(rule, book).collect();
    let room = room(rule, book);
    match mine.as_slice() {
        [] => place(ground, room.saturating_sub(ground.stopped_by_others)),
        [order] => look_after(ground, order, room),
        // Two messages of one actor that was made anew: the first stands.
        [.., last] if last.cancel_wanted.is_none() => Rest::Cancel(Arc::clone(last), "another stop of the position rests".to_owned()),
        _ => Rest::Leave,
    }
}

/// The next action about a stop that rests already, with `room` units that it may be for.
fn look_after(ground: &Ground<'_>, order: &Arc<OrderRecord>, room: i64) -> Rest {
    let Ground { rule, settings, now, .. } = *ground;
    let cancel = |reason: &str| Rest::Cancel(Arc::clone(order), reason.to_owned());
    if order.cancel_wanted.is_some() {
        return Rest::Leave;
    }
    let fired = rule.fired.filter(|fired| fired.signal == order.signal_id);
    if order.ask.side != Some(rule.exit_side()) {
        return cancel("it is the stop of the position before");
    }
    if let Some(reason) = not_wanted(ground, fired.is_some()) {
        return cancel(reason);
    }
    if room == 0 {
        return cancel("another exit of the position takes its place");
    }
    // Nothing can be changed before there is a number, and a change under way comes first.
    let is_named = order.status.is_at_broker() && order.broker_order_id.is_some() && !order.is_in_doubt();
    let is_settled = order.pending.is_none() && order.reach.is_none();
    if !is_named || (!is_settled && now.signed_duration_since(order.updated_at) < SETTLES_WITHIN) {
        return Rest::Leave;
    }
    if fired.is_none() && order.is_resting_stop() && order.filled_quantity > 0 {
        return Rest::Reached;
    }
    let Some(total) = Quantity::new(order.filled_quantity.saturating_add(room)) else { return Rest::Leave };
    let can_change = ground.changes.is_none_or(|most| order.modifications.saturating_add(CHANGES_LEFT) < most);
    let is_over = order.unfilled() > room;
    if let Some(fired) = fired {
        let target = rule.target.and_then(Price::new);
        return match target.filter(|_| fired.cause == Cause::Target) {
            // The ladder takes an urgent one through the market; here it only must not claim too much. A change that the book does
            // not show is made again.
            Some(target) if order.is_shown_as_stop() && can_modify(ground) => {
                Rest::Target(Arc::clone(order), smaller(order, total), target)
            }
            Some(_) if order.is_resting_stop() => cancel("the target is reached, and this broker changes no orders"),
            _ if is_over => shrunk(ground, order, total).unwrap_or_else(|| cancel("the position is smaller than it")),
            _ => Rest::Leave,
        };
    }
    let is_put_by_hand = rule.yields_to(order);
    let stop = if is_put_by_hand {
        as_it_rests(order, total)
    } else {
        let Some(stop) = stop(ground, total) else { return cancel("its stop gives no price that the exchange takes") };
        Some(stop)
    };
    if is_over {
        return shrunk(ground, order, total).unwrap_or_else(|| cancel("the position is smaller than it"));
    }
    // A person may have made it something else than a stop: it stays that, and the engine watches.
    let Some(stop) = stop.filter(|_| !ground.is_suspected) else { return Rest::Leave };
    let is_moved = order.ask.trigger_price != Some(stop.trigger);
    let grows = total.value() > order.quantity() && ground.stopped_by_others == 0 && fits(ground, total);
    let every = chrono::Duration::from_std(settings.move_every).unwrap_or(chrono::Duration::MAX);
    if !(is_moved || grows || !is_settled) || !ground.hours.takes_stops || now.signed_duration_since(order.updated_at) < every {
        return Rest::Leave;
    }
    if !can_change {
        // None would be rested beside the stop of somebody else: it stays where it is, and the engine watches.
        if ground.stopped_by_others > 0 {
            return Rest::Leave;
        }
        return cancel("it was changed as often as the broker takes it, and is placed anew");
    }
    let quantity = if grows { total } else { smaller(order, total) };
    Rest::Change(Arc::clone(order), Stop { quantity, ..stop })
}

/// The stop for so many units where somebody has put it. `None`: it is none any more.
fn as_it_rests(order: &OrderRecord, quantity: Quantity) -> Option<Stop> {
    let (trigger, limit) = order.ask.trigger_price.zip(order.ask.price).filter(|_| order.is_resting_stop())?;
    Some(Stop { quantity, trigger, limit })
}

/// Why the stop shall not be at the broker at all, whatever the hour.
fn not_wanted(ground: &Ground<'_>, is_its_exit: bool) -> Option<&'static str> {
    let rule = ground.rule;
    if rule.is_squared_off(ground.book) {
        return Some("everything is squared off");
    }
    if is_its_exit {
        return None;
    }
    if rule.fired.is_some() {
        return Some("the exit of the rule takes its place");
    }
    if !rule.is_on {
        return Some("the exit rule is switched off");
    }
    if ground.stop_at == StopAt::Engine {
        return Some("the stop lives in the engine now");
    }
    rule.stop.is_none().then_some("the rule has no stop any more")
}

fn can_modify(ground: &Ground<'_>) -> bool {
    ground.changes != Some(0)
}

/// Never more than it is for already.
fn smaller(order: &OrderRecord, total: Quantity) -> Quantity {
    order.ask.quantity.map_or(total, |quantity| quantity.min(total))
}

/// The same order, for fewer units. `None`: it cannot be changed.
fn shrunk(ground: &Ground<'_>, order: &Arc<OrderRecord>, total: Quantity) -> Option<Rest> {
    let (trigger, limit) = (order.ask.trigger_price, order.ask.price?);
    let is_whole = ground.instrument.is_some_and(|instrument| total.is_whole_lots(instrument.lot));
    (can_modify(ground) && is_whole).then(|| {
        // A limit that it was changed into has no trigger; the change leaves both prices as they are.
        let stop = Stop { quantity: total, trigger: trigger.unwrap_or(limit), limit };
        Rest::Change(Arc::clone(order), stop)
    })
}

fn place(ground: &Ground<'_>, room: i64) -> Rest {
    let Ground { rule, book, now, .. } = *ground;
    let key = &rule.holding.instrument;
    let is_unsettled = book.owed_in(key).chain(book.doubts_in(key)).any(|order| order.ask.strategy == rule.strategy);
    let is_wanted = not_wanted(ground, false).is_none() && ground.hours.takes_stops && !is_unsettled;
    let Some(total) = Quantity::new(room).filter(|total| is_wanted && fits(ground, *total)) else { return Rest::Leave };
    if newest_ended(rule, book).is_some_and(|ended| now < again_at(ended, ground)) {
        return Rest::Leave;
    }
    stop(ground, total).map_or(Rest::Leave, Rest::Place)
}

/// Whether one order takes so many units.
fn fits(ground: &Ground<'_>, total: Quantity) -> bool {
    ground
        .instrument
        .is_some_and(|instrument| total.is_whole_lots(instrument.lot) && instrument.max_quantity().is_none_or(|most| total.value() <= most))
}

/// The newest stop of the position that has ended.
fn newest_ended<'a>(rule: &'a ExitRule, book: &'a Book) -> Option<&'a Arc<OrderRecord>> {
    let mut since = book.newest_of(&rule.strategy).take_while(|order| order.created_at >= rule.opened_at);
    let ended = since.find(|order| is_stop_of(order, rule));
    ended.filter(|order| order.status.is_terminal() && order.updated_at >= rule.opened_at)
}

/// When another may be placed after that one. A new trading day begins anew: stops are orders of one day.
fn again_at(ended: &OrderRecord, ground: &Ground<'_>) -> DateTime<Utc> {
    let (at, today) = (ended.updated_at, trading_date(ground.now));
    let is_of_an_earlier_day = |at: DateTime<Utc>| trading_date(at) < today;
    // That yesterday's stop lapsed is found out this morning: no reason to wait.
    let has_lapsed = ended.tag == Some(Tag::BrokerExpired) && ended.sent_at.is_some_and(is_of_an_earlier_day);
    let wait = match ended.tag {
        _ if has_lapsed || is_of_an_earlier_day(at) => return at,
        None | Some(Tag::Replaced | Tag::Superseded | Tag::KillSwitch) => chrono::Duration::zero(),
        Some(Tag::RateLimited | Tag::BrokerNotLoggedIn) => LATER,
        Some(tag) if is_by_the_broker(tag) => chrono::Duration::from_std(ground.settings.again_after).unwrap_or(chrono::Duration::MAX),
        // A person wanted it gone: not again today.
        Some(Tag::CancelledByUser) => chrono::Duration::days(1),
        Some(_) => SOON,
    };
    at.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Whether the end was the broker's or the exchange's doing.
fn is_by_the_broker(tag: Tag) -> bool {
    matches!(tag, Tag::BrokerRejected | Tag::BrokerCancelled | Tag::BrokerExpired)
}

/// Trigger and limit, on the tick and inside the band.
fn stop(ground: &Ground<'_>, quantity: Quantity) -> Option<Stop> {
    let Ground { rule, instrument, settings, band, .. } = *ground;
    let (instrument, side) = (instrument?, rule.exit_side());
    let trigger = Price::new(rule.stop?).filter(|price| price.is_on_tick(instrument.tick))?;
    let percent = match instrument.kind {
        Kind::Option { .. } => settings.limit_percent_options,
        _ => settings.limit_percent,
    };
    let beyond = trigger.value().checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?.max(instrument.tick.value());
    let limit = match side {
        Side::Buy => trigger.value().checked_add(beyond)?,
        Side::Sell => trigger.value().checked_sub(beyond)?.max(instrument.tick.value()),
    };
    let limit = instrument.round_to_tick(limit, side)?;
    let limit = match (band, side) {
        (Some((_, high)), Side::Buy) => limit.min(high),
        (Some((low, _)), Side::Sell) => limit.max(low),
        (None, _) => limit,
    };
    let is_reachable = match side {
        Side::Buy => trigger <= limit,
        Side::Sell => trigger >= limit,
    };
    is_reachable.then_some(Stop { quantity, trigger, limit })
}

/// Where the rule's stop lives, by the committed book alone. `None`: it has no stop.
#[must_use]
pub fn lives(rule: &ExitRule, stop_at: StopAt, book: &Book) -> Option<Lives> {
    let held = book.held(&rule.strategy, &rule.holding).net.abs();
    let order = resting(rule, book).find(|order| order.is_resting_stop());
    let rests = order.filter(|order| {
        let is_there = order.status.is_at_broker() && order.broker_order_id.is_some();
        is_there && !order.is_in_doubt() && order.cancel_wanted.is_none()
    });
    let covers = rests.map_or(0, |order| {
        let pending = order.pending.as_ref().map_or(i64::MAX, |terms| terms.quantity.value());
        (order.quantity().min(pending) - order.filled_quantity).clamp(0, held)
    });
    if rule.stop.is_none() && order.is_none() {
        return None;
    }
    let at = if held > 0 && covers >= held { StopAt::Broker } else { StopAt::Engine };
    let because = match (at, stop_at) {
        (StopAt::Engine, StopAt::Engine) if order.is_none() => None,
        (StopAt::Engine, StopAt::Engine) => Some("the order that rests at the broker is being cancelled".to_owned()),
        (StopAt::Engine, StopAt::Broker) => Some(why_not(rule, book, order, covers, held)),
        (StopAt::Broker, _) if order.is_some_and(|order| rule.yields_to(order)) => {
            Some("somebody changed it at the broker: it stays as it is until the rule is set again".to_owned())
        }
        (StopAt::Broker, _) => order.filter(|order| order.ask.trigger_price.map(Price::value) != rule.stop).map(|order| {
            let at = order.ask.trigger_price.map_or_else(String::new, |price| price.to_string());
            format!("it rests at {at}, and is being moved")
        }),
    };
    Some(Lives { at, because, order: order.cloned(), covers })
}

fn why_not(rule: &ExitRule, book: &Book, order: Option<&Arc<OrderRecord>>, covers: i64, held: i64) -> String {
    if let Some(fired) = rule.fired {
        return format!("its {} has fired, and the exit is under way", fired.cause);
    }
    if let Some(order) = order {
        return match (order.cancel_wanted, order.is_in_doubt(), covers) {
            (Some(_), ..) => "the order that rested at the broker is being cancelled".to_owned(),
            (_, true, _) => "it is not known whether its order is at the broker".to_owned(),
            (.., 0) => "its order is on the way to the broker".to_owned(),
            _ => format!("its order at the broker covers {covers} of {held}"),
        };
    }
    if !rule.is_on {
        return "the rule is switched off".to_owned();
    }
    match newest_ended(rule, book) {
        Some(ended) if ended.tag.is_some_and(is_by_the_broker) => {
            let tag = ended.tag.map_or("", Tag::words);
            format!("{tag}: {}", ended.reason.as_deref().unwrap_or("no reason was given"))
        }
        Some(ended) if ended.tag == Some(Tag::CancelledByUser) => {
            "its order was cancelled by a person, and is placed again on the next trading day".to_owned()
        }
        _ => "no order rests at the broker now".to_owned(),
    }
}

#[cfg(test)]
#[path = "resting_tests.rs"]
mod tests;
