//! What came back: from the disk, and from the broker.

use chrono::{DateTime, Utc};

use super::calls::Done;
use super::change::words;
use super::{BrokerActor, CallKey, CallKind, Item, SendCommitted, Work};
use crate::order::{OrderFact, Tag};
use crate::persistence::{Cargo, Outcome, Posted, Ticket};
use crate::ports::{CallOutcome, PlaceOutcome};
use crate::supervision::at_hand;

impl BrokerActor {
    pub(super) fn send_committed(&mut self, message: SendCommitted, now: DateTime<Utc>) {
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

    /// Takes every answer that has come.
    pub(super) fn take_answers(&mut self, now: DateTime<Utc>) {
        loop {
            let Some((key, outcome)) = self.desk.calls.lock().take_answer() else { break };
            self.call_done(key, outcome, now);
        }
    }

    pub(super) fn call_done(&mut self, key: CallKey, outcome: Done, now: DateTime<Utc>) {
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
}

impl Ticket {
    /// The order ended on disk by another way: the ticket ends with it. Otherwise it becomes an orphan and is looked at.
    pub(super) fn settle(self, outcome: &Outcome) {
        if outcome.record().is_some_and(|record| record.status.is_terminal()) {
            self.finish_ended();
        }
    }
}
