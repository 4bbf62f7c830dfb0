//! What came back: from the disk, and from the broker.

use chrono::{DateTime, TimeDelta, Utc};

use super::calls::Done;
use super::change::answer;
use super::{BrokerActor, CallKey, CallKind, Item, Reading, SendCommitted, Work};
use crate::order::{Answered, ChangeCall, CommandId, Heard, OrderFact, Tag};
use crate::persistence::{Cargo, Outcome, Posted, Ticket};
use crate::ports::{CallOutcome, PlaceOutcome, RateWindow};
use crate::supervision::at_hand;

impl BrokerActor {
    pub(super) fn send_committed(&mut self, message: SendCommitted, now: DateTime<Utc>) {
        let SendCommitted { command_id, outcome } = message;
        at_hand(&self.desk.client_id, command_id);
        if !outcome.is_applied() {
            self.not_intended(command_id, &outcome, now);
        } else if !self.lanes.make_ready(command_id, CallKind::Place) && !self.desk.calls.lock().went_on(command_id) {
            // The lanes were lost in a restart. A call is made from its item and only after this message, so
            // nothing left the machine; the token may have been drained before the intention was on disk.
            let reason = "a fault inside ordergate between the commit and the call; nothing was sent".to_owned();
            self.line.post_unit(self.unit(command_id, OrderFact::NotSent { tag: Tag::NotSent, reason }));
        }
        self.pump(now);
    }

    /// The order ended on disk before it could be sent.
    fn not_intended(&mut self, command_id: CommandId, outcome: &Outcome, now: DateTime<Utc>) {
        if let Some(Item { work: Work::Place(admitted, _), counts_at, .. }) = self.lanes.take_intended(command_id, CallKind::Place) {
            self.spend_held(counts_at, now);
            admitted.into_ticket().settle(outcome);
        }
    }

    /// Goes on with what has waited for the word of its commit for so long that the word must be lost (a full mailbox).
    /// The row tells what became of an order; a cancel is asked for again by Watcher, a change by the person.
    pub(super) fn catch_up(&mut self, now: DateTime<Utc>) {
        let patience = TimeDelta::from_std(self.desk.settings.waits.cancel_again).unwrap_or(TimeDelta::MAX);
        for (command_id, kind) in self.lanes.overdue(now - patience) {
            let Some(record) = self.record(command_id) else { continue };
            match kind {
                CallKind::Place if record.status.is_terminal() => {
                    self.not_intended(command_id, &Outcome::NotApplied(Some(record)), now);
                }
                CallKind::Place if record.sent_at.is_some() => {
                    tracing::warn!(%command_id, "the word of its commit was lost; its row is on disk, and the order goes on");
                    self.desk.calls.lock().go_on(command_id);
                    let _is_ready = self.lanes.make_ready(command_id, kind);
                }
                // Not on disk: the writer is slow, and its word will come.
                CallKind::Place => {}
                CallKind::Cancel | CallKind::Modify => {
                    self.drop_intended(command_id, kind, "the word of its row was lost; ask again", now);
                }
            }
        }
    }

    /// Takes every answer that has come.
    pub(super) fn take_answers(&mut self, now: DateTime<Utc>) {
        loop {
            let Some((key, outcome)) = self.desk.calls.lock().take_answer() else { break };
            self.call_done(key, outcome, now);
        }
    }

    fn call_done(&mut self, key: CallKey, outcome: Done, now: DateTime<Utc>) {
        at_hand(&self.desk.client_id, key.command_id);
        let Some(ticket) = self.desk.calls.lock().end(key) else { return };
        let fact = match outcome {
            Done::Placed(outcome) => {
                match &outcome {
                    PlaceOutcome::Accepted(broker_order_id) => self.desk.calls.lock().saw(broker_order_id),
                    PlaceOutcome::RateLimited { window, text } => self.breached(*window, text, now),
                    // If that was for want of a session, what follows waits for one and is not used up.
                    PlaceOutcome::NoSession(_) | PlaceOutcome::NotSent(_) => self.turns.want([Reading::Session]),
                    PlaceOutcome::Rejected(_) | PlaceOutcome::Unconfirmed(_) => {}
                }
                fact_of(outcome)
            }
            Done::Called(outcome, change) => {
                let call = if key.kind == CallKind::Modify { ChangeCall::Modify } else { ChangeCall::Cancel };
                if let CallOutcome::RateLimited { window, text } = &outcome {
                    self.breached(*window, text, now);
                    self.cancel_again(key, now);
                }
                let heard = match &outcome {
                    CallOutcome::Accepted => Heard::Taken,
                    // It may be in force.
                    CallOutcome::Unconfirmed(_) => Heard::Unclear,
                    CallOutcome::Rejected(_) | CallOutcome::RateLimited { .. } | CallOutcome::NotSent(_) => Heard::Refused,
                };
                let change = change.map(|change| Answered { terms: change.terms, heard });
                OrderFact::CallReplied { call, answer: answer(outcome), change }
            }
        };
        self.line.post(vec![Posted { unit: self.unit(key.command_id, fact), cargo: ticket.map_or(Cargo::None, Cargo::Ticket) }]);
        self.pump(now);
        self.read_next(now);
    }

    /// The broker takes no more calls in this window: nobody's, and whoever waits keeps its place.
    pub(super) fn breached(&self, window: RateWindow, text: &str, now: DateTime<Utc>) {
        self.desk.budget.lock().breach(window, now);
        metrics::counter!("ordergate_rate_breaches_total", "client_id" => self.desk.client_id.to_string()).increment(1);
        tracing::warn!(event = "rate_limited", client_id = %self.desk.client_id, ?window, "the broker takes no more calls: {text}");
    }

    /// A cancel may be repeated: it goes back to its place and waits for the window to open.
    fn cancel_again(&mut self, key: CallKey, now: DateTime<Utc>) {
        if key.kind != CallKind::Cancel {
            return;
        }
        if let Some(record) = self.record(key.command_id).filter(|record| !record.status.is_terminal()) {
            self.push_cancel(&record, record.cancel_wanted == Some(Tag::KillSwitch), now);
        }
    }
}

/// What the answer to a place call says of its order. A second call for one row is never made: an exit of which nothing was
/// taken goes again as a new order.
pub(crate) fn fact_of(outcome: PlaceOutcome) -> OrderFact {
    match outcome {
        PlaceOutcome::Accepted(broker_order_id) => OrderFact::Accepted { broker_order_id },
        PlaceOutcome::Rejected(reason) => OrderFact::Rejected { tag: Tag::BrokerRejected, reason },
        // Not live, and known not to be.
        PlaceOutcome::RateLimited { text, .. } => OrderFact::Rejected { tag: Tag::RateLimited, reason: text },
        PlaceOutcome::NoSession(reason) => OrderFact::Rejected { tag: Tag::BrokerNotLoggedIn, reason },
        PlaceOutcome::NotSent(reason) => OrderFact::NotSent { tag: Tag::NotSent, reason },
        PlaceOutcome::Unconfirmed(cause) => OrderFact::Unconfirmed { cause },
    }
}

impl Ticket {
    /// The order ended on disk by another way: the ticket ends with it. Otherwise it becomes an orphan and is looked at.
    pub(super) fn settle(self, outcome: &Outcome) {
        if outcome.record().is_some_and(|record| record.status.is_terminal()) {
            self.finish_ended();
        }
    }
}
