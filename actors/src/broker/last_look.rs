//! The last look before a call.

use chrono::{DateTime, TimeDelta, Utc};

use super::BrokerActor;
use crate::arming;
use crate::order::{OrderRecord, Tag};
use crate::persistence::Control;
use crate::risk::{Market, is_master_fresh};

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
        if let Some((tag, reason)) = self.out_of_session(record, now) {
            return Some((tag, format!("{reason}; nothing was sent")));
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

    /// Why an entry may not go at this hour, if so: it was judged when it came, and may have waited beyond the close, or
    /// into a day that its instrument's lots and ticks are not of.
    pub(super) fn out_of_session(&self, record: &OrderRecord, now: DateTime<Utc>) -> Option<(Tag, String)> {
        if record.is_exit() || record.is_test() {
            return None;
        }
        let key = record.instrument()?;
        let is_live = self.desk.broker.capabilities().is_live;
        let market = Market::of(&self.line.calendar, &*self.line.instruments, &key, is_live, now, self.line.clock_was_set_back());
        if let Some(reason) = market.keeps_out(record) {
            return Some((Tag::MarketClosed, reason));
        }
        let as_of = self.line.instruments.as_of(key.exchange);
        let stale = as_of.filter(|_| !is_master_fresh(as_of, now))?;
        Some((Tag::RiskLimitsExceeded, format!("the instruments of {} are of {stale}, which is not today", key.exchange)))
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
