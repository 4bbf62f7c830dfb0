//! The last look before a call.

use chrono::{DateTime, TimeDelta, Utc};

use super::BrokerActor;
use crate::order::{OrderRecord, Tag};

impl BrokerActor {
    /// Why an order is not called after all.
    pub(super) fn last_look(&self, record: &OrderRecord, now: DateTime<Utc>) -> Option<(Tag, String)> {
        if let Some(tag) = record.cancel_wanted {
            return Some((tag, "cancelled while it waited for its turn; nothing was sent".to_owned()));
        }
        if let Some(reason) = self.desk.latch.forbids(&record.ask.strategy, record.is_exit()) {
            return Some((Tag::KillSwitch, format!("{reason}; nothing was sent")));
        }
        let ttl = self.entry_ttl();
        let age = now.signed_duration_since(record.signal_time);
        (!record.is_exit() && age > ttl).then(|| {
            (
                Tag::StaleSignal,
                format!("{} ms old when its turn came (limit: {} ms); nothing was sent", age.num_milliseconds(), ttl.num_milliseconds()),
            )
        })
    }

    pub(super) fn entry_ttl(&self) -> TimeDelta {
        // A year is for ever here, and can be added to any time.
        TimeDelta::from_std(self.line.settings.entry_ttl).map_or(TimeDelta::days(365), |ttl| ttl.min(TimeDelta::days(365)))
    }
}
