//! Orders that got a number which the books do not show. They are for a person, and hold back nothing else.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::reconcile::lapse;
use super::{Concern, WatcherActor};
use crate::order::{CommandId, OrderFact, OrderRecord};
use crate::persistence::Level;

impl WatcherActor {
    /// Counts the whole books in a row that lack an order: of today (`lacks`), or of an earlier day (`past`). After as many
    /// as prove absence it is in doubt, and one of an earlier day that cannot have filled unseen has lapsed.
    pub(super) fn count_unseen(&mut self, lacks: &[CommandId], past: &[CommandId], at: DateTime<Utc>) {
        let patience = self.patience();
        self.core.unseen.retain(|command, _| lacks.contains(command) || past.contains(command));
        let mut facts = Vec::new();
        for command in lacks.iter().chain(past) {
            let Some(order) = self.line.view.read(&self.desk.client_id, |book| book.order(*command).cloned()).flatten() else { continue };
            let is_past = past.contains(command);
            let is_quiet = order.sent_at.is_some_and(|sent| at.signed_duration_since(sent) >= patience.quiet);
            if !is_quiet || order.status.is_terminal() || (!is_past && (order.filled_quantity > 0 || self.was_shown(&order))) {
                continue;
            }
            let count = self.core.unseen.entry(*command).or_default();
            *count = count.saturating_add(1);
            if *count >= patience.books {
                let count = *count;
                facts.push((*command, self.unseen(&order, is_past, count)));
            }
        }
        self.post_facts(facts);
    }

    /// Whether the last whole book showed it: then the book that lacks it is at fault.
    fn was_shown(&self, order: &OrderRecord) -> bool {
        let findings = self.desk.findings.read();
        let mut rows = findings.orders.iter().flat_map(|orders| orders.rows.iter());
        rows.any(|row| order.broker_order_id.as_ref() == Some(&row.broker_order_id))
    }

    fn unseen(&mut self, order: &Arc<OrderRecord>, is_past: bool, count: u32) -> OrderFact {
        let number = order.broker_order_id.as_ref().map_or("", |id| id.as_str());
        let of_today = || {
            let evidence = format!("the broker gave it the number {number}, and {count} whole order books in a row do not show it");
            OrderFact::Unseen { evidence }
        };
        let positions = self.desk.findings.read().positions.clone();
        let told = self.line.view.read(&self.desk.client_id, |book| is_past.then(|| lapse(book, order, positions.as_ref())));
        let fact = told.flatten().unwrap_or_else(of_today);
        if let OrderFact::Unseen { evidence } = &fact {
            self.concern(Concern {
                event: "ALARM_IN_DOUBT",
                level: Level::Page,
                text: format!(
                    "order {} (broker order {number}): {evidence}; look it up at the broker and resolve the order",
                    order.command_id
                ),
                command_id: Some(order.command_id),
            });
        }
        fact
    }
}
