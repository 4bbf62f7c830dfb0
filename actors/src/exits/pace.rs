//! The share of a minute's calls that the steps of all ladders take together. Pure.
//!
//! Half of it may go at once: the first seconds of a fall decide what an exit costs. The other half is spread over the minute, so that no
//! exit stands still for the rest of it. Only steps count: an exit that cannot go further by itself slows nobody down.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

const MINUTE: Duration = Duration::minutes(1);

/// When the steps of the last minute were asked for, oldest first.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<DateTime<Utc>>);

impl Pace {
    /// Whether one more step may be asked for, of so many in any minute. It counts if so.
    pub fn takes(&mut self, share: u32, now: DateTime<Utc>) -> bool {
        // What lies ahead was counted before the clock was set back.
        self.0.retain(|at| (Duration::zero()..MINUTE).contains(&now.signed_duration_since(*at)));
        let share = usize::try_from(share.max(1)).unwrap_or(usize::MAX);
        let at_once = share.div_ceil(2);
        let apart = i32::try_from(share - at_once).ok().and_then(|rest| MINUTE.checked_div(rest)).unwrap_or(MINUTE);
        let is_apart = self.0.back().is_none_or(|last| now.signed_duration_since(*last) >= apart);
        let may_go = self.0.len() < at_once || (self.0.len() < share && is_apart);
        if may_go {
            self.0.push_back(now);
        }
        may_go
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::testkit::builders::at;

    #[test]
    fn half_goes_at_once_and_the_rest_is_spread_over_the_minute() {
        let mut pace = Pace::default();
        let taken = (0..100).filter(|_| pace.takes(50, at(0))).count();
        assert_eq!(taken, 25, "the first seconds of a fall");
        let later: Vec<i64> = (1..=12).filter(|second| pace.takes(50, at(*second))).collect();
        assert_eq!(later, [3, 6, 9, 12], "2.4 s apart");
        assert!((0..10).all(|_| pace.takes(50, at(75))), "a minute later it begins anew");
    }

    #[test]
    fn the_smallest_share_is_one_and_a_clock_that_was_set_back_stops_nothing() {
        let mut pace = Pace::default();
        assert_eq!((pace.takes(0, at(100)), pace.takes(0, at(101))), (true, false));
        assert!(pace.takes(0, at(50)), "what lies ahead is no step of the last minute");
    }

    proptest! {
        #[test]
        fn prop_no_minute_has_more_than_the_share(share in 1u32..80, gaps in proptest::collection::vec(0i64..5, 1..300)) {
            let (mut pace, mut second, mut taken) = (Pace::default(), 0, Vec::new());
            for gap in gaps {
                second += gap;
                if pace.takes(share, at(second)) {
                    taken.push(second);
                }
                let minute = taken.iter().filter(|taken| second - **taken < 60).count();
                prop_assert!(minute <= share as usize, "{minute} of {share}");
            }
        }
    }
}
