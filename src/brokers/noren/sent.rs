//! The orders that this process sent: to name the tag again in a change, and to notice an order that has a number and is missing
//! from the book.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ordergate_actors::order::{BrokerOrderId, BrokerTag};
use ordergate_actors::ports::BookRow;
use parking_lot::Mutex;

/// More than a day of one account can hold; then the oldest knowledge goes.
const MOST: usize = 50_000;

/// What was sent under each tag.
#[derive(Debug, Default)]
pub struct Sent {
    orders: Mutex<BTreeMap<BrokerTag, Order>>,
}

#[derive(Debug, Default)]
struct Order {
    number: Option<BrokerOrderId>,
    is_seen: bool,
    /// Books that did not show it.
    misses: u32,
}

impl Sent {
    /// An order goes out under that tag.
    pub fn goes_out(&self, tag: &BrokerTag) {
        let mut orders = self.orders.lock();
        if orders.len() >= MOST {
            orders.clear();
        }
        orders.insert(tag.clone(), Order::default());
    }

    /// It got a number.
    pub fn numbered(&self, tag: &BrokerTag, number: &BrokerOrderId) {
        if let Some(order) = self.orders.lock().get_mut(tag) {
            order.number = Some(number.clone());
        }
    }

    /// The tag of the order with that number, for a change that names it again.
    pub fn tag_of(&self, number: &BrokerOrderId) -> Option<BrokerTag> {
        self.orders.lock().iter().find(|(_, order)| order.number.as_ref() == Some(number)).map(|(tag, _)| tag.clone())
    }

    /// The orders with a number that no book has shown yet, after this book; at most so many. One that stays away is named
    /// at its first, second, fourth, eighth... miss, so that looking for it does not eat the rate budget.
    pub fn missing(&self, rows: &[Arc<BookRow>], most: usize) -> Vec<BrokerOrderId> {
        let mut orders = self.orders.lock();
        let mut open: HashMap<BrokerOrderId, &mut Order> =
            orders.values_mut().filter(|order| !order.is_seen).filter_map(|order| Some((order.number.clone()?, order))).collect();
        if open.is_empty() {
            return Vec::new();
        }
        for row in rows {
            if let Some(order) = open.remove(&row.broker_order_id) {
                order.is_seen = true;
            }
        }
        let due = |order: &mut Order| {
            order.misses = order.misses.saturating_add(1);
            order.misses.is_power_of_two()
        };
        let mut missing: Vec<BrokerOrderId> = open.into_iter().filter_map(|(number, order)| due(order).then_some(number)).collect();
        missing.sort_unstable();
        missing.truncate(most);
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::noren::fixtures::book_row;

    #[test]
    fn a_number_is_missing_until_a_book_shows_it() {
        let sent = Sent::default();
        let tag = BrokerTag::parse("ABCDEFGHIJKL001").unwrap();
        sent.goes_out(&tag);
        let number = BrokerOrderId::parse("26112000000001").unwrap();
        assert!(sent.missing(&[], 2).is_empty());
        sent.numbered(&tag, &number);
        assert_eq!(sent.missing(&[], 2), std::slice::from_ref(&number));
        let named = (2..=8).filter(|_| !sent.missing(&[], 2).is_empty()).count();
        assert_eq!(named, 3, "at the second, fourth and eighth miss");
        assert_eq!(sent.tag_of(&number), Some(tag));
        assert!(sent.missing(&[Arc::new(book_row("26112000000001", ""))], 2).is_empty());
        assert!(sent.missing(&[], 2).is_empty());
    }
}
