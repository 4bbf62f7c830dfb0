//! After a day is over nothing is traded but what closes: what was traded at the broker by hand since is told to people.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{RiskActor, RiskDay};
use crate::order::BrokerOrderId;
use crate::persistence::Level;
use crate::ports::BookRow;

impl RiskActor {
    /// Tells of each order of others that filled since then, once: also over a restart, so what was told is kept with the day.
    pub(super) fn watch_for_manual_trades(&mut self, day: &mut RiskDay) {
        let Some(since) = day.over_since() else {
            self.manual.clear();
            return;
        };
        for row in self.manual_trades(since, day) {
            let text = format!(
                "the day is over since {since}, and somebody traded at the broker: {} {} {} (order {}); ordergate does not touch it",
                row.side, row.filled, row.instrument, row.broker_order_id
            );
            self.line.alarm(Some(&self.desk.client_id), "ALARM_MANUAL_TRADE", Level::Page, None, text);
            self.manual.insert(row.broker_order_id.clone());
        }
        day.told_of(&self.manual);
    }

    fn manual_trades(&self, since: DateTime<Utc>, day: &RiskDay) -> Vec<Arc<BookRow>> {
        let findings = self.desk.findings.read();
        let is_told = |id: &BrokerOrderId| day.has_told_of(id) || self.manual.contains(id);
        let is_news = |row: &&Arc<BookRow>| row.at > since && row.filled > 0 && !is_told(&row.broker_order_id);
        findings.foreign.iter().filter(is_news).map(Arc::clone).collect()
    }
}
