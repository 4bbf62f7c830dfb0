//! The orders that this process sent: to recognise a tag that came back cut short, and an order that has a number and is
//! missing from the book.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ordergate_actors::order::{BrokerOrderId, BrokerTag, InstrumentKey, Product, Side};
use ordergate_actors::ports::{BookRow, BrokerOrder};
use parking_lot::Mutex;

/// More than a day of one account can hold; then the oldest knowledge goes.
const MOST: usize = 50_000;

/// What was sent under each tag.
#[derive(Debug)]
pub struct Sent {
    orders: Mutex<BTreeMap<BrokerTag, Order>>,
    echo_min: usize,
}

#[derive(Debug, Clone)]
struct Order {
    instrument: InstrumentKey,
    side: Side,
    product: Product,
    number: Option<BrokerOrderId>,
    is_seen: bool,
    /// Books that did not show it.
    misses: u32,
}

impl Sent {
    /// Nothing sent yet; a tag cut short counts from `echo_min` characters on.
    #[must_use]
    pub fn new(echo_min: usize) -> Self {
        Self { orders: Mutex::default(), echo_min }
    }

    /// An order goes out.
    pub fn goes_out(&self, order: &BrokerOrder) {
        let mut orders = self.orders.lock();
        if orders.len() >= MOST {
            orders.clear();
        }
        let sent = Order {
            instrument: order.instrument.key.clone(),
            side: order.terms.side,
            product: order.terms.product,
            number: None,
            is_seen: false,
            misses: 0,
        };
        orders.insert(order.tag.clone(), sent);
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

    /// Whole tags in place of those cut short: only where instrument, side and product agree and one order alone fits.
    pub fn complete(&self, row: &mut Arc<BookRow>) {
        let Some(start) = row.tag.as_deref().filter(|text| text.len() >= self.echo_min).and_then(|text| BrokerTag::parse(text).ok()) else {
            return;
        };
        let orders = self.orders.lock();
        if orders.contains_key(&start) {
            return;
        }
        let fits = |order: &Order| {
            order.instrument == row.instrument
                && order.side == row.side
                && order.product == row.product
                && order.number.as_ref().is_none_or(|number| *number == row.broker_order_id)
        };
        // Tags that start so stand together.
        let begun = orders.range(&start..).take_while(|(tag, _)| tag.as_str().starts_with(start.as_str()));
        let mut found = begun.filter(|(_, order)| fits(order));
        if let (Some((tag, _)), None) = (found.next(), found.next()) {
            let whole = Arc::from(tag.as_str());
            Arc::make_mut(row).tag = Some(whole);
        }
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
    use crate::brokers::noren::fixtures::{book_row, order};

    #[test]
    fn a_tag_cut_short_is_completed_only_where_all_agrees() {
        let sent = Sent::new(12);
        sent.goes_out(&order("ABCDEFGHIJKL001"));
        let cut = |tag: &str| {
            let mut row = Arc::new(book_row("26112000000001", tag));
            sent.complete(&mut row);
            row.tag.as_deref().unwrap().to_owned()
        };
        assert_eq!(cut("ABCDEFGHIJKL0"), "ABCDEFGHIJKL001");
        assert_eq!(cut("ABCDEFGHIJK"), "ABCDEFGHIJK");
        assert_eq!(cut("ABCDEFGHIJKX"), "ABCDEFGHIJKX");
        let mut other_side = Arc::new(book_row("26112000000001", "ABCDEFGHIJKL0"));
        Arc::make_mut(&mut other_side).side = Side::Sell;
        sent.complete(&mut other_side);
        assert_eq!(other_side.tag.as_deref(), Some("ABCDEFGHIJKL0"));
        sent.goes_out(&order("ABCDEFGHIJKL002"));
        assert_eq!(cut("ABCDEFGHIJKL0"), "ABCDEFGHIJKL0", "two orders fit: nobody knows which");
    }

    #[test]
    fn a_number_is_missing_until_a_book_shows_it() {
        let sent = Sent::new(12);
        let sending = order("ABCDEFGHIJKL001");
        sent.goes_out(&sending);
        let number = BrokerOrderId::parse("26112000000001").unwrap();
        assert!(sent.missing(&[], 2).is_empty());
        sent.numbered(&sending.tag, &number);
        assert_eq!(sent.missing(&[], 2), std::slice::from_ref(&number));
        let named = (2..=8).filter(|_| !sent.missing(&[], 2).is_empty()).count();
        assert_eq!(named, 3, "at the second, fourth and eighth miss");
        assert_eq!(sent.tag_of(&number), Some(sending.tag));
        assert!(sent.missing(&[Arc::new(book_row("26112000000001", ""))], 2).is_empty());
        assert!(sent.missing(&[], 2).is_empty());
    }
}
