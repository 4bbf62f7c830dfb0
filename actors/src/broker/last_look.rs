//! The last look before a call.

use chrono::{DateTime, TimeDelta, Utc};

use super::BrokerActor;
use crate::arming;
use crate::order::{OrderRecord, Tag};
use crate::persistence::Control;

impl BrokerActor {
    /// Why an order is not called after all.
    pub(super) fn last_look(&self, record: &OrderRecord, now: DateTime<Utc>) -> Option<(Tag, String)> {
        if let Some(tag) = record.cancel_wanted {
            return Some((tag, "cancelled while it waited for its turn; nothing was sent".to_owned()));
        }
        if let Some(reason) = self.desk.latch.forbids(&record.ask.strategy, record.is_exit()) {
            return Some((Tag::KillSwitch, format!("{reason}; nothing was sent")));
        }
        let (unarmed, price_time) = self.arming(record, now);
        if let Some(reason) = unarmed {
            return Some((Tag::NotArmed, format!("{reason}; nothing was sent")));
        }
        let ttl = self.entry_ttl();
        let age = now.signed_duration_since(price_time);
        (!record.is_exit() && age > ttl).then(|| {
            (
                Tag::StaleSignal,
                format!("{} ms old when its turn came (limit: {} ms); nothing was sent", age.num_milliseconds(), ttl.num_milliseconds()),
            )
        })
    }

    /// Why the account's arming forbids the order, if it does, and from when its age counts.
    pub(super) fn arming(&self, record: &OrderRecord, now: DateTime<Utc>) -> (Option<String>, DateTime<Utc>) {
        let standing = self.desk.standing(now);
        let look = |control: &Control| (arming::forbids(&standing, control, record, now), arming::price_time(control, record));
        self.line
            .view
            .read(&self.desk.client_id, |book| look(book.control()))
            .unwrap_or_else(|| (Some("there is no book of the account".to_owned()), record.signal_time))
    }

    pub(super) fn entry_ttl(&self) -> TimeDelta {
        // A year is for ever here, and can be added to any time.
        TimeDelta::from_std(self.line.settings.entry_ttl).map_or(TimeDelta::days(365), |ttl| ttl.min(TimeDelta::days(365)))
    }
}
