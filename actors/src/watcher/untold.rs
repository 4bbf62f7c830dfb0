//! Fills of an earlier day whose trades were never told. A trade book has the trades of its day only: a person must tell them.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Concern, WatcherActor};
use crate::order::{CommandId, OrderRecord, exchanges_have_opened};
use crate::persistence::Level;

/// The alarm that asks a person.
pub const NOT_TOLD: &str = "ALARM_TRADES_NOT_TOLD";

impl WatcherActor {
    /// Counts the whole trade books in a row that tell nothing of what an order of an earlier day has filled; `told` are the orders of
    /// which this one did. After as many as prove absence a person is asked. In the night a broker may show nothing at all.
    pub(super) fn count_untold(&mut self, told: &BTreeSet<CommandId>, is_clean: bool, at: DateTime<Utc>) {
        let owed = self.line.view.read(&self.desk.client_id, |book| {
            book.owed().filter(|order| order.owes_of_before(at) && !told.contains(&order.command_id)).cloned().collect()
        });
        let owed: Vec<Arc<OrderRecord>> = owed.unwrap_or_default();
        let is_owed = |command: &CommandId| owed.iter().any(|order| order.command_id == *command);
        self.core.untold.retain(|command, _| is_owed(command));
        self.desk.findings.write().untold.retain(is_owed);
        if !is_clean || !exchanges_have_opened(at) {
            return;
        }
        let books = self.patience().books;
        for order in owed {
            let count = self.core.untold.entry(order.command_id).or_default();
            *count = count.saturating_add(1);
            if *count >= books {
                self.ask_for_trades(&order);
            }
        }
    }

    fn ask_for_trades(&mut self, order: &OrderRecord) {
        let units = order.untraded();
        let number = order.broker_order_id.as_ref().map_or("", |id| id.as_str());
        let price = order.untold(None).map_or_else(
            || "with their price".to_owned(),
            |fill| format!("at {}, which the average price of the order book leaves for them, or with their price", fill.price),
        );
        let text = format!(
            "{units} of {} units that order {} (broker order {number}) filled in {} are in no trade book, and its day is over; {} waits for them. Look them up at the broker, and tell them by resolving the order as traded, {price}",
            order.filled_quantity, order.command_id, order.ask.symbol, order.ask.strategy
        );
        self.desk.findings.write().untold.insert(order.command_id);
        self.concern(Concern { event: NOT_TOLD, level: Level::Page, text, command_id: Some(order.command_id) });
    }
}
