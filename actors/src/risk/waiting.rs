//! The orders that wait at risk, and whom people hear of.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::RiskActor;
use crate::order::{CommandId, InstrumentKey, OrderRecord};
use crate::persistence::{Level, Registered};
use crate::plan::only_reduces;

/// Orders of one basket that wait.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) orders: Vec<Registered>,
    pub(super) since: DateTime<Utc>,
    /// People were told that they wait.
    pub(super) is_told: bool,
    /// The target among them that waits for an exit by a person's hand, and in which words.
    pub(super) by_hand: Option<(CommandId, String)>,
    /// What the first exit among them waits for.
    pub(super) why: Option<String>,
}

/// The orders that wait, by the basket that they came with.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) groups: BTreeMap<u64, Waits>,
}

impl RiskActor {
    /// Whether it only takes out of what is held: an exit, or a target that has no time to live either.
    fn leaves(&self, order: &OrderRecord) -> bool {
        let reduces = |key: InstrumentKey| self.line.view.read(&self.desk.client_id, |book| only_reduces(order, &key, book));
        order.is_exit() || order.instrument().and_then(reduces).unwrap_or(false)
    }

    /// Said once of each basket that waits for long: exits, because their position is open, and targets that wait for an exit
    /// by a person's hand, because only a person ends that.
    pub(super) fn tell_who_waits(&mut self, now: DateTime<Utc>) {
        let patience = chrono::Duration::from_std(self.desk.settings.waits.exit_wait_page).unwrap_or(chrono::Duration::MAX);
        let mut told = Vec::new();
        for (number, waits) in &self.waiting.groups {
            if waits.is_told || now.signed_duration_since(waits.since) <= patience {
                continue;
            }
            let by_hand = |record: &OrderRecord| waits.by_hand.as_ref().filter(|(order, _)| *order == record.command_id);
            let exit = waits.orders.iter().map(Registered::record).find(|record| self.leaves(record));
            let target = || waits.orders.iter().map(Registered::record).find(|record| by_hand(record).is_some());
            let Some(record) = exit.or_else(target) else { continue };
            let reason = by_hand(record).map(|(_, why)| why.clone()).or_else(|| waits.why.clone().filter(|_| record.is_exit()));
            told.push((*number, Arc::clone(record), exit.is_some(), reason));
        }
        for (number, record, is_exit, reason) in told {
            if let Some(waits) = self.waiting.groups.get_mut(&number) {
                waits.is_told = true;
            }
            let (strategy, symbol) = (&record.ask.strategy, &record.ask.symbol);
            let since = record.created_at;
            let (event, level, text) = if is_exit {
                let why = reason.as_deref().unwrap_or("for an order of its strategy that works the other way, or for what it is aimed by");
                let text = format!("an exit of {strategy} in {symbol} waits since {since}: {why}; the position is open");
                ("ALARM_EXIT_WAITS", Level::Page, text)
            } else {
                let (target, why) = (record.ask.target_position.unwrap_or_default(), reason.unwrap_or_default());
                let end = "it ends STALE_SIGNAL when it is as old as an entry may be";
                let text = format!("the target of {target} of {strategy} in {symbol} waits since {since}: {why}; {end}");
                ("ALARM_TARGET_WAITS", Level::Warn, text)
            };
            self.line.alarm(Some(&self.desk.client_id), event, level, Some(record.command_id), text);
        }
    }
}
