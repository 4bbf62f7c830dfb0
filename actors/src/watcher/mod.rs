//! WatcherActor: the broker's own truth. It reads the books, compares, and reports facts; it asks for cancels that are
//! wanted, drains orphans, settles doubts, and recovers after a start.
//!
//! The stream is a hint, the poll is the truth; applying either twice changes nothing; unknown is not empty. A row that
//! cannot be read stands as an alarm and stops nothing else.

mod findings;
mod reconcile;
mod recovery;
mod square_off;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use chrono::{DateTime, Utc};

pub use findings::{Findings, Orders, Positions};
pub use reconcile::{BookReading, Concern, Patience, Search, read_orders, read_row, read_trades};
pub use recovery::{Found as RecoveryFound, decide};

use crate::broker::{CancelOrder, Found, Read, Reading};
use crate::guard::PositionsRead;
use crate::line::{Desk, Line, Phase};
use crate::order::{BasketId, BrokerOrderId, ClientId, CommandId, Fill, OrderFact, OrderRecord, OrderType, Product, Source, Status, Tag};
use crate::persistence::{Cargo, ControlChange, Event, KillLevel, Level, OrderUnit, Posted, Unit};
use crate::ports::{BookRow, PositionRow, Session, Snapshot, StreamEvent, TradeRow, Unreadable};
use crate::risk::LookAgain;
use crate::supervision::{Shell, at_hand, guarded};

/// What BrokerActor read. `began_seq` is the account's newest journal row when the request went out.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BookRead {
    /// The answer.
    pub found: Found,
    /// See above.
    pub began_seq: u64,
    /// When the answer came.
    pub at: DateTime<Utc>,
}

/// These rows of the account are on disk. Sent by PersistenceActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Committed {
    /// In commit order.
    pub events: Vec<Event>,
}

/// The broker pushed something. Sent by the desk's stream reader.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Streamed(pub StreamEvent);

/// Concerns that are remembered as said; then they are said anew. A broker's garbage must not fill the memory.
const SAID_KEPT: usize = 2_000;
/// Orders whose streamed trades are kept until their number is known.
const EARLY_KEPT: usize = 1_000;
/// How many polls between two proofs of the session.
const SESSION_EVERY: u32 = 30;

/// The follower of one account's orders.
#[derive(Debug)]
pub struct WatcherActor {
    line: Arc<Line>,
    desk: Arc<Desk>,
    core: Core,
}

/// Everything that is made anew at a restart.
#[derive(Debug, Default)]
struct Core {
    search: Search,
    asked_to_cancel: BTreeMap<CommandId, DateTime<Utc>>,
    named_doubts: BTreeSet<CommandId>,
    said: BTreeSet<String>,
    unreadable: BTreeMap<Reading, Vec<Unreadable>>,
    polls: u32,
    proven: BTreeSet<Reading>,
    has_decided: bool,
    squared_off_at: Option<DateTime<Utc>>,
    squared_off_tries: u32,
    /// Trades that the stream brought before their order's number was known.
    early_trades: BTreeMap<BrokerOrderId, Vec<Fill>>,
    /// Books that commits have asked for, and when such were last read.
    deferred: BTreeSet<Reading>,
    read_at: Option<DateTime<Utc>>,
}

impl Core {
    /// Keeps a streamed trade until its order's number is known. What there is no room for comes with the trade book.
    fn keep_early(&mut self, fill: Fill) -> Option<(CommandId, OrderFact)> {
        if self.early_trades.len() >= EARLY_KEPT {
            self.early_trades.pop_first();
        }
        self.early_trades.entry(fill.broker_order_id.clone()).or_default().push(fill);
        None
    }
}

impl WatcherActor {
    /// The actor of one account.
    #[must_use]
    pub fn new(line: Arc<Line>, desk: Arc<Desk>) -> Self {
        Self { line, desk, core: Core::default() }
    }

    fn order_unit(&self, command_id: CommandId, fact: OrderFact) -> Posted {
        let unit = OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) };
        Posted { unit: Unit::Order(unit), cargo: Cargo::None }
    }

    fn post_facts(&self, facts: Vec<(CommandId, OrderFact)>) {
        if !facts.is_empty() {
            self.line.post(facts.into_iter().map(|(command, fact)| self.order_unit(command, fact)).collect());
        }
    }

    fn patience(&self) -> Patience {
        let waits = &self.desk.settings.waits;
        let quiet = waits.quiet_period.saturating_add(self.desk.broker.capabilities().visibility_bound);
        Patience { quiet: chrono::Duration::from_std(quiet).unwrap_or(chrono::Duration::MAX), books: waits.absent_snapshots.max(1) }
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        let mut wanted = BTreeSet::from([Reading::Trades, Reading::Orders, Reading::Positions]);
        if self.core.polls.is_multiple_of(SESSION_EVERY) || self.desk.phase() == Phase::Recovering {
            wanted.insert(Reading::Session);
        }
        self.core.polls = self.core.polls.wrapping_add(1);
        self.line.tell_broker(&self.desk.client_id, Read(wanted));
        self.drain_orphans();
        self.ask_for_cancels(now);
        self.follow_doubts(now);
        self.enforce_kill(now);
    }

    /// An order whose token was lost: driven again if nothing was sent, looked for if something may have been.
    fn drain_orphans(&mut self) {
        let mut posted = Vec::new();
        let mut lost: BTreeMap<BasketId, Vec<CommandId>> = BTreeMap::new();
        for command_id in self.desk.orphans.drain() {
            at_hand(&self.desk.client_id, command_id);
            let is_suspect = self.desk.suspects.lock().remove(&command_id);
            let Some(record) = self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten() else {
                continue;
            };
            if record.status.is_terminal() || self.desk.calls.lock().is_running(command_id) {
                continue;
            }
            tracing::warn!(client_id = %self.desk.client_id, %command_id, status = %record.status, is_suspect, "an order lost its place in the line and is taken up again");
            metrics::counter!("ordergate_orphans_total").increment(1);
            // A suspect exit is driven once more: its position is open.
            let ends = is_suspect && !(record.is_exit() && record.sent_at.is_none() && self.desk.second_drives.lock().insert(command_id));
            if ends {
                let cause = "a fault inside ordergate while this order was being handled".to_owned();
                posted.push(self.order_unit(command_id, OrderFact::Suspect { cause }));
            } else if record.sent_at.is_none() {
                lost.entry(record.basket_id).or_default().push(command_id);
            } else if record.broker_order_id.is_none() {
                let cause = "lost between the commit and the call; looked for in the broker's books".to_owned();
                posted.push(self.order_unit(command_id, OrderFact::Unconfirmed { cause }));
            }
        }
        posted.extend(lost.into_values().map(|commands| self.reissue(commands)));
        if !posted.is_empty() {
            self.line.post(posted);
        }
    }

    /// The orders of one basket go down the line again together: they are judged together.
    fn reissue(&self, commands: Vec<CommandId>) -> Posted {
        Posted { unit: Unit::Reissue { client_id: self.desk.client_id.clone(), commands }, cargo: Cargo::None }
    }

    /// A wish to cancel is durable: it is asked for as soon as there is a number, and again until the order has ended.
    fn ask_for_cancels(&mut self, now: DateTime<Utc>) {
        let again = chrono::Duration::from_std(self.desk.settings.waits.cancel_again).unwrap_or(chrono::Duration::MAX);
        let due: Vec<(CommandId, bool)> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                book.open_orders()
                    .filter(|order| order.broker_order_id.is_some())
                    .filter_map(|order| Some((order.command_id, order.cancel_wanted? == Tag::KillSwitch)))
                    .filter(|(command, _)| {
                        self.core.asked_to_cancel.get(command).is_none_or(|asked| now.signed_duration_since(*asked) >= again)
                    })
                    .collect()
            })
            .unwrap_or_default();
        for (command_id, is_kill) in due {
            self.core.asked_to_cancel.insert(command_id, now);
            self.line.tell_broker(&self.desk.client_id, CancelOrder { command_id, is_kill });
        }
    }

    fn follow_doubts(&mut self, now: DateTime<Utc>) {
        let patience = chrono::Duration::from_std(self.desk.settings.waits.doubt_page).unwrap_or(chrono::Duration::MAX);
        let desk = Arc::clone(&self.desk);
        let core = &mut self.core;
        let overdue = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                core.search.follow(book, now, |command| desk.calls.lock().is_running(command));
                let doubts: Vec<Arc<OrderRecord>> = book.doubts().cloned().collect();
                core.named_doubts.retain(|command| doubts.iter().any(|order| order.command_id == *command));
                core.asked_to_cancel.retain(|command, _| book.order(*command).is_some_and(|order| !order.status.is_terminal()));
                doubts
            })
            .unwrap_or_default();
        for order in overdue {
            if now.signed_duration_since(order.updated_at) > patience && self.core.named_doubts.insert(order.command_id) {
                let text = format!(
                    "{} {} {} is in doubt at the broker since {}; look it up there and resolve it, or wait",
                    order.ask.side.map_or("", crate::order::Side::as_str),
                    order.quantity(),
                    order.ask.symbol,
                    order.updated_at
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_IN_DOUBT", Level::Page, Some(order.command_id), text);
            }
        }
    }

    /// From level 2 working entries are cancelled, at level 3 what the engine holds is squared off; both until it is so,
    /// and after a restart too.
    fn enforce_kill(&mut self, now: DateTime<Utc>) {
        if self.desk.phase() == Phase::Recovering {
            return;
        }
        let cancels = self.line.view.read(&self.desk.client_id, |book| {
            let control = book.control();
            if control.level < KillLevel::CancelEntries && control.strategies.is_empty() {
                return Vec::new();
            }
            book.open_orders()
                .filter(|order| {
                    let level = control.level_for(&order.ask.strategy);
                    // An exit that rests at its price covers a position that shall be flat now.
                    let is_in_the_way = order.is_exit()
                        && level == KillLevel::SquareOff
                        && !control.is_frozen
                        && order.source != Source::System
                        && order.ask.order_type != Some(OrderType::Market)
                        && order.ask.product != Some(Product::Cnc);
                    order.cancel_wanted.is_none() && (is_in_the_way || (!order.is_exit() && level >= KillLevel::CancelEntries))
                })
                .map(|order| {
                    let reason = format!("kill level {}: {}", u8::from(control.level_for(&order.ask.strategy)), control.reason);
                    (order.command_id, OrderFact::CancelWanted { tag: Tag::KillSwitch, reason })
                })
                .collect()
        });
        self.post_facts(cancels.unwrap_or_default());
        // What the broker refuses is asked for again, ever more slowly; each time leaves rows and pages.
        let again = self.desk.settings.waits.cancel_again.saturating_mul(1 << self.core.squared_off_tries.min(4));
        let again = chrono::Duration::from_std(again).unwrap_or(chrono::Duration::MAX);
        if self.core.squared_off_at.is_none_or(|at| now.signed_duration_since(at) >= again) && square_off::fire(&self.line, &self.desk, now)
        {
            self.core.squared_off_at = Some(now);
            self.core.squared_off_tries = self.core.squared_off_tries.saturating_add(1);
        }
    }

    /// Says it, unless it was said; answers whether it was news.
    fn concern(&mut self, concern: Concern) -> bool {
        // The same concern comes with every poll; it is said once.
        if self.core.said.len() >= SAID_KEPT {
            self.core.said.clear();
        }
        let is_news = self.core.said.insert(concern.text.clone());
        if is_news {
            self.line.alarm(Some(&self.desk.client_id), concern.event, concern.level, concern.command_id, concern.text);
        }
        is_news
    }

    fn book_read(&mut self, message: BookRead) {
        let BookRead { found, began_seq, at } = message;
        match found {
            Found::Session(session) => self.session(session),
            Found::Trades(Snapshot::Authoritative(rows, unreadable)) => self.trades(&rows, unreadable, at),
            Found::Orders(Snapshot::Authoritative(rows, unreadable)) => self.orders(rows, unreadable, began_seq, at),
            Found::Positions(Snapshot::Authoritative(rows, unreadable)) => self.positions(rows, unreadable, began_seq, at),
            Found::Trades(Snapshot::Unknown(cause)) => self.unknown(Reading::Trades, cause),
            Found::Orders(Snapshot::Unknown(cause)) => self.unknown(Reading::Orders, cause),
            Found::Positions(Snapshot::Unknown(cause)) => self.unknown(Reading::Positions, cause),
        }
        self.advance_recovery(at);
    }

    fn unknown(&mut self, reading: Reading, cause: String) {
        self.core.search.start_over();
        let text = format!("reading {reading:?} proved nothing: {cause}");
        tracing::debug!(client_id = %self.desk.client_id, "{text}");
        metrics::counter!("ordergate_reads_unknown_total").increment(1);
        self.desk.findings.write().trouble = Some(text);
    }

    fn session(&mut self, session: Session) {
        if session == Session::Ready {
            self.core.proven.insert(Reading::Session);
        }
        let before = self.desk.findings.write().session.replace(session.clone());
        if before.as_ref() != Some(&session) {
            match &session {
                Session::Ready => tracing::info!(client_id = %self.desk.client_id, "broker session proven"),
                Session::NotReady(cause) => {
                    let text = format!("no broker session: {cause}; entries are refused, exits wait");
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_NO_SESSION", Level::Page, None, text);
                }
            }
            self.line.tell_risk(&self.desk.client_id, LookAgain);
        }
    }

    fn quarantine(&mut self, reading: Reading, rows: Vec<Unreadable>) {
        for row in &rows {
            self.concern(Concern {
                event: "ALARM_UNREADABLE_ROW",
                level: Level::Warn,
                text: format!("a row of the broker could not be read ({}): {}", row.cause, row.raw),
                command_id: None,
            });
        }
        self.core.unreadable.insert(reading, rows);
        self.desk.findings.write().unreadable = self.core.unreadable.values().flatten().cloned().collect();
    }

    fn trades(&mut self, rows: &[Arc<TradeRow>], unreadable: Vec<Unreadable>, at: DateTime<Utc>) {
        let is_clean = unreadable.is_empty();
        self.quarantine(Reading::Trades, unreadable);
        let facts = self.line.view.read(&self.desk.client_id, |book| read_trades(book, rows)).unwrap_or_default();
        self.post_facts(facts);
        self.core.proven.insert(Reading::Trades);
        self.desk.findings.write().trades_at = Some(at);
        if is_clean {
            self.core.search.missed_trades(self.patience(), at);
            self.conclude_absence();
        } else {
            self.core.search.start_over();
        }
    }

    fn orders(&mut self, rows: Vec<Arc<BookRow>>, unreadable: Vec<Unreadable>, began_seq: u64, at: DateTime<Utc>) {
        let is_clean = unreadable.is_empty();
        self.quarantine(Reading::Orders, unreadable);
        let Some(reading) =
            self.line.view.read(&self.desk.client_id, |book| read_orders(book, &rows, &self.line.tag_prefix, began_seq, at))
        else {
            return;
        };
        if let Some(highest) = rows.iter().map(|row| &row.broker_order_id).max_by_key(|id| (id.as_str().len(), (*id).clone())) {
            self.desk.calls.lock().saw(highest);
        }
        let changes_something = !reading.facts.is_empty();
        self.post_facts(reading.facts);
        let mut is_news = false;
        for concern in reading.concerns {
            is_news |= self.concern(concern);
        }
        // Once per strange row: a person who has looked and re-armed is not overruled by the next poll.
        if reading.strange_tag && is_news {
            self.stop_entries("the broker's book carries a tag that this data directory never wrote");
        }
        let tells_all = is_clean && reading.lacks.is_empty();
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
        if tells_all {
            self.core.proven.insert(Reading::Orders);
            let mut findings = self.desk.findings.write();
            findings.orders = Some(Orders { rows: Arc::from(rows), at });
            findings.foreign = reading.foreign;
            findings.trouble = None;
        }
        if tells_all && !changes_something {
            self.core.search.missed_orders(self.patience(), at);
            self.conclude_absence();
        } else {
            self.core.search.start_over();
        }
    }

    fn conclude_absence(&mut self) {
        let proven = self.core.search.proven(self.patience());
        self.post_facts(proven);
    }

    fn positions(&mut self, rows: Vec<PositionRow>, unreadable: Vec<Unreadable>, began_seq: u64, at: DateTime<Utc>) {
        let is_clean = unreadable.is_empty();
        self.quarantine(Reading::Positions, unreadable);
        if !is_clean {
            // A position that cannot be read is not a flat one: the last whole answer stands, and ages.
            return;
        }
        self.core.proven.insert(Reading::Positions);
        self.desk.findings.write().positions = Some(Positions { rows, at, began_seq });
        self.line.tell_guard(&self.desk.client_id, PositionsRead);
        self.line.tell_risk(&self.desk.client_id, LookAgain);
    }

    fn stop_entries(&mut self, reason: &str) {
        let is_armed = self.line.view.read(&self.desk.client_id, |book| book.control().level == KillLevel::None).unwrap_or(false);
        if is_armed {
            let change = ControlChange::RaiseAccount(KillLevel::StopEntries);
            self.desk.latch.raise(&change);
            self.line.post_unit(Unit::Control {
                client_id: self.desk.client_id.clone(),
                change,
                who: Arc::from(Self::NAME),
                reason: Arc::from(reason),
            });
        }
    }

    /// After the first whole set of books: decide about what was found, then open for exits, then for entries.
    fn advance_recovery(&mut self, now: DateTime<Utc>) {
        let all = [Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions];
        match self.desk.phase() {
            Phase::Recovering if all.iter().all(|reading| self.core.proven.contains(reading)) => {
                self.decide_found(now);
                self.desk.set_phase(Phase::ExitsOnly);
                tracing::info!(client_id = %self.desk.client_id, "the broker's books are read; open for exits");
                self.line.tell_risk(&self.desk.client_id, LookAgain);
                self.core.proven.clear();
            }
            // What the first books proved is committed by the time the second ones are in.
            Phase::ExitsOnly
                if [Reading::Trades, Reading::Orders, Reading::Positions].iter().all(|reading| self.core.proven.contains(reading)) =>
            {
                self.desk.set_phase(Phase::Open);
                tracing::info!(client_id = %self.desk.client_id, "recovered; open for entries");
                self.line.tell_risk(&self.desk.client_id, LookAgain);
            }
            _ => {}
        }
    }

    /// Once per process: orders of the process before. Orders registered since the start hold their own tokens.
    fn decide_found(&mut self, now: DateTime<Utc>) {
        if self.core.has_decided {
            return;
        }
        self.core.has_decided = true;
        let found_at_start = self.desk.found_at_start.lock().clone();
        let ttl = chrono::Duration::from_std(self.line.settings.entry_ttl).unwrap_or(chrono::Duration::MAX);
        let decisions = self.line.view.read(&self.desk.client_id, |book| decide(book, ttl, now)).unwrap_or_default();
        let mut posted = Vec::new();
        let mut lost: BTreeMap<BasketId, Vec<CommandId>> = BTreeMap::new();
        for decision in decisions {
            match decision {
                RecoveryFound::Drive(basket_id, command_id) if found_at_start.contains(&command_id) => {
                    tracing::info!(client_id = %self.desk.client_id, %command_id, "found CREATED at the start; driven down the line again");
                    lost.entry(basket_id).or_default().push(command_id);
                }
                RecoveryFound::Decide(command_id, fact, reason) if found_at_start.contains(&command_id) => {
                    posted.push(self.order_unit(command_id, fact));
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_FOUND_AT_START", Level::Warn, Some(command_id), reason);
                }
                _ => {}
            }
        }
        posted.extend(lost.into_values().map(|commands| self.reissue(commands)));
        if !posted.is_empty() {
            self.line.post(posted);
        }
        self.desk.found_at_start.lock().clear();
    }

    /// What a commit sets in motion.
    fn committed(&mut self, events: &[Event], now: DateTime<Utc>) {
        let mut wanted = BTreeSet::new();
        let mut asks_cancel = false;
        for event in events {
            if let Some((change, _)) = event.control.as_deref() {
                if asks_square_off(change) {
                    self.core.squared_off_at = None;
                    self.core.squared_off_tries = 0;
                }
                self.enforce_kill(now);
            }
            let Some(record) = &event.record else { continue };
            asks_cancel |= record.cancel_wanted.is_some() && record.broker_order_id.is_some() && !record.status.is_terminal();
            if let Some(id) = &record.broker_order_id
                && let Some(fills) = self.core.early_trades.remove(id)
            {
                self.post_facts(fills.into_iter().map(|fill| (record.command_id, OrderFact::Fill(fill))).collect());
            }
            if record.filled_quantity > record.traded_quantity {
                // The book has counted what we have no trade of: what is held is not known until it is read.
                wanted.extend([Reading::Trades, Reading::Positions]);
            }
            if &*event.row.event == "FILL" {
                wanted.insert(Reading::Positions);
            }
            if exit_failed(event.row.from, record) {
                let reason = record.reason.as_deref().unwrap_or("");
                let text = format!(
                    "an exit of {} in {} failed ({}): {reason}; the position may be open, look at it",
                    record.ask.strategy,
                    record.ask.symbol,
                    record.tag.map_or("", Tag::as_str)
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_FAILED", Level::Page, Some(record.command_id), text);
            }
            if record.is_in_doubt() {
                wanted.extend([Reading::Orders, Reading::Trades]);
            }
        }
        if asks_cancel {
            self.ask_for_cancels(now);
        }
        self.core.deferred.extend(wanted);
        self.read_deferred(now);
    }

    /// Reads what commits have asked for: at once after a quiet moment, otherwise a quarter of a poll after the last
    /// such read. Under load every commit asks, and a book of the whole day must not be read for each.
    fn read_deferred(&mut self, now: DateTime<Utc>) {
        let gap = chrono::Duration::from_std(self.read_gap()).unwrap_or(chrono::Duration::MAX);
        let is_quiet = self.core.read_at.is_none_or(|at| now < at || now.signed_duration_since(at) >= gap);
        if is_quiet && !self.core.deferred.is_empty() {
            self.core.read_at = Some(now);
            self.line.tell_broker(&self.desk.client_id, Read(std::mem::take(&mut self.core.deferred)));
        }
    }

    fn read_gap(&self) -> std::time::Duration {
        self.desk.settings.waits.poll / 4
    }

    fn streamed(&mut self, event: StreamEvent) {
        let facts: Vec<(CommandId, OrderFact)> = match event {
            StreamEvent::Order(row) => self
                .line
                .view
                .read(&self.desk.client_id, |book| read_row(book, &row, &self.line.tag_prefix))
                .flatten()
                .into_iter()
                .collect(),
            StreamEvent::Trade(trade) => self
                .line
                .view
                .read(&self.desk.client_id, |book| {
                    book.order_by_broker_id(&trade.fill.broker_order_id)
                        .map(|order| (order.command_id, OrderFact::Fill(trade.fill.clone())))
                })
                .flatten()
                .or_else(|| self.core.keep_early(trade.fill))
                .into_iter()
                .collect(),
            StreamEvent::Reconnected => {
                self.line.tell_broker(&self.desk.client_id, Read(BTreeSet::from([Reading::Trades, Reading::Orders, Reading::Positions])));
                Vec::new()
            }
        };
        self.post_facts(facts);
    }
}

/// Whether a person has just asked for a square-off.
fn asks_square_off(change: &ControlChange) -> bool {
    matches!(
        change,
        ControlChange::Account(KillLevel::SquareOff)
            | ControlChange::RaiseAccount(KillLevel::SquareOff)
            | ControlChange::Strategy(_, KillLevel::SquareOff)
    )
}

/// An exit that was on its way and ended without closing: nobody may have to find that out by looking at the position.
fn exit_failed(from: Option<Status>, record: &OrderRecord) -> bool {
    let is_news = record.status == Status::Failed && from.is_some_and(|from| from != Status::Failed);
    let is_wanted_end = matches!(
        record.tag,
        Some(Tag::CancelledByUser | Tag::KillSwitch | Tag::NoPosition | Tag::DuplicateOrderBlocked | Tag::ValidationFailed | Tag::TestMode)
    );
    is_news && record.is_exit() && !is_wanted_end
}

impl Actor for WatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.core = Core::default();
        tracing::info!(client_id = %self.desk.client_id, poll_ms = self.desk.settings.waits.poll.as_millis(), "watcher started");
        ctx.run_interval(self.desk.settings.waits.poll, |actor, ctx| {
            guarded(actor, ctx, |actor, _, now| actor.tick(now));
        });
        // Not in here: a panic in `started()` would restart the actor without its back-off.
        ctx.run_later(std::time::Duration::ZERO, |actor, ctx| {
            guarded(actor, ctx, |actor, _, now| actor.tick(now));
        });
    }
}

impl Supervised for WatcherActor {}

impl Shell for WatcherActor {
    const NAME: &'static str = "WatcherActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn client_id(&self) -> Option<&ClientId> {
        Some(&self.desk.client_id)
    }
    fn drop_core(&mut self) {
        self.core = Core::default();
    }
}

impl Handler<BookRead> for WatcherActor {
    type Result = ();
    fn handle(&mut self, message: BookRead, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.book_read(message));
    }
}

impl Handler<Committed> for WatcherActor {
    type Result = ();
    fn handle(&mut self, message: Committed, ctx: &mut Self::Context) {
        // Before anything that could panic: the latch follows the disk, or a kill could never be lifted again.
        for (change, control) in message.events.iter().filter_map(|event| event.control.as_deref()) {
            self.desk.latch.committed(change, control);
            if matches!(change, ControlChange::Arm(_) | ControlChange::Approve { .. }) {
                self.line.tell_risk(&self.desk.client_id, LookAgain);
            }
        }
        guarded(self, ctx, |actor, ctx, now| {
            let was_empty = actor.core.deferred.is_empty();
            actor.committed(&message.events, now);
            // One timer for all that is asked for meanwhile.
            if was_empty && !actor.core.deferred.is_empty() {
                ctx.run_later(actor.read_gap(), |actor, ctx| {
                    guarded(actor, ctx, |actor, _, now| actor.read_deferred(now));
                });
            }
        });
    }
}

impl Handler<Streamed> for WatcherActor {
    type Result = ();
    fn handle(&mut self, message: Streamed, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.streamed(message.0));
    }
}
