//! Proof of absence: pure. What no book shows is concluded from several of them, never from one.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::findings::Sum;
use super::owner::{has_unexplained, trade_twins};
use super::reconcile::BookReading;
use crate::guard::is_told_of;
use crate::order::{CommandId, HoldingKey, InOrder, OrderFact, OrderRecord, Product, trading_date};
use crate::persistence::Book;
use crate::pnl::differences::{all_units_elsewhere, units_elsewhere};
use crate::ports::{BookRow, TradeRow};
use crate::watcher::{Findings, Positions};

/// The orders that are being looked for: sent, unanswered, not found. Absence is concluded only from several
/// authoritative books in a row, after a quiet period in which no call for the order ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub(super) missing: BTreeMap<CommandId, Missing>,
    /// What of a position no book explains.
    beside: BTreeMap<HoldingKey, Beside>,
}

/// Units of a position that no book explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beside {
    /// As they were when nothing of ours there was unclear.
    units: i64,
    /// As they are shown since then, while orders of ours work there: what one of those has filled may be told late.
    shown: Option<(i64, DateTime<Utc>)>,
}

/// Units by which today moved a position at the broker, beyond what our trades and the orders of others have moved. What is looked for
/// was sent today, so what it has filled is among them; what the day began with is not. `None`: the broker's books do not tell yet.
fn unexplained(key: &HoldingKey, book: &Book, findings: &Findings) -> Option<i64> {
    let positions = findings.positions.as_ref().filter(|_| findings.elsewhere.is_shown(key))?;
    let today = trading_date(positions.at);
    let shown = Sum { net: positions.net(key), carried: positions.carried(key) };
    let ours = book.newest_day().carried_and_traded(today, key);
    Some(beyond(key.product, shown, ours, units_elsewhere(findings, key, today)))
}

/// Units by which today moved a position beyond what our trades and those of others have: `ours` is what we carried and what we traded.
fn beyond(product: Product, shown: Sum, (carried, traded): (i64, i64), elsewhere: i64) -> i64 {
    let began_with = match (shown.carried, product) {
        (Some(told), _) => told,
        // Shares of earlier days are in no row of the positions.
        (None, Product::Cnc) => 0,
        (None, Product::Mis | Product::Nrml) => carried,
    };
    shown.net.saturating_sub(began_with).saturating_sub(traded).saturating_sub(elsewhere)
}

/// What [`unexplained`] says of everything that the positions have a row of, in the order of the keys: books are gone through beside
/// each other, where a thousand look-ups in the middle of orders would hold up all of them.
fn all_unexplained<'a>(positions: &'a Positions, book: &'a Book, findings: &'a Findings) -> impl Iterator<Item = (&'a HoldingKey, i64)> {
    let today = trading_date(positions.at);
    let (unshown, elsewhere) = (findings.elsewhere.unshown(), all_units_elsewhere(findings, today));
    let mut ours = InOrder::new(book.newest_day().all_carried_and_traded(today));
    positions.sums().filter(move |(key, _)| !unshown.contains(key)).map(move |(key, shown)| {
        let ours = ours.get(key).unwrap_or_default();
        (key, beyond(key.product, shown, ours, elsewhere.get(key).copied().unwrap_or(0)))
    })
}

impl Beside {
    /// After so many were shown.
    fn after(self, units: i64, positions: &Positions, key: &HoldingKey, book: &Book, patience: Patience) -> Self {
        if units == self.units {
            return Self { shown: None, ..self };
        }
        let is_settled = positions.began_seq >= book.last_fill_seq(key) && book.owed_in(&key.instrument).next().is_none();
        if !is_settled || !book.open_in(&key.instrument).all(|order| is_told_of(order)) {
            return Self { shown: None, ..self };
        }
        if book.open_in(&key.instrument).all(|order| order.sent_at.is_none()) {
            return Self { units, shown: None };
        }
        let since = self.shown.filter(|(shown, _)| *shown == units).map_or(positions.at, |(_, since)| since);
        let is_long = positions.at.signed_duration_since(since) >= patience.quiet;
        Self { units: if is_long { units } else { self.units }, shown: Some((units, since)) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) quiet_since: DateTime<Utc>,
    pub(super) order_books: u32,
    pub(super) trade_books: u32,
    /// How often positions spoke against an absence that the books had proven.
    contradicted: u32,
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
            self.missing.entry(command).or_insert(Missing { quiet_since: now, order_books: 0, trade_books: 0, contradicted: 0 });
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

    /// The positions speak against the absence of this order. Answers whether they did before: once may be a trade of somebody that the
    /// order book does not show yet.
    pub fn contradict(&mut self, order: CommandId) -> bool {
        let Some(missing) = self.missing.get_mut(&order) else { return false };
        (missing.order_books, missing.trade_books) = (0, 0);
        missing.contradicted = missing.contradicted.saturating_add(1);
        missing.contradicted > 1
    }

    /// Time that nobody lived through proves no absence: it is looked for anew.
    pub fn look_anew(&mut self) {
        self.missing.clear();
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

    /// Positions were read: what of them nothing explains was there before the orders that are looked for, if none was then.
    pub fn positions_read(&mut self, book: &Book, findings: &Findings, patience: Patience) {
        let Some(positions) = &findings.positions else { return };
        let nothing = Beside { units: 0, shown: None };
        let gone = self.beside.keys().filter(|key| !positions.has_row_of(key));
        let gone = gone.filter_map(|key| Some((key, unexplained(key, book, findings)?)));
        let mut known = InOrder::new(&self.beside);
        let there = all_unexplained(positions, book, findings).map(|(key, units)| (key, units, known.get(key).copied()));
        let there = there.map(|(key, units, known)| (key, units, known.unwrap_or(nothing)));
        let gone = gone.map(|(key, units)| (key, units, self.beside.get(key).copied().unwrap_or(nothing)));
        // Nearly every position is explained.
        let changed = there.chain(gone).filter_map(|(key, units, before)| {
            let after = before.after(units, positions, key, book, patience);
            (after != before).then(|| (key.clone(), after))
        });
        let changed: Vec<(HoldingKey, Beside)> = changed.collect();
        self.beside.extend(changed);
        self.beside.retain(|_, beside| *beside != nothing);
    }

    /// How many units the broker's positions have on the side of an order that nothing explains, more than they had before it: asked for
    /// when even a late one must have shown what it filled. None of them: they speak for its absence. `None`: they cannot tell yet.
    #[must_use]
    pub fn excess(&self, order: &OrderRecord, book: &Book, findings: &Findings, patience: Patience) -> Option<i64> {
        let (Some(key), Some(side)) = (order.holding(), order.ask.side) else { return Some(0) };
        let positions = findings.positions.as_ref().filter(|positions| positions.began_seq >= order.seq.max(book.last_fill_seq(&key)))?;
        let quiet_since = self.missing.get(&order.command_id)?.quiet_since;
        if positions.at.signed_duration_since(quiet_since) < patience.quiet {
            return None;
        }
        let beside = self.beside.get(&key).map_or(0, |beside| beside.units);
        let more = unexplained(&key, book, findings)?.saturating_sub(beside);
        Some(more.saturating_mul(side.sign()).max(0))
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

#[cfg(test)]
#[path = "search_positions_tests.rs"]
mod tests;
