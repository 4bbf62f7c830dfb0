//! The shell of what fills bring to exit rules. It is read from the book, with each fill, with each rule that is written, and now and
//! then: so it does not matter which message is lost, which write is refused because another was first, or where a process ended.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::super::{Concern, WatcherActor};
use crate::exits::{Brought, ExitRule, brought, slot};
use crate::order::{HoldingKey, OrderRecord, Strategy};
use crate::persistence::{Level, Slot};

/// Everything that is held is looked over so often: what a lost message would have told.
const SEARCH_EVERY: Duration = Duration::seconds(30);

impl WatcherActor {
    /// Takes the next thing that has filled into the rule of a position. The rest comes when that is on disk.
    pub(super) fn take_in(&mut self, strategy: &Strategy, key: &HoldingKey, now: DateTime<Utc>) {
        let slot = slot(strategy, key);
        let found = self.line.view.read(&self.desk.client_id, |book| {
            let held = book.held(strategy, key);
            let standing = self.core.rules.watched.get(&slot).filter(|watched| watched.rule.is_for(&held));
            let found = brought(strategy, key, standing.map(|watched| &watched.rule), book)?;
            let basis = standing.map_or_else(|| book.kept(&slot).map_or(0, |kept| kept.seq), |watched| watched.seq);
            // By the exchange's clock: we may hear of a fill long after it.
            let filled_at = |order: &OrderRecord| {
                let opening = book.openings(strategy, key).iter().find(|opening| opening.order == order.number);
                opening.map_or(now, |opening| opening.since)
            };
            let filled_at = match &found {
                Brought::Order(order) | Brought::More(order) => filled_at(order),
            };
            Some((
                (found, filled_at),
                held,
                Some(basis).filter(|_| !self.core.rules.is_leaving(&slot, &held)),
                standing.map(|watched| watched.rule.clone()),
            ))
        });
        let Some(((found, filled_at), held, basis, standing)) = found.flatten() else { return };
        match (found, standing) {
            (Brought::More(order), Some(rule)) => {
                let Some(fill) = held.average() else { return };
                let rule = rule.rebased(fill, &order);
                let reason = format!("more came in, at {fill} on average: {}", rule.words());
                self.keep_rule(&slot, Some(&rule), basis, "EXIT_RULE_SET", Level::Info, &reason);
            }
            (Brought::Order(order), standing) => {
                let tick = self.line.instruments.find(&key.instrument).map(|instrument| instrument.tick.value());
                match tick.and_then(|tick| ExitRule::from_order(&order, &held, tick, filled_at, now)) {
                    Some(rule) => self.attach(&slot, rule, standing.as_ref(), basis),
                    None => self.brings_no_rule(&order, key, standing.is_some()),
                }
            }
            (Brought::More(_), None) => {}
        }
    }

    fn attach(&self, slot: &Slot, rule: ExitRule, standing: Option<&ExitRule>, basis: Option<u64>) {
        let (rule, how) = match standing {
            Some(before) => (rule.added_to(before), "an order that adds brought it"),
            None => (rule, "came with the first fill"),
        };
        // What opened the position cannot be refused any more.
        let (level, but) =
            rule.overtakes().map_or((Level::Info, String::new()), |why| (Level::Warn, format!("; {why}: it moves by the step")));
        let reason = format!("{how}: {}{but}", rule.words());
        self.keep_rule(slot, Some(&rule), basis, "EXIT_RULE_SET", level, &reason);
    }

    fn brings_no_rule(&mut self, order: &OrderRecord, key: &HoldingKey, is_ruled: bool) {
        let so = if is_ruled { "goes by the rule that stood before" } else { "is not protected" };
        let text =
            format!("{} {key} {so}: what its order asked for gives no price from its fill; set a rule, or exit it", order.ask.strategy);
        self.concern(Concern { event: "ALARM_EXIT_RULE_MISSING", level: Level::Page, text, command_id: Some(order.command_id) });
    }

    /// Looks over all that is held: for what a lost message, or a process that ended, has left out of a rule.
    pub(super) fn search_fills(&mut self, now: DateTime<Utc>) {
        if self.core.rules.searched_at.is_some_and(|at| at <= now && now.signed_duration_since(at) < SEARCH_EVERY) {
            return;
        }
        self.core.rules.searched_at = Some(now);
        let held = self.line.view.read(&self.desk.client_id, |book| {
            // A rule that cannot be read is a person's to set anew.
            let is_open = |slot: &Slot| self.core.rules.watched.contains_key(slot) || book.kept(slot).is_none();
            let held = book.holdings().filter(|(strategy, key, _)| is_open(&slot(strategy, key)));
            held.map(|(strategy, key, _)| (strategy.clone(), key.clone())).collect::<BTreeSet<_>>()
        });
        for (strategy, key) in held.unwrap_or_default() {
            self.take_in(&strategy, &key, now);
        }
    }
}
