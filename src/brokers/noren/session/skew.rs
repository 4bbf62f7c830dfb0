//! How far the broker's clock is from ours. An answer tells it only as far as it was quick: it was stamped at any time of its call. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// An answer within this measures the broker's clock well enough to take the place of any other.
const EXACT: TimeDelta = TimeDelta::seconds(1);
/// A measure that is older than this gives way to any: clocks drift, and are set.
const MEASURED_FOR: TimeDelta = TimeDelta::minutes(2);

/// How far the broker's clock was from ours, by one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skew {
    /// Its clock minus ours in the middle of the call, ms.
    ms: i64,
    /// It was told at any time of the call: it can be so much less or more, ms.
    off_by: i64,
    /// When the answer came.
    at: DateTime<Utc>,
}

impl Skew {
    /// By an answer that was asked for and came then, and says what the broker's clock told.
    pub(super) fn measured(told: DateTime<Utc>, asked_at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let (asked, came) = (asked_at.timestamp_millis(), now.timestamp_millis());
        // The broker tells whole seconds: half a second more is the likeliest.
        let ms = told.timestamp_millis().saturating_add(500).saturating_sub(asked.midpoint(came));
        Self { ms, off_by: came.saturating_sub(asked).max(0) / 2, at: now }
    }

    /// Whether it is to be taken instead of the one before. A slow answer measures nothing that a quick one has not measured better.
    pub(super) fn replaces(self, before: Self) -> bool {
        let is_exact = self.off_by.saturating_mul(2) <= EXACT.num_milliseconds();
        is_exact || self.off_by <= before.off_by || self.at.signed_duration_since(before.at) > MEASURED_FOR
    }

    /// The least that the clocks are apart.
    pub(super) fn at_least(self) -> i64 {
        self.ms.signum().saturating_mul(self.ms.saturating_abs().saturating_sub(self.off_by).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_000_000_000 + ms).unwrap()
    }

    /// What an answer measures that was asked for then, took so long, and was told then, each in ms; the broker tells whole seconds.
    fn answer(asked: i64, took: i64, told: i64) -> Skew {
        Skew::measured(at(told - told.rem_euclid(1_000)), at(asked), at(asked + took))
    }

    #[test]
    fn a_slow_answer_says_how_far_the_clocks_are_apart_only_as_far_as_it_can_tell() {
        // The clocks agree, and the login took seven seconds: it was stamped when it came in, or when it left.
        for told in [0, 6_990] {
            assert_eq!(answer(0, 7_000, told).at_least(), 0);
        }
        // Five seconds apart, by an answer of 200 ms.
        assert_eq!((answer(0, 200, 5_100).at_least(), answer(0, 200, -4_900).at_least()), (5_300, -4_500));
    }

    #[test]
    fn the_next_answer_takes_the_place_of_a_worse_one_and_of_an_old_one() {
        let login = answer(0, 7_000, 0);
        let slow = answer(8_000, 1_200, 8_600);
        assert!(slow.replaces(login) && !login.replaces(slow));
        let quick = answer(10_000, 100, 10_000);
        assert!(quick.replaces(slow) && !answer(11_000, 1_200, 11_600).replaces(quick));
        assert!(answer(12_000, 900, 12_400).replaces(quick), "exact enough");
        assert!(answer(10_000 + 130_000, 1_200, 140_600).replaces(quick), "of some minutes ago");
    }
}
