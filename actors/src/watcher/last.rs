//! The broker's books as last compared, so that the next one costs what is new in it.
//!
//! An adapter hands an unchanged row over as the same `Arc`. Such a row is not looked at again once it is settled: both
//! sides agree that its order has ended. Whatever could speak against that is looked for on our side first, among the few
//! orders that are open or owed, and then the whole book is compared.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::news::is_whole;
use super::owner::trade_owner;
use super::reconcile::{BookReading, Concern, beyond, beyond_known, compare_rows, read_orders, read_trades};
use crate::order::{BrokerOrderId, CommandId, OrderFact, trading_date};
use crate::persistence::Book;
use crate::ports::{BookRow, TradeRow};

/// A book as last compared.
#[derive(Debug)]
pub struct Last<T> {
    rows: Arc<[Arc<T>]>,
    /// Those of the rows that must be compared again.
    unsettled: Vec<Arc<T>>,
    /// Orders that an answer of this day had, and that the last one has not.
    vanished: BTreeMap<BrokerOrderId, NaiveDate>,
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self { rows: Arc::from([]), unsettled: Vec::new(), vanished: BTreeMap::new() }
    }
}

/// What became of a book's rows.
struct Change<'a, T> {
    gone: Vec<&'a Arc<T>>,
    came: Vec<&'a Arc<T>>,
    /// Rows that are still there stand elsewhere.
    is_shuffled: bool,
}

impl<'a, T> Change<'a, T> {
    fn between(old: &'a [Arc<T>], new: &'a [Arc<T>]) -> Self {
        let mut gone: Vec<&Arc<T>> = others(old, new).collect();
        let elsewhere = gone.len();
        if !gone.is_empty() {
            // A row that an answer had twice is not gone when the next has it once.
            let there: HashSet<*const T> = new.iter().map(Arc::as_ptr).collect();
            gone.retain(|row| !there.contains(&Arc::as_ptr(row)));
        }
        Self { is_shuffled: gone.len() < elsewhere, gone, came: others(new, old).collect() }
    }
}

impl<T> Last<T> {
    /// The rows of the new book that are not in the last one, or not settled.
    fn news(&self, change: &Change<'_, T>) -> Vec<Arc<T>> {
        let gone: HashSet<*const T> = change.gone.iter().map(|row| Arc::as_ptr(row)).collect();
        let kept = self.unsettled.iter().filter(|row| !gone.contains(&Arc::as_ptr(row)));
        let mut seen = HashSet::new();
        kept.chain(change.came.iter().copied()).filter(|row| seen.insert(Arc::as_ptr(row))).cloned().collect()
    }
}

/// The rows that do not stand in the other book too: counted from its beginning, from its end, or from where one of the two
/// begins in the other. Books grow at one of their ends, and may be cut at the other at the same time.
fn others<'a, T>(rows: &'a [Arc<T>], other: &'a [Arc<T>]) -> impl Iterator<Item = &'a Arc<T>> {
    let place_of =
        |first: Option<&Arc<T>>, among: &[Arc<T>]| among.iter().position(|row| first.is_some_and(|first| Arc::ptr_eq(first, row)));
    let begins_there = place_of(rows.first(), other).unwrap_or(0);
    let begins_here = place_of(other.first(), rows).unwrap_or(0);
    let stands = move |row: &Arc<T>, place: usize| {
        let from_end = (place + other.len()).checked_sub(rows.len());
        let places = [Some(place), from_end, Some(place + begins_there), place.checked_sub(begins_here)];
        places.into_iter().flatten().any(|place| other.get(place).is_some_and(|one| Arc::ptr_eq(one, row)))
    };
    rows.iter().enumerate().filter(move |(place, row)| !stands(row, *place)).map(|(_, row)| row)
}

impl Last<BookRow> {
    /// Incremental [`read_orders`]: gives the same facts, and compares only rows that changed since the last book or are not settled.
    pub fn read(&mut self, book: &Book, rows: &Arc<[Arc<BookRow>]>, tag_prefix: &str, began_seq: u64, now: DateTime<Utc>) -> BookReading {
        let change = Change::between(&self.rows, rows);
        let news = self.news(&change);
        let vanished = self.vanished(&change, trading_date(now));
        let mut reading = BookReading::default();
        compare_rows(book, news.iter(), tag_prefix, began_seq, &mut reading);
        let shown = news.iter().map(|row| &row.broker_order_id).collect();
        // One that is open and not there is missing, or was settled and is open again. While something is being looked
        // for, the orders that have ended count too.
        if book.doubts().next().is_some() || is_open_elsewhere(book, &shown, began_seq) {
            reading = read_orders(book, rows, tag_prefix, began_seq, now);
        }
        reading.vanished = vanished.len();
        *self = Self { rows: Arc::clone(rows), unsettled: reading.unsettled.clone(), vanished };
        reading
    }

    /// The orders of this day that were shown and are not any more.
    fn vanished(&self, change: &Change<'_, BookRow>, today: NaiveDate) -> BTreeMap<BrokerOrderId, NaiveDate> {
        let gone = change.gone.iter().map(|row| (row.broker_order_id.clone(), trading_date(row.at)));
        let mut vanished: BTreeMap<BrokerOrderId, NaiveDate> = self.vanished.clone().into_iter().chain(gone).collect();
        vanished.retain(|_, day| *day == today);
        for row in &change.came {
            vanished.remove(&row.broker_order_id);
        }
        vanished
    }
}

/// Whether an order that the broker has numbered is open, and its row is not among those shown.
fn is_open_elsewhere(book: &Book, shown: &HashSet<&BrokerOrderId>, began_seq: u64) -> bool {
    let mut known = book.open_orders().filter(|order| order.seq <= began_seq);
    known.any(|order| order.broker_order_id.as_ref().is_some_and(|id| !shown.contains(id)))
}

/// The trade book as last compared. What is recorded of an order is held against the sum of its trades, which stand anywhere in
/// the book: they are kept by order.
#[derive(Debug, Default)]
pub struct LastTrades {
    last: Last<TradeRow>,
    by_order: BTreeMap<BrokerOrderId, Vec<Arc<TradeRow>>>,
    /// All trades of the orders that the last answer had something new of, or more than they were known to be for.
    looked_at: Vec<Arc<TradeRow>>,
    /// The latter: an order book that comes after their trades must tell.
    beyond: BTreeSet<BrokerOrderId>,
}

impl LastTrades {
    /// Incremental [`read_trades`]: gives the same facts, and compares only what came since the last book.
    pub fn read(&mut self, book: &Book, rows: &Arc<[Arc<TradeRow>]>) -> Vec<(CommandId, OrderFact)> {
        let last = std::mem::take(&mut self.last);
        let change = Change::between(&last.rows, rows);
        let news = last.news(&change);
        self.sort(&change, rows);
        self.looked_at = self.of_interest(book, &news);
        self.beyond = beyond_known(book, &self.looked_at);
        let facts = read_trades(book, &self.looked_at);
        let is_settled = |row: &TradeRow| trade_owner(book, row).is_some_and(|order| is_whole(order));
        self.last = Last {
            rows: Arc::clone(rows),
            vanished: BTreeMap::new(),
            unsettled: news.into_iter().filter(|row| !is_settled(row)).collect(),
        };
        facts
    }

    /// What the last answer has too many of, by an order book that was asked for after it.
    #[must_use]
    pub fn beyond(&self, book: &Book, orders: &[Arc<BookRow>]) -> Vec<Concern> {
        beyond(book, &self.looked_at, orders)
    }

    fn sort(&mut self, change: &Change<'_, TradeRow>, rows: &[Arc<TradeRow>]) {
        if change.is_shuffled {
            self.by_order.clear();
            return rows.iter().for_each(|row| self.put(row));
        }
        for row in &change.gone {
            let id = &row.fill.broker_order_id;
            if let Some(trades) = self.by_order.get_mut(id) {
                trades.retain(|trade| !Arc::ptr_eq(trade, row));
                if trades.is_empty() {
                    self.by_order.remove(id);
                }
            }
        }
        change.came.iter().for_each(|row| self.put(row));
    }

    /// Once, however often an answer has it.
    fn put(&mut self, row: &Arc<TradeRow>) {
        let trades = self.by_order.entry(row.fill.broker_order_id.clone()).or_default();
        if !trades.iter().any(|trade| Arc::ptr_eq(trade, row)) {
            trades.push(Arc::clone(row));
        }
    }

    /// All rows of the orders that something is new of, or whose trades are outstanding: one that was whole may not be any more.
    fn of_interest(&self, book: &Book, news: &[Arc<TradeRow>]) -> Vec<Arc<TradeRow>> {
        let owed = book.owed().filter_map(|order| order.broker_order_id.as_ref());
        let wanted: BTreeSet<&BrokerOrderId> = owed.chain(news.iter().map(|row| &row.fill.broker_order_id)).chain(&self.beyond).collect();
        wanted.into_iter().filter_map(|id| self.by_order.get(id)).flatten().cloned().collect()
    }
}

#[cfg(test)]
#[path = "last_tests.rs"]
mod tests;
