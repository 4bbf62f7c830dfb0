//! What is followed until it is so: wanted cancels and orders in doubt; and what people are told of it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Concern, SAID_KEPT, WatcherActor, square_off};
use crate::broker::CancelOrder;
use crate::exits::{ExitRule, goes_on_after};
use crate::line::Phase;
use crate::order::{CommandId, OrderRecord, Status, Tag};
use crate::persistence::{Book, Level, alarm};

impl WatcherActor {
    /// A wish to cancel is durable: it is asked for as soon as there is a number, and again until the order has ended.
    pub(super) fn ask_for_cancels(&mut self, now: DateTime<Utc>) {
        let again = chrono::Duration::from_std(self.desk.settings.waits.cancel_again).unwrap_or(chrono::Duration::MAX);
        let due: Vec<(CommandId, bool)> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                book.open_orders()
                    .filter(|order| order.broker_order_id.is_some())
                    .filter_map(|order| Some((order.command_id, order.cancel_wanted? == Tag::KillSwitch)))
                    .filter(|(command, _)| {
                        self.core.asked_to_cancel.get(command).is_none_or(|asked| now.signed_duration_since(*asked) >= again)
                    })
                    .collect()
            })
            .unwrap_or_default();
        for (command_id, is_kill) in due {
            self.core.asked_to_cancel.insert(command_id, now);
            self.line.tell_broker(&self.desk.client_id, CancelOrder { command_id, is_kill });
        }
    }

    pub(super) fn follow_doubts(&mut self, now: DateTime<Utc>) {
        let patience = chrono::Duration::from_std(self.desk.settings.waits.doubt_page).unwrap_or(chrono::Duration::MAX);
        let desk = Arc::clone(&self.desk);
        let core = &mut self.core;
        let overdue = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                core.search.follow(book, now, |command| desk.calls.lock().is_running(command));
                let doubts: Vec<Arc<OrderRecord>> = book.doubts().cloned().collect();
                core.named_doubts.retain(|command| doubts.iter().any(|order| order.command_id == *command));
                core.asked_to_cancel.retain(|command, _| book.order(*command).is_some_and(|order| !order.status.is_terminal()));
                doubts
            })
            .unwrap_or_default();
        for order in overdue {
            // The page that names the order without a tag says more.
            if self.core.twins.contains(&order.command_id) {
                continue;
            }
            if now.signed_duration_since(order.updated_at) > patience && self.core.named_doubts.insert(order.command_id) {
                let text = format!(
                    "{} {} {} is in doubt at the broker since {}; look it up there and resolve it, or wait",
                    order.ask.side.map_or("", crate::order::Side::as_str),
                    order.quantity(),
                    order.ask.symbol,
                    order.updated_at
                );
                self.line.alarm(Some(&self.desk.client_id), alarm::IN_DOUBT, Level::Page, Some(order.command_id), text);
            }
        }
    }

    /// An order that the broker gave a number and does not show: nobody but a person can find out what became of it.
    pub(super) fn name_lost(&mut self, lacks: &[CommandId], at: DateTime<Utc>) {
        let patience = self.desk.settings.waits.doubt_page.max(self.desk.broker.capabilities().visibility_bound);
        let patience = chrono::Duration::from_std(patience).unwrap_or(chrono::Duration::MAX);
        self.core.lost.retain(|command, _| lacks.contains(command));
        for command in lacks {
            self.core.lost.entry(*command).or_insert(at);
        }
        let overdue: Vec<Arc<OrderRecord>> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                let due = self.core.lost.iter().filter(|(_, since)| at.signed_duration_since(**since) > patience);
                due.filter_map(|(command, _)| book.order(*command).filter(|order| order.status.is_at_broker()).cloned()).collect()
            })
            .unwrap_or_default();
        self.desk.findings.write().lost = overdue.iter().map(|order| order.command_id).collect();
        for order in overdue {
            let text = format!(
                "the broker took {} {} {} as {} and does not show it in its order book; look it up there, and resolve it if it is not there",
                order.ask.side.map_or("", crate::order::Side::as_str),
                order.quantity(),
                order.ask.symbol,
                order.broker_order_id.as_ref().map_or("", |id| id.as_str())
            );
            self.concern(Concern { event: alarm::IN_DOUBT, level: Level::Page, text, command_id: Some(order.command_id) });
        }
    }

    /// An exit has failed: a page, and what follows by itself. Who closes the position by hand beside that closes it twice.
    pub(super) fn tell_of_failed_exit(&self, record: &OrderRecord, now: DateTime<Utc>) {
        let is_squared_off = |book: &Book| square_off::has_sent(record) && !square_off::is_over(record, book, now);
        let (level, what_next) = if self.will_resend(record) {
            (Level::Warn, "the broker took none of it, so it goes again by itself as a new order".to_owned())
        } else if let Some((rule, wait)) = self.core.rules.fired_of(record).and_then(|rule| Some((rule, goes_on_after(rule, record)?))) {
            (Level::Page, rule_goes_on(rule, wait))
        } else if self.line.view.read(&self.desk.client_id, is_squared_off).unwrap_or(false) {
            let words = "the square-off sends the next one by itself, ever more slowly: take its level down before you close by hand";
            (Level::Page, words.to_owned())
        } else {
            (Level::Page, "nothing sends another: the position may be open, look at it".to_owned())
        };
        let text = format!(
            "an exit of {} in {} failed ({}): {}; {what_next}",
            record.ask.strategy,
            record.ask.symbol,
            record.tag.map_or("", Tag::as_str),
            record.reason.as_deref().unwrap_or("")
        );
        self.line.alarm(Some(&self.desk.client_id), EXIT_FAILED, level, Some(record.command_id), text);
    }

    /// Once for each core, before anything else: a start that dies as well must not leave it to the next, to which it is old. What a
    /// commit had to say went down with the core before, in a panic, or with its message.
    pub(super) fn tell_last_words(&mut self, now: DateTime<Utc>) {
        if std::mem::replace(&mut self.core.has_told_last, true) {
            return;
        }
        self.load_rules();
        let is_recovering = self.desk.phase() == Phase::Recovering;
        let Some(newest) = (if is_recovering { self.line.newest_at_start } else { Some(now) }) else { return };
        let unsaid = self.line.view.read(&self.desk.client_id, |book| unsaid(book, newest));
        for (order, end) in unsaid.unwrap_or_default() {
            match end {
                Unsaid::Failed => self.tell_of_failed_exit(&order, now),
                Unsaid::Rests => drop(self.stop_ended(Some(Status::SentToBroker), &order, now)),
                Unsaid::TakenBack => self.tell_of_exit_taken_back(&order, "it was for more than is left of its position", now),
            }
        }
    }

    /// Says it, unless it was said; answers whether it was news.
    pub(super) fn concern(&mut self, concern: Concern) -> bool {
        // The same concern comes with every poll; it is said once.
        if self.core.said.len() >= SAID_KEPT {
            self.core.said.clear();
        }
        let is_news = self.core.said.insert(concern.text.clone());
        if is_news {
            self.line.alarm(Some(&self.desk.client_id), concern.event, concern.level, concern.command_id, concern.text);
        }
        is_news
    }
}

pub(super) const EXIT_FAILED: &str = "ALARM_EXIT_FAILED";
pub(super) const STOP_IN_ENGINE: &str = "ALARM_STOP_IN_ENGINE";
/// What a process had to say of the end of an order was on disk within that time, or never came there.
const SAID_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// What people may not have heard of an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsaid {
    /// That it failed.
    Failed,
    /// That it was to rest at the broker as a stop, and does not.
    Rests,
    /// That it is taken back, while something is left of its position.
    TakenBack,
}

/// The exits of positions that are held which failed, or were to be taken back, in the last moments before: what was to be said of it may
/// never have been written. The row of the order was. `newest`: when those moments ended.
fn unsaid(book: &Book, newest: DateTime<Utc>) -> Vec<(Arc<OrderRecord>, Unsaid)> {
    let says = |order: &OrderRecord| if order.is_resting_stop() { STOP_IN_ENGINE } else { EXIT_FAILED };
    let is_said =
        |order: &OrderRecord| book.alarms().any(|alarm| *alarm.event == *says(order) && alarm.command_id == Some(order.command_id));
    let is_held = |order: &OrderRecord| order.holding().is_some_and(|key| book.held(&order.ask.strategy, &key).net != 0);
    let is_last = |order: &OrderRecord| newest.signed_duration_since(order.updated_at) <= SAID_WITHIN;
    let is_due = |order: &OrderRecord| is_last(order) && is_held(order) && !is_said(order);
    let end = |order: &OrderRecord| {
        if order.is_resting_stop() {
            return (order.status == Status::Failed).then_some(Unsaid::Rests);
        }
        let is_taken_back = [order.tag, order.cancel_wanted].contains(&Some(Tag::ExitTakenBack));
        let failed = || exit_failed(Some(Status::Created), order).then_some(Unsaid::Failed);
        if is_taken_back { Some(Unsaid::TakenBack) } else { failed() }
    };
    let under_way = book.open_orders().filter(|order| order.is_exit());
    let due = book.failed_exits().chain(under_way).filter(|order| is_due(order));
    due.filter_map(|order| Some((Arc::clone(order), end(order)?))).collect()
}

/// What a rule that has fired does after the end of its exit.
fn rule_goes_on(rule: &ExitRule, wait: TimeDelta) -> String {
    let seconds = wait.num_seconds();
    if rule.fired.is_some_and(|fired| fired.cause.is_urgent()) {
        return format!(
            "the position is open, and its rule sends another exit in {seconds} s and again until it is left: switch the rule off before you \
             close by hand"
        );
    }
    format!("the position is open, and its target may send another exit from {seconds} s on: switch the rule off before you close by hand")
}

/// An exit that was on its way and ended without closing: nobody may have to find that out by looking at the position.
pub(super) fn exit_failed(from: Option<Status>, record: &OrderRecord) -> bool {
    let is_news = record.status == Status::Failed && from.is_some_and(|from| from != Status::Failed);
    let is_wanted_end = matches!(
        record.tag,
        Some(
            Tag::CancelledByUser
                | Tag::Replaced
                | Tag::KillSwitch
                | Tag::NoPosition
                | Tag::DuplicateOrderBlocked
                | Tag::ValidationFailed
                | Tag::TestMode
                | Tag::AtTarget
                | Tag::Superseded
                | Tag::SquareOffOver
                | Tag::ExcessOver
                | Tag::ExitTakenBack
        )
    );
    is_news && record.is_exit() && !is_wanted_end
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
