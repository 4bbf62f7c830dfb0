//! The shell of the exit rules: they come with fills, are looked at with every quote, are written down when what must
//! survive has changed, and fire orders that walk the whole line.
//!
//! A rule in memory may be ahead of the disk by a trail of a moment; it is never behind it. That it has fired is written with
//! its exit, in one step, and the exit's key is made of what was written: sent twice, it is one signal.

mod fires;
mod looks;
mod over;
mod rests;
mod rules;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::WatcherActor;
use crate::exits::{Combined, ExitRule, Terms, slot};
use crate::line::Phase;
use crate::order::{HoldingKey, OrderRecord, Strategy};
use crate::persistence::{Event, Keep, KeptChange, Level, Slot, Topic, Unit};
use crate::supervision::Shell;
pub(super) use rules::Rules;
use rules::Watched;

/// Holdings without a rule are looked up among the newest orders so often: what a lost message would have told.
const SEARCH_EVERY: Duration = Duration::seconds(30);

impl WatcherActor {
    /// Reads the rules from the book, once for each core.
    fn load_rules(&mut self) {
        if std::mem::replace(&mut self.core.rules.is_loaded, true) {
            return;
        }
        let kept = self.line.view.read(&self.desk.client_id, |book| {
            let changes = book.kept_of(Topic::ExitRule);
            changes.map(|(slot, kept)| KeptChange { slot: slot.clone(), now: Some(kept.clone()) }).collect::<Vec<_>>()
        });
        // The core before this one may have watched others.
        self.desk.bell.leave_all();
        for change in kept.unwrap_or_default() {
            self.take_rule(&change);
        }
        self.tell_bell();
    }

    fn take_rule(&mut self, change: &KeptChange) {
        if let Err(error) = self.core.rules.take(change) {
            let text = format!("the exit rule {} cannot be read and protects nothing: {error}; set it anew", change.slot.key);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_RULE_UNREADABLE", Level::Page, None, text);
        }
    }

    fn tell_bell(&mut self) {
        for key in std::mem::take(&mut self.core.rules.untold) {
            if self.core.rules.by_instrument.contains_key(&key) {
                // Asking is subscribing.
                let _newest = self.line.quotes.quote(&key);
                self.desk.bell.watch(key);
            } else {
                self.desk.bell.leave(&key);
            }
        }
    }

    /// What commits change: rules themselves, and what is held.
    pub(super) fn rules_committed(&mut self, events: &[Event], now: DateTime<Utc>) {
        self.load_rules();
        let (mut filled, mut is_together) = (Vec::new(), false);
        for event in events {
            if let Some(change) = event.kept.as_deref().filter(|change| change.slot.topic == Topic::ExitRule) {
                self.take_rule(change);
                is_together |= Combined::is_at(&change.slot);
            }
            if let Some(record) = event.record.as_deref().filter(|_| &*event.row.event == "FILL") {
                self.attach(record, now);
                filled.extend(record.holding().map(|key| slot(&record.ask.strategy, &key)));
            }
        }
        if !filled.is_empty() && self.is_settled() {
            self.end_rules_of(&filled);
        }
        if is_together && self.is_settled() {
            self.leave_what_has_fired(now);
        }
        self.tell_bell();
    }

    /// A fill brings the rule that its order carries; more of the same order moves what it is measured from.
    fn attach(&self, record: &OrderRecord, now: DateTime<Utc>) {
        let Some(key) = record.holding().filter(|_| Terms::of(record).is_some() && !record.is_exit()) else { return };
        let slot = slot(&record.ask.strategy, &key);
        let seen = self.line.view.read(&self.desk.client_id, |book| {
            let number = |rule: &ExitRule| rule.order.and_then(|order| book.order(order)).map_or(0, |order| order.number);
            let standing = self.core.rules.watched.get(&slot);
            (book.held(&record.ask.strategy, &key), book.kept(&slot).map_or(0, |kept| kept.seq), standing.map_or(0, |w| number(&w.rule)))
        });
        let Some((held, seq, standing)) = seen else { return };
        if let Some(watched) = self.core.rules.watched.get(&slot).filter(|watched| watched.rule.is_for(&held)) {
            if watched.rule.order == Some(record.command_id) {
                let average = record.average_price.filter(|average| *average != watched.rule.fill && !watched.rule.is_leaving());
                if let Some(rule) = average.map(|average| watched.rule.rebased(average)) {
                    let reason = format!("more came in, at {} on average: {}", rule.fill, rule.words());
                    self.keep_rule(&slot, Some(&rule), Some(watched.seq), "EXIT_RULE_SET", Level::Info, &reason);
                }
                return;
            }
            // What must be flat soon is on its way out, with what came in since. A target may rest for long: what came in beside it
            // needs its stop.
            if standing > record.number || watched.rule.is_leaving() {
                return;
            }
        }
        let before = self.core.rules.watched.get(&slot).filter(|watched| watched.rule.is_for(&held)).map(|watched| &watched.rule);
        let tick = self.line.instruments.find(&key.instrument).map(|instrument| instrument.tick.value());
        match tick.and_then(|tick| ExitRule::from_order(record, &held, tick, now)) {
            Some(rule) => {
                let rule = match before {
                    Some(before) => rule.after(before),
                    None => rule,
                };
                let reason = format!("came with the first fill: {}", rule.words());
                let basis = Some(seq).filter(|_| !self.core.rules.is_leaving(&slot, &held));
                self.keep_rule(&slot, Some(&rule), basis, "EXIT_RULE_SET", Level::Info, &reason);
            }
            None if record.ask.side == crate::order::Side::of_net(held.net) => {
                let text = format!(
                    "{} {key} is not protected: what its order asked for gives no price from its fill; set a rule, or exit it",
                    record.ask.strategy
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_RULE_MISSING", Level::Page, Some(record.command_id), text);
            }
            None => {}
        }
    }

    /// What is held without a rule although the order that opened it carries one: its message was lost, or it is late truth.
    fn search_unprotected(&mut self, now: DateTime<Utc>) {
        if self.core.rules.searched_at.is_some_and(|at| at <= now && now.signed_duration_since(at) < SEARCH_EVERY) {
            return;
        }
        self.core.rules.searched_at = Some(now);
        let found = self.line.view.read(&self.desk.client_id, |book| {
            let mut bare: BTreeMap<(Strategy, HoldingKey), DateTime<Utc>> = book
                .holdings()
                .filter(|(strategy, key, _)| book.kept(&slot(strategy, key)).is_none())
                .filter_map(|(strategy, key, held)| Some(((strategy.clone(), key.clone()), held.opened_at?)))
                .collect();
            if bare.is_empty() {
                return Vec::new();
            }
            let newest = book.newest().filter(|order| order.filled_quantity > 0 && !order.is_exit() && Terms::of(order).is_some());
            newest
                .filter(|order| {
                    let Some(key) = order.holding() else { return false };
                    let owner = (order.ask.strategy.clone(), key);
                    let is_its_own = bare.get(&owner).is_some_and(|opened| order.signal_time.min(order.created_at) >= *opened);
                    is_its_own && bare.remove(&owner).is_some()
                })
                .cloned()
                .collect()
        });
        for record in found.unwrap_or_default() {
            self.attach(&record, now);
        }
    }

    fn keep_rule(&self, slot: &Slot, rule: Option<&ExitRule>, basis: Option<u64>, event: &'static str, level: Level, reason: &str) {
        if let Some(keep) = self.rule_kept(slot, rule, basis, event, level, reason) {
            self.line.post_unit(Unit::Keep(keep));
        }
    }

    fn rule_kept(
        &self,
        slot: &Slot,
        rule: Option<&ExitRule>,
        basis: Option<u64>,
        event: &'static str,
        level: Level,
        reason: &str,
    ) -> Option<Keep> {
        let keep = Keep {
            client_id: Some(self.desk.client_id.clone()),
            slot: slot.clone(),
            value: None,
            basis,
            event,
            level,
            reason: Arc::from(reason),
            who: Arc::from(Self::NAME),
            command_id: rule.and_then(|rule| rule.order),
        };
        match rule {
            // A rule is numbers and texts: it is always JSON.
            Some(rule) => keep.with(rule).ok(),
            None => Some(keep),
        }
    }

    fn may_fire(&self) -> bool {
        self.is_settled() && self.line.view.read(&self.desk.client_id, |book| !book.control().is_frozen()).unwrap_or(false)
    }

    /// What is held is known: recovery has settled it.
    fn is_settled(&self) -> bool {
        matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open)
    }

    /// Quotes came in.
    pub(super) fn bell_rang(&mut self, now: DateTime<Utc>) {
        let rung = self.desk.bell.take();
        if self.core.rules.is_loaded && self.may_fire() {
            let slots: Vec<Slot> = rung.iter().filter_map(|key| self.core.rules.by_instrument.get(key)).flatten().cloned().collect();
            self.look_at(slots, now);
        }
    }

    /// Everything that time brings: what no bell rang for, hours, writes, what has fired and is not flat yet.
    pub(super) fn exit_tick(&mut self, now: DateTime<Utc>) {
        self.load_rules();
        if !self.is_settled() {
            return;
        }
        self.search_unprotected(now);
        self.make_smaller(now);
        self.climb(now);
        self.end_stops();
        if self.core.rules.watched.is_empty() && self.core.rules.combined.is_empty() {
            return;
        }
        self.end_rules();
        self.look_at_hours(now);
        if self.may_fire() {
            let slots: Vec<Slot> = self.core.rules.watched.keys().cloned().collect();
            self.look_at(slots, now);
            self.look_at_times(now);
            self.look_at_sums(now);
        }
        self.leave_what_has_fired(now);
        self.follow_fired(now);
        self.rest_stops(now);
        self.write_moved(now);
        self.read_deferred(now);
    }
}
