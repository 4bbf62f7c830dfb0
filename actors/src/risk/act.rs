//! What a judgement sets in motion beside the order itself: a way is cleared for an exit, a storm ends in a halt.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::rules::repeats;
use super::{Halt, Judgement, RiskActor};
use crate::order::{OrderFact, Tag};
use crate::persistence::{Cargo, Keep, Level, OrderUnit, Posted, Registered, Slot, Topic, Unit};
use crate::supervision::Shell;

impl RiskActor {
    /// Entries that are in the way of an exit are cancelled: durably, and once. From now on their end is waited for.
    pub(super) fn make_way(&mut self, judged: &[(Registered, Judgement)], now: DateTime<Utc>) {
        let mut cancels = Vec::new();
        for (registered, judgement) in judged {
            let Judgement::MakeWay { orders, .. } = judgement else { continue };
            let exit = registered.record();
            let in_the_way = &mut self.in_the_way;
            let wanted = |book: &crate::persistence::Book| -> Vec<_> {
                in_the_way.note(orders, book, now);
                orders.iter().filter(|id| book.order(**id).is_some_and(|order| order.cancel_wanted.is_none())).copied().collect()
            };
            for command_id in self.line.view.read(&self.desk.client_id, wanted).unwrap_or_default() {
                let reason = format!("exit {} of {} could trade against it", exit.command_id, exit.ask.strategy);
                let fact = OrderFact::CancelWanted { tag: Tag::SelfTrade, reason };
                let unit = OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) };
                cancels.push(Posted { unit: Unit::Order(unit), cargo: Cargo::None });
            }
        }
        if !cancels.is_empty() {
            self.line.post(cancels);
        }
    }

    /// A strategy whose entry was refused for repeating itself is halted until a person has looked.
    pub(super) fn halt_who_storms(&self, judged: &[(Registered, Judgement)], now: DateTime<Utc>) {
        for (registered, judgement) in judged {
            let Judgement::Refuse { gates, .. } = judgement else { continue };
            let Some(gate) = gates.iter().find(|gate| gate.gate == repeats::GATE && !gate.passed) else { continue };
            let order = registered.record();
            let strategy = &order.ask.strategy;
            let standing = self.known.halt(strategy);
            if standing.is_some_and(Halt::stands) {
                continue;
            }
            let slot = Slot::new(Topic::Halt, strategy.as_str());
            let seq = self.line.view.read(&self.desk.client_id, |book| book.kept(&slot).map_or(0, |kept| kept.seq)).unwrap_or(0);
            let halt = Halt { strategy: strategy.clone(), reason: gate.input.clone(), at: now, rearmed: None };
            let reason = format!("{strategy} is halted: {}; look at it, then re-arm it", gate.input);
            let keep = Keep::new(slot, "ALARM_STRATEGY_HALTED", Self::NAME, reason).of(&self.desk.client_id).upon(seq);
            match keep.loud(Level::Page).about(order.command_id).with(&halt) {
                Ok(keep) => self.line.post_unit(Unit::Keep(keep)),
                Err(cause) => tracing::error!(client_id = %self.desk.client_id, %strategy, %cause, "a halt cannot be written down"),
            }
        }
    }
}
