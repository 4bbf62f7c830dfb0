//! BrokerActor: the one serialized touchpoint. It places nothing but [`Admitted`] orders, and only after their
//! SENT_TO_BROKER is on disk.
//!
//! The commit is asked for ahead of the write slot, for a window of orders; the slot takes the highest ready one, looks
//! once more at the kill latch, the age and the wish to cancel, and starts the call as a task beside the actor. After
//! the slot's deadline the order is in doubt and the slot is free for others; the late answer is still taken.
//!
//! Every call takes a token of the account's rate budget, orders before their row is written. What the budget holds up
//! keeps its place in the lanes; one timer wakes the actor when the next may go.
//! *Invariant:* no order is ever placed twice by this actor, and no change is repeated.

mod answered;
mod answers;
mod before;
mod budget;
mod calls;
mod change;
mod lanes;
mod last_look;
mod margin;
mod messages;
pub(crate) mod place;
mod quotes;
mod read;
mod resting;
mod slot;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use chrono::{DateTime, Utc};

pub use answered::Answered;
#[cfg(test)]
pub(crate) use answers::fact_of;
pub(crate) use before::sent_before;
pub use budget::{Decision, Meter, Usage};
pub use calls::{CallKey, CallKind, Calls};
pub use change::{Wish, worn_out};
pub use lanes::{Item, Lane, Lanes, Work};
pub use messages::{AskMargin, CallCommitted, CancelOrder, Found, ModifyOrder, Place, Read, Reading, SendCommitted, WantQuotes};
use messages::{CallDone, MarginDone, Quoted, ReadDone, SlotDeadline};
use quotes::Unquoted;
pub(crate) use resting::cancel_resting;
pub use resting::{Resting, overdue};
#[cfg(test)]
pub(crate) use turns::Turn;
pub(crate) use turns::Turns;

use crate::guard::Admitted;
use crate::line::{Desk, Line};
use crate::order::{ClientId, CommandId, Exchange, InstrumentKey, OrderFact, OrderRecord};
use crate::persistence::{OrderUnit, Unit};
use crate::ports::{Aside, Quote};
use crate::supervision::{Shell, guarded};

/// The timer looks again after this at the latest: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The broker's one caller.
#[derive(Debug)]
pub struct BrokerActor {
    line: Arc<Line>,
    desk: Arc<Desk>,
    lanes: Lanes,
    /// Baskets that wait for quotes.
    unquoted: Unquoted<Vec<Admitted>>,
    turns: Turns,
    /// When the broker was last asked what an order would take.
    margin_asked: Option<DateTime<Utc>>,
    /// When there is something to do that the budget, or a quote, holds up until then.
    wake: Option<DateTime<Utc>>,
    /// When the timer goes off that is armed.
    armed: Option<DateTime<Utc>>,
}

impl BrokerActor {
    /// The actor of one account.
    #[must_use]
    pub fn new(line: Arc<Line>, desk: Arc<Desk>) -> Self {
        Self {
            line,
            desk,
            lanes: Lanes::default(),
            unquoted: Unquoted::default(),
            turns: Turns::default(),
            margin_asked: None,
            wake: None,
            armed: None,
        }
    }

    fn unit(&self, command_id: CommandId, fact: OrderFact) -> Unit {
        Unit::Order(OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) })
    }

    /// The order's committed row.
    fn record(&self, command_id: CommandId) -> Option<Arc<OrderRecord>> {
        self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten()
    }

    /// Everything that a restart loses. Tickets in it make orphans, changes leave rows, tokens count as spent.
    fn begin_anew(&mut self) {
        self.lanes = Lanes::default();
        self.unquoted = Unquoted::default();
        self.turns.forget();
        (self.margin_asked, self.wake, self.armed) = (None, None, None);
        self.desk.budget.lock().lose_held();
    }

    /// The token that was held for an order or a change is spent.
    fn spend_held(&self, counts_at: Option<Exchange>, now: DateTime<Utc>) {
        if counts_at.is_some() {
            self.desk.budget.lock().called(counts_at, now);
        }
    }

    /// There is something to do then.
    fn wake_at(&mut self, at: DateTime<Utc>) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// One turn of the actor: what came, and then the timer for what has to wait.
    fn turn(&mut self, ctx: &mut Context<Self>, core: impl FnOnce(&mut Self, DateTime<Utc>)) {
        guarded(self, ctx, |actor, ctx, now| {
            actor.take_aside(now);
            core(actor, now);
            actor.arm(ctx, now);
        });
    }

    /// What the adapter did by itself counts too, and what the broker said to that holds for all.
    fn take_aside(&self, now: DateTime<Utc>) {
        let Aside { calls, unmade, limited } = self.desk.broker.aside();
        if calls > 0 || !unmade.is_empty() {
            let mut budget = self.desk.budget.lock();
            unmade.into_iter().for_each(|asked_at| budget.unmade(asked_at, now));
            budget.made(calls, now);
        }
        if let Some((window, text)) = limited {
            self.breached(window, &text, now);
        }
    }

    /// Arms the timer, unless one goes off early enough. It only wakes: what may go then is decided then.
    fn arm(&mut self, ctx: &mut Context<Self>, now: DateTime<Utc>) {
        let Some(wake) = self.wake.take() else { return };
        if self.armed.is_some_and(|armed| armed > now && armed <= wake) {
            return;
        }
        self.armed = Some(wake);
        let wait = wake.signed_duration_since(now).to_std().unwrap_or_default().clamp(Duration::from_millis(1), LONGEST_SLEEP);
        ctx.run_later(wait, move |actor, ctx| {
            if actor.armed == Some(wake) {
                actor.armed = None;
            }
            actor.turn(ctx, |actor, now| {
                actor.pump(now);
                actor.read_next(now);
            });
        });
    }

    /// Used and left of the budget, for whoever reads the metrics.
    fn show_budget(&self, now: DateTime<Utc>) {
        let Some(usage) = self.desk.budget.lock().usage(now) else { return };
        for (window, used, left) in [("second", usage.second_used, usage.second_left), ("minute", usage.minute_used, usage.minute_left)] {
            let client = self.desk.client_id.to_string();
            metrics::gauge!("ordergate_rate_budget_used", "client_id" => client.clone(), "window" => window).set(f64::from(used));
            metrics::gauge!("ordergate_rate_budget_left", "client_id" => client, "window" => window).set(f64::from(left));
        }
    }

    fn quote_max_age(&self) -> chrono::Duration {
        chrono::Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX)
    }

    /// The newest quote, if it is fresh.
    fn fresh_quote(&self, key: &InstrumentKey, now: DateTime<Utc>) -> Option<Quote> {
        self.line.newest_quote(&self.desk, key).filter(|quote| now.signed_duration_since(quote.at) <= self.quote_max_age())
    }
}

impl Actor for BrokerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.begin_anew();
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
        self.begin_anew();
    }
}

impl Handler<Place> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: Place, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.place(message.group, now));
    }
}

impl Handler<CancelOrder> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: CancelOrder, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.cancel_order(&message, now));
    }
}

impl Handler<ModifyOrder> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: ModifyOrder, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.modify_order(message, now));
    }
}

impl Handler<SendCommitted> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: SendCommitted, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.send_committed(message, now));
    }
}

impl Handler<CallCommitted> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: CallCommitted, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.call_committed(message, now));
    }
}

impl Handler<CallDone> for BrokerActor {
    type Result = ();
    fn handle(&mut self, _: CallDone, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.take_answers(now));
    }
}

impl Handler<SlotDeadline> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: SlotDeadline, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.slot_deadline(message.0, now));
    }
}

impl Handler<Quoted> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: Quoted, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.quoted(message, now));
    }
}

impl Handler<WantQuotes> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: WantQuotes, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.want_quotes(message, now));
    }
}

impl Handler<Read> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: Read, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| {
            // Comes with every poll: picks up what a lost message or a lost wake-up left behind.
            actor.take_answers(now);
            actor.catch_up(now);
            actor.pump(now);
            actor.turns.want(message.0);
            actor.mind_the_session();
            actor.read_next(now);
            actor.show_budget(now);
        });
    }
}

impl Handler<ReadDone> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: ReadDone, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.read_done(message, now));
    }
}

impl Handler<AskMargin> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: AskMargin, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.ask_margin(message, now));
    }
}

impl Handler<MarginDone> for BrokerActor {
    type Result = ();
    fn handle(&mut self, message: MarginDone, ctx: &mut Self::Context) {
        self.turn(ctx, |actor, now| actor.margin_done(message, now));
    }
}
