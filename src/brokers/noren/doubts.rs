//! Rows of the order book whose state is a careful guess. An order's own history may say more, and each such read counts against
//! the rate limit: a row that stays as it is asks for it at the first, second, fourth, eighth... book, and what the history said
//! stands for as long as the row does. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::ports::BookRow;

/// What is known of such rows.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    rows: HashMap<BrokerOrderId, Doubt>,
}

#[derive(Debug)]
struct Doubt {
    /// The row as it was read: an unchanged text is the same row in each book.
    row: Arc<BookRow>,
    books: u32,
    is_due: bool,
    /// What the history said, if that was clear.
    told: Option<Arc<BookRow>>,
}

impl Doubts {
    /// A whole book with these doubtful rows was read. The orders whose history is to be read now, at most so many; the others have
    /// their turn with the next book.
    pub(super) fn due(&mut self, rows: &[Arc<BookRow>], most: usize) -> Vec<BrokerOrderId> {
        let mut before = std::mem::take(&mut self.rows);
        let mut due = Vec::new();
        for row in rows {
            let known = before.remove(&row.broker_order_id).filter(|doubt| Arc::ptr_eq(&doubt.row, row));
            let mut doubt = known.unwrap_or_else(|| Doubt { row: Arc::clone(row), books: 0, is_due: false, told: None });
            doubt.books = doubt.books.saturating_add(1);
            doubt.is_due |= doubt.books.is_power_of_two();
            if doubt.is_due && due.len() < most {
                doubt.is_due = false;
                due.push(row.broker_order_id.clone());
            }
            self.rows.insert(row.broker_order_id.clone(), doubt);
        }
        due
    }

    /// The history said this of an order.
    pub(super) fn tell(&mut self, number: &BrokerOrderId, told: BookRow) {
        if let Some(doubt) = self.rows.get_mut(number) {
            doubt.told = Some(Arc::new(told));
        }
    }

    /// What the history said of the order with that row, or the row itself.
    pub(super) fn settled(&self, row: Arc<BookRow>) -> Arc<BookRow> {
        self.rows.get(&row.broker_order_id).and_then(|doubt| doubt.told.clone()).unwrap_or(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::noren::fixtures::book_row;

    fn row(number: u32) -> Arc<BookRow> {
        Arc::new(book_row(&format!("2611200000{number:04}"), "OG1"))
    }

    #[test]
    fn an_unchanged_row_asks_ever_less_often_and_a_changed_one_anew() {
        let mut doubts = Doubts::default();
        let same = row(1);
        let asked: Vec<usize> = (1..=16).filter(|_| !doubts.due(std::slice::from_ref(&same), 2).is_empty()).collect();
        assert_eq!(asked.len(), 5, "at the first, second, fourth, eighth and sixteenth");
        let number = std::slice::from_ref(&same.broker_order_id);
        assert_eq!(doubts.due(&[row(1)], 2), number, "another text");
        assert!(doubts.due(&[], 2).is_empty());
        assert_eq!(doubts.due(std::slice::from_ref(&same), 2), number, "it was gone");
    }

    #[test]
    fn what_there_was_no_room_for_has_its_turn_with_the_next_book() {
        let mut doubts = Doubts::default();
        let rows: Vec<_> = (1..=5).map(row).collect();
        let mut asked: Vec<_> = (0..3).flat_map(|_| doubts.due(&rows, 2)).collect();
        asked.sort_unstable();
        asked.dedup();
        assert!(asked.len() >= 4, "{asked:?}");
        let later: Vec<_> = (0..3).flat_map(|_| doubts.due(&rows, 2)).collect();
        assert!(later.contains(&rows[4].broker_order_id), "{later:?}");
    }

    #[test]
    fn what_the_history_said_stands_as_long_as_the_row() {
        let mut doubts = Doubts::default();
        let doubtful = row(1);
        let clear = BookRow { filled: 3, ..(*doubtful).clone() };
        doubts.due(std::slice::from_ref(&doubtful), 2);
        assert_eq!(doubts.settled(Arc::clone(&doubtful)), doubtful);
        doubts.tell(&doubtful.broker_order_id, clear.clone());
        doubts.due(std::slice::from_ref(&doubtful), 2);
        assert_eq!(*doubts.settled(Arc::clone(&doubtful)), clear);
        let other = row(1);
        doubts.due(std::slice::from_ref(&other), 2);
        assert_eq!(doubts.settled(Arc::clone(&other)), other, "of another row it says nothing");
    }
}
