//! Percentiles of what was measured.

use std::time::Duration;

/// One run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) orders: Vec<Duration>,
    pub(crate) commits: Vec<Duration>,
    pub(crate) wall: Duration,
}

impl Sample {
    /// Several runs as one.
    pub(crate) fn pooled(runs: &[Sample]) -> Self {
        let mut all = Self::default();
        for run in runs {
            all.orders.extend(&run.orders);
            all.commits.extend(&run.commits);
            all.wall += run.wall;
        }
        all
    }

    pub(crate) fn per_second(&self) -> f64 {
        count(self.orders.len()) / self.wall.as_secs_f64()
    }

    pub(crate) fn order_us(&self, percentile: f64) -> f64 {
        at(&self.orders, percentile)
    }

    pub(crate) fn commit_us(&self, percentile: f64) -> f64 {
        at(&self.commits, percentile)
    }
}

pub(crate) fn at(values: &[Duration], percentile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let index = (count(sorted.len().saturating_sub(1)) * percentile / 100.0).round();
    // A percentile of a few thousand samples: small, positive and whole.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::as_conversions, reason = "a small whole number")]
    let index = index as usize;
    sorted.get(index).map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

pub(crate) fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Prints one line: what was measured, what was asked for, and whether it was met.
pub(crate) fn verdict(what: &str, value: f64, relation: &str, bound: f64) {
    let is_met = if relation == "<=" { value <= bound } else { value >= bound };
    println!("{what:<62} {value:>9.2}  {relation} {bound:<8.2} {}", if is_met { "met" } else { "NOT MET" });
}
