//! Cancels and changes of orders that work at the broker.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::calls::Done;
use super::{BrokerActor, CallCommitted, CallKind, CancelOrder, Item, Lane, ModifyOrder, Work};
use crate::arming;
use crate::line::Line;
use crate::order::{Answered, CallAnswer, ChangeCall, ClientId, CommandId, Heard, OrderFact, OrderRecord, Terms};
use crate::persistence::{OrderUnit, Unit};
use crate::ports::{CallOutcome, Modification, PreparedChange, Refusal};
use crate::risk::largest_total;
use crate::supervision::{Shell, at_hand, panic_words};

/// A change that a person was told is asked for. However it ends before its call, a row says so; after it the answer
/// does.
pub struct Wish {
    line: Arc<Line>,
    client_id: ClientId,
    command_id: CommandId,
    /// What it asks for, from when its intention is on its way to the disk: the order may be for that much then.
    intended: Option<Terms>,
    is_open: bool,
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish").field("command_id", &self.command_id).field("is_open", &self.is_open).finish_non_exhaustive()
    }
}

impl Wish {
    pub(crate) fn new(line: Arc<Line>, client_id: ClientId, command_id: CommandId) -> Self {
        Self { line, client_id, command_id, intended: None, is_open: true }
    }

    pub(super) fn command_id(&self) -> CommandId {
        self.command_id
    }

    /// Its intention goes to the disk.
    pub(super) fn intend(&mut self, terms: &Terms) {
        self.intended = Some(terms.clone());
    }

    /// The call goes out: its answer is written down.
    fn called(mut self) {
        self.is_open = false;
    }

    /// Nothing is sent, and this is why.
    fn refuse(mut self, reason: &str) {
        self.write(reason);
    }

    /// What was intended is not in force, and nothing may count on it.
    fn write(&mut self, reason: &str) {
        self.is_open = false;
        let change = self.intended.take().map(|terms| Answered { terms, heard: Heard::Refused });
        let fact = OrderFact::CallReplied { call: ChangeCall::Modify, answer: CallAnswer::NotSent(reason.to_owned()), change };
        let who = Arc::from(BrokerActor::NAME);
        let unit = OrderUnit { client_id: self.client_id.clone(), command_id: self.command_id, fact, who };
        self.line.post_unit(Unit::Order(unit));
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        // At the end of the process there is no journal any more.
        if self.is_open && !self.line.is_closed() && !self.line.halt.is_halted() {
            self.write("lost by a fault inside ordergate before its call; ask again");
        }
    }
}

/// Why an order cannot be changed once more, if so. `most`: how often the broker takes it, `None` for always.
#[must_use]
pub fn worn_out(record: &OrderRecord, most: Option<u32>) -> Option<String> {
    let most = most.filter(|most| record.modifications >= *most)?;
    Some(format!("the order was changed {} times, and the broker takes {most}; cancel it and send a new one", record.modifications))
}

impl BrokerActor {
    pub(super) fn cancel_order(&mut self, message: &CancelOrder, now: DateTime<Utc>) {
        let record = self.record(message.command_id).filter(|_| !self.desk.calls.lock().is_cancelling(message.command_id));
        if let Some(record) = record {
            self.push_cancel(&record, message.is_kill, now);
            self.pump(now);
        }
    }

    /// Puts a cancel into its lane, unless one waits there already.
    pub(super) fn push_cancel(&mut self, record: &OrderRecord, is_kill: bool, now: DateTime<Utc>) {
        let lane = if is_kill { Lane::Kill } else { Lane::Cancel };
        let (command_id, number, counts_at) = (record.command_id, record.number, record.ask.exchange);
        let _waits_already = self.lanes.push(Item { command_id, lane, number, counts_at, since: now, work: Work::Cancel });
    }

    pub(super) fn modify_order(&mut self, message: ModifyOrder, now: DateTime<Utc>) {
        let ModifyOrder { wish, change } = message;
        let command_id = wish.command_id();
        at_hand(&self.desk.client_id, command_id);
        let Some(record) = self.record(command_id) else { return wish.refuse("the order is not in the book") };
        if let Some(reason) = worn_out(&record, self.desk.broker.capabilities().max_modifications) {
            return wish.refuse(&reason);
        }
        let (number, counts_at) = (record.number, Some(change.instrument.key.exchange));
        match self.prepare_change(change, now) {
            Ok(prepared) => {
                let lane = lane(&record, &prepared.change.terms);
                let work = Work::Modify(Box::new(prepared), wish);
                let twice = self.lanes.push(Item { command_id, lane, number, counts_at, since: now, work });
                if let Some(Work::Modify(_, wish)) = twice {
                    wish.refuse("another change of the order goes first");
                }
                self.pump(now);
            }
            Err(refusal) => wish.refuse(&refusal.reason),
        }
    }

    fn prepare_change(&self, change: Modification, now: DateTime<Utc>) -> Result<PreparedChange, Refusal> {
        let quote = self.fresh_quote(&change.instrument.key, now);
        self.desk.broker.prepare_change(change, quote.as_ref())
    }

    pub(super) fn call_cancel(&mut self, record: &OrderRecord) {
        if let Some(id) = record.broker_order_id.clone().filter(|_| !record.status.is_terminal()) {
            self.change(record.command_id, CallKind::Cancel, self.desk.broker.cancel(id), None);
        }
    }

    pub(super) fn call_modify(&mut self, record: &OrderRecord, prepared: PreparedChange, wish: Wish, now: DateTime<Utc>) {
        if record.status.is_terminal() {
            return wish.refuse(&format!("the order is {}", record.status));
        }
        // A kill that came while it waited for its turn forbids it as it forbids the order itself.
        let cancelled = record.cancel_wanted.map(|tag| tag.words().to_owned());
        let forbidden = || self.desk.latch.forbids(&record.ask.strategy, record.is_exit());
        let disarmed = || {
            let standing = self.desk.standing(now);
            (!record.is_exit() && standing.mode == arming::Mode::LiveDisarmed).then_some(standing.why)
        };
        let closed = || self.out_of_session(record, now).map(|(_, reason)| reason);
        let crowds = || self.crowds(record, &prepared.change);
        if let Some(reason) = cancelled.or_else(forbidden).or_else(disarmed).or_else(closed).or_else(crowds) {
            return wish.refuse(&reason);
        }
        let change = prepared.change.clone();
        let future = self.desk.broker.modify(prepared);
        wish.called();
        self.change(record.command_id, CallKind::Modify, future, Some(change));
    }

    /// Why an exit may not be made larger after all (INV-6): other exits were registered while it waited for its turn. Its
    /// own claim is in its row by now, so whatever is registered from here on is sized with it.
    fn crowds(&self, record: &OrderRecord, change: &Modification) -> Option<String> {
        let asked = change.terms.quantity;
        if !record.is_exit() || asked.value() <= record.quantity() {
            return None;
        }
        if record.reach.is_none_or(|reach| reach < asked) || self.desk.calls.lock().is_running(record.command_id) {
            return Some("another change of the exit came in between; it is asked for again".to_owned());
        }
        let findings = self.desk.findings.read();
        let most = self.line.view.read(&self.desk.client_id, |book| largest_total(record, book, &findings)).unwrap_or(0);
        (asked.value() > most).then(|| format!("{asked} are more than the {most} that other exits leave"))
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

    pub(super) fn call_committed(&mut self, message: CallCommitted, now: DateTime<Utc>) {
        if message.outcome.is_applied() {
            // Not there: lost in a restart. A cancel is asked for again, the end of a change is written down.
            let _is_ready = self.lanes.make_ready(message.command_id, message.kind);
        } else {
            self.drop_intended(message.command_id, message.kind, "the order has ended", now);
        }
        self.pump(now);
    }

    /// Takes a cancel or a change out of the lanes whose row is not on disk, or may not be.
    pub(super) fn drop_intended(&mut self, command_id: CommandId, kind: CallKind, reason: &str, now: DateTime<Utc>) {
        let Some(item) = self.lanes.take_intended(command_id, kind) else { return };
        self.spend_held(item.counts_at, now);
        if let Work::Modify(_, wish) = item.work {
            wish.refuse(reason);
        }
    }
}

/// Where a change waits. That of an exit goes before entries and may use what is reserved for exits: its next price, a stop that
/// becomes a limit, a stop that makes way. A stop that trails its position does not: hundreds of them would leave nothing.
fn lane(record: &OrderRecord, to: &Terms) -> Lane {
    let trails = record.is_shown_as_stop() && to.order_type.has_trigger() && to.quantity.value() >= record.quantity();
    if record.is_exit() && !trails { Lane::Exit } else { Lane::Modify }
}

/// The answer, for the journal.
pub(super) fn answer(outcome: CallOutcome) -> CallAnswer {
    CallAnswer::Called(match outcome {
        CallOutcome::Accepted => "accepted".to_owned(),
        CallOutcome::Rejected(reason) => format!("rejected: {reason}"),
        CallOutcome::RateLimited { text, .. } => format!("rejected, too many calls: {text}"),
        CallOutcome::NotSent(reason) => return CallAnswer::NotSent(reason),
        CallOutcome::Unconfirmed(cause) => format!("no clear answer: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{OrderType, Source};
    use crate::testkit::builders::{Build, exit, order, price, terms_of};

    #[test]
    fn the_next_price_of_an_exit_may_use_what_is_reserved_for_exits_and_a_trail_may_not() {
        let limit = |record: &OrderRecord, quantity| Terms { order_type: OrderType::Limit, ..terms_of(&record.clone().asks(quantity)) };
        let entry = order(1).working("B1");
        assert_eq!(lane(&entry, &limit(&entry, 10)), Lane::Modify);
        let target = exit(2).asks(10).working("B2");
        assert_eq!(lane(&target, &limit(&target, 10)), Lane::Exit);
        let mut stop = exit(3).asks(10);
        stop.source = Source::Stop;
        stop.ask.order_type = Some(OrderType::StopLimit);
        stop.ask.trigger_price = Some(price("790"));
        let stop = stop.working("B3");
        assert!(stop.is_shown_as_stop());
        let moved = |quantity| Terms { trigger_price: Some(price("795")), ..terms_of(&stop.clone().asks(quantity)) };
        assert_eq!(lane(&stop, &moved(stop.quantity())), Lane::Modify, "it trails");
        assert_eq!(lane(&stop, &moved(stop.quantity() - 1)), Lane::Exit, "it makes way");
        assert_eq!(lane(&stop, &limit(&stop, stop.quantity())), Lane::Exit, "it has fired");
    }
}
