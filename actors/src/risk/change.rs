//! Changing a working order: it walks the gates as a new order would, against the terms that it would have.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Judgement, Left, RiskActor, largest_total, left_by_others};
use crate::order::{ClientId, CommandId, Instrument, OrderFact, OrderRecord, OrderType, Price, Quantity, Side, Tag, Terms};
use crate::persistence::{OrderUnit, Unit};
use crate::ports::Modification;
use crate::supervision::{Shell, at_hand};

/// What to change in a working order. What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct Change {
    /// The account.
    pub client_id: ClientId,
    /// The order.
    pub command_id: CommandId,
    /// The new total, filled units included.
    pub quantity: Option<Quantity>,
    /// The new limit price.
    pub price: Option<Price>,
    /// The new trigger price.
    pub trigger_price: Option<Price>,
    /// The new type. Only a stop becomes a limit, and that only by the engine's own hand.
    pub order_type: Option<OrderType>,
    /// Who.
    pub who: String,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// On its way to the broker; its effect shows in the order's record.
    Asked,
    /// Refused, with the reason.
    Refused(String),
}

/// The changed terms, or why the order cannot be changed like that.
pub(super) fn modification(
    record: &Arc<OrderRecord>,
    instrument: Option<Arc<crate::order::Instrument>>,
    change: &Change,
    can_modify: bool,
) -> Result<Modification, String> {
    let Some(broker_order_id) = record.broker_order_id.clone().filter(|_| record.status.is_at_broker()) else {
        return Err(format!("the order is {}, only one that works at the broker can be changed", record.status));
    };
    if !can_modify {
        return Err("this broker cannot change orders; cancel it and send a new one".to_owned());
    }
    if record.cancel_wanted.is_some() {
        return Err("the order is being cancelled".to_owned());
    }
    let Some(instrument) = instrument else { return Err(format!("{} is not in today's instrument master", record.ask.symbol)) };
    let ask = &record.ask;
    let (Some(side), Some(product), Some(order_type)) = (ask.side, ask.product, record.working_type()) else {
        return Err("the order is not complete".to_owned());
    };
    // A change that the book does not show yet is the base of the next one, which must not take it back.
    let pending = record.pending.as_ref();
    let Some(quantity) = change.quantity.or(pending.map(|terms| terms.quantity)).or(ask.quantity) else {
        return Err("the order has no quantity".to_owned());
    };
    if quantity.value() <= record.filled_quantity {
        return Err(format!("{} are filled already; the new total must be more", record.filled_quantity));
    }
    if !quantity.is_whole_lots(instrument.lot) {
        return Err(format!("{quantity} is no multiple of the lot {}", instrument.lot));
    }
    if instrument.max_quantity().is_some_and(|max| quantity.value() > max) {
        return Err(format!("{quantity} is above the freeze quantity"));
    }
    // One that is being changed into a limit is one, whatever the book shows still.
    let becomes = change.order_type.or(pending.map(|terms| terms.order_type).filter(|kind| *kind == OrderType::Limit));
    let order_type = becomes.filter(|kind| *kind == OrderType::Limit).unwrap_or(order_type);
    if (change.price.is_some() && !order_type.has_price()) || (change.trigger_price.is_some() && !order_type.has_trigger()) {
        return Err(format!("a {order_type} order has no such price"));
    }
    if [change.price, change.trigger_price].into_iter().flatten().any(|price| !price.is_on_tick(instrument.tick)) {
        return Err(format!("the price is no multiple of the tick {}", instrument.tick));
    }
    // Its limit was made from the old trigger: it goes as it came, and is priced off the trigger that it will have.
    let is_priced_anew = ask.order_type == Some(OrderType::StopMarket) && change.price.is_none() && becomes.is_none();
    let order_type = if is_priced_anew { OrderType::StopMarket } else { order_type };
    let terms = Terms {
        side,
        quantity,
        product,
        order_type,
        validity: ask.validity,
        price: change.price.or(pending.map_or(ask.price, |terms| terms.price)).filter(|_| !is_priced_anew),
        trigger_price: change
            .trigger_price
            .or(pending.map_or(ask.trigger_price, |terms| terms.trigger_price))
            .filter(|_| order_type.has_trigger()),
    };
    if let Some(reason) = crossed(&terms) {
        return Err(reason);
    }
    Ok(Modification { broker_order_id, tag: Some(record.broker_tag.clone()), instrument, terms })
}

/// Why trigger and limit of a stop contradict each other, if they do: the limit must be reachable once the trigger is.
fn crossed(terms: &Terms) -> Option<String> {
    let (trigger, price) = terms.trigger_price.zip(terms.price).filter(|_| terms.order_type == OrderType::StopLimit)?;
    let is_crossed = match terms.side {
        Side::Buy => trigger > price,
        Side::Sell => trigger < price,
    };
    is_crossed.then(|| format!("the trigger {trigger} is on the wrong side of the limit {price} for a {}; change both", terms.side))
}

impl RiskActor {
    /// A change is judged as the order would be with its new terms; what an exit may close bounds its new quantity.
    pub(super) fn assess_change(&mut self, change: &Change, now: DateTime<Utc>) -> Result<Modification, String> {
        at_hand(&self.desk.client_id, change.command_id);
        let record = self.line.view.read(&self.desk.client_id, |book| book.order(change.command_id).cloned()).flatten();
        let Some(record) = record else { return Err("there is no such open order".to_owned()) };
        let instrument = record.instrument().and_then(|key| self.line.instruments.find(&key));
        let mut modification = modification(&record, instrument, change, self.desk.broker.capabilities().can_modify)?;
        if let Some(reason) = crate::broker::worn_out(&record, self.desk.broker.capabilities().max_modifications) {
            return Err(reason);
        }
        let grows = modification.terms.quantity.value() > record.quantity();
        if record.is_exit() && grows && !record.is_resting_stop() {
            return Err("an exit can be made smaller, not larger; send another exit for more".to_owned());
        }
        if record.is_exit()
            && grows
            && let Some(reason) = self.crowds(&record, &modification.terms)
        {
            return Err(reason);
        }
        // Fewer units at the same price meet nobody whom they did not meet before.
        let is_moved = change.price.is_some() || change.trigger_price.is_some() || change.order_type.is_some();
        if record.is_exit() && is_moved && !modification.terms.order_type.has_trigger() {
            modification.terms.quantity = self.left_to(&record, &modification, now)?;
        }
        let mut would_be = (*record).clone();
        would_be.ask.quantity = Some(modification.terms.quantity);
        would_be.ask.price = modification.terms.price;
        would_be.ask.trigger_price = modification.terms.trigger_price;
        // The wish is made now: its own age counts, not that of the signal that placed the order.
        would_be.signal_time = now;
        if record.is_exit() {
            if let Some(reason) = self.desk.latch.forbids(&record.ask.strategy, true) {
                return Err(reason);
            }
            would_be.ask.order_type = Some(modification.terms.order_type);
            let waits = if is_moved { self.clear_the_way(&would_be, now) } else { None };
            return waits.map_or(Ok(modification), Err);
        }
        match self.judge_one(&would_be, now, None) {
            // A change is made by a person: that is the yes.
            Judgement::Clear { .. } | Judgement::Ask { .. } => Ok(modification),
            Judgement::Refuse { reason, .. }
            | Judgement::Wait { reason }
            | Judgement::Held { reason }
            | Judgement::MakeWay { reason, .. } => Err(reason),
            Judgement::Step(_) | Judgement::End { .. } => Err("it is not settled yet what will be sent for it".to_owned()),
            Judgement::Quote => Err("there is no fresh quote to judge its value by; ask again".to_owned()),
        }
    }

    /// An exit whose next price could trade against entries of our own: these are cancelled first. Why it waits, if so.
    fn clear_the_way(&mut self, exit: &OrderRecord, now: DateTime<Utc>) -> Option<String> {
        let patience = chrono::Duration::from_std(self.desk.settings.waits.exit_wait_page).unwrap_or(chrono::Duration::MAX);
        let in_the_way = &mut self.in_the_way;
        let entries = self.line.view.read(&self.desk.client_id, |book| in_the_way.still(exit, book, now, patience)).unwrap_or_default();
        let first = entries.first()?.command_id;
        for entry in entries.iter().filter(|entry| entry.cancel_wanted.is_none()) {
            let reason = format!("the next price of exit {} of {} could trade against it", exit.command_id, exit.ask.strategy);
            let fact = OrderFact::CancelWanted { tag: Tag::SelfTrade, reason };
            let client_id = self.desk.client_id.clone();
            self.line.post_unit(Unit::Order(OrderUnit { client_id, command_id: entry.command_id, fact, who: Arc::from(Self::NAME) }));
        }
        Some(format!("order {first} could meet it and is cancelled first"))
    }

    /// The total for which an exit may go to its new price: no more than others have left (INV-6). `Err`: what it waits for where it is.
    fn left_to(&self, record: &OrderRecord, wanted: &Modification, now: DateTime<Utc>) -> Result<Quantity, String> {
        let asked = wanted.terms.quantity;
        let max_age = chrono::Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX);
        let newest = self.line.newest_quote(&self.desk, &wanted.instrument.key);
        let quote = newest.filter(|quote| now.signed_duration_since(quote.at) <= max_age);
        let findings = self.desk.findings.read();
        let left = self.line.view.read(&self.desk.client_id, |book| left_by_others(record, book, &findings, quote.as_ref()));
        let (total, why) = match left.unwrap_or(Left::All) {
            Left::All => return Ok(asked),
            Left::Unknown(why) => return Err(why),
            Left::Fewer(total, why) => (total, why),
        };
        let fewer = in_whole_lots(total, &wanted.instrument).filter(|fewer| fewer.value() > record.filled_quantity);
        fewer.map(|fewer| fewer.min(asked)).ok_or(why)
    }

    /// Why an exit may not be made so large, if so (INV-6).
    fn crowds(&self, record: &OrderRecord, terms: &Terms) -> Option<String> {
        let findings = self.desk.findings.read();
        let most = self.line.view.read(&self.desk.client_id, |book| largest_total(record, book, &findings)).unwrap_or(0);
        let asked = terms.quantity.value();
        (asked > most).then(|| format!("it may be for {most} at the most, not {asked}: what is held, less what other exits claim"))
    }
}

/// The most whole lots in so many units.
fn in_whole_lots(units: i64, instrument: &Instrument) -> Option<Quantity> {
    let lot = instrument.lot.value();
    units.checked_rem(lot).and_then(|odd| Quantity::new(units.saturating_sub(odd)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Status;
    use crate::testkit::builders::{at, broker_id, order, price, share};

    /// A stop to sell at the broker, its limit 2 below its trigger of 790.
    fn stop(order_type: OrderType) -> Arc<OrderRecord> {
        let mut order = order(1);
        order.ask.order_type = Some(order_type);
        order.ask.side = Some(Side::Sell);
        (order.ask.trigger_price, order.ask.price) = (Some(price("790")), Some(price("788")));
        order.status = Status::Partial;
        order.sent_at = Some(at(0));
        order.broker_order_id = Some(broker_id("1"));
        Arc::new(order)
    }

    fn changed(record: &Arc<OrderRecord>, trigger: Option<&str>, limit: Option<&str>) -> Result<Terms, String> {
        let change = Change {
            client_id: record.client_id.clone(),
            command_id: record.command_id,
            quantity: None,
            price: limit.map(price),
            trigger_price: trigger.map(price),
            order_type: None,
            who: "a test".to_owned(),
        };
        modification(record, Some(Arc::new(share())), &change, true).map(|change| change.terms)
    }

    #[test]
    fn a_protected_stop_is_priced_off_its_new_trigger() {
        let terms = changed(&stop(OrderType::StopMarket), Some("700"), None).unwrap();
        assert_eq!((terms.order_type, terms.trigger_price, terms.price), (OrderType::StopMarket, Some(price("700")), None));
        let terms = changed(&stop(OrderType::StopMarket), Some("700"), Some("690")).unwrap();
        assert_eq!((terms.order_type, terms.price), (OrderType::StopLimit, Some(price("690"))), "a limit that was asked for stays");
    }

    #[test]
    fn a_stop_becomes_a_limit_without_a_trigger_and_stays_one_while_the_book_shows_the_stop() {
        let record = stop(OrderType::StopLimit);
        let to_limit = |record: &Arc<OrderRecord>, order_type, limit: &str| {
            let change = Change {
                client_id: record.client_id.clone(),
                command_id: record.command_id,
                quantity: None,
                price: Some(price(limit)),
                trigger_price: None,
                order_type,
                who: "a test".to_owned(),
            };
            modification(record, Some(Arc::new(share())), &change, true).map(|change| change.terms).unwrap()
        };
        let terms = to_limit(&record, Some(OrderType::Limit), "795");
        assert_eq!((terms.order_type, terms.price, terms.trigger_price), (OrderType::Limit, Some(price("795")), None));
        let pending = Arc::new(OrderRecord { pending: Some(terms), ..(*record).clone() });
        let next = to_limit(&pending, None, "793");
        assert_eq!((next.order_type, next.price, next.trigger_price), (OrderType::Limit, Some(price("793")), None));
    }

    #[test]
    fn a_limit_that_contradicts_the_trigger_is_refused() {
        let wrong = |result: Result<Terms, String>| result.unwrap_err().contains("wrong side of the limit");
        assert!(wrong(changed(&stop(OrderType::StopLimit), Some("700"), None)), "the limit of before is above it");
        assert!(wrong(changed(&stop(OrderType::StopLimit), None, Some("791"))));
        assert!(wrong(changed(&stop(OrderType::StopMarket), Some("700"), Some("701"))));
        assert!(changed(&stop(OrderType::StopLimit), Some("700"), Some("700")).is_ok());
    }
}
