//! Orders that got a number which the books do not show. They are for a person, and hold back nothing else.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::reconcile::{Over, lapse};
use super::{Concern, WatcherActor};
use crate::order::{CommandId, OrderFact, OrderRecord};
use crate::persistence::{Level, alarm};

/// While the broker's positions cannot tell what an order of an earlier day filled, so many times the books that prove absence
/// are waited for before a person is asked.
const UNTOLD: u32 = 10;

impl WatcherActor {
    /// Counts the whole books in a row that lack an order: of today (`lacks`), or of an earlier day (`past`). After as many
    /// as prove absence it is in doubt, and one of an earlier day that cannot have filled unseen has lapsed. Where the broker has shown
    /// it, or what it filled, a book that lacks it is at fault: until people were told to look.
    pub(super) fn count_unseen(&mut self, lacks: &[CommandId], past: &[CommandId], at: DateTime<Utc>) {
        let patience = self.patience();
        self.core.unseen.retain(|command, _| lacks.contains(command) || past.contains(command));
        let mut facts = Vec::new();
        for command in lacks.iter().chain(past) {
            let Some(order) = self.line.view.read(&self.desk.client_id, |book| book.order(*command).cloned()).flatten() else { continue };
            let is_past = past.contains(command);
            let is_quiet = order.sent_at.is_some_and(|sent| at.signed_duration_since(sent) >= patience.quiet);
            let is_at_fault = !is_past && (order.filled_quantity > 0 || self.was_shown(&order)) && !self.is_named_lost(*command);
            if !is_quiet || order.status.is_terminal() || is_at_fault {
                continue;
            }
            let count = self.core.unseen.entry(*command).or_default();
            *count = count.saturating_add(1);
            if *count >= patience.books {
                let count = *count;
                facts.extend(self.unseen(&order, is_past, count).map(|fact| (*command, fact)));
            }
        }
        self.post_facts(facts);
    }

    fn is_named_lost(&self, command: CommandId) -> bool {
        self.desk.findings.read().lost.contains(&command)
    }

    /// Whether the last whole book showed it.
    fn was_shown(&self, order: &OrderRecord) -> bool {
        let findings = self.desk.findings.read();
        let mut rows = findings.orders.iter().flat_map(|orders| orders.rows.iter());
        rows.any(|row| order.broker_order_id.as_ref() == Some(&row.broker_order_id))
    }

    /// What follows for an order that so many whole books in a row lack; `None`: nothing new.
    fn unseen(&mut self, order: &Arc<OrderRecord>, is_past: bool, count: u32) -> Option<OrderFact> {
        let number = order.broker_order_id.as_ref().map_or("", |id| id.as_str());
        let findings = self.desk.findings.read();
        let over = self.line.view.read(&self.desk.client_id, |book| is_past.then(|| lapse(book, order, &findings))).flatten();
        drop(findings);
        let evidence = match over {
            Some(Over::Lapsed(evidence)) => return Some(OrderFact::Lapsed { evidence }),
            _ if order.is_in_doubt() => return None,
            Some(Over::NotTold(_)) if count < self.patience().books.saturating_mul(UNTOLD) => return None,
            Some(Over::NotTold(evidence) | Over::InDoubt(evidence)) => evidence,
            None => format!("the broker gave it the number {number}, and {count} whole order books in a row do not show it"),
        };
        self.concern(Concern {
            event: alarm::IN_DOUBT,
            level: Level::Page,
            text: format!("order {} (broker order {number}): {evidence}; look it up at the broker and resolve the order", order.command_id),
            command_id: Some(order.command_id),
        });
        Some(OrderFact::Unseen { evidence })
    }
}
