//! The shell of stops that rest at the broker: what rests is read from the committed book at every look, and what is to be
//! done follows from it. Nothing of it must be remembered: a stop is found by its row.

use chrono::{DateTime, Duration, Utc};

use super::super::climb::OwnSignal;
use super::super::follow::STOP_IN_ENGINE;
use super::super::{Concern, WatcherActor};
use crate::engine::exit_leg;
use crate::exits::{Cause, ExitRule, Ground, Rest, Stop, next_rest, resting, slot};
use crate::order::{
    CommandId, IdempotencyKey, LegDraft, OrderFact, OrderRecord, OrderType, Price, Quantity, Side, SignalId, Source, Status, StopAt, Tag,
    trading_date,
};
use crate::persistence::{Book, Level, Slot};
use crate::risk::{AssessChange, Change, Market};

/// A message that was lost shows by this: what was asked for is asked for again.
const ASK_AGAIN: Duration = Duration::seconds(3);

/// What people hear where a stop would rest, for more, or where it belongs, if somebody else had none there.
fn left_to_others(ground: &Ground<'_>) -> Option<String> {
    if ground.stopped_by_others == 0 {
        return None;
    }
    let (strategy, holding) = (&ground.rule.strategy, &ground.rule.holding);
    match (next_rest(&Ground { stopped_by_others: 0, ..*ground }), next_rest(ground)) {
        (alone @ Rest::Place(_), beside) if beside != alone => Some(format!(
            "the stop of {strategy} {holding} does not rest at the broker for {} units, because somebody else has a stop there for them: one fall would wake both. The engine watches them. If it is to rest there, cancel the other one at the broker",
            ground.stopped_by_others
        )),
        (Rest::Cancel(order, _), Rest::Leave) => Some(format!(
            "the stop of {strategy} {holding} follows no further at the broker (order {}): it was changed as often as the broker takes it, and none is placed anew while somebody else has a stop there. It stays where it is, and the engine watches the stop of the rule. If it is to follow there, cancel the other one at the broker",
            order.command_id
        )),
        _ => None,
    }
}

impl WatcherActor {
    /// One look at the stops of these rules that rest, or shall.
    pub(super) fn rest_stops(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        self.heed_hands(slots, now);
        let settings = &self.desk.settings.exits;
        let able = self.desk.broker.capabilities();
        let changes = if able.can_modify { able.max_modifications } else { Some(0) };
        let findings = self.desk.findings.read();
        let steps = self.line.view.read(&self.desk.client_id, |book| {
            let concerned = self.core.rules.among(slots).filter(|(_, watched)| {
                watched.rule.stop_at(settings.stop_at) == StopAt::Broker || resting(&watched.rule, book).next().is_some()
            });
            let steps = concerned.map(|(slot, watched)| {
                let rule = watched.as_written();
                let key = &watched.rule.holding.instrument;
                let instrument = self.line.instruments.find(key);
                let band = self.line.newest_quote(&self.desk, key).and_then(|quote| quote.band);
                let ground = Ground {
                    rule: &rule,
                    stop_at: watched.rule.stop_at(settings.stop_at),
                    book,
                    instrument: instrument.as_deref(),
                    band: band.or(instrument.as_ref().and_then(|instrument| instrument.band)),
                    hours: &watched.hours,
                    settings: &settings.resting,
                    changes,
                    stopped_by_others: findings.stopped_by_others(&rule.holding, rule.position, book),
                    is_suspected: resting(&watched.rule, book).any(|order| self.core.hands.suspects(order.command_id)),
                    now,
                };
                // Of before our last fill the positions do not tell what of it is theirs.
                let is_known = findings.shows_last_fill(&rule.holding, book);
                (slot.clone(), next_rest(&ground), is_known.then(|| left_to_others(&ground)).flatten())
            });
            steps.filter(|(_, step, left)| *step != Rest::Leave || left.is_some()).collect::<Vec<_>>()
        });
        drop(findings);
        for (slot, step, left) in steps.unwrap_or_default() {
            self.take_rest(&slot, step, now);
            if let Some(text) = left {
                self.concern(Concern { event: "ALARM_STOP_IN_ENGINE", level: Level::Warn, text, command_id: None });
            }
        }
        self.say_who_guards_next(slots, now);
    }

    /// A stop that somebody has changed at the broker is the stop of its rule from then on.
    fn heed_hands(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let heeded = self.line.view.read(&self.desk.client_id, |book| {
            let settled = self.core.rules.among(slots).filter(|(_, watched)| watched.writing.is_none());
            let heeding = settled.filter_map(|(slot, watched)| {
                let rule = resting(&watched.rule, book).find_map(|order| watched.rule.heeding(order))?;
                Some((slot.clone(), rule, watched.seq))
            });
            heeding.collect::<Vec<_>>()
        });
        for (slot, rule, seq) in heeded.unwrap_or_default() {
            let Some(watched) = self.core.rules.watched.get_mut(&slot) else { continue };
            (watched.rule, watched.kept_at) = (rule.clone(), Some(now));
            let reason =
                format!("its stop was changed at the broker by hand, and stands there until the rule is set again: {}", rule.words());
            self.keep_rule(&slot, Some(&rule), Some(seq), "EXIT_RULE_SET", Level::Warn, &reason);
        }
    }

    fn take_rest(&mut self, slot: &Slot, step: Rest, now: DateTime<Utc>) {
        match step {
            Rest::Leave => {}
            Rest::Place(stop) => self.place_stop(slot, stop, now),
            Rest::Change(order, stop) => {
                let is_stop = order.is_resting_stop();
                let change = Change {
                    quantity: Some(stop.quantity).filter(|quantity| order.ask.quantity != Some(*quantity) || order.reach.is_some()),
                    price: Some(stop.limit).filter(|limit| order.ask.price != Some(*limit)),
                    trigger_price: Some(stop.trigger).filter(|trigger| is_stop && order.ask.trigger_price != Some(*trigger)),
                    order_type: None,
                    ..self.change_of(&order)
                };
                self.change_stop(slot, &order, change, now);
            }
            Rest::Target(order, quantity, price) => {
                let change =
                    Change { quantity: Some(quantity), price: Some(price), order_type: Some(OrderType::Limit), ..self.change_of(&order) };
                self.change_stop(slot, &order, change, now);
            }
            Rest::Cancel(order, reason) => {
                self.post_facts(vec![(order.command_id, OrderFact::CancelWanted { tag: Tag::Replaced, reason })])
            }
            Rest::Reached => {
                let Some(watched) = self.core.rules.watched.get(slot) else { return };
                let cause = if watched.rule.stop == watched.rule.first_stop { Cause::Stop } else { Cause::Trail };
                self.fire(slot, cause, "its order at the broker has begun to fill", now);
            }
        }
    }

    /// Rests a stop. Until its row is there the same signal is sent again, which is the same order.
    fn place_stop(&mut self, slot: &Slot, stop: Stop, now: DateTime<Utc>) {
        let Some(watched) = self.core.rules.watched.get(slot) else { return };
        let rule = &watched.rule;
        let is_registered = |book: &Book, signal: SignalId| book.newest_of(&rule.strategy).any(|order| order.signal_id == signal);
        let asked = watched
            .placing
            .filter(|(signal, _)| !self.line.view.read(&self.desk.client_id, |book| is_registered(book, *signal)).unwrap_or(false));
        if asked.is_some_and(|(_, at)| now.signed_duration_since(at) < ASK_AGAIN) {
            return;
        }
        let signal = asked.map_or_else(|| SignalId(self.line.ids.next()), |(signal, _)| signal);
        let Stop { quantity, trigger, limit } = stop;
        let leg = LegDraft {
            side: Some(rule.exit_side().to_string()),
            order_type: Some(OrderType::StopLimit.to_string()),
            price: Some(limit.to_string()),
            trigger_price: Some(trigger.to_string()),
            ..exit_leg(&rule.strategy, &rule.holding, Some(quantity))
        };
        let user = rule.sender_of_stop();
        let key = IdempotencyKey::parse(&format!("stop:{signal}")).ok();
        self.submit(vec![leg], OwnSignal { key, signal, user, source: Source::Stop, fired: None }, now);
        if let Some(watched) = self.core.rules.watched.get_mut(slot) {
            watched.placing = Some((signal, now));
        }
    }

    /// A change of the order that changes nothing yet.
    pub(super) fn change_of(&self, order: &OrderRecord) -> Change {
        Change {
            client_id: self.desk.client_id.clone(),
            command_id: order.command_id,
            quantity: None,
            price: None,
            trigger_price: None,
            order_type: None,
            who: format!("exit rule of {}", order.ask.strategy),
        }
    }

    fn change_stop(&mut self, slot: &Slot, order: &OrderRecord, change: Change, now: DateTime<Utc>) {
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        let is_asked = watched.changed_at.is_some_and(|at| now >= at && now.signed_duration_since(at) < ASK_AGAIN);
        // An answer that is not there yet may change what is to be asked for.
        if is_asked || self.desk.calls.lock().is_running(order.command_id) {
            return;
        }
        watched.changed_at = Some(now);
        metrics::counter!("ordergate_resting_stops_changed_total").increment(1);
        let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
        self.line.tell_risk(&self.desk.client_id, AssessChange { change, reply });
    }

    /// Stops whose rule is gone, with its position or by a person: nobody looks after them any more. Where a rule is there that cannot
    /// be read, its stop at the broker is all that protects the position: it stays as long as it would close something.
    pub(super) fn end_stops(&mut self) {
        let orphans = self.line.view.read(&self.desk.client_id, |book| {
            let stops = book.open_orders().filter(|order| order.source == Source::Stop && order.cancel_wanted.is_none());
            let is_ruled = |order: &OrderRecord| {
                let Some(holding) = order.holding() else { return false };
                let slot = slot(&order.ask.strategy, &holding);
                let protects = Side::of_net(book.held(&order.ask.strategy, &holding).net).map(Side::opposite) == order.ask.side;
                self.core.rules.watched.contains_key(&slot) || (protects && book.kept(&slot).is_some())
            };
            stops.filter(|order| !is_ruled(order)).map(|order| order.command_id).collect::<Vec<CommandId>>()
        });
        let reason = || "the exit rule that rested it is not there any more".to_owned();
        let wish = |order| (order, OrderFact::CancelWanted { tag: Tag::Replaced, reason: reason() });
        self.post_facts(orphans.unwrap_or_default().into_iter().map(wish).collect());
    }

    /// Before the exchange throws resting stops out for a closing auction, people hear who watches from then on.
    fn say_who_guards_next(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let exits = &self.desk.settings.exits;
        let leaving = self.line.view.read(&self.desk.client_id, |book| {
            let due = self.core.rules.among(slots).filter_map(|(_, watched)| {
                let ahead = exits.before_close(watched.rule.holding.instrument.exchange);
                let until = watched.hours.stops_until.filter(|until| until.signed_duration_since(now) <= ahead)?;
                let order = resting(&watched.rule, book).find(|order| order.is_resting_stop() && order.broker_order_id.is_some())?;
                Some((watched.rule.clone(), until, order.command_id))
            });
            due.collect::<Vec<(ExitRule, DateTime<Utc>, CommandId)>>()
        });
        for (rule, until, order) in leaving.unwrap_or_default() {
            let at = until.with_timezone(&crate::order::ist()).format("%H:%M IST");
            let text = format!(
                "the exchange cancels the resting stop of {} {} at {at}, before its closing auction of {}; from then on the engine watches it, and rests it again when continuous trading begins",
                rule.strategy,
                rule.holding,
                trading_date(now)
            );
            self.concern(Concern { event: STOP_IN_ENGINE, level: Level::Warn, text, command_id: Some(order) });
        }
    }

    /// A stop that was to rest, and does not: the engine watches instead, and people hear it. Answers whether the row was one.
    pub(in crate::watcher) fn stop_ended(&mut self, from: Option<Status>, record: &OrderRecord, now: DateTime<Utc>) -> bool {
        if !record.is_resting_stop() || record.status != Status::Failed || from == Some(Status::Failed) {
            return record.is_resting_stop();
        }
        let (is_live, key) = (self.desk.broker.capabilities().is_live, record.instrument());
        let market = key
            .as_ref()
            .map(|key| Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, self.line.clock_was_set_back()));
        let is_trading = market.is_some_and(|market| !market.is_held || market.phase.takes_entries());
        let level = match record.tag {
            Some(Tag::BrokerRejected) => Level::Page,
            Some(Tag::BrokerCancelled) if is_trading => Level::Page,
            // The day is over, it was wanted so, or there is nothing left to protect.
            None | Some(Tag::BrokerCancelled | Tag::BrokerExpired | Tag::Replaced | Tag::Superseded | Tag::KillSwitch) => return true,
            Some(Tag::CancelledByUser | Tag::NoPosition | Tag::DuplicateOrderBlocked) => return true,
            Some(_) => Level::Warn,
        };
        let price = |price: Option<Price>| price.map_or_else(String::new, |price| price.to_string());
        let text = format!(
            "the stop of {} in {} does not rest at the broker ({}): {}; trigger {}, limit {}, {} units. The engine watches it now, and it is tried again later",
            record.ask.strategy,
            record.ask.symbol,
            record.tag.map_or("", Tag::as_str),
            record.reason.as_deref().unwrap_or("no reason was given"),
            price(record.ask.trigger_price),
            price(record.ask.price),
            record.ask.quantity.map_or(0, Quantity::value)
        );
        self.line.alarm(Some(&self.desk.client_id), STOP_IN_ENGINE, level, Some(record.command_id), text);
        true
    }
}
