//! BrokerActor: the one serialized touchpoint. It places nothing but [`Admitted`] orders, and only after their
//! SENT_TO_BROKER is on disk.
//!
//! The commit is asked for ahead of the write slot, for a window of orders; the slot takes the highest ready one, looks
//! once more at the kill latch, the age and the wish to cancel, and starts the call as a task beside the actor. After
//! the slot's deadline the order is in doubt and the slot is free for others; the late answer is still taken.
//! *Invariant:* no write is ever repeated by this actor.

mod answers;
mod calls;
mod change;
mod lanes;
mod last_look;
mod messages;
mod place;
mod read;
mod slot;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Supervised};

pub use calls::{CallKey, CallKind, Calls};
pub use lanes::{Item, Lane, Lanes, Work};
pub use messages::{CallCommitted, CancelOrder, Found, ModifyOrder, Place, Read, Reading, SendCommitted};
use messages::{CallDone, ReadDone, SlotDeadline};

use crate::line::{Desk, Line};
use crate::order::{ClientId, CommandId, OrderFact};
use crate::persistence::{OrderUnit, Unit};
use crate::supervision::{Shell, guarded};
use crate::watcher::BookRead;

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

    fn quote_max_age(&self) -> chrono::Duration {
        chrono::Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX)
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
