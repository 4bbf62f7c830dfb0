//! The write slot: whose row is written next, who is called next, and the call itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::budget::{Decision, Venue};
use super::calls::Done;
use super::lanes::Key;
use super::messages::{CallDone, SlotDeadline};
use super::{BrokerActor, CallKey, CallKind, Item, Lane, Work};
use crate::guard::Admitted;
use crate::order::{ChangeCall, OrderFact, OrderRecord, OrderType, TestMode};
use crate::persistence::{Cargo, Outcome, Posted};
use crate::ports::{PlaceOutcome, Prepared};
use crate::supervision::{at_hand, panic_words};

impl BrokerActor {
    /// Writes intentions ahead, and starts the next call if the slot is free; what ends without a call makes room for
    /// the next.
    pub(super) fn pump(&mut self, now: DateTime<Utc>) {
        self.follow_quotes(now);
        loop {
            self.write_ahead(now);
            if !self.call_ready(now) {
                return;
            }
        }
    }

    fn write_ahead(&mut self, now: DateTime<Utc>) {
        let mut posted = Vec::new();
        let window = self.desk.broker.capabilities().send_ahead.max(1);
        let high_water = self.desk.calls.lock().high_water().cloned();
        let mut ahead = self.lanes.ahead();
        let mut full = Vec::new();
        while let Some(key) = self.next_worth_a_token(&full, now) {
            let Some((lane, counts_at)) = self.lanes.queued(key).map(|item| (item.lane, item.counts_at)) else { break };
            // The window bounds entries and changes; a cancel or an exit never waits behind them for its own row.
            if lane > Lane::Exit && ahead >= window {
                break;
            }
            let decision = counts_at.map_or(Decision::Go, |exchange| self.desk.budget.lock().hold(lane, Some(exchange), now));
            if let Decision::WaitUntil(until) = decision {
                self.wake_at(until);
                // If its exchange alone is full, others of its lane may go.
                let has_room = self.desk.budget.lock().decide(lane, None, now) == Decision::Go;
                match counts_at.map(Venue::of).filter(|venue| has_room && !full.contains(venue)) {
                    Some(venue) => full.push(venue),
                    None => break,
                }
                continue;
            }
            ahead += usize::from(lane > Lane::Exit);
            let Some(item) = self.lanes.intend(key, now) else { break };
            let command_id = item.command_id;
            let (fact, cargo) = match &mut item.work {
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
                Work::Cancel => {
                    let fact = OrderFact::CallIntended { call: ChangeCall::Cancel, request: "cancel".to_owned(), terms: None };
                    (fact, Cargo::Call(CallKind::Cancel))
                }
                Work::Modify(prepared, wish) => {
                    wish.intend(&prepared.change.terms);
                    let terms = Some(prepared.change.terms.clone());
                    let fact = OrderFact::CallIntended { call: ChangeCall::Modify, request: prepared.request.clone(), terms };
                    (fact, Cargo::Call(CallKind::Modify))
                }
            };
            posted.push(Posted { unit: self.unit(command_id, fact), cargo });
        }
        if !posted.is_empty() {
            self.line.post(posted);
        }
    }

    /// Looks at the next item before a token is taken for it: what ended while it waited ends here, and a market order
    /// that waited long is priced anew. `None` when nothing is left that may go while those exchanges are full.
    fn next_worth_a_token(&mut self, full: &[Venue], now: DateTime<Utc>) -> Option<Key> {
        loop {
            let key = self.lanes.next(full)?;
            let item = self.lanes.queued(key)?;
            let (command_id, is_old) = (item.command_id, now.signed_duration_since(item.since));
            let Work::Place(..) = &item.work else { return Some(key) };
            at_hand(&self.desk.client_id, command_id);
            let Some(record) = self.record(command_id) else { return Some(key) };
            let has_ended = record.status.is_terminal();
            let stale = self.last_look(&record, now);
            if !has_ended && stale.is_none() {
                if is_old > self.quote_max_age() {
                    self.price_anew(key, now);
                }
                return Some(key);
            }
            let Some(Item { work: Work::Place(admitted, _), .. }) = self.lanes.take_queued(key) else { return Some(key) };
            match stale.filter(|_| !has_ended) {
                Some((tag, reason)) => self.refuse(*admitted, tag, reason),
                None => admitted.into_ticket().settle(&Outcome::NotApplied(Some(record))),
            }
        }
    }

    /// The next order waited for its turn: the limit that its market order became is of an old price. Without a fresh
    /// one it stays as it is.
    fn price_anew(&mut self, key: Key, now: DateTime<Utc>) {
        let Some(Item { work: Work::Place(admitted, _), .. }) = self.lanes.queued(key) else { return };
        if self.desk.broker.capabilities().takes_market_orders || admitted.terms().order_type != OrderType::Market {
            return;
        }
        let Some(mut item) = self.lanes.take_queued(key) else { return };
        if let Work::Place(admitted, prepared) = &mut item.work
            && let Ok(fresh) = self.prepare(admitted, now)
        {
            **prepared = fresh;
        }
        item.since = now;
        let _none_waits_in_its_place = self.lanes.push(item);
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

    /// The last look, and the call. Whatever becomes of it, its token is spent.
    fn call(&mut self, item: Item, now: DateTime<Utc>) {
        let command_id = item.command_id;
        at_hand(&self.desk.client_id, command_id);
        self.spend_held(item.counts_at, now);
        let Some(record) = self.record(command_id) else {
            tracing::error!(%command_id, "an order in the lanes is not in the book");
            return;
        };
        match item.work {
            Work::Place(admitted, prepared) => self.call_place(&record, *admitted, *prepared, now),
            Work::Cancel => self.call_cancel(&record),
            Work::Modify(prepared, wish) => self.call_modify(&record, *prepared, wish, now),
        }
    }

    fn call_place(&mut self, record: &Arc<OrderRecord>, admitted: Admitted, prepared: Prepared, now: DateTime<Utc>) {
        let command_id = record.command_id;
        let ticket = admitted.into_ticket();
        if !record.awaits_its_call() {
            tracing::warn!(%command_id, status = %record.status, "not called: the order is no longer waiting for its call");
            ticket.settle(&Outcome::NotApplied(Some(Arc::clone(record))));
            return;
        }
        let ends = match (self.last_look(record, now), record.ask.test_mode) {
            (Some((tag, reason)), _) => Some(OrderFact::NotSent { tag, reason }),
            (None, Some(mode)) => Some(OrderFact::TestEnded { success: mode == TestMode::Success }),
            (None, None) => None,
        };
        if let Some(fact) = ends {
            self.line.post(vec![Posted { unit: self.unit(command_id, fact), cargo: Cargo::Ticket(ticket) }]);
            return;
        }
        let future = self.desk.broker.place(prepared);
        let key = self.desk.calls.lock().start(command_id, CallKind::Place, Some(ticket));
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

    /// Starts the task beside the actor: it survives the actor's restart, and so does its word that the slot was held
    /// long enough.
    pub(super) fn run(&self, key: CallKey, task: impl Future<Output = Done> + 'static) {
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

    pub(super) fn slot_deadline(&mut self, key: CallKey, now: DateTime<Utc>) {
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
}
