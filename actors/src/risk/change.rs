//! Changing a working order: it walks the gates as a new order would, against the terms that it would have.

use std::sync::Arc;

use crate::order::{ClientId, CommandId, OrderRecord, Price, Quantity, Terms};
use crate::ports::Modification;

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
    if (change.price.is_some() && !order_type.has_price()) || (change.trigger_price.is_some() && !order_type.has_trigger()) {
        return Err(format!("a {order_type} order has no such price"));
    }
    if [change.price, change.trigger_price].into_iter().flatten().any(|price| !price.is_on_tick(instrument.tick)) {
        return Err(format!("the price is no multiple of the tick {}", instrument.tick));
    }
    let terms = Terms {
        side,
        quantity,
        product,
        order_type,
        validity: ask.validity,
        price: change.price.or(pending.map_or(ask.price, |terms| terms.price)),
        trigger_price: change.trigger_price.or(pending.map_or(ask.trigger_price, |terms| terms.trigger_price)),
    };
    Ok(Modification { broker_order_id, instrument, terms })
}
