//! What the broker's answers say: each book as it was read, and what its stream pushes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::owner::{is_foreign, trade_owner};
use super::{Began, Concern, Delivered, Orders, Positions, WatcherActor, read_row, session_is_missed, speaks_against_an_end};
use crate::broker::{Read, Reading};
use crate::guard::PositionsRead;
use crate::order::{Amount, CommandId, OrderFact, OrderRecord, Side, trading_date};
use crate::persistence::{Book, Level, alarm};
use crate::ports::{BookRow, DeliveryRow, Instruments, PositionRow, Session, StreamEvent, TradeRow, Unreadable};
use crate::risk::LookAgain;

/// Rows of one book that could not be read which have an alarm each.
const ROWS_NAMED: usize = 20;
/// Such rows that are kept for people, of each book.
const ROWS_KEPT: usize = 200;

impl WatcherActor {
    pub(super) fn unknown(&mut self, reading: Reading, cause: String) {
        self.core.search.start_over();
        // What proved nothing is due again with the next poll.
        self.core.asked.remove(&reading);
        let text = format!("reading {reading:?} proved nothing: {cause}");
        tracing::debug!(client_id = %self.desk.client_id, "{text}");
        metrics::counter!("ordergate_reads_unknown_total").increment(1);
        self.desk.findings.write().trouble.insert(reading, text);
    }

    pub(super) fn session(&mut self, session: Session, at: DateTime<Utc>) {
        if session == Session::Ready {
            self.core.proven.insert(Reading::Session);
        }
        let before = self.desk.findings.write().session.replace(session.clone());
        if session == Session::Ready && before.as_ref().is_some_and(|before| *before != Session::Ready) {
            self.desk.findings.write().renewed_at = Some(at);
            self.core.deferred.extend([Reading::Orders, Reading::Trades, Reading::Positions, Reading::Holdings]);
            self.read_deferred(at);
        }
        let is_news = before.as_ref() != Some(&session);
        self.tell_no_session(&session, is_news, at);
        if is_news {
            match &session {
                // What was lost is told when it is there again; that it is there at a start is no news.
                Session::Ready if matches!(before, Some(Session::NotReady(_))) => {
                    let text = "the broker session is proven again: exits that waited go, entries are judged anew".to_owned();
                    self.line.alarm(Some(&self.desk.client_id), "SESSION_PROVEN", Level::Info, None, text);
                }
                Session::Ready => tracing::info!(client_id = %self.desk.client_id, "broker session proven"),
                Session::Resting(cause) => tracing::info!(client_id = %self.desk.client_id, "no broker session: {cause}"),
                Session::NotReady(cause) => tracing::warn!(client_id = %self.desk.client_id, "no broker session: {cause}"),
            }
            self.line.tell_risk(&self.desk.client_id, LookAgain);
        }
    }

    /// A token that ended in the night is missed in the morning, and not before.
    fn tell_no_session(&mut self, session: &Session, is_news: bool, at: DateTime<Utc>) {
        let Session::NotReady(cause) = session else {
            self.core.no_session_told = false;
            return;
        };
        let is_missed = session_is_missed(&self.line, &self.desk, at);
        if is_missed && (is_news || !self.core.no_session_told) {
            let text = format!("no broker session: {cause}; entries are refused, exits wait");
            self.line.alarm(Some(&self.desk.client_id), "ALARM_NO_SESSION", Level::Page, None, text);
        }
        self.core.no_session_told = is_missed;
    }

    /// Whether what could not be read of a book is nothing of ours: the rest of the book is whole then.
    fn tells_all_of_ours(&self, unreadable: &[Unreadable]) -> bool {
        let is_elsewhere = |row: &Unreadable| {
            row.is_foreign
                || row.unlisted.as_ref().is_some_and(|of| {
                    self.line.view.read(&self.desk.client_id, |book| book.has_nothing_in(&of.instrument)).unwrap_or(false)
                })
        };
        unreadable.iter().all(is_elsewhere)
    }

    pub(super) fn quarantine(&mut self, reading: Reading, mut rows: Vec<Unreadable>) {
        let ours: Vec<&Unreadable> = rows.iter().filter(|row| !row.is_foreign).collect();
        for row in ours.iter().take(ROWS_NAMED) {
            self.concern(Concern {
                event: "ALARM_UNREADABLE_ROW",
                level: Level::Warn,
                text: format!("a row of the broker could not be read ({}): {}", row.cause, row.raw),
                command_id: None,
            });
        }
        // A broker that changed its format breaks every row: their number says it, and not an alarm for each.
        if ours.len() > ROWS_NAMED && self.core.crowds.insert(reading) {
            let text = format!("{} rows of the broker's {reading:?} could not be read; the first {ROWS_NAMED} are named", ours.len());
            self.line.alarm(Some(&self.desk.client_id), "ALARM_UNREADABLE_ROW", Level::Page, None, text);
        } else if ours.is_empty() {
            self.core.crowds.remove(&reading);
        }
        rows.truncate(ROWS_KEPT);
        self.core.unreadable.insert(reading, rows);
        self.desk.findings.write().unreadable = self.core.unreadable.values().flatten().cloned().collect();
    }

    pub(super) fn trades(&mut self, rows: Vec<Arc<TradeRow>>, unreadable: Vec<Unreadable>, at: DateTime<Utc>) {
        let is_clean = self.tells_all_of_ours(&unreadable);
        self.quarantine(Reading::Trades, unreadable);
        let rows: Arc<[Arc<TradeRow>]> = Arc::from(rows);
        let last = &mut self.core.last_trades;
        let orders = self.desk.findings.read().orders.as_ref().map(|orders| Arc::clone(&orders.rows));
        let facts = self.line.view.read(&self.desk.client_id, |book| last.read(book, &rows)).unwrap_or_default();
        let told = facts.iter().map(|(command, _)| *command).collect();
        self.post_facts(facts);
        self.count_untold(&told, is_clean, at);
        self.core.proven.insert(Reading::Trades);
        let mut findings = self.desk.findings.write();
        findings.trades_at = Some(at);
        findings.trouble.remove(&Reading::Trades);
        drop(findings);
        let (patience, search) = (self.patience(), &mut self.core.search);
        self.line.view.read(&self.desk.client_id, |book| {
            search.trades_read(book, &rows, orders.as_deref().unwrap_or_default(), is_clean, patience, at);
        });
        self.conclude_absence();
    }

    pub(super) fn orders(&mut self, rows: Vec<Arc<BookRow>>, unreadable: Vec<Unreadable>, began_seq: u64, at: DateTime<Utc>) {
        let is_clean = self.tells_all_of_ours(&unreadable);
        self.quarantine(Reading::Orders, unreadable);
        let rows: Arc<[Arc<BookRow>]> = Arc::from(rows);
        let (last, line) = (&mut self.core.last_orders, &self.line);
        let compare = |book: &Book| last.read(book, &rows, &line.tag_prefix, began_seq, at);
        let Some(reading) = line.view.read(&self.desk.client_id, compare) else { return };
        if let Some(highest) = &reading.highest {
            self.desk.calls.lock().saw(highest);
        }
        let tells_all = reading.tells_all(is_clean);
        if tells_all {
            self.tell_beyond(&rows);
        }
        self.see_elsewhere(reading.foreign.iter().map(|row| &**row), Some(at), at);
        self.core.search.orders_read(&reading, is_clean, self.patience(), at);
        self.look_up_old(reading.old, began_seq);
        self.post_facts(reading.facts);
        self.look_for_hands(&reading.working, began_seq, at);
        for concern in reading.concerns {
            self.concern(concern);
        }
        // Once per row: a person who has looked and re-armed is not overruled by the next poll.
        for (id, why) in reading.rivals {
            if self.core.stopped_for.insert(id) {
                self.stop_entries(why);
            }
        }
        if let Some(missing) = reading.lacks.first().copied() {
            self.concern(Concern {
                event: "ALARM_BOOK_INCOMPLETE",
                level: Level::Warn,
                text: format!(
                    "the broker's order book lacks order {missing}, which the broker accepted today; nothing is concluded from such a book"
                ),
                command_id: Some(missing),
            });
        }
        self.name_lost(&reading.lacks, at);
        self.core.twins = reading.twins.iter().copied().collect();
        if tells_all {
            self.core.proven.insert(Reading::Orders);
            let mut findings = self.desk.findings.write();
            findings.orders = Some(Orders { rows, at });
            findings.foreign = reading.foreign;
            findings.trouble.remove(&Reading::Orders);
        }
        self.read_deferred(at);
        if is_clean {
            self.count_unseen(&reading.lacks, &reading.past, at);
        }
        self.conclude_absence();
    }

    /// What the trade book had too many of, held against an order book that was asked for after it: somebody may have made an order
    /// larger meanwhile.
    fn tell_beyond(&mut self, rows: &[Arc<BookRow>]) {
        let trades = &self.core.last_trades;
        let beyond = self.line.view.read(&self.desk.client_id, |book| trades.beyond(book, rows)).unwrap_or_default();
        for concern in beyond {
            self.concern(concern);
        }
    }

    /// What somebody has changed in orders of ours at the broker, once that is beyond doubt.
    fn look_for_hands(&mut self, working: &[(CommandId, Arc<BookRow>)], began_seq: u64, at: DateTime<Utc>) {
        let (quiet, hands, instruments) = (self.patience().quiet, &mut self.core.hands, &self.line.instruments);
        let rows = working.iter().map(|(command, row)| (*command, &**row));
        let tick = |order: &OrderRecord| tick_of(&**instruments, order);
        let found = self.line.view.read(&self.desk.client_id, |book| hands.read(book, rows, tick, (began_seq, at), quiet));
        self.post_facts(found.unwrap_or_default());
    }

    pub(super) fn conclude_absence(&mut self) {
        let patience = self.patience();
        let mut proven = self.core.search.proven(patience);
        if proven.is_empty() {
            return;
        }
        // Order book and trade book may lie at once; what the order has filled would be held.
        let (search, findings) = (&self.core.search, self.desk.findings.read());
        let excess = |book: &Book, command| {
            let order = book.order(command)?;
            Some((Arc::clone(order), search.excess(order, book, &findings, patience)?))
        };
        let said: Vec<Option<(Arc<OrderRecord>, i64)>> = self
            .line
            .view
            .read(&self.desk.client_id, |book| proven.iter().map(|(command, _)| excess(book, *command)).collect())
            .unwrap_or_default();
        drop(findings);
        for (order, units) in said.iter().flatten().filter(|(_, units)| *units > 0) {
            if self.core.search.contradict(order.command_id) {
                self.concern(may_have_filled(order, *units));
            }
        }
        let mut says = said.into_iter();
        proven.retain(|_| says.next().flatten().is_some_and(|(_, units)| units == 0));
        self.post_facts(proven);
    }

    /// A read is taken in at one moment and in one walk: nothing decides from half of it, and no commit comes in between. What is no
    /// decision was done where the answer comes from, in parts or on another thread: the rows are valued and in order. What was filled or
    /// committed meanwhile has a journal row after `began`, and is not taken for shown.
    pub(super) fn positions(&mut self, rows: Vec<PositionRow>, unreadable: Vec<Unreadable>, began: Began, at: DateTime<Utc>) {
        let is_clean = self.tells_all_of_ours(&unreadable);
        let beside = unreadable.iter().filter_map(|row| row.unlisted.as_ref()).fold(Amount::ZERO, |sum, of| sum.plus(of.result));
        self.quarantine(Reading::Positions, unreadable);
        if !is_clean {
            // A position that cannot be read is not a flat one: the last whole answer stands, and ages.
            return;
        }
        self.core.proven.insert(Reading::Positions);
        self.hold_against_contracts(&rows);
        let lag = chrono::Duration::from_std(self.desk.broker.capabilities().visibility_bound).unwrap_or(chrono::Duration::MAX);
        let positions = Positions::new(rows, at, began.seq).showing(began.at, lag).beside(beside);
        let mut findings = self.desk.findings.write();
        let before = findings.positions.replace(positions);
        findings.elsewhere.shown(began.seen_elsewhere, began.at);
        findings.trouble.remove(&Reading::Positions);
        drop(findings);
        drop(before);
        let (patience, search, findings) = (self.patience(), &mut self.core.search, self.desk.findings.read());
        self.line.view.read(&self.desk.client_id, |book| search.positions_read(book, &findings, patience));
        drop(findings);
        self.conclude_absence();
        self.line.tell_guard(&self.desk.client_id, PositionsRead);
        self.line.tell_risk(&self.desk.client_id, LookAgain);
    }

    pub(super) fn holdings(&mut self, rows: Vec<DeliveryRow>, unreadable: Vec<Unreadable>, at: DateTime<Utc>) {
        let is_clean = self.tells_all_of_ours(&unreadable);
        self.quarantine(Reading::Holdings, unreadable);
        // Shares that cannot be read are not shares that are gone.
        if is_clean {
            self.desk.findings.write().holdings = Some(Delivered { rows, at });
            self.line.tell_risk(&self.desk.client_id, LookAgain);
        }
    }

    /// Reads what commits have asked for: at once after a quiet moment, otherwise a quarter of a poll after the last
    /// such read. Under load every commit asks, and a book of the whole day must not be read for each.
    pub(super) fn read_deferred(&mut self, now: DateTime<Utc>) {
        let gap = chrono::Duration::from_std(self.read_gap()).unwrap_or(chrono::Duration::MAX);
        let is_quiet = self.core.read_at.is_none_or(|at| now < at || now.signed_duration_since(at) >= gap);
        if is_quiet && !self.core.deferred.is_empty() {
            self.core.read_at = Some(now);
            let wanted = std::mem::take(&mut self.core.deferred);
            self.ask_for(wanted, now);
        }
    }

    pub(super) fn read_gap(&self) -> std::time::Duration {
        self.desk.settings.waits.poll / 4
    }

    /// What others have filled changes what is held: the positions are read, and until then it counts against them.
    fn see_elsewhere<'a>(&mut self, rows: impl IntoIterator<Item = &'a BookRow>, told_at: Option<DateTime<Utc>>, at: DateTime<Utc>) {
        if self.desk.findings.write().elsewhere.see_told(rows, trading_date(at), told_at) {
            self.core.deferred.insert(Reading::Positions);
        }
    }

    pub(super) fn streamed(&mut self, event: StreamEvent, now: DateTime<Utc>) {
        let facts: Vec<(CommandId, OrderFact)> = match event {
            StreamEvent::Order(row) => {
                let (prefix, hands, instruments) = (&self.line.tag_prefix, &mut self.core.hands, &self.line.instruments);
                let read = |book: &Book| {
                    let is_changed = hands.hint(book, &row, prefix, |order| tick_of(&**instruments, order));
                    (read_row(book, &row, prefix), is_changed || speaks_against_an_end(book, &row, prefix), is_foreign(book, &row, prefix))
                };
                let (fact, asks, is_foreign) = self.line.view.read(&self.desk.client_id, read).unwrap_or_default();
                if is_foreign {
                    self.see_elsewhere([&*row], None, now);
                }
                if asks {
                    self.line.tell_broker(&self.desk.client_id, Read(BTreeSet::from([Reading::Orders])));
                }
                fact.into_iter().collect()
            }
            StreamEvent::Trade(trade) => self
                .line
                .view
                .read(&self.desk.client_id, |book| {
                    trade_owner(book, &trade).map(|order| (order.command_id, OrderFact::Fill(trade.fill.clone())))
                })
                .flatten()
                .or_else(|| self.core.keep_early(trade.fill))
                .into_iter()
                .collect(),
            StreamEvent::Notice { level, event, text } => {
                self.concern(Concern { event, level, text, command_id: None });
                Vec::new()
            }
            StreamEvent::Reconnected => {
                self.line.tell_broker(&self.desk.client_id, Read(BTreeSet::from([Reading::Trades, Reading::Orders, Reading::Positions])));
                Vec::new()
            }
        };
        self.post_facts(facts);
        self.read_deferred(now);
    }
}

/// No book has an order, and the broker's positions speak against its absence, again and again.
fn may_have_filled(order: &OrderRecord, units: i64) -> Concern {
    let side = order.ask.side.map_or("", Side::as_str);
    Concern {
        event: alarm::IN_DOUBT,
        level: Level::Page,
        text: format!(
            "{side} {} {} got no clear answer and is in no order book and no trade book, but the broker's positions have {units} more on its side than all known orders explain: it may have filled, or somebody has traded there unseen. This does not end by itself while they do: look at the broker's trades and resolve the order",
            order.quantity(),
            order.ask.symbol
        ),
        command_id: Some(order.command_id),
    }
}

/// The smallest price step of what an order is for; 0 where today's master does not know it.
fn tick_of(instruments: &dyn Instruments, order: &OrderRecord) -> Decimal {
    order.instrument().and_then(|key| instruments.find(&key)).map_or(Decimal::ZERO, |found| found.tick.value())
}
