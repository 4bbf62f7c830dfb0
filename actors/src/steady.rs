//! A clock that never runs back. The machine's clock may jump: somebody sets it, time synchronisation steps it, a virtual machine
//! is resumed. Ages, throttles and deadlines of the engine hang on time that goes on.
//!
//! *Forward* is followed at once: what was known is old now, and whatever is old is read again. *Back* is not: the engine's time
//! goes on as it flowed, and so long as the machine's clock stands behind it no entry goes (`risk.clock`). Both are told by
//! [`Clock::jumped`]. A step of less than [`NOTICED`] is no jump: time stands for as long as it is behind.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ports::{Clock, Jump};

/// From here on a step is a jump. (The design: entries stop when clocks are apart by more than 2 s.)
pub const NOTICED: TimeDelta = TimeDelta::seconds(2);

/// The machine's clock, made to go on.
#[derive(Debug)]
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    flow: Mutex<Flow>,
}

/// How time flowed up to the last look. Pure: both clocks are handed in.
#[derive(Debug, Clone, Copy)]
struct Flow {
    /// What was answered last.
    last: DateTime<Utc>,
    /// When that was, by a clock that does not jump.
    at: Instant,
    /// How far the machine's clock stands behind.
    behind: TimeDelta,
    jumped: Option<Jump>,
}

impl Flow {
    fn look(&mut self, wall: DateTime<Utc>, at: Instant) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(at.saturating_duration_since(self.at)).unwrap_or(TimeDelta::MAX);
        let expected = self.last.checked_add_signed(passed).unwrap_or(self.last).trunc_subsecs(6);
        let step = wall + self.behind - expected;
        if step.abs() >= NOTICED {
            let number = self.jumped.map_or(0, |jump| jump.number) + 1;
            // What comes forward makes up first for what went back.
            let behind = (self.behind - step).max(TimeDelta::zero());
            self.jumped = Some(Jump { number, by: step, from: expected, behind });
            self.behind = behind;
        }
        let now = if step <= -NOTICED { expected } else { wall + self.behind };
        (self.last, self.at) = (now.max(self.last), at);
        self.last
    }
}

impl SteadyClock {
    /// Begins at the time of this clock.
    #[must_use]
    pub fn over(wall: Arc<dyn Clock>) -> Arc<Self> {
        let flow = Flow { last: wall.now(), at: Instant::now(), behind: TimeDelta::zero(), jumped: None };
        Arc::new(Self { wall, flow: Mutex::new(flow) })
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> DateTime<Utc> {
        // Both are looked at under the lock: looks of two threads must not overtake each other.
        let mut flow = self.flow.lock();
        flow.look(self.wall.now(), Instant::now())
    }

    fn jumped(&self) -> Option<Jump> {
        self.flow.lock().jumped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;
    use crate::testkit::{ManualClock, morning};

    fn flow() -> (Flow, Instant) {
        let at = Instant::now();
        (Flow { last: morning(), at, behind: TimeDelta::zero(), jumped: None }, at)
    }

    const HOUR: TimeDelta = TimeDelta::hours(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_step_back_is_not_followed_and_forgiven_when_it_is_taken_back() {
        let (mut flow, at) = flow();
        let seconds = |count: i64| TimeDelta::seconds(count);
        assert_eq!(flow.look(morning() + seconds(1) - HOUR, at + SECOND), morning() + seconds(1), "it goes on as it flowed");
        assert_eq!((flow.jumped.unwrap().by, flow.jumped.unwrap().behind), (-HOUR, HOUR));
        assert_eq!(flow.look(morning() + seconds(2) - HOUR, at + 2 * SECOND), morning() + seconds(2));
        assert_eq!(flow.jumped.unwrap().number, 1, "said once");
        // And on to the truth: nothing jumps.
        assert_eq!(flow.look(morning() + seconds(3), at + 3 * SECOND), morning() + seconds(3));
        let jump = flow.jumped.unwrap();
        assert_eq!((jump.number, jump.behind, flow.behind), (2, TimeDelta::zero(), TimeDelta::zero()));
    }

    #[test]
    fn a_step_forward_is_followed_and_its_correction_is_a_step_back() {
        let (mut flow, at) = flow();
        let day = TimeDelta::days(1);
        assert_eq!(flow.look(morning() + day, at), morning() + day);
        assert_eq!((flow.jumped.unwrap().by, flow.jumped.unwrap().behind), (day, TimeDelta::zero()));
        assert_eq!(flow.look(morning(), at), morning() + day);
        assert_eq!((flow.jumped.unwrap().by, flow.jumped.unwrap().behind), (-day, day));
    }

    #[test]
    fn a_small_step_back_makes_time_stand_and_is_no_jump() {
        let (mut flow, at) = flow();
        let half = TimeDelta::milliseconds(500);
        assert_eq!(flow.look(morning() - half, at), morning());
        assert_eq!(flow.look(morning() - half + TimeDelta::milliseconds(600), at + Duration::from_millis(600)), morning() + half / 5);
        assert!(flow.jumped.is_none());
    }

    #[test]
    fn the_clock_behind_it_is_looked_at() {
        let wall = ManualClock::at(morning());
        let clock = SteadyClock::over(wall.clone());
        wall.advance(HOUR);
        assert_eq!((clock.now(), clock.jumped().unwrap().number), (morning() + HOUR, 1));
    }

    proptest! {
        /// Whatever the machine's clock does, time never runs back, and is never behind the machine's clock by a jump.
        #[test]
        fn prop_time_never_runs_back(steps in prop::collection::vec((0..5_000u64, prop_oneof![Just(0), -4_000_000..4_000_000i64, -3_000..3_000i64]), 1..60)) {
            let (mut flow, start) = flow();
            let (mut passed, mut shift, mut last) = (0, 0, morning());
            for (pause, jump) in steps {
                (passed, shift) = (passed + pause, shift + jump);
                let wall = morning() + TimeDelta::milliseconds(i64::try_from(passed).unwrap() + shift);
                let now = flow.look(wall, start + Duration::from_millis(passed));
                prop_assert!(now >= last && now >= wall, "{} after {}, the wall says {}", now, last, wall);
                last = now;
            }
        }
    }
}
