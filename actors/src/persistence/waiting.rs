//! Readers that wait for single orders: each is woken by the commits that write one of its orders, and by no other.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::order::CommandId;

/// Who waits for which order. It holds no more than there are readers: each takes its own out when it goes.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_order: Mutex<HashMap<CommandId, Vec<Arc<Notify>>>>,
}

impl Waiting {
    /// Wakes those who wait for one of these orders, which have changed.
    pub(super) fn wake(&self, changed: &[CommandId]) {
        let by_order = self.by_order.lock();
        if by_order.is_empty() {
            return;
        }
        for waiter in changed.iter().filter_map(|command| by_order.get(command)).flatten() {
            waiter.notify_one();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_order.lock().len()
    }
}

/// The changes of some orders, for one reader. Several that come before the reader looks are one.
#[derive(Debug)]
pub struct Changes {
    waiting: Arc<Waiting>,
    orders: Vec<CommandId>,
    bell: Arc<Notify>,
}

impl Changes {
    pub(super) fn new(waiting: Arc<Waiting>, orders: impl IntoIterator<Item = CommandId>) -> Self {
        let (orders, bell): (Vec<CommandId>, _) = (orders.into_iter().collect(), Arc::new(Notify::new()));
        let mut by_order = waiting.by_order.lock();
        for order in &orders {
            by_order.entry(*order).or_default().push(Arc::clone(&bell));
        }
        drop(by_order);
        Self { waiting, orders, bell }
    }

    /// One of the orders has changed since the last time, or since this was made.
    pub async fn next(&mut self) {
        self.bell.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let mut by_order = self.waiting.by_order.lock();
        for order in &self.orders {
            if let Some(waiters) = by_order.get_mut(order) {
                waiters.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
                if waiters.is_empty() {
                    by_order.remove(order);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testkit::builders::command;

    /// How many of the readers are woken now.
    fn woken(readers: &mut [Changes]) -> usize {
        readers.iter_mut().filter_map(|reader| reader.next().now_or_never()).count()
    }

    #[test]
    fn of_a_hundred_readers_a_commit_wakes_only_the_one_whose_order_it_wrote() {
        let waiting = Arc::new(Waiting::default());
        let mut readers: Vec<Changes> = (1..=100).map(|number| Changes::new(Arc::clone(&waiting), [command(number)])).collect();
        let mut wakes = 0;
        for number in 1..=1_000 {
            waiting.wake(&[command(number), command(5_000)]);
            wakes += woken(&mut readers);
        }
        assert_eq!(wakes, 100, "each of them once, by its own order");
        waiting.wake(&[command(7), command(8)]);
        waiting.wake(&[command(7)]);
        assert_eq!((woken(&mut readers), woken(&mut readers)), (2, 0), "two changes before a look are one");
    }

    #[test]
    fn a_reader_of_a_basket_hears_of_every_leg_and_leaves_nothing_behind() {
        let waiting = Arc::new(Waiting::default());
        let mut basket = [Changes::new(Arc::clone(&waiting), (1..=3).map(command))];
        let other = Changes::new(Arc::clone(&waiting), [command(3)]);
        for leg in 1..=3 {
            waiting.wake(&[command(leg)]);
            assert_eq!(woken(&mut basket), 1, "{leg}");
        }
        drop(basket);
        assert_eq!(waiting.len(), 1, "the other one still waits");
        drop(other);
        assert_eq!(waiting.len(), 0);
    }
}
