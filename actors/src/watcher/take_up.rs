//! Orders that lost their place in the line, in this process or with the one before, are taken up again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{RecoveryFound, WatcherActor, decide};
use crate::broker::Reading;
use crate::line::Phase;
use crate::order::{BasketId, CommandId, OrderFact};
use crate::persistence::{Cargo, Level, Posted, Unit};
use crate::risk::LookAgain;
use crate::supervision::at_hand;

impl WatcherActor {
    /// An order whose token was lost: driven again if nothing was sent, looked for if something may have been.
    pub(super) fn drain_orphans(&mut self) {
        let mut posted = Vec::new();
        let mut lost: BTreeMap<BasketId, Vec<CommandId>> = BTreeMap::new();
        for command_id in self.desk.orphans.drain() {
            at_hand(&self.desk.client_id, command_id);
            let is_suspect = self.desk.suspects.lock().remove(&command_id);
            let Some(record) = self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten() else {
                continue;
            };
            if record.status.is_terminal() || self.desk.calls.lock().is_running(command_id) {
                continue;
            }
            tracing::warn!(client_id = %self.desk.client_id, %command_id, status = %record.status, is_suspect, "an order lost its place in the line and is taken up again");
            metrics::counter!("ordergate_orphans_total").increment(1);
            // A suspect exit is driven once more: its position is open.
            let ends = is_suspect && !(record.is_exit() && record.sent_at.is_none() && self.desk.second_drives.lock().insert(command_id));
            if ends {
                let cause = "a fault inside ordergate while this order was being handled".to_owned();
                posted.push(self.order_unit(command_id, OrderFact::Suspect { cause }));
            } else if record.sent_at.is_none() {
                lost.entry(record.basket_id).or_default().push(command_id);
            } else if record.broker_order_id.is_none() {
                let cause = "lost between the commit and the call; looked for in the broker's books".to_owned();
                posted.push(self.order_unit(command_id, OrderFact::Unconfirmed { cause }));
            }
        }
        posted.extend(lost.into_values().map(|commands| self.reissue(commands)));
        if !posted.is_empty()
            && let Err(back) = self.line.try_post(posted)
        {
            self.keep_lost(&back);
        }
    }

    /// There was no room for these: the next poll takes them up again.
    fn keep_lost(&self, back: &[Posted]) {
        for posted in back {
            match &posted.unit {
                Unit::Reissue { commands, .. } => commands.iter().for_each(|command| self.desk.orphans.push(*command)),
                Unit::Order(unit) => {
                    if matches!(unit.fact, OrderFact::Suspect { .. }) {
                        self.desk.suspects.lock().insert(unit.command_id);
                    }
                    self.desk.orphans.push(unit.command_id);
                }
                _ => {}
            }
        }
    }

    /// The orders of one basket go down the line again together: they are judged together.
    pub(super) fn reissue(&self, commands: Vec<CommandId>) -> Posted {
        Posted { unit: Unit::Reissue { client_id: self.desk.client_id.clone(), commands }, cargo: Cargo::None }
    }

    /// After the first whole set of books: decide about what was found, then open for exits, then for entries.
    pub(super) fn advance_recovery(&mut self, now: DateTime<Utc>) {
        let all = [Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions];
        match self.desk.phase() {
            Phase::Recovering if all.iter().all(|reading| self.core.proven.contains(reading)) => {
                self.decide_found(now);
                self.desk.set_phase(Phase::ExitsOnly);
                tracing::info!(client_id = %self.desk.client_id, "the broker's books are read; open for exits");
                self.line.tell_risk(&self.desk.client_id, LookAgain);
                self.core.proven.clear();
            }
            // What the first books proved is committed by the time the second ones are in.
            Phase::ExitsOnly
                if [Reading::Trades, Reading::Orders, Reading::Positions].iter().all(|reading| self.core.proven.contains(reading)) =>
            {
                self.desk.set_phase(Phase::Open);
                tracing::info!(client_id = %self.desk.client_id, "recovered; open for entries");
                self.line.tell_risk(&self.desk.client_id, LookAgain);
            }
            _ => {}
        }
    }

    /// Once per process: orders of the process before. Orders registered since the start hold their own tokens.
    pub(super) fn decide_found(&mut self, now: DateTime<Utc>) {
        if self.core.has_decided {
            return;
        }
        self.core.has_decided = true;
        let found_at_start = self.desk.found_at_start.lock().clone();
        let ttl = chrono::Duration::from_std(self.line.settings.entry_ttl).unwrap_or(chrono::Duration::MAX);
        let decisions = self.line.view.read(&self.desk.client_id, |book| decide(book, ttl, now)).unwrap_or_default();
        let mut posted = Vec::new();
        let mut lost: BTreeMap<BasketId, Vec<CommandId>> = BTreeMap::new();
        for decision in decisions {
            match decision {
                RecoveryFound::Drive(basket_id, command_id) if found_at_start.contains(&command_id) => {
                    tracing::info!(client_id = %self.desk.client_id, %command_id, "found CREATED at the start; driven down the line again");
                    lost.entry(basket_id).or_default().push(command_id);
                }
                RecoveryFound::Decide(command_id, fact, reason) if found_at_start.contains(&command_id) => {
                    posted.push(self.order_unit(command_id, fact));
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_FOUND_AT_START", Level::Warn, Some(command_id), reason);
                }
                _ => {}
            }
        }
        posted.extend(lost.into_values().map(|commands| self.reissue(commands)));
        if !posted.is_empty()
            && let Err(back) = self.line.try_post(posted)
        {
            self.keep_lost(&back);
        }
        self.desk.found_at_start.lock().clear();
    }
}
