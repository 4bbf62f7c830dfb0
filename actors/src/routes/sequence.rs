//! Sources that number their alerts: what is missing, what came twice, what came late.

use serde::{Deserialize, Serialize};

/// The most gaps that are remembered; what is older is forgotten and was told.
const GAPS: usize = 50;

/// What a gap in a source's numbers does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// It is told.
    #[default]
    Tell,
    /// It is told, and entries of the source stop until the missing ones came or a person has let them go.
    Block,
}

/// What a source has numbered so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// The highest number.
    pub last: u64,
    /// Numbers that did not come: first and last of each gap.
    #[serde(default)]
    pub missing: Vec<(u64, u64)>,
}

/// Where an alert stands among the others of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first that the source numbered.
    First,
    /// The one after the last.
    Next,
    /// Numbers before it are missing: from, to.
    Gap(u64, u64),
    /// One that was missing.
    Late,
    /// A number that was here.
    Again,
}

impl Sequence {
    /// Takes a number in.
    #[must_use]
    pub fn after(before: Option<&Self>, seq: u64) -> (Place, Self) {
        let Some(before) = before else { return (Place::First, Self { last: seq, missing: Vec::new() }) };
        let mut next = before.clone();
        if seq > before.last {
            next.last = seq;
            if seq - before.last == 1 {
                return (Place::Next, next);
            }
            let gap = (before.last + 1, seq - 1);
            next.missing.push(gap);
            next.forget();
            return (Place::Gap(gap.0, gap.1), next);
        }
        let Some(at) = next.missing.iter().position(|(from, to)| (*from..=*to).contains(&seq)) else { return (Place::Again, next) };
        let (from, to) = next.missing.remove(at);
        let rest = [(from, seq.saturating_sub(1)), (seq.saturating_add(1), to)];
        let rest = rest.into_iter().filter(|(low, high)| low <= high && (*low >= from && *high <= to)).collect::<Vec<_>>();
        next.missing.splice(at..at, rest);
        next.forget();
        (Place::Late, next)
    }

    /// Keeps the newest gaps.
    fn forget(&mut self) {
        let most = self.missing.len().saturating_sub(GAPS);
        self.missing.drain(..most);
    }

    /// The missing numbers, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let gaps = self.missing.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") });
        gaps.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn fed(numbers: &[u64]) -> (Place, Sequence) {
        let mut state = None;
        let mut place = Place::First;
        for number in numbers {
            let (found, next) = Sequence::after(state.as_ref(), *number);
            (place, state) = (found, Some(next));
        }
        (place, state.unwrap())
    }

    #[test]
    fn gaps_repeats_and_disorder_are_told_apart() {
        assert_eq!(fed(&[7]).0, Place::First);
        assert_eq!(fed(&[7, 8]).0, Place::Next);
        let (place, state) = fed(&[7, 8, 12]);
        assert_eq!((place, state.words()), (Place::Gap(9, 11), "9 to 11".to_owned()));
        let (place, state) = fed(&[7, 8, 12, 10]);
        assert_eq!((place, state.words()), (Place::Late, "9, 11".to_owned()));
        assert_eq!(fed(&[7, 8, 12, 10, 10]).0, Place::Again);
        assert_eq!(fed(&[7, 8, 12, 9, 10, 11]).1.missing, []);
        assert_eq!(fed(&[7, 6]).0, Place::Again, "what came before the first is no news");
    }

    proptest! {
        /// Whatever the order, after all of 1..=n came nothing is missing, and no number ever is when it came.
        #[test]
        fn prop_what_came_is_not_missing(mut numbers in proptest::collection::vec(1u64..30, 1..60)) {
            let (_, state) = fed(&numbers);
            for number in &numbers {
                prop_assert!(!state.missing.iter().any(|(from, to)| (*from..=*to).contains(number)));
            }
            let first = *numbers.first().unwrap();
            numbers.extend(first..30);
            prop_assert_eq!(fed(&numbers).1.missing, []);
        }

        #[test]
        fn prop_no_number_panics(numbers in proptest::collection::vec(proptest::prelude::any::<u64>(), 1..80)) {
            prop_assert!(fed(&numbers).1.missing.len() <= GAPS);
        }
    }
}
