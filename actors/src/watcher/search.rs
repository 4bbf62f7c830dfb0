//! Proof of absence: pure. What no book shows is concluded from several of them, never from one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::owner::{has_unexplained, trade_twins};
use super::reconcile::BookReading;
use crate::order::{CommandId, HoldingKey, OrderFact, OrderRecord, Product, trading_date};
use crate::persistence::Book;
use crate::ports::{BookRow, TradeRow};
use crate::watcher::Findings;

/// The orders that are being looked for: sent, unanswered, not found. Absence is concluded only from several
/// authoritative books in a row, after a quiet period in which no call for the order ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub(super) missing: BTreeMap<CommandId, Missing>,
    /// Units that the broker has and we do not, as they were when no order of ours was at the broker there.
    beside: BTreeMap<HoldingKey, i64>,
}

/// Units that the broker has in a position and we do not; `None`: the broker's books do not tell.
fn unknown_to_us(key: &HoldingKey, book: &Book, findings: &Findings) -> Option<i64> {
    let net = findings.net(key).or_else(|| (key.product == Product::Cnc).then(|| findings.positions.as_ref().map(|it| it.net(key)))?)?;
    Some(net.saturating_sub(book.gross(key).net()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) quiet_since: DateTime<Utc>,
    pub(super) order_books: u32,
    pub(super) trade_books: u32,
}

/// How long and how often to look.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The quiet period, and the broker's visibility bound on top.
    pub quiet: Duration,
    /// Books in a row.
    pub books: u32,
}

impl Search {
    /// Brings the list in line with the book: `is_running` tells whether a call for the order still runs.
    pub fn follow(&mut self, book: &Book, now: DateTime<Utc>, is_running: impl Fn(CommandId) -> bool) {
        let doubts: BTreeMap<CommandId, ()> = book
            .doubts()
            .filter(|order| order.broker_order_id.is_none() && order.filled_quantity == 0 && !is_running(order.command_id))
            // The books hold one day: what was sent on another is not in them either way, and only a person can tell.
            .filter(|order| order.sent_at.is_some_and(|sent| trading_date(sent) == trading_date(now)))
            .map(|order| (order.command_id, ()))
            .collect();
        self.missing.retain(|command, _| doubts.contains_key(command));
        for command in doubts.into_keys() {
            self.missing.entry(command).or_insert(Missing { quiet_since: now, order_books: 0, trade_books: 0 });
        }
    }

    /// An authoritative order book was read. It counts against the orders that are looked for only if it is whole and says
    /// nothing new.
    pub fn orders_read(&mut self, reading: &BookReading, is_clean: bool, patience: Patience, now: DateTime<Utc>) {
        if reading.tells_all(is_clean) && reading.facts.is_empty() && !reading.is_blank && reading.vanished == 0 {
            self.missed_orders(patience, now);
            self.start_over_for(&reading.twins);
        } else {
            self.start_over();
        }
    }

    /// An authoritative trade book was read; `rows` is the order book as last proven. It counts only if it is whole, and if no
    /// trade in it is of an order that nobody knows.
    pub fn trades_read(
        &mut self,
        book: &Book,
        trades: &[Arc<TradeRow>],
        rows: &[Arc<BookRow>],
        is_clean: bool,
        patience: Patience,
        now: DateTime<Utc>,
    ) {
        if is_clean && (self.is_empty() || !has_unexplained(book, trades, rows)) {
            self.missed_trades(patience, now);
            self.start_over_for(&trade_twins(book, trades, rows));
        } else {
            self.start_over();
        }
    }

    /// An authoritative order book without these orders was read.
    pub fn missed_orders(&mut self, patience: Patience, now: DateTime<Utc>) {
        for missing in self.missing.values_mut().filter(|missing| now.signed_duration_since(missing.quiet_since) >= patience.quiet) {
            missing.order_books = missing.order_books.saturating_add(1);
        }
    }

    /// An authoritative trade book was read.
    pub fn missed_trades(&mut self, patience: Patience, now: DateTime<Utc>) {
        for missing in self.missing.values_mut().filter(|missing| now.signed_duration_since(missing.quiet_since) >= patience.quiet) {
            missing.trade_books = missing.trade_books.saturating_add(1);
        }
    }

    /// For these the counting starts anew: a row of the book could be theirs.
    pub fn start_over_for(&mut self, orders: &[CommandId]) {
        for (_, missing) in self.missing.iter_mut().filter(|(command, _)| orders.contains(command)) {
            (missing.order_books, missing.trade_books) = (0, 0);
        }
    }

    /// A book that proves nothing was read, or something changed: the counting starts anew.
    pub fn start_over(&mut self) {
        for missing in self.missing.values_mut() {
            missing.order_books = 0;
            missing.trade_books = 0;
        }
    }

    /// The orders whose absence is proven now.
    #[must_use]
    pub fn proven(&self, patience: Patience) -> Vec<(CommandId, OrderFact)> {
        self.missing
            .iter()
            .filter(|(_, missing)| missing.order_books >= patience.books && missing.trade_books >= patience.books)
            .map(|(command, missing)| {
                let evidence = format!(
                    "{} order books and {} trade books in a row without it, quiet since {}",
                    missing.order_books, missing.trade_books, missing.quiet_since
                );
                (*command, OrderFact::Absent { evidence })
            })
            .collect()
    }

    /// Positions were read: what they have more than we hold was there before the orders that are looked for, if none was then.
    pub fn positions_read(&mut self, book: &Book, findings: &Findings) {
        let Some(positions) = &findings.positions else { return };
        let is_quiet = |key: &HoldingKey| {
            positions.began_seq >= book.last_fill_seq(key)
                && book.owed_in(&key.instrument).next().is_none()
                && book.open_in(&key.instrument).all(|order| order.sent_at.is_none())
        };
        let keys: BTreeSet<&HoldingKey> = positions.rows().iter().map(|row| &row.holding).chain(self.beside.keys()).collect();
        let beside = keys.into_iter().filter_map(|key| {
            let units = if is_quiet(key) { unknown_to_us(key, book, findings)? } else { self.beside(key) };
            (units != 0).then(|| (key.clone(), units))
        });
        self.beside = beside.collect();
    }

    fn beside(&self, key: &HoldingKey) -> i64 {
        self.beside.get(key).copied().unwrap_or(0)
    }

    /// Whether the broker's positions speak for the absence of an order: asked for when even a late one must have shown what it
    /// filled, they have nothing more on its side than they had before it. `None`: they cannot tell yet.
    #[must_use]
    pub fn agrees(&self, order: &OrderRecord, book: &Book, findings: &Findings, patience: Patience) -> Option<bool> {
        let (Some(key), Some(side)) = (order.holding(), order.ask.side) else { return Some(true) };
        let positions = findings.positions.as_ref().filter(|positions| positions.began_seq >= order.seq.max(book.last_fill_seq(&key)))?;
        let quiet_since = self.missing.get(&order.command_id)?.quiet_since;
        if positions.at.signed_duration_since(quiet_since) < patience.quiet {
            return None;
        }
        let more = unknown_to_us(&key, book, findings)?.saturating_sub(self.beside(&key));
        Some(more.saturating_mul(side.sign()) <= 0)
    }

    /// How many orders are being looked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    /// Whether nothing is being looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}
