//! A signal on its way into the journal: whether it was here before, and its row.

use std::sync::Arc;

use super::book::Book;
use super::ledger::Ledger;
use super::ticket::Answer;
use super::unit::{NotRegistered, Registration};
use crate::order::{ClientId, IdempotencyKey, OrderRecord, Status, Tag};
use crate::ports::{Query, Rows, SignalRow, StoreError};

impl Ledger {
    /// Whether this signal is on disk: by its sender's key; without one by an identical body within the window; or by what is taken
    /// once a day.
    pub(super) fn seen_before(&mut self, registration: &Registration) -> Result<Option<Result<Answer, NotRegistered>>, StoreError> {
        let client = &registration.client_id;
        let found = match &registration.key {
            Some(key) if !key.is_of_a_day() => self.store.signal_by_key(client, &format!("k:{key}"))?,
            Some(_) => self.store.newest_signal_with_prefix(client, &prefix(registration))?,
            None if registration.replay_window_ms > 0 => {
                let window = chrono::Duration::milliseconds(i64::try_from(registration.replay_window_ms).unwrap_or(i64::MAX));
                self.store.newest_signal_with_prefix(client, &prefix(registration))?.filter(|seen| {
                    (chrono::Duration::zero()..window).contains(&registration.received_at.signed_duration_since(seen.received_at))
                })
            }
            None => None,
        };
        let Some(seen) = found else { return Ok(None) };
        if seen.body_hash != registration.body_hash {
            let key = registration.key.as_ref().map_or_else(String::new, ToString::to_string);
            return Ok(Some(Err(NotRegistered::Conflict { key, signal_id: seen.signal_id })));
        }
        let Rows::Orders(orders) = self.store.query(&Query::Signal(client.clone(), seen.signal_id))? else { return Ok(None) };
        let Some(first) = orders.first() else { return Ok(None) };
        if self.is_meant_anew(registration, &orders) {
            return Ok(None);
        }
        Ok(Some(Ok(Answer { replayed: true, basket_id: first.basket_id, orders: orders.iter().map(|order| order.command_id).collect() })))
    }

    /// Whether what looks like an earlier signal, whose orders these are, is wanted once more. A key that its sender gave, or that was
    /// made of the alert's own time, says that it is not.
    fn is_meant_anew(&self, registration: &Registration, orders: &[OrderRecord]) -> bool {
        let is_of_a_day = registration.key.as_ref().is_some_and(IdempotencyKey::is_of_a_day);
        if registration.key.is_some() && !is_of_a_day {
            return false;
        }
        // An exit that came to nothing then may be wanted now, and so may one after which something was opened.
        if orders.iter().all(OrderRecord::is_exit) {
            return orders.iter().any(|order| order.status == Status::Failed) || self.opened_since(&registration.client_id, orders);
        }
        // With an entry or an adjustment beside it, which may have gone, it stays the same: nothing may be opened twice. What was
        // refused before it left has opened nothing, and does not use a day up. What a person or a newer signal took back before it left
        // is not wanted.
        let is_taken_back = |order: &OrderRecord| matches!(order.tag, Some(Tag::CancelledByUser | Tag::Superseded));
        let is_refused = |order: &OrderRecord| order.status == Status::Failed && order.sent_at.is_none() && !is_taken_back(order);
        is_of_a_day && orders.iter().all(is_refused)
    }

    /// Whether these exits are not the last word on their positions: an entry of the same strategy and instrument was registered after
    /// them, or one that was there before has filled since they ended.
    fn opened_since(&self, client: &ClientId, exits: &[OrderRecord]) -> bool {
        let Some(last) = exits.iter().map(|exit| exit.number).max() else { return false };
        let is_later = |order: &OrderRecord| order.number > last && exits.iter().any(|exit| opens_again(order, exit));
        if self.staged.orders_of(client).any(is_later) {
            return true;
        }
        let is_in_the_book = |book: &Book| {
            exits.iter().any(|exit| {
                let own = book.newest_of(&exit.ask.strategy);
                own.take_while(|order| order.number > last).any(|order| is_later(order)) || has_filled_since(book, exit)
            })
        };
        self.view.read(client, is_in_the_book).unwrap_or(false)
    }
}

/// Whether an order may have opened again what the exit closes. One that works the exit's own way opens nothing, nor one that was refused.
fn opens_again(order: &OrderRecord, exit: &OrderRecord) -> bool {
    let is_one = exit.instrument().is_some_and(|key| order.is_for(&key)) && order.ask.strategy == exit.ask.strategy;
    let differ = order.ask.product.zip(exit.ask.product).is_some_and(|(its, mine)| its != mine);
    let same_way = order.ask.leaning().zip(exit.ask.side).is_some_and(|(its, mine)| its == mine);
    let came_to_nothing = order.status == Status::Failed && order.filled_quantity == 0;
    is_one && !differ && !same_way && !order.is_exit() && !order.is_test() && !came_to_nothing
}

/// Whether an entry that was registered before the exit has filled after the exit's end. What is too long ago to tell may have: an exit that
/// goes is bounded by what is held, and one that does not go is not.
fn has_filled_since(book: &Book, exit: &OrderRecord) -> bool {
    let Some(key) = exit.holding().filter(|_| exit.status.is_terminal()) else { return false };
    book.newest_of(&exit.ask.strategy)
        .filter(|order| order.number < exit.number && order.seq > exit.seq && order.filled_quantity > 0 && opens_again(order, exit))
        .filter_map(|order| order.ask.side)
        .any(|side| book.moved_since(&key, side, exit.seq).is_none_or(|units| units > 0))
}

/// How the key is stored of a signal that is found by more than its key, up to its time.
fn prefix(registration: &Registration) -> String {
    use std::fmt::Write as _;
    if let Some(key) = &registration.key {
        return format!("o:{key}:");
    }
    let mut prefix = String::with_capacity(80);
    prefix.push_str("b:");
    prefix.push_str(registration.source.as_str());
    prefix.push('/');
    prefix.push_str(&registration.user);
    prefix.push(':');
    for byte in registration.body_hash {
        // Writing to a String cannot fail.
        let _infallible = write!(prefix, "{byte:02x}");
    }
    prefix.push(':');
    prefix
}

/// The row of a new signal.
pub(super) fn signal_row(registration: &Registration) -> SignalRow {
    let idempotency_key = match &registration.key {
        Some(key) if !key.is_of_a_day() => format!("k:{key}"),
        Some(_) | None => format!("{}{:020}:{}", prefix(registration), registration.received_at.timestamp_micros(), registration.signal_id),
    };
    SignalRow {
        client_id: registration.client_id.clone(),
        signal_id: registration.signal_id,
        idempotency_key,
        body_hash: registration.body_hash,
        source: registration.source,
        user: Arc::clone(&registration.user),
        received_at: registration.received_at,
        legs: u16::try_from(registration.legs.len()).unwrap_or(u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Product;
    use crate::testkit::builders::{Build, SEQ, book_of, exit, order, sbin_in};

    #[test]
    fn what_is_too_long_ago_to_tell_keeps_no_exit_from_going() {
        let out = |seq| OrderRecord { seq, ..exit(2).side(crate::order::Side::Sell).product(Product::Mis).ended(Status::Executed, None) };
        let entry = OrderRecord { seq: SEQ + 1, ..order(1).working("1").filled(10, 10) };
        let book = book_of([entry.clone(), out(SEQ)], &[("trend", sbin_in(Product::Mis), 10)]);
        assert!(!has_filled_since(&book, &out(SEQ)), "nothing was moved since then");
        assert_eq!(book.moved_since(&sbin_in(Product::Mis), crate::order::Side::Buy, SEQ - 1), None);
        assert!(has_filled_since(&book, &out(SEQ - 1)));
    }
}
