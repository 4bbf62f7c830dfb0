//! The rules of one account as they are watched: what is on disk, and what was last seen of each.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::exits::{Combined, ExitRule, Hours, Tick, Together, slot};
use crate::order::{Holding, HoldingKey, InstrumentKey, OrderRecord, SignalId, Strategy};
use crate::persistence::{Book, KeptChange, Slot};

/// The rules of one account, as they stand now.
#[derive(Debug, Default)]
pub(in crate::watcher) struct Rules {
    pub(super) watched: BTreeMap<Slot, Watched>,
    pub(super) by_instrument: BTreeMap<InstrumentKey, BTreeSet<Slot>>,
    /// The instruments that came or went since the bell was told.
    pub(super) untold: BTreeSet<InstrumentKey>,
    pub(super) combined: BTreeMap<Slot, Weighed>,
    /// Rules whose end was posted, and is not heard of yet: what comes after it does not build on them.
    pub(super) ending: BTreeSet<Slot>,
    pub(super) is_loaded: bool,
    pub(super) searched_at: Option<DateTime<Utc>>,
    pub(super) days_looked_at: Option<DateTime<Utc>>,
}

/// The combined exit of one strategy, as it is on disk, and what was last seen.
#[derive(Debug)]
pub(super) struct Weighed {
    pub(super) rule: Combined,
    /// The journal row of it.
    pub(super) seq: u64,
    pub(super) before: Option<Together>,
    /// A write is under way since then: nothing is done before it is there.
    pub(super) writing: Option<DateTime<Utc>>,
    /// Since when its sum is not known although a market of it is open, and whether people were told.
    pub(super) unknown_since: Option<DateTime<Utc>>,
    pub(super) is_muted: bool,
    /// When prices that it lacks were last asked for.
    pub(super) asked_at: Option<DateTime<Utc>>,
}

impl Weighed {
    fn new(rule: Combined, seq: u64) -> Self {
        Self { rule, seq, before: None, writing: None, unknown_since: None, is_muted: false, asked_at: None }
    }
}

/// One rule and what was last seen.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) rule: ExitRule,
    /// The journal row of what is on disk.
    pub(super) seq: u64,
    pub(super) before: Option<Tick>,
    /// When that tick was first seen, by our clock.
    pub(super) shown_since: Option<DateTime<Utc>>,
    pub(super) hours: Hours,
    /// When these hours are known to hold.
    pub(super) hours_for: Option<Range<DateTime<Utc>>>,
    /// Where its stop stands on disk; in memory it may have moved on.
    pub(super) written: Option<Decimal>,
    pub(super) kept_at: Option<DateTime<Utc>>,
    /// A write is under way since then.
    pub(super) writing: Option<DateTime<Utc>>,
    /// When it was first looked at.
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) is_muted: bool,
    /// The broker's positions tell no price of it either.
    pub(super) is_dark: bool,
    pub(super) is_stuck: bool,
    /// Its exit waits for its cover.
    pub(super) held_back: Option<DateTime<Utc>>,
    /// The stop that was asked to rest at the broker, until its row is there, and when.
    pub(super) placing: Option<(SignalId, DateTime<Utc>)>,
    /// When a change of the resting stop was last asked for.
    pub(super) changed_at: Option<DateTime<Utc>>,
}

impl Watched {
    /// Whether its stop has moved since it was written.
    pub(super) fn is_ahead(&self) -> bool {
        self.rule.stop != self.written
    }

    /// The rule with its stop where the disk has it: nothing at the broker goes ahead of that, so that no restart moves it back.
    pub(super) fn as_written(&self) -> Cow<'_, ExitRule> {
        if self.is_ahead() { Cow::Owned(ExitRule { stop: self.written, ..self.rule.clone() }) } else { Cow::Borrowed(&self.rule) }
    }

    /// With the rule that is on disk now; and the one that must be written again, if that row has undone what a person decided.
    fn taking(self, mut rule: ExitRule, seq: u64) -> (Self, Option<ExitRule>) {
        // Fired in memory, and the news is older than that: the row of the firing is on its way. Not of what is switched off: a firing
        // that is written after that is taken back when it is heard of.
        if rule.is_on && rule.fired.is_none() && self.rule.fired.is_some() && self.writing.is_some() {
            rule.fired = self.rule.fired;
        }
        let written = rule.stop;
        rule.catch_up(&self.rule);
        let is_done = rule.fired.is_some() == self.rule.fired.is_some();
        let again = rule.kept_off_by(&self.rule);
        rule = again.clone().unwrap_or(rule);
        let fired = rule.fired;
        let next = Self {
            rule,
            seq,
            written,
            writing: self.writing.filter(|_| !is_done),
            // What was said and waited for of one firing says nothing of the next.
            is_stuck: self.is_stuck && fired == self.rule.fired,
            held_back: self.held_back.filter(|_| fired.is_some()),
            ..self
        };
        (next, again)
    }

    pub(super) fn new(rule: ExitRule, seq: u64) -> Self {
        Self {
            written: rule.stop,
            rule,
            seq,
            before: None,
            shown_since: None,
            // Nothing is looked at before its market is: an indicative price is no trade.
            hours: Hours::closed(),
            hours_for: None,
            kept_at: None,
            writing: None,
            since: None,
            is_muted: false,
            is_dark: false,
            is_stuck: false,
            held_back: None,
            placing: None,
            changed_at: None,
        }
    }
}

impl Rules {
    /// A state as it is on disk now. Answers what must be written again: a row of ours that was made before a person switched the rule
    /// off, and came to the disk after that.
    pub(super) fn take(&mut self, change: &KeptChange) -> Result<Option<ExitRule>, serde_json::Error> {
        self.ending.remove(&change.slot);
        let Some(now) = &change.now else {
            self.forget(&change.slot);
            return Ok(None);
        };
        if Combined::is_at(&change.slot) {
            let fresh = Weighed::new(now.read()?, now.seq);
            let weighed = match self.combined.remove(&change.slot) {
                Some(stood) => Weighed { rule: fresh.rule, seq: fresh.seq, writing: None, ..stood },
                None => fresh,
            };
            self.combined.insert(change.slot.clone(), weighed);
            return Ok(None);
        }
        let rule: ExitRule = now.read()?;
        let instrument = rule.holding.instrument.clone();
        let (next, again) = match self.watched.remove(&change.slot) {
            Some(watched) => watched.taking(rule, now.seq),
            None => (Watched::new(rule, now.seq), None),
        };
        self.put(change.slot.clone(), instrument, next);
        Ok(again)
    }

    pub(super) fn put(&mut self, slot: Slot, instrument: InstrumentKey, watched: Watched) {
        if !self.by_instrument.contains_key(&instrument) {
            self.untold.insert(instrument.clone());
        }
        self.by_instrument.entry(instrument).or_default().insert(slot.clone());
        self.watched.insert(slot, watched);
    }

    pub(super) fn forget(&mut self, slot: &Slot) {
        self.combined.remove(slot);
        if let Some(watched) = self.watched.remove(slot)
            && let Some(slots) = self.by_instrument.get_mut(&watched.rule.holding.instrument)
        {
            slots.remove(slot);
            if slots.is_empty() {
                self.by_instrument.remove(&watched.rule.holding.instrument);
                self.untold.insert(watched.rule.holding.instrument);
            }
        }
    }

    /// The price at which the rule of the order's position fired.
    pub(in crate::watcher) fn trigger_of(&self, order: &OrderRecord) -> Option<Decimal> {
        self.watched.get(&slot(&order.ask.strategy, &order.holding()?))?.rule.fired?.price
    }

    /// The rule whose exit it is, or what was sent again for it, under a signal of its own.
    pub(in crate::watcher) fn firing(&self, order: &OrderRecord, book: &Book) -> Option<&ExitRule> {
        let slot = slot(&order.ask.strategy, &order.holding()?);
        let rule = &self.watched.get(&slot)?.rule;
        let signal = rule.fired?.signal;
        (order.signal_id == signal || book.first_of(order).signal_id == signal).then_some(rule)
    }

    /// Whether an exit was sent by a rule that a person has switched off since: it does not go again.
    pub(in crate::watcher) fn have_taken_back(&self, order: &OrderRecord) -> bool {
        let rule = order.holding().and_then(|key| self.watched.get(&slot(&order.ask.strategy, &key))).map(|watched| &watched.rule);
        rule.is_some_and(|rule| !rule.is_on && !rule.sends_exits() && rule.has_sent(order))
    }

    /// Those of some rules that are watched still.
    pub(super) fn among<'a>(&'a self, slots: &'a [Slot]) -> impl Iterator<Item = (&'a Slot, &'a Watched)> {
        slots.iter().filter_map(|slot| Some((slot, self.watched.get(slot)?)))
    }

    /// The position of a rule that is watched.
    pub(super) fn owner(&self, slot: &Slot) -> Option<(Strategy, HoldingKey)> {
        self.watched.get(slot).map(|watched| (watched.rule.strategy.clone(), watched.rule.holding.clone()))
    }

    /// The rule of the order's position, if it has fired: it sends exits until that is left.
    pub(in crate::watcher) fn fired_of(&self, order: &OrderRecord) -> Option<&ExitRule> {
        let rule = &self.watched.get(&slot(&order.ask.strategy, &order.holding()?))?.rule;
        rule.sends_exits().then_some(rule)
    }

    /// Its end is posted. It protects nothing any more; a position opened this moment brings its own.
    pub(super) fn end(&mut self, slot: Slot) {
        self.forget(&slot);
        self.ending.insert(slot);
    }

    /// Whether what is on disk there ends in this moment, because the position that it is for is gone: whichever is written
    /// first, that or the rule of the next position, the next one's stands.
    pub(super) fn is_leaving(&self, slot: &Slot, held: &Holding) -> bool {
        self.ending.contains(slot) || self.watched.get(slot).is_some_and(|watched| !watched.rule.is_for(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exits::{Cause, Fired, Terms};
    use crate::order::{Points, Product, SignalId};
    use crate::persistence::Kept;
    use crate::testkit::builders::{at, points, sbin_in, strategy};

    fn held(net: i64) -> Holding {
        Holding { net, cost: points(1_000), realised: Points::ZERO, opened_at: Some(at(0)) }
    }

    fn long() -> ExitRule {
        let terms = Terms { stop_loss: Some("2%".parse().unwrap()), ..Terms::default() };
        ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held(10), terms, Decimal::new(5, 2), "a test".into(), at(0)).unwrap()
    }

    /// Its end is posted and not on disk yet: what the next position brings must not be refused because of it.
    #[test]
    fn what_comes_after_an_end_does_not_build_on_it_until_it_is_heard_of() {
        let (mut rules, slot) = (Rules::default(), long().slot());
        rules.put(slot.clone(), sbin_in(Product::Mis).instrument, Watched::new(long(), 7));
        assert!(!rules.is_leaving(&slot, &held(5)));
        assert!(rules.is_leaving(&slot, &held(0)), "its position is gone");
        rules.end(slot.clone());
        assert!(rules.is_leaving(&slot, &held(5)) && rules.watched.is_empty());
        rules.take(&KeptChange { slot: slot.clone(), now: None }).unwrap();
        assert!(!rules.is_leaving(&slot, &held(5)), "it is on disk");
    }

    fn news(rule: &ExitRule, seq: u64) -> KeptChange {
        let value = serde_json::to_string(rule).unwrap();
        KeptChange { slot: rule.slot(), now: Some(Kept { value: value.into(), seq, at: at(0) }) }
    }

    /// A write that was refused, because another was first, leaves the disk behind: it is seen and made again.
    #[test]
    fn what_the_disk_is_behind_with_is_known_after_any_news() {
        let (mut rules, slot) = (Rules::default(), long().slot());
        rules.take(&news(&long(), 7)).unwrap();
        let stands = |rules: &Rules| (rules.watched[&slot].rule.stop, rules.watched[&slot].written, rules.watched[&slot].is_ahead());
        let (first, moved) = (long().stop, Some(Decimal::from(99)));
        assert_eq!(stands(&rules), (first, first, false));
        rules.watched.get_mut(&slot).unwrap().rule.stop = moved;
        assert_eq!(rules.watched[&slot].as_written().stop, first, "what rests at the broker waits for the disk");
        rules.take(&news(&ExitRule { is_on: true, ..long() }, 8)).unwrap();
        assert_eq!(stands(&rules), (moved, first, true), "another write came first");
        rules.take(&news(&ExitRule { stop: moved, ..long() }, 9)).unwrap();
        assert_eq!(stands(&rules), (moved, moved, false));
        assert_eq!(rules.watched[&slot].as_written().stop, moved);
    }

    /// A person switches the rule off while the row of its firing is on its way: whichever comes to the disk first, it stays off.
    #[test]
    fn what_is_switched_off_stays_off_when_its_firing_is_written_after_that() {
        let mut rules = Rules::default();
        let slot = long().slot();
        rules.take(&news(&long(), 7)).unwrap();
        let fired = Fired { cause: Cause::Stop, at: at(9), price: None, signal: SignalId(uuid::Uuid::from_u128(5)) };
        let firing = ExitRule { fired: Some(fired), ..long() };
        let watched = rules.watched.get_mut(&slot).unwrap();
        (watched.rule, watched.writing, watched.is_stuck, watched.held_back) = (firing.clone(), Some(at(9)), true, Some(at(9)));
        assert_eq!(rules.take(&news(&long().switched_off("asha".into(), false), 8)).unwrap(), None);
        let state = |rules: &Rules| {
            let watched = &rules.watched[&slot];
            (watched.rule.is_on, watched.rule.fired, watched.is_stuck, watched.held_back)
        };
        assert_eq!(state(&rules), (false, None, false, None));
        let again = rules.take(&news(&firing, 9)).unwrap().unwrap();
        assert_eq!((again.is_on, again.fired, &*again.who), (false, None, "asha"));
        assert_eq!(state(&rules), (false, None, false, None));
        assert_eq!(rules.take(&news(&again, 10)).unwrap(), None);
        // A person who sets it again switches it on.
        assert_eq!(rules.take(&news(&ExitRule { set_at: at(20), ..long() }, 11)).unwrap(), None);
        assert!(state(&rules).0);
    }

    /// A combined exit leaves the position whatever its own rule is.
    #[test]
    fn a_combined_exit_goes_on_with_a_rule_that_is_switched_off() {
        let fired = |cause| Some(Fired { cause, at: at(9), price: None, signal: SignalId(uuid::Uuid::from_u128(5)) });
        for cause in Cause::ALL {
            let firing = ExitRule { fired: fired(cause), ..long() };
            let left = firing.clone().switched_off("asha".into(), true);
            assert_eq!((left.fired, left.sends_exits()), (fired(Cause::Combined), true), "{cause}");
            let off = firing.switched_off("asha".into(), false);
            assert_eq!((off.fired, off.sends_exits()), (fired(cause).filter(|_| cause == Cause::Target), false), "{cause}");
        }
    }

    #[test]
    fn nothing_is_looked_at_before_the_hours_of_its_market_are_known() {
        let hours = Watched::new(long(), 1).hours;
        assert!(!hours.takes_exits && !hours.takes_stops && !hours.is_trading);
    }

    #[test]
    fn an_end_that_came_too_late_is_forgotten_with_what_stands_instead() {
        let (mut rules, slot) = (Rules::default(), long().slot());
        rules.end(slot.clone());
        let value = serde_json::to_string(&long()).unwrap();
        let now = Some(Kept { value: value.into(), seq: 9, at: at(0) });
        rules.take(&KeptChange { slot: slot.clone(), now }).unwrap();
        assert!(!rules.is_leaving(&slot, &held(10)) && rules.watched.contains_key(&slot));
    }
}
