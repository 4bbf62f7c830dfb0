//! What is held has the stop that its order asked for.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::exits::{Combined, ExitRule, ExitSettings, Terms, is_stop_of, slot};
use ordergate_actors::order::{BookState, Holding, HoldingKey, InstrumentKey, OrderRecord, OrderType, Side, Source, StopAt, Strategy, Tag};
use ordergate_actors::persistence::{Alarm, Book, Level, Topic};
use ordergate_actors::ports::BookRow;
use rust_decimal::Decimal;

/// Every position whose order says how it is left has its rule, and one that has fired an exit; no rule stands for nothing. What does not
/// is said in words.
pub(crate) fn protected(book: &Book, now: DateTime<Utc>) -> Result<(), String> {
    for (strategy, key, held) in book.holdings() {
        if let Some(order) = says_how(book, strategy, key, held) {
            has_rule(book, order, key, held, now).map_err(|what| format!("{} {key}, net {}: {what}", order.ask.strategy, held.net))?;
        }
    }
    for (slot, kept) in book.kept_of(Topic::ExitRule).filter(|(slot, _)| !Combined::is_at(slot)) {
        let rule: ExitRule = kept.read().map_err(|error| format!("{} cannot be read: {error}", slot.key))?;
        let comes = || rule.order.and_then(|order| book.order(order)).is_some_and(|order| !order.status.is_terminal());
        if book.held(&rule.strategy, &rule.holding).net == 0 && !comes() {
            return Err(format!("the rule {} stands for nothing", slot.key));
        }
    }
    Ok(())
}

/// No rule that acts has let its stop be passed: the market stands still at a price beyond it, and the exit was not sent.
/// `last`: the last price of what is held, rupees.
pub(crate) fn left_where_passed(book: &Book, last: impl Fn(&InstrumentKey) -> Option<Decimal>) -> Result<(), String> {
    for (slot, kept) in book.kept_of(Topic::ExitRule).filter(|(slot, _)| !Combined::is_at(slot)) {
        let rule: ExitRule = kept.read().map_err(|error| format!("{} cannot be read: {error}", slot.key))?;
        let acts = rule.is_on && !rule.fired.is_some_and(|fired| fired.cause.is_urgent());
        let is_held = book.held(&rule.strategy, &rule.holding).net * rule.position.sign() > 0;
        let Some((stop, price)) = rule.stop.zip(last(&rule.holding.instrument)).filter(|_| acts && is_held) else { continue };
        let is_passed = if rule.position == Side::Buy { price < stop } else { price > stop };
        if is_passed {
            return Err(format!("the stop of {} at {stop} is passed: {price} was traded last, and it has not fired", slot.key));
        }
    }
    Ok(())
}

/// The newest order of what is held that says how it is left.
fn says_how<'a>(book: &'a Book, strategy: &'a Strategy, key: &HoldingKey, held: &Holding) -> Option<&'a OrderRecord> {
    let opened = held.opened_at?;
    let openings = book.openings(strategy, key);
    let has_opened = |order: &OrderRecord| openings.iter().any(|opening| opening.order == order.number);
    // Its time alone does not say that it came later: the clock may have been set back since.
    let first = openings.iter().map(|opening| opening.order).min();
    let is_its_own = |order: &&OrderRecord| {
        order.filled_quantity > 0
            && !order.is_exit()
            && order.ask.side == Side::of_net(held.net)
            && order.holding().as_ref() == Some(key)
            && first.is_none_or(|first| order.number >= first)
            && (order.signal_time.min(order.created_at) >= opened || has_opened(order))
    };
    book.newest_of(strategy).map(AsRef::as_ref).filter(is_its_own).find(|order| Terms::of(order).is_some())
}

fn has_rule(book: &Book, order: &OrderRecord, key: &HoldingKey, held: &Holding, now: DateTime<Utc>) -> Result<(), String> {
    let Some(kept) = book.kept(&slot(&order.ask.strategy, key)) else {
        // An order whose distances give no price from its fill: a person is told.
        let is_paged = book.alarms().any(|alarm| &*alarm.event == "ALARM_EXIT_RULE_MISSING" && alarm.command_id == Some(order.command_id));
        return if is_paged { Ok(()) } else { Err(format!("order {} asked for a stop, and there is no rule", order.command_id)) };
    };
    let rule: ExitRule = kept.read().map_err(|error| error.to_string())?;
    if Some(rule.position) != Side::of_net(held.net) {
        return Err(format!("its rule is for {:?}", rule.position));
    }
    has_its_stop(book, &rule, held)?;
    let Some(fired) = rule.fired else { return Ok(()) };
    let leaves = book.open_in(&key.instrument).any(|exit| exit.is_exit() && exit.ask.strategy == rule.strategy);
    let is_paged = book.alarms().any(|alarm| says_that_it_stays(book, &rule, alarm, now));
    if leaves || is_paged { Ok(()) } else { Err(format!("its rule fired at {}, and no exit is on its way", fired.at)) }
}

/// Whether an alarm is a page of this firing: that the rule itself is stuck, or about an exit of its position since it fired. A firing that
/// lies ahead is of before the clock was set back.
fn says_that_it_stays(book: &Book, rule: &ExitRule, alarm: &Alarm, now: DateTime<Utc>) -> bool {
    let Some((fired, command)) = rule.fired.zip(alarm.command_id).filter(|_| alarm.level == Level::Page) else { return false };
    let is_since = alarm.last_at >= fired.at || fired.at > now;
    let is_of_the_rule = rule.order == Some(command) && matches!(&*alarm.event, "ALARM_EXIT_STUCK" | "ALARM_EXIT_UNCOVERS");
    let first = book.newest().filter(|order| order.signal_id == fired.signal).map(|order| order.number).min();
    let is_of_an_exit = book.order(command).is_some_and(|order| {
        let is_of_it = order.is_exit() && order.ask.strategy == rule.strategy && order.is_for(&rule.holding.instrument);
        is_of_it && (is_since || first.is_some_and(|first| order.number >= first))
    });
    (is_of_the_rule && is_since) || is_of_an_exit
}

/// Where a rule may still act, it acts, and has the stop that the orders of its position asked for: never looser than they said, and
/// measured from what the position cost. Nobody here switches one off.
fn has_its_stop(book: &Book, rule: &ExitRule, held: &Holding) -> Result<(), String> {
    if rule.is_leaving() {
        return Ok(());
    }
    if !rule.is_on {
        return Err("its rule is switched off, and nobody did that".to_owned());
    }
    let openings = book.openings(&rule.strategy, &rule.holding);
    let of = |number: u64| book.order_by_number(number).map(|order| &**order);
    let asks = |order: &&OrderRecord| order.ask.stop_loss.is_some() && order.ask.side == Some(rule.position) && !order.is_exit();
    if let Some(order) = openings.iter().filter_map(|opening| of(opening.order)).find(asks)
        && (rule.terms.stop_loss.is_none() || rule.stop.is_none())
    {
        return Err(format!("order {} asked for a stop, and its rule has none: {}", order.command_id, rule.words()));
    }
    let is_counted = |order: &OrderRecord| {
        let is_among = || rule.others.as_ref().is_some_and(|others| others.contains_key(&order.command_id));
        rule.order == Some(order.command_id) || is_among()
    };
    let are_all_counted = openings.iter().all(|opening| of(opening.order).is_some_and(is_counted));
    if are_all_counted && !openings.is_empty() && Some(rule.fill) != held.average() {
        return Err(format!("its rule is measured from {}, and it cost {:?}", rule.fill, held.average()));
    }
    let (Some(at), Some(stop)) = (rule.terms.stop_loss, rule.stop) else {
        return if rule.terms.stop_loss.is_some() { Err(format!("its rule has lost its stop: {}", rule.words())) } else { Ok(()) };
    };
    let Some(from) = at.below(rule.fill, rule.position).filter(|_| rule.by_hand.is_none()) else { return Ok(()) };
    let has_moved = rule.stood.is_some() || rule.first_stop != rule.stop;
    if !rule.is_as_good(stop, from) || (!has_moved && (stop - from).abs() >= rule.tick) {
        return Err(format!("its stop is at {stop}, and {at:?} from {} is {from}", rule.fill));
    }
    Ok(())
}

/// Where stops shall rest at the broker, each does, as the broker's own book has it, for all that is held; or people were told that the engine
/// watches it, or somebody has cancelled it, or another exit is for what is held. `rows`: the broker's orders.
pub(crate) fn stops_rest(book: &Book, settings: &ExitSettings, rows: &[Arc<BookRow>]) -> Result<(), String> {
    for (slot, kept) in book.kept_of(Topic::ExitRule).filter(|(slot, _)| !Combined::is_at(slot)) {
        let rule: ExitRule = kept.read().map_err(|error| format!("{} cannot be read: {error}", slot.key))?;
        let held = book.held(&rule.strategy, &rule.holding);
        let is_wanted = rule.is_on && rule.fired.is_none() && rule.stop.is_some() && rule.is_for(&held);
        if !is_wanted || rule.stop_at(settings.stop_at) != StopAt::Broker {
            continue;
        }
        let key = &rule.holding.instrument;
        let exits: Vec<&OrderRecord> =
            book.newest_of(&rule.strategy).map(|order| &**order).filter(|order| order.is_exit() && order.is_for(key)).collect();
        let rests = |order: &&OrderRecord| order.source == Source::Stop && order.ask.side == Some(rule.exit_side());
        let is_row_of = |order: &OrderRecord, row: &BookRow| {
            row.state == BookState::Open
                && row.trigger_price.is_some()
                && row.order_type.is_some_and(OrderType::has_trigger)
                && super::is_ours(order, row)
        };
        let of = |order: &OrderRecord| rows.iter().filter(|row| is_row_of(order, row)).map(|row| row.quantity - row.filled).sum::<i64>();
        let covered: i64 = exits.iter().copied().filter(rests).map(of).sum();
        let others: i64 = exits
            .iter()
            .copied()
            .filter(|order| !order.status.is_terminal() && !rests(order))
            .map(|order| order.claims(held.net.abs()))
            .sum();
        if covered + others >= held.net.abs() {
            continue;
        }
        let is_told = |alarm: &Alarm| &*alarm.event == "ALARM_STOP_IN_ENGINE" && is_about(book, &rule, alarm);
        let newest = exits.iter().find(|order| is_stop_of(order, &rule));
        let is_cancelled = newest.is_some_and(|order| order.tag == Some(Tag::CancelledByUser));
        if !is_cancelled && !book.alarms().any(is_told) {
            let (net, words) = (held.net, rule.words());
            return Err(format!("{covered} of {net} {} rest at the broker with a stop, and nobody was told: {words}", slot.key));
        }
    }
    Ok(())
}

/// Whether an alarm is about a stop of that rule: its order, or its name.
fn is_about(book: &Book, rule: &ExitRule, alarm: &Alarm) -> bool {
    let named = || alarm.text.contains(&format!("{} {}", rule.strategy, rule.holding));
    match alarm.command_id {
        Some(command) => book.order(command).is_some_and(|order| order.ask.strategy == rule.strategy && is_stop_of(order, rule)),
        None => named(),
    }
}
