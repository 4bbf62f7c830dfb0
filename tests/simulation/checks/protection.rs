//! What is held has the stop that its order asked for.

use ordergate_actors::exits::{Combined, ExitRule, Terms, slot};
use ordergate_actors::order::{Holding, HoldingKey, OrderRecord, Side, Strategy};
use ordergate_actors::persistence::{Book, Level, Topic};

/// Every position whose order says how it is left has its rule, and one that has fired an exit; no rule stands for nothing. What does not
/// is said in words.
pub(crate) fn protected(book: &Book) -> Result<(), String> {
    for (strategy, key, held) in book.holdings() {
        if let Some(order) = says_how(book, strategy, key, held) {
            has_rule(book, order, key, held).map_err(|what| format!("{} {key}, net {}: {what}", order.ask.strategy, held.net))?;
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

/// The newest order of what is held that says how it is left.
fn says_how<'a>(book: &'a Book, strategy: &'a Strategy, key: &HoldingKey, held: &Holding) -> Option<&'a OrderRecord> {
    let opened = held.opened_at?;
    let has_opened = |order: &OrderRecord| book.openings(strategy, key).iter().any(|opening| opening.order == order.number);
    let is_its_own = |order: &&OrderRecord| {
        order.filled_quantity > 0
            && !order.is_exit()
            && order.ask.side == Side::of_net(held.net)
            && order.holding().as_ref() == Some(key)
            && (order.signal_time.min(order.created_at) >= opened || has_opened(order))
    };
    book.newest_of(strategy).map(AsRef::as_ref).filter(is_its_own).find(|order| Terms::of(order).is_some())
}

fn has_rule(book: &Book, order: &OrderRecord, key: &HoldingKey, held: &Holding) -> Result<(), String> {
    let Some(kept) = book.kept(&slot(&order.ask.strategy, key)) else {
        // An order whose distances give no price from its fill: a person is told.
        let is_paged = book.alarms().any(|alarm| &*alarm.event == "ALARM_EXIT_RULE_MISSING" && alarm.command_id == Some(order.command_id));
        return if is_paged { Ok(()) } else { Err(format!("order {} asked for a stop, and there is no rule", order.command_id)) };
    };
    let rule: ExitRule = kept.read().map_err(|error| error.to_string())?;
    if Some(rule.position) != Side::of_net(held.net) {
        return Err(format!("its rule is for {:?}", rule.position));
    }
    let Some(fired) = rule.fired else { return Ok(()) };
    let leaves = book.open_in(&key.instrument).any(|exit| exit.is_exit() && exit.ask.strategy == rule.strategy);
    let is_of_it = |order: &OrderRecord| order.signal_id == fired.signal || (order.is_exit() && order.ask.strategy == rule.strategy);
    let is_paged = book.alarms().filter(|alarm| alarm.level == Level::Page).any(|alarm| {
        alarm.command_id.is_some_and(|command| rule.order == Some(command) || book.order(command).is_some_and(|order| is_of_it(order)))
    });
    if leaves || is_paged { Ok(()) } else { Err(format!("its rule fired at {}, and no exit is on its way", fired.at)) }
}
