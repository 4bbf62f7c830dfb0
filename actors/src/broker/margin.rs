//! What an order would take of the account's money, asked of the broker for a person who looks. The question stands behind everything
//! else: it takes the slot of the reads only while no book is wanted, spends from their share, and comes now and then only, because the
//! books alone use most of what a broker allows. What may not be asked now is not kept: whoever looks sees our own estimate.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::budget::Decision;
use super::messages::{AskMargin, MarginDone};
use super::{BrokerActor, Lane};
use crate::ports::NoMargin;
use crate::supervision::panic_words;

/// Between two questions of one account: at a broker that takes 100 calls in a minute the books use 36 of the 37 that reads may: there is room for one.
const PAUSE: TimeDelta = TimeDelta::seconds(60);
/// The books wait for it so long at the most.
const DEADLINE: Duration = Duration::from_secs(1);

/// Whether it may be asked for now.
fn is_free(wants_books: bool, is_reading: bool, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    // A clock that was set back holds it up no longer than once.
    let is_soon = last.is_some_and(|last| now.signed_duration_since(last).abs() < PAUSE);
    !wants_books && !is_reading && !is_soon
}

impl BrokerActor {
    /// Asks, if nothing else is to be read. Otherwise the question is dropped, and with it the sender of its answer.
    pub(super) fn ask_margin(&mut self, message: AskMargin, now: DateTime<Utc>) {
        let is_reading = self.desk.calls.lock().is_reading();
        if !is_free(!self.turns.is_empty(), is_reading, self.margin_asked, now) {
            return;
        }
        if self.desk.budget.lock().spend(Lane::Read, None, now) != Decision::Go {
            return;
        }
        self.margin_asked = Some(now);
        self.desk.calls.lock().begin_read();
        let AskMargin { order, answer } = message;
        let call = self.desk.broker.order_margin(order);
        let (line, desk) = (Arc::clone(&self.line), Arc::clone(&self.desk));
        actix::spawn(async move {
            let found = match tokio::time::timeout(DEADLINE, std::panic::AssertUnwindSafe(call).catch_unwind()).await {
                Ok(Ok(found)) => found,
                Ok(Err(panic)) => Err(NoMargin::Unknown(format!("a fault in the broker adapter: {}", panic_words(&*panic)))),
                Err(_) => Err(NoMargin::Unknown(format!("no answer within {} ms", DEADLINE.as_millis()))),
            };
            // The slot is free from here on, even if the message is lost with the actor: the next poll reads again.
            desk.calls.lock().end_read();
            let limited = match &found {
                Err(NoMargin::RateLimited { window, text }) => Some((*window, text.clone())),
                Ok(_) | Err(NoMargin::NotTold | NoMargin::NotAsked | NoMargin::Unknown(_)) => None,
            };
            let _gone = answer.send(found);
            line.tell_broker(&desk.client_id, MarginDone { limited });
        });
    }

    /// The question was answered, or not: the books go on.
    pub(super) fn margin_done(&mut self, message: MarginDone, now: DateTime<Utc>) {
        if let Some((window, text)) = message.limited {
            self.breached(window, &text, now);
        }
        self.read_next(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn books_come_first_and_it_is_asked_now_and_then_only() {
        assert!(is_free(false, false, None, at(0)));
        assert!(!is_free(true, false, None, at(0)), "a book is wanted");
        assert!(!is_free(false, true, None, at(0)), "a book is being read");
        for (now, may) in [(0, false), (59, false), (60, true), (-59, false), (-60, true)] {
            assert_eq!(is_free(false, false, Some(at(0)), at(now)), may, "{now}");
        }
    }
}
