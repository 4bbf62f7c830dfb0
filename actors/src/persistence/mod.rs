//! PersistenceActor and what it owns: the only way to the disk.
//!
//! The actor is a stateless forwarder to the writer. What comes back after a commit is handed on in commit order.
//!
//! *Invariant:* nothing is acknowledged before it is durable, and nothing that failed to commit is ever retried. The gates alone see an
//! order before that; what they decide of it is committed with it, or after it.

mod acknowledge;
pub mod alarm;
mod alarms;
mod book;
mod broker_tag;
mod calls;
pub mod chain;
mod control;
mod delta;
mod exposure;
mod gross;
mod inputs;
mod kept;
mod latch;
mod ledger;
mod open_round;
mod redo;
mod registered;
mod replay;
mod signal;
mod staged;
mod ticket;
mod unclosed;
mod unit;
mod untold;
mod view;
mod waiting;
mod writer;
mod writing;

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Supervised};
use tokio::sync::oneshot;

pub use alarms::{ALARMS_KEPT, Alarm, AlarmChange, Alarms};
pub use book::{Book, NEWEST_KEPT};
pub(crate) use broker_tag::broker_tag;
pub use broker_tag::{cut_tag, read_tag};
pub use control::{CONTROL, Control, ControlChange, DayHalt, Freeze, HaltCause, KillLevel, StrategyStop};
pub use exposure::{Contract, Exposure, OpenValue, outstanding, own_price};
pub use gross::Gross;
pub use kept::{Keep, KeepOver, Kept, KeptChange, KeptStates, Slot, Topic};
pub use latch::Latch;
pub use ledger::{Ledger, Opened, Round, Seat};
pub use registered::Registered;
pub use replay::{Misfit, Projections, Replay, replay};
pub use ticket::{Admission, Answer, Orphans, Permit, Ticket, Waiter};
pub(crate) use unclosed::counts_as_exit;
pub use unit::{
    Ack, Adopted, Cargo, Earlier, Event, Level, Listener, NewOrder, NotRegistered, Note, OrderUnit, Outcome, Posted, Registration, Telling,
    Unit,
};
pub use view::View;
pub use waiting::Changes;
pub use writer::{Job, Queue, Writer};
pub use writing::Writing;

use crate::broker::{CallCommitted, SendCommitted};
use crate::line::Line;
use crate::order::ClientId;
use crate::ports::{Query, Rows, StoreError};
use crate::risk::Assess;
use crate::supervision::{Shell, guarded};

/// Write these, in this order. Sent by every actor; each unit's cargo says who hears of the commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Post(pub Vec<Posted>);

/// Read this for a person. The answer comes by the oneshot; dropped if the process stops.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ask(pub Query, pub oneshot::Sender<Result<Rows, StoreError>>);

/// A round is on disk. Sent by the writer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Written(pub Round);

/// The clean end: nothing is written after it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close(pub oneshot::Sender<Result<(), StoreError>>);

/// What of a round is still to be handed on.
struct Left {
    acks: VecDeque<Ack>,
    events: VecDeque<Event>,
}

/// Owns the writer; holds nothing else.
#[derive(Debug)]
pub struct PersistenceActor {
    line: Arc<Line>,
    writer: Writer,
}

impl PersistenceActor {
    /// The actor in front of a writer.
    #[must_use]
    pub fn new(line: Arc<Line>, writer: Writer) -> Self {
        Self { line, writer }
    }

    fn submit(&mut self, jobs: Vec<Job>) {
        if let Some(round) = self.writer.submit(jobs, &*self.line.halt) {
            self.line.tell_written(Written(round));
        }
    }

    /// Handles what was at hand once more if a panic came before it was handed on: facts and acknowledgements carry
    /// the only word of what somebody waits for, and this actor keeps nothing that a panic could have spoiled.
    fn again<M: Message<Result = ()> + Send + 'static>(&self, left: Option<M>)
    where
        Self: Handler<M>,
    {
        if let Some(message) = left.filter(|_| !self.line.halt.is_halted()) {
            self.line.tell_persistence(message);
        }
    }

    /// Hands a round on: acknowledgements in commit order, then the changes to each account's watcher. What is handed on is out of the
    /// round before.
    fn deliver(&self, left: &mut Left) {
        while let Some(ack) = left.acks.pop_front() {
            match ack {
                Ack::Registered(client_id, registered) => self.line.tell_risk(&client_id, Assess { group: registered }),
                Ack::SendCommitted(client_id, command_id, outcome) => {
                    self.line.tell_broker(&client_id, SendCommitted { command_id, outcome })
                }
                Ack::CallCommitted(client_id, command_id, kind, outcome) => {
                    self.line.tell_broker(&client_id, CallCommitted { command_id, kind, outcome })
                }
            }
        }
        let line = Arc::clone(&self.line);
        let batches = by_account(std::mem::take(&mut left.events));
        if !batches.is_empty() {
            // A turn later, and in the order of the commits: nobody waits for the watcher's work, and a call goes out before it.
            actix::spawn(async move {
                for (client_id, events) in batches {
                    line.tell_committed(&client_id, events);
                }
            });
        }
    }
}

/// The events of accounts, those next to each other of one together.
fn by_account(events: VecDeque<Event>) -> Vec<(ClientId, Vec<Event>)> {
    let mut batches: Vec<(ClientId, Vec<Event>)> = Vec::new();
    for event in events {
        let Some(client_id) = event.row.client_id.clone() else { continue };
        match batches.last_mut() {
            Some((last, batch)) if *last == client_id => batch.push(event),
            _ => batches.push((client_id, vec![event])),
        }
    }
    batches
}

impl Actor for PersistenceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
    }
}

impl Supervised for PersistenceActor {}

impl Shell for PersistenceActor {
    const NAME: &'static str = "PersistenceActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn drop_core(&mut self) {}
}

impl Handler<Post> for PersistenceActor {
    type Result = ();
    fn handle(&mut self, message: Post, ctx: &mut Self::Context) {
        let mut at_hand = Some(message);
        guarded(self, ctx, |actor, _, _| {
            let posted = at_hand.take().map_or_else(Vec::new, |message| message.0);
            actor.submit(posted.into_iter().map(|posted| Job::Post(Box::new(posted))).collect());
        });
        self.again(at_hand);
    }
}

impl Handler<Ask> for PersistenceActor {
    type Result = ();
    fn handle(&mut self, message: Ask, ctx: &mut Self::Context) {
        let mut at_hand = Some(message);
        guarded(self, ctx, |actor, _, _| actor.submit(at_hand.take().map(|message| Job::Read(message.0, message.1)).into_iter().collect()));
        self.again(at_hand);
    }
}

impl Handler<Written> for PersistenceActor {
    type Result = ();
    fn handle(&mut self, message: Written, ctx: &mut Self::Context) {
        let mut left = Left { acks: message.0.acks.into(), events: message.0.events.into() };
        guarded(self, ctx, |actor, _, _| {
            actor.writer.flush(&*actor.line.halt);
            actor.deliver(&mut left);
        });
        let Left { acks, events } = left;
        let is_left = !acks.is_empty() || !events.is_empty();
        self.again(is_left.then(|| Written(Round { acks: acks.into(), events: events.into() })));
    }
}

impl Handler<Close> for PersistenceActor {
    type Result = ();
    fn handle(&mut self, message: Close, ctx: &mut Self::Context) {
        let mut at_hand = Some(message);
        guarded(self, ctx, |actor, _, _| actor.submit(at_hand.take().map(|message| Job::Close(message.0)).into_iter().collect()));
        self.again(at_hand);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::noted;

    #[test]
    fn each_accounts_watcher_hears_its_rows_in_their_order_and_nobody_those_of_the_process() {
        let rows = [(Some("A1"), 1), (None, 1), (Some("A1"), 2), (Some("B1"), 1), (Some("A1"), 3)];
        let batches = by_account(rows.into_iter().map(|(account, seq)| noted(account, seq, Level::Info)).collect());
        let told: Vec<(String, Vec<u64>)> =
            batches.iter().map(|(id, events)| (id.to_string(), events.iter().map(|event| event.row.seq).collect())).collect();
        assert_eq!(told, [("A1".to_owned(), vec![1, 2]), ("B1".to_owned(), vec![1]), ("A1".to_owned(), vec![3])]);
        assert!(by_account(VecDeque::new()).is_empty());
    }
}
