//! The write slot: whose row is written next, who is called next, and the call itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::calls::Done;
use super::messages::{CallDone, SlotDeadline};
use super::{BrokerActor, CallKey, CallKind, Item, Lane, Work};
use crate::order::{OrderFact, Status, TestMode};
use crate::persistence::{Cargo, Outcome, Posted};
use crate::ports::PlaceOutcome;
use crate::supervision::{at_hand, panic_words};

impl BrokerActor {
    /// Writes intentions ahead, and starts the next call if the slot is free; what ends without a call makes room for
    /// the next.
    pub(super) fn pump(&mut self, now: DateTime<Utc>) {
        loop {
            self.write_ahead();
            if !self.call_ready(now) {
                return;
            }
        }
    }

    pub(super) fn write_ahead(&mut self) {
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
    pub(super) fn call_ready(&mut self, now: DateTime<Utc>) -> bool {
        let mut has_taken = false;
        while !self.line.is_closed() && self.desk.calls.lock().is_slot_free() {
            let Some(item) = self.lanes.take_ready() else { break };
            self.call(item, now);
            has_taken = true;
        }
        has_taken
    }

    /// The last look, and the call.
    pub(super) fn call(&mut self, item: Item, now: DateTime<Utc>) {
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
                if let Some(reason) = cancelled.or_else(|| self.desk.latch.forbids(&record.ask.strategy, record.is_exit())) {
                    let outcome = format!("not sent: {reason}");
                    self.line.post_unit(self.unit(command_id, OrderFact::CallReplied { call: "MODIFY", outcome, terms: None }));
                    return;
                }
                let change = prepared.change.clone();
                self.change(command_id, CallKind::Modify, self.desk.broker.modify(*prepared), Some(change));
            }
        }
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
