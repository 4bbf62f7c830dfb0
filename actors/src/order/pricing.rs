//! The type, the limit and the trigger of an order, and what a row of the broker's book says against them. Pure.
//!
//! A broker shows an order in its own way: a market order as the limit that protects it, a stop that the market has reached as
//! the limit that it became, a price with other zeros or on its own tick, a field not at all. None of it is a change.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fact::{Shown, Terms};
use super::money::Price;
use super::record::OrderRecord;
use super::words::OrderType;

/// The terms of an order that are no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pricing {
    /// MARKET, LIMIT, SL or SLM.
    pub order_type: Option<OrderType>,
    /// Limit price, rupees.
    pub price: Option<Price>,
    /// Trigger price, rupees.
    pub trigger_price: Option<Price>,
}

impl From<&OrderRecord> for Pricing {
    fn from(order: &OrderRecord) -> Self {
        Self { order_type: order.ask.order_type, price: order.ask.price, trigger_price: order.ask.trigger_price }
    }
}

impl From<&Terms> for Pricing {
    fn from(terms: &Terms) -> Self {
        Self { order_type: Some(terms.order_type), price: terms.price, trigger_price: terms.trigger_price }
    }
}

impl fmt::Display for Pricing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.order_type.map_or("order", OrderType::as_str))?;
        if let Some(price) = self.price {
            write!(f, " {price}")?;
        }
        self.trigger_price.map_or(Ok(()), |trigger| write!(f, " trigger {trigger}"))
    }
}

/// A price that is told, where it is another than our own by a tick or more.
fn other(own: Option<Price>, told: Option<Decimal>, tick: Decimal) -> Option<Price> {
    let (own, told) = (own?.value(), told?);
    let apart = own.checked_sub(told).map(|apart| apart.abs())?;
    Price::new(told).filter(|_| !apart.is_zero() && apart >= tick)
}

impl Pricing {
    /// What a row of an order that works says it to be now, if that is another pricing than this, and no way of showing this
    /// one. `working`: the type with which it was sent; `tick`: the smallest price step, 0 where it is not known.
    #[must_use]
    pub fn changed_by(self, working: Option<OrderType>, shown: &Shown, tick: Decimal) -> Option<Self> {
        let kind = working?;
        if !kind.has_price() {
            // The broker protects it with a limit of its own making: only a trigger tells.
            let trigger = other(self.trigger_price, shown.trigger_price, tick)?;
            return Some(Self { trigger_price: Some(trigger), ..self });
        }
        let price = other(self.price, shown.price, tick);
        let next = match shown.order_type {
            // Without a limit it is a market order now.
            Some(told) if !told.has_price() && shown.price.is_none() => Some(told),
            // A name alone may lag behind; a name and a trigger make a stop.
            Some(told) if told.has_price() && told.has_trigger() && !kind.has_trigger() && shown.trigger_price.is_some() => Some(told),
            // At its own limit it is the stop that the market has reached.
            Some(OrderType::Limit) if kind.has_trigger() && price.is_some() => Some(OrderType::Limit),
            _ => None,
        };
        let kind = next.unwrap_or(kind);
        let told = shown.trigger_price.filter(|_| kind.has_trigger());
        let trigger = match self.trigger_price {
            Some(own) => other(Some(own), told, tick),
            None => told.and_then(Price::new),
        };
        if price.is_none() && trigger.is_none() && next.is_none() {
            return None;
        }
        Some(Self {
            order_type: Some(kind),
            price: price.or(self.price).filter(|_| kind.has_price()),
            trigger_price: trigger.or(self.trigger_price).filter(|_| kind.has_trigger()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Option<Price> {
        (!text.is_empty()).then(|| Price::parse(text).unwrap())
    }

    fn pricing(kind: OrderType, price: &str, trigger: &str) -> Pricing {
        Pricing { order_type: Some(kind), price: p(price), trigger_price: p(trigger) }
    }

    fn row(kind: Option<OrderType>, price: &str, trigger: &str) -> Shown {
        let d = |text: &str| (!text.is_empty()).then(|| text.parse::<Decimal>().unwrap());
        Shown { quantity: 10, price: d(price), trigger_price: d(trigger), order_type: kind }
    }

    const TICK: Decimal = Decimal::from_parts(5, 0, 0, false, 2);
    use OrderType::{Limit, Market, StopLimit, StopMarket};

    fn limit() -> Pricing {
        pricing(Limit, "800.5", "")
    }

    fn stop() -> Pricing {
        pricing(StopLimit, "788", "790")
    }

    #[test]
    fn a_brokers_own_way_of_showing_an_order_is_no_change() {
        let same = |own: Pricing, working, row: Shown| assert_eq!(own.changed_by(Some(working), &row, TICK), None, "{own} {row:?}");
        for text in ["800.5", "800.50", "800.5000", "800.52", "800.48", ""] {
            same(limit(), Limit, row(Some(Limit), text, ""));
        }
        same(limit(), Limit, row(None, "800.5", ""));
        same(limit(), Limit, row(Some(Limit), "800.5", "790"));
        // A name that lags behind, or one that nobody knows.
        same(limit(), Limit, row(Some(StopLimit), "800.5", ""));
        same(limit(), Limit, row(Some(Market), "800.5", ""));
        same(stop(), StopLimit, row(Some(StopLimit), "788.00", "790.00"));
        same(stop(), StopLimit, row(Some(StopLimit), "788", ""));
        same(stop(), StopLimit, row(None, "", ""));
        // The market has reached it.
        same(stop(), StopLimit, row(Some(Limit), "788", ""));
        same(stop(), StopLimit, row(Some(Limit), "788", "790"));
        // Protected by us, and shown as what went out; protected by the broker.
        same(pricing(Market, "801.5", ""), Limit, row(Some(Limit), "801.5", ""));
        same(pricing(StopMarket, "788", "790"), StopLimit, row(Some(StopLimit), "788", "790"));
        same(pricing(Market, "", ""), Market, row(Some(Limit), "812", ""));
        same(pricing(StopMarket, "", "790"), StopMarket, row(Some(StopLimit), "770", "790"));
        same(pricing(StopMarket, "", "790"), StopMarket, row(Some(Limit), "770", ""));
    }

    #[test]
    fn a_change_is_read_whole() {
        let now = |own: Pricing, working, row: Shown| own.changed_by(Some(working), &row, TICK);
        assert_eq!(now(limit(), Limit, row(Some(Limit), "800.55", "")), Some(pricing(Limit, "800.55", "")), "one tick");
        assert_eq!(now(limit(), Limit, row(None, "801", "")), Some(pricing(Limit, "801", "")));
        assert_eq!(now(limit(), Limit, row(Some(Market), "", "")), Some(pricing(Market, "", "")));
        assert_eq!(now(limit(), Limit, row(Some(StopLimit), "800.5", "795")), Some(pricing(StopLimit, "800.5", "795")));
        assert_eq!(now(stop(), StopLimit, row(Some(StopLimit), "788", "785")), Some(pricing(StopLimit, "788", "785")));
        assert_eq!(now(stop(), StopLimit, row(Some(StopLimit), "780", "")), Some(pricing(StopLimit, "780", "790")));
        assert_eq!(now(stop(), StopLimit, row(Some(StopMarket), "", "790")), Some(pricing(StopMarket, "", "790")));
        assert_eq!(now(stop(), StopLimit, row(Some(Limit), "820", "")), Some(pricing(Limit, "820", "")), "it is no stop any more");
        // The limit that a person set makes a limit order of what came as a market order.
        assert_eq!(now(pricing(Market, "801.5", ""), Limit, row(Some(Limit), "802", "")), Some(pricing(Limit, "802", "")));
        assert_eq!(
            now(pricing(StopMarket, "", "790"), StopMarket, row(Some(StopLimit), "770", "785")),
            Some(pricing(StopMarket, "", "785"))
        );
    }

    #[test]
    fn it_is_said_in_words() {
        assert_eq!((limit().to_string(), stop().to_string()), ("LIMIT 800.5".to_owned(), "SL 788 trigger 790".to_owned()));
    }
}
