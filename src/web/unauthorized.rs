//! Requests without valid credentials, in the log: the first at once, what follows within a minute as one line with a count.
//! A scanner must not fill the disk, and must not be invisible.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use parking_lot::Mutex;

/// How long repeats are counted before they are told.
const WINDOW: Duration = Duration::minutes(1);

/// The doors, and what has come to each.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<&'static str, (DateTime<Utc>, u64)>>);

impl Refusals {
    /// One more at this door. `Some`: write it down, with how many came untold before it.
    pub(super) fn one_more(&self, door: &'static str, now: DateTime<Utc>) -> Option<u64> {
        let mut doors = self.0.lock();
        let Some((since, untold)) = doors.get_mut(door) else {
            doors.insert(door, (now, 0));
            return Some(0);
        };
        // A clock that went back starts a new window.
        if now >= *since && now.signed_duration_since(*since) < WINDOW {
            *untold = untold.saturating_add(1);
            return None;
        }
        *since = now;
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_counted() {
        let at = |second: i64| DateTime::UNIX_EPOCH + Duration::seconds(second);
        let refusals = Refusals::default();
        assert_eq!(refusals.one_more("webhook", at(0)), Some(0));
        assert_eq!(refusals.one_more("dashboard", at(0)), Some(0), "each door for itself");
        for second in 1..60 {
            assert_eq!(refusals.one_more("webhook", at(second)), None);
        }
        assert_eq!(refusals.one_more("webhook", at(60)), Some(59));
        assert_eq!(refusals.one_more("webhook", at(200)), Some(0));
        assert_eq!(refusals.one_more("webhook", at(100)), Some(0), "the clock went back");
    }
}
