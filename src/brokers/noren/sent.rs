//! The orders that this process sent: to know them where their tag was lost, and to notice an order that has a number and is missing
//! from the book.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ordergate_actors::order::{BrokerOrderId, BrokerTag};
use ordergate_actors::ports::BookRow;
use parking_lot::Mutex;

/// More than a day of one account can hold; beyond it all of this is forgotten, and begins anew.
const MOST: usize = 50_000;

/// What was sent under each tag.
#[derive(Debug, Default)]
pub struct Sent {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    orders: BTreeMap<BrokerTag, Order>,
    /// The tag of each number.
    tags: HashMap<BrokerOrderId, BrokerTag>,
}

#[derive(Debug, Default)]
struct Order {
    number: Option<BrokerOrderId>,
    is_seen: bool,
    /// Books that did not show it.
    misses: u32,
    /// It is to be named, and there was no room for it yet.
    is_due: bool,
    /// How often it was named.
    named: u32,
}

impl Sent {
    /// An order goes out under that tag.
    pub fn goes_out(&self, tag: &BrokerTag) {
        let mut known = self.known.lock();
        if known.orders.len() >= MOST {
            *known = Known::default();
        }
        let before = known.orders.insert(tag.clone(), Order::default());
        if let Some(number) = before.and_then(|order| order.number) {
            known.tags.remove(&number);
        }
    }

    /// Remembers that the order with this tag got a number from the broker.
    pub fn numbered(&self, tag: &BrokerTag, number: &BrokerOrderId) {
        let known = &mut *self.known.lock();
        let Some(order) = known.orders.get_mut(tag) else { return };
        if let Some(before) = order.number.replace(number.clone()) {
            known.tags.remove(&before);
        }
        known.tags.insert(number.clone(), tag.clone());
    }

    /// The tag of the order with that number.
    pub fn tag_of(&self, number: &BrokerOrderId) -> Option<BrokerTag> {
        self.known.lock().tags.get(number).cloned()
    }

    /// The orders with a number that no book has shown yet, after this book; at most so many, the others have their turn with the
    /// next book. One that stays away is named at its first, second, fourth, eighth... miss, so that looking for it does not eat the
    /// rate budget.
    pub fn missing(&self, rows: &[Arc<BookRow>], most: usize) -> Vec<BrokerOrderId> {
        let mut known = self.known.lock();
        let orders = &mut known.orders;
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
        let mut missing: Vec<(BrokerOrderId, &mut Order)> = open.into_iter().collect();
        missing.sort_unstable_by(|(one, first), (other, second)| (first.named, one).cmp(&(second.named, other)));
        let mut named = Vec::new();
        for (number, order) in missing {
            order.misses = order.misses.saturating_add(1);
            order.is_due |= order.misses.is_power_of_two();
            if order.is_due && named.len() < most {
                (order.is_due, order.named) = (false, order.named.saturating_add(1));
                named.push(number);
            }
        }
        named
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

    #[test]
    fn every_number_of_a_basket_that_is_missing_has_its_turn() {
        let sent = Sent::default();
        let numbers: Vec<_> = (1..=6).map(|end| BrokerOrderId::parse(&format!("2611200000{end:04}")).unwrap()).collect();
        for (end, number) in (1..).zip(&numbers) {
            let tag = BrokerTag::parse(&format!("ABCDEFGHIJKL{end:03}")).unwrap();
            sent.goes_out(&tag);
            sent.numbered(&tag, number);
        }
        assert!(sent.missing(&[], 0).is_empty(), "there is no room beside rows in doubt");
        let mut named: Vec<_> = (0..4).flat_map(|_| sent.missing(&[], 2)).collect();
        assert_eq!(named.len(), 8, "two beside each book");
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, numbers);
    }

    #[test]
    fn a_number_finds_the_tag_that_got_it_last() {
        let sent = Sent::default();
        let tag = |end: u32| BrokerTag::parse(&format!("ABCDEFGHIJKL{end:03}")).unwrap();
        let number = |end: u32| BrokerOrderId::parse(&format!("2611200000{end:04}")).unwrap();
        sent.numbered(&tag(1), &number(1));
        assert_eq!(sent.tag_of(&number(1)), None, "nothing went out under that tag");
        for end in [1, 2] {
            sent.goes_out(&tag(end));
            sent.numbered(&tag(end), &number(end));
        }
        assert_eq!((sent.tag_of(&number(1)), sent.tag_of(&number(2))), (Some(tag(1)), Some(tag(2))));
        sent.numbered(&tag(1), &number(3));
        assert_eq!((sent.tag_of(&number(1)), sent.tag_of(&number(3))), (None, Some(tag(1))));
        sent.goes_out(&tag(2));
        assert_eq!(sent.tag_of(&number(2)), None, "it has no number yet");
    }
}
