//! The shell of exits that are for more than is held: each is made smaller, or taken back and a person hears.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::follow::EXIT_FAILED;
use super::super::{Concern, WatcherActor, square_off};
use crate::exits::{Means, Over, over};
use crate::order::{InstrumentKey, OrderFact, OrderRecord, Quantity, Tag};
use crate::persistence::{Book, Level};
use crate::risk::{AssessChange, Change};

/// A message that was lost shows by this: what was asked for is asked for again.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(3);
/// What the broker took, and its book does not show so long after it must have, is asked for again.
const SETTLES_WITHIN: TimeDelta = TimeDelta::seconds(5);

impl WatcherActor {
    /// One look at the exits at the broker.
    pub(super) fn make_smaller(&mut self, now: DateTime<Utc>) {
        let able = self.desk.broker.capabilities();
        let changes = if able.can_modify { able.max_modifications } else { Some(0) };
        let instruments = &self.line.instruments;
        let lot = |key: &InstrumentKey| instruments.find(key).map(|found| found.lot);
        let asked = |order| self.core.shrinking.get(&order).map_or(0, |(_, times)| *times);
        let means = Means { changes, lot: &lot, asked: &asked };
        let found = self.line.view.read(&self.desk.client_id, |book| over(book, &means)).unwrap_or_default();
        self.core.shrinking.retain(|order, _| found.iter().any(|over| over.order().command_id == *order));
        for over in found {
            match over {
                Over::Shrink(order, total) => self.shrink(&order, total, now),
                Over::Cancel(order, left) => self.take_back(&order, left, now),
            }
        }
    }

    fn shrink(&mut self, order: &OrderRecord, total: Quantity, now: DateTime<Utc>) {
        let (at, times) = self.core.shrinking.get(&order.command_id).copied().unwrap_or((now, 0));
        let is_asked = times > 0 && now >= at && now.signed_duration_since(at) < ASK_AGAIN;
        // What the broker has taken is shown by its book within a while.
        let shown_within = TimeDelta::from_std(self.desk.broker.capabilities().visibility_bound).unwrap_or(TimeDelta::MAX);
        let is_taken = order.pending.as_ref().is_some_and(|terms| terms.quantity <= total)
            && now.signed_duration_since(order.updated_at) < shown_within.checked_add(&SETTLES_WITHIN).unwrap_or(TimeDelta::MAX);
        // A change under way states all terms: the next one builds on its answer.
        if is_asked || is_taken || self.desk.calls.lock().is_running(order.command_id) {
            return;
        }
        self.core.shrinking.insert(order.command_id, (now, times.saturating_add(1)));
        let change = Change { quantity: Some(total), ..self.change_of(order) };
        let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
        self.line.tell_risk(&self.desk.client_id, AssessChange { change, reply });
    }

    fn take_back(&mut self, order: &OrderRecord, left: i64, now: DateTime<Utc>) {
        let what = order.holding().map_or_else(|| order.ask.symbol.to_string(), |key| key.to_string());
        let reason = format!("it is for {} more, and {left} of {what} are left for it to close", order.unfilled());
        // Only where nothing is left of it is there nothing to exit: who reads the tag goes by that.
        let tag = if left > 0 { Tag::ExitTakenBack } else { Tag::NoPosition };
        self.post_facts(vec![(order.command_id, OrderFact::CancelWanted { tag, reason: reason.clone() })]);
        if left > 0 {
            self.tell_of_exit_taken_back(order, &reason, now);
        }
    }

    /// An exit is cancelled while something is left of its position. What a rule has fired goes anew by itself, for what is held.
    pub(in crate::watcher) fn tell_of_exit_taken_back(&mut self, order: &OrderRecord, reason: &str, now: DateTime<Utc>) {
        let is_of_fired = || self.core.rules.fired_of(order).is_some_and(|rule| rule.has_sent(order));
        let is_fired = |book: &Book| self.core.rules.firing(order, book).is_some() || is_of_fired();
        if !order.is_exit() || self.line.view.read(&self.desk.client_id, is_fired).unwrap_or(false) {
            return;
        }
        let is_squared_off = |book: &Book| square_off::has_sent(order) && !square_off::is_over(order, book, now);
        let (level, what_next) = if self.line.view.read(&self.desk.client_id, is_squared_off).unwrap_or(false) {
            (Level::Warn, "the square-off sends the next one when its end is proven")
        } else {
            (Level::Page, "nothing sends another: send an exit for what is still to be closed")
        };
        let text = format!("an exit of {} is cancelled: {reason}, and it cannot be made smaller; {what_next}", order.ask.strategy);
        self.concern(Concern { event: EXIT_FAILED, level, text, command_id: Some(order.command_id) });
    }
}
