//! The reads of the broker's books: one at a time, in a slot of their own.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::messages::ReadDone;
use super::turns::Turn;
use super::{BrokerActor, Found, Reading};
use crate::order::Status;
use crate::persistence::Book;
use crate::ports::{NoFunds, Session, Snapshot};
use crate::supervision::panic_words;
use crate::watcher::{Began, BookRead, Positions};

impl BrokerActor {
    /// A read came back. One that the broker refused for too many calls proved nothing and is wanted again.
    pub(super) fn read_done(&mut self, message: ReadDone, now: DateTime<Utc>) {
        let limited = match &message.found {
            Found::Orders(Snapshot::RateLimited { window, text }) => Some((Reading::Orders, *window, text.clone())),
            Found::Trades(Snapshot::RateLimited { window, text }) => Some((Reading::Trades, *window, text.clone())),
            Found::Positions(Snapshot::RateLimited { window, text }) => Some((Reading::Positions, *window, text.clone())),
            Found::Holdings(Snapshot::RateLimited { window, text }) => Some((Reading::Holdings, *window, text.clone())),
            Found::Funds(Err(NoFunds::RateLimited { window, text })) => Some((Reading::Funds, *window, text.clone())),
            Found::Session(_) | Found::Orders(_) | Found::Trades(_) | Found::Positions(_) | Found::Holdings(_) | Found::Funds(_) => None,
        };
        if let Some((reading, window, text)) = limited {
            self.breached(window, &text, now);
            self.turns.want([reading]);
        }
        let ReadDone { found, began } = message;
        self.line.tell_watcher(&self.desk.client_id, BookRead { found, began, at: now });
        self.read_next(now);
    }

    /// Tells the adapter whether a session is worth having now, and asks after one that is missing with every poll: exits
    /// wait for it.
    pub(super) fn mind_the_session(&mut self) {
        let findings = self.desk.findings.read();
        let shows = |positions: &Positions| positions.rows().iter().any(|row| row.net != 0);
        let is_held = findings.positions.as_ref().is_some_and(shows);
        let is_missing = matches!(findings.session, Some(Session::NotReady(_) | Session::Resting(_)));
        drop(findings);
        let ours = |book: &Book| book.open_count() > 0 || book.owes() || book.holdings().any(|(_, _, held)| held.net != 0);
        let is_in_use = is_held || self.line.view.read(&self.desk.client_id, ours).unwrap_or(true);
        self.desk.broker.in_use(is_in_use);
        if is_missing {
            self.turns.want([Reading::Session]);
        }
    }

    /// Starts the next wanted read, one at a time, as the budget allows.
    pub(super) fn read_next(&mut self, now: DateTime<Utc>) {
        if self.turns.is_empty() || self.desk.calls.lock().is_reading() {
            return;
        }
        let exit_waits = self.line.view.read(&self.desk.client_id, exit_waits).unwrap_or(false);
        let blind_after = chrono::Duration::from_std(self.desk.settings.waits.blind_after).unwrap_or(chrono::Duration::MAX);
        let turn = self.turns.take(&mut self.desk.budget.lock(), blind_after, exit_waits, now);
        let reading = match turn {
            Turn::Read(reading) => reading,
            Turn::WaitUntil(until) => {
                self.wake_at(until);
                return;
            }
            Turn::Nothing => return,
        };
        self.desk.calls.lock().begin_read();
        let seq = self.line.view.read(&self.desk.client_id, |book| book.seq()).unwrap_or(0);
        let began = Began { seq, seen_elsewhere: self.desk.findings.read().elsewhere.seen(), at: now };
        let broker = &self.desk.broker;
        let read: crate::ports::Call<Found> = match reading {
            Reading::Session => Box::pin(broker.session().map(Found::Session)),
            Reading::Orders => Box::pin(broker.orders().map(Found::Orders)),
            Reading::Trades => Box::pin(broker.trades().map(Found::Trades)),
            Reading::Positions => Box::pin(broker.positions().map(Found::Positions)),
            Reading::Holdings => Box::pin(broker.holdings().map(Found::Holdings)),
            Reading::Funds => Box::pin(broker.funds().map(Found::Funds)),
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
            line.tell_broker(&desk.client_id, ReadDone { found, began });
        });
    }
}

/// Whether an exit has not been sent yet: it may wait for what the broker holds.
fn exit_waits(book: &Book) -> bool {
    book.open_orders().any(|order| order.is_exit() && order.status == Status::Created)
}

fn nothing(reading: Reading, cause: String) -> Found {
    match reading {
        Reading::Session => Found::Session(Session::NotReady(cause)),
        Reading::Orders => Found::Orders(Snapshot::Unknown(cause)),
        Reading::Trades => Found::Trades(Snapshot::Unknown(cause)),
        Reading::Positions => Found::Positions(Snapshot::Unknown(cause)),
        Reading::Holdings => Found::Holdings(Snapshot::Unknown(cause)),
        Reading::Funds => Found::Funds(Err(NoFunds::Unknown(cause))),
    }
}
