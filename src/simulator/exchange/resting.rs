//! Which open orders the market can reach, without asking each of them: a book of a thousand orders far from the market costs
//! a look what a book of one costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ordergate_actors::order::{BrokerOrderId, InstrumentKey, Price, Side, Validity};

use super::order::Order;
use crate::simulator::market::Depth;

type Numbers = BTreeSet<BrokerOrderId>;
type Ladder = BTreeMap<Price, Numbers>;

/// The open orders, by what reaches them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Resting(BTreeMap<InstrumentKey, Ladders>);

/// Those of one instrument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Ladders {
    /// Working at a limit.
    buys: Ladder,
    sells: Ladder,
    /// Waiting for a trigger.
    stops_to_buy: Ladder,
    stops_to_sell: Ladder,
    /// Everything else: no price holds it back, or it may not rest.
    always: Numbers,
}

/// Where an order stands.
enum Place {
    Limit(Side, Price),
    Stop(Side, Price),
    Always,
}

impl Place {
    fn of(order: &Order) -> Self {
        let (terms, side) = (&order.terms, order.terms.side);
        let limit = terms.price.filter(|_| terms.order_type.has_price());
        match (terms.validity, order.triggered, terms.trigger_price, limit) {
            (Validity::Ioc, ..) => Self::Always,
            (_, false, Some(trigger), _) => Self::Stop(side, trigger),
            (_, true, _, Some(limit)) => Self::Limit(side, limit),
            _ => Self::Always,
        }
    }
}

impl Ladders {
    fn ladder(&mut self, place: &Place) -> Option<(&mut Ladder, Price)> {
        match place {
            Place::Limit(Side::Buy, price) => Some((&mut self.buys, *price)),
            Place::Limit(Side::Sell, price) => Some((&mut self.sells, *price)),
            Place::Stop(Side::Buy, price) => Some((&mut self.stops_to_buy, *price)),
            Place::Stop(Side::Sell, price) => Some((&mut self.stops_to_sell, *price)),
            Place::Always => None,
        }
    }

    fn add(&mut self, order: &Order) {
        let number = order.row.broker_order_id.clone();
        match self.ladder(&Place::of(order)) {
            Some((ladder, price)) => ladder.entry(price).or_default().insert(number),
            None => self.always.insert(number),
        };
    }

    fn remove(&mut self, order: &Order) {
        let number = &order.row.broker_order_id;
        let Some((ladder, price)) = self.ladder(&Place::of(order)) else {
            self.always.remove(number);
            return;
        };
        if let Some(numbers) = ladder.get_mut(&price) {
            numbers.remove(number);
            if numbers.is_empty() {
                ladder.remove(&price);
            }
        }
    }

    fn is_empty(&self) -> bool {
        [&self.buys, &self.sells, &self.stops_to_buy, &self.stops_to_sell].into_iter().all(BTreeMap::is_empty) && self.always.is_empty()
    }

    fn reached(&self, depth: &Depth) -> impl Iterator<Item = &BrokerOrderId> {
        let best = |side| depth.against(side).first().map(|level| level.price);
        let buys = best(Side::Buy).into_iter().flat_map(|ask| self.buys.range(ask..));
        let sells = best(Side::Sell).into_iter().flat_map(|bid| self.sells.range(..=bid));
        let to_buy = self.stops_to_buy.range(..=depth.last);
        let to_sell = self.stops_to_sell.range(depth.last..);
        buys.chain(sells).chain(to_buy).chain(to_sell).flat_map(|(_, numbers)| numbers)
    }
}

impl Resting {
    /// Takes in an order that is open.
    pub(super) fn add(&mut self, order: &Order) {
        self.0.entry(order.row.instrument.clone()).or_default().add(order);
    }

    /// Lets an order go, which stands as it did when it was taken in.
    pub(super) fn remove(&mut self, order: &Order) {
        let Some(ladders) = self.0.get_mut(&order.row.instrument) else { return };
        ladders.remove(order);
        if ladders.is_empty() {
            self.0.remove(&order.row.instrument);
        }
    }

    /// Lets all go.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those for which something can happen when the books stand so, by their numbers.
    pub(super) fn reached(&self, mut depth: impl FnMut(&InstrumentKey) -> Option<Arc<Depth>>) -> Numbers {
        let mut numbers = Numbers::new();
        for (instrument, ladders) in &self.0 {
            numbers.extend(ladders.always.iter().cloned());
            if let Some(depth) = depth(instrument) {
                numbers.extend(ladders.reached(&depth).cloned());
            }
        }
        numbers
    }
}
