//! How often in a row the broker's order book left out what it should have shown.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate_actors::persistence::read_tag;
use ordergate_actors::ports::{BookRow, Snapshot};
use parking_lot::Mutex;

/// Counted over the engine's processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lies(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    in_a_row: u32,
    most: u32,
}

impl Lies {
    /// A book was read: it lies if it is whole and lacks an order of ours that came longer ago than the broker may hide one.
    /// What proves nothing is no lie, and ends the row: the engine begins to count anew.
    pub(crate) fn look(&self, read: &Snapshot<Arc<BookRow>>, exchange: &Exchange, hides: Duration, now: DateTime<Utc>) {
        let mut count = self.0.lock();
        let hides = TimeDelta::from_std(hides).unwrap();
        let lies = match read {
            Snapshot::Authoritative(rows, bad) if bad.is_empty() => exchange.order_details().any(|order| {
                let is_ours = order.row.tag.as_deref().and_then(read_tag).is_some();
                let is_shown = || rows.iter().any(|row| row.broker_order_id == order.row.broker_order_id);
                is_ours && now - order.entered_at > hides && !is_shown()
            }),
            _ => false,
        };
        count.in_a_row = if lies { count.in_a_row + 1 } else { 0 };
        count.most = count.most.max(count.in_a_row);
    }

    /// The longest row.
    pub(crate) fn most(&self) -> u32 {
        self.0.lock().most
    }
}
