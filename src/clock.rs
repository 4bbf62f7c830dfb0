//! The system's clock and random names behind the engine's ports: the only place that asks the machine for either.

use chrono::{DateTime, SubsecRound as _, Utc};
use ordergate_actors::ports::{Clock, Ids};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one real implementation")]
    fn now(&self) -> DateTime<Utc> {
        // What the disk keeps: a time in memory equals the same time read back.
        Utc::now().trunc_subsecs(6)
    }
}

/// Random names that sort by time (UUIDv7).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the Ids port's one real implementation")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_sort_by_time() {
        let names: Vec<Uuid> = (0..1_000).map(|_| RandomIds.next()).collect();
        assert!(names.is_sorted());
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn time_goes_on() {
        let before = SystemClock.now();
        assert!(SystemClock.now() >= before);
    }
}
