//! Cancels and changes of orders that work at the broker.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::calls::Done;
use super::{BrokerActor, CallCommitted, CallKind};
use crate::order::CommandId;
use crate::ports::{CallOutcome, Modification, PreparedChange, Refusal};
use crate::supervision::panic_words;

impl BrokerActor {
    pub(super) fn prepare_change(&self, change: Modification, now: DateTime<Utc>) -> Result<PreparedChange, Refusal> {
        let quote =
            self.line.quotes.quote(&change.instrument.key).filter(|quote| now.signed_duration_since(quote.at) <= self.quote_max_age());
        self.desk.broker.prepare_change(change, quote.as_ref())
    }

    pub(super) fn change(
        &mut self,
        command_id: CommandId,
        kind: CallKind,
        future: crate::ports::Call<CallOutcome>,
        change: Option<Modification>,
    ) {
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
        for kind in [CallKind::Cancel, CallKind::Modify] {
            if message.outcome.is_applied() {
                let _is_ready = self.lanes.make_ready(message.command_id, kind);
            } else {
                let _ended = self.lanes.take_intended(message.command_id, kind);
            }
        }
        self.pump(now);
    }
}

/// The answer, for the journal.
pub(super) fn words(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "accepted".to_owned(),
        CallOutcome::Rejected(reason) => format!("rejected: {reason}"),
        CallOutcome::NotSent(reason) => format!("not sent: {reason}"),
        CallOutcome::Unconfirmed(cause) => format!("no clear answer: {cause}"),
    }
}
