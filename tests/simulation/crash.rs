//! Where to crash.

use super::script::hash;
use super::world::CrashAt;

/// Seeds that are crashed at every commit.
const EXHAUSTIVE: u64 = 10;
/// Crashes of every other seed.
const DRAWN: u64 = 3;

/// The crashes that a seed is run with: each is one process killed at one commit, before it was made or after.
pub(crate) fn points(seed: u64, commits: u64) -> Vec<CrashAt> {
    if commits == 0 {
        return Vec::new();
    }
    if seed <= EXHAUSTIVE {
        return (1..=commits).flat_map(|commit| [true, false].map(|lost| CrashAt { commit, is_acknowledgement_lost: lost })).collect();
    }
    (0..DRAWN)
        .map(|draw| {
            let bits = hash(seed, 1_000 + draw);
            CrashAt { commit: 1 + bits % commits, is_acknowledgement_lost: (bits >> 32).is_multiple_of(2) }
        })
        .collect()
}
