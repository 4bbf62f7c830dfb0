//! The orders of a day, by their numbers. Numbers are counted up, so an order is put at the end, and a day of a hundred
//! thousand of them lies in memory without gaps.

use ordergate_actors::order::BrokerOrderId;

use super::order::Order;

/// In the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders(Vec<Order>);

impl Orders {
    fn place(&self, id: &BrokerOrderId) -> Result<usize, usize> {
        self.0.binary_search_by(|order| order.row.broker_order_id.cmp(id))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &BrokerOrderId) -> Option<&Order> {
        self.0.get(self.place(id).ok()?)
    }

    pub(super) fn get_mut(&mut self, id: &BrokerOrderId) -> Option<&mut Order> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place)
    }

    /// Puts an order in, over another with its number.
    pub(super) fn insert(&mut self, order: Order) {
        match self.place(&order.row.broker_order_id) {
            Ok(place) => {
                if let Some(before) = self.0.get_mut(place) {
                    *before = order;
                }
            }
            Err(place) => self.0.insert(place, order),
        }
    }

    pub(super) fn retain(&mut self, keeps: impl Fn(&Order) -> bool) {
        self.0.retain(keeps);
        self.0.shrink_to_fit();
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.0.iter_mut()
    }
}
