//! The combined exits: what a strategy's positions come to together, and how all of them are left.
//!
//! That one fires is written first, and nothing is sent before it is on disk. From then on what is to be done follows from that
//! row and from the book, at every look, until the strategy is flat and nothing of it can fill: so the next core, or the next
//! process, goes on where this one ended.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::super::WatcherActor;
use super::Watched;
use super::fires::WRITE_AGAIN;
use super::looks::is_trading;
use crate::broker::WantQuotes;
use crate::exits::{Cause, Combined, ExitRule, Leaving, Terms, Together, slot as slot_of};
use crate::order::{Holding, HoldingKey, InstrumentKey, OrderFact, Tag, ist};
use crate::persistence::{Keep, KeptChange, Level, Slot, Unit};
use crate::risk::Market;
use crate::supervision::Shell;

/// Prices that a sum lacks are asked for at most so often.
const ASK_AGAIN: Duration = Duration::seconds(5);

impl WatcherActor {
    /// One look at every combined exit that has not fired.
    pub(super) fn look_at_sums(&mut self, now: DateTime<Utc>) {
        let slots: Vec<Slot> = self.core.rules.combined.keys().cloned().collect();
        for slot in &slots {
            if self.is_written(slot, now) {
                self.weigh(slot, now);
            }
        }
    }

    /// Whether no write of it is under way. One that was not heard of in time may be there all the same: the disk tells.
    fn is_written(&mut self, slot: &Slot, now: DateTime<Utc>) -> bool {
        let Some(since) = self.core.rules.combined.get(slot).and_then(|weighed| weighed.writing) else { return true };
        if now.signed_duration_since(since) >= WRITE_AGAIN {
            let kept = self.line.view.read(&self.desk.client_id, |book| book.kept(slot).cloned()).flatten();
            self.take_rule(&KeptChange { slot: slot.clone(), now: kept });
        }
        false
    }

    /// The sum of a strategy's positions; that all of them are left is written down when two looks in a row say so.
    fn weigh(&mut self, slot: &Slot, now: DateTime<Utc>) {
        let Some(rule) = self.core.rules.combined.get(slot).map(|weighed| weighed.rule.clone()) else { return };
        if rule.fired_at.is_some() {
            return;
        }
        let held = self.line.view.read(&self.desk.client_id, |book| {
            book.holdings_of(&rule.strategy).map(|(key, held)| (key.clone(), *held)).collect::<Vec<(HoldingKey, Holding)>>()
        });
        let held = held.unwrap_or_default();
        if held.is_empty() {
            return;
        }
        let (mut sum, mut silent, mut lacking) = (Together::default(), Vec::new(), Vec::new());
        for (key, held) in &held {
            let (price, is_quoted) = self.worth_of(key, now);
            let point = self.line.point(&self.desk.client_id, &key.instrument);
            sum = sum.with(held, price, point);
            if !is_quoted {
                silent.push(key.instrument.clone());
            }
            if price.is_none() || point.is_none() {
                lacking.push(key.instrument.clone());
            }
        }
        self.look_for_prices(slot, silent, now);
        self.say_what_is_lacking(slot, lacking, now);
        let before = self.core.rules.combined.get_mut(slot).and_then(|weighed| weighed.before.replace(sum));
        if let Some(why) = before.and_then(|before| rule.fires(before, sum)) {
            self.keep_combined(slot, &Combined { fired_at: Some(now), ..rule }, &why, now);
        }
    }

    /// Asks for the prices that no quote tells.
    fn look_for_prices(&mut self, slot: &Slot, mut silent: Vec<InstrumentKey>, now: DateTime<Utc>) {
        silent.retain(|key| self.is_in_trading(key, now));
        let Some(weighed) = self.core.rules.combined.get_mut(slot).filter(|_| !silent.is_empty()) else { return };
        if weighed.asked_at.is_none_or(|at| now < at || now.signed_duration_since(at) >= ASK_AGAIN) {
            weighed.asked_at = Some(now);
            // After whatever waits to be sent.
            let wanted = silent.into_iter().map(|key| (key, u64::MAX)).collect();
            self.line.tell_broker(&self.desk.client_id, WantQuotes(wanted));
        }
        self.want_positions(now);
    }

    /// A combined exit without a sum is none: people hear it where that lasts while it matters.
    fn say_what_is_lacking(&mut self, slot: &Slot, mut lacking: Vec<InstrumentKey>, now: DateTime<Utc>) {
        lacking.retain(|key| self.is_in_trading(key, now));
        let muted_after = self.muted_after();
        let Some(weighed) = self.core.rules.combined.get_mut(slot) else { return };
        if lacking.is_empty() {
            (weighed.unknown_since, weighed.is_muted) = (None, false);
            return;
        }
        let since = *weighed.unknown_since.get_or_insert(now);
        if weighed.is_muted || now.signed_duration_since(since) <= muted_after {
            return;
        }
        weighed.is_muted = true;
        let names: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        let text = format!(
            "the combined exit of {} has no sum, and does not fire: no price of {} for {} s while its market is open; look at the feed",
            weighed.rule.strategy,
            names.join(", "),
            muted_after.num_seconds()
        );
        self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_FEED_MUTED", Level::Page, None, text);
    }

    fn is_in_trading(&self, key: &InstrumentKey, now: DateTime<Utc>) -> bool {
        let is_live = self.desk.broker.capabilities().is_live;
        let set_back = self.line.clock_was_set_back();
        let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, set_back);
        is_trading(&market.phase, &self.line.trading_times(key, now), now)
    }

    /// What is still to be done for strategies whose combined exit is on disk as fired. While exits are frozen nothing is sent for
    /// it, and their entries are cancelled all the same: they must not add to what is to be left.
    pub(super) fn leave_what_has_fired(&mut self, now: DateTime<Utc>) {
        let may_fire = self.may_fire();
        let fired = self.core.rules.combined.iter();
        let fired: Vec<(Slot, Combined, DateTime<Utc>)> =
            fired.filter_map(|(slot, weighed)| Some((slot.clone(), weighed.rule.clone(), weighed.rule.fired_at?))).collect();
        for (slot, combined, fired_at) in fired {
            if !self.is_written(&slot, now) {
                continue;
            }
            let leaving = self.line.view.read(&self.desk.client_id, |book| Leaving::of(&combined.strategy, book));
            let Some(leaving) = leaving else { continue };
            if leaving.is_over {
                let armed = Combined { fired_at: None, ..combined };
                self.keep_combined(&slot, &armed, "the strategy is flat: its combined exit is armed anew", now);
                continue;
            }
            let at = fired_at.with_timezone(&ist()).format("%F %T IST");
            let why = format!("the combined exit of {} fired at {at}", combined.strategy);
            let slots: Vec<Slot> = leaving.held.iter().map(|(key, _)| slot_of(&combined.strategy, key)).collect();
            self.end_rules_of(&slots);
            let cancel = |order| (order, OrderFact::CancelWanted { tag: Tag::CombinedExit, reason: why.clone() });
            self.post_facts(leaving.entries.into_iter().map(cancel).collect());
            for (key, held) in leaving.held.iter().filter(|_| may_fire) {
                self.leave_position(&combined, key, held, &why, now);
            }
        }
    }

    /// Fires the rule of one position, unless it has fired as urgently already; one that has none gets one.
    fn leave_position(&mut self, combined: &Combined, key: &HoldingKey, held: &Holding, why: &str, now: DateTime<Utc>) {
        let slot = slot_of(&combined.strategy, key);
        match self.core.rules.watched.get(&slot) {
            Some(watched) if watched.rule.fired.is_some_and(|fired| fired.cause.is_urgent()) => return,
            Some(_) => {}
            None => {
                let tick = self.line.instruments.find(&key.instrument).map_or(Decimal::new(5, 2), |found| found.tick.value());
                let who = combined.who.clone();
                let rule = ExitRule::new(combined.strategy.clone(), key.clone(), held, Terms::default(), tick, who, now);
                let Some(rule) = rule else { return };
                self.core.rules.put(slot.clone(), key.instrument.clone(), Watched::new(rule, 0));
            }
        }
        self.fire(&slot, Cause::Combined, why, now);
    }

    /// Writes it down, unless a person has changed it meanwhile.
    fn keep_combined(&mut self, slot: &Slot, combined: &Combined, reason: &str, now: DateTime<Utc>) {
        let Some(weighed) = self.core.rules.combined.get_mut(slot) else { return };
        weighed.writing = Some(now);
        let has_fired = combined.fired_at.is_some();
        let keep = Keep {
            client_id: Some(self.desk.client_id.clone()),
            slot: slot.clone(),
            value: None,
            basis: Some(weighed.seq),
            event: if has_fired { "EXIT_RULE_FIRED" } else { "EXIT_RULE_SET" },
            level: if has_fired { Level::Warn } else { Level::Info },
            reason: Arc::from(reason),
            who: Arc::from(Self::NAME),
            command_id: None,
        };
        if let Ok(keep) = keep.with(combined) {
            self.line.post_unit(Unit::Keep(keep));
        }
    }
}
