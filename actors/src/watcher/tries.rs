//! How often a square-off has tried each position, and when the next try of it may go. Pure.
//!
//! What the broker refuses is tried again, ever more slowly: each time leaves rows and pages. That is a matter of that position alone.
//! What has only just become free, because the stop or the limit that rested for it is proven dead or because an entry filled late, goes
//! at once, whatever was tried of others. So does one that has changed since its last try.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::covers::Wanted;
use crate::order::{HoldingKey, Strategy};

/// A wait is doubled so often.
const DOUBLED_MOST: u32 = 4;

#[derive(Debug, Clone, Copy)]
struct Tried {
    at: DateTime<Utc>,
    times: u32,
    /// What was held then.
    net: i64,
}

/// The tries of what square-offs want closed.
#[derive(Debug, Default)]
pub(super) struct Tries(BTreeMap<(Strategy, HoldingKey), Tried>);

impl Tries {
    /// Forgets what is not wanted any more.
    pub(super) fn keep(&mut self, wanted: &[Wanted]) {
        let names: BTreeSet<_> = wanted.iter().map(Wanted::name).collect();
        self.0.retain(|name, _| names.contains(name));
    }

    /// Whether an exit of it may go. `first`: what is doubled with each try.
    pub(super) fn is_due(&self, one: &Wanted, first: Duration, now: DateTime<Utc>) -> bool {
        self.0.get(&one.name()).is_none_or(|tried| {
            let wait = first.saturating_mul(1 << tried.times.min(DOUBLED_MOST));
            let wait = chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::MAX);
            tried.net != one.net || now.signed_duration_since(tried.at) >= wait
        })
    }

    /// An exit of it goes.
    pub(super) fn goes(&mut self, one: &Wanted, now: DateTime<Utc>) {
        let times = self.0.get(&one.name()).map_or(0, |tried| tried.times).saturating_add(1);
        self.0.insert(one.name(), Tried { at: now, times, net: one.net });
    }

    /// So often that was tried which was tried most.
    pub(super) fn most(&self) -> u32 {
        self.0.values().map(|tried| tried.times).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::covers::wanted;
    use super::*;
    use crate::order::Product;
    use crate::testkit::builders::{at, listed, nfo, sbin_in, squared_off};

    const FIRST: Duration = Duration::from_secs(5);

    fn held(holdings: &[(&str, HoldingKey, i64)]) -> Vec<Wanted> {
        wanted(&squared_off([], holdings), &listed([]), &|_| true, at(0))
    }

    #[test]
    fn each_position_is_tried_ever_more_slowly_and_waits_for_no_other() {
        let [mis, future] = [("a", sbin_in(Product::Mis), 5), ("b", nfo("NIFTY26NOVFUT"), -75)];
        let both = held(&[mis.clone(), future]);
        let [short, long] = &both[..] else { panic!("{both:?}") };
        let mut tries = Tries::default();
        let mut second = 0;
        for (times, wait) in (1..).zip([10, 20, 40, 80, 80]) {
            assert!(tries.is_due(long, FIRST, at(second)));
            tries.goes(long, at(second));
            second += wait;
            assert!(!tries.is_due(long, FIRST, at(second - 1)));
            assert!(tries.is_due(short, FIRST, at(second - 1)), "nothing of it was tried");
            assert_eq!(tries.most(), times);
        }
        tries.goes(short, at(second));
        assert!(!tries.is_due(short, FIRST, at(second + 9)) && tries.is_due(short, FIRST, at(second + 10)));
        assert_eq!(tries.most(), 5, "of the one that was tried most");
    }

    #[test]
    fn what_has_changed_since_its_last_try_goes_at_once_and_what_is_flat_is_forgotten() {
        let key = || sbin_in(Product::Mis);
        let mut tries = Tries::default();
        tries.goes(&held(&[("a", key(), 5)])[0], at(0));
        assert!(!tries.is_due(&held(&[("a", key(), 5)])[0], FIRST, at(1)));
        assert!(tries.is_due(&held(&[("a", key(), 15)])[0], FIRST, at(1)), "an entry filled late");
        tries.keep(&held(&[("a", key(), 5)]));
        assert_eq!(tries.most(), 1);
        tries.keep(&held(&[("b", key(), 5)]));
        assert_eq!(tries.most(), 0);
        assert!(tries.is_due(&held(&[("a", key(), 5)])[0], FIRST, at(1)), "it is another position");
    }
}
