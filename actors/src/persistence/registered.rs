//! The first token of the line: proof that the order is written down.

use std::sync::Arc;

use super::ticket::Ticket;
use crate::order::OrderRecord;

/// An order that is written as CREATED: committed, or in the round that is being committed, and then nothing that comes of it leaves the
/// process before that commit. Made by the ledger, and nowhere else.
#[derive(Debug)]
#[must_use = "a dropped token makes its order an orphan"]
pub struct Registered {
    record: Arc<OrderRecord>,
    ticket: Ticket,
}

impl Registered {
    pub(super) fn new(record: Arc<OrderRecord>, ticket: Ticket) -> Self {
        Self { record, ticket }
    }

    /// The row.
    #[must_use]
    pub fn record(&self) -> &Arc<OrderRecord> {
        &self.record
    }

    /// Takes the newer row of the same order, after a commit that settled what it is.
    pub(crate) fn renew(&mut self, record: &Arc<OrderRecord>) {
        if record.command_id == self.record.command_id {
            self.record = Arc::clone(record);
        }
    }

    /// Gives the ticket up for a refusal, or for the broker's answer.
    pub(crate) fn into_ticket(self) -> Ticket {
        self.ticket
    }

    /// Tells the caller that there is a decision to read.
    pub(crate) fn decided(&mut self) {
        self.ticket.decided();
    }
}
