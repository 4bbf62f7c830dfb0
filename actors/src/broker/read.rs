//! The reads of the broker's books: one at a time, in a slot of their own.

use std::sync::Arc;

use futures_util::FutureExt;

use super::messages::ReadDone;
use super::{BrokerActor, Found, Reading};
use crate::ports::{Session, Snapshot};
use crate::supervision::panic_words;

impl BrokerActor {
    /// Starts the next wanted read, one at a time.
    pub(super) fn read_next(&mut self) {
        let Some(reading) = self.wanted.first().copied() else { return };
        if !self.desk.calls.lock().begin_read() {
            return;
        }
        self.wanted.remove(&reading);
        let began_seq = self.line.view.read(&self.desk.client_id, |book| book.seq()).unwrap_or(0);
        let broker = &self.desk.broker;
        let read: crate::ports::Call<Found> = match reading {
            Reading::Session => Box::pin(broker.session().map(Found::Session)),
            Reading::Orders => Box::pin(broker.orders().map(Found::Orders)),
            Reading::Trades => Box::pin(broker.trades().map(Found::Trades)),
            Reading::Positions => Box::pin(broker.positions().map(Found::Positions)),
        };
        let (line, desk, deadline) = (Arc::clone(&self.line), Arc::clone(&self.desk), self.desk.settings.waits.read_deadline);
        actix::spawn(async move {
            let found = match tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(read).catch_unwind()).await {
                Ok(Ok(found)) => found,
                Ok(Err(panic)) => nothing(reading, format!("a fault in the broker adapter: {}", panic_words(&*panic))),
                Err(_) => nothing(reading, format!("no answer within {} ms", deadline.as_millis())),
            };
            // The slot is free from here on, even if the message is lost with the actor: the next poll reads again.
            desk.calls.lock().end_read();
            line.tell_broker(&desk.client_id, ReadDone { found, began_seq });
        });
    }
}

fn nothing(reading: Reading, cause: String) -> Found {
    match reading {
        Reading::Session => Found::Session(Session::NotReady(cause)),
        Reading::Orders => Found::Orders(Snapshot::Unknown(cause)),
        Reading::Trades => Found::Trades(Snapshot::Unknown(cause)),
        Reading::Positions => Found::Positions(Snapshot::Unknown(cause)),
    }
}
