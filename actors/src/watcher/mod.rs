//! WatcherActor: the broker's own truth. It reads the books, compares, and reports facts; it asks for cancels that are
//! wanted, drains orphans, settles doubts, and recovers after a start.
//!
//! The stream is a hint, the poll is the truth; applying either twice changes nothing; unknown is not empty. A row that
//! cannot be read stands as an alarm and stops nothing else.

mod blind;
mod books;
mod carried;
mod climb;
mod clock;
mod contracts;
mod covers;
mod elsewhere;
mod exits;
mod findings;
mod flat;
mod follow;
mod hands;
mod kill;
mod last;
mod missed;
#[cfg(test)]
mod model;
mod news;
mod not_flat;
mod old;
mod others;
mod owner;
mod plan;
mod plans;
mod reconcile;
mod recovery;
mod resend;
mod search;
mod settle;
mod square_off;
mod stuck;
mod take_up;
mod tries;
mod unseen;
mod untold;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Supervised};
use chrono::{DateTime, NaiveDate, Utc};

pub use crate::exits::ladder_slot;
pub use elsewhere::Elsewhere;
pub use findings::{Delivered, Findings, Orders, Positions, Told};
pub use hands::Hands;
pub use last::{Last, LastTrades};
pub use missed::session_is_missed;
pub use news::{read_row, speaks_against_an_end};
pub use others::Other;
pub use owner::is_row_of;
pub use reconcile::{BookReading, Concern, read_orders, read_trades};
pub use recovery::{Found as RecoveryFound, decide};
pub use resend::goes_again as exit_goes_again;
pub use search::{Patience, Search};
pub use square_off::LeftOver;
pub use untold::NOT_TOLD;

use self::follow::exit_failed;
use self::kill::asks_square_off;
use self::plans::concerns_plans;
use crate::broker::{Found, Read, Reading};
use crate::exits::{Pace, Steps};
use crate::line::{Desk, Line, Phase};
use crate::order::{BrokerOrderId, ClientId, CommandId, Fill, OrderFact, OrderRecord, Source, Status, trading_date};
use crate::persistence::{Cargo, ControlChange, Event, OrderUnit, Posted, Unit};
use crate::ports::{BookRow, Snapshot, StreamEvent, Unreadable};
use crate::risk::{LookAgain, can_close};
use crate::supervision::{Shell, guarded};

/// What was known when a request for a book went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    /// The account's newest journal row.
    pub seq: u64,
    /// How many fills of others had been seen.
    pub seen_elsewhere: u64,
    /// The time.
    pub at: DateTime<Utc>,
}

/// What BrokerActor read.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BookRead {
    /// The answer.
    pub found: Found,
    /// What was known when it was asked for.
    pub began: Began,
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
    /// What somebody may have changed at the broker.
    hands: Hands,
    /// Open orders with a number that no book showed, and how many books in a row did not.
    unseen: BTreeMap<CommandId, u32>,
    /// Orders of an earlier day whose trades are outstanding, and how many trade books in a row told nothing of them.
    untold: BTreeMap<CommandId, u32>,
    asked_to_cancel: BTreeMap<CommandId, DateTime<Utc>>,
    named_doubts: BTreeSet<CommandId>,
    /// Orders in doubt that a row without a tag could be: people were told which.
    twins: BTreeSet<CommandId>,
    /// Working orders that the broker's order book lacks, and since when.
    lost: BTreeMap<CommandId, DateTime<Utc>>,
    said: BTreeSet<String>,
    /// The rows of somebody who trades as we do for which entries were stopped.
    stopped_for: BTreeSet<BrokerOrderId>,
    unreadable: BTreeMap<Reading, Vec<Unreadable>>,
    /// The books of which so many rows could not be read that people were told the number.
    crowds: BTreeSet<Reading>,
    /// The books as last compared.
    last_orders: Last<BookRow>,
    last_trades: LastTrades,
    /// When each book was last asked for.
    asked: BTreeMap<Reading, DateTime<Utc>>,
    /// The trading day of the last poll.
    ticked_on: Option<NaiveDate>,
    proven: BTreeSet<Reading>,
    /// Whether what is held cannot be seen.
    blind: blind::Blind,
    /// Whether people were told that there is no session, and somebody misses it.
    no_session_told: bool,
    has_decided: bool,
    /// Whether people were told of the exits that ended in the last moments of the process before, or of the core before.
    has_told_last: bool,
    /// How often a square-off has tried each position.
    tries: tries::Tries,
    /// What a square-off holds back until the short that it covers is closed.
    covers: covers::Covers,
    /// When it was last looked for contracts that have expired.
    settled_at: Option<DateTime<Utc>>,
    /// Whether people were told that all is flat, and that it is not.
    flat_told: bool,
    not_flat_paged: bool,
    /// Exits of square-offs that are over, and whether they were sent: people were told of them.
    left_over: BTreeSet<(CommandId, bool)>,
    /// Since when a square-off finds something held.
    held_since: Option<DateTime<Utc>>,
    /// The exit rules.
    rules: exits::Rules,
    /// Exits that are for more than is held: when a change was last asked for, and how often.
    shrinking: BTreeMap<CommandId, (DateTime<Utc>, u32)>,
    /// Steps of ladders: when the newest were asked for, and which the broker refused.
    pace: Pace,
    refused_steps: Steps,
    /// Urgent exits whose limit reaches the touch, and since when they were seen there.
    at_touch: BTreeMap<CommandId, DateTime<Utc>>,
    /// The market at which exits went out that are open.
    touches: BTreeMap<CommandId, carried::Touch>,
    /// Exits that were sent again, and when that was last asked for.
    resent: BTreeMap<CommandId, DateTime<Utc>>,
    /// Exits that plans have asked for, and when: the plan's order, and which of its exits.
    planned: BTreeMap<(CommandId, usize), DateTime<Utc>>,
    /// Trades that the stream brought before their order's number was known.
    early_trades: BTreeMap<BrokerOrderId, Vec<Fill>>,
    /// Books that commits have asked for, and when such were last read.
    deferred: BTreeSet<Reading>,
    read_at: Option<DateTime<Utc>>,
    /// Rows that the disk was asked about, and what they said.
    looked_up: HashMap<BrokerOrderId, old::Said>,
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
        if self.desk.is_unheard.swap(false, Ordering::SeqCst) {
            // What a commit changed is in the book, and what was to be said of it is found there: as after a panic.
            self.core = Core::default();
            self.line.tell_risk(&self.desk.client_id, LookAgain);
        }
        self.follow_clock(now);
        self.tell_last_words(now);
        let wanted = match self.desk.phase() {
            Phase::Recovering => BTreeSet::from([Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions]),
            phase => {
                let seen = self.line.view.read(&self.desk.client_id, plan::Activity::of);
                // Recovery goes on with the next whole set of books.
                let activity = seen.filter(|_| phase != Phase::ExitsOnly).unwrap_or(plan::Activity::Unclear);
                plan::due(&self.desk.settings.waits, activity, &self.core.asked, now)
            }
        };
        let tells_funds = self.desk.broker.tells_funds();
        let wanted = wanted.into_iter().filter(|reading| tells_funds || *reading != Reading::Funds).collect();
        self.ask_for(wanted, now);
        self.drain_orphans();
        crate::broker::cancel_resting(&self.line, &self.desk, |command| self.core.hands.suspects(command), now);
        self.ask_for_cancels(now);
        self.follow_doubts(now);
        self.enforce_kill(now);
        self.tell_flat(now);
        self.tell_blind(now);
        self.settle_expired(now);
        self.resend_exits(now);
        self.follow_plans(now);
    }

    fn ask_for(&mut self, wanted: BTreeSet<Reading>, now: DateTime<Utc>) {
        if !wanted.is_empty() {
            self.core.asked.extend(wanted.iter().map(|reading| (*reading, now)));
            self.line.tell_broker(&self.desk.client_id, Read(wanted));
        }
    }

    fn book_read(&mut self, message: BookRead) {
        let BookRead { found, began, at } = message;
        match found {
            Found::Session(session) => self.session(session, at),
            Found::Trades(Snapshot::Authoritative(rows, unreadable)) => self.trades(rows, unreadable, at),
            Found::Orders(Snapshot::Authoritative(rows, unreadable)) => self.orders(rows, unreadable, began.seq, at),
            Found::Positions(Snapshot::Authoritative(rows, unreadable)) => self.positions(rows, unreadable, began, at),
            Found::Trades(Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. }) => self.unknown(Reading::Trades, cause),
            Found::Orders(Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. }) => self.unknown(Reading::Orders, cause),
            Found::Positions(Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. }) => {
                self.unknown(Reading::Positions, cause)
            }
            Found::Holdings(Snapshot::Authoritative(rows, unreadable)) => self.holdings(rows, unreadable, at),
            Found::Holdings(Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. }) => {
                // What was read last stands, and nothing else waits for it.
                self.core.asked.remove(&Reading::Holdings);
                tracing::debug!(client_id = %self.desk.client_id, "reading what is held for delivery proved nothing: {cause}");
            }
            Found::Funds(Ok(funds)) => {
                let counts = can_close(&self.line, &self.desk, at);
                self.desk.findings.write().take_funds(funds, at, counts);
            }
            // What was known ages; the next look is due in its time.
            Found::Funds(Err(_)) => {}
        }
        self.advance_recovery(at);
    }

    /// Whether an order of a wish to leave all has just got its size, or has ended, and the next one is for what it leaves.
    fn lets_the_next_go(&self, from: Option<Status>, record: &OrderRecord) -> bool {
        let is_settled = from == Some(Status::Created) && record.status != Status::Created && record.is_exit();
        is_settled && self.line.view.read(&self.desk.client_id, |book| book.sized_after(record)).unwrap_or(false)
    }

    /// What a commit sets in motion.
    fn committed(&mut self, events: &[Event], now: DateTime<Utc>) {
        self.rules_committed(events, now);
        self.hear_of_steps(events, now);
        self.hear_of_exits(events, now);
        let mut wanted = BTreeSet::new();
        let has_plans = self.has_plans();
        let (mut asks_cancel, mut touches_plans) = (false, false);
        for event in events {
            if let Some((change, _)) = event.control.as_deref() {
                if asks_square_off(change) {
                    self.core.tries = tries::Tries::default();
                    (self.core.flat_told, self.core.not_flat_paged) = (false, false);
                }
                self.enforce_kill(now);
            }
            touches_plans |= concerns_plans(event, has_plans);
            let Some(record) = &event.record else { continue };
            asks_cancel |= record.cancel_wanted.is_some() && record.broker_order_id.is_some() && !record.status.is_terminal();
            if let Some(id) = &record.broker_order_id
                && let Some(fills) = self.core.early_trades.remove(id)
            {
                // A trade of a day before is one of another order with this number.
                let is_its_own = |fill: &Fill| record.sent_at.is_some_and(|sent| trading_date(fill.at) >= trading_date(sent));
                let fills = fills.into_iter().filter(is_its_own);
                self.post_facts(fills.map(|fill| (record.command_id, OrderFact::Fill(fill))).collect());
            }
            if record.filled_quantity > record.traded_quantity {
                // The book has counted what we have no trade of: what is held is not known until it is read.
                wanted.extend([Reading::Trades, Reading::Positions]);
            }
            if &*event.row.event == crate::order::event::FILL {
                wanted.insert(Reading::Positions);
            }
            // What it has claimed may be free for others now, or its size is what the next one of its signal waits for.
            if record.source == Source::Stop || self.lets_the_next_go(event.row.from, record) {
                self.line.tell_risk(&self.desk.client_id, LookAgain);
            }
            if !self.stop_ended(event.row.from, record, now) && exit_failed(event.row.from, record) {
                self.tell_of_failed_exit(record, now);
            }
            if record.is_in_doubt() {
                wanted.extend([Reading::Orders, Reading::Trades]);
            }
        }
        if asks_cancel {
            self.ask_for_cancels(now);
        }
        if touches_plans {
            self.follow_plans(now);
            self.line.tell_risk(&self.desk.client_id, LookAgain);
        }
        self.core.deferred.extend(wanted);
        self.read_deferred(now);
    }
}

impl WatcherActor {
    /// One timer for all that is asked for meanwhile.
    fn read_later(&self, was_empty: bool, ctx: &mut Context<Self>) {
        if was_empty && !self.core.deferred.is_empty() {
            ctx.run_later(self.read_gap(), |actor, ctx| {
                guarded(actor, ctx, |actor, _, now| actor.read_deferred(now));
            });
        }
    }
}

impl Actor for WatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.core = Core::default();
        let poll_ms = u64::try_from(self.desk.settings.waits.poll.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(event = "watcher_started", client_id = %self.desk.client_id, poll_ms, "watcher started");
        ctx.run_interval(self.desk.settings.waits.poll, |actor, ctx| {
            guarded(actor, ctx, |actor, _, now| actor.tick(now));
        });
        ctx.run_interval(self.desk.settings.exits.look, |actor, ctx| {
            let later = guarded(actor, ctx, |actor, _, now| actor.exit_tick(now)).unwrap_or_default();
            let turns = u32::try_from(later.len()).unwrap_or(u32::MAX).saturating_add(1);
            for (nth, slots) in (1..turns).zip(later) {
                ctx.run_later(actor.desk.settings.exits.look * nth / turns, move |actor, ctx| {
                    guarded(actor, ctx, |actor, _, now| actor.exit_turn(&slots, now));
                });
            }
        });
        await_bell(self, ctx);
        // Not in here: a panic in `started()` would restart the actor without its back-off.
        ctx.run_later(std::time::Duration::ZERO, |actor, ctx| {
            guarded(actor, ctx, |actor, _, now| actor.tick(now));
        });
    }
}

/// One wait at a time: while it is not awaited, whatever comes in is one ring.
fn await_bell(actor: &WatcherActor, ctx: &mut Context<WatcherActor>) {
    let bell = Arc::clone(&actor.desk.bell);
    let rung = actix::fut::wrap_future::<_, WatcherActor>(async move { bell.rung().await });
    ctx.spawn(rung.map(|(), actor, ctx| {
        guarded(actor, ctx, |actor, _, now| actor.bell_rang(now));
        await_bell(actor, ctx);
    }));
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
            if matches!(change, ControlChange::Arm { .. } | ControlChange::Approve { .. }) {
                self.line.tell_risk(&self.desk.client_id, LookAgain);
            }
        }
        guarded(self, ctx, |actor, ctx, now| {
            let was_empty = actor.core.deferred.is_empty();
            actor.committed(&message.events, now);
            actor.read_later(was_empty, ctx);
        });
    }
}

impl Handler<Streamed> for WatcherActor {
    type Result = ();
    fn handle(&mut self, message: Streamed, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, ctx, now| {
            let was_empty = actor.core.deferred.is_empty();
            actor.streamed(message.0, now);
            actor.read_later(was_empty, ctx);
        });
    }
}
