//! The shell of the exit rules: they come with fills, are looked at with every quote, are written down when what must
//! survive has changed, and fire orders that walk the whole line.
//!
//! A rule in memory may be ahead of the disk by a trail of a moment; it is never behind it. That it has fired is written with
//! its exit, in one step, and the exit's key is made of what was written: sent twice, it is one signal.

mod days;
mod fills;
mod fires;
mod looks;
mod over;
mod prices;
mod rests;
mod rules;
mod together;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::WatcherActor;
use crate::exits::{Combined, ExitRule, Terms, slot};
use crate::line::Phase;
use crate::persistence::{Event, Keep, KeptChange, Level, Slot, Topic, Unit};
use crate::supervision::Shell;
pub(super) use rules::Rules;
use rules::Watched;

/// So many rules have their turn in one go. A quote that reaches a stop while hundreds have theirs would wait for all of them.
const AT_ONCE: usize = 32;

impl WatcherActor {
    /// Reads the rules from the book, once for each core.
    pub(super) fn load_rules(&mut self) {
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
        match self.core.rules.take(change) {
            Ok(None) => {}
            Ok(Some(rule)) => {
                let reason = format!("{} {} was switched off when this was written, and stays so", rule.strategy, rule.holding);
                let basis = change.now.as_ref().map(|now| now.seq);
                self.keep_rule(&change.slot, Some(&rule), basis, "EXIT_RULE_OFF", Level::Warn, &reason);
            }
            Err(error) => {
                let text = format!("the exit rule {} cannot be read and protects nothing: {error}; set it anew", change.slot.key);
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_RULE_UNREADABLE", Level::Page, None, text);
            }
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
        let (mut filled, mut touched, mut is_together) = (Vec::new(), BTreeSet::new(), false);
        for event in events {
            if let Some(change) = event.kept.as_deref().filter(|change| change.slot.topic == Topic::ExitRule) {
                self.take_rule(change);
                is_together |= Combined::is_at(&change.slot);
                touched.extend(self.core.rules.owner(&change.slot));
            }
            let of_fill = event.record.as_deref().filter(|_| &*event.row.event == "FILL");
            if let Some((record, key)) = of_fill.and_then(|record| Some((record, record.holding()?))) {
                filled.push(slot(&record.ask.strategy, &key));
                if Terms::of(record).is_some() && !record.is_exit() {
                    touched.insert((record.ask.strategy.clone(), key));
                }
            }
        }
        for (strategy, key) in touched {
            self.take_in(&strategy, &key, now);
        }
        if !filled.is_empty() && self.is_settled() {
            self.end_rules_of(&filled);
        }
        if is_together && self.is_settled() {
            self.leave_what_has_fired(now);
        }
        self.tell_bell();
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
            self.look_at(&slots, now);
        }
    }

    /// Everything that time brings. Answers the rules whose turn comes before the next tick, in parts.
    pub(super) fn exit_tick(&mut self, now: DateTime<Utc>) -> Vec<Vec<Slot>> {
        self.load_rules();
        if !self.is_settled() {
            return Vec::new();
        }
        self.search_fills(now);
        self.make_smaller(now);
        self.climb(now);
        self.end_stops();
        self.look_at_days(now);
        if self.core.rules.watched.is_empty() && self.core.rules.combined.is_empty() {
            return Vec::new();
        }
        let mut first: Vec<Slot> = self.core.rules.watched.keys().cloned().collect();
        let later = first.split_off(first.len().min(AT_ONCE));
        self.exit_turn(&first, now);
        if self.may_fire() {
            self.look_at_times(now);
            self.look_at_sums(now);
        }
        self.leave_what_has_fired(now);
        self.read_deferred(now);
        later.chunks(AT_ONCE).map(<[Slot]>::to_vec).collect()
    }

    /// The turn of some rules: what no bell rang for, hours, what has fired and is not flat yet, resting stops, writes.
    pub(super) fn exit_turn(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        if !self.is_settled() {
            return;
        }
        // First: what follows acts for every rule, and the next position is not theirs.
        self.end_rules_of(slots);
        self.look_at_hours(slots, now);
        if self.may_fire() {
            self.look_at(slots, now);
        }
        self.follow_fired(slots, now);
        self.rest_stops(slots, now);
        self.write_moved(slots, now);
    }
}
