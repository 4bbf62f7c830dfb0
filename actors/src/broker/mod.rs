//! BrokerActor: the one serialized touchpoint. It places nothing but [`Admitted`] orders, and only after their
//! SENT_TO_BROKER is on disk.
//!
//! The commit is asked for ahead of the write slot, for a window of orders; the slot takes the highest ready one, looks
//! once more at the kill latch, the age and the wish to cancel, and starts the call as a task beside the actor. After
//! the slot's deadline the order is in doubt and the slot is free for others; the late answer is still taken.
//! *Invariant:* no write is ever repeated by this actor.

mod calls;
mod lanes;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Supervised};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use calls::Done;
pub use calls::{CallKey, CallKind, Calls};
pub use lanes::{Item, Lane, Lanes, Work};

use crate::arming;
use crate::guard::Admitted;
use crate::line::{Desk, Line};
use crate::order::{ClientId, CommandId, GateVerdict, OrderFact, OrderRecord, Status, Tag, TestMode};
use crate::persistence::{Cargo, Control, OrderUnit, Outcome, Posted, Ticket, Unit};
use crate::ports::{
    BookRow, BrokerOrder, CallOutcome, Modification, PlaceOutcome, PositionRow, Prepared, PreparedChange, Refusal, Session, Snapshot,
    TradeRow,
};
use crate::supervision::{Shell, at_hand, guarded, panic_words};
use crate::watcher::BookRead;

/// Send these. Sent by GuardActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Place {
    /// The orders of one basket, in the order in which they go.
    pub group: Vec<Admitted>,
}

/// Cancel this order at the broker. Sent by WatcherActor, for a wish that is on disk; may be repeated.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CancelOrder {
    /// The order.
    pub command_id: CommandId,
    /// Whether a kill wants it.
    pub is_kill: bool,
}

/// Change this order at the broker. Sent by GuardActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ModifyOrder {
    /// The order.
    pub command_id: CommandId,
    /// As it shall be.
    pub change: Modification,
}

/// A send intention came back from the disk. Sent by PersistenceActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SendCommitted {
    /// The order.
    pub command_id: CommandId,
    /// Whether it may be sent.
    pub outcome: Outcome,
}

/// A cancel or modify intention came back from the disk. Sent by PersistenceActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallCommitted {
    /// The order.
    pub command_id: CommandId,
    /// Whether it may be called.
    pub outcome: Outcome,
}

/// Read these books, one after the other. Sent by WatcherActor.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Read(pub BTreeSet<Reading>);

/// What can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Whether orders can be sent.
    Session,
    /// The trade book: before the order book, so that an order's fills are in before it ends.
    Trades,
    /// The order book.
    Orders,
    /// The positions.
    Positions,
}

/// What a read brought.
#[derive(Debug)]
pub enum Found {
    /// The session.
    Session(Session),
    /// The order book.
    Orders(Snapshot<Arc<BookRow>>),
    /// The trade book.
    Trades(Snapshot<Arc<TradeRow>>),
    /// The positions.
    Positions(Snapshot<PositionRow>),
}

/// Calls ended; their answers are with the calls. Posted by their tasks.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct CallDone;

/// A call has held the slot long enough.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct SlotDeadline(CallKey);

/// A read ended. Posted by its task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct ReadDone {
    found: Found,
    began_seq: u64,
}

/// The broker's one caller.
#[derive(Debug)]
pub struct BrokerActor {
    line: Arc<Line>,
    desk: Arc<Desk>,
    lanes: Lanes,
    wanted: BTreeSet<Reading>,
}

impl BrokerActor {
    /// The actor of one account.
    #[must_use]
    pub fn new(line: Arc<Line>, desk: Arc<Desk>) -> Self {
        Self { line, desk, lanes: Lanes::default(), wanted: BTreeSet::new() }
    }

    fn unit(&self, command_id: CommandId, fact: OrderFact) -> Unit {
        Unit::Order(OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) })
    }

    fn place(&mut self, group: Vec<Admitted>, now: DateTime<Utc>) {
        let prepared: Vec<_> = group
            .iter()
            .map(|admitted| {
                at_hand(&self.desk.client_id, admitted.record().command_id);
                self.prepare(admitted, now)
            })
            .collect();
        // Entries of a basket stand and fall together here as at every gate before.
        let sibling = group.iter().zip(&prepared).find_map(|(admitted, prepared)| match prepared {
            Err((tag, reason)) if !admitted.record().is_exit() => {
                Some((*tag, format!("leg {} of this basket was refused: {reason}", admitted.record().leg + 1)))
            }
            _ => None,
        });
        for (admitted, prepared) in group.into_iter().zip(prepared) {
            let prepared = match (&sibling, prepared) {
                (Some(because), Ok(_)) if !admitted.record().is_exit() => Err(because.clone()),
                (_, prepared) => prepared,
            };
            self.enqueue(admitted, prepared);
        }
        self.pump(now);
    }

    fn enqueue(&mut self, admitted: Admitted, prepared: Result<Prepared, (Tag, String)>) {
        match prepared {
            Ok(prepared) => {
                let (command_id, number) = (admitted.record().command_id, admitted.record().number);
                let lane = if admitted.record().is_exit() { Lane::Exit } else { Lane::Entry };
                let twice = self.lanes.push(lane, number, command_id, Work::Place(Box::new(admitted), Box::new(prepared)));
                if twice.is_some() {
                    tracing::error!(%command_id, "an order came down the line twice; the first stands");
                }
            }
            Err((tag, reason)) => {
                let limit = self.desk.broker.capabilities().name.into();
                let gate = GateVerdict { gate: "broker.prepare".into(), passed: false, input: reason.clone(), limit };
                self.line.post(vec![admitted.into_refusal(tag, reason, gate)]);
            }
        }
    }

    fn prepare_change(&self, change: Modification, now: DateTime<Utc>) -> Result<PreparedChange, Refusal> {
        let quote =
            self.line.quotes.quote(&change.instrument.key).filter(|quote| now.signed_duration_since(quote.at) <= self.quote_max_age());
        self.desk.broker.prepare_change(change, quote.as_ref())
    }

    fn quote_max_age(&self) -> chrono::Duration {
        chrono::Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX)
    }

    /// The exact request. A mock order needs none: it never reaches the port.
    fn prepare(&self, admitted: &Admitted, now: DateTime<Utc>) -> Result<Prepared, (Tag, String)> {
        let record = admitted.record();
        let Some(instrument) = record.instrument().and_then(|key| self.line.instruments.find(&key)) else {
            return Err((Tag::ValidationFailed, format!("tradingsymbol: {} is no longer in the instrument master", record.ask.symbol)));
        };
        let quote = self
            .line
            .quotes
            .quote(&instrument.key)
            .filter(|quote| record.is_exit() || now.signed_duration_since(quote.at) <= self.quote_max_age());
        let order = BrokerOrder {
            command_id: record.command_id,
            instrument,
            terms: admitted.terms().clone(),
            tag: record.broker_tag.clone(),
            is_exit: record.is_exit(),
        };
        if record.is_test() {
            return Ok(Prepared { order, request: "TEST_MODE: nothing is sent".to_owned() });
        }
        self.desk.broker.prepare(order, quote.as_ref()).map_err(|refusal| (Tag::RiskLimitsExceeded, refusal.reason))
    }

    /// Writes intentions ahead, and starts the next call if the slot is free; what ends without a call makes room for
    /// the next.
    fn pump(&mut self, now: DateTime<Utc>) {
        loop {
            self.write_ahead();
            if !self.call_ready(now) {
                return;
            }
        }
    }

    fn write_ahead(&mut self) {
        let mut posted = Vec::new();
        let window = self.desk.broker.capabilities().send_ahead.max(1);
        let high_water = self.desk.calls.lock().high_water().cloned();
        let mut ahead = self.lanes.ahead();
        while let Some(lane) = self.lanes.next_lane() {
            // The window bounds entries and changes; a cancel or an exit never waits behind them for its own row.
            if lane > Lane::Exit {
                if ahead >= window {
                    break;
                }
                ahead += 1;
            }
            let Some(item) = self.lanes.intend_next() else { break };
            let command_id = item.command_id;
            let (fact, cargo) = match &item.work {
                Work::Place(admitted, prepared) => {
                    let fact = OrderFact::SendIntended {
                        terms: prepared.order.terms.clone(),
                        request: prepared.request.clone(),
                        gates: admitted.gates(),
                        note: admitted.note().map(str::to_owned),
                        high_water: high_water.clone(),
                    };
                    (fact, Cargo::Send)
                }
                Work::Cancel => (OrderFact::CallIntended { call: "CANCEL", request: "cancel".to_owned() }, Cargo::Call),
                Work::Modify(prepared) => (OrderFact::CallIntended { call: "MODIFY", request: prepared.request.clone() }, Cargo::Call),
            };
            posted.push(Posted { unit: self.unit(command_id, fact), cargo });
        }
        if !posted.is_empty() {
            self.line.post(posted);
        }
    }

    /// Whether anything was taken out of the lanes.
    fn call_ready(&mut self, now: DateTime<Utc>) -> bool {
        let mut has_taken = false;
        while !self.line.is_closed() && self.desk.calls.lock().is_slot_free() {
            let Some(item) = self.lanes.take_ready() else { break };
            self.call(item, now);
            has_taken = true;
        }
        has_taken
    }

    /// The last look, and the call.
    fn call(&mut self, item: Item, now: DateTime<Utc>) {
        let command_id = item.command_id;
        at_hand(&self.desk.client_id, command_id);
        let Some(record) = self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten() else {
            tracing::error!(%command_id, "an order in the lanes is not in the book");
            return;
        };
        match item.work {
            Work::Place(admitted, _)
                if record.status != Status::SentToBroker || record.broker_order_id.is_some() || record.is_in_doubt() =>
            {
                // Settled, or looked for, by another way while it waited: a call now could be a second one.
                tracing::warn!(%command_id, status = %record.status, "not called: the order is no longer waiting for its call");
                admitted.into_ticket().settle(&Outcome::NotApplied(Some(record)));
            }
            Work::Place(admitted, prepared) => {
                if let Some((tag, reason)) = self.last_look(&record, now) {
                    let ticket = admitted.into_ticket();
                    self.line.post(vec![Posted {
                        unit: self.unit(command_id, OrderFact::NotSent { tag, reason }),
                        cargo: Cargo::Ticket(ticket),
                    }]);
                } else if let Some(mode) = record.ask.test_mode {
                    let fact = OrderFact::TestEnded { success: mode == TestMode::Success };
                    self.line.post(vec![Posted { unit: self.unit(command_id, fact), cargo: Cargo::Ticket(admitted.into_ticket()) }]);
                } else {
                    let future = self.desk.broker.place(*prepared);
                    let key = self.desk.calls.lock().start(command_id, CallKind::Place, Some(admitted.into_ticket()));
                    let deadline = self.desk.settings.waits.call_deadline;
                    self.run(key, async move {
                        let answer = tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(future).catch_unwind()).await;
                        Done::Placed(match answer {
                            Ok(Ok(outcome)) => outcome,
                            Ok(Err(panic)) => PlaceOutcome::Unconfirmed(format!("a fault in the broker adapter: {}", panic_words(&*panic))),
                            Err(_) => PlaceOutcome::Unconfirmed(format!("no answer within {} ms", deadline.as_millis())),
                        })
                    });
                }
            }
            Work::Cancel | Work::Modify(_) if record.status.is_terminal() || record.broker_order_id.is_none() => {}
            Work::Cancel => {
                let Some(id) = record.broker_order_id.clone() else { return };
                self.change(command_id, CallKind::Cancel, self.desk.broker.cancel(id), None);
            }
            Work::Modify(prepared) => {
                // A kill that came while it waited for its turn forbids it as it forbids the order itself.
                let cancelled = record.cancel_wanted.map(|tag| tag.words().to_owned());
                let forbidden = || self.desk.latch.forbids(&record.ask.strategy, record.is_exit());
                let disarmed = || {
                    let standing = self.desk.standing(now);
                    (!record.is_exit() && standing.mode == arming::Mode::LiveDisarmed).then_some(standing.why)
                };
                if let Some(reason) = cancelled.or_else(forbidden).or_else(disarmed) {
                    let outcome = format!("not sent: {reason}");
                    self.line.post_unit(self.unit(command_id, OrderFact::CallReplied { call: "MODIFY", outcome, terms: None }));
                    return;
                }
                let change = prepared.change.clone();
                self.change(command_id, CallKind::Modify, self.desk.broker.modify(*prepared), Some(change));
            }
        }
    }

    fn change(&mut self, command_id: CommandId, kind: CallKind, future: crate::ports::Call<CallOutcome>, change: Option<Modification>) {
        let key = self.desk.calls.lock().start(command_id, kind, None);
        let deadline = self.desk.settings.waits.call_deadline;
        self.run(key, async move {
            let answer = tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(future).catch_unwind()).await;
            let outcome = match answer {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => CallOutcome::Unconfirmed(format!("a fault in the broker adapter: {}", panic_words(&*panic))),
                Err(_) => CallOutcome::Unconfirmed(format!("no answer within {} ms", deadline.as_millis())),
            };
            Done::Called(outcome, change)
        });
    }

    /// Starts the task beside the actor: it survives the actor's restart, and so does its word that the slot was held
    /// long enough.
    fn run(&self, key: CallKey, task: impl Future<Output = Done> + 'static) {
        let (line, desk) = (Arc::clone(&self.line), Arc::clone(&self.desk));
        actix::spawn(async move {
            let mut task = std::pin::pin!(task);
            let outcome = match tokio::time::timeout(desk.settings.waits.slot_deadline, &mut task).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    line.tell_broker(&desk.client_id, SlotDeadline(key));
                    task.await
                }
            };
            desk.calls.lock().answered(key, outcome);
            line.tell_broker(&desk.client_id, CallDone);
        });
    }

    /// Why an order whose row is on disk is not called after all.
    fn last_look(&self, record: &OrderRecord, now: DateTime<Utc>) -> Option<(Tag, String)> {
        if let Some(tag) = record.cancel_wanted {
            return Some((tag, "cancelled while it waited for its turn; nothing was sent".to_owned()));
        }
        if let Some(reason) = self.desk.latch.forbids(&record.ask.strategy, record.is_exit()) {
            return Some((Tag::KillSwitch, format!("{reason}; nothing was sent")));
        }
        let (unarmed, price_time) = self.arming(record, now);
        if let Some(reason) = unarmed {
            return Some((Tag::NotArmed, format!("{reason}; nothing was sent")));
        }
        let ttl = chrono::Duration::from_std(self.line.settings.entry_ttl).unwrap_or(chrono::Duration::MAX);
        let age = now.signed_duration_since(price_time);
        (!record.is_exit() && age > ttl).then(|| {
            (
                Tag::StaleSignal,
                format!("{} ms old when its turn came (limit: {} ms); nothing was sent", age.num_milliseconds(), ttl.num_milliseconds()),
            )
        })
    }

    /// Why the account's arming forbids the order, if it does, and from when its age counts.
    fn arming(&self, record: &OrderRecord, now: DateTime<Utc>) -> (Option<String>, DateTime<Utc>) {
        let standing = self.desk.standing(now);
        let look = |control: &Control| (arming::forbids(&standing, control, record, now), arming::price_time(control, record));
        self.line
            .view
            .read(&self.desk.client_id, |book| look(book.control()))
            .unwrap_or_else(|| (Some("there is no book of the account".to_owned()), record.signal_time))
    }

    fn send_committed(&mut self, message: SendCommitted, now: DateTime<Utc>) {
        let SendCommitted { command_id, outcome } = message;
        at_hand(&self.desk.client_id, command_id);
        if outcome.is_applied() {
            if !self.lanes.make_ready(command_id, CallKind::Place) {
                // The lanes were lost in a restart. A call is made from its item and only after this message, so
                // nothing left the machine; the token may have been drained before the intention was on disk.
                let reason = "a fault inside ordergate between the commit and the call; nothing was sent".to_owned();
                self.line.post_unit(self.unit(command_id, OrderFact::NotSent { tag: Tag::NotSent, reason }));
            }
        } else if let Some(Item { work: Work::Place(admitted, _), .. }) = self.lanes.take_intended(command_id, CallKind::Place) {
            admitted.into_ticket().settle(&outcome);
        }
        self.pump(now);
    }

    fn call_committed(&mut self, message: CallCommitted, now: DateTime<Utc>) {
        for kind in [CallKind::Cancel, CallKind::Modify] {
            if message.outcome.is_applied() {
                let _is_ready = self.lanes.make_ready(message.command_id, kind);
            } else {
                let _ended = self.lanes.take_intended(message.command_id, kind);
            }
        }
        self.pump(now);
    }

    /// Takes every answer that has come.
    fn take_answers(&mut self, now: DateTime<Utc>) {
        loop {
            let Some((key, outcome)) = self.desk.calls.lock().take_answer() else { break };
            self.call_done(key, outcome, now);
        }
    }

    fn call_done(&mut self, key: CallKey, outcome: Done, now: DateTime<Utc>) {
        at_hand(&self.desk.client_id, key.command_id);
        let Some(ticket) = self.desk.calls.lock().end(key) else { return };
        let fact = match outcome {
            Done::Placed(PlaceOutcome::Accepted(broker_order_id)) => {
                self.desk.calls.lock().saw(&broker_order_id);
                OrderFact::Accepted { broker_order_id }
            }
            Done::Placed(PlaceOutcome::Rejected(reason)) => OrderFact::Rejected { reason },
            Done::Placed(PlaceOutcome::NotSent(reason)) => OrderFact::NotSent { tag: Tag::NotSent, reason },
            Done::Placed(PlaceOutcome::Unconfirmed(cause)) => OrderFact::Unconfirmed { cause },
            Done::Called(outcome, change) => {
                let call = if key.kind == CallKind::Modify { "MODIFY" } else { "CANCEL" };
                let terms = change.filter(|_| outcome == CallOutcome::Accepted).map(|change| change.terms);
                OrderFact::CallReplied { call, outcome: words(&outcome), terms }
            }
        };
        self.line.post(vec![Posted { unit: self.unit(key.command_id, fact), cargo: ticket.map_or(Cargo::None, Cargo::Ticket) }]);
        self.pump(now);
    }

    fn slot_deadline(&mut self, key: CallKey, now: DateTime<Utc>) {
        if !self.desk.calls.lock().release_slot(key) {
            return;
        }
        let waited = self.desk.settings.waits.slot_deadline.as_millis();
        tracing::warn!(command_id = %key.command_id, kind = ?key.kind, "no answer from the broker within {waited} ms; the slot goes on");
        if key.kind == CallKind::Place {
            let fact = OrderFact::Unconfirmed { cause: format!("no answer within {waited} ms; looked for in the broker's books") };
            self.line.post_unit(self.unit(key.command_id, fact));
        }
        self.pump(now);
    }

    /// Starts the next wanted read, one at a time.
    fn read_next(&mut self) {
        let Some(reading) = self.wanted.first().copied() else { return };
        if !self.desk.calls.lock().begin_read() {
            return;
        }
        self.wanted.remove(&reading);
        let began_seq = self.line.view.read(&self.desk.client_id, |book| book.seq()).unwrap_or(0);
        let broker = &self.desk.broker;
        let read: crate::ports::Call<Found> = match reading {
            Reading::Session => Box::pin(broker.session().map(Found::Session)),
            Reading::Orders => Box::pin(broker.orders().map(Found::Orders)),
            Reading::Trades => Box::pin(broker.trades().map(Found::Trades)),
            Reading::Positions => Box::pin(broker.positions().map(Found::Positions)),
        };
        let (line, desk, deadline) = (Arc::clone(&self.line), Arc::clone(&self.desk), self.desk.settings.waits.read_deadline);
        actix::spawn(async move {
            let found = match tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(read).catch_unwind()).await {
                Ok(Ok(found)) => found,
                Ok(Err(panic)) => nothing(reading, format!("a fault in the broker adapter: {}", panic_words(&*panic))),
                Err(_) => nothing(reading, format!("no answer within {} ms", deadline.as_millis())),
            };
            // The slot is free from here on, even if the message is lost with the actor: the next poll reads again.
            desk.calls.lock().end_read();
            line.tell_broker(&desk.client_id, ReadDone { found, began_seq });
        });
    }
}

fn nothing(reading: Reading, cause: String) -> Found {
    match reading {
        Reading::Session => Found::Session(Session::NotReady(cause)),
        Reading::Orders => Found::Orders(Snapshot::Unknown(cause)),
        Reading::Trades => Found::Trades(Snapshot::Unknown(cause)),
        Reading::Positions => Found::Positions(Snapshot::Unknown(cause)),
    }
}

fn words(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "accepted".to_owned(),
        CallOutcome::Rejected(reason) => format!("rejected: {reason}"),
        CallOutcome::NotSent(reason) => format!("not sent: {reason}"),
        CallOutcome::Unconfirmed(cause) => format!("no clear answer: {cause}"),
    }
}

impl Ticket {
    /// The order ended on disk by another way: the ticket ends with it. Otherwise it becomes an orphan and is looked at.
    fn settle(self, outcome: &Outcome) {
        if outcome.record().is_some_and(|record| record.status.is_terminal()) {
            self.finish_ended();
        }
    }
}

impl Actor for BrokerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.lanes = Lanes::default();
        self.wanted.clear();
    }
}

impl Supervised for BrokerActor {}

impl Shell for BrokerActor {
    const NAME: &'static str = "BrokerActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn client_id(&self) -> Option<&ClientId> {
        Some(&self.desk.client_id)
    }
    fn drop_core(&mut self) {
        self.lanes = Lanes::default();
        self.wanted.clear();
    }
}

impl Handler<Place> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: Place, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.place(message.group, now));
    }
}

impl Handler<CancelOrder> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: CancelOrder, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| {
            let number =
                actor.line.view.read(&actor.desk.client_id, |book| book.order(message.command_id).map(|order| order.number)).flatten();
            let Some(number) = number.filter(|_| !actor.desk.calls.lock().is_cancelling(message.command_id)) else { return };
            let lane = if message.is_kill { Lane::Kill } else { Lane::Cancel };
            let _waits_already = actor.lanes.push(lane, number, message.command_id, Work::Cancel);
            actor.pump(now);
        });
    }
}

impl Handler<ModifyOrder> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: ModifyOrder, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| {
            let number =
                actor.line.view.read(&actor.desk.client_id, |book| book.order(message.command_id).map(|order| order.number)).flatten();
            let Some(number) = number else { return };
            match actor.prepare_change(message.change, now) {
                Ok(prepared) => {
                    let work = Work::Modify(Box::new(prepared));
                    let _waits_already = actor.lanes.push(Lane::Modify, number, message.command_id, work);
                    actor.pump(now);
                }
                Err(refusal) => {
                    let outcome = format!("not sent: {}", refusal.reason);
                    let fact = OrderFact::CallReplied { call: "MODIFY", outcome, terms: None };
                    actor.line.post_unit(actor.unit(message.command_id, fact));
                }
            }
        });
    }
}

impl Handler<SendCommitted> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: SendCommitted, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.send_committed(message, now));
    }
}

impl Handler<CallCommitted> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: CallCommitted, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.call_committed(message, now));
    }
}

impl Handler<CallDone> for BrokerActor {
    type Result = ();
    fn handle(&mut self, _: CallDone, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.take_answers(now));
    }
}

impl Handler<SlotDeadline> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: SlotDeadline, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.slot_deadline(message.0, now));
    }
}

impl Handler<Read> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: Read, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| {
            // Comes with every poll: picks up what a lost wake-up left behind.
            actor.take_answers(now);
            actor.wanted.extend(message.0);
            actor.read_next();
        });
    }
}

impl Handler<ReadDone> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: ReadDone, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| {
            actor.line.tell_watcher(&actor.desk.client_id, BookRead { found: message.found, began_seq: message.began_seq, at: now });
            actor.read_next();
        });
    }
}
