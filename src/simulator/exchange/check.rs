//! What an order must be before the market is asked: the instrument's own rules.

use chrono::NaiveDate;
use ordergate_actors::order::{Instrument, Price, Side, Terms, Validity};

use super::reject::Reject;

/// Whether the instrument takes such an order on that day.
pub(super) fn terms(instrument: &Instrument, terms: &Terms, date: NaiveDate) -> Result<(), Reject> {
    let key = &instrument.key;
    if !instrument.is_tradable() {
        return Err(Reject::NotTradable(key.clone()));
    }
    if instrument.kind.expiry().is_some_and(|last| last < date) {
        return Err(Reject::InstrumentExpired(key.clone()));
    }
    if !instrument.takes(terms.product) {
        return Err(Reject::Product(key.clone(), terms.product));
    }
    quantity(instrument, terms)?;
    prices(instrument, terms)
}

fn quantity(instrument: &Instrument, terms: &Terms) -> Result<(), Reject> {
    let quantity = terms.quantity.value();
    if !terms.quantity.is_whole_lots(instrument.lot) {
        return Err(Reject::Lot { quantity, lot: instrument.lot.value() });
    }
    match instrument.freeze {
        Some(freeze) if quantity > freeze.value() => Err(Reject::Freeze { quantity, freeze: freeze.value() }),
        _ => Ok(()),
    }
}

fn prices(instrument: &Instrument, terms: &Terms) -> Result<(), Reject> {
    let limit = match (terms.order_type.has_price(), terms.price) {
        (false, _) => None,
        (true, None) => return Err(Reject::PriceMissing(terms.order_type)),
        (true, Some(price)) => Some(price),
    };
    let trigger = match (terms.order_type.has_trigger(), terms.trigger_price) {
        (false, _) => None,
        (true, None) => return Err(Reject::TriggerMissing(terms.order_type)),
        (true, Some(trigger)) => Some(trigger),
    };
    for (what, price) in [("price", limit), ("trigger price", trigger)] {
        if let Some(price) = price {
            one_price(instrument, what, price)?;
        }
    }
    if let (Some(price), Some(trigger)) = (limit, trigger) {
        let beyond = match terms.side {
            Side::Buy => trigger > price,
            Side::Sell => trigger < price,
        };
        if beyond {
            return Err(Reject::TriggerBeyondPrice { trigger, price });
        }
    }
    if trigger.is_some() && terms.validity == Validity::Ioc {
        return Err(Reject::StopIoc);
    }
    Ok(())
}

fn one_price(instrument: &Instrument, what: &'static str, price: Price) -> Result<(), Reject> {
    if !price.is_on_tick(instrument.tick) {
        return Err(Reject::Tick { what, price, tick: instrument.tick });
    }
    match instrument.band {
        Some((low, high)) if price < low || price > high => Err(Reject::Band { what, price, low, high }),
        _ => Ok(()),
    }
}
